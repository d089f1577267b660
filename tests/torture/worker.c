// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Random transfers, and the expected content of memory after them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "torture.h"

#define NEAR_LEN (MAX_TRANSFER + SZ_4K * 2)
#define ANOTHER_MR 24 /* transfers between two MRs of a worker's own */

/* One end of a transfer. */
struct side {
	struct buf buf;
	size_t at;
	bool arena;  /* in the arena, of this process or as the other one sees it */
	bool remote; /* by the other process's MR */
	bool fussy;
	struct view *view; /* NULL: not the arena's */
	unsigned int closed;
	struct ibv_mr mr; /* of the other process: only its rkey is set */
};

struct job {
	struct worker *w;
	struct side near, far;
	struct xfer x;
	unsigned int life;
};

void worker_open(struct worker *w, struct arena *a, unsigned int number)
{
	*w = (struct worker){
		.arena = a,
		.number = number,
		.rng = { a->seed + 0x3041 * (number + 1) },
		.gen = (uint64_t)(number + 1) << 40,
	};
	pair_open(&w->pair, a->rig, number % 2 ? 1024 : 4096);
	buf_make(&w->near, a->rig, MEM_BASE, NEAR_LEN, &mode_pinned);
	w->scratch = calloc(1, ARENA_LEN);
	if (!w->scratch)
		fatal("out of memory");
}

static void drop_mine(struct worker *w)
{
	if (w->mine.mr && ibv_dereg_mr(w->mine.mr))
		fatal("ibv_dereg_mr: %s", strerror(errno));
	w->mine.mr = NULL;
}

void worker_close(struct worker *w)
{
	drop_mine(w);
	peer_unlink(w);
	pair_close(&w->pair);
	buf_close(&w->near);
	free(w->scratch);
}

/* Another MR in another mode, over memory in its present state. */
static void replace_mine(struct worker *w)
{
	struct arena *a = w->arena;
	struct quiet quiet;

	drop_mine(w);
	quiet = arena_quiet(a);
	w->mine.mode = arena_pick_mode(a, &w->rng);
	w->mine.fussy = mode_is_fussy(a, w->mine.mode);
	w->mine.mr = arena_reg(a, w->mine.mode);
	if (w->mine.mr)
		happened(a, EV_NEW_MR);
	else if (errno != ERANGE || (!w->mine.fussy && arena_still_quiet(a, quiet))) {
		diag("%s MR over %s memory: %s", w->mine.mode ? w->mine.mode->name : "implicit",
		     mem_name(a->mem.kind), strerror(errno));
		went_wrong(a);
	}
}

static struct view *pick_view(struct worker *w)
{
	unsigned int i = (unsigned int)rng_below(&w->rng, w->arena->views + 1);

	return i == w->arena->views && w->mine.mr ? &w->mine : &w->arena->view[i % w->arena->views];
}

static unsigned int closed_now(const struct worker *w, const struct side *s)
{
	size_t block = s->at / SZ_2M;

	if (!s->arena)
		return 0;
	return s->remote ? peer_closed(w->arena->peer, block)
			 : atomic_load(w->arena->block[block].closed);
}

/* A range of @len bytes in the worker's strip of a stable block, or anywhere in a volatile one. */
static size_t pick_place(struct worker *w, size_t block, size_t len)
{
	if (!is_stable(w->arena, block))
		return block * SZ_2M + rng_below(&w->rng, SZ_2M - len + 1);
	return block * SZ_2M + w->number * STRIP + rng_below(&w->rng, STRIP - len + 1);
}

static void side_in_arena(struct worker *w, struct side *s, size_t block, size_t len)
{
	s->view = pick_view(w);
	s->fussy = s->view->fussy;
	s->arena = true;
	s->buf = arena_buf(w->arena, s->view->mr);
	s->at = pick_place(w, block, len);
}

static void side_at_peer(struct worker *w, struct side *s)
{
	struct ibv_mr mr = {};

	if (!s->arena || !w->arena->peer || rng_below(&w->rng, 3) || !peer_link(w))
		return;
	if (!peer_view(w, &s->buf, &mr, &s->fussy))
		return;
	s->mr = mr;
	s->buf.mr = &s->mr;
	s->view = NULL;
	s->remote = true;
}

static void lock_cpu(struct worker *w, const struct side *s)
{
	if (s->arena)
		pthread_mutex_lock(&w->arena->block[s->at / SZ_2M].cpu);
}

static void unlock_cpu(struct worker *w, const struct side *s)
{
	if (s->arena)
		pthread_mutex_unlock(&w->arena->block[s->at / SZ_2M].cpu);
}

static void fill(struct worker *w, struct side *s, size_t len)
{
	s->buf.gen = ++w->gen;
	lock_cpu(w, s);
	buf_fill(&s->buf, s->at, len);
	unlock_cpu(w, s);
}

static bool may_fail(const struct job *j)
{
	const struct arena *a = j->w->arena;

	if (a->any_failure || j->near.fussy || j->far.fussy)
		return true;
	if (a->peer && j->far.remote && (j->life % 2 || peer_life(a->peer) != j->life))
		return true;
	return j->near.closed % 2 || j->far.closed % 2 ||
	       closed_now(j->w, &j->near) != j->near.closed ||
	       closed_now(j->w, &j->far) != j->far.closed;
}

static bool expected_status(const struct job *j, enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_REM_ACCESS_ERR:
	case IBV_WC_LOC_PROT_ERR:
	case IBV_WC_REM_OP_ERR:
		return true;
	case IBV_WC_WR_FLUSH_ERR:
	case IBV_WC_RETRY_EXC_ERR:
		/* the other process is gone */
		return j->far.remote;
	default:
		return j->w->arena->any_failure;
	}
}

static void describe(const struct job *j)
{
	diag("  %s of %zu bytes, near %zu by %s, far %zu by %s%s, MTU %u", op_name(j->x.op),
	     j->x.len, j->near.at,
	     !j->near.view	  ? "pinned"
	     : j->near.view->mode ? j->near.view->mode->name
				  : "implicit",
	     j->far.at,
	     !j->far.view	 ? "another process's MR"
	     : j->far.view->mode ? j->far.view->mode->name
				 : "implicit",
	     j->far.view == &j->w->mine ? " (its own)" : "", j->w->pair.mtu);
}

static void count(const struct job *j, bool success)
{
	const struct side *sides[] = { &j->near, &j->far };
	struct arena *a = j->w->arena;

	if (!j->near.fussy && !j->far.fussy) {
		atomic_fetch_add(&a->easy, 1);
		atomic_fetch_add(&a->easy_failures, !success);
	}
	for (int i = 0; i < 2; i++)
		if (sides[i]->view)
			atomic_fetch_add(success ? &sides[i]->view->done : &sides[i]->view->refused,
					 1);
}

/* Runs the transfer; true if it succeeded. After a failure no request is outstanding. */
static bool run(struct job *j)
{
	struct worker *w = j->w;
	enum ibv_wc_status status;
	struct outcome out;

	j->x.near = &j->near.buf;
	j->x.near_at = j->near.at;
	j->x.far = &j->far.buf;
	j->x.far_at = j->far.at;
	j->near.closed = closed_now(w, &j->near);
	j->far.closed = closed_now(w, &j->far);
	j->life = w->arena->peer ? w->link_life : 0;
	out = xfer_run(j->far.remote ? &w->link : &w->pair, &j->x);
	w->transfers++;
	atomic_fetch_add(&w->arena->transfers, 1);
	status = out.near != IBV_WC_SUCCESS ? out.near : out.far;
	count(j, status == IBV_WC_SUCCESS);
	if (status == IBV_WC_SUCCESS)
		return true;
	if (j->far.remote)
		peer_unlink(w);
	else
		pair_renew(&w->pair);
	if (may_fail(j) && expected_status(j, status)) {
		atomic_fetch_add(&w->arena->failures, 1);
	} else {
		diag("'%s' at the near and '%s' at the far end where nothing may fail",
		     ibv_wc_status_str(out.near), ibv_wc_status_str(out.far));
		describe(j);
		went_wrong(w->arena);
	}
	return false;
}

/* Each byte must be the old or the new one; records which one it is. */
static void resolve(struct job *j, struct side *s, const uint8_t *wanted)
{
	uint8_t *got = s->buf.mem.addr + s->at, *was = s->buf.shadow + s->at;

	lock_cpu(j->w, s);
	for (size_t i = 0; i < j->x.len; i++)
		if (got[i] != was[i] && got[i] != wanted[i]) {
			diag("after a failure byte %zu (%zu of the message) is %02x, neither "
			     "%02x nor %02x",
			     s->at + i, i, got[i], was[i], wanted[i]);
			describe(j);
			went_wrong(j->w->arena);
			break;
		}
	memcpy(was, got, j->x.len);
	unlock_cpu(j->w, s);
}

/* The range and some of the worker's own bytes on either side. */
static void check(struct job *j, struct side *s)
{
	size_t first = 0, end = s->buf.mem.len, from, to;

	if (s->arena) {
		first = s->at / SZ_2M * SZ_2M + j->w->number * STRIP;
		end = first + STRIP;
	}
	from = s->at - first > 256 ? s->at - 256 : first;
	to = end - (s->at + j->x.len) > 256 ? s->at + j->x.len + 256 : end;
	lock_cpu(j->w, s);
	if (!buf_check(&s->buf, from, to - from, (ssize_t)s->at)) {
		describe(j);
		went_wrong(j->w->arena);
		buf_adopt(&s->buf, from, to - from);
	}
	unlock_cpu(j->w, s);
}

/* A transfer between two ranges of known content. */
static void exact_transfer(struct job *j)
{
	struct worker *w = j->w;
	bool atomic = j->x.op == OP_FETCH_ADD || j->x.op == OP_CMP_SWAP;
	bool pull = j->x.op == OP_READ;
	uint8_t near_wanted[8], far_wanted[8];
	uint64_t old;

	if (atomic) {
		j->far.at &= ~(size_t)7;
		j->x.len = 8;
		memcpy(&old, j->far.buf.shadow + j->far.at, 8);
		j->x.operand = rng_next(&w->rng);
		/* let one half of the comparisons succeed */
		j->x.compare = rng_below(&w->rng, 2) ? old : ~old;
		memcpy(near_wanted, &old, 8);
		old = j->x.op == OP_FETCH_ADD ? old + j->x.operand
		      : old == j->x.compare   ? j->x.operand
					      : old;
		memcpy(far_wanted, &old, 8);
	} else if (rng_below(&w->rng, 4)) {
		fill(w, pull ? &j->far : &j->near, j->x.len);
	}
	if (run(j)) {
		check(j, &j->near);
		check(j, &j->far);
	} else if (atomic) {
		resolve(j, &j->near, near_wanted);
		resolve(j, &j->far, far_wanted);
	} else if (pull) {
		resolve(j, &j->near, j->far.buf.shadow + j->far.at);
	} else {
		resolve(j, &j->far, j->near.buf.shadow + j->near.at);
	}
}

/* Reads from a volatile block into the worker's own memory or strip. */
static void volatile_read(struct job *j, uint64_t gen)
{
	uint8_t *got = j->near.buf.mem.addr + j->near.at;

	j->x.op = OP_READ;
	j->far.buf.shadow = j->w->scratch;
	if (!j->near.arena) {
		memset(got, 0xee, j->x.len);
		buf_adopt(&j->near.buf, j->near.at, j->x.len);
	}
	if (!run(j)) {
		/* a mix of old and new bytes; any of them is right */
		lock_cpu(j->w, &j->near);
		buf_adopt(&j->near.buf, j->near.at, j->x.len);
		unlock_cpu(j->w, &j->near);
		return;
	}
	lock_cpu(j->w, &j->near);
	if (!pattern_or_zero(got, gen, j->far.at, j->x.len)) {
		describe(j);
		went_wrong(j->w->arena);
	}
	buf_adopt(&j->near.buf, j->near.at, j->x.len);
	unlock_cpu(j->w, &j->near);
}

static void volatile_transfer(struct job *j)
{
	struct worker *w = j->w;
	struct block *block = &w->arena->block[j->far.at / SZ_2M];
	uint64_t gen;

	pthread_rwlock_rdlock(&block->gate);
	gen = atomic_load(&block->gen);
	if (j->x.op == OP_READ) {
		volatile_read(j, gen);
	} else {
		lock_cpu(w, &j->near);
		pattern_fill(j->near.buf.mem.addr + j->near.at, gen, j->far.at, j->x.len);
		buf_adopt(&j->near.buf, j->near.at, j->x.len);
		unlock_cpu(w, &j->near);
		j->far.buf.shadow = w->scratch;
		run(j);
		/* the source is read only */
		if (j->near.arena)
			check(j, &j->near);
	}
	pthread_rwlock_unlock(&block->gate);
}

static void prefetch(struct worker *w)
{
	static const enum ibv_advise_mr_advice advices[] = {
		IBV_ADVISE_MR_ADVICE_PREFETCH,
		IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
	};
	size_t at = rng_below(&w->rng, ARENA_LEN);
	struct ibv_sge sge = {
		.addr = (uintptr_t)w->arena->mem.addr + at,
		.length = (uint32_t)(1 + rng_below(&w->rng, ARENA_LEN - at)),
		.lkey = pick_view(w)->mr->lkey,
	};

	/* a transfer may fail while memory is inaccessible */
	if (!ibv_advise_mr(w->arena->rig->pd, advices[rng_below(&w->rng, 3)],
			   rng_below(&w->rng, 2) ? IBV_ADVISE_MR_FLAG_FLUSH : 0, &sge, 1))
		happened(w->arena, EV_PREFETCH);
}

static void one_transfer(struct worker *w)
{
	static const enum op ops[] = {
		OP_WRITE, OP_WRITE,	OP_READ,      OP_READ,	   OP_SEND,
		OP_SEND,  OP_WRITE_IMM, OP_FETCH_ADD, OP_CMP_SWAP,
	};
	struct job j = { .w = w };
	size_t near_block, far_block = rng_below(&w->rng, BLOCKS);
	bool atomic;

	j.x.op = ops[rng_below(&w->rng, sizeof(ops) / sizeof(*ops))];
	atomic = j.x.op == OP_FETCH_ADD || j.x.op == OP_CMP_SWAP;
	if (atomic && !is_stable(w->arena, far_block))
		far_block--;
	j.x.len = atomic ? 16 : rng_size(&w->rng, rng_below(&w->rng, 8) ? SZ_64K : MAX_TRANSFER);
	j.x.sges = 1 + (int)rng_below(&w->rng, atomic ? 1 : MAX_SGE);
	side_in_arena(w, &j.far, far_block, j.x.len);
	if (j.x.op == OP_WRITE || j.x.op == OP_READ || atomic)
		side_at_peer(w, &j.far);
	do
		near_block = rng_below(&w->rng, BLOCKS);
	while (near_block == far_block || !is_stable(w->arena, near_block));
	if (rng_below(&w->rng, 2)) {
		side_in_arena(w, &j.near, near_block, j.x.len);
	} else {
		j.near.buf = w->near;
		j.near.at = rng_below(&w->rng, NEAR_LEN - j.x.len + 1);
	}
	if (is_stable(w->arena, far_block))
		exact_transfer(&j);
	else
		volatile_transfer(&j);
}

void *worker_run(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(&w->arena->stop)) {
		/* at once if it has none: by chance it may take long on a slow machine */
		if (!w->mine.mr || rng_below(&w->rng, ANOTHER_MR) == 0)
			replace_mine(w);
		if (rng_below(&w->rng, ANOTHER_MR / 2) == 0)
			prefetch(w);
		one_transfer(w);
	}
	return NULL;
}
