// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "torture.h"

#define CHECK_PIECE SZ_64K
#define COUNTED_MS 10000

static const char *view_name(const struct view *view)
{
	return view->mode ? view->mode->name : "implicit";
}

static bool is_hugetlb(const struct arena *a)
{
	return a->mem.kind == MEM_HUGETLB || a->mem.kind == MEM_HUGETLB_SHARED;
}

/* The modes that fit the memory, implicit last. */
static unsigned int modes(const struct arena *a, const struct mode **list)
{
	unsigned int n = 0;

	list[n++] = &mode_odp;
	list[n++] = &mode_2m_4k;
	if (a->odp_flags & IBV_ODP_MIXED)
		list[n++] = &mode_mixed_2m_4k;
	if (a->odp_flags & IBV_ODP_MIXED)
		list[n++] = &mode_mixed_any;
	if (a->mem.kind == MEM_THP || is_hugetlb(a)) {
		list[n++] = &mode_strict_2m;
		list[n++] = &mode_strict_64k;
	}
	list[n++] = &mode_any;
	if (a->implicit)
		list[n++] = NULL;
	return n;
}

const struct mode *arena_pick_mode(const struct arena *a, struct rng *rng)
{
	const struct mode *list[MAX_VIEWS];
	unsigned int n = modes(a, list);

	return list[rng_below(rng, n)];
}

bool mode_is_fussy(const struct arena *a, const struct mode *mode)
{
	return mode && mode->request && mode->page_sizes && !(mode->page_sizes & SZ_4K) &&
	       !is_hugetlb(a);
}

struct ibv_mr *arena_reg(struct arena *a, const struct mode *mode)
{
	if (!mode)
		return ibv_reg_mr(a->rig->pd, NULL, SIZE_MAX, ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	return mode_reg(mode, a->rig->pd, a->mem.addr, a->mem.len, (uintptr_t)a->mem.addr,
			ACCESS_ALL);
}

struct buf arena_buf(struct arena *a, struct ibv_mr *mr)
{
	return (struct buf){
		.rig = a->rig,
		.mem = a->mem,
		.shadow = a->shadow,
		.mr_len = a->mem.len,
		.iova = (uintptr_t)a->mem.addr,
		.mr = mr,
	};
}

struct quiet arena_quiet(const struct arena *a)
{
	struct quiet now = { .all_open = true };

	for (size_t b = 0; b < BLOCKS; b++) {
		unsigned int closed = atomic_load(a->block[b].closed);

		now.closings += closed;
		now.all_open &= closed % 2 == 0;
	}
	return now;
}

bool arena_still_quiet(const struct arena *a, struct quiet since)
{
	return since.all_open && arena_quiet(a).closings == since.closings;
}

static void init_block(struct block *block)
{
	pthread_rwlockattr_t attr;

	pthread_mutex_init(&block->cpu, NULL);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&block->gate, &attr);
	pthread_rwlockattr_destroy(&attr);
}

void arena_open(struct arena *a, struct rig *rig, enum mem_kind kind, int fd)
{
	struct ibv_device_odp_attr pages = {};
	struct ibv_device_attr_ex attr = {};

	a->rig = rig;
	if (ibv_query_device_odp(rig->ctx, &pages, sizeof(pages)) ||
	    ibv_query_device_ex(rig->ctx, NULL, &attr))
		fatal("the device does not report its capabilities");
	a->odp_flags = pages.flags;
	a->implicit = attr.odp_caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT;
	if (fd >= 0)
		mem_map_file(&a->mem, kind, ARENA_LEN, fd);
	else
		mem_map(&a->mem, kind, ARENA_LEN);
	a->shadow = calloc(1, ARENA_LEN);
	if (!a->shadow)
		fatal("out of memory");
	for (size_t b = 0; b < BLOCKS; b++) {
		init_block(&a->block[b]);
		atomic_store(&a->block[b].gen, b + 1);
		if (!a->block[b].closed)
			a->block[b].closed = &a->own_closed[b];
	}
}

void arena_register(struct arena *a)
{
	const struct mode *list[MAX_VIEWS];

	a->views = modes(a, list);
	for (unsigned int i = 0; i < a->views; i++) {
		struct view *v = &a->view[i];

		v->mode = list[i];
		v->fussy = mode_is_fussy(a, v->mode);
		v->mr = arena_reg(a, v->mode);
		if (!v->mr)
			fatal("%s MR over %s memory: %s", view_name(v), mem_name(a->mem.kind),
			      strerror(errno));
	}
}

void arena_close(struct arena *a)
{
	for (unsigned int i = 0; i < a->views; i++)
		if (ibv_dereg_mr(a->view[i].mr))
			fatal("ibv_dereg_mr: %s", strerror(errno));
	if (a->mem.addr)
		mem_unmap(&a->mem);
	for (size_t b = 0; b < BLOCKS; b++) {
		pthread_mutex_destroy(&a->block[b].cpu);
		pthread_rwlock_destroy(&a->block[b].gate);
	}
	free(a->shadow);
}

/*
 * Reads the arena through one view; the device must read what the CPU reads. After a short leg, which
 * would take less time than this, it reads every fourth piece, and the next view the next ones.
 */
static bool reads_right(struct arena *a, unsigned int number, struct pair *pair, struct buf *near)
{
	struct view *v = &a->view[number];
	struct buf far = arena_buf(a, v->mr);
	struct xfer x = { .op = OP_READ, .near = near, .far = &far, .len = CHECK_PIECE };
	bool right = true;

	for (x.far_at = 0; x.far_at < ARENA_LEN; x.far_at += CHECK_PIECE) {
		struct outcome out;

		if (a->is_short && (x.far_at / CHECK_PIECE + number + a->seed) % 4)
			continue;
		memset(near->mem.addr, 0xee, CHECK_PIECE);
		out = xfer_run(pair, &x);
		if (out.near != IBV_WC_SUCCESS) {
			pair_renew(pair);
			if (v->fussy && out.near == IBV_WC_REM_ACCESS_ERR)
				continue;
			diag("%s: READ at %zu: %s", view_name(v), x.far_at,
			     ibv_wc_status_str(out.near));
			right = false;
		} else if (memcmp(near->mem.addr, a->mem.addr + x.far_at, CHECK_PIECE)) {
			diag("%s: READ at %zu: not what is in memory", view_name(v), x.far_at);
			right = false;
		}
	}
	return right;
}

void arena_check(struct arena *a, const char *name)
{
	struct buf all = arena_buf(a, NULL), near;
	bool stable = true, fleeting = true, readable = true;
	struct pair pair;

	for (size_t b = 0; b < BLOCKS; b++) {
		size_t at = b * SZ_2M;

		if (is_stable(a, b))
			stable &= buf_check(&all, at, SZ_2M, -1);
		else
			fleeting &= pattern_or_zero(a->mem.addr + at, atomic_load(&a->block[b].gen),
						    at, SZ_2M);
	}
	ok(stable, "%s: stable blocks hold what was written", name);
	ok(fleeting, "%s: volatile blocks hold only what belongs there", name);
	pair_open(&pair, a->rig, 4096);
	buf_make(&near, a->rig, MEM_BASE, CHECK_PIECE, &mode_pinned);
	for (unsigned int i = 0; i < a->views; i++)
		readable &= reads_right(a, i, &pair, &near);
	ok(readable, "%s: every MR shows what is in memory", name);
	buf_close(&near);
	pair_close(&pair);
}

static bool state_of(const struct view *v, struct ibv_mr_odp_attr *state)
{
	int err = ibv_query_mr_odp(v->mr, state, sizeof(*state));

	if (err)
		diag("%s: ibv_query_mr_odp: %s", view_name(v), strerror(err));
	return !err;
}

/* The blocks of each size are all the blocks there are, and none is of a size not accepted. */
static bool adds_up(const struct view *v, const struct ibv_mr_odp_attr *s)
{
	uint64_t blocks = 0, sizes = 0;

	for (unsigned int shift = 0; shift < 64; shift++) {
		blocks += s->blocks[shift];
		sizes |= s->blocks[shift] ? 1ULL << shift : 0;
	}
	if (blocks == s->blocks_mapped && !(sizes & ~s->page_sizes) &&
	    s->renegotiations_down <= s->renegotiations)
		return true;
	diag("%s: %llu blocks mapped, but %llu of sizes %#llx; accepted are %#llx; %llu of %llu "
	     "renegotiations went down",
	     view_name(v), (unsigned long long)s->blocks_mapped, (unsigned long long)blocks,
	     (unsigned long long)sizes, (unsigned long long)s->page_sizes,
	     (unsigned long long)s->renegotiations_down, (unsigned long long)s->renegotiations);
	return false;
}

/* Invariants of an MR whose blocks are all of one size. */
static bool plausible(const struct view *v, const struct ibv_mr_odp_attr *s)
{
	uint64_t entries = ARENA_LEN >> s->page_shift;
	/* 512 base pages that are mapped by one leaf can have one entry */
	uint64_t together = s->page_shift == 12 ? 512 : 1;
	bool right = (s->page_sizes & 1ULL << s->page_shift) && s->blocks_mapped <= entries + 1 &&
		     s->table_bytes >= s->blocks_mapped / together * 8;

	if (!right)
		diag("%s: shift %u of %#llx, %llu blocks, %llu bytes", view_name(v), s->page_shift,
		     (unsigned long long)s->page_sizes, (unsigned long long)s->blocks_mapped,
		     (unsigned long long)s->table_bytes);
	return right;
}

/*
 * What was mapped is counted as invalidated. A driver may free a part of an implicit MR together with
 * its memory, and count that part's invalidations for the MR a moment later.
 */
static bool all_counted(const struct view *v, const struct ibv_mr_odp_attr *before,
			struct ibv_mr_odp_attr *after)
{
	const uint64_t until = now_ms() + COUNTED_MS;
	uint64_t invalidated;

	do {
		invalidated = after->pages_invalidated - before->pages_invalidated;
		if (invalidated == before->blocks_mapped)
			return true;
		sleep_ms(10);
	} while (!v->mode && now_ms() < until && state_of(v, after));
	diag("%s: %llu blocks were mapped, %llu were invalidated", view_name(v),
	     (unsigned long long)before->blocks_mapped, (unsigned long long)invalidated);
	return false;
}

void arena_check_counters(struct arena *a, const char *name)
{
	struct ibv_mr_odp_attr before[MAX_VIEWS] = {}, after = {};
	bool known = true, right = true, empty = true, sums = true;

	for (unsigned int i = 0; i < a->views; i++) {
		struct view *v = &a->view[i];

		known &= state_of(v, &before[i]);
		right &= adds_up(v, &before[i]);
		if (v->mode && !(before[i].flags & IBV_ODP_MIXED))
			right &= plausible(v, &before[i]);
		note("%s: %s: %llu transfers, %llu refused; shift %u, %llu faults, %llu mapped, "
		     "%llu invalidated, %llu renegotiations",
		     name, view_name(v), (unsigned long long)atomic_load(&v->done),
		     (unsigned long long)atomic_load(&v->refused), before[i].page_shift,
		     (unsigned long long)before[i].faults,
		     (unsigned long long)before[i].blocks_mapped,
		     (unsigned long long)before[i].pages_invalidated,
		     (unsigned long long)before[i].renegotiations);
	}
	mem_unmap(&a->mem);
	for (unsigned int i = 0; i < a->views; i++) {
		struct view *v = &a->view[i];

		known &= state_of(v, &after);
		if (after.blocks_mapped) {
			diag("%s: %llu blocks mapped with the memory gone", view_name(v),
			     (unsigned long long)after.blocks_mapped);
			empty = false;
		}
		sums &= all_counted(v, &before[i], &after);
	}
	ok(known, "%s: every MR reports its state", name);
	ok(right, "%s: the states are possible", name);
	ok(empty, "%s: without memory nothing is mapped", name);
	ok(sums, "%s: all mapped blocks have been invalidated", name);
}
