// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * KUnit tests of the sparse tables of ODP umems: each random change is made to
 * a table and to a flat array, and both must agree.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/hmm.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <rdma/ib_odp_table.h>

/* Pages of the array; tables may be larger, with nothing else in them. */
#define MODEL_PAGES	(SZ_32M / PAGE_SIZE)
#define ROUNDS		4000

struct table_case {
	const char *name;
	u64 sizes;
	/* start and length of the table */
	unsigned long start;
	unsigned long length;
	/* offset of the pages that are changed */
	unsigned long offset;
};

static const struct table_case table_cases[] = {
	{ "pages", PAGE_SIZE, SZ_4K * 5, SZ_32M, 0 },
	{ "2M", SZ_2M, SZ_2M * 3, SZ_32M, 0 },
	{ "2M and pages", SZ_2M | PAGE_SIZE, SZ_2M, SZ_32M, 0 },
	{ "2M, 64K and pages", SZ_2M | SZ_64K | PAGE_SIZE, 0, SZ_32M, 0 },
	{ "every size", SZ_16M * 2 - PAGE_SIZE, 0, SZ_32M, 0 },
	{ "2M and 64K of 1 TiB", SZ_2M | SZ_64K, 1UL << 40, 1UL << 40,
	  1UL << 39 },
	{ "1G, 2M and pages of all addresses", SZ_1G | SZ_2M | PAGE_SIZE, 0,
	  1UL << 47, (1UL << 46) + SZ_1G - SZ_16M },
};

static void table_case_name(const struct table_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(table, table_cases, table_case_name);

struct model_page {
	unsigned long pfn;
	unsigned int shift; /* of the block, 0: none */
	bool write;
	bool run; /* a part of a run */
};

/* Blocks that the table has dropped, and the sum of their page frames. */
static u64 dropped, dropped_pfns;
/* The same for the model, and the blocks set. */
static u64 expected_pfns, sets;

static void count_drop(const struct ib_odp_block *block, unsigned long nr)
{
	unsigned long pages = nr << (block->shift - PAGE_SHIFT);
	unsigned long i;

	dropped += nr;
	for (i = 0; i < pages; i++)
		dropped_pfns += block->pfn + i;
}

static void model_clear(struct model_page *model, unsigned long base,
			unsigned long start, unsigned long end)
{
	unsigned long i = (start - base) / PAGE_SIZE;

	while (i < (end - base) / PAGE_SIZE) {
		unsigned long pages, first;

		if (!model[i].shift) {
			i++;
			continue;
		}
		/* a block, or a run of blocks, is dropped as a whole */
		pages = (model[i].run ? PMD_SIZE : BIT(model[i].shift)) /
			PAGE_SIZE;
		first = (ALIGN_DOWN(base + i * PAGE_SIZE, pages * PAGE_SIZE) -
			 base) / PAGE_SIZE;
		i = first + pages;
		for (; first < i; first++) {
			expected_pfns += model[first].pfn;
			model[first] = (struct model_page){};
		}
	}
}

static void model_set(struct model_page *model, unsigned long base,
		      const struct ib_odp_block *b)
{
	unsigned long first = (b->addr - base) / PAGE_SIZE;
	const struct model_page *old = &model[first];
	unsigned long i;

	/* the same block again changes nothing */
	if (old->shift == b->shift && old->pfn == b->pfn &&
	    old->write == b->write)
		return;
	sets++;
	/* another page ends the run, but not its other pages */
	if (old->run) {
		unsigned long run = (ALIGN_DOWN(b->addr, PMD_SIZE) - base) /
				    PAGE_SIZE;

		for (i = 0; i < PMD_SIZE / PAGE_SIZE; i++)
			model[run + i].run = false;
	}
	model_clear(model, base, b->addr, b->addr + BIT(b->shift));
	for (i = 0; i < BIT(b->shift) / PAGE_SIZE; i++)
		model[first + i] = (struct model_page){ b->pfn + i, b->shift,
							b->write };
}

static void model_set_run(struct model_page *model, unsigned long base,
			  const struct ib_odp_block *b)
{
	unsigned long first = (b->addr - base) / PAGE_SIZE;
	const struct model_page *old = &model[first];
	unsigned long i;

	if (old->run && old->pfn == b->pfn && old->write == b->write)
		return;
	sets += PMD_SIZE / PAGE_SIZE;
	model_clear(model, base, b->addr, b->addr + PMD_SIZE);
	for (i = 0; i < PMD_SIZE / PAGE_SIZE; i++)
		model[first + i] = (struct model_page){ b->pfn + i, PAGE_SHIFT,
							b->write, true };
}

static void set(struct kunit *test, struct ib_odp_table *table,
		const struct ib_odp_block *block)
{
	struct ib_odp_spare spare = {};
	int tries = 0;

	while (ib_odp_table_set(table, block, &spare)) {
		KUNIT_ASSERT_LT(test, tries++, IB_ODP_TABLE_LEVELS);
		kfree(spare.mem);
		spare.mem = kzalloc(spare.bytes, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, spare.mem);
		KUNIT_ASSERT_LE(test, spare.bytes, PAGE_SIZE);
	}
	kfree(spare.mem);
}

/* Returns the blocks that the model has. */
static u64 compare(struct kunit *test, const struct ib_odp_table *table,
		   const struct model_page *model, unsigned long base)
{
	struct ib_odp_block block;
	u64 blocks = 0;
	unsigned long i;

	for (i = 0; i < MODEL_PAGES; i++) {
		unsigned long addr = base + i * PAGE_SIZE;
		bool there = ib_odp_table_get(table, addr + 123, &block);

		KUNIT_ASSERT_EQ(test, there, !!model[i].shift);
		if (!there)
			continue;
		KUNIT_ASSERT_EQ(test, block.shift,
				model[i].run ? PMD_SHIFT : model[i].shift);
		KUNIT_ASSERT_EQ(test, block.write, model[i].write);
		KUNIT_ASSERT_EQ(test,
				block.pfn + (addr - block.addr) / PAGE_SIZE,
				model[i].pfn);
		blocks += model[i].run || addr == block.addr;
	}
	return blocks;
}

/* Set some blocks as HMM reports them, many of them contiguous. */
static void set_range(struct kunit *test, struct ib_odp_table *table,
		      struct model_page *model, unsigned long base,
		      struct ib_odp_block b, struct rnd_state *rnd)
{
	unsigned long nr = (base + SZ_32M - b.addr) >> b.shift;
	unsigned long first = b.addr;
	struct ib_odp_spare spare = {};
	unsigned long *pfns;
	int tries = 0;
	unsigned long i;

	nr = min(nr, 1 + prandom_u32_state(rnd) % 600);
	pfns = kvcalloc(nr, sizeof(*pfns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pfns);
	for (i = 0; i < nr; i++) {
		u32 what = prandom_u32_state(rnd) % 32;

		if (what == 0)
			b.pfn += BIT(b.shift - PAGE_SHIFT);
		if (what == 1)
			b.write = !b.write;
		if (what > 2) {
			pfns[i] = b.pfn | HMM_PFN_VALID |
				  (b.write ? HMM_PFN_WRITE : 0);
			model_set(model, base, &b);
		}
		b.addr += BIT(b.shift);
		b.pfn += BIT(b.shift - PAGE_SHIFT);
	}
	while (ib_odp_table_set_pfns(table, first, b.shift, pfns, nr, &spare)) {
		KUNIT_ASSERT_LT(test, tries++, nr + IB_ODP_TABLE_LEVELS);
		kfree(spare.mem);
		spare.mem = kzalloc(spare.bytes, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, spare.mem);
	}
	kfree(spare.mem);
	kvfree(pfns);
}

static void change(struct kunit *test, struct ib_odp_table *table,
		   struct model_page *model, unsigned long base,
		   const struct ib_odp_block *b, struct rnd_state *rnd)
{
	unsigned long end = b->addr + PAGE_SIZE *
			    (1 + prandom_u32_state(rnd) % 1000);

	if (table->run_shift && prandom_u32_state(rnd) % 4 == 0) {
		struct ib_odp_block run = *b;

		run.addr = ALIGN(run.addr, PMD_SIZE);
		run.pfn = ALIGN(run.pfn, PMD_SIZE / PAGE_SIZE);
		run.shift = PMD_SHIFT;
		set(test, table, &run);
		model_set_run(model, base, &run);
		return;
	}
	switch (prandom_u32_state(rnd) % 4) {
	case 0:
		end = min(end, base + SZ_32M);
		ib_odp_table_clear(table, b->addr, end);
		model_clear(model, base, b->addr, end);
		break;
	case 1:
		set_range(test, table, model, base, *b, rnd);
		break;
	default:
		set(test, table, b);
		model_set(model, base, b);
	}
}

static void odp_table_random(struct kunit *test)
{
	const struct table_case *c = test->param_value;
	unsigned long base = c->start + c->offset;
	struct ib_odp_table *table;
	struct model_page *model;
	struct rnd_state rnd;
	unsigned int round;
	u64 empty;

	model = kvcalloc(MODEL_PAGES, sizeof(*model), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, model);
	dropped = 0;
	dropped_pfns = 0;
	expected_pfns = 0;
	sets = 0;
	table = ib_odp_table_create(c->start, c->start + c->length, c->sizes,
				    count_drop);
	KUNIT_ASSERT_FALSE(test, IS_ERR(table));
	empty = table->bytes;
	KUNIT_EXPECT_LE(test, empty, PAGE_SIZE);
	prandom_seed_state(&rnd, 0x6f6470);

	for (round = 0; round < ROUNDS; round++) {
		u64 nr = prandom_u32_state(&rnd) % hweight64(c->sizes);
		unsigned int shift = PAGE_SHIFT;
		struct ib_odp_block b;
		u64 sizes = c->sizes;

		while (nr--)
			sizes &= sizes - 1;
		shift = __ffs64(sizes);
		/* the largest blocks do not fit into the model */
		if (BIT(shift) > SZ_16M)
			continue;
		b = (struct ib_odp_block){
			.addr = ALIGN(base, BIT(shift)) +
				((u64)prandom_u32_state(&rnd) << shift) %
					SZ_16M,
			.pfn = (unsigned long)prandom_u32_state(&rnd)
			       << (shift - PAGE_SHIFT),
			.shift = shift,
			.write = prandom_u32_state(&rnd) & 1,
		};
		change(test, table, model, base, &b, &rnd);
		if (round % 50 == 0)
			KUNIT_EXPECT_EQ(test,
					compare(test, table, model, base),
					table->mapped);
		KUNIT_ASSERT_EQ(test, dropped_pfns, expected_pfns);
	}
	KUNIT_EXPECT_EQ(test, sets, table->mapped + dropped);
	KUNIT_EXPECT_GT(test, dropped, 0);
	ib_odp_table_clear(table, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, table->mapped, 0);
	KUNIT_EXPECT_EQ(test, table->bytes, empty);
	KUNIT_EXPECT_EQ(test, sets, dropped);
	ib_odp_table_destroy(table);
	kvfree(model);
}

static void odp_table_arguments(struct kunit *test)
{
	struct ib_odp_block block;
	struct ib_odp_table *table;

	KUNIT_EXPECT_EQ(test, PTR_ERR(ib_odp_table_create(0, 0, SZ_2M, NULL)),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, PTR_ERR(ib_odp_table_create(0, SZ_2M, 0, NULL)),
			-EINVAL);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR(ib_odp_table_create(SZ_4K, SZ_2M, SZ_2M, NULL)),
			-EINVAL);
	ib_odp_table_destroy(NULL);

	table = ib_odp_table_create(SZ_2M, SZ_4M, SZ_2M | PAGE_SIZE, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(table));
	KUNIT_EXPECT_FALSE(test, ib_odp_table_get(table, SZ_2M - 1, &block));
	KUNIT_EXPECT_FALSE(test, ib_odp_table_get(table, SZ_2M, &block));
	KUNIT_EXPECT_FALSE(test, ib_odp_table_get(table, SZ_4M, &block));
	KUNIT_EXPECT_FALSE(test, ib_odp_table_get(table, ULONG_MAX, &block));
	ib_odp_table_destroy(table);
}

static struct kunit_case odp_table_test_cases[] = {
	KUNIT_CASE(odp_table_arguments),
	KUNIT_CASE_PARAM(odp_table_random, table_gen_params),
	{}
};

static struct kunit_suite odp_table_test_suite = {
	.name = "ib_odp_table",
	.test_cases = odp_table_test_cases,
};

kunit_test_suite(odp_table_test_suite);

MODULE_DESCRIPTION("KUnit tests of the tables of ODP umems");
MODULE_LICENSE("Dual BSD/GPL");
