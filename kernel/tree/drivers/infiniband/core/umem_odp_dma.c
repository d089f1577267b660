// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tables of ODP umems of devices that do DMA.
 *
 * A table has one entry for each page of the umem. It consists of pieces, which are
 * allocated when one of their entries is mapped for the first time: a page fault
 * may have to change an MR of 1 TiB from 2 MiB to 4 KiB, and cannot allocate 2 GiB
 * at once. Each piece is a struct hmm_dma_map, with its own IOVA range if the device
 * uses an IOMMU.
 *
 * umem_mutex protects a table. Memory is allocated without it, as it is taken in
 * reclaim, and is charged to the process that the umem belongs to.
 */
#include <linux/align.h>
#include <linux/dma-mapping.h>
#include <linux/export.h>
#include <linux/memcontrol.h>
#include <linux/mmu_notifier.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>

#include "umem_odp_dma.h"
#include "umem_odp_look.h"

static size_t odp_piece_entries(const struct ib_odp_dma_table *table,
				size_t piece)
{
	return min_t(size_t, ODP_DMA_PIECE,
		     table->nr - (piece << ODP_DMA_PIECE_SHIFT));
}

/**
 * ib_odp_dma_table_create - make an empty table
 * @dev: the device that does the DMA
 * @shift: log2 of the bytes that an entry stands for
 * @nr: entries
 *
 * Return: the table; -EOPNOTSUPP if the device needs bounce buffers or syncs,
 *	   which HMM cannot do; -ENOMEM
 */
struct ib_odp_dma_table *ib_odp_dma_table_create(struct device *dev,
						 unsigned int shift, size_t nr)
{
	size_t nr_pieces = DIV_ROUND_UP(nr, ODP_DMA_PIECE);
	struct ib_odp_dma_table *table;

#ifdef CONFIG_DMA_NEED_SYNC
	if (!dev_dma_skip_sync(dev))
		return ERR_PTR(-EOPNOTSUPP);
#endif
	if (dma_addressing_limited(dev))
		return ERR_PTR(-EOPNOTSUPP);
	table = kvzalloc(struct_size(table, piece, nr_pieces),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!table)
		return ERR_PTR(-ENOMEM);
	table->shift = shift;
	table->nr = nr;
	table->nr_pieces = nr_pieces;
	if (nr_pieces == 1) {
		struct hmm_dma_map *piece;

		/* Allocate it now, where a failure is a documented error. */
		piece = ib_odp_dma_piece_alloc(dev, table, 0);
		if (!piece) {
			kvfree(table);
			return ERR_PTR(-ENOMEM);
		}
		ib_odp_dma_piece_add(table, 0, piece);
	}
	return table;
}

/**
 * ib_odp_dma_table_destroy - free a table whose entries are unmapped
 * @dev: the device
 * @table: the table, or NULL
 */
void ib_odp_dma_table_destroy(struct device *dev,
			      struct ib_odp_dma_table *table)
{
	size_t i;

	for (i = 0; table && i < table->nr_pieces; i++)
		ib_odp_dma_piece_free(dev, table->piece[i]);
	kvfree(table);
}

/**
 * ib_odp_dma_piece_alloc - allocate the piece that an entry is in
 * @dev: the device
 * @table: the table
 * @idx: the entry
 *
 * Return: the piece, or NULL
 */
struct hmm_dma_map *ib_odp_dma_piece_alloc(struct device *dev,
					   const struct ib_odp_dma_table *table,
					   size_t idx)
{
	size_t nr = odp_piece_entries(table, idx >> ODP_DMA_PIECE_SHIFT);
	struct hmm_dma_map *piece;

	piece = kzalloc_obj(*piece, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (piece && hmm_dma_map_alloc(dev, piece, nr, BIT(table->shift))) {
		kfree(piece);
		piece = NULL;
	}
	return piece;
}

/**
 * ib_odp_dma_piece_free - free a piece whose entries are unmapped
 * @dev: the device
 * @piece: the piece, or NULL
 */
void ib_odp_dma_piece_free(struct device *dev, struct hmm_dma_map *piece)
{
	if (!piece)
		return;
	hmm_dma_map_free(dev, piece);
	kfree(piece);
}

/**
 * ib_odp_dma_piece_add - put a piece into a table
 * @table: the table
 * @idx: an entry of the piece
 * @piece: the piece
 *
 * Return: false if the table has one there already
 */
bool ib_odp_dma_piece_add(struct ib_odp_dma_table *table, size_t idx,
			  struct hmm_dma_map *piece)
{
	size_t i = idx >> ODP_DMA_PIECE_SHIFT;
	size_t entry = sizeof(*piece->pfn_list);

	if (table->piece[i])
		return false;
	if (piece->dma_list)
		entry += sizeof(*piece->dma_list);
	table->piece[i] = piece;
	table->bytes += odp_piece_entries(table, i) * entry;
	return true;
}

/**
 * ib_odp_dma_missing - find an entry that has no piece
 * @table: the table
 * @idx: first entry
 * @end: the entry after the last one
 *
 * Return: the first entry that has none, @end if there is none
 */
size_t ib_odp_dma_missing(const struct ib_odp_dma_table *table, size_t idx,
			  size_t end)
{
	while (idx < end && table->piece[idx >> ODP_DMA_PIECE_SHIFT])
		idx = ALIGN_DOWN(idx, ODP_DMA_PIECE) + ODP_DMA_PIECE;
	return min(idx, end);
}

/**
 * ib_odp_dma_entry - get a pointer to an entry
 * @table: the table
 * @idx: the entry
 *
 * Return: the entry, or NULL if its piece is not allocated
 */
unsigned long *ib_odp_dma_entry(const struct ib_odp_dma_table *table,
				size_t idx)
{
	struct hmm_dma_map *piece;

	if (WARN_ON_ONCE(idx >= table->nr))
		return NULL;
	piece = table->piece[idx >> ODP_DMA_PIECE_SHIFT];
	return piece ? &piece->pfn_list[idx & (ODP_DMA_PIECE - 1)] : NULL;
}

/**
 * ib_odp_dma_next - find an entry that is valid
 * @table: the table
 * @idx: first entry
 * @end: the entry after the last one
 *
 * Return: the first valid entry, @end if there is none
 */
size_t ib_odp_dma_next(const struct ib_odp_dma_table *table, size_t idx,
		       size_t end)
{
	end = min(end, table->nr);
	while (idx < end) {
		unsigned long *entry = ib_odp_dma_entry(table, idx);

		if (entry && (*entry & HMM_PFN_VALID))
			return idx;
		if (entry)
			idx++;
		else
			idx = ALIGN_DOWN(idx, ODP_DMA_PIECE) + ODP_DMA_PIECE;
	}
	return end;
}

/**
 * ib_umem_odp_entry - get the table entry of a page of an ODP umem
 * @umem_odp: the umem, its umem_mutex held
 * @idx: index of the page
 *
 * For devices that do DMA.
 *
 * Return: the page frame with HMM_PFN_VALID and possibly HMM_PFN_WRITE, or 0
 */
unsigned long ib_umem_odp_entry(const struct ib_umem_odp *umem_odp, size_t idx)
{
	unsigned long *entry;

	lockdep_assert_held(&umem_odp->umem_mutex);

	entry = ib_odp_dma_entry(umem_odp->dma, idx);
	return entry && (*entry & HMM_PFN_VALID) ? *entry : 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_entry);

/**
 * ib_umem_odp_next_entry - find a page of an ODP umem that is mapped
 * @umem_odp: the umem, its umem_mutex held
 * @idx: index of the first page
 * @end: index after the last one
 *
 * For devices that do DMA. Skips pieces of the table that are not allocated.
 *
 * Return: the index, @end if there is none
 */
size_t ib_umem_odp_next_entry(const struct ib_umem_odp *umem_odp, size_t idx,
			      size_t end)
{
	lockdep_assert_held(&umem_odp->umem_mutex);

	return min(ib_odp_dma_next(umem_odp->dma, idx, end), end);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_next_entry);

/**
 * ib_umem_odp_dma_addr - the DMA address of a page of an ODP umem
 * @umem_odp: the umem, its umem_mutex held
 * @idx: index of the page, which is mapped
 * @p2pdma_state: state of PCI peer-to-peer DMA
 *
 * Return: the address, aligned to the size of the page, or DMA_MAPPING_ERROR
 */
dma_addr_t ib_umem_odp_dma_addr(struct ib_umem_odp *umem_odp, size_t idx,
				struct pci_p2pdma_map_state *p2pdma_state)
{
	struct device *dev = umem_odp->umem.ibdev->dma_device;
	struct hmm_dma_map *piece;
	dma_addr_t addr;

	lockdep_assert_held(&umem_odp->umem_mutex);

	piece = umem_odp->dma->piece[idx >> ODP_DMA_PIECE_SHIFT];
	idx &= ODP_DMA_PIECE - 1;
	addr = hmm_dma_map_pfn(dev, piece, idx, p2pdma_state);
	if (dma_mapping_error(dev, addr))
		return addr;
	/* A bus offset need not be a multiple of a large page. */
	if (!IS_ALIGNED(addr, piece->dma_entry_size)) {
		hmm_dma_unmap_pfn(dev, piece, idx);
		return DMA_MAPPING_ERROR;
	}
	return addr;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_dma_addr);

/**
 * ib_umem_odp_next_mapped - find memory of an ODP umem that may be mapped
 * @umem_odp: the umem; the caller holds a reference to the users of its mm
 * @start: first address
 * @end: address after the last one
 *
 * Return: the first address that may be mapped, @end if there is none
 */
u64 ib_umem_odp_next_mapped(const struct ib_umem_odp *umem_odp, u64 start,
			    u64 end)
{
	return ib_odp_next_mapped(umem_odp->umem.owning_mm, start, end);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_next_mapped);

/* Unmap entries, and mark the pages dirty that the device may have written. */
void ib_umem_odp_unmap_dma_entries(struct ib_umem_odp *umem_odp, size_t idx,
				   size_t end)
{
	struct device *dev = umem_odp->umem.ibdev->dma_device;
	unsigned int order = umem_odp->page_shift - PAGE_SHIFT;
	struct ib_odp_dma_table *table = umem_odp->dma;

	lockdep_assert_held(&umem_odp->umem_mutex);

	for (idx = ib_odp_dma_next(table, idx, end); idx < end;
	     idx = ib_odp_dma_next(table, idx + 1, end)) {
		struct hmm_dma_map *piece =
			table->piece[idx >> ODP_DMA_PIECE_SHIFT];
		unsigned long *entry = ib_odp_dma_entry(table, idx);
		unsigned long pfn = *entry;

		if (hmm_dma_unmap_pfn(dev, piece, idx & (ODP_DMA_PIECE - 1)) &&
		    (pfn & HMM_PFN_WRITE) && umem_odp->umem.writable)
			ib_umem_odp_set_dirty(pfn & ~HMM_PFN_FLAGS, BIT(order));
		umem_odp->pages.blocks_mapped--;
		*entry = 0;
	}
}

/*
 * Store the result of a walk for a page of the umem in its table. The sticky bits
 * belong to the DMA mapping of the page.
 */
static void odp_dma_set(struct ib_umem_odp *umem_odp, size_t idx,
			unsigned long pfn)
{
	const unsigned long sticky = HMM_PFN_DMA_MAPPED | HMM_PFN_P2PDMA |
				     HMM_PFN_P2PDMA_BUS;
	unsigned long *entry = ib_odp_dma_entry(umem_odp->dma, idx);

	if (!(*entry & HMM_PFN_VALID))
		umem_odp->pages.blocks_mapped++;
	*entry = (*entry & sticky) | (pfn & ODP_PFN_KEEP);
}

/* The state of a call of ib_umem_odp_map_dma_and_lock(). */
struct odp_dma_map {
	struct ib_umem_odp *umem_odp;
	struct ib_odp_geometry geo;
	struct ib_odp_look look;
	u64 end;
	/* address of memory that is not a block of the size */
	u64 bad;
};

static bool odp_dma_same(const struct odp_dma_map *map)
{
	struct ib_umem_odp *umem_odp = map->umem_odp;

	return umem_odp->pages.generation == map->geo.generation &&
	       !mmu_interval_read_retry(&umem_odp->notifier, map->look.seq);
}

/* Allocate the pieces for the last walk. Drops umem_mutex meanwhile. */
static int odp_dma_reserve(struct odp_dma_map *map, size_t idx, size_t end)
{
	struct ib_umem_odp *umem_odp = map->umem_odp;
	struct device *dev = umem_odp->umem.ibdev->dma_device;

	lockdep_assert_held(&umem_odp->umem_mutex);

	while (odp_dma_same(map)) {
		struct ib_odp_dma_table shape = {
			.shift = umem_odp->dma->shift,
			.nr = umem_odp->dma->nr,
		};
		size_t missing = ib_odp_dma_missing(umem_odp->dma, idx, end);
		struct hmm_dma_map *piece;

		if (missing == end)
			return 0;
		mutex_unlock(&umem_odp->umem_mutex);
		piece = ib_odp_dma_piece_alloc(dev, &shape, missing);
		mutex_lock(&umem_odp->umem_mutex);
		if (!piece)
			return -ENOMEM;
		/* The table may have been replaced. */
		if (umem_odp->pages.generation != map->geo.generation ||
		    !ib_odp_dma_piece_add(umem_odp->dma, missing, piece))
			ib_odp_dma_piece_free(dev, piece);
	}
	return -EAGAIN;
}

/* Store the last walk in the table, if it is still valid under the lock. */
static int odp_dma_install(struct odp_dma_map *map)
{
	struct ib_umem_odp *umem_odp = map->umem_odp;
	unsigned int shift = map->geo.shift;
	u64 first = ib_odp_look_first(&map->look);
	size_t idx = (first - map->geo.start) >> shift;
	size_t nr = ib_odp_look_nr(&map->look);
	bool any = false;
	size_t i;
	int ret;

	lockdep_assert_held(&umem_odp->umem_mutex);

	for (i = 0; i < nr && !any; i++)
		any = map->look.pfns[i] & HMM_PFN_VALID;
	if (!any)
		return odp_dma_same(map) ? 0 : -EAGAIN;
	ret = odp_dma_reserve(map, idx, idx + nr);
	if (ret)
		return ret;
	for (i = 0; i < nr; i++)
		if (map->look.pfns[i] & HMM_PFN_VALID)
			odp_dma_set(umem_odp, idx + i, map->look.pfns[i]);
	return 0;
}

/* Find a block that is missing, not writable or not of the size. */
static int odp_dma_check(struct odp_dma_map *map, size_t nr)
{
	size_t i;

	for (i = 0; map->look.fault && !map->look.good && i < nr; i++)
		if (!(map->look.pfns[i] & HMM_PFN_VALID) ||
		    (map->look.write && !(map->look.pfns[i] & HMM_PFN_WRITE))) {
			map->bad = max(map->look.start,
				       ib_odp_look_first(&map->look) +
					       ((u64)i << map->look.shift));
			return -ERANGE;
		}
	return 0;
}

/* Map a batch; umem_mutex is held on success. */
static int odp_dma_map_batch(struct odp_dma_map *map)
{
	struct ib_umem_odp *umem_odp = map->umem_odp;
	size_t nr = ib_odp_look_nr(&map->look);
	int ret;

	do {
		ret = ib_odp_look(&map->look);
		/* Without a fault, memory may be missing. */
		if (ret == -EBUSY && !map->look.fault) {
			memset(map->look.pfns, 0, nr * sizeof(*map->look.pfns));
			ret = 0;
		}
		if (!ret)
			ret = odp_dma_check(map, nr);
		if (ret)
			return ret;
		mutex_lock(&umem_odp->umem_mutex);
		ret = odp_dma_install(map);
		if (ret)
			mutex_unlock(&umem_odp->umem_mutex);
	} while (ret == -EAGAIN &&
		 READ_ONCE(umem_odp->pages.generation) == map->geo.generation &&
		 !fatal_signal_pending(current));
	return ret;
}

/* Map [look.start, end) in batches. */
static int odp_dma_map_all(struct odp_dma_map *map)
{
	struct ib_umem_odp *umem_odp = map->umem_odp;
	u64 size = BIT_ULL(map->geo.shift);
	u64 start = map->look.start;
	int ret;

	for (;;) {
		u64 batch = ALIGN_DOWN(start, size) + ODP_LOOK_BATCH * size;

		if (!map->look.fault) {
			/* The last batch is mapped only to return with the lock held. */
			start = ib_odp_next_mapped(umem_odp->umem.owning_mm,
						   start, map->end);
			start = min(start, map->end - 1);
			batch = ALIGN_DOWN(start, size) + ODP_LOOK_BATCH * size;
		}
		map->look.start = start;
		map->look.end = batch > start ? min(batch, map->end) : map->end;
		ret = odp_dma_map_batch(map);
		if (ret || map->look.end == map->end)
			return ret;
		mutex_unlock(&umem_odp->umem_mutex);
		if (fatal_signal_pending(current))
			return -EINTR;
		start = map->look.end;
		cond_resched();
	}
}

/**
 * ib_umem_odp_map_dma_and_lock - DMA map userspace memory in an ODP MR and lock it.
 * @umem_odp: the umem to map
 * @user_virt: the address from which to map
 * @bcnt: bytes to map; more is mapped as pages of the umem are mapped as a whole
 * @access_mask: HMM_PFN_WRITE if the memory has to be writable
 * @fault: fault memory in; else map only the pages that are present
 *
 * Upon success the ODP MR is locked to let the caller complete its device page
 * table update. No lock is held while memory is faulted in. If memory does not
 * consist of pages of the umem's size, the umem changes to a smaller accepted size.
 *
 * Return: 0; -EFAULT if memory is not mapped, not accessible, or outside of the umem;
 *	   -EPERM if it is not writable; -ERANGE if it does not consist of pages of an
 *	   accepted size; -EBUSY if it keeps being invalidated; -EINVAL if the process
 *	   has exited; -EINTR; -ENOMEM
 */
int ib_umem_odp_map_dma_and_lock(struct ib_umem_odp *umem_odp, u64 user_virt,
				 u64 bcnt, u64 access_mask, bool fault)
	__acquires(&umem_odp->umem_mutex)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	struct odp_dma_map map = {
		.umem_odp = umem_odp,
		.look = {
			.notifier = &umem_odp->notifier,
			.start = user_virt,
			.fault = fault,
			.write = access_mask & HMM_PFN_WRITE,
			.may_write = umem_odp->umem.writable,
		},
	};
	struct ib_odp_charge charge;
	int busy = 0;
	int ret;

	if (check_add_overflow(user_virt, bcnt, &map.end) || !bcnt)
		return -EFAULT;
	if (!mmget_not_zero(mm))
		return -EINVAL;
	map.look.pfns = kmalloc_array(ODP_LOOK_BATCH, sizeof(*map.look.pfns),
				      GFP_KERNEL);
	if (!map.look.pfns) {
		mmput_async(mm);
		return -ENOMEM;
	}
	charge = ib_umem_odp_charge(umem_odp);
	do {
		ib_umem_odp_get_geometry(umem_odp, &map.geo);
		if (user_virt < map.geo.start || map.end > map.geo.end) {
			ret = -EFAULT;
			break;
		}
		map.look.start = user_virt;
		map.look.shift = map.geo.shift;
		map.look.complete = map.geo.smallest;
		map.look.low = umem_odp->umem.address;
		map.look.high = umem_odp->umem.address + umem_odp->umem.length;
		ret = odp_dma_map_all(&map);
		if (ret == -ERANGE)
			ret = ib_umem_odp_step_down(umem_odp,
						    map.geo.generation,
						    map.bad) ?: -EAGAIN;
		else if (ret == -EBUSY && busy++ < IB_ODP_MAX_BUSY)
			ret = -EAGAIN;
		if (ret == -EAGAIN && fatal_signal_pending(current))
			ret = -EINTR;
	} while (ret == -EAGAIN);
	if (!ret && fault)
		ib_umem_odp_want_growth(umem_odp);
	ib_umem_odp_uncharge(charge);
	ib_odp_look_free(&map.look);
	kfree(map.look.pfns);
	mmput_async(mm);
	return ret;
}
EXPORT_SYMBOL(ib_umem_odp_map_dma_and_lock);
