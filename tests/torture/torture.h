/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Random transfers, concurrent with all kinds of changes to the memory.
 *
 * The arena is registered many times over, in all modes. Even blocks of it are stable: whatever
 * happens to their pages keeps the content, and each byte must be what was written last. Each
 * worker owns a strip of every stable block. Odd blocks are volatile: pages are freed at any time.
 * Bytes written there identify their place and the block's generation, so that a byte is either
 * that or zero; a block enters a new generation after it has been emptied, and bytes of an older
 * one are then as wrong as foreign ones.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <pthread.h>
#include <stdatomic.h>

#include "canary.h"
#include "held.h"
#include "xfer.h"

#define BLOCKS 8
#define ARENA_LEN (SZ_2M * BLOCKS)
#define WORKERS 3
#define DISTURBERS 2
#define MAX_VIEWS 8
/* not a multiple of the page: workers share pages */
#define STRIP (SZ_2M / WORKERS / 8 * 8)
#define MAX_TRANSFER (SZ_64K * 3)

/* An MR over the arena, of this process or of another one. */
struct view {
	const struct mode *mode; /* NULL: implicit */
	struct ibv_mr *mr;
	bool fussy; /* strict: transfers may fail where memory is not huge */
	atomic_ullong done, refused;
};

struct block {
	/* held while the CPU accesses the block, and while its mapping changes */
	pthread_mutex_t cpu;
	/* volatile blocks: held for read by users of the generation */
	pthread_rwlock_t gate;
	atomic_ullong gen;
	/* grows before the block becomes inaccessible and when it is accessible again */
	atomic_uint *closed;
};

enum event {
	EV_PROTECT,
	EV_MOVE,
	EV_PAGEOUT,
	EV_COLD,
	EV_COLLAPSE,
	EV_POPULATE,
	EV_DROP,
	EV_FREE,
	EV_REPLACE,
	EV_CPU_WRITE,
	EV_MOVE_IN,
	EV_GENERATION,
	EV_ZAP,
	EV_REMAP,
	EV_MODIFY,
	EV_MODIFY_REFUSED,
	EV_PREFETCH,
	EV_NEW_MR,
	EV_FORK,
	EV_COMPACT,
	EV_PRESSURE,
	EV_KILL,
	EV_UNMAP,
	EV_FREE_WRITTEN,
	EV_HELD,
	EVENTS,
};

struct peer;

struct arena {
	struct rig *rig;
	struct mem mem;
	uint8_t *shadow;
	struct block block[BLOCKS];
	atomic_uint own_closed[BLOCKS];
	struct view view[MAX_VIEWS];
	unsigned int views;
	uint32_t odp_flags; /* that the device has */
	bool implicit;	    /* the device has implicit MRs */
	bool all_stable;    /* the arena of the other process */
	bool any_failure;   /* allocation failures: any request may fail */
	bool is_short;	    /* the leg */
	bool pressure;
	struct peer *peer;
	uint64_t seed;
	atomic_bool stop;
	atomic_uint wrong;
	atomic_ullong events[EVENTS];
	atomic_ullong disturbances, transfers;
	atomic_ullong failures; /* requests that failed and were allowed to */
	/* transfers by MRs that take any page, and those of them that failed */
	atomic_ullong easy, easy_failures;
};

static inline bool is_stable(const struct arena *a, size_t block)
{
	return a->all_stable || block % 2 == 0;
}

static inline void happened(struct arena *a, enum event event)
{
	atomic_fetch_add(&a->events[event], 1);
}

static inline void went_wrong(struct arena *a)
{
	atomic_fetch_add(&a->wrong, 1);
}

/* arena.c */

/* Memory of @kind, or a mapping of the file @fd (-1: none), and MRs over it. */
void arena_open(struct arena *arena, struct rig *rig, enum mem_kind kind, int fd);
void arena_register(struct arena *arena);
void arena_close(struct arena *arena);

/* Checks all content by CPU and through every view; test points. No other thread may run. */
void arena_check(struct arena *arena, const char *name);

/* Unmaps the memory: no block may stay mapped, and the counters must show it. */
void arena_check_counters(struct arena *arena, const char *name);

/* A random mode that suits the arena's memory; NULL for an implicit MR. */
const struct mode *arena_pick_mode(const struct arena *arena, struct rng *rng);
struct ibv_mr *arena_reg(struct arena *arena, const struct mode *mode);
bool mode_is_fussy(const struct arena *arena, const struct mode *mode);

/* The arena as the device reaches it by @mr. */
struct buf arena_buf(struct arena *arena, struct ibv_mr *mr);

/* Whether all blocks have been accessible all the time. */
struct quiet {
	unsigned int closings;
	bool all_open;
};

struct quiet arena_quiet(const struct arena *arena);
bool arena_still_quiet(const struct arena *arena, struct quiet since);

/* worker.c */
struct worker {
	pthread_t thread;
	struct arena *arena;
	struct rng rng;
	unsigned int number;
	struct pair pair;
	struct buf near;  /* pinned memory of its own */
	struct view mine; /* an MR of its own, replaced now and then */
	uint8_t *scratch; /* shadow for content that is not known exactly */
	uint64_t gen;	  /* of the bytes it writes */
	uint64_t transfers;
	struct pair link; /* to the other process */
	bool link_up;
	unsigned int link_life;
};

void worker_open(struct worker *worker, struct arena *arena, unsigned int number);
void *worker_run(void *worker);
void worker_close(struct worker *worker);

/* events.c: threads' functions */
struct disturber {
	pthread_t thread;
	struct arena *arena;
	struct rng rng;
	uint8_t *aside; /* address space to move a block to */
	uint8_t deck[EVENTS * 2];
	size_t left; /* of the deck */
};

extern const char *const event_names[EVENTS];

void disturber_open(struct disturber *disturber, struct arena *arena, unsigned int number);
void *disturber_run(void *disturber);
void disturber_close(struct disturber *disturber);

/* system.c: threads' functions */
void *forker_run(void *arena);
void *compactor_run(void *arena);
void *changer_run(void *arena); /* other page sizes for live MRs */
void *presser_run(void *arena);

/* A number of /proc/vmstat. */
uint64_t vmstat(const char *name);

/* peer.c: another process with MRs over the same file */
struct peer *peer_start(struct arena *arena);
/* Kills it at any moment and starts another one. */
void peer_replace(struct peer *peer);
void peer_stop(struct peer *peer);
/* The other process's side; does not return. */
_Noreturn void peer_main(int control_fd, int memory_fd);
/* Connects the worker's link if needed; false if the other process is not there. */
bool peer_link(struct worker *worker);
void peer_unlink(struct worker *worker);
/* A random view of the other process's; false if it has none. */
bool peer_view(struct worker *worker, struct buf *buf, struct ibv_mr *mr, bool *fussy);
unsigned int peer_life(const struct peer *peer);
unsigned int peer_closed(const struct peer *peer, size_t block);

/* removal.c */
void removal_run(uint64_t seed, uint64_t until_ms);
_Noreturn void victim_main(int control_fd);

/* beside.c: threads' functions */
void *unmapper_run(void *arena); /* only if there are implicit MRs */
void *freer_run(void *arena);
void *holder_run(void *arena);
/* The process with held faults; does not return. */
_Noreturn void held_main(int to_parent, enum holder holder);

/* inject.c */
bool inject_possible(void);
void inject_setup(const struct arena *arena);
void inject_reset(void);
void *injector_run(void *arena);
void inject_report(void);

/* torture.c */
uint64_t now_ms(void);
/*
 * Rests for @ms, and for at least @times as long as since @from_ms, unless the leg ends: on a kernel
 * with checkers, a compaction alone takes seconds, and there must be time for transfers.
 */
void rest_after(const struct arena *arena, uint64_t from_ms, unsigned int times, uint64_t ms);
void start_thread(pthread_t *thread, void *(*run)(void *), void *arg);

#endif
