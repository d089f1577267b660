// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* State and counters of ODP umems and other MRs: for queries, and for RDMA netlink. */
#include <linux/export.h>
#include <linux/hmm.h>
#include <net/netlink.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_odp_table.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_netlink.h>
#include <rdma/restrack.h>

#include "umem_odp_dma.h"

/**
 * ib_umem_odp_blocks_mapped - count the mapped blocks of an ODP umem
 * @umem_odp: the umem, its umem_mutex held
 *
 * Return: the number of blocks of all sizes
 */
u64 ib_umem_odp_blocks_mapped(const struct ib_umem_odp *umem_odp)
{
	lockdep_assert_held(&umem_odp->umem_mutex);

	return umem_odp->table ? umem_odp->table->mapped :
				 umem_odp->pages.blocks_mapped;
}

static u64 odp_table_bytes(struct ib_umem_odp *umem_odp)
{
	if (umem_odp->table)
		return umem_odp->table->bytes;
	return umem_odp->dma ? umem_odp->dma->bytes : 0;
}

/* The shift of the largest mapped block, or of the size tried first. */
static unsigned int odp_state_shift(const struct ib_umem_odp *umem_odp)
{
	u64 sizes = umem_odp->pages.sizes;
	unsigned int shift;

	if (!umem_odp->table || !umem_odp->table->mapped)
		return umem_odp->page_shift;
	for (shift = (unsigned int)fls64(sizes) - 1; shift > PAGE_SHIFT; shift--)
		if (umem_odp->table->mapped_by_shift[shift])
			break;
	return shift;
}

/* Add the state of a child to that of its implicit MR. */
static void odp_add_state(struct ib_umem_odp *child, void *arg)
{
	struct ib_uverbs_odp_state *sum = arg;
	struct ib_uverbs_odp_state state;

	ib_umem_odp_get_state(child, &state);
	if (state.blocks_mapped &&
	    (!sum->blocks_mapped || state.page_shift > sum->page_shift))
		sum->page_shift = state.page_shift;
	sum->blocks_mapped += state.blocks_mapped;
	sum->table_bytes += state.table_bytes;
	sum->pages_invalidated += state.pages_invalidated;
	sum->renegotiations += state.renegotiations;
	sum->renegotiations_down += state.renegotiations_down;
	sum->faults_refused += state.faults_refused;
}

static void odp_add_blocks(struct ib_umem_odp *child, void *arg)
{
	struct ib_uverbs_odp_blocks *sum = arg;
	struct ib_uverbs_odp_blocks blocks;
	unsigned int shift;

	ib_umem_odp_get_blocks(child, &blocks);
	for (shift = 0; shift < ARRAY_SIZE(blocks.mapped); shift++)
		sum->mapped[shift] += blocks.mapped[shift];
}

typedef void (*odp_child_fn)(struct ib_umem_odp *child, void *arg);

static void odp_for_each_child(struct ib_umem_odp *umem_odp, odp_child_fn fn,
			       void *arg)
{
	const struct ib_odp_device_ops *ops = umem_odp->pages.ops;

	if (ops && ops->for_each_child)
		ops->for_each_child(umem_odp, fn, arg);
}

/**
 * ib_umem_odp_get_state - get the page sizes and counters of an ODP umem
 * @umem_odp: the umem
 * @state: filled in
 */
void ib_umem_odp_get_state(struct ib_umem_odp *umem_odp,
			   struct ib_uverbs_odp_state *state)
{
	struct ib_odp_pages *pages = &umem_odp->pages;

	mutex_lock(&umem_odp->umem_mutex);
	*state = (struct ib_uverbs_odp_state){
		.page_sizes = pages->accepted,
		.page_shift = odp_state_shift(umem_odp),
		.flags = pages->flags,
		.blocks_mapped = ib_umem_odp_blocks_mapped(umem_odp),
		.table_bytes = odp_table_bytes(umem_odp),
		.faults = pages->faults,
		.pages_invalidated = pages->invalidated,
		.renegotiations = pages->renegotiations,
		.renegotiations_down = pages->renegotiations_down,
		.faults_refused = pages->refused,
	};
	mutex_unlock(&umem_odp->umem_mutex);
	odp_for_each_child(umem_odp, odp_add_state, state);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_get_state);

/**
 * ib_umem_odp_get_blocks - count the mapped blocks of each size
 * @umem_odp: the umem
 * @blocks: filled in; the index is the log2 of the size
 */
void ib_umem_odp_get_blocks(struct ib_umem_odp *umem_odp,
			    struct ib_uverbs_odp_blocks *blocks)
{
	unsigned int shift;

	*blocks = (struct ib_uverbs_odp_blocks){};
	mutex_lock(&umem_odp->umem_mutex);
	blocks->mapped[umem_odp->page_shift] = ib_umem_odp_blocks_mapped(umem_odp);
	for (shift = 0; umem_odp->table && shift < BITS_PER_LONG; shift++)
		blocks->mapped[shift] = umem_odp->table->mapped_by_shift[shift];
	mutex_unlock(&umem_odp->umem_mutex);
	odp_for_each_child(umem_odp, odp_add_blocks, blocks);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_get_blocks);

/**
 * ib_umem_odp_get_pages - get the page shift and table size of an ODP umem
 * @umem_odp: the umem
 * @pages: filled in; a driver whose device has tables replaces @entries and
 *         @device_bytes by its own values
 */
void ib_umem_odp_get_pages(struct ib_umem_odp *umem_odp,
			   struct ib_uverbs_mr_pages *pages)
{
	struct ib_uverbs_odp_state state;

	ib_umem_odp_get_state(umem_odp, &state);
	*pages = (struct ib_uverbs_mr_pages){
		.kind = IB_UVERBS_MR_ODP,
		.page_shift = state.page_shift,
		.entries = state.blocks_mapped,
		.device_bytes = state.table_bytes,
		.base_pages = ib_umem_odp_base_pages(umem_odp),
	};
}
EXPORT_SYMBOL_GPL(ib_umem_odp_get_pages);

/**
 * ib_umem_odp_base_pages - count the base pages that cover an ODP umem
 * @umem_odp: the umem
 *
 * Return: their number
 */
u64 ib_umem_odp_base_pages(const struct ib_umem_odp *umem_odp)
{
	u64 start = umem_odp->umem.address & PAGE_MASK;
	u64 end = (u64)umem_odp->umem.address + umem_odp->umem.length;

	return (PAGE_ALIGN(end) - start) >> PAGE_SHIFT;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_base_pages);

static const char *mr_kind_name(const struct ib_uverbs_mr_pages *pages)
{
	switch (pages->kind) {
	case IB_UVERBS_MR_ODP:
		return "odp";
	case IB_UVERBS_MR_IMPLICIT:
		return "implicit";
	case IB_UVERBS_MR_DMABUF:
		return "dmabuf";
	default:
		return "pinned";
	}
}

/**
 * ib_mr_put_res - put what a device translates an MR with into a message
 * @msg: the message, within a nest of driver attributes
 * @pages: page size and entries of the MR; the base pages are not used
 *
 * For the fill_res_mr_entry() of drivers with attributes of their own.
 *
 * Return: 0 or -EMSGSIZE
 */
int ib_mr_put_res(struct sk_buff *msg, const struct ib_uverbs_mr_pages *pages)
{
	if (rdma_nl_put_driver_string(msg, "kind", mr_kind_name(pages)) ||
	    rdma_nl_put_driver_u32(msg, "page_shift", pages->page_shift) ||
	    rdma_nl_put_driver_u64(msg, "entries", pages->entries) ||
	    rdma_nl_put_driver_u64(msg, "device_bytes", pages->device_bytes))
		return -EMSGSIZE;
	return 0;
}
EXPORT_SYMBOL_GPL(ib_mr_put_res);

/**
 * ib_umem_odp_put_res - put the state of an ODP umem into a message
 * @msg: the message, within a nest of driver attributes
 * @umem_odp: the umem
 *
 * For the fill_res_mr_entry() of drivers with attributes of their own, after
 * ib_mr_put_res().
 *
 * Return: 0 or -EMSGSIZE
 */
int ib_umem_odp_put_res(struct sk_buff *msg, struct ib_umem_odp *umem_odp)
{
	struct ib_uverbs_odp_state state;

	ib_umem_odp_get_state(umem_odp, &state);
	if (rdma_nl_put_driver_u64_hex(msg, "odp_page_sizes", state.page_sizes) ||
	    rdma_nl_put_driver_u64(msg, "odp_blocks_mapped",
				   state.blocks_mapped) ||
	    rdma_nl_put_driver_u64(msg, "odp_table_bytes", state.table_bytes) ||
	    rdma_nl_put_driver_u64(msg, "odp_faults", state.faults) ||
	    rdma_nl_put_driver_u64(msg, "odp_invalidated",
				   state.pages_invalidated))
		return -EMSGSIZE;
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_put_res);

/**
 * ib_mr_fill_res - report the page size and state of an MR by RDMA netlink
 * @msg: the message
 * @pages: page size and entries of the MR
 * @umem_odp: its umem if it is on demand, else NULL
 *
 * For the fill_res_mr_entry() of drivers without attributes of their own.
 *
 * Return: 0 or -EMSGSIZE
 */
int ib_mr_fill_res(struct sk_buff *msg, const struct ib_uverbs_mr_pages *pages,
		   struct ib_umem_odp *umem_odp)
{
	struct nlattr *nest;

	nest = nla_nest_start(msg, RDMA_NLDEV_ATTR_DRIVER);
	if (!nest)
		return -EMSGSIZE;
	if (ib_mr_put_res(msg, pages) ||
	    (umem_odp && ib_umem_odp_put_res(msg, umem_odp))) {
		nla_nest_cancel(msg, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_mr_fill_res);

static int odp_put_stat(struct sk_buff *msg,
			const struct ib_uverbs_odp_state *state)
{
	if (rdma_nl_stat_hwcounter_entry(msg, "blocks_mapped",
					 state->blocks_mapped) ||
	    rdma_nl_stat_hwcounter_entry(msg, "table_bytes",
					 state->table_bytes) ||
	    rdma_nl_stat_hwcounter_entry(msg, "renegotiations_up",
					 state->renegotiations -
					 state->renegotiations_down) ||
	    rdma_nl_stat_hwcounter_entry(msg, "renegotiations_down",
					 state->renegotiations_down) ||
	    rdma_nl_stat_hwcounter_entry(msg, "faults_refused",
					 state->faults_refused))
		return -EMSGSIZE;
	return 0;
}

/**
 * ib_umem_odp_put_stat - put the core's counters of an ODP umem into a message
 * @msg: the message, within a nest of counters
 * @umem_odp: the umem
 *
 * For the fill_stat_mr_entry() of drivers with counters of their own.
 *
 * Return: 0 or -EMSGSIZE
 */
int ib_umem_odp_put_stat(struct sk_buff *msg, struct ib_umem_odp *umem_odp)
{
	struct ib_uverbs_odp_state state;

	ib_umem_odp_get_state(umem_odp, &state);
	return odp_put_stat(msg, &state);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_put_stat);

/**
 * ib_umem_odp_fill_stat - report the counters of an ODP umem by RDMA netlink
 * @msg: the message
 * @umem_odp: the umem
 *
 * For the fill_stat_mr_entry() of drivers without counters of their own.
 *
 * Return: 0 or -EMSGSIZE
 */
int ib_umem_odp_fill_stat(struct sk_buff *msg, struct ib_umem_odp *umem_odp)
{
	struct ib_uverbs_odp_state state;
	struct nlattr *nest;

	ib_umem_odp_get_state(umem_odp, &state);
	nest = nla_nest_start(msg, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	if (!nest)
		return -EMSGSIZE;
	if (rdma_nl_stat_hwcounter_entry(msg, "page_faults", state.faults) ||
	    rdma_nl_stat_hwcounter_entry(msg, "page_invalidations",
					 state.pages_invalidated) ||
	    odp_put_stat(msg, &state)) {
		nla_nest_cancel(msg, nest);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_fill_stat);
