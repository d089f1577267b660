// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Blocks in the page tables of a process.
 *
 * A device with large page table entries needs one answer for a block of memory:
 * its address if it is one page of the block size, and that it is not otherwise.
 * A block is one page if one leaf of the page tables or one folio contains it,
 * it is aligned to its size, and all of it is present. How the CPU maps a folio
 * does not matter. Folios that happen to be contiguous do not count, because
 * physical addresses must not be revealed to user space. A block is writable if
 * all of its pages are.
 *
 * Everything here is based on hmm_range_fault(). Faults are for base pages and for
 * the requested bytes only, so that no page is allocated, copied or dirtied only to
 * get a large entry.
 *
 * No lock of the umem is held here. A result is valid as long as the sequence of
 * the notifier does not change.
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/hugetlb.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_odp_table.h>

#include "umem_odp_look.h"

#define ODP_TIMEOUT	msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT)

/* The steps to get a block that is missing or not writable, in their order. */
enum odp_effort {
	ODP_FAULT_PAGE,		/* fault in one page, possibly with all of the block */
	ODP_FAULT_WANTED,	/* fault in all requested bytes of the block */
	ODP_FAULT_REST,		/* see ib_odp_look.complete */
	ODP_WAIT,		/* wait for a migration to finish, up to 8 times */
	ODP_EFFORTS = ODP_WAIT + 8,
};

static bool odp_block_ok(const struct ib_odp_look *look, unsigned long pfn)
{
	return (pfn & HMM_PFN_VALID) && (!look->write || (pfn & HMM_PFN_WRITE));
}

/**
 * ib_odp_look_again - take a snapshot of blocks for a known sequence
 * @look: the range; @seq is an input
 *
 * Return: 0; -EBUSY if the sequence has changed; -EFAULT if the process is exiting;
 *	   -EINTR; -ENOMEM
 */
int ib_odp_look_again(struct ib_odp_look *look)
{
	struct mm_struct *mm = look->notifier->mm;
	int ret;

	if (WARN_ON_ONCE(look->end <= look->start ||
			 ib_odp_look_nr(look) > ODP_LOOK_BATCH))
		return -EINVAL;
	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	ret = check_stable_address_space(mm) ? -EFAULT :
					       ib_odp_look_blocks(look);
	mmap_read_unlock(mm);
	return ret;
}

/*
 * A read fault on missing anonymous memory maps the zero page, which the next write
 * replaces. If the MR is writable, request a write fault instead. Leave memory of
 * a file and all present pages as they are: they may be shared.
 */
static unsigned long odp_request(const struct ib_odp_look *look, u64 addr,
				 unsigned long pfn)
{
	struct vm_area_struct *vma;

	if (look->write)
		return HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE;
	if ((pfn & HMM_PFN_VALID) && !is_zero_pfn(pfn & ~HMM_PFN_FLAGS))
		return HMM_PFN_REQ_FAULT;
	vma = vma_lookup(look->notifier->mm, (unsigned long)addr);
	if (vma && vma_is_anonymous(vma) && (vma->vm_flags & VM_WRITE))
		return HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE;
	return HMM_PFN_REQ_FAULT;
}

/* Convert a snapshot of a range into requests to HMM. mmap_lock is held. */
static void odp_requests(const struct ib_odp_look *look, enum odp_effort effort,
			 u64 addr, u64 end)
{
	unsigned long *page = look->pages;
	struct vm_area_struct *vma;

	for (; addr < end; addr += PAGE_SIZE, page++) {
		if (effort != ODP_FAULT_REST) {
			*page = odp_request(look, addr, *page);
			continue;
		}
		vma = vma_lookup(look->notifier->mm, (unsigned long)addr);
		/* A fault would allocate a page that is missing here. */
		if (!(*page & HMM_PFN_VALID) && (!vma || vma_is_anonymous(vma)))
			*page = 0;
		else
			*page = HMM_PFN_REQ_FAULT |
				(look->write ? HMM_PFN_REQ_WRITE : 0);
	}
}

/* Prepare look->pages for a fault. */
static int odp_prepare(struct ib_odp_look *look, enum odp_effort effort,
		       u64 start, u64 end)
{
	struct mm_struct *mm = look->notifier->mm;
	int ret;

	look->seq = mmu_interval_read_begin(look->notifier);
	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	ret = ib_odp_snapshot(look, start, end, look->pages);
	if (!ret)
		odp_requests(look, effort, start, end);
	mmap_read_unlock(mm);
	return ret;
}

/* Fault in at most ODP_LOOK_BATCH base pages. */
static int odp_fault_some(struct ib_odp_look *look, enum odp_effort effort,
			  u64 start, u64 end)
{
	bool by_page = effort == ODP_FAULT_REST ||
		       (look->may_write && !look->write);
	struct hmm_range range = {
		.notifier = look->notifier,
		.start = (unsigned long)start,
		.end = (unsigned long)end,
		.hmm_pfns = look->pages,
	};
	int again = 0;
	int ret;

	do {
		if (by_page) {
			range.pfn_flags_mask = HMM_PFN_REQ_FAULT |
					       HMM_PFN_REQ_WRITE;
			ret = odp_prepare(look, effort, start, end);
			if (ret == -EBUSY)
				continue;
			if (ret)
				return ret;
		} else {
			range.default_flags = HMM_PFN_REQ_FAULT |
					      (look->write ? HMM_PFN_REQ_WRITE :
							     0);
			memset(look->pages, 0, ((end - start) >> PAGE_SHIFT) *
						       sizeof(*look->pages));
		}
		ret = hmm_range_fault_unlocked_timeout(&range, ODP_TIMEOUT);
		/* The range was remapped meanwhile, to memory that is not writable. */
		if (ret == -EPERM && !look->write)
			ret = -EBUSY;
	} while (ret == -EBUSY && again++ < IB_ODP_MAX_BUSY &&
		 !fatal_signal_pending(current));
	return ret;
}

static int odp_fault_range(struct ib_odp_look *look, enum odp_effort effort,
			   u64 start, u64 end)
{
	int ret = ib_odp_look_get_pages(look);

	start = ALIGN_DOWN(start, PAGE_SIZE);
	end = ALIGN(end, PAGE_SIZE);
	while (!ret && start < end) {
		u64 next = min(end, start + (ODP_LOOK_BATCH << PAGE_SHIFT));

		ret = odp_fault_some(look, effort, start, next);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
		start = next;
	}
	return ret;
}

/*
 * Get the order of the folio that contains the first requested page of a block, or
 * -ENOENT if that page is missing or not writable.
 */
static int odp_wanted_order(const struct ib_odp_look *look, u64 addr)
{
	u64 probe = max(addr, look->start & PAGE_MASK);
	struct mm_struct *mm = look->notifier->mm;
	unsigned int order;
	unsigned long pfn;
	int ret;

	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	ret = ib_odp_snapshot(look, probe, probe + PAGE_SIZE, &pfn);
	if (!ret && odp_block_ok(look, pfn)) {
		order = max(hmm_pfn_to_map_order(pfn),
			    ib_odp_folio_order(pfn & ~HMM_PFN_FLAGS));
		ret = (int)order;
	} else if (!ret) {
		ret = -ENOENT;
	}
	mmap_read_unlock(mm);
	return ret;
}

/* One step for the block, or the base pages, from @addr to @end. */
static int odp_fault_block(struct ib_odp_look *look, u64 addr, u64 end,
			   enum odp_effort effort)
{
	int ret;

	switch (effort) {
	case ODP_FAULT_PAGE:
		addr = max(addr, look->start);
		return odp_fault_range(look, effort, addr, addr + 1);
	case ODP_FAULT_WANTED:
		return odp_fault_range(look, effort, max(addr, look->start),
				       min(end, look->end));
	case ODP_FAULT_REST:
		if (!look->complete)
			return 0;
		ret = odp_fault_range(look, effort, max(addr, look->low),
				      min(end, look->high));
		/* The rest of the block need not be accessible. */
		return ret == -EFAULT || ret == -EPERM ? 0 : ret;
	default:
		/* The end of a migration restores the page table entries one by one. */
		if (look->complete)
			usleep_range(100, 200);
		return 0;
	}
}

/* Count the blocks from the @i-th on that are missing or not writable. */
static unsigned long odp_count_bad(const struct ib_odp_look *look,
				   unsigned long i)
{
	unsigned long nr = ib_odp_look_nr(look);
	unsigned long first = i;

	while (i < nr && !odp_block_ok(look, look->pfns[i]))
		i++;
	return i - first;
}

/*
 * One step for each block that is missing or not writable. Skip memory in a smaller
 * folio, because no fault can change that. Base pages in sequence share one walk:
 * the fault of one may map all of them. Returns whether there was such a block.
 */
static int odp_fault_blocks(struct ib_odp_look *look, enum odp_effort effort)
{
	unsigned int order = look->shift - PAGE_SHIFT;
	unsigned long nr = ib_odp_look_nr(look);
	u64 addr = ib_odp_look_first(look);
	bool done = false;
	unsigned long i, n;
	int ret;

	for (i = 0; i < nr; i += n, addr += (u64)n << look->shift) {
		n = 1;
		if (odp_block_ok(look, look->pfns[i]))
			continue;
		ret = 0;
		if (order)
			ret = odp_wanted_order(look, addr);
		else
			n = odp_count_bad(look, i);
		if (ret >= 0 && ret < (int)order)
			continue;
		if (ret == -EINTR)
			return ret;
		ret = odp_fault_block(look, addr,
				      addr + ((u64)n << look->shift), effort);
		if (ret)
			return ret;
		done = true;
	}
	return done;
}

/* Are all blocks valid and, for a write, writable? */
static bool odp_all_ok(const struct ib_odp_look *look)
{
	unsigned long common = HMM_PFN_VALID | HMM_PFN_WRITE;
	unsigned long nr = ib_odp_look_nr(look);
	unsigned long i;

	for (i = 0; i < nr; i++)
		common &= look->pfns[i];
	return odp_block_ok(look, common);
}

/**
 * ib_odp_look - take a snapshot of blocks, and fault in the requested bytes
 * @look: the range; at most ODP_LOOK_BATCH blocks
 *
 * The caller holds a reference to the users of the mm, and no lock.
 *
 * Return: 0, and the result is in @pfns: after faults, a block that is not valid, or
 *	   not writable although @write is set, is not one page of the block size;
 *	   -EFAULT if memory is not mapped or not accessible; -EPERM if it is
 *	   readable, but not writable; -EBUSY if it keeps being invalidated; -EINTR;
 *	   -ENOMEM
 */
int ib_odp_look(struct ib_odp_look *look)
{
	unsigned long deadline = jiffies + IB_ODP_MAX_BUSY * ODP_TIMEOUT;
	enum odp_effort effort = look->shift < PMD_SHIFT ? ODP_FAULT_WANTED :
							   ODP_FAULT_PAGE;
	unsigned long faulted_at = 0;
	int ret;

	for (;;) {
		if (fatal_signal_pending(current))
			return -EINTR;
		look->seq = mmu_interval_read_begin(look->notifier);
		ret = ib_odp_look_again(look);
		if (ret == -EBUSY && time_before(jiffies, deadline))
			continue;
		if (ret || !look->fault)
			return ret;
		look->good = odp_all_ok(look);
		if (look->good)
			return 0;
		/*
		 * What was faulted in since the last look may be gone again, and
		 * a look does not notice what goes while it is under way.
		 */
		if (effort >= ODP_FAULT_REST && time_before(jiffies, deadline) &&
		    (look->seq != faulted_at ||
		     mmu_interval_check_retry(look->notifier, look->seq)))
			effort = ODP_FAULT_WANTED;
		faulted_at = look->seq;
		if (effort == ODP_EFFORTS)
			return 0;
		ret = odp_fault_blocks(look, effort);
		if (ret <= 0)
			return ret;
		effort++;
		cond_resched();
	}
}

/* Does all of [@start, @end) consist of blocks of this size now? */
static bool odp_is_now(struct mm_struct *mm, u64 start, u64 end,
		       unsigned int shift)
{
	/* The result is only advice and may be outdated, so no interval is needed. */
	struct mmu_interval_notifier nothing = { .mm = mm };
	unsigned long pfns[16];
	struct ib_odp_look look = {
		.notifier = &nothing,
		.shift = shift,
		.pfns = pfns,
	};
	bool is_now = true;

	/* The callers check for a fatal signal, too. */
	while (is_now && start < end && !fatal_signal_pending(current)) {
		u64 next = min(end, start + ((u64)ARRAY_SIZE(pfns) << shift));
		unsigned long i;

		look.start = start;
		look.end = next;
		is_now = !ib_odp_look_again(&look);
		for (i = 0; is_now && i < (next - start) >> shift; i++)
			is_now = pfns[i] & HMM_PFN_VALID;
		start = next;
		cond_resched();
	}
	ib_odp_look_free(&look);
	return is_now;
}

/* Can the part [@start, @end) of @vma have blocks of this size? */
static bool odp_vma_provides(struct vm_area_struct *vma, u64 start, u64 end,
			     unsigned int shift)
{
	if (is_vm_hugetlb_page(vma))
		return huge_page_shift(hstate_vma(vma)) >= shift;
	return IS_ALIGNED(start | end, BIT_ULL(shift)) &&
	       hmm_vma_may_have_order(vma, shift - PAGE_SHIFT);
}

/*
 * Can all of [@start, @end) have blocks of this size? With @reserved, unmapped
 * address space counts as if it could.
 */
static bool odp_provided(struct mm_struct *mm, u64 start, u64 end,
			 unsigned int shift, bool reserved)
{
	u64 size = BIT_ULL(shift);
	u64 next;

	for (; start < end; start = next) {
		struct vm_area_struct *vma;
		bool usable, empty, provides;

		if (mmap_read_lock_killable(mm))
			return false;
		vma = find_vma(mm, (unsigned long)start);
		empty = !vma || vma->vm_start > start ||
			!(vma->vm_flags & VM_READ);
		usable = !empty && !(vma->vm_flags & (VM_IO | VM_PFNMAP));
		if (!vma)
			next = end;
		else if (vma->vm_start > start)
			next = min_t(u64, end, vma->vm_start);
		else
			next = min_t(u64, end, vma->vm_end);
		provides = empty ? reserved :
				   usable && odp_vma_provides(vma, start, next,
							      shift);
		mmap_read_unlock(mm);
		if (!provides && !usable)
			return false;
		/*
		 * No policy promises it, but the memory may be there already:
		 * collapsed by hand, from a file's large folios, or put there
		 * before the policy changed.
		 */
		if (!provides && !odp_is_now(mm, ALIGN_DOWN(start, size),
					     ALIGN(next, size), shift))
			return false;
		if (fatal_signal_pending(current))
			return false;
		cond_resched();
	}
	return true;
}

/**
 * ib_odp_best_shift - the largest block size that memory can have
 * @mm: the address space; the caller holds a reference to its users
 * @start: first address
 * @end: address after the last one
 * @sizes: block sizes to choose from, a bit mask in bytes
 * @reserved: assume that address space which is not mapped, or not accessible, will
 *	      have blocks of any size
 *
 * After the range is rounded out to whole blocks, each of its VMAs must be able to
 * have blocks of the size: a hugetlb VMA of at least that page size, a VMA that can
 * have such folios, or memory that consists of such blocks now. That may change at
 * any time, so the result is only advice. PAGE_SIZE is always possible, even for a
 * hole.
 *
 * Return: log2 of the size; -ERANGE if none is possible; -EINTR
 */
int ib_odp_best_shift(struct mm_struct *mm, u64 start, u64 end, u64 sizes,
		      bool reserved)
{
	unsigned int shift;

	sizes &= GENMASK_ULL(BITS_PER_LONG - 2, PAGE_SHIFT);
	for (; sizes & ~(u64)PAGE_SIZE; sizes &= ~BIT_ULL(shift)) {
		u64 lo, hi;

		/* The search can be long, and its result is not needed then. */
		if (fatal_signal_pending(current))
			return -EINTR;
		shift = (unsigned int)fls64(sizes) - 1;
		lo = ALIGN_DOWN(start, BIT_ULL(shift));
		hi = ALIGN(end, BIT_ULL(shift));
		if (hi > lo && hi <= TASK_SIZE_MAX &&
		    odp_provided(mm, lo, hi, shift, reserved))
			return (int)shift;
	}
	if (fatal_signal_pending(current))
		return -EINTR;
	return sizes ? PAGE_SHIFT : -ERANGE;
}
EXPORT_SYMBOL_GPL(ib_odp_best_shift);

/**
 * ib_odp_shift_now - get the size of the block that contains an address now
 * @mm: the address space; the caller holds a reference to its users
 * @addr: the address
 * @sizes: block sizes to choose from, a bit mask in bytes
 *
 * Return: log2 of the largest of @sizes that the memory has, or of the smallest one if
 *	   it has none of them
 */
unsigned int ib_odp_shift_now(struct mm_struct *mm, u64 addr, u64 sizes)
{
	unsigned int shift = (unsigned int)fls64(sizes) - 1;

	while (!is_power_of_2(sizes)) {
		u64 start = ALIGN_DOWN(addr, BIT_ULL(shift));

		if (odp_is_now(mm, start, start + BIT_ULL(shift), shift))
			break;
		sizes &= ~BIT_ULL(shift);
		shift = (unsigned int)fls64(sizes) - 1;
	}
	return shift;
}

/* Skip addresses without page tables, within a VMA. mmap_lock is held. */
static unsigned long odp_next_pmd(struct mm_struct *mm, unsigned long addr,
				  unsigned long end)
{
	while (addr < end) {
		pgd_t *pgd = pgd_offset(mm, addr);
		unsigned long next = pgd_addr_end(addr, end);
		p4d_t *p4d;
		pud_t *pud, val;

		if (pgd_none(pgdp_get(pgd)))
			goto skip;
		p4d = p4d_offset(pgd, addr);
		next = p4d_addr_end(addr, end);
		if (p4d_none(p4dp_get(p4d)))
			goto skip;
		pud = pud_offset(p4d, addr);
		next = pud_addr_end(addr, end);
		/* A huge page can be zapped without mmap_lock: read it once. */
		val = pudp_get(pud);
		if (pud_none(val))
			goto skip;
		if (pud_leaf(val))
			return addr;
		next = pmd_addr_end(addr, end);
		if (!pmd_none(pmdp_get_lockless(pmd_offset_lockless(pud, val,
								    addr))))
			return addr;
skip:
		addr = next;
	}
	return end;
}

/**
 * ib_odp_next_mapped - find memory that may be mapped
 * @mm: the address space; the caller holds a reference to its users
 * @start: first address
 * @end: address after the last one
 *
 * Skips addresses without page tables quickly, so that large sparse ranges can be
 * walked without faults. The page tables of a VMA, down to those of PMDs, are not
 * freed while mmap_lock is held.
 *
 * Return: the first address that may be mapped, @end if there is none
 */
u64 ib_odp_next_mapped(struct mm_struct *mm, u64 start, u64 end)
{
	struct vm_area_struct *vma;

	/* The caller is being killed and does not need the result. */
	if (mmap_read_lock_killable(mm))
		return end;
	while (start < end) {
		u64 stop;

		vma = find_vma(mm, (unsigned long)start);
		if (!vma || vma->vm_start >= end) {
			start = end;
			break;
		}
		start = max_t(u64, start, vma->vm_start);
		stop = min_t(u64, end, vma->vm_end);
		/* No device may access this memory. */
		if (vma->vm_flags & (VM_IO | VM_PFNMAP)) {
			start = stop;
			continue;
		}
		/* A shared PMD table can be freed at any time. */
		if (is_vm_hugetlb_page(vma))
			break;
		start = odp_next_pmd(mm, (unsigned long)start,
				     (unsigned long)stop);
		if (start < stop)
			break;
		if (need_resched()) {
			mmap_read_unlock(mm);
			cond_resched();
			if (mmap_read_lock_killable(mm))
				return end;
		}
	}
	mmap_read_unlock(mm);
	return start;
}
