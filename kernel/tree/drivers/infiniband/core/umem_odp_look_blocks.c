// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Snapshots of blocks, with a range of HMM that has one entry for each block.
 */
#include <linux/align.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/string.h>

#include "umem_odp_look.h"

/* Convert an entry of HMM. */
static unsigned long odp_block_entry(const struct hmm_range *range,
				     unsigned long hmm_pfn)
{
	if (hmm_pfn_is_block(range, hmm_pfn) &&
	    IS_ALIGNED(hmm_pfn & ~HMM_PFN_FLAGS, BIT(range->order)))
		return hmm_pfn & ODP_PFN_KEEP;
	return hmm_pfn ? ODP_PFN_FINER : 0;
}

/**
 * ib_odp_look_blocks - take a snapshot of the blocks of a look
 * @look: the look; @seq is an input
 *
 * mmap_lock is held.
 *
 * Return: 0; -EBUSY if the sequence has changed; -ENOMEM
 */
int ib_odp_look_blocks(struct ib_odp_look *look)
{
	unsigned long nr = ib_odp_look_nr(look);
	u64 first = ib_odp_look_first(look);
	struct hmm_range range = {
		.notifier = look->notifier,
		.notifier_seq = look->seq,
		.start = (unsigned long)first,
		.end = (unsigned long)(first + ((u64)nr << look->shift)),
		.hmm_pfns = look->pfns,
		.order = look->shift - PAGE_SHIFT,
	};
	unsigned long i;
	int ret;

	mmap_assert_locked(look->notifier->mm);

	/* No page has this size. */
	if (range.order > HMM_MAX_ORDER) {
		for (i = 0; i < nr; i++)
			look->pfns[i] = ODP_PFN_FINER;
		return 0;
	}
	memset(look->pfns, 0, nr * sizeof(*look->pfns));
	ret = hmm_range_fault(&range);
	for (i = 0; range.order && !ret && i < nr; i++)
		look->pfns[i] = odp_block_entry(&range, look->pfns[i]);
	return ret;
}
