// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The cost on an mlx5 device, counted by the lab's model: translations written, UMRs posted,
 * page-fault events. Counts are exact, so one run is enough.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "tap.h"
#include "wire.h"

static const struct counter {
	const char *name; /* as mlx5-model-counters prints it */
	const char *unit;
} counters[] = {
	{ "xlt_bytes_written", "translation bytes" },
	{ "umr_posts", "UMR posts" },
	{ "page_faults", "fault events" },
};

#define COUNTERS (sizeof(counters) / sizeof(*counters))

static void read_counters(uint64_t *values)
{
	FILE *f;

	f = popen("mlx5-model-counters xlt_bytes_written umr_posts page_faults", "re");
	if (!f)
		fatal("popen: %s", strerror(errno));
	for (size_t i = 0; i < COUNTERS; i++)
		if (fscanf(f, "%" SCNu64, &values[i]) != 1)
			fatal("the device has no counter '%s'", counters[i].name);
	pclose(f);
}

/* Since the last call, or since @before was read. */
static void print_difference(const struct subject *s, const char *name, size_t len,
			     uint64_t *before)
{
	uint64_t now[COUNTERS];

	read_counters(now);
	for (size_t i = 0; i < COUNTERS; i++) {
		struct figure f = {
			.name = name,
			.subject = s,
			.state = "populated",
			.length = len,
			.unit = counters[i].unit,
		};

		figure_add(&f, now[i] - before[i]);
		figure_print(&f);
	}
	memcpy(before, now, sizeof(now));
}

static void prefetched(const struct bench *b, const struct subject *s, size_t len)
{
	uint64_t before[COUNTERS];
	struct space space;
	struct ibv_mr *mr;

	space_map(&space, s->kind, len);
	space_populate(&space);
	space_check(&space);
	read_counters(before);
	mr = subject_reg(b, s, space.addr, len);
	print_difference(s, "device-register", len, before);
	if (subject_odp(s)) {
		subject_prefetch(b, mr, len);
		print_difference(s, "device-prefetch", len, before);
	}
	subject_dereg(mr);
	print_difference(s, "device-deregister", len, before);
	space_unmap(&space);
}

static void touched(const struct bench *b, struct wire *w, const struct subject *s, size_t len)
{
	uint64_t before[COUNTERS];
	size_t mapped = s->kind == SPACE_GIGA ? SZ_1G : len;
	struct space space;
	struct ibv_mr *mr;

	space_map(&space, s->kind, mapped);
	mr = subject_reg(b, s, space.addr, mapped);
	space_populate(&space);
	space_check(&space);
	read_counters(before);
	for (size_t at = 0; at < len; at += SZ_4K)
		wire_write(w, mr, at, 8);
	print_difference(s, "device-touch", len, before);
	subject_dereg(mr);
	space_unmap(&space);
}

void measure_device(const struct bench *b)
{
	struct wire w;

	wire_open(&w, b, SZ_2M);
	for (size_t i = 0; i < subjects_count; i++) {
		const struct subject *s = &subjects[i];
		size_t len = s->kind == SPACE_GIGA || !b->quick ? SZ_1G : SZ_1M * 16;

		if (!subject_fits(b, s, len))
			continue;
		prefetched(b, s, len);
		if (subject_odp(s))
			touched(b, &w, s, b->quick ? SZ_1M * 4 : SZ_1M * 64);
	}
	wire_close(&w);
}
