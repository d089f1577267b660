// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Random ioctls of the methods that handle page sizes of ODP MRs: several processes and threads, on
 * contexts of their own and on a shared one, with handles of each other's MRs, which are registered
 * and deregistered while the memory changes. Processes are killed at random times.
 *
 *	fuzz.t [--calls N] [--minutes M]
 *
 * ends when N calls have been made (1,000,000), or after M minutes if given.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "resources.h"
#include "tap.h"

#define TICK_MS 200
#define HUNG_S 120
#define KILL_EVERY_TICKS 40
#define TELL_EVERY_TICKS 300
#define ENOUGH_GOOD 500 /* calls of each method that must succeed, of a million */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void *run_caller(void *arg)
{
	struct caller *c = arg;
	atomic_ullong *budget = &c->process->field->budget;

	while (!atomic_load(&c->process->field->stop)) {
		unsigned long long left = atomic_load(budget);

		if (!left || !atomic_compare_exchange_weak(budget, &left, left - 1)) {
			if (!left)
				break;
			continue;
		}
		one_call(c);
	}
	return NULL;
}

/* A process that makes calls until there are enough, or until it is killed. */
_Noreturn static void child(struct field *field, struct rig *common, unsigned int number,
			    uint64_t seed)
{
	struct caller callers[THREADS];
	pthread_t threads[THREADS], disturber;
	struct process p = { .field = field, .number = number };
	struct ibv_cq *cq;

	rig_open(&p.rig);
	cq = ibv_create_cq(p.rig.ctx, 1, NULL, NULL, 0);
	if (!cq)
		fatal("ibv_create_cq: %s", strerror(errno));
	p.cq = cq->handle;
	p.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p.event_fd < 0)
		fatal("eventfd: %s", strerror(errno));
	p.own = (struct target){ p.rig.ctx, p.rig.pd->handle, p.own_mrs };
	p.common = (struct target){ common->ctx, common->pd->handle, field->common_mrs };
	areas_map(&p);
	for (unsigned int i = 0; i < THREADS; i++) {
		callers[i] = (struct caller){
			.process = &p,
			.number = i,
			.rng = { seed + i * 0x9e3779b97f4a7c15ULL },
		};
		arena_map(&callers[i].arena);
		if (pthread_create(&threads[i], NULL, run_caller, &callers[i]))
			fatal("pthread_create failed");
	}
	if (pthread_create(&disturber, NULL, run_disturber, &p))
		fatal("pthread_create failed");
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* the kernel cleans up the rest */
	_exit(0);
}

struct crew {
	struct field *field;
	struct rig *rig;
	struct rng rng;
	pid_t pid[PROCS];
	unsigned int killed;
	uint64_t seen[PROCS][THREADS];
	uint64_t since[PROCS][THREADS];
};

static void spawn(struct crew *crew, unsigned int i)
{
	uint64_t seed = rng_next(&crew->rng);

	fflush(NULL);
	crew->pid[i] = fork();
	if (crew->pid[i] < 0)
		fatal("fork: %s", strerror(errno));
	if (!crew->pid[i])
		child(crew->field, crew->rig, i, seed);
	for (unsigned int k = 0; k < THREADS; k++)
		crew->since[i][k] = now_ms();
}

static void show_stack(pid_t pid)
{
	char command[128];

	snprintf(command, sizeof(command), "cat /proc/%d/task/*/stack >&2", (int)pid);
	if (system(command))
		diag("no stacks of process %d", (int)pid);
}

/* Waits for a process that was killed; false if it does not end for a long time. */
static bool is_gone(pid_t pid, int *status)
{
	uint64_t until = now_ms() + HUNG_S * 1000;
	pid_t gone;

	while (!(gone = waitpid(pid, status, WNOHANG)) && now_ms() < until)
		nanosleep(&(struct timespec){ .tv_nsec = TICK_MS * 1000000L / 4 }, NULL);
	if (gone < 0)
		fatal("waitpid: %s", strerror(errno));
	if (!gone) {
		diag("a killed process is still there after %u s", HUNG_S);
		show_stack(pid);
	}
	return gone;
}

/* Kills a process that another one replaces; false if that does not end it. */
static bool kill_one(struct crew *crew)
{
	unsigned int i = (unsigned int)rng_below(&crew->rng, PROCS);
	int status;

	if (!crew->pid[i])
		return true;
	kill(crew->pid[i], SIGKILL);
	if (!is_gone(crew->pid[i], &status))
		return false;
	if (!WIFSIGNALED(status)) {
		/* it has ended, with success or with a message */
		crew->pid[i] = 0;
		if (status)
			atomic_fetch_add(&crew->field->wrong, 1);
		return true;
	}
	crew->killed++;
	spawn(crew, i);
	return true;
}

/* True if a thread has not returned from a call for too long. */
static bool hung(struct crew *crew)
{
	uint64_t now = now_ms();

	for (unsigned int i = 0; i < PROCS; i++)
		for (unsigned int k = 0; k < THREADS; k++) {
			uint64_t seen = atomic_load(&crew->field->progress[i][k]);

			if (seen != crew->seen[i][k]) {
				crew->seen[i][k] = seen;
				crew->since[i][k] = now;
			} else if (crew->pid[i] && now - crew->since[i][k] > HUNG_S * 1000) {
				diag("process %u, thread %u: no call in %u s", i, k, HUNG_S);
				show_stack(crew->pid[i]);
				return true;
			}
		}
	return false;
}

/* True if all have ended. */
static bool reap(struct crew *crew)
{
	bool all = true;

	for (unsigned int i = 0; i < PROCS; i++) {
		int status;

		if (!crew->pid[i])
			continue;
		if (!waitpid(crew->pid[i], &status, WNOHANG)) {
			all = false;
			continue;
		}
		if (status) {
			diag("process %u ended with status %#x", i, (unsigned int)status);
			atomic_fetch_add(&crew->field->wrong, 1);
		}
		crew->pid[i] = 0;
	}
	return all;
}

/* Runs until all calls are made or the time is up; false if a call hangs. */
static bool run(struct crew *crew, uint64_t until_ms)
{
	unsigned long long calls = atomic_load(&crew->field->budget);
	uint64_t ticks = 0;

	for (unsigned int i = 0; i < PROCS; i++)
		spawn(crew, i);
	while (!reap(crew)) {
		nanosleep(&(struct timespec){ .tv_nsec = TICK_MS * 1000000L }, NULL);
		if (until_ms && now_ms() > until_ms)
			atomic_store(&crew->field->stop, true);
		if (hung(crew)) {
			for (unsigned int i = 0; i < PROCS; i++)
				if (crew->pid[i])
					kill(crew->pid[i], SIGKILL);
			return false;
		}
		if (++ticks % KILL_EVERY_TICKS == 0 && atomic_load(&crew->field->budget) &&
		    !kill_one(crew))
			return false;
		if (ticks % TELL_EVERY_TICKS == 0) {
			note("%llu calls made", calls - atomic_load(&crew->field->budget));
			fflush(stdout);
		}
	}
	return true;
}

/* Returns the number of calls; a test point for each method. */
static uint64_t report_methods(struct field *field)
{
	uint64_t all = 0, calls[METHODS] = {}, good, need_good;

	for (unsigned int m = 0; m < METHODS; m++) {
		for (unsigned int e = 0; e < MAX_ERRNO; e++)
			calls[m] += atomic_load(&field->results[m][e]);
		all += calls[m];
	}
	need_good = all / (1000000 / ENOUGH_GOOD);
	for (unsigned int m = 0; m < METHODS; m++) {
		good = atomic_load(&field->results[m][0]);
		ok(good > need_good, "%s: %llu calls succeeded", method_names[m],
		   (unsigned long long)good);
		for (unsigned int e = 1; e < MAX_ERRNO; e++)
			if (atomic_load(&field->results[m][e]))
				note("%s: %llu times %s", method_names[m],
				     (unsigned long long)atomic_load(&field->results[m][e]),
				     strerror((int)e));
	}
	return all;
}

static void options(int argc, char **argv, uint64_t *calls, uint64_t *minutes)
{
	static const struct option names[] = {
		{ "calls", required_argument, NULL, 'c' },
		{ "minutes", required_argument, NULL, 'm' },
		{},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == '?') {
			fprintf(stderr, "usage: fuzz.t [--calls N] [--minutes M]\n");
			exit(2);
		}
		*(c == 'c' ? calls : minutes) = strtoull(optarg, NULL, 0);
	}
	/* only the time limits it then */
	if (*minutes && !*calls)
		*calls = ~0ULL;
	else if (!*calls)
		*calls = 1000000;
}

/* mlx5 creates queues of its own for the first MR, and they stay. */
static void first_mr(const struct rig *rig)
{
	static char page[4096];
	struct ibv_mr *mr = ibv_reg_mr(rig->pd, page, sizeof(page),
				       IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE);

	if (!mr || ibv_dereg_mr(mr))
		fatal("ibv_reg_mr: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	uint64_t calls = 0, minutes = 0, start = now_ms(), made;
	static const char *const kinds[] = { "mr", "pd", "cq" };
	long before[sizeof(kinds) / sizeof(*kinds)];
	struct crew crew = {};
	struct rig idle, rig;

	options(argc, argv, &calls, &minutes);
	rig_open(&idle);
	need_series(&idle);
	first_mr(&idle);
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		before[i] = resource_count(&idle, kinds[i]);
	rig_open(&rig);
	rng_init(&crew.rng, (uint64_t)time(NULL));
	crew.rig = &rig;
	crew.field = mmap(NULL, sizeof(*crew.field), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (crew.field == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	atomic_store(&crew.field->budget, calls);

	ok(run(&crew, minutes ? start + minutes * 60000 : 0), "no call hangs");
	made = report_methods(crew.field);
	ok(minutes || made + crew.killed * THREADS >= calls, "%llu calls made in %llu s",
	   (unsigned long long)made, (unsigned long long)(now_ms() - start) / 1000);
	is_u64(atomic_load(&crew.field->wrong), 0, "calls with a wrong result");
	note("%u processes killed on the way", crew.killed);
	/* this frees the MRs that killed processes made on it */
	ibv_close_device(rig.ctx);
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		is_u64((uint64_t)resource_count(&idle, kinds[i]), (uint64_t)before[i],
		       "%ss are as many as before", kinds[i]);
	rig_close(&idle);
	return tap_done();
}
