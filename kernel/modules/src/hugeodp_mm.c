// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Workarounds for what the series fixes in mm/hmm.c: hmm_range_fault() returns
 * memory that is hidden from the kernel, hmm_range_fault_unlocked_timeout()
 * endlessly retries a fault that always fails, and hmm_dma_map_alloc() reserves
 * too little IOVA space for entries that are larger than a page, which need no
 * reservation.
 */
#include <linux/fs.h>
#include <linux/dma-mapping.h>
#include <linux/hmm.h>
#include <linux/hmm-dma.h>
#include <linux/magic.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "hugeodp_mm.h"

/* Pages in one call of get_user_pages_remote(). */
#define HUGEODP_FAULT_BATCH 32UL

/* Memory that get_user_pages() refuses but HMM does not. */
static bool hugeodp_is_hidden(const struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_SHADOW_STACK)
		return true;
	return vma->vm_file &&
	       file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

/**
 * hugeodp_hide - drop pages that no device may access from a result of HMM
 * @mm: the address space, with mmap_lock held
 * @start: first address
 * @end: address after the last one
 * @pfns: what hmm_range_fault() found there
 *
 * If a VMA is replaced after hmm_range_fault() has walked it, the sequence of
 * the notifier changes, and the result is not used.
 */
void hugeodp_hide(struct mm_struct *mm, u64 start, u64 end,
		  unsigned long *pfns)
{
	struct vm_area_struct *vma;
	u64 addr;

	mmap_assert_locked(mm);
	for (addr = start; addr < end; addr = vma->vm_end) {
		u64 i, stop;

		vma = find_vma(mm, (unsigned long)addr);
		if (!vma || vma->vm_start >= end)
			return;
		if (!hugeodp_is_hidden(vma))
			continue;
		stop = (min_t(u64, end, vma->vm_end) - start) >> PAGE_SHIFT;
		for (i = (max_t(u64, start, vma->vm_start) - start) >> PAGE_SHIFT;
		     i < stop; i++)
			pfns[i] = HMM_PFN_ERROR;
	}
}

/* Find out why a fault failed, which get_user_pages() does not report. */
static int hugeodp_fault_error(struct mm_struct *mm, unsigned long addr,
			       bool write)
{
	struct vm_area_struct *vma;
	int ret;

	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	vma = vma_lookup(mm, addr);
	if (vma && write && (vma->vm_flags & VM_READ) &&
	    !(vma->vm_flags & (VM_WRITE | VM_IO | VM_PFNMAP)) &&
	    !hugeodp_is_hidden(vma))
		ret = -EPERM;
	else
		ret = -EFAULT;
	mmap_read_unlock(mm);
	return ret;
}

/* Fault in pages with the same request. */
static int hugeodp_fault_run(struct mm_struct *mm, unsigned long addr,
			     unsigned long nr, bool write)
{
	/* To HMM, a page with a NUMA hinting fault pending is missing. */
	unsigned int flags = FOLL_HONOR_NUMA_FAULT | (write ? FOLL_WRITE : 0);
	struct page *pages[HUGEODP_FAULT_BATCH];
	int locked, ret;
	long done, i;

	while (nr) {
		ret = mmap_read_lock_killable(mm);
		if (ret)
			return ret;
		locked = 1;
		done = get_user_pages_remote(mm, addr,
					     min(nr, HUGEODP_FAULT_BATCH),
					     flags, pages, &locked);
		if (locked)
			mmap_read_unlock(mm);
		for (i = 0; i < done; i++)
			put_page(pages[i]);
		if (fatal_signal_pending(current))
			return -EINTR;
		if (done == -ENOMEM)
			return -ENOMEM;
		if (!done || done == -EAGAIN || done == -EBUSY)
			return -EBUSY;
		if (done < 0)
			return hugeodp_fault_error(mm, addr, write);
		addr += (unsigned long)done << PAGE_SHIFT;
		nr -= (unsigned long)done;
		cond_resched();
	}
	return 0;
}

/**
 * hugeodp_fault_in - fault in pages as hmm_range_fault_unlocked_timeout() would
 * @mm: the address space; the caller holds a reference to its users, and no lock
 * @range: start, end and requests; hmm_pfns is not filled in
 *
 * get_user_pages() fails when the second attempt at a page fails, waits for
 * user space killably, and refuses hidden memory.
 *
 * Return: 0; -EFAULT if there is no memory, or no device may access it; -EPERM
 *	   if it is not writable; -EBUSY if the caller should retry; -EINTR;
 *	   -ENOMEM
 */
int hugeodp_fault_in(struct mm_struct *mm, const struct hmm_range *range)
{
	unsigned long nr = (range->end - range->start) >> PAGE_SHIFT;
	unsigned long i = 0;

	while (i < nr) {
		unsigned long want = range->default_flags |
				     (range->hmm_pfns[i] & range->pfn_flags_mask);
		unsigned long first = i;
		int ret;

		want &= HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE;
		do {
			i++;
		} while (i < nr &&
			 ((range->default_flags |
			   (range->hmm_pfns[i] & range->pfn_flags_mask)) &
			  (HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE)) == want);
		if (!(want & HMM_PFN_REQ_FAULT))
			continue;
		ret = hugeodp_fault_run(mm, range->start + (first << PAGE_SHIFT),
					i - first, want & HMM_PFN_REQ_WRITE);
		if (ret)
			return ret;
	}
	return 0;
}

/* Stands in for the function of the series, see Kbuild. */
int hmm_dma_map_alloc(struct device *dev, struct hmm_dma_map *map,
		      size_t nr_entries, size_t dma_entry_size)
{
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	bool use_iova;
	size_t bytes;

	if (check_mul_overflow(nr_entries, dma_entry_size, &bytes))
		return -EOVERFLOW;
	map->dma_entry_size = dma_entry_size;
	map->pfn_list = kvcalloc(nr_entries, sizeof(*map->pfn_list), gfp);
	if (!map->pfn_list)
		return -ENOMEM;
	/* Large entries would reserve much more IOVA space than they use memory. */
	use_iova = dma_entry_size == PAGE_SIZE &&
		   dma_iova_try_alloc(dev, &map->state, 0, bytes);
	if (!use_iova && dma_need_unmap(dev)) {
		map->dma_list = kvcalloc(nr_entries, sizeof(*map->dma_list),
					 gfp);
		if (!map->dma_list) {
			kvfree(map->pfn_list);
			return -ENOMEM;
		}
	}
	return 0;
}
