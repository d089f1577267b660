// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory of other huge sizes: hugetlb of 1 GiB, and large folios between 16 KiB and 1 MiB. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/mman.h>

#include "raw.h"
#include "scene.h"
#include "sysfile.h"
#include "tap.h"

#define SPACE ((uint8_t *)0x400000000000) /* 1 GiB aligned */
#define LEN (SZ_1M * 4)

static void *map_at(uint8_t *addr, size_t len, int flags)
{
	void *got = mmap(addr, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | flags, -1, 0);

	if (got == MAP_FAILED)
		fatal("mmap of %zu MiB: %s", len >> 20, strerror(errno));
	return got;
}

static struct ibv_mr *reg(struct scene *s, uint8_t *at, size_t len, uint64_t sizes, uint32_t flags)
{
	struct mode mode = {
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = sizes,
		.flags = flags,
	};
	struct ibv_mr *mr = mode_reg(&mode, s->rig->pd, at, len, (uintptr_t)at, ACCESS_ALL);

	ok(mr, "register %zu MiB, sizes %#llx flags %u", len >> 20, (unsigned long long)sizes,
	   flags);
	return mr;
}

static void dereg(struct ibv_mr *mr)
{
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
}

/* One page of 1 GiB is one block, one fault, and one entry. */
static void gigantic(struct scene *s)
{
	uint8_t *at = map_at(SPACE, SZ_1G, MAP_HUGETLB | MAP_HUGE_1GB);
	struct ibv_mr *mr = reg(s, at, SZ_1G, SZ_1G, 0);
	struct ibv_mr_odp_attr state;

	if (!mr)
		return;
	is_u64(mr_state(mr).page_shift, 30, "strict 1G: page shift");
	scene_spot(s, mr, at);
	scene_spot(s, mr, at + SZ_1G / 2 - 5);
	scene_spot(s, mr, at + SZ_1G - PIECE);
	state = mr_state(mr);
	is_u64(state.blocks_mapped, 1, "strict 1G: blocks mapped");
	is_u64(state.faults, 1, "strict 1G: faults");
	is_u64(state.table_bytes, s->rig->entry, "strict 1G: table bytes");
	/* a device with tables of its own allocates them for the sizes accepted at registration */
	if (s->rig->is_rxe) {
		is_errno(ibv_modify_mr_odp(mr, SZ_2M, IBV_ODP_POPULATE), 0, "strict 1G to 2M");
		is_u64(mr_state(mr).blocks_mapped, SZ_1G / SZ_2M, "2M: blocks mapped");
	} else {
		is_errno(ibv_modify_mr_odp(mr, SZ_2M, 0), ERANGE, "strict 1G to 2M");
	}
	scene_spot(s, mr, at + SZ_1G / 4 - 7);
	is_errno(ibv_modify_mr_odp(mr, 0, 0), 0, "to any size");
	is_u64(mr_state(mr).page_shift, 30, "any size: page shift");
	scene_spot(s, mr, at + SZ_1G / 4 * 3 - 9);
	dereg(mr);
}

/* The page of 1 GiB, THP after it and base pages after that, in one mixed MR. */
static void all_sizes(struct scene *s)
{
	uint8_t *thp = map_at(SPACE + SZ_1G, SZ_2M * 4, 0);
	uint8_t *base = map_at(SPACE + SZ_1G + SZ_2M * 4, SZ_2M, 0);
	size_t len = SZ_1G + SZ_2M * 5;
	uint64_t blocks[64];
	struct ibv_mr *mr;

	if (madvise(thp, SZ_2M * 4, MADV_HUGEPAGE) || madvise(base, SZ_2M, MADV_NOHUGEPAGE))
		fatal("madvise: %s", strerror(errno));
	/* the page before this one will not be its neighbour in physical memory by chance */
	base[SZ_4K] = 1;
	mr = reg(s, SPACE, len, SZ_1G | SZ_2M | SZ_4K, IBV_ODP_MIXED);
	if (!mr)
		return;
	is_u64(mr_state(mr).page_shift, 30, "mixed: size to be tried first");
	scene_spot(s, mr, SPACE + 77);
	scene_spot(s, mr, thp - PIECE / 2);
	scene_spot(s, mr, thp + SZ_2M * 2 - PIECE / 2);
	scene_spot(s, mr, base - PIECE / 2);
	scene_spot(s, mr, base + SZ_2M - PIECE);
	raw_blocks(mr, blocks);
	is_u64(blocks[30], 1, "mixed: blocks of 1 GiB");
	is_u64(blocks[21], 4, "mixed: blocks of 2 MiB");
	ok(blocks[12] >= 17 && blocks[12] <= 36, "mixed: %llu blocks of 4 KiB",
	   (unsigned long long)blocks[12]);
	dereg(mr);
	munmap(SPACE, len);
}

static void set_policy(unsigned int kib, const char *policy)
{
	char path[96];

	snprintf(path, sizeof(path), THP_DIR "hugepages-%ukB/enabled", kib);
	put_file(path, policy);
}

/* Folios that the CPU maps page by page. */
static void large_folios(struct scene *s)
{
	for (unsigned int kib = 16; kib <= 1024; kib *= 2) {
		size_t size = (size_t)kib << 10;
		struct ibv_mr_odp_attr state;
		struct ibv_mr *mr;
		uint8_t *at;

		set_policy(2048, "never");
		set_policy(kib, "always");
		at = map_at(SPACE, LEN, 0);
		/* else the kernel uses smaller folios where it would have to move pages first */
		if (madvise(at, LEN, MADV_HUGEPAGE))
			fatal("MADV_HUGEPAGE: %s", strerror(errno));
		mr = reg(s, at, LEN, size, 0);
		if (mr) {
			scene_spot(s, mr, at);
			scene_spot(s, mr, at + LEN / 2 - 5);
			scene_spot(s, mr, at + LEN - PIECE);
			state = mr_state(mr);
			is_u64(1ULL << state.page_shift, size, "%u KiB: page size", kib);
			ok(state.blocks_mapped >= 3 && state.blocks_mapped <= 3 * (PIECE / size + 2),
			   "%u KiB: %llu blocks mapped", kib,
			   (unsigned long long)state.blocks_mapped);
			is_errno(ibv_modify_mr_odp(mr, size, IBV_ODP_POPULATE), 0,
				 "%u KiB: populate", kib);
			is_u64(mr_state(mr).blocks_mapped, LEN / size, "%u KiB: all mapped", kib);
			dereg(mr);
		}
		munmap(at, LEN);
		set_policy(kib, "never");
		set_policy(2048, "inherit");
	}
}

int main(void)
{
	struct scene s;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	scene_open_unregistered(&s, &rig, MEM_BASE, SZ_2M);
	gigantic(&s);
	all_sizes(&s);
	large_folios(&s);
	scene_close(&s);
	rig_close(&rig);
	return tap_done();
}
