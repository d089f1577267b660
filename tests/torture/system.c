// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Disturbances around the arena: fork, compaction, lack of memory, other page sizes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"
#include "torture.h"

static uint64_t sum(const uint8_t *addr, size_t len)
{
	const uint64_t *word = (const uint64_t *)addr;
	uint64_t hash = 0;

	for (size_t i = 0; i < len / 8; i++)
		hash = (hash ^ word[i]) * 0x100000001b3ULL;
	return hash;
}

/*
 * In the child: its copy of the arena is its own. Device writes for the parent
 * must not appear here, and writes here must not appear there.
 */
_Noreturn static void forked(struct arena *a, uint64_t seed)
{
	struct rng rng = { seed };
	size_t mine = rng_below(&rng, BLOCKS), seen = rng_below(&rng, BLOCKS);
	uint8_t *addr = a->mem.addr;
	uint64_t before = sum(addr + seen * SZ_2M, SZ_2M);

	if (mine != seen)
		for (size_t at = 0; at < SZ_2M; at += SZ_4K * (1 + rng_below(&rng, 32)))
			pattern_fill(addr + mine * SZ_2M + at, ~seed, at, SZ_4K);
	sleep_ms((long)rng_below(&rng, 20));
	_exit(sum(addr + seen * SZ_2M, SZ_2M) == before ? 0 : 1);
}

void *forker_run(void *arg)
{
	struct arena *a = arg;
	struct rng rng = { a->seed + 0xf02c };

	while (!atomic_load(&a->stop)) {
		uint64_t from = now_ms();
		int status;
		pid_t pid;

		/* no block may stay closed in the child */
		for (size_t b = 0; b < BLOCKS; b++)
			pthread_mutex_lock(&a->block[b].cpu);
		pid = fork();
		if (!pid)
			forked(a, rng_next(&rng));
		for (size_t b = 0; b < BLOCKS; b++)
			pthread_mutex_unlock(&a->block[b].cpu);
		rng_next(&rng);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			fatal("fork: %s", strerror(errno));
		if (status) {
			diag("in a child: %s", WIFEXITED(status) ? "memory changed by itself"
								 : strsignal(WTERMSIG(status)));
			went_wrong(a);
		}
		happened(a, EV_FORK);
		rest_after(a, from, 4, rng_below(&rng, 500));
	}
	return NULL;
}

void *compactor_run(void *arg)
{
	struct arena *a = arg;
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	need(fd >= 0, "/proc/sys/vm/compact_memory must be writable");
	while (!atomic_load(&a->stop)) {
		uint64_t from = now_ms();

		if (write(fd, "1", 1) != 1)
			fatal("compact_memory: %s", strerror(errno));
		happened(a, EV_COMPACT);
		rest_after(a, from, 9, 1000);
	}
	close(fd);
	return NULL;
}

static bool state_is_possible(const struct view *v)
{
	struct ibv_mr_odp_attr s;

	if (ibv_query_mr_odp(v->mr, &s, sizeof(s)))
		return false;
	return s.page_sizes & 1ULL << s.page_shift;
}

/* Sizes for an MR that must take any memory, and for one that keeps its size. */
static uint64_t other_sizes(const struct view *v, struct rng *rng)
{
	static const uint64_t negotiated[] = {
		SZ_2M | SZ_4K, SZ_4K, SZ_64K | SZ_4K, SZ_2M | SZ_64K | SZ_4K, 0,
	};
	static const uint64_t strict[] = { SZ_2M, SZ_64K, SZ_2M | SZ_64K };

	return v->mode->page_sizes && !(v->mode->page_sizes & SZ_4K)
		       ? strict[rng_below(rng, 3)]
		       : negotiated[rng_below(rng, 5)];
}

/* A device with tables of its own allocates them for the sizes accepted at registration. */
static bool cannot_have(const struct arena *a, int err)
{
	return !a->rig->is_rxe && err == ERANGE;
}

void *changer_run(void *arg)
{
	struct arena *a = arg;
	struct rng rng = { a->seed + 0xc4a };

	while (!atomic_load(&a->stop)) {
		struct view *v = &a->view[rng_below(&rng, a->views)];
		struct quiet quiet = arena_quiet(a);
		bool sure;
		uint32_t flags;
		int err;

		/* implicit MRs and those without a request are not changed */
		if (!v->mode || !v->mode->request)
			continue;
		flags = v->mode->flags;
		if (rng_below(&rng, 8) == 0)
			flags |= IBV_ODP_POPULATE;
		err = ibv_modify_mr_odp(v->mr, other_sizes(v, &rng), flags);
		/* over a hole only base pages are possible */
		sure = !v->fussy && arena_still_quiet(a, quiet);
		/* memory may not be huge, and with POPULATE may not stay mapped */
		if (!err || (err == ERANGE && !sure) || a->any_failure ||
		    ((err == EFAULT || err == EBUSY) && flags & IBV_ODP_POPULATE) ||
		    cannot_have(a, err)) {
			happened(a, err ? EV_MODIFY_REFUSED : EV_MODIFY);
		} else {
			diag("ibv_modify_mr_odp of %s, flags %#x: %s", v->mode->name, flags,
			     strerror(err));
			went_wrong(a);
		}
		if (!state_is_possible(v)) {
			diag("%s: the page size is none of those accepted", v->mode->name);
			went_wrong(a);
		}
		sleep_ms((long)rng_below(&rng, 50));
	}
	return NULL;
}

uint64_t vmstat(const char *name)
{
	FILE *f = fopen("/proc/vmstat", "re");
	uint64_t value = 0;
	char text[128];

	if (!f)
		fatal("/proc/vmstat: %s", strerror(errno));
	while (fgets(text, sizeof(text), f)) {
		size_t n = strlen(name);

		if (!strncmp(text, name, n) && text[n] == ' ')
			value = strtoull(text + n, NULL, 10);
	}
	fclose(f);
	return value;
}

/* Has the kernel reclaim anonymous memory, the least recently used. */
void *presser_run(void *arg)
{
	static const char path[] = "/sys/devices/system/node/node0/reclaim";
	static const char much[] = "16M swappiness=max";
	struct arena *a = arg;
	struct rng rng = { a->seed + 0x9e5 };
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	need(fd >= 0, "%s must be writable", path);
	while (!atomic_load(&a->stop)) {
		uint64_t out = vmstat("pswpout"), from = now_ms();

		/* EAGAIN: less memory was reclaimed */
		if (write(fd, much, strlen(much)) < 0 && errno != EAGAIN && errno != EBUSY)
			fatal("%s: %s", path, strerror(errno));
		if (vmstat("pswpout") > out)
			happened(a, EV_PRESSURE);
		rest_after(a, from, 2, 50 + rng_below(&rng, 300));
	}
	close(fd);
	return NULL;
}
