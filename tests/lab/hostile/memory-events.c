// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Rare events for the memory of an MR: MADV_FREE, truncation, KSM, collapse, shared page tables,
 * soft offline, a memory limit, growth. The device reads the same data as the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/memfd.h>
#include <linux/mman.h>

#include "hostile.h"
#include "swap.h"
#include "tap.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define LEN BLOCK(4)

struct combo {
	const struct mode *mode;
	enum mem_kind kind;
};

static void open_used(struct scene *s, struct rig *rig, const struct combo *c)
{
	scene_open_unregistered(s, rig, c->kind, LEN);
	buf_fill(&s->far, 0, LEN);
	is_errno(buf_reg(&s->far, c->mode, 0, LEN), 0, "register");
	scene_write_pieces(s, "before");
}

static void all_of_it(struct scene *s, const char *what)
{
	scene_read_pieces(s, what);
	scene_write_pieces(s, what);
	scene_read(s, 0, LEN, what);
	scene_intact(s, what);
}

/* ---- MADV_FREE ---- */

/* Data that the device writes after MADV_FREE is kept; the rest is unchanged or zero. */
static void lazily_freed(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	unsigned int bad = 0;
	struct scene s;

	open_used(&s, rig, c);
	for (int round = 0; round < 3; round++) {
		bad = 0;
		if (madvise(s.far.mem.addr, LEN, MADV_FREE))
			fatal("MADV_FREE: %s", strerror(errno));
		/* every other MiB, and not in whole pages */
		for (size_t at = SZ_64K; at < LEN; at += SZ_1M)
			scene_write(&s, at + 100, SZ_64K, "after MADV_FREE");
		madvise(s.far.mem.addr, LEN, MADV_PAGEOUT);
		for (size_t at = 0; at < LEN; at++) {
			size_t in = at % SZ_1M;
			bool written = in >= SZ_64K + 100 && in < SZ_64K * 2 + 100;
			uint8_t got = s.far.mem.addr[at];

			bad += got != s.far.shadow[at] && (written || got);
		}
		is_u64(bad, 0, "round %d: bytes that are neither there nor gone", round);
		buf_adopt(&s.far, 0, LEN);
		all_of_it(&s, "what became of it");
	}
	scene_close(&s);
}

/* ---- truncation, holes ---- */

static void truncated(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;

	open_used(&s, rig, c);
	for (int round = 0; round < 2; round++) {
		if (ftruncate(s.far.mem.fd, BLOCK(2)))
			fatal("ftruncate: %s", strerror(errno));
		scene_read_fails(&s, BLOCK(2), 8, "cut off");
		scene_write_fails(&s, BLOCK(3) + 100, SZ_4K, "cut off");
		scene_write(&s, BLOCK(1) + SZ_1M, SZ_64K, "before the end");
		if (ftruncate(s.far.mem.fd, LEN))
			fatal("ftruncate: %s", strerror(errno));
		memset(s.far.shadow + BLOCK(2), 0, BLOCK(2));
		all_of_it(&s, "long again");
		if (fallocate(s.far.mem.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BLOCK(1),
			      BLOCK(1)))
			fatal("fallocate: %s", strerror(errno));
		memset(s.far.shadow + BLOCK(1), 0, BLOCK(1));
		all_of_it(&s, "with a hole punched");
	}
	scene_close(&s);
}

/* ---- KSM ---- */

#define KSM_DIR "/sys/kernel/mm/ksm/"
#define KSM_PAGES 64

static bool merged(double seconds)
{
	double end = now_s() + seconds;
	char text[32] = "";

	while (now_s() < end) {
		FILE *f = fopen(KSM_DIR "pages_sharing", "re");

		if (f && fgets(text, sizeof(text), f) && atol(text) >= KSM_PAGES) {
			fclose(f);
			return true;
		}
		if (f)
			fclose(f);
		sleep_ms(50);
	}
	return false;
}

/* KSM merges equal pages of the MR and of other memory; a write of the device goes to a copy. */
static void same_pages(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;
	struct mem twin;

	open_used(&s, rig, c);
	mem_map(&twin, MEM_BASE, SZ_1M);
	for (size_t i = 0; i < KSM_PAGES; i++) {
		size_t at = SZ_1M + i * SZ_4K;

		memset(s.far.mem.addr + at, (int)i + 1, SZ_4K);
		memset(s.far.shadow + at, (int)i + 1, SZ_4K);
		memset(twin.addr + i * SZ_4K, (int)i + 1, SZ_4K);
	}
	scene_read(&s, 0, LEN, "before it is merged");
	if (madvise(s.far.mem.addr, LEN, MADV_MERGEABLE) ||
	    madvise(twin.addr, twin.len, MADV_MERGEABLE))
		fatal("MADV_MERGEABLE: %s", strerror(errno));
	put_file(KSM_DIR "sleep_millisecs", "10");
	put_file(KSM_DIR "pages_to_scan", "5000");
	put_file(KSM_DIR "run", "1");
	ok(merged(later()), "equal pages are merged");
	scene_read(&s, 0, LEN, "merged");
	scene_write(&s, SZ_1M + SZ_4K - 10, SZ_64K, "into merged pages");
	scene_intact(&s, "merged");
	for (size_t i = 0; i < KSM_PAGES * SZ_4K; i++)
		if (twin.addr[i] != (uint8_t)(i / SZ_4K + 1)) {
			ok(false, "byte %zu of the twin changed", i);
			break;
		}
	all_of_it(&s, "written after the merge");
	put_file(KSM_DIR "run", "2");
	put_file(KSM_DIR "run", "0");
	all_of_it(&s, "no longer merged");
	scene_close(&s);
	mem_unmap(&twin);
}

/* ---- no more huge pages in the pool ---- */

static void pool_empty(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	size_t all = hugetlb_pages("free") * SZ_2M;
	struct mem hog;
	struct scene s;
	uint8_t *at;
	int err;

	scene_open_unregistered(&s, rig, MEM_BASE, LEN);
	at = mmap(s.far.mem.addr, LEN, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB | MAP_HUGE_2MB |
			  MAP_NORESERVE,
		  -1, 0);
	if (at == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	err = buf_reg(&s.far, c->mode, 0, LEN);
	if (!is_errno(err, 0, "register what is not reserved"))
		return;
	scene_write(&s, 100, SZ_64K, "while there are pages");
	mem_map(&hog, MEM_HUGETLB, all - SZ_2M);
	for (size_t i = 0; i < hog.len; i += SZ_2M)
		hog.addr[i] = 1;
	is_u64(hugetlb_pages("free"), 0, "huge pages left");
	scene_write_fails(&s, BLOCK(1), SZ_4K, "the pool is empty");
	scene_read_fails(&s, BLOCK(2) + 100, SZ_4K, "the pool is empty");
	scene_write(&s, SZ_1M, SZ_64K, "what is there already");
	mem_unmap(&hog);
	scene_write(&s, BLOCK(1), SZ_4K, "there are pages again");
	scene_read(&s, BLOCK(2) + 100, SZ_4K, "there are pages again");
	all_of_it(&s, "there are pages again");
	scene_close(&s);
	ok(hugetlb_pages("free") * SZ_2M == all, "all huge pages are back");
}

/* ---- memory that becomes huge ---- */

static bool collapse(struct scene *s)
{
	int err = 0;

	for (int tries = 0; tries < 100; tries++) {
		err = madvise(s->far.mem.addr, LEN, MADV_COLLAPSE) ? errno : 0;
		if (err != EAGAIN && err != EBUSY)
			break;
		sleep_ms(50);
	}
	return is_errno(err, 0, "MADV_COLLAPSE");
}

static void file_collapsed(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;

	put_file(THP_DIR "shmem_enabled", "advise");
	open_used(&s, rig, c);
	for (int round = 0; round < 3; round++) {
		madvise(s.far.mem.addr, LEN, MADV_HUGEPAGE);
		collapse(&s);
		all_of_it(&s, "a file collapsed");
		/* a hole of one page: small again */
		if (fallocate(s.far.mem.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      (off_t)(BLOCK(2) + SZ_64K), SZ_4K))
			fatal("fallocate: %s", strerror(errno));
		memset(s.far.shadow + BLOCK(2) + SZ_64K, 0, SZ_4K);
		all_of_it(&s, "a hole in it");
	}
	scene_close(&s);
	put_file(THP_DIR "shmem_enabled", "never");
}

static void break_all(struct scene *s)
{
	if (madvise(s->far.mem.addr, LEN, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
	buf_drop(&s->far, 0, LEN);
	touch_scattered(s->far.mem.addr, LEN);
	buf_fill(&s->far, 0, LEN);
}

/* Traffic until the MR has returned to a larger page size. */
static bool goes_up(struct scene *s, double seconds)
{
	double end = now_s() + seconds;
	unsigned int bad = 0;
	size_t at = 0;

	while (now_s() < end) {
		struct xfer x = {
			.op = at % (SZ_64K * 2) ? OP_WRITE : OP_READ,
			.near = &s->near,
			.near_at = at,
			.far = &s->far,
			.far_at = at,
			.len = SZ_64K,
		};

		bad += !xfer_verify(&s->pair, &x);
		at = (at + SZ_64K) % LEN;
		if (!at && buf_state(&s->far).page_shift == 21)
			break;
		sleep_ms(2);
	}
	is_u64(bad, 0, "transfers that went wrong meanwhile");
	return buf_state(&s->far).page_shift == 21;
}

/* A negotiated MR changes to smaller pages with its memory, and back to larger ones by itself. */
static void way_up(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;

	open_used(&s, rig, c);
	scene_shift(&s, 21, "huge");
	for (int round = 0; round < 2; round++) {
		uint64_t before;

		break_all(&s);
		all_of_it(&s, "small");
		scene_shift(&s, 12, "small");
		before = buf_state(&s.far).renegotiations;
		madvise(s.far.mem.addr, LEN, MADV_HUGEPAGE);
		collapse(&s);
		ok(goes_up(&s, soon()), "round %d: up again in %.0f s", round, soon());
		ok(buf_state(&s.far).renegotiations - before <= (uint64_t)soon() + 1,
		   "round %d: not more than one change in a second", round);
		all_of_it(&s, "up again");
	}
	scene_close(&s);
}

/* With small pages, growth is tried at most once a second. */
static void stays_down(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	uint64_t before, changes;
	struct scene s;
	double began;

	open_used(&s, rig, c);
	break_all(&s);
	all_of_it(&s, "small");
	scene_shift(&s, 12, "small");
	before = buf_state(&s.far).renegotiations;
	began = now_s();
	while (now_s() < began + 5)
		scene_write(&s, BLOCK(2) - 100, 200, "small memory");
	changes = buf_state(&s.far).renegotiations - before;
	/* an attempt that fails in the middle may count twice */
	ok((double)changes <= (now_s() - began + 1) * 2, "%llu changes in %.1f s",
	   (unsigned long long)changes, now_s() - began);
	scene_shift(&s, 12, "small");
	scene_close(&s);
}

static int read_byte(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1 ? byte : -1;
}

/* fork() makes small copies of huge pages; after a collapse the strict MR works again. */
static void after_fork(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;
	int fds[2];
	pid_t pid;

	open_used(&s, rig, c);
	if (pipe(fds))
		fatal("pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid) {
		close(fds[1]);
		read_byte(fds[0]);
		_exit(memcmp(s.far.mem.addr, s.far.shadow, LEN) != 0);
	}
	/* by the CPU: copied page by page */
	buf_fill(&s.far, BLOCK(1) + SZ_4K, 100);
	/* mlx5 faults with write access for a READ, too, which copies page by page as well */
	if (rig->is_rxe || c->mode != &mode_strict_2m)
		scene_read(&s, BLOCK(3), SZ_64K, "shared with a child");
	madvise(s.far.mem.addr, LEN, MADV_HUGEPAGE);
	close(fds[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fds[1]);
	collapse(&s);
	all_of_it(&s, "collapsed after fork()");
	if (c->mode->request)
		scene_shift(&s, 21, "collapsed after fork()");
	scene_close(&s);
}

/* khugepaged collapses memory that the test keeps splitting */
static void grown(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	double end;
	struct scene s;
	long before;
	int rounds = 0;

	put_file(THP_DIR "khugepaged/scan_sleep_millisecs", "10");
	put_file(THP_DIR "khugepaged/alloc_sleep_millisecs", "10");
	put_file(THP_DIR "khugepaged/pages_to_scan", "8192");
	before = file_value("/proc/vmstat", "thp_collapse_alloc");
	open_used(&s, rig, c);
	for (end = now_s() + soon(); now_s() < end; rounds++) {
		size_t at = BLOCK((size_t)rounds % 4);

		scene_write(&s, at + SZ_1M - 100, SZ_64K, "while khugepaged works");
		if (rounds % 3)
			scene_read(&s, at, SZ_2M, "while khugepaged works");
		/* drop a page and fault it in: base pages until a collapse */
		if (rounds % 4 == 3)
			buf_drop(&s.far, BLOCK((size_t)rounds / 4 % 4) + SZ_64K, SZ_4K);
		if (rounds % 8 == 7)
			buf_fill(&s.far, BLOCK((size_t)rounds / 8 % 4), SZ_2M);
	}
	all_of_it(&s, "in the end");
	ok(file_value("/proc/vmstat", "thp_collapse_alloc") > before,
	   "khugepaged has collapsed, %ld times",
	   file_value("/proc/vmstat", "thp_collapse_alloc") - before);
	scene_close(&s);
}

/* ---- page tables that processes share ---- */

struct sharer {
	uint8_t *at;
	int fds[2]; /* closed by the parent to end the process */
};

/* The same address, so that it shares the page table of the process with the MR. */
_Noreturn static void share_tables(const void *arg, int to_parent)
{
	const struct sharer *sharer = arg;

	close(sharer->fds[1]);
	for (size_t i = 0; i < SZ_1G; i += SZ_1G / 4)
		((volatile uint8_t *)sharer->at)[i + 7] = 0x77;
	if (write(to_parent, "", 1) != 1)
		_exit(1);
	read_byte(sharer->fds[0]);
	munmap(sharer->at, SZ_1G);
	_exit(0);
}

static void shared_tables(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	int fd = memfd_create("hostile", MFD_HUGETLB | MFD_HUGE_2MB | MFD_CLOEXEC);
	uint8_t *reserve, *at;
	struct sharer sharer;
	struct ibv_mr *mr;
	struct scene s;
	int status;
	pid_t pid;

	if (fd < 0 || ftruncate(fd, SZ_1G))
		fatal("a file of huge pages: %s", strerror(errno));
	reserve = mmap(NULL, SZ_1G * 2, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		       0);
	at = (uint8_t *)(((uintptr_t)reserve + SZ_1G - 1) & ~(SZ_1G - 1));
	if (mmap(at, SZ_1G, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 0) == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	scene_open_unregistered(&s, rig, MEM_BASE, LEN);
	mr = mode_reg(c->mode, rig->pd, at, SZ_1G, (uintptr_t)at, ACCESS_ALL);
	if (!ok(mr, "register: %s", mr ? "done" : strerror(errno)))
		return;
	scene_spot(&s, mr, at + BLOCK(1) - 1000);
	scene_spot(&s, mr, at + SZ_1G - BLOCK(2));
	sharer.at = at;
	if (pipe(sharer.fds))
		fatal("pipe: %s", strerror(errno));
	pid = start_waiting(share_tables, &sharer);
	if (pid < 0)
		fatal("the other process does not write");
	status = rdma_run(&s.pair, IBV_WR_RDMA_READ, s.near.mr, (uintptr_t)s.near.mem.addr, mr,
			  (uintptr_t)at + SZ_1G / 2 + 7, 1);
	ok(!status && s.near.mem.addr[0] == 0x77, "what the other one wrote is read: %s",
	   status_name(status));
	scene_spot(&s, mr, at + SZ_1G / 4 - 5000);
	/* no longer shared from here on */
	if (mprotect(at + BLOCK(4), BLOCK(4), PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	scene_spot(&s, mr, at + BLOCK(2));
	status = rdma_run(&s.pair, IBV_WR_RDMA_WRITE, s.near.mr, (uintptr_t)s.near.mem.addr, mr,
			  (uintptr_t)at + BLOCK(5), 64);
	ok(status == IBV_WC_REM_ACCESS_ERR, "WRITE to what may be read fails: %s",
	   status_name(status));
	mprotect(at + BLOCK(4), BLOCK(4), PROT_READ | PROT_WRITE);
	close(sharer.fds[0]);
	close(sharer.fds[1]);
	process_ends(pid, soon(), "the other process unmaps it and goes");
	scene_spot(&s, mr, at + BLOCK(5));
	scene_spot(&s, mr, at + SZ_1G - BLOCK(2));
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	munmap(reserve, SZ_1G * 2);
	close(fd);
	scene_close(&s);
}

/* ---- pages that are about to fail ---- */

static void soft_offline(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;

	open_used(&s, rig, c);
	for (size_t i = 0; i < 4; i++) {
		uint8_t *page = s.far.mem.addr + BLOCK(i) + SZ_4K * (5 + i);
		int err = EAGAIN;

		for (int tries = 0; tries < 50 && (err == EAGAIN || err == EBUSY); tries++) {
			err = madvise(page, SZ_4K, MADV_SOFT_OFFLINE) ? errno : 0;
			sleep_ms(10);
		}
		is_errno(err, 0, "a page of block %zu is taken out of use", i);
		scene_read(&s, BLOCK(i), SZ_64K, "moved away from a weak page");
		scene_write(&s, BLOCK(i) + 100, SZ_64K, "moved away from a weak page");
	}
	all_of_it(&s, "in the end");
	scene_close(&s);
}

/* ---- a limit ---- */

#define GROUPS "/sys/fs/cgroup"
#define LIMITED (SZ_1M * 64)

_Noreturn static void limited_process(const struct combo *c)
{
	struct scene s;
	struct rig rig;
	int err;

	rig_open(&rig);
	scene_open_unregistered(&s, &rig, c->kind, SZ_2M);
	mem_unmap(&s.far.mem);
	mem_map(&s.far.mem, c->kind, LIMITED * 3);
	err = buf_reg(&s.far, c->mode, 0, s.far.mem.len);
	if (err)
		_exit(1);
	for (size_t at = 0; at < s.far.mem.len; at += SZ_1M) {
		rdma_post(&s.pair, IBV_WR_RDMA_WRITE, s.near.mr, buf_iova(&s.near, 0), s.far.mr,
			  buf_iova(&s.far, at), SZ_1M);
		/* a completion with an error is fine, too */
		if (rdma_wait(&s.pair, later()))
			_exit(2);
	}
	_exit(3);
}

static void limited(struct rig *rig, const void *arg)
{
	char group[] = "/tmp/lab-cgroup-XXXXXX", path[128], text[32];
	const struct combo *c = arg;
	double end = now_s() + later();
	struct scene s;
	int status = 0;
	pid_t pid, gone;

	if (!mkdtemp(group) || mount("cgroup2", group, "cgroup2", 0, NULL))
		fatal("cgroups: %s", strerror(errno));
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", group);
	put_file(path, "+memory");
	snprintf(path, sizeof(path), "%s/hostile", group);
	if (mkdir(path, 0755) && errno != EEXIST)
		fatal("%s: %s", path, strerror(errno));
	snprintf(path, sizeof(path), "%s/hostile/memory.max", group);
	snprintf(text, sizeof(text), "%zu", LIMITED);
	put_file(path, text);
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid) {
		silence();
		snprintf(path, sizeof(path), "%s/hostile/cgroup.procs", group);
		put_file(path, "0");
		limited_process(c);
	}
	do {
		gone = waitpid(pid, &status, WNOHANG);
		sleep_ms(20);
	} while (!gone && now_s() < end);
	if (ok(gone == pid, "a process over its limit is gone")) {
		ok((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ||
			   (WIFEXITED(status) && WEXITSTATUS(status) == 2),
		   "it was killed, or its request failed: %#x", status);
	} else {
		kill(pid, SIGKILL);
		process_ends(pid, soon(), "it can be killed");
	}
	scene_open(&s, rig, &mode_odp, MEM_BASE, SZ_2M);
	scene_write_pieces(&s, "afterwards");
	scene_close(&s);
	snprintf(path, sizeof(path), "%s/hostile", group);
	for (int tries = 0; tries < 100 && rmdir(path) && errno == EBUSY; tries++)
		sleep_ms(50);
	umount(group);
	rmdir(group);
}

static void all(const char *what, scenario_fn fn, const struct combo *combos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		scenario(later() * 3, fn, &combos[i], "%s, %s over %s", what, combos[i].mode->name,
			 mem_name(combos[i].kind));
}

#define ALL(what, fn, ...) \
	do { \
		static const struct combo combos[] = { __VA_ARGS__ }; \
\
		all(what, fn, combos, ARRAY_SIZE(combos)); \
	} while (0)

int main(void)
{
	struct swap swap;

	ALL("truncated", truncated, { &mode_odp, MEM_SHMEM }, { &mode_odp, MEM_HUGETLB_SHARED },
	    { &mode_strict_2m, MEM_HUGETLB_SHARED }, { &mode_2m_4k, MEM_SHMEM },
	    { &mode_2m_4k, MEM_HUGETLB_SHARED }, { &mode_mixed_2m_4k, MEM_SHMEM },
	    { &mode_mixed_2m_4k, MEM_HUGETLB_SHARED });
	ALL("pool empty", pool_empty, { &mode_odp, MEM_HUGETLB }, { &mode_strict_2m, MEM_HUGETLB },
	    { &mode_2m_4k, MEM_HUGETLB }, { &mode_mixed_2m_4k, MEM_HUGETLB });
	ALL("shared page tables", shared_tables, { &mode_odp, MEM_HUGETLB_SHARED },
	    { &mode_strict_2m, MEM_HUGETLB_SHARED }, { &mode_2m_4k, MEM_HUGETLB_SHARED },
	    { &mode_mixed_2m_4k, MEM_HUGETLB_SHARED });
	ALL("file collapsed", file_collapsed, { &mode_odp, MEM_SHMEM }, { &mode_2m_4k, MEM_SHMEM },
	    { &mode_mixed_2m_4k, MEM_SHMEM });
	ALL("KSM", same_pages, { &mode_odp, MEM_BASE }, { &mode_2m_4k, MEM_BASE },
	    { &mode_2m_4k, MEM_THP }, { &mode_mixed_2m_4k, MEM_THP });
	ALL("soft offline", soft_offline, { &mode_odp, MEM_BASE }, { &mode_odp, MEM_SHMEM },
	    { &mode_2m_4k, MEM_THP }, { &mode_mixed_2m_4k, MEM_THP });
	ALL("limit", limited, { &mode_odp, MEM_BASE }, { &mode_strict_2m, MEM_THP },
	    { &mode_2m_4k, MEM_THP }, { &mode_mixed_2m_4k, MEM_BASE });
	ALL("after fork", after_fork, { &mode_odp, MEM_THP }, { &mode_strict_2m, MEM_THP });
	ALL("khugepaged", grown, { &mode_odp, MEM_THP }, { &mode_2m_4k, MEM_THP },
	    { &mode_mixed_2m_4k, MEM_THP }, { &mode_any, MEM_THP });
	stop_khugepaged();
	ALL("way up", way_up, { &mode_2m_4k, MEM_THP });
	ALL("stays down", stays_down, { &mode_2m_4k, MEM_THP });
	/* with swap space */
	swap_on(&swap, (size_t)256 << 20);
	ALL("MADV_FREE", lazily_freed, { &mode_odp, MEM_BASE }, { &mode_odp, MEM_THP },
	    { &mode_2m_4k, MEM_BASE }, { &mode_2m_4k, MEM_THP }, { &mode_mixed_2m_4k, MEM_THP },
	    { &mode_mixed_2m_4k, MEM_BASE });
	swap_off(&swap);
	return tap_done();
}
