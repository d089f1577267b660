/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Huge blocks in HMM ranges.
 *
 * A struct hmm_range with a block_shift above PAGE_SHIFT has one entry for each
 * 1 << block_shift bytes instead of one for each page. See mm/hmm_block.c.
 */
#ifndef LINUX_HMM_BLOCK_H
#define LINUX_HMM_BLOCK_H

#include <linux/hmm.h>

/*
 * Output entry of a block that cannot be described by one entry, in a range
 * that asked for this with HMM_BLOCK_REPORT or for no fault: the block wants a
 * smaller block_shift. HMM_PFN_VALID is clear, so that callers which look for
 * nothing else skip it.
 */
#define HMM_PFN_FINER		(HMM_PFN_ERROR | HMM_PFN_WRITE)

/* struct hmm_range.block_flags */
enum hmm_block_flags {
	/* Mark a block that is not uniform HMM_PFN_FINER, go on with the next. */
	HMM_BLOCK_REPORT = 1U << 0,
	/* Without faults, too, -ERANGE for the first block that is not uniform. */
	HMM_BLOCK_STRICT = 1U << 1,
};

#ifdef CONFIG_HMM_MIRROR
int hmm_block_best_shift(struct mm_struct *mm, unsigned long start,
			 unsigned long end, u64 sizes);
unsigned long hmm_block_next(struct mm_struct *mm, unsigned long start,
			     unsigned long end);
#else
static inline int hmm_block_best_shift(struct mm_struct *mm,
				       unsigned long start, unsigned long end,
				       u64 sizes)
{
	return sizes & PAGE_SIZE ? PAGE_SHIFT : -ERANGE;
}

static inline unsigned long hmm_block_next(struct mm_struct *mm,
					   unsigned long start,
					   unsigned long end)
{
	return start;
}
#endif

#endif
