// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Registration with a page size request. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ADDR ((void *)(uintptr_t)0x7f0000200000)
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND)

static struct ibv_mr_init_attr_odp good_request(void)
{
	return (struct ibv_mr_init_attr_odp){
		.base = {
			.length = 64 * FAKE_2M,
			.access = ACCESS,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = ADDR,
		},
		.page_sizes = FAKE_2M,
	};
}

/* The request fails with this errno, and nothing was registered. */
static void expect_refused(struct ibv_mr_init_attr_odp *request, int err)
{
	errno = 0;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request->base));
	assert_int_equal(errno, err);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(fake.ndereg, 0);
	assert_int_equal(fake.nupstream, 0);
}

/* The same, without a call to the kernel. */
static void expect_invalid(struct ibv_mr_init_attr_odp *request, int err)
{
	expect_refused(request, err);
	assert_int_equal(fake.ncalls, 0);
}

static void registers(void **state)
{
	static const struct fake_attr caps_attrs[] = { { 0, 16, FAKE_POINTER } };
	static const struct fake_attr modify_attrs[] = {
		{ 0, 0, FAKE_MR_HANDLE },
		{ 1, 24, FAKE_POINTER },
	};
	struct ibv_mr_init_attr_odp request = good_request();
	const struct {
		uint64_t page_sizes;
		uint32_t flags;
		uint32_t reserved;
		uint64_t max_entries;
	} expect = { FAKE_2M, 2, 0, 0 };

	(void)state;
	request.flags = IBV_ODP_POPULATE;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.ndereg, 0);
	assert_ptr_equal(fake.reg_pd, &fake_pd);
	assert_ptr_equal(fake.reg_addr, ADDR);
	assert_int_equal(fake.reg_length, 64 * FAKE_2M);
	assert_int_equal(fake.reg_iova, (uintptr_t)ADDR);
	assert_int_equal(fake.reg_access, ACCESS | IBV_ACCESS_HUGETLB);
	assert_int_equal(fake_real_calls(), 2);
	fake_expect_call(&fake.calls[fake.ncalls - 2], 0, fake_numbers()->query_pages, caps_attrs,
			 1);
	fake_expect_call(fake_last_call(), 7, fake_numbers()->modify, modify_attrs, 2);
	assert_memory_equal(fake_last_call()->in, &expect, sizeof(expect));
}

static void registers_at_iova(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = 0x10000000;
	request.base.access |= IBV_ACCESS_RELAXED_ORDERING;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_int_equal(fake.reg_iova, 0x10000000);
	assert_int_equal(fake.reg_access,
			 (unsigned int)ACCESS | IBV_ACCESS_RELAXED_ORDERING | IBV_ACCESS_HUGETLB);
}

/* Memory that cannot be huge is registered as usual, and the result depends on the request. */
static void first_step_not_huge(void **state)
{
	static const int errors[] = { ERANGE, EINVAL, EOPNOTSUPP, ENOMEM };
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.page_sizes = FAKE_2M | FAKE_4K;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		fake.nreg = 0;
		fake.hugetlb_err = errors[i];
		assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
		assert_int_equal(fake.nreg, 2);
		assert_int_equal(fake.reg_access, ACCESS);
		assert_int_equal(fake.ndereg, 0);
	}
}

static void first_step_in_base_pages(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.page_sizes = FAKE_4K;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.reg_access, ACCESS);
}

/* Members without their mask bit are ignored, whatever their value. */
static void unmasked_members(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.base.iova = 0xfff;
	request.base.fd = 3;
	request.base.fd_offset = 1;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_int_equal(fake.reg_iova, (uintptr_t)ADDR);
}

static void any_size(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.page_sizes = 0;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
}

static void comp_mask(void **state)
{
	struct ibv_mr_init_attr_odp request;
	int bit;

	(void)state;
	/* 0 IOVA, 1 ADDR, 4 DMAH, 48 PAGES, 49 MAX_ENTRIES */
	for (bit = 0; bit < 64; bit++) {
		if (bit == 0 || bit == 1 || bit == 4 || bit == 48 || bit == 49)
			continue;
		request = good_request();
		request.base.comp_mask |= 1ULL << bit;
		expect_invalid(&request, EINVAL);
	}
	request = good_request();
	request.base.comp_mask |= IBV_REG_MR_MASK_DMAH;
	expect_invalid(&request, EOPNOTSUPP);
	request = good_request();
	request.base.comp_mask &= ~(uint64_t)IBV_REG_MR_MASK_ADDR;
	expect_invalid(&request, EINVAL);
	/* a dma-buf instead of an address */
	request.base.comp_mask |=
		IBV_REG_MR_MASK_FD | IBV_REG_MR_MASK_FD_OFFSET | IBV_REG_MR_MASK_IOVA;
	expect_invalid(&request, EINVAL);
}

static void flags_and_reserved(void **state)
{
	struct ibv_mr_init_attr_odp request;
	int bit;

	(void)state;
	for (bit = 2; bit < 32; bit++) {
		request = good_request();
		request.flags = 1u << bit;
		expect_invalid(&request, EINVAL);
	}
	request = good_request();
	request.reserved = 1;
	expect_invalid(&request, EINVAL);
}

static void access_flags(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.base.access |= IBV_ACCESS_HUGETLB;
	expect_invalid(&request, EINVAL);
	/* of a pinned MR */
	request.base.access &= ~IBV_ACCESS_ON_DEMAND;
	expect_invalid(&request, EINVAL);
}

/* Flags and memory that only an ODP MR can have, and the bound that it cannot have. */
static void pinned_or_not(void **state)
{
	struct ibv_mr_init_attr_odp request;
	uint32_t flags;

	(void)state;
	for (flags = IBV_ODP_POPULATE; flags < 4; flags++) {
		request = good_request();
		request.base.access &= ~IBV_ACCESS_ON_DEMAND;
		request.flags = flags;
		expect_invalid(&request, EINVAL);
	}
	request = good_request();
	request.base.access &= ~IBV_ACCESS_ON_DEMAND;
	request.base.addr = NULL;
	request.base.length = SIZE_MAX;
	expect_invalid(&request, EINVAL);

	request = good_request();
	request.base.comp_mask |= IBV_REG_MR_MASK_MAX_ENTRIES;
	request.max_entries = 1;
	expect_invalid(&request, EINVAL);
	/* without the bit the member is not there */
	request.base.comp_mask &= ~(uint64_t)IBV_REG_MR_MASK_MAX_ENTRIES;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
}

/* The flag needs a device that has it. This one has base pages only for pinned memory. */
static void pinned_mixed(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.base.access &= ~IBV_ACCESS_ON_DEMAND;
	request.flags = IBV_ODP_MIXED;
	request.page_sizes = FAKE_2M | FAKE_4K;
	expect_refused(&request, EOPNOTSUPP);
	fake.caps.flags |= IBV_ODP_MIXED;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	fake.nreg = 0;
	request.page_sizes = FAKE_2M;
	expect_refused(&request, ERANGE);
}

static void implicit(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.base.addr = NULL;
	request.base.length = SIZE_MAX;
	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = 4096;
	expect_invalid(&request, EINVAL);

	request.base.iova = 0;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_null(fake.reg_addr);
	assert_int_equal(fake.reg_length, SIZE_MAX);
	assert_int_equal(fake.reg_iova, 0);
}

static void implicit_without_series(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	fake_kernel(FAKE_STOCK);
	request.base.addr = NULL;
	request.base.length = SIZE_MAX;
	expect_refused(&request, EOPNOTSUPP);
}

static void ranges(void **state)
{
	struct ibv_mr_init_attr_odp request;

	(void)state;
	request = good_request();
	request.base.addr = NULL;
	expect_invalid(&request, EINVAL);

	request = good_request();
	request.base.length = 0;
	expect_invalid(&request, EINVAL);

	request = good_request();
	request.base.length = SIZE_MAX;
	expect_invalid(&request, EINVAL);

	/* one byte past the last address */
	request = good_request();
	request.base.length = (size_t)(0 - (uintptr_t)ADDR) + 1;
	expect_invalid(&request, EINVAL);

	/* only one of address and iova wraps around */
	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = 0;
	expect_invalid(&request, EINVAL);

	request = good_request();
	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = 0 - request.base.length + (uint64_t)sysconf(_SC_PAGESIZE);
	expect_invalid(&request, EINVAL);
}

/* A range that ends with the last address does not wrap around. */
static void iova_at_the_end(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = 0 - request.base.length;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
}

static void iova_congruence(void **state)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct ibv_mr_init_attr_odp request;
	uint64_t off;

	(void)state;
	for (off = 1; off < page; off <<= 1) {
		request = good_request();
		request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
		request.base.iova = (uintptr_t)ADDR + off;
		expect_invalid(&request, EINVAL);
		/* equal offsets are valid */
		request.base.addr = (char *)ADDR + off;
		fake.nreg = 0;
		assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
		fake.nreg = 0;
		fake.ncalls = 0;
	}
	/* offsets of whole base pages are left to the kernel */
	request = good_request();
	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = (uintptr_t)ADDR + page;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
}

static void kernel_without_series(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	fake_kernel(FAKE_STOCK);
	expect_refused(&request, EOPNOTSUPP);
}

/* Structs of other sizes than this release's: no byte after the size is read. */
static void typed(void **state)
{
	const size_t full = sizeof(struct ibv_mr_init_attr_odp);
	const size_t smallest = offsetof(struct ibv_mr_init_attr_odp, flags);
	union {
		struct ibv_mr_init_attr_odp request;
		unsigned char bytes[sizeof(struct ibv_mr_init_attr_odp) + 24];
	} in;
	size_t size;

	(void)state;
	assert_int_equal(smallest, 136);
	assert_null(hugeodp_reg_mr(&fake_pd, NULL, full));
	assert_int_equal(errno, EINVAL);
	for (size = 0; size <= sizeof(in); size++) {
		struct ibv_mr_init_attr_odp *part;

		memset(&in, 0, sizeof(in));
		in.request = good_request();
		in.request.base.comp_mask = 0;
		/* of its own, so that a sanitizer sees a byte too many */
		part = malloc(size ? size : 1);
		assert_non_null(part);
		memcpy(part, &in, size);
		fake.nreg = 0;
		errno = 0;
		if (size < smallest) {
			assert_null(hugeodp_reg_mr(&fake_pd, part, size));
			assert_int_equal(errno, EINVAL);
			assert_int_equal(fake.nreg, 0);
		} else {
			assert_ptr_equal(hugeodp_reg_mr(&fake_pd, part, size), &fake_mr);
			assert_int_equal(fake.nreg, 1);
			assert_int_equal(part->base.comp_mask, 0);
		}
		free(part);
		if (size <= full)
			continue;
		in.bytes[size - 1] = 1;
		fake.nreg = 0;
		assert_null(hugeodp_reg_mr(&fake_pd, &in.request, size));
		assert_int_equal(errno, EOPNOTSUPP);
		assert_int_equal(fake.nreg, 0);
	}
	/* the rest is checked as in ibv_reg_mr_ex() */
	in.request = good_request();
	in.request.reserved = 1;
	assert_null(hugeodp_reg_mr(&fake_pd, &in.request, full));
	assert_int_equal(errno, EINVAL);
	in.request.reserved = 0;
	in.request.base.comp_mask = 1ULL << 40;
	assert_null(hugeodp_reg_mr(&fake_pd, &in.request, full));
	assert_int_equal(errno, EINVAL);
}

/* As by a shift in an int, a shift in place of a size, or a size in KiB */
static void impossible_sizes(void **state)
{
	static const uint64_t sizes[] = {
		(uint64_t)(int64_t)INT32_MIN,
		(uint64_t)(int64_t)INT32_MIN | FAKE_4K,
		21,
		FAKE_2M | 21,
		2048,
		FAKE_2M | 1ULL << 48,
		1ULL << 63,
	};
	struct ibv_mr_init_attr_odp request = good_request();
	struct ibv_odp_report report;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		request.page_sizes = sizes[i];
		expect_invalid(&request, EINVAL);
		assert_int_equal(ibv_modify_mr_odp(&fake_mr, sizes[i], 0), EINVAL);
		assert_int_equal(ibv_probe_odp_range(&fake_context, request.base.addr,
						     request.base.length, sizes[i], &report,
						     sizeof(report)),
				 EINVAL);
		assert_int_equal(fake.ncalls, 0);
	}
	assert_true(IBV_ODP_PAGE_SHIFT(31) == 1ULL << 31);
	assert_true((IBV_ODP_PAGE_4K | IBV_ODP_PAGE_2M | IBV_ODP_PAGE_1G) ==
		    (FAKE_4K | FAKE_2M | FAKE_1G));
	assert_true(IBV_ODP_PAGE_BASE == (uint64_t)sysconf(_SC_PAGESIZE));
	assert_int_equal(hugeodp_version(), HUGEODP_VERSION);
}

static void device_cannot(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.page_sizes = 1ULL << 34;
	expect_refused(&request, EOPNOTSUPP);
	/* each possible size that it does not support */
	request.page_sizes = ((1ULL << 48) - FAKE_4K) & ~(FAKE_4K | FAKE_2M | FAKE_1G);
	expect_refused(&request, EOPNOTSUPP);
	/* one supported size among others is enough */
	request.page_sizes = 1ULL << 34 | FAKE_4K;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);

	fake.nreg = 0;
	request = good_request();
	request.flags = IBV_ODP_MIXED;
	expect_refused(&request, EOPNOTSUPP);

	fake_setup(state);
	fake.method_err[FAKE_QUERY_PAGES] = EOPNOTSUPP;
	request = good_request();
	expect_refused(&request, EOPNOTSUPP);

	fake_setup(state);
	fake.caps.page_sizes = 0;
	request.page_sizes = 0;
	expect_refused(&request, EOPNOTSUPP);
}

/* Once the device is cached, a registration makes no call but the one for its page sizes. */
static void second_registration(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	fake.ncalls = 0;
	fake.nfstat = 0;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_int_equal(fake.ncalls, 1);
	assert_int_equal(fake.nfstat, 0);

	/* before a request is refused, the device is queried again */
	request.page_sizes = 1ULL << 34;
	fake.caps.page_sizes |= 1ULL << 34;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base), &fake_mr);
	assert_int_equal(fake.ncalls, 3);

	/* closed, and another device opened: its context may be at the same address */
	fake.caps.page_sizes = FAKE_4K;
	fake_context.cmd_fd = -1;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, EOPNOTSUPP);
}

static void provider_fails(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	fake.reg_err = ENOMEM;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, ENOMEM);
	/* in huge pages, and again in base pages */
	assert_int_equal(fake.nreg, 2);
	assert_int_equal(fake.ndereg, 0);
	assert_int_equal(fake_real_calls(), 1);
}

/* The MR is deregistered exactly once, and the caller gets the error. */
static void modify_fails(void **state)
{
	static const int errors[] = { ERANGE, EFAULT, ENOMEM, EOPNOTSUPP, EINVAL, EIO };
	struct ibv_mr_init_attr_odp request = good_request();
	unsigned int n;

	(void)state;
	for (n = 0; n < sizeof(errors) / sizeof(errors[0]); n++) {
		fake.method_err[FAKE_MODIFY_MR] = errors[n];
		/* a failed cleanup must not hide the first error */
		fake.dereg_err = n & 1 ? EBUSY : 0;
		errno = 0;
		assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
		assert_int_equal(errno, errors[n]);
		assert_int_equal(fake.nreg, n + 1);
		assert_int_equal(fake.ndereg, n + 1);
	}
}

struct lines {
	unsigned int count;
	char last[256];
	char before[256];
};

static void take_line(void *arg, const char *line)
{
	struct lines *lines = arg;

	strcpy(lines->before, lines->last);
	snprintf(lines->last, sizeof(lines->last), "%s", line);
	lines->count++;
	errno = EBADMSG;
}

/* Each cause of an error has a line of its own, which names the value. */
static void log_of_refusals(void **state)
{
	const struct {
		const char *words;
		int err;
		uint64_t comp_mask;
		void *addr;
		size_t length;
		int access;
		uint64_t page_sizes;
		uint32_t flags;
		uint32_t reserved;
	} cases[] = {
		{ "comp_mask 0x1001000000002", EINVAL, 1ULL << 36, ADDR, FAKE_2M, ACCESS, 0, 0, 0 },
		{ "flags 0x80", EINVAL, 0, ADDR, FAKE_2M, ACCESS, 0, 0x80, 0 },
		{ "reserved", EINVAL, 0, ADDR, FAKE_2M, ACCESS, 0, 0, 1 },
		{ "page sizes 0x15", EINVAL, 0, ADDR, FAKE_2M, ACCESS, 21, 0, 0 },
		{ "access 0x1, flags 0x2 without IBV_ACCESS_ON_DEMAND", EINVAL, 0, ADDR, FAKE_2M, 1,
		  0, 2, 0 },
		{ "IBV_ACCESS_HUGETLB", EINVAL, 0, ADDR, FAKE_2M, ACCESS | IBV_ACCESS_HUGETLB, 0, 0,
		  0 },
		{ "DMA handle", EOPNOTSUPP, IBV_REG_MR_MASK_DMAH, ADDR, FAKE_2M, ACCESS, 0, 0, 0 },
		{ "no address", EINVAL, 0, NULL, FAKE_2M, ACCESS, 0, 0, 0 },
		{ "length 0", EINVAL, 0, ADDR, 0, ACCESS, 0, 0, 0 },
		{ "wraps around", EINVAL, 0, ADDR, SIZE_MAX, ACCESS, 0, 0, 0 },
		{ "implicit MR with an iova", EINVAL, IBV_REG_MR_MASK_IOVA, NULL, SIZE_MAX, ACCESS,
		  0, 0, 0 },
		{ "iova 0x1 differ", EINVAL, IBV_REG_MR_MASK_IOVA, ADDR, FAKE_2M, ACCESS, 0, 0, 0 },
		{ "page sizes 0x400000 of 0x40201000", EOPNOTSUPP, 0, ADDR, FAKE_2M, ACCESS,
		  FAKE_2M << 1, 0, 0 },
		{ "flags 0x1 of 0x2", EOPNOTSUPP, 0, ADDR, FAKE_2M, ACCESS, 0, IBV_ODP_MIXED, 0 },
	};
	struct ibv_mr_init_attr_odp request;
	struct lines lines = { 0 };
	size_t i;

	(void)state;
	hugeodp_set_log(take_line, &lines);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request = (struct ibv_mr_init_attr_odp){
			.base = {
				.addr = cases[i].addr,
				.length = cases[i].length,
				.access = cases[i].access,
				.comp_mask = cases[i].comp_mask,
				.iova = 1,
			},
			.page_sizes = cases[i].page_sizes,
			.flags = cases[i].flags,
			.reserved = cases[i].reserved,
		};
		lines.count = 0;
		errno = 0;
		assert_null(hugeodp_reg_mr(&fake_pd, &request, sizeof(request)));
		assert_int_equal(errno, cases[i].err);
		assert_int_equal(lines.count, 1);
		assert_non_null(strstr(lines.last, cases[i].words));
	}
	assert_null(hugeodp_reg_mr(&fake_pd, &request, 17));
	assert_string_equal(lines.last, "no request, or size 17 is too small");
	hugeodp_set_log(NULL, NULL);
	lines.count = 0;
	assert_null(hugeodp_reg_mr(&fake_pd, &request, 17));
	assert_int_equal(lines.count, 0);
}

/* A registration that fails in the kernel; ERANGE with the obstacle. */
static void log_of_failures(void **state)
{
	static const struct fake_vma elsewhere = { FAKE_2M, 2 * FAKE_2M,       4096, PROT_READ,
						   0,	    FAKE_PAGES_ABSENT, 0 };
	struct ibv_mr_init_attr_odp request = good_request();
	struct lines lines = { 0 };

	(void)state;
	fake.vmas = &elsewhere;
	fake.nvmas = 1;
	hugeodp_set_log(take_line, &lines);
	fake.method_err[FAKE_MODIFY_MR] = ENOMEM;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(lines.count, 1);
	assert_non_null(strstr(lines.last, "page sizes 0x200000, flags 0: Cannot allocate memory"));
	fake.method_err[FAKE_MODIFY_MR] = ERANGE;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, ERANGE);
	assert_int_equal(lines.count, 3);
	assert_string_equal(lines.last, "no 2^21: nothing mapped there, at 0x7f0000200000");
	fake.method_err[FAKE_MODIFY_MR] = 0;
	assert_non_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(lines.count, 3);
	hugeodp_set_log(NULL, NULL);
}

static char log_name[] = "/tmp/hugeodp-unit.XXXXXX";
static int log_fd;
static pid_t log_process;

static int refuse_two(void)
{
	struct ibv_mr_init_attr_odp request = good_request();

	request.reserved = 1;
	if (ibv_reg_mr_ex(&fake_pd, &request.base) || errno != EINVAL)
		return 1;
	request = good_request();
	request.base.length = 0;
	return ibv_reg_mr_ex(&fake_pd, &request.base) || errno != EINVAL;
}

/*
 * Before all tests, because the library reads the environment once. The process is not one more
 * program, which an emulator of programs cannot start.
 */
static int log_start(void **state)
{
	(void)state;
	log_fd = mkstemp(log_name);
	if (log_fd < 0)
		return -1;
	log_process = fork();
	if (!log_process) {
		setenv("HUGEODP_LOG", log_name, 1);
		_exit(refuse_two());
	}
	return log_process < 0 ? -1 : 0;
}

static void log_file(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();
	char text[256] = "";
	int status;

	(void)state;
	assert_int_equal(waitpid(log_process, &status, 0), log_process);
	assert_int_equal(status, 0);
	assert_true(read(log_fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "reserved is not 0\nno address, or length 0\n");
	close(log_fd);
	unlink(log_name);
	request.reserved = 1;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(access(log_name, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(registers, fake_setup),
		cmocka_unit_test_setup(registers_at_iova, fake_setup),
		cmocka_unit_test_setup(first_step_not_huge, fake_setup),
		cmocka_unit_test_setup(first_step_in_base_pages, fake_setup),
		cmocka_unit_test_setup(unmasked_members, fake_setup),
		cmocka_unit_test_setup(any_size, fake_setup),
		cmocka_unit_test_setup(comp_mask, fake_setup),
		cmocka_unit_test_setup(flags_and_reserved, fake_setup),
		cmocka_unit_test_setup(access_flags, fake_setup),
		cmocka_unit_test_setup(pinned_or_not, fake_setup),
		cmocka_unit_test_setup(pinned_mixed, fake_setup),
		cmocka_unit_test_setup(implicit, fake_setup),
		cmocka_unit_test_setup(implicit_without_series, fake_setup),
		cmocka_unit_test_setup(ranges, fake_setup),
		cmocka_unit_test_setup(iova_at_the_end, fake_setup),
		cmocka_unit_test_setup(iova_congruence, fake_setup),
		cmocka_unit_test_setup(kernel_without_series, fake_setup),
		cmocka_unit_test_setup(typed, fake_setup),
		cmocka_unit_test_setup(log_of_refusals, fake_setup),
		cmocka_unit_test_setup(log_of_failures, fake_setup),
		cmocka_unit_test_setup(log_file, fake_setup),
		cmocka_unit_test_setup(impossible_sizes, fake_setup),
		cmocka_unit_test_setup(device_cannot, fake_setup),
		cmocka_unit_test_setup(second_registration, fake_setup),
		cmocka_unit_test_setup(provider_fails, fake_setup),
		cmocka_unit_test_setup(modify_fails, fake_setup),
	};

	return cmocka_run_group_tests(tests, log_start, NULL);
}
