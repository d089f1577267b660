// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The mark of the device decides which numbers the library sends, and whether it sends any. */
#include "fake.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libibverbs/memory/thp.h"
#include "../../libibverbs/probe.h"

#define M (1ULL << 20)
#define HUGETLB ((void *)(uintptr_t)(0x10000000000ULL + 64 * M))
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND)
#define MLX5 1
#define RXE 14

/* What a mark must be for the form of the kernel. */
static const char *good_mark(void)
{
	return fake.form == FAKE_CORE ? "core\n" : "driver\n";
}

static int setup(void **state)
{
	range_proc_self = RECORDED "/linux-7.3";
	thp_dir = RECORDED "/thp-always";
	fake_setup(state);
	fake.general_odp_caps = IBV_ODP_SUPPORT;
	return 0;
}

static struct ibv_mr *reg(uint64_t page_sizes, uint32_t flags)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.length = 2 * M,
			.access = ACCESS,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = HUGETLB,
		},
		.page_sizes = page_sizes,
		.flags = flags,
	};

	return ibv_reg_mr_ex(&fake_pd, &request.base);
}

/* Every function of the library answers as on a stock kernel, and sends @ours of our numbers. */
static void expect_stock_after(unsigned int ours)
{
	struct ibv_device_odp_attr device;
	struct ibv_odp_report report;
	struct ibv_mr_odp_attr attr;

	fake.nours = 0;
	assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)), 0);
	assert_int_equal(device.source, IBV_ODP_SOURCE_LIBRARY);
	assert_int_equal(device.page_sizes, fake.driver_id == MLX5 ? FAKE_4K | FAKE_2M : FAKE_4K);
	assert_int_equal(
		ibv_probe_odp_range(&fake_context, HUGETLB, 2 * M, 0, &report, sizeof(report)), 0);
	/* an MR that the library did not register */
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), EOPNOTSUPP);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -EOPNOTSUPP);
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 0), EOPNOTSUPP);
	assert_ptr_equal(reg(0, 0), &fake_mr);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), fake.driver_id == MLX5 ? 21 : 12);
	assert_null(reg(FAKE_1G, 0));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_null(reg(0, IBV_ODP_POPULATE));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(fake.nours, ours);
	assert_int_equal(fake_real_calls(), ours);
}

static void expect_stock(void)
{
	expect_stock_after(0);
}

/* The same for each kind of registration. */
static void expect_stock_everywhere(void **state, void (*change)(const void *), const void *arg)
{
	static const uint32_t drivers[] = { MLX5, RXE };
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		setup(state);
		fake.driver_id = drivers[i];
		change(arg);
		expect_stock();
	}
}

static void remove_mark(const void *arg)
{
	(void)arg;
	fake_mark(NULL, 0);
}

static void no_mark(void **state)
{
	expect_stock_everywhere(state, remove_mark, NULL);
}

static void replace_mark(const void *arg)
{
	fake_mark(arg, strlen(arg));
}

static void bad_marks(void **state)
{
	static const char *const marks[] = {
		"",
		"\n",
		"core",
		"driver",
		"core\n\n",
		"driver\n\n",
		"core\ndriver\n",
		"core \n",
		" core\n",
		"Core\n",
		"DRIVER\n",
		"cor\n",
		"drive\n",
		"cores\n",
		"drivers\n",
		"core\r\n",
		"series\n",
		"0\n",
		"driver driver driver driver driver driver driver driver driver driver\n",
	};
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		expect_stock_everywhere(state, replace_mark, marks[i]);
}

static void mark_with_nul(const void *arg)
{
	(void)arg;
	fake_mark(fake.form == FAKE_CORE ? "core\0\n" : "driver\0\n", strlen(good_mark()) + 1);
}

static void nul_in_mark(void **state)
{
	expect_stock_everywhere(state, mark_with_nul, NULL);
}

static void mark_path(char *path, size_t room)
{
	snprintf(path, room, "%s/hugeodp_abi", fake_context.device->ibdev_path);
}

static void directory_as_mark(const void *arg)
{
	char path[512];

	(void)arg;
	fake_mark(NULL, 0);
	mark_path(path, sizeof(path));
	assert_int_equal(mkdir(path, 0700), 0);
}

static void fifo_as_mark(const void *arg)
{
	char path[512];

	(void)arg;
	fake_mark(NULL, 0);
	mark_path(path, sizeof(path));
	assert_int_equal(mkfifo(path, 0600), 0);
}

/* Something else than a regular file, which must not block the process either. */
static void strange_files(void **state)
{
	static const uint32_t drivers[] = { MLX5, RXE };
	char path[512];
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		setup(state);
		fake.driver_id = drivers[i];
		directory_as_mark(NULL);
		expect_stock();
		mark_path(path, sizeof(path));
		assert_int_equal(rmdir(path), 0);

		setup(state);
		fake.driver_id = drivers[i];
		fifo_as_mark(NULL);
		expect_stock();
		assert_int_equal(unlink(path), 0);
	}
}

/* A path that does not exist, none at all, and the longest one. */
static void strange_paths(void **state)
{
	char *path = fake_context.device->ibdev_path;
	char saved[IBV_SYSFS_PATH_MAX];

	(void)state;
	memcpy(saved, path, sizeof(saved));
	strcat(path, ".gone");
	expect_stock();

	memcpy(path, saved, sizeof(saved));
	fake_kernel(fake.form);
	path[0] = '\0';
	expect_stock();

	memcpy(path, saved, sizeof(saved));
	fake_kernel(fake.form);
	memset(path, '/', IBV_SYSFS_PATH_MAX - 1);
	path[IBV_SYSFS_PATH_MAX - 1] = '\0';
	expect_stock();
	memcpy(path, saved, sizeof(saved));
}

/* The mark names the other form: its numbers are sent, and the kernel refuses them. */
static void wrong_mark(void **state)
{
	struct ibv_device_odp_attr device;
	const bool core = fake.form == FAKE_CORE;
	uint16_t object_and_method[2];

	(void)state;
	fake_mark(core ? "driver\n" : "core\n", core ? 7 : 5);
	assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)), 0);
	assert_int_equal(device.source, IBV_ODP_SOURCE_LIBRARY);
	assert_int_equal(fake_real_calls(), 1);
	memcpy(object_and_method, fake_last_call()->bytes + 2, sizeof(object_and_method));
	assert_int_equal(object_and_method[0], 0);
	assert_int_equal(object_and_method[1], core ? 4096 + 7 : 9);
}

static void refuse_all(int err)
{
	fake.method_err[FAKE_QUERY_PAGES] = err;
	fake.method_err[FAKE_QUERY_MR] = err;
	fake.method_err[FAKE_MODIFY_MR] = err;
}

/* A sandbox shows the mark, but passes on only what every kernel knows: one attempt, no more. */
static void sandbox(void **state)
{
	static const uint32_t drivers[] = { MLX5, RXE };
	static const int errors[] = { EINVAL, ENOTTY, ENOSYS, EPERM, EACCES };
	struct ibv_mr_odp_attr attr;
	size_t i, j;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		for (j = 0; j < sizeof(errors) / sizeof(errors[0]); j++) {
			setup(state);
			fake.driver_id = drivers[i];
			refuse_all(errors[j]);
			expect_stock_after(1);

			/* a program that first queries an MR */
			setup(state);
			fake.driver_id = drivers[i];
			refuse_all(errors[j]);
			assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)),
					 EOPNOTSUPP);
			assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 0), EOPNOTSUPP);
			assert_int_equal(fake.nours, 2);
		}
	}
}

/* An EINVAL of the kernel, for an MR without on-demand paging, is returned unchanged. */
static void no_sandbox(void **state)
{
	struct ibv_mr_odp_attr attr;

	(void)state;
	fake.method_err[FAKE_QUERY_MR] = EINVAL;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), EINVAL);
	fake.method_err[FAKE_QUERY_MR] = 0;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), 0);
}

/* A device without on-demand paging still has MRs with pages. */
static void without_odp(void **state)
{
	(void)state;
	fake.method_err[FAKE_QUERY_PAGES] = EOPNOTSUPP;
	fake.general_odp_caps = 0;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	fake.method_err[FAKE_QUERY_MR] = EINVAL;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -EINVAL);
	fake.method_err[FAKE_QUERY_MR] = 0;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
}

/* Errors unrelated to the query are returned, and not cached. */
static void errors_that_pass(void **state)
{
	static const int errors[] = { EIO, ENOMEM, ENODEV, EAGAIN };
	struct ibv_device_odp_attr device;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		setup(state);
		refuse_all(errors[i]);
		assert_int_equal(ibv_mr_page_shift(&fake_mr), -errors[i]);
		assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)),
				 errors[i]);
		assert_null(reg(FAKE_2M, 0));
		assert_int_equal(errno, errors[i]);
		refuse_all(0);
		assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
		assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)), 0);
		assert_int_equal(device.source, IBV_ODP_SOURCE_KERNEL);
	}
}

/* The mark is read when the context is first used, and not again. */
static void read_once(void **state)
{
	struct ibv_device_odp_attr device;

	(void)state;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	fake_mark(NULL, 0);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 0), 0);
	assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)), 0);
	assert_int_equal(device.source, IBV_ODP_SOURCE_KERNEL);
	assert_ptr_equal(reg(FAKE_2M, 0), &fake_mr);

	/* nor is its absence looked up again */
	fake_kernel(fake.form);
	fake_mark(NULL, 0);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -EOPNOTSUPP);
	fake_mark(good_mark(), strlen(good_mark()));
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -EOPNOTSUPP);
}

/* Without resources to read the mark, nothing is sent and nothing is remembered. */
static void no_resources(void **state)
{
	struct ibv_device_odp_attr device;
	struct rlimit limit, none;

	(void)state;
	/* finds driver_id, which needs a socket */
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	fake_kernel(fake.form);
	fake.nours = 0;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(ibv_query_device_odp(&fake_context, &device, sizeof(device)), EMFILE);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), -EMFILE);
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_2M, 0), EMFILE);
	assert_null(reg(FAKE_2M, 0));
	assert_int_equal(errno, EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fake.nours, 0);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
}

/* No descriptor stays open, whatever the mark is. */
static void no_leak(void **state)
{
	int before = dup(0);
	int after;

	assert_true(before >= 0);
	close(before);
	bad_marks(state);
	no_mark(state);
	setup(state);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	after = dup(0);
	assert_int_equal(after, before);
	close(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_mark),
		cmocka_unit_test(bad_marks),
		cmocka_unit_test(nul_in_mark),
		cmocka_unit_test(strange_files),
		cmocka_unit_test_setup(strange_paths, setup),
		cmocka_unit_test_setup(wrong_mark, setup),
		cmocka_unit_test(sandbox),
		cmocka_unit_test_setup(no_sandbox, setup),
		cmocka_unit_test_setup(without_odp, setup),
		cmocka_unit_test(errors_that_pass),
		cmocka_unit_test_setup(read_once, setup),
		cmocka_unit_test_setup(no_resources, setup),
		cmocka_unit_test(no_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
