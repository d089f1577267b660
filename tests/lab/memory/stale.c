// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A page that was freed while the device's table was being filled is not in the table afterwards.
 *
 * One thread prefetches a range, which takes a while: pages that are not present yet, or pages that
 * the device has not mapped yet. At a random time, the other thread drops one page and at once
 * faults in its own memory, often the page that was just freed. Then the device writes: the data
 * must be in the MR and not in the other memory.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 2)
#define CHECKED SZ_64K /* bytes compared at the start of a larger page */
#define ENOUGH_BAD 3

struct prefetch {
	struct buf *buf;
	atomic_uint wanted; /* rounds begun */
	atomic_uint done;   /* and ended */
	atomic_bool stop;
	atomic_ullong ns; /* that the last one took */
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *run_prefetch(void *arg)
{
	struct prefetch *p = arg;
	struct ibv_sge sge = {
		.addr = buf_iova(p->buf, 0),
		.length = (uint32_t)p->buf->mr_len,
		.lkey = p->buf->mr->lkey,
	};
	unsigned int done = 0;

	while (!atomic_load(&p->stop)) {
		uint64_t start;

		if (atomic_load(&p->wanted) == done) {
			sched_yield();
			continue;
		}
		start = now();
		/* it may fail because of the changes: only the table that it leaves is tested */
		ibv_advise_mr(p->buf->rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			      IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
		atomic_store(&p->ns, now() - start);
		atomic_store(&p->done, ++done);
	}
	return NULL;
}

static bool one_round(struct scene *s, struct prefetch *p, struct mem *canary, size_t unit,
		      bool touch, struct rng *rng)
{
	size_t at = rng_below(rng, s->far.mr_len / unit) * unit;
	size_t len = unit < CHECKED ? unit : CHECKED;
	struct xfer x = {
		.op = OP_WRITE,
		.near = &s->near,
		.far = &s->far,
		.far_at = at,
		.len = len,
	};
	uint8_t want[CHECKED];
	uint64_t until;
	bool right;

	buf_drop(&s->far, 0, s->far.mem.len);
	for (size_t touched = 0; touch && touched < s->far.mem.len; touched += unit)
		buf_fill(&s->far, touched, 8);
	until = now() + rng_below(rng, atomic_load(&p->ns) + 1);
	atomic_fetch_add(&p->wanted, 1);
	while (now() < until)
		;
	buf_drop(&s->far, at, unit);
	pattern_fill(want, rng_next(rng), 0, len);
	memcpy(canary->addr, want, len);
	while (atomic_load(&p->done) != atomic_load(&p->wanted))
		sched_yield();

	right = xfer_verify(&s->pair, &x);
	if (memcmp(canary->addr, want, len)) {
		diag("the device wrote into memory that is not the MR's");
		right = false;
	}
	mem_drop(canary, 0, unit);
	return right;
}

static void run(struct rig *rig, const struct mode *mode, enum mem_kind kind, size_t unit,
		bool touch, unsigned int rounds)
{
	struct rng rng = { 0x57a1e };
	struct prefetch p = {};
	unsigned int bad = 0;
	struct mem canary;
	pthread_t thread;
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	mem_map(&canary, kind, SZ_2M);
	p.buf = &s.far;
	if (pthread_create(&thread, NULL, run_prefetch, &p))
		fatal("pthread_create failed");
	for (unsigned int i = 0; i < rounds && bad < ENOUGH_BAD; i++)
		bad += !one_round(&s, &p, &canary, unit, touch, &rng);
	atomic_store(&p.stop, true);
	pthread_join(thread, NULL);
	is_u64(bad, 0, "%s%s: %u rounds, wrong ones", s.name, touch ? ", touched" : "", rounds);
	scene_intact(&s, "after all rounds");
	scene_read(&s, 0, LEN, "after all rounds");
	note("%s: %llu blocks invalidated", s.name,
	     (unsigned long long)buf_state(&s.far).pages_invalidated);
	scene_close(&s);
	mem_unmap(&canary);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	/* without the series this would corrupt the kernel's memory */
	need_series(&rig);
	run(&rig, &mode_odp, MEM_BASE, SZ_4K, true, 40);
	run(&rig, &mode_odp, MEM_HUGETLB, SZ_2M, true, 40);
	run(&rig, &mode_strict_2m, MEM_HUGETLB, SZ_2M, false, 40);
	run(&rig, &mode_strict_64k, MEM_HUGETLB, SZ_2M, true, 40);
	run(&rig, &mode_2m_4k, MEM_THP, SZ_2M, false, 40);
	run(&rig, &mode_2m_4k, MEM_BASE, SZ_4K, true, 40);
	rig_close(&rig);
	return tap_done();
}
