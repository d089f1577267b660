/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Page sizes of ODP MRs: what an application accepts, what an MR has.
 * See drivers/infiniband/core/umem_odp_pages.c.
 */
#ifndef IB_ODP_PAGES_H
#define IB_ODP_PAGES_H

#include <linux/bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hmm-dma.h>
#include <linux/sizes.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct ib_device;
struct ib_mr;
struct ib_udata;
struct ib_umem_odp;
struct ib_odp_dma_table;
struct ib_odp_table;
struct mem_cgroup;
struct page;
struct pci_p2pdma_map_state;
struct sk_buff;
struct uverbs_attr_bundle;
struct ib_uverbs_mr_pages;
struct ib_uverbs_odp_blocks;
struct ib_uverbs_odp_state;

/* Bytes that ib_umem_odp_map_and_lock() can do at a time. */
#define IB_ODP_MAP_MAX SZ_64K
/*
 * A fault in memory that is being invalidated fails only if that goes on for
 * long: HMM waits for HMM_RANGE_DEFAULT_TIMEOUT this many times.
 */
#define IB_ODP_MAX_BUSY 10

/**
 * struct ib_odp_request - page sizes that an application accepts for an MR
 * @page_sizes: bit mask in bytes; 0: any size that the device supports
 * @flags: enum ib_uverbs_odp_flags
 */
struct ib_odp_request {
	u64 page_sizes;
	u32 flags;
};

/**
 * struct ib_odp_device_ops - how a device that has a table of its own follows
 * @clear: make the device forget all entries; the sizes are the old ones still
 * @resize: make the device take the sizes that the umem has now, with an empty
 *	    table; on error it has to be as after @clear
 * @for_each_child: call @fn for the umem of each part of an implicit MR
 *
 * @clear and @resize are called under umem_mutex, @for_each_child without it.
 */
struct ib_odp_device_ops {
	int (*clear)(struct ib_umem_odp *umem_odp);
	int (*resize)(struct ib_umem_odp *umem_odp);
	void (*for_each_child)(struct ib_umem_odp *umem_odp,
			       void (*fn)(struct ib_umem_odp *child, void *arg),
			       void *arg);
};

/**
 * struct ib_odp_pages - the part of an ODP umem that knows about page sizes
 * @accepted: sizes accepted for the MR that the device supports
 * @sizes: sizes of the blocks that the umem has now
 * @room: smallest size that the device has room for, 0: any
 * @ops: of a device that has a table of its own, once it knows the MR
 * @flags: enum ib_uverbs_odp_flags in force
 * @generation: counts the tables that the umem has had
 * @settled: the MR is past its registration, which may take two steps
 * @top: the largest accepted size that the umem can be cut in
 * @iova: where the MR starts for its users
 * @blocks_mapped: valid entries in the table; a software device has its own
 *		   count
 * @faults: fault events served
 * @invalidated: entries that the mm took away
 * @renegotiations: changes of @sizes
 * @renegotiations_down: those that made the largest one smaller
 * @obstacle: the address that was last in the way of a larger size, or 0; written
 *	      under resize_mutex
 * @grow: looks whether @sizes can be larger again
 *
 * Written under umem_mutex.
 */
struct ib_odp_pages {
	u64 accepted;
	u64 sizes;
	u64 room;
	const struct ib_odp_device_ops *ops;
	u32 flags;
	u32 generation;
	bool settled;
	u64 top;
	u64 iova;
	u64 blocks_mapped;
	u64 faults;
	u64 invalidated;
	u64 renegotiations;
	u64 renegotiations_down;
	u64 obstacle;
	struct delayed_work grow;
};

/**
 * struct ib_odp_geometry - sizes of an ODP umem that belong together
 * @generation: of the table
 * @shift: log2 of the largest blocks
 * @sizes: sizes of the blocks
 * @start: start of the first block
 * @end: end of the last one
 * @smallest: no smaller size is accepted
 */
struct ib_odp_geometry {
	u32 generation;
	unsigned int shift;
	u64 sizes;
	u64 start;
	u64 end;
	bool smallest;
};

/**
 * struct ib_odp_tables - the table of an ODP umem
 * @dma: what it is for a device that does DMA
 * @table: what it is for a software device
 */
struct ib_odp_tables {
	struct ib_odp_dma_table *dma;
	struct ib_odp_table *table;
};

/**
 * struct ib_odp_charge - what ib_umem_odp_charge() has to undo
 * @memcg: the memory cgroup that pays
 * @old: the one that would pay otherwise
 */
struct ib_odp_charge {
	struct mem_cgroup *memcg;
	struct mem_cgroup *old;
};

/*
 * An error pointer. The caller would take a number that is not an errno for the
 * address of an object, so warn, and return -EIO instead.
 */
static inline void *ib_odp_err_ptr(int err)
{
	return ERR_PTR(WARN_ON_ONCE(err >= 0 || err < -MAX_ERRNO) ? -EIO : err);
}

#ifdef CONFIG_INFINIBAND_ON_DEMAND_PAGING

int ib_odp_request_from_attr(const struct uverbs_attr_bundle *attrs, u16 id,
			     struct ib_odp_request *req);
int ib_odp_request_from_udata(struct ib_udata *udata,
			      struct ib_odp_request *req);

int ib_umem_odp_check_range(u64 address, u64 length);
int ib_umem_odp_choose(struct ib_umem_odp *umem_odp, u64 iova, int access,
		       const struct ib_odp_request *req);
int ib_umem_odp_choose_implicit(struct ib_umem_odp *umem_odp,
				const struct ib_odp_request *req);
void ib_umem_odp_choose_child(struct ib_umem_odp *child,
			      const struct ib_umem_odp *root, u64 sizes);
struct ib_umem_odp *ib_umem_odp_alloc_mixed(struct ib_device *device,
					    unsigned long addr, size_t size,
					    u64 iova, int access,
					    const struct ib_odp_request *req);
struct ib_umem_odp *ib_umem_odp_alloc_mixed_child(struct ib_umem_odp *root,
						  unsigned long addr,
						  size_t size);
int ib_umem_odp_renegotiate(struct ib_umem_odp *umem_odp,
			    const struct ib_odp_request *req);
int ib_umem_odp_step_down(struct ib_umem_odp *umem_odp, u32 generation,
			  u64 addr);
void ib_umem_odp_want_growth(struct ib_umem_odp *umem_odp);
void ib_umem_odp_get_geometry(struct ib_umem_odp *umem_odp,
			      struct ib_odp_geometry *geo);
struct ib_odp_charge ib_umem_odp_charge(const struct ib_umem_odp *umem_odp);
void ib_umem_odp_uncharge(struct ib_odp_charge charge);
void ib_umem_odp_invalidate(struct ib_umem_odp *umem_odp, u64 virt, u64 bound);
void ib_umem_odp_absorb(struct ib_umem_odp *root, struct ib_umem_odp *child);
int ib_umem_odp_fault_in(struct ib_umem_odp *umem_odp);
void ib_umem_odp_count_fault(struct ib_umem_odp *umem_odp);
u64 ib_umem_odp_blocks_mapped(const struct ib_umem_odp *umem_odp);
void ib_umem_odp_get_state(struct ib_umem_odp *umem_odp,
			   struct ib_uverbs_odp_state *state);
void ib_umem_odp_get_blocks(struct ib_umem_odp *umem_odp,
			    struct ib_uverbs_odp_blocks *blocks);
void ib_umem_odp_get_pages(struct ib_umem_odp *umem_odp,
			   struct ib_uverbs_mr_pages *pages);
u64 ib_umem_odp_base_pages(const struct ib_umem_odp *umem_odp);
int ib_umem_odp_put_res(struct sk_buff *msg, struct ib_umem_odp *umem_odp);
int ib_umem_odp_fill_res(struct sk_buff *msg, struct ib_umem_odp *umem_odp);
int ib_umem_odp_put_stat(struct sk_buff *msg, struct ib_umem_odp *umem_odp);
int ib_umem_odp_fill_stat(struct sk_buff *msg, struct ib_umem_odp *umem_odp);

/* For devices that do DMA. */
unsigned long ib_umem_odp_entry(const struct ib_umem_odp *umem_odp, size_t idx);
size_t ib_umem_odp_next_entry(const struct ib_umem_odp *umem_odp, size_t idx,
			      size_t end);
u64 ib_umem_odp_next_mapped(const struct ib_umem_odp *umem_odp, u64 start,
			    u64 end);
dma_addr_t ib_umem_odp_dma_addr(struct ib_umem_odp *umem_odp, size_t idx,
				struct pci_p2pdma_map_state *p2pdma_state);
void ib_umem_odp_unmap_dma_entries(struct ib_umem_odp *umem_odp, size_t idx,
				   size_t end);

void ib_umem_odp_set_dirty(unsigned long pfn, unsigned long nr);

/* For software devices, which translate with the table itself. */
int ib_umem_odp_fill(struct ib_umem_odp *umem_odp, u64 va, u64 length,
		     bool write, bool fault);
bool ib_umem_odp_mapped(struct ib_umem_odp *umem_odp, u64 va, u64 length,
			bool write);
int ib_umem_odp_map_and_lock(struct ib_umem_odp *umem_odp, u64 va, u64 length,
			     bool write);
struct page *ib_umem_odp_page(struct ib_umem_odp *umem_odp, u64 va);

#else

static inline int ib_odp_request_from_udata(struct ib_udata *udata,
					    struct ib_odp_request *req)
{
	return -ENOENT;
}

static inline int ib_umem_odp_put_res(struct sk_buff *msg,
				      struct ib_umem_odp *umem_odp)
{
	return 0;
}

static inline int ib_umem_odp_put_stat(struct sk_buff *msg,
				       struct ib_umem_odp *umem_odp)
{
	return 0;
}

#endif

#endif
