// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults of several QPs at a time, on one MR and on an MR for each: instructions and context
 * switches for each fault. The machine has one processor when it counts instructions, so no time is
 * lost on locks; but work that faults do for each other, a lock that is held by a sleeping thread,
 * and a superfluous wakeup all appear in these counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "tap.h"
#include "wire.h"

#define MOST 4

struct setup {
	const char *name;
	unsigned int qps;
	unsigned int mrs;
};

static const struct setup setups[] = {
	{ "1 QP", 1, 1 },
	{ "2 QPs, one MR", 2, 1 },
	{ "4 QPs, one MR", 4, 1 },
	{ "2 QPs, an MR each", 2, 2 },
	{ "4 QPs, an MR each", 4, 4 },
};

/* Of each QP: the memory has as many blocks for each. */
static size_t steps(const struct bench *b)
{
	return b->quick ? 4 : 32;
}

struct cost {
	uint64_t work;
	uint64_t switches;
};

static uint64_t context_switches(void)
{
	FILE *f = fopen("/proc/stat", "re");
	uint64_t n = 0;
	char line[4096];

	if (!f)
		fatal("/proc/stat: %s", strerror(errno));
	while (fgets(line, sizeof(line), f) && sscanf(line, "ctxt %" SCNu64, &n) != 1)
		;
	fclose(f);
	if (!n)
		fatal("/proc/stat has no context switches");
	return n;
}

/* All QPs send a message to a block of their own, and the next one when all have arrived. */
static struct cost rounds(const struct bench *b, struct wire *wires, const struct setup *setup,
			  struct ibv_mr **mrs)
{
	struct cost cost = { .switches = context_switches() };
	size_t part = mrs[0]->length / (setup->qps / setup->mrs);
	uint64_t start = work_done();

	for (size_t step = 0; step < steps(b); step++) {
		for (unsigned int i = 0; i < setup->qps; i++) {
			unsigned int of = i % setup->mrs;
			size_t at = i / setup->mrs * part + step * SZ_2M;

			wire_post_write(&wires[i], mrs[of], at, 8);
		}
		for (unsigned int i = 0; i < setup->qps; i++)
			wire_wait(&wires[i]);
	}
	cost.work = work_done() - start;
	cost.switches = context_switches() - cost.switches;
	return cost;
}

static struct figure figure_for(const struct bench *b, const struct subject *s,
				const struct setup *setup, const char *unit)
{
	return (struct figure){
		.name = "parallel",
		.subject = s,
		.state = setup->name,
		.length = steps(b) * SZ_2M,
		.count = setup->qps * steps(b),
		.unit = unit,
	};
}

/* The cost of messages that fault, less that of the same messages again. */
static void one(const struct bench *b, struct wire *wires, const struct subject *s,
		const struct setup *setup)
{
	struct figure work = figure_for(b, s, setup, work_unit());
	struct figure switches = figure_for(b, s, setup, "context switches");
	size_t len = steps(b) * SZ_2M * setup->qps, each = len / setup->mrs;

	for (int i = 0; i < 4; i++) {
		struct ibv_mr *mrs[MOST];
		struct cost fault, again;
		struct space space;

		space_map(&space, s->kind, len);
		for (unsigned int m = 0; m < setup->mrs; m++)
			mrs[m] = subject_reg(b, s, space.addr + m * each, each);
		space_populate(&space);
		space_check(&space);
		fault = rounds(b, wires, setup, mrs);
		again = rounds(b, wires, setup, mrs);
		/* the first one warms up */
		if (i) {
			figure_add(&work, minus(fault.work, again.work));
			figure_add(&switches, minus(fault.switches, again.switches));
		}
		for (unsigned int m = 0; m < setup->mrs; m++)
			subject_dereg(mrs[m]);
		space_unmap(&space);
	}
	figure_print(&work);
	figure_print(&switches);
}

void measure_parallel(const struct bench *b)
{
	struct wire wires[MOST];

	for (unsigned int i = 0; i < MOST; i++)
		wire_open(&wires[i], b, SZ_4K);
	for (size_t i = 0; i < subjects_count; i++) {
		const struct subject *s = &subjects[i];

		if (!subject_odp(s) || s->kind != SPACE_HUGE || !subject_fits(b, s, SZ_2M))
			continue;
		for (size_t n = 0; n < sizeof(setups) / sizeof(*setups); n++)
			one(b, wires, s, &setups[n]);
	}
	for (unsigned int i = 0; i < MOST; i++)
		wire_close(&wires[i]);
}
