// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The cost of unmapping one page or all memory, with an MR that has all translations, and without
 * an MR.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "tap.h"

static const struct subject no_mr[] = {
	[SPACE_BASE] = { "none", NULL, SPACE_BASE, SZ_4K, false },
	[SPACE_HUGE] = { "none", NULL, SPACE_HUGE, SZ_4K, false },
	[SPACE_GIGA] = { "none", NULL, SPACE_GIGA, SZ_1G, false },
};

static int drop(void *addr, size_t len)
{
	return madvise(addr, len, MADV_DONTNEED);
}

static int unmap(void *addr, size_t len)
{
	return munmap(addr, len);
}

static int protect(void *addr, size_t len)
{
	return mprotect(addr, len, PROT_READ);
}

static const struct event {
	const char *name;
	int (*run)(void *addr, size_t len);
} events[] = {
	{ "dontneed", drop },
	{ "munmap", unmap },
	{ "mprotect", protect },
};

static uint64_t once(const struct bench *b, const struct subject *s, const struct event *e,
		     size_t len, size_t at, size_t part)
{
	struct ibv_mr *mr = NULL;
	struct space space;
	uint64_t start, end;

	space_map(&space, s->kind, len);
	space_populate(&space);
	space_check(&space);
	if (s->mode) {
		mr = subject_reg(b, s, space.addr, len);
		subject_prefetch(b, mr, len);
		subject_check_mapped(b, s, mr);
	}
	start = work_done();
	if (e->run(space.addr + at, part))
		fatal("%s: %s", e->name, strerror(errno));
	end = work_done();
	if (mr)
		subject_dereg(mr);
	space_unmap(&space);
	return end - start;
}

/*
 * The part that the MR adds: it is small compared to the call on huge pages, so the call without an
 * MR is measured again, next to the one with it.
 */
static void print_added(const struct figure *with, const uint64_t *without)
{
	struct figure f = *with;
	char name[32];

	snprintf(name, sizeof(name), "%s-added", with->name);
	f.name = name;
	for (unsigned int i = 0; i < f.repeats; i++)
		f.samples[i] -= without[i] < f.samples[i] ? without[i] : f.samples[i];
	figure_print(&f);
}

/* @part: bytes of the event; the page in the middle if that is one page */
static void one_event(const struct bench *b, const struct subject *s, const struct event *e,
		      size_t len, size_t part)
{
	struct figure f = {
		.name = e->name,
		.subject = s,
		.state = part == len ? "all" : "page",
		.length = len,
		.unit = work_unit(),
	};
	size_t at = part == len ? 0 : len / 2 + part;
	bool added = s->mode && s->kind == SPACE_HUGE && part == len;
	uint64_t without[REPEATS] = {};

	once(b, s, e, len, at, part);
	/* large lengths take long, and vary less */
	for (int i = 0; i < (len < SZ_1M * 256 ? REPEATS : 3); i++) {
		if (added)
			without[i] = once(b, &no_mr[SPACE_HUGE], e, len, at, part);
		figure_add(&f, once(b, s, e, len, at, part));
	}
	figure_print(&f);
	if (added)
		print_added(&f, without);
}

static void one_subject(const struct bench *b, const struct subject *s)
{
	/* populating base pages takes ten times as long as unmapping them */
	size_t last = b->quick ? SZ_1M * 16 : s->kind == SPACE_BASE ? SZ_1M * 256 : SZ_1G;
	size_t all[LENGTHS_MAX], n = lengths(all, s->kind == SPACE_GIGA ? SZ_1G : SZ_1M * 16, last);

	if (s->kind == SPACE_GIGA && b->quick)
		all[n++] = SZ_1G;
	for (size_t e = 0; e < sizeof(events) / sizeof(*events); e++) {
		for (size_t i = 0; i < n; i++)
			if (subject_fits(b, s, all[i]))
				one_event(b, s, &events[e], all[i], all[i]);
		/* hugetlb memory can only be unmapped in whole pages */
		if (s->kind != SPACE_GIGA && subject_fits(b, s, SZ_1M * 16))
			one_event(b, s, &events[e], SZ_1M * 16, SZ_4K);
	}
}

void measure_invalidation(const struct bench *b)
{
	for (size_t i = 0; i < sizeof(no_mr) / sizeof(*no_mr); i++)
		one_subject(b, &no_mr[i]);
	for (size_t i = 0; i < subjects_count; i++)
		if (subject_odp(&subjects[i]))
			one_subject(b, &subjects[i]);
}
