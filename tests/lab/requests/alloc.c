// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory of hugeodp_alloc_memory() below MRs, and hugeodp_prefetch_mr() of more than 4 GiB. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "sysfile.h"
#include "tap.h"

#define LENGTH (SZ_2M * 3 + 12345)
#define SPACE (SZ_1G * 9)
#define PROGRESS (SZ_1M * 256)
#define MAX_PAGES 1024

static struct hugeodp_memory *take(uint64_t length, uint64_t sizes, uint32_t flags)
{
	const struct hugeodp_memory_attr attr = {
		.length = length,
		.page_sizes = sizes,
		.flags = flags,
	};

	return hugeodp_alloc_memory(&attr, sizeof(attr));
}

/* The pages that an allocation could still get. */
static size_t left(void)
{
	return hugetlb_pages("free") - hugetlb_pages("resv");
}

static void release(struct hugeodp_memory *memory)
{
	is_errno(hugeodp_free_memory(memory), 0, "release");
}

struct kind {
	const char *name;
	uint64_t length, sizes;
	uint32_t flags, kind, shift;
};

/* An MR over the memory has its page size, and every byte arrives. */
static void below_an_mr(struct scene *s, const struct kind *k)
{
	struct hugeodp_memory *memory = take(k->length, k->sizes, k->flags);
	struct mode mode = mode_2m_4k;
	struct ibv_mr *mr;
	uint8_t *addr;

	if (!ok(memory, "%s: allocate", k->name))
		return;
	addr = memory->addr;
	is_u64(memory->kind, k->kind, "%s: kind", k->name);
	is_u64(memory->page_size, 1ULL << k->shift, "%s: page size", k->name);
	is_u64((uintptr_t)addr & (memory->page_size - 1), 0, "%s: aligned", k->name);
	ok(!addr[0] && !memcmp(addr, addr + 1, k->length - 1), "%s: zeroed", k->name);
	mode.page_sizes = k->sizes;
	mr = mode_reg(&mode, s->rig->pd, addr, k->length, (uintptr_t)addr, ACCESS_ALL);
	if (!ok(mr, "%s: register", k->name)) {
		release(memory);
		return;
	}
	is_errno(hugeodp_prefetch_mr(mr, (uintptr_t)addr, k->length,
				     IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, NULL, NULL),
		 0, "%s: prefetch", k->name);
	is_u64(mr_state(mr).page_shift, k->shift, "%s: page shift of the MR", k->name);
	is_u64(mr_state(mr).blocks_mapped, (k->length + memory->page_size - 1) >> k->shift,
	       "%s: all of it mapped", k->name);
	scene_spot(s, mr, addr);
	scene_spot(s, mr, addr + SZ_2M - 777);
	scene_spot(s, mr, addr + k->length - PIECE);
	is_errno(ibv_dereg_mr(mr), 0, "%s: deregister", k->name);
	release(memory);
}

static void kinds(struct scene *s)
{
	static const struct kind list[] = {
		{ "pool", LENGTH, SZ_2M | SZ_4K, 0, HUGEODP_MEMORY_HUGETLB, 21 },
		{ "pool, populated", LENGTH, SZ_2M | SZ_4K, HUGEODP_MEMORY_POPULATE,
		  HUGEODP_MEMORY_HUGETLB, 21 },
		{ "pool on node 0", LENGTH, SZ_2M, HUGEODP_MEMORY_NODE, HUGEODP_MEMORY_HUGETLB,
		  21 },
		{ "base pages", LENGTH, SZ_4K, 0, HUGEODP_MEMORY_BASE, 12 },
	};
	size_t before = left();

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
		below_an_mr(s, &list[i]);
	is_u64(left(), before, "the pool is as before");
}

/* All of the pool, page by page; then there are transparent huge pages. */
static void empty_pool(struct scene *s)
{
	static const struct kind thp[] = {
		{ "no pool", LENGTH, SZ_2M | SZ_4K, 0, HUGEODP_MEMORY_THP, 21 },
		{ "no pool, populated", LENGTH, SZ_2M, HUGEODP_MEMORY_POPULATE, HUGEODP_MEMORY_THP,
		  21 },
	};
	struct hugeodp_memory *held[MAX_PAGES];
	size_t before = left();
	unsigned int n = 0;
	char enabled[16];

	need(before && before < MAX_PAGES, "there must be a pool, of less than %d pages",
	     MAX_PAGES);
	while (n < MAX_PAGES && left() > 0) {
		held[n] = take(SZ_2M, SZ_2M, 0);
		if (!held[n] || held[n]->kind != HUGEODP_MEMORY_HUGETLB)
			fatal("the pool has %zu pages, but none for this test", left());
		n++;
	}
	is_u64(n, before, "the whole pool");
	for (size_t i = 0; i < sizeof(thp) / sizeof(*thp); i++)
		below_an_mr(s, &thp[i]);
	get_choice(THP_DIR "enabled", enabled, sizeof(enabled));
	put_file(THP_DIR "enabled", "never");
	is_errno(take(LENGTH, SZ_2M, 0) ? 0 : errno, ERANGE, "neither pool nor THP");
	below_an_mr(s, &(struct kind){ "neither pool nor THP, base pages accepted", LENGTH, SZ_4K,
				       0, HUGEODP_MEMORY_BASE, 12 });
	put_file(THP_DIR "enabled", enabled);
	while (n)
		if (hugeodp_free_memory(held[--n]))
			fatal("release: %s", strerror(errno));
	is_u64(left(), before, "the pool is as before");
}

/* The status of a child that reads the memory. */
static int status_of_reader(const struct hugeodp_memory *memory)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(*(const volatile uint8_t *)memory->addr == 0x5a ? 0 : 1);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fatal("fork: %s", strerror(errno));
	return status;
}

static void children(void)
{
	struct hugeodp_memory *with = take(LENGTH, 0, 0);
	struct hugeodp_memory *without = take(LENGTH, 0, HUGEODP_MEMORY_DONTFORK);
	int status;

	if (!ok(with && without, "memory with and without fork"))
		return;
	*(uint8_t *)with->addr = *(uint8_t *)without->addr = 0x5a;
	is_u64((uint64_t)status_of_reader(with), 0, "a child reads the memory");
	status = status_of_reader(without);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "but not with DONTFORK");
	release(with);
	release(without);
}

static void wrong_node(void)
{
	const struct hugeodp_memory_attr attr = {
		.length = LENGTH,
		.flags = HUGEODP_MEMORY_NODE,
		.node = 1000,
	};

	is_errno(hugeodp_alloc_memory(&attr, sizeof(attr)) ? 0 : errno, EINVAL, "no such node");
}

static struct {
	unsigned int calls;
	uint64_t done, stop_at;
} progress;

static int seen(void *arg, uint64_t done)
{
	(void)arg;
	progress.calls++;
	progress.done = done;
	return done == progress.stop_at;
}

static int prefetch(struct ibv_mr *mr, uint64_t addr, uint64_t length)
{
	progress.calls = 0;
	return hugeodp_prefetch_mr(mr, addr, length, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, seen,
				   NULL);
}

/* A page in each piece, which only the CPU has seen: the device gets them all, or those up to the end. */
static void long_range(struct scene *s)
{
	uint8_t *space = mem_reserve(SPACE);
	struct ibv_mr *mr;

	if (mprotect(space, SPACE, PROT_READ | PROT_WRITE) ||
	    madvise(space, SPACE, MADV_NOHUGEPAGE))
		fatal("9 GiB of address space: %s", strerror(errno));
	mr = mode_reg(&mode_odp, s->rig->pd, space, SPACE, (uintptr_t)space, ACCESS_ALL);
	if (!mr)
		fatal("register: %s", strerror(errno));
	/* only now: a registration maps what is present */
	for (size_t at = 0; at < SPACE; at += PROGRESS)
		space[at] = 1;
	progress.stop_at = PROGRESS * 3;
	is_errno(prefetch(mr, (uintptr_t)space, SPACE), ECANCELED, "prefetch that ends early");
	is_u64(progress.done, PROGRESS * 3, "what was done");
	is_u64(mr_state(mr).blocks_mapped, 3, "as many pages mapped");
	progress.stop_at = 0;
	is_errno(prefetch(mr, (uintptr_t)space, SPACE), 0, "prefetch 9 GiB");
	is_u64(progress.calls, SPACE / PROGRESS, "in pieces");
	is_u64(mr_state(mr).blocks_mapped, SPACE / PROGRESS, "every page mapped");
	is_u64(mr_state(mr).faults, 0, "without a fault");
	scene_spot(s, mr, space + PROGRESS * 17 - 5);
	/* the errno values are the driver's */
	ok(prefetch(mr, (uintptr_t)space, SPACE + 1), "past the end of the MR");
	ok(prefetch(s->near.mr, (uintptr_t)s->near.mem.addr, SZ_4K), "a pinned MR");
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	munmap(space, SPACE);
}

int main(void)
{
	struct scene s;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	scene_open_unregistered(&s, &rig, MEM_BASE, SZ_2M);
	kinds(&s);
	empty_pool(&s);
	children();
	wrong_node();
	long_range(&s);
	scene_close(&s);
	rig_close(&rig);
	return tap_done();
}
