// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A fault that waits for user space delays only accesses to its block: no other block of the MR, no
 * other MR, no call, no other process. A process that waits for it can be killed.
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

/* ---- other operations on the device in the meantime ---- */

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

/* Delayed operations must complete once the block is present. */
static bool all_end(struct late_calls *c, const struct combo *k)
{
	bool done = call_ends(&c->query, later()) && call_ends(&c->prefetch, later()) &&
		    call_ends(&c->dereg, later());

	if (k->mode->request && !(k->mode->flags & IBV_ODP_MIXED))
		done = call_ends(&c->modify, later()) && done;
	return done;
}

/* Makes block 1 consist of base pages that the device has not mapped. */
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

/* Faults of the device in the first block of @far wait until held_release(). */
static void open_all(struct rig *rig, const struct combo *c, struct pair *pair, struct buf *near,
		     struct buf *far, struct held *held)
{
	int err;

	pair_open(pair, rig, 4096);
	buf_make(near, rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_open(far, rig, c->kind, LEN);
	held_open(held, c->holder, far);
	err = buf_reg(far, c->mode, 0, LEN);
	if (err)
		fatal("register: %s", strerror(err));
}

static void close_all(struct pair *pair, struct buf *near, struct buf *far, struct held *held)
{
	pair_close(pair);
	buf_dereg(far);
	held_close(held);
	buf_close(far);
	buf_close(near);
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

	bystander_open(&b, rig, c);
	open_all(rig, c, &pair, &near, &far, &held);
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
	/* a change of page sizes that waits does not block other transfers */
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
	close_all(&pair, &near, &far, &held);
	bystander_close(&b);
}

/* A size that is accepted while a fault waits is enough for that fault. */
static void accepted_meanwhile(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct flight waiting;
	struct buf near, far;
	struct held held;
	struct pair pair;
	bool late;

	/* the handler supplies base pages */
	open_all(rig, c, &pair, &near, &far, &held);
	is_errno(ibv_modify_mr_odp(far.mr, SZ_2M, c->mode->flags), 0, "2M alone");
	flight_start(&waiting, &pair, c->op, &near, AT, &far, AT, N);
	ok(held_waits(&held, later()), "the device faults");
	sleep_ms(200);
	is_errno(ibv_modify_mr_odp(far.mr, SZ_2M | SZ_4K, c->mode->flags), 0, "4K as well");
	held_release(&held);
	if (!flight_lands(&waiting, later(), &late, "what waited") && late)
		_exit(0);
	close_all(&pair, &near, &far, &held);
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

/* An implicit MR that was used in several places, and part of whose memory was unmapped. */
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
	/* the driver handles it asynchronously */
	sleep_ms(500);
	call_start(&dereg, call_dereg, mr);
	if (!call_is(&dereg, soon(), 0, "an implicit MR goes while a neighbour's fault waits"))
		_exit(0);
	pair_close(&b.pair);
	buf_close(&b.near);
}

/* Exits without deregistering: the kernel has to destroy the MR. */
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

/* ---- waiting processes can be killed ---- */

/*
 * IN_LOAD makes no call: the CPU loads a byte. That shows how long the memory itself blocks a
 * process.
 */
enum waits_in { IN_POPULATE, IN_PREFETCH, IN_REGISTER, IN_REQUEST, IN_LOAD, WAYS };

static const char *const ways[WAYS] = {
	[IN_POPULATE] = "populate",
	[IN_PREFETCH] = "prefetch",
	[IN_REGISTER] = "registration that populates",
	[IN_REQUEST] = "request",
	[IN_LOAD] = "load by the CPU",
};

struct victim {
	const struct combo *combo;
	enum waits_in way;
	pid_t *server; /* of FUSE, in shared memory */
};

struct waits {
	struct held *held;
	int to_parent;
};

/* In a thread: the main thread is in the call that waits. */
static void *report_waiting(void *arg)
{
	const struct waits *w = arg;

	if (!held_waits(w->held, later()) || write(w->to_parent, "", 1) != 1)
		_exit(1);
	return NULL;
}

/* Does not return while the first block is held. */
static void wait_in(const struct victim *v, struct rig *rig, struct buf *far)
{
	struct mode mode = *v->combo->mode;

	mode.flags |= IBV_ODP_POPULATE;
	if (v->way == IN_POPULATE) {
		call_modify(&(struct modify){ far->mr, mode.page_sizes, mode.flags });
	} else if (v->way == IN_PREFETCH) {
		call_prefetch(&(struct prefetch){
			rig->pd,
			{ buf_iova(far, 0), LEN, far->mr->lkey },
			IBV_ADVISE_MR_FLAG_FLUSH,
		});
	} else if (v->way == IN_REGISTER) {
		buf_reg(far, &mode, 0, LEN);
	} else {
		*(volatile uint8_t *)far->mem.addr;
	}
}

_Noreturn static void victim(const void *arg, int to_parent)
{
	const struct victim *v = arg;
	struct buf near, far;
	struct flight f;
	struct held held;
	struct pair pair;
	struct rig rig;
	struct waits waits = { &held, to_parent };
	pthread_t thread;

	rig_open(&rig);
	pair_open(&pair, &rig, 4096);
	buf_make(&near, &rig, MEM_BASE, SZ_2M, &mode_pinned);
	buf_open(&far, &rig, v->combo->kind, LEN);
	held_open(&held, v->combo->holder, &far);
	*v->server = held.fuse.server;
	if (v->way != IN_REGISTER && buf_reg(&far, v->combo->mode, 0, LEN))
		_exit(1);
	if (pthread_create(&thread, NULL, report_waiting, &waits))
		_exit(1);
	if (v->way != IN_REQUEST) {
		wait_in(v, &rig, &far);
		_exit(1);
	}
	flight_start(&f, &pair, OP_WRITE, &near, AT, &far, AT, N);
	for (;;)
		pause();
}

/* Starts it, and kills it once it waits; returns its PID, or -1 after a test point has failed. */
static pid_t start_and_kill(const struct victim *v)
{
	pid_t pid = start_waiting(victim, v);
	bool waits = pid > 0;

	if (waits) {
		/* in the middle of the call */
		sleep_ms(300);
		waits = !waitpid(pid, NULL, WNOHANG);
	}
	if (!ok(waits, "a %s waits", ways[v->way]))
		return -1;
	kill(pid, SIGKILL);
	return pid;
}

static pid_t *shared_pid(void)
{
	pid_t *pid = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (pid == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	return pid;
}

static void killed(struct rig *rig, const void *arg)
{
	struct victim v = *(const struct victim *)arg;
	pid_t pid;
	char what[96];

	(void)rig;
	v.server = shared_pid();
	pid = start_and_kill(&v);
	snprintf(what, sizeof(what), "a process whose %s waits goes when it is killed",
		 ways[v.way]);
	if (pid > 0 && !process_ends(pid, soon(), what))
		_exit(0);
}

/*
 * A FUSE server has read a request and does not answer: FUSE does not let a signal interrupt that
 * wait. A call blocks its process no longer than a load from the memory would, and both end with
 * the server.
 */
static void kept(struct rig *rig, const void *arg)
{
	struct victim call = *(const struct victim *)arg, load = call;
	pid_t call_pid, load_pid;
	bool call_gone, load_gone;

	(void)rig;
	load.way = IN_LOAD;
	call.server = shared_pid();
	load.server = shared_pid();
	call_pid = start_and_kill(&call);
	load_pid = start_and_kill(&load);
	if (call_pid < 0 || load_pid < 0)
		return;
	sleep_ms((long)(soon() / 4 * 1000));
	call_gone = waitpid(call_pid, NULL, WNOHANG) == call_pid;
	load_gone = waitpid(load_pid, NULL, WNOHANG) == load_pid;
	ok(call_gone || !load_gone, "a %s stays no longer than a %s", ways[call.way],
	   ways[IN_LOAD]);
	note("after the kill a %s %s", ways[IN_LOAD], load_gone ? "is gone" : "still waits");
	kill(*call.server, SIGKILL);
	kill(*load.server, SIGKILL);
	if (!call_gone)
		process_ends(call_pid, soon(), "the killed process goes with the server");
	if (!load_gone)
		process_ends(load_pid, soon(), "so does the one that only loads");
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

/* Combinations in which another process, or the killed one, waits */
static const struct combo elsewhere[] = {
	{ HOLD_MISSING, &mode_odp, MEM_BASE, OP_WRITE },
	{ HOLD_FUSE, &mode_2m_4k, MEM_BASE, OP_WRITE },
	{ HOLD_MISSING, &mode_strict_2m, MEM_HUGETLB, OP_WRITE },
	{ HOLD_FUSE, &mode_mixed_2m_4k, MEM_BASE, OP_WRITE },
	{ HOLD_UNREAD, &mode_odp, MEM_BASE, OP_WRITE },
	{ HOLD_UNREAD, &mode_2m_4k, MEM_BASE, OP_WRITE },
	{ HOLD_UNREAD, &mode_mixed_2m_4k, MEM_BASE, OP_WRITE },
};

/* For which the sizes change while the fault waits */
static const struct combo changing[] = {
	{ HOLD_MISSING, &mode_2m_4k, MEM_THP, OP_WRITE },
	{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_THP, OP_WRITE },
	{ HOLD_MISSING, &mode_mixed_2m_4k, MEM_THP, OP_READ },
};

static void all_killed(const struct combo *c)
{
	for (int way = 0; way < IN_LOAD; way++) {
		struct victim v = { .combo = c, .way = (enum waits_in)way };
		/* no call of a request's process waits */
		bool keeps = c->holder == HOLD_FUSE && way != IN_REQUEST;

		if (!c->mode->request && (way == IN_POPULATE || way == IN_REGISTER))
			continue;
		scenario(soon() * 6, keeps ? kept : killed, &v, "killed in a %s, %s, %s over %s",
			 ways[way], holder_name(c->holder), c->mode->name, mem_name(c->kind));
	}
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(combos); i++) {
		const struct combo *c = &combos[i];

		scenario(soon() * 15, run, c, "%s, %s over %s, %s", holder_name(c->holder),
			 c->mode->name, mem_name(c->kind), op_name(c->op));
	}
	for (size_t i = 0; i < ARRAY_SIZE(changing); i++)
		scenario(soon() * 15, accepted_meanwhile, &changing[i], "sizes change, %s, %s",
			 changing[i].mode->name, op_name(changing[i].op));
	for (size_t i = 0; i < ARRAY_SIZE(elsewhere); i++)
		all_killed(&elsewhere[i]);
	for (size_t i = 0; i < 2; i++)
		scenario(soon() * 15, beside_a_neighbour, &elsewhere[i], "neighbour, %s, %s",
			 holder_name(elsewhere[i].holder), elsewhere[i].mode->name);
	return tap_done();
}
