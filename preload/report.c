// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "counts.h"
#include "report.h"

static struct counts *count; /* valid only in the process whose number it holds */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *path;
static char *file;	/* its name, or NULL */
static char *directory; /* for counts that outlive the process, or NULL */
static bool json;

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

/* In a child: unmap the parent's counts, which would otherwise stay locked after its end. */
static void leave_counts(void)
{
	if (count && file)
		munmap(count, sizeof(*count));
	count = NULL;
	release_lock();
}

void report_start(void)
{
	const char *wanted = getenv("HUGEODP_PRELOAD_REPORT");

	if (!wanted)
		return;
	json = getenv("HUGEODP_PRELOAD_JSON") != NULL;
	path = strdup(wanted);
	wanted = getenv(COUNTS_DIRECTORY);
	directory = wanted ? strdup(wanted) : NULL;
	pthread_atfork(take_lock, release_lock, leave_counts);
}

bool report_wanted(void)
{
	return path != NULL;
}

/* Allocate the file: touching a hole in a full file system would kill the process. */
static struct counts *map_file(int fd)
{
	struct counts *map;
	struct rlimit limit;

	/* growing a file beyond the limit raises SIGXFSZ */
	if (getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur < sizeof(*map))
		return NULL;
	if (posix_fallocate(fd, 0, sizeof(*map)))
		return NULL;
	map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}

static void start_counts(struct counts *counts)
{
	counts->pid = getpid();
	snprintf(counts->program, sizeof(counts->program), "%s", program_invocation_short_name);
	counts->magic = COUNTS_MAGIC;
}

/* Not every file system keeps the lock while the file is mapped. */
static bool is_in_use(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	bool in_use;

	if (fd < 0)
		return false;
	in_use = counts_in_use(fd);
	close(fd);
	return in_use;
}

/*
 * Create the file under a hidden name: the watcher would take one that is not locked yet for the
 * leftover of a dead process and delete it.
 */
static struct counts *make_hidden(char *hidden)
{
	int fd = mkostemp(hidden, O_CLOEXEC);
	struct counts *map;

	if (fd < 0)
		return NULL;
	map = flock(fd, LOCK_EX | LOCK_NB) ? NULL : map_file(fd);
	close(fd);
	if (map)
		start_counts(map);
	else
		unlink(hidden);
	return map;
}

static struct counts *open_file(void)
{
	char hidden[4096], shown[4096];
	struct counts *map;

	if (!directory)
		return NULL;
	snprintf(hidden, sizeof(hidden), "%s/.%d.XXXXXX", directory, getpid());
	map = make_hidden(hidden);
	if (!map)
		return NULL;
	snprintf(shown, sizeof(shown), "%s/%s", directory, hidden + strlen(directory) + 2);
	file = strdup(shown);
	if (file && is_in_use(hidden) && !rename(hidden, shown))
		return map;
	free(file);
	file = NULL;
	unlink(hidden);
	munmap(map, sizeof(*map));
	return NULL;
}

/* The lock is held. A forked child starts with empty counts. */
static struct counts *counts_of_mine(void)
{
	static struct counts own;
	int err = errno;

	if (count && count->pid == getpid())
		return count;
	free(file);
	file = NULL;
	count = open_file();
	if (!count) {
		count = &own;
		memset(count, 0, sizeof(*count));
		start_counts(count);
	}
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

void report_upgraded(unsigned int page_shift, const void *addr, size_t length)
{
	struct counts *counts;

	if (!report_wanted())
		return;
	take_lock();
	counts = counts_of_mine();
	counts->registrations++;
	counts->upgraded[page_shift % 64]++;
	add_range(counts, (struct range_report){ .addr = (uintptr_t)addr,
						 .length = length,
						 .page_shift = page_shift });
	release_lock();
}

void report_declined(enum declined why, const void *addr, size_t length)
{
	struct counts *counts;

	(void)addr;
	(void)length;
	if (!report_wanted())
		return;
	take_lock();
	counts = counts_of_mine();
	counts->registrations++;
	counts->declined[why]++;
	release_lock();
}

void report_small(const struct ibv_odp_report *report, const void *addr, size_t length)
{
	struct counts *counts;

	if (!report_wanted())
		return;
	take_lock();
	counts = counts_of_mine();
	counts->registrations++;
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
	for (shift = 0; shift < 64; shift++)
		counts->blocks[shift] += attr->blocks[shift];
	counts->faults += attr->faults;
	counts->invalidated += attr->pages_invalidated;
	counts->renegotiations += attr->renegotiations;
	release_lock();
}

/* Report at exit. A process that registered nothing, such as most of a script, does not report. */
static __attribute__((destructor)) void report_end(void)
{
	if (!report_wanted() || !count || count->pid != getpid())
		return;
	count->exited = true;
	/* after a change of root directory or user, the file may not be accessible any more */
	if (count->registrations && counts_report(count, path, json))
		count->registrations = 0;
	if (file)
		unlink(file);
}
