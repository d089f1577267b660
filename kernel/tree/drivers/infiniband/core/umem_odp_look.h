/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Snapshots of the page tables of a process, for ODP umems. */
#ifndef UMEM_ODP_LOOK_H
#define UMEM_ODP_LOOK_H

#include <linux/align.h>
#include <linux/hmm.h>
#include <linux/types.h>

struct ib_odp_block;
struct mm_struct;
struct mmu_interval_notifier;

/* The largest number of entries of a look, and of pages of a call to HMM. */
#define ODP_LOOK_BATCH	512UL
/* Entry of a block that has, or may have, memory, but is not one page of its size. */
#define ODP_PFN_FINER	HMM_PFN_ERROR
/* The bits of an entry of HMM that are kept: no order, no sticky flags. */
#define ODP_PFN_KEEP	(~HMM_PFN_FLAGS | HMM_PFN_VALID | HMM_PFN_WRITE)

/**
 * struct ib_odp_look - a walk of the page tables of a process
 * @notifier: its interval holds all of the blocks
 * @start: first requested byte
 * @end: end of the requested bytes; pages outside are not faulted in
 * @shift: log2 of the size of a block
 * @fault: fault in the requested bytes that are missing
 * @write: the memory must be writable
 * @may_write: use write faults for memory that is missing
 * @complete: no smaller size is accepted: if a block is one folio, make its mapped
 *	      pages writable, and map all pages of a file, from @low to @high
 * @low: first byte that @complete may access
 * @high: end of the bytes that @complete may access
 * @seq: (out) the notifier's sequence: @pfns are valid as long as it is the same
 * @good: (out) after ib_odp_look() with @fault: all blocks are valid, and writable if
 *	  @write is set
 * @pfns: (out) for each block, starting with that of @start: its first page frame
 *	  with HMM_PFN_VALID and possibly HMM_PFN_WRITE; or ODP_PFN_FINER; or 0 if
 *	  nothing is mapped; of pages also the map order of HMM. Room for
 *	  ODP_LOOK_BATCH entries
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
	bool good;
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
int ib_odp_look_leaves(struct ib_odp_look *look, unsigned long *nr);
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
