// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "uverbs/ioctl.h"
#include "log.h"
#include "priv.h"
#include "stock/stock.h"

static int query_kernel(struct ibv_context *context, const struct kernel_side *side,
			struct hugeodp_abi_page_caps *answer)
{
	struct uverbs_cmd cmd;

	uverbs_cmd_init(&cmd, UVERBS_OBJECT_DEVICE, side->query_pages);
	uverbs_attr_out(&cmd, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, answer, sizeof(*answer));
	return uverbs_cmd_exec(context, &cmd);
}

/*
 * A sandbox that knows the ioctls of a release refuses those that it does not know, although it may
 * show the mark of the kernel. The kernel itself has none of these errors for the query of page sizes.
 */
static bool is_refusal(int err)
{
	return err == EINVAL || err == ENOTTY || err == ENOSYS || err == EPERM || err == EACCES;
}

/* The query of page sizes, which shows whether any of our ioctls reaches the kernel. */
static int query_side(struct ibv_context *context, const struct kernel_side *side,
		      struct hugeodp_abi_page_caps *answer, bool *refused)
{
	int err = query_kernel(context, side, answer);

	*refused = is_refusal(err);
	if (!*refused)
		return err;
	log_line("the query of page sizes is refused: %s", strerror(err));
	context_store_kernel_side(context, NULL);
	return EOPNOTSUPP;
}

int hugeodp_kernel_side(struct ibv_context *context, const struct kernel_side **side)
{
	int err;

	if (!context_find_kernel_side(context, side)) {
		err = kernel_side_read(context->device, side);
		if (err)
			return err;
		context_store_kernel_side(context, *side);
	}
	return *side ? 0 : EOPNOTSUPP;
}

int hugeodp_kernel_err(struct ibv_context *context, const struct kernel_side *side, int err)
{
	struct hugeodp_abi_page_caps answer;
	bool refused = false;

	if (is_refusal(err))
		query_side(context, side, &answer, &refused);
	return refused ? EOPNOTSUPP : err;
}

int hugeodp_device_caps_now(struct ibv_context *context, struct device_caps *caps)
{
	struct hugeodp_abi_page_caps answer = { 0 };
	const struct kernel_side *side;
	bool refused;
	int err;

	err = hugeodp_kernel_side(context, &side);
	if (!err)
		err = query_side(context, side, &answer, &refused);
	if (err && err != EOPNOTSUPP)
		return err;
	*caps = (struct device_caps){
		.page_sizes = answer.page_sizes,
		.flags = answer.flags,
		.source = IBV_ODP_SOURCE_KERNEL,
		.series = !err && side->in_core,
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
