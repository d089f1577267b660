// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The memory that the calls register. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/mman.h>

#include "fuzz.h"
#include "tap.h"

#define AREA_LEN (SZ_2M * 2)
#define SMALL_LEN (SZ_64K * 2)
#define RESERVED_LEN ((size_t)1 << 40)
#define ARENA_LEN (SZ_64K * 4)
/* Calls of the process between two changes of its memory, whatever the machine's speed: a change
 * of 2 MiB takes as long as many calls, on a kernel with checkers above all. */
#define CALLS_EACH 16

void areas_map(struct process *process)
{
	static const enum mem_kind kinds[] = {
		[AREA_THP] = MEM_THP,	  [AREA_HUGETLB] = MEM_HUGETLB, [AREA_BASE] = MEM_BASE,
		[AREA_SHMEM] = MEM_SHMEM, [AREA_READ_ONLY] = MEM_THP,
	};
	struct mem *reserved = &process->area[AREA_RESERVED];

	/* each present page takes a table entry for every MR over it */
	for (int i = AREA_THP; i <= AREA_READ_ONLY; i++)
		mem_map(&process->area[i], kinds[i],
			kinds[i] == MEM_BASE || kinds[i] == MEM_SHMEM ? SMALL_LEN : AREA_LEN);
	if (mprotect(process->area[AREA_READ_ONLY].addr, AREA_LEN, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	reserved->len = RESERVED_LEN;
	reserved->addr = mmap(NULL, RESERVED_LEN, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved->addr == MAP_FAILED)
		fatal("mmap of %zu GiB: %s", RESERVED_LEN >> 30, strerror(errno));
}

void arena_map(struct arena *arena)
{
	arena->len = ARENA_LEN;
	arena->start = mmap(NULL, ARENA_LEN + SZ_4K * 3, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena->start == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	arena->last = arena->start + ARENA_LEN + SZ_4K - 8;
	arena->read_only = arena->start + ARENA_LEN + SZ_4K * 2;
	if (mprotect(arena->last + 8, SZ_4K, PROT_NONE) ||
	    mprotect(arena->read_only, SZ_4K, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
}

static void wait_for_calls(struct process *p)
{
	unsigned long long calls = atomic_load(&p->calls) + CALLS_EACH;

	while (!atomic_load(&p->field->stop) && atomic_load(&p->calls) < calls)
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

void *run_disturber(void *arg)
{
	struct process *p = arg;
	struct rng rng = { 0xd157 + p->number };

	while (!atomic_load(&p->field->stop)) {
		struct mem *mem = &p->area[rng_below(&rng, AREA_READ_ONLY)];
		size_t unit = mem->kind == MEM_HUGETLB ? SZ_2M : SZ_4K;
		size_t at = rng_below(&rng, mem->len / unit) * unit;
		size_t len = unit + rng_below(&rng, (mem->len - at) / unit) * unit;

		/* rarely much: the calls are under test, not the memory */
		if (len > SZ_64K && unit < SZ_64K && rng_below(&rng, 16))
			len = SZ_64K;

		switch (rng_below(&rng, 5)) {
		case 0:
			mem_drop(mem, at, len);
			break;
		case 1:
			mem_punch(mem, at, len);
			mem_refill(mem, at, len);
			break;
		case 2:
			madvise(mem->addr + at, len, MADV_POPULATE_WRITE);
			break;
		case 3:
			mprotect(mem->addr + at, len, PROT_READ);
			madvise(mem->addr + at, len, MADV_POPULATE_READ);
			mprotect(mem->addr + at, len, PROT_READ | PROT_WRITE);
			break;
		case 4:
			if (mem->len >= SZ_2M)
				madvise(mem->addr + at / SZ_2M * SZ_2M, SZ_2M, MADV_COLLAPSE);
			break;
		}
		wait_for_calls(p);
	}
	return NULL;
}
