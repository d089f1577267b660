// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page size requests of pinned MRs, over memory of several kinds: what is granted is what physical
 * addresses allow, refusals leave nothing pinned, and data is right across the pages of each size.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "resources.h"
#include "sysfile.h"
#include "tap.h"
#include "xfer.h"

#define LEN (SZ_2M * 4)
#define PIECES (LEN / SZ_2M)

struct layout {
	const char *name;
	enum mem_kind kinds[PIECES];
	size_t at, len; /* of the MR */
	uint64_t shift; /* of the iova against the address */
};

static const struct layout layouts[] = {
	{ "hugetlb", { MEM_HUGETLB, MEM_HUGETLB, MEM_HUGETLB, MEM_HUGETLB }, 0, LEN, 0 },
	{ "THP", { MEM_THP, MEM_THP, MEM_THP, MEM_THP }, 0, LEN, 0 },
	{ "base pages", { MEM_BASE, MEM_BASE, MEM_BASE, MEM_BASE }, 0, LEN, 0 },
	{ "one piece of base pages", { MEM_THP, MEM_THP, MEM_BASE, MEM_HUGETLB }, 0, LEN, 0 },
	{ "THP and hugetlb", { MEM_THP, MEM_HUGETLB, MEM_HUGETLB, MEM_THP }, 0, LEN, 0 },
	{ "unaligned ends", { MEM_THP, MEM_THP, MEM_HUGETLB, MEM_THP }, 5000, LEN - 9999, 0 },
	{ "iova 64 KiB off", { MEM_THP, MEM_THP, MEM_THP, MEM_THP }, 0, LEN, SZ_64K },
	{ "iova 10 MiB off", { MEM_HUGETLB, MEM_THP, MEM_THP, MEM_THP }, 0, LEN, SZ_2M * 5 },
	{ "part of a huge page", { MEM_HUGETLB, MEM_THP, MEM_THP, MEM_THP }, SZ_64K, SZ_64K, 0 },
};

static const uint64_t requests[] = {
	SZ_4K, SZ_64K, SZ_2M, SZ_1G, SZ_2M | SZ_4K, SZ_1G | SZ_64K | SZ_4K, SZ_1G | SZ_2M, 0,
};

struct bench {
	struct rig rig;
	struct pair pair;
	struct buf near; /* pinned as ever */
	struct buf far;
	const struct layout *layout;
	char text[80];
};

static uint64_t blocks(uint64_t addr, size_t len, uint32_t shift)
{
	return ((addr + len - 1) >> shift) - (addr >> shift) + 1;
}

static uint32_t log2_of(uint64_t size)
{
	return 63 - (uint32_t)__builtin_clzll(size);
}

static long pinned_kib(void)
{
	return file_value("/proc/self/status", "VmPin");
}

/* ---- memory ---- */

static void map_layout(struct bench *b, const struct layout *l)
{
	struct mem *mem = &b->far.mem;

	b->layout = l;
	mem_map_pieces(mem, l->kinds, PIECES);
	b->far.mr_at = l->at;
	b->far.mr_len = l->len;
	b->far.iova = (uintptr_t)mem->addr + l->at + l->shift;
	memset(b->far.shadow, 0, LEN);
	memset(mem->addr, 0, LEN);
}

static uint32_t pinned_shift(const struct bench *b)
{
	return mem_pinned_shift(b->far.mem.addr + b->far.mr_at, b->far.mr_len, b->far.iova);
}

/* ---- requests ---- */

static int reg(struct bench *b, uint64_t page_sizes, uint64_t max_entries, uint64_t *needed)
{
	struct ibv_mr_init_attr_pages request = buf_pinned_request(&b->far, page_sizes);

	request.max_entries = max_entries;
	request.entries_needed = needed;
	errno = 0;
	b->far.mr = hugeodp_reg_mr(b->rig.pd, &request, sizeof(request));
	return b->far.mr ? 0 : errno;
}

/* What a plain MR of the memory has: an estimate on a kernel without requests. */
static uint32_t driver_shift(struct bench *b)
{
	struct ibv_mr *mr = ibv_reg_mr_iova(b->rig.pd, b->far.mem.addr + b->far.mr_at,
					    b->far.mr_len, b->far.iova, ACCESS_ALL);
	int shift = mr ? ibv_mr_page_shift(mr) : -errno;

	if (shift < 0)
		fatal("%s: plain MR: %s", b->text, strerror(-shift));
	ibv_dereg_mr(mr);
	return (uint32_t)shift;
}

/* The errno value that a request has to end with, else 0 and the page shift. */
static int expected(const struct bench *b, uint64_t sizes, uint32_t best, uint32_t *shift)
{
	uint64_t fit = sizes & (((1ULL << best) - 1) | 1ULL << best);

	*shift = best;
	if (!sizes)
		return 0;
	if (!fit)
		return ERANGE;
	/* rxe has one size, on any kernel */
	if (b->rig.series || b->rig.is_rxe)
		*shift = log2_of(fit);
	else if (sizes < 1ULL << best && !(sizes & (sizes - 1)))
		return EOPNOTSUPP;
	return 0;
}

static void refused(struct bench *b, uint64_t sizes, uint64_t max_entries, int want)
{
	long before = pinned_kib();
	uint64_t needed = 77;

	is_errno(reg(b, sizes, max_entries, &needed), want, "%s: refused", b->text);
	is_u64((uint64_t)pinned_kib(), (uint64_t)before, "%s: nothing stays pinned", b->text);
	is_u64(needed, 77, "%s: no number of entries", b->text);
	if (b->far.mr)
		buf_dereg(&b->far);
}

/* Across the pages of a size: the first, the last and some in between. */
static void transfer(struct bench *b, uint32_t shift)
{
	const uint64_t size = 1ULL << shift, start = b->far.iova, end = start + b->far.mr_len;
	const size_t around = 3000;
	uint64_t count = blocks(start, b->far.mr_len, shift) - 1;
	uint64_t step = count > 6 ? count / 6 : 1;

	for (uint64_t i = 1; i <= count; i += step) {
		uint64_t border = ((start >> shift) + i) * size;
		uint64_t from = border - start > around ? border - around : start;
		uint64_t to = end - border > around ? border + around : end;
		struct xfer x = {
			.op = OP_WRITE,
			.near = &b->near,
			.near_at = i % 7 * 11,
			.far = &b->far,
			.far_at = b->far.mr_at + (from - start),
			.len = to - from,
		};

		if (!xfer_verify(&b->pair, &x) || (x.op = OP_READ, !xfer_verify(&b->pair, &x))) {
			ok(false, "%s: data around page %llu", b->text, (unsigned long long)i);
			return;
		}
	}
	ok(true, "%s: data across pages", b->text);
}

/* The memory is registered: compare what the device has, and the data. */
static void granted(struct bench *b, uint32_t shift, uint64_t written)
{
	uint64_t entries = blocks(b->far.iova, b->far.mr_len, shift);
	struct ibv_mr_pages pages;

	if (ibv_query_mr_pages(b->far.mr, &pages, sizeof(pages)))
		fatal("%s: ibv_query_mr_pages: %s", b->text, strerror(errno));
	is_u64(pages.page_shift, shift, "%s: page shift", b->text);
	is_u64(pages.entries, entries, "%s: entries", b->text);
	is_u64(pages.source, b->rig.series ? IBV_ODP_SOURCE_KERNEL : IBV_ODP_SOURCE_ESTIMATE,
	       "%s: source", b->text);
	/* they are written eight at a time; without requests the size is an estimate */
	if (b->rig.series && !b->rig.is_rxe)
		ok(written >= entries && written <= ((entries + 7) & ~7ULL),
		   "%s: the device got %llu entries for %llu", b->text, (unsigned long long)written,
		   (unsigned long long)entries);
	transfer(b, shift);
	buf_dereg(&b->far);
}

static uint64_t entries_written(const struct bench *b)
{
	return b->rig.is_rxe ? 0 : model_counter("xlt_entries_written");
}

static void bounds(struct bench *b, uint64_t sizes, uint32_t shift)
{
	uint64_t entries = blocks(b->far.iova, b->far.mr_len, shift), needed = 0;
	long before = pinned_kib();

	if (entries > 1) {
		is_errno(reg(b, sizes, entries - 1, &needed), E2BIG, "%s: one entry less", b->text);
		is_u64(needed, entries, "%s: entries needed", b->text);
		is_errno(reg(b, sizes, 1, NULL), E2BIG, "%s: one entry", b->text);
		is_u64((uint64_t)pinned_kib(), (uint64_t)before, "%s: nothing stays pinned",
		       b->text);
	} else {
		needed = 1;
	}
	if (is_errno(reg(b, sizes, needed, NULL), 0, "%s: as many entries as needed", b->text))
		buf_dereg(&b->far);
}

static void check_request(struct bench *b, uint64_t sizes, uint32_t best)
{
	uint32_t shift;
	uint64_t before;
	int want = expected(b, sizes, best, &shift);

	snprintf(b->text, sizeof(b->text), "%s, sizes %#llx", b->layout->name,
		 (unsigned long long)sizes);
	if (want) {
		refused(b, sizes, 0, want);
		refused(b, sizes, 1, want);
		return;
	}
	before = entries_written(b);
	if (!is_errno(reg(b, sizes, 0, NULL), 0, "%s: registered", b->text))
		return;
	granted(b, shift, entries_written(b) - before);
	bounds(b, sizes, shift);
}

static void check_layout(struct bench *b, const struct layout *l)
{
	long mrs = resource_count(&b->rig, "mr");
	uint32_t best;

	map_layout(b, l);
	snprintf(b->text, sizeof(b->text), "%s", l->name);
	best = b->rig.is_rxe ? 12 : b->rig.series ? pinned_shift(b) : driver_shift(b);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		check_request(b, requests[i], best);
	is_u64((uint64_t)resource_count(&b->rig, "mr"), (uint64_t)mrs, "%s: MRs as before",
	       l->name);
	mem_unmap(&b->far.mem);
}

/* Memory that comes with the registration. */
static void untouched(struct bench *b)
{
	int want = b->rig.is_rxe ? ERANGE : 0;

	b->layout = &layouts[1];
	mem_map(&b->far.mem, MEM_THP, LEN);
	b->far.mr_at = 0;
	b->far.mr_len = LEN;
	b->far.iova = (uintptr_t)b->far.mem.addr;
	snprintf(b->text, sizeof(b->text), "untouched");
	is_errno(reg(b, SZ_2M, 0, NULL), want, "untouched memory that can be huge, 2 MiB");
	if (b->far.mr)
		buf_dereg(&b->far);
	mem_unmap(&b->far.mem);
}

/*
 * A page larger than the MR would be possible for the iova that agrees with the physical address,
 * which a user must not find by trying.
 */
static void no_oracle(struct bench *b)
{
	struct mem *mem = &b->far.mem;
	int best = 0;

	mem_map(mem, MEM_BASE, SZ_2M);
	touch_scattered(mem->addr, SZ_2M);
	b->far.mr_at = SZ_64K;
	b->far.mr_len = SZ_4K;
	b->far.iova = mem_physical(mem->addr + SZ_64K);
	for (uint32_t shift = 13; shift < 40; shift++)
		best |= reg(b, 1ULL << shift, 0, NULL) != ERANGE;
	ok(!best, "no page larger than the MR, whatever its physical address");
	mem_unmap(mem);
}

static void reg_bad(struct bench *b, struct ibv_mr_init_attr_pages request, const char *what)
{
	struct ibv_mr *mr;

	errno = 0;
	mr = hugeodp_reg_mr(b->rig.pd, &request, sizeof(request));
	is_errno(mr ? 0 : errno, EINVAL, "%s", what);
	if (mr)
		ibv_dereg_mr(mr);
}

/* Base pages only: mixed or not is the same. tests/lab/mlx5 has memory for which it is not. */
static void flagged(struct bench *b)
{
	struct ibv_mr_init_attr_pages request;
	struct ibv_mr *mr;

	map_layout(b, &layouts[2]);
	request = buf_pinned_request(&b->far, SZ_2M | SZ_4K);
	request.flags = IBV_ODP_MIXED;
	errno = 0;
	mr = hugeodp_reg_mr(b->rig.pd, &request, sizeof(request));
	if (!b->rig.series) {
		is_errno(mr ? 0 : errno, EOPNOTSUPP, "IBV_ODP_MIXED on a stock kernel");
	} else if (ok(mr, "IBV_ODP_MIXED: registered")) {
		b->far.mr = mr;
		is_u64((uint64_t)ibv_mr_page_shift(mr), 12, "IBV_ODP_MIXED: base pages");
		transfer(b, 12);
		buf_dereg(&b->far);
	}
	mem_unmap(&b->far.mem);
}

#define BAD(member, value, what) \
	do { \
		struct ibv_mr_init_attr_pages request = buf_pinned_request(&b->far, SZ_4K); \
\
		request.member = (value); \
		reg_bad(b, request, what); \
	} while (0)

static void bad_requests(struct bench *b)
{
	const uint64_t fd = IBV_REG_MR_MASK_FD | IBV_REG_MR_MASK_FD_OFFSET;
	struct ibv_mr_init_attr_pages good;

	map_layout(b, &layouts[2]);
	BAD(flags, IBV_ODP_POPULATE, "IBV_ODP_POPULATE without IBV_ACCESS_ON_DEMAND");
	BAD(flags, IBV_ODP_MIXED | IBV_ODP_POPULATE, "both flags without IBV_ACCESS_ON_DEMAND");
	BAD(base.access, ACCESS_ALL | IBV_ACCESS_HUGETLB, "IBV_ACCESS_HUGETLB");
	BAD(base.comp_mask, fd, "a dma-buf");
	BAD(base.length, SIZE_MAX, "a length that wraps around");
	BAD(base.iova, UINT64_MAX - SZ_4K + 1, "an iova that wraps around");
	BAD(base.addr, NULL, "no address");
	BAD(page_sizes, SZ_4K | 2048, "2 KiB");
	good = buf_pinned_request(&b->far, SZ_4K);
	good.base.access |= IBV_ACCESS_ON_DEMAND;
	good.max_entries = 1 << 20;
	reg_bad(b, good, "max_entries with IBV_ACCESS_ON_DEMAND");
	if (munmap(b->far.mem.addr, SZ_2M))
		fatal("munmap: %s", strerror(errno));
	is_errno(reg(b, SZ_2M | SZ_4K, 0, NULL), EFAULT, "memory that is not mapped");
	mem_unmap(&b->far.mem);
}

int main(void)
{
	struct bench b = { 0 };
	long pinned;

	rig_open(&b.rig);
	stop_khugepaged();
	pair_open(&b.pair, &b.rig, 1024);
	buf_make(&b.near, &b.rig, MEM_BASE, SZ_64K, &mode_pinned);
	/* both ends are of one device; the memory of the far one is that of each layout */
	buf_open(&b.far, &b.rig, MEM_BASE, LEN);
	mem_unmap(&b.far.mem);
	pinned = pinned_kib();
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		check_layout(&b, &layouts[i]);
	untouched(&b);
	no_oracle(&b);
	flagged(&b);
	bad_requests(&b);
	is_u64((uint64_t)pinned_kib(), (uint64_t)pinned, "pinned memory as before");
	mem_map(&b.far.mem, MEM_BASE, LEN);
	buf_close(&b.far);
	buf_close(&b.near);
	pair_close(&b.pair);
	rig_close(&b.rig);
	return tap_done();
}
