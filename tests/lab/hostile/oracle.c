// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Users must not learn physical addresses: base pages that happen to be contiguous never count as a
 * larger block. A block is one folio, however it is mapped. The test reads physical addresses as
 * root and checks that a user cannot find them out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rdma/ib_user_hugeodp.h>

#include "hostile.h"
#include "raw.h"
#include "tap.h"

#define POOL ((size_t)48 << 20)
#define PAGES (POOL / SZ_4K)
#define PAIRS 32
#define SZ_8K (SZ_4K * 2)
#define SZ_16K (SZ_4K * 4)

struct page {
	uint64_t pfn;
	uint8_t *addr;
};

static int by_pfn(const void *a, const void *b)
{
	const struct page *x = a, *y = b;

	return x->pfn < y->pfn ? -1 : x->pfn > y->pfn;
}

static bool is_single(uint64_t pfn)
{
	return !(page_flags(pfn) & (KPF_COMPOUND_HEAD_BIT | KPF_COMPOUND_TAIL_BIT));
}

/* Maps @run physically contiguous pages, the first one aligned, at @to */
static bool take_run(struct page *pages, size_t *next, size_t run, uint8_t *to)
{
	for (; *next + run <= PAGES; ++*next) {
		struct page *p = &pages[*next];
		size_t i = 0;

		if (!p->addr || p->pfn % run)
			continue;
		while (i < run && p[i].addr && p[i].pfn == p->pfn + i && is_single(p[i].pfn))
			i++;
		if (i < run)
			continue;
		for (i = 0; i < run; i++) {
			if (mremap(p[i].addr, SZ_4K, SZ_4K, MREMAP_MAYMOVE | MREMAP_FIXED,
				   to + i * SZ_4K) == MAP_FAILED)
				fatal("mremap: %s", strerror(errno));
			p[i].addr = NULL;
		}
		*next += run;
		return true;
	}
	return false;
}

/* Base pages, sorted by physical address. */
static struct page *all_pages(struct mem *pool)
{
	struct page *pages = calloc(PAGES, sizeof(*pages));

	if (!pages)
		fatal("out of memory");
	mem_map(pool, MEM_BASE, POOL);
	for (size_t i = 0; i < PAGES; i++) {
		pool->addr[i * SZ_4K] = 1;
		pages[i].addr = pool->addr + i * SZ_4K;
		pages[i].pfn = pagemap_entry(pages[i].addr) & PAGEMAP_PFN;
	}
	qsort(pages, PAGES, sizeof(*pages), by_pfn);
	return pages;
}

static uint32_t probe(struct rig *rig, const void *addr, size_t len, uint64_t sizes)
{
	struct raw raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);
	struct hugeodp_abi_range range = { (uintptr_t)addr, len, sizes };
	struct hugeodp_abi_page_caps caps;
	uint32_t shift = 0;
	int err;

	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
	raw_in(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE, &range, sizeof(range));
	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, &shift, sizeof(shift));
	err = raw_ioctl(rig->ctx, &raw);
	/* ERANGE: none of the sizes */
	if (err && err != ERANGE)
		fatal("QUERY_ODP_PAGES: %s", strerror(err));
	return err ? 0 : shift;
}

/* The number of larger blocks of an MR after the device has used it */
static uint64_t larger_blocks(struct scene *s, const struct mode *mode, uint8_t *at, size_t len)
{
	struct ibv_mr *mr = mode_reg(mode, s->rig->pd, at, len, (uintptr_t)at, ACCESS_ALL);
	uint64_t blocks[64], larger = 0;
	int status;

	if (!mr) {
		/* strict */
		ok(errno == ERANGE, "%s: register: %s", mode->name, strerror(errno));
		return 0;
	}
	for (int op = 0; op < 2; op++) {
		status = rdma_run(&s->pair, op ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, s->near.mr,
				  (uintptr_t)s->near.mem.addr, mr, (uintptr_t)at, len);
		if (mode->page_sizes & SZ_4K && status)
			fatal("%s: %s", mode->name, status_name(status));
		larger += !(mode->page_sizes & SZ_4K) && !status;
	}
	raw_blocks(mr, blocks);
	for (int shift = 13; shift < 64; shift++)
		larger += blocks[shift];
	if (mode->request && !(mode->flags & IBV_ODP_MIXED) && (mode->page_sizes & SZ_4K))
		larger += ibv_mr_page_shift(mr) > 12;
	ibv_dereg_mr(mr);
	return larger;
}

#define REQUEST(n, s, f) \
	{ \
		n, IBV_ACCESS_ON_DEMAND, true, s, f \
	}

static void neighbours(struct rig *rig, const void *arg)
{
	static const struct mode modes[] = {
		REQUEST("8K", SZ_8K, 0),
		REQUEST("8K|4K", SZ_8K | SZ_4K, 0),
		REQUEST("mixed 8K|4K", SZ_8K | SZ_4K, IBV_ODP_MIXED),
		REQUEST("16K|8K|4K", SZ_16K | SZ_8K | SZ_4K, 0),
		REQUEST("mixed 16K|8K|4K", SZ_16K | SZ_8K | SZ_4K, IBV_ODP_MIXED),
	};
	size_t run = *(const size_t *)arg / SZ_4K, next = 0, found = 0,
	       larger[ARRAY_SIZE(modes)] = {};
	size_t answers = 0, apart = 0;
	struct mem pool, place;
	struct page *pages;
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	pages = all_pages(&pool);
	mem_map(&place, MEM_BASE, SZ_2M);
	for (size_t i = 0; i < PAIRS; i++) {
		uint8_t *to = place.addr + i * SZ_64K;

		if (!take_run(pages, &next, run, to))
			break;
		found++;
		answers += probe(rig, to, run * SZ_4K, run * SZ_4K | SZ_4K) > 12;
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
			larger[m] += larger_blocks(&s, &modes[m], to, run * SZ_4K) != 0;
		/* two that are not contiguous must give the same result */
		to += SZ_64K / 2;
		to[0] = to[SZ_4K] = 1;
		apart += probe(rig, to, SZ_8K, SZ_8K | SZ_4K) > 12;
	}
	if (!ok(found >= PAIRS / 2, "%zu runs of %zu neighbouring base pages", found, run))
		return;
	is_u64(answers, 0, "probes that distinguish neighbours");
	is_u64(apart, 0, "probes of pages as they come that promise more than a base page");
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
		is_u64(larger[m], 0, "%s: runs that count as a larger block", modes[m].name);
	mem_unmap(&place);
	mem_unmap(&pool);
	free(pages);
	scene_close(&s);
}

/* A folio is a block, mapped as a whole or page by page. */
static void folios(struct rig *rig, const void *arg)
{
	static const struct mode mode = REQUEST("64K|4K", SZ_64K | SZ_4K, 0);
	static const struct mode mixed = REQUEST("mixed 64K|4K", SZ_64K | SZ_4K, IBV_ODP_MIXED);
	struct scene s;
	struct mem mem;

	(void)arg;
	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	mem_map(&mem, MEM_THP, SZ_2M);
	mem.addr[0] = 1;
	ok(page_flags(pagemap_entry(mem.addr) & PAGEMAP_PFN) & KPF_COMPOUND_HEAD_BIT,
	   "a folio of 64 KiB is there");
	is_u64(probe(rig, mem.addr, SZ_64K, SZ_64K | SZ_4K), 16, "a folio counts as a block");
	ok(larger_blocks(&s, &mode, mem.addr, SZ_64K), "64K|4K: a folio is a block");
	ok(larger_blocks(&s, &mixed, mem.addr, SZ_64K), "mixed 64K|4K: a folio is a block");
	mem_unmap(&mem);
	scene_close(&s);
}

/* A mapping of 512 contiguous pages, and the 2 MiB of a huge page that was split: not a folio */
static void split(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct scene s;
	struct mem mem;
	char range[96];
	uint64_t pfn;

	scene_open_unregistered(&s, rig, MEM_BASE, BLOCK(2));
	mem_map(&mem, MEM_THP, BLOCK(2));
	memset(mem.addr, 1, mem.len);
	if (mem_huge_bytes(mem.addr) != mem.len)
		fatal("no huge pages");
	snprintf(range, sizeof(range), "%d,%p,%p", getpid(), (void *)mem.addr,
		 (void *)(mem.addr + mem.len));
	put_file("/sys/kernel/debug/split_huge_pages", range);
	pfn = pagemap_entry(mem.addr) & PAGEMAP_PFN;
	if (!ok(is_single(pfn) &&
			(pagemap_entry(mem.addr + SZ_4K * 511) & PAGEMAP_PFN) == pfn + 511,
		"512 neighbours that are not one folio"))
		return;
	/* prevent the kernel from mapping it huge again, which would reveal contiguous pages */
	madvise(mem.addr, mem.len, MADV_NOHUGEPAGE);
	is_u64(probe(rig, mem.addr, mem.len, SZ_2M | SZ_4K), 12, "the probe");
	is_u64(larger_blocks(&s, mode, mem.addr, mem.len), 0, "blocks larger than base pages");
	mem_unmap(&mem);
	scene_close(&s);
}

int main(void)
{
	static const size_t runs[] = { SZ_8K, SZ_16K };
	static const struct mode *const modes[] = { &mode_2m_4k, &mode_mixed_2m_4k };
	char was_64k[16], was_2m[16];

	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		scenario(later() * 2, neighbours, &runs[i], "neighbours, %zu KiB", runs[i] >> 10);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later(), split, modes[i], "split, %s", modes[i]->name);
	get_choice(THP_DIR "hugepages-64kB/enabled", was_64k, sizeof(was_64k));
	get_choice(THP_DIR "hugepages-2048kB/enabled", was_2m, sizeof(was_2m));
	put_file(THP_DIR "hugepages-2048kB/enabled", "never");
	put_file(THP_DIR "hugepages-64kB/enabled", "always");
	scenario(later(), folios, NULL, "folios");
	put_file(THP_DIR "hugepages-64kB/enabled", was_64k);
	put_file(THP_DIR "hugepages-2048kB/enabled", was_2m);
	return tap_done();
}
