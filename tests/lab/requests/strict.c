// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Strict MRs over memory that stops being huge: accesses to a broken block fail,
 * all others succeed, and the block works again once it is whole.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define BLOCK(n) (SZ_2M * (n))

static void others_work(struct scene *s, size_t broken)
{
	for (size_t block = 0; block < LEN / SZ_2M; block++)
		if (block != broken) {
			scene_write(s, BLOCK(block), SZ_2M, "whole block");
			scene_read(s, BLOCK(block), SZ_2M, "whole block");
		}
}

static void one_page_dropped(struct rig *rig)
{
	struct ibv_mr_odp_attr state;
	struct scene s;

	scene_open(&s, rig, &mode_strict_2m, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "whole MR");
	buf_drop(&s.far, BLOCK(1) + SZ_4K * 5, SZ_4K);
	scene_write_fails(&s, BLOCK(1) + SZ_4K * 5, SZ_4K, "dropped page");
	scene_write_fails(&s, BLOCK(2) - 8, 8, "another page of the block");
	scene_read_fails(&s, BLOCK(1), SZ_64K, "from the block");
	others_work(&s, 1);
	scene_intact(&s, "after failed writes");
	state = buf_state(&s.far);
	is_u64(state.page_shift, 21, "page shift as it was");
	is_u64(state.blocks_mapped, 3, "blocks mapped without the broken one");
	is_u64(state.renegotiations, 0, "a strict MR is never renegotiated");
	/* drop all of it: the next fault gets a new huge page */
	buf_drop(&s.far, BLOCK(1), SZ_2M);
	scene_write(&s, BLOCK(1), SZ_2M, "block whole again");
	scene_read(&s, 0, LEN, "block whole again");
	scene_intact(&s, "block whole again");
	scene_close(&s);
}

/*
 * A block that is readable as a whole may be mapped for reading. It must not
 * become writable by that.
 */
static void read_if_possible(struct scene *s, size_t at)
{
	struct xfer x = {
		.op = OP_READ,
		.near = &s->near,
		.near_at = at,
		.far = &s->far,
		.far_at = at,
		.len = SZ_2M,
	};
	enum ibv_wc_status status = xfer_run(&s->pair, &x).near;

	note("READ of a block with a read-only page: '%s'", ibv_wc_status_str(status));
	if (status == IBV_WC_SUCCESS)
		ok(buf_check(&s->near, at, SZ_2M, (ssize_t)at), "and the bytes are right");
	else
		pair_renew(&s->pair);
}

static void one_page_protected(struct rig *rig)
{
	struct scene s;
	uint8_t *page;

	scene_open(&s, rig, &mode_strict_2m, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "whole MR");
	page = s.far.mem.addr + BLOCK(2) + SZ_4K * 100;
	if (mprotect(page, SZ_4K, PROT_READ))
		fatal("mprotect: %s", strerror(errno));
	read_if_possible(&s, BLOCK(2));
	scene_write_fails(&s, BLOCK(2) + SZ_4K * 100, 8, "read-only page");
	scene_write_fails(&s, BLOCK(2), 8, "writable page of the block");
	others_work(&s, 2);
	if (mprotect(page, SZ_4K, PROT_READ | PROT_WRITE))
		fatal("mprotect: %s", strerror(errno));
	/* one folio still, which the CPU maps by small entries now */
	is_u64(mem_huge_bytes(s.far.mem.addr), LEN - SZ_2M, "bytes the CPU maps by huge entries");
	scene_write(&s, BLOCK(2), SZ_2M, "same permissions again");
	scene_read(&s, 0, LEN, "same permissions again");
	scene_shift(&s, 21, "at the end");
	scene_intact(&s, "at the end");
	scene_close(&s);
}

static void advise(const struct buf *buf, size_t at, size_t len, int advice)
{
	if (madvise(buf->mem.addr + at, len, advice))
		fatal("madvise: %s", strerror(errno));
}

/* Small pages where huge ones are possible: populating checks it, registration alone does not. */
static void small_before(struct rig *rig)
{
	struct mode populate = mode_strict_2m;
	struct scene s;

	populate.flags |= IBV_ODP_POPULATE;
	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	advise(&s.far, BLOCK(1), SZ_2M, MADV_NOHUGEPAGE);
	touch_scattered(s.far.mem.addr + BLOCK(1), SZ_2M);
	buf_fill(&s.far, 0, LEN);
	advise(&s.far, BLOCK(1), SZ_2M, MADV_HUGEPAGE);
	is_errno(buf_reg(&s.far, &populate, 0, LEN), ERANGE, "small pages, to be populated");
	is_errno(buf_reg(&s.far, &mode_strict_2m, 0, LEN), 0, "small pages, not to be populated");
	scene_write_fails(&s, BLOCK(1), 8, "block of small pages");
	others_work(&s, 1);
	buf_drop(&s.far, BLOCK(1), SZ_2M);
	scene_write(&s, BLOCK(1), SZ_2M, "the block filled again");
	scene_intact(&s, "around it");
	scene_close(&s);
}

/* Blocks smaller than the huge page: only the small block is lost. */
static void small_block(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_strict_64k, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "whole MR");
	buf_drop(&s.far, BLOCK(1) + SZ_64K * 3 + SZ_4K, SZ_4K);
	scene_write_fails(&s, BLOCK(1) + SZ_64K * 3, 64, "broken block");
	scene_write(&s, BLOCK(1), SZ_64K * 3, "before it");
	scene_write(&s, BLOCK(1) + SZ_64K * 4, SZ_2M - SZ_64K * 4, "after it");
	scene_intact(&s, "around it");
	scene_close(&s);
}

/* From inside a block to inside the next one: only these two are broken. */
static void dropped_across(struct rig *rig)
{
	const size_t second = BLOCK(1) + SZ_64K * 2, third = second + SZ_64K;
	struct scene s;

	scene_open(&s, rig, &mode_strict_64k, MEM_THP, LEN);
	/* once a huge page is mapped by small entries, only the dropped range is invalidated */
	scene_write(&s, BLOCK(1), SZ_2M, "whole huge page");
	buf_drop(&s.far, BLOCK(1) + SZ_64K * 20, SZ_4K);
	scene_write(&s, BLOCK(1), SZ_64K * 8, "huge page in small entries");
	buf_drop(&s.far, third - SZ_4K, SZ_4K * 2);
	scene_write_fails(&s, third, 8, "start of the third block");
	scene_write_fails(&s, second, 8, "start of the second block");
	scene_write(&s, BLOCK(1), SZ_64K * 2, "before them");
	scene_write(&s, third + SZ_64K, SZ_64K * 4, "after them");
	scene_intact(&s, "around them");
	scene_close(&s);
}

/* The first block of the MR begins before it, and breaks there. */
static void broken_outside(struct rig *rig, const struct mode *mode)
{
	const size_t at = BLOCK(1) + SZ_1M;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	buf_fill(&s.far, 0, LEN);
	err = buf_reg(&s.far, mode, at, BLOCK(2));
	if (err)
		fatal("MR over parts of blocks: %s", strerror(err));
	scene_write(&s, at, BLOCK(2), "whole MR");
	buf_drop(&s.far, BLOCK(1), SZ_4K);
	if (mode == &mode_strict_2m) {
		scene_write_fails(&s, at, 8, "block broken outside the MR");
		scene_write(&s, BLOCK(2), SZ_2M, "next block");
	} else {
		scene_write(&s, at, BLOCK(2), "block broken outside the MR");
		scene_shift(&s, 12, "block broken outside the MR");
	}
	scene_intact(&s, "block broken outside the MR");
	scene_close(&s);
}

/* A message over a good block and a broken one. */
static void half_way(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_strict_2m, MEM_THP, LEN);
	scene_write(&s, 0, LEN, "whole MR");
	buf_drop(&s.far, BLOCK(1), SZ_4K);
	scene_write_fails(&s, BLOCK(1) - SZ_64K, SZ_64K * 2, "into the broken block");
	/* the packets before the boundary may have arrived */
	buf_adopt(&s.far, BLOCK(1) - SZ_64K, SZ_64K);
	scene_intact(&s, "but for the packets that arrived");
	scene_read_fails(&s, BLOCK(1) - SZ_64K, SZ_64K * 2, "out of the broken block");
	others_work(&s, 1);
	scene_close(&s);
}

/* The broken block is local memory of the request. */
static void local_side(struct rig *rig)
{
	struct buf strict, peer;
	struct pair pair;
	struct outcome out;
	struct xfer good = { .near = &strict, .far = &peer, .near_at = BLOCK(2), .len = SZ_2M };
	struct xfer bad = { .near = &strict, .far = &peer, .near_at = BLOCK(1), .len = 4096 };
	struct xfer recv = {
		.op = OP_SEND, .near = &peer, .far = &strict, .far_at = BLOCK(1), .len = 4096
	};

	buf_make(&strict, rig, MEM_THP, LEN, &mode_strict_2m);
	buf_make(&peer, rig, MEM_BASE, LEN, &mode_pinned);
	pair_open(&pair, rig, 1024);
	buf_fill(&strict, 0, LEN);
	buf_drop(&strict, BLOCK(1) + SZ_1M, SZ_4K);
	for (enum op op = OP_WRITE; op <= OP_SEND; op++) {
		bad.op = good.op = op;
		xfer_fails(&pair, &bad, IBV_WC_LOC_PROT_ERR, "broken block at the near end");
		xfer_ok(&pair, &good, "good block at the near end");
	}
	bad.op = OP_FETCH_ADD;
	bad.len = 8;
	xfer_fails(&pair, &bad, IBV_WC_LOC_PROT_ERR, "broken block at the near end");
	ok(buf_check_all(&strict), "broken block at the near end: all memory as it was");
	/* the receive at the far end fails, and the near end gets an error */
	out = xfer_run(&pair, &recv);
	ok(out.near != IBV_WC_SUCCESS, "SEND into a broken block fails");
	note("SEND into a broken block: '%s' at the near end", ibv_wc_status_str(out.near));
	out.far = pair_wait(&pair, FAR).status;
	ok(out.far == IBV_WC_LOC_PROT_ERR || out.far == IBV_WC_LOC_QP_OP_ERR,
	   "the receive completes with an error ('%s')", ibv_wc_status_str(out.far));
	pair_renew(&pair);
	recv.far_at = BLOCK(3);
	xfer_ok(&pair, &recv, "into a good block");
	ok(buf_check_all(&strict), "SEND into a broken block: all memory as it was");
	pair_close(&pair);
	buf_close(&strict);
	buf_close(&peer);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	one_page_dropped(&rig);
	one_page_protected(&rig);
	small_before(&rig);
	small_block(&rig);
	dropped_across(&rig);
	broken_outside(&rig, &mode_strict_2m);
	broken_outside(&rig, &mode_2m_4k);
	half_way(&rig);
	local_side(&rig);
	rig_close(&rig);
	return tap_done();
}
