// SPDX-License-Identifier: GPL-2.0
/*
 * HMM ranges in blocks larger than a page.
 *
 * A device whose page table holds a large entry wants one answer for a block of
 * memory: where it is if it is one piece, and that it is not otherwise. The
 * walk here gives that answer. A block of size S is uniform if its memory is
 * physically contiguous, aligned to S, and present. How the CPU maps it does
 * not matter: by a leaf that is larger, by one of the same size, or by many
 * smaller ones that happen to follow each other, across VMAs too. Its
 * permissions are the weakest found in it.
 *
 * The walk looks at the pieces of a block in address order and keeps what it
 * learned in struct hmm_block_walk, also across a fault: nothing learned can
 * have changed as long as the notifier's sequence is the same, and if it is not
 * everything starts over.
 */
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/hmm-block.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/leafops.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagewalk.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>

#include "hmm_block.h"

/* Returned by walk callbacks: fault hmm_block_walk.last in, then go on there. */
#define HMM_BLOCK_FAULT		(-EAGAIN)
/* Returned by hmm_block_pte(): wait for the migration of hmm_block_walk.last. */
#define HMM_BLOCK_WAIT		(-EINPROGRESS)
/* Returned by hmm_block_fault(): mmap_lock was dropped on the way. */
#define HMM_BLOCK_UNLOCKED	(-ENOLCK)

/* What is known of the block at hand. */
enum hmm_block_state {
	HMM_BLOCK_UNIFORM,	/* present and contiguous so far */
	HMM_BLOCK_ABSENT,	/* nothing there, and nobody asked to fault */
	HMM_BLOCK_BAD,		/* no access possible to any of it so far */
	HMM_BLOCK_SPLIT,	/* not uniform, whatever the rest is */
};

struct hmm_block_walk {
	struct hmm_range	*range;
	bool			*locked;
	/* only look: the first block that is not uniform ends the walk */
	bool			probe;
	/* where to go on, and what to fault in there */
	unsigned long		last;
	bool			write_fault;
	/* the block at hand */
	enum hmm_block_state	state;
	unsigned long		pfn;
	unsigned long		flags;
	int			err;
};

static unsigned long hmm_block_size(const struct hmm_range *range)
{
	return 1UL << range->block_shift;
}

static bool hmm_block_need_fault(const struct hmm_block_walk *hbw,
				 unsigned long flags)
{
	unsigned long req = hbw->range->default_flags;

	if (!(req & HMM_PFN_REQ_FAULT))
		return false;
	/* The block is lost already. */
	if (hbw->state == HMM_BLOCK_SPLIT || hbw->state == HMM_BLOCK_BAD)
		return false;
	if (!(flags & HMM_PFN_VALID))
		return true;
	return (req & HMM_PFN_REQ_WRITE) && !(flags & HMM_PFN_WRITE);
}

/* A block is complete: write its entry, or say why there is none. */
static int hmm_block_finish(struct hmm_block_walk *hbw, unsigned long block)
{
	const unsigned long sticky = HMM_PFN_DMA_MAPPED | HMM_PFN_P2PDMA |
				     HMM_PFN_P2PDMA_BUS;
	struct hmm_range *range = hbw->range;
	unsigned long *entry;
	unsigned long out = 0;

	if (hbw->probe)
		return hbw->state == HMM_BLOCK_UNIFORM ? 0 : -ERANGE;

	switch (hbw->state) {
	case HMM_BLOCK_UNIFORM:
		out = hbw->pfn | hbw->flags |
		      ((unsigned long)(range->block_shift - PAGE_SHIFT)
		       << HMM_PFN_ORDER_SHIFT);
		break;
	case HMM_BLOCK_ABSENT:
		break;
	case HMM_BLOCK_BAD:
		if (range->default_flags & HMM_PFN_REQ_FAULT)
			return hbw->err;
		out = HMM_PFN_ERROR;
		break;
	case HMM_BLOCK_SPLIT:
		if (((range->default_flags & HMM_PFN_REQ_FAULT) &&
		     !(range->block_flags & HMM_BLOCK_REPORT)) ||
		    (range->block_flags & HMM_BLOCK_STRICT)) {
			range->block_addr = block;
			return -ERANGE;
		}
		out = HMM_PFN_FINER;
		break;
	}

	entry = &range->hmm_pfns[(block - range->start) >> range->block_shift];
	*entry = (*entry & sticky) | out;
	return 0;
}

/* A piece of a block that starts it says what the block is so far. */
static void hmm_block_start(struct hmm_block_walk *hbw,
			    enum hmm_block_state state, unsigned long pfn,
			    unsigned long flags)
{
	unsigned long mask = (hmm_block_size(hbw->range) >> PAGE_SHIFT) - 1;

	hbw->state = state;
	hbw->pfn = pfn;
	hbw->flags = flags;
	if (state == HMM_BLOCK_UNIFORM && (pfn & mask))
		hbw->state = HMM_BLOCK_SPLIT;
}

/* A further piece of a block has to go on where the ones before ended. */
static void hmm_block_continue(struct hmm_block_walk *hbw,
			       enum hmm_block_state state, unsigned long pfn,
			       unsigned long flags)
{
	if (hbw->state != state)
		hbw->state = HMM_BLOCK_SPLIT;
	else if (state == HMM_BLOCK_UNIFORM && hbw->pfn != pfn)
		hbw->state = HMM_BLOCK_SPLIT;
	else
		hbw->flags &= flags;
}

/*
 * hmm_block_add() - tell what [@addr, @end) is
 * @state: what it is; never HMM_BLOCK_SPLIT
 * @pfn: the page frame at @addr, going on to @end (HMM_BLOCK_UNIFORM)
 * @flags: HMM_PFN_VALID and maybe HMM_PFN_WRITE (HMM_BLOCK_UNIFORM)
 *
 * In a range that faults, a block which turns out not to be uniform ends the
 * walk at once: there is no point in faulting in the rest of it.
 */
static int hmm_block_add(struct hmm_block_walk *hbw, unsigned long addr,
			 unsigned long end, enum hmm_block_state state,
			 unsigned long pfn, unsigned long flags)
{
	unsigned long size = hmm_block_size(hbw->range);
	int ret;

	while (addr < end) {
		unsigned long block = ALIGN_DOWN(addr, size);
		unsigned long next = min(block + size, end);
		/* the frame the block starts at, if the block is uniform */
		unsigned long base = pfn - ((addr - block) >> PAGE_SHIFT);

		if (addr == block)
			hmm_block_start(hbw, state, base, flags);
		else
			hmm_block_continue(hbw, state, base, flags);

		if (next == block + size ||
		    (hbw->state == HMM_BLOCK_SPLIT &&
		     !(hbw->range->block_flags & HMM_BLOCK_REPORT))) {
			ret = hmm_block_finish(hbw, block);
			if (ret)
				return ret;
		}
		pfn += (next - addr) >> PAGE_SHIFT;
		addr = next;
	}
	return 0;
}

/* No access is possible to [@addr, @end), for the reason @err. */
static int hmm_block_bad(struct hmm_block_walk *hbw, unsigned long addr,
			 unsigned long end, int err)
{
	hbw->err = err;
	return hmm_block_add(hbw, addr, end, HMM_BLOCK_BAD, 0, 0);
}

/*
 * hmm_block_present() - a leaf of the page tables maps [@addr, @end)
 * @pfn: the page frame at @addr
 * @flags: HMM_PFN_VALID and maybe HMM_PFN_WRITE; 0 if nothing is there yet
 *
 * Faults come one at a time, at the first address that needs one; the walk
 * then goes on there. One fault may bring in a whole huge page.
 */
static int hmm_block_present(struct mm_walk *walk, unsigned long addr,
			     unsigned long end, unsigned long pfn,
			     unsigned long flags)
{
	struct hmm_block_walk *hbw = walk->private;
	unsigned long size = hmm_block_size(hbw->range);
	unsigned long next;
	int ret;

	for (; addr < end; pfn += (next - addr) >> PAGE_SHIFT, addr = next) {
		next = min(ALIGN_DOWN(addr, size) + size, end);

		/* What the block before was does not matter for this one. */
		if (IS_ALIGNED(addr, size))
			hbw->state = HMM_BLOCK_ABSENT;

		if (hmm_block_need_fault(hbw, flags)) {
			bool write = hbw->range->default_flags &
				     HMM_PFN_REQ_WRITE;

			if (!write || (walk->vma->vm_flags & VM_WRITE)) {
				hbw->last = addr;
				hbw->write_fault = write;
				return HMM_BLOCK_FAULT;
			}
			ret = hmm_block_bad(hbw, addr, next, -EPERM);
		} else if (flags & HMM_PFN_VALID) {
			ret = hmm_block_add(hbw, addr, next, HMM_BLOCK_UNIFORM,
					    pfn, flags);
		} else {
			ret = hmm_block_add(hbw, addr, next, HMM_BLOCK_ABSENT,
					    0, 0);
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int hmm_block_absent(struct mm_walk *walk, unsigned long addr,
			    unsigned long end)
{
	return hmm_block_present(walk, addr, end, 0, 0);
}

static int hmm_block_hole(unsigned long addr, unsigned long end,
			  __always_unused int depth, struct mm_walk *walk)
{
	if (!walk->vma)
		return hmm_block_bad(walk->private, addr, end, -EFAULT);
	return hmm_block_absent(walk, addr, end);
}

static unsigned long hmm_block_flags(bool write)
{
	return write ? HMM_PFN_VALID | HMM_PFN_WRITE : HMM_PFN_VALID;
}

/* Memory at @addr is on the move: wait for it, if the range faults. */
static bool hmm_block_must_wait(struct hmm_block_walk *hbw, unsigned long addr)
{
	if (IS_ALIGNED(addr, hmm_block_size(hbw->range)))
		hbw->state = HMM_BLOCK_ABSENT;
	if (!hmm_block_need_fault(hbw, 0))
		return false;
	hbw->last = addr;
	return true;
}

static int hmm_block_pte(struct mm_walk *walk, unsigned long addr, pte_t pte)
{
	struct hmm_block_walk *hbw = walk->private;
	unsigned long end = addr + PAGE_SIZE;
	softleaf_t entry;

	if (pte_none(pte) || pte_is_uffd_wp_marker(pte))
		return hmm_block_absent(walk, addr, end);

	if (pte_present(pte)) {
		if (pte_protnone(pte))
			return hmm_block_absent(walk, addr, end);
		/* Memory without a struct page, but for the zero page. */
		if (!vm_normal_page(walk->vma, addr, pte) &&
		    !is_zero_pfn(pte_pfn(pte)))
			return hmm_block_bad(hbw, addr, end, -EFAULT);
		return hmm_block_present(walk, addr, end, pte_pfn(pte),
					 hmm_block_flags(pte_write(pte)));
	}

	entry = softleaf_from_pte(pte);
	if (softleaf_is_migration(entry)) {
		if (hmm_block_must_wait(hbw, addr))
			return HMM_BLOCK_WAIT;
		return hmm_block_absent(walk, addr, end);
	}
	/* Private device memory has to come back to be one with its block. */
	if (softleaf_is_swap(entry) || softleaf_is_device_private(entry) ||
	    softleaf_is_device_exclusive(entry))
		return hmm_block_absent(walk, addr, end);
	return hmm_block_bad(hbw, addr, end, -EFAULT);
}

static int hmm_block_ptes(struct mm_walk *walk, unsigned long addr,
			  unsigned long end, pmd_t *pmdp)
{
	pte_t *start, *ptep;
	int ret = 0;

	start = pte_offset_map(pmdp, addr);
	if (!start) {
		walk->action = ACTION_AGAIN;
		return 0;
	}
	for (ptep = start; !ret && addr < end; addr += PAGE_SIZE, ptep++)
		ret = hmm_block_pte(walk, addr, ptep_get(ptep));
	pte_unmap(start);

	if (ret == HMM_BLOCK_WAIT) {
		migration_entry_wait(walk->mm, pmdp, addr - PAGE_SIZE);
		ret = -EBUSY;
	}
	return ret;
}

static int hmm_block_pmd(pmd_t *pmdp, unsigned long addr, unsigned long end,
			 struct mm_walk *walk)
{
	struct hmm_block_walk *hbw = walk->private;
	pmd_t pmd = pmdp_get_lockless(pmdp);

	walk->action = ACTION_CONTINUE;

	if (pmd_none(pmd))
		return hmm_block_absent(walk, addr, end);

	if (thp_migration_supported() && pmd_is_migration_entry(pmd)) {
		if (hmm_block_must_wait(hbw, addr)) {
			pmd_migration_entry_wait(walk->mm, pmdp);
			return -EBUSY;
		}
		return hmm_block_absent(walk, addr, end);
	}

	if (!pmd_present(pmd)) {
		const softleaf_t entry = softleaf_from_pmd(pmd);

		if (softleaf_is_device_private(entry))
			return hmm_block_absent(walk, addr, end);
		return hmm_block_bad(hbw, addr, end, -EFAULT);
	}

	/*
	 * No lock: whoever splits or zaps a huge PMD tells the notifier, and
	 * then the whole result is thrown away.
	 */
	if (pmd_trans_huge(pmd)) {
		if (pmd_protnone(pmd))
			return hmm_block_absent(walk, addr, end);
		return hmm_block_present(walk, addr, end,
					 pmd_pfn(pmd) + ((addr & ~PMD_MASK) >> PAGE_SHIFT),
					 hmm_block_flags(pmd_write(pmd)));
	}

	if (pmd_bad(pmd))
		return hmm_block_bad(hbw, addr, end, -EFAULT);
	return hmm_block_ptes(walk, addr, end, pmdp);
}

static int hmm_block_pud(pud_t *pudp, unsigned long addr, unsigned long end,
			 struct mm_walk *walk)
{
	spinlock_t *ptl = pud_trans_huge_lock(pudp, walk->vma);
	pud_t pud;

	if (!ptl)
		return 0;
	pud = pudp_get(pudp);
	spin_unlock(ptl);

	walk->action = ACTION_CONTINUE;
	if (!pud_present(pud))
		return hmm_block_absent(walk, addr, end);
	return hmm_block_present(walk, addr, end,
				 pud_pfn(pud) + ((addr & ~PUD_MASK) >> PAGE_SHIFT),
				 hmm_block_flags(pud_write(pud)));
}

#ifdef CONFIG_HUGETLB_PAGE
static int hmm_block_hugetlb(pte_t *ptep, unsigned long hmask,
			     unsigned long addr, unsigned long end,
			     struct mm_walk *walk)
{
	spinlock_t *ptl = huge_pte_lock(hstate_vma(walk->vma), walk->mm, ptep);
	pte_t pte;

	pte = huge_ptep_get(walk->mm, addr, ptep);
	spin_unlock(ptl);

	/* The fault handler knows what to do with anything else. */
	if (pte_none(pte) || !pte_present(pte) || pte_protnone(pte))
		return hmm_block_absent(walk, addr, end);
	return hmm_block_present(walk, addr, end,
				 pte_pfn(pte) + ((addr & ~hmask) >> PAGE_SHIFT),
				 hmm_block_flags(pte_write(pte)));
}
#else
#define hmm_block_hugetlb NULL
#endif

static int hmm_block_test(unsigned long start, unsigned long end,
			  struct mm_walk *walk)
{
	const vm_flags_t flags = walk->vma->vm_flags;

	if (!(flags & (VM_IO | VM_PFNMAP)) && (flags & VM_READ))
		return 0;
	/* 1: done with this VMA. */
	return hmm_block_bad(walk->private, start, end, -EFAULT) ?: 1;
}

static const struct mm_walk_ops hmm_block_walk_ops = {
	.pud_entry	= hmm_block_pud,
	.pmd_entry	= hmm_block_pmd,
	.pte_hole	= hmm_block_hole,
	.hugetlb_entry	= hmm_block_hugetlb,
	.test_walk	= hmm_block_test,
	.walk_lock	= PGWALK_RDLOCK,
};

/*
 * Fault in what the walk stopped at. Returns -EBUSY for the walk to go on at
 * hmm_block_walk.last, HMM_BLOCK_UNLOCKED if it has to start over, or an error.
 */
static int hmm_block_fault(struct mm_struct *mm, struct hmm_block_walk *hbw)
{
	unsigned int flags = FAULT_FLAG_REMOTE;
	struct vm_area_struct *vma;
	unsigned long end;
	vm_fault_t fault;
	int ret;

	if (hbw->locked)
		flags |= FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
	if (hbw->write_fault)
		flags |= FAULT_FLAG_WRITE;

	vma = vma_lookup(mm, hbw->last);
	if (!vma)
		return -EFAULT;

	fault = handle_mm_fault(vma, hbw->last, flags, NULL);
	if (fault & (VM_FAULT_COMPLETED | VM_FAULT_RETRY)) {
		if (WARN_ON_ONCE(!hbw->locked))
			return -EINVAL;
		*hbw->locked = false;
		return HMM_BLOCK_UNLOCKED;
	}
	if (!(fault & VM_FAULT_ERROR))
		return -EBUSY;

	ret = vm_fault_to_errno(fault, 0);
	if (ret != -EFAULT)
		return ret ?: -EINVAL;
	/* One page is out of reach; that may not be so for the whole block. */
	end = hbw->last + PAGE_SIZE;
	if (is_vm_hugetlb_page(vma))
		end = min(ALIGN(end, huge_page_size(hstate_vma(vma))),
			  hbw->range->end);
	ret = hmm_block_bad(hbw, hbw->last, end, -EFAULT);
	hbw->last = end;
	return ret ?: -EBUSY;
}

/**
 * hmm_block_range_fault - hmm_range_fault() for blocks larger than a page
 * @range: the range; @block_shift is above PAGE_SHIFT, start and end are aligned
 *	   to it, and @pfn_flags_mask is 0
 * @locked: cleared if mmap_lock was dropped, NULL if it must not be
 *
 * If one block is not uniform and faults were asked for, the call fails with
 * -ERANGE and @range->block_addr is its address, unless HMM_BLOCK_REPORT asks
 * for a mark instead. A block that nothing can access is -EFAULT, or -EPERM if
 * it could be read; but one behind the end of a file is not uniform either, as
 * each of its pages is found out by a fault.
 *
 * Return: 0, or what hmm_range_fault() returns, or -ERANGE.
 */
int hmm_block_range_fault(struct hmm_range *range, bool *locked)
{
	struct hmm_block_walk hbw = {
		.range = range,
		.locked = locked,
		.last = range->start,
	};
	struct mm_struct *mm = range->notifier->mm;
	int ret;

	mmap_assert_locked(mm);

	if (WARN_ON_ONCE(!IS_ALIGNED(range->start | range->end,
				     hmm_block_size(range)) ||
			 range->pfn_flags_mask))
		return -EINVAL;

	do {
		if (mmu_interval_check_retry(range->notifier,
					     range->notifier_seq))
			return -EBUSY;
		ret = walk_page_range(mm, hbw.last, range->end,
				      &hmm_block_walk_ops, &hbw);
		if (ret == HMM_BLOCK_FAULT)
			ret = hmm_block_fault(mm, &hbw);
		if (ret == HMM_BLOCK_UNLOCKED)
			return fatal_signal_pending(current) ? -EINTR : -EBUSY;
	} while (ret == -EBUSY && hbw.last < range->end);

	return ret == -EBUSY ? 0 : ret;
}

/* Is all of [@start, @end) made of blocks of this size as it stands? */
static bool hmm_block_is_now(struct mm_struct *mm, unsigned long start,
			     unsigned long end, unsigned int shift)
{
	struct hmm_range range = {
		.start = start,
		.end = end,
		.block_shift = shift,
	};
	struct hmm_block_walk hbw = {
		.range = &range,
		.probe = true,
	};

	return !walk_page_range(mm, start, end, &hmm_block_walk_ops, &hbw);
}

/* Can @vma provide blocks of this size for the part of it in [@start, @end)? */
static bool hmm_block_vma_provides(struct vm_area_struct *vma,
				   unsigned long start, unsigned long end,
				   unsigned int shift)
{
	unsigned long size = 1UL << shift;

	start = max(start, vma->vm_start);
	end = min(end, vma->vm_end);

	if ((vma->vm_flags & (VM_IO | VM_PFNMAP)) || !(vma->vm_flags & VM_READ))
		return false;
	if (is_vm_hugetlb_page(vma))
		return huge_page_size(hstate_vma(vma)) >= size;
	if (size > PMD_SIZE)
		return false;
	if (IS_ALIGNED(start | end, size) &&
	    thp_vma_allowable_orders(vma, vma->vm_flags, TVA_SMAPS,
				     GENMASK(PMD_SHIFT - PAGE_SHIFT,
					     shift - PAGE_SHIFT)))
		return true;

	/*
	 * The policy does not promise it, but the memory may be there already:
	 * collapsed by hand, from a file's large folios, or put there before
	 * the policy changed.
	 */
	return hmm_block_is_now(vma->vm_mm, ALIGN_DOWN(start, size),
				ALIGN(end, size), shift);
}

static bool hmm_block_provided(struct mm_struct *mm, unsigned long start,
			       unsigned long end, unsigned int shift)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;
	unsigned long addr = start;

	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > addr ||
		    !hmm_block_vma_provides(vma, start, end, shift))
			return false;
		addr = vma->vm_end;
	}
	return addr >= end;
}

/**
 * hmm_block_best_shift - the largest block size that memory can have
 * @mm: the address space; the caller holds a reference to its users
 * @start: first address
 * @end: address behind the last one
 * @sizes: block sizes to choose from, a bit mask in bytes
 *
 * Every VMA that the range touches, once rounded out to whole blocks, has to be
 * able to provide blocks of the size: hugetlb of at least that page size, a VMA
 * that may have transparent huge pages, or memory that is made of such blocks
 * already. That may change at any time, so this is advice about what to try.
 * PAGE_SIZE is always possible, even for a hole.
 *
 * Return: log2 of the size, or -ERANGE if none is possible.
 */
int hmm_block_best_shift(struct mm_struct *mm, unsigned long start,
			 unsigned long end, u64 sizes)
{
	int ret = -ERANGE;
	int shift;

	mmap_read_lock(mm);
	for (shift = fls64(sizes) - 1; shift > PAGE_SHIFT; shift--) {
		unsigned long lo, hi;

		if (!(sizes & BIT_ULL(shift)) || shift >= BITS_PER_LONG)
			continue;
		lo = ALIGN_DOWN(start, 1UL << shift);
		hi = ALIGN(end, 1UL << shift);
		if (hi > lo && hmm_block_provided(mm, lo, hi, shift)) {
			ret = shift;
			break;
		}
	}
	mmap_read_unlock(mm);

	if (ret < 0 && (sizes & PAGE_SIZE))
		ret = PAGE_SHIFT;
	return ret;
}
EXPORT_SYMBOL_GPL(hmm_block_best_shift);

static int hmm_next_pmd(pmd_t *pmdp, unsigned long addr,
			__always_unused unsigned long end, struct mm_walk *walk)
{
	walk->action = ACTION_CONTINUE;
	if (pmd_none(pmdp_get_lockless(pmdp)))
		return 0;
	*(unsigned long *)walk->private = addr;
	return 1;
}

static int hmm_next_pud(pud_t *pudp, unsigned long addr,
			__always_unused unsigned long end, struct mm_walk *walk)
{
	if (!pud_trans_huge(pudp_get(pudp)))
		return 0;
	*(unsigned long *)walk->private = addr;
	return 1;
}

#ifdef CONFIG_HUGETLB_PAGE
static int hmm_next_hugetlb(pte_t *ptep, __always_unused unsigned long hmask,
			    unsigned long addr,
			    __always_unused unsigned long end,
			    struct mm_walk *walk)
{
	if (pte_none(huge_ptep_get(walk->mm, addr, ptep)))
		return 0;
	*(unsigned long *)walk->private = addr;
	return 1;
}
#else
#define hmm_next_hugetlb NULL
#endif

static const struct mm_walk_ops hmm_next_ops = {
	.pud_entry	= hmm_next_pud,
	.pmd_entry	= hmm_next_pmd,
	.hugetlb_entry	= hmm_next_hugetlb,
	.walk_lock	= PGWALK_RDLOCK,
};

/**
 * hmm_block_next - where memory may be
 * @mm: the address space; the caller holds a reference to its users
 * @start: first address
 * @end: address behind the last one
 *
 * Skips what has no page tables, at no cost for its length, so that a large
 * range of which little is in use can be looked at without faults.
 *
 * Return: the first address that may have something, @end if there is none
 */
unsigned long hmm_block_next(struct mm_struct *mm, unsigned long start,
			     unsigned long end)
{
	unsigned long next = end;

	if (start >= end)
		return end;
	mmap_read_lock(mm);
	walk_page_range(mm, start, end, &hmm_next_ops, &next);
	mmap_read_unlock(mm);
	return next;
}
EXPORT_SYMBOL_GPL(hmm_block_next);
