// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Snapshots of blocks, for a kernel whose HMM has entries for pages only. Stands in
 * for umem_odp_look_blocks.c of the series.
 *
 * A look asks HMM for one page of a block first; if the leaf covers the block that is
 * all. Otherwise the pages are compared, in windows of ODP_LOOK_BATCH pages.
 */
#include <linux/hmm.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>

#include "umem_odp_look.h"

/* Nothing at all in the pages of a block. */
static bool odp_is_empty(const unsigned long *pages, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < BIT(order); i++)
		if (pages[i])
			return false;
	return true;
}

/* Blocks that are smaller than a window. */
static int odp_look_small(struct ib_odp_look *look)
{
	unsigned int order = look->shift - PAGE_SHIFT;
	unsigned long nr = ib_odp_look_nr(look);
	u64 addr = ib_odp_look_first(look);
	unsigned long *out = look->pfns;
	int ret;

	if (!order)
		return ib_odp_snapshot(look, addr, addr + (nr << PAGE_SHIFT),
				       out);
	ret = ib_odp_look_get_pages(look);
	while (!ret && nr) {
		unsigned long n = min(nr, ODP_LOOK_BATCH >> order);
		const unsigned long *pages = look->pages;
		unsigned long i;

		ret = ib_odp_snapshot(look, addr, addr + (n << look->shift),
				      look->pages);
		for (i = 0; !ret && i < n; i++, pages += BIT(order))
			*out++ = odp_is_empty(pages, order) ?
					 0 : ib_odp_join(pages, order);
		addr += n << look->shift;
		nr -= n;
	}
	return ret;
}

/* All pages of a block whose first leaf does not cover it. */
static int odp_look_scan(struct ib_odp_look *look, u64 addr, unsigned long *out)
{
	unsigned int order = look->shift - PAGE_SHIFT;
	unsigned int piece = min_t(unsigned int, order,
				   ilog2(ODP_LOOK_BATCH));
	unsigned long first = 0, flags = HMM_PFN_VALID | HMM_PFN_WRITE;
	u64 end = addr + ib_odp_look_size(look);
	unsigned long i;
	u64 cur;
	int ret;

	*out = ODP_PFN_FINER;
	for (cur = addr; cur < end; cur += PAGE_SIZE << piece) {
		ret = ib_odp_snapshot(look, cur, cur + (PAGE_SIZE << piece),
				      look->pages);
		if (ret)
			return ret;
		if (cur == addr) {
			first = look->pages[0] & ~HMM_PFN_FLAGS;
			if (!(look->pages[0] & HMM_PFN_VALID) ||
			    (first & (BIT(order) - 1)) ||
			    ib_odp_folio_order(first) < order)
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

	ret = ib_odp_snapshot(look, probe, probe + PAGE_SIZE, &pfn);
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
	if (look->shift > PMD_SHIFT ||
	    ib_odp_folio_order(pfn & ~HMM_PFN_FLAGS) < order)
		return 0;
	ret = ib_odp_look_get_pages(look);
	return ret ?: odp_look_scan(look, addr, out);
}

int ib_odp_look_blocks(struct ib_odp_look *look)
{
	unsigned long nr = ib_odp_look_nr(look);
	u64 addr = ib_odp_look_first(look);
	unsigned long i;
	int ret = 0;

	mmap_assert_locked(look->notifier->mm);
	if (look->shift < PMD_SHIFT &&
	    look->shift - PAGE_SHIFT <= ilog2(ODP_LOOK_BATCH))
		return odp_look_small(look);
	for (i = 0; i < nr && !ret; i++, addr += ib_odp_look_size(look))
		ret = odp_look_large(look, addr, &look->pfns[i]);
	return ret;
}
