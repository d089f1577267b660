// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The device's cost of page sizes, by its own counters. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "resources.h"
#include "scene.h"
#include "tap.h"

#define TOUCHED (SZ_2M * 16)
#define SIZE_RATIO (SZ_2M / SZ_4K)

/* Bytes of translation that the driver writes to map 1 GiB of populated memory. */
static uint64_t bytes_written(struct rig *rig, struct mem *mem, const struct mode *mode)
{
	uint64_t before = model_counter("xlt_bytes_written"), written;
	struct ibv_mr *mr;

	mr = mode_reg(mode, rig->pd, mem->addr, mem->len, (uintptr_t)mem->addr, ACCESS_ALL);
	if (!mr)
		fatal("%s: %s", mode->name, strerror(errno));
	written = model_counter("xlt_bytes_written") - before;
	is_u64(mr_state(mr).blocks_mapped, mem->len >> mr_state(mr).page_shift,
	       "1 GiB, %s: all of it is mapped", mode->name);
	if (ibv_dereg_mr(mr))
		fatal("ibv_dereg_mr: %s", strerror(errno));
	note("1 GiB, %s: %llu bytes of translation written", mode->name,
	     (unsigned long long)written);
	return written;
}

static void translation(struct rig *rig)
{
	static const struct mode strict = { .name = "strict 2M, populated",
					    .access = IBV_ACCESS_ON_DEMAND,
					    .request = true,
					    .page_sizes = SZ_2M,
					    .flags = IBV_ODP_POPULATE };
	uint64_t room, written;
	struct mem mem;
	struct ibv_mr *mr;

	mem_map(&mem, MEM_THP, SZ_1G);
	if (madvise(mem.addr, mem.len, MADV_POPULATE_WRITE))
		fatal("MADV_POPULATE_WRITE of 1 GiB: %s", strerror(errno));
	need(mem_huge_bytes(mem.addr) == mem.len, "1 GiB of memory must be huge");

	written = bytes_written(rig, &mem, &strict);
	ok(written <= SZ_1G / SZ_2M * 8, "strict 2M: %llu bytes of translation for 1 GiB",
	   (unsigned long long)written);
	written = bytes_written(rig, &mem, &mode_odp);
	ok(written >= SZ_1G / SZ_4K * 8, "plain ODP: %llu bytes of translation for 1 GiB",
	   (unsigned long long)written);

	/*
	 * What was created, not what there is: the driver destroys mkeys that it has kept whenever
	 * it likes. It may also use one of these again.
	 */
	room = model_counter("mkey_xlt_bytes_created");
	mr = mode_reg(&mode_strict_2m, rig->pd, mem.addr, mem.len, (uintptr_t)mem.addr, ACCESS_ALL);
	if (!mr)
		fatal("strict 2M: %s", strerror(errno));
	room = model_counter("mkey_xlt_bytes_created") - room;
	ok(room <= SZ_1G / SZ_2M * 8 * 2, "strict 2M: %llu bytes allocated in the device",
	   (unsigned long long)room);
	is_errno(ibv_modify_mr_odp(mr, SZ_4K, 0), ERANGE, "strict 2M: no table for 4K");
	is_u64(mr_state(mr).page_shift, 21, "strict 2M: still 2M");
	is_errno(ibv_modify_mr_odp(mr, SZ_2M | SZ_4K, 0), 0, "strict 2M: 2M|4K");
	is_u64(mr_state(mr).page_sizes, SZ_2M, "of 2M|4K only 2M is possible");
	if (ibv_dereg_mr(mr))
		fatal("ibv_dereg_mr: %s", strerror(errno));
	mem_unmap(&mem);
}

/* Page-fault events of the device for an access to every page of memory, one after the other. */
static uint64_t faults(struct rig *rig, const struct mode *mode)
{
	uint64_t before = model_counter("page_faults"), lookups = model_counter("lookups_2m"), events;
	struct xfer x = { .op = OP_WRITE, .len = 64 };
	unsigned int bad = 0;
	struct scene s;

	scene_open(&s, rig, mode, MEM_THP, TOUCHED);
	x.near = &s.near;
	x.far = &s.far;
	for (size_t at = 0; at < TOUCHED; at += SZ_4K) {
		x.near_at = at;
		x.far_at = at + at / SZ_4K % (SZ_4K - 64);
		bad += !xfer_verify(&s.pair, &x);
	}
	events = model_counter("page_faults") - before;
	is_u64(bad, 0, "%s: wrong of %zu transfers", s.name, TOUCHED / SZ_4K);
	is_u64(buf_state(&s.far).faults, events, "%s: the MR counts the faults of the device",
	       s.name);
	if (mode == &mode_strict_2m)
		ok(model_counter("lookups_2m") - lookups >= TOUCHED / SZ_4K,
		   "%s: the device looked up pages of 2M", s.name);
	scene_intact(&s, "page at a time");
	scene_close(&s);
	note("%s: %llu page faults", mode->name, (unsigned long long)events);
	return events;
}

int main(void)
{
	uint64_t huge, base;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	need(!rig.is_rxe, "the device must be the model of an mlx5 device");
	translation(&rig);
	huge = faults(&rig, &mode_strict_2m);
	base = faults(&rig, &mode_odp);
	ok(base >= huge * (SIZE_RATIO - SIZE_RATIO / 50), "%llu faults in 4K pages, %llu in 2M",
	   (unsigned long long)base, (unsigned long long)huge);
	rig_close(&rig);
	return tap_done();
}
