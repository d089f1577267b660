// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <infiniband/verbs.h>

#include "context_cache.h"
#include "driver_id.h"
#include "ioctl.h"

void uverbs_cmd_init(struct uverbs_cmd *cmd, uint16_t object, uint16_t method)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->hdr.length = sizeof(cmd->hdr);
	cmd->hdr.object_id = object;
	cmd->hdr.method_id = method;
}

static struct ib_uverbs_attr *add_attr(struct uverbs_cmd *cmd, uint16_t id, uint16_t len)
{
	struct ib_uverbs_attr *attr = &cmd->hdr.attrs[cmd->hdr.num_attrs];

	assert(cmd->hdr.num_attrs < UVERBS_CMD_MAX_ATTRS);
	attr->attr_id = id;
	attr->len = len;
	attr->flags = UVERBS_ATTR_F_MANDATORY;
	cmd->hdr.num_attrs++;
	cmd->hdr.length += sizeof(*attr);
	return attr;
}

void uverbs_attr_idr(struct uverbs_cmd *cmd, uint16_t id, uint32_t handle)
{
	add_attr(cmd, id, 0)->data = handle;
}

void uverbs_attr_in(struct uverbs_cmd *cmd, uint16_t id, const void *data, uint16_t len)
{
	struct ib_uverbs_attr *attr = add_attr(cmd, id, len);

	/* The kernel reads short input from the attribute itself. */
	if (len <= sizeof(attr->data))
		memcpy(&attr->data, data, len);
	else
		attr->data = (uintptr_t)data;
}

void uverbs_attr_out(struct uverbs_cmd *cmd, uint16_t id, void *data, uint16_t len)
{
	add_attr(cmd, id, len)->data = (uintptr_t)data;
}

void uverbs_attr_fd(struct uverbs_cmd *cmd, uint16_t id, int fd)
{
	add_attr(cmd, id, 0)->data_s64 = fd;
}

void uverbs_attr_new(struct uverbs_cmd *cmd, uint16_t id)
{
	uverbs_attr_idr(cmd, id, 0);
}

uint32_t uverbs_attr_handle(const struct uverbs_cmd *cmd, uint16_t id)
{
	unsigned int i;

	for (i = 0; i < cmd->hdr.num_attrs && cmd->hdr.attrs[i].attr_id != id; i++)
		;
	assert(i < cmd->hdr.num_attrs);
	return (uint32_t)cmd->hdr.attrs[i].data;
}

int uverbs_cmd_submit(int fd, struct uverbs_cmd *cmd, uint32_t driver_id)
{
	int ret;

	cmd->hdr.driver_id = driver_id;
	/* A uverbs method that fails has no side effects, so it can be repeated. */
	do {
		ret = ioctl(fd, RDMA_VERBS_IOCTL, &cmd->hdr);
	} while (ret && errno == EINTR);
	return ret ? errno : 0;
}

int uverbs_driver_id(struct ibv_context *context, uint32_t *driver_id)
{
	int err;

	if (context_find_driver_id(context, driver_id))
		return 0;
	err = driver_id_get(context, driver_id);
	if (!err)
		context_store_driver_id(context, *driver_id);
	return err;
}

int uverbs_cmd_exec(struct ibv_context *context, struct uverbs_cmd *cmd)
{
	uint32_t driver_id;
	int err;

	err = uverbs_driver_id(context, &driver_id);
	if (err)
		return err;

	err = uverbs_cmd_submit(context->cmd_fd, cmd, driver_id);
	/* EINVAL can also mean a wrong driver_id: rule that out first. */
	if (err == EINVAL && driver_id_renew(context, &driver_id)) {
		context_store_driver_id(context, driver_id);
		err = uverbs_cmd_submit(context->cmd_fd, cmd, driver_id);
	}

	return err == EPROTONOSUPPORT ? EOPNOTSUPP : err;
}

int uverbs_destroy_mr(struct ibv_context *context, uint32_t handle)
{
	struct uverbs_cmd cmd;

	uverbs_cmd_init(&cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY);
	uverbs_attr_idr(&cmd, UVERBS_ATTR_DESTROY_MR_HANDLE, handle);
	return uverbs_cmd_exec(context, &cmd);
}
