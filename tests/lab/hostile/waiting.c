// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A fault that waits for user space delays what needs the very block and nothing else: no other
 * block of the MR, no other MR, no call, no other process. What waits with it can be killed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "held.h"
#include "tap.h"

#define LEN BLOCK(4)
#define AT (SZ_64K + 4090) /* in the block that waits, over a page boundary */
#define N 2000

struct combo {
	enum holder holder;
	const struct mode *mode;
	enum mem_kind kind;
	enum op op; /* that waits */
};

/* ---- other things to do with the device meanwhile ---- */

struct bystander {
	struct rig *rig;
	struct pair pair;
	struct buf near;
	struct buf other; /* under an MR of its own */
};

static void bystander_open(struct bystander *b, struct rig *rig, const struct combo *c)
{
	b->rig = rig;
	pair_open(&b->pair, rig, 4096);
	buf_make(&b->near, rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_make(&b->other, rig, c->kind, SZ_2M, c->mode);
}

static void bystander_close(struct bystander *b)
{
	pair_close(&b->pair);
	buf_close(&b->near);
	if (b->other.mem.addr)
		buf_close(&b->other);
}

static bool transfers(struct bystander *b, struct buf *far, size_t at, const char *what)
{
	struct flight f;
	bool late;

	flight_start(&f, &b->pair, OP_WRITE, &b->near, 100, far, at, SZ_64K);
	if (!flight_lands(&f, soon(), &late, what) && late)
		return false;
	flight_start(&f, &b->pair, OP_READ, &b->near, SZ_1M, far, at, SZ_64K);
	return flight_lands(&f, soon(), &late, what) || !late;
}

struct late_calls {
	struct call query, modify, prefetch, dereg;
	struct modify modify_arg;
	struct prefetch prefetch_arg;
};

static int call_query(void *mr)
{
	struct ibv_mr_odp_attr attr;

	return ibv_query_mr_odp(mr, &attr, sizeof(attr));
}

/* Calls on the MR with the waiting block; the last one on another. */
static void calls(struct late_calls *c, struct bystander *b, struct buf *far, const struct combo *k)
{
	bool change = k->mode->request && !(k->mode->flags & IBV_ODP_MIXED);

	call_start(&c->query, call_query, far->mr);
	call_is(&c->query, soon(), 0, "query while a fault waits");
	c->prefetch_arg = (struct prefetch){
		b->rig->pd,
		{ buf_iova(far, BLOCK(2)), SZ_2M, far->mr->lkey },
		IBV_ADVISE_MR_FLAG_FLUSH,
	};
	call_start(&c->prefetch, call_prefetch, &c->prefetch_arg);
	call_is(&c->prefetch, soon(), 0, "prefetch of another block while a fault waits");
	call_start(&c->dereg, call_dereg, b->other.mr);
	call_is(&c->dereg, soon(), 0, "deregistration of another MR while a fault waits");
	b->other.mr = NULL;
	if (!change)
		return;
	c->modify_arg = (struct modify){ far->mr, k->mode->page_sizes, 0 };
	call_start(&c->modify, call_modify, &c->modify_arg);
	call_is(&c->modify, soon(), 0, "the same page sizes asked for while a fault waits");
}

/* What was late has to come to its end once the block is there. */
static bool all_end(struct late_calls *c, const struct combo *k)
{
	bool done = call_ends(&c->query, later()) && call_ends(&c->prefetch, later()) &&
		    call_ends(&c->dereg, later());

	if (k->mode->request && !(k->mode->flags & IBV_ODP_MIXED))
		done = call_ends(&c->modify, later()) && done;
	return done;
}

/* Block 1 comes to be of base pages, which the device has not seen yet. */
static void break_block(struct buf *far)
{
	uint8_t *at = far->mem.addr + BLOCK(1);

	if (madvise(at, SZ_2M, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
	for (size_t page = 0; page < SZ_2M; page += SZ_4K * 2)
		buf_fill(far, BLOCK(1) + page, 8);
	for (size_t page = SZ_4K; page < SZ_2M; page += SZ_4K * 2)
		buf_fill(far, BLOCK(1) + page, 8);
}

static void run(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	bool may_shrink = c->kind == MEM_THP && c->mode != &mode_strict_2m;
	struct late_calls late_calls = {};
	struct bystander b;
	struct flight first;
	struct buf near, far;
	struct held held;
	struct pair pair;
	bool late, free_way;
	int err;

	bystander_open(&b, rig, c);
	pair_open(&pair, rig, 4096);
	buf_make(&near, rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_open(&far, rig, c->kind, LEN);
	held_open(&held, c->holder, &far);
	err = buf_reg(&far, c->mode, 0, LEN);
	if (err)
		fatal("register: %s", strerror(err));
	if (may_shrink)
		break_block(&far);
	flight_start(&first, &pair, c->op, &near, AT, &far, AT, N);
	if (!ok(held_waits(&held, later()), "the device faults"))
		goto out;
	sleep_ms(200);

	free_way = transfers(&b, &far, BLOCK(2) + 777, "another block while a fault waits");
	free_way = free_way && transfers(&b, &far, BLOCK(3) - 5000, "over two other blocks");
	if (free_way && may_shrink)
		free_way = transfers(&b, &far, BLOCK(1) + SZ_64K, "a block of base pages");
	if (free_way)
		free_way = transfers(&b, &b.other, 4095, "another MR while a fault waits");
	calls(&late_calls, &b, &far, c);
	/* a change of page sizes that has to wait stops no other transfer */
	if (free_way)
		free_way = transfers(&b, &far, BLOCK(2) + SZ_1M, "another block after all calls");
	held_release(&held);
	flight_lands(&first, later(), &late, "what waited");
	ok(all_end(&late_calls, c), "all calls have returned");
	if (!late && free_way) {
		struct flight f;

		flight_start(&f, &pair, OP_READ, &near, 0, &far, 0, SZ_2M);
		flight_lands(&f, later(), &late, "the block that waited");
		flight_start(&f, &pair, OP_WRITE, &near, 0, &far, BLOCK(1) - SZ_1M, SZ_2M);
		flight_lands(&f, later(), &late, "over the block that waited");
		ok(buf_check_all(&far), "every byte as it must be");
	}
	if (late || !free_way)
		_exit(0); /* requests are under way, into memory that would go */
out:
	pair_close(&pair);
	buf_dereg(&far);
	held_close(&held);
	buf_close(&far);
	buf_close(&near);
	bystander_close(&b);
}

/* ---- another process's fault waits ---- */

_Noreturn static void neighbour(const void *arg, int to_parent)
{
	const struct combo *c = arg;
	struct buf near, far;
	struct flight f;
	struct held held;
	struct pair pair;
	struct rig rig;

	rig_open(&rig);
	pair_open(&pair, &rig, 4096);
	buf_make(&near, &rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_open(&far, &rig, c->kind, LEN);
	held_open(&held, c->holder, &far);
	if (buf_reg(&far, c->mode, 0, LEN))
		_exit(1);
	flight_start(&f, &pair, OP_WRITE, &near, AT, &far, AT, N);
	if (!held_waits(&held, later()) || write(to_parent, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static struct ibv_mr *implicit_mr(struct rig *rig, const struct mode *mode)
{
	return mode_reg(mode, rig->pd, NULL, SIZE_MAX, 0, ACCESS_ALL);
}

/* An implicit MR that was used here and there, and whose memory has partly gone. */
static void leave(struct rig *rig, const struct mode *mode)
{
	struct bystander b = { .rig = rig };
	struct call dereg;
	struct ibv_mr *mr = implicit_mr(rig, mode);
	struct buf far;

	if (!ok(mr, "%s: implicit MR", mode->name))
		return;
	pair_open(&b.pair, rig, 4096);
	buf_make(&b.near, rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_open(&far, rig, MEM_BASE, SZ_2M);
	far.mr = mr;
	far.iova = (uintptr_t)far.mem.addr;
	transfers(&b, &far, 1000, mode->name);
	far.mr = NULL;
	buf_close(&far);
	/* the device's driver learns of it in its own time */
	sleep_ms(500);
	call_start(&dereg, call_dereg, mr);
	if (!call_is(&dereg, soon(), 0, "an implicit MR goes while a neighbour's fault waits"))
		_exit(0);
	pair_close(&b.pair);
	buf_close(&b.near);
}

/* Ends with the MR there: exit has to take it down. */
_Noreturn static void leave_by_exit(const struct mode *mode)
{
	struct rig rig;
	struct buf far;
	struct bystander b = { .rig = &rig };

	rig_open(&rig);
	pair_open(&b.pair, &rig, 4096);
	buf_make(&b.near, &rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_open(&far, &rig, MEM_BASE, SZ_2M);
	far.mr = implicit_mr(&rig, mode);
	far.iova = (uintptr_t)far.mem.addr;
	if (!far.mr)
		_exit(1);
	transfers(&b, &far, 1000, mode->name);
	far.mr = NULL;
	buf_close(&far);
	sleep_ms(500);
	_exit(0);
}

static void beside_a_neighbour(struct rig *rig, const void *arg)
{
	const struct mode *const modes[] = { &mode_odp, &mode_2m_4k, &mode_mixed_2m_4k };
	pid_t pid = start_waiting(neighbour, arg), other;

	if (pid < 0)
		fatal("the neighbour's fault does not come");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		leave(rig, modes[i]);
		fflush(NULL);
		other = fork();
		if (other < 0)
			fatal("fork: %s", strerror(errno));
		if (!other)
			leave_by_exit(modes[i]);
		process_ends(other, soon() * 2, "exit with an implicit MR beside a waiting fault");
	}
	kill(pid, SIGKILL);
	process_ends(pid, soon(), "the neighbour goes when it is killed");
}

/* ---- what waits can be killed ---- */

enum waits_in { IN_POPULATE, IN_PREFETCH, IN_REGISTER, IN_REQUEST, WAYS };

static const char *const ways[WAYS] = {
	[IN_POPULATE] = "populate",
	[IN_PREFETCH] = "prefetch",
	[IN_REGISTER] = "registration that populates",
	[IN_REQUEST] = "request",
};

struct victim {
	const struct combo *combo;
	enum waits_in way;
};

_Noreturn static void victim(const void *arg, int to_parent)
{
	const struct victim *v = arg;
	const struct mode *mode = v->combo->mode;
	struct mode populating = *mode;
	struct prefetch prefetch;
	struct modify modify;
	struct buf near, far;
	struct flight f;
	struct held held;
	struct call call;
	struct pair pair;
	struct rig rig;

	rig_open(&rig);
	pair_open(&pair, &rig, 4096);
	buf_make(&near, &rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_open(&far, &rig, v->combo->kind, LEN);
	held_open(&held, v->combo->holder, &far);
	if (v->way != IN_REGISTER && buf_reg(&far, mode, 0, LEN))
		_exit(1);
	if (v->way == IN_POPULATE) {
		modify =
			(struct modify){ far.mr, mode->page_sizes, mode->flags | IBV_ODP_POPULATE };
		call_start(&call, call_modify, &modify);
	} else if (v->way == IN_PREFETCH) {
		prefetch = (struct prefetch){
			rig.pd,
			{ buf_iova(&far, 0), LEN, far.mr->lkey },
			IBV_ADVISE_MR_FLAG_FLUSH,
		};
		call_start(&call, call_prefetch, &prefetch);
	} else if (v->way == IN_REQUEST) {
		flight_start(&f, &pair, OP_WRITE, &near, AT, &far, AT, N);
	} else if (!fork()) {
		/* its parent cannot say so when it waits itself */
		if (!held_waits(&held, later()))
			_exit(1);
	}
	if (v->way == IN_REGISTER) {
		populating.flags |= IBV_ODP_POPULATE;
		if (write(to_parent, "", 1) != 1)
			_exit(1);
		buf_reg(&far, &populating, 0, LEN);
		_exit(1);
	}
	if (!held_waits(&held, later()) || write(to_parent, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void killed(struct rig *rig, const void *arg)
{
	const struct victim *v = arg;
	pid_t pid = start_waiting(victim, v);
	char what[96];

	(void)rig;
	if (!ok(pid > 0, "a %s waits", ways[v->way]))
		return;
	/* well into the call */
	sleep_ms(v->way == IN_REGISTER ? 2000 : 300);
	kill(pid, SIGKILL);
	snprintf(what, sizeof(what), "a process whose %s waits goes when it is killed",
		 ways[v->way]);
	if (!process_ends(pid, soon(), what))
		_exit(0);
}

static const struct combo combos[] = {
	{ HOLD_MISSING, &mode_odp, MEM_BASE, OP_WRITE },
	{ HOLD_MISSING, &mode_odp, MEM_BASE, OP_READ },
	{ HOLD_MISSING, &mode_strict_2m, MEM_HUGETLB, OP_WRITE },
	{ HOLD_MISSING, &mode_strict_2m, MEM_HUGETLB, OP_READ },
	{ HOLD_MISSING, &mode_2m_4k, MEM_THP, OP_WRITE },
	{ HOLD_MISSING, &mode_2m_4k, MEM_BASE, OP_READ },
	{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_THP, OP_WRITE },
	{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_THP, OP_READ },
	{ HOLD_MINOR, &mode_odp, MEM_SHMEM, OP_READ },
	{ HOLD_MINOR, &mode_strict_2m, MEM_HUGETLB_SHARED, OP_WRITE },
	{ HOLD_MINOR, &mode_mixed_2m_4k, MEM_SHMEM, OP_WRITE },
	{ HOLD_WP, &mode_odp, MEM_BASE, OP_WRITE },
	{ HOLD_WP, &mode_strict_2m, MEM_HUGETLB, OP_WRITE },
	{ HOLD_WP, &mode_strict_2m, MEM_THP, OP_WRITE },
	{ HOLD_WP, &mode_2m_4k, MEM_THP, OP_WRITE },
	{ HOLD_WP, &mode_mixed_2m_4k, MEM_THP, OP_WRITE },
	{ HOLD_FUSE, &mode_odp, MEM_BASE, OP_READ },
	{ HOLD_FUSE, &mode_2m_4k, MEM_THP, OP_WRITE },
	{ HOLD_FUSE, &mode_mixed_2m_4k, MEM_THP, OP_READ },
	{ HOLD_STOPPED, &mode_odp, MEM_BASE, OP_WRITE },
	{ HOLD_STOPPED, &mode_2m_4k, MEM_THP, OP_READ },
	{ HOLD_STOPPED, &mode_mixed_2m_4k, MEM_BASE, OP_WRITE },
};

/* Of which another process, or what is killed, waits */
static const struct combo elsewhere[] = {
	{ HOLD_MISSING, &mode_odp, MEM_BASE, OP_WRITE },
	{ HOLD_FUSE, &mode_2m_4k, MEM_BASE, OP_WRITE },
	{ HOLD_MISSING, &mode_strict_2m, MEM_HUGETLB, OP_WRITE },
	{ HOLD_FUSE, &mode_mixed_2m_4k, MEM_BASE, OP_WRITE },
};

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(combos); i++) {
		const struct combo *c = &combos[i];

		scenario(soon() * 15, run, c, "%s, %s over %s, %s", holder_name(c->holder),
			 c->mode->name, mem_name(c->kind), op_name(c->op));
	}
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		const struct combo *c = &elsewhere[i];

		for (int way = 0; way < WAYS; way++) {
			struct victim v = { c, (enum waits_in)way };

			if (!c->mode->request && (way == IN_POPULATE || way == IN_REGISTER))
				continue;
			scenario(soon() * 6, killed, &v, "killed in a %s, %s, %s over %s",
				 ways[way], holder_name(c->holder), c->mode->name,
				 mem_name(c->kind));
		}
	}
	for (size_t i = 0; i < 2; i++)
		scenario(soon() * 15, beside_a_neighbour, &elsewhere[i], "neighbour, %s, %s",
			 holder_name(elsewhere[i].holder), elsewhere[i].mode->name);
	return tap_done();
}
