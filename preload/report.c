// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "counts.h"
#include "libibverbs.h"
#include "report.h"
#include "shared.h"

static struct counts *count; /* valid only in the process whose number it holds */
static bool seen;	     /* a registration, by this process or before it was forked */
static bool is_shared;	     /* count is memory that hugeodp run can read */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *path;
static char *place; /* of the memory, or NULL */
static bool json;

/* The stderr of hugeodp run, or else of the process when it started. */
static struct {
	uintmax_t dev;
	uintmax_t ino;
	uintmax_t rdev;
	bool known;
} given;

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

/* In a child: unmap the parent's counts, which would otherwise seem to be in use after its end. */
static void leave_counts(void)
{
	if (count && is_shared)
		munmap(count, sizeof(*count));
	count = NULL;
	release_lock();
}

static void note_stderr(void)
{
	const char *text = secure_getenv(REPORT_STDERR);
	struct stat st;

	if (text) {
		given.known = sscanf(text, "%jx:%jx:%jx", &given.dev, &given.ino, &given.rdev) == 3;
		return;
	}
	given.known = !fstat(STDERR_FILENO, &st);
	if (given.known) {
		given.dev = st.st_dev;
		given.ino = st.st_ino;
		given.rdev = st.st_rdev;
	}
}

bool report_has_stderr(void)
{
	struct stat st;

	return given.known && !fstat(STDERR_FILENO, &st) && st.st_dev == given.dev &&
	       st.st_ino == given.ino && st.st_rdev == given.rdev;
}

void report_start(void)
{
	const char *wanted = secure_getenv("HUGEODP_PRELOAD_REPORT");

	note_stderr();
	if (!wanted)
		return;
	json = secure_getenv("HUGEODP_PRELOAD_JSON") != NULL;
	path = strdup(wanted);
	wanted = secure_getenv(SHARED_PLACE);
	place = wanted ? strdup(wanted) : NULL;
	if (place)
		shared_note_loaded(place);
	pthread_atfork(take_lock, release_lock, leave_counts);
}

bool report_wanted(void)
{
	return path != NULL;
}

static void start_counts(struct counts *counts)
{
	counts->pid = getpid();
	snprintf(counts->program, sizeof(counts->program), "%s", program_invocation_short_name);
	counts->magic = COUNTS_MAGIC;
}

/* The lock is held. A forked child starts with empty counts. */
static struct counts *counts_of_mine(void)
{
	static struct counts own;
	int err = errno;

	seen = true;
	if (count && count->pid == getpid())
		return count;
	count = place ? shared_claim(place) : NULL;
	is_shared = count;
	if (!count) {
		count = &own;
		memset(count, 0, sizeof(*count));
	}
	start_counts(count);
	errno = err;
	return count;
}

/* The lock is held. */
static void add_range(struct counts *counts, struct range_report range)
{
	unsigned int i;

	for (i = 0; i < counts->nranges; i++) {
		if (!memcmp(&counts->ranges[i], &range, sizeof(range)))
			return;
	}
	if (counts->nranges < COUNTS_RANGES)
		counts->ranges[counts->nranges++] = range;
}

/* Count a registration: the counts, with the lock held, or NULL if no report is wanted. */
static struct counts *begin_registration(void)
{
	struct counts *counts;

	if (!report_wanted())
		return NULL;
	take_lock();
	counts = counts_of_mine();
	counts->registrations++;
	return counts;
}

void report_upgraded(unsigned int page_shift, const void *addr, size_t length)
{
	struct counts *counts = begin_registration();

	if (!counts)
		return;
	counts->upgraded[page_shift % 64]++;
	add_range(counts, (struct range_report){ .addr = (uintptr_t)addr,
						 .length = length,
						 .page_shift = page_shift });
	release_lock();
}

void report_declined(enum declined why, const void *addr, size_t length)
{
	struct counts *counts = begin_registration();

	(void)addr;
	(void)length;
	if (!counts)
		return;
	counts->declined[why]++;
	release_lock();
}

void report_requested(bool done, unsigned int page_shift, const void *addr, size_t length)
{
	struct counts *counts = begin_registration();

	if (!counts)
		return;
	counts->own++;
	if (!done)
		counts->declined[DECLINED_FAILED]++;
	else if (!page_shift)
		counts->declined[DECLINED_OWN_REQUEST]++;
	else
		counts->upgraded[page_shift % 64]++;
	if (done && page_shift)
		add_range(counts, (struct range_report){ .addr = (uintptr_t)addr,
							 .length = length,
							 .page_shift = page_shift });
	release_lock();
}

void report_small(const struct ibv_odp_report *report, const void *addr, size_t length)
{
	struct counts *counts = begin_registration();

	if (!counts)
		return;
	counts->small[report->reason < COUNTS_REASONS ? report->reason : 0]++;
	add_range(counts, (struct range_report){
				  .addr = (uintptr_t)addr,
				  .length = length,
				  .obstacle = report->address,
				  .page_shift = report->page_shift,
				  .blocked_shift = report->blocked_shift,
				  .reason = report->reason,
			  });
	release_lock();
}

void report_work(const struct ibv_mr_odp_attr *attr)
{
	struct counts *counts;
	int shift;

	take_lock();
	counts = counts_of_mine();
	counts->deregistered++;
	/* without the kernel, counters are 0 because they are not known */
	if (attr->source != IBV_ODP_SOURCE_KERNEL) {
		release_lock();
		return;
	}
	counts->known++;
	for (shift = 0; shift < 64; shift++)
		counts->blocks[shift] += attr->blocks[shift];
	counts->faults += attr->faults;
	counts->invalidated += attr->pages_invalidated;
	counts->renegotiations += attr->renegotiations;
	release_lock();
}

/* Without any call that was intercepted, libibverbs is of interest if the program opened it. */
static void check_unseen(void)
{
	if (seen || !libibverbs_was_opened())
		return;
	take_lock();
	counts_of_mine()->unseen = 1;
	release_lock();
}

/*
 * Report at exit. A process that registered nothing, such as most of a script, does not report.
 * Descriptor 2 may be a file of the program by now, so reports on stderr are left to hugeodp run.
 */
static __attribute__((destructor)) void report_end(void)
{
	if (!report_wanted())
		return;
	check_unseen();
	if (!count || count->pid != getpid())
		return;
	count->exited = true;
	if (!count->registrations && !count->unseen)
		return;
	if (!strcmp(path, "-") && (is_shared || !report_has_stderr()))
		return;
	/* after a change of root directory or user, the file may not be accessible any more */
	count->reported = counts_report(count, path, json, !is_shared && report_has_stderr());
}
