// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Prefetch of a whole MR against its length, and registration together with it. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "tap.h"

struct figures {
	struct figure prefetch, both;
};

/* Removes all translations, and keeps all pages. */
static void unmap_from_device(struct space *space)
{
	if (mprotect(space->addr, space->len, PROT_READ) ||
	    mprotect(space->addr, space->len, PROT_READ | PROT_WRITE))
		fatal("mprotect: %s", strerror(errno));
}

static void once(const struct bench *b, const struct subject *s, struct space *space, bool cold,
		 struct figures *f)
{
	uint64_t start, end;
	struct ibv_mr *mr;

	if (cold)
		space_empty(space);
	start = work_done();
	mr = subject_reg(b, s, space->addr, space->len);
	subject_prefetch(b, mr, space->len);
	end = work_done();
	if (f)
		figure_add(&f->both, end - start);
	/* some kernels map populated memory when they register it */
	if (cold)
		space_empty(space);
	else
		unmap_from_device(space);
	start = work_done();
	subject_prefetch(b, mr, space->len);
	end = work_done();
	if (f)
		figure_add(&f->prefetch, end - start);
	subject_check_mapped(b, s, mr);
	subject_dereg(mr);
}

static void one_length(const struct bench *b, const struct subject *s, bool cold, size_t len)
{
	struct figure f = {
		.name = "prefetch",
		.subject = s,
		.state = cold ? "cold" : "populated",
		.length = len,
		.unit = work_unit(),
	};
	struct figures all = { f, f };
	struct space space;

	all.both.name = "register+prefetch";
	space_map(&space, s->kind, len);
	if (!cold) {
		space_populate(&space);
		space_check(&space);
	}
	once(b, s, &space, cold, NULL);
	for (int i = 0; i < (len >= SZ_1G ? 3 : REPEATS); i++)
		once(b, s, &space, cold, &all);
	space_unmap(&space);
	figure_print(&all.prefetch);
	figure_print(&all.both);
}

static void by_length(const struct bench *b, const struct subject *s, bool cold)
{
	/* cold memory costs mostly its zeroing: a few lengths are enough */
	size_t last = b->quick ? SZ_1M * 16 : cold ? SZ_1M * 256 : SZ_1G;
	size_t all[LENGTHS_MAX], n = lengths(all, SZ_1M, last);

	for (size_t i = 0; i < n; i++)
		if (subject_fits(b, s, all[i]))
			one_length(b, s, cold, all[i]);
	if (s->kind == SPACE_GIGA && last < SZ_1G && subject_fits(b, s, SZ_1G))
		one_length(b, s, cold, SZ_1G);
}

void measure_prefetch(const struct bench *b)
{
	for (size_t i = 0; i < subjects_count; i++) {
		if (!subject_odp(&subjects[i]))
			continue;
		by_length(b, &subjects[i], false);
		by_length(b, &subjects[i], true);
	}
}
