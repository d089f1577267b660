// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* A registration gets what the probe reported, and a probe costs little. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"
#include "sysfile.h"
#include "tap.h"

#define THP_ENABLED THP_DIR "enabled"

#define LEN (SZ_2M * 4)
#define MANY 10000
/* A line of /proc/self/maps has more bytes, an entry of /proc/self/pagemap has 8. */
#define LINE_LEAST 30

static struct ibv_odp_report probe(struct rig *rig, void *addr, size_t len, uint64_t sizes)
{
	struct ibv_odp_report report;

	if (ibv_probe_odp_range(rig->ctx, addr, len, sizes, &report, sizeof(report)))
		fatal("ibv_probe_odp_range: %s", strerror(errno));
	return report;
}

/* The same answer from the probe and from the kernel's own negotiation. */
static void agrees(struct rig *rig, const char *name, void *addr, size_t len, uint64_t sizes,
		   uint32_t reason, void *where)
{
	struct ibv_odp_report report = probe(rig, addr, len, sizes);
	struct mode mode = {
		.name = name,
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = sizes,
	};
	struct ibv_mr *mr;

	is_u64(report.reason, reason, "%s: reason (%s)", name, ibv_odp_reason_str(report.reason));
	is_u64(report.address, (uintptr_t)where, "%s: address", name);
	mr = mode_reg(&mode, rig->pd, addr, len, (uintptr_t)addr, ACCESS_ALL);
	is_u64(report.page_shift, mr ? (uint64_t)ibv_mr_page_shift(mr) : 0,
	       "%s: the probe's page shift is the registration's", name);
	if (mr)
		ibv_dereg_mr(mr);
}

static void kinds(struct rig *rig)
{
	static const struct {
		enum mem_kind kind;
		uint32_t reason;
	} cases[] = {
		{ MEM_BASE, IBV_ODP_REASON_THP_REFUSED },
		{ MEM_THP, IBV_ODP_REASON_NONE },
		{ MEM_HUGETLB, IBV_ODP_REASON_NONE },
		{ MEM_HUGETLB_SHARED, IBV_ODP_REASON_NONE },
		{ MEM_SHMEM, IBV_ODP_REASON_THP_SHMEM },
	};
	struct mem mem;
	char name[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int touched = 0; touched < 2; touched++) {
			uint32_t reason = cases[i].reason;
			void *where;

			mem_map(&mem, cases[i].kind, LEN);
			if (touched)
				touch_scattered(mem.addr, LEN);
			/* present small pages take precedence over possible huge ones */
			if (touched && reason)
				reason = IBV_ODP_REASON_SMALL_PAGES;
			where = reason ? mem.addr : NULL;
			snprintf(name, sizeof(name), "%s, %s", mem_name(cases[i].kind),
				 touched ? "touched" : "untouched");
			agrees(rig, name, mem.addr, LEN, SZ_2M | SZ_4K, reason, where);
			agrees(rig, name, mem.addr, LEN, SZ_2M, reason, where);
			mem_unmap(&mem);
		}
	}
}

static void obstacles(struct rig *rig)
{
	uint64_t sizes = SZ_2M | SZ_4K;
	struct mem mem;

	mem_map(&mem, MEM_THP, LEN);
	agrees(rig, "unaligned in its mapping", mem.addr + SZ_4K, LEN - SZ_64K, sizes,
	       IBV_ODP_REASON_NONE, NULL);
	agrees(rig, "one small page", mem.addr + SZ_4K, SZ_4K, sizes, IBV_ODP_REASON_LENGTH,
	       mem.addr + SZ_4K);
	agrees(rig, "1 GiB of THP", mem.addr, LEN, SZ_1G | sizes, IBV_ODP_REASON_SMALL_PAGES,
	       mem.addr);
	agrees(rig, "any size", mem.addr, LEN, 0, IBV_ODP_REASON_SMALL_PAGES, mem.addr);
	agrees(rig, "a size without a device", mem.addr, LEN, SZ_1G << 4 | sizes,
	       IBV_ODP_REASON_DEVICE, mem.addr);
	mem_punch(&mem, LEN - SZ_1M, SZ_1M);
	agrees(rig, "a hole at the end", mem.addr, LEN, sizes, IBV_ODP_REASON_HOLE,
	       mem.addr + LEN - SZ_1M);
	agrees(rig, "the end of a mapping", mem.addr, LEN - SZ_1M, sizes, IBV_ODP_REASON_END,
	       mem.addr + LEN - SZ_1M);
	mem_punch(&mem, 0, SZ_4K);
	agrees(rig, "the start of a mapping", mem.addr + SZ_4K, SZ_2M, sizes, IBV_ODP_REASON_START,
	       mem.addr + SZ_4K);
	mem_unmap(&mem);

	mem_map(&mem, MEM_THP, LEN);
	if (mprotect(mem.addr + SZ_2M + SZ_64K, LEN - SZ_2M - SZ_64K, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	agrees(rig, "two mappings", mem.addr, LEN, sizes, IBV_ODP_REASON_BOUNDARY,
	       mem.addr + SZ_2M + SZ_64K);
	is_u64(probe(rig, mem.addr, LEN, sizes).flags, IBV_ODP_RANGE_READ_ONLY,
	       "two mappings: one is read-only");
	mem_unmap(&mem);
}

static void setting(struct rig *rig, const char *value, void *addr, uint32_t reason)
{
	uint32_t found;

	put_file(THP_ENABLED, value);
	found = probe(rig, addr, LEN, SZ_2M | SZ_4K).reason;
	is_u64(found, reason, "%s: reason (%s)", value, ibv_odp_reason_str(found));
}

/* Reasons that are not those of the memory change with the system and the process at once. */
static void reasons(struct rig *rig)
{
	const uint64_t sizes = SZ_2M | SZ_4K;
	char enabled[16];
	uint8_t *addr;

	get_choice(THP_ENABLED, enabled, sizeof(enabled));
	addr = mmap((void *)(1ULL << 40), LEN, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (addr == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		setting(rig, "always", addr, IBV_ODP_REASON_NONE);
		setting(rig, "never", addr, IBV_ODP_REASON_THP_OFF);
		setting(rig, "madvise", addr, IBV_ODP_REASON_THP_NOT_ADVISED);
	}
	if (madvise(addr, LEN, MADV_NOHUGEPAGE))
		fatal("madvise: %s", strerror(errno));
	setting(rig, "madvise", addr, IBV_ODP_REASON_THP_REFUSED);
	setting(rig, "always", addr, IBV_ODP_REASON_THP_REFUSED);
	if (madvise(addr, LEN, MADV_HUGEPAGE))
		fatal("madvise: %s", strerror(errno));
	setting(rig, "madvise", addr, IBV_ODP_REASON_NONE);
	setting(rig, "always", addr, IBV_ODP_REASON_NONE);
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		fatal("PR_SET_THP_DISABLE: %s", strerror(errno));
	is_u64(probe(rig, addr, LEN, sizes).reason, IBV_ODP_REASON_THP_PROCESS,
	       "PR_SET_THP_DISABLE");
	if (prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0))
		fatal("PR_SET_THP_DISABLE: %s", strerror(errno));
	is_u64(probe(rig, addr, LEN, sizes).reason, IBV_ODP_REASON_NONE, "... and not any more");
	put_file(THP_ENABLED, enabled);
	munmap(addr, LEN);
}

/* In a child, which has small pages where its parent has huge ones: 0 if the probe finds these. */
static int child_probes(struct rig *rig, struct mem *mem)
{
	if (madvise(mem->addr, LEN, MADV_DONTNEED) || madvise(mem->addr, LEN, MADV_NOHUGEPAGE))
		return 1;
	memset(mem->addr, 1, LEN);
	if (probe(rig, mem->addr, LEN, SZ_2M | SZ_4K).reason != IBV_ODP_REASON_SMALL_PAGES)
		return 2;
	return probe(rig, mem->addr, LEN, SZ_2M | SZ_4K).page_shift == 12 ? 0 : 3;
}

/* The probe of a process is about its own memory. */
static void children(struct rig *rig)
{
	struct mem mem;

	mem_map(&mem, MEM_THP, LEN);
	memset(mem.addr, 1, LEN);
	for (int by_clone = 0; by_clone < 2; by_clone++) {
		pid_t child;
		int status;

		is_u64(probe(rig, mem.addr, LEN, SZ_2M | SZ_4K).page_shift, 21, "the parent's");
		child = by_clone ? (pid_t)syscall(SYS_clone, (unsigned long)SIGCHLD, NULL, NULL,
						  NULL, 0L)
				 : fork();
		if (!child)
			_exit(child_probes(rig, &mem));
		if (child < 0 || waitpid(child, &status, 0) != child)
			fatal("child: %s", strerror(errno));
		ok(WIFEXITED(status) && !WEXITSTATUS(status), "%s: the child's, status %#x",
		   by_clone ? "clone()" : "fork()", (unsigned int)status);
		is_u64(probe(rig, mem.addr, LEN, SZ_2M | SZ_4K).page_shift, 21,
		       "the parent's, afterwards");
	}
	mem_unmap(&mem);
}

/* Bytes that this process has read from files. */
static uint64_t bytes_read(void)
{
	long bytes = file_value("/proc/self/io", "rchar");

	need(bytes >= 0, "the kernel must count what a process reads");
	return (uint64_t)bytes;
}

/* A probe asks the kernel for the mappings of its range, and does not read through all of them. */
static void many_mappings(struct rig *rig)
{
	static const struct {
		enum mem_kind kind;
		bool touched;
	} cases[] = {
		{ MEM_BASE, true }, { MEM_BASE, false },   { MEM_THP, true },
		{ MEM_THP, false }, { MEM_HUGETLB, true }, { MEM_HUGETLB, false },
	};
	uint8_t *many;

	/* neighbours of different protection, so that each is a mapping of its own */
	many = mmap(NULL, MANY * SZ_4K, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (many == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	for (size_t i = 0; i < MANY; i += 2) {
		if (mprotect(many + i * SZ_4K, SZ_4K, PROT_READ | PROT_WRITE))
			fatal("mprotect: %s", strerror(errno));
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t before, bytes;
		struct mem mem;

		mem_map(&mem, cases[i].kind, LEN);
		if (cases[i].touched)
			memset(mem.addr, 1, LEN);
		before = bytes_read();
		probe(rig, mem.addr, mem.len, SZ_2M | SZ_4K);
		bytes = bytes_read() - before;
		ok(bytes < MANY * LINE_LEAST, "%s, %s: a probe among %d mappings reads %llu bytes",
		   mem_name(cases[i].kind), cases[i].touched ? "touched" : "untouched", MANY,
		   (unsigned long long)bytes);
		mem_unmap(&mem);
	}
	munmap(many, MANY * SZ_4K);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	kinds(&rig);
	obstacles(&rig);
	reasons(&rig);
	children(&rig);
	many_mappings(&rig);
	rig_close(&rig);
	return tap_done();
}
