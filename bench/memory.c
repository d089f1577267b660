// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Kernel memory of an MR: the size of the table where the kernel reports it, and by how much free
 * memory decreases, which works on every kernel but counts pages only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "bench.h"
#include "tap.h"

/* Pages in the per-CPU lists are free as well. */
uint64_t free_bytes(void)
{
	FILE *f = fopen("/proc/zoneinfo", "re");
	uint64_t pages = 0, n;
	char line[128];

	if (!f)
		fatal("no /proc/zoneinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " pages free %" SCNu64, &n) == 1 ||
		    sscanf(line, " count: %" SCNu64, &n) == 1)
			pages += n;
	fclose(f);
	return pages * SZ_4K;
}

static void one(const struct bench *b, const struct subject *s, size_t len, bool mapped)
{
	struct figure table = {
		.name = "table",
		.subject = s,
		.state = mapped ? "mapped" : "registered",
		.length = len,
		.unit = "bytes",
	};
	struct figure taken = table;
	struct space space;

	taken.name = "kernel-memory";
	space_map(&space, s->kind, len);
	if (mapped) {
		space_populate(&space);
		space_check(&space);
	}
	for (int i = 0; i < 3; i++) {
		uint64_t before = free_bytes();
		struct ibv_mr *mr = subject_reg(b, s, space.addr, len);

		if (mapped && subject_odp(s))
			subject_prefetch(b, mr, len);
		figure_add(&taken, minus(before, free_bytes()));
		if (b->rig.series && subject_odp(s))
			figure_add(&table, mr_state(mr).table_bytes);
		if (mapped)
			subject_check_mapped(b, s, mr);
		subject_dereg(mr);
	}
	space_unmap(&space);
	figure_print(&taken);
	if (table.repeats)
		figure_print(&table);
}

void measure_memory(const struct bench *b)
{
	size_t small = b->quick ? SZ_1M * 16 : SZ_1G;

	for (size_t i = 0; i < subjects_count; i++) {
		const struct subject *s = &subjects[i];
		size_t len = s->kind == SPACE_GIGA ? SZ_1G : small;

		if (!subject_fits(b, s, len))
			continue;
		one(b, s, len, true);
		if (!subject_odp(s))
			continue;
		one(b, s, len, false);
		/* reserved, never touched */
		if (subject_fits(b, s, SZ_1G * 64))
			one(b, s, SZ_1G * 64, false);
	}
}
