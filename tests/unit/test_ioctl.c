// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The ioctls byte by byte, and the handling of the kernel's answers. */
#include "fake.h"

static void query_bytes(void **state)
{
	struct ibv_mr_odp_attr attr;

	(void)state;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), 0);
	assert_int_equal(fake_real_calls(), 1);
	fake_expect_query(fake_last_call());

	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	assert_int_equal(fake_real_calls(), 2);
	fake_expect_query_pages(fake_last_call());
}

static void modify_bytes(void **state)
{
	static const struct fake_attr attrs[] = {
		{ 0, 0, FAKE_MR_HANDLE },
		{ 1, 24, FAKE_POINTER },
	};
	const struct {
		uint64_t page_sizes;
		uint32_t flags;
		uint32_t reserved;
		uint64_t max_entries;
	} request = { 0x200000, 2, 0, 0 };

	(void)state;
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, IBV_ODP_POPULATE), 0);
	assert_int_equal(fake_real_calls(), 1);
	fake_expect_call(fake_last_call(), 7, fake_numbers()->modify, attrs, 2);
	assert_int_equal(fake_last_call()->in_len, sizeof(request));
	assert_memory_equal(fake_last_call()->in, &request, sizeof(request));
}

static void device_bytes(void **state)
{
	static const struct fake_attr attrs[] = { { 0, 16, FAKE_POINTER } };
	struct ibv_device_odp_attr attr;

	(void)state;
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), 0);
	assert_int_equal(fake_real_calls(), 1);
	fake_expect_call(fake_last_call(), 0, fake_numbers()->query_pages, attrs, 1);
}

static int count(void *arg, uint64_t done)
{
	(void)done;
	return ++*(unsigned int *)arg == 3;
}

static void prefetch_bytes(void **state)
{
	static const struct fake_attr attrs[] = {
		{ 0, 0, FAKE_PD_HANDLE },
		{ 1, 8, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE },
		{ 2, 4, 1 },
		{ 3, 16, FAKE_POINTER },
	};
	const enum ibv_advise_mr_advice write = IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE;
	const struct {
		uint64_t addr;
		uint32_t length, lkey;
	} last = { 0x110000000, 0x10000, 0xabcd };
	unsigned int pieces = 0;
	struct fake_sysfs sysfs;

	(void)state;
	fake_sysfs_make(&sysfs, "fake0\n");
	assert_int_equal(hugeodp_prefetch_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, 0xabcd, 0x10fff0000,
						0x20000, write, NULL, NULL),
			 0);
	assert_int_equal(fake_real_calls(), 2);
	fake_expect_call(fake_last_call(), 7, 2, attrs, 4);
	assert_int_equal(fake_last_call()->in_len, sizeof(last));
	assert_memory_equal(fake_last_call()->in, &last, sizeof(last));

	assert_int_equal(hugeodp_prefetch_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, 1, 0, UINT64_MAX,
						write, count, &pieces),
			 ECANCELED);
	assert_int_equal(pieces, 3);
	assert_int_equal(
		hugeodp_prefetch_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE + 1, 1, 0, 1, write, NULL, NULL),
		ENOENT);
	assert_int_equal(
		hugeodp_prefetch_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, 1, 0, 0, write, NULL, NULL),
		EINVAL);
	errno = 0;
	assert_int_equal(hugeodp_prefetch_mr_fd(-1, FAKE_PD_HANDLE, 1, 0, 1, write, NULL, NULL),
			 EBADF);
	assert_int_equal(errno, EBADF);
	fake.mr_is_odp = false;
	assert_int_equal(
		hugeodp_prefetch_mr_fd(FAKE_CMD_FD, FAKE_PD_HANDLE, 1, 0, 1, write, NULL, NULL),
		EINVAL);
	fake_sysfs_remove(&sysfs);
}

static void interrupted(void **state)
{
	(void)state;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	fake.ncalls = 0;
	fake.interrupt = 3;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	assert_int_equal(fake.ncalls, 4);
	assert_memory_equal(fake.calls[0].bytes, fake.calls[3].bytes, fake.calls[0].len);
}

/* EPROTONOSUPPORT of a kernel without the series, which is unknown to verbs callers. */
static void old_kernel(void **state)
{
	struct ibv_mr_odp_attr attr;
	struct ibv_device_odp_attr device;
	unsigned char before[sizeof(attr)];

	(void)state;
	fake_kernel(FAKE_STOCK);
	memset(&attr, 0x5a, sizeof(attr));
	memcpy(before, &attr, sizeof(before));
	errno = 0;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), EOPNOTSUPP);
	assert_int_equal(errno, EOPNOTSUPP);
	assert_memory_equal(&attr, before, sizeof(before));
	errno = 0;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -EOPNOTSUPP);
	assert_int_equal(errno, EOPNOTSUPP);
	errno = 0;
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 0), EOPNOTSUPP);
	assert_int_equal(errno, EOPNOTSUPP);
	errno = 0;
	assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)), EOPNOTSUPP);
	assert_int_equal(errno, EOPNOTSUPP);
}

/* All other errno values are returned unchanged. */
static void kernel_errors(void **state)
{
	static const int errors[] = { EINVAL, EOPNOTSUPP, ERANGE, ENOMEM, EFAULT, EIO, ENOENT };
	struct ibv_mr_odp_attr attr;
	struct ibv_device_odp_attr device;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake.method_err[FAKE_QUERY_MR] = errors[i];
		fake.method_err[FAKE_MODIFY_MR] = errors[i];
		fake.method_err[FAKE_QUERY_PAGES] = 0;
		errno = 0;
		assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), errors[i]);
		assert_int_equal(errno, errors[i]);
		errno = 0;
		assert_int_equal(ibv_mr_page_shift(&fake_mr), -errors[i]);
		assert_int_equal(errno, errors[i]);
		errno = 0;
		assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 0), errors[i]);
		assert_int_equal(errno, errors[i]);
		/* which the kernel does not return for this one: see test_kernel_side */
		if (errors[i] == EINVAL)
			continue;
		fake.method_err[FAKE_QUERY_PAGES] = errors[i];
		errno = 0;
		assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)),
				 errors[i]);
		assert_int_equal(errno, errors[i]);
	}
}

static void success_leaves_errno(void **state)
{
	struct ibv_mr_odp_attr attr;

	(void)state;
	/* the first call finds driver_id, which may set errno */
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	errno = ENOTTY;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), 0);
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, 0, 0), 0);
	assert_int_equal(errno, ENOTTY);
}

/* A handle that the kernel does not know: a stale or damaged struct ibv_mr. */
static void wrong_handle(void **state)
{
	(void)state;
	fake_mr.handle ^= 1;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -ENOENT);
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, 0, 0), ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(query_bytes, fake_setup),
		cmocka_unit_test_setup(modify_bytes, fake_setup),
		cmocka_unit_test_setup(device_bytes, fake_setup),
		cmocka_unit_test_setup(prefetch_bytes, fake_setup),
		cmocka_unit_test_setup(interrupted, fake_setup),
		cmocka_unit_test_setup(old_kernel, fake_setup),
		cmocka_unit_test_setup(kernel_errors, fake_setup),
		cmocka_unit_test_setup(success_leaves_errno, fake_setup),
		cmocka_unit_test_setup(wrong_handle, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
