// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Page sizes that a range could get, with recorded mappings and with those of a fake kernel. */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libibverbs/memory/thp.h"
#include "../../libibverbs/memory/vmas.h"
#include "../../libibverbs/probe.h"

#define M (1ULL << 20)
#define K (1ULL << 10)
#define HUGE_AND_SMALL (FAKE_2M | FAKE_4K)

/* Addresses of the mappings of the recorded program. */
#define REC(mib) (0x10000000000ULL + (mib)*M)
#define THP_THERE REC(0)
#define THP_ASKED REC(16)
#define THP_REFUSED REC(32)
#define PLAIN REC(48)
#define HUGETLB REC(64)
#define HUGETLB_SHARED REC(80)
#define BORDER REC(96)
#define HOLE REC(112)
#define NONE REC(128)
#define SHMEM REC(144)
#define SHMEM_READ_ONLY REC(176)

static int setup(void **state)
{
	range_proc_self = RECORDED "/linux-7.3";
	thp_dir = RECORDED "/thp-always";
	return fake_setup(state);
}

struct expect {
	uint32_t shift;
	uint32_t blocked;
	uint32_t reason;
	uint64_t address;
	uint32_t flags;
};

static void probe(uint64_t addr, uint64_t length, uint64_t sizes, struct expect expect)
{
	const uint64_t supported = sizes ? sizes & fake.caps.page_sizes : fake.caps.page_sizes;
	struct ibv_odp_report report;
	uint64_t possible = 0;

	memset(&report, 0xff, sizeof(report));
	assert_int_equal(ibv_probe_odp_range(&fake_context, (void *)(uintptr_t)addr, length, sizes,
					     &report, sizeof(report)),
			 0);
	if (expect.shift)
		possible = supported & ((2ULL << expect.shift) - 1);
	assert_int_equal(report.page_shift, expect.shift);
	assert_int_equal(report.reason, expect.reason);
	assert_int_equal(report.blocked_shift, expect.blocked);
	assert_int_equal(report.address, expect.address);
	assert_int_equal(report.flags, expect.flags);
	assert_int_equal(report.page_sizes, possible);
	assert_int_equal(report.source, IBV_ODP_SOURCE_LIBRARY);
	assert_int_equal(report.reserved, 0);
	assert_int_equal(fake.nreg, 0);
}

#define GRANTED(shift_) ((struct expect){ .shift = shift_ })
#define BLOCKED(shift_, blocked_, reason_, address_) \
	((struct expect){ .shift = shift_, \
			  .blocked = blocked_, \
			  .reason = IBV_ODP_REASON_##reason_, \
			  .address = address_ })

static void recorded(void **state)
{
	(void)state;
	probe(THP_THERE, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(HUGETLB, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(HUGETLB_SHARED, 8 * M, FAKE_2M, GRANTED(21));
	probe(THP_REFUSED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_REFUSED, THP_REFUSED));
	probe(THP_REFUSED, 8 * M, FAKE_2M, BLOCKED(0, 21, THP_REFUSED, THP_REFUSED));
	probe(SHMEM, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_SHMEM, SHMEM));
	probe(HUGETLB, 8 * M, FAKE_1G | FAKE_2M, BLOCKED(21, 30, SMALL_PAGES, HUGETLB));
	probe(THP_THERE, 8 * M, 0, BLOCKED(21, 30, SMALL_PAGES, THP_THERE));
}

static void recorded_obstacles(void **state)
{
	struct expect expect;

	(void)state;
	probe(BORDER, 8 * M, HUGE_AND_SMALL,
	      (struct expect){ 12, 21, IBV_ODP_REASON_BOUNDARY, BORDER + 3 * M,
			       IBV_ODP_RANGE_READ_ONLY });
	/* the blocks before and after the boundary can be huge */
	probe(BORDER, 2 * M, HUGE_AND_SMALL, GRANTED(21));
	expect = GRANTED(21);
	expect.flags = IBV_ODP_RANGE_READ_ONLY;
	probe(BORDER + 4 * M, 4 * M, HUGE_AND_SMALL, expect);
	/* a range in the block that contains the boundary, but on one side of it */
	probe(BORDER, 3 * M, HUGE_AND_SMALL, BLOCKED(12, 21, END, BORDER + 3 * M));
	expect = BLOCKED(12, 21, START, BORDER + 3 * M);
	expect.flags = IBV_ODP_RANGE_READ_ONLY;
	probe(BORDER + 3 * M, 5 * M, HUGE_AND_SMALL, expect);

	probe(HOLE, 8 * M, HUGE_AND_SMALL,
	      (struct expect){ 12, 21, IBV_ODP_REASON_HOLE, HOLE + 3 * M, IBV_ODP_RANGE_HOLE });
	probe(HOLE, 8 * M, FAKE_2M,
	      (struct expect){ 0, 21, IBV_ODP_REASON_HOLE, HOLE + 3 * M, IBV_ODP_RANGE_HOLE });
	probe(HOLE, 3 * M, HUGE_AND_SMALL, BLOCKED(12, 21, END, HOLE + 3 * M));
	probe(NONE, 8 * M, HUGE_AND_SMALL,
	      (struct expect){ 12, 21, IBV_ODP_REASON_NO_ACCESS, NONE, IBV_ODP_RANGE_HOLE });
	probe(SHMEM_READ_ONLY, 8 * M, HUGE_AND_SMALL,
	      (struct expect){ 12, 21, IBV_ODP_REASON_READ_ONLY, SHMEM_READ_ONLY,
			       IBV_ODP_RANGE_READ_ONLY });
	/* after the last mapping and before the first one */
	probe(REC(192), 8 * M, HUGE_AND_SMALL,
	      (struct expect){ 12, 21, IBV_ODP_REASON_HOLE, REC(192), IBV_ODP_RANGE_HOLE });
	probe(8 * M, 8 * M, HUGE_AND_SMALL,
	      (struct expect){ 12, 21, IBV_ODP_REASON_HOLE, 8 * M, IBV_ODP_RANGE_HOLE });
}

static void alignment(void **state)
{
	(void)state;
	/* the rest of the first and the last block belongs to the same mapping */
	probe(HUGETLB + 4 * K, 4 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(THP_ASKED + M, 4 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(THP_ASKED + 1, 8 * M - 1, HUGE_AND_SMALL, GRANTED(21));
	/* one block is enough, of the smallest such size */
	probe(HUGETLB + 4 * K, 8 * K, HUGE_AND_SMALL, GRANTED(21));
	probe(HUGETLB + 4 * K, 4 * K, HUGE_AND_SMALL, BLOCKED(12, 21, LENGTH, HUGETLB + 4 * K));
	probe(HUGETLB + 4 * K, 4 * K, FAKE_2M, GRANTED(21));
	probe(HUGETLB + 2 * M, 2 * M, FAKE_1G | FAKE_2M | FAKE_4K,
	      BLOCKED(21, 30, LENGTH, HUGETLB + 2 * M));
	/* up to the last address */
	probe(0 - 8 * M, 8 * M, FAKE_4K,
	      (struct expect){
		      .reason = IBV_ODP_REASON_END, .blocked = 12, .flags = IBV_ODP_RANGE_HOLE });
}

static void device_limits(void **state)
{
	(void)state;
	probe(HUGETLB, 8 * M, 1ULL << 34 | HUGE_AND_SMALL, BLOCKED(21, 34, DEVICE, HUGETLB));
	probe(HUGETLB, 8 * M, 1ULL << 34, BLOCKED(0, 34, DEVICE, HUGETLB));
}

static void iova(void **state)
{
	struct range range = {
		.addr = HUGETLB,
		.length = 8 * M,
		.iova = HUGETLB + 4 * K,
		.accepted = HUGE_AND_SMALL,
		.supported = HUGE_AND_SMALL,
	};
	struct ibv_odp_report report;

	(void)state;
	assert_int_equal(range_report_self(&range, &report), 0);
	assert_int_equal(report.page_shift, 12);
	assert_int_equal(report.reason, IBV_ODP_REASON_IOVA);
	assert_int_equal(report.blocked_shift, 21);
	range.iova = HUGETLB - 2 * M;
	assert_int_equal(range_report_self(&range, &report), 0);
	assert_int_equal(report.page_shift, 21);
}

static void hugetlb_only(void **state)
{
	struct range range = {
		.addr = THP_THERE,
		.length = 8 * M,
		.iova = THP_THERE,
		.accepted = HUGE_AND_SMALL,
		.supported = HUGE_AND_SMALL,
		.hugetlb_only = true,
	};
	struct ibv_odp_report report;

	(void)state;
	assert_int_equal(range_report_self(&range, &report), 0);
	assert_int_equal(report.page_shift, 12);
	assert_int_equal(report.reason, IBV_ODP_REASON_SMALL_PAGES);
	range.addr = range.iova = HUGETLB;
	assert_int_equal(range_report_self(&range, &report), 0);
	assert_int_equal(report.page_shift, 21);
}

static void settings(void **state)
{
	(void)state;
	/* sizes in between */
	fake.caps.page_sizes |= 64 * K | 128 * K;
	thp_dir = RECORDED "/thp-64k";
	probe(PLAIN, 8 * M, 0, BLOCKED(16, 17, THP_OFF, PLAIN));
	thp_dir = RECORDED "/thp-always";
	probe(PLAIN + 64 * K, 128 * K, FAKE_4K | 64 * K, GRANTED(16));

	thp_dir = RECORDED "/thp-madvise";
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_NOT_ADVISED, PLAIN));
	probe(HUGETLB, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	thp_dir = RECORDED "/thp-never";
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_OFF, THP_ASKED));
	probe(HUGETLB, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	thp_dir = RECORDED "/thp-before-6.8";
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	/* no transparent huge pages at all */
	thp_dir = RECORDED "/maps-only";
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, SMALL_PAGES, PLAIN));
	probe(HUGETLB, 8 * M, HUGE_AND_SMALL, GRANTED(21));
}

/* maps does not report huge pages, so no page counts as huge. */
static void maps_only(void **state)
{
	(void)state;
	range_proc_self = RECORDED "/maps-only";
	probe(HUGETLB, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, NO_THP, HUGETLB));
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, NO_THP, PLAIN));
	probe(HOLE, 8 * M, HUGE_AND_SMALL,
	      (struct expect){ 12, 21, IBV_ODP_REASON_NO_THP, HOLE, IBV_ODP_RANGE_HOLE });
}

/* ---- Linux 6.11 and later ---- */

#define READ_WRITE 3

static const struct fake_vma kernel_vmas[] = {
	{ THP_THERE, THP_THERE + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, 0 },
	{ THP_ASKED, THP_ASKED + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_ABSENT, 0 },
	{ THP_REFUSED, THP_REFUSED + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_ABSENT, 0 },
	/* touched by base pages before the advice: half huge, half small */
	{ PLAIN, PLAIN + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, PLAIN + 4 * M },
	{ HUGETLB, HUGETLB + 8 * M, 2 * M, READ_WRITE, 9, FAKE_PAGES_ABSENT, 0 },
	{ HUGETLB + 8 * M, HUGETLB + 10 * M, 1 << 30, 1, 9, FAKE_PAGES_ABSENT, 0 },
	/* untouched, with one small page at the end */
	{ BORDER, BORDER + 3 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_ABSENT, BORDER + 2 * M - 4 * K },
	{ SHMEM, SHMEM + 8 * M, 4 * K, READ_WRITE, 7, FAKE_PAGES_HUGE, 0 },
};

static void use_kernel(void)
{
	fake.vmas = kernel_vmas;
	fake.nvmas = sizeof(kernel_vmas) / sizeof(kernel_vmas[0]);
}

static void kernel_answers(void **state)
{
	struct expect expect = GRANTED(21);

	(void)state;
	use_kernel();
	probe(THP_THERE, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(HUGETLB, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	expect.flags = IBV_ODP_RANGE_READ_ONLY;
	probe(HUGETLB + 4 * M, 6 * M, HUGE_AND_SMALL, expect);
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, SMALL_PAGES, PLAIN + 4 * M));
	probe(PLAIN, 4 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(BORDER, 2 * M, HUGE_AND_SMALL, BLOCKED(12, 21, SMALL_PAGES, BORDER + 2 * M - 4 * K));
	/* already mapped by huge entries, independent of the settings */
	probe(SHMEM, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	thp_dir = RECORDED "/thp-never";
	probe(THP_THERE, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	assert_true(fake.nprocmap > 0);
}

/* For untouched memory, smaps provides the fields that PROCMAP_QUERY does not return. */
static void kernel_answers_with_smaps(void **state)
{
	(void)state;
	use_kernel();
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(THP_REFUSED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_REFUSED, THP_REFUSED));
	thp_dir = RECORDED "/thp-madvise";
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	thp_dir = RECORDED "/thp-never";
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_OFF, THP_ASKED));
}

/* With the series the kernel is asked, and smaps is not used. */
static void series_answers(void **state)
{
	const struct {
		uint64_t addr;
		uint64_t length;
		uint64_t page_sizes;
	} range = { THP_REFUSED + 2 * M, 4 * M, HUGE_AND_SMALL };
	const struct fake_call *call;

	(void)state;
	use_kernel();
	range_proc_self = RECORDED "/maps-only";
	fake.range_shift = 21;
	probe(THP_REFUSED + 2 * M, 4 * M, HUGE_AND_SMALL, GRANTED(21));
	call = fake_last_call();
	assert_int_equal(call->in_len, sizeof(range));
	assert_memory_equal(call->in, &range, sizeof(range));
	fake.range_shift = 12;
	/* what is left if the setting of the system is "always" */
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_REFUSED, THP_ASKED));
	thp_dir = RECORDED "/thp-madvise";
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, NO_THP, THP_ASKED));
	thp_dir = RECORDED "/thp-never";
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_OFF, THP_ASKED));
	thp_dir = RECORDED "/thp-always";
	/* for small pages that are present, the kernel is not asked */
	range_proc_self = RECORDED "/linux-7.3";
	fake.range_shift = 21;
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, SMALL_PAGES, PLAIN + 4 * M));
	/* without an answer, the result is the same as without the series */
	fake.method_err[FAKE_QUERY_PAGES] = ENOMEM;
	probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(THP_REFUSED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_REFUSED, THP_REFUSED));
}

/* The number that the next file gets. */
static int next_fd(void)
{
	int fd = dup(0);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

/* In this process's own /proc, files stay open, and the answers are the same. */
static void files_kept(void **state)
{
	int before, i;

	(void)state;
	use_kernel();
	range_proc_self = "/proc/self";
	for (i = 0; i < 3; i++) {
		probe(PLAIN, 4 * M, HUGE_AND_SMALL, GRANTED(21));
		if (!i)
			before = next_fd();
		assert_int_equal(next_fd(), before);
		fake.range_shift = 21;
		probe(THP_ASKED, 8 * M, HUGE_AND_SMALL, GRANTED(21));
		fake.range_shift = 12;
		probe(THP_ASKED, 8 * M, HUGE_AND_SMALL,
		      BLOCKED(12, 21, THP_REFUSED, THP_ASKED));
	}
}

/* A directory like /proc/PID with one mapping of 8 MiB at PLAIN. */
static void write_proc(const char *name, const char *fields, const char *status)
{
	static char dir[] = "/tmp/test_probe.XXXXXX";
	char path[64];
	FILE *file;

	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/smaps", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%jx-%jx rw-s 00000000 00:01 7 %s\nKernelPageSize: 4 kB\n%s",
		(uintmax_t)PLAIN, (uintmax_t)(PLAIN + 8 * M), name, fields);
	fclose(file);
	snprintf(path, sizeof(path), "%s/status", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(status, file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/root", dir);
	assert_int_equal(symlink("/", path), 0);
	/* PROCMAP_QUERY and PAGEMAP_SCAN are those of the fake kernel */
	snprintf(path, sizeof(path), "%s/maps", dir);
	assert_int_equal(symlink("smaps", path), 0);
	snprintf(path, sizeof(path), "%s/pagemap", dir);
	assert_int_equal(symlink("smaps", path), 0);
	range_proc_self = dir;
}

static void remove_proc(void)
{
	static const char *const names[] = { "smaps", "status", "root", "maps", "pagemap" };
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", range_proc_self, names[i]);
		unlink(path);
	}
	rmdir(range_proc_self);
}

/* A device can map its memory by huge entries, and HMM refuses it whatever the size. */
static void device_memory(void **state)
{
	static const struct fake_vma vma = { PLAIN, PLAIN + 8 * M,   4 * K, READ_WRITE,
					     7,	    FAKE_PAGES_HUGE, 0 };
	static const char *const flags[] = { "VmFlags: rd wr sh pf\n", "VmFlags: rd wr sh io\n" };
	const struct expect expect = { 12, 21, IBV_ODP_REASON_NO_ACCESS, PLAIN,
				       IBV_ODP_RANGE_HOLE };
	size_t i;

	(void)state;
	fake.vmas = &vma;
	fake.nvmas = 1;
	/* also for a kernel that is asked about transparent huge pages */
	fake.range_shift = 21;
	for (i = 0; i < 2; i++) {
		write_proc("/dev/vfio/1", flags[i], "");
		probe(PLAIN, 8 * M, HUGE_AND_SMALL, expect);
		remove_proc();
	}
	write_proc("/memfd:one", "VmFlags: rd wr sh\n", "");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	remove_proc();
}

static void reasons(void **state)
{
	static const struct fake_vma missing[] = {
		{ PLAIN, PLAIN + 8 * M, 4 * K, READ_WRITE, 7, FAKE_PAGES_ABSENT, 0 },
	};
	static const struct fake_vma half[] = {
		{ PLAIN, PLAIN + 4 * M, 4 * K, READ_WRITE, 7, FAKE_PAGES_HUGE, 0 },
		{ PLAIN + 4 * M, PLAIN + 8 * M, 4 * K, READ_WRITE, 7, FAKE_PAGES_ABSENT, 0 },
	};
	const char *plain = "THPeligible: 0\nVmFlags: rd wr sh\n";
	struct device_caps caps;

	(void)state;
	fake.vmas = missing;
	fake.nvmas = 1;
	assert_int_equal(hugeodp_device_caps(&fake_context, &caps), 0);
	fake.method_err[FAKE_QUERY_PAGES] = ENOMEM;
	write_proc("/SYSV00000000 (deleted)", plain, "THP_enabled:\t1\n");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_SHMEM, PLAIN));
	remove_proc();
	write_proc("/dev/shm/file (deleted)", plain, "THP_enabled:\t1\n");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_MOUNT, PLAIN));
	remove_proc();
	/* with huge=, whatever shmem_enabled is */
	thp_dir = RECORDED "/thp-never";
	write_proc("/dev/shm/file", "THPeligible: 1\nVmFlags: rd wr sh\n", "");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	remove_proc();
	thp_dir = RECORDED "/thp-always";
	write_proc("/proc/version", plain, "");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, NO_THP, PLAIN));
	/* the first address that stands in the way is that of the first missing page */
	fake.vmas = half;
	fake.nvmas = 2;
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, NO_THP, PLAIN + 4 * M));
	remove_proc();
	fake.vmas = missing;
	fake.nvmas = 1;
	write_proc("/dev/zero (deleted)", plain, "Name:\tx\nTHP_enabled:\t0\n");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_PROCESS, PLAIN));
	remove_proc();
	/* the kernel says no, and smaps why */
	fake.method_err[FAKE_QUERY_PAGES] = 0;
	fake.range_shift = 12;
	write_proc("/memfd:one (deleted)", plain, "");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_SHMEM, PLAIN));
	remove_proc();
	/* ... and nothing says why */
	write_proc("/dev/shm/file", "THPeligible: 1\nVmFlags: rd wr sh\n", "");
	probe(PLAIN, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, NO_THP, PLAIN));
	remove_proc();
}

/* Read-only memory and holes beside the range are not those of the range. */
static void neighbours(void **state)
{
	const struct fake_vma vmas[] = {
		{ PLAIN, PLAIN + M, 4 * K, 1, 0, FAKE_PAGES_SMALL, 0 },
		{ PLAIN + M, PLAIN + 4 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, 0 },
		{ PLAIN + 4 * M, PLAIN + 5 * M, 4 * K, 0, 0, FAKE_PAGES_ABSENT, 0 },
		{ PLAIN + 5 * M, PLAIN + 7 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, 0 },
		{ PLAIN + 7 * M, PLAIN + 8 * M, 4 * K, 1, 0, FAKE_PAGES_SMALL, 0 },
	};

	(void)state;
	fake.vmas = vmas;
	fake.nvmas = 5;
	probe(PLAIN + M, 3 * M, HUGE_AND_SMALL, BLOCKED(12, 21, START, PLAIN + M));
	probe(PLAIN + 5 * M, 2 * M, HUGE_AND_SMALL, BLOCKED(12, 21, START, PLAIN + 5 * M));
}

/* Linux 6.11 has PAGEMAP_SCAN, but it may not be allowed. */
static void no_pagemap(void **state)
{
	(void)state;
	use_kernel();
	fake.pagemap_err = EPERM;
	probe(THP_THERE, 8 * M, HUGE_AND_SMALL, GRANTED(21));
	probe(THP_REFUSED, 8 * M, HUGE_AND_SMALL, BLOCKED(12, 21, THP_REFUSED, THP_REFUSED));
}

static void assert_run(struct vmas *vmas, uint64_t start, uint64_t end, enum vmas_pages want,
		       uint64_t want_until)
{
	enum vmas_pages pages;
	uint64_t until;

	assert_true(vmas_run(vmas, start, end, &pages, &until));
	assert_int_equal(pages, want);
	assert_int_equal(until, want_until);
}

/* Pages of the same kind are found at once. */
static void runs(void **state)
{
	enum vmas_pages pages;
	struct vmas vmas;
	uint64_t until;

	(void)state;
	use_kernel();
	assert_int_equal(vmas_open(&vmas, range_proc_self), 0);
	assert_run(&vmas, PLAIN, PLAIN + 8 * M, VMAS_PAGES_HUGE, PLAIN + 4 * M);
	assert_run(&vmas, PLAIN, PLAIN + 2 * M, VMAS_PAGES_HUGE, PLAIN + 2 * M);
	assert_run(&vmas, PLAIN + 4 * M, PLAIN + 8 * M, VMAS_PAGES_SMALL, PLAIN + 8 * M);
	assert_run(&vmas, THP_ASKED + 4 * K, THP_ASKED + 8 * M, VMAS_PAGES_ABSENT,
		   THP_ASKED + 8 * M);
	assert_run(&vmas, BORDER, BORDER + 3 * M, VMAS_PAGES_ABSENT, BORDER + 2 * M - 4 * K);
	fake.pagemap_err = EPERM;
	assert_false(vmas_run(&vmas, PLAIN, PLAIN + 8 * M, &pages, &until));
	vmas_close(&vmas);
}

/* The error of reading mappings is that of the kernel, such as ESRCH for a process that ended. */
static void read_error(void **state)
{
	char dir[] = "/tmp/test_probe.XXXXXX";
	struct vmas vmas;
	struct vma vma;
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/smaps", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(vmas_open_text(&vmas, dir), 0);
	assert_int_equal(vmas_find(&vmas, 0, &vma), EISDIR);
	vmas_close(&vmas);
	rmdir(path);
	rmdir(dir);
}

static void assert_setting(const char *settings, uint64_t size, const char *want)
{
	char path[256];

	thp_dir = settings;
	thp_anon_setting(size, path, sizeof(path));
	assert_true(strlen(path) > strlen(settings));
	assert_string_equal(path + strlen(settings), want);
}

/* A size with a setting of its own does not follow the general one. */
static void setting_files(void **state)
{
	(void)state;
	assert_setting(RECORDED "/thp-madvise", 2 * M, "/enabled");
	assert_setting(RECORDED "/thp-madvise", 64 * K, "/hugepages-64kB/enabled");
	assert_setting(RECORDED "/thp-before-6.8", 2 * M, "/enabled");
}

/* The answer is that for the registration with the same request. */
static void request(void **state)
{
	struct ibv_mr_init_attr_odp attr = {
		.base = {
			.addr = (void *)(uintptr_t)HUGETLB,
			.length = 8 * M,
			.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND,
			.comp_mask = IBV_REG_MR_MASK_IOVA,
			.iova = HUGETLB + 4 * K,
		},
		.page_sizes = HUGE_AND_SMALL,
	};
	struct ibv_odp_report report, range;

	(void)state;
	assert_int_equal(
		hugeodp_probe_mr(&fake_context, &attr, sizeof(attr), &report, sizeof(report)), 0);
	assert_int_equal(report.page_shift, 12);
	assert_int_equal(report.reason, IBV_ODP_REASON_IOVA);
	attr.base.comp_mask = 0;
	assert_int_equal(
		hugeodp_probe_mr(&fake_context, &attr, sizeof(attr), &report, sizeof(report)), 0);
	assert_int_equal(ibv_probe_odp_range(&fake_context, attr.base.addr, attr.base.length,
					     HUGE_AND_SMALL, &range, sizeof(range)),
			 0);
	assert_memory_equal(&report, &range, sizeof(range));
	assert_int_equal(report.page_shift, 21);
	attr.page_sizes = 0;
	assert_int_equal(
		hugeodp_probe_mr(&fake_context, &attr, sizeof(attr), &report, sizeof(report)), 0);
	assert_int_equal(report.page_shift, 21);
	assert_int_equal(report.blocked_shift, 30);
	assert_int_equal(fake.nreg, 0);
}

static void refused(const struct ibv_mr_init_attr_odp *attr, size_t size, int err)
{
	struct ibv_odp_report report;

	errno = 0;
	assert_int_equal(hugeodp_probe_mr(&fake_context, attr, size, &report, sizeof(report)), err);
	assert_int_equal(errno, err);
}

static void request_refused(void **state)
{
	const struct ibv_mr_init_attr_odp good = {
		.base = {
			.addr = (void *)(uintptr_t)HUGETLB,
			.length = 8 * M,
			.access = IBV_ACCESS_ON_DEMAND,
		},
	};
	struct ibv_mr_init_attr_odp attr = good;
	struct ibv_odp_report report;

	(void)state;
	refused(NULL, sizeof(attr), EINVAL);
	refused(&attr, 135, EINVAL);
	assert_int_equal(hugeodp_probe_mr(&fake_context, &attr, sizeof(attr), NULL, 32), EINVAL);
	assert_int_equal(hugeodp_probe_mr(&fake_context, &attr, sizeof(attr), &report, 19), EINVAL);
	attr.base.access = IBV_ACCESS_LOCAL_WRITE;
	refused(&attr, sizeof(attr), EINVAL);
	attr = good;
	attr.page_sizes = 21;
	refused(&attr, sizeof(attr), EINVAL);
	attr.page_sizes = FAKE_2M << 1;
	refused(&attr, sizeof(attr), EOPNOTSUPP);
	attr = good;
	attr.flags = IBV_ODP_MIXED;
	refused(&attr, sizeof(attr), EOPNOTSUPP);
	attr = good;
	attr.base.length = SIZE_MAX;
	refused(&attr, sizeof(attr), EINVAL);
	attr.base.addr = NULL;
	refused(&attr, sizeof(attr), EOPNOTSUPP);
}

static void arguments(void **state)
{
	struct ibv_odp_report report;
	void *addr = (void *)(uintptr_t)HUGETLB;

	(void)state;
	assert_int_equal(ibv_probe_odp_range(&fake_context, addr, M, 0, NULL, sizeof(report)),
			 EINVAL);
	assert_int_equal(ibv_probe_odp_range(&fake_context, addr, M, 0, &report, 19), EINVAL);
	assert_int_equal(ibv_probe_odp_range(&fake_context, addr, 0, 0, &report, sizeof(report)),
			 EINVAL);
	assert_int_equal(ibv_probe_odp_range(&fake_context, NULL, M, 0, &report, sizeof(report)),
			 EINVAL);
	assert_int_equal(
		ibv_probe_odp_range(&fake_context, addr, SIZE_MAX, 0, &report, sizeof(report)),
		EINVAL);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(
		ibv_probe_odp_range(&fake_context, NULL, SIZE_MAX, 0, &report, sizeof(report)),
		EOPNOTSUPP);
	assert_int_equal(fake.ncalls, 0);
	fake.caps.page_sizes = 0;
	assert_int_equal(ibv_probe_odp_range(&fake_context, addr, M, 0, &report, sizeof(report)),
			 EOPNOTSUPP);
	fake.caps.page_sizes = FAKE_4K;
	range_proc_self = RECORDED "/nowhere";
	assert_int_equal(ibv_probe_odp_range(&fake_context, addr, M, 0, &report, sizeof(report)),
			 ENOENT);
}

static void report_sizes(void **state)
{
	union {
		struct ibv_odp_report report;
		unsigned char bytes[sizeof(struct ibv_odp_report) + 32];
	} out;
	struct ibv_odp_report full;
	size_t size, i;

	(void)state;
	assert_int_equal(ibv_probe_odp_range(&fake_context, (void *)(uintptr_t)HUGETLB, M, 0, &full,
					     sizeof(full)),
			 0);
	for (size = 20; size <= sizeof(full) + 16; size++) {
		memset(&out, 0x5a, sizeof(out));
		assert_int_equal(ibv_probe_odp_range(&fake_context, (void *)(uintptr_t)HUGETLB, M,
						     0, &out.report, size),
				 0);
		assert_memory_equal(out.bytes, &full, size < sizeof(full) ? size : sizeof(full));
		for (i = sizeof(full); i < size; i++)
			assert_int_equal(out.bytes[i], 0);
		for (i = size; i < sizeof(out); i++)
			assert_int_equal(out.bytes[i], 0x5a);
	}
}

static void words(void **state)
{
	uint32_t a, b;

	(void)state;
	for (a = 0; a <= IBV_ODP_REASON_THP_MOUNT + 1; a++) {
		for (b = 0; b < a; b++)
			assert_string_not_equal(ibv_odp_reason_str(a), ibv_odp_reason_str(b));
	}
	assert_string_equal(ibv_odp_reason_str(UINT32_MAX), "unknown reason");
	/* each obstacle to transparent huge pages has its own remedy */
	for (a = IBV_ODP_REASON_THP_OFF; a <= IBV_ODP_REASON_THP_MOUNT; a++) {
		assert_true(*ibv_odp_reason_hint(a));
		for (b = IBV_ODP_REASON_THP_OFF; b < a; b++)
			assert_string_not_equal(ibv_odp_reason_hint(a), ibv_odp_reason_hint(b));
	}
	assert_string_equal(ibv_odp_reason_hint(IBV_ODP_REASON_NONE), "");
	assert_string_equal(ibv_odp_reason_hint(UINT32_MAX), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(recorded, setup),
		cmocka_unit_test_setup(recorded_obstacles, setup),
		cmocka_unit_test_setup(alignment, setup),
		cmocka_unit_test_setup(device_limits, setup),
		cmocka_unit_test_setup(iova, setup),
		cmocka_unit_test_setup(hugetlb_only, setup),
		cmocka_unit_test_setup(settings, setup),
		cmocka_unit_test_setup(maps_only, setup),
		cmocka_unit_test_setup(kernel_answers, setup),
		cmocka_unit_test_setup(kernel_answers_with_smaps, setup),
		cmocka_unit_test_setup(series_answers, setup),
		cmocka_unit_test_setup(device_memory, setup),
		cmocka_unit_test_setup(reasons, setup),
		cmocka_unit_test_setup(neighbours, setup),
		cmocka_unit_test_setup(no_pagemap, setup),
		cmocka_unit_test_setup(files_kept, setup),
		cmocka_unit_test_setup(runs, setup),
		cmocka_unit_test_setup(read_error, setup),
		cmocka_unit_test_setup(setting_files, setup),
		cmocka_unit_test_setup(request, setup),
		cmocka_unit_test_setup(request_refused, setup),
		cmocka_unit_test_setup(arguments, setup),
		cmocka_unit_test_setup(report_sizes, setup),
		cmocka_unit_test_setup(words, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
