// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "ioctl.h"
#include "priv.h"
#include "stock.h"

int hugeodp_device_caps_now(struct ibv_context *context, struct device_caps *caps)
{
	struct ib_uverbs_odp_page_caps answer = { 0 };
	struct uverbs_cmd cmd;
	int err;

	uverbs_cmd_init(&cmd, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_ODP_PAGES);
	uverbs_attr_out(&cmd, UVERBS_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &answer, sizeof(answer));
	err = uverbs_cmd_exec(context, &cmd);
	if (err && err != EOPNOTSUPP)
		return err;
	*caps = (struct device_caps){
		.page_sizes = answer.page_sizes,
		.flags = answer.flags,
		.source = IBV_ODP_SOURCE_KERNEL,
		.series = !err,
	};
	if (err || !answer.page_sizes) {
		err = stock_caps(context, caps);
		if (err)
			return err;
	}
	context_store_caps(context, caps);
	return 0;
}

int hugeodp_device_caps(struct ibv_context *context, struct device_caps *caps)
{
	return context_find_caps(context, caps) ? 0 : hugeodp_device_caps_now(context, caps);
}

HUGEODP_EXPORT int ibv_query_device_odp(struct ibv_context *context,
					struct ibv_device_odp_attr *attr, size_t size)
{
	struct ibv_device_odp_attr answer = { 0 };
	struct device_caps caps;
	int err;

	if (!attr || size < HUGEODP_SIZE_THROUGH(struct ibv_device_odp_attr, page_sizes))
		return hugeodp_err(EINVAL);

	err = hugeodp_device_caps_now(context, &caps);
	if (err)
		return hugeodp_err(err);

	answer.page_sizes = caps.page_sizes;
	answer.flags = caps.flags;
	answer.source = caps.source;
	hugeodp_copy_out(attr, size, &answer, sizeof(answer));
	return 0;
}
