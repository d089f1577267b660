// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Events that change memory. Each takes one block at a time and holds its
 * lock: it excludes the CPU's accesses, but not the device's.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/mman.h>

#include "tap.h"
#include "torture.h"

#define EVENTS_EACH 2 /* for each transfer, at most */

#define ANON (1U << MEM_BASE | 1U << MEM_THP)
#define FILES (1U << MEM_SHMEM | 1U << MEM_HUGETLB_SHARED)
#define HUGETLB (1U << MEM_HUGETLB | 1U << MEM_HUGETLB_SHARED)
#define SMALL (ANON | 1U << MEM_SHMEM)
#define ALL (SMALL | HUGETLB)

struct scope {
	struct disturber *d;
	struct arena *a;
	struct block *block;
	size_t number;
	size_t at, len; /* some of the block: a page of the mapping or more */
	uint8_t *addr;
};

static void fail(const struct scope *s, const char *what)
{
	diag("%s of %zu KiB at %zu: %s", what, s->len >> 10, s->at, strerror(errno));
	went_wrong(s->a);
}

/* From here on the block may be inaccessible for the device; for a moment it is. */
static void close_block(struct scope *s)
{
	atomic_fetch_add(s->block->closed, 1);
}

static void open_block(struct scope *s)
{
	atomic_fetch_add(s->block->closed, 1);
}

static void dwell(struct scope *s)
{
	/* long enough for an access of the device, now and then */
	if (rng_below(&s->d->rng, 2))
		sched_yield();
	else
		nanosleep(&(struct timespec){ .tv_nsec = (long)rng_below(&s->d->rng, 2000000) },
			  NULL);
}

static bool ev_protect(struct scope *s)
{
	close_block(s);
	if (mprotect(s->addr, s->len, rng_below(&s->d->rng, 2) ? PROT_READ : PROT_NONE))
		fail(s, "mprotect");
	dwell(s);
	if (mprotect(s->addr, s->len, PROT_READ | PROT_WRITE))
		fail(s, "mprotect back");
	open_block(s);
	return true;
}

static bool moved(void *from, void *to, size_t len)
{
	return mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
}

static bool ev_move(struct scope *s)
{
	uint8_t *aside = s->d->aside + s->at % SZ_2M;

	close_block(s);
	if (!moved(s->addr, aside, s->len))
		fail(s, "mremap");
	dwell(s);
	if (!moved(aside, s->addr, s->len))
		fail(s, "mremap back");
	open_block(s);
	/* reserve the address space for the next time */
	if (mmap(aside, s->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != aside)
		fail(s, "mmap");
	return true;
}

static bool advised(struct scope *s, int advice)
{
	return !madvise(s->addr, s->len, advice);
}

static bool ev_pageout(struct scope *s)
{
	return advised(s, MADV_PAGEOUT);
}

static bool ev_cold(struct scope *s)
{
	return advised(s, MADV_COLD);
}

/* May fail if there is no huge page, or if the memory is in use. */
static bool ev_collapse(struct scope *s)
{
	return !madvise(s->a->mem.addr + s->number * SZ_2M, SZ_2M, MADV_COLLAPSE);
}

static bool ev_populate(struct scope *s)
{
	if (!advised(s, MADV_POPULATE_WRITE))
		fail(s, "MADV_POPULATE_WRITE");
	return true;
}

static bool ev_drop(struct scope *s)
{
	mem_drop(&s->a->mem, s->at, s->len);
	return true;
}

static bool ev_free(struct scope *s)
{
	return advised(s, MADV_FREE);
}

static bool ev_replace(struct scope *s)
{
	close_block(s);
	mem_punch(&s->a->mem, s->at, s->len);
	dwell(s);
	mem_refill(&s->a->mem, s->at, s->len);
	open_block(s);
	return true;
}

static bool ev_cpu_write(struct scope *s)
{
	pattern_fill(s->addr, atomic_load(&s->block->gen), s->at, s->len);
	return true;
}

/* Moves other pages, already filled, to this place. */
static bool ev_move_in(struct scope *s)
{
	struct mem other;

	mem_map(&other, s->a->mem.kind, SZ_2M);
	pattern_fill(other.addr + s->at % SZ_2M, atomic_load(&s->block->gen), s->at, s->len);
	close_block(s);
	if (!moved(other.addr + s->at % SZ_2M, s->addr, s->len))
		fail(s, "mremap of other memory");
	open_block(s);
	mem_unmap(&other);
	return true;
}

/* Without transfers: the block is empty once its pages are gone, and stays so. */
static bool ev_generation(struct scope *s)
{
	const uint8_t *addr = s->a->mem.addr + s->number * SZ_2M;
	uint64_t gen = atomic_load(&s->block->gen);

	if (!pattern_or_zero(addr, gen, s->number * SZ_2M, SZ_2M))
		went_wrong(s->a);
	mem_drop(&s->a->mem, s->number * SZ_2M, SZ_2M);
	if (addr[0] || memcmp(addr, addr + 1, SZ_2M - 1)) {
		diag("block %zu is not empty after its pages were given back", s->number);
		went_wrong(s->a);
	}
	mem_drop(&s->a->mem, s->number * SZ_2M, SZ_2M);
	atomic_store(&s->block->gen, gen + BLOCKS);
	return true;
}

/* The pages of a file leave the page table; the file keeps them. */
static bool ev_zap(struct scope *s)
{
	return advised(s, MADV_DONTNEED);
}

static bool ev_remap(struct scope *s)
{
	const struct mem *mem = &s->a->mem;

	close_block(s);
	if (munmap(s->addr, s->len))
		fail(s, "munmap");
	dwell(s);
	if (mmap(s->addr, s->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, mem->fd,
		 (off_t)s->at) != s->addr)
		fail(s, "mmap");
	open_block(s);
	return true;
}

enum where {
	ANYWHERE, /* the content stays */
	VOLATILE,
	ALONE, /* volatile, and no concurrent transfers */
};

static const struct {
	enum event event;
	enum where where;
	unsigned int kinds;
	bool (*run)(struct scope *s);
} events[] = {
	{ EV_PROTECT, ANYWHERE, ALL, ev_protect },
	{ EV_MOVE, ANYWHERE, ALL, ev_move },
	{ EV_PAGEOUT, ANYWHERE, SMALL, ev_pageout },
	{ EV_COLD, ANYWHERE, SMALL, ev_cold },
	{ EV_COLLAPSE, ANYWHERE, 1U << MEM_THP | 1U << MEM_SHMEM, ev_collapse },
	{ EV_POPULATE, ANYWHERE, ALL, ev_populate },
	{ EV_ZAP, ANYWHERE, FILES, ev_zap },
	{ EV_REMAP, ANYWHERE, FILES, ev_remap },
	{ EV_DROP, VOLATILE, ALL, ev_drop },
	{ EV_FREE, VOLATILE, ANON, ev_free },
	{ EV_REPLACE, VOLATILE, ALL, ev_replace },
	{ EV_CPU_WRITE, VOLATILE, ALL, ev_cpu_write },
	{ EV_MOVE_IN, VOLATILE, ANON, ev_move_in },
	{ EV_GENERATION, ALONE, ALL, ev_generation },
};

const char *const event_names[EVENTS] = {
	[EV_PROTECT] = "mprotect",
	[EV_MOVE] = "mremap there and back",
	[EV_PAGEOUT] = "MADV_PAGEOUT",
	[EV_COLD] = "MADV_COLD",
	[EV_COLLAPSE] = "MADV_COLLAPSE",
	[EV_POPULATE] = "MADV_POPULATE_WRITE",
	[EV_DROP] = "pages dropped",
	[EV_FREE] = "MADV_FREE",
	[EV_REPLACE] = "munmap and mmap",
	[EV_CPU_WRITE] = "written by the CPU",
	[EV_MOVE_IN] = "mremap of other memory",
	[EV_GENERATION] = "new generation",
	[EV_ZAP] = "MADV_DONTNEED of a file",
	[EV_REMAP] = "file mapped again",
	[EV_MODIFY] = "ibv_modify_mr_odp",
	[EV_MODIFY_REFUSED] = "ibv_modify_mr_odp refused",
	[EV_PREFETCH] = "ibv_advise_mr",
	[EV_NEW_MR] = "another MR",
	[EV_FORK] = "fork",
	[EV_COMPACT] = "compaction",
	[EV_PRESSURE] = "memory pressure",
	[EV_KILL] = "the other process killed",
	[EV_UNMAP] = "munmap below an implicit MR",
	[EV_FREE_WRITTEN] = "MADV_FREE and written by the device",
	[EV_HELD] = "a fault held in another process",
};

void disturber_open(struct disturber *d, struct arena *a, unsigned int number)
{
	*d = (struct disturber){
		.arena = a,
		.rng = { a->seed + 0xd157 * (number + 1) },
		.aside = mem_reserve(SZ_2M),
	};
}

void disturber_close(struct disturber *d)
{
	if (munmap(d->aside, SZ_2M))
		fatal("munmap: %s", strerror(errno));
}

/*
 * The next event: all of them in turn, in shuffled order, so that each occurs even on a slow
 * machine. Those for volatile blocks, of which there are fewer, occur half as often.
 */
static size_t next_event(struct disturber *d)
{
	const size_t n = sizeof(events) / sizeof(*events);
	size_t event;

	_Static_assert(sizeof(events) / sizeof(*events) <= EVENTS, "a deck holds each twice");
	do {
		if (!d->left)
			for (; d->left < 2 * n; d->left++) {
				size_t at = rng_below(&d->rng, d->left + 1);

				d->deck[d->left] = d->deck[at];
				d->deck[at] = (uint8_t)d->left;
			}
		event = d->deck[--d->left];
	} while (event >= n && events[event - n].where != ANYWHERE);
	return event % n;
}

/* A whole block as often as some of its pages. */
static void pick_range(struct scope *s, enum where where)
{
	struct rng *rng = &s->d->rng;
	size_t unit = 1U << s->a->mem.kind & HUGETLB ? SZ_2M : SZ_4K;

	s->number = where == ANYWHERE ? rng_below(rng, BLOCKS) : rng_below(rng, BLOCKS / 2) * 2 + 1;
	s->block = &s->a->block[s->number];
	s->at = s->number * SZ_2M;
	s->len = SZ_2M;
	if (unit != SZ_2M && rng_below(rng, 2)) {
		s->len = (rng_size(rng, SZ_2M) + unit - 1) / unit * unit;
		s->at += rng_below(rng, (SZ_2M - s->len) / unit + 1) * unit;
	}
	s->addr = s->a->mem.addr + s->at;
}

static void one_event(struct disturber *d)
{
	struct arena *a = d->arena;
	size_t i = next_event(d);
	struct scope s = { .d = d, .a = a };

	if (!(1U << a->mem.kind & events[i].kinds))
		return;
	pick_range(&s, events[i].where);
	if (events[i].where != ANYWHERE && is_stable(a, s.number))
		return;
	if (events[i].where == ALONE)
		pthread_rwlock_wrlock(&s.block->gate);
	pthread_mutex_lock(&s.block->cpu);
	if (events[i].run(&s))
		happened(a, events[i].event);
	pthread_mutex_unlock(&s.block->cpu);
	if (events[i].where == ALONE)
		pthread_rwlock_unlock(&s.block->gate);
}

/* True if the workers have had no time for transfers, as on a kernel with checkers. */
static bool is_ahead(struct arena *a)
{
	return atomic_load(&a->disturbances) > EVENTS_EACH * (atomic_load(&a->transfers) + WORKERS);
}

void *disturber_run(void *arg)
{
	struct disturber *d = arg;
	struct arena *a = d->arena;

	while (!atomic_load(&a->stop)) {
		one_event(d);
		atomic_fetch_add(&a->disturbances, 1);
		do
			nanosleep(&(struct timespec){ .tv_nsec = (long)rng_below(&d->rng, 500000) },
				  NULL);
		while (is_ahead(a) && !atomic_load(&a->stop));
	}
	return NULL;
}
