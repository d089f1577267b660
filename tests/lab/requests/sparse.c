// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Registration costs nothing for untouched memory: MRs of 1 TiB on a small machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "scene.h"
#include "tap.h"

#define SPACE ((size_t)1 << 40)
#define SPOTS 5

/* Both ends, the middle, and boundaries of blocks; nothing in between. */
static const size_t spots[SPOTS] = {
	0,
	SZ_2M * 3 + 4095,
	SPACE / 2 - 1000,
	SPACE / 3 + SZ_2M - 7,
	SPACE - PIECE,
};

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

/* All of it in one call, which is far more than 4 GiB: maps the present pages again. */
static void prefetch_all(struct scene *s, uint8_t *space, struct ibv_mr *mr, const char *name)
{
	const size_t step = (size_t)1 << 31;
	const int count = (int)(SPACE / step);
	struct ibv_mr_odp_attr before = mr_state(mr), after;
	struct ibv_sge *sge = calloc((size_t)count, sizeof(*sge));

	if (!sge)
		fatal("out of memory");
	for (int i = 0; i < count; i++)
		sge[i] = (struct ibv_sge){ (uintptr_t)space + (size_t)i * step, (uint32_t)step,
					   mr->lkey };
	is_errno(ibv_advise_mr(s->rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
			       IBV_ADVISE_MR_FLAG_FLUSH, sge, (uint32_t)count),
		 0, "%s: prefetch 1 TiB without faults", name);
	after = mr_state(mr);
	ok(after.blocks_mapped >= before.blocks_mapped, "%s: %llu blocks mapped", name,
	   (unsigned long long)after.blocks_mapped);
	is_u64(after.faults, before.faults, "%s: prefetch is not a fault", name);
	free(sge);
}

static void huge_space(struct scene *s, const struct mode *mode, uint32_t shift)
{
	struct ibv_mr_odp_attr state;
	struct timespec start;
	struct ibv_mr *mr;
	uint8_t *space;
	double taken;

	space = mmap((void *)0x300000000000, SPACE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (space == MAP_FAILED)
		fatal("mmap of 1 TiB: %s", strerror(errno));
	if (madvise(space, SPACE, MADV_HUGEPAGE))
		fatal("MADV_HUGEPAGE: %s", strerror(errno));

	clock_gettime(CLOCK_MONOTONIC, &start);
	mr = mode_reg(mode, s->rig->pd, space, SPACE, (uintptr_t)space, ACCESS_ALL);
	if (!ok(mr, "%s: register 1 TiB", mode->name)) {
		munmap(space, SPACE);
		return;
	}
	taken = seconds_since(&start);
	state = mr_state(mr);
	note("%s: registered in %.3f s, table of %llu bytes", mode->name, taken,
	     (unsigned long long)state.table_bytes);
	is_u64(state.page_shift, shift, "%s: page shift", mode->name);
	is_u64(state.blocks_mapped, 0, "%s: nothing mapped", mode->name);
	ok(state.table_bytes <= SZ_64K, "%s: a table of next to nothing", mode->name);

	for (size_t i = 0; i < SPOTS; i++)
		scene_spot(s, mr, space + spots[i]);
	state = mr_state(mr);
	ok(state.blocks_mapped > 0 && state.blocks_mapped <= SPOTS * 19, "%s: %llu blocks mapped",
	   mode->name, (unsigned long long)state.blocks_mapped);
	ok(state.table_bytes <= SZ_1M, "%s: table of %llu bytes", mode->name,
	   (unsigned long long)state.table_bytes);

	/* one page is dropped: only that page is invalidated */
	if (madvise(space + SPACE / 2 - 1000 - 3096, SZ_4K, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
	is_u64(mr_state(mr).pages_invalidated, 1, "%s: one block invalidated", mode->name);
	prefetch_all(s, space, mr, mode->name);
	if (madvise(space, SPACE, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
	state = mr_state(mr);
	is_u64(state.blocks_mapped, 0, "%s: all gone", mode->name);
	ok(state.table_bytes <= SZ_64K, "%s: and the tables with it", mode->name);

	clock_gettime(CLOCK_MONOTONIC, &start);
	is_errno(ibv_dereg_mr(mr), 0, "%s: deregister", mode->name);
	note("%s: deregistered in %.3f s", mode->name, seconds_since(&start));
	munmap(space, SPACE);
}

int main(void)
{
	struct sysinfo info;
	struct scene s;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	if (sysinfo(&info))
		fatal("sysinfo: %s", strerror(errno));
	note("%lu MiB of memory", info.totalram * info.mem_unit >> 20);
	scene_open_unregistered(&s, &rig, MEM_BASE, SZ_2M);
	huge_space(&s, &mode_strict_2m, 21);
	huge_space(&s, &mode_2m_4k, 21);
	huge_space(&s, &mode_mixed_2m_4k, 21);
	huge_space(&s, &mode_mixed_any, 30);
	huge_space(&s, &mode_strict_4k, 12);
	huge_space(&s, &mode_odp, 12);
	scene_close(&s);
	rig_close(&rig);
	return tap_done();
}
