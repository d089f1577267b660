// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * KUnit tests of the walks of umem_odp_look.c.
 *
 * The tests trust hmm_range_fault() about single pages. They take a snapshot of
 * all pages with it, and compare the blocks of a walk with those that follow
 * from the pages, for many kinds of memory and all block sizes.
 */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/prandom.h>
#include <linux/uaccess.h>

#include <rdma/ib_odp_table.h>

#include "umem_odp_look.h"

#define TEST_BASE	0x200000000000UL
#define TEST_LEN	(4 * PMD_SIZE)
#define TEST_PAGES	(TEST_LEN / PAGE_SIZE)
/* Blocks from a page to all of the memory. */
#define TEST_MIN_SHIFT	PAGE_SHIFT
#define TEST_MAX_SHIFT	(PMD_SHIFT + 2)

struct odp_look_test {
	struct mmu_interval_notifier notifier;
	bool notified;
	unsigned long *pages;
	unsigned long *blocks;
	struct ib_odp_block *mixed;
	unsigned long seen_valid;
	unsigned long seen_finer;
};

static bool test_invalidate(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range,
			    unsigned long cur_seq)
{
	mmu_interval_set_seq(mni, cur_seq);
	return true;
}

static const struct mmu_interval_notifier_ops test_notifier_ops = {
	.invalidate = test_invalidate,
};

static int odp_look_test_init(struct kunit *test)
{
	struct odp_look_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->pages = kunit_kcalloc(test, TEST_PAGES, sizeof(*t->pages),
				 GFP_KERNEL);
	t->blocks = kunit_kcalloc(test, TEST_PAGES, sizeof(*t->blocks),
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->pages);
	KUNIT_ASSERT_NOT_NULL(test, t->blocks);
	t->mixed = kunit_kcalloc(test, TEST_PAGES, sizeof(*t->mixed),
				 GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->mixed);
	KUNIT_ASSERT_EQ(test, kunit_attach_mm(), 0);
	KUNIT_ASSERT_EQ(test,
			mmu_interval_notifier_insert(&t->notifier, current->mm,
						     TEST_BASE, TEST_LEN,
						     &test_notifier_ops),
			0);
	t->notified = true;
	test->priv = t;
	return 0;
}

static void odp_look_test_exit(struct kunit *test)
{
	struct odp_look_test *t = test->priv;

	if (t && t->notified)
		mmu_interval_notifier_remove(&t->notifier);
}

/* Map memory at TEST_BASE + @offset. */
static void map(struct kunit *test, unsigned long offset, unsigned long len,
		unsigned long prot, int advice)
{
	unsigned long addr;

	addr = vm_mmap(NULL, TEST_BASE + offset, len, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
	KUNIT_ASSERT_EQ(test, addr, TEST_BASE + offset);
	KUNIT_ASSERT_EQ(test, do_madvise(current->mm, addr, len, advice), 0);
}

static void touch(struct kunit *test, unsigned long offset, unsigned long len)
{
	unsigned long at;

	for (at = offset; at < offset + len; at += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test,
				put_user((char)at,
					 (char __user *)(TEST_BASE + at)),
				0);
}

/* Take a snapshot of all pages with HMM, without faults. */
static void look_at_pages(struct kunit *test)
{
	struct odp_look_test *t = test->priv;
	struct hmm_range range = {
		.notifier = &t->notifier,
		.start = TEST_BASE,
		.end = TEST_BASE + TEST_LEN,
		.hmm_pfns = t->pages,
	};
	int ret;

	do {
		memset(t->pages, 0, TEST_PAGES * sizeof(*t->pages));
		range.notifier_seq = mmu_interval_read_begin(&t->notifier);
		mmap_read_lock(current->mm);
		ret = hmm_range_fault(&range);
		mmap_read_unlock(current->mm);
	} while (ret == -EBUSY);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

/* Walk all blocks, a batch at a time. */
static int look(struct odp_look_test *t, struct ib_odp_look *look)
{
	u64 batch = (u64)ODP_LOOK_BATCH << look->shift;
	unsigned long *pfns = t->blocks;
	u64 at;
	int ret = 0;

	look->notifier = &t->notifier;
	for (at = TEST_BASE; !ret && at < TEST_BASE + TEST_LEN; at = look->end) {
		look->start = at;
		look->end = min(at + batch, TEST_BASE + TEST_LEN);
		look->pfns = pfns;
		ret = ib_odp_look(look);
		pfns += (look->end - at) >> look->shift;
	}
	ib_odp_look_free(look);
	return ret;
}

/* The expected entry of a block: from its pages, or 0 if it is not one page. */
static unsigned long block_of(const unsigned long *pages, unsigned long nr)
{
	unsigned long pfn = pages[0] & ~HMM_PFN_FLAGS;
	unsigned long flags = HMM_PFN_VALID | HMM_PFN_WRITE;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		if (!(pages[i] & HMM_PFN_VALID) ||
		    (pages[i] & ~HMM_PFN_FLAGS) != pfn + i)
			return 0;
		flags &= pages[i];
	}
	if ((pfn & (nr - 1)) ||
	    (1UL << hmm_pfn_to_map_order(pages[0]) < nr &&
	     folio_nr_pages(page_folio(pfn_to_page(pfn))) < nr))
		return 0;
	return pfn | flags;
}

/* Compare a walk of the leaves of the page tables with the snapshot of the pages. */
static void agree_leaves(struct kunit *test, const char *what)
{
	struct odp_look_test *t = test->priv;
	unsigned int order = PMD_SHIFT - PAGE_SHIFT;
	unsigned long i;

	for (i = 0; i < TEST_PAGES; i += BIT(order)) {
		unsigned long page = t->pages[i];
		unsigned long pfn, nr;
		struct ib_odp_look l = {
			.notifier = &t->notifier,
			.start = TEST_BASE + i * PAGE_SIZE,
			.end = TEST_BASE + i * PAGE_SIZE + PMD_SIZE,
			.shift = PMD_SHIFT,
			.seq = mmu_interval_read_begin(&t->notifier),
			.pfns = &pfn,
		};

		KUNIT_ASSERT_EQ(test, ib_odp_look_leaves(&l, &nr), 0);
		KUNIT_EXPECT_EQ_MSG(test, nr,
				    (page & HMM_PFN_VALID) &&
					    hmm_pfn_to_map_order(page) >= order,
				    "%s: leaf of page %lu", what, i);
		if (nr)
			KUNIT_EXPECT_EQ_MSG(test, pfn, page & ODP_PFN_KEEP,
					    "%s: leaf of page %lu", what, i);
	}
}

/* Compare the walks of every block size with the snapshot of the pages. */
static void agree(struct kunit *test, const char *what)
{
	struct odp_look_test *t = test->priv;
	unsigned int shift;

	look_at_pages(test);
	agree_leaves(test, what);
	for (shift = TEST_MIN_SHIFT; shift <= TEST_MAX_SHIFT; shift++) {
		struct ib_odp_look l = { .shift = shift };
		unsigned long nr = 1UL << (shift - PAGE_SHIFT);
		unsigned long i;

		KUNIT_ASSERT_EQ(test, look(t, &l), 0);
		for (i = 0; i < TEST_PAGES / nr; i++) {
			unsigned long want = block_of(&t->pages[i * nr], nr);
			unsigned long got = t->blocks[i];

			KUNIT_EXPECT_EQ_MSG(test,
					    got & HMM_PFN_VALID ?
						    got & ODP_PFN_KEEP : 0,
					    want,
					    "%s: block %lu of shift %u", what,
					    i, shift);
			t->seen_valid += !!want;
			t->seen_finer += got == ODP_PFN_FINER;
		}
	}
}

/*
 * Is a block of 1 << @shift at @addr one page, and inside of the test's memory?
 */
static bool is_block(const struct odp_look_test *t, u64 addr, unsigned int shift)
{
	u64 start = ALIGN_DOWN(addr, BIT_ULL(shift));

	if (start < TEST_BASE || start + BIT_ULL(shift) > TEST_BASE + TEST_LEN)
		return false;
	return block_of(&t->pages[(start - TEST_BASE) >> PAGE_SHIFT],
			1UL << (shift - PAGE_SHIFT));
}

/*
 * Blocks of several sizes: each is one page, and no larger block is possible.
 */
static void agree_mixed(struct kunit *test, u64 sizes, const char *what)
{
	struct odp_look_test *t = test->priv;
	struct ib_odp_look l = {
		.notifier = &t->notifier,
		.start = TEST_BASE,
		.end = TEST_BASE + TEST_LEN,
	};
	u64 at = TEST_BASE, next = TEST_BASE, larger;
	unsigned int i, found, nr = 0;

	look_at_pages(test);
	l.seq = mmu_interval_read_begin(&t->notifier);
	/* A walk ends after much that is missing. */
	for (; next < TEST_BASE + TEST_LEN; l.start = next) {
		found = TEST_PAGES - nr;
		KUNIT_ASSERT_EQ(test, ib_odp_look_mixed(&l, sizes, t->mixed + nr,
							&found, &next), 0);
		KUNIT_ASSERT_GT(test, next, l.start);
		nr += found;
	}
	ib_odp_look_free(&l);
	KUNIT_EXPECT_EQ(test, next, TEST_BASE + TEST_LEN);
	for (i = 0; i < nr; i++) {
		const struct ib_odp_block *b = &t->mixed[i];

		for (; at < b->addr; at += sizes & -sizes)
			KUNIT_EXPECT_FALSE_MSG(test,
					       is_block(t, at, __ffs64(sizes)),
					       "%s: %llx is missing", what, at);
		KUNIT_EXPECT_TRUE_MSG(test, is_block(t, b->addr, b->shift),
				      "%s: %lx is not a block", what, b->addr);
		larger = sizes & ~((BIT_ULL(b->shift) << 1) - 1);
		for (; larger; larger &= larger - 1)
			KUNIT_EXPECT_FALSE_MSG(test,
					       is_block(t, b->addr,
							__ffs64(larger)) &&
						       b->write,
					       "%s: %lx could be larger", what,
					       b->addr);
		at = b->addr + BIT_ULL(b->shift);
	}
}

/*
 * Fault in blocks of @shift, and compare the result with the pages afterwards.
 */
static void fault(struct kunit *test, unsigned int shift, bool write, int want,
		  bool all, const char *what)
{
	struct odp_look_test *t = test->priv;
	struct ib_odp_look l = {
		.shift = shift,
		.fault = true,
		.write = write,
		.may_write = true,
	};
	unsigned long nr = 1UL << (shift - PAGE_SHIFT);
	unsigned long i;
	int ret;

	ret = look(t, &l);
	KUNIT_EXPECT_EQ_MSG(test, ret, want, "%s: shift %u", what, shift);
	look_at_pages(test);
	for (i = 0; !ret && i < TEST_PAGES / nr; i++) {
		unsigned long block = block_of(&t->pages[i * nr], nr);
		unsigned long got = t->blocks[i];

		KUNIT_EXPECT_EQ_MSG(test, got & HMM_PFN_VALID ?
						  got & ODP_PFN_KEEP : 0, block,
				    "%s: block %lu", what, i);
		if (!all)
			continue;
		KUNIT_EXPECT_TRUE_MSG(test, got & HMM_PFN_VALID,
				      "%s: block %lu", what, i);
		KUNIT_EXPECT_TRUE_MSG(test, !write || (got & HMM_PFN_WRITE),
				      "%s: block %lu", what, i);
	}
}

static void test_thp(struct kunit *test)
{
	struct odp_look_test *t = test->priv;

	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_HUGEPAGE);
	agree(test, "untouched");
	fault(test, PMD_SHIFT, true, 0, true, "huge pages");
	agree(test, "all huge");
	KUNIT_EXPECT_GT(test, t->seen_valid, 0);

	/*
	 * one page is unmapped: its block is lost, the smaller blocks are not
	 */
	KUNIT_ASSERT_EQ(test,
			do_madvise(current->mm, TEST_BASE + PMD_SIZE + SZ_64K,
				   PAGE_SIZE, MADV_DONTNEED),
			0);
	agree(test, "a page less");
	touch(test, PMD_SIZE + SZ_64K, PAGE_SIZE);
	agree(test, "another page");
	fault(test, PMD_SHIFT, true, 0, false, "a page replaced");
	agree_mixed(test, PMD_SIZE | SZ_64K | PAGE_SIZE, "a page replaced");
	KUNIT_EXPECT_GT(test, t->seen_finer, 0);
}

static void test_base_pages(struct kunit *test)
{
	unsigned long at;

	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_NOHUGEPAGE);
	for (at = 0; at < TEST_LEN; at += 2 * PAGE_SIZE)
		touch(test, at, PAGE_SIZE);
	agree(test, "every other page");
	touch(test, 0, TEST_LEN);
	agree(test, "scattered pages");
	fault(test, PMD_SHIFT, false, 0, false, "scattered pages");
	fault(test, PMD_SHIFT, true, 0, false, "scattered pages");
	agree_mixed(test, PMD_SIZE | SZ_64K | PAGE_SIZE, "scattered pages");
}

static void test_large_folios(struct kunit *test)
{
	unsigned long orders = huge_anon_orders_always;
	unsigned int order;

	/* folios that are smaller than a PMD are mapped by PTEs */
	for (order = 2; order < HPAGE_PMD_ORDER; order++) {
		huge_anon_orders_always = BIT(order);
		map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_NORMAL);
		/*
		 * a read of untouched memory allocates the page that a write
		 * would
		 */
		fault(test, PAGE_SHIFT + order, order & 1, 0, true,
		      "large folios");
		agree(test, "large folios");
		agree_mixed(test, GENMASK_ULL(PMD_SHIFT + 1, PAGE_SHIFT),
			    "large folios");
	}
	huge_anon_orders_always = orders;
}

static void test_zero_page(struct kunit *test)
{
	unsigned long at;
	char c;

	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_NOHUGEPAGE);
	for (at = 0; at < TEST_LEN; at += PAGE_SIZE)
		KUNIT_ASSERT_EQ(test,
				get_user(c, (char __user *)(TEST_BASE + at)),
				0);
	agree(test, "zero page");
	fault(test, PMD_SHIFT, false, 0, false, "zero page");
}

static void test_permissions(struct kunit *test)
{
	map(test, 0, TEST_LEN, PROT_READ, MADV_HUGEPAGE);
	fault(test, PMD_SHIFT, true, -EPERM, false, "read-only");
	agree(test, "read-only");
	map(test, 0, TEST_LEN, PROT_NONE, MADV_HUGEPAGE);
	fault(test, PMD_SHIFT, false, -EFAULT, false, "no access");
	agree(test, "no access");

	/* all in one block: writable, readable, no access, nothing */
	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_NOHUGEPAGE);
	touch(test, 0, TEST_LEN);
	map(test, SZ_256K, SZ_256K, PROT_READ, MADV_NOHUGEPAGE);
	map(test, SZ_512K, SZ_256K, PROT_NONE, MADV_NOHUGEPAGE);
	KUNIT_ASSERT_EQ(test, vm_munmap(TEST_BASE + SZ_1M, SZ_256K), 0);
	agree(test, "a bit of everything");
}

static void test_hole(struct kunit *test)
{
	agree(test, "nothing");
	fault(test, PMD_SHIFT, false, -EFAULT, false, "nothing");
	map(test, PMD_SIZE, PMD_SIZE, PROT_READ | PROT_WRITE, MADV_HUGEPAGE);
	touch(test, PMD_SIZE, PMD_SIZE);
	agree(test, "an island");
	fault(test, PMD_SHIFT, false, -EFAULT, false, "an island");
}

/* One byte is wanted of a block: one page is faulted in, and no other. */
static void test_one_byte(struct kunit *test)
{
	struct odp_look_test *t = test->priv;
	unsigned long pfn;
	struct ib_odp_look l = {
		.notifier = &t->notifier,
		.start = TEST_BASE + SZ_1M + 5,
		.end = TEST_BASE + SZ_1M + 6,
		.shift = PMD_SHIFT,
		.fault = true,
		.write = true,
		.may_write = true,
		.complete = true,
		.low = TEST_BASE,
		.high = TEST_BASE + TEST_LEN,
		.pfns = &pfn,
	};
	unsigned long i;

	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_NOHUGEPAGE);
	KUNIT_ASSERT_EQ(test, ib_odp_look(&l), 0);
	ib_odp_look_free(&l);
	KUNIT_EXPECT_EQ(test, pfn, ODP_PFN_FINER);
	look_at_pages(test);
	for (i = 0; i < TEST_PAGES; i++)
		KUNIT_EXPECT_EQ_MSG(test, !!(t->pages[i] & HMM_PFN_VALID),
				    i == SZ_1M / PAGE_SIZE, "page %lu", i);
}

/* Ends of the address space: no memory, no wrapped sum, no endless loop. */
static void test_edges(struct kunit *test)
{
	const u64 ends[] = {
		0, PAGE_SIZE, TASK_SIZE_MAX - PAGE_SIZE, TASK_SIZE_MAX,
		TASK_SIZE_MAX + PAGE_SIZE, 1ULL << 63, 0xffffffff81000000ULL,
		U64_MAX & PAGE_MASK,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		u64 end = ends[i] + PAGE_SIZE;

		if (end < ends[i])
			continue;
		KUNIT_EXPECT_EQ_MSG(test,
				    ib_odp_best_shift(current->mm, ends[i], end,
						      SZ_1G | PMD_SIZE, false),
				    -ERANGE, "%llx", ends[i]);
		KUNIT_EXPECT_EQ_MSG(test,
				    ib_odp_next_mapped(current->mm, ends[i], end),
				    end, "%llx", ends[i]);
	}
}

static void test_several_vmas(struct kunit *test)
{
	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_HUGEPAGE);
	touch(test, 0, TEST_LEN);
	/* splits VMAs, not pages */
	KUNIT_ASSERT_EQ(test,
			do_madvise(current->mm, TEST_BASE + SZ_64K, SZ_64K,
				   MADV_DONTFORK),
			0);
	agree(test, "three VMAs in a block");
	fault(test, PMD_SHIFT, true, 0, true, "three VMAs in a block");
}

static void test_hugetlb(struct kunit *test)
{
#ifdef CONFIG_HUGETLBFS
	struct hstate *h = size_to_hstate(PMD_SIZE);
	unsigned long addr;
	struct file *file;

	if (!h || h->free_huge_pages < TEST_LEN / PMD_SIZE)
		kunit_skip(test, "no hugetlb pages reserved");
	file = hugetlb_file_setup("odp_look", TEST_LEN, EMPTY_VMA_FLAGS,
				  HUGETLB_ANONHUGE_INODE, PMD_SHIFT);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	addr = vm_mmap(file, TEST_BASE, TEST_LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED | MAP_HUGETLB, 0);
	fput(file);
	KUNIT_ASSERT_EQ(test, addr, TEST_BASE);
	agree(test, "untouched");
	fault(test, PMD_SHIFT, true, 0, true, "hugetlb");
	agree(test, "hugetlb");
	fault(test, PMD_SHIFT - 3, false, 0, true, "parts of hugetlb");
	KUNIT_ASSERT_EQ(test, vm_munmap(TEST_BASE + PMD_SIZE, PMD_SIZE), 0);
	agree(test, "hugetlb with a hole");
	KUNIT_EXPECT_EQ(test, vm_munmap(TEST_BASE, TEST_LEN), 0);
#else
	kunit_skip(test, "no hugetlb");
#endif
}

/* After random changes of memory, walks and snapshots agree. */
static void test_random(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int round;

	prandom_seed_state(&rnd, 0x686d6d);
	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_HUGEPAGE);
	for (round = 0; round < 60; round++) {
		unsigned long page = prandom_u32_state(&rnd) % TEST_PAGES;
		unsigned long max = min(TEST_PAGES - page,
					1UL << prandom_u32_state(&rnd) % 11);
		unsigned long len = (1 + prandom_u32_state(&rnd) % max) *
				    PAGE_SIZE;
		unsigned long at = page * PAGE_SIZE;

		switch (prandom_u32_state(&rnd) % 6) {
		case 0:
			do_madvise(current->mm, TEST_BASE + at, len,
				   MADV_DONTNEED);
			break;
		case 1:
			map(test, at, len, PROT_READ, MADV_HUGEPAGE);
			break;
		case 2:
			map(test, at, len, PROT_READ | PROT_WRITE,
			    MADV_NOHUGEPAGE);
			touch(test, at, len);
			break;
		case 3:
			vm_munmap(TEST_BASE + at, len);
			break;
		case 4:
			at = ALIGN_DOWN(at, PMD_SIZE);
			map(test, at, PMD_SIZE, PROT_READ | PROT_WRITE,
			    MADV_HUGEPAGE);
			touch(test, at, PMD_SIZE);
			break;
		case 5:
			map(test, at, len, PROT_READ | PROT_WRITE,
			    MADV_HUGEPAGE);
			touch(test, at, len);
			break;
		}
		agree(test, "random");
		agree_mixed(test, PMD_SIZE | SZ_32K | PAGE_SIZE, "random");
	}
}

static struct kunit_case odp_look_test_cases[] = {
	KUNIT_CASE(test_thp),
	KUNIT_CASE(test_base_pages),
	KUNIT_CASE(test_large_folios),
	KUNIT_CASE(test_zero_page),
	KUNIT_CASE(test_permissions),
	KUNIT_CASE(test_hole),
	KUNIT_CASE(test_one_byte),
	KUNIT_CASE(test_edges),
	KUNIT_CASE(test_several_vmas),
	KUNIT_CASE(test_hugetlb),
	KUNIT_CASE_SLOW(test_random),
	{}
};

static struct kunit_suite odp_look_test_suite = {
	.name = "odp_look",
	.init = odp_look_test_init,
	.exit = odp_look_test_exit,
	.test_cases = odp_look_test_cases,
};

kunit_test_suite(odp_look_test_suite);

MODULE_DESCRIPTION("KUnit tests of looks at the page tables");
MODULE_LICENSE("GPL");
