/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Page sizes of ODP MRs: requests, and the state of a umem. See
 * drivers/infiniband/core/umem_odp_pages.c.
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

struct eventfd_ctx;
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

/* The largest length for ib_umem_odp_map_and_lock(). */
#define IB_ODP_MAP_MAX SZ_64K
/*
 * A fault in memory that keeps being invalidated fails after this many times
 * HMM_RANGE_DEFAULT_TIMEOUT.
 */
#define IB_ODP_MAX_BUSY 10

/**
 * struct ib_odp_request - page sizes that an application accepts for an MR
 * @page_sizes: bit mask in bytes; 0: any size that the device supports
 * @flags: enum ib_uverbs_odp_flags
 * @max_entries: that the table of pinned memory may have; 0: any number
 */
struct ib_odp_request {
	u64 page_sizes;
	u32 flags;
	u64 max_entries;
};

/**
 * struct ib_odp_device_ops - operations of a device that has its own table
 * @clear: invalidate all entries in the device; the umem still has the old
 *         sizes
 * @resize: change the device's table to the present sizes of the umem, with all
 *          entries invalid; on error leave it as after @clear
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
 * struct ib_odp_pages - the page sizes of an ODP umem
 * @accepted: accepted sizes that the device supports
 * @sizes: present block sizes
 * @room: smallest size that the device's table is large enough for, 0: any
 * @ops: operations of a device that has its own table, once the mkey is enabled
 * @flags: enum ib_uverbs_odp_flags in force
 * @generation: number of tables that the umem has had
 * @settled: registration is complete, which may take two calls; changes count
 * @top: the largest accepted size that the umem can be divided into
 * @iova: first address of the MR for work requests
 * @blocks_mapped: valid entries in the table of a device that does DMA
 * @faults: served page faults of the device
 * @invalidated: entries unmapped by the notifier
 * @renegotiations: changes of @sizes
 * @renegotiations_down: those that reduced the largest size
 * @refused: page faults of the device for which no accepted size fits the memory
 * @event: eventfd of the application, or NULL
 * @root: umem of the implicit MR that this umem is a part of, or NULL; it is
 *        freed after its parts
 * @obstacle: address of the memory that last prevented a larger size, or 0;
 *            written under resize_mutex
 * @grow: work item that checks whether @sizes can be larger again
 *
 * Written under umem_mutex.
 */
struct ib_odp_pages {
	u64 accepted;
	u64 sizes;
	u64 room;
	const struct ib_odp_device_ops *ops;
	u32 flags;
	unsigned long generation;
	bool settled;
	u64 top;
	u64 iova;
	u64 blocks_mapped;
	u64 faults;
	u64 invalidated;
	u64 renegotiations;
	u64 renegotiations_down;
	u64 refused;
	struct eventfd_ctx *event;
	struct ib_umem_odp *root;
	u64 obstacle;
	struct delayed_work grow;
};

/**
 * struct ib_odp_geometry - consistent copy of the sizes of an ODP umem
 * @generation: of the table
 * @shift: log2 of the largest blocks
 * @sizes: sizes of the blocks
 * @start: start of the first block
 * @end: end of the last one
 * @run_shift: see struct ib_odp_table
 * @smallest: no smaller size is accepted
 */
struct ib_odp_geometry {
	unsigned long generation;
	unsigned int shift;
	u64 sizes;
	u64 start;
	u64 end;
	unsigned int run_shift;
	bool smallest;
};

/**
 * struct ib_odp_tables - the table of an ODP umem
 * @dma: the table for a device that does DMA, or NULL
 * @table: the table for a software device, or NULL
 */
struct ib_odp_tables {
	struct ib_odp_dma_table *dma;
	struct ib_odp_table *table;
};

/**
 * struct ib_odp_charge - state for ib_umem_odp_uncharge()
 * @memcg: the memory cgroup of the umem's owner
 * @old: the active memory cgroup before
 */
struct ib_odp_charge {
	struct mem_cgroup *memcg;
	struct mem_cgroup *old;
};

/*
 * Return an error pointer. The caller would use a number that is not an errno
 * as the address of an object, so warn and return -EIO instead.
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
int ib_mr_check_entries(struct ib_udata *udata,
			const struct ib_odp_request *req, u64 entries);

int ib_umem_odp_check_range(u64 address, u64 length);
int ib_umem_odp_choose(struct ib_umem_odp *umem_odp, u64 iova, int access,
		       const struct ib_odp_request *req);
int ib_umem_odp_choose_implicit(struct ib_umem_odp *umem_odp,
				const struct ib_odp_request *req);
void ib_umem_odp_choose_child(struct ib_umem_odp *child,
			      struct ib_umem_odp *root, u64 sizes);
struct ib_umem_odp *ib_umem_odp_alloc_mixed(struct ib_device *device,
					    unsigned long addr, size_t size,
					    u64 iova, int access,
					    const struct ib_odp_request *req);
struct ib_umem_odp *ib_umem_odp_alloc_mixed_child(struct ib_umem_odp *root,
						  unsigned long addr,
						  size_t size);
int ib_umem_odp_renegotiate(struct ib_umem_odp *umem_odp,
			    const struct ib_odp_request *req);
int ib_umem_odp_choose_mixed(struct ib_umem_odp *umem_odp,
			     const struct ib_odp_request *req, u64 *sizes);
bool ib_umem_odp_set_mixed(struct ib_umem_odp *umem_odp, u64 sizes);
int ib_umem_odp_step_down(struct ib_umem_odp *umem_odp,
			  unsigned long generation, u64 addr);
void ib_umem_odp_want_growth(struct ib_umem_odp *umem_odp);
void ib_umem_odp_get_geometry(struct ib_umem_odp *umem_odp,
			      struct ib_odp_geometry *geo);
struct ib_odp_charge ib_umem_odp_charge(const struct ib_umem_odp *umem_odp);
void ib_umem_odp_uncharge(struct ib_odp_charge charge);
void ib_umem_odp_invalidate(struct ib_umem_odp *umem_odp, u64 virt, u64 bound);
void ib_umem_odp_absorb(struct ib_umem_odp *root, struct ib_umem_odp *child);
int ib_umem_odp_fault_in(struct ib_umem_odp *umem_odp);
void ib_umem_odp_count_fault(struct ib_umem_odp *umem_odp);
void ib_umem_odp_count_refused(struct ib_umem_odp *umem_odp);
void ib_umem_odp_set_event(struct ib_umem_odp *umem_odp,
			   struct eventfd_ctx *event);
void ib_umem_odp_signal(struct ib_umem_odp *umem_odp);
u64 ib_umem_odp_blocks_mapped(const struct ib_umem_odp *umem_odp);
void ib_umem_odp_get_state(struct ib_umem_odp *umem_odp,
			   struct ib_uverbs_odp_state *state);
void ib_umem_odp_get_blocks(struct ib_umem_odp *umem_odp,
			    struct ib_uverbs_odp_blocks *blocks);
void ib_umem_odp_get_pages(struct ib_umem_odp *umem_odp,
			   struct ib_uverbs_mr_pages *pages);
u64 ib_umem_odp_base_pages(const struct ib_umem_odp *umem_odp);
int ib_mr_put_res(struct sk_buff *msg, const struct ib_uverbs_mr_pages *pages);
int ib_mr_fill_res(struct sk_buff *msg, const struct ib_uverbs_mr_pages *pages,
		   struct ib_umem_odp *umem_odp);
int ib_umem_odp_put_res(struct sk_buff *msg, struct ib_umem_odp *umem_odp);
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

static inline int ib_umem_odp_put_stat(struct sk_buff *msg,
				       struct ib_umem_odp *umem_odp)
{
	return 0;
}

#endif

#endif
