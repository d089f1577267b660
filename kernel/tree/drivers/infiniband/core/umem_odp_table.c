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
 * Where a leaf of the CPU's page tables maps all of an entry of the level above
 * the base pages, that entry is a run of base pages: a leaf whose size is not one
 * of the table's. It counts as the pages that it consists of, but is stored,
 * found and removed at once. It is also removed as a whole: what invalidates a
 * part of such memory splits the CPU's leaf, which invalidates all of it.
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
#include <linux/pgtable.h>
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

/* From an entry of HMM that is valid; @kind: a leaf without page frame. */
static unsigned long odp_make_leaf(unsigned long pfn, unsigned long kind)
{
	return (pfn & ~HMM_PFN_FLAGS) << ODP_PFN_SHIFT | kind |
	       (pfn & HMM_PFN_WRITE ? ODP_WRITE : 0);
}

static unsigned int odp_leaf_shift(unsigned long leaf)
{
	return PAGE_SHIFT + ((leaf & ODP_ORDER) >> ODP_ORDER_SHIFT);
}

static void odp_leaf_block(unsigned long leaf, unsigned long addr,
			   struct ib_odp_block *block)
{
	block->shift = odp_leaf_shift(leaf);
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

/* log2 of the size of the blocks that a leaf of 1 << @shift consists of. */
static unsigned int odp_unit(const struct ib_odp_table *table,
			     unsigned int shift)
{
	return shift == table->run_shift ? PAGE_SHIFT : shift;
}

/* Add to the number of blocks; @nr can be negative. */
static void odp_count(struct ib_odp_table *table, unsigned int shift, long nr)
{
	table->mapped += nr;
	table->mapped_by_shift[shift] += nr;
}

/*
 * Can an entry of 1 << @shift be a run? A table of base pages alone has a level for
 * that if there is an address for it.
 */
static bool odp_has_runs(const struct ib_odp_table *table, unsigned int shift)
{
	unsigned long first = ALIGN(table->start, PMD_SIZE);

	return table->sizes == PAGE_SIZE && shift == PMD_SHIFT &&
	       first >= table->start && first < table->end &&
	       table->end - first >= PMD_SIZE;
}

/* Compute the shift of each level, from the smallest size upwards. */
static int odp_set_levels(struct ib_odp_table *table)
{
	unsigned int largest = (unsigned int)fls64(table->sizes) - 1;
	u8 shift[IB_ODP_TABLE_LEVELS];
	unsigned int n = 0;
	unsigned int i;

	shift[n++] = (u8)__ffs64(table->sizes);
	for (;;) {
		unsigned int next = odp_next_shift(table->sizes, shift[n - 1]);

		if (odp_has_runs(table, next))
			table->run_shift = next;
		else if (shift[n - 1] >= largest &&
			 ((table->end - 1) >> shift[n - 1]) -
					 (table->start >> shift[n - 1]) <
				 ODP_CHUNK_ENTRIES)
			break;
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
 * Remove the leaf in @slot, the first one of its block at @addr, and the leaves
 * before @stop that follow it in addresses and in physical memory. Returns the
 * number of entries.
 */
static unsigned long odp_drop(struct ib_odp_table *table, unsigned int level,
			      unsigned long *slot, const unsigned long *stop,
			      unsigned long addr)
{
	const unsigned long *first = slot;
	unsigned long leaf = *slot;
	struct ib_odp_block block = {
		.addr = addr,
		.pfn = leaf >> ODP_PFN_SHIFT,
		.shift = odp_unit(table, odp_leaf_shift(leaf)),
		.write = leaf & ODP_WRITE,
	};
	unsigned int shift = odp_leaf_shift(leaf);
	unsigned long width = BIT(shift - table->shift[level]);
	unsigned long step = BIT(shift - PAGE_SHIFT) << ODP_PFN_SHIFT;
	unsigned long nr = 0;
	unsigned long i;

	do {
		*slot++ = 0;
		for (i = 1; i < width; i++)
			*slot++ = 0;
		leaf += step;
		nr++;
	} while (slot < stop && *slot == leaf);

	nr <<= shift - block.shift;
	odp_count(table, block.shift, -(long)nr);
	if (table->drop)
		table->drop(&block, nr);
	return slot - first;
}

/*
 * The same for all entries from @slot on, if each is empty or a block of its own. This
 * is the loop of a table of base pages.
 */
static void odp_drop_all(struct ib_odp_table *table, unsigned int shift,
			 unsigned long *slot, const unsigned long *stop,
			 unsigned long addr)
{
	const unsigned long step = BIT(shift - PAGE_SHIFT) << ODP_PFN_SHIFT;
	struct ib_odp_block block = { .shift = shift };
	const unsigned long size = BIT(shift);
	unsigned long dropped = 0;

	while (slot < stop) {
		const unsigned long *first = slot;
		unsigned long leaf = *slot;

		if (!leaf) {
			slot++;
			addr += size;
			continue;
		}
		block.addr = addr;
		block.pfn = leaf >> ODP_PFN_SHIFT;
		block.write = leaf & ODP_WRITE;
		do {
			*slot++ = 0;
			addr += size;
			leaf += step;
		} while (slot < stop && *slot == leaf);
		dropped += slot - first;
		if (table->drop)
			table->drop(&block, slot - first);
	}
	odp_count(table, shift, -(long)dropped);
}

/* Is each entry of the last level that is not empty a block of its own? */
static bool odp_is_simple(const struct ib_odp_table *table, unsigned int level)
{
	u64 sizes = table->sizes;

	if (level < table->nr_levels - 1)
		return false;
	if (level)
		sizes &= BIT_ULL(table->shift[level - 1]) - 1;
	return is_power_of_2(sizes);
}

static void odp_clear(struct ib_odp_table *table, const struct odp_chunk *chunk,
		      unsigned long start, unsigned long end);

/* Remove the blocks in [@start, @end), a range that is inside of one entry. */
static void odp_clear_child(struct ib_odp_table *table,
			    const struct odp_chunk *chunk, unsigned long *slot,
			    unsigned long start, unsigned long end)
{
	struct odp_chunk child = odp_child(table, chunk, *slot, start);
	size_t bytes = odp_chunk_bytes(table, child.level);

	odp_clear(table, &child, start, end);
	if (!memchr_inv(child.entries, 0, bytes)) {
		kfree(child.entries);
		*slot = 0;
		table->bytes -= bytes;
	}
}

/* Remove the blocks in [@start, @end), a range that is inside of @chunk. */
static void odp_clear(struct ib_odp_table *table, const struct odp_chunk *chunk,
		      unsigned long start, unsigned long end)
{
	unsigned int shift = table->shift[chunk->level];
	unsigned long *slot = odp_slot(table, chunk, start);
	unsigned long *stop = odp_slot(table, chunk, end - 1) + 1;
	unsigned long addr = ALIGN_DOWN(start, BIT(shift));

	if (odp_is_simple(table, chunk->level)) {
		odp_drop_all(table, shift, slot, stop, addr);
		return;
	}
	/* The first block may start before the range. */
	if (*slot & ODP_LEAF) {
		unsigned long size = BIT(odp_leaf_shift(*slot));

		slot -= (addr & (size - 1)) >> shift;
		addr = ALIGN_DOWN(addr, size);
	}
	while (slot < stop) {
		unsigned long nr = 1;

		if (*slot & ODP_LEAF)
			nr = odp_drop(table, chunk->level, slot, stop, addr);
		else if (*slot)
			odp_clear_child(table, chunk, slot, max(start, addr),
					min(end - 1, addr + BIT(shift) - 1) + 1);
		slot += nr;
		addr += nr << shift;
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
 * @block: filled in with the block, or the run of blocks, that contains it
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

/* Write the pages of a run to @entries. */
static void odp_split(unsigned long run, unsigned long *entries)
{
	unsigned long leaf = odp_leaf(run >> ODP_PFN_SHIFT, PAGE_SHIFT,
				      run & ODP_WRITE);
	unsigned long i;

	for (i = 0; i < ODP_CHUNK_ENTRIES; i++)
		entries[i] = leaf + (i << ODP_PFN_SHIFT);
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
		bool run = (*slot & ODP_LEAF) &&
			   odp_leaf_shift(*slot) == table->run_shift;

		if ((*slot & ODP_LEAF) && !run)
			odp_clear(table, chunk, addr, addr + 1);
		if (!*slot || run) {
			size_t bytes = odp_chunk_bytes(table, chunk->level + 1);

			if (!spare->mem || spare->bytes != bytes) {
				spare->bytes = bytes;
				return -ENOMEM;
			}
			if (run)
				odp_split(*slot, spare->mem);
			*slot = (unsigned long)spare->mem;
			spare->mem = NULL;
			table->bytes += bytes;
		}
		*chunk = odp_child(table, chunk, *slot, addr);
	}
	return 0;
}

/*
 * Store the valid ones of @pfns, one in each of the entries from @slot on, as long as
 * these are empty or have it already. @kind: a leaf without page frame. Returns the
 * number of @pfns that are done, and adds to @put. This is the loop of a table of base
 * pages.
 */
static noinline unsigned long odp_put_new(unsigned long *slot,
					  const unsigned long *pfns,
					  unsigned long nr, unsigned long kind,
					  unsigned long *put)
{
	unsigned long skipped = 0;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		unsigned long leaf = odp_make_leaf(pfns[i], kind);

		if (!(pfns[i] & HMM_PFN_VALID) || slot[i] == leaf) {
			skipped++;
			continue;
		}
		if (slot[i])
			break;
		slot[i] = leaf;
	}
	*put += i - skipped;
	return i;
}

/*
 * Store the valid ones of @pfns in @chunk, as blocks of 1 << @shift from @addr
 * on.
 */
static void odp_put(struct ib_odp_table *table, const struct odp_chunk *chunk,
		    unsigned long addr, unsigned int shift,
		    const unsigned long *pfns, unsigned long nr)
{
	unsigned long width = BIT(shift - table->shift[chunk->level]);
	unsigned long kind = odp_leaf(0, shift, false);
	unsigned int unit = odp_unit(table, shift);
	unsigned long *slot = odp_slot(table, chunk, addr);
	unsigned long put = 0;
	unsigned long i, j;

	for (i = 0; i < nr; i++) {
		unsigned long *first, leaf;

		if (width == 1)
			i += odp_put_new(slot + i, pfns + i, nr - i, kind, &put);
		if (i == nr)
			break;
		leaf = odp_make_leaf(pfns[i], kind);
		first = slot + i * width;
		if (!(pfns[i] & HMM_PFN_VALID) || *first == leaf)
			continue;
		odp_clear(table, chunk, addr + (i << shift),
			  addr + ((i + 1) << shift));
		for (j = 0; j < width; j++)
			first[j] = leaf;
		put++;
	}
	odp_count(table, unit, (long)(put << (shift - unit)));
}

/*
 * Count the pages from @addr on that a run holds already, up to @nr: all that are in
 * the run, or none. They need not be stored, which would split the run.
 */
static unsigned long odp_in_run(const struct ib_odp_table *table,
				unsigned long addr, unsigned int shift,
				const unsigned long *pfns, unsigned long nr)
{
	const unsigned long mask = ~HMM_PFN_FLAGS | HMM_PFN_VALID | HMM_PFN_WRITE;
	struct ib_odp_block run;
	unsigned long pfn, i;

	if (shift >= table->run_shift || !ib_odp_table_get(table, addr, &run) ||
	    run.shift != table->run_shift)
		return 0;
	nr = min(nr, (run.addr + BIT(run.shift) - addr) >> PAGE_SHIFT);
	pfn = run.pfn + ((addr - run.addr) >> PAGE_SHIFT);
	pfn |= HMM_PFN_VALID | (run.write ? HMM_PFN_WRITE : 0);
	for (i = 0; i < nr; i++)
		if ((pfns[i] & HMM_PFN_VALID) && (pfns[i] & mask) != pfn + i)
			return 0;
	return nr;
}

/**
 * ib_odp_table_set_pfns - store the blocks of a range that HMM has walked
 * @table: the table
 * @addr: the first address, aligned to the blocks
 * @shift: log2 of the size of the blocks: one of the table's, or @table->run_shift
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
			int ret;

			n = odp_in_run(table, addr, shift, pfns, nr);
			if (n)
				goto next;
			ret = odp_reach(table, addr, shift, spare, &chunk);
			if (ret)
				return ret;
			n = min(nr, (odp_chunk_end(table, &chunk) - addr) >>
					    shift);
			odp_put(table, &chunk, addr, shift, pfns, n);
		}
next:
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
