/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers of the tests against hostile users: scenarios in separate processes, requests and calls
 * with a time limit, and page information that only root can read.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "scene.h"
#include "sysfile.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define BLOCK(n) (SZ_2M * (n))

/* ---- time ---- */

double now_s(void);
void sleep_ms(long ms);

/* Time limit in seconds for operations that do not wait. */
double soon(void);
/* Time limit in seconds for operations that wait for a few others. */
double later(void);

/* $HUGEODP_LONG is 1: run the tests that take minutes, too. */
bool is_long(void);

/* ---- scenarios ---- */

typedef void (*scenario_fn)(struct rig *rig, const void *arg);

/*
 * Runs @fn in a separate process, with its own rig, and repeats its test points here. After
 * @seconds the process is killed, and must end soon: a timeout and a process that cannot be killed
 * are failed test points. If $HUGEODP_ONLY is set, runs only if @name contains it.
 */
__attribute__((format(printf, 4, 5))) void scenario(double seconds, scenario_fn fn, const void *arg,
						    const char *name, ...);

/* Test point: the process ends in @seconds. Otherwise kills it, and waits again. */
bool process_ends(pid_t pid, double seconds, const char *what);

/*
 * Starts a process in which @fn starts to wait and writes a byte to @to_parent. Returns the PID
 * after that byte, or -1 if the process ended before.
 */
pid_t start_waiting(void (*fn)(const void *arg, int to_parent), const void *arg);

/* Discards the test points of this process from now on. */
void silence(void);

/* ---- requests ---- */

#define NO_COMPLETION (-1)

void rdma_post(struct pair *pair, enum ibv_wr_opcode op, const struct ibv_mr *local, uint64_t laddr,
	       const struct ibv_mr *remote, uint64_t raddr, size_t len);
/* The status of the next completion at the near end, or NO_COMPLETION. */
int rdma_wait(struct pair *pair, double seconds);
/* Posts a request and waits; renews the pair after an error. */
int rdma_run(struct pair *pair, enum ibv_wr_opcode op, const struct ibv_mr *local, uint64_t laddr,
	     const struct ibv_mr *remote, uint64_t raddr, size_t len);
const char *status_name(int status);

/* A WRITE or READ between two bufs that has not completed yet. */
struct flight {
	struct pair *pair;
	struct xfer x;
};

void flight_start(struct flight *flight, struct pair *pair, enum op op, struct buf *near,
		  size_t near_at, struct buf *far, size_t far_at, size_t len);
/*
 * Test point: it completes with success in @seconds and every byte is right. Returns false with
 * *@late set if it has not completed.
 */
bool flight_lands(struct flight *flight, double seconds, bool *late, const char *what);

/* ---- calls ---- */

struct call {
	pthread_t thread;
	int (*fn)(void *arg);
	void *arg;
	int ret;
	atomic_bool done;
	bool joined;
};

void call_start(struct call *call, int (*fn)(void *arg), void *arg);
bool call_ends(struct call *call, double seconds);

/* Test point: the call returns @want in time; ends the scenario if it never does. */
bool call_is(struct call *call, double seconds, int want, const char *what);

int call_dereg(void *mr);

struct prefetch {
	struct ibv_pd *pd;
	struct ibv_sge sge;
	uint32_t flags;
};

/* ibv_advise_mr() for writing */
int call_prefetch(void *prefetch);

struct modify {
	struct ibv_mr *mr;
	uint64_t sizes;
	uint32_t flags;
};

int call_modify(void *modify);

/* ---- pages ---- */

/* The entry of /proc/self/pagemap for the page at @addr. */
uint64_t pagemap_entry(const void *addr);
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_FILE (1ULL << 61)
#define PAGEMAP_PFN ((1ULL << 55) - 1)

/* The number of pages of the range that are present or in swap. */
size_t pages_present(const void *addr, size_t len);

/* The entry of /proc/kpageflags; needs root. */
uint64_t page_flags(uint64_t pfn);
#define KPF(n) (1ULL << (n))
#define KPF_DIRTY_BIT KPF(4)
#define KPF_COMPOUND_HEAD_BIT KPF(15)
#define KPF_COMPOUND_TAIL_BIT KPF(16)

#endif
