// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "uverbs/ioctl.h"
#include "priv.h"

int hugeodp_modify(struct ibv_mr *mr, uint64_t page_sizes, uint32_t flags)
{
	struct hugeodp_abi_request request = { .page_sizes = page_sizes, .flags = flags };
	const struct kernel_side *side;
	struct uverbs_cmd cmd;
	int err;

	err = hugeodp_kernel_side(mr->context, &side);
	if (err)
		return err;
	uverbs_cmd_init(&cmd, UVERBS_OBJECT_MR, side->modify_mr);
	uverbs_attr_idr(&cmd, HUGEODP_ATTR_MR_MODIFY_ODP_HANDLE, mr->handle);
	uverbs_attr_in(&cmd, HUGEODP_ATTR_MR_MODIFY_ODP_REQUEST, &request, sizeof(request));
	return hugeodp_kernel_err(mr->context, side, uverbs_cmd_exec(mr->context, &cmd));
}

HUGEODP_EXPORT int ibv_modify_mr_odp(struct ibv_mr *mr, uint64_t page_sizes, uint32_t flags)
{
	if (flags & ~HUGEODP_KNOWN_FLAGS || !hugeodp_sizes_are_possible(page_sizes))
		return hugeodp_err(EINVAL);
	return hugeodp_err(hugeodp_modify(mr, page_sizes, flags));
}
