// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* MRs with blocks of different sizes: IBV_ODP_MIXED. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/mman.h>

#include "raw.h"
#include "scene.h"
#include "tap.h"

#define BLOCKS 16
#define LEN (SZ_2M * BLOCKS)
#define PAGES (SZ_2M / SZ_4K)

/* Test points: blocks of 2 MiB, blocks of 4 KiB, and nothing else. */
static void made_of(struct scene *s, uint64_t huge, uint64_t small, const char *what)
{
	struct ibv_mr_odp_attr state = buf_state(&s->far);
	uint64_t blocks[64], total = 0;

	raw_blocks(s->far.mr, blocks);
	for (int i = 0; i < 64; i++)
		total += blocks[i];
	is_u64(blocks[21], huge, "%s: %s: blocks of 2 MiB", s->name, what);
	is_u64(blocks[12], small, "%s: %s: blocks of 4 KiB", s->name, what);
	is_u64(total, huge + small, "%s: %s: no others", s->name, what);
	is_u64(state.blocks_mapped, total, "%s: %s: the state agrees", s->name, what);
	is_u64(state.page_shift, huge || !total ? 21 : 12, "%s: %s: page shift", s->name, what);
}

/* Pages that are not contiguous in physical memory, whatever the allocator returns. */
static void scatter(struct buf *buf, size_t block)
{
	touch_scattered(buf->mem.addr + block * SZ_2M, SZ_2M);
	buf_fill(buf, block * SZ_2M, SZ_2M);
}

/* A block with small pages does not affect the rest of the MR. */
static void one_page(struct rig *rig)
{
	uint64_t table;
	struct scene s;

	scene_open(&s, rig, &mode_mixed_2m_4k, MEM_THP, LEN);
	made_of(&s, 0, 0, "untouched");
	table = buf_state(&s.far).table_bytes;
	is_u64(table, BLOCKS * rig->entry, "%s: table of an untouched MR", s.name);
	scene_write(&s, 0, LEN, "all huge");
	made_of(&s, BLOCKS, 0, "all huge");
	if (rig->is_rxe)
		is_u64(buf_state(&s.far).faults, BLOCKS, "%s: a fault for each block", s.name);
	is_u64(buf_state(&s.far).table_bytes, table, "%s: all huge: no more table", s.name);

	/* the block breaks; accessed parts of it come back in pages */
	buf_drop(&s.far, SZ_2M * 5 + SZ_4K, SZ_4K);
	made_of(&s, BLOCKS - 1, 0, "page dropped");
	scene_write(&s, SZ_2M * 5 + SZ_4K - 1, SZ_4K + 2, "page dropped");
	made_of(&s, BLOCKS - 1, 3, "page written");
	/* a device with tables of its own has a piece of one, of 4096 entries */
	table += (rig->is_rxe ? PAGES : 4096) * rig->base_entry;
	is_u64(buf_state(&s.far).table_bytes, table, "%s: one small table", s.name);
	scene_write(&s, 0, LEN, "one broken block");
	made_of(&s, BLOCKS - 1, PAGES, "one broken block");
	scene_intact(&s, "one broken block");

	/* the block is dropped, and its table with it */
	buf_drop(&s.far, SZ_2M * 5, SZ_2M);
	made_of(&s, BLOCKS - 1, 0, "block dropped");
	if (rig->is_rxe)
		is_u64(buf_state(&s.far).table_bytes, table - PAGES * rig->base_entry,
		       "%s: the small table is gone", s.name);
	scene_read(&s, SZ_2M * 5 - 5, SZ_2M + 10, "block dropped");
	scene_write(&s, 0, LEN, "huge again");
	made_of(&s, BLOCKS, 0, "huge again");
	scene_intact(&s, "huge again");
	is_u64(buf_state(&s.far).renegotiations, 0, "%s: nothing was renegotiated", s.name);
	scene_close(&s);
}

/* A block that the kernel makes huge again is huge in the MR, too. */
static void collapse(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_mixed_2m_4k, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "before");
	buf_drop(&s.far, SZ_2M * 2 + SZ_64K, SZ_4K);
	scene_write(&s, SZ_2M * 2, SZ_2M, "broken");
	made_of(&s, BLOCKS - 1, PAGES, "broken");
	if (madvise(s.far.mem.addr + SZ_2M * 2, SZ_2M, MADV_COLLAPSE))
		fatal("MADV_COLLAPSE: %s", strerror(errno));
	scene_write(&s, SZ_2M * 2 + 77, SZ_4K, "collapsed");
	made_of(&s, BLOCKS, 0, "collapsed");
	scene_intact(&s, "collapsed");
	scene_close(&s);
}

/* Several kinds of memory below one MR, and one that may not be written. */
static void several_kinds(struct rig *rig)
{
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	if (madvise(s.far.mem.addr + SZ_2M * 4, SZ_2M * 4, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
	scatter(&s.far, 4);
	scatter(&s.far, 7);
	is_errno(buf_reg(&s.far, &mode_mixed_2m_4k, 0, LEN), 0, "%s: register", s.name);
	made_of(&s, 0, PAGES * 2, "registered");
	scene_write(&s, 0, SZ_2M * 5, "kinds");
	made_of(&s, 4, PAGES * 2, "written");
	scene_read(&s, SZ_2M * 6 + 1, SZ_2M * 10 - 2, "kinds");
	scene_intact(&s, "kinds");

	if (mprotect(s.far.mem.addr + SZ_2M * 9, SZ_4K, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	scene_write_fails(&s, SZ_2M * 9 + 1, 100, "a page that may only be read");
	/* mlx5 does not know the type of an access, so it requires all rights of the MR */
	if (rig->is_rxe)
		scene_read(&s, SZ_2M * 9, SZ_2M, "a page that may only be read");
	scene_write(&s, SZ_2M * 9 + SZ_4K, SZ_2M - SZ_4K, "after that page");
	scene_intact(&s, "a page that may only be read");
	scene_close(&s);
}

/* A hole only fails accesses to it. */
static void holes(struct rig *rig)
{
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	mem_punch(&s.far.mem, SZ_2M * 3 + SZ_64K, SZ_64K);
	is_errno(buf_reg(&s.far, &mode_mixed_2m_4k, 0, LEN), 0, "%s: register with a hole", s.name);
	/* the check of a transfer reads a page past its ends */
	scene_write(&s, 0, SZ_2M * 3 + SZ_64K - SZ_4K, "up to the hole");
	made_of(&s, 3, SZ_64K / SZ_4K - 1, "up to the hole");
	scene_write_fails(&s, SZ_2M * 3 + SZ_64K + 1, 100, "in the hole");
	scene_write(&s, SZ_2M * 4 - SZ_64K, LEN - SZ_2M * 4 + SZ_64K, "after the hole");
	mem_refill(&s.far.mem, SZ_2M * 3 + SZ_64K, SZ_64K);
	memset(s.far.shadow + SZ_2M * 3 + SZ_64K, 0, SZ_64K);
	scene_read(&s, 0, LEN, "the hole filled");
	scene_intact(&s, "the hole filled");
	scene_close(&s);
}

/* Other sizes, and MRs that begin and end anywhere. */
static void ranges(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	static const struct {
		size_t at, len;
	} mrs[] = {
		{ 0, LEN },
		{ 4096, LEN - 8192 },
		{ SZ_2M - 100, SZ_2M + 300 },
		{ SZ_2M * 3 + 12345, 54321 },
		{ SZ_64K * 5, SZ_64K },
	};
	struct scene s;

	for (size_t i = 0; i < sizeof(mrs) / sizeof(*mrs); i++) {
		size_t at = mrs[i].at, len = mrs[i].len;

		scene_open_unregistered(&s, rig, kind, LEN);
		is_errno(buf_reg(&s.far, mode, at, len), 0, "%s %s: register %zu at %zu",
			 mode->name, s.name, len, at);
		scene_write(&s, at, len, "all");
		buf_drop(&s.far, (at + len / 2) & ~(SZ_2M - 1), SZ_2M);
		scene_read(&s, at, len, "some dropped");
		scene_write(&s, at + len / 3, len / 3, "a part");
		scene_intact(&s, "all and a part");
		scene_close(&s);
	}
}

/* Populate and prefetch take the largest blocks as well. */
static void filled(struct rig *rig)
{
	struct mode populate = mode_mixed_2m_4k;
	struct ibv_sge sge;
	struct scene s;

	populate.flags |= IBV_ODP_POPULATE;
	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	if (madvise(s.far.mem.addr + SZ_2M * 6, SZ_2M, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
	scatter(&s.far, 6);
	is_errno(buf_reg(&s.far, &populate, 0, LEN), 0, "%s: register, populate", s.name);
	made_of(&s, BLOCKS - 1, PAGES, "populated");
	is_u64(buf_state(&s.far).faults, 0, "%s: populating is not a fault", s.name);
	scene_write(&s, 0, LEN, "populated");
	is_u64(buf_state(&s.far).faults, 0, "%s: no fault afterwards", s.name);

	buf_drop(&s.far, 0, LEN);
	made_of(&s, 0, 0, "dropped");
	sge = (struct ibv_sge){
		.addr = (uintptr_t)s.far.mem.addr + SZ_2M + SZ_4K * 3,
		.length = SZ_2M * 3,
		.lkey = s.far.mr->lkey,
	};
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 0, "%s: prefetch", s.name);
	/* the block at each end is huge as a whole */
	made_of(&s, 4, 0, "prefetched");
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 0, "%s: prefetch, no fault", s.name);
	made_of(&s, 4, 0, "prefetched again");
	scene_intact(&s, "prefetched");
	scene_close(&s);
}

/* The keys for other sizes would keep their rights and their protection domain. */
static void not_reregistered(struct scene *s)
{
	const int read_only = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			      IBV_ACCESS_ON_DEMAND;

	is_errno(raw_rereg(s->far.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, read_only),
		 EOPNOTSUPP, "%s: other rights", s->name);
	is_errno(raw_rereg(s->far.mr, IBV_REREG_MR_CHANGE_PD, s->rig->pd, NULL, 0, 0), EOPNOTSUPP,
		 "%s: another PD", s->name);
}

/* The MR goes to one of its sizes, to the other, and back to both. */
static void fewer_sizes(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_mixed_2m_4k, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "both sizes");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_4K, IBV_ODP_MIXED), 0, "%s: to 4K", s.name);
	scene_shift(&s, 12, "4K");
	is_u64(buf_state(&s.far).page_sizes, SZ_4K, "%s: 4K is accepted", s.name);
	made_of(&s, 0, BLOCKS * PAGES, "4K");
	scene_read(&s, SZ_2M - 3, SZ_2M * 2, "4K");
	if (!rig->is_rxe)
		not_reregistered(&s);
	buf_drop(&s.far, SZ_2M * 3, SZ_2M);
	scene_write(&s, 0, LEN, "4K");
	made_of(&s, 0, BLOCKS * PAGES, "4K, written");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_1G, IBV_ODP_MIXED), ERANGE, "%s: to 1G", s.name);
	made_of(&s, 0, BLOCKS * PAGES, "1G is refused");

	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M, IBV_ODP_MIXED), 0, "%s: to 2M", s.name);
	scene_shift(&s, 21, "2M");
	made_of(&s, BLOCKS, 0, "2M");
	buf_drop(&s.far, SZ_2M * 5 + SZ_4K, SZ_4K);
	scene_write_fails(&s, SZ_2M * 5 + 10, 100, "2M, the broken block");
	scene_write(&s, SZ_2M * 6, SZ_2M * 2, "2M, beside the broken block");
	made_of(&s, BLOCKS - 1, 0, "2M, a block is broken");

	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M | SZ_4K, IBV_ODP_MIXED), 0, "%s: to both sizes",
		 s.name);
	scene_write(&s, 0, LEN, "both sizes again");
	made_of(&s, BLOCKS - 1, PAGES, "both sizes again");
	is_u64(buf_state(&s.far).renegotiations, 3, "%s: changes", s.name);
	is_u64(buf_state(&s.far).renegotiations_down, 1, "%s: changes to smaller ones", s.name);
	scene_intact(&s, "both sizes again");
	scene_close(&s);
}

/* A size that no key has, between those of the keys, does not rule out the larger of them. */
static void any_size(struct rig *rig)
{
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	is_errno(buf_reg(&s.far, &mode_mixed_2m_4k, SZ_2M, SZ_1M), 0, "1 MiB: register");
	is_errno(ibv_modify_mr_odp(s.far.mr, 0, IBV_ODP_MIXED), 0, "1 MiB: any size");
	ok(buf_state(&s.far).page_sizes & SZ_2M, "1 MiB: any size: 2M is one");
	is_u64(buf_state(&s.far).renegotiations_down, 0, "1 MiB: any size: not fewer");
	scene_write(&s, SZ_2M, SZ_1M, "1 MiB");
	scene_intact(&s, "1 MiB");
	scene_close(&s);
}

/* Not every device can change an MR between mixed and not mixed. */
static void not_modified(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_2m_4k, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "not mixed");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M | SZ_4K, IBV_ODP_MIXED), EOPNOTSUPP,
		 "%s: to mixed", s.name);
	is_u64(buf_state(&s.far).flags, 0, "%s: not mixed", s.name);
	made_of(&s, BLOCKS, 0, "as before");
	scene_close(&s);

	scene_open(&s, rig, &mode_mixed_2m_4k, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "mixed");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M | SZ_4K, 0), 0, "%s: to any of its sizes",
		 s.name);
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_64K, 0), ERANGE, "%s: to a size without a table",
		 s.name);
	is_u64(buf_state(&s.far).flags, IBV_ODP_MIXED, "%s: still mixed", s.name);
	made_of(&s, BLOCKS, 0, "still mixed");
	buf_drop(&s.far, 0, SZ_2M * 2);
	is_errno(ibv_modify_mr_odp(s.far.mr, 0, IBV_ODP_MIXED | IBV_ODP_POPULATE), 0,
		 "%s: populate", s.name);
	made_of(&s, BLOCKS, 0, "populated");
	scene_intact(&s, "populated");
	scene_close(&s);
}

/* From one kind of MR to another and back. */
static void modified(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_2m_4k, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "before");
	buf_drop(&s.far, SZ_4K, SZ_4K);
	scene_write(&s, 0, SZ_64K, "broken");
	scene_shift(&s, 12, "broken");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M | SZ_4K, IBV_ODP_MIXED), 0, "%s: to mixed",
		 s.name);
	is_u64(buf_state(&s.far).flags, IBV_ODP_MIXED, "%s: mixed is in force", s.name);
	made_of(&s, BLOCKS - 1, PAGES, "mixed");
	scene_write(&s, 0, LEN, "mixed");
	/* the memory may be huge, so strict is granted; this block is not, so it is not mapped */
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M, 0), 0, "%s: to strict", s.name);
	made_of(&s, BLOCKS - 1, 0, "strict");
	scene_write_fails(&s, SZ_4K, 100, "strict, the broken block");
	buf_drop(&s.far, 0, SZ_2M);
	is_u64(buf_state(&s.far).flags, 0, "%s: mixed is over", s.name);
	scene_write(&s, 0, LEN, "strict");
	made_of(&s, BLOCKS, 0, "strict");
	scene_intact(&s, "strict");
	scene_close(&s);
}

/* Every tenth block of a large MR has one small page. */
static void every_tenth(struct rig *rig)
{
	/* the kernel with all its checkers takes long for 512 MiB, and has less memory left */
	unsigned int many = kernel_is_slow() ? 64 : 256, broken = 0;
	size_t len = SZ_2M * many;
	uint64_t blocks[64];
	struct scene s;

	scene_open(&s, rig, &mode_mixed_2m_4k, MEM_THP, len);
	buf_fill(&s.far, 0, len);
	for (size_t block = 9; block < many; block += 10, broken++)
		buf_drop(&s.far, block * SZ_2M + (block * 7 % PAGES) * SZ_4K, SZ_4K);
	scene_write(&s, 0, len, "every tenth block broken");
	made_of(&s, many - broken, broken * PAGES, "every tenth block broken");
	raw_blocks(s.far.mr, blocks);
	ok(blocks[21] * 10 >= many * 9, "%s: %llu of %u blocks are huge", s.name,
	   (unsigned long long)blocks[21], many);
	scene_intact(&s, "every tenth block broken");
	scene_close(&s);
}

int main(void)
{
	struct ibv_device_odp_attr dev;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	is_errno(ibv_query_device_odp(rig.ctx, &dev, sizeof(dev)), 0, "query the device");
	need(dev.flags & IBV_ODP_MIXED, "the device must support mixed MRs");
	one_page(&rig);
	collapse(&rig);
	several_kinds(&rig);
	holes(&rig);
	ranges(&rig, &mode_mixed_2m_4k, MEM_THP);
	ranges(&rig, &mode_mixed_2m_4k, MEM_BASE);
	ranges(&rig, &mode_mixed_2m_4k, MEM_HUGETLB);
	ranges(&rig, &mode_mixed_any, MEM_THP);
	ranges(&rig, &mode_mixed_any, MEM_SHMEM);
	filled(&rig);
	if (rig.is_rxe)
		modified(&rig);
	else
		not_modified(&rig);
	fewer_sizes(&rig);
	if (!rig.is_rxe)
		any_size(&rig);
	every_tenth(&rig);
	rig_close(&rig);
	return tap_done();
}
