// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Results of the queries, also for structs of other sizes than this release's. */
#include "fake.h"

#include <limits.h>
#include <sys/stat.h>

static void mr_fields(void **state)
{
	struct ibv_mr_odp_attr attr;

	(void)state;
	memset(&attr, 0xff, sizeof(attr));
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), 0);
	assert_int_equal(attr.page_sizes, FAKE_4K | FAKE_2M);
	assert_int_equal(attr.page_shift, 21);
	assert_int_equal(attr.flags, IBV_ODP_POPULATE);
	assert_int_equal(attr.blocks_mapped, 3);
	assert_int_equal(attr.table_bytes, 1ULL << 40);
	assert_int_equal(attr.faults, 5);
	assert_int_equal(attr.pages_invalidated, 6);
	assert_int_equal(attr.renegotiations, 7);
	assert_int_equal(attr.renegotiations_down, 4);
	assert_int_equal(attr.faults_refused, 11);
	assert_int_equal(attr.blocks[12], 1);
	assert_int_equal(attr.blocks[21], 0);
	assert_int_equal(attr.blocks[63], 2);
	assert_int_equal(attr.source, IBV_ODP_SOURCE_KERNEL);
	assert_int_equal(attr.reserved, 0);
}

static void mr_by_fd(void **state)
{
	struct ibv_mr_odp_attr by_mr, attr;
	struct ibv_mr_pages pages_by_mr, pages;
	struct fake_sysfs sysfs;

	(void)state;
	fake_sysfs_make(&sysfs, "fake0\n");
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &by_mr, sizeof(by_mr)), 0);
	assert_int_equal(hugeodp_query_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, &attr, sizeof(attr)), 0);
	assert_memory_equal(&attr, &by_mr, sizeof(attr));
	fake_expect_query(fake_last_call());
	assert_int_equal(hugeodp_query_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, NULL, 0), EINVAL);
	assert_int_equal(hugeodp_query_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE + 1, &attr, sizeof(attr)),
			 ENOENT);
	assert_int_equal(ibv_query_mr_pages(&fake_mr, &pages_by_mr, sizeof(pages)), 0);
	assert_int_equal(
		hugeodp_query_mr_pages_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, &pages, sizeof(pages)), 0);
	assert_memory_equal(&pages, &pages_by_mr, sizeof(pages));
	assert_int_equal(hugeodp_query_mr_pages_fd(-1, FAKE_MR_HANDLE, &pages, sizeof(pages)),
			 EBADF);
	/* the kernel reports the pages, so the range is not needed */
	memset(&pages, 0xff, sizeof(pages));
	assert_int_equal(hugeodp_estimate_mr_pages_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, NULL, 0, &pages,
						      sizeof(pages)),
			 0);
	assert_memory_equal(&pages, &pages_by_mr, sizeof(pages));
	assert_int_equal(hugeodp_modify_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, FAKE_2M, 0), 0);
	assert_int_equal(hugeodp_modify_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, 21, 0), EINVAL);
	assert_int_equal(hugeodp_modify_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE + 1, FAKE_2M, 0), ENOENT);
	errno = 0;
	assert_int_equal(hugeodp_query_mr_fd(-1, FAKE_MR_HANDLE, &attr, sizeof(attr)), EBADF);
	assert_int_equal(errno, EBADF);
	assert_int_equal(hugeodp_modify_mr_fd(-1, FAKE_MR_HANDLE, FAKE_2M, 0), EBADF);
	fake_sysfs_remove(&sysfs);
}

/* 63 characters, the longest name that the kernel allows */
#define LONG "a12345678901234567890123456789012345678901234567890123456789012"

static void mr_by_fd_of_long_name(void **state)
{
	struct ibv_mr_odp_attr attr;
	struct fake_sysfs sysfs;

	(void)state;
	fake_sysfs_make(&sysfs, LONG "\n");
	assert_int_equal(hugeodp_query_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, &attr, sizeof(attr)), 0);
	fake_sysfs_remove(&sysfs);
}

/* The kernel or the file is not ours: nothing of ours is sent. */
static void mr_by_other_fd(void **state)
{
	static const char *const names[] = { "",     "\n",		"fake0",
					     "..\n", "a/b\n", "fake0\nfake1\n",
					     LONG "x\n" };
	struct ibv_mr_odp_attr attr;
	struct ibv_mr_pages pages;
	struct fake_sysfs sysfs;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fake_sysfs_make(&sysfs, names[i]);
		assert_int_equal(
			hugeodp_query_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, &attr, sizeof(attr)),
			EINVAL);
		fake_sysfs_remove(&sysfs);
	}
	assert_int_equal(hugeodp_query_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, &attr, sizeof(attr)),
			 EINVAL);
	fake_sysfs_make(&sysfs, "fake0\n");
	fake.mode = S_IFREG;
	assert_int_equal(hugeodp_modify_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, FAKE_2M, 0), EINVAL);
	fake.mode = S_IFCHR;
	assert_int_equal(fake.nours, 0);
	fake_kernel(FAKE_STOCK);
	assert_int_equal(hugeodp_query_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, &attr, sizeof(attr)),
			 EOPNOTSUPP);
	assert_int_equal(
		hugeodp_query_mr_pages_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, &pages, sizeof(pages)),
		EOPNOTSUPP);
	assert_int_equal(hugeodp_modify_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, FAKE_2M, 0), EOPNOTSUPP);
	assert_int_equal(fake.nours, 0);
	fake_sysfs_remove(&sysfs);
}

static void mr_watch(void **state)
{
	struct fake_sysfs sysfs;
	unsigned int calls;

	(void)state;
	assert_int_equal(hugeodp_watch_mr(&fake_mr, 17), 0);
	assert_int_equal(fake.event_fd, 17);
	calls = fake.ncalls;
	assert_int_equal(hugeodp_watch_mr(&fake_mr, 0), 0);
	assert_int_equal(fake.event_fd, 0);
	fake.event_fd = 18;
	assert_int_equal(hugeodp_watch_mr(&fake_mr, -1), 0);
	/* the end of the notification is a call without a descriptor */
	assert_int_equal(fake.event_fd, 18);
	assert_int_equal(fake.ncalls, calls + 2);

	assert_int_equal(hugeodp_watch_mr(NULL, 17), EINVAL);
	errno = 0;
	assert_int_equal(hugeodp_watch_mr(&fake_mr, -2), EBADF);
	assert_int_equal(errno, EBADF);
	assert_int_equal(hugeodp_watch_mr(&fake_mr, INT_MIN), EBADF);
	assert_int_equal(fake.ncalls, calls + 2);
	fake.mr_is_odp = false;
	assert_int_equal(hugeodp_watch_mr(&fake_mr, 17), EINVAL);
	fake.method_err[FAKE_WATCH_MR] = EBADF;
	assert_int_equal(hugeodp_watch_mr(&fake_mr, 17), EBADF);
	fake.method_err[FAKE_WATCH_MR] = 0;

	fake.mr_is_odp = true;
	fake_sysfs_make(&sysfs, "fake0\n");
	assert_int_equal(hugeodp_watch_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, 19), 0);
	assert_int_equal(fake.event_fd, 19);
	assert_int_equal(hugeodp_watch_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE + 1, 19), ENOENT);
	assert_int_equal(hugeodp_watch_mr_fd(-1, FAKE_MR_HANDLE, 19), EBADF);
	fake_sysfs_remove(&sysfs);
}

static void mr_watch_stock(void **state)
{
	struct fake_sysfs sysfs;

	(void)state;
	fake_kernel(FAKE_STOCK);
	/* what is known of a device belongs to its name: by its old one it has the series */
	fake_sysfs_make(&sysfs, "stock0\n");
	assert_int_equal(hugeodp_watch_mr(&fake_mr, 17), EOPNOTSUPP);
	assert_int_equal(hugeodp_watch_mr_fd(FAKE_CMD_FD, FAKE_MR_HANDLE, 17), EOPNOTSUPP);
	assert_int_equal(fake.nours, 0);
	fake_sysfs_remove(&sysfs);
}

static void device_fields(void **state)
{
	struct ibv_device_odp_attr attr;

	(void)state;
	memset(&attr, 0xff, sizeof(attr));
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), 0);
	assert_int_equal(attr.page_sizes, FAKE_4K | FAKE_2M | FAKE_1G);
	assert_int_equal(attr.flags, IBV_ODP_POPULATE);
	assert_int_equal(attr.source, IBV_ODP_SOURCE_KERNEL);
}

#define GUARD 16
#define LONGER 24

/* For every size: no write past it, the known part is right, the rest is zero. */
static void mr_sizes(void **state)
{
	union {
		struct ibv_mr_odp_attr attr;
		unsigned char bytes[sizeof(struct ibv_mr_odp_attr) + LONGER + GUARD];
	} out;
	struct ibv_mr_odp_attr full;
	size_t size;
	size_t i;

	(void)state;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &full, sizeof(full)), 0);
	for (size = 0; size <= sizeof(full) + LONGER; size++) {
		memset(&out, 0x5a, sizeof(out));
		errno = 0;
		if (size < 12) {
			assert_int_equal(ibv_query_mr_odp(&fake_mr, &out.attr, size), EINVAL);
			assert_int_equal(errno, EINVAL);
			assert_int_equal(out.bytes[0], 0x5a);
			continue;
		}
		assert_int_equal(ibv_query_mr_odp(&fake_mr, &out.attr, size), 0);
		assert_memory_equal(out.bytes, &full, size < sizeof(full) ? size : sizeof(full));
		for (i = sizeof(full); i < size; i++)
			assert_int_equal(out.bytes[i], 0);
		for (i = size; i < sizeof(out); i++)
			assert_int_equal(out.bytes[i], 0x5a);
	}
}

static void device_sizes(void **state)
{
	union {
		struct ibv_device_odp_attr attr;
		unsigned char bytes[sizeof(struct ibv_device_odp_attr) + LONGER + GUARD];
	} out;
	struct ibv_device_odp_attr full;
	size_t size;
	size_t i;

	(void)state;
	assert_int_equal(ibv_query_device_odp(&fake_context, &full, sizeof(full)), 0);
	for (size = 0; size <= sizeof(full) + LONGER; size++) {
		memset(&out, 0x5a, sizeof(out));
		errno = 0;
		if (size < 8) {
			assert_int_equal(ibv_query_device_odp(&fake_context, &out.attr, size),
					 EINVAL);
			assert_int_equal(errno, EINVAL);
			assert_int_equal(out.bytes[0], 0x5a);
			continue;
		}
		assert_int_equal(ibv_query_device_odp(&fake_context, &out.attr, size), 0);
		assert_memory_equal(out.bytes, &full, size < sizeof(full) ? size : sizeof(full));
		for (i = sizeof(full); i < size; i++)
			assert_int_equal(out.bytes[i], 0);
		for (i = size; i < sizeof(out); i++)
			assert_int_equal(out.bytes[i], 0x5a);
	}
}

static void no_struct(void **state)
{
	(void)state;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, NULL, sizeof(struct ibv_mr_odp_attr)), EINVAL);
	assert_int_equal(
		ibv_query_device_odp(&fake_context, NULL, sizeof(struct ibv_device_odp_attr)),
		EINVAL);
	assert_int_equal(fake.ncalls, 0);
}

static void not_odp(void **state)
{
	struct ibv_mr_odp_attr attr;

	(void)state;
	fake.mr_is_odp = false;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), EINVAL);
	fake.pages.kind = HUGEODP_ABI_MR_PINNED;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 0), EINVAL);
}

/* A device that supports no page size counts as a device without ODP. */
static void device_without_sizes(void **state)
{
	struct ibv_device_odp_attr attr;

	(void)state;
	fake.caps.page_sizes = 0;
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), EOPNOTSUPP);
	assert_int_equal(errno, EOPNOTSUPP);
}

static void modify_unknown_flag(void **state)
{
	int bit;

	(void)state;
	for (bit = 2; bit < 32; bit++) {
		errno = 0;
		assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 1u << bit), EINVAL);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(fake.ncalls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(mr_fields, fake_setup),
		cmocka_unit_test_setup(mr_by_fd, fake_setup),
		cmocka_unit_test_setup(mr_by_fd_of_long_name, fake_setup),
		cmocka_unit_test_setup(mr_by_other_fd, fake_setup),
		cmocka_unit_test_setup(mr_watch, fake_setup),
		cmocka_unit_test_setup(mr_watch_stock, fake_setup),
		cmocka_unit_test_setup(device_fields, fake_setup),
		cmocka_unit_test_setup(mr_sizes, fake_setup),
		cmocka_unit_test_setup(device_sizes, fake_setup),
		cmocka_unit_test_setup(no_struct, fake_setup),
		cmocka_unit_test_setup(not_odp, fake_setup),
		cmocka_unit_test_setup(device_without_sizes, fake_setup),
		cmocka_unit_test_setup(modify_unknown_flag, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
