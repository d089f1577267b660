// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * hugeodp run --report: reports for processes that are killed by a signal or call execve(2).
 * The program keeps its process number, its parent and its signals: the watcher is a separate
 * process without a parent that could wait for it. README.md describes the files of the directory.
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

struct watcher {
	const char *directory;
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
	       counts->magic == COUNTS_MAGIC && counts->nranges <= COUNTS_RANGES;
}

/*
 * Report for the process that owns @file if it has exited. @ended is known to have exited. Returns
 * the open file if its process still counts, or -1.
 */
static int check_file(const struct watcher *watcher, int dir, const char *file, pid_t ended)
{
	int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct counts counts;
	bool in_use, readable;

	if (fd < 0)
		return -1;
	/* in this order: the counts of a process that is alive are not final */
	in_use = counts_in_use(fd);
	readable = read_counts(fd, &counts);
	/* the kernel may still be unmapping the memory of @ended */
	if (in_use && (!readable || counts.pid != ended))
		return fd;
	close(fd);
	/* the process may have reported and removed it just now */
	if (unlinkat(dir, file, 0))
		return -1;
	if (readable && counts.registrations)
		counts_report(&counts, watcher->report, watcher->json);
	return -1;
}

/* Check all files. Returns an open one whose process still counts, or -1. */
static int check_files(const struct watcher *watcher, pid_t ended)
{
	DIR *dir = opendir(watcher->directory);
	const struct dirent *entry;
	int one, fd = -1;

	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		one = check_file(watcher, dirfd(dir), entry->d_name, ended);
		if (one < 0)
			continue;
		if (fd >= 0)
			close(fd);
		fd = one;
	}
	closedir(dir);
	return fd;
}

/* During an exec(3) a process has memory, but neither environment nor auxiliary vector. */
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

/* Whether the process, or an ancestor that it was forked from, was started with the directory. */
static bool has_directory(const struct watcher *watcher, const char *pid, bool *empty)
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
		found = !strncmp(entry, COUNTS_DIRECTORY "=", sizeof(COUNTS_DIRECTORY)) &&
			!strcmp(entry + sizeof(COUNTS_DIRECTORY), watcher->directory);
	}
	free(entry);
	fclose(in);
	return found;
}

static bool may_count(const struct watcher *watcher, const char *pid)
{
	bool may, empty;

	while (!(may = has_directory(watcher, pid, &empty)) && empty && is_in_exec(pid))
		poll(NULL, 0, 1);
	return may;
}

static pid_t find_first(const struct watcher *watcher)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	pid_t pid = 0;

	if (!dir)
		return 0;
	while (!pid && (entry = readdir(dir))) {
		if (*entry->d_name >= '1' && *entry->d_name <= '9' &&
		    may_count(watcher, entry->d_name))
			pid = atoi(entry->d_name);
	}
	closedir(dir);
	return pid;
}

/*
 * Find a process that may still start counting, or return 0. Rescan a few times: a process can exit
 * after readdir() and leave a child that was not listed; a daemon does so twice.
 */
static pid_t find_candidate(const struct watcher *watcher)
{
	pid_t pid = 0;
	int i;

	for (i = 0; !pid && i < 4; i++)
		pid = find_first(watcher);
	return pid;
}

/* Returns true if any file was removed. */
static bool remove_files(const struct watcher *watcher)
{
	DIR *dir = opendir(watcher->directory);
	const struct dirent *entry;
	bool removed = false;

	if (!dir)
		return false;
	/* fails for "." and ".." */
	while ((entry = readdir(dir)))
		removed = !unlinkat(dirfd(dir), entry->d_name, 0) || removed;
	closedir(dir);
	return removed;
}

/* Processes that still count keep their mapping and report by themselves; some may just start. */
static void remove_directory(const struct watcher *watcher)
{
	while (rmdir(watcher->directory) && remove_files(watcher))
		;
}

/* Replace the files below @end by /dev/null: a reader of a pipe must not wait for this process. */
static void close_to_null(int end)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd;

	for (fd = 0; null >= 0 && fd < end; fd++)
		dup2(null, fd);
	if (null >= end)
		close(null);
}

/* Wait until no process counts in the file, or until the process @pid has ended. */
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
 * Also wait for processes that outlive the program, unless the report goes to stderr: then only
 * those that exit normally report.
 */
static void wait_and_report(const struct watcher *watcher, int pidfd)
{
	pid_t pid = 0;
	int file;

	wait_for_end(pidfd);
	file = check_files(watcher, watcher->program);
	while (strcmp(watcher->report, "-") && (file >= 0 || (pid = find_candidate(watcher)))) {
		close_to_null(STDERR_FILENO + 1);
		if (!wait_for_another(file, pid))
			return;
		file = check_files(watcher, 0);
	}
	/* a process that started to count in the meantime and has ended */
	check_files(watcher, 0);
}

static _Noreturn void run_watcher(const struct watcher *watcher, int pidfd)
{
	sigset_t all;

	/* stopping a service sends a signal to all its processes */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "hugeodp-report");
	if (chdir("/"))
		_exit(1);
	/* a pipe that stays open here would never reach end of file at its reader */
	pidfd = dup2(pidfd, STDERR_FILENO + 1);
	syscall(SYS_close_range, STDERR_FILENO + 2, ~0U, 0);
	close_to_null(STDERR_FILENO);
	wait_and_report(watcher, pidfd);
	remove_directory(watcher);
	_exit(0);
}

/* In memory, if there is a file system for it. */
static bool make_directory(char *directory, size_t room)
{
	const char *temporary = getenv("TMPDIR");
	const char *const above[] = { "/dev/shm", temporary ? temporary : "/tmp" };
	size_t i;

	for (i = 0; i < sizeof(above) / sizeof(above[0]); i++) {
		if (*above[i] == '/' &&
		    (size_t)snprintf(directory, room, "%s/hugeodp.XXXXXX", above[i]) < room &&
		    mkdtemp(directory))
			return true;
	}
	return false;
}

/* If true, the program would become the watcher's parent, and could wait for it as for a child. */
static bool inherits_orphans(void)
{
	int subreaper = 0;

	return getpid() == 1 || prctl(PR_GET_CHILD_SUBREAPER, &subreaper) || subreaper;
}

bool watcher_start(char *directory, size_t size, const char *report, bool json)
{
	struct watcher watcher = {
		.directory = directory,
		.report = report,
		.json = json,
		.program = getpid(),
	};
	int pidfd = inherits_orphans() ? -1 : pidfd_open(getpid());
	int status;
	pid_t child;

	if (pidfd < 0)
		return false;
	if (!make_directory(directory, size)) {
		close(pidfd);
		return false;
	}
	child = fork();
	if (!child) {
		child = fork();
		if (!child)
			run_watcher(&watcher, pidfd);
		_exit(child < 0);
	}
	close(pidfd);
	/* ECHILD: this process was started with SIGCHLD ignored */
	if (child < 0 || (waitpid(child, &status, 0) == child && status)) {
		rmdir(directory);
		return false;
	}
	return true;
}
