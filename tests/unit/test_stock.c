// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Page size requests on a kernel without the series. */
#include "fake.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../libibverbs/memory/thp.h"
#include "../../libibverbs/probe.h"
#include "../../libibverbs/stock/stock.h"
#include "../../libibverbs/stock/stock_mrs.h"

#define M (1ULL << 20)
#define MLX5 1
#define RXE 14
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND)
#define HUGE_AND_SMALL (FAKE_2M | FAKE_4K)

/* Addresses of the recorded mappings. */
#define REC(mib) (0x10000000000ULL + (mib)*M)
#define THP REC(0)
#define HUGETLB REC(64)

static int setup(void **state)
{
	range_proc_self = RECORDED "/linux-7.3";
	thp_dir = RECORDED "/thp-always";
	/* a kernel with all drivers built in */
	stock_module_dir = RECORDED;
	fake_setup(state);
	fake_kernel(FAKE_STOCK);
	fake.driver_id = MLX5;
	fake.general_odp_caps = IBV_ODP_SUPPORT;
	return 0;
}

/* Fill in an MR as a provider does. */
static struct ibv_mr *reg(uint64_t addr, uint64_t length, uint64_t page_sizes)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.length = length,
			.access = ACCESS,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = (void *)(uintptr_t)addr,
		},
		.page_sizes = page_sizes,
	};

	fake_mr.addr = request.base.addr;
	fake_mr.length = length;
	fake_mr.lkey = fake_mr.rkey = 0x1234;
	fake.nreg = 0;
	fake.reg_access = 0;
	errno = 0;
	return ibv_reg_mr_ex(&fake_pd, &request.base);
}

static void granted(uint64_t addr, uint64_t length, uint64_t page_sizes, int shift)
{
	struct ibv_mr_odp_attr attr;
	uint64_t device = FAKE_2M | FAKE_4K;

	assert_ptr_equal(reg(addr, length, page_sizes), &fake_mr);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.reg_access, shift == 21 ? ACCESS | IBV_ACCESS_HUGETLB : ACCESS);
	assert_int_equal(fake.reg_length, length);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), shift);
	memset(&attr, 0xff, sizeof(attr));
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), 0);
	assert_int_equal(attr.page_shift, shift);
	assert_int_equal(attr.page_sizes, page_sizes ? page_sizes & device : device);
	assert_int_equal(attr.source, IBV_ODP_SOURCE_LIBRARY);
	assert_int_equal(attr.flags, 0);
	assert_int_equal(attr.blocks_mapped, 0);
}

static void refused(uint64_t addr, uint64_t length, uint64_t page_sizes, int err)
{
	assert_null(reg(addr, length, page_sizes));
	assert_int_equal(errno, err);
	assert_int_equal(fake.ndereg, 0);
}

static void device(void **state)
{
	struct ibv_device_odp_attr attr;

	(void)state;
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), 0);
	assert_int_equal(attr.page_sizes, HUGE_AND_SMALL);
	assert_int_equal(attr.flags, 0);
	assert_int_equal(attr.source, IBV_ODP_SOURCE_LIBRARY);

	/* a driver that does not support the flag */
	setup(state);
	fake.driver_id = RXE;
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), 0);
	assert_int_equal(attr.page_sizes, FAKE_4K);

	setup(state);
	fake.general_odp_caps = 0;
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), EOPNOTSUPP);
	fake.query_device_err = EINVAL;
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), EOPNOTSUPP);

	/* removed */
	fake.query_device_err = EIO;
	assert_int_equal(ibv_query_device_odp(&fake_context, &attr, sizeof(attr)), EIO);
}

static void one_block(void **state)
{
	(void)state;
	granted(HUGETLB, 2 * M, FAKE_2M, 21);
	granted(HUGETLB + 2 * M, 2 * M, HUGE_AND_SMALL, 21);
	granted(HUGETLB, 2 * M, 0, 21);
	granted(HUGETLB + 4096, 2 * M - 4096, FAKE_2M, 21);
	granted(HUGETLB + 4096, 4096, FAKE_2M, 21);
	granted(HUGETLB, 2 * M, FAKE_4K, 12);
}

/* The kernel would translate the second block to a wrong address. */
static void two_blocks(void **state)
{
	(void)state;
	refused(HUGETLB, 4 * M, FAKE_2M, EOPNOTSUPP);
	refused(HUGETLB + 2 * M - 1, 2, FAKE_2M, EOPNOTSUPP);
	assert_int_equal(fake.nreg, 0);
	granted(HUGETLB, 4 * M, HUGE_AND_SMALL, 12);
	granted(HUGETLB + 1 * M, 2 * M, 0, 12);

	fake.release = "6.15.11-amd64";
	granted(HUGETLB, 4 * M, FAKE_2M, 21);
	granted(HUGETLB + 4096, 6 * M, HUGE_AND_SMALL, 21);
	fake.release = "5.14.0-611.5.1.el9_7.x86_64";
	refused(HUGETLB, 4 * M, FAKE_2M, EOPNOTSUPP);
	granted(HUGETLB, 2 * M, FAKE_2M, 21);
}

static void releases(void **state)
{
	static const struct {
		const char *release;
		bool right;
	} cases[] = {
		{ "6.15.0", true },
		{ "6.16.0", false },
		{ "6.16-rc1", false },
		{ "6.1.0-40-amd64", true },
		{ "5.15.0-160-generic", true },
		{ "7.0.0", false },
		{ "10.0", false },
		{ "5.14.0-503.el9.x86_64", false },
		{ "5.15.0-306.177.4.el9uek.x86_64", false },
		{ "6.4.0-150700.53-default", false },
		/* from any kernel, under setarch --uname-2.6 */
		{ "2.6.78", false },
		{ "", false },
		{ "six", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(hugetlb_flag_is_safe(cases[i].release), cases[i].right);
}

/* A directory like /sys/module in which a driver uses ib_core. */
static char modules[] = "/tmp/test_stock.XXXXXX";

static void write_module(const char *name, const char *taint)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", modules, name);
	mkdir(path, 0700);
	strcat(path, "/taint");
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(taint, file);
	fclose(file);
}

static int remove_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void out_of_tree_modules(void **state)
{
	char path[96];

	(void)state;
	fake.release = "6.15.11-amd64";
	assert_non_null(mkdtemp(modules));
	stock_module_dir = modules;
	write_module("ib_core", "\n");
	snprintf(path, sizeof(path), "%s/ib_core/holders", modules);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/driver");
	assert_int_equal(mkdir(path, 0700), 0);
	write_module("driver", "E\n");
	write_module("other", "OE\n");
	granted(HUGETLB, 4 * M, FAKE_2M, 21);
	write_module("driver", "OE\n");
	refused(HUGETLB, 4 * M, FAKE_2M, EOPNOTSUPP);
	granted(HUGETLB, 2 * M, FAKE_2M, 21);
	write_module("driver", "\n");
	granted(HUGETLB, 4 * M, FAKE_2M, 21);
	write_module("ib_core", "O\n");
	refused(HUGETLB, 4 * M, FAKE_2M, EOPNOTSUPP);
	/* nothing is known */
	assert_int_equal(nftw(modules, remove_file, 4, FTW_DEPTH | FTW_PHYS), 0);
	refused(HUGETLB, 4 * M, FAKE_2M, EOPNOTSUPP);
}

/* The flag is only correct for memory of the hugetlb pool. */
static void memory(void **state)
{
	(void)state;
	refused(THP, 2 * M, FAKE_2M, EOPNOTSUPP);
	granted(THP, 2 * M, HUGE_AND_SMALL, 12);
	granted(THP, 8 * M, 0, 12);
	refused(HUGETLB - 2 * M, 2 * M, FAKE_2M, EOPNOTSUPP);
	fake.driver_id = RXE;
	granted(THP, 8 * M, 0, 12);
}

/* On a kernel with the series the flag works, although this driver supports no requests. */
static void series_without_device(void **state)
{
	(void)state;
	fake_kernel(FAKE_CORE);
	fake.caps.page_sizes = 0;
	fake.method_err[FAKE_QUERY_MR] = EOPNOTSUPP;
	granted(HUGETLB, 8 * M, FAKE_2M, 21);
}

/* Modules leave ib_core as it is: the flag is no safer than on a stock kernel. */
static void modules_without_device(void **state)
{
	(void)state;
	fake_kernel(FAKE_DRIVER);
	fake.caps.page_sizes = 0;
	fake.method_err[FAKE_QUERY_MR] = EOPNOTSUPP;
	granted(HUGETLB, 2 * M, FAKE_2M, 21);
	refused(HUGETLB, 4 * M, FAKE_2M, EOPNOTSUPP);
}

static void provider_refuses(void **state)
{
	(void)state;
	fake.hugetlb_err = EINVAL;
	refused(HUGETLB, 2 * M, FAKE_2M, EOPNOTSUPP);
	assert_ptr_equal(reg(HUGETLB, 2 * M, HUGE_AND_SMALL), &fake_mr);
	assert_int_equal(fake.nreg, 2);
	assert_int_equal(fake.reg_access, ACCESS);
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 12);
	fake.hugetlb_err = ENOMEM;
	refused(HUGETLB, 2 * M, FAKE_2M, ENOMEM);
	fake.reg_err = ENOSPC;
	refused(HUGETLB, 2 * M, HUGE_AND_SMALL, ENOSPC);
}

static void not_here(void **state)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.length = 2 * M,
			.access = ACCESS,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = (void *)(uintptr_t)HUGETLB,
		},
	};
	uint32_t flag;

	(void)state;
	for (flag = IBV_ODP_MIXED; flag <= IBV_ODP_POPULATE; flag <<= 1) {
		request.flags = flag;
		assert_null(ibv_reg_mr_ex(&fake_pd, &request.base));
		assert_int_equal(errno, EOPNOTSUPP);
	}
	refused(HUGETLB, 2 * M, FAKE_1G, EOPNOTSUPP);
	assert_int_equal(fake.nreg, 0);
	granted(HUGETLB, 2 * M, FAKE_2M, 21);
	assert_int_equal(ibv_modify_mr_odp(&fake_mr, FAKE_4K, 0), EOPNOTSUPP);
}

static void not_ours(struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr attr;

	assert_int_equal(ibv_query_mr_odp(mr, &attr, sizeof(attr)), EOPNOTSUPP);
}

/* An MR of another registration at the address of one of ours. */
static void other_mr(void **state)
{
	struct ibv_mr mine;

	(void)state;
	granted(HUGETLB, 2 * M, FAKE_2M, 21);
	mine = fake_mr;
	fake_mr.lkey++;
	not_ours(&fake_mr);
	fake_mr = mine;
	fake_mr.rkey++;
	not_ours(&fake_mr);
	fake_mr = mine;
	fake_mr.length--;
	not_ours(&fake_mr);
	fake_mr = mine;
	fake_mr.addr = &mine;
	not_ours(&fake_mr);
	not_ours(&mine);
	fake_mr = mine;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	/* a new object with equal members, because the driver reused the mkey */
	memset(&fake_mr, 0, sizeof(fake_mr));
	fake_mr.context = mine.context;
	fake_mr.pd = mine.pd;
	fake_mr.addr = mine.addr;
	fake_mr.length = mine.length;
	fake_mr.handle = mine.handle;
	fake_mr.lkey = mine.lkey;
	fake_mr.rkey = mine.rkey;
	not_ours(&fake_mr);
	fake_mr = mine;
	/* the same handle again, registered by us */
	granted(HUGETLB, 2 * M, FAKE_4K, 12);
}

static void probe(void **state)
{
	struct ibv_odp_report report;
	void *hugetlb = (void *)(uintptr_t)HUGETLB;

	(void)state;
	assert_int_equal(ibv_probe_odp_range(&fake_context, hugetlb, 2 * M, HUGE_AND_SMALL, &report,
					     sizeof(report)),
			 0);
	assert_int_equal(report.page_shift, 21);
	assert_int_equal(ibv_probe_odp_range(&fake_context, hugetlb, 4 * M, HUGE_AND_SMALL, &report,
					     sizeof(report)),
			 0);
	assert_int_equal(report.page_shift, 12);
	assert_int_equal(report.reason, IBV_ODP_REASON_DEVICE);
	assert_int_equal(ibv_probe_odp_range(&fake_context, (void *)(uintptr_t)THP, 2 * M,
					     HUGE_AND_SMALL, &report, sizeof(report)),
			 0);
	assert_int_equal(report.page_shift, 12);
	assert_int_equal(report.reason, IBV_ODP_REASON_SMALL_PAGES);
}

#define THREADS 8
#define ROUNDS 200

/* Register MRs in several threads; @arg is the number of the thread. */
static void *query_many(void *arg)
{
	struct ibv_mr mr = { .context = &fake_context, .handle = FAKE_MR_HANDLE };
	uintptr_t wrong = 0;
	int i;

	mr.length = (uintptr_t)arg;
	for (i = 0; i < ROUNDS; i++)
		wrong += ibv_mr_page_shift(&mr) != -EOPNOTSUPP;
	return (void *)wrong;
}

/* Forks while other threads are in the library: the child must not hang. */
static void threads_and_fork(void **state)
{
	pthread_t threads[THREADS];
	uintptr_t i;
	void *wrong;
	int status;
	pid_t pid;

	(void)state;
	granted(HUGETLB, 2 * M, FAKE_2M, 21);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, query_many, (void *)(i + 1)), 0);
	for (i = 0; i < 5; i++) {
		pid = fork();
		if (!pid) {
			struct ibv_mr_odp_attr attr;

			alarm(300);
			/* not exit(3): the thread sanitizer would report the missing threads */
			syscall(SYS_exit_group,
				stock_mrs_query(&fake_mr, &attr) || attr.page_shift != 21);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
}

static bool query_in_child;

/* As in a program that installs its handlers first. A child that waits for the library dies. */
static void in_child(void)
{
	struct ibv_mr_odp_attr attr;

	if (!query_in_child)
		return;
	alarm(20);
	stock_mrs_query(&fake_mr, &attr);
}

static void fork_handlers(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	query_in_child = true;
	pid = fork();
	if (!pid)
		syscall(SYS_exit_group, 0);
	query_in_child = false;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(device, setup),
		cmocka_unit_test_setup(one_block, setup),
		cmocka_unit_test_setup(two_blocks, setup),
		cmocka_unit_test_setup(releases, setup),
		cmocka_unit_test_setup(out_of_tree_modules, setup),
		cmocka_unit_test_setup(memory, setup),
		cmocka_unit_test_setup(series_without_device, setup),
		cmocka_unit_test_setup(modules_without_device, setup),
		cmocka_unit_test_setup(provider_refuses, setup),
		cmocka_unit_test_setup(not_here, setup),
		cmocka_unit_test_setup(other_mr, setup),
		cmocka_unit_test_setup(probe, setup),
		cmocka_unit_test_setup(threads_and_fork, setup),
		cmocka_unit_test_setup(fork_handlers, setup),
	};

	if (pthread_atfork(NULL, NULL, in_child))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
