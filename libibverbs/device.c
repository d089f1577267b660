// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "ioctl.h"
#include "priv.h"

int hugeodp_device_caps(struct ibv_context *context, struct ib_uverbs_odp_page_caps *caps)
{
	struct uverbs_cmd cmd;
	int err;

	memset(caps, 0, sizeof(*caps));
	uverbs_cmd_init(&cmd, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_ODP_PAGES);
	uverbs_attr_out(&cmd, UVERBS_ATTR_QUERY_ODP_PAGES_RESP_CAPS, caps, sizeof(*caps));
	err = uverbs_cmd_exec(context, &cmd);
	if (err)
		return err;
	return caps->page_sizes ? 0 : EOPNOTSUPP;
}

HUGEODP_EXPORT int ibv_query_device_odp(struct ibv_context *context,
					struct ibv_device_odp_attr *attr, size_t size)
{
	struct ibv_device_odp_attr answer = { .source = IBV_ODP_SOURCE_KERNEL };
	struct ib_uverbs_odp_page_caps caps;
	int err;

	if (!attr || size < HUGEODP_SIZE_THROUGH(struct ibv_device_odp_attr, page_sizes))
		return hugeodp_err(EINVAL);

	err = hugeodp_device_caps(context, &caps);
	if (err)
		return hugeodp_err(err);

	answer.page_sizes = caps.page_sizes;
	answer.flags = caps.flags;
	hugeodp_copy_out(attr, size, &answer, sizeof(answer));
	return 0;
}
