// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "layout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tap.h"

static void map_piece(uint8_t *at, enum mem_kind kind, bool in_order)
{
	mem_map_piece(at, kind);
	if (in_order)
		memset(at, 1, SZ_2M);
	else
		touch_scattered(at, SZ_2M);
}

void layout_map(struct layout *l, struct rng *rng)
{
	static const enum mem_kind kinds[] = { MEM_BASE, MEM_THP, MEM_HUGETLB };
	size_t pieces = 1 + rng_below(rng, LAYOUT_PIECES);
	bool mixed = !rng_below(rng, 2), all_huge = rng_below(rng, 2);
	enum mem_kind kind = kinds[rng_below(rng, 3)];
	uint8_t *reserve;

	*l = (struct layout){
		.len = pieces * SZ_2M,
		.huge = true,
		.in_order = !rng_below(rng, 3),
	};
	reserve = mmap(NULL, l->len + SZ_2M, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (reserve == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	l->addr = (uint8_t *)(((uintptr_t)reserve + SZ_2M - 1) & ~(SZ_2M - 1));
	if (l->addr > reserve)
		munmap(reserve, (size_t)(l->addr - reserve));
	munmap(l->addr + l->len, (size_t)(reserve + SZ_2M - l->addr));
	for (size_t i = 0; i < pieces; i++) {
		if (mixed)
			kind = all_huge ? kinds[1 + rng_below(rng, 2)] : kinds[rng_below(rng, 3)];
		map_piece(l->addr + i * SZ_2M, kind, l->in_order);
		l->kinds[i] = kind;
		l->huge &= kind != MEM_BASE;
	}
}

void layout_unmap(struct layout *l)
{
	munmap(l->addr, l->len);
}

void layout_cut(struct layout *l, struct rng *rng, int nr)
{
	static const uint64_t moves[] = { 0, SZ_4K, SZ_64K * 3, SZ_1M, SZ_2M * 5, SZ_1G * 3 };
	size_t from = 0, to = l->len;

	if (rng_below(rng, 3)) {
		from = rng_below(rng, l->len);
		to = from + rng_size(rng, l->len - from);
	}
	if (!rng_below(rng, 2))
		from &= ~(SZ_4K - 1);
	l->start = l->addr + from;
	l->mr_len = to - from;
	l->iova = (uintptr_t)l->start + moves[rng_below(rng, sizeof(moves) / sizeof(moves[0]))];
	snprintf(l->text, sizeof(l->text), "%d: %zu KiB, %#zx +%#zx, iova +%#llx", nr, l->len >> 10,
		 from, l->mr_len, (unsigned long long)(l->iova - (uintptr_t)l->start));
}

bool layout_has_block(const struct layout *l, uint64_t iova)
{
	size_t at = (size_t)(iova - l->iova);

	if (iova < l->iova || at + SZ_2M > l->mr_len)
		return false;
	at += (size_t)(l->start - l->addr);
	return !(at % SZ_2M) && l->kinds[at / SZ_2M] != MEM_BASE;
}

bool layout_is_huge(const struct layout *l)
{
	size_t first = (size_t)(l->start - l->addr);

	if ((l->iova - (uintptr_t)l->start) % SZ_2M)
		return false;
	for (size_t i = first / SZ_2M; i <= (first + l->mr_len - 1) / SZ_2M; i++) {
		if (l->kinds[i] == MEM_BASE)
			return false;
	}
	return true;
}

uint64_t layout_blocks(uint64_t addr, size_t len, uint32_t shift)
{
	return ((addr + len - 1) >> shift) - (addr >> shift) + 1;
}
