/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Sparse tables of blocks of several sizes: the translations of an ODP umem of
 * a software device. See drivers/infiniband/core/umem_odp_table.c.
 */
#ifndef IB_ODP_TABLE_H
#define IB_ODP_TABLE_H

#include <linux/types.h>

/* Levels of a table: enough for any set of sizes in 64 bits. */
#define IB_ODP_TABLE_LEVELS 14

/**
 * struct ib_odp_block - a block in a table
 * @addr: first address
 * @pfn: its first page frame
 * @shift: log2 of its size
 * @write: it is writable
 */
struct ib_odp_block {
	unsigned long addr;
	unsigned long pfn;
	unsigned int shift;
	bool write;
};

/**
 * struct ib_odp_spare - preallocated memory for ib_odp_table_set()
 * @mem: zeroed memory, or NULL
 * @bytes: its size; after -ENOMEM the size that is needed
 */
struct ib_odp_spare {
	void *mem;
	size_t bytes;
};

/**
 * struct ib_odp_table - a sparse table of blocks
 * @sizes: sizes that blocks can have, bit mask in bytes
 * @start: first address
 * @end: address after the last one
 * @drop: called for blocks that are removed, or NULL
 * @run_shift: log2 of the size of a run of base pages, that is stored as one
 *	       entry and counts as its pages; 0: the table has none
 * @nr_levels: levels in use
 * @shift: log2 of the bytes that an entry of each level stands for
 * @root: entries of the first level
 * @bytes: memory used for entries
 * @mapped: blocks in the table
 * @mapped_by_shift: blocks of each size
 */
struct ib_odp_table {
	u64 sizes;
	unsigned long start;
	unsigned long end;
	void (*drop)(const struct ib_odp_block *block, unsigned long nr);
	unsigned int run_shift;
	unsigned int nr_levels;
	u8 shift[IB_ODP_TABLE_LEVELS];
	unsigned long *root;
	u64 bytes;
	u64 mapped;
	u64 mapped_by_shift[BITS_PER_LONG];
};

struct ib_odp_table *
ib_odp_table_create(unsigned long start, unsigned long end, u64 sizes,
		    void (*drop)(const struct ib_odp_block *block,
				 unsigned long nr));
void ib_odp_table_destroy(struct ib_odp_table *table);
bool ib_odp_table_get(const struct ib_odp_table *table, unsigned long addr,
		      struct ib_odp_block *block);
int ib_odp_table_set(struct ib_odp_table *table,
		     const struct ib_odp_block *block,
		     struct ib_odp_spare *spare);
int ib_odp_table_set_pfns(struct ib_odp_table *table, unsigned long addr,
			  unsigned int shift, const unsigned long *pfns,
			  unsigned long nr, struct ib_odp_spare *spare);
void ib_odp_table_clear(struct ib_odp_table *table, unsigned long start,
			unsigned long end);

#endif
