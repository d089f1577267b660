// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Blocks in the page tables of a process.
 *
 * A device whose page table holds large entries wants one answer for a block of
 * memory: where it is if it is one page of that size, and that it is not
 * otherwise. A block is one page if it lies within one leaf of the page tables
 * or within one folio, aligned to its size, all of it present. How the CPU maps
 * a folio does not matter. Folios that happen to be neighbours do not count:
 * a user must not learn physical addresses. The permissions of a
 * block are the weakest in it.
 *
 * All of this sits on hmm_range_fault(). A look asks it for one page of a block
 * first; if the leaf covers the block that is all. Memory is faulted in before,
 * in pages of the system and only for the bytes that are wanted, so that no
 * page is allocated, copied or dirtied for the sake of a large entry.
 *
 * No lock of the umem is held here. What a look returns is true as long as the
 * notifier's sequence is the same.
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
/* What is kept of an entry of HMM: no order, no sticky flags. */
#define ODP_PFN_KEEP	(~HMM_PFN_FLAGS | HMM_PFN_VALID | HMM_PFN_WRITE)

/* How far a look goes to get a block that is not there as it is wanted. */
enum odp_effort {
	ODP_FAULT_PAGE,		/* one page: it may bring all of the block */
	ODP_FAULT_WANTED,	/* all bytes of the block that are wanted */
	ODP_FAULT_REST,		/* ib_odp_look.complete */
	ODP_WAIT,		/* the first of some waits for a folio on the move */
	ODP_EFFORTS = ODP_WAIT + 8,
};

static u64 odp_block_size(const struct ib_odp_look *look)
{
	return BIT_ULL(look->shift);
}

static u64 odp_first_block(const struct ib_odp_look *look)
{
	return ALIGN_DOWN(look->start, odp_block_size(look));
}

static unsigned long odp_nr_blocks(const struct ib_odp_look *look)
{
	u64 bytes = look->end - odp_first_block(look);

	return (bytes >> look->shift) +
	       !!(bytes & (odp_block_size(look) - 1));
}

static bool odp_block_ok(const struct ib_odp_look *look, unsigned long pfn)
{
	return (pfn & HMM_PFN_VALID) && (!look->write || (pfn & HMM_PFN_WRITE));
}

/* Allocated when it is needed: a leaf that covers the block needs none. */
static int odp_get_pages(struct ib_odp_look *look)
{
	if (!look->pages)
		look->pages = kmalloc_array(ODP_LOOK_BATCH,
					    sizeof(*look->pages), GFP_KERNEL);
	return look->pages ? 0 : -ENOMEM;
}

/* What is there of [@start, @end), without faults. mmap_lock is held. */
static int odp_snapshot(const struct ib_odp_look *look, u64 start, u64 end,
			unsigned long *pfns)
{
	struct hmm_range range = {
		.notifier = look->notifier,
		.notifier_seq = look->seq,
		.start = (unsigned long)start,
		.end = (unsigned long)end,
		.hmm_pfns = pfns,
	};

	memset(pfns, 0, ((end - start) >> PAGE_SHIFT) * sizeof(*pfns));
	return hmm_range_fault(&range);
}

/*
 * The order of the folio of a page that is mapped. The folio may be split or freed
 * at any time; then the notifier's sequence changes, and the answer is not used.
 */
static unsigned int odp_folio_order(unsigned long pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *folio = page_folio(page);
	unsigned int order = 0;

	if (!folio_try_get(folio))
		return 0;
	if (page_folio(page) == folio)
		order = folio_order(folio);
	folio_put(folio);
	return order;
}

static bool odp_is_one_folio(unsigned long pfn, unsigned int order)
{
	return odp_folio_order(pfn) >= order;
}

/* The entry for a block whose pages are @pages, all of them. */
static unsigned long odp_join(const unsigned long *pages, unsigned int order)
{
	unsigned long first = pages[0] & ~HMM_PFN_FLAGS;
	unsigned long flags = HMM_PFN_VALID | HMM_PFN_WRITE;
	unsigned long i;

	if (first & (BIT(order) - 1))
		return ODP_PFN_FINER;
	for (i = 0; i < BIT(order); i++) {
		if (!(pages[i] & HMM_PFN_VALID) ||
		    (pages[i] & ~HMM_PFN_FLAGS) != first + i)
			return ODP_PFN_FINER;
		flags &= pages[i];
	}
	if (hmm_pfn_to_map_order(pages[0]) < order &&
	    !odp_is_one_folio(first, order))
		return ODP_PFN_FINER;
	return first | flags;
}

/* Nothing at all in the pages of a block. */
static bool odp_is_empty(const unsigned long *pages, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < BIT(order); i++)
		if (pages[i])
			return false;
	return true;
}

/* Blocks that are smaller than what HMM is asked for at a time. */
static int odp_look_small(struct ib_odp_look *look)
{
	unsigned int order = look->shift - PAGE_SHIFT;
	unsigned long nr = odp_nr_blocks(look);
	u64 addr = odp_first_block(look);
	unsigned long *out = look->pfns;
	int ret;

	if (!order) {
		ret = odp_snapshot(look, addr, addr + (nr << PAGE_SHIFT), out);
		for (; !ret && nr; nr--, out++)
			*out &= ODP_PFN_KEEP | HMM_PFN_ERROR;
		return ret;
	}
	while (nr) {
		unsigned long n = min(nr, ODP_LOOK_BATCH >> order);
		const unsigned long *pages = look->pages;
		unsigned long i;

		ret = odp_snapshot(look, addr, addr + (n << look->shift),
				   look->pages);
		if (ret)
			return ret;
		for (i = 0; i < n; i++, pages += BIT(order))
			*out++ = odp_is_empty(pages, order) ?
					 0 : odp_join(pages, order);
		addr += n << look->shift;
		nr -= n;
	}
	return 0;
}

/* All pages of a block whose first leaf does not cover it. */
static int odp_look_scan(struct ib_odp_look *look, u64 addr, unsigned long *out)
{
	unsigned int order = look->shift - PAGE_SHIFT;
	unsigned int piece = min_t(unsigned int, order,
				   ilog2(ODP_LOOK_BATCH));
	unsigned long first = 0, flags = HMM_PFN_VALID | HMM_PFN_WRITE;
	u64 end = addr + odp_block_size(look);
	unsigned long i;
	u64 cur;
	int ret;

	*out = ODP_PFN_FINER;
	for (cur = addr; cur < end; cur += PAGE_SIZE << piece) {
		ret = odp_snapshot(look, cur, cur + (PAGE_SIZE << piece),
				   look->pages);
		if (ret)
			return ret;
		if (cur == addr) {
			first = look->pages[0] & ~HMM_PFN_FLAGS;
			if (!(look->pages[0] & HMM_PFN_VALID) ||
			    (first & (BIT(order) - 1)) ||
			    !odp_is_one_folio(first, order))
				return 0;
		}
		for (i = 0; i < BIT(piece); i++) {
			if (!(look->pages[i] & HMM_PFN_VALID) ||
			    (look->pages[i] & ~HMM_PFN_FLAGS) !=
				    first + ((cur - addr) >> PAGE_SHIFT) + i)
				return 0;
			flags &= look->pages[i];
		}
	}
	*out = first | flags;
	return 0;
}

/* A block that is as large as a leaf may be. */
static int odp_look_large(struct ib_odp_look *look, u64 addr,
			  unsigned long *out)
{
	unsigned int order = look->shift - PAGE_SHIFT;
	u64 probe = max(addr, look->start & PAGE_MASK);
	unsigned long pfn;
	int ret;

	ret = odp_snapshot(look, probe, probe + PAGE_SIZE, &pfn);
	if (ret)
		return ret;
	*out = ODP_PFN_FINER;
	if (!(pfn & HMM_PFN_VALID))
		return 0;
	if (hmm_pfn_to_map_order(pfn) >= order) {
		pfn -= (probe - addr) >> PAGE_SHIFT;
		if (!((pfn & ~HMM_PFN_FLAGS) & (BIT(order) - 1)))
			*out = pfn & ODP_PFN_KEEP;
		return 0;
	}
	/* No folio is larger than a leaf of this level. */
	if (look->shift > PMD_SHIFT)
		return 0;
	ret = odp_get_pages(look);
	return ret ?: odp_look_scan(look, addr, out);
}

static int odp_look_locked(struct ib_odp_look *look)
{
	unsigned long nr = odp_nr_blocks(look);
	u64 addr = odp_first_block(look);
	unsigned long i;
	int ret = 0;

	mmap_assert_locked(look->notifier->mm);
	if (look->shift < PMD_SHIFT &&
	    look->shift - PAGE_SHIFT <= ilog2(ODP_LOOK_BATCH))
		return odp_look_small(look);
	for (i = 0; i < nr && !ret; i++, addr += odp_block_size(look))
		ret = odp_look_large(look, addr, &look->pfns[i]);
	return ret;
}

/**
 * ib_odp_look_again - look at blocks without faults, at a sequence that is known
 * @look: what to look at; @seq is an input
 *
 * Return: 0; -EBUSY if the sequence is not valid any more; -EFAULT if the process
 *	   is about to go; -EINTR; -ENOMEM
 */
int ib_odp_look_again(struct ib_odp_look *look)
{
	struct mm_struct *mm = look->notifier->mm;
	int ret;

	if (WARN_ON_ONCE(look->end <= look->start ||
			 odp_nr_blocks(look) > ODP_LOOK_BATCH))
		return -EINVAL;
	if (look->shift > PAGE_SHIFT && look->shift < PMD_SHIFT) {
		ret = odp_get_pages(look);
		if (ret)
			return ret;
	}
	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	ret = check_stable_address_space(mm) ? -EFAULT : odp_look_locked(look);
	mmap_read_unlock(mm);
	return ret;
}

/* Pages that ib_odp_look_mixed() has asked HMM for last. */
struct odp_window {
	u64 start;
	u64 end;
};

static bool odp_good(const struct ib_odp_look *look, unsigned long pfn,
		     unsigned long page)
{
	/* A block must not grant less than its page does. */
	unsigned long want = HMM_PFN_VALID |
			     (look->write ? HMM_PFN_WRITE :
					    page & HMM_PFN_WRITE);

	return (pfn & want) == want;
}

/* The largest of @sizes that is not larger than 1 << @shift, or 0. */
static u64 odp_size_within(u64 sizes, unsigned int shift)
{
	sizes &= GENMASK_ULL(shift, 0);
	return sizes ? BIT_ULL(fls64(sizes) - 1) : 0;
}

/* The block at @addr, of pages that are mapped one by one. */
static unsigned long odp_find_small(const struct ib_odp_look *look,
				    const struct odp_window *window, u64 addr,
				    u64 sizes, unsigned int *shift)
{
	unsigned long page = look->pages[(addr - window->start) >> PAGE_SHIFT];
	unsigned int order = odp_folio_order(page & ~HMM_PFN_FLAGS);
	u64 size;

	for (size = odp_size_within(sizes, order + PAGE_SHIFT); size;
	     size = odp_size_within(sizes & (size - 1), order + PAGE_SHIFT)) {
		u64 start = ALIGN_DOWN(addr, size);
		unsigned long pfn;

		if (start < window->start || start + size > window->end)
			continue;
		*shift = (unsigned int)__ffs64(size);
		pfn = odp_join(&look->pages[(start - window->start) >>
					    PAGE_SHIFT],
			       *shift - PAGE_SHIFT);
		if (odp_good(look, pfn, page))
			return pfn;
	}
	return 0;
}

/*
 * The largest block that @addr is in. Returns 0 and the block, -ENOENT if there
 * is none as it is wanted, or an error. mmap_lock is held.
 */
static int odp_find(struct ib_odp_look *look, struct odp_window *window,
		    u64 addr, u64 sizes, struct ib_odp_block *block)
{
	u64 span = ODP_LOOK_BATCH << PAGE_SHIFT;
	unsigned long page, pfn;
	unsigned int shift;
	u64 size;
	int ret;

	if (addr < window->start || addr >= window->end) {
		ret = odp_snapshot(look, addr & PAGE_MASK,
				   (addr & PAGE_MASK) + PAGE_SIZE, &page);
		if (ret)
			return ret;
		if (!odp_good(look, page, 0))
			return -ENOENT;
		shift = hmm_pfn_to_map_order(page) + PAGE_SHIFT;
		size = odp_size_within(sizes, shift);
		if (shift > PAGE_SHIFT && size) {
			block->shift = (unsigned int)__ffs64(size);
			block->addr = (unsigned long)ALIGN_DOWN(addr, size);
			block->pfn = (page & ~HMM_PFN_FLAGS) -
				     (((addr & PAGE_MASK) - block->addr) >>
				      PAGE_SHIFT);
			block->write = page & HMM_PFN_WRITE;
			return 0;
		}
		window->start = ALIGN_DOWN(addr, span);
		window->end = window->start + span;
		ret = odp_snapshot(look, window->start, window->end,
				   look->pages);
		if (ret)
			return ret;
	}
	pfn = odp_find_small(look, window, addr, sizes, &shift);
	if (!pfn)
		return -ENOENT;
	*block = (struct ib_odp_block){
		.addr = (unsigned long)ALIGN_DOWN(addr, BIT_ULL(shift)),
		.pfn = pfn & ~HMM_PFN_FLAGS,
		.shift = shift,
		.write = pfn & HMM_PFN_WRITE,
	};
	return 0;
}

/**
 * ib_odp_look_mixed - look at blocks of several sizes, without faults
 * @look: what to look at; @seq is an input, @shift and @pfns do not matter
 * @sizes: sizes that blocks may have, a bit mask in bytes
 * @blocks: filled in: for each address the largest block that it is in
 * @nr: (in) room in @blocks, (out) blocks found
 * @next: (out) where the look ended: at the end, at what did not fit into @blocks,
 *	  or, if @look->fault is set, at the first address that is not as it is wanted
 *
 * Return: as ib_odp_look_again()
 */
int ib_odp_look_mixed(struct ib_odp_look *look, u64 sizes,
		      struct ib_odp_block *blocks, unsigned int *nr, u64 *next)
{
	struct mm_struct *mm = look->notifier->mm;
	struct odp_window window = {};
	u64 smallest = sizes & -sizes;
	u64 addr = look->start;
	unsigned int n = 0;
	int ret;

	ret = odp_get_pages(look);
	if (!ret)
		ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	if (check_stable_address_space(mm))
		ret = -EFAULT;
	while (!ret && addr < look->end && n < *nr) {
		ret = odp_find(look, &window, addr, sizes, &blocks[n]);
		if (!ret) {
			addr = blocks[n].addr + BIT_ULL(blocks[n].shift);
			n++;
		} else if (ret == -ENOENT && !look->fault) {
			addr = ALIGN_DOWN(addr, smallest) + smallest;
			ret = 0;
		}
	}
	mmap_read_unlock(mm);
	*nr = n;
	*next = addr;
	return ret == -ENOENT ? 0 : ret;
}

/*
 * A read of memory that has no page yet gets the zero page, or a page that the
 * next write replaces by another one. If the device may write, it gets at once
 * what a write gets. Memory of a file is read as it is, and so is any page that
 * is there: it may belong to others, too.
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

/* Turn what is there of a range into what to ask HMM for. mmap_lock is held. */
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
		/* A page that is missing here would be allocated. */
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
	ret = odp_snapshot(look, start, end, look->pages);
	if (!ret)
		odp_requests(look, effort, start, end);
	mmap_read_unlock(mm);
	return ret;
}

/* Fault pages of the system in, at most ODP_LOOK_BATCH. */
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
		/* Another mapping came there, which may not be written to. */
		if (ret == -EPERM && !look->write)
			ret = -EBUSY;
	} while (ret == -EBUSY && again++ < IB_ODP_MAX_BUSY &&
		 !fatal_signal_pending(current));
	return ret;
}

static int odp_fault_range(struct ib_odp_look *look, enum odp_effort effort,
			   u64 start, u64 end)
{
	int ret = odp_get_pages(look);

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
 * The order of the folio that a block's wanted memory is in, or -ENOENT if that is
 * not there as it is wanted.
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
	ret = odp_snapshot(look, probe, probe + PAGE_SIZE, &pfn);
	if (!ret && odp_block_ok(look, pfn)) {
		order = max(hmm_pfn_to_map_order(pfn),
			    odp_folio_order(pfn & ~HMM_PFN_FLAGS));
		ret = (int)order;
	} else if (!ret) {
		ret = -ENOENT;
	}
	mmap_read_unlock(mm);
	return ret;
}

/* One effort for the block at @addr. */
static int odp_fault_block(struct ib_odp_look *look, u64 addr,
			   enum odp_effort effort)
{
	u64 end = addr + odp_block_size(look);
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
		/* That the rest is out of reach says nothing of what is wanted. */
		return ret == -EFAULT || ret == -EPERM ? 0 : ret;
	default:
		/* A folio that moves gets its pages back one after the other. */
		if (look->complete)
			usleep_range(100, 200);
		return 0;
	}
}

/*
 * One effort for each block that needs it. Memory in a smaller folio is left out:
 * no fault makes it the block. Returns whether there was one.
 */
static int odp_fault_blocks(struct ib_odp_look *look, enum odp_effort effort)
{
	unsigned long nr = odp_nr_blocks(look);
	u64 addr = odp_first_block(look);
	bool done = false;
	unsigned long i;
	int ret;

	for (i = 0; i < nr; i++, addr += odp_block_size(look)) {
		if (odp_block_ok(look, look->pfns[i]))
			continue;
		ret = odp_wanted_order(look, addr);
		if (ret >= 0 && ret < (int)(look->shift - PAGE_SHIFT))
			continue;
		if (ret == -EINTR)
			return ret;
		ret = odp_fault_block(look, addr, effort);
		if (ret)
			return ret;
		done = true;
	}
	return done;
}

/**
 * ib_odp_look - look at blocks, and fault in what is wanted of them
 * @look: what to look at; at most ODP_LOOK_BATCH blocks
 *
 * The caller holds a reference to the users of the mm, and no lock.
 *
 * Return: 0, and what was found is in @pfns: with faults a block that is not valid
 *	   or, as wanted, writable is not one page of the size; -EFAULT if there is
 *	   no memory, or it may not be accessed; -EPERM if it may be read, but not
 *	   written; -EBUSY if it is being invalidated all the time; -EINTR; -ENOMEM
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

/**
 * ib_odp_look_free - free the scratch memory of a look
 * @look: the look
 */
void ib_odp_look_free(struct ib_odp_look *look)
{
	kfree(look->pages);
	look->pages = NULL;
}

/* Is [@start, @end) made of blocks of this size as it stands? */
static bool odp_is_now(struct mm_struct *mm, u64 start, u64 end,
		       unsigned int shift)
{
	/* The answer is advice: it may be old when it is used, so no interval. */
	struct mmu_interval_notifier nothing = { .mm = mm };
	unsigned long pfns[16];
	struct ib_odp_look look = {
		.notifier = &nothing,
		.shift = shift,
		.pfns = pfns,
	};
	bool is_now = true;

	while (is_now && start < end) {
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

/* Can @vma provide blocks of this size for [@start, @end) of it? */
static bool odp_vma_provides(struct vm_area_struct *vma, u64 start, u64 end,
			     unsigned int shift)
{
	if (is_vm_hugetlb_page(vma))
		return huge_page_shift(hstate_vma(vma)) >= shift;
	return IS_ALIGNED(start | end, BIT_ULL(shift)) &&
	       hmm_vma_may_have_order(vma, shift - PAGE_SHIFT);
}

/*
 * Blocks of this size for all of [@start, @end)? With @reserved, address space
 * that has no memory yet is accepted.
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
 * @reserved: address space without memory, or without access, will get blocks of
 *	      any size
 *
 * Every VMA that the range touches, once rounded out to whole blocks, has to be
 * able to provide blocks of the size: hugetlb of at least that page size, a VMA
 * that may have such folios, or memory that is made of such blocks already.
 * That may change at any time, so this is advice about what to try. PAGE_SIZE is
 * always possible, even for a hole.
 *
 * Return: log2 of the size, or -ERANGE if none is possible.
 */
int ib_odp_best_shift(struct mm_struct *mm, u64 start, u64 end, u64 sizes,
		      bool reserved)
{
	unsigned int shift;

	sizes &= GENMASK_ULL(BITS_PER_LONG - 2, PAGE_SHIFT);
	for (; sizes & ~(u64)PAGE_SIZE; sizes &= ~BIT_ULL(shift)) {
		u64 lo, hi;

		shift = (unsigned int)fls64(sizes) - 1;
		lo = ALIGN_DOWN(start, BIT_ULL(shift));
		hi = ALIGN(end, BIT_ULL(shift));
		if (hi > lo && hi <= TASK_SIZE_MAX &&
		    odp_provided(mm, lo, hi, shift, reserved))
			return (int)shift;
	}
	return sizes ? PAGE_SHIFT : -ERANGE;
}
EXPORT_SYMBOL_GPL(ib_odp_best_shift);

/**
 * ib_odp_shift_now - the largest block that the memory at an address is now
 * @mm: the address space; the caller holds a reference to its users
 * @addr: the address
 * @sizes: block sizes to choose from, a bit mask in bytes
 *
 * Return: log2 of the size, that of the smallest one if it is none of them
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

/* Skip what has no page tables from @addr on, within a VMA. mmap_lock is held. */
static unsigned long odp_next_pmd(struct mm_struct *mm, unsigned long addr,
				  unsigned long end)
{
	while (addr < end) {
		pgd_t *pgd = pgd_offset(mm, addr);
		unsigned long next = pgd_addr_end(addr, end);
		p4d_t *p4d;
		pud_t *pud;

		if (pgd_none(pgdp_get(pgd)))
			goto skip;
		p4d = p4d_offset(pgd, addr);
		next = p4d_addr_end(addr, end);
		if (p4d_none(p4dp_get(p4d)))
			goto skip;
		pud = pud_offset(p4d, addr);
		next = pud_addr_end(addr, end);
		if (pud_none(pudp_get(pud)))
			goto skip;
		if (pud_leaf(pudp_get(pud)))
			return addr;
		next = pmd_addr_end(addr, end);
		if (!pmd_none(pmdp_get_lockless(pmd_offset(pud, addr))))
			return addr;
skip:
		addr = next;
	}
	return end;
}

/**
 * ib_odp_next_mapped - where memory may be
 * @mm: the address space; the caller holds a reference to its users
 * @start: first address
 * @end: address after the last one
 *
 * Skips what has no page tables, at little cost for its length, so that a large
 * range of which little is in use can be looked at without faults. The page
 * tables of a VMA, down to that of PMDs, stay as long as mmap_lock is held.
 *
 * Return: the first address that may have something, @end if there is none
 */
u64 ib_odp_next_mapped(struct mm_struct *mm, u64 start, u64 end)
{
	struct vm_area_struct *vma;

	/* The caller is about to go and needs no more of it. */
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
		/* A table of PMDs that processes share may go at any time. */
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
