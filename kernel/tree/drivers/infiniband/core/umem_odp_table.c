// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Sparse tables of blocks of several sizes.
 *
 * A tree whose leaves are blocks. An entry of the last level covers the
 * smallest size; an entry of a level above covers a larger size of the table
 * or, where there is none in reach, up to ODP_CHUNK_ENTRIES entries of the
 * level below. So a chunk of entries is at most a page, and only address ranges
 * with blocks use memory. A block that is larger than an entry, but smaller
 * than one of the level above, is stored in each entry that it covers.
 *
 * An XArray would store a block of 2 MiB in 8 of the 64 entries of a node, and
 * cannot report how much memory it uses.
 *
 * The caller locks: the table of an ODP umem is protected by umem_mutex. As
 * that is taken in reclaim, ib_odp_table_set() does not allocate but asks its
 * caller to.
 */
#include <linux/align.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/hmm.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <rdma/ib_odp_table.h>

#define ODP_CHUNK_SHIFT		9
#define ODP_CHUNK_ENTRIES	BIT(ODP_CHUNK_SHIFT)

/*
 * An entry is 0, a pointer to a chunk of the level below, or a leaf: the first
 * page frame of its block, the order of the block, ODP_WRITE and ODP_LEAF.
 */
#define ODP_LEAF	BIT(0)
#define ODP_WRITE	BIT(1)
#define ODP_ORDER	GENMASK(7, 2)
#define ODP_ORDER_SHIFT	2
#define ODP_PFN_SHIFT	8

static unsigned long odp_leaf(unsigned long pfn, unsigned int shift, bool write)
{
	return pfn << ODP_PFN_SHIFT |
	       (unsigned long)(shift - PAGE_SHIFT) << ODP_ORDER_SHIFT |
	       (write ? ODP_WRITE : 0) | ODP_LEAF;
}

static void odp_leaf_block(unsigned long leaf, unsigned long addr,
			   struct ib_odp_block *block)
{
	block->shift = PAGE_SHIFT + ((leaf & ODP_ORDER) >> ODP_ORDER_SHIFT);
	block->addr = ALIGN_DOWN(addr, BIT(block->shift));
	block->pfn = leaf >> ODP_PFN_SHIFT;
	block->write = leaf & ODP_WRITE;
}

/* Consecutive entries of one level. */
struct odp_chunk {
	unsigned long *entries;
	unsigned int level;
	/* the address of the first one, in units of this level */
	unsigned long first;
};

static struct odp_chunk odp_root(const struct ib_odp_table *table)
{
	return (struct odp_chunk){
		.entries = table->root,
		.first = table->start >> table->shift[0],
	};
}

/* The chunk that the entry for @addr points to. */
static struct odp_chunk odp_child(const struct ib_odp_table *table,
				  const struct odp_chunk *chunk,
				  unsigned long entry, unsigned long addr)
{
	unsigned int level = chunk->level + 1;
	unsigned long start = ALIGN_DOWN(addr, BIT(table->shift[level - 1]));

	return (struct odp_chunk){
		.entries = (unsigned long *)entry,
		.level = level,
		.first = start >> table->shift[level],
	};
}

static unsigned long *odp_slot(const struct ib_odp_table *table,
			       const struct odp_chunk *chunk,
			       unsigned long addr)
{
	return &chunk->entries[(addr >> table->shift[chunk->level]) -
			       chunk->first];
}

/* Bytes of a chunk of a level below the root. */
static size_t odp_chunk_bytes(const struct ib_odp_table *table,
			      unsigned int level)
{
	return sizeof(*table->root) << (table->shift[level - 1] -
					table->shift[level]);
}

static size_t odp_root_entries(const struct ib_odp_table *table)
{
	return ((table->end - 1) >> table->shift[0]) -
	       (table->start >> table->shift[0]) + 1;
}

/* The end address of a chunk, or of the table if that is lower. */
static unsigned long odp_chunk_end(const struct ib_odp_table *table,
				   const struct odp_chunk *chunk)
{
	unsigned int shift = table->shift[chunk->level];
	unsigned long last;

	if (!chunk->level)
		return table->end;
	last = chunk->first + odp_chunk_bytes(table, chunk->level) /
				      sizeof(*table->root) - 1;
	return min(table->end - 1, (last << shift) + BIT(shift) - 1) + 1;
}

/*
 * The shift of the level above @shift: the largest size within a chunk, if any.
 */
static unsigned int odp_next_shift(u64 sizes, unsigned int shift)
{
	u64 reach = (sizes >> shift) & GENMASK_ULL(ODP_CHUNK_SHIFT, 1);

	return shift + (reach ? (unsigned int)fls64(reach) - 1 :
				ODP_CHUNK_SHIFT);
}

/* Compute the shift of each level, from the smallest size upwards. */
static int odp_set_levels(struct ib_odp_table *table)
{
	unsigned int largest = (unsigned int)fls64(table->sizes) - 1;
	u8 shift[IB_ODP_TABLE_LEVELS];
	unsigned int n = 0;
	unsigned int i;

	shift[n++] = (u8)__ffs64(table->sizes);
	while (shift[n - 1] < largest ||
	       ((table->end - 1) >> shift[n - 1]) -
			       (table->start >> shift[n - 1]) >=
		       ODP_CHUNK_ENTRIES) {
		unsigned int next = odp_next_shift(table->sizes, shift[n - 1]);

		if (next >= BITS_PER_LONG)
			break;
		if (WARN_ON_ONCE(n == IB_ODP_TABLE_LEVELS))
			return -EINVAL;
		shift[n++] = (u8)next;
	}

	table->nr_levels = n;
	for (i = 0; i < n; i++)
		table->shift[i] = shift[n - 1 - i];
	return 0;
}

/**
 * ib_odp_table_create - make an empty table
 * @start: first address, aligned to the largest size
 * @end: address after the last one, aligned too
 * @sizes: sizes that blocks can have, bit mask in bytes
 * @drop: called for blocks that are removed, or NULL: @nr blocks from @block
 *        on, contiguous in addresses and in physical memory
 *
 * Return: the table, or ERR_PTR() of -EINVAL or -ENOMEM
 */
struct ib_odp_table *
ib_odp_table_create(unsigned long start, unsigned long end, u64 sizes,
		    void (*drop)(const struct ib_odp_block *block,
				 unsigned long nr))
{
	struct ib_odp_table *table;

	if (!sizes || (sizes & (PAGE_SIZE - 1)) || end <= start ||
	    !IS_ALIGNED(start | end, BIT_ULL(fls64(sizes) - 1)))
		return ERR_PTR(-EINVAL);

	table = kzalloc_obj(*table, GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	table->sizes = sizes;
	table->start = start;
	table->end = end;
	table->drop = drop;
	if (odp_set_levels(table)) {
		kfree(table);
		return ERR_PTR(-EINVAL);
	}
	table->bytes = odp_root_entries(table) * sizeof(*table->root);
	table->root = kvzalloc(table->bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!table->root) {
		kfree(table);
		return ERR_PTR(-ENOMEM);
	}
	return table;
}

/*
 * Remove the block at @addr, and the blocks up to @end that follow it in
 * addresses and in physical memory. All are in @chunk. Returns the address
 * after them.
 */
static unsigned long odp_drop(struct ib_odp_table *table,
			      const struct odp_chunk *chunk, unsigned long addr,
			      unsigned long end)
{
	unsigned long leaf = *odp_slot(table, chunk, addr);
	struct ib_odp_block block;
	unsigned long *slot;
	unsigned long size;
	unsigned long nr = 0;
	unsigned long i;

	odp_leaf_block(leaf, addr, &block);
	size = BIT(block.shift);
	addr = block.addr;
	slot = odp_slot(table, chunk, addr);
	do {
		for (i = size >> table->shift[chunk->level]; i; i--)
			*slot++ = 0;
		leaf += size >> PAGE_SHIFT << ODP_PFN_SHIFT;
		addr += size;
		nr++;
	} while (addr < end && *slot == leaf);

	table->mapped -= nr;
	table->mapped_by_shift[block.shift] -= nr;
	if (table->drop)
		table->drop(&block, nr);
	return addr;
}

/* Remove the blocks in [@start, @end), a range that is inside of @chunk. */
static void odp_clear(struct ib_odp_table *table, const struct odp_chunk *chunk,
		      unsigned long start, unsigned long end)
{
	unsigned long size = BIT(table->shift[chunk->level]);
	unsigned long next;

	for (; start < end; start = next) {
		unsigned long *slot = odp_slot(table, chunk, start);
		struct odp_chunk child;
		size_t bytes;

		/* The end of the last entry of the address space wraps to 0. */
		next = ALIGN_DOWN(start, size) + size;
		if (next > end || next < start)
			next = end;
		if (!*slot)
			continue;
		if (*slot & ODP_LEAF) {
			next = odp_drop(table, chunk, start, end);
			continue;
		}

		child = odp_child(table, chunk, *slot, start);
		odp_clear(table, &child, start, next);
		bytes = odp_chunk_bytes(table, child.level);
		if (!memchr_inv(child.entries, 0, bytes)) {
			kfree(child.entries);
			*slot = 0;
			table->bytes -= bytes;
		}
	}
}

/**
 * ib_odp_table_clear - remove the blocks of a range
 * @table: the table
 * @start: first address
 * @end: address after the last one
 *
 * Removes each block that overlaps the range.
 */
void ib_odp_table_clear(struct ib_odp_table *table, unsigned long start,
			unsigned long end)
{
	struct odp_chunk root = odp_root(table);

	start = max(start, table->start);
	end = min(end, table->end);
	if (start < end)
		odp_clear(table, &root, start, end);
}

/**
 * ib_odp_table_destroy - remove all blocks of a table and free it
 * @table: the table, or NULL
 */
void ib_odp_table_destroy(struct ib_odp_table *table)
{
	if (!table)
		return;
	ib_odp_table_clear(table, table->start, table->end);
	WARN_ON(table->mapped);
	kvfree(table->root);
	kfree(table);
}

/**
 * ib_odp_table_get - look up the block at an address
 * @table: the table
 * @addr: any address
 * @block: filled in with the block that contains it
 *
 * Return: whether there is one
 */
bool ib_odp_table_get(const struct ib_odp_table *table, unsigned long addr,
		      struct ib_odp_block *block)
{
	struct odp_chunk chunk = odp_root(table);
	unsigned long entry;

	if (addr < table->start || addr >= table->end)
		return false;
	for (;;) {
		entry = *odp_slot(table, &chunk, addr);
		if (!entry)
			return false;
		if (entry & ODP_LEAF)
			break;
		chunk = odp_child(table, &chunk, entry, addr);
	}
	odp_leaf_block(entry, addr, block);
	return true;
}

/*
 * Find the chunk with the entries for blocks of 1 << @shift at @addr, and
 * create it if it is missing.
 */
static int odp_reach(struct ib_odp_table *table, unsigned long addr,
		     unsigned int shift, struct ib_odp_spare *spare,
		     struct odp_chunk *chunk)
{
	*chunk = odp_root(table);
	while (shift < table->shift[chunk->level]) {
		unsigned long *slot = odp_slot(table, chunk, addr);

		if (*slot & ODP_LEAF)
			odp_drop(table, chunk, addr, addr + 1);
		if (!*slot) {
			size_t bytes = odp_chunk_bytes(table, chunk->level + 1);

			if (!spare->mem || spare->bytes != bytes) {
				spare->bytes = bytes;
				return -ENOMEM;
			}
			*slot = (unsigned long)spare->mem;
			spare->mem = NULL;
			table->bytes += bytes;
		}
		*chunk = odp_child(table, chunk, *slot, addr);
	}
	return 0;
}

/*
 * Store the valid ones of @pfns in @chunk, as blocks of 1 << @shift from @addr
 * on.
 */
static void odp_put(struct ib_odp_table *table, const struct odp_chunk *chunk,
		    unsigned long addr, unsigned int shift,
		    const unsigned long *pfns, unsigned long nr)
{
	unsigned int width = BIT(shift - table->shift[chunk->level]);
	unsigned long *slot = odp_slot(table, chunk, addr);
	unsigned long put = 0;
	unsigned int i;

	for (; nr--; pfns++, slot += width, addr += BIT(shift)) {
		unsigned long leaf;

		if (!(*pfns & HMM_PFN_VALID))
			continue;
		leaf = odp_leaf(*pfns & ~HMM_PFN_FLAGS, shift,
				*pfns & HMM_PFN_WRITE);
		if (*slot == leaf)
			continue;
		if (*slot || width > 1)
			odp_clear(table, chunk, addr, addr + BIT(shift));
		for (i = 0; i < width; i++)
			slot[i] = leaf;
		put++;
	}
	table->mapped += put;
	table->mapped_by_shift[shift] += put;
}

/**
 * ib_odp_table_set_pfns - store the blocks of a range that HMM has walked
 * @table: the table
 * @addr: the first address, aligned to the blocks
 * @shift: log2 of the size of the blocks, one of the table's
 * @pfns: the entry of HMM for each block
 * @nr: number of blocks, all inside of the table
 * @spare: memory for a chunk
 *
 * Blocks that are HMM_PFN_VALID replace present entries. If a chunk has to be
 * created and the memory in @spare has the wrong size, @spare->bytes is set to
 * the right one; the caller has to replace the memory and retry. Memory that
 * was used is removed from @spare.
 *
 * Return: 0, or -ENOMEM
 */
int ib_odp_table_set_pfns(struct ib_odp_table *table, unsigned long addr,
			  unsigned int shift, const unsigned long *pfns,
			  unsigned long nr, struct ib_odp_spare *spare)
{
	while (nr) {
		struct odp_chunk chunk;
		unsigned long n = 1;

		if (*pfns & HMM_PFN_VALID) {
			int ret = odp_reach(table, addr, shift, spare, &chunk);

			if (ret)
				return ret;
			n = min(nr, (odp_chunk_end(table, &chunk) - addr) >>
					    shift);
			odp_put(table, &chunk, addr, shift, pfns, n);
		}
		pfns += n;
		nr -= n;
		addr += n << shift;
	}
	return 0;
}

/**
 * ib_odp_table_set - store a block
 * @table: the table
 * @block: the block: of one of the sizes of the table, aligned, and inside
 * @spare: memory for a chunk
 *
 * Return: as ib_odp_table_set_pfns()
 */
int ib_odp_table_set(struct ib_odp_table *table,
		     const struct ib_odp_block *block,
		     struct ib_odp_spare *spare)
{
	unsigned long pfn = block->pfn | HMM_PFN_VALID |
			    (block->write ? HMM_PFN_WRITE : 0);

	return ib_odp_table_set_pfns(table, block->addr, block->shift, &pfn, 1,
				     spare);
}
