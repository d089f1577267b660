// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of 8 TiB: the number of their pages of 4 KiB overflows a signed 32-bit integer. On mlx5 the
 * table of an MR is allocated at registration, so this tests only huge pages. Also, an MR that is
 * half empty.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "scene.h"
#include "tap.h"

#define SPACE ((size_t)8 << 40)

static const struct mode modes[] = {
	{ .name = "strict 2M",
	  .access = IBV_ACCESS_ON_DEMAND,
	  .request = true,
	  .page_sizes = SZ_2M },
	{ .name = "mixed 1G|2M|4K",
	  .access = IBV_ACCESS_ON_DEMAND,
	  .request = true,
	  .page_sizes = SZ_1G | SZ_2M | SZ_4K,
	  .flags = IBV_ODP_MIXED },
};

static void register_space(struct scene *s, uint8_t *space, const struct mode *mode)
{
	static const size_t spots[] = { 0, SPACE / 2 - 1000, SPACE - PIECE };
	struct ibv_mr_odp_attr state;
	struct ibv_mr *mr;

	mr = mode_reg(mode, s->rig->pd, space, SPACE, (uintptr_t)space, ACCESS_ALL);
	if (!ok(mr, "%s: register 8 TiB", mode->name)) {
		diag("%s", strerror(errno));
		return;
	}
	is_u64(mr_state(mr).blocks_mapped, 0, "%s: nothing mapped", mode->name);
	for (size_t i = 0; i < sizeof(spots) / sizeof(*spots); i++)
		scene_spot(s, mr, space + spots[i]);
	state = mr_state(mr);
	ok(state.blocks_mapped > 0, "%s: %llu blocks mapped", mode->name,
	   (unsigned long long)state.blocks_mapped);
	if (madvise(space, SPACE, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
	is_u64(mr_state(mr).blocks_mapped, 0, "%s: all gone", mode->name);
	is_errno(ibv_dereg_mr(mr), 0, "%s: deregister", mode->name);
}

/* True if the page has only the bytes of the loop that touched it. */
static bool is_untouched(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != ((uintptr_t)&bytes[i] % SZ_4K == 0))
			return false;
	return true;
}

/*
 * An MR with half of its memory present and more translations than one UMR writes. An absent page
 * must not get the translation of another page.
 */
static void absent_half(struct scene *s, uint8_t *space)
{
	static const size_t half = SZ_1G / 2;
	static const size_t spots[] = { 0, SZ_4K * 3 + 7, half / 2, half - PIECE };
	struct ibv_mr *mr;

	if (madvise(space, SZ_1G, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
	for (size_t at = 0; at < half; at += SZ_4K)
		space[at] = 1;
	mr = mode_reg(&mode_odp, s->rig->pd, space, SZ_1G, (uintptr_t)space, ACCESS_ALL);
	if (!ok(mr, "half of 1 GiB: register")) {
		diag("%s", strerror(errno));
		return;
	}
	is_u64(mr_state(mr).blocks_mapped, half / SZ_4K, "half of 1 GiB: mapped");
	for (size_t i = 0; i < sizeof(spots) / sizeof(*spots); i++) {
		scene_spot(s, mr, space + half + spots[i]);
		ok(is_untouched(space + spots[i], PIECE), "half of 1 GiB: other page as it was");
	}
	is_errno(ibv_dereg_mr(mr), 0, "half of 1 GiB: deregister");
	if (madvise(space, SZ_1G, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
}

/*
 * More pages than the driver and the device can count: an MR without any memory, which costs only
 * its table. The driver would write beyond the end of a table whose length was truncated.
 */
static void too_many_pages(struct scene *s)
{
	static const struct mode *const small[] = { &mode_odp, &mode_strict_4k };
	static const size_t lengths[] = { SPACE + SZ_4K, SPACE * 2, SPACE * 2 + SZ_2M, SPACE * 4,
					  SPACE * 8 };
	struct ibv_mr *mr;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (size_t m = 0; m < sizeof(small) / sizeof(*small); m++) {
			mr = mode_reg(small[m], s->rig->pd, (void *)SZ_64K, lengths[i], SZ_64K,
				      ACCESS_ALL);
			is_errno(mr ? 0 : errno, ENOMEM, "%s: %zu MiB in base pages",
				 small[m]->name, lengths[i] >> 20);
			if (mr)
				ibv_dereg_mr(mr);
		}
}

int main(void)
{
	struct scene s;
	struct rig rig;
	uint8_t *space;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	scene_open_unregistered(&s, &rig, MEM_BASE, SZ_2M);
	space = mmap((void *)0x300000000000, SPACE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (space == MAP_FAILED)
		fatal("mmap of 8 TiB: %s", strerror(errno));
	if (madvise(space, SPACE, MADV_HUGEPAGE))
		fatal("MADV_HUGEPAGE: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		register_space(&s, space, &modes[i]);
	absent_half(&s, space);
	too_many_pages(&s);
	munmap(space, SPACE);
	scene_close(&s);
	rig_close(&rig);
	return tap_done();
}
