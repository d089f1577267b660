// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Kernel memory of MRs: it is freed with the memory that it describes, can be allocated for a large
 * MR, and is charged to its user. Also, calls that return the same on every device and in every
 * mode.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/memfd.h>
#include <linux/mman.h>

#include "hostile.h"
#include "raw.h"
#include "tap.h"

#define LEN BLOCK(2)
#define MEMINFO "/proc/meminfo"

/* ---- parts of implicit MRs ---- */

#define FRESH 200 /* GiBs */

static struct ibv_mr *implicit_mr(struct rig *rig, const struct mode *mode)
{
	return mode_reg(mode, rig->pd, NULL, SIZE_MAX, 0, ACCESS_ALL);
}

static void parts_go(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct ibv_mr *mr = implicit_mr(rig, mode);
	uint64_t table_before, table_after = 0;
	unsigned int bad = 0;
	struct scene s;
	uint8_t *space;
	long before, lost = 0;

	if (!ok(mr, "implicit MR: %s", mr ? "done" : strerror(errno)))
		return;
	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	space = mmap(NULL, SZ_1G * (FRESH + 1), PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	table_before = mr_state(mr).table_bytes;
	before = file_value(MEMINFO, "MemFree");
	for (size_t i = 0; i < FRESH; i++) {
		uint8_t *at = space + SZ_1G * i + SZ_64K;

		if (mmap(at, SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			 -1, 0) == MAP_FAILED)
			fatal("mmap: %s", strerror(errno));
		pattern_fill(s.near.mem.addr, 77, i * SZ_4K, SZ_4K);
		bad += rdma_run(&s.pair, IBV_WR_RDMA_WRITE, s.near.mr, (uintptr_t)s.near.mem.addr,
				mr, (uintptr_t)at, SZ_4K) != 0;
		bad += memcmp(at, s.near.mem.addr, SZ_4K) != 0;
		if (mmap(at, SZ_4K, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			 0) == MAP_FAILED)
			fatal("mmap: %s", strerror(errno));
	}
	is_u64(bad, 0, "WRITEs into %d fresh GiBs, wrong ones", FRESH);
	/* freed asynchronously by the driver */
	for (double end = now_s() + soon(); now_s() < end; sleep_ms(200)) {
		table_after = mr_state(mr).table_bytes;
		lost = before - file_value(MEMINFO, "MemFree");
		if (lost < FRESH * 64 && table_after <= table_before + SZ_1M)
			break;
	}
	ok(lost < FRESH * 64, "%ld kB of memory are gone for %d pages that are not there", lost,
	   FRESH);
	ok(table_after <= table_before + SZ_1M, "tables of %llu bytes",
	   (unsigned long long)table_after);
	is_u64(mr_state(mr).blocks_mapped, 0, "blocks mapped");
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	munmap(space, SZ_1G * (FRESH + 1));
	scene_close(&s);
}

/* A prefetch without faults leaves nothing behind where there is no memory. */
static void no_parts(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct ibv_mr *mr = implicit_mr(rig, mode);
	struct ibv_mr_pages before, after;
	struct ibv_sge sge;
	unsigned int bad = 0;
	uint8_t *space;

	if (!ok(mr, "implicit MR: %s", mr ? "done" : strerror(errno)))
		return;
	space = mmap(NULL, SZ_1G * (FRESH + 1), PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	before = mr_pages(mr);
	for (size_t i = 0; i < FRESH; i++) {
		sge = (struct ibv_sge){ (uintptr_t)space + SZ_1G * i, SZ_4K, mr->lkey };
		bad += ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
				     IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1) != 0;
	}
	after = mr_pages(mr);
	is_u64(bad, 0, "prefetches of %d GiBs without memory, failed ones", FRESH);
	is_u64(after.entries, before.entries, "entries of the device's tables");
	is_u64(mr_state(mr).blocks_mapped, 0, "blocks mapped");
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	munmap(space, SZ_1G * (FRESH + 1));
}

/* ---- a large MR changes to smaller pages ---- */

struct large {
	struct mode mode;
	size_t size;
};

static void large_goes_down(struct rig *rig, const void *arg)
{
	const struct large *c = arg;
	struct ibv_mr *mr;
	struct scene s;
	uint8_t *space, *at;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	space = mmap((void *)0x300000000000, c->size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (space == MAP_FAILED || madvise(space, c->size, MADV_HUGEPAGE))
		fatal("memory: %s", strerror(errno));
	mr = mode_reg(&c->mode, rig->pd, space, c->size, (uintptr_t)space, ACCESS_ALL);
	if (!ok(mr, "register %zu GiB: %s", c->size >> 30, mr ? "done" : strerror(errno)))
		return;
	scene_spot(&s, mr, space + SZ_1M);
	scene_spot(&s, mr, space + c->size - SZ_2M);
	is_u64((uint64_t)ibv_mr_page_shift(mr), 21, "page shift");
	at = space + c->size / 2;
	if (madvise(at, SZ_2M * 2, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
	touch_scattered(at, SZ_2M * 2);
	scene_spot(&s, mr, at + SZ_2M - 1000);
	if (!(c->mode.flags & IBV_ODP_MIXED))
		is_u64((uint64_t)ibv_mr_page_shift(mr), 12, "page shift");
	scene_spot(&s, mr, space + c->size - SZ_2M);
	scene_spot(&s, mr, space + c->size / 3);
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	munmap(space, c->size);
	scene_close(&s);
}

/* ---- tables are charged ---- */

struct group {
	char dir[32];
	char path[64];
};

static void group_open(struct group *g)
{
	char file[128];

	snprintf(g->dir, sizeof(g->dir), "/tmp/lab-cgroup-XXXXXX");
	if (!mkdtemp(g->dir) || mount("cgroup2", g->dir, "cgroup2", 0, NULL))
		fatal("cgroups: %s", strerror(errno));
	snprintf(file, sizeof(file), "%s/cgroup.subtree_control", g->dir);
	put_file(file, "+memory");
	snprintf(g->path, sizeof(g->path), "%s/accounting", g->dir);
	if (mkdir(g->path, 0755) && errno != EEXIST)
		fatal("%s: %s", g->path, strerror(errno));
	snprintf(file, sizeof(file), "%s/cgroup.procs", g->path);
	put_file(file, "0");
}

static void group_close(struct group *g)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/cgroup.procs", g->dir);
	put_file(file, "0");
	for (int tries = 0; tries < 100 && rmdir(g->path) && errno == EBUSY; tries++)
		sleep_ms(50);
	umount2(g->dir, MNT_DETACH);
	rmdir(g->dir);
}

/* Kernel memory that is charged to the group, in bytes, including slab and vmalloc. */
static long group_kernel(const struct group *g)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/memory.stat", g->path);
	return file_value(file, "kernel");
}

static void charged(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	const size_t len = SZ_1G * 32;
	long before, during, after;
	uint64_t tables, page = mode->page_sizes & SZ_4K || !mode->request ? SZ_4K : SZ_2M;
	struct ibv_mr *mr;
	struct group g;
	uint8_t *space;

	group_open(&g);
	space = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1, 0);
	if (space == MAP_FAILED || madvise(space, len, MADV_NOHUGEPAGE))
		fatal("memory: %s", strerror(errno));
	before = group_kernel(&g);
	need(before >= 0, "memory.stat must report kernel memory");
	mr = mode_reg(mode, rig->pd, space, len, (uintptr_t)space, ACCESS_ALL);
	if (!ok(mr, "register %zu GiB: %s", len >> 30, mr ? "done" : strerror(errno)))
		return;
	/* a tree grows with the pages touched: touch some, in this process */
	for (size_t at = 0; at < len; at += SZ_1G / 4) {
		struct ibv_sge sge = { (uintptr_t)space + at, SZ_64K, mr->lkey };

		if (ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1))
			fatal("prefetch failed");
	}
	tables = mr_state(mr).table_bytes;
	during = group_kernel(&g);
	note("tables of %llu bytes for pages of %llu, %ld bytes of kernel memory more",
	     (unsigned long long)tables, (unsigned long long)page, during - before);
	ok(during - before >= (long)tables * 9 / 10, "tables of %llu kB are charged: %ld kB",
	   (unsigned long long)tables >> 10, (during - before) >> 10);
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	munmap(space, len);
	for (double end = now_s() + soon(); now_s() < end; sleep_ms(100))
		if (group_kernel(&g) - before < (long)SZ_1M)
			break;
	after = group_kernel(&g);
	ok(after - before < (long)SZ_1M, "nothing is left of it: %ld kB", (after - before) >> 10);
	group_close(&g);
}

#define SMALL_MRS 400

/* The smallest tables as well: there may be many. */
static void charged_small(struct rig *rig, const void *arg)
{
	static struct ibv_mr *mrs[SMALL_MRS];
	const struct mode *mode = arg;
	uint64_t tables = 0;
	long before, during;
	struct group g;
	struct mem mem;

	group_open(&g);
	mem_map(&mem, MEM_BASE, SZ_2M);
	/* the first one may fill caches */
	mrs[0] = mode_reg(mode, rig->pd, mem.addr, SZ_2M, (uintptr_t)mem.addr, ACCESS_ALL);
	need(mrs[0], "an MR must be possible: %s", strerror(errno));
	before = group_kernel(&g);
	for (size_t i = 1; i < SMALL_MRS; i++) {
		mrs[i] = mode_reg(mode, rig->pd, mem.addr, SZ_2M, (uintptr_t)mem.addr, ACCESS_ALL);
		if (!mrs[i])
			fatal("MR %zu: %s", i, strerror(errno));
		tables += mr_state(mrs[i]).table_bytes;
	}
	during = group_kernel(&g);
	/* the kernel adds up what is charged on each CPU now and then only */
	ok(during - before >= (long)tables * 3 / 4,
	   "tables of %d MRs, %llu kB, are charged: %ld kB", SMALL_MRS - 1,
	   (unsigned long long)tables >> 10, (during - before) >> 10);
	for (size_t i = 0; i < SMALL_MRS; i++)
		if (ibv_dereg_mr(mrs[i]))
			fatal("ibv_dereg_mr: %s", strerror(errno));
	mem_unmap(&mem);
	group_close(&g);
}

#define PINNED_MAPPINGS 1024

/*
 * So is the list of the pages of a pinned MR, which can be long: the MR may have the same page
 * many times.
 */
static void charged_pinned(struct rig *rig, const void *arg)
{
	const size_t len = SZ_2M * (size_t)PINNED_MAPPINGS;
	int fd = memfd_create("accounting", MFD_HUGETLB | MFD_HUGE_2MB | MFD_CLOEXEC);
	long before, during, list;
	struct ibv_mr *mr;
	struct group g;
	uint8_t *space;

	(void)arg;
	if (!rig->is_rxe) {
		ok(true, "this device keeps the list itself");
		return;
	}
	group_open(&g);
	space = mmap(NULL, len + SZ_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		     0);
	if (fd < 0 || ftruncate(fd, SZ_2M) || space == MAP_FAILED)
		fatal("memory: %s", strerror(errno));
	space = (uint8_t *)(((uintptr_t)space + SZ_2M - 1) & ~(uintptr_t)(SZ_2M - 1));
	for (size_t at = 0; at < len; at += SZ_2M)
		if (mmap(space + at, SZ_2M, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			fatal("mmap: %s", strerror(errno));
	before = group_kernel(&g);
	need(before >= 0, "memory.stat must report kernel memory");
	mr = ibv_reg_mr(rig->pd, space, len, ACCESS_ALL);
	if (!ok(mr, "pin %zu GiB of one page: %s", len >> 30, mr ? "done" : strerror(errno)))
		return;
	list = (long)mr_pages(mr).device_bytes;
	during = group_kernel(&g);
	is_u64((uint64_t)list, len / SZ_4K * 8, "bytes of the list");
	ok(during - before >= list * 3 / 4, "%ld kB are charged: %ld kB", list >> 10,
	   (during - before) >> 10);
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	munmap(space, len);
	close(fd);
	group_close(&g);
}

/* ---- IBV_ACCESS_HUGETLB before there is memory ---- */

static void hugetlb_later(struct rig *rig, const void *arg)
{
	struct scene s;
	int err;

	(void)arg;
	scene_open_unregistered(&s, rig, MEM_BASE, LEN);
	for (int kind = 0; kind < 2; kind++) {
		void *at = mmap(s.far.mem.addr, LEN, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

		if (at == MAP_FAILED || (kind && munmap(at, LEN)))
			fatal("memory: %s", strerror(errno));
		err = buf_reg(&s.far, &mode_hugetlb_flag, 0, LEN);
		if (!is_errno(err, 0, "register %s", kind ? "a hole" : "PROT_NONE"))
			continue;
		scene_write_fails(&s, 100, 8, "nothing there yet");
		at = mmap(s.far.mem.addr, LEN, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | MAP_HUGE_2MB, -1,
			  0);
		if (at == MAP_FAILED)
			fatal("hugetlb: %s", strerror(errno));
		memset(s.far.shadow, 0, LEN);
		scene_read(&s, 0, LEN, "hugetlb there now");
		scene_write(&s, SZ_2M - SZ_64K, SZ_64K * 2, "hugetlb there now");
		scene_intact(&s, "hugetlb there now");
		scene_shift(&s, 21, "hugetlb there now");
		buf_dereg(&s.far);
	}
	scene_close(&s);
}

/* ---- other rights, another PD, another range ---- */

/* rxe's provider has no ibv_rereg_mr(): call the kernel directly. Returns 0 or an errno value. */
static int rereg(struct rig *rig, struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
		 size_t len, int access)
{
	if (rig->is_rxe)
		return raw_rereg(mr, flags, pd, addr, len, access);
	errno = EIO;
	return ibv_rereg_mr(mr, flags, pd, addr, len, access) ? errno : 0;
}

struct combo {
	const struct mode *mode;
	enum mem_kind kind;
	bool protect;
};

/* The MR answers as before, with the page size that it had. */
static void intact(struct scene *s, const struct combo *c, int shift, const char *what)
{
	struct ibv_mr_odp_attr state;

	is_errno(ibv_query_mr_odp(s->far.mr, &state, sizeof(state)), 0, "%s: query", what);
	if (c->mode->request && shift)
		is_u64(state.page_shift, (uint64_t)shift, "%s: page shift", what);
}

#define RO IBV_ACCESS_REMOTE_READ

static int open_rereg(struct scene *s, struct rig *rig, const struct combo *c, int access)
{
	/* without that mlx5 has a key of another kind, which is created again */
	int windows = c->mode->flags & IBV_ODP_MIXED ? 0 : IBV_ACCESS_MW_BIND;
	int err;

	scene_open_unregistered(s, rig, c->kind, LEN);
	buf_fill(&s->far, 0, LEN);
	if (c->protect && mprotect(s->far.mem.addr, LEN, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	err = buf_reg_iova(&s->far, c->mode, 0, LEN, (uintptr_t)s->far.mem.addr, access | windows);
	return is_errno(err, 0, "register") ? windows : -1;
}

static void fewer_rights(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;
	int windows = open_rereg(&s, rig, c, ACCESS_ALL), err, shift;

	if (windows < 0)
		return;
	scene_write(&s, 0, LEN, "before");
	shift = (int)buf_state(&s.far).page_shift;
	err = rereg(rig, s.far.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
		    RO | windows | c->mode->access);
	note("to read-only: %s", strerror(err));
	intact(&s, c, shift, "read-only");
	scene_read(&s, 0, LEN, "read-only");
	if (!err)
		scene_write_fails(&s, SZ_2M - 10, 20, "read-only");
	scene_intact(&s, "read-only");
	err = rereg(rig, s.far.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
		    ACCESS_ALL | windows | c->mode->access);
	note("to writable: %s", strerror(err));
	intact(&s, c, shift, "writable again");
	if (!err)
		scene_write(&s, SZ_2M - 5000, 10000, "writable again");
	scene_read(&s, 0, LEN, "writable again");
	scene_intact(&s, "writable again");
	scene_close(&s);
}

static void more_rights(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;
	int windows = open_rereg(&s, rig, c, RO), err;

	if (windows < 0)
		return;
	scene_read(&s, 0, LEN, "read-only");
	scene_write_fails(&s, 100, 20, "read-only");
	err = rereg(rig, s.far.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
		    ACCESS_ALL | windows | c->mode->access);
	note("to writable: %s", strerror(err));
	intact(&s, c, 0, "more rights");
	if (err || c->protect)
		scene_write_fails(&s, SZ_2M - 10, 20, "memory that is read-only, or an MR");
	else
		scene_write(&s, SZ_2M - 5000, 10000, "more rights");
	/* a device that faults for all access rights of the MR cannot read it either */
	if (rig->is_rxe || err || !c->protect)
		scene_read(&s, 0, LEN, "more rights");
	scene_intact(&s, "more rights");
	if (c->protect)
		mprotect(s.far.mem.addr, LEN, PROT_READ | PROT_WRITE);
	scene_close(&s);
}

static void other_pd(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct ibv_pd *pd = ibv_alloc_pd(rig->ctx);
	struct scene s;
	int windows = open_rereg(&s, rig, c, ACCESS_ALL), err;

	if (windows < 0)
		return;
	if (!pd)
		fatal("ibv_alloc_pd: %s", strerror(errno));
	scene_write(&s, 0, LEN, "before");
	err = rereg(rig, s.far.mr, IBV_REREG_MR_CHANGE_PD, pd, NULL, 0, 0);
	note("to another PD: %s", strerror(err));
	intact(&s, c, 0, "another PD");
	if (!err) {
		scene_write_fails(&s, SZ_2M - 10, 20, "another PD");
		scene_read_fails(&s, SZ_2M - 10, 20, "another PD");
		is_errno(rereg(rig, s.far.mr, IBV_REREG_MR_CHANGE_PD, rig->pd, NULL, 0, 0), 0,
			 "back");
	}
	scene_write(&s, SZ_2M - 5000, 10000, "the first PD");
	scene_read(&s, 0, LEN, "the first PD");
	scene_intact(&s, "the first PD");
	scene_close(&s);
	is_errno(ibv_dealloc_pd(pd), 0, "nothing holds the other PD");
}

static void other_range(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;
	struct buf next;
	int windows = open_rereg(&s, rig, c, ACCESS_ALL), err;

	if (windows < 0)
		return;
	buf_open(&next, rig, c->kind, LEN);
	buf_fill(&next, 0, LEN);
	scene_write(&s, 0, LEN, "before");
	err = rereg(rig, s.far.mr, IBV_REREG_MR_CHANGE_TRANSLATION, NULL, next.mem.addr, LEN, 0);
	note("to another range: %s", strerror(err));
	if (!err) {
		struct buf was = s.far;

		/* from here on the MR is the other memory's */
		next.mr = was.mr;
		next.mr_len = LEN;
		next.iova = (uintptr_t)next.mem.addr;
		s.far = next;
		next = was;
		next.mr = NULL;
	}
	scene_read(&s, 0, LEN, "the MR's range");
	scene_write(&s, SZ_2M - 5000, 10000, "the MR's range");
	scene_intact(&s, "the MR's range");
	ok(buf_check_all(&next), "the other range is as it was");
	buf_close(&next);
	scene_close(&s);
}

/* ---- the same answers ---- */

/* Read-only memory, in a writable and in a read-only MR */
static void read_only(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct mode populated = *c->mode;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, c->kind, LEN);
	buf_fill(&s.far, 0, LEN);
	if (mprotect(s.far.mem.addr, LEN, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	err = buf_reg_iova(&s.far, c->mode, 0, LEN, (uintptr_t)s.far.mem.addr, RO);
	if (!is_errno(err, 0, "register read-only"))
		return;
	scene_read(&s, 0, LEN, "read-only MR");
	scene_write_fails(&s, SZ_2M - 10, 20, "read-only MR");
	if (c->mode->request && !(c->mode->flags & IBV_ODP_MIXED))
		is_errno(ibv_modify_mr_odp(s.far.mr, c->mode->page_sizes, IBV_ODP_POPULATE), 0,
			 "read-only MR: populate");
	buf_dereg(&s.far);
	err = buf_reg(&s.far, c->mode, 0, LEN);
	if (!is_errno(err, 0, "register for writing"))
		return;
	if (c->mode->request && !(c->mode->flags & IBV_ODP_MIXED))
		is_errno(ibv_modify_mr_odp(s.far.mr, c->mode->page_sizes, IBV_ODP_POPULATE), EFAULT,
			 "writable MR over memory that is read-only: populate");
	scene_write_fails(&s, SZ_2M - 10, 20, "writable MR over memory that is read-only");
	buf_dereg(&s.far);
	populated.flags |= IBV_ODP_POPULATE;
	if (c->mode->request)
		is_errno(buf_reg(&s.far, &populated, 0, LEN), EFAULT,
			 "writable MR over memory that is read-only: registration that populates");
	scene_intact(&s, "in the end");
	scene_close(&s);
}

static void all(const char *what, scenario_fn fn, const struct combo *combos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		scenario(later(), fn, &combos[i], "%s, %s over %s%s", what, combos[i].mode->name,
			 mem_name(combos[i].kind), combos[i].protect ? ", PROT_READ" : "");
}

#define ALL(what, fn, ...) \
	do { \
		static const struct combo combos[] = { __VA_ARGS__ }; \
\
		all(what, fn, combos, ARRAY_SIZE(combos)); \
	} while (0)

int main(void)
{
	static const struct mode *const whole[] = { &mode_odp, &mode_2m_4k, &mode_mixed_2m_4k };
	static const struct mode *const modes[] = { &mode_odp, &mode_2m_4k, &mode_mixed_2m_4k,
						    &mode_strict_4k };
#define REQUEST(n, s, f) \
	{ \
		n, IBV_ACCESS_ON_DEMAND, true, s, f \
	}
	static const struct large larges[] = {
		{ REQUEST("2M|4K", SZ_2M | SZ_4K, 0), SZ_1G * 64 },
		{ REQUEST("2M|4K", SZ_2M | SZ_4K, 0), SZ_1G * 256 },
		{ REQUEST("mixed 2M|4K", SZ_2M | SZ_4K, IBV_ODP_MIXED), SZ_1G * 256 },
		{ REQUEST("2M|4K", SZ_2M | SZ_4K, 0), SZ_1G * 1024 },
		{ REQUEST("mixed 2M|4K", SZ_2M | SZ_4K, IBV_ODP_MIXED), SZ_1G * 1024 },
	};

	ALL("fewer rights", fewer_rights, { &mode_odp, MEM_BASE, false },
	    { &mode_strict_2m, MEM_THP, false }, { &mode_strict_2m, MEM_HUGETLB, false },
	    { &mode_2m_4k, MEM_THP, false }, { &mode_mixed_2m_4k, MEM_THP, false });
	ALL("more rights", more_rights, { &mode_odp, MEM_BASE, false },
	    { &mode_odp, MEM_BASE, true }, { &mode_2m_4k, MEM_THP, false },
	    { &mode_2m_4k, MEM_THP, true }, { &mode_mixed_2m_4k, MEM_THP, false },
	    { &mode_mixed_2m_4k, MEM_THP, true }, { &mode_strict_2m, MEM_HUGETLB, false },
	    { &mode_strict_2m, MEM_HUGETLB, true });
	ALL("another PD", other_pd, { &mode_odp, MEM_BASE, false }, { &mode_2m_4k, MEM_THP, false },
	    { &mode_mixed_2m_4k, MEM_THP, false });
	ALL("another range", other_range, { &mode_odp, MEM_BASE, false },
	    { &mode_2m_4k, MEM_THP, false }, { &mode_strict_2m, MEM_HUGETLB, false });
	ALL("read-only memory", read_only, { &mode_odp, MEM_BASE, false },
	    { &mode_strict_4k, MEM_BASE, false }, { &mode_strict_2m, MEM_HUGETLB, false },
	    { &mode_strict_2m, MEM_THP, false }, { &mode_2m_4k, MEM_THP, false },
	    { &mode_2m_4k, MEM_BASE, false }, { &mode_mixed_2m_4k, MEM_THP, false });
	scenario(later(), hugetlb_later, NULL, "IBV_ACCESS_HUGETLB before there is memory");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later(), charged, modes[i], "charged, %s", modes[i]->name);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (!(modes[i]->flags & IBV_ODP_MIXED)) /* whose tables are too small to see */
			scenario(later(), charged_small, modes[i], "small ones charged, %s",
				 modes[i]->name);
	scenario(later(), charged_pinned, NULL, "a pinned MR charged");
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		scenario(later() * 2, parts_go, whole[i], "parts, %s", whole[i]->name);
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		scenario(later(), no_parts, whole[i], "no parts, %s", whole[i]->name);
	for (size_t i = 0; i < ARRAY_SIZE(larges); i++)
		scenario(later() * 2, large_goes_down, &larges[i], "large, %s, %zu GiB",
			 larges[i].mode.name, larges[i].size >> 30);
	return tap_done();
}
