// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Levels and indexes of the tables of software devices: all of umem_odp_table.c. */
#include "kernel.h"

#define GFP_KERNEL	0
#define __GFP_NOWARN	0
#define ERR_PTR(e)	((void *)(long)(e))
#define IS_ERR(p)	((unsigned long)(p) >= -4095UL)
#define kfree(p)	((void)(p))
#define kvfree(p)	((void)(p))
#define memchr_inv(p, c, n)	((void *)(p))
#define kzalloc_obj(o)	(&the_table)

struct ib_odp_table;
static void *kvzalloc(size_t bytes, int gfp);

#include "rdma/ib_odp_table.h"

static struct ib_odp_table the_table;

#include "source.c"

static void *kvzalloc(size_t bytes, int gfp)
{
	return NULL;
}

/*
 * The levels of a table, from the smallest size on. A level stands for at most a chunk of entries of the
 * one below, and two levels for more than that, as what is in reach is not a level between them; so there are never more than IB_ODP_TABLE_LEVELS, and
 * the WARN_ON_ONCE() in odp_set_levels() is not reached. No size is skipped that is in reach.
 */
void levels(void)
{
	unsigned int shift, next, more;
	u64 sizes;

	check(1 + 2 * DIV_ROUND_UP(BITS_PER_LONG - PAGE_SHIFT, ODP_CHUNK_SHIFT + 1) <=
	      IB_ODP_TABLE_LEVELS);
	for (shift = PAGE_SHIFT; shift < BITS_PER_LONG; shift++) {
		next = odp_next_shift(sizes, shift);
		check(next > shift && next <= shift + ODP_CHUNK_SHIFT);
		/* The largest size in reach: the level after the next one is out of reach. */
		for (more = 1; more <= ODP_CHUNK_SHIFT && shift + more < BITS_PER_LONG; more++) {
			check(!(sizes & BIT_ULL(shift + more)) || next >= shift + more);
			check(next != shift + more || more == ODP_CHUNK_SHIFT ||
			      (sizes & BIT_ULL(shift + more)));
		}
	}
}

/* A leaf has all of its block, and is not taken for a pointer. */
void leaves(void)
{
	unsigned long pfn, addr, leaf;
	struct ib_odp_block block;
	unsigned int shift;
	bool write;
	u32 any;

	write = any & 1;
	assume(shift >= PAGE_SHIFT && shift < BITS_PER_LONG);
	assume(pfn < BIT(52 - PAGE_SHIFT));
	leaf = odp_leaf(pfn, shift, write);
	odp_leaf_block(leaf, addr, &block);
	check(leaf & ODP_LEAF);
	check(block.pfn == pfn && block.shift == shift && block.write == write);
	check(block.addr <= addr && addr - block.addr < BIT(shift));
}
