// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes and entries of MRs: answers of the kernel, estimates without kernel support, and requests
 * for pinned MRs where the driver chooses.
 */
#include "fake.h"

#include "../../libibverbs/memory/range.h"
#include "../../libibverbs/memory/thp.h"

#define MLX5 1
#define RXE 14
#define K 1024ULL
#define M (K * K)
#define G (K * M)
#define READ_WRITE 3

#define THP 0x100000000ULL
#define BASE 0x200000000ULL
#define POOL 0x300000000ULL
#define UNTOUCHED 0x400000000ULL
#define PINNED (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

static const struct fake_vma vmas[] = {
	{ THP, THP + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, 0 },
	/* base pages right after huge ones */
	{ THP + 8 * M, THP + 10 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_SMALL, 0 },
	{ BASE, BASE + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_SMALL, 0 },
	{ POOL, POOL + 8 * M, 2 * M, READ_WRITE, 9, FAKE_PAGES_ABSENT, 0 },
	{ POOL + G, POOL + 3 * G, G, READ_WRITE, 9, FAKE_PAGES_ABSENT, 0 },
	{ UNTOUCHED, UNTOUCHED + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_ABSENT, 0 },
};

static void set_mr(uint64_t addr, uint64_t length, uint64_t iova)
{
	fake_mr.addr = (void *)(uintptr_t)addr;
	fake_mr.length = length;
	fake.iova = iova;
}

/* A kernel that reports no pages, and a driver whose pinned MRs have pages of any size. */
static int stock(void **state)
{
	fake_setup(state);
	fake_kernel(FAKE_STOCK);
	fake.driver_id = MLX5;
	fake.vmas = vmas;
	fake.nvmas = sizeof(vmas) / sizeof(vmas[0]);
	thp_dir = RECORDED "/thp-always";
	return 0;
}

static void estimate(uint64_t addr, uint64_t length, uint64_t iova, uint32_t shift,
		     uint64_t entries)
{
	struct ibv_mr_pages pages;

	set_mr(addr, length, iova);
	memset(&pages, 0xff, sizeof(pages));
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &pages, sizeof(pages)), 0);
	assert_int_equal(pages.source, IBV_ODP_SOURCE_ESTIMATE);
	assert_int_equal(pages.kind, IBV_MR_KIND_UNKNOWN);
	assert_int_equal(pages.reserved, 0);
	assert_int_equal(pages.page_shift, shift);
	assert_int_equal(pages.entries, entries);
	assert_int_equal(pages.device_bytes, entries * (fake.driver_id == RXE ? 16 : 8));
	assert_int_equal(pages.base_pages, (addr + length - 1) / FAKE_4K - addr / FAKE_4K + 1);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), shift);
	assert_int_equal(fake.nours, 0);
}

static void unknown(uint64_t addr, uint64_t length)
{
	struct ibv_mr_pages pages;

	set_mr(addr, length, addr);
	errno = 0;
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &pages, sizeof(pages)), EOPNOTSUPP);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -EOPNOTSUPP);
}

static void kernel_answers(void **state)
{
	struct ibv_mr_pages pages;
	uint32_t kind;

	(void)state;
	fake.mr_is_odp = false;
	for (kind = IBV_MR_KIND_PINNED; kind <= IBV_MR_KIND_DMABUF; kind++) {
		fake.pages.kind = kind;
		memset(&pages, 0xff, sizeof(pages));
		assert_int_equal(ibv_query_mr_pages(&fake_mr, &pages, sizeof(pages)), 0);
		assert_int_equal(pages.kind, kind);
		assert_int_equal(pages.source, IBV_ODP_SOURCE_KERNEL);
		assert_int_equal(pages.reserved, 0);
		assert_int_equal(pages.page_shift, 21);
		assert_int_equal(pages.entries, 8);
		assert_int_equal(pages.device_bytes, 9ULL << 40);
		assert_int_equal(pages.base_pages, 10ULL << 36);
		fake_expect_query_pages(fake_last_call());
	}
	fake.method_err[FAKE_QUERY_MR] = EIO;
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &pages, sizeof(pages)), EIO);
	assert_int_equal(errno, EIO);
}

/* For every size: no write past it, the known part is right, the rest is zero. */
static void sizes(void **state)
{
	union {
		struct ibv_mr_pages pages;
		unsigned char bytes[sizeof(struct ibv_mr_pages) + 40];
	} out;
	struct ibv_mr_pages full;
	size_t size, i;

	(void)state;
	assert_int_equal(ibv_query_mr_pages(&fake_mr, NULL, sizeof(full)), EINVAL);
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &full, sizeof(full)), 0);
	for (size = 0; size <= sizeof(full) + 24; size++) {
		memset(&out, 0x5a, sizeof(out));
		if (size < 12) {
			assert_int_equal(ibv_query_mr_pages(&fake_mr, &out.pages, size), EINVAL);
			assert_int_equal(out.bytes[0], 0x5a);
			continue;
		}
		assert_int_equal(ibv_query_mr_pages(&fake_mr, &out.pages, size), 0);
		assert_memory_equal(out.bytes, &full, size < sizeof(full) ? size : sizeof(full));
		for (i = sizeof(full); i < size; i++)
			assert_int_equal(out.bytes[i], 0);
		for (i = size; i < sizeof(out); i++)
			assert_int_equal(out.bytes[i], 0x5a);
	}
}

static void estimates(void **state)
{
	(void)state;
	estimate(THP, 8 * M, THP, 21, 4);
	/* unaligned at both ends */
	estimate(THP + 100, 4 * M, THP + 100, 21, 3);
	/* one block, no larger than needed */
	estimate(THP, 64 * K, THP, 16, 1);
	estimate(THP + 5 * K, 2 * K, THP + 5 * K, 12, 1);
	/* iova and address agree below 64 KiB only */
	estimate(THP, 8 * M, THP + 64 * K, 16, 128);
	estimate(BASE, 8 * M, BASE, 12, 2048);
	/* a base page at the end */
	estimate(THP, 8 * M + 1, THP, 12, 2049);
	estimate(POOL, 8 * M, POOL, 21, 4);
	estimate(POOL + G, 2 * G, POOL + G, 30, 2);
}

static void estimate_by_fd(void **state)
{
	void *addr = (void *)(uintptr_t)THP;
	struct ibv_mr_pages by_mr, pages;
	struct fake_sysfs sysfs;

	(void)state;
	set_mr(THP, 8 * M, THP + 64 * K);
	fake_sysfs_make(&sysfs, "fake0\n");
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &by_mr, sizeof(by_mr)), 0);
	assert_int_equal(hugeodp_estimate_mr_pages_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, addr, 8 * M,
						      &pages, sizeof(pages)),
			 0);
	assert_memory_equal(&pages, &by_mr, sizeof(pages));
	assert_int_equal(pages.page_shift, 16);
	assert_int_equal(hugeodp_estimate_mr_pages_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, NULL, 0, &pages,
						      sizeof(pages)),
			 EOPNOTSUPP);
	assert_int_equal(hugeodp_estimate_mr_pages_fd(FAKE_CMD_FD, FAKE_MR_HANDLE + 1, addr, 8 * M,
						      &pages, sizeof(pages)),
			 ENOENT);
	errno = 0;
	assert_int_equal(hugeodp_estimate_mr_pages_fd(-1, FAKE_MR_HANDLE, addr, 8 * M, &pages,
						      sizeof(pages)),
			 EBADF);
	assert_int_equal(errno, EBADF);
	fake_sysfs_remove(&sysfs);
}

static void base_pages_only(void **state)
{
	(void)state;
	fake.driver_id = RXE;
	estimate(THP, 8 * M, THP, 12, 2048);
	estimate(POOL, 8 * M, POOL, 12, 2048);
}

/* Of the recorded program: 8 MiB each */
#define RECORDED_THP 0x10000000000ULL
#define RECORDED_UNTOUCHED 0x10001000000ULL

/* Without the ioctls, smaps reports what mappings consist of, and maps nothing about that. */
static void text(void **state)
{
	const char *self = range_proc_self;

	(void)state;
	fake.vmas = NULL;
	range_proc_self = RECORDED "/linux-7.3";
	estimate(RECORDED_THP, 8 * M, RECORDED_THP, 21, 4);
	estimate(RECORDED_UNTOUCHED, 8 * M, RECORDED_UNTOUCHED, 12, 2048);
	unknown(RECORDED_THP, 16 * M);
	range_proc_self = RECORDED "/maps-only";
	estimate(RECORDED_THP, 8 * M, RECORDED_THP, 12, 2048);
	range_proc_self = self;
}

static void no_memory(void **state)
{
	struct ibv_mr_pages pages;

	(void)state;
	/* imported, implicit, a dma-buf of an offset */
	unknown(0, 4 * K);
	unknown(0, UINT64_MAX);
	unknown(3 * K, 4 * M);
	unknown(THP, 0);
	unknown(THP + 9 * M, 2 * M);
	unknown(UINT64_MAX - 8 * K, 8 * K);
	set_mr(THP, 4 * K, THP);
	fake.method_err[FAKE_QUERY_MR] = ENOENT;
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &pages, sizeof(pages)), ENOENT);
}

/* The kernel knows the question, and has no answer for this MR. */
static void device_memory(void **state)
{
	(void)state;
	fake.no_pages = true;
	unknown(0, 4 * K);
}

static void of_a_request(void **state)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.length = 2 * M,
			.access = IBV_ACCESS_ON_DEMAND,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = (void *)(uintptr_t)POOL,
		},
	};
	struct ibv_mr_pages pages;

	(void)state;
	fake.general_odp_caps = IBV_ODP_SUPPORT;
	set_mr(POOL, 2 * M, POOL);
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &pages, sizeof(pages)), 0);
	assert_int_equal(pages.source, IBV_ODP_SOURCE_LIBRARY);
	assert_int_equal(pages.kind, IBV_MR_KIND_ODP);
	assert_int_equal(pages.page_shift, 21);
	assert_int_equal(pages.entries, 1);
	assert_int_equal(pages.device_bytes, 8);
	assert_int_equal(pages.base_pages, 512);
}

/* ---- requests of pinned MRs ---- */

struct pinned {
	uint64_t addr;
	uint64_t length;
	uint64_t page_sizes;
	uint64_t max_entries;
	uint64_t iova; /* 0: the address */
};

static struct ibv_mr *reg_pinned(const struct pinned *in, uint64_t *needed)
{
	struct ibv_mr_init_attr_pages request = {
		.base = {
			.length = in->length,
			.access = PINNED,
			.comp_mask = in->iova ? IBV_REG_MR_MASK_IOVA : 0,
			.addr = (void *)(uintptr_t)in->addr,
			.iova = in->iova,
		},
		.page_sizes = in->page_sizes,
		.max_entries = in->max_entries,
		.entries_needed = needed,
	};
	struct ibv_mr *mr;

	set_mr(in->addr, in->length, in->iova ? in->iova : in->addr);
	fake.nreg = fake.ndereg = 0;
	errno = 0;
	mr = hugeodp_reg_mr(&fake_pd, &request, sizeof(request));
	if (mr) {
		assert_int_equal(fake.reg_access, PINNED);
		assert_int_equal(fake.reg_iova, in->iova ? in->iova : in->addr);
		assert_int_equal(fake.reg_length, in->length);
		assert_int_equal(fake.nreg, 1);
	}
	return mr;
}

static void pinned_fits(struct pinned in)
{
	assert_ptr_equal(reg_pinned(&in, NULL), &fake_mr);
	assert_int_equal(fake.ndereg, 0);
}

/* Refused before anything was registered. */
static void pinned_refused(struct pinned in, int err)
{
	uint64_t needed = 77;

	assert_null(reg_pinned(&in, &needed));
	assert_int_equal(errno, err);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(needed, 77);
}

/* The same, with the number that succeeds. */
static void pinned_too_many(struct pinned in, uint64_t want)
{
	uint64_t needed = 77;

	assert_null(reg_pinned(&in, NULL));
	assert_int_equal(errno, E2BIG);
	assert_null(reg_pinned(&in, &needed));
	assert_int_equal(errno, E2BIG);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(needed, want);
	in.max_entries = needed;
	pinned_fits(in);
	in.max_entries--;
	assert_null(reg_pinned(&in, &needed));
	assert_int_equal(errno, E2BIG);
}

/* @at: the iova, or 0 for the address */
#define PINNED_MR(addr, length, sizes, max, at) ((struct pinned){ addr, length, sizes, max, at })
#define FIT(...) pinned_fits(PINNED_MR(__VA_ARGS__))
#define REFUSED(err, ...) pinned_refused(PINNED_MR(__VA_ARGS__), err)
#define TOO_MANY(want, ...) pinned_too_many(PINNED_MR(__VA_ARGS__), want)

static void pinned_estimate(void **state)
{
	(void)state;
	/* the device does not need on-demand paging */
	fake.general_odp_caps = 0;
	FIT(THP, 8 * M, 2 * M, 0, 0);
	FIT(THP, 8 * M, 2 * M | 4 * K, 0, 0);
	FIT(THP, 8 * M, 0, 0, 0);
	FIT(BASE, 8 * M, 4 * K, 0, 0);
	FIT(BASE, 8 * M, 2 * M | 4 * K, 0, 0);
	FIT(POOL + G, 2 * G, G, 0, 0);
	REFUSED(ERANGE, BASE, 8 * M, 2 * M, 0, 0);
	REFUSED(ERANGE, THP, 8 * M, G, 0, 0);
	REFUSED(ERANGE, THP, 8 * M, 1ULL << 47, 0, 0);
	/* the last page is a base page */
	REFUSED(ERANGE, THP, 8 * M + 1, 2 * M, 0, 0);
	FIT(THP, 8 * M + 1, 2 * M | 4 * K, 0, 0);
	/* no larger than the MR */
	REFUSED(ERANGE, THP, 64 * K, 2 * M, 0, 0);
	FIT(THP, 64 * K, 64 * K, 0, 0);
	/* iova and address agree below 64 KiB only */
	REFUSED(ERANGE, THP, 8 * M, 2 * M, 0, THP + 64 * K);
	FIT(THP, 8 * M, 64 * K, 0, THP + 64 * K);
	/* the driver would take larger pages */
	REFUSED(EOPNOTSUPP, THP, 8 * M, 4 * K, 0, 0);
	REFUSED(EOPNOTSUPP, POOL, 8 * M, 64 * K, 0, 0);
	/* which is what several sizes also accept */
	FIT(POOL + G, 2 * G, 2 * M | 4 * K, 0, 0);
	assert_int_equal(fake.nours, 0);
}

static void pinned_entries(void **state)
{
	(void)state;
	TOO_MANY(4, THP, 8 * M, 2 * M, 1, 0);
	TOO_MANY(2048, BASE, 8 * M, 0, 2047, 0);
	TOO_MANY(3, THP + 100, 4 * M, 2 * M | 4 * K, 2, 0);
	FIT(THP, 8 * M, 0, UINT64_MAX, 0);
	/* the size comes first */
	REFUSED(ERANGE, BASE, 8 * M, 2 * M, 1, 0);
}

/* Memory that is not there yet: what comes is known after the registration. */
static void pinned_untouched(void **state)
{
	struct pinned in = PINNED_MR(UNTOUCHED, 8 * M, 2 * M, 0, 0);
	uint64_t needed = 77;

	(void)state;
	/* it still has no pages */
	assert_null(reg_pinned(&in, &needed));
	assert_int_equal(errno, ERANGE);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.ndereg, 1);
	FIT(UNTOUCHED, 8 * M, 4 * K, 0, 0);
	/* never larger than a huge page, nor fewer of these */
	REFUSED(ERANGE, UNTOUCHED, 8 * M, G, 0, 0);
	in.max_entries = 3;
	assert_null(reg_pinned(&in, &needed));
	assert_int_equal(errno, E2BIG);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(needed, 4);
}

static void pinned_failures(void **state)
{
	struct pinned in = PINNED_MR(THP, 8 * M, 2 * M, 0, 0);

	(void)state;
	fake.reg_err = ENOMEM;
	assert_null(reg_pinned(&in, NULL));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fake.ndereg, 0);
	fake.reg_err = 0;
	/* the error of the kernel for what is not mapped, not one of the library */
	fake.reg_err = EFAULT;
	in.addr = THP + 9 * M;
	in.length = 2 * M;
	assert_null(reg_pinned(&in, NULL));
	assert_int_equal(errno, EFAULT);
	/* nothing is promised that the library cannot find out */
	fake.reg_err = 0;
	assert_null(reg_pinned(&in, NULL));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.ndereg, 1);
}

/* Nothing can violate this request, so what the pages are does not matter, nor whether it can be read. */
static void pinned_any(void **state)
{
	struct pinned in = PINNED_MR(THP + 9 * M, 2 * M, 0, 0, 0);

	(void)state;
	assert_ptr_equal(reg_pinned(&in, NULL), &fake_mr);
	assert_int_equal(fake.ndereg, 0);
}

/* The table of rxe is known, on every kernel. */
static void pinned_rxe(void **state)
{
	enum fake_form form;

	for (form = FAKE_STOCK; form <= FAKE_DRIVER; form++) {
		stock(state);
		fake_kernel(form);
		fake.driver_id = RXE;
		fake.mr_is_odp = false;
		FIT(THP, 8 * M, 4 * K, 0, 0);
		FIT(THP, 8 * M, 2 * M | 4 * K, 0, 0);
		FIT(UNTOUCHED, 8 * M, 0, 0, 0);
		REFUSED(ERANGE, THP, 8 * M, 2 * M, 0, 0);
		REFUSED(ERANGE, POOL, 8 * M, 2 * M | G, 0, 0);
		TOO_MANY(2048, THP, 8 * M, 0, 4, 0);
		TOO_MANY(2, THP + 4 * K - 1, 2, 0, 1, 0);
		assert_int_equal(fake.nours, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(kernel_answers, fake_setup),
		cmocka_unit_test_setup(sizes, fake_setup),
		cmocka_unit_test_setup(device_memory, fake_setup),
		cmocka_unit_test_setup(estimates, stock),
		cmocka_unit_test_setup(estimate_by_fd, stock),
		cmocka_unit_test_setup(base_pages_only, stock),
		cmocka_unit_test_setup(text, stock),
		cmocka_unit_test_setup(no_memory, stock),
		cmocka_unit_test_setup(of_a_request, stock),
		cmocka_unit_test_setup(pinned_estimate, stock),
		cmocka_unit_test_setup(pinned_entries, stock),
		cmocka_unit_test_setup(pinned_untouched, stock),
		cmocka_unit_test_setup(pinned_failures, stock),
		cmocka_unit_test_setup(pinned_any, stock),
		cmocka_unit_test(pinned_rxe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
