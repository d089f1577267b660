// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Activities in parallel to the arena, each with its own memory, MRs and connection: an implicit MR
 * whose memory is unmapped repeatedly, memory under MADV_FREE that the device writes, and another
 * process whose faults are never served until it is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/mman.h>

#include "held.h"
#include "scene.h"
#include "tap.h"
#include "torture.h"

#define SPACE_GIB 32
#define SPOT (SZ_4K * 32)
#define GONE_S 600 /* for a killed process, on a slow kernel and a busy host */

extern char **environ;

static void wrong(struct arena *a, const char *who, const char *what)
{
	diag("%s: %s", who, what);
	went_wrong(a);
}

/* ---- an implicit MR under munmap() ---- */

struct unmapper {
	struct arena *a;
	struct rng rng;
	struct pair pair;
	struct buf near;
	struct ibv_mr *mr;
	uint8_t *space;
	uint64_t gen;
};

static struct ibv_mr *reg_all(struct unmapper *u)
{
	bool mixed = (u->a->odp_flags & IBV_ODP_MIXED) && rng_below(&u->rng, 2);
	struct ibv_mr *mr = mode_reg(mixed ? &mode_mixed_2m_4k : &mode_odp, u->a->rig->pd, NULL,
				     SIZE_MAX, 0, ACCESS_ALL);

	if (!mr)
		fatal("implicit MR: %s", strerror(errno));
	return mr;
}

static void take_away(uint8_t *at)
{
	/* the place stays reserved */
	if (mmap(at, SPOT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		 0) != at)
		fatal("mmap: %s", strerror(errno));
}

static void post_spot(struct unmapper *u, uint8_t *at, size_t len, bool read)
{
	rdma_post(&u->pair, read ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, u->near.mr,
		  (uintptr_t)u->near.mem.addr, u->mr, (uintptr_t)at, len);
}

/* Maps memory, writes, reads and unmaps it; the last time during a request. */
static void one_spot(struct unmapper *u)
{
	uint8_t *at =
		u->space + rng_below(&u->rng, SPACE_GIB) * SZ_1G + rng_below(&u->rng, 64) * SPOT;
	size_t off = rng_below(&u->rng, SZ_4K), len = rng_size(&u->rng, SPOT - SZ_4K);
	enum ibv_wc_status status;
	bool dereg = !rng_below(&u->rng, 8);

	if (mmap(at, SPOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) != at)
		fatal("mmap: %s", strerror(errno));
	madvise(at, SPOT, rng_below(&u->rng, 2) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	pattern_fill(u->near.mem.addr, ++u->gen, 0, len);
	post_spot(u, at + off, len, false);
	status = pair_wait(&u->pair, NEAR).status;
	if (status || memcmp(at + off, u->near.mem.addr, len))
		wrong(u->a, "implicit MR", status ? ibv_wc_status_str(status) : "wrong bytes");
	if (status)
		pair_renew(&u->pair);
	post_spot(u, at, SPOT, rng_below(&u->rng, 2));
	if (rng_below(&u->rng, 2))
		sched_yield();
	if (dereg) {
		if (ibv_dereg_mr(u->mr))
			fatal("ibv_dereg_mr: %s", strerror(errno));
		u->mr = reg_all(u);
	}
	take_away(at);
	/* it may come too late for the memory, or for the MR */
	status = pair_wait(&u->pair, NEAR).status;
	if (status && status != IBV_WC_REM_ACCESS_ERR && !dereg)
		wrong(u->a, "implicit MR under munmap()", ibv_wc_status_str(status));
	if (status)
		pair_renew(&u->pair);
	happened(u->a, EV_UNMAP);
}

void *unmapper_run(void *arg)
{
	struct unmapper u = { .a = arg };

	u.rng.state = u.a->seed + 0x0a11;
	pair_open(&u.pair, u.a->rig, 4096);
	buf_make(&u.near, u.a->rig, MEM_BASE, SPOT, &mode_pinned);
	u.space = mmap(NULL, SZ_1G * SPACE_GIB, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (u.space == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	u.mr = reg_all(&u);
	while (!atomic_load(&u.a->stop))
		one_spot(&u);
	if (ibv_dereg_mr(u.mr))
		fatal("ibv_dereg_mr: %s", strerror(errno));
	munmap(u.space, SZ_1G * SPACE_GIB);
	buf_close(&u.near);
	pair_close(&u.pair);
	return NULL;
}

/* ---- MADV_FREE ---- */

#define PIECES 8
#define PIECE_LEN SZ_64K

/* Data written by the device is kept; the rest is unchanged or zero. */
static bool freed_right(const struct buf *far, const bool *written)
{
	for (size_t at = 0; at < SZ_2M; at++) {
		size_t piece = at / (SZ_2M / PIECES);
		bool mine = written[piece] && at % (SZ_2M / PIECES) < PIECE_LEN;
		uint8_t got = far->mem.addr[at];

		if (got == far->shadow[at] || (!mine && !got))
			continue;
		diag("byte %zu is %02x, and was %02x", at, got, far->shadow[at]);
		return false;
	}
	return true;
}

static void one_free(struct arena *a, struct rng *rng, struct pair *pair, struct buf *near,
		     struct buf *far)
{
	bool written[PIECES] = {};

	buf_fill(far, 0, SZ_2M);
	if (madvise(far->mem.addr, SZ_2M, MADV_FREE))
		fatal("MADV_FREE: %s", strerror(errno));
	for (size_t i = 0; i < PIECES; i++) {
		struct xfer x = {
			.op = OP_WRITE,
			.near = near,
			.far = far,
			.far_at = i * (SZ_2M / PIECES),
			.len = PIECE_LEN,
		};

		if (rng_below(rng, 2))
			continue;
		written[i] = true;
		buf_fill(near, 0, PIECE_LEN);
		if (xfer_run(pair, &x).near) {
			wrong(a, "MADV_FREE", "a WRITE fails");
			pair_renew(pair);
			return;
		}
	}
	if (rng_below(rng, 2))
		madvise(far->mem.addr, SZ_2M, MADV_PAGEOUT);
	if (!freed_right(far, written))
		went_wrong(a);
	happened(a, EV_FREE_WRITTEN);
}

void *freer_run(void *arg)
{
	static const struct mode *const modes[] = { &mode_odp, &mode_2m_4k, &mode_any };
	struct arena *a = arg;
	struct rng rng = { a->seed + 0xf2ee };
	struct buf near, far;
	struct pair pair;

	pair_open(&pair, a->rig, 1024);
	buf_make(&near, a->rig, MEM_BASE, PIECE_LEN, &mode_pinned);
	while (!atomic_load(&a->stop)) {
		enum mem_kind kind = rng_below(&rng, 2) ? MEM_THP : MEM_BASE;
		bool mixed = (a->odp_flags & IBV_ODP_MIXED) && rng_below(&rng, 2);

		buf_make(&far, a->rig, kind, SZ_2M,
			 mixed ? &mode_mixed_2m_4k : modes[rng_below(&rng, ARRAY_SIZE(modes))]);
		for (int i = 0; i < 4; i++)
			one_free(a, &rng, &pair, &near, &far);
		buf_close(&far);
	}
	buf_close(&near);
	pair_close(&pair);
	return NULL;
}

/* ---- a process whose faults are held ---- */

_Noreturn void held_main(int to_parent, enum holder holder)
{
	struct buf near, far;
	struct held held;
	struct pair pair;
	struct rig rig;
	struct prefetch prefetch;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* mounts are freed with the process */
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fatal("a mount namespace: %s", strerror(errno));
	rig_open(&rig);
	pair_open(&pair, &rig, 4096);
	buf_make(&near, &rig, MEM_BASE, SZ_64K, &mode_pinned);
	buf_open(&far, &rig, MEM_BASE, SZ_2M);
	held_open(&held, holder, &far);
	far.mr = mode_reg(&mode_odp, rig.pd, NULL, SIZE_MAX, 0, ACCESS_ALL);
	if (!far.mr && buf_reg(&far, &mode_2m_4k, 0, SZ_2M))
		fatal("register: %s", strerror(errno));
	rdma_post(&pair, IBV_WR_RDMA_WRITE, near.mr, (uintptr_t)near.mem.addr, far.mr,
		  (uintptr_t)far.mem.addr + 100, SZ_4K);
	prefetch = (struct prefetch){ rig.pd,
				      { (uintptr_t)far.mem.addr + SZ_1M, SZ_4K, far.mr->lkey },
				      0 };
	call_prefetch(&prefetch);
	if (!held_waits(&held, GONE_S) || write(to_parent, "", 1) != 1)
		exit(1);
	for (;;)
		pause();
}

static pid_t spawn_holder(enum holder holder, int *from)
{
	char number[16];
	char *argv[] = { (char *)"torture", (char *)"--held", (char *)"100", number, NULL };
	posix_spawn_file_actions_t actions;
	int fds[2], err;
	pid_t pid;

	snprintf(number, sizeof(number), "%d", holder);
	if (pipe2(fds, O_CLOEXEC))
		fatal("pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 100);
	posix_spawn_file_actions_adddup2(&actions, 2, 1);
	err = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		fatal("posix_spawn: %s", strerror(err));
	close(fds[1]);
	*from = fds[0];
	return pid;
}

void *holder_run(void *arg)
{
	struct arena *a = arg;
	struct rng rng = { a->seed + 0x4e1d };

	while (!atomic_load(&a->stop)) {
		uint64_t from_ms = now_ms(), until;
		pid_t pid, gone = 0;
		char byte;
		int from;

		pid = spawn_holder(rng_below(&rng, 2) ? HOLD_MISSING : HOLD_FUSE, &from);
		if (read(from, &byte, 1) != 1)
			wrong(a, "a process with held faults", "it has none");
		else
			happened(a, EV_HELD);
		close(from);
		rest_after(a, from_ms, 2, rng_below(&rng, 3000));
		kill(pid, SIGKILL);
		until = now_ms() + GONE_S * 1000;
		while (!(gone = waitpid(pid, NULL, WNOHANG)) && now_ms() < until)
			sleep_ms(20);
		if (!gone) {
			wrong(a, "a process with held faults", "it cannot be killed");
			return NULL;
		}
	}
	return NULL;
}
