// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Compares the numbers of a query with the accesses and registrations of the test. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_1M * 16)

static void device(struct rig *rig)
{
	struct {
		struct ibv_device_odp_attr attr;
		uint64_t tail;
	} longer;
	struct ibv_device_odp_attr attr;

	memset(&attr, 0xff, sizeof(attr));
	is_errno(ibv_query_device_odp(rig->ctx, &attr, sizeof(attr)), 0, "ibv_query_device_odp()");
	is_u64(attr.source, IBV_ODP_SOURCE_KERNEL, "the kernel answered");
	ok(!(attr.flags & ~(uint32_t)(IBV_ODP_MIXED | IBV_ODP_POPULATE)), "flags are known ones");
	ok(attr.flags & IBV_ODP_POPULATE, "POPULATE is supported");
	ok(attr.page_sizes & SZ_4K && attr.page_sizes & SZ_2M && attr.page_sizes & SZ_1G,
	   "4K, 2M and 1G are supported (%#llx)", (unsigned long long)attr.page_sizes);
	if (rig->is_rxe)
		is_u64(attr.page_sizes, (SZ_1G << 1) - SZ_4K, "rxe: every size from 4K to 1G");
	is_errno(ibv_query_device_odp(rig->ctx, NULL, sizeof(attr)), EINVAL, "no struct");
	is_errno(ibv_query_device_odp(rig->ctx, &attr, 0), EINVAL, "no size");
	memset(&longer, 0xff, sizeof(longer));
	is_errno(ibv_query_device_odp(rig->ctx, &longer.attr, sizeof(longer)), 0,
		 "a struct of the future");
	is_u64(longer.tail, 0, "unknown members are zero");
}

static void arguments(struct rig *rig)
{
	struct {
		struct ibv_mr_odp_attr attr;
		uint64_t tail;
	} longer;
	struct ibv_mr_odp_attr attr;
	struct buf odp, pinned;

	buf_make(&odp, rig, MEM_BASE, SZ_64K, &mode_odp);
	buf_make(&pinned, rig, MEM_BASE, SZ_64K, &mode_pinned);
	is_errno(ibv_query_mr_odp(pinned.mr, &attr, sizeof(attr)), EINVAL, "query, pinned MR");
	ok(ibv_mr_page_shift(pinned.mr) >= 12, "page shift, pinned MR");
	is_errno(ibv_modify_mr_odp(pinned.mr, SZ_4K, 0), EINVAL, "modify, pinned MR");
	is_errno(ibv_query_mr_odp(odp.mr, NULL, sizeof(attr)), EINVAL, "query, no struct");
	is_errno(ibv_query_mr_odp(odp.mr, &attr, 0), EINVAL, "query, no size");
	memset(&longer, 0xff, sizeof(longer));
	is_errno(ibv_query_mr_odp(odp.mr, &longer.attr, sizeof(longer)), 0,
		 "query, a struct of the future");
	is_u64(longer.tail, 0, "query, unknown members are zero");
	is_u64(longer.attr.source, IBV_ODP_SOURCE_KERNEL, "query, the kernel answered");
	is_u64(longer.attr.reserved, 0, "query, reserved is zero");
	is_u64((uint64_t)ibv_mr_page_shift(odp.mr), 12, "page shift without a request");
	is_u64(longer.attr.page_sizes, SZ_4K, "accepted sizes without a request");
	buf_close(&odp);
	buf_close(&pinned);
}

struct counts {
	uint64_t mapped, faults, invalidated;
	uint64_t accesses; /* to memory that was not mapped */
};

static void expect(struct scene *s, struct counts want, const char *what)
{
	struct ibv_mr_odp_attr state = buf_state(&s->far);

	is_u64(state.blocks_mapped, want.mapped, "%s: %s: blocks mapped", s->name, what);
	/* rxe faults for each block, another device perhaps for several at a time */
	if (s->rig->is_rxe)
		is_u64(state.faults, want.faults, "%s: %s: faults", s->name, what);
	else
		ok(state.faults >= want.accesses && state.faults <= want.faults,
		   "%s: %s: %llu faults", s->name, what, (unsigned long long)state.faults);
	is_u64(state.pages_invalidated, want.invalidated, "%s: %s: pages invalidated", s->name,
	       what);
}

static void statistics(struct rig *rig, const struct mode *mode, enum mem_kind kind, uint32_t shift)
{
	size_t block = (size_t)1 << shift, blocks = LEN / block, in_2m = SZ_2M / block;
	/* more than 512 entries make a table of two levels, the second of 4 KiB each */
	size_t roots = blocks > 512 ? blocks / 512 : blocks;
	size_t entry = block == SZ_4K ? rig->base_entry : rig->entry;
	struct counts want = {};
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	scene_shift(&s, shift, "untouched");
	/* the additional table of a device with tables of its own is flat */
	if (!rig->is_rxe)
		roots = blocks;
	is_u64(buf_state(&s.far).table_bytes, roots * entry, "%s: untouched: table bytes", s.name);
	expect(&s, want, "untouched");
	scene_write(&s, 0, LEN, "first");
	is_u64(buf_state(&s.far).table_bytes,
	       (roots == blocks ? blocks : roots + blocks) * entry, "%s: table bytes", s.name);
	want = (struct counts){ .mapped = blocks, .faults = blocks, .accesses = 1 };
	expect(&s, want, "first WRITE");
	scene_write(&s, 0, LEN, "second");
	scene_read(&s, 0, LEN, "third");
	expect(&s, want, "more transfers");
	buf_drop(&s.far, SZ_2M, SZ_2M);
	want.mapped -= in_2m;
	want.invalidated += in_2m;
	expect(&s, want, "2 MiB dropped");
	scene_write(&s, SZ_2M, SZ_2M, "2 MiB dropped");
	want.mapped += in_2m;
	want.faults += in_2m;
	want.accesses++;
	expect(&s, want, "2 MiB dropped and written");
	buf_drop(&s.far, 0, LEN);
	want.mapped = 0;
	want.invalidated += blocks;
	expect(&s, want, "all dropped");
	is_u64(buf_state(&s.far).renegotiations, 0, "%s: renegotiations", s.name);
	is_u64(buf_state(&s.far).page_shift, shift, "%s: page shift at the end", s.name);
	scene_close(&s);
}

/* The CPU has populated the memory: the device only maps it. */
static void touched_memory(struct rig *rig)
{
	struct ibv_mr_odp_attr state;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, MEM_HUGETLB, LEN);
	buf_fill(&s.far, 0, LEN);
	err = buf_reg(&s.far, &mode_strict_2m, 0, LEN);
	if (err)
		fatal("strict MR over touched memory: %s", strerror(err));
	scene_read(&s, 0, LEN, "touched by the CPU");
	scene_write(&s, 0, LEN, "touched by the CPU");
	state = buf_state(&s.far);
	is_u64(state.blocks_mapped, LEN / SZ_2M, "touched memory: blocks mapped");
	ok(state.faults <= LEN / SZ_2M, "touched memory: not more faults than blocks (%llu)",
	   (unsigned long long)state.faults);
	scene_close(&s);
}

static void populate(struct rig *rig, uint64_t sizes, enum mem_kind kind, size_t blocks)
{
	struct mode mode = {
		.name = "populate",
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = sizes,
		.flags = IBV_ODP_POPULATE,
	};
	struct ibv_mr_odp_attr before, after;
	struct scene s;

	scene_open(&s, rig, &mode, kind, LEN);
	before = buf_state(&s.far);
	is_u64(before.blocks_mapped, blocks, "%s: all blocks mapped", s.name);
	scene_write(&s, 0, LEN, "mapped beforehand");
	scene_read(&s, 0, LEN, "mapped beforehand");
	after = buf_state(&s.far);
	is_u64(after.faults, before.faults, "%s: no fault since", s.name);
	is_u64(after.blocks_mapped, blocks, "%s: all blocks still mapped", s.name);
	scene_intact(&s, "mapped beforehand");
	scene_close(&s);
}

static void populate_hole(struct rig *rig)
{
	struct mode mode = {
		.name = "populate",
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = SZ_2M | SZ_4K,
		.flags = IBV_ODP_POPULATE,
	};
	struct buf buf;

	buf_open(&buf, rig, MEM_THP, LEN);
	mem_punch(&buf.mem, SZ_2M * 3, SZ_4K);
	is_errno(buf_reg(&buf, &mode, 0, LEN), EFAULT, "populate over a hole");
	buf_close(&buf);
}

static void prefetch(struct rig *rig, const struct mode *mode, enum mem_kind kind, size_t blocks)
{
	struct ibv_mr_odp_attr before, after;
	struct ibv_sge sge;
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	sge = (struct ibv_sge){
		.addr = buf_iova(&s.far, 0),
		.length = LEN,
		.lkey = s.far.mr->lkey,
	};
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 0, "%s: ibv_advise_mr()", s.name);
	before = buf_state(&s.far);
	is_u64(before.blocks_mapped, blocks, "%s: prefetch maps all blocks", s.name);
	scene_write(&s, 0, LEN, "prefetched");
	after = buf_state(&s.far);
	is_u64(after.faults, before.faults, "%s: no fault after a prefetch", s.name);
	scene_intact(&s, "prefetched");
	scene_close(&s);
}

/* Invalid prefetches are refused, and have no effect. */
static void bad_prefetch(struct rig *rig)
{
	/* mlx5 has only the keys of ODP MRs */
	int unknown = rig->is_rxe ? EINVAL : ENOENT;
	struct buf odp, pinned;
	struct ibv_sge sge;

	buf_make(&odp, rig, MEM_HUGETLB, LEN, &mode_strict_2m);
	buf_make(&pinned, rig, MEM_BASE, SZ_64K, &mode_pinned);
	sge = (struct ibv_sge){
		.addr = buf_iova(&pinned, 0),
		.length = SZ_4K,
		.lkey = pinned.mr->lkey,
	};
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 unknown, "prefetch of a pinned MR");
	sge.lkey = odp.mr->lkey;
	sge.addr = buf_iova(&odp, 0) + LEN - SZ_4K;
	sge.length = SZ_2M * 2;
	ok(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, IBV_ADVISE_MR_FLAG_FLUSH,
			 &sge, 1),
	   "prefetch past the end");
	sge.addr = buf_iova(&odp, 0) - SZ_2M * 2;
	ok(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, IBV_ADVISE_MR_FLAG_FLUSH,
			 &sge, 1),
	   "prefetch before the start");
	sge.lkey ^= 0xff;
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 unknown, "prefetch with a wrong key");
	is_u64(buf_state(&odp).blocks_mapped, 0, "bad prefetches map nothing");
	buf_close(&odp);
	buf_close(&pinned);
}

/* There is nothing to do for no bytes, and that is not an error, as on a stock kernel. */
static void empty_prefetch(struct rig *rig, const struct mode *mode)
{
	static const size_t offsets[] = { 0, 10, SZ_2M, LEN - 1 };
	struct ibv_sge sge = {};
	struct buf buf;

	buf_make(&buf, rig, MEM_HUGETLB, LEN, mode);
	sge.lkey = buf.mr->lkey;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		sge.addr = buf_iova(&buf, offsets[i]);
		is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
			 0, "%s: prefetch of no bytes at %zu", mode->name, offsets[i]);
	}
	is_u64(buf_state(&buf).blocks_mapped, 0, "%s: it maps nothing", mode->name);
	buf_close(&buf);
}

/* What the device may only read can be prefetched for reading, and for nothing else. */
static void read_only_prefetch(struct rig *rig, const struct mode *mode)
{
	struct ibv_sge sge = { .length = LEN };
	struct ibv_mr *mr;
	struct mem mem;

	mem_map(&mem, MEM_HUGETLB, LEN);
	mr = mode_reg(mode, rig->pd, mem.addr, LEN, (uintptr_t)mem.addr, IBV_ACCESS_REMOTE_READ);
	if (!mr)
		fatal("%s MR to read: %s", mode->name, strerror(errno));
	sge.addr = (uintptr_t)mem.addr;
	sge.lkey = mr->lkey;
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 EPERM, "%s: prefetch for writing of an MR to read", mode->name);
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0, &sge, 1), EPERM,
		 "%s: the same, asynchronous", mode->name);
	is_u64(mr_state(mr).blocks_mapped, 0, "%s: these map nothing", mode->name);
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH, IBV_ADVISE_MR_FLAG_FLUSH,
			       &sge, 1),
		 0, "%s: prefetch for reading of an MR to read", mode->name);
	ok(mr_state(mr).blocks_mapped, "%s: it maps blocks", mode->name);
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH, 0, &sge, 1), 0,
		 "%s: the same, asynchronous", mode->name);
	ibv_dereg_mr(mr);
	mem_unmap(&mem);
}

/* The memory of an MR is gone with the child that registered it; the context is not. */
static void memory_of_the_dead(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	const bool mixed_mlx5 = !rig->is_rxe && mode->flags & IBV_ODP_MIXED;
	int cmd_fd = rig->ctx->cmd_fd, status, to_parent[2];
	struct ibv_mr_odp_attr before, after;
	struct {
		uint32_t handle, lkey;
	} theirs = {};
	struct mem mem;
	pid_t pid;

	mem_map(&mem, kind, LEN);
	if (pipe(to_parent))
		fatal("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid) {
		struct ibv_sge sge = { .addr = (uintptr_t)mem.addr, .length = LEN };
		struct ibv_mr *mr;

		mr = mode_reg(mode, rig->pd, mem.addr, LEN, (uintptr_t)mem.addr, ACCESS_ALL);
		if (!mr)
			_exit(1);
		sge.lkey = mr->lkey;
		if (ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1))
			_exit(2);
		theirs.handle = mr->handle;
		theirs.lkey = mr->lkey;
		_exit(write(to_parent[1], &theirs, sizeof(theirs)) != sizeof(theirs));
	}
	close(to_parent[1]);
	ok(read(to_parent[0], &theirs, sizeof(theirs)) == sizeof(theirs) &&
		   waitpid(pid, &status, 0) == pid && !status,
	   "%s: a child registers an MR, prefetches it and exits", mode->name);
	close(to_parent[0]);

	memset(&before, 0, sizeof(before));
	is_errno(hugeodp_query_mr_fd(cmd_fd, theirs.handle, &before, sizeof(before)), 0,
		 "%s: a query of its MR", mode->name);
	is_u64(before.blocks_mapped, 0, "%s: nothing is mapped any more", mode->name);
	is_errno(hugeodp_modify_mr_fd(cmd_fd, theirs.handle, SZ_4K | SZ_2M, mode->flags), EFAULT,
		 "%s: no other sizes", mode->name);
	is_errno(hugeodp_modify_mr_fd(cmd_fd, theirs.handle, SZ_4K | SZ_2M,
				      mode->flags | IBV_ODP_POPULATE),
		 EFAULT, "%s: nothing to populate", mode->name);
	is_errno(hugeodp_prefetch_mr_fd(cmd_fd, rig->pd->handle, theirs.lkey, (uintptr_t)mem.addr,
					LEN, IBV_ADVISE_MR_ADVICE_PREFETCH, NULL, NULL),
		 mixed_mlx5 ? EFAULT : EINVAL, "%s: nothing to prefetch", mode->name);
	memset(&after, 0xff, sizeof(after));
	is_errno(hugeodp_query_mr_fd(cmd_fd, theirs.handle, &after, sizeof(after)), 0,
		 "%s: another query", mode->name);
	ok(!memcmp(&before, &after, sizeof(after)), "%s: the MR is unchanged", mode->name);
	is_errno(hugeodp_destroy_mr_fd(cmd_fd, theirs.handle), 0, "%s: deregister it", mode->name);
	mem_unmap(&mem);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	device(&rig);
	arguments(&rig);
	statistics(&rig, &mode_strict_2m, MEM_HUGETLB, 21);
	statistics(&rig, &mode_strict_2m, MEM_THP, 21);
	statistics(&rig, &mode_hugetlb_flag, MEM_HUGETLB, 21);
	statistics(&rig, &mode_strict_64k, MEM_HUGETLB, 16);
	statistics(&rig, &mode_2m_4k, MEM_BASE, 12);
	statistics(&rig, &mode_odp, MEM_BASE, 12);
	touched_memory(&rig);
	populate(&rig, SZ_2M, MEM_HUGETLB, LEN / SZ_2M);
	populate(&rig, SZ_2M | SZ_4K, MEM_THP, LEN / SZ_2M);
	populate(&rig, SZ_2M | SZ_4K, MEM_BASE, LEN / SZ_4K);
	populate_hole(&rig);
	prefetch(&rig, &mode_strict_2m, MEM_HUGETLB, LEN / SZ_2M);
	prefetch(&rig, &mode_odp, MEM_BASE, LEN / SZ_4K);
	bad_prefetch(&rig);
	empty_prefetch(&rig, &mode_odp);
	empty_prefetch(&rig, &mode_strict_2m);
	empty_prefetch(&rig, &mode_mixed_2m_4k);
	read_only_prefetch(&rig, &mode_odp);
	read_only_prefetch(&rig, &mode_strict_2m);
	memory_of_the_dead(&rig, &mode_odp, MEM_BASE);
	memory_of_the_dead(&rig, &mode_2m_4k, MEM_THP);
	memory_of_the_dead(&rig, &mode_mixed_2m_4k, MEM_THP);
	rig_close(&rig);
	return tap_done();
}
