// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <string.h>

#include "memory/blocks.h"
#include "uverbs/ioctl.h"
#include "priv.h"
#include "provider.h"
#include "stock/stock_mrs.h"

/* Not used by our queries, but the core's method requires these outputs. */
struct core_answer {
	uint32_t lkey;
	uint32_t rkey;
	uint64_t length;
};

static void query_core_init(struct uverbs_cmd *cmd, const struct ibv_mr *mr,
			    struct core_answer *core)
{
	uverbs_cmd_init(cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_QUERY_MR);
	uverbs_attr_idr(cmd, UVERBS_ATTR_QUERY_MR_HANDLE, mr->handle);
	uverbs_attr_out(cmd, UVERBS_ATTR_QUERY_MR_RESP_LKEY, &core->lkey, sizeof(core->lkey));
	uverbs_attr_out(cmd, UVERBS_ATTR_QUERY_MR_RESP_RKEY, &core->rkey, sizeof(core->rkey));
	uverbs_attr_out(cmd, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, &core->length, sizeof(core->length));
}

/* Start a query, to which the caller appends the outputs of the kernel side. */
static void query_init(struct uverbs_cmd *cmd, const struct kernel_side *side,
		       const struct ibv_mr *mr, struct core_answer *core)
{
	if (side->in_core) {
		query_core_init(cmd, mr, core);
		return;
	}
	uverbs_cmd_init(cmd, UVERBS_OBJECT_MR, side->query_mr);
	uverbs_attr_idr(cmd, side->query_mr_handle, mr->handle);
}

static int query_kernel(struct ibv_mr *mr, struct hugeodp_abi_state *state,
			struct hugeodp_abi_blocks *blocks)
{
	const struct kernel_side *side;
	struct core_answer core;
	struct uverbs_cmd cmd;
	int err;

	err = hugeodp_kernel_side(mr->context, &side);
	if (err)
		return err;
	memset(state, 0, sizeof(*state));
	memset(blocks, 0, sizeof(*blocks));
	query_init(&cmd, side, mr, &core);
	uverbs_attr_out(&cmd, side->query_mr_state, state, sizeof(*state));
	uverbs_attr_out(&cmd, side->query_mr_blocks, blocks, sizeof(*blocks));
	return hugeodp_kernel_err(mr->context, side, uverbs_cmd_exec(mr->context, &cmd));
}

static int query(struct ibv_mr *mr, struct ibv_mr_odp_attr *attr)
{
	struct hugeodp_abi_blocks blocks;
	struct hugeodp_abi_state state;
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
		.faults_refused = state.faults_refused,
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

static int pages_of_kernel(struct ibv_mr *mr, struct ibv_mr_pages *pages)
{
	struct hugeodp_abi_mr_pages answer = { 0 };
	const struct kernel_side *side;
	struct core_answer core;
	struct uverbs_cmd cmd;
	int err;

	err = hugeodp_kernel_side(mr->context, &side);
	if (err)
		return err;
	query_init(&cmd, side, mr, &core);
	uverbs_attr_out(&cmd, side->query_mr_pages, &answer, sizeof(answer));
	err = hugeodp_kernel_err(mr->context, side, uverbs_cmd_exec(mr->context, &cmd));
	if (err)
		return err;
	*pages = (struct ibv_mr_pages){
		.page_shift = answer.page_shift,
		.kind = answer.kind,
		.source = IBV_ODP_SOURCE_KERNEL,
		.entries = answer.entries,
		.device_bytes = answer.device_bytes,
		.base_pages = answer.base_pages,
	};
	return 0;
}

/* The first address that work requests use. Kernels before 5.7 do not report it. */
static int query_iova(struct ibv_mr *mr, uint64_t *iova)
{
	struct core_answer core;
	struct uverbs_cmd cmd;
	int err;

	*iova = (uintptr_t)mr->addr;
	query_core_init(&cmd, mr, &core);
	uverbs_attr_out(&cmd, UVERBS_ATTR_QUERY_MR_RESP_IOVA, iova, sizeof(*iova));
	err = uverbs_cmd_exec(mr->context, &cmd);
	return err == EOPNOTSUPP ? 0 : err;
}

static void fill_pages(struct ibv_mr_pages *pages, const struct ibv_mr *mr, uint32_t page_shift,
		       uint32_t entry_bytes)
{
	const uint32_t base_shift = (uint32_t)__builtin_ctzll(IBV_ODP_PAGE_BASE);
	const uint64_t addr = (uintptr_t)mr->addr;

	pages->page_shift = page_shift;
	/* below the largest size, address and iova agree */
	pages->entries = blocks_count(addr, mr->length, page_shift);
	pages->device_bytes = pages->entries * entry_bytes;
	pages->base_pages = blocks_count(addr, mr->length, base_shift);
}

/* An MR that this library registered with a request. */
static int pages_of_request(struct ibv_mr *mr, struct ibv_mr_pages *pages)
{
	struct ibv_mr_odp_attr attr;
	int err;

	err = stock_mrs_query(mr, &attr);
	if (err)
		return err;
	*pages = (struct ibv_mr_pages){
		.kind = IBV_MR_KIND_ODP,
		.source = IBV_ODP_SOURCE_LIBRARY,
	};
	fill_pages(pages, mr, attr.page_shift, hugeodp_provider(mr->context)->odp_entry_bytes);
	return 0;
}

/*
 * As if the MR were a pinned one of this process: the device then gets pages of one size, the
 * largest that all of the memory has.
 */
static int estimate_pages(struct ibv_mr *mr, struct ibv_mr_pages *pages)
{
	const struct hugeodp_provider *provider = hugeodp_provider(mr->context);
	const uint64_t addr = (uintptr_t)mr->addr;
	uint32_t page_shift;
	uint64_t iova;
	int err;

	err = blocks_shift_self(addr, mr->length, false, &page_shift);
	if (!err)
		err = query_iova(mr, &iova);
	if (err)
		return err;
	if (provider->pinned_base_pages)
		page_shift = (uint32_t)__builtin_ctzll(IBV_ODP_PAGE_BASE);
	else
		page_shift = blocks_common_shift(addr, iova, mr->length, page_shift);
	*pages = (struct ibv_mr_pages){ .source = IBV_ODP_SOURCE_ESTIMATE };
	fill_pages(pages, mr, page_shift, provider->entry_bytes);
	return 0;
}

int hugeodp_query_pages(struct ibv_mr *mr, struct ibv_mr_pages *pages)
{
	int err = pages_of_kernel(mr, pages);

	if (err == EOPNOTSUPP)
		err = pages_of_request(mr, pages);
	return err == EOPNOTSUPP ? estimate_pages(mr, pages) : err;
}

HUGEODP_EXPORT int ibv_query_mr_pages(struct ibv_mr *mr, struct ibv_mr_pages *pages, size_t size)
{
	struct ibv_mr_pages answer;
	int err;

	if (!pages || size < HUGEODP_SIZE_THROUGH(struct ibv_mr_pages, source))
		return hugeodp_err(EINVAL);

	err = hugeodp_query_pages(mr, &answer);
	if (err)
		return hugeodp_err(err);
	hugeodp_copy_out(pages, size, &answer, sizeof(answer));
	return 0;
}

HUGEODP_EXPORT int ibv_mr_page_shift(struct ibv_mr *mr)
{
	struct ibv_mr_pages answer;
	int err;

	err = hugeodp_query_pages(mr, &answer);
	if (err)
		return -hugeodp_err(err);
	return (int)answer.page_shift;
}
