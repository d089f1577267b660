// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Access as to a key-value cache: random messages of 64 KiB to 2 MiB, to and from slots of 2 MiB
 * that are scattered over 64 GiB of address space. Nothing is populated before; the number of slots
 * bounds the memory in use.
 */
#include "bench.h"
#include "tap.h"
#include "wire.h"

#define SPACE (SZ_1G * 64)
#define PLACES (SPACE / SZ_2M)
#define SLOTS 512
#define SMALLEST (SZ_4K * 16)
#define SIZES 6

/* The same numbers in each run, after Knuth. */
static uint64_t next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Places are a power of two: any odd factor makes different ones of different slots. */
static size_t slot_at(size_t slot)
{
	return (slot * 0x9e3779b1 + 12345) % PLACES * SZ_2M;
}

static void transfer(struct wire *w, struct ibv_mr *mr, size_t messages)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < messages; i++) {
		size_t at = slot_at(next(&seed) % SLOTS);
		size_t len = SMALLEST << next(&seed) % SIZES;

		at += next(&seed) % (SZ_2M / len) * len;
		if (next(&seed) % 2)
			wire_write(w, mr, at, len);
		else
			wire_read(w, mr, at, len);
	}
}

static void one(const struct bench *b, struct wire *w, const struct subject *s)
{
	struct figure cost = {
		.name = "cache",
		.subject = s,
		.state = "cold",
		.length = SPACE,
		.count = b->quick ? 16 : 2000,
		.unit = work_unit(),
	};
	struct figure events = cost, table = cost;
	struct space space;
	struct ibv_mr *mr;
	uint64_t start;

	events.unit = "fault events";
	table.name = "table-cache";
	table.unit = "bytes";
	space_map(&space, s->kind, SPACE);
	start = work_done();
	mr = subject_reg(b, s, space.addr, SPACE);
	transfer(w, mr, cost.count);
	figure_add(&cost, work_done() - start);
	figure_add(&events, mr_state(mr).faults);
	figure_add(&table, mr_state(mr).table_bytes);
	subject_dereg(mr);
	space_unmap(&space);
	figure_print(&cost);
	figure_print(&events);
	figure_print(&table);
}

void measure_kvcache(const struct bench *b)
{
	struct wire w;

	if (!b->rig.series)
		return;
	wire_open(&w, b, SZ_2M);
	for (size_t i = 0; i < subjects_count; i++)
		if (subject_odp(&subjects[i]) && subject_fits(b, &subjects[i], SPACE))
			one(b, &w, &subjects[i]);
	wire_close(&w);
}
