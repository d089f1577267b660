// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registration and deregistration against the MR's length and the number of MRs. Memory is cold
 * (never touched), populated by the CPU before, or mapped: by a prefetch between the two.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "tap.h"

enum state { COLD, POPULATED, MAPPED };

static const char *const state_names[] = { "cold", "populated", "mapped" };

struct figures {
	struct figure reg, dereg, both;
};

static void add(struct figures *f, uint64_t start, uint64_t registered, uint64_t prefetched,
		uint64_t end)
{
	figure_add(&f->reg, registered - start);
	figure_add(&f->dereg, end - prefetched);
	figure_add(&f->both, registered - start + end - prefetched);
}

static void once(const struct bench *b, const struct subject *s, struct space *space,
		 enum state state, struct figures *f)
{
	uint64_t start, registered, prefetched, end;
	struct ibv_mr *mr;

	if (state == COLD)
		space_empty(space);
	start = work_done();
	mr = subject_reg(b, s, space->addr, space->len);
	registered = work_done();
	if (state == MAPPED)
		subject_prefetch(b, mr, space->len);
	prefetched = work_done();
	subject_dereg(mr);
	end = work_done();
	if (f)
		add(f, start, registered, prefetched, end);
}

static struct figures figures_for(const struct subject *s, const char *state, size_t len)
{
	struct figure f = {
		.name = "register",
		.subject = s,
		.state = state,
		.length = len,
		.unit = work_unit(),
	};
	struct figures all = { f, f, f };

	all.dereg.name = "deregister";
	all.both.name = "register+deregister";
	return all;
}

static void print(const struct figures *f)
{
	figure_print(&f->reg);
	figure_print(&f->dereg);
	figure_print(&f->both);
}

static void one_length(const struct bench *b, const struct subject *s, enum state state, size_t len)
{
	struct figures f = figures_for(s, state_names[state], len);
	/* large lengths take long, and vary less */
	unsigned int repeats = len >= SZ_1G ? 3 : REPEATS;
	struct space space;

	space_map(&space, s->kind, len);
	if (state != COLD) {
		space_populate(&space);
		space_check(&space);
	}
	once(b, s, &space, state, NULL);
	for (unsigned int i = 0; i < repeats; i++)
		once(b, s, &space, state, &f);
	space_unmap(&space);
	print(&f);
}

/* Untouched memory can be much larger than the machine's, unless registration touches it. */
static size_t longest(const struct bench *b, const struct subject *s, enum state state)
{
	if (b->quick)
		return SZ_1M * 16;
	if (state != COLD)
		return SZ_1G;
	return subject_odp(s) ? SZ_1G * 64 : SZ_1M * 256;
}

static void by_length(const struct bench *b, const struct subject *s, enum state state)
{
	size_t all[LENGTHS_MAX], n = lengths(all, SZ_1M, longest(b, s, state));

	for (size_t i = 0; i < n; i++)
		if (subject_fits(b, s, all[i]))
			one_length(b, s, state, all[i]);
	/* there is only one length for pages of 1 GiB */
	if (b->quick && s->kind == SPACE_GIGA && subject_fits(b, s, SZ_1G))
		one_length(b, s, state, SZ_1G);
}

/*
 * The device cannot have written to a read-only MR, so the kernel does not mark its pages dirty. The
 * difference from the other deregistrations is what that costs.
 */
static void read_only(const struct bench *b, const struct subject *s)
{
	struct figure f = {
		.name = "deregister-read-only",
		.subject = s,
		.state = "mapped",
		.length = s->kind == SPACE_GIGA || !b->quick ? SZ_1G : SZ_1M * 16,
		.unit = work_unit(),
	};
	struct space space;

	space_map(&space, s->kind, f.length);
	space_populate(&space);
	space_check(&space);
	for (int i = 0; i < 4; i++) {
		struct ibv_mr *mr = subject_reg_read_only(b, s, space.addr, space.len);
		uint64_t start;

		subject_prefetch_read_only(b, mr, space.len);
		start = work_done();
		subject_dereg(mr);
		/* the first is the warm-up */
		if (i)
			figure_add(&f, work_done() - start);
	}
	space_unmap(&space);
	figure_print(&f);
}

/* MRs of the same memory: the cost of each must not depend on their number. */
static void by_count(const struct bench *b, const struct subject *s, size_t count)
{
	struct figure f = {
		.name = "many",
		.subject = s,
		.state = "populated",
		.length = SZ_2M,
		.count = count,
		.unit = work_unit(),
	};
	struct figure memory = f;
	struct ibv_mr **mrs = calloc(count, sizeof(struct ibv_mr *));
	struct space space;

	if (!mrs)
		fatal("out of memory");
	memory.name = "many-memory";
	memory.unit = "bytes";
	memset(mrs, 0xff, count * sizeof(struct ibv_mr *));
	space_map(&space, s->kind, SZ_2M);
	space_populate(&space);
	space_check(&space);
	for (int i = 0; i < (count >= 1000 ? 1 : 3); i++) {
		uint64_t before = free_bytes(), start = work_done(), work;

		for (size_t n = 0; n < count; n++)
			mrs[n] = subject_reg(b, s, space.addr, space.len);
		work = work_done() - start;
		figure_add(&memory, minus(before, free_bytes()));
		start = work_done();
		for (size_t n = 0; n < count; n++)
			subject_dereg(mrs[n]);
		figure_add(&f, work + work_done() - start);
	}
	space_unmap(&space);
	free(mrs);
	figure_print(&f);
	figure_print(&memory);
}

/* 100,000 MRs only where one is cheap: of base pages, or pinned, they would take half an hour. */
static size_t most(const struct bench *b, const struct subject *s)
{
	if (b->quick)
		return 10;
	return s->kind == SPACE_HUGE && subject_odp(s) ? 100000 : 10000;
}

void measure_registration(const struct bench *b)
{
	for (size_t i = 0; i < subjects_count; i++) {
		const struct subject *s = &subjects[i];

		by_length(b, s, COLD);
		by_length(b, s, POPULATED);
		if (subject_odp(s)) {
			by_length(b, s, MAPPED);
			/* without the series rxe does not prefetch such an MR, and never marks pages dirty */
			if (b->rig.series && subject_fits(b, s, SZ_1G))
				read_only(b, s);
		}
		for (size_t count = 1; count <= most(b, s); count *= 10)
			if (subject_fits(b, s, SZ_2M))
				by_count(b, s, count);
	}
}
