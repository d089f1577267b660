// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The page size that a registration gets, and the change of an MR to a smaller one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define BLOCK(n) (SZ_2M * (n))
#define HUGETLB_FLAG 1 /* in place of a mask: IBV_ACCESS_HUGETLB and no request */

static int reg(struct buf *buf, uint64_t sizes, size_t at, size_t len)
{
	struct mode mode = {
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = sizes,
	};

	return buf_reg(buf, sizes == HUGETLB_FLAG ? &mode_hugetlb_flag : &mode, at, len);
}

/* Test point: [@at, @at + @len) gets pages of 2^@shift bytes, or the errno value @err. */
static void granted(struct buf *buf, uint64_t sizes, size_t at, size_t len, uint32_t shift, int err,
		    const char *what)
{
	int got = reg(buf, sizes, at, len);
	char text[128];

	snprintf(text, sizeof(text), "sizes %#llx over %s %s (%zu KiB)", (unsigned long long)sizes,
		 mem_name(buf->mem.kind), what, len >> 10);
	is_errno(got, err, "%s", text);
	if (!got && shift) {
		is_u64((uint64_t)ibv_mr_page_shift(buf->mr), shift, "%s: page shift", text);
		is_u64(buf_state(buf).renegotiations, 0, "%s: nothing renegotiated", text);
	}
	buf_dereg(buf);
}

static void by_kind(struct rig *rig)
{
	static const struct {
		uint64_t sizes;
		enum mem_kind kind;
		uint32_t shift;
		int err;
	} cases[] = {
		{ SZ_2M, MEM_HUGETLB, 21, 0 },
		{ SZ_2M, MEM_HUGETLB_SHARED, 21, 0 },
		{ SZ_2M, MEM_THP, 21, 0 },
		{ SZ_2M, MEM_BASE, 0, ERANGE },
		{ SZ_2M, MEM_SHMEM, 0, ERANGE },
		{ SZ_2M | SZ_4K, MEM_HUGETLB, 21, 0 },
		{ SZ_2M | SZ_4K, MEM_THP, 21, 0 },
		{ SZ_2M | SZ_4K, MEM_BASE, 12, 0 },
		{ SZ_2M | SZ_4K, MEM_SHMEM, 12, 0 },
		{ SZ_64K, MEM_HUGETLB, 16, 0 },
		{ SZ_64K, MEM_BASE, 0, ERANGE },
		{ SZ_64K | SZ_4K, MEM_BASE, 12, 0 },
		{ SZ_2M | SZ_64K, MEM_BASE, 0, ERANGE },
		{ SZ_1G, MEM_HUGETLB, 0, ERANGE },
		{ SZ_1G, MEM_THP, 0, ERANGE },
		{ SZ_1G | SZ_2M, MEM_HUGETLB, 21, 0 },
		{ SZ_1G | SZ_2M | SZ_4K, MEM_THP, 21, 0 },
		{ SZ_1G | SZ_2M | SZ_4K, MEM_BASE, 12, 0 },
		{ SZ_4K, MEM_HUGETLB, 12, 0 },
		{ SZ_4K, MEM_THP, 12, 0 },
		{ SZ_4K, MEM_BASE, 12, 0 },
		{ 0, MEM_HUGETLB, 21, 0 },
		{ 0, MEM_THP, 21, 0 },
		{ 0, MEM_BASE, 12, 0 },
		{ HUGETLB_FLAG, MEM_HUGETLB, 21, 0 },
		{ HUGETLB_FLAG, MEM_THP, 21, 0 },
		{ HUGETLB_FLAG, MEM_BASE, 0, ERANGE },
		/* unsupported sizes are ignored if a supported one is requested, too */
		{ SZ_2M | 1ULL << 34 | 1ULL << 40, MEM_HUGETLB, 21, 0 },
	};
	struct buf buf;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_open(&buf, rig, cases[i].kind, LEN);
		granted(&buf, cases[i].sizes, 0, LEN, cases[i].shift, cases[i].err, "untouched");
		touch_scattered(buf.mem.addr, LEN);
		granted(&buf, cases[i].sizes, 0, LEN, cases[i].shift, cases[i].err, "in use");
		buf_close(&buf);
	}
}

static void by_range(struct rig *rig)
{
	struct buf buf;

	/* several mappings, all of huge pages */
	buf_open(&buf, rig, MEM_HUGETLB, LEN);
	mem_punch(&buf.mem, BLOCK(1), SZ_2M);
	mem_refill(&buf.mem, BLOCK(1), SZ_2M);
	if (mprotect(buf.mem.addr + BLOCK(2), SZ_2M, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	granted(&buf, SZ_2M, 0, BLOCK(2), 21, 0, "in two mappings");
	granted(&buf, SZ_2M, 4096 + 5, BLOCK(1), 21, 0, "inside a mapping, unaligned");
	buf_close(&buf);

	/* huge pages and then base pages */
	buf_open(&buf, rig, MEM_THP, LEN);
	if (madvise(buf.mem.addr + BLOCK(2), BLOCK(2), MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
	granted(&buf, SZ_2M, 0, LEN, 0, ERANGE, "followed by base pages");
	granted(&buf, SZ_2M | SZ_4K, 0, LEN, 12, 0, "followed by base pages");
	granted(&buf, SZ_2M, 0, BLOCK(2), 21, 0, "before the base pages");
	buf_close(&buf);

	buf_open(&buf, rig, MEM_THP, LEN);
	mem_punch(&buf.mem, BLOCK(2), SZ_64K);
	granted(&buf, SZ_2M, 0, LEN, 0, ERANGE, "with a hole");
	granted(&buf, SZ_2M | SZ_4K, 0, LEN, 12, 0, "with a hole");
	/* the block around the MR's end reaches into the hole */
	granted(&buf, SZ_2M, BLOCK(2) + SZ_64K, SZ_1M, 0, ERANGE, "after a hole, in its block");
	granted(&buf, SZ_2M | SZ_4K, BLOCK(2) + SZ_64K, SZ_1M, 12, 0,
		"after a hole, in its block");
	buf_close(&buf);
}

static void by_iova(struct rig *rig)
{
	struct buf buf;
	uint64_t addr;
	int err;

	buf_open(&buf, rig, MEM_HUGETLB, LEN);
	addr = (uintptr_t)buf.mem.addr;
	err = buf_reg_iova(&buf, &mode_strict_2m, 0, LEN, addr + SZ_1M, ACCESS_ALL);
	is_errno(err, ERANGE, "strict 2M, iova congruent below 1M only");
	buf_dereg(&buf);
	err = buf_reg_iova(&buf, &mode_2m_4k, 0, LEN, addr + SZ_1M, ACCESS_ALL);
	if (is_errno(err, 0, "2M|4K, iova congruent below 1M only"))
		is_u64(buf_state(&buf).page_shift, 12, "2M|4K, iova congruent below 1M only");
	buf_dereg(&buf);
	err = buf_reg_iova(&buf, &mode_any, 0, LEN, addr + SZ_1M, ACCESS_ALL);
	if (is_errno(err, 0, "any, iova congruent below 1M only"))
		is_u64(buf_state(&buf).page_shift, 20, "any, iova congruent below 1M only");
	buf_dereg(&buf);
	err = buf_reg_iova(&buf, &mode_strict_2m, SZ_4K, LEN - SZ_4K, SZ_1G * 77 + SZ_4K,
			   ACCESS_ALL);
	is_errno(err, 0, "strict 2M, iova congruent below 2M");
	buf_dereg(&buf);
	buf_close(&buf);
}

static void goes_down(struct rig *rig, bool far)
{
	const char *what = far ? "broken far block" : "broken near block";
	struct buf mr, peer;
	struct pair pair;
	struct xfer x = { .op = OP_WRITE, .near = far ? &peer : &mr, .far = far ? &mr : &peer };

	buf_make(&mr, rig, MEM_THP, LEN, &mode_2m_4k);
	buf_make(&peer, rig, MEM_BASE, LEN, &mode_pinned);
	pair_open(&pair, rig, 4096);
	x.len = LEN;
	xfer_ok(&pair, &x, "whole MR");
	is_u64(buf_state(&mr).page_shift, 21, "%s: page shift before", what);
	buf_drop(&mr, BLOCK(1) + SZ_4K * 7, SZ_4K);
	x.near_at = x.far_at = BLOCK(1);
	x.len = SZ_64K;
	x.op = far ? OP_WRITE : OP_READ;
	xfer_ok(&pair, &x, what);
	is_u64(buf_state(&mr).page_shift, 12, "%s: page shift after", what);
	is_u64(buf_state(&mr).page_sizes, SZ_2M | SZ_4K, "%s: accepted sizes after", what);
	is_u64(buf_state(&mr).renegotiations, 1, "%s: renegotiations", what);
	is_u64((uint64_t)ibv_mr_page_shift(mr.mr), 12, "%s: ibv_mr_page_shift()", what);
	for (x.op = OP_WRITE; x.op <= OP_SEND; x.op++) {
		x.near_at = x.far_at = 0;
		x.len = LEN;
		xfer_ok(&pair, &x, "whole MR in small pages");
	}
	ok(buf_check_all(&mr) && buf_check_all(&peer), "%s: every byte as it must be", what);
	pair_close(&pair);
	buf_close(&mr);
	buf_close(&peer);
}

/* The size in between is chosen where the rest of the block has it. */
static void goes_down_a_little(struct rig *rig)
{
	static const struct mode mode = {
		.name = "2M|64K|4K",
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = SZ_2M | SZ_64K | SZ_4K,
	};
	struct scene s;

	scene_open(&s, rig, &mode, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "whole MR");
	scene_shift(&s, 21, "whole MR");
	buf_drop(&s.far, BLOCK(1) + SZ_64K * 3, SZ_4K);
	scene_write(&s, BLOCK(1) + SZ_64K * 8, SZ_64K, "whole 64K of a broken block");
	scene_shift(&s, 16, "whole 64K of a broken block");
	scene_write(&s, BLOCK(1) + SZ_64K * 3, SZ_64K, "the broken 64K");
	scene_shift(&s, 12, "the broken 64K");
	is_u64(buf_state(&s.far).renegotiations, 2, "2M to 64K to 4K are two changes");
	scene_read(&s, 0, LEN, "at the end");
	scene_intact(&s, "at the end");
	scene_close(&s);
}

/* A mapping may appear under an MR made over a hole. */
static void over_hole(struct rig *rig, const struct mode *mode)
{
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	mem_punch(&s.far.mem, BLOCK(1), SZ_2M);
	err = buf_reg(&s.far, mode, 0, LEN);
	if (err)
		fatal("%s MR over a hole: %s", mode->name, strerror(err));
	/* a page less: the check of a transfer reads a page past its ends */
	scene_write(&s, 0, SZ_2M - SZ_4K, "before the hole");
	scene_write(&s, BLOCK(2) + SZ_4K, SZ_2M - SZ_4K, "after the hole");
	scene_write_fails(&s, BLOCK(1) + SZ_1M, SZ_4K, "hole");
	mem_refill(&s.far.mem, BLOCK(1), SZ_2M);
	scene_read(&s, 0, LEN, "hole filled");
	scene_write(&s, 0, LEN, "hole filled");
	scene_intact(&s, "hole filled");
	scene_close(&s);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	by_kind(&rig);
	by_range(&rig);
	by_iova(&rig);
	goes_down(&rig, true);
	goes_down(&rig, false);
	goes_down_a_little(&rig);
	over_hole(&rig, &mode_odp);
	over_hole(&rig, &mode_2m_4k);
	rig_close(&rig);
	return tap_done();
}
