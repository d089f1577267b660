// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ibv_modify_mr_odp(): up and down, on idle MRs and under traffic. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_1M * 16)
#define THREADS 2
#define CHANGES 250
#define TRANSFERS 300

/* A device with tables of its own allocates them for the sizes accepted at registration. */
static const struct mode *first_mode(const struct rig *rig)
{
	return rig->is_rxe ? &mode_strict_2m : &mode_any;
}

static void modify(struct scene *s, uint64_t sizes, uint32_t flags, uint32_t shift)
{
	char what[64];
	struct ibv_mr_odp_attr state;

	snprintf(what, sizeof(what), "modified to %#llx flags %#x", (unsigned long long)sizes,
		 flags);
	is_errno(ibv_modify_mr_odp(s->far.mr, sizes, flags), 0, "%s: %s", s->name, what);
	state = buf_state(&s->far);
	is_u64(state.page_shift, shift, "%s: %s: page shift", s->name, what);
	/* POPULATE is an action and not a state of the MR */
	is_u64(state.flags, 0, "%s: %s: flags", s->name, what);
	if (flags & IBV_ODP_POPULATE)
		is_u64(state.blocks_mapped, LEN >> shift, "%s: %s: all blocks mapped", s->name,
		       what);
	scene_read(s, 0, LEN, what);
	scene_write(s, SZ_2M - 1, SZ_2M * 2 + 2, what);
	scene_intact(s, what);
}

static void idle(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	scene_write(&s, 0, LEN, "before");
	modify(&s, SZ_4K, 0, 12);
	modify(&s, SZ_64K, 0, 16);
	modify(&s, SZ_2M, 0, 21);
	modify(&s, SZ_1M, IBV_ODP_POPULATE, 20);
	modify(&s, 0, 0, 21);
	modify(&s, SZ_64K | SZ_4K, IBV_ODP_POPULATE, 16);
	modify(&s, SZ_2M | SZ_4K, IBV_ODP_POPULATE, 21);
	modify(&s, SZ_2M | SZ_4K, 0, 21);
	scene_close(&s);
}

static void refused(struct rig *rig)
{
	struct ibv_mr_odp_attr before, after;
	struct scene s;

	scene_open(&s, rig, &mode_strict_2m, MEM_HUGETLB, LEN);
	scene_write(&s, 0, LEN, "before");
	before = buf_state(&s.far);
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_1G, 0), ERANGE, "modify to 1G");
	is_errno(ibv_modify_mr_odp(s.far.mr, 1ULL << 40, 0), EOPNOTSUPP, "modify to 2^40");
	is_errno(ibv_modify_mr_odp(s.far.mr, 1 << 11, 0), EINVAL, "modify to 2^11");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M, 1 << 2), EINVAL, "modify, unknown flag");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M, 1U << 31), EINVAL, "modify, unknown flag");
	after = buf_state(&s.far);
	ok(!memcmp(&before, &after, sizeof(after)), "after refusals the MR is as it was");
	scene_read(&s, 0, LEN, "after refusals");
	is_u64(buf_state(&s.far).faults, before.faults, "after refusals nothing is mapped again");
	scene_close(&s);

	scene_open(&s, rig, &mode_2m_4k, MEM_BASE, LEN);
	scene_write(&s, 0, LEN, "before");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M, 0), ERANGE, "base memory to 2M");
	is_u64(buf_state(&s.far).page_sizes, SZ_2M | SZ_4K, "base memory: sizes as they were");
	scene_read(&s, 0, LEN, "after a refusal");
	scene_close(&s);
}

/* To a smaller size when a page is missing in a block, and back once the block is huge again. */
static void mended(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_2m_4k, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "whole");
	buf_drop(&s.far, SZ_2M * 3, SZ_4K);
	scene_write(&s, SZ_2M * 3, SZ_64K, "broken");
	scene_shift(&s, 12, "broken");
	buf_drop(&s.far, SZ_2M * 3, SZ_2M);
	modify(&s, SZ_2M | SZ_4K, 0, 21);
	scene_write(&s, 0, LEN, "mended");
	scene_shift(&s, 21, "mended");
	is_u64(buf_state(&s.far).renegotiations, 2, "down and up are two renegotiations");
	scene_close(&s);
}

/* One thread of traffic: writes to its own part of the MR and reads it back. */
struct traffic {
	pthread_t thread;
	struct rig *rig;
	struct buf *far;
	size_t from, len;
	uint64_t seed;
	atomic_bool *stop;
	atomic_uint done;
	unsigned int bad;
};

static void *run_traffic(void *arg)
{
	struct traffic *t = arg;
	struct rng rng = { t->seed };
	struct pair pair;
	struct buf near;
	struct xfer x = { .near = &near, .far = t->far };

	pair_open(&pair, t->rig, t->seed & 1 ? 1024 : 4096);
	buf_make(&near, t->rig, MEM_BASE, SZ_2M * 2, &mode_pinned);
	while (!atomic_load(t->stop)) {
		x.len = rng_size(&rng, SZ_2M / 2);
		x.near_at = rng_below(&rng, near.mr_len - x.len);
		x.far_at = t->from + rng_below(&rng, t->len - x.len);
		x.op = OP_WRITE;
		t->bad += !xfer_verify(&pair, &x);
		x.op = OP_READ;
		buf_fill(&near, x.near_at, x.len);
		t->bad += !xfer_verify_as_is(&pair, &x);
		atomic_fetch_add(&t->done, 2);
	}
	pair_close(&pair);
	buf_close(&near);
	return NULL;
}

static unsigned int change_sizes(struct buf *far, const struct mode *mode, struct traffic *traffic)
{
	/* the last two are not sizes of a mixed MR */
	static const uint64_t sizes[] = { SZ_2M, SZ_4K, SZ_2M | SZ_4K, 0, SZ_64K, SZ_1M };
	struct rng rng = { 0xc0de };
	unsigned int bad = 0;

	for (unsigned int i = 0; i < CHANGES || atomic_load(&traffic[0].done) < TRANSFERS ||
				 atomic_load(&traffic[1].done) < TRANSFERS;
	     i++) {
		uint64_t want = sizes[rng_below(&rng, mode->flags & IBV_ODP_MIXED ? 4 : 6)];
		uint32_t populate = rng_below(&rng, 4) ? 0 : IBV_ODP_POPULATE;
		int err = ibv_modify_mr_odp(far->mr, want, mode->flags | populate);

		if (err && !bad++)
			diag("change %u, to %#llx: %s", i, (unsigned long long)want, strerror(err));
	}
	return bad;
}

static void live(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	struct traffic traffic[THREADS];
	unsigned int bad_changes;
	atomic_bool stop = false;
	struct buf far;

	buf_make(&far, rig, kind, LEN, mode);
	for (int i = 0; i < THREADS; i++) {
		/* a page apart: each thread also checks a page on either side */
		traffic[i] = (struct traffic){
			.rig = rig,
			.far = &far,
			.from = LEN / THREADS * (size_t)i + SZ_4K,
			.len = LEN / THREADS - SZ_4K * 2,
			.seed = 0x11fe + (uint64_t)i,
			.stop = &stop,
		};
		if (pthread_create(&traffic[i].thread, NULL, run_traffic, &traffic[i]))
			fatal("pthread_create failed");
	}
	bad_changes = change_sizes(&far, mode, traffic);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(traffic[i].thread, NULL);
		is_u64(traffic[i].bad, 0, "%s live over %s: wrong transfers of %u, thread %d",
		       mode->name, mem_name(kind), atomic_load(&traffic[i].done), i);
	}
	is_u64(bad_changes, 0, "%s live over %s: failed changes", mode->name, mem_name(kind));
	ok(buf_state(&far).renegotiations > CHANGES / 4, "%s live over %s: %llu renegotiations",
	   mode->name, mem_name(kind), (unsigned long long)buf_state(&far).renegotiations);
	ok(buf_check_all(&far), "%s live over %s: every byte as it must be", mode->name,
	   mem_name(kind));
	buf_close(&far);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	idle(&rig, first_mode(&rig), MEM_HUGETLB);
	idle(&rig, &mode_odp, MEM_THP);
	refused(&rig);
	mended(&rig);
	live(&rig, first_mode(&rig), MEM_HUGETLB);
	live(&rig, first_mode(&rig), MEM_THP);
	live(&rig, &mode_mixed_2m_4k, MEM_HUGETLB);
	rig_close(&rig);
	return tap_done();
}
