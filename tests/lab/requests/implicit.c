// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Implicit MRs: one over the whole address space, for memory that comes and goes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "raw.h"
#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)

static struct ibv_mr *reg_all(struct rig *rig, int access)
{
	/* on drivers that had implicit MRs before, huge blocks have to be requested */
	if (!rig->is_rxe)
		return mode_reg(&mode_mixed_2m_4k, rig->pd, NULL, SIZE_MAX, 0, access);
	return ibv_reg_mr(rig->pd, NULL, SIZE_MAX, access | IBV_ACCESS_ON_DEMAND);
}

/* Gives @buf the implicit MR instead of one of its own. */
static void lend(struct buf *buf, struct ibv_mr *mr)
{
	buf->mr = mr;
	buf->mr_at = 0;
	buf->mr_len = buf->mem.len;
	buf->iova = (uintptr_t)buf->mem.addr;
}

/* Bytes mapped in blocks of 2 MiB or more: neighbours in physical memory may be one block. */
static uint64_t huge_bytes(struct ibv_mr *mr)
{
	uint64_t blocks[64], bytes = 0;

	raw_blocks(mr, blocks);
	for (int shift = 21; shift < 64; shift++)
		bytes += blocks[shift] << shift;
	return bytes;
}

static void all_kinds(struct rig *rig, struct ibv_mr *mr)
{
	static const struct {
		enum mem_kind kind;
		bool huge;
	} kinds[] = {
		{ MEM_THP, true },	      { MEM_BASE, false },  { MEM_HUGETLB, true },
		{ MEM_HUGETLB_SHARED, true }, { MEM_SHMEM, false },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		uint64_t before;
		struct scene s;

		scene_open_unregistered(&s, rig, kinds[i].kind, LEN);
		if (!kinds[i].huge)
			touch_scattered(s.far.mem.addr, LEN);
		lend(&s.far, mr);
		before = huge_bytes(mr);
		scene_write(&s, 0, LEN, "implicit");
		scene_read(&s, 4097, LEN - 8192, "implicit");
		scene_intact(&s, "implicit");
		is_u64(huge_bytes(mr) - before, kinds[i].huge ? LEN : 0, "%s: bytes in huge blocks",
		       s.name);
		/* as local memory, too */
		buf_dereg(&s.near);
		lend(&s.near, mr);
		scene_write(&s, 0, LEN, "implicit on both ends");
		s.near.mr = NULL;
		s.far.mr = NULL;
		scene_close(&s);
		is_u64(huge_bytes(mr), before, "%s: unmapped memory leaves no block", s.name);
	}
}

static void later_memory(struct rig *rig, struct ibv_mr *mr)
{
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	lend(&s.far, mr);
	scene_write(&s, 0, LEN, "before");
	mem_punch(&s.far.mem, 0, LEN);
	scene_write_fails(&s, SZ_2M, 100, "memory that is gone");
	mem_refill(&s.far.mem, 0, LEN);
	memset(s.far.shadow, 0, LEN);
	scene_read(&s, 0, LEN, "memory that came back");
	scene_write(&s, 0, LEN, "memory that came back");
	scene_intact(&s, "memory that came back");
	s.far.mr = NULL;
	scene_close(&s);
}

static void prefetch(struct rig *rig, struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr before;
	struct ibv_sge sge;
	struct scene s;
	uint64_t huge;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	lend(&s.far, mr);
	before = buf_state(&s.far);
	huge = huge_bytes(mr);
	sge = (struct ibv_sge){
		.addr = (uintptr_t)s.far.mem.addr,
		.length = LEN,
		.lkey = mr->lkey,
	};
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 0, "prefetch");
	is_u64(huge_bytes(mr) - huge, LEN, "prefetch: huge blocks");
	scene_write(&s, 0, LEN, "prefetched");
	is_u64(buf_state(&s.far).faults, before.faults, "prefetched: no fault");
	s.far.mr = NULL;
	scene_close(&s);
}

static void modified(struct rig *rig, struct ibv_mr *mr)
{
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	lend(&s.far, mr);
	scene_write(&s, 0, LEN, "any size");
	is_errno(ibv_modify_mr_odp(mr, SZ_4K, 0), 0, "modify to 4K");
	scene_write(&s, 0, LEN, "4K");
	scene_shift(&s, 12, "4K");
	/* the address space has holes and small pages, so strict is refused */
	is_errno(ibv_modify_mr_odp(mr, SZ_2M, 0), ERANGE, "modify to strict 2M");
	is_errno(ibv_modify_mr_odp(mr, SZ_2M | SZ_4K, IBV_ODP_MIXED), 0, "modify to mixed");
	scene_read(&s, 0, LEN, "mixed");
	scene_shift(&s, 21, "mixed");
	scene_intact(&s, "mixed");
	s.far.mr = NULL;
	scene_close(&s);
}

/* An implicit MR with a request, as an application makes it. */
static void requested(struct rig *rig)
{
	struct ibv_mr *mr = mode_reg(&mode_mixed_2m_4k, rig->pd, NULL, SIZE_MAX, 0, ACCESS_ALL);
	uint64_t blocks[64];
	struct scene s;

	if (!ok(mr, "implicit, mixed 2M|4K"))
		return;
	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	lend(&s.far, mr);
	is_u64(buf_state(&s.far).page_sizes, SZ_2M | SZ_4K, "implicit, mixed: accepted sizes");
	scene_write(&s, 0, LEN, "implicit, mixed");
	raw_blocks(mr, blocks);
	is_u64(blocks[21], LEN / SZ_2M, "implicit, mixed: blocks of 2 MiB");
	scene_intact(&s, "implicit, mixed");
	s.far.mr = NULL;
	scene_close(&s);
	is_errno(ibv_dereg_mr(mr), 0, "implicit, mixed: deregister");
	ok(!mode_reg(&mode_strict_2m, rig->pd, NULL, SIZE_MAX, 0, ACCESS_ALL) && errno == ERANGE,
	   "implicit, strict 2M: ERANGE");
}

int main(void)
{
	struct ibv_device_attr_ex attr;
	struct ibv_mr_odp_attr state;
	struct ibv_mr *mr, *second;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	if (ibv_query_device_ex(rig.ctx, NULL, &attr))
		fatal("ibv_query_device_ex failed");
	ok(attr.odp_caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT, "the device has implicit MRs");

	mr = reg_all(&rig, ACCESS_ALL);
	if (!mr)
		fatal("implicit MR: %s", strerror(errno));
	is_errno(ibv_query_mr_odp(mr, &state, sizeof(state)), 0, "query");
	is_u64(state.blocks_mapped, 0, "nothing is mapped");
	ok(state.table_bytes <= SZ_64K, "a table of %llu bytes",
	   (unsigned long long)state.table_bytes);
	all_kinds(&rig, mr);
	later_memory(&rig, mr);
	prefetch(&rig, mr);
	second = reg_all(&rig, IBV_ACCESS_LOCAL_WRITE);
	ok(second, "a second one");
	is_errno(second ? ibv_dereg_mr(second) : ENOENT, 0, "the second one goes");
	modified(&rig, mr);
	requested(&rig);
	ok(!ibv_reg_mr(rig.pd, NULL, SIZE_MAX,
		       ACCESS_ALL | IBV_ACCESS_ON_DEMAND | IBV_ACCESS_HUGETLB) &&
		   errno == EINVAL,
	   "with IBV_ACCESS_HUGETLB: EINVAL");
	ok(!ibv_reg_mr_iova(rig.pd, NULL, SIZE_MAX, SZ_2M, ACCESS_ALL | IBV_ACCESS_ON_DEMAND) &&
		   errno == EINVAL,
	   "at another iova: EINVAL");
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	rig_close(&rig);
	return tap_done();
}
