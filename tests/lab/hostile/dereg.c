// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Deregisters MRs at critical moments: while a fault on them waits for user space, at the exit of
 * the owner, and while the kernel invalidates pages. The debug kernel detects a use of freed
 * memory.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "held.h"
#include "tap.h"

#define LEN BLOCK(2)
#define AT (SZ_4K * 5 + 100)
#define N 2000

/* Seconds that a fault is held: no time limit in the kernel is longer than the long ones. */
static long hold_ms(void)
{
	return is_long() ? 60000 : 4000;
}

enum what { BY_WRITE, BY_READ, BY_PREFETCH };

static const char *const whats[] = { "WRITE", "READ", "prefetch" };

struct combo {
	enum holder holder;
	const struct mode *mode;
	enum mem_kind kind;
	enum what what;
};

/* The device still works for other MRs. */
static void still_works(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_odp, MEM_BASE, SZ_2M);
	scene_write_pieces(&s, "afterwards");
	scene_read_pieces(&s, "afterwards");
	scene_close(&s);
}

/* Starts a request, or an asynchronous prefetch, that has to wait */
static void begin(struct rig *rig, struct pair *pair, struct buf *near, struct buf *far,
		  enum what what)
{
	struct ibv_sge sge = { buf_iova(far, AT), N, far->mr->lkey };

	if (what == BY_PREFETCH) {
		is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0, &sge, 1), 0,
			 "prefetch");
		return;
	}
	buf_fill(near, 0, N);
	rdma_post(pair, what == BY_READ ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, near->mr,
		  buf_iova(near, 0), far->mr, buf_iova(far, AT), N);
}

/* The request completes, and not with success after the deregistration. */
static void ended(struct pair *pair, struct buf *near, struct buf *far, enum what what, bool early)
{
	int status = rdma_wait(pair, later());

	ok(status != NO_COMPLETION, "the request completes: %s", status_name(status));
	ok(!early || status, "no success once the MR is gone");
	if (!status && what == BY_WRITE)
		memcpy(far->shadow + AT, near->shadow, N);
	else if (!status)
		memcpy(near->shadow, far->shadow + AT, N);
	/* may have been in progress at the deregistration */
	else if (what == BY_WRITE && !memcmp(far->mem.addr + AT, near->shadow, N))
		buf_adopt(far, AT, N);
	else if (what == BY_READ)
		buf_adopt(near, 0, N);
	ok(buf_check_all(near), "every byte at the near end");
}

/* Deregisters the MR of @far while a fault on it is held. */
static void dereg_in_fault(struct rig *rig, struct pair *pair, struct buf *near, struct buf *far,
			   struct held *held, enum what what)
{
	struct call dereg;
	bool early;

	begin(rig, pair, near, far, what);
	if (!ok(held_waits(held, later()), "the device faults"))
		_exit(0);
	call_start(&dereg, call_dereg, far->mr);
	early = call_ends(&dereg, (double)hold_ms() / 1000);
	note("deregistration %s", early ? "does not wait for the fault" : "waits for the fault");
	held_release(held);
	if (!call_ends(&dereg, later())) {
		ok(false, "deregistration returns once the block is there");
		_exit(0);
	}
	is_errno(dereg.ret, 0, "deregistration");
	far->mr = NULL;
	if (what != BY_PREFETCH)
		ended(pair, near, far, what, early);
	/* reads every page, and so faults in those that are still missing */
	ok(buf_check_all(far), "every byte of what was the MR");
	held_close(held);
}

static void held_fault(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct buf near, far;
	struct held held;
	struct pair pair;
	int err;

	pair_open(&pair, rig, 4096);
	buf_make(&near, rig, MEM_BASE, SZ_64K, &mode_pinned);
	buf_open(&far, rig, c->kind, LEN);
	held_open(&held, c->holder, &far);
	err = buf_reg(&far, c->mode, 0, LEN);
	if (err)
		fatal("register: %s", strerror(err));
	dereg_in_fault(rig, &pair, &near, &far, &held, c->what);
	pair_close(&pair);
	buf_close(&near);
	buf_close(&far);
	still_works(rig);
}

/* ---- implicit MRs ---- */

struct implicit {
	const struct mode *mode;
	enum what what;
	bool used; /* the device knows other pages of the same GiB */
};

static void implicit_fault(struct rig *rig, const void *arg)
{
	const struct implicit *c = arg;
	struct ibv_mr *mr = mode_reg(c->mode, rig->pd, NULL, SIZE_MAX, 0, ACCESS_ALL);
	struct buf near, far;
	struct held held;
	struct pair pair;
	int status;

	if (!ok(mr, "implicit MR: %s", mr ? "done" : strerror(errno)))
		return;
	pair_open(&pair, rig, 4096);
	buf_make(&near, rig, MEM_BASE, SZ_64K, &mode_pinned);
	buf_open(&far, rig, MEM_BASE, LEN);
	held_open(&held, HOLD_MISSING, &far);
	far.mr = mr;
	far.mr_len = LEN;
	far.iova = (uintptr_t)far.mem.addr;
	if (c->used) {
		buf_fill(&near, 0, N);
		status = rdma_run(&pair, IBV_WR_RDMA_WRITE, near.mr, buf_iova(&near, 0), mr,
				  buf_iova(&far, BLOCK(1)), N);
		ok(!status, "WRITE to another page: %s", status_name(status));
		memcpy(far.shadow + BLOCK(1), near.shadow, N);
	}
	dereg_in_fault(rig, &pair, &near, &far, &held, c->what);
	pair_close(&pair);
	buf_close(&near);
	buf_close(&far);
	still_works(rig);
}

/* ---- the process exits ---- */

struct leaver {
	struct combo combo;
	bool killed;
	bool held_first; /* its userfaultfd or FUSE is older than the device's descriptor */
};

_Noreturn static void leaver(const void *arg, int to_parent)
{
	const struct leaver *l = arg;
	const struct combo *c = &l->combo;
	struct buf near, far;
	struct held held;
	struct pair pair;
	struct rig rig;

	/* its test points do not belong to this scenario */
	silence();
	if (l->held_first) {
		buf_open(&far, NULL, c->kind, LEN);
		held_open(&held, c->holder, &far);
	}
	rig_open(&rig);
	if (!l->held_first) {
		buf_open(&far, NULL, c->kind, LEN);
		held_open(&held, c->holder, &far);
	}
	far.rig = &rig;
	pair_open(&pair, &rig, 4096);
	buf_make(&near, &rig, MEM_BASE, SZ_64K, &mode_pinned);
	if (buf_reg(&far, c->mode, 0, LEN))
		_exit(1);
	begin(&rig, &pair, &near, &far, c->what);
	if (!held_waits(&held, later()) || write(to_parent, "", 1) != 1)
		_exit(1);
	if (!l->killed)
		_exit(0);
	for (;;)
		pause();
}

static void leaves(struct rig *rig, const void *arg)
{
	const struct leaver *l = arg;
	pid_t pid = start_waiting(leaver, l);

	if (!ok(pid > 0, "a fault of the process waits"))
		return;
	sleep_ms(200);
	if (l->killed)
		kill(pid, SIGKILL);
	if (!process_ends(pid, soon() * 2, "the process is gone"))
		_exit(0);
	still_works(rig);
}

/* ---- concurrent invalidation ---- */

enum taker { DROPPED, UNMAPPED, PAGED_OUT };

struct race {
	const struct mode *mode;
	enum mem_kind kind;
	enum taker taker;
};

struct racer {
	pthread_barrier_t barrier;
	struct mem mem;
	enum taker taker;
	long delay_us;
	atomic_bool stop;
};

static void spin_us(long us)
{
	double end = now_s() + (double)us / 1e6;

	while (now_s() < end)
		;
}

static void *run_racer(void *arg)
{
	struct racer *r = arg;

	for (;;) {
		pthread_barrier_wait(&r->barrier);
		if (atomic_load(&r->stop))
			return NULL;
		spin_us(r->delay_us);
		if (r->taker == UNMAPPED)
			munmap(r->mem.addr, r->mem.len);
		else
			madvise(r->mem.addr, r->mem.len,
				r->taker == DROPPED ? MADV_DONTNEED : MADV_PAGEOUT);
		pthread_barrier_wait(&r->barrier);
	}
}

static void race(struct rig *rig, const void *arg)
{
	unsigned int rounds = is_long() ? 600 : 80, bad = 0;
	const struct race *c = arg;
	struct racer r = { .taker = c->taker };
	struct rng rng = { 0xdead };
	struct buf near, other;
	struct pair pair;
	pthread_t thread;

	pair_open(&pair, rig, 4096);
	buf_make(&near, rig, MEM_BASE, SZ_2M, &mode_pinned);
	if (pthread_barrier_init(&r.barrier, NULL, 2) ||
	    pthread_create(&thread, NULL, run_racer, &r))
		fatal("no thread");
	for (unsigned int i = 0; i < rounds; i++) {
		struct ibv_mr *mr;

		mem_map(&r.mem, c->kind, BLOCK(4));
		memset(r.mem.addr, 1, r.mem.len);
		mr = mode_reg(c->mode, rig->pd, r.mem.addr, r.mem.len, (uintptr_t)r.mem.addr,
			      ACCESS_ALL);
		if (!mr)
			fatal("register: %s", strerror(errno));
		/* map each block, writable */
		for (size_t at = 0; at < r.mem.len; at += SZ_1M)
			bad += !!rdma_run(&pair, IBV_WR_RDMA_WRITE, near.mr,
					  (uintptr_t)near.mem.addr, mr, (uintptr_t)r.mem.addr + at,
					  SZ_64K);
		r.delay_us = (long)rng_below(&rng, 2000);
		pthread_barrier_wait(&r.barrier);
		if (i % 2)
			spin_us((long)rng_below(&rng, 1000));
		if (ibv_dereg_mr(mr))
			fatal("ibv_dereg_mr failed");
		pthread_barrier_wait(&r.barrier);
		mem_unmap(&r.mem);
		/* freed pages are reused, and their new content must not change */
		buf_open(&other, rig, MEM_BASE, SZ_1M);
		buf_fill(&other, 0, SZ_1M);
		bad += !buf_check_all(&other);
		buf_close(&other);
	}
	atomic_store(&r.stop, true);
	pthread_barrier_wait(&r.barrier);
	pthread_join(thread, NULL);
	is_u64(bad, 0, "%u rounds, wrong ones", rounds);
	pair_close(&pair);
	buf_close(&near);
	still_works(rig);
}

static const struct combo combos[] = {
	{ HOLD_MISSING, &mode_odp, MEM_BASE, BY_WRITE },
	{ HOLD_MISSING, &mode_odp, MEM_BASE, BY_READ },
	{ HOLD_MISSING, &mode_odp, MEM_BASE, BY_PREFETCH },
	{ HOLD_MISSING, &mode_strict_2m, MEM_HUGETLB, BY_WRITE },
	{ HOLD_MISSING, &mode_strict_2m, MEM_HUGETLB, BY_PREFETCH },
	{ HOLD_MISSING, &mode_2m_4k, MEM_THP, BY_READ },
	{ HOLD_MISSING, &mode_2m_4k, MEM_THP, BY_PREFETCH },
	{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_BASE, BY_WRITE },
	{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_THP, BY_READ },
	{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_THP, BY_PREFETCH },
	{ HOLD_WP, &mode_strict_2m, MEM_THP, BY_WRITE },
	{ HOLD_FUSE, &mode_odp, MEM_BASE, BY_WRITE },
	{ HOLD_FUSE, &mode_2m_4k, MEM_BASE, BY_READ },
	{ HOLD_FUSE, &mode_mixed_2m_4k, MEM_BASE, BY_WRITE },
};

static void processes(void)
{
	static const struct combo owners[] = {
		{ HOLD_MISSING, &mode_odp, MEM_BASE, BY_WRITE },
		{ HOLD_MISSING, &mode_strict_2m, MEM_HUGETLB, BY_WRITE },
		{ HOLD_MISSING, &mode_2m_4k, MEM_BASE, BY_PREFETCH },
		{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_BASE, BY_READ },
		{ HOLD_FUSE, &mode_odp, MEM_BASE, BY_READ },
		{ HOLD_FUSE, &mode_mixed_2m_4k, MEM_BASE, BY_PREFETCH },
	};

	for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
		for (int way = 0; way < 4; way++) {
			struct leaver l = { owners[i], way & 1, way & 2 };

			scenario(soon() * 12, leaves, &l, "%s, %s %s, %s, %s, its server opened %s",
				 l.killed ? "killed" : "exits", owners[i].mode->name,
				 mem_name(owners[i].kind), holder_name(owners[i].holder),
				 whats[owners[i].what], l.held_first ? "first" : "last");
		}
}

int main(void)
{
	static const struct mode *const whole[] = { &mode_odp, &mode_2m_4k, &mode_mixed_2m_4k };
	static const struct race races[] = {
		{ &mode_odp, MEM_BASE, DROPPED },	 { &mode_odp, MEM_BASE, UNMAPPED },
		{ &mode_strict_2m, MEM_THP, DROPPED },	 { &mode_strict_2m, MEM_HUGETLB, UNMAPPED },
		{ &mode_2m_4k, MEM_THP, UNMAPPED },	 { &mode_2m_4k, MEM_BASE, DROPPED },
		{ &mode_mixed_2m_4k, MEM_THP, DROPPED }, { &mode_mixed_2m_4k, MEM_BASE, UNMAPPED },
		{ &mode_odp, MEM_BASE, PAGED_OUT },
	};
	double patience = later() * 3 + (double)hold_ms() / 1000;

	for (size_t i = 0; i < ARRAY_SIZE(combos); i++)
		scenario(patience, held_fault, &combos[i], "held, %s, %s over %s, %s",
			 holder_name(combos[i].holder), combos[i].mode->name,
			 mem_name(combos[i].kind), whats[combos[i].what]);
	for (size_t i = 0; i < ARRAY_SIZE(whole) * 6; i++) {
		struct implicit c = { whole[i / 6], (enum what)(i % 3), i / 3 % 2 };

		scenario(patience, implicit_fault, &c, "implicit, %s, %s, a GiB %s", c.mode->name,
			 whats[c.what], c.used ? "used before" : "not used before");
	}
	processes();
	for (size_t i = 0; i < ARRAY_SIZE(races); i++) {
		static const char *const takers[] = { "dropped", "unmapped", "paged out" };

		scenario(later() * (is_long() ? 20 : 4), race, &races[i], "race, %s over %s, %s",
			 races[i].mode->name, mem_name(races[i].kind), takers[races[i].taker]);
	}
	return tap_done();
}
