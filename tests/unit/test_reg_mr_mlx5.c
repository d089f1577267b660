// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Registration in one ioctl, after which the provider imports the kernel's MR. */
#include "fake.h"

#define MLX5 1
#define MLX4 2

#define ADDR ((void *)(uintptr_t)0x7f0000200000)
#define LENGTH (64 * FAKE_2M)
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND)

static int setup(void **state)
{
	fake_setup(state);
	fake.driver_id = MLX5;
	return 0;
}

static struct ibv_mr_init_attr_odp good_request(void)
{
	return (struct ibv_mr_init_attr_odp){
		.base = {
			.length = LENGTH,
			.access = ACCESS,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = ADDR,
		},
		.page_sizes = FAKE_2M,
	};
}

/* Check the ioctl of a request for 2 MiB with IBV_ODP_POPULATE byte by byte. */
static void expect_reg(const struct fake_call *call, uint64_t addr, uint64_t length, uint64_t iova,
		       uint64_t access)
{
	const struct fake_attr attrs[] = {
		{ 0, 0, 0 },
		{ 1, 0, FAKE_PD_HANDLE },
		{ 3, 8, iova },
		{ 4, 8, addr },
		{ 5, 8, length },
		{ 6, 4, access },
		{ 9, 4, FAKE_POINTER },
		{ 10, 4, FAKE_POINTER },
		{ fake_numbers()->reg_request, 24, FAKE_POINTER },
	};
	const struct {
		uint64_t page_sizes;
		uint32_t flags;
		uint32_t reserved;
		uint64_t max_entries;
	} request = { FAKE_2M, 2, 0, 0 };

	fake_expect_call(call, 7, 5, attrs, 9);
	assert_memory_equal(call->in, &request, sizeof(request));
}

/* The MR has the members that ibv_reg_mr() sets. */
static void expect_mr(const struct ibv_mr *mr)
{
	assert_ptr_equal(mr, &fake_mr);
	assert_ptr_equal(mr->context, &fake_context);
	assert_ptr_equal(mr->pd, &fake_pd);
	assert_ptr_equal(mr->addr, ADDR);
	assert_int_equal(mr->length, LENGTH);
	assert_int_equal(mr->handle, FAKE_MR_HANDLE);
	assert_int_equal(mr->lkey, 0xabcd);
	assert_int_equal(mr->rkey, 0xabcd);
	assert_int_equal(fake.kernel_mrs, 1);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(fake.nimport, 1);
}

static void registers(void **state)
{
	static const struct fake_attr caps_attrs[] = { { 0, 16, FAKE_POINTER } };
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.flags = IBV_ODP_POPULATE;
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(fake_real_calls(), 2);
	fake_expect_call(&fake.calls[fake.ncalls - 2], 0, fake_numbers()->query_pages, caps_attrs,
			 1);
	expect_reg(fake_last_call(), (uintptr_t)ADDR, LENGTH, (uintptr_t)ADDR, ACCESS);

	/* the next registration only creates the MR */
	fake.ncalls = 0;
	fake.nfstat = 0;
	fake.nimport = 0;
	fake.kernel_mrs = 0;
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(fake.ncalls, 1);
	assert_int_equal(fake.nfstat, 0);
}

static void registers_at_iova(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();
	const int access = ACCESS | IBV_ACCESS_RELAXED_ORDERING;

	(void)state;
	request.flags = IBV_ODP_POPULATE;
	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = 0x10000000;
	request.base.access = access;
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
	expect_reg(fake_last_call(), (uintptr_t)ADDR, LENGTH, 0x10000000, (unsigned int)access);
}

static void implicit(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();
	struct ibv_mr *mr;

	(void)state;
	request.flags = IBV_ODP_POPULATE;
	request.base.addr = NULL;
	request.base.length = SIZE_MAX;
	mr = ibv_reg_mr_ex(&fake_pd, &request.base);
	assert_ptr_equal(mr, &fake_mr);
	assert_null(mr->addr);
	assert_true(mr->length == SIZE_MAX);
	assert_int_equal(fake.nreg, 0);
	expect_reg(fake_last_call(), 0, UINT64_MAX, 0, ACCESS);
}

static void mlx4(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	fake.driver_id = MLX4;
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
}

/* Registered by the provider, then changed. */
static void expect_two_steps(struct ibv_mr_init_attr_odp *request)
{
	static const struct fake_attr modify_attrs[] = {
		{ 0, 0, FAKE_MR_HANDLE },
		{ 1, 24, FAKE_POINTER },
	};

	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request->base), &fake_mr);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.ndereg, 0);
	assert_int_equal(fake.kernel_mrs, 0);
	fake_expect_call(fake_last_call(), 7, fake_numbers()->modify, modify_attrs, 2);
}

/* The provider does not bind a window to an imported MR. */
static void memory_window(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	request.base.access |= IBV_ACCESS_MW_BIND;
	expect_two_steps(&request);
	assert_int_equal(fake.nimport, 0);
	assert_int_equal(fake_real_calls(), 2);
}

static void other_drivers(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();
	uint32_t driver_id;

	for (driver_id = 0; driver_id < 23; driver_id++) {
		if (driver_id == MLX5 || driver_id == MLX4)
			continue;
		fake_setup(state);
		fake.driver_id = driver_id;
		expect_two_steps(&request);
		assert_int_equal(fake.nimport, 0);
	}
}

static void kernel_refuses(void **state)
{
	static const int errors[] = { ERANGE, EFAULT, ENOMEM, EINVAL, EIO, EBUSY };
	struct ibv_mr_init_attr_odp request = good_request();
	unsigned int n;

	(void)state;
	for (n = 0; n < sizeof(errors) / sizeof(errors[0]); n++) {
		fake.method_err[FAKE_REG_MR] = errors[n];
		errno = 0;
		assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
		assert_int_equal(errno, errors[n]);
	}
	assert_int_equal(fake.nimport, 0);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(fake.kernel_mrs, 0);
}

static void kernel_without_the_attribute(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	fake.method_err[FAKE_REG_MR] = EPROTONOSUPPORT;
	expect_two_steps(&request);
	assert_int_equal(fake.nimport, 0);
}

static void import_fails(void **state)
{
	static const struct fake_attr destroy_attrs[] = { { 0, 0, FAKE_MR_HANDLE } };
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	fake.import_err = ENOMEM;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(fake.kernel_mrs, 0);
	assert_int_equal(fake.nimport, 1);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(fake.ndereg, 0);
	fake_expect_call(fake_last_call(), 7, 1, destroy_attrs, 1);

	/* a failed cleanup must not hide the first error */
	fake.method_err[FAKE_DESTROY_MR] = EBUSY;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, ENOMEM);
}

/* The provider does not match the cached driver: another device reuses the context's address. */
static void provider_cannot(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	assert_non_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	fake.driver_id = FAKE_DRIVER_ID;
	fake.import_err = EOPNOTSUPP;
	fake.kernel_mrs = 0;
	expect_two_steps(&request);
	assert_int_equal(fake.nimport, 2);
}

static void interrupted(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();

	(void)state;
	assert_non_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	fake.interrupt = 3;
	fake.ncalls = 0;
	fake.nimport = 0;
	fake.kernel_mrs = 0;
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(fake.ncalls, 4);
}

/* ---- pinned MRs: the kernel decides ---- */

#define PINNED (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

static struct ibv_mr_init_attr_pages pinned_request(uint64_t max_entries, uint64_t *needed)
{
	struct ibv_mr_init_attr_pages request = good_request();

	request.base.access = PINNED;
	request.base.comp_mask |= IBV_REG_MR_MASK_MAX_ENTRIES;
	request.max_entries = max_entries;
	request.entries_needed = needed;
	return request;
}

static void expect_pinned_reg(const struct fake_call *call, uint64_t max_entries, uint32_t flags)
{
	const struct fake_attr attrs[] = {
		{ 0, 0, 0 },
		{ 1, 0, FAKE_PD_HANDLE },
		{ 3, 8, (uintptr_t)ADDR },
		{ 4, 8, (uintptr_t)ADDR },
		{ 5, 8, LENGTH },
		{ 6, 4, PINNED },
		{ 9, 4, FAKE_POINTER },
		{ 10, 4, FAKE_POINTER },
		{ fake_numbers()->reg_request, 24, FAKE_POINTER },
		{ fake_numbers()->reg_entries, 8, FAKE_POINTER },
	};
	const struct hugeodp_abi_request request = {
		.page_sizes = FAKE_2M,
		.flags = flags,
		.max_entries = max_entries,
	};

	fake_expect_call(call, 7, 5, attrs, max_entries ? 10 : 9);
	assert_memory_equal(call->in, &request, sizeof(request));
}

static void pinned(void **state)
{
	struct ibv_mr_init_attr_pages request = pinned_request(0, NULL);
	uint64_t needed = 77;

	(void)state;
	/* the sizes are those of ODP MRs */
	fake.caps.page_sizes = 0;
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
	expect_pinned_reg(fake_last_call(), 0, 0);
	assert_int_equal(fake_real_calls(), 1);

	setup(state);
	request = pinned_request(64, &needed);
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
	expect_pinned_reg(fake_last_call(), 64, 0);
	assert_int_equal(needed, 77);

	setup(state);
	fake.caps.flags |= IBV_ODP_MIXED;
	request = pinned_request(0, NULL);
	request.flags = IBV_ODP_MIXED;
	expect_mr(ibv_reg_mr_ex(&fake_pd, &request.base));
	expect_pinned_reg(fake_last_call(), 0, IBV_ODP_MIXED);
	/* not without the flag if an MR for memory windows cannot have it */
	request.base.access |= IBV_ACCESS_MW_BIND;
	fake.nreg = 0;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(fake.nreg, 0);
}

static void pinned_refused(void **state)
{
	static const int errors[] = { ERANGE, EFAULT, ENOMEM, EINVAL, EPERM, EIO, E2BIG };
	uint64_t needed;
	struct ibv_mr_init_attr_pages request = pinned_request(63, &needed);
	size_t i;

	(void)state;
	fake.entries_needed = 64;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake.method_err[FAKE_REG_MR] = errors[i];
		needed = 77;
		assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
		assert_int_equal(errno, errors[i]);
		assert_int_equal(needed, errors[i] == E2BIG ? 64 : 77);
	}
	request.entries_needed = NULL;
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(errno, E2BIG);
	assert_int_equal(fake.nimport, 0);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(fake.kernel_mrs, 0);
}

/* An MR for memory windows cannot be imported: the kernel reports afterwards what it has. */
static void pinned_for_windows(void **state)
{
	static const struct {
		uint64_t page_sizes;
		uint64_t max_entries;
		int err;
	} cases[] = {
		{ FAKE_2M, 0, 0 },
		{ FAKE_2M | FAKE_4K, 64, 0 },
		{ FAKE_1G, 0, ERANGE },
		{ FAKE_4K, 0, EOPNOTSUPP },
		{ 0, 63, E2BIG },
	};
	uint64_t needed;
	struct ibv_mr_init_attr_pages request;
	size_t i;

	(void)state;
	fake.mr_is_odp = false;
	fake.pages.kind = HUGEODP_ABI_MR_PINNED;
	fake.pages.entries = 64;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request = pinned_request(cases[i].max_entries, &needed);
		request.base.access |= IBV_ACCESS_MW_BIND;
		request.page_sizes = cases[i].page_sizes;
		fake.nreg = fake.ndereg = 0;
		needed = 77;
		errno = 0;
		assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &request.base),
				 cases[i].err ? NULL : &fake_mr);
		if (cases[i].err)
			assert_int_equal(errno, cases[i].err);
		assert_int_equal(needed, cases[i].err == E2BIG ? 64 : 77);
		assert_int_equal(fake.nreg, 1);
		assert_int_equal(fake.ndereg, cases[i].err != 0);
		fake_expect_query_pages(fake_last_call());
	}
	assert_int_equal(fake.nimport, 0);
}

/* In a sandbox that refuses the numbers of the kernel side: as without it. */
static void pinned_in_sandbox(void **state)
{
	struct ibv_mr_init_attr_pages request = pinned_request(0, NULL);

	(void)state;
	fake.method_err[FAKE_REG_MR] = EPERM;
	fake.method_err[FAKE_QUERY_PAGES] = EPERM;
	fake.method_err[FAKE_QUERY_MR] = EPERM;
	/* nothing is known about this memory */
	assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.ndereg, 1);
	assert_int_equal(fake.nimport, 0);
}

/* The kernel's part alone, for a binding that imports the MR. */
static void by_fd(void **state)
{
	static const struct fake_attr destroy_attrs[] = { { 0, 0, FAKE_MR_HANDLE } };
	struct ibv_mr_init_attr_odp request = good_request();
	struct fake_sysfs sysfs;
	uint32_t handle = 0;

	(void)state;
	fake_sysfs_make(&sysfs, "fake0\n");
	request.flags = IBV_ODP_POPULATE;
	request.base.comp_mask = 0;
	assert_int_equal(hugeodp_create_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, &request,
					      sizeof(request), &handle),
			 0);
	assert_int_equal(handle, FAKE_MR_HANDLE);
	expect_reg(fake_last_call(), (uintptr_t)ADDR, LENGTH, (uintptr_t)ADDR, ACCESS);
	assert_int_equal(fake.kernel_mrs, 1);
	assert_int_equal(fake.nimport, 0);
	assert_int_equal(hugeodp_destroy_mr_fd(FAKE_CMD_FD, handle), 0);
	fake_expect_call(fake_last_call(), 7, 1, destroy_attrs, 1);
	assert_int_equal(fake.kernel_mrs, 0);

	assert_int_equal(hugeodp_destroy_mr_fd(FAKE_CMD_FD, handle + 1), ENOENT);
	assert_int_equal(hugeodp_destroy_mr_fd(-1, handle), EBADF);
	assert_int_equal(
		hugeodp_create_mr_fd(-1, FAKE_PD_HANDLE, &request, sizeof(request), &handle),
		EBADF);
	assert_int_equal(hugeodp_create_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE + 1, &request,
					      sizeof(request), &handle),
			 ENOENT);
	assert_int_equal(hugeodp_create_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, &request, 135, &handle),
			 EINVAL);
	request.page_sizes = 21;
	assert_int_equal(hugeodp_create_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, &request,
					      sizeof(request), &handle),
			 EINVAL);
	request = good_request();
	request.base.access |= IBV_ACCESS_MW_BIND;
	assert_int_equal(hugeodp_create_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, &request,
					      sizeof(request), &handle),
			 EOPNOTSUPP);
	assert_int_equal(fake.kernel_mrs, 0);
	fake_sysfs_remove(&sysfs);
}

/* A kernel or a driver that does not support it: nothing of ours is sent. */
static void by_other_fd(void **state)
{
	struct ibv_mr_init_attr_odp request = good_request();
	struct fake_sysfs sysfs;
	uint32_t handle;

	(void)state;
	fake_sysfs_make(&sysfs, "fake0\n");
	fake.driver_id = FAKE_DRIVER_ID;
	assert_int_equal(hugeodp_create_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, &request,
					      sizeof(request), &handle),
			 EOPNOTSUPP);
	fake_sysfs_remove(&sysfs);
	setup(state);
	fake_kernel(FAKE_STOCK);
	fake_sysfs_make(&sysfs, "fake0\n");
	assert_int_equal(hugeodp_create_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, &request,
					      sizeof(request), &handle),
			 EOPNOTSUPP);
	assert_int_equal(fake.nours, 0);
	fake_sysfs_remove(&sysfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(registers, setup),
		cmocka_unit_test_setup(registers_at_iova, setup),
		cmocka_unit_test_setup(implicit, setup),
		cmocka_unit_test_setup(mlx4, setup),
		cmocka_unit_test_setup(memory_window, setup),
		cmocka_unit_test(other_drivers),
		cmocka_unit_test_setup(kernel_refuses, setup),
		cmocka_unit_test_setup(kernel_without_the_attribute, setup),
		cmocka_unit_test_setup(import_fails, setup),
		cmocka_unit_test_setup(provider_cannot, setup),
		cmocka_unit_test_setup(interrupted, setup),
		cmocka_unit_test_setup(by_fd, setup),
		cmocka_unit_test_setup(pinned, setup),
		cmocka_unit_test_setup(pinned_refused, setup),
		cmocka_unit_test_setup(pinned_for_windows, setup),
		cmocka_unit_test_setup(pinned_in_sandbox, setup),
		cmocka_unit_test_setup(by_other_fd, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
