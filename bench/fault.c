// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Messages into memory that the device has no translations for. The cost of zeroing memory is
 * measured separately, by the CPU: it is the same for the CPU and the device.
 */
#include <stdlib.h>

#include "bench.h"
#include "tap.h"
#include "wire.h"

#define WORD 8

static const struct subject no_mr[] = {
	{ "none", NULL, SPACE_BASE, SZ_4K, false },
	{ "none", NULL, SPACE_HUGE, SZ_4K, false },
	{ "none", NULL, SPACE_GIGA, SZ_1G, false },
};

static const struct pattern {
	const char *name;
	size_t step;
	size_t message;
	bool random;
	bool read;
} patterns[] = {
	{ "fault-page", SZ_4K, WORD, false, false },
	{ "fault-page-read", SZ_4K, WORD, false, true },
	{ "fault-sequential", SZ_1M, SZ_1M, false, false },
	{ "fault-random", SZ_4K, WORD, true, false },
	{ "fault-sparse", SZ_2M, WORD, false, false },
};

enum state { COLD, PREFETCHED, POPULATED };

static const char *const state_names[] = { "cold", "cold+prefetch", "populated" };

/* The same order in each run. Steps are a power of two: any odd factor visits each of them once. */
static size_t place(const struct pattern *p, size_t i, size_t steps)
{
	return p->random ? (i * 0x9e3779b1 + 12345) % steps : i;
}

static void touch(struct wire *w, const struct pattern *p, struct ibv_mr *mr, size_t len)
{
	size_t steps = len / p->step;

	for (size_t i = 0; i < steps; i++) {
		size_t at = place(p, i, steps) * p->step;

		if (p->read)
			wire_read(w, mr, at, p->message);
		else
			wire_write(w, mr, at, p->message);
	}
}

static uint64_t faults(const struct bench *b, const struct subject *s, struct ibv_mr *mr)
{
	return b->rig.series && subject_odp(s) ? mr_state(mr).faults : 0;
}

static void one(const struct bench *b, struct wire *w, const struct subject *s,
		const struct pattern *p, enum state state, size_t len)
{
	struct figure cost = {
		.name = p->name,
		.subject = s,
		.state = state_names[state],
		.length = len,
		.count = len / p->step,
		.unit = work_unit(),
	};
	struct figure events = cost;
	/* an MR of pages of 1 GiB cannot be smaller: touch a part of it */
	size_t mapped = s->kind == SPACE_GIGA ? SZ_1G : len;
	struct space space;

	events.unit = "fault events";
	for (int i = 0; i < 3; i++) {
		uint64_t start, before;
		struct ibv_mr *mr;

		space_map(&space, s->kind, mapped);
		/* registration populates pinned memory, so it is part of the cost */
		start = work_done();
		mr = subject_reg(b, s, space.addr, mapped);
		if (state == POPULATED) {
			space_populate(&space);
			space_check(&space);
			start = work_done();
		}
		if (state == PREFETCHED)
			subject_prefetch(b, mr, mapped);
		before = faults(b, s, mr);
		touch(w, p, mr, len);
		figure_add(&cost, work_done() - start);
		figure_add(&events, faults(b, s, mr) - before);
		subject_dereg(mr);
		space_unmap(&space);
	}
	figure_print(&cost);
	if (b->rig.series && subject_odp(s))
		figure_print(&events);
}

static void one_subject(const struct bench *b, struct wire *w, const struct subject *s)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		const struct pattern *p = &patterns[i];
		size_t len = b->quick ? SZ_1M * 4 : p->step == SZ_2M ? SZ_1M * 256 : SZ_1M * 16;

		if (!subject_fits(b, s, s->kind == SPACE_GIGA ? SZ_1G : len))
			continue;
		one(b, w, s, p, COLD, len);
		if (subject_odp(s)) {
			one(b, w, s, p, PREFETCHED, len);
			one(b, w, s, p, POPULATED, len);
		}
	}
}

/*
 * Fault events against the bytes touched, page by page. On huge memory for all modes: to the device
 * a page of 4 KiB inside a huge one is like any other.
 */
static void events_against_bytes(const struct bench *b, struct wire *w, const struct subject *s)
{
	size_t len = b->quick ? SZ_1M * 4 : SZ_1G, next = SZ_4K;
	struct space space;
	struct ibv_mr *mr;

	if (!b->rig.series || !subject_odp(s) || s->kind != SPACE_HUGE)
		return;
	space_map(&space, s->kind, len);
	mr = subject_reg(b, s, space.addr, len);
	space_populate(&space);
	space_check(&space);
	for (size_t at = 0; at < len; at += SZ_4K) {
		struct figure f = {
			.name = "fault-events",
			.subject = s,
			.state = "populated",
			.length = at + SZ_4K,
			.unit = "fault events",
		};

		wire_write(w, mr, at, WORD);
		if (at + SZ_4K != next)
			continue;
		figure_add(&f, mr_state(mr).faults);
		figure_print(&f);
		next *= 2;
	}
	subject_dereg(mr);
	space_unmap(&space);
}

/* The CPU's cost of fresh memory, by the size of its pages. */
static void zeroing(const struct bench *b, const struct subject *s)
{
	struct figure f = {
		.name = "cpu-touch",
		.subject = s,
		.state = "cold",
		.length = s->kind == SPACE_GIGA ? SZ_1G : b->quick ? SZ_1M * 4 : SZ_1M * 256,
		.unit = work_unit(),
	};
	struct space space;

	if (!subject_fits(b, s, f.length))
		return;
	for (int i = 0; i < 3; i++) {
		uint64_t start;

		space_map(&space, s->kind, f.length);
		start = work_done();
		space_populate(&space);
		figure_add(&f, work_done() - start);
		space_check(&space);
		space_unmap(&space);
	}
	figure_print(&f);
}

void measure_fault(const struct bench *b)
{
	struct wire w;

	for (size_t i = 0; i < sizeof(no_mr) / sizeof(*no_mr); i++)
		zeroing(b, &no_mr[i]);
	wire_open(&w, b, SZ_2M);
	for (size_t i = 0; i < subjects_count; i++) {
		one_subject(b, &w, &subjects[i]);
		events_against_bytes(b, &w, &subjects[i]);
	}
	wire_close(&w);
}
