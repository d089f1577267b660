// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Traffic on several QPs while the memory under the MR is dropped, moved and reused.
 *
 * Even blocks of the MR are stable: their pages are never freed, and each byte must be the last one
 * written. Odd blocks are volatile: bytes written there identify their place, so a byte is either
 * that or zero. Freed pages are reused by canaries, private memory in which only the canary's own
 * bytes may ever appear.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/mman.h>

#include "canary.h"
#include "scene.h"
#include "tap.h"

#define BLOCKS 8
#define LEN (SZ_2M * BLOCKS)
#define WORKERS 3
#define TRANSFERS 250
#define TAG 0x7a6 /* generation of the bytes in volatile blocks */

/* A block is shared out among the workers, pages between their parts. */
#define PART (SZ_2M / 4)
#define PART_LEN (PART - SZ_4K * 2)

struct race {
	struct rig *rig;
	struct buf mr;
	bool partial;	       /* volatile blocks may lose single pages */
	bool change;	       /* the MR's page size changes all the time */
	bool failures_allowed; /* a dropped block need not come back huge */
	atomic_bool stop;
	atomic_uint failed;
	atomic_uint wrong;
};

struct worker {
	pthread_t thread;
	struct race *race;
	struct pair pair;
	struct buf near;
	uint8_t *scratch;
	struct rng rng;
	unsigned int number;
};

/* Counts a failed request, unless it is one that may fail. */
static bool succeeded(struct worker *w, const struct outcome *out, enum op op, size_t at)
{
	if (out->near == IBV_WC_SUCCESS)
		return true;
	pair_renew(&w->pair);
	if (w->race->failures_allowed && out->near == IBV_WC_REM_ACCESS_ERR) {
		atomic_fetch_add(&w->race->failed, 1);
		return false;
	}
	diag("%s at %zu: '%s'", op_name(op), at, ibv_wc_status_str(out->near));
	atomic_fetch_add(&w->race->wrong, 1);
	return false;
}

static void volatile_transfer(struct worker *w, size_t at, size_t len)
{
	struct buf far = w->race->mr;
	struct xfer x = { .near = &w->near, .far = &far, .far_at = at, .len = len };
	uint8_t *near;
	struct outcome out;

	/* the content of volatile memory is unknown: use a shadow that is not compared */
	far.shadow = w->scratch;
	x.near_at = at % SZ_4K;
	near = w->near.mem.addr + x.near_at;
	pattern_fill(near, TAG, at, len);
	x.op = OP_WRITE;
	out = xfer_run(&w->pair, &x);
	if (succeeded(w, &out, x.op, at)) {
		memset(near, 0xee, len);
		x.op = OP_READ;
		out = xfer_run(&w->pair, &x);
		if (succeeded(w, &out, x.op, at) && !pattern_or_zero(near, TAG, at, len))
			atomic_fetch_add(&w->race->wrong, 1);
	}
	buf_adopt(&w->near, 0, w->near.mem.len);
}

static void stable_transfer(struct worker *w, size_t at, size_t len)
{
	struct xfer x = {
		.op = OP_WRITE,
		.near = &w->near,
		.near_at = rng_below(&w->rng, SZ_4K),
		.far = &w->race->mr,
		.far_at = at,
		.len = len,
	};

	if (!xfer_verify(&w->pair, &x))
		atomic_fetch_add(&w->race->wrong, 1);
	x.op = OP_READ;
	x.near_at = rng_below(&w->rng, SZ_4K);
	buf_fill(&w->near, x.near_at, len);
	if (!xfer_verify_as_is(&w->pair, &x))
		atomic_fetch_add(&w->race->wrong, 1);
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < TRANSFERS; i++) {
		size_t block = rng_below(&w->rng, BLOCKS);
		size_t part = block * SZ_2M + w->number * PART + SZ_4K;
		size_t len = rng_size(&w->rng, SZ_64K);
		size_t at = part + rng_below(&w->rng, PART_LEN - len);

		if (block % 2)
			volatile_transfer(w, at, len);
		else
			stable_transfer(w, at, len);
	}
	return NULL;
}

/* Frees pages of volatile blocks in several ways. */
static void *run_dropper(void *arg)
{
	struct race *race = arg;
	struct rng rng = { 0xd20 };

	while (!atomic_load(&race->stop)) {
		size_t at = (rng_below(&rng, BLOCKS / 2) * 2 + 1) * SZ_2M;
		uint64_t what = rng_below(&rng, race->partial ? 5 : 2);
		size_t page = rng_below(&rng, SZ_2M / SZ_4K) * SZ_4K;

		if (what == 0) {
			mem_drop(&race->mr.mem, at, SZ_2M);
		} else if (what == 1) {
			/* the CPU writes, too */
			pattern_fill(race->mr.mem.addr + at + page, TAG, at + page, SZ_4K);
		} else if (what == 2) {
			mem_drop(&race->mr.mem, at + page, SZ_4K);
		} else if (what == 3) {
			mem_drop(&race->mr.mem, at, page + SZ_4K);
		} else {
			/* may fail */
			madvise(race->mr.mem.addr + at, SZ_2M, MADV_COLLAPSE);
		}
	}
	return NULL;
}

/* Has the kernel migrate pages, also those of stable blocks. */
static void *run_compaction(void *arg)
{
	struct race *race = arg;
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	need(fd >= 0, "/proc/sys/vm/compact_memory must be writable");
	while (!atomic_load(&race->stop))
		if (write(fd, "1", 1) != 1)
			fatal("compact_memory: %s", strerror(errno));
	close(fd);
	return NULL;
}

/* Registers, changes and deregisters other MRs over the same memory. */
static void *run_churn(void *arg)
{
	static const uint64_t sizes[] = { SZ_2M | SZ_4K, SZ_4K, SZ_64K | SZ_4K, 0 };
	struct race *race = arg;
	struct rng rng = { 0xc42 };

	while (!atomic_load(&race->stop)) {
		size_t at = rng_below(&rng, LEN / 2), len = 1 + rng_below(&rng, LEN / 2);
		struct buf other = race->mr;
		int err = buf_reg(&other, &mode_2m_4k, at, len);

		for (int i = 0; i < 4 && !err; i++)
			err = ibv_modify_mr_odp(other.mr, sizes[rng_below(&rng, 4)], 0);
		if (err) {
			diag("another MR of %zu bytes at %zu: %s", len, at, strerror(err));
			atomic_fetch_add(&race->wrong, 1);
		}
		buf_dereg(&other);
	}
	return NULL;
}

/* The MR under traffic changes its page size. */
static void *run_changer(void *arg)
{
	static const uint64_t sizes[] = { SZ_2M | SZ_4K, SZ_4K, SZ_64K | SZ_4K, 0 };
	struct race *race = arg;
	struct rng rng = { 0xc4a };

	while (race->change && !atomic_load(&race->stop)) {
		int err = ibv_modify_mr_odp(race->mr.mr, sizes[rng_below(&rng, 4)], 0);

		if (err) {
			diag("ibv_modify_mr_odp: %s", strerror(err));
			atomic_fetch_add(&race->wrong, 1);
		}
	}
	return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		fatal("pthread_create failed");
}

static void check_after(struct race *race, const char *name)
{
	bool volatile_right = true, stable_right = true;

	for (size_t block = 0; block < BLOCKS; block++) {
		size_t at = block * SZ_2M;

		if (block % 2)
			volatile_right &=
				pattern_or_zero(race->mr.mem.addr + at, TAG, at, SZ_2M);
		else
			stable_right &= buf_check(&race->mr, at, SZ_2M, -1);
	}
	is_u64(atomic_load(&race->wrong), 0, "%s: no error during the run", name);
	ok(stable_right, "%s: stable blocks hold what was written", name);
	ok(volatile_right, "%s: volatile blocks hold only what belongs there", name);
	note("%s: %u requests failed as they may", name, atomic_load(&race->failed));
	note("%s: %llu pages invalidated, %llu faults", name,
	     (unsigned long long)buf_state(&race->mr).pages_invalidated,
	     (unsigned long long)buf_state(&race->mr).faults);
}

static void open_workers(struct race *race, struct worker *workers)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		*w = (struct worker){ .race = race, .number = i, .rng = { 0xace + i } };
		pair_open(&w->pair, race->rig, i % 2 ? 1024 : 4096);
		buf_make(&w->near, race->rig, MEM_BASE, SZ_64K + SZ_4K * 2, &mode_pinned);
		w->scratch = calloc(1, LEN);
		if (!w->scratch)
			fatal("out of memory");
	}
}

static void close_workers(struct worker *workers)
{
	for (unsigned int i = 0; i < WORKERS; i++) {
		pair_close(&workers[i].pair);
		buf_close(&workers[i].near);
		free(workers[i].scratch);
	}
}

static void run(struct rig *rig, const struct mode *mode, enum mem_kind kind, bool change)
{
	static void *(*const disturbers[])(void *) = {
		run_dropper, run_compaction, run_churn, run_changer,
	};
	const size_t ndisturbers = sizeof(disturbers) / sizeof(*disturbers);
	struct race race = {
		.rig = rig,
		.partial = kind != MEM_HUGETLB && mode != &mode_strict_2m,
		.change = change,
		.failures_allowed = kind == MEM_THP && mode == &mode_strict_2m,
	};
	pthread_t threads[sizeof(disturbers) / sizeof(*disturbers)];
	struct canaries canaries = { .kind = kind };
	struct worker workers[WORKERS];
	pthread_t canary_thread;
	char name[64];

	snprintf(name, sizeof(name), "%s%s over %s", mode->name, change ? ", changing," : "",
		 mem_name(kind));
	buf_make(&race.mr, rig, kind, LEN, mode);
	open_workers(&race, workers);
	start(&canary_thread, canaries_run, &canaries);
	for (size_t i = 0; i < ndisturbers; i++)
		start(&threads[i], disturbers[i], &race);
	for (unsigned int i = 0; i < WORKERS; i++)
		start(&workers[i].thread, run_worker, &workers[i]);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	atomic_store(&race.stop, true);
	for (size_t i = 0; i < ndisturbers; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&canaries.stop, true);
	pthread_join(canary_thread, NULL);
	atomic_fetch_add(&race.wrong, atomic_load(&canaries.wrong));
	check_after(&race, name);
	close_workers(workers);
	buf_close(&race.mr);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	/* without the series this would corrupt the kernel's memory */
	need_series(&rig);
	run(&rig, &mode_odp, MEM_BASE, false);
	run(&rig, &mode_odp, MEM_THP, false);
	run(&rig, &mode_2m_4k, MEM_THP, false);
	run(&rig, &mode_2m_4k, MEM_THP, true);
	run(&rig, &mode_strict_64k, MEM_HUGETLB, false);
	run(&rig, &mode_strict_2m, MEM_HUGETLB, false);
	/* a device with tables of its own allocates them for the sizes accepted at registration */
	run(&rig, rig.is_rxe ? &mode_strict_2m : &mode_any, MEM_HUGETLB, true);
	run(&rig, &mode_strict_2m, MEM_THP, false);
	rig_close(&rig);
	return tap_done();
}
