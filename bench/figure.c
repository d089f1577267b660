// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench.h"
#include "tap.h"

static FILE *lines;
static char *text;
static size_t text_len;

uint64_t work_done(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

bool work_is_exact(void)
{
	return getenv("HUGEODP_ICOUNT");
}

const char *work_unit(void)
{
	return work_is_exact() ? "instructions" : "nanoseconds";
}

void figure_add(struct figure *f, uint64_t sample)
{
	if (f->repeats == REPEATS)
		fatal("%s: more than %d samples", f->name, REPEATS);
	f->samples[f->repeats++] = sample;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static uint64_t median(const struct figure *f)
{
	uint64_t sorted[REPEATS];

	for (unsigned int i = 0; i < f->repeats; i++)
		sorted[i] = f->samples[i];
	qsort(sorted, f->repeats, sizeof(*sorted), compare);
	return sorted[f->repeats / 2];
}

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "unknown";
}

void figure_print(const struct figure *f)
{
	if (!f->repeats)
		fatal("%s: no sample", f->name);
	if (!lines)
		lines = open_memstream(&text, &text_len);
	if (!lines)
		fatal("out of memory");
	fprintf(lines,
		"{\"kernel\": \"%s\", \"device\": \"%s\", \"name\": \"%s\", \"mode\": \"%s\", "
		"\"memory\": \"%s\", \"state\": \"%s\", \"length\": %zu, \"count\": %" PRIu64
		", \"unit\": \"%s\", \"repeats\": %u, \"samples\": [",
		setting("HUGEODP_KERNEL"), setting("HUGEODP_DEVICE"), f->name, f->subject->name,
		space_name(f->subject->kind), f->state, f->length, f->count ? f->count : 1, f->unit,
		f->repeats);
	for (unsigned int i = 0; i < f->repeats; i++)
		fprintf(lines, "%s%" PRIu64, i ? ", " : "", f->samples[i]);
	fprintf(lines, "], \"median\": %" PRIu64 "}\n", median(f));
}

void kernel_print(void)
{
	struct utsname uts;

	if (uname(&uts))
		fatal("uname");
	printf("{\"about\": \"kernel “%s”\", \"value\": \"%s %s\"}\n", setting("HUGEODP_KERNEL"),
	       uts.sysname, uts.release);
}

void figures_flush(void)
{
	if (!lines)
		return;
	if (fclose(lines) || fwrite(text, 1, text_len, stdout) != text_len || fflush(stdout))
		fatal("the figures cannot be written");
	free(text);
	lines = NULL;
}
