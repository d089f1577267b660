// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of HMM ranges in blocks.
 *
 * What hmm_range_fault() says about each page is known to be right. So it is
 * asked for pages first, and what it says about blocks is compared with what
 * follows from that, for memory of many kinds and for all block sizes.
 */
#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/hmm-block.h>
#include <linux/huge_mm.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/prandom.h>
#include <linux/uaccess.h>

#define TEST_BASE	0x200000000000UL
#define TEST_LEN	(4 * PMD_SIZE)
#define TEST_PAGES	(TEST_LEN / PAGE_SIZE)
/* Blocks from two pages to all of the memory. */
#define TEST_MIN_SHIFT	(PAGE_SHIFT + 1)
#define TEST_MAX_SHIFT	(PMD_SHIFT + 2)

struct hmm_block_test {
	struct mmu_interval_notifier notifier;
	bool notified;
	unsigned long *pages;
	unsigned long *blocks;
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

static int hmm_block_test_init(struct kunit *test)
{
	struct hmm_block_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->pages = kunit_kcalloc(test, TEST_PAGES, sizeof(*t->pages),
				 GFP_KERNEL);
	t->blocks = kunit_kcalloc(test, TEST_PAGES, sizeof(*t->blocks),
				  GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->pages);
	KUNIT_ASSERT_NOT_NULL(test, t->blocks);
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

static void hmm_block_test_exit(struct kunit *test)
{
	struct hmm_block_test *t = test->priv;

	if (t && t->notified)
		mmu_interval_notifier_remove(&t->notifier);
}

/* Memory at TEST_BASE + @offset. */
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

static int look(struct hmm_block_test *t, unsigned long *pfns,
		unsigned int shift, unsigned long flags,
		unsigned int block_flags, unsigned long *where)
{
	struct hmm_range range = {
		.notifier = &t->notifier,
		.start = TEST_BASE,
		.end = TEST_BASE + TEST_LEN,
		.hmm_pfns = pfns,
		.default_flags = flags,
		.block_shift = shift,
		.block_flags = block_flags,
	};
	int ret;

	memset(pfns, 0, TEST_PAGES * sizeof(*pfns));
	do {
		range.notifier_seq = mmu_interval_read_begin(&t->notifier);
		mmap_read_lock(current->mm);
		ret = hmm_range_fault(&range);
		mmap_read_unlock(current->mm);
	} while (ret == -EBUSY);
	if (where)
		*where = range.block_addr;
	return ret;
}

/* What the pages of a block make of it. */
static unsigned long block_of(const unsigned long *pages, unsigned long nr)
{
	unsigned long pfn = pages[0] & ~HMM_PFN_FLAGS;
	unsigned long flags = HMM_PFN_VALID | HMM_PFN_WRITE;
	bool absent = true, bad = true, valid = true;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		bool v = pages[i] & HMM_PFN_VALID;

		absent &= !(pages[i] & (HMM_PFN_VALID | HMM_PFN_ERROR));
		bad &= !v && (pages[i] & HMM_PFN_ERROR);
		valid &= v && (pages[i] & ~HMM_PFN_FLAGS) == pfn + i;
		flags &= pages[i];
	}
	if (absent)
		return 0;
	if (bad)
		return HMM_PFN_ERROR;
	return valid && !(pfn & (nr - 1)) ? pfn | flags : HMM_PFN_FINER;
}

/* Snapshots of every block size agree with a snapshot of the pages. */
static void agree(struct kunit *test, const char *what)
{
	const unsigned long flags = HMM_PFN_VALID | HMM_PFN_WRITE |
				    HMM_PFN_ERROR;
	struct hmm_block_test *t = test->priv;
	unsigned int shift;

	KUNIT_ASSERT_EQ(test, look(t, t->pages, 0, 0, 0, NULL), 0);
	for (shift = TEST_MIN_SHIFT; shift <= TEST_MAX_SHIFT; shift++) {
		unsigned long nr = 1UL << (shift - PAGE_SHIFT);
		unsigned long i;

		KUNIT_ASSERT_EQ(test, look(t, t->blocks, shift, 0, 0, NULL), 0);
		for (i = 0; i < TEST_PAGES / nr; i++) {
			unsigned long want = block_of(&t->pages[i * nr], nr);
			unsigned long got = t->blocks[i];

			got &= flags | ~HMM_PFN_FLAGS;
			KUNIT_EXPECT_EQ_MSG(test, got, want,
					    "%s: block %lu of shift %u", what,
					    i, shift);
			t->seen_valid += !!(want & HMM_PFN_VALID);
			t->seen_finer += want == HMM_PFN_FINER;
		}
	}
}

/* Fault in blocks of @shift; the outcome has to fit the pages afterwards. */
static void fault(struct kunit *test, unsigned int shift, unsigned long flags,
		  int want, const char *what)
{
	struct hmm_block_test *t = test->priv;
	unsigned long nr = 1UL << (shift - PAGE_SHIFT);
	unsigned long where = 0;
	unsigned long i;
	int ret;

	ret = look(t, t->blocks, shift, HMM_PFN_REQ_FAULT | flags, 0, &where);
	KUNIT_EXPECT_EQ_MSG(test, ret, want, "%s: shift %u", what, shift);
	KUNIT_ASSERT_EQ(test, look(t, t->pages, 0, 0, 0, NULL), 0);
	if (ret == -ERANGE) {
		KUNIT_EXPECT_TRUE(test, IS_ALIGNED(where, 1UL << shift));
		i = (where - TEST_BASE) >> shift;
		KUNIT_ASSERT_LT(test, i, TEST_PAGES / nr);
		KUNIT_EXPECT_FALSE_MSG(test,
				       block_of(&t->pages[i * nr], nr) &
					       HMM_PFN_VALID,
				       "%s: a good block was refused", what);
	}
	for (i = 0; !ret && i < TEST_PAGES / nr; i++) {
		unsigned long block = block_of(&t->pages[i * nr], nr);

		KUNIT_EXPECT_TRUE_MSG(test, block & HMM_PFN_VALID,
				      "%s: block %lu", what, i);
		KUNIT_EXPECT_EQ_MSG(test, t->blocks[i] & ~HMM_PFN_FLAGS,
				    block & ~HMM_PFN_FLAGS, "%s: block %lu",
				    what, i);
		if (flags & HMM_PFN_REQ_WRITE)
			KUNIT_EXPECT_TRUE_MSG(test,
					      t->blocks[i] & HMM_PFN_WRITE,
					      "%s: block %lu", what, i);
	}
}

static void test_thp(struct kunit *test)
{
	struct hmm_block_test *t = test->priv;

	map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_HUGEPAGE);
	agree(test, "untouched");
	fault(test, PMD_SHIFT, HMM_PFN_REQ_WRITE, 0, "huge pages");
	agree(test, "all huge");
	KUNIT_EXPECT_GT(test, t->seen_valid, 0);

	/* one page goes: the block is lost, its parts are not */
	KUNIT_ASSERT_EQ(test,
			do_madvise(current->mm, TEST_BASE + PMD_SIZE + SZ_64K,
				   PAGE_SIZE, MADV_DONTNEED),
			0);
	agree(test, "a page less");
	touch(test, PMD_SIZE + SZ_64K, PAGE_SIZE);
	agree(test, "another page");
	fault(test, PMD_SHIFT, HMM_PFN_REQ_WRITE, -ERANGE, "a page replaced");
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
	fault(test, PMD_SHIFT, 0, -ERANGE, "scattered pages");
	fault(test, PMD_SHIFT, HMM_PFN_REQ_WRITE, -ERANGE, "scattered pages");
}

static void test_large_folios(struct kunit *test)
{
	unsigned long orders = huge_anon_orders_always;
	unsigned int order;

	/* folios that are smaller than a PMD are mapped by PTEs */
	for (order = 2; order < HPAGE_PMD_ORDER; order++) {
		huge_anon_orders_always = BIT(order);
		map(test, 0, TEST_LEN, PROT_READ | PROT_WRITE, MADV_NORMAL);
		fault(test, PAGE_SHIFT + order, HMM_PFN_REQ_WRITE, 0,
		      "large folios");
		agree(test, "large folios");
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
	fault(test, PMD_SHIFT, 0, -ERANGE, "zero page");
}

static void test_permissions(struct kunit *test)
{
	map(test, 0, TEST_LEN, PROT_READ, MADV_HUGEPAGE);
	fault(test, PMD_SHIFT, HMM_PFN_REQ_WRITE, -EPERM, "read-only");
	agree(test, "read-only");
	map(test, 0, TEST_LEN, PROT_NONE, MADV_HUGEPAGE);
	fault(test, PMD_SHIFT, 0, -EFAULT, "no access");
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
	fault(test, PMD_SHIFT, 0, -EFAULT, "nothing");
	map(test, PMD_SIZE, PMD_SIZE, PROT_READ | PROT_WRITE, MADV_HUGEPAGE);
	touch(test, PMD_SIZE, PMD_SIZE);
	agree(test, "an island");
	fault(test, PMD_SHIFT, 0, -EFAULT, "an island");
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
	fault(test, PMD_SHIFT, HMM_PFN_REQ_WRITE, 0, "three VMAs in a block");
}

static void test_hugetlb(struct kunit *test)
{
#ifdef CONFIG_HUGETLBFS
	struct hstate *h = size_to_hstate(PMD_SIZE);
	unsigned long addr;
	struct file *file;

	if (!h || h->free_huge_pages < TEST_LEN / PMD_SIZE)
		kunit_skip(test, "no hugetlb pages reserved");
	file = hugetlb_file_setup("hmm_block", TEST_LEN, EMPTY_VMA_FLAGS,
				  HUGETLB_ANONHUGE_INODE, PMD_SHIFT);
	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	addr = vm_mmap(file, TEST_BASE, TEST_LEN, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED | MAP_HUGETLB, 0);
	fput(file);
	KUNIT_ASSERT_EQ(test, addr, TEST_BASE);
	agree(test, "untouched");
	fault(test, PMD_SHIFT, HMM_PFN_REQ_WRITE, 0, "hugetlb");
	agree(test, "hugetlb");
	fault(test, PMD_SHIFT - 3, 0, 0, "parts of hugetlb");
	KUNIT_ASSERT_EQ(test, vm_munmap(TEST_BASE + PMD_SIZE, PMD_SIZE), 0);
	agree(test, "hugetlb with a hole");
	KUNIT_EXPECT_EQ(test, vm_munmap(TEST_BASE, TEST_LEN), 0);
#else
	kunit_skip(test, "no hugetlb");
#endif
}

/* Whatever becomes of memory, blocks and pages tell the same. */
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
	}
}

static struct kunit_case hmm_block_test_cases[] = {
	KUNIT_CASE(test_thp),
	KUNIT_CASE(test_base_pages),
	KUNIT_CASE(test_large_folios),
	KUNIT_CASE(test_zero_page),
	KUNIT_CASE(test_permissions),
	KUNIT_CASE(test_hole),
	KUNIT_CASE(test_several_vmas),
	KUNIT_CASE(test_hugetlb),
	KUNIT_CASE_SLOW(test_random),
	{}
};

static struct kunit_suite hmm_block_test_suite = {
	.name = "hmm_block",
	.init = hmm_block_test_init,
	.exit = hmm_block_test_exit,
	.test_cases = hmm_block_test_cases,
};

kunit_test_suite(hmm_block_test_suite);

MODULE_DESCRIPTION("KUnit tests of HMM ranges in blocks");
MODULE_LICENSE("GPL");
