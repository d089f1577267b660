// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * How long an invalidation keeps the mm waiting: the most that an MR adds to MADV_DONTNEED of one
 * page and of everything, against the MR's length. The populated part is the same for all lengths,
 * and spread over them.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "tap.h"

static const struct subject no_mr[] = {
	[SPACE_BASE] = { "none", NULL, SPACE_BASE, SZ_4K, false },
	[SPACE_HUGE] = { "none", NULL, SPACE_HUGE, SZ_4K, false },
};

static uint64_t once(const struct bench *b, const struct subject *s, size_t len,
		     const struct spread *spread, bool all)
{
	size_t at = all ? 0 : spread_at(spread, spread->count / 2) + SZ_1M;
	struct ibv_mr *mr = NULL;
	struct space space;
	uint64_t start, end;

	space_map(&space, s->kind, len);
	spread_populate(&space, spread);
	if (s->mode) {
		mr = subject_reg(b, s, space.addr, len);
		spread_prefetch(b, s, mr, spread);
	}
	start = work_done();
	if (madvise(space.addr + at, all ? len : SZ_4K, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
	end = work_done();
	if (mr)
		subject_dereg(mr);
	space_unmap(&space);
	return end - start;
}

/* The call without an MR is measured next to each one with it. */
static void one(const struct bench *b, const struct subject *s, size_t len, bool all)
{
	const struct spread spread = { .len = len, .count = b->quick ? 4 : 32 };
	struct figure f = {
		.name = "waiting",
		.subject = s,
		.state = all ? "all" : "page",
		.length = len,
		.unit = work_unit(),
	};
	uint64_t longest = 0;

	once(b, s, len, &spread, all);
	for (int i = 0; i < (b->quick ? 1 : 5); i++) {
		uint64_t without = once(b, &no_mr[s->kind], len, &spread, all);
		uint64_t with = once(b, s, len, &spread, all);

		if (with > without && with - without > longest)
			longest = with - without;
	}
	figure_add(&f, longest);
	figure_print(&f);
}

void measure_waiting(const struct bench *b)
{
	static const size_t all[] = { SZ_1G, SZ_1G * 16, SZ_1G * 256, SZ_1G * 1024 };

	for (size_t i = 0; i < subjects_count; i++) {
		const struct subject *s = &subjects[i];

		if (!subject_odp(s) || s->kind == SPACE_GIGA)
			continue;
		for (size_t n = 0; n < sizeof(all) / sizeof(*all); n++) {
			if (!subject_fits(b, s, all[n]))
				continue;
			one(b, s, all[n], false);
			one(b, s, all[n], true);
		}
	}
}
