// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * 200 MRs of random kinds over random layouts of memory, all at the same time. What the query returns
 * is compared with the memory and the counters of the mlx5 model; every-mr.py compares RDMA netlink
 * and "hugeodp explain" with both.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf.h"
#include "layout.h"
#include "region.h"
#include "resources.h"
#include "tap.h"
#include "unmarked.h"

#define MRS 200
#define LAYOUTS 40
#define DMABUF_LEN SZ_1M
#define RXE_ENTRY 8
#define MTT 8
#define KSM 16

#define ODP IBV_ACCESS_ON_DEMAND

/* Where a way to register works. */
enum where {
	EVERYWHERE,
	SERIES,
	SERIES_MLX5,
};

struct way {
	struct mode mode;
	enum where where;
};

static const struct way ways[] = {
	{ { "pinned", 0, false, 0, 0 }, EVERYWHERE },
	{ { "pinned, any size", 0, true, 0, 0 }, SERIES },
	{ { "pinned, 4K", 0, true, SZ_4K, 0 }, SERIES },
	{ { "pinned, 2M", 0, true, SZ_2M, 0 }, SERIES },
	{ { "pinned, 2M or 64K or 4K", 0, true, SZ_2M | SZ_64K | SZ_4K, 0 }, SERIES },
	{ { "pinned, mixed", 0, true, SZ_2M | SZ_4K, IBV_ODP_MIXED }, SERIES_MLX5 },
	{ { "ODP", ODP, false, 0, 0 }, EVERYWHERE },
	{ { "ODP, 2M", ODP, true, SZ_2M, 0 }, SERIES },
	{ { "ODP, 2M or 4K", ODP, true, SZ_2M | SZ_4K, 0 }, SERIES },
	{ { "ODP, mixed", ODP, true, SZ_2M | SZ_4K, IBV_ODP_MIXED }, SERIES },
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct test {
	struct rig rig;
	struct rig unmarked;
	struct rng rng;
	struct layout layouts[LAYOUTS];
	struct ibv_mr *mrs[MRS];
	size_t count;
	FILE *truth; /* a line for each MR and each layout, for every-mr.py */
	int dmabuf;
	uint64_t estimates, estimated, exact, pinned; /* entries, and MRs */
	unsigned int refused;
};

static bool is_odp(const struct way *way)
{
	return way->mode.access & ODP;
}

/* ---- what a registration has to end with ---- */

/* The page shift that a pinned MR has without a request. */
static uint32_t best_shift(const struct test *t, const struct layout *l)
{
	return t->rig.is_rxe ? 12 : mem_pinned_shift(l->start, l->mr_len, l->iova);
}

/* The page shift, or 0 if no accepted size fits. */
static uint32_t expected_shift(const struct test *t, const struct way *way, const struct layout *l)
{
	uint64_t sizes = way->mode.page_sizes;
	uint32_t best;

	if (!is_odp(way))
		best = best_shift(t, l);
	else
		best = way->mode.request && layout_is_huge(l) ? 21 : 12;
	if (!sizes)
		return best;
	/* no larger pages for what a small one holds */
	if (is_odp(way) && sizes & SZ_4K && layout_blocks(l->iova, l->mr_len, 12) == 1)
		return 12;
	sizes &= (2ULL << best) - 1;
	return sizes ? 63 - (uint32_t)__builtin_clzll(sizes) : 0;
}

/* Entries and bytes of a pinned mixed MR: two levels, if that halves the entries of one. */
static void expect_mixed(const struct layout *l, struct ibv_mr_pages *want)
{
	uint64_t all = layout_blocks(l->iova, l->mr_len, 21), huge = 0, small;
	uint64_t end = l->iova + l->mr_len;

	for (uint64_t at = (l->iova + SZ_2M - 1) & ~(SZ_2M - 1); at < end; at += SZ_2M)
		huge += layout_has_block(l, at);
	small = layout_blocks(l->iova, l->mr_len, 12) - huge * (SZ_2M / SZ_4K);
	if (!huge || want->page_shift == 21 || all + huge + small > want->entries / 2)
		return;
	want->page_shift = 21;
	want->entries = all + huge + small;
	want->device_bytes = all * KSM + (huge + small) * MTT;
}

/* ---- one MR ---- */

static void record(struct test *t, const struct ibv_mr *mr, const struct way *way, uint64_t length,
		   const struct ibv_mr_pages *p)
{
	static const char *const kinds[] = { "", "pinned", "odp", "implicit", "dmabuf" };

	fprintf(t->truth, "{\"lkey\": %u, \"length\": %" PRIu64 ", \"on_demand\": %s", mr->lkey,
		length, !way || is_odp(way) ? "true" : "false");
	if (p->source == IBV_ODP_SOURCE_KERNEL)
		fprintf(t->truth,
			", \"kind\": \"%s\", \"page_shift\": %u, \"entries\": %llu, "
			"\"device_bytes\": %llu",
			kinds[p->kind], p->page_shift, (unsigned long long)p->entries,
			(unsigned long long)p->device_bytes);
	fputs("}\n", t->truth);
}

static void check_pinned(struct test *t, const struct way *way, const struct layout *l,
			 const struct ibv_mr_pages *p, uint64_t written, const char *what)
{
	struct ibv_mr_pages want = { .page_shift = expected_shift(t, way, l) };

	want.entries = layout_blocks(l->iova, l->mr_len, want.page_shift);
	want.device_bytes = want.entries * (t->rig.is_rxe ? RXE_ENTRY : MTT);
	if (way->mode.flags & IBV_ODP_MIXED)
		expect_mixed(l, &want);
	is_u64(p->kind, IBV_MR_KIND_PINNED, "%s: kind", what);
	is_u64(p->page_shift, want.page_shift, "%s: page shift", what);
	is_u64(p->entries, want.entries, "%s: entries", what);
	is_u64(p->device_bytes, want.device_bytes, "%s: bytes", what);
	if (!t->rig.is_rxe)
		/* a table is written in groups of up to eight */
		ok(written >= want.entries && written <= want.entries + 16,
		   "%s: the device got %" PRIu64 " entries", what, written);
}

/* Entries of what is mapped on rxe, and of the tables on mlx5. */
static void check_odp(const struct test *t, const struct way *way, const struct layout *l,
		      struct ibv_mr *mr, const struct ibv_mr_pages *p, const char *what)
{
	uint64_t large = layout_blocks((uintptr_t)l->start, l->mr_len, 21);
	uint64_t entries = layout_blocks((uintptr_t)l->start, l->mr_len, p->page_shift);
	struct ibv_mr_odp_attr state = mr_state(mr);
	uint64_t mapped = 0;

	for (size_t i = 0; i < 64; i++)
		mapped += state.blocks[i];
	is_u64(p->kind, IBV_MR_KIND_ODP, "%s: kind", what);
	is_u64(p->page_shift, state.page_shift, "%s: page shift as in the state", what);
	if (t->rig.is_rxe)
		is_u64(p->entries, mapped, "%s: entries are the mapped blocks", what);
	if (!(way->mode.flags & IBV_ODP_MIXED)) {
		is_u64(p->page_shift, expected_shift(t, way, l), "%s: page shift", what);
		is_u64(p->entries, entries, "%s: entries", what);
	} else if (t->rig.is_rxe) {
		ok(mapped >= large && mapped <= p->base_pages, "%s: %" PRIu64 " entries", what,
		   mapped);
	} else if (p->base_pages > 1) {
		ok(p->entries >= 2 * large && p->entries <= 2 * large + p->base_pages,
		   "%s: %llu entries", what, (unsigned long long)p->entries);
	}
}

/* The answer of a library that does not know the kernel side, for the same memory. */
static void check_estimate(struct test *t, const struct layout *l, const char *what)
{
	struct ibv_mr *mr = ibv_reg_mr_iova(t->unmarked.pd, l->start, l->mr_len, l->iova,
					    ACCESS_ALL);
	uint64_t truth = layout_blocks(l->iova, l->mr_len, best_shift(t, l));
	struct ibv_mr_pages p;

	if (!mr)
		fatal("%s: %s", what, strerror(errno));
	p = mr_pages(mr);
	is_u64(p.source, IBV_ODP_SOURCE_ESTIMATE, "%s: an estimate", what);
	ok(p.entries >= truth && p.entries <= p.base_pages,
	   "%s: estimate: %llu entries for %" PRIu64, what, (unsigned long long)p.entries, truth);
	if (!l->in_order) {
		t->estimated += p.entries;
		t->estimates += truth;
	}
	t->exact += p.entries == truth;
	t->pinned++;
	ibv_dereg_mr(mr);
}

static struct ibv_mr *reg(struct test *t, const struct way *way, const struct layout *l)
{
	struct ibv_mr_init_attr_pages request = {
		.base = {
			.length = l->mr_len,
			.access = ACCESS_ALL | way->mode.access,
			.comp_mask = IBV_REG_MR_MASK_IOVA,
			.addr = l->start,
			.iova = l->iova,
		},
		.page_sizes = way->mode.page_sizes,
		.flags = way->mode.flags,
	};

	errno = 0;
	if (way->mode.request)
		return hugeodp_reg_mr(t->rig.pd, &request, sizeof(request));
	return ibv_reg_mr_iova(t->rig.pd, l->start, l->mr_len, l->iova,
			       ACCESS_ALL | way->mode.access);
}

/* So that what is mapped is all of the MR. */
static void prefetch(struct test *t, const struct ibv_mr *mr, uint64_t iova, size_t len,
		     const char *what)
{
	struct ibv_sge sge = { .addr = iova, .length = (uint32_t)len, .lkey = mr->lkey };

	/* the stock rxe takes the iova for an address */
	if (!t->rig.series)
		return;
	is_errno(ibv_advise_mr(t->rig.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 0, "%s: prefetch", what);
}

static bool works(const struct test *t, const struct way *way)
{
	return way->where == EVERYWHERE ||
	       (t->rig.series && (way->where == SERIES || !t->rig.is_rxe));
}

/* An MR of a random way over a random range of a layout. */
static void add_mr(struct test *t)
{
	struct layout l = t->layouts[rng_below(&t->rng, LAYOUTS)];
	const struct way *way;
	struct ibv_mr_pages p = { 0 };
	struct ibv_mr *mr;
	uint64_t written;
	char what[120];

	do
		way = &ways[rng_below(&t->rng, WAYS)];
	while (!works(t, way));
	layout_cut(&l, &t->rng, (int)t->count);
	snprintf(what, sizeof(what), "%s: %s", l.text, way->mode.name);
	written = t->rig.is_rxe ? 0 : model_counter("xlt_entries_written");
	mr = reg(t, way, &l);
	if (!expected_shift(t, way, &l)) {
		is_errno(mr ? 0 : errno, ERANGE, "%s: refused", what);
		t->refused++;
		if (mr)
			ibv_dereg_mr(mr);
		return;
	}
	if (!mr)
		fatal("%s: registration: %s", what, strerror(errno));
	written = t->rig.is_rxe ? 0 : model_counter("xlt_entries_written") - written;
	t->mrs[t->count++] = mr;
	if (is_odp(way))
		prefetch(t, mr, l.iova, l.mr_len, what);
	else
		check_estimate(t, &l, what);
	/* of ODP MRs only the kernel knows */
	if (is_odp(way) && !t->rig.series) {
		record(t, mr, way, l.mr_len, &p);
		return;
	}
	p = mr_pages(mr);
	is_u64(p.source, t->rig.series ? IBV_ODP_SOURCE_KERNEL : IBV_ODP_SOURCE_ESTIMATE,
	       "%s: source", what);
	is_u64(p.base_pages, layout_blocks((uintptr_t)l.start, l.mr_len, 12), "%s: base pages",
	       what);
	if (t->rig.series && is_odp(way))
		check_odp(t, way, &l, mr, &p, what);
	else if (t->rig.series)
		check_pinned(t, way, &l, &p, written, what);
	record(t, mr, way, l.mr_len, &p);
}

static void add_implicit(struct test *t)
{
	struct ibv_mr *mr = ibv_reg_mr(t->rig.pd, NULL, SIZE_MAX, ACCESS_ALL | ODP);
	const struct layout *l = &t->layouts[rng_below(&t->rng, LAYOUTS)];
	struct ibv_mr_pages p = { 0 };
	uint64_t before;

	if (!mr && t->rig.is_rxe && !t->rig.series)
		return;
	if (!mr)
		fatal("implicit MR: %s", strerror(errno));
	t->mrs[t->count++] = mr;
	if (t->rig.series) {
		before = mr_pages(mr).entries;
		prefetch(t, mr, (uintptr_t)l->addr, l->len, "implicit");
		p = mr_pages(mr);
		is_u64(p.kind, IBV_MR_KIND_IMPLICIT, "implicit: kind");
		/* rxe maps huge pages as such */
		ok(p.entries > before && p.base_pages >= l->len / SZ_4K,
		   "implicit: %llu entries and %llu base pages for %zu pages, %" PRIu64 " before",
		   (unsigned long long)p.entries, (unsigned long long)p.base_pages,
		   l->len / SZ_4K, before);
	}
	record(t, mr, NULL, mr->length, &p);
}

static void add_dmabuf(struct test *t)
{
	static const struct way way = { { "dma-buf", 0, false, 0, 0 }, EVERYWHERE };
	size_t from = rng_below(&t->rng, DMABUF_LEN / SZ_4K - 1) * SZ_4K;
	struct ibv_mr_pages p = { 0 };
	struct ibv_mr *mr;

	if (t->rig.is_rxe || t->dmabuf < 0)
		return;
	mr = ibv_reg_dmabuf_mr(t->rig.pd, from, DMABUF_LEN - from, from, t->dmabuf, ACCESS_ALL);
	if (!mr)
		fatal("ibv_reg_dmabuf_mr: %s", strerror(errno));
	t->mrs[t->count++] = mr;
	if (t->rig.series) {
		p = mr_pages(mr);
		is_u64(p.kind, IBV_MR_KIND_DMABUF, "dma-buf: kind");
		is_u64(p.entries, layout_blocks(from, DMABUF_LEN - from, p.page_shift),
		       "dma-buf: entries");
		is_u64(p.device_bytes, p.entries * MTT, "dma-buf: bytes");
	}
	record(t, mr, &way, DMABUF_LEN - from, &p);
}

/* ---- all of them ---- */

static void record_layout(struct test *t, const struct layout *l)
{
	size_t huge = 0;

	for (size_t i = 0; i < l->len / SZ_2M; i++)
		huge += l->kinds[i] != MEM_BASE;
	fprintf(t->truth, "{\"start\": %" PRIuPTR ", \"end\": %" PRIuPTR
			  ", \"huge\": %zu, \"base_pages\": %zu}\n",
		(uintptr_t)l->addr, (uintptr_t)l->addr + l->len, huge,
		(l->len - huge * SZ_2M) / SZ_4K);
}

static void compare(struct test *t, const char *program, const char *path)
{
	char command[600], line[300], *script, *slash;
	FILE *f;
	int status;

	script = realpath(program, NULL);
	slash = script ? strrchr(script, '/') : NULL;
	if (!slash)
		fatal("realpath: %s", strerror(errno));
	*slash = '\0';
	fflush(t->truth);
	snprintf(command, sizeof(command), "python3 %s/every-mr.py %d %s %s 2>&1", script, getpid(),
		 t->rig.series ? "series" : "stock", path);
	free(script);
	f = popen(command, "re");
	if (!f)
		fatal("popen: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		diag("%s", line);
	}
	status = pclose(f);
	is_u64((uint64_t)status, 0, "netlink and explain: status of every-mr.py");
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/every-mr-XXXXXX";
	static struct test t;
	int fd = mkstemp(path);
	long mrs;

	(void)argc;
	t.truth = fd < 0 ? NULL : fdopen(fd, "w");
	if (!t.truth)
		fatal("%s: %s", path, strerror(errno));
	rig_open(&t.rig);
	unmarked_open(&t.unmarked, &t.rig);
	stop_khugepaged();
	mrs = resource_count(&t.rig, "mr");
	t.dmabuf = dmabuf_make(DMABUF_LEN);
	rng_init(&t.rng, (uint64_t)time(NULL));
	for (size_t i = 0; i < LAYOUTS; i++) {
		layout_map(&t.layouts[i], &t.rng);
		record_layout(&t, &t.layouts[i]);
	}
	add_implicit(&t);
	for (int i = 0; i < 8; i++)
		add_dmabuf(&t);
	while (t.count < MRS)
		add_mr(&t);
	note("%u requests were refused", t.refused);
	diag("estimate: exact for %" PRIu64 " of %" PRIu64 " MRs; pages scattered: %" PRIu64
	     " entries for %" PRIu64, t.exact, t.pinned, t.estimated, t.estimates);
	ok(t.estimated <= t.estimates + t.estimates / 4, "the estimate is at most 25 %% more");
	compare(&t, argv[0], path);
	for (size_t i = 0; i < t.count; i++)
		if (ibv_dereg_mr(t.mrs[i]))
			fatal("ibv_dereg_mr: %s", strerror(errno));
	is_u64((uint64_t)resource_settles(&t.rig, "mr", mrs), (uint64_t)mrs, "MRs as before");
	for (size_t i = 0; i < LAYOUTS; i++)
		layout_unmap(&t.layouts[i]);
	if (t.dmabuf >= 0)
		close(t.dmabuf);
	fclose(t.truth);
	unlink(path);
	rig_close(&t.unmarked);
	rig_close(&t.rig);
	return tap_done();
}
