// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Table of an MR against its length and the share of its blocks of 2 MiB that consist of small
 * pages. A hundred blocks, spread over the length, are populated and mapped; the rest is empty.
 */
#include <stdio.h>

#include "bench.h"
#include "tap.h"

#define BLOCKS 100

static const struct subject negotiated = { "2M|4K", &mode_2m_4k, SPACE_HUGE, SZ_4K, true };

static void one(const struct bench *b, const struct subject *s, size_t len, unsigned int percent)
{
	const struct spread spread = { .len = len, .count = BLOCKS, .small_percent = percent };
	char state[16];
	struct figure bytes = {
		.name = "table-sparse",
		.subject = s,
		.state = state,
		.length = len,
		.unit = "bytes",
	};
	struct figure entries = bytes;
	struct space space;
	struct ibv_mr *mr;

	snprintf(state, sizeof(state), "%u %%", percent);
	entries.unit = "table entries";
	space_map(&space, s->kind, len);
	spread_populate(&space, &spread);
	mr = subject_reg(b, s, space.addr, len);
	spread_prefetch(b, s, mr, &spread);
	figure_add(&bytes, mr_state(mr).table_bytes);
	figure_add(&entries, mr_pages(mr).entries);
	figure_print(&bytes);
	figure_print(&entries);
	subject_dereg(mr);
	space_unmap(&space);
}

/* A strict MR has no small pages. */
static void one_subject(const struct bench *b, const struct subject *s)
{
	static const size_t all[] = { SZ_1G, SZ_1G * 16, SZ_1G * 256, SZ_1G * 1024 };
	static const unsigned int percents[] = { 0, 1, 10 };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (b->quick && i && all[i] != SZ_1G * 1024)
			continue;
		for (size_t n = 0; n < sizeof(percents) / sizeof(*percents); n++)
			if (!percents[n] || s->mode->page_sizes != SZ_2M)
				one(b, s, all[i], percents[n]);
	}
}

void measure_table(const struct bench *b)
{
	if (!b->rig.series)
		return;
	for (size_t i = 0; i < subjects_count; i++)
		if (subject_odp(&subjects[i]) && subjects[i].kind == SPACE_HUGE)
			one_subject(b, &subjects[i]);
	one_subject(b, &negotiated);
}
