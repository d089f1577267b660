// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Descriptors that stay open are those of this process, whatever it does to descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../libibverbs/memory/kept.h"

#define MAPS "/proc/self/maps"
#define FDS 64

/* Is the descriptor one of this process's own maps? */
static bool is_own(int fd)
{
	char link[64], target[64], own[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	snprintf(own, sizeof(own), "/proc/%d/maps", (int)getpid());
	return !strcmp(target, own);
}

/* How many descriptors there are of the maps of any process. */
static unsigned int count(void)
{
	char link[64], target[64];
	unsigned int found = 0;
	ssize_t len;
	int fd;

	for (fd = 0; fd < FDS; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		found += len > 5 && !strcmp(target + len - 5, "/maps");
	}
	return found;
}

/* As a probe does. */
static int use(void)
{
	int fd;

	if (!kept_begin())
		return -1;
	fd = kept_find(KEPT_MAPS);
	if (fd < 0)
		fd = kept_open(KEPT_MAPS, MAPS);
	kept_end();
	return fd;
}

static int kept_now(void)
{
	int fd;

	if (!kept_begin())
		return -1;
	fd = kept_find(KEPT_MAPS);
	kept_end();
	return fd;
}

static void stays_open(void **state)
{
	int fd = use();

	(void)state;
	assert_true(fd > 2);
	assert_true(is_own(fd));
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(use(), fd);
	assert_int_equal(kept_now(), fd);
	assert_int_equal(count(), 1);
}

static void one_at_a_time(void **state)
{
	(void)state;
	assert_true(kept_begin());
	assert_false(kept_begin());
	kept_end();
	assert_true(kept_begin());
	kept_end();
}

/* A thread that finds them in use does not wait, and no descriptor gets lost. */
static void *use_often(void *used)
{
	int i;

	for (i = 0; i < 2000; i++)
		if (use() > 2)
			++*(unsigned int *)used;
	return NULL;
}

static void threads(void **state)
{
	unsigned int used[4] = { 0 }, i;
	pthread_t ids[4];
	int fd = use();

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, use_often, &used[i]), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_join(ids[i], NULL), 0);
	assert_true(used[0] + used[1] + used[2] + used[3]);
	assert_int_equal(use(), fd);
	assert_int_equal(count(), 1);
}

/* 0: the child has only what is its own */
static int check_child(bool handled)
{
	if (handled && count() != 0)
		return 1;
	if (kept_now() >= 0)
		return 2;
	if (!is_own(use()))
		return 3;
	return count() == 1 && is_own(kept_now()) ? 0 : 4;
}

static void check_parent(pid_t child, int fd)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(use(), fd);
	assert_true(is_own(fd));
}

static void forked(void **state)
{
	int fd = use();
	pid_t child = fork();

	(void)state;
	if (!child)
		_exit(check_child(true));
	check_parent(child, fd);
}

/* Without the handlers of pthread_atfork(3), and with the same process number in a namespace. */
static void cloned(void **state)
{
	static const unsigned long flags[] = { SIGCHLD, SIGCHLD | CLONE_NEWUSER | CLONE_NEWPID };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		int fd = use();
		pid_t child = (pid_t)syscall(SYS_clone, flags[i], NULL, NULL, NULL, 0L);

		/* no user namespaces here: the first round has shown the rest */
		if (child < 0 && i)
			continue;
		/* the namespace has another /proc, in which this process has no directory */
		if (!child)
			_exit(i ? kept_now() >= 0 : check_child(false));
		check_parent(child, fd);
	}
}

/* While another thread of the parent uses them. */
static void forked_in_use(void **state)
{
	int fd = use();
	pid_t child;

	(void)state;
	assert_true(kept_begin());
	child = fork();
	if (!child)
		_exit(check_child(true));
	kept_end();
	check_parent(child, fd);
}

/* Replace the file of this descriptor by the list of mappings of a child. */
static void open_of_child(int fd)
{
	pid_t child = fork();
	char path[32];
	int other;

	assert_true(child >= 0);
	if (!child) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)child);
	other = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(other >= 0);
	assert_int_equal(dup3(other, fd, O_CLOEXEC), fd);
	close(other);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

/* A program that closes all descriptors, and then opens files of its own. */
static void closed(void **state)
{
	int fd = use(), other;

	(void)state;
	assert_int_equal(close(fd), 0);
	assert_int_equal(kept_now(), -1);
	other = use();
	assert_true(is_own(other));
	/* its number is another file's: that one is neither used nor closed */
	assert_int_equal(close(other), 0);
	assert_int_equal(open("/proc/self/status", O_RDONLY | O_CLOEXEC), other);
	assert_int_equal(kept_now(), -1);
	fd = use();
	assert_true(fd != other && is_own(fd));
	assert_int_equal(close(other), 0);
	/* ... even if it is of the same kind, but of another process */
	open_of_child(fd);
	assert_int_equal(kept_now(), -1);
	assert_int_equal(close(fd), 0);
	assert_true(is_own(use()));
}

static int pagemap(bool open_it)
{
	int fd;

	if (!kept_begin())
		return -1;
	fd = kept_find(KEPT_PAGEMAP);
	if (fd < 0 && open_it)
		fd = kept_open(KEPT_PAGEMAP, "/proc/self/pagemap");
	kept_end();
	return fd;
}

/* The same for a file that is marked by its position. */
static void pagemap_closed(void **state)
{
	int fd = pagemap(true), other;

	(void)state;
	assert_true(fd > 2);
	assert_int_equal(pagemap(false), fd);
	assert_int_equal(close(fd), 0);
	assert_int_equal(pagemap(false), -1);
	assert_int_equal(pagemap(true), fd);
	/* the number is that of a file of the same kind */
	assert_int_equal(close(fd), 0);
	other = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	assert_int_equal(other, fd);
	assert_int_equal(pagemap(false), -1);
	assert_true(pagemap(true) > 2);
	assert_int_equal(close(other), 0);
	assert_int_equal(close(pagemap(false)), 0);
}

/* The lowest numbers are left to the program. */
static void standard_files(void **state)
{
	int saved = dup(0), fd = kept_now();

	(void)state;
	assert_true(saved > 2);
	if (fd >= 0)
		assert_int_equal(close(fd), 0);
	close(0);
	fd = use();
	assert_int_equal(fcntl(0, F_GETFD), -1);
	assert_int_equal(dup2(saved, 0), 0);
	close(saved);
	assert_true(fd > 2 && is_own(fd));
}

static void no_room(void **state)
{
	struct rlimit old, none;
	int fd = kept_now();

	(void)state;
	if (fd >= 0)
		assert_int_equal(close(fd), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fd = use();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(fd, -1);
	assert_true(is_own(use()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays_open),	  cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(threads),	  cmocka_unit_test(forked),
		cmocka_unit_test(cloned),	  cmocka_unit_test(forked_in_use),
		cmocka_unit_test(closed),	  cmocka_unit_test(pagemap_closed),
		cmocka_unit_test(standard_files), cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
