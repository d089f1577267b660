/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the page tables of a process say about the memory of an ODP umem. */
#ifndef UMEM_ODP_LOOK_H
#define UMEM_ODP_LOOK_H

#include <linux/align.h>
#include <linux/hmm.h>
#include <linux/types.h>

struct ib_odp_block;
struct mm_struct;
struct mmu_interval_notifier;

/* Entries that a look fills at a time, and pages that it asks HMM for. */
#define ODP_LOOK_BATCH	512UL
/*
 * Entry of a block that has memory, or may have some, but is not one page of the
 * size that the look is about.
 */
#define ODP_PFN_FINER	HMM_PFN_ERROR
/* What is kept of an entry of HMM: no order, no sticky flags. */
#define ODP_PFN_KEEP	(~HMM_PFN_FLAGS | HMM_PFN_VALID | HMM_PFN_WRITE)

/**
 * struct ib_odp_look - a look at the page tables of a process
 * @notifier: its interval holds all of the blocks
 * @start: first byte that is wanted
 * @end: end of the bytes that are wanted; pages outside are not faulted in
 * @shift: log2 of the size of a block
 * @fault: fault in what is missing of the wanted bytes
 * @write: the memory has to be writable
 * @may_write: memory that has no page yet is better faulted in for writing
 * @complete: nothing smaller is accepted: the mapped pages of a block that is
 *	      one folio are made writable, and those of a file are mapped, as far
 *	      as @low and @high allow
 * @low: first byte that @complete may touch
 * @high: end of the bytes that @complete may touch
 * @seq: (out) the notifier's sequence: @pfns are true as long as it stays
 * @pfns: (out) for each block from that of @start on its first page frame with
 *	  HMM_PFN_VALID and maybe HMM_PFN_WRITE; ODP_PFN_FINER; or 0 if there is
 *	  nothing; room for ODP_LOOK_BATCH entries
 * @pages: scratch, freed by ib_odp_look_free()
 */
struct ib_odp_look {
	struct mmu_interval_notifier *notifier;
	u64 start;
	u64 end;
	unsigned int shift;
	bool fault;
	bool write;
	bool may_write;
	bool complete;
	u64 low;
	u64 high;
	unsigned long seq;
	unsigned long *pfns;
	unsigned long *pages;
};

/* Bytes of a block. */
static inline u64 ib_odp_look_size(const struct ib_odp_look *look)
{
	return BIT_ULL(look->shift);
}

/* The address of the first block. */
static inline u64 ib_odp_look_first(const struct ib_odp_look *look)
{
	return ALIGN_DOWN(look->start, ib_odp_look_size(look));
}

/* Blocks of a look. */
static inline unsigned long ib_odp_look_nr(const struct ib_odp_look *look)
{
	u64 bytes = look->end - ib_odp_look_first(look);

	return (bytes >> look->shift) +
	       !!(bytes & (ib_odp_look_size(look) - 1));
}

int ib_odp_look(struct ib_odp_look *look);
int ib_odp_look_again(struct ib_odp_look *look);
int ib_odp_look_mixed(struct ib_odp_look *look, u64 sizes,
		      struct ib_odp_block *blocks, unsigned int *nr,
		      u64 *next);
int ib_odp_look_get_pages(struct ib_odp_look *look);
void ib_odp_look_free(struct ib_odp_look *look);

int ib_odp_look_blocks(struct ib_odp_look *look);
int ib_odp_snapshot(const struct ib_odp_look *look, u64 start, u64 end,
		    unsigned long *pfns);
unsigned long ib_odp_join(const unsigned long *pages, unsigned int order);
unsigned int ib_odp_folio_order(unsigned long pfn);

int ib_odp_best_shift(struct mm_struct *mm, u64 start, u64 end, u64 sizes,
		      bool reserved);
unsigned int ib_odp_shift_now(struct mm_struct *mm, u64 addr, u64 sizes);
u64 ib_odp_next_mapped(struct mm_struct *mm, u64 start, u64 end);

#endif
