// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "tap.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint points;
static atomic_uint failures;

static bool in_lab(void)
{
	const char *lab = getenv("HUGEODP_LAB");

	return lab && !strcmp(lab, "1");
}

/* One line in one write, so that threads do not mix theirs. */
static void line(FILE *to, const char *head, const char *fmt, va_list ap)
{
	char text[1024];
	char *nl;

	vsnprintf(text, sizeof(text), fmt, ap);
	while ((nl = strchr(text, '\n')))
		*nl = ' ';
	fprintf(to, "%s%s\n", head, text);
	fflush(to);
}

static bool point(bool cond, const char *fmt, va_list ap)
{
	char head[32];

	snprintf(head, sizeof(head), "%sok %u - ", cond ? "" : "not ",
		 atomic_fetch_add(&points, 1) + 1);
	line(stdout, head, fmt, ap);
	if (!cond)
		atomic_fetch_add(&failures, 1);
	return cond;
}

bool ok(bool cond, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	point(cond, fmt, ap);
	va_end(ap);
	return cond;
}

bool is_u64(uint64_t got, uint64_t want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	point(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		diag("  got %llu (%#llx), want %llu (%#llx)", (unsigned long long)got,
		     (unsigned long long)got, (unsigned long long)want, (unsigned long long)want);
	return got == want;
}

bool is_errno(int got, int want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	point(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		diag("  got %d (%s), want %d (%s)", got, strerror(got), want, strerror(want));
	return got == want;
}

void diag(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(stderr, "# ", fmt, ap);
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(stdout, "# ", fmt, ap);
	va_end(ap);
}

void need(bool cond, const char *fmt, ...)
{
	va_list ap;

	if (cond)
		return;
	va_start(ap, fmt);
	if (in_lab()) {
		point(false, fmt, ap);
	} else if (!atomic_load(&points)) {
		line(stdout, "1..0 # SKIP ", fmt, ap);
		exit(0);
	} else {
		char head[32];

		snprintf(head, sizeof(head), "ok %u # SKIP ", atomic_fetch_add(&points, 1) + 1);
		line(stdout, head, fmt, ap);
	}
	va_end(ap);
	exit(tap_done());
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	point(false, fmt, ap);
	va_end(ap);
	exit(tap_done());
}

int tap_done(void)
{
	printf("1..%u\n", atomic_load(&points));
	fflush(stdout);
	return atomic_load(&failures) || !atomic_load(&points);
}
