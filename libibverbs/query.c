// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <string.h>

#include "uverbs/ioctl.h"
#include "priv.h"
#include "stock_mrs.h"

static int query_kernel(struct ibv_mr *mr, struct ib_uverbs_odp_state *state,
			struct ib_uverbs_odp_blocks *blocks)
{
	/* not used, but the core's method requires these outputs */
	uint32_t lkey, rkey;
	uint64_t length;
	const struct kernel_side *side;
	struct uverbs_cmd cmd;
	int err;

	err = hugeodp_kernel_side(mr->context, &side);
	if (err)
		return err;
	memset(state, 0, sizeof(*state));
	memset(blocks, 0, sizeof(*blocks));
	uverbs_cmd_init(&cmd, UVERBS_OBJECT_MR, side->query_mr);
	uverbs_attr_idr(&cmd, side->query_mr_handle, mr->handle);
	if (side->in_core) {
		uverbs_attr_out(&cmd, UVERBS_ATTR_QUERY_MR_RESP_LKEY, &lkey, sizeof(lkey));
		uverbs_attr_out(&cmd, UVERBS_ATTR_QUERY_MR_RESP_RKEY, &rkey, sizeof(rkey));
		uverbs_attr_out(&cmd, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, &length, sizeof(length));
	}
	uverbs_attr_out(&cmd, side->query_mr_state, state, sizeof(*state));
	uverbs_attr_out(&cmd, side->query_mr_blocks, blocks, sizeof(*blocks));
	return uverbs_cmd_exec(mr->context, &cmd);
}

static int query(struct ibv_mr *mr, struct ibv_mr_odp_attr *attr)
{
	struct ib_uverbs_odp_blocks blocks;
	struct ib_uverbs_odp_state state;
	int err;

	_Static_assert(sizeof(attr->blocks) == sizeof(blocks.mapped), "blocks of each size");
	err = query_kernel(mr, &state, &blocks);
	if (err == EOPNOTSUPP)
		return stock_mrs_query(mr, attr);
	if (err)
		return err;
	*attr = (struct ibv_mr_odp_attr){
		.page_sizes = state.page_sizes,
		.page_shift = state.page_shift,
		.flags = state.flags,
		.blocks_mapped = state.blocks_mapped,
		.table_bytes = state.table_bytes,
		.faults = state.faults,
		.pages_invalidated = state.pages_invalidated,
		.renegotiations = state.renegotiations,
		.source = IBV_ODP_SOURCE_KERNEL,
		.renegotiations_down = state.renegotiations_down,
	};
	memcpy(attr->blocks, blocks.mapped, sizeof(attr->blocks));
	return 0;
}

HUGEODP_EXPORT int ibv_query_mr_odp(struct ibv_mr *mr, struct ibv_mr_odp_attr *attr, size_t size)
{
	struct ibv_mr_odp_attr answer;
	int err;

	if (!attr || size < HUGEODP_SIZE_THROUGH(struct ibv_mr_odp_attr, page_shift))
		return hugeodp_err(EINVAL);

	err = query(mr, &answer);
	if (err)
		return hugeodp_err(err);
	hugeodp_copy_out(attr, size, &answer, sizeof(answer));
	return 0;
}

HUGEODP_EXPORT int ibv_mr_page_shift(struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr answer;
	int err;

	err = query(mr, &answer);
	if (err)
		return -hugeodp_err(err);
	return (int)answer.page_shift;
}
