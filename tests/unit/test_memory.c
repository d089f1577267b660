// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory of the largest page size that is left, and prefetch of any length. */
#include "fake.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "../../libibverbs/memory/thp.h"

#define M (1ULL << 20)
#define K (1ULL << 10)
#define HUGE_SHIFT(flags) ((unsigned int)(flags) >> 26 & 0x3f)
#define POPULATE 23
#define MAX_ADVICE 16

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t length);
int __wrap_munmap(void *addr, size_t length);
int __real_madvise(void *addr, size_t length, int advice);
int __wrap_madvise(void *addr, size_t length, int advice);
long __wrap_syscall(long number, ...);

/* The system's memory. */
static struct {
	unsigned long pool[64]; /* free pages of 2^n bytes */
	size_t mapped;
	int advice[MAX_ADVICE];
	unsigned int nadvice;
	int populate_err;
	int hugetlb_populate_err;
	int mbind_err;
	unsigned long nodes[1024 / 64];
	bool last_was_hugetlb;
} sys;

void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	const unsigned int shift = HUGE_SHIFT(flags);
	const size_t size = (size_t)1 << shift;
	unsigned char *at;

	sys.last_was_hugetlb = flags & MAP_HUGETLB;
	if (!sys.last_was_hugetlb) {
		at = __real_mmap(addr, length, prot, flags, fd, offset);
		if (at != MAP_FAILED)
			sys.mapped += length;
		return at;
	}
	/* only whole pages are asked for */
	assert_int_equal(length & (size - 1), 0);
	errno = shift == 21 || shift == 30 ? ENOMEM : EINVAL;
	if (sys.pool[shift] < length >> shift)
		return MAP_FAILED;
	at = __real_mmap(NULL, length + size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	sys.mapped += length;
	/* what is left on both sides stays mapped until the test ends */
	return at + (-(uintptr_t)at & (size - 1));
}

int __wrap_munmap(void *addr, size_t length)
{
	int ret = __real_munmap(addr, length);

	if (!ret)
		sys.mapped -= length;
	return ret;
}

int __wrap_madvise(void *addr, size_t length, int advice)
{
	assert_true(sys.nadvice < MAX_ADVICE);
	sys.advice[sys.nadvice++] = advice;
	if (advice == POPULATE) {
		errno = sys.last_was_hugetlb ? sys.hugetlb_populate_err : sys.populate_err;
		return errno ? -1 : 0;
	}
	return __real_madvise(addr, length, advice);
}

long __wrap_syscall(long number, ...)
{
	unsigned long *mask, length;
	va_list ap;
	void *addr;

	assert_int_equal(number, SYS_mbind);
	va_start(ap, number);
	addr = va_arg(ap, void *);
	length = va_arg(ap, unsigned long);
	/* MPOL_BIND */
	assert_int_equal(va_arg(ap, int), 2);
	mask = va_arg(ap, unsigned long *);
	/* the kernel reads one bit less */
	assert_int_equal(va_arg(ap, int), 1025);
	va_end(ap);
	assert_int_equal((uintptr_t)addr & 4095, 0);
	assert_int_equal(length & 4095, 0);
	memcpy(sys.nodes, mask, sizeof(sys.nodes));
	errno = sys.mbind_err;
	return errno ? -1 : 0;
}

static bool advised(int advice)
{
	for (unsigned int i = 0; i < sys.nadvice; i++)
		if (sys.advice[i] == advice)
			return true;
	return false;
}

static int setup(void **state)
{
	memset(&sys, 0, sizeof(sys));
	thp_dir = RECORDED "/thp-always";
	return fake_setup(state);
}

/* All memory mapped by the calls has been unmapped. */
static int teardown(void **state)
{
	(void)state;
	return sys.mapped ? -1 : 0;
}

static struct hugeodp_memory *allocate(uint64_t length, uint64_t sizes, uint32_t flags)
{
	const struct hugeodp_memory_attr attr = {
		.length = length,
		.page_sizes = sizes,
		.flags = flags,
	};

	sys.nadvice = 0;
	return hugeodp_alloc_memory(&attr, sizeof(attr));
}

/* Allocate, check, use every page, release. */
static void gives(uint64_t length, uint64_t sizes, uint32_t flags, uint32_t kind,
		  uint64_t page_size)
{
	struct hugeodp_memory *memory = allocate(length, sizes, flags);
	const uint64_t whole = (length + page_size - 1) / page_size * page_size;
	unsigned char *byte;

	assert_non_null(memory);
	assert_int_equal(memory->kind, kind);
	assert_int_equal(memory->page_size, page_size);
	assert_int_equal(memory->length, length);
	assert_int_equal(memory->reserved, 0);
	assert_int_equal((uintptr_t)memory->addr % page_size, 0);
	assert_int_equal(sys.mapped, whole);
	assert_int_equal(advised(MADV_HUGEPAGE), kind == HUGEODP_MEMORY_THP);
	assert_int_equal(advised(MADV_DONTFORK), !!(flags & HUGEODP_MEMORY_DONTFORK));
	byte = memory->addr;
	for (uint64_t at = 0; at < whole && whole < 64 * M; at += 4 * K) {
		assert_int_equal(byte[at], 0);
		byte[at + 4 * K - 1] = 1;
	}
	assert_int_equal(hugeodp_free_memory(memory), 0);
	assert_int_equal(sys.mapped, 0);
}

static void fails(uint64_t length, uint64_t sizes, uint32_t flags, int err)
{
	errno = 0;
	assert_null(allocate(length, sizes, flags));
	assert_int_equal(errno, err);
	assert_int_equal(sys.mapped, 0);
}

static void the_pool_comes_first(void **state)
{
	(void)state;
	sys.pool[21] = 3;
	gives(5 * M + 1, 0, 0, HUGEODP_MEMORY_HUGETLB, FAKE_2M);
	gives(6 * M, FAKE_2M, 0, HUGEODP_MEMORY_HUGETLB, FAKE_2M);
	/* one page more than there are */
	gives(6 * M + 1, FAKE_2M, 0, HUGEODP_MEMORY_THP, FAKE_2M);
	/* not accepted */
	gives(5 * M, FAKE_4K, 0, HUGEODP_MEMORY_BASE, FAKE_4K);
	sys.pool[30] = 2;
	gives(FAKE_1G + 1, 0, 0, HUGEODP_MEMORY_HUGETLB, FAKE_1G);
	/* a page that is larger than the length only if no smaller one is accepted */
	gives(FAKE_1G - 1, FAKE_1G | FAKE_2M, 0, HUGEODP_MEMORY_THP, FAKE_2M);
	gives(1, FAKE_1G, 0, HUGEODP_MEMORY_HUGETLB, FAKE_1G);
	gives(1, FAKE_2M, 0, HUGEODP_MEMORY_HUGETLB, FAKE_2M);
	gives(1, 0, 0, HUGEODP_MEMORY_BASE, FAKE_4K);
}

static void transparent_huge_pages(void **state)
{
	(void)state;
	gives(2 * M, 0, 0, HUGEODP_MEMORY_THP, FAKE_2M);
	gives(33 * M + 5, FAKE_2M | FAKE_4K, 0, HUGEODP_MEMORY_THP, FAKE_2M);
	gives(2 * M - 1, FAKE_2M | FAKE_4K, 0, HUGEODP_MEMORY_BASE, FAKE_4K);
	thp_dir = RECORDED "/thp-madvise";
	gives(4 * M, 0, 0, HUGEODP_MEMORY_THP, FAKE_2M);
	thp_dir = RECORDED "/thp-before-6.8";
	gives(4 * M, 0, 0, HUGEODP_MEMORY_THP, FAKE_2M);
	fails(4 * M, 64 * K, 0, ERANGE);
	thp_dir = RECORDED "/thp-never";
	gives(4 * M, 0, 0, HUGEODP_MEMORY_BASE, FAKE_4K);
	fails(4 * M, FAKE_2M, 0, ERANGE);
	/* only folios of 64 KiB */
	thp_dir = RECORDED "/thp-64k";
	gives(4 * M, 0, 0, HUGEODP_MEMORY_THP, 64 * K);
	fails(4 * M, FAKE_2M, 0, ERANGE);
	/* no transparent huge pages in the kernel */
	thp_dir = RECORDED "/maps-only";
	gives(4 * M, 0, 0, HUGEODP_MEMORY_BASE, FAKE_4K);
}

static void switched_off_for_the_process(void **state)
{
	(void)state;
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	gives(4 * M, 0, 0, HUGEODP_MEMORY_BASE, FAKE_4K);
	fails(4 * M, FAKE_2M, 0, ERANGE);
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0), 0);
	gives(4 * M, 0, 0, HUGEODP_MEMORY_THP, FAKE_2M);
}

static void flags(void **state)
{
	(void)state;
	sys.pool[21] = 2;
	gives(6 * M, 0, HUGEODP_MEMORY_DONTFORK, HUGEODP_MEMORY_THP, FAKE_2M);
	assert_false(advised(POPULATE));
	/* what the pool promised may be more than the control group may use */
	gives(4 * M, 0, HUGEODP_MEMORY_DONTFORK, HUGEODP_MEMORY_HUGETLB, FAKE_2M);
	assert_true(advised(POPULATE));
	gives(4 * M, 0, HUGEODP_MEMORY_POPULATE, HUGEODP_MEMORY_HUGETLB, FAKE_2M);
	sys.hugetlb_populate_err = EFAULT;
	gives(4 * M, 0, 0, HUGEODP_MEMORY_THP, FAKE_2M);
	sys.hugetlb_populate_err = EINVAL;
	gives(4 * M, 0, 0, HUGEODP_MEMORY_HUGETLB, FAKE_2M);
	/* a kernel that cannot populate: the library does, but for the pool */
	sys.populate_err = sys.hugetlb_populate_err = EINVAL;
	gives(6 * M, 0, HUGEODP_MEMORY_POPULATE, HUGEODP_MEMORY_THP, FAKE_2M);
	gives(4 * M, 0, HUGEODP_MEMORY_POPULATE, HUGEODP_MEMORY_THP, FAKE_2M);
	/* less memory than the pool promised */
	sys.hugetlb_populate_err = EFAULT;
	sys.populate_err = 0;
	gives(4 * M, 0, HUGEODP_MEMORY_POPULATE, HUGEODP_MEMORY_THP, FAKE_2M);
	sys.populate_err = ENOMEM;
	fails(4 * M, 0, HUGEODP_MEMORY_POPULATE, ENOMEM);
	assert_null(allocate(UINT64_C(1) << 61, 0, 0));
	assert_int_equal(errno, ENOMEM);
}

static struct hugeodp_memory *on_node(uint32_t node)
{
	const struct hugeodp_memory_attr attr = {
		.length = 4 * M,
		.flags = HUGEODP_MEMORY_NODE,
		.node = node,
	};

	sys.nadvice = 0;
	return hugeodp_alloc_memory(&attr, sizeof(attr));
}

static void nodes(void **state)
{
	struct hugeodp_memory *memory;

	(void)state;
	memory = on_node(0);
	assert_non_null(memory);
	assert_int_equal(sys.nodes[0], 1);
	assert_false(advised(POPULATE));
	hugeodp_free_memory(memory);
	memory = on_node(130);
	assert_non_null(memory);
	assert_int_equal(sys.nodes[0], 0);
	assert_int_equal(sys.nodes[2], 4);
	hugeodp_free_memory(memory);

	/* the pool is allocated at once: a node without free pages would be SIGBUS later */
	sys.pool[21] = 2;
	memory = on_node(1);
	assert_int_equal(memory->kind, HUGEODP_MEMORY_HUGETLB);
	assert_true(advised(POPULATE));
	hugeodp_free_memory(memory);
	sys.hugetlb_populate_err = EFAULT;
	memory = on_node(1);
	assert_int_equal(memory->kind, HUGEODP_MEMORY_THP);
	hugeodp_free_memory(memory);

	sys.mbind_err = ENOSYS;
	memory = on_node(0);
	assert_non_null(memory);
	hugeodp_free_memory(memory);
	assert_null(on_node(1));
	assert_int_equal(errno, ENOSYS);
	sys.mbind_err = EPERM;
	assert_null(on_node(0));
	assert_int_equal(errno, EPERM);
	sys.mbind_err = EINVAL;
	assert_null(on_node(7));
	assert_int_equal(errno, EINVAL);
	assert_null(on_node(1024));
	assert_int_equal(errno, EINVAL);
}

static void wrong_arguments(void **state)
{
	struct {
		struct hugeodp_memory_attr attr;
		uint64_t newer;
	} later = { .attr = { .length = 4 * K } };
	struct hugeodp_memory *memory;

	(void)state;
	fails(0, 0, 0, EINVAL);
	fails(UINT64_C(1) << 62, 0, 0, EINVAL);
	fails(UINT64_MAX, 0, 0, EINVAL);
	fails(4 * M, 2 * K, 0, EINVAL);
	fails(4 * M, UINT64_C(1) << 48, 0, EINVAL);
	fails(4 * M, 0, 8, EINVAL);
	assert_null(hugeodp_alloc_memory(NULL, sizeof(later.attr)));
	assert_int_equal(errno, EINVAL);
	assert_null(hugeodp_alloc_memory(&later.attr, 15));
	assert_int_equal(errno, EINVAL);
	/* the members of the first release that the library can do without */
	memory = hugeodp_alloc_memory(&later.attr, 16);
	assert_non_null(memory);
	hugeodp_free_memory(memory);
	memory = hugeodp_alloc_memory(&later.attr, sizeof(later));
	assert_non_null(memory);
	hugeodp_free_memory(memory);
	later.newer = 1;
	assert_null(hugeodp_alloc_memory(&later.attr, sizeof(later)));
	assert_int_equal(errno, EOPNOTSUPP);
	/* a node without the flag */
	later.attr.node = 1;
	assert_null(hugeodp_alloc_memory(&later.attr, sizeof(later.attr)));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(hugeodp_free_memory(NULL), 0);
}

/* ---- prefetch ---- */

static struct {
	uint64_t next, total;
	unsigned int calls, pieces_seen, stop_at;
	unsigned int fail_at;
	enum ibv_advise_mr_advice advice;
} advice;

static int advise(const struct fake_call *call)
{
	const struct ib_uverbs_ioctl_hdr *hdr = (const void *)call->bytes;
	struct ib_uverbs_sge range;

	assert_int_equal(hdr->num_attrs, 4);
	assert_int_equal(hdr->attrs[0].data, FAKE_PD_HANDLE);
	assert_int_equal(hdr->attrs[2].data, IBV_ADVISE_MR_FLAG_FLUSH);
	assert_int_equal(call->in_len, sizeof(range));
	memcpy(&range, call->in, sizeof(range));
	assert_int_equal(range.lkey, 0x1234);
	/* one after the other, without gaps, to the same boundaries wherever the first one starts */
	if (advice.calls++)
		assert_int_equal(range.addr % (256 * M), 0);
	assert_int_equal(range.addr, advice.next);
	assert_true(range.length && range.length <= 256 * M);
	advice.advice = (enum ibv_advise_mr_advice)hdr->attrs[1].data;
	if (advice.calls == advice.fail_at)
		return EFAULT;
	advice.next += range.length;
	advice.total += range.length;
	return 0;
}

static int seen(void *arg, uint64_t done)
{
	assert_ptr_equal(arg, &advice);
	assert_int_equal(done, advice.total);
	return ++advice.pieces_seen == advice.stop_at;
}

static int prefetch(uint64_t addr, uint64_t length)
{
	unsigned int stop_at = advice.stop_at, fail_at = advice.fail_at;

	memset(&advice, 0, sizeof(advice));
	advice.stop_at = stop_at;
	advice.fail_at = fail_at;
	advice.next = addr;
	fake.advise = advise;
	/* a provider without the call */
	fake_verbs->advise_mr = NULL;
	fake_mr.pd = &fake_pd;
	fake_mr.lkey = 0x1234;
	return hugeodp_prefetch_mr(&fake_mr, addr, length, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				   seen, &advice);
}

static void pieces(void **state)
{
	static const struct {
		uint64_t addr, length;
		unsigned int calls;
	} cases[] = {
		{ 0x1000, 1, 1 },
		{ 0, 256 * M, 1 },
		{ 1, 256 * M, 2 },
		{ 256 * M - 1, 2, 2 },
		{ 3, 9ULL << 30, 37 },
		/* up to the last address */
		{ 0 - 300 * M, 300 * M, 2 },
		{ 0, UINT64_C(1) << 40, 4096 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(prefetch(cases[i].addr, cases[i].length), 0);
		assert_int_equal(advice.total, cases[i].length);
		assert_int_equal(advice.calls, cases[i].calls);
		assert_int_equal(advice.pieces_seen, cases[i].calls);
		assert_int_equal(advice.advice, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE);
	}
}

static void prefetch_ends_early(void **state)
{
	(void)state;
	advice.stop_at = 2;
	assert_int_equal(prefetch(0, FAKE_1G), ECANCELED);
	assert_int_equal(errno, ECANCELED);
	assert_int_equal(advice.calls, 2);
	/* all is done */
	advice.stop_at = 4;
	assert_int_equal(prefetch(0, FAKE_1G), 0);
	advice.stop_at = 0;
	advice.fail_at = 3;
	assert_int_equal(prefetch(0, FAKE_1G), EFAULT);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(advice.pieces_seen, 2);
	advice.fail_at = 0;
}

static void prefetch_refused(void **state)
{
	const enum ibv_advise_mr_advice good = IBV_ADVISE_MR_ADVICE_PREFETCH;

	(void)state;
	assert_int_equal(prefetch(0x1000, 0), EINVAL);
	assert_int_equal(prefetch(UINT64_MAX, 2), EINVAL);
	assert_int_equal(prefetch(2, UINT64_MAX), EINVAL);
	assert_int_equal(advice.calls, 0);
	assert_int_equal(hugeodp_prefetch_mr(NULL, 0, 1, good, NULL, NULL), EINVAL);
	assert_int_equal(
		hugeodp_prefetch_mr(&fake_mr, 0, 1, (enum ibv_advise_mr_advice)77, NULL, NULL),
		EINVAL);
	assert_int_equal(advice.calls, 0);
	advice.next = 0;
	assert_int_equal(hugeodp_prefetch_mr(&fake_mr, 0, 1, good, NULL, NULL), 0);
	/* a kernel or a device without the method */
	fake.method_err[FAKE_ADVISE_MR] = EPROTONOSUPPORT;
	assert_int_equal(hugeodp_prefetch_mr(&fake_mr, 0, 1, good, NULL, NULL), EOPNOTSUPP);
	fake.method_err[FAKE_ADVISE_MR] = EOPNOTSUPP;
	assert_int_equal(hugeodp_prefetch_mr(&fake_mr, 0, 1, good, NULL, NULL), EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_pool_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(transparent_huge_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(switched_off_for_the_process, setup, teardown),
		cmocka_unit_test_setup_teardown(flags, setup, teardown),
		cmocka_unit_test_setup_teardown(nodes, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_arguments, setup, teardown),
		cmocka_unit_test_setup(pieces, setup),
		cmocka_unit_test_setup(prefetch_ends_early, setup),
		cmocka_unit_test_setup(prefetch_refused, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
