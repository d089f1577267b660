// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 *	torture.t [--minutes M] [--leg NAME]
 *
 * Runs all legs but inject, or the one named, for M minutes in all (10). $HUGEODP_SEED is the
 * seed of all random values; the interleaving of threads does not follow from it.
 */
#include "torture.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resources.h"
#include "swap.h"
#include "tap.h"

#define SWAP_BYTES (SZ_2M * 96)
#define REPLACE_PEER_MS 6000
/*
 * Sample size for the success rate: with a true failure rate of 10 %, 25 of 50 fail by chance once
 * in 1e11 legs.
 */
#define ENOUGH_TRANSFERS 50
#define SHORT_MS (2 * 60000)
/* Extra time for a leg that has not covered every event: at least this, at most twice its length */
#define EXTRA_MS (15 * 60000)

struct leg {
	const char *name;
	enum mem_kind kind;
	bool peer;
	bool pressure; /* memory is reclaimed all the time */
	bool inject;
	bool removal;
	bool by_name; /* only if it is named */
};

static const struct leg legs[] = {
	{ .name = "thp", .kind = MEM_THP },
	{ .name = "hugetlb", .kind = MEM_HUGETLB },
	{ .name = "base", .kind = MEM_BASE, .pressure = true },
	{ .name = "peer", .kind = MEM_SHMEM, .peer = true },
	{ .name = "removal", .removal = true },
	{ .name = "inject", .kind = MEM_THP, .inject = true, .by_name = true },
};

#define LEGS (sizeof(legs) / sizeof(*legs))

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void rest_after(const struct arena *a, uint64_t from_ms, unsigned int times, uint64_t ms)
{
	uint64_t now = now_ms(), least = (now - from_ms) * times;
	uint64_t until = now + (ms > least ? ms : least);

	for (; now < until && !atomic_load(&a->stop); now = now_ms())
		sleep_ms(until - now < 50 ? (long)(until - now) : 50);
}

void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		fatal("pthread_create failed");
}

/* All threads that run in parallel to the workers. */
struct company {
	pthread_t thread[8];
	unsigned int threads;
	struct disturber disturber[DISTURBERS];
	struct canaries canaries;
	pthread_t canary_thread;
};

static void join_in(struct company *c, void *(*run)(void *), struct arena *a)
{
	start_thread(&c->thread[c->threads++], run, a);
}

static void company_start(struct company *c, struct arena *a, const struct leg *leg)
{
	*c = (struct company){
		.canaries = { .kind = leg->kind, .pause_us = 50000 },
	};
	for (unsigned int i = 0; i < DISTURBERS; i++) {
		disturber_open(&c->disturber[i], a, i);
		start_thread(&c->disturber[i].thread, disturber_run, &c->disturber[i]);
	}
	start_thread(&c->canary_thread, canaries_run, &c->canaries);
	join_in(c, compactor_run, a);
	join_in(c, changer_run, a);
	if (leg->kind != MEM_SHMEM)
		join_in(c, forker_run, a);
	if (leg->pressure)
		join_in(c, presser_run, a);
	if (leg->inject) {
		join_in(c, injector_run, a);
		return;
	}
	if (a->implicit)
		join_in(c, unmapper_run, a);
	join_in(c, freer_run, a);
	join_in(c, holder_run, a);
}

static void company_stop(struct company *c, struct arena *a)
{
	for (unsigned int i = 0; i < DISTURBERS; i++) {
		pthread_join(c->disturber[i].thread, NULL);
		disturber_close(&c->disturber[i]);
	}
	for (unsigned int i = 0; i < c->threads; i++)
		pthread_join(c->thread[i], NULL);
	atomic_store(&c->canaries.stop, true);
	pthread_join(c->canary_thread, NULL);
	atomic_fetch_add(&a->wrong, atomic_load(&c->canaries.wrong));
}

static const char *const vm_numbers[] = {
	"pgmigrate_success",  "pswpout",	"pswpin",
	"thp_collapse_alloc", "thp_split_page", "thp_split_pmd",
};

#define VM_NUMBERS (sizeof(vm_numbers) / sizeof(*vm_numbers))

static void read_vm(uint64_t *values)
{
	for (unsigned int i = 0; i < VM_NUMBERS; i++)
		values[i] = vmstat(vm_numbers[i]);
}

static void report_leg(const struct arena *a, const struct leg *leg, const uint64_t *before,
		       uint64_t ms)
{
	uint64_t after[VM_NUMBERS];

	read_vm(after);
	for (unsigned int i = 0; i < EVENTS; i++)
		if (atomic_load(&a->events[i]))
			note("%s: %llu times %s", leg->name,
			     (unsigned long long)atomic_load(&a->events[i]), event_names[i]);
	for (unsigned int i = 0; i < VM_NUMBERS; i++)
		note("%s: %s %llu", leg->name, vm_numbers[i],
		     (unsigned long long)(after[i] - before[i]));
	note("%s: %llu transfers in %llu s, %llu failed as they may", leg->name,
	     (unsigned long long)atomic_load(&a->transfers), (unsigned long long)ms / 1000,
	     (unsigned long long)atomic_load(&a->failures));
}

/* The first event of the leg that has not happened yet, or NULL. */
static const char *missing(const struct arena *a, const struct leg *leg, const uint64_t *before)
{
	static const enum event wanted[] = { EV_PROTECT,    EV_MOVE,   EV_DROP,	  EV_REPLACE,
					     EV_GENERATION, EV_MODIFY, EV_NEW_MR, EV_COMPACT };

	for (unsigned int i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		if (!atomic_load(&a->events[wanted[i]]))
			return event_names[wanted[i]];
	if ((leg->kind == MEM_THP || leg->kind == MEM_BASE) &&
	    vmstat("pgmigrate_success") == before[0])
		return "pages moved";
	if (leg->pressure && !atomic_load(&a->events[EV_PRESSURE]))
		return event_names[EV_PRESSURE];
	if (leg->peer && !atomic_load(&a->events[EV_KILL]))
		return event_names[EV_KILL];
	if (!leg->inject && !atomic_load(&a->events[EV_FREE_WRITTEN]))
		return event_names[EV_FREE_WRITTEN];
	if (!leg->inject && !atomic_load(&a->events[EV_HELD]))
		return event_names[EV_HELD];
	if (!leg->inject && a->implicit && !atomic_load(&a->events[EV_UNMAP]))
		return event_names[EV_UNMAP];
	if (atomic_load(&a->easy) < ENOUGH_TRANSFERS && !leg->inject)
		return "enough transfers";
	return NULL;
}

/*
 * Events are random, and a slow machine runs fewer of them: extend a leg that has not covered all
 * of them. Sets *last to the one that it was extended for, if any.
 */
static bool is_over(const struct arena *a, const struct leg *leg, const uint64_t *before,
		    uint64_t from_ms, uint64_t until_ms, const char **last)
{
	uint64_t now = now_ms(), extra = 2 * (until_ms - from_ms);
	const char *what;

	if (atomic_load(&a->wrong))
		return true;
	if (now < until_ms)
		return false;
	what = missing(a, leg, before);
	if (what)
		*last = what;
	return !what || now >= until_ms + (extra > EXTRA_MS ? extra : EXTRA_MS);
}

/* Test points: the leg covered what it is meant to. */
static void did_happen(const struct arena *a, const struct leg *leg, const uint64_t *before)
{
	uint64_t easy = atomic_load(&a->easy), failures = atomic_load(&a->easy_failures);

	const char *what = missing(a, leg, before);

	if (what)
		diag("never happened: %s", what);
	ok(!what, "%s: there were events of all kinds", leg->name);
	ok(failures < easy / 2, "%s: most transfers succeeded", leg->name);
	note("%s: %llu of %llu transfers that take any page failed", leg->name,
	     (unsigned long long)failures, (unsigned long long)easy);
}

static void traffic_leg(struct rig *rig, const struct leg *leg, uint64_t seed, uint64_t until_ms)
{
	struct arena a = {
		.seed = seed,
		.any_failure = leg->inject,
		.is_short = until_ms - now_ms() < SHORT_MS,
	};
	struct worker worker[WORKERS];
	uint64_t before[VM_NUMBERS], from = now_ms(), took;
	struct company company;
	uint64_t next_kill = from + REPLACE_PEER_MS;
	const char *last = NULL;

	read_vm(before);
	arena_open(&a, rig, leg->kind, -1);
	arena_register(&a);
	if (leg->peer)
		a.peer = peer_start(&a);
	for (unsigned int i = 0; i < WORKERS; i++)
		worker_open(&worker[i], &a, i);
	company_start(&company, &a, leg);
	if (leg->inject)
		inject_setup(&a);
	for (unsigned int i = 0; i < WORKERS; i++)
		start_thread(&worker[i].thread, worker_run, &worker[i]);
	while (!is_over(&a, leg, before, from, until_ms, &last)) {
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
		if (a.peer && now_ms() > next_kill) {
			peer_replace(a.peer);
			next_kill = now_ms() + REPLACE_PEER_MS;
		}
	}
	took = now_ms() - from;
	atomic_store(&a.stop, true);
	for (unsigned int i = 0; i < WORKERS; i++)
		pthread_join(worker[i].thread, NULL);
	if (leg->inject)
		inject_reset();
	company_stop(&company, &a);
	for (unsigned int i = 0; i < WORKERS; i++)
		worker_close(&worker[i]);
	if (a.peer)
		peer_stop(a.peer);
	a.peer = NULL;
	is_u64(atomic_load(&a.wrong), 0, "%s: no error during the leg", leg->name);
	if (last)
		note("%s: extended, at the end for: %s", leg->name, last);
	report_leg(&a, leg, before, took);
	did_happen(&a, leg, before);
	arena_check(&a, leg->name);
	arena_check_counters(&a, leg->name);
	if (leg->inject)
		inject_report();
	arena_close(&a);
}

/* A driver may make objects of its own with the first MR, which are not a leak. */
static void warm_up(struct rig *rig)
{
	struct buf buf;

	buf_make(&buf, rig, MEM_BASE, SZ_4K, &mode_odp);
	buf_close(&buf);
}

static bool is_wanted(const struct rig *rig, const struct leg *leg, const char *only)
{
	/* only a software device is added and removed by a command */
	if (leg->removal && !rig->is_rxe)
		return false;
	return only ? !strcmp(only, leg->name) : !leg->by_name;
}

/* Folios of 64 KiB where a huge page has lost some of its pages. */
static void allow_middle_sizes(void)
{
	static const char path[] = "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled";
	FILE *f = fopen(path, "we");
	bool done = f && fputs("always", f) >= 0;

	if (f)
		done = !fclose(f) && done;
	need(done, "%s must be writable", path);
}

static void run_leg(struct rig *rig, const struct leg *leg, uint64_t seed, uint64_t ms)
{
	static const char *const kinds[] = { "mr", "qp", "cq" };
	/* a page that cannot be read back from swap would be lost data */
	bool with_swap = !leg->inject;
	struct swap swap;
	long before[3];

	if (leg->inject)
		need(inject_possible(), "the kernel must be able to let allocations fail");
	note("%s: %llu s", leg->name, (unsigned long long)ms / 1000);
	for (int i = 0; i < 3; i++)
		before[i] = resource_count(rig, kinds[i]);
	if (with_swap)
		swap_on(&swap, SWAP_BYTES);
	if (leg->removal)
		removal_run(seed, now_ms() + ms);
	else
		traffic_leg(rig, leg, seed, now_ms() + ms);
	if (with_swap)
		swap_off(&swap);
	for (int i = 0; i < 3; i++)
		is_u64((uint64_t)resource_settles(rig, kinds[i], before[i]), (uint64_t)before[i],
		       "%s: %ss are as many as before", leg->name, kinds[i]);
}

static void usage(void)
{
	fprintf(stderr, "usage: torture.t [--minutes M] [--leg NAME]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "minutes", required_argument, NULL, 'm' },
		{ "leg", required_argument, NULL, 'l' },
		{},
	};
	const char *only = NULL;
	double minutes = 10;
	unsigned int count = 0;
	struct rng rng;
	struct rig rig;
	int c;

	/* the program executes itself for its other processes */
	if (argc == 4 && !strcmp(argv[1], "--peer"))
		peer_main(atoi(argv[2]), atoi(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "--victim"))
		victim_main(atoi(argv[2]));
	if (argc == 4 && !strcmp(argv[1], "--held"))
		held_main(atoi(argv[2]), (enum holder)atoi(argv[3]));
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'm')
			minutes = strtod(optarg, NULL);
		else if (c == 'l')
			only = optarg;
		else
			usage();
	}
	rig_open(&rig);
	need_series(&rig);
	for (unsigned int i = 0; i < LEGS; i++)
		count += is_wanted(&rig, &legs[i], only);
	if (!count || minutes <= 0)
		usage();
	warm_up(&rig);
	rng_init(&rng, (uint64_t)time(NULL));
	allow_middle_sizes();
	for (unsigned int i = 0; i < LEGS; i++) {
		uint64_t seed = rng_next(&rng);

		if (is_wanted(&rig, &legs[i], only))
			run_leg(&rig, &legs[i], seed, (uint64_t)(minutes * 60000) / count);
	}
	rig_close(&rig);
	return tap_done();
}
