// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pinned MRs with blocks of two sizes: the device's entries are those that the physical addresses
 * require, the model got no more of them, and data is right in large blocks, in small pages and
 * across their boundaries.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resources.h"
#include "sysfile.h"
#include "tap.h"
#include "xfer.h"

#define LEN (SZ_2M * 16)
#define PIECES (LEN / SZ_2M)
#define IN_BLOCK (SZ_2M / SZ_4K)

struct layout {
	const char *name;
	uint32_t holes; /* pieces of base pages, a bit for each */
	uint32_t hugetlb;
	size_t at, len; /* of the MR */
	uint64_t shift; /* of the iova against the address */
	bool mixed;	/* two sizes are better than one */
};

static const struct layout layouts[] = {
	{ "no hole", 0, 0, 0, LEN, 0, false },
	{ "one hole", 1 << 5, 0, 0, LEN, 0, true },
	{ "one hole, hugetlb", 1 << 9, 0xfdff, 0, LEN, 0, true },
	{ "hole at the start", 1 << 0, 0, 0, LEN, 0, true },
	{ "hole at the end", 1 << 15, 0, 0, LEN, 0, true },
	{ "two holes", 1 << 3 | 1 << 4, 0, 0, LEN, 0, true },
	{ "holes apart", 1 << 2 | 1 << 11, 0x30, 0, LEN, 0, true },
	{ "unaligned ends", 1 << 7, 0, 5000, LEN - 9999, 0, true },
	{ "starts in a hole", 1 << 0, 0, SZ_64K + 3, LEN - SZ_64K - 3, 0, true },
	{ "ends in a hole", 1 << 15, 0, 0, LEN - SZ_1M - 1, 0, true },
	{ "iova 10 MiB off", 1 << 5, 0, 0, LEN, SZ_2M * 5, true },
	{ "iova 64 KiB off", 1 << 5, 0, 0, LEN, SZ_64K, false },
	{ "mostly holes", 0x7fff, 0, 0, LEN, 0, false },
	{ "all base pages", 0xffff, 0, 0, LEN, 0, false },
};

struct bench {
	struct rig rig;
	struct pair pair;
	struct buf near;
	struct buf far;
	const struct layout *layout;
};

static long pinned_kib(void)
{
	return file_value("/proc/self/status", "VmPin");
}

static void map_layout(struct bench *b, const struct layout *l)
{
	struct mem *mem = &b->far.mem;
	enum mem_kind kinds[PIECES];

	b->layout = l;
	for (unsigned int i = 0; i < PIECES; i++)
		kinds[i] = l->holes >> i & 1	 ? MEM_BASE
			   : l->hugetlb >> i & 1 ? MEM_HUGETLB
						 : MEM_THP;
	mem_map_pieces(mem, kinds, PIECES);
	b->far.mr_at = l->at;
	b->far.mr_len = l->len;
	b->far.iova = (uintptr_t)mem->addr + l->at + l->shift;
	memset(b->far.shadow, 0, LEN);
	memset(mem->addr, 0, LEN);
}

/* ---- what physical addresses allow ---- */

/* Is the block of 2 MiB at this iova, all of which is in the MR, one of physical memory? */
static bool is_block(const struct bench *b, uint64_t iova)
{
	const uint8_t *at = b->far.mem.addr + b->far.mr_at + (iova - b->far.iova);
	uint64_t first;

	if ((uintptr_t)at % SZ_4K)
		return false;
	first = mem_physical(at);
	for (size_t i = 1; i < IN_BLOCK; i++)
		if (mem_physical(at + i * SZ_4K) != first + i * SZ_4K)
			return false;
	return !(first % SZ_2M);
}

struct entries {
	uint64_t blocks, large, small;
};

static struct entries expected(const struct bench *b)
{
	uint64_t start = b->far.iova, end = start + b->far.mr_len;
	struct entries e = { .blocks = (end - 1) / SZ_2M - start / SZ_2M + 1 };

	for (uint64_t at = (start + SZ_2M - 1) / SZ_2M * SZ_2M; at + SZ_2M <= end; at += SZ_2M)
		e.large += is_block(b, at);
	e.small = (end - 1) / SZ_4K - start / SZ_4K + 1 - e.large * IN_BLOCK;
	return e;
}

/* ---- requests ---- */

static int reg(struct bench *b, uint64_t sizes, uint64_t max_entries, uint64_t *needed)
{
	struct ibv_mr_init_attr_pages request = buf_pinned_request(&b->far, sizes);

	request.flags = IBV_ODP_MIXED;
	request.max_entries = max_entries;
	request.entries_needed = needed;
	errno = 0;
	b->far.mr = hugeodp_reg_mr(b->rig.pd, &request, sizeof(request));
	return b->far.mr ? 0 : errno;
}

/* ---- data ---- */

static bool transfer(struct bench *b, enum op op, size_t at, size_t len)
{
	struct xfer x = {
		.op = op,
		.near = &b->near,
		.near_at = at % 61,
		.far = &b->far,
		.far_at = b->far.mr_at + at,
		.len = len,
	};

	return xfer_verify(&b->pair, &x);
}

/* All bytes in pieces that end within blocks, then the memory around each boundary. */
static void data(struct bench *b)
{
	const size_t len = b->far.mr_len, piece = SZ_2M + SZ_64K + 4097, around = 3000;
	size_t bad = 0, at;

	for (at = 0; at < len; at += piece)
		bad += !transfer(b, OP_WRITE, at, len - at < piece ? len - at : piece);
	is_u64(bad, 0, "%s: wrong WRITEs of all bytes", b->layout->name);
	bad = 0;
	for (at = SZ_2M - b->far.iova % SZ_2M; at < len; at += SZ_2M) {
		size_t from = at > around ? at - around : 0;
		size_t to = len - at > around ? at + around : len;

		bad += !transfer(b, OP_READ, from, to - from);
		bad += !transfer(b, OP_WRITE, from, to - from);
	}
	is_u64(bad, 0, "%s: wrong READs and WRITEs across boundaries", b->layout->name);
	bad = 0;
	for (at = 100; at + SZ_64K < len; at += SZ_1M)
		bad += !transfer(b, OP_READ, at, SZ_64K + 1);
	is_u64(bad, 0, "%s: wrong READs within blocks", b->layout->name);
	ok(buf_check_all(&b->far), "%s: every byte of the mapping", b->layout->name);
}

/* The far memory of local(), whose key the driver keeps for the next MR like it. */
static void open_plain(struct bench *b, struct buf *far)
{
	buf_make(far, &b->rig, MEM_BASE, SZ_2M * 4, &mode_pinned);
}

/* As the local memory of a request, by lkey. */
static void local(struct bench *b)
{
	struct buf far;
	struct xfer x = {
		.op = OP_WRITE,
		.near = &b->far,
		.near_at = b->far.mr_at + SZ_2M * 4 - 77,
		.far = &far,
		.len = SZ_2M * 3,
		.sges = 3,
	};
	bool right;

	open_plain(b, &far);
	right = xfer_verify(&b->pair, &x);
	x.op = OP_READ;
	right = xfer_verify(&b->pair, &x) && right;
	ok(right, "%s: as local memory", b->layout->name);
	buf_close(&far);
}

/* The key has a whole block at each end; the MR has not. */
static void outside(struct bench *b)
{
	struct buf *far = &b->far;
	const size_t at = far->mr_at, len = far->mr_len;
	struct xfer x = { .op = OP_WRITE, .near = &b->near, .far = far, .len = 8 };

	if (at >= 8) {
		x.far_at = at - 4;
		xfer_fails(&b->pair, &x, IBV_WC_REM_ACCESS_ERR, "across the start");
		x.far_at = at - 8;
		xfer_fails(&b->pair, &x, IBV_WC_REM_ACCESS_ERR, "before the start");
	}
	if (at + len + 8 <= LEN) {
		x.far_at = at + len - 4;
		xfer_fails(&b->pair, &x, IBV_WC_REM_ACCESS_ERR, "across the end");
		x.far_at = at + len;
		xfer_fails(&b->pair, &x, IBV_WC_REM_ACCESS_ERR, "after the end");
	}
	ok(buf_check_all(far), "%s: nothing outside was written", b->layout->name);
}

static void check_entries(const struct bench *b, uint32_t shift, uint64_t entries, uint64_t bytes,
			  uint64_t written)
{
	const char *name = b->layout->name;
	struct ibv_mr_pages pages = mr_pages(b->far.mr);

	is_u64(pages.page_shift, shift, "%s: page shift", name);
	is_u64(pages.entries, entries, "%s: entries", name);
	is_u64(pages.device_bytes, bytes, "%s: bytes in the device", name);
	is_u64(pages.kind, IBV_MR_KIND_PINNED, "%s: kind", name);
	is_u64(pages.source, IBV_ODP_SOURCE_KERNEL, "%s: source", name);
	is_u64(pages.base_pages,
	       (b->far.iova + b->far.mr_len - 1) / SZ_4K - b->far.iova / SZ_4K + 1,
	       "%s: base pages", name);
	/* a table is written in groups of up to eight */
	ok(written >= entries && written <= entries + 16,
	   "%s: the device got %llu entries for %llu", name, (unsigned long long)written,
	   (unsigned long long)entries);
}

/* The bound of the entries, met and missed. */
static void bounds(struct bench *b, uint64_t entries)
{
	const char *name = b->layout->name;
	uint64_t needed = 0;

	is_errno(reg(b, SZ_2M | SZ_4K, entries - 1, &needed), E2BIG, "%s: one entry less", name);
	is_u64(needed, entries, "%s: entries needed", name);
	if (is_errno(reg(b, SZ_2M | SZ_4K, entries, NULL), 0, "%s: just enough entries", name))
		buf_dereg(&b->far);
	is_errno(reg(b, SZ_2M, 0, NULL), b->layout->holes ? ERANGE : 0, "%s: strict 2 MiB", name);
	if (b->far.mr)
		buf_dereg(&b->far);
}

static void check_layout(struct bench *b, const struct layout *l)
{
	uint64_t room = model_counter("mkey_xlt_bytes"), keys = model_counter("mkeys"), before, now;
	long pinned = pinned_kib();
	struct entries e;
	uint32_t uniform;

	map_layout(b, l);
	e = expected(b);
	uniform = mem_pinned_shift(b->far.mem.addr + b->far.mr_at, b->far.mr_len, b->far.iova) >= 21
			  ? 21
			  : 12;
	before = model_counter("xlt_entries_written");
	if (!is_errno(reg(b, SZ_2M | SZ_4K, 0, NULL), 0, "%s: registered", l->name))
		return;
	before = model_counter("xlt_entries_written") - before;
	if (l->mixed) {
		uint64_t entries = e.blocks + e.large + e.small;

		check_entries(b, 21, entries, e.blocks * 16 + (e.large + e.small) * 8, before);
		local(b);
		is_errno(ibv_rereg_mr(b->far.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
				      ACCESS_ALL) != 0,
			 1, "%s: cannot be registered again", l->name);
	} else {
		uint64_t start = b->far.iova, end = start + b->far.mr_len;
		uint64_t entries = ((end - 1) >> uniform) - (start >> uniform) + 1;

		check_entries(b, uniform, entries, entries * 8, before);
	}
	data(b);
	outside(b);
	buf_dereg(&b->far);
	if (l->mixed)
		bounds(b, e.blocks + e.large + e.small);
	is_u64((uint64_t)pinned_kib(), (uint64_t)pinned, "%s: pinned memory as before", l->name);
	if (l->mixed) {
		/* the driver may have dropped keys that it had kept for later MRs */
		now = model_counter("mkeys");
		ok(now <= keys, "%s: %" PRIu64 " keys of the device, %" PRIu64 " before", l->name,
		   now, keys);
		now = model_counter("mkey_xlt_bytes");
		ok(now <= room, "%s: %" PRIu64 " bytes of tables there, %" PRIu64 " before",
		   l->name, now, room);
	}
	mem_unmap(&b->far.mem);
}

/* Accesses while the MR goes away fail, or have the right data. */
static void dereg_under_traffic(struct bench *b)
{
	unsigned int failed = 0;

	map_layout(b, &layouts[1]);
	for (unsigned int i = 0; i < 10; i++) {
		struct ibv_sge sge = { .length = SZ_2M * 3 };
		struct ibv_send_wr wr = {
			.sg_list = &sge,
			.num_sge = 1,
			.opcode = IBV_WR_RDMA_READ,
			.send_flags = IBV_SEND_SIGNALED,
		};

		is_errno(reg(b, SZ_2M | SZ_4K, 0, NULL), 0, "under traffic: registered");
		sge.addr = buf_iova(&b->near, 0);
		sge.lkey = b->near.mr->lkey;
		wr.wr.rdma.remote_addr = b->far.iova + SZ_2M * 4;
		wr.wr.rdma.rkey = b->far.mr->rkey;
		post_send(&b->pair, &wr);
		is_errno(ibv_dereg_mr(b->far.mr), 0, "under traffic: deregistered");
		b->far.mr = NULL;
		if (pair_wait(&b->pair, NEAR).status != IBV_WC_SUCCESS) {
			failed++;
			pair_renew(&b->pair);
		}
		buf_adopt(&b->near, 0, b->near.mr_len);
	}
	note("%u of 10 READs failed", failed);
	mem_unmap(&b->far.mem);
}

int main(void)
{
	struct bench b = { 0 };
	struct buf plain;
	long mrs;

	rig_open(&b.rig);
	need_series(&b.rig);
	stop_khugepaged();
	pair_open(&b.pair, &b.rig, 4096);
	buf_make(&b.near, &b.rig, MEM_BASE, SZ_2M * 4, &mode_pinned);
	buf_open(&b.far, &b.rig, MEM_BASE, LEN);
	mem_unmap(&b.far.mem);
	open_plain(&b, &plain);
	buf_close(&plain);
	mrs = resource_count(&b.rig, "mr");
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		check_layout(&b, &layouts[i]);
	dereg_under_traffic(&b);
	is_u64((uint64_t)resource_count(&b.rig, "mr"), (uint64_t)mrs, "MRs as before");
	mem_map(&b.far.mem, MEM_BASE, LEN);
	buf_close(&b.far);
	buf_close(&b.near);
	pair_close(&b.pair);
	rig_close(&b.rig);
	return tap_done();
}
