// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The blocks of a process's memory and what to change, with a fake kernel and hostile files. */
#include "fake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libibverbs/memory/thp.h"
#include "../../preload/counts.h"
#include "../../tools/survey/advice.h"
#include "../../tools/survey/change.h"
#include "../../tools/survey/numa.h"
#include "../../tools/process.h"
#include "../../tools/survey/target.h"

#define G (1ULL << 30)
#define M (1ULL << 20)
#define K (1ULL << 10)
#define SIZES (2 * M | 4 * K)
#define READ_WRITE 3
#define AT 0x10000000000ULL

static char dir[32];

static const char *in_dir(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(in_dir(name), "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* A directory like /proc/PID; PROCMAP_QUERY and PAGEMAP_SCAN are those of the fake kernel. */
static int setup(void **state)
{
	thp_dir = RECORDED "/thp-madvise";
	strcpy(dir, "/tmp/test_survey.XXXXXX");
	assert_non_null(mkdtemp(dir));
	write_file("maps", "not read\n");
	write_file("pagemap", "");
	write_file("status", "THP_enabled:\t1\n");
	assert_int_equal(symlink("/", in_dir("root")), 0);
	return fake_setup(state);
}

static int teardown(void **state)
{
	static const char *const names[] = { "maps",   "pagemap", "smaps",
					     "status", "root",	  "numa_maps" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(in_dir(names[i]));
	return rmdir(dir);
}

struct found {
	struct survey_obstacle obstacles[16];
	size_t count;
	struct survey_totals totals;
	uint64_t no_access;
	struct advice advice;
	const char *ends; /* the process ends after its first mapping */
};

static int take_obstacle(const struct survey_obstacle *obstacle, void *arg)
{
	struct found *found = arg;

	assert_true(found->count < 16);
	found->obstacles[found->count++] = *obstacle;
	return advice_add(&found->advice, obstacle);
}

static int take_mapping(const struct survey_mapping *mapping, void *arg)
{
	struct found *found = arg;

	found->no_access += mapping->no_access;
	if (found->ends)
		write_file("maps", found->ends);
	return 0;
}

static struct survey survey_of(struct found *found, uint64_t sizes)
{
	memset(found, 0, sizeof(*found));
	return (struct survey){
		.proc = dir,
		.sizes = sizes,
		.min = 1,
		.end = UINT64_MAX,
		.mapping = take_mapping,
		.obstacle = take_obstacle,
		.arg = found,
	};
}

static void run(struct found *found, uint64_t sizes)
{
	const struct survey survey = survey_of(found, sizes);

	assert_int_equal(survey_run(&survey, &found->totals), 0);
	advice_free(&found->advice);
}

static void use(const struct fake_vma *vmas, unsigned int n)
{
	fake.vmas = vmas;
	fake.nvmas = n;
}

static void assert_obstacle(const struct survey_obstacle *obstacle, uint32_t reason, uint64_t start,
			    uint64_t end, uint64_t address, uint64_t blocks)
{
	assert_int_equal(obstacle->reason, reason);
	assert_int_equal(obstacle->start, start);
	assert_int_equal(obstacle->end, end);
	assert_int_equal(obstacle->address, address);
	assert_int_equal(obstacle->blocks, blocks);
}

/* 8 MiB of huge pages, then small ones from 5 MiB on; and 8 MiB that are missing */
static const struct fake_vma two[] = {
	{ AT, AT + 8 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, AT + 5 * M },
	{ AT + 16 * M, AT + 24 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_ABSENT, 0 },
};
static const char two_smaps[] = "10000000000-10000800000 rw-p 00000000 00:00 0\n"
				"VmFlags: rd wr hg\n"
				"10001000000-10001800000 rw-p 00000000 00:00 0\n"
				"THPeligible: 1\nVmFlags: rd wr hg\n";

static void blocks(void **state)
{
	struct found found;

	(void)state;
	write_file("smaps", two_smaps);
	use(two, 2);
	run(&found, SIZES);
	assert_int_equal(found.totals.mappings, 2);
	assert_int_equal(found.totals.bytes, 16 * M);
	assert_int_equal(found.totals.counts.now[21], 2);
	assert_int_equal(found.totals.counts.now_bytes, 4 * M);
	assert_int_equal(found.totals.counts.could[21], 4);
	assert_int_equal(found.totals.counts.could_bytes, 8 * M);
	assert_int_equal(found.totals.counts.base_pages, 1024);
	assert_int_equal(found.totals.counts.base_bytes, 4 * M);
	assert_int_equal(survey_entries(&found.totals.counts), 2 + 4 + 1024);
	/* blocks next to each other are one obstacle */
	assert_int_equal(found.count, 1);
	assert_obstacle(&found.obstacles[0], IBV_ODP_REASON_SMALL_PAGES, AT + 4 * M, AT + 8 * M,
			AT + 5 * M, 2);
	assert_int_equal(found.obstacles[0].entries, 1024);
	assert_false(found.obstacles[0].inner);
}

static void not_advised(void **state)
{
	struct found found;

	(void)state;
	write_file("smaps", "10000000000-10000800000 rw-p 00000000 00:00 0\nVmFlags: rd wr hg\n"
			    "10001000000-10001800000 rw-p 00000000 00:00 0\nVmFlags: rd wr\n");
	use(two, 2);
	run(&found, SIZES);
	assert_int_equal(found.totals.counts.could[21], 0);
	assert_int_equal(found.count, 2);
	assert_obstacle(&found.obstacles[1], IBV_ODP_REASON_THP_NOT_ADVISED, AT + 16 * M,
			AT + 24 * M, AT + 16 * M, 4);
}

/* The calls that a process which has no transparent huge pages would need do not help. */
static void thp_disabled(void **state)
{
	struct change change;
	struct found found;

	(void)state;
	write_file("smaps", two_smaps);
	write_file("status", "THP_enabled:\t0\n");
	use(two, 2);
	run(&found, SIZES);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.obstacles[0].reason, IBV_ODP_REASON_SMALL_PAGES);
	change_for(&found.obstacles[0], &change);
	assert_int_equal(change.kind, CHANGE_PROCESS);
	assert_int_equal(found.obstacles[1].reason, IBV_ODP_REASON_THP_PROCESS);
}

/* Larger blocks are counted first; the others are part of their obstacle. */
static void several_sizes(void **state)
{
	static const struct fake_vma vmas[] = {
		{ AT, AT + G, 1 << 30, READ_WRITE, 9, FAKE_PAGES_ABSENT, 0 },
		{ AT + G, AT + 2 * G, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, AT + G + 2 * M },
		/* too short to be in the way of 1 GiB */
		{ AT + 4 * G, AT + 4 * G + 2 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, 0 },
	};
	struct found found;

	(void)state;
	write_file("smaps", "10000000000-10040000000 rw-s 00000000 00:01 9 /huge\n"
			    "KernelPageSize: 1048576 kB\nVmFlags: rd wr\n"
			    "10040000000-10080000000 rw-p 00000000 00:00 0\nVmFlags: rd wr hg\n"
			    "10100000000-10100200000 rw-p 00000000 00:00 0\nVmFlags: rd wr hg\n");
	use(vmas, 3);
	run(&found, G | SIZES);
	assert_int_equal(found.totals.counts.could[30], 1);
	assert_int_equal(found.totals.counts.now[30], 0);
	assert_int_equal(found.totals.counts.now[21], 2);
	assert_int_equal(found.totals.counts.base_pages, (G - 2 * M) / (4 * K));
	assert_int_equal(found.count, 2);
	assert_int_equal(found.obstacles[0].shift, 21);
	assert_true(found.obstacles[0].inner);
	assert_int_equal(found.obstacles[1].shift, 30);
	assert_false(found.obstacles[1].inner);
	assert_int_equal(found.obstacles[1].entries, 1 + (G - 2 * M) / (4 * K));
}

/* Reservations and the memory of devices count for nothing. */
static void no_access(void **state)
{
	static const struct fake_vma vmas[] = {
		{ AT, AT + 64 * G, 4 * K, 0, 0, FAKE_PAGES_ABSENT, 0 },
		{ AT + 64 * G, AT + 64 * G + 8 * M, 4 * K, READ_WRITE, 7, FAKE_PAGES_HUGE, 0 },
		{ AT + 65 * G, AT + 65 * G + 8 * M, 4 * K, READ_WRITE, 7, FAKE_PAGES_HUGE, 0 },
		{ AT + 66 * G, AT + 66 * G + 2 * M, 4 * K, READ_WRITE, 0, FAKE_PAGES_HUGE, 0 },
	};
	struct found found;

	(void)state;
	write_file("smaps", "10000000000-11000000000 ---p 00000000 00:00 0\nVmFlags: mr\n"
			    "11000000000-11000800000 rw-s 00000000 00:01 7 /dev/vfio/1\n"
			    "VmFlags: rd wr pf\n"
			    "11040000000-11040800000 rw-s 00000000 00:01 7 /dev/vfio/2\n"
			    "VmFlags: rd wr io\n"
			    "11080000000-11080200000 rw-p 00000000 00:00 0\nVmFlags: rd wr\n");
	use(vmas, 4);
	run(&found, SIZES);
	assert_int_equal(found.no_access, 3);
	assert_int_equal(found.totals.no_access, 64 * G + 16 * M);
	assert_int_equal(found.totals.mappings, 1);
	assert_int_equal(found.totals.bytes, 2 * M);
	assert_int_equal(survey_entries(&found.totals.counts), 1);
	assert_int_equal(found.count, 0);
}

static void ranges(void **state)
{
	struct survey survey;
	struct found found;

	(void)state;
	write_file("smaps", two_smaps);
	use(two, 2);
	/* from within a huge page to within the second mapping */
	survey = survey_of(&found, SIZES);
	survey.start = AT + 3 * M;
	survey.end = AT + 19 * M;
	assert_int_equal(survey_run(&survey, &found.totals), 0);
	advice_free(&found.advice);
	assert_int_equal(found.totals.bytes, 8 * M);
	assert_int_equal(found.totals.unmapped, 8 * M);
	assert_int_equal(found.totals.counts.now[21], 1);
	assert_int_equal(found.totals.counts.now_bytes, M);
	assert_int_equal(found.totals.counts.could[21], 2);
	assert_int_equal(found.totals.counts.could_bytes, 3 * M);
	/* nothing is mapped there */
	survey = survey_of(&found, SIZES);
	survey.start = AT + 9 * M;
	survey.end = AT + 10 * M;
	assert_int_equal(survey_run(&survey, &found.totals), 0);
	assert_int_equal(found.totals.mappings, 0);
	assert_int_equal(found.totals.unmapped, M);
	/* too short */
	survey = survey_of(&found, SIZES);
	survey.min = 16 * M;
	assert_int_equal(survey_run(&survey, &found.totals), 0);
	assert_int_equal(found.totals.left_out, 2);
	assert_int_equal(found.totals.bytes, 0);
}

/* Without PAGEMAP_SCAN, smaps reports how much of a mapping is huge. */
static void estimate(void **state)
{
	struct found found;

	(void)state;
	write_file("smaps", "10000000000-10000900000 rw-p 00000000 00:00 0\n"
			    "Rss: 9216 kB\nAnonHugePages: 4096 kB\nVmFlags: rd wr\n");
	write_file("maps", "10000000000-10000900000 rw-p 00000000 00:00 0\n");
	run(&found, SIZES);
	assert_int_equal(found.totals.counts.now[21], 2);
	assert_int_equal(found.totals.counts.could[21], 0);
	assert_int_equal(found.totals.counts.base_bytes, 5 * M);
	assert_int_equal(found.obstacles[0].reason, IBV_ODP_REASON_THP_NOT_ADVISED);
	assert_int_equal(found.obstacles[0].blocks, 2);
	/* more than the mapping has */
	write_file("smaps", "10000000000-10000800000 rw-p 00000000 00:00 0\n"
			    "AnonHugePages: 18014398509481983 kB\nVmFlags: rd wr\n");
	write_file("maps", "10000000000-10000800000 rw-p 00000000 00:00 0\n");
	run(&found, SIZES);
	assert_int_equal(found.totals.counts.now_bytes, 8 * M);
	assert_int_equal(found.count, 0);
}

static void process_ends(void **state)
{
	struct survey survey;
	struct found found;

	(void)state;
	write_file("smaps", two_smaps);
	use(two, 2);
	/* in the middle */
	survey = survey_of(&found, SIZES);
	found.ends = "";
	assert_int_equal(survey_run(&survey, &found.totals), ESRCH);
	advice_free(&found.advice);
	/* before, or it is a thread of the kernel */
	survey = survey_of(&found, SIZES);
	assert_int_equal(survey_run(&survey, &found.totals), ESRCH);
	assert_int_equal(unlink(in_dir("maps")), 0);
	assert_int_equal(survey_run(&survey, &found.totals), ESRCH);
	assert_int_equal(found.count, 0);
	write_file("maps", "x");
	write_file("smaps", "not a mapping\n");
	assert_int_equal(survey_run(&survey, &found.totals), EBADMSG);
}

/* ---- numa_maps ---- */

static void nodes(void **state)
{
	struct {
		struct numa numa;
		uint64_t after;
	} guarded = { 0 };
	struct numa *numa = &guarded.numa;

	(void)state;
	write_file("numa_maps",
		   "1000 default anon=3 N0=1 N1=2 kernelpagesize_kB=4\n"
		   "3000 default file=/N0=5\\040N1=7 N1023=1 kernelpagesize_kB=2048\n"
		   "5000 default N0=100 kernelpagesize_kB=4\n"
		   "7000 default N1024=1 N18446744073709551616=1 N0=-1 N0= N0=1x Nx=1 N0 N1=1 N\n"
		   "9000 prefer:1 N2=18446744073709551615 kernelpagesize_kB=4\n"
		   "b000 default N2=1 kernelpagesize_kB=18446744073709551615\n"
		   "d000 default N3=99999999999999999999 kernelpagesize_kB=4\n");
	numa_open(numa, dir);
	assert_non_null(numa->file);
	numa_add(numa, 0x1000);
	assert_int_equal(numa->bytes[0], 4 * K);
	assert_int_equal(numa->bytes[1], 8 * K);
	numa_add(numa, 0x3000);
	assert_int_equal(numa->bytes[1023], 2 * M);
	/* mappings that do not count, or that are new */
	numa_add(numa, 0x6000);
	assert_int_equal(numa->bytes[0], 4 * K);
	numa_add(numa, 0x7000);
	assert_int_equal(numa->bytes[0], 4 * K);
	assert_int_equal(numa->bytes[1], 12 * K);
	numa_add(numa, 0x9000);
	assert_int_equal(numa->bytes[2], UINT64_MAX);
	numa_add(numa, 0xb000);
	assert_int_equal(numa->bytes[2], UINT64_MAX);
	numa_add(numa, 0xd000);
	assert_int_equal(numa->bytes[3], 0);
	numa_add(numa, 0xf000);
	assert_int_equal(guarded.after, 0);
	numa_close(numa);
	/* a kernel without NUMA */
	assert_int_equal(unlink(in_dir("numa_maps")), 0);
	numa_open(numa, dir);
	assert_null(numa->file);
	numa_add(numa, 0x1000);
	numa_close(numa);
}

/* ---- what to change ---- */

static struct survey_obstacle obstacle_of(uint32_t reason, uint32_t flags)
{
	return (struct survey_obstacle){
		.vma = { .start = AT, .end = AT + 5 * M, .flags = flags },
		.file = VMAS_FILE_SHMEM,
		.shift = 21,
		.reason = reason,
		.start = AT + 2 * M,
		.end = AT + 4 * M,
		.blocks = 1,
		.entries = 512,
	};
}

static void assert_text(const struct survey_obstacle *obstacle, const char *want)
{
	struct change change;
	char *text;

	change_for(obstacle, &change);
	text = change_text(&change, dir);
	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
}

static void assert_change(uint32_t reason, uint32_t flags, const char *want)
{
	const struct survey_obstacle obstacle = obstacle_of(reason, flags);

	assert_text(&obstacle, want);
}

static void changes(void **state)
{
	const char *file = "use anonymous memory, or a file of hugetlbfs or of a tmpfs with huge=";
	struct survey_obstacle obstacle;

	(void)state;
	assert_change(IBV_ODP_REASON_THP_OFF, 0,
		      "echo madvise >" RECORDED "/thp-madvise/enabled, and madvise(MADV_HUGEPAGE)");
	assert_change(IBV_ODP_REASON_THP_OFF, VMA_THP_WANTED,
		      "echo madvise >" RECORDED "/thp-madvise/enabled");
	assert_change(IBV_ODP_REASON_THP_NOT_ADVISED, 0,
		      "madvise((void *)0x10000200000, 0x200000, MADV_HUGEPAGE)");
	assert_change(IBV_ODP_REASON_THP_REFUSED, VMA_THP_REFUSED,
		      "madvise((void *)0x10000200000, 0x200000, MADV_HUGEPAGE)");
	assert_change(IBV_ODP_REASON_SMALL_PAGES, 0,
		      "madvise((void *)0x10000200000, 0x200000, MADV_COLLAPSE)");
	assert_change(IBV_ODP_REASON_SMALL_PAGES, VMA_THP_REFUSED,
		      "madvise((void *)0x10000200000, 0x200000, MADV_HUGEPAGE), then "
		      "madvise((void *)0x10000200000, 0x200000, MADV_COLLAPSE)");
	assert_change(IBV_ODP_REASON_THP_PROCESS, 0,
		      "prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) in the process, or before it starts");
	assert_change(IBV_ODP_REASON_THP_SHMEM, VMA_FILE | VMA_THP_WANTED,
		      "echo advise >" RECORDED "/thp-madvise/shmem_enabled");
	assert_change(IBV_ODP_REASON_START, 0, "allocate it by aligned_alloc(0x200000, 0x600000)");
	assert_change(IBV_ODP_REASON_END, VMA_FILE,
		      "mmap() it at a multiple of 0x200000, 0x600000 bytes");
	assert_change(IBV_ODP_REASON_NO_THP, VMA_FILE, file);
	assert_change(IBV_ODP_REASON_NO_THP, 0,
		      "mmap() it with MAP_HUGETLB | 21 << MAP_HUGE_SHIFT");
	assert_change(IBV_ODP_REASON_NO_ACCESS, 0, "");
	assert_change(IBV_ODP_REASON_DEVICE, 0, "hugeodp check, which says what is missing");
	obstacle = obstacle_of(IBV_ODP_REASON_SMALL_PAGES, VMA_FILE);
	obstacle.file = VMAS_FILE_OTHER;
	assert_text(&obstacle, file);
	obstacle = obstacle_of(IBV_ODP_REASON_SMALL_PAGES, 0);
	obstacle.shift = 30;
	assert_text(&obstacle, "mmap() it with MAP_HUGETLB | 30 << MAP_HUGE_SHIFT");
	obstacle = obstacle_of(IBV_ODP_REASON_SMALL_PAGES, 0);
	obstacle.thp_disabled = true;
	assert_text(&obstacle,
		    "prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) in the process, or before it starts");
}

/* The place where the file system of a mapping is mounted. */
static void mounts(void **state)
{
	struct survey_obstacle obstacle = obstacle_of(IBV_ODP_REASON_THP_MOUNT, VMA_FILE);

	(void)state;
	strcpy(obstacle.vma.name, "/proc/self/status");
	assert_text(&obstacle, "mount -o remount,huge=within_size '/proc'");
	strcpy(obstacle.vma.name, "/file");
	assert_text(&obstacle, "mount -o remount,huge=within_size '/'");
	strcpy(obstacle.vma.name, "/no/such/directory");
	assert_text(&obstacle, "mount -o remount,huge=within_size DIRECTORY");
	strcpy(obstacle.vma.name, "relative");
	assert_text(&obstacle, "mount -o remount,huge=within_size DIRECTORY");
}

static void quoted(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	print_quoted(out, "a'b;$(x)\033[31m'\xc2\x9b");
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "'a'\\''b;$(x)?[31m'\\''\?\?'");
	free(text);
}

/* ---- the gain ---- */

static void assert_json(struct advice *advice, const char *want)
{
	struct json json = { 0 };
	char *text = NULL;
	size_t len;

	json.out = open_memstream(&text, &len);
	assert_non_null(json.out);
	advice_json(advice, &json);
	assert_int_equal(fclose(json.out), 0);
	if (!strstr(text, want))
		fail_msg("%s\nwithout %s", text, want);
	free(text);
}

static void gains(void **state)
{
	struct advice advice = { .name = "x", .proc = dir, .entries = 4096 };
	struct survey_obstacle obstacle;

	(void)state;
	/* the parts before and after whole blocks become one block */
	obstacle = obstacle_of(IBV_ODP_REASON_START, 0);
	obstacle.vma.start = AT + M;
	obstacle.vma.end = AT + 7 * M;
	obstacle.entries = 256;
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	obstacle.reason = IBV_ODP_REASON_END;
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	/* in the system, whatever the mapping */
	obstacle = obstacle_of(IBV_ODP_REASON_THP_SHMEM, VMA_FILE | VMA_THP_WANTED);
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	obstacle.vma.start += G;
	obstacle.vma.flags = VMA_FILE;
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	/* two parts of a mapping are one call */
	obstacle = obstacle_of(IBV_ODP_REASON_THP_NOT_ADVISED, 0);
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	obstacle.start += 4 * M;
	obstacle.end += 4 * M;
	obstacle.blocks = 3;
	obstacle.entries = 3 * 512;
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	/* smaller blocks of an obstacle that counts already, and no gain at all */
	obstacle = obstacle_of(IBV_ODP_REASON_SMALL_PAGES, 0);
	obstacle.inner = true;
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	obstacle = obstacle_of(IBV_ODP_REASON_THP_MOUNT, VMA_FILE);
	obstacle.entries = 1;
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	assert_int_equal(advice.count, 5);

	/* 511 + 1022 + 2044 */
	assert_json(&advice, "\"entries\": 4096, \"table_bytes\": 32768, \"entries_after\": 519, "
			     "\"table_bytes_after\": 4152, \"changes\": [{\"change\": "
			     "\"madvise((void *)0x10000200000, 0x600000, MADV_HUGEPAGE)\", "
			     "\"page_shift\": 21, \"blocks\": 4, \"entries\": 2044, "
			     "\"faults\": 2044, \"table_bytes\": 16352, ");
	assert_int_equal(advice.count, 4);
	assert_int_equal(advice.rows[1].entries, 1022);
	assert_int_equal(advice.rows[1].change.kind, CHANGE_SHMEM);
	assert_int_equal(advice.rows[1].change.vma.flags & VMA_THP_WANTED, 0);
	assert_int_equal(advice.rows[2].entries, 511);
	assert_int_equal(advice.rows[3].entries, 511);
	advice_free(&advice);
}

/* Sums of a hostile process stay at the end, and no change gains more than there is. */
static void gains_end(void **state)
{
	struct advice advice = { .name = "x", .proc = dir, .entries = 1000 };
	struct survey_obstacle obstacle = obstacle_of(IBV_ODP_REASON_THP_OFF, 0);

	(void)state;
	obstacle.entries = UINT64_MAX;
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	assert_int_equal(advice_add(&advice, &obstacle), 0);
	assert_json(&advice, "\"entries_after\": 0, ");
	assert_json(&advice, "\"table_bytes\": 18446744073709551615");
	advice_free(&advice);
}

/* ---- arguments, and what programs write ---- */

static void range_arguments(void **state)
{
	static const char *const wrong[] = {
		"",	      "-",	    "1000",	 "1000-",
		"-1000",      "1-1",	    "2-1",	 "1000-2000 ",
		" 1000-2000", "1000 -2000", "+1-2",	 "1--2",
		"1-2-3",      "1g-2",	    "1000+1000", "0-10000000000000000",
	};
	uint64_t start, end;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (target_range(wrong[i], &start, &end))
			fail_msg("'%s'", wrong[i]);
	}
	assert_true(target_range("7f00-0x7F10", &start, &end));
	assert_int_equal(start, 0x7f00);
	assert_int_equal(end, 0x7f10);
	assert_true(target_range("0-ffffffffffffffff", &start, &end));
	assert_int_equal(end, UINT64_MAX);
}

static void targets(void **state)
{
	const struct process process = { .pid = 1 };
	struct tool tool = { .range = true, .start = 0x1001, .end = 0x2001 };
	struct survey survey = target_survey(&tool, &process);

	(void)state;
	/* whole pages, and all that touch the range */
	assert_int_equal(survey.start, 0x1000);
	assert_int_equal(survey.end, 0x3000);
	assert_int_equal(survey.min, 0);
	tool.end = UINT64_MAX;
	assert_int_equal(target_survey(&tool, &process).end, UINT64_MAX);
	tool = (struct tool){ .pinned = true };
	survey = target_survey(&tool, &process);
	assert_int_equal(survey.sizes, G | SIZES);
	/* the smallest that is larger than a base page */
	assert_int_equal(survey.min, 2 * M);
}

static void registered(void **state)
{
	static const struct range_report wrong[] = {
		{ .addr = AT },
		{ .addr = UINT64_MAX - 1, .length = 4 },
		{ .addr = UINT64_MAX - 4, .length = 4 },
		{ .addr = AT, .length = 1, .page_shift = 11 },
		{ .addr = AT, .length = 1, .page_shift = 64 },
		{ .addr = AT, .length = 1, .page_shift = UINT32_MAX },
		{ .addr = AT, .length = 1, .page_shift = 12, .blocked_shift = 64, .reason = 3 },
		{ .addr = AT, .length = 1, .page_shift = 12, .blocked_shift = 12, .reason = 3 },
	};
	struct range_report report = { .addr = AT + 1,
				       .length = 4 * M,
				       .blocked_shift = 21,
				       .reason = IBV_ODP_REASON_THP_NOT_ADVISED };
	struct target_range range;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(target_registered(&wrong[i], &range));
	assert_true(target_registered(&report, &range));
	assert_int_equal(range.page_shift, 12);
	assert_int_equal(range.obstacle.start, AT);
	assert_int_equal(range.obstacle.end, AT + 4 * M + 4 * K);
	assert_int_equal(range.obstacle.blocks, 3);
	assert_int_equal(range.obstacle.entries, 1025);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(blocks),	    TEST(not_advised),	   TEST(several_sizes), TEST(no_access),
		TEST(ranges),	    TEST(estimate),	   TEST(process_ends),	TEST(nodes),
		TEST(changes),	    TEST(mounts),	   TEST(quoted),	TEST(gains),
		TEST(gains_end),    TEST(range_arguments), TEST(targets),	TEST(registered),
		TEST(thp_disabled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
