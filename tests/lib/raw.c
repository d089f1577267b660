// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/ib_user_hugeodp.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>

#include "tap.h"

uint32_t raw_driver_id = RDMA_DRIVER_RXE;
static const struct kernel_side *side;

void raw_read_mark(const struct ibv_device *device)
{
	int err = kernel_side_read(device, &side);

	if (err)
		fatal(HUGEODP_MARK_FILE ": %s", strerror(err));
}

const struct kernel_side *raw_side(void)
{
	if (!side)
		fatal("no mark in " HUGEODP_MARK_FILE);
	return side;
}

struct raw raw_command(uint16_t object, uint16_t method)
{
	return (struct raw){
		.object = object,
		.method = method,
		.driver_id = raw_driver_id,
	};
}

static struct ib_uverbs_attr *append(struct raw *raw, uint16_t id, size_t len)
{
	struct ib_uverbs_attr *attr = &raw->attr[raw->num++];

	if (raw->num > RAW_ATTRS)
		fatal("too many attributes");
	*attr = (struct ib_uverbs_attr){
		.attr_id = id,
		.len = (uint16_t)len,
		.flags = UVERBS_ATTR_F_MANDATORY,
	};
	return attr;
}

struct ib_uverbs_attr *raw_in(struct raw *raw, uint16_t id, const void *data, size_t len)
{
	struct ib_uverbs_attr *attr = append(raw, id, len);

	/* small values are passed inline */
	if (len <= sizeof(attr->data))
		memcpy(&attr->data, data, len);
	else
		attr->data = (uintptr_t)data;
	return attr;
}

struct ib_uverbs_attr *raw_out(struct raw *raw, uint16_t id, void *data, size_t len)
{
	struct ib_uverbs_attr *attr = append(raw, id, len);

	attr->data = (uintptr_t)data;
	return attr;
}

struct ib_uverbs_attr *raw_object(struct raw *raw, uint16_t id, uint32_t handle)
{
	struct ib_uverbs_attr *attr = append(raw, id, 0);

	attr->data = handle;
	return attr;
}

struct ib_uverbs_attr *raw_fd(struct raw *raw, uint16_t id, int fd)
{
	struct ib_uverbs_attr *attr = append(raw, id, 0);

	attr->data_s64 = fd;
	return attr;
}

int raw_ioctl(struct ibv_context *ctx, struct raw *raw)
{
	size_t attrs = raw->num * sizeof(*raw->attr);
	struct ib_uverbs_ioctl_hdr *hdr = calloc(1, sizeof(*hdr) + attrs);
	int err;

	if (!hdr)
		fatal("out of memory");
	hdr->length = (uint16_t)(sizeof(*hdr) + attrs);
	hdr->object_id = raw->object;
	hdr->method_id = raw->method;
	hdr->num_attrs = raw->num;
	hdr->reserved1 = raw->reserved1;
	hdr->driver_id = raw->driver_id;
	memcpy(hdr->attrs, raw->attr, attrs);
	err = ioctl(ctx->cmd_fd, RDMA_VERBS_IOCTL, hdr) ? errno : 0;
	memcpy(raw->attr, hdr->attrs, attrs);
	free(hdr);
	return err;
}

struct raw raw_query_odp(uint32_t handle)
{
	/* not used, but the core's method requires these outputs */
	static uint32_t lkey, rkey;
	static uint64_t length;
	struct raw raw = raw_command(UVERBS_OBJECT_MR, raw_side()->query_mr);

	raw_object(&raw, raw_side()->query_mr_handle, handle);
	if (raw_side()->in_core) {
		raw_out(&raw, UVERBS_ATTR_QUERY_MR_RESP_LKEY, &lkey, sizeof(lkey));
		raw_out(&raw, UVERBS_ATTR_QUERY_MR_RESP_RKEY, &rkey, sizeof(rkey));
		raw_out(&raw, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, &length, sizeof(length));
	}
	return raw;
}

void raw_blocks(struct ibv_mr *mr, uint64_t blocks[64])
{
	struct raw raw = raw_query_odp(mr->handle);
	int err;

	raw_out(&raw, raw_side()->query_mr_blocks, blocks, 64 * sizeof(*blocks));
	err = raw_ioctl(mr->context, &raw);
	if (err)
		fatal("blocks of each size: %s", strerror(err));
}

int raw_rereg(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t len, int access)
{
	struct ib_uverbs_rereg_mr_resp resp = {};
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_rereg_mr body;
	} cmd = {
		.hdr = {
			.command = IB_USER_VERBS_CMD_REREG_MR,
			.in_words = sizeof(cmd) / 4,
			.out_words = sizeof(resp) / 4,
		},
		.body = {
			.response = (uintptr_t)&resp,
			.mr_handle = mr->handle,
			.flags = (uint32_t)flags,
			.start = (uintptr_t)addr,
			.length = len,
			.hca_va = (uintptr_t)addr,
			.pd_handle = pd ? pd->handle : 0,
			.access_flags = (uint32_t)access,
		},
	};

	if (write(mr->context->cmd_fd, &cmd, sizeof(cmd)) != (ssize_t)sizeof(cmd))
		return errno;
	mr->lkey = resp.lkey;
	mr->rkey = resp.rkey;
	if (flags & IBV_REREG_MR_CHANGE_PD)
		mr->pd = pd;
	return 0;
}
