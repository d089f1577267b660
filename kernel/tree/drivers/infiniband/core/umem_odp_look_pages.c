// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Snapshots of pages, and of blocks of several sizes that consist of them.
 */
#include <linux/align.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_odp_table.h>

#include "umem_odp_look.h"

/**
 * ib_odp_look_get_pages - allocate the scratch memory of a look
 * @look: the look; see ib_odp_look_free()
 *
 * Return: 0; -ENOMEM
 */
int ib_odp_look_get_pages(struct ib_odp_look *look)
{
	if (!look->pages)
		look->pages = kmalloc_array(ODP_LOOK_BATCH,
					    sizeof(*look->pages), GFP_KERNEL);
	return look->pages ? 0 : -ENOMEM;
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

/**
 * ib_odp_snapshot - take a snapshot of pages, without faults
 * @look: has the notifier and the sequence
 * @start: first address
 * @end: address after the last one
 * @pfns: (out) entries of HMM, one for each page
 *
 * mmap_lock is held.
 *
 * Return: 0; -EBUSY if the sequence has changed
 */
int ib_odp_snapshot(const struct ib_odp_look *look, u64 start, u64 end,
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

/**
 * ib_odp_folio_order - get the order of the folio that contains a mapped page
 * @pfn: the page
 *
 * The folio may be split or freed at any time. Then the sequence of the notifier
 * changes, and the result is not used.
 *
 * Return: the order
 */
unsigned int ib_odp_folio_order(unsigned long pfn)
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

/**
 * ib_odp_join - make the entry of a block from those of its pages
 * @pages: the entries of all pages of the block
 * @order: log2 of their number
 *
 * Return: the entry; ODP_PFN_FINER if the block is not one page
 */
unsigned long ib_odp_join(const unsigned long *pages, unsigned int order)
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
	    ib_odp_folio_order(first) < order)
		return ODP_PFN_FINER;
	return first | flags;
}

/* The pages of the last snapshot of ib_odp_look_mixed(). */
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

/**
 * ib_odp_look_leaves - take a snapshot of leaves of the page tables, without faults
 * @look: a range of whole blocks; @seq is an input, and @pfns has no map orders
 * @nr: (out) number of blocks before the first one that is not part of one leaf, or not
 *	writable although @look->write is set
 *
 * One page of each block is enough to know it.
 *
 * Return: as ib_odp_look_again()
 */
int ib_odp_look_leaves(struct ib_odp_look *look, unsigned long *nr)
{
	unsigned int order = look->shift - PAGE_SHIFT;
	struct mm_struct *mm = look->notifier->mm;
	u64 addr = look->start;
	unsigned long n = 0;
	int ret;

	ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	if (check_stable_address_space(mm))
		ret = -EFAULT;
	for (; !ret && addr < look->end; addr += ib_odp_look_size(look)) {
		unsigned long page;

		ret = ib_odp_snapshot(look, addr, addr + PAGE_SIZE, &page);
		if (ret || !odp_good(look, page, 0) ||
		    hmm_pfn_to_map_order(page) < order)
			break;
		look->pfns[n++] = page & ODP_PFN_KEEP;
	}
	mmap_read_unlock(mm);
	*nr = n;
	return ret;
}

/* The largest of @sizes that is not larger than 1 << @shift, or 0. */
static u64 odp_size_within(u64 sizes, unsigned int shift)
{
	sizes &= GENMASK_ULL(shift, 0);
	return sizes ? BIT_ULL(fls64(sizes) - 1) : 0;
}

/* Find the largest block at @addr in the present snapshot. */
static unsigned long odp_find_small(const struct ib_odp_look *look,
				    const struct odp_window *window, u64 addr,
				    u64 sizes, unsigned int *shift)
{
	unsigned long page = look->pages[(addr - window->start) >> PAGE_SHIFT];
	unsigned int order = ib_odp_folio_order(page & ~HMM_PFN_FLAGS);
	u64 size;

	for (size = odp_size_within(sizes, order + PAGE_SHIFT); size;
	     size = odp_size_within(sizes & (size - 1), order + PAGE_SHIFT)) {
		u64 start = ALIGN_DOWN(addr, size);
		unsigned long pfn;

		if (start < window->start || start + size > window->end)
			continue;
		*shift = (unsigned int)__ffs64(size);
		pfn = ib_odp_join(&look->pages[(start - window->start) >>
					       PAGE_SHIFT],
				  *shift - PAGE_SHIFT);
		if (odp_good(look, pfn, page))
			return pfn;
	}
	return 0;
}

/*
 * Find the largest block that contains @addr. Returns 0 and the block, -ENOENT if
 * the memory is missing or not writable, or an error. mmap_lock is held.
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
		ret = ib_odp_snapshot(look, addr & PAGE_MASK,
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
		ret = ib_odp_snapshot(look, window->start, window->end,
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
 * ib_odp_look_mixed - take a snapshot of blocks of several sizes, without faults
 * @look: the range; @seq is an input, @shift and @pfns are not used
 * @sizes: sizes that blocks may have, a bit mask in bytes
 * @blocks: filled in: for each address the largest block that it is in
 * @nr: (in) room in @blocks, (out) blocks found
 * @next: (out) where the walk ended: at the end, at the first block that did not fit
 *	  into @blocks, after ODP_LOOK_BATCH blocks that are missing, or, if
 *	  @look->fault is set, at the first address that is missing or not writable
 *
 * Return: as ib_odp_look_again()
 */
int ib_odp_look_mixed(struct ib_odp_look *look, u64 sizes,
		      struct ib_odp_block *blocks, unsigned int *nr, u64 *next)
{
	struct mm_struct *mm = look->notifier->mm;
	struct odp_window window = {};
	u64 smallest = sizes & -sizes;
	unsigned long missing = 0;
	u64 addr = look->start;
	unsigned int n = 0;
	int ret;

	ret = ib_odp_look_get_pages(look);
	if (!ret)
		ret = mmap_read_lock_killable(mm);
	if (ret)
		return ret;
	if (check_stable_address_space(mm))
		ret = -EFAULT;
	while (!ret && addr < look->end && n < *nr && missing < ODP_LOOK_BATCH) {
		ret = odp_find(look, &window, addr, sizes, &blocks[n]);
		if (!ret) {
			addr = blocks[n].addr + BIT_ULL(blocks[n].shift);
			n++;
		} else if (ret == -ENOENT && !look->fault) {
			addr = ALIGN_DOWN(addr, smallest) + smallest;
			missing++;
			ret = 0;
		}
	}
	mmap_read_unlock(mm);
	*nr = n;
	*next = addr;
	return ret == -ENOENT ? 0 : ret;
}
