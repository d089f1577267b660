// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "tap.h"

size_t spread_at(const struct spread *spread, size_t i)
{
	return spread->len / spread->count * i & ~(SZ_2M - 1);
}

static bool is_small(const struct spread *spread, size_t i)
{
	return i * spread->small_percent / 100 != (i + 1) * spread->small_percent / 100;
}

void spread_populate(const struct space *space, const struct spread *spread)
{
	size_t huge = 0;

	for (size_t i = 0; i < spread->count; i++) {
		struct space block = { space->kind, space->addr + spread_at(spread, i), SZ_2M };

		if (is_small(spread, i)) {
			block.kind = SPACE_BASE;
			if (madvise(block.addr, block.len, MADV_NOHUGEPAGE))
				fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
		}
		space_populate(&block);
		huge += block.kind == SPACE_HUGE;
		/* the mapping was split at its small blocks */
		if (block.kind == SPACE_HUGE && mem_huge_bytes(block.addr) < SZ_2M)
			fatal("no huge page at %p", (void *)block.addr);
	}
	if (spread->small_percent && huge == spread->count)
		fatal("no small pages among %zu blocks", spread->count);
}

void spread_prefetch(const struct bench *b, const struct subject *s, struct ibv_mr *mr,
		     const struct spread *spread)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < spread->count; i++) {
		struct ibv_sge sge = { (uintptr_t)mr->addr + spread_at(spread, i), SZ_2M,
				       mr->lkey };
		int ret = ibv_advise_mr(b->rig.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
					IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);

		if (ret)
			fatal("ibv_advise_mr: %s", strerror(ret));
	}
	if (!b->rig.series)
		return;
	for (unsigned int shift = 0; shift < 64; shift++)
		bytes += mr_state(mr).blocks[shift] << shift;
	if (bytes < spread->count * SZ_2M)
		fatal("%s MR of %zu GiB: %zu MiB have translations", s->name, mr->length >> 30,
		      (size_t)bytes >> 20);
}
