// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * hugeodp run --report: who tells of a process that a signal ends, or that becomes another program.
 * The program keeps its process number, its parent and its signals: the one who watches is a process
 * on its own, which nobody waits for. Processes count in files of a directory, and remove their file
 * when they have told it themselves at their exit(3).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counts.h"
#include "watcher.h"

struct watch {
	const char *place;
	const char *report;
	bool json;
	pid_t program;
};

static int pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void wait_for_end(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	while (poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
		;
}

static bool read_counts(int fd, struct counts *counts)
{
	return read(fd, counts, sizeof(*counts)) == (ssize_t)sizeof(*counts) &&
	       counts->magic == COUNTS_MAGIC && counts->ntold <= COUNTS_TOLD;
}

/*
 * Tells of the process that counted in the file, if it is no more; @ended is one that surely is not.
 * Returns the open file if it still counts, or -1.
 */
static int look_at(const struct watch *watch, int dir, const char *file, pid_t ended)
{
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct counts counts;
	bool in_use, readable;

	if (fd < 0)
		return -1;
	/* in this order: what is read of one that still counts is not all */
	in_use = counts_in_use(fd);
	readable = read_counts(fd, &counts);
	/* the kernel may still be at work on the memory of one that has ended */
	if (in_use && (!readable || counts.pid != ended))
		return fd;
	close(fd);
	/* it may have told and removed it just now */
	if (unlinkat(dir, file, 0))
		return -1;
	if (readable && counts.registrations)
		counts_tell(&counts, watch->report, watch->json);
	return -1;
}

/* Looks at all files. Returns one that a process still counts in, or -1. */
static int look(const struct watch *watch, pid_t ended)
{
	DIR *dir = opendir(watch->place);
	const struct dirent *entry;
	int one, fd = -1;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		one = look_at(watch, dirfd(dir), entry->d_name, ended);
		if (one < 0)
			continue;
		if (fd >= 0)
			close(fd);
		fd = one;
	}
	closedir(dir);
	return fd;
}

/* In the middle of an exec(3) a process has memory, but neither environment nor auxiliary vector. */
static bool is_in_exec(const char *pid)
{
	unsigned long first = 0;
	char path[64], nothing;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%.20s/exe", pid);
	if (readlink(path, &nothing, 1) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%.20s/auxv", pid);
	in = fopen(path, "re");
	if (!in)
		return false;
	if (fread(&first, sizeof(first), 1, in) != 1)
		first = 0;
	fclose(in);
	return !first;
}

/* Whether the process was started with these counts in its environment, or is a child of such. */
static bool has_place(const struct watch *watch, const char *pid, bool *empty)
{
	char path[64], *entry = NULL;
	bool found = false;
	size_t room = 0;
	FILE *in;

	*empty = true;
	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	in = fopen(path, "re");
	if (!in)
		return false;
	while (!found && getdelim(&entry, &room, '\0', in) > 0) {
		*empty = false;
		found = !strncmp(entry, COUNTS_PLACE "=", sizeof(COUNTS_PLACE)) &&
			!strcmp(entry + sizeof(COUNTS_PLACE), watch->place);
	}
	free(entry);
	fclose(in);
	return found;
}

static bool is_heir(const struct watch *watch, const char *pid)
{
	bool heir, empty;

	while (!(heir = has_place(watch, pid, &empty)) && empty && is_in_exec(pid))
		poll(NULL, 0, 1);
	return heir;
}

static pid_t find_first(const struct watch *watch)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	pid_t pid = 0;

	if (!dir)
		return 0;
	while (!pid && (entry = readdir(dir))) {
		if (*entry->d_name >= '1' && *entry->d_name <= '9' && is_heir(watch, entry->d_name))
			pid = atoi(entry->d_name);
	}
	closedir(dir);
	return pid;
}

/*
 * A process that may come to count, or 0. One that ended since the list was made may have left
 * another one that is not in it, and that again: a daemon does so twice.
 */
static pid_t find_heir(const struct watch *watch)
{
	pid_t pid = 0;
	int i;

	for (i = 0; !pid && i < 4; i++)
		pid = find_first(watch);
	return pid;
}

/* Returns whether there was one. */
static bool remove_files(const struct watch *watch)
{
	DIR *dir = opendir(watch->place);
	const struct dirent *entry;
	bool removed = false;

	if (!dir)
		return false;
	/* "." and "..", too: no files */
	while ((entry = readdir(dir)))
		removed = !unlinkat(dirfd(dir), entry->d_name, 0) || removed;
	closedir(dir);
	return removed;
}

/* Processes that still count have the memory, and tell it themselves; some may be about to begin. */
static void remove_place(const struct watch *watch)
{
	while (rmdir(watch->place) && remove_files(watch))
		;
}

/* /dev/null in place of the files below @end: nobody must wait for this process to close them. */
static void let_go(int end)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd;

	for (fd = 0; null >= 0 && fd < end; fd++)
		dup2(null, fd);
	if (null >= end)
		close(null);
}

/* Until nobody counts in the file, or one that may come to count has ended. */
static bool wait_for_another(int file, pid_t pid)
{
	int pidfd;
	bool good;

	if (file >= 0) {
		good = !flock(file, LOCK_SH);
		close(file);
		return good;
	}
	pidfd = pidfd_open(pid);
	/* it may have ended just now */
	if (pidfd < 0)
		return errno == ESRCH;
	wait_for_end(pidfd);
	close(pidfd);
	return true;
}

/*
 * Those that the program leaves behind are waited for, too, one after the other; but not by a
 * terminal: what they have to tell on stderr they tell if they come to their exit.
 */
static void watch_on(const struct watch *watch, int pidfd)
{
	pid_t pid = 0;
	int file;

	wait_for_end(pidfd);
	file = look(watch, watch->program);
	while (strcmp(watch->report, "-") && (file >= 0 || (pid = find_heir(watch)))) {
		let_go(STDERR_FILENO + 1);
		if (!wait_for_another(file, pid))
			return;
		file = look(watch, 0);
	}
	/* one that began to count since, and has ended */
	look(watch, 0);
}

static _Noreturn void be_the_watcher(const struct watch *watch, int pidfd)
{
	sigset_t all;

	/* who ends a service sends a signal to all its processes */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "hugeodp-report");
	if (chdir("/"))
		_exit(1);
	/* a pipe may tell somebody that the program has closed it */
	pidfd = dup2(pidfd, STDERR_FILENO + 1);
	syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0);
	let_go(STDERR_FILENO);
	watch_on(watch, pidfd);
	remove_place(watch);
	_exit(0);
}

/* In memory, if there is room for such files. */
static bool make_place(char *place, size_t room)
{
	const char *temporary = getenv("TMPDIR");
	const char *const above[] = { "/dev/shm", temporary ? temporary : "/tmp" };
	size_t i;

	for (i = 0; i < sizeof(above) / sizeof(above[0]); i++) {
		if (*above[i] == '/' &&
		    (size_t)snprintf(place, room, "%s/hugeodp.XXXXXX", above[i]) < room &&
		    mkdtemp(place))
			return true;
	}
	return false;
}

/* Then the program would be the watcher's parent, and wait for it when it waits for all children. */
static bool inherits_orphans(void)
{
	int subreaper = 0;

	return getpid() == 1 || prctl(PR_GET_CHILD_SUBREAPER, &subreaper) || subreaper;
}

bool watcher_start(char *place, size_t size, const char *report, bool json)
{
	struct watch watch = {
		.place = place,
		.report = report,
		.json = json,
		.program = getpid(),
	};
	int pidfd = inherits_orphans() ? -1 : pidfd_open(getpid());
	int status;
	pid_t child;

	if (pidfd < 0)
		return false;
	if (!make_place(place, size)) {
		close(pidfd);
		return false;
	}
	child = fork();
	if (!child) {
		child = fork();
		if (!child)
			be_the_watcher(&watch, pidfd);
		_exit(child < 0);
	}
	close(pidfd);
	/* ECHILD: this process was started with SIGCHLD ignored */
	if (child < 0 || (waitpid(child, &status, 0) == child && status)) {
		rmdir(place);
		return false;
	}
	return true;
}
