// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * No leaks: after thousands of registrations, most of them refused, the kernel's
 * counts of MRs, slab objects, vmalloc space and the process's file descriptors
 * are unchanged.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resources.h"
#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 2)
#define ROUNDS 1000
/*
 * An object leaked each round adds up to ROUNDS objects. The allocator keeps fewer for reuse: ten
 * sheaves of 60 for a node, and two for each processor (mm/slub.c).
 */
#define SLACK_OBJECTS (ROUNDS * 9 / 10)
#define SLACK_KIB 1024
#define MAX_CACHES 256

struct cache {
	char name[64];
	long active;
};

struct snapshot {
	struct cache caches[MAX_CACHES];
	int ncaches;
	long vmalloc_kib;
	long mrs;
	long fds;
};

static long count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	long n = 0;

	if (!dir)
		fatal("/proc/self/fd: %s", strerror(errno));
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static long vmalloc_used(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char text[128];
	long kib = 0;

	if (!f)
		fatal("/proc/meminfo: %s", strerror(errno));
	while (fgets(text, sizeof(text), f))
		if (sscanf(text, "VmallocUsed: %ld", &kib) == 1)
			break;
	fclose(f);
	return kib;
}

static void read_caches(struct snapshot *s)
{
	FILE *f = fopen("/proc/slabinfo", "re");
	char text[512];

	need(f, "/proc/slabinfo must be readable");
	s->ncaches = 0;
	while (s->ncaches < MAX_CACHES && fgets(text, sizeof(text), f)) {
		struct cache *c = &s->caches[s->ncaches];

		if (sscanf(text, "%63s %ld", c->name, &c->active) == 2 &&
		    !strncmp(c->name, "kmalloc", 7))
			s->ncaches++;
	}
	fclose(f);
	need(s->ncaches, "/proc/slabinfo must list the kmalloc caches");
}

static void take(struct snapshot *s)
{
	read_caches(s);
	s->vmalloc_kib = vmalloc_used();
	s->fds = count_fds();
}

/*
 * The cache that grew too much, or NULL. The kernel with all its checkers keeps freed objects for a
 * while to detect accesses to them, and finds leaks itself, by kmemleak.
 */
static const struct cache *grown(const struct snapshot *before, const struct snapshot *after,
				 long *by)
{
	if (kernel_is_slow())
		return NULL;
	for (int i = 0; i < before->ncaches && i < after->ncaches; i++) {
		*by = after->caches[i].active - before->caches[i].active;
		if (*by > SLACK_OBJECTS)
			return &after->caches[i];
	}
	return NULL;
}

/* Frees may be delayed (RCU, five seconds and more); a leak stays. */
static void compare(const struct rig *rig, const struct snapshot *before, const char *what)
{
	struct snapshot after;
	long by = 0;

	for (int tries = 0; tries < 800; tries++) {
		take(&after);
		if (!grown(before, &after, &by) &&
		    after.vmalloc_kib <= before->vmalloc_kib + SLACK_KIB)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000 * 1000 }, NULL);
	}
	after.mrs = resource_settles(rig, "mr", before->mrs);
	is_u64((uint64_t)after.mrs, (uint64_t)before->mrs, "%s: MRs", what);
	is_u64((uint64_t)after.fds, (uint64_t)before->fds, "%s: file descriptors", what);
	if (!ok(!grown(before, &after, &by), "%s: slab objects", what))
		diag("%s grew by %ld objects", grown(before, &after, &by)->name, by);
	if (!ok(after.vmalloc_kib <= before->vmalloc_kib + SLACK_KIB, "%s: vmalloc space", what))
		diag("from %ld to %ld KiB", before->vmalloc_kib, after.vmalloc_kib);
}

/* One round; false if it had a wrong result. */
typedef bool (*round_fn)(struct rig *rig, struct buf *buf);

static void repeat(struct rig *rig, enum mem_kind kind, round_fn round, int rounds,
		   const char *what)
{
	struct snapshot before;
	unsigned int bad = 0;
	struct buf buf;

	buf_open(&buf, rig, kind, LEN);
	before.mrs = resource_count(rig, "mr");
	for (int i = 0; i < rounds / 10; i++)
		bad += !round(rig, &buf);
	take(&before);
	for (int i = 0; i < rounds; i++)
		bad += !round(rig, &buf);
	compare(rig, &before, what);
	is_u64(bad, 0, "%s: rounds with a wrong result", what);
	buf_close(&buf);
}

static bool refused_range(struct rig *rig, struct buf *buf)
{
	(void)rig;
	return buf_reg(buf, &mode_strict_2m, 0, LEN) == ERANGE;
}

static bool refused_flag(struct rig *rig, struct buf *buf)
{
	(void)rig;
	return buf_reg(buf, &mode_hugetlb_flag, 0, LEN) == ERANGE;
}

static bool refused_populate(struct rig *rig, struct buf *buf)
{
	static const struct mode mode = {
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = SZ_4K,
		.flags = IBV_ODP_POPULATE,
	};
	int err;

	(void)rig;
	mem_punch(&buf->mem, SZ_1M, SZ_4K);
	err = buf_reg(buf, &mode, 0, LEN);
	mem_refill(&buf->mem, SZ_1M, SZ_4K);
	return err == EFAULT;
}

static bool good_and_gone(struct rig *rig, struct buf *buf)
{
	/* a device with tables of its own allocates them for the sizes accepted at registration */
	const struct mode mode = {
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = rig->is_rxe ? SZ_2M : SZ_2M | SZ_64K | SZ_4K,
		.flags = IBV_ODP_POPULATE,
	};
	bool right;

	right = !buf_reg(buf, &mode, 0, LEN);
	if (right)
		right = !ibv_modify_mr_odp(buf->mr, SZ_4K, IBV_ODP_POPULATE) &&
			ibv_modify_mr_odp(buf->mr, SZ_1G, 0) == ERANGE &&
			!ibv_modify_mr_odp(buf->mr, SZ_64K, 0);
	buf_dereg(buf);
	return right;
}

/* A process that ends without deregistering: the kernel cleans up. */
static bool abandoned(struct rig *rig, struct buf *buf)
{
	static const struct mode mode = {
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = SZ_2M | SZ_4K,
		.flags = IBV_ODP_POPULATE,
	};
	struct rig other = {};
	bool right;

	(void)rig;
	other.ctx = ibv_open_device(rig->ctx->device);
	if (!other.ctx)
		return false;
	other.pd = ibv_alloc_pd(other.ctx);
	right = other.pd &&
		mode_reg(&mode, other.pd, buf->mem.addr, LEN, (uintptr_t)buf->mem.addr, ACCESS_ALL);
	/* only close the context: the kernel frees PD and MR */
	ibv_close_device(other.ctx);
	return right;
}

/* Traffic of a process of its own, until it is killed. */
_Noreturn static void child(int started)
{
	struct rig rig;
	struct scene s;
	struct xfer x = { .op = OP_WRITE, .near = &s.near, .far = &s.far, .len = LEN };

	rig_open(&rig);
	scene_open(&s, &rig, &mode_2m_4k, MEM_THP, LEN);
	if (write(started, "", 1) != 1)
		_exit(1);
	for (;;) {
		xfer_run(&s.pair, &x);
		mem_drop(&s.far.mem, 0, SZ_2M);
	}
}

static bool killed(struct rig *rig, struct buf *buf)
{
	static struct rng rng = { 0xdead };
	int started[2], status;
	char byte;
	pid_t pid;
	bool right;

	(void)rig;
	(void)buf;
	if (pipe(started))
		fatal("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid)
		child(started[1]);
	close(started[1]);
	right = read(started[0], &byte, 1) == 1;
	close(started[0]);
	/* at any point of a transfer, not always at its start */
	nanosleep(&(struct timespec){ .tv_nsec = (long)rng_below(&rng, 20 * 1000 * 1000) }, NULL);
	kill(pid, SIGKILL);
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && right;
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	repeat(&rig, MEM_BASE, refused_range, ROUNDS, "2M over base pages refused");
	repeat(&rig, MEM_BASE, refused_flag, ROUNDS, "IBV_ACCESS_HUGETLB over base pages refused");
	repeat(&rig, MEM_BASE, refused_populate, ROUNDS, "hole cannot be populated");
	repeat(&rig, MEM_HUGETLB, good_and_gone, ROUNDS, "registered, modified, deregistered");
	repeat(&rig, MEM_THP, abandoned, ROUNDS, "context closed over a live MR");
	repeat(&rig, MEM_BASE, killed, 30, "process killed in a transfer");
	rig_close(&rig);
	return tap_done();
}
