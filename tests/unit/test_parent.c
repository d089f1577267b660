// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The process of "hugeodp run" that waits for the program: how it ends, signals, reports. With an
 * argument, this program is the one that is run; it counts like the preloaded library does.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../preload/counts.h"
#include "../../preload/parent.h"
#include "../../preload/shared.h"
#include "../../preload/unreached.h"
#include "file_holds.h"

#define SELF "/proc/self/exe"
/* parent_run() failed with the errno value that is added */
#define FAILED 100

static char name[32]; /* of the report */
static int ready[2];  /* the program is there, as long as it has this */
static int hidden[2]; /* only the waiting process has this */
static bool ignore_children;
static bool with_alarm;

static int setup(void **state)
{
	(void)state;
	strcpy(name, "/tmp/test_parent.XXXXXX");
	if (close(mkstemp(name)) || pipe(ready))
		return -1;
	return pipe2(hidden, O_CLOEXEC);
}

static int teardown(void **state)
{
	(void)state;
	close(ready[0]);
	close(hidden[0]);
	return unlink(name);
}

static void note_process(const struct counts *counts, void *arg)
{
	FILE *file = fopen(arg, "a");

	fprintf(file, "%s: %d\n", counts->program, (int)counts->registrations);
	fclose(file);
}

/* Start the process that runs this program with these arguments, in a process group. */
static pid_t start(const char *mode, const char *more, const struct parent_hook *hook)
{
	static const struct parent_hook none;
	pid_t pid = fork();
	int err, status;

	if (!pid) {
		char path[] = SELF, first[16], second[16], number[16];
		char *argv[] = { path, first, second, NULL };

		snprintf(first, sizeof(first), "%s", mode);
		snprintf(second, sizeof(second), "%s", more);
		snprintf(number, sizeof(number), "%d", ready[1]);
		setenv("TEST_READY", number, 1);
		setpgid(0, 0);
		if (ignore_children)
			signal(SIGCHLD, SIG_IGN);
		if (with_alarm)
			alarm(1);
		close(ready[0]);
		close(hidden[0]);
		status = parent_run(argv, name, false, hook ? hook : &none, &err);
		/* the arguments are cleared when the program runs */
		if (!err && (*path || *first))
			abort();
		exit(err ? FAILED + err : status);
	}
	close(ready[1]);
	close(hidden[1]);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void expect_exit(pid_t pid, int want)
{
	int status = end_of(pid);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), want);
}

static void expect_signal(pid_t pid, int want)
{
	int status = end_of(pid);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), want);
	assert_false(WCOREDUMP(status));
}

/* The program writes a byte when it is ready. */
static void until_ready(void)
{
	char byte;

	assert_int_equal(read(ready[0], &byte, 1), 1);
}

static void until_gone(void)
{
	char byte;

	assert_int_equal(read(ready[0], &byte, 1), 0);
}

/* ---- the program ---- */

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	_exit(info->si_code == SI_QUEUE ? info->si_value.sival_int : sig);
}

static void say_ready(void)
{
	char byte = 0;

	if (write(ready[1], &byte, 1) != 1)
		_exit(98);
}

static _Noreturn void wait_for_signal(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	say_ready();
	for (;;)
		pause();
}

/* Letters: r, a registration; u, libibverbs opened and unseen; d, reported by the process; n, nonsense. */
static void count(const char *letters)
{
	struct counts *counts = shared_claim(getenv(SHARED_PLACE));

	if (!counts)
		_exit(97);
	counts->pid = getpid();
	snprintf(counts->program, sizeof(counts->program), "prog%s", letters);
	counts->registrations = strchr(letters, 'r') ? 2 : 0;
	counts->unseen = strchr(letters, 'u') ? 1 : 0;
	counts->reported = strchr(letters, 'd') ? 1 : 0;
	if (strchr(letters, 'n')) {
		memset(counts->note, '\33', sizeof(counts->note));
		counts->nranges = 1;
		counts->ranges[0].page_shift = 200;
		counts->ranges[0].reason = UINT32_MAX;
		counts->ranges[0].blocked_shift = UINT32_MAX;
	}
	counts->magic = COUNTS_MAGIC;
}

/* Descriptors are those of the first process. */
static int program(const char *mode, const char *more)
{
	struct sigaction action;
	sigset_t mask;

	if (!strcmp(mode, "exit"))
		return atoi(more);
	if (!strcmp(mode, "kill"))
		raise(atoi(more));
	if (!strcmp(mode, "count")) {
		count(more);
		raise(SIGKILL);
	}
	if (!strcmp(mode, "child")) {
		/* one more process that counts, which is killed before this one ends */
		pid_t pid = fork();

		if (!pid) {
			count(more);
			raise(SIGKILL);
		}
		waitpid(pid, NULL, 0);
		count("r");
		return 3;
	}
	if (!strcmp(mode, "loaded"))
		shared_note_loaded(getenv(SHARED_PLACE));
	if (!strcmp(mode, "wait"))
		wait_for_signal();
	if (!strcmp(mode, "stop")) {
		say_ready();
		raise(atoi(more));
		say_ready();
		return 4;
	}
	if (!strcmp(mode, "state")) {
		/* nothing of the waiting process's own settings */
		if (sigaction(SIGCHLD, NULL, &action) || sigprocmask(SIG_BLOCK, NULL, &mask))
			return 1;
		return action.sa_handler == SIG_IGN && sigismember(&mask, SIGWINCH) == 1 &&
				       sigismember(&mask, SIGUSR1) == 0 &&
				       sigismember(&mask, SIGCHLD) == 0
			       ? 0
			       : 2;
	}
	return 0;
}

/* ---- tests ---- */

static void again(void)
{
	close(ready[0]);
	close(hidden[0]);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe2(hidden, O_CLOEXEC), 0);
}

static void ends(void **state)
{
	(void)state;
	expect_exit(start("exit", "0", NULL), 0);
	again();
	expect_exit(start("exit", "7", NULL), 7);
	again();
	expect_exit(start("exit", "255", NULL), 255);
}

static void dies(void **state)
{
	char text[8];

	snprintf(text, sizeof(text), "%d", *(int *)*state);
	expect_signal(start("kill", text, NULL), *(int *)*state);
}

static void not_executed(void **state)
{
	static const struct parent_hook none;
	static const struct {
		const char *path;
		int err;
	} wrong[] = { { "/nowhere/program", ENOENT }, { "/tmp", EACCES } };
	pid_t pid;
	size_t i;
	int err;

	(void)state;
	for (i = 0; i < 2; i++) {
		pid = fork();
		if (!pid) {
			char path[32];
			char *argv[] = { path, NULL };

			strcpy(path, wrong[i].path);
			parent_run(argv, name, false, &none, &err);
			/* there is no child left to wait for */
			exit(err == wrong[i].err && waitpid(-1, NULL, 0) < 0 && errno == ECHILD &&
					     !strcmp(path, wrong[i].path)
				     ? 5
				     : 6);
		}
		expect_exit(pid, 5);
	}
	file_holds(name, "");
}

static void report_of(const char *mode, const char *letters, const char *pattern)
{
	char text[4096], *from, *to;
	int fd, status;
	ssize_t n;

	assert_int_equal(truncate(name, 0), 0);
	status = end_of(start(mode, letters, NULL));
	assert_true(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
	again();
	fd = open(name, O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n] = '\0';
	/* process numbers differ */
	for (from = to = text; *from;) {
		if (*from == '[') {
			from = strchr(from, ']');
			*to++ = '#';
			from++;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	assert_string_equal(text, pattern);
}

#define COUNTED(name_) \
	"hugeodp: " name_ "# (ended without exit): 2 registrations, 0 with huge pages\n" \
	"hugeodp:   0 on-demand regions deregistered\n"

/* For each process that did not report itself. */
static void reports(void **state)
{
	(void)state;
	report_of("count", "r", COUNTED("progr"));
	report_of("count", "rd", "");
	report_of("child", "r", COUNTED("progr") COUNTED("progr"));
	report_of("child", "rd", COUNTED("progr"));
	/* one that neither registered memory nor was missed */
	report_of("child", "", COUNTED("progr"));
}

static void nothing_to_report(void **state)
{
	(void)state;
	report_of(
		"loaded", "",
		"hugeodp: exe#: no registration of memory was seen in it or its children before it "
		"ended\n");
	report_of("exit", "0",
		  "hugeodp: exe#: was not reached: its dynamic linker did not load the library\n");
	/* counted, though without a registration: nothing was seen */
	report_of("count", "",
		  "hugeodp: exe#: was not reached: its dynamic linker did not load the library\n");
}

static void hooks(void **state)
{
	struct parent_hook hook = { .process = note_process, .arg = name };

	(void)state;
	hook.no_report = true;
	expect_exit(start("child", "rd", &hook), 3);
	file_holds(name, "progrd: 2\nprogr: 2\n");
	again();
	assert_int_equal(truncate(name, 0), 0);
	/* not for a process without registrations */
	expect_exit(start("child", "", &hook), 3);
	file_holds(name, "progr: 2\n");
}

/* A report is not worth a program that does not run. */
static void no_memory_for_counts(void **state)
{
	struct rlimit before, small;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	expect_exit(start("exit", "7", NULL), 7);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	file_holds(name, "");
}

static void passes_signals(void **state)
{
	pid_t pid = start("wait", "", NULL);

	(void)state;
	until_ready();
	kill(pid, SIGUSR1);
	expect_exit(pid, SIGUSR1);
}

static void passes_values(void **state)
{
	pid_t pid = start("wait", "", NULL);

	(void)state;
	until_ready();
	sigqueue(pid, SIGUSR2, (union sigval){ .sival_int = 42 });
	expect_exit(pid, 42);
}

/* The kernel sends it to the process that inherited the alarm, which is not the program. */
static void passes_alarm(void **state)
{
	siginfo_t end = { 0 };
	pid_t pid;

	(void)state;
	with_alarm = true;
	pid = start("wait", "", NULL);
	with_alarm = false;
	until_ready();
	/* without its own alarm, the program would wait for ever */
	for (int i = 0; i < 100 && waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT | WNOHANG) == 0 &&
			!end.si_pid;
	     i++)
		usleep(100000);
	kill(pid, SIGTERM);
	expect_signal(pid, SIGALRM);
}

/* What the program writes into the shared memory is not trusted. */
static void nonsense(void **state)
{
	(void)state;
	report_of("count", "rn",
		  COUNTED("progrn") "hugeodp:   0, 0 bytes: none; no none: unknown reason, at 0\n");
}

/* A reader of a pipe must not wait for the process that waits. */
static void closes_files(void **state)
{
	pid_t pid = start("wait", "", NULL);
	char byte, path[64], target[64];
	ssize_t n;
	int i;

	(void)state;
	until_ready();
	assert_int_equal(read(hidden[0], &byte, 1), 0);
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, i);
		n = readlink(path, target, sizeof(target) - 1);
		assert_true(n > 0);
		target[n] = '\0';
		assert_string_equal(target, "/dev/null");
	}
	kill(pid, SIGUSR1);
	expect_exit(pid, SIGUSR1);
}

static void dies_with_parent(void **state)
{
	pid_t pid = start("wait", "", NULL);

	(void)state;
	until_ready();
	kill(pid, SIGKILL);
	expect_signal(pid, SIGKILL);
	until_gone();
}

/* As the shell that waits for this process knows no other. */
static void stops_with_program(void **state)
{
	pid_t pid;
	int status;
	char text[8];

	(void)state;
	snprintf(text, sizeof(text), "%d", SIGTSTP);
	pid = start("stop", text, NULL);
	until_ready();
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGSTOP);
	kill(-pid, SIGCONT);
	expect_exit(pid, 4);
}

/* Another process stops the program alone, and continues it alone. */
static void stopped_alone(void **state)
{
	char text[8], path[64], line[256];
	FILE *file;
	pid_t pid, program;
	int status;

	(void)state;
	snprintf(text, sizeof(text), "%d", SIGSTOP);
	pid = start("stop", text, NULL);
	until_ready();
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &program), 1);
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%d/stat", program);
	do {
		file = fopen(path, "r");
		assert_non_null(file);
		assert_non_null(fgets(line, sizeof(line), file));
		fclose(file);
	} while (!strstr(line, ") T "));
	assert_int_equal(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	kill(program, SIGCONT);
	until_ready();
	expect_exit(pid, 4);
}

/* The program gets the mask and the actions that this process had. */
static void settings(void **state)
{
	sigset_t mask, before;

	(void)state;
	sigemptyset(&mask);
	sigaddset(&mask, SIGWINCH);
	sigprocmask(SIG_BLOCK, &mask, &before);
	ignore_children = true;
	expect_exit(start("state", "", NULL), 0);
	ignore_children = false;
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ---- why a program was not reached ---- */

static void find(const char *path, const char *program, const char *want)
{
	char *found;

	if (path)
		setenv("PATH", path, 1);
	else
		unsetenv("PATH");
	found = unreached_find(program);
	if (want)
		assert_string_equal(found, want);
	else
		assert_null(found);
	free(found);
}

static void finds(void **state)
{
	char path[128], *before = strdup(getenv("PATH"));

	(void)state;
	find("/nowhere:/bin", "sh", "/bin/sh");
	find("/bin:/nowhere", "sh", "/bin/sh");
	find("/nowhere", "sh", NULL);
	find("", "sh", NULL);
	find(NULL, "sh", "sh");
	find("/nowhere", "./sh", "./sh");
	assert_int_equal(chdir("/bin"), 0);
	find("", "sh", "sh");
	find("/nowhere::/nowhere2", "sh", "sh");
	assert_int_equal(chdir("/"), 0);
	/* not executable */
	snprintf(path, sizeof(path), "/tmp:/bin");
	find(path, name + strlen("/tmp/"), NULL);
	setenv("PATH", before, 1);
	free(before);
}

#define OTHER "its dynamic linker did not load the library"
#define STATIC "it is linked statically"

/* A program: a header and segments, the last of which is of this type. */
static void reason(ElfW(Ehdr) header, uint32_t type, mode_t mode, const char *want)
{
	ElfW(Phdr)
		segments[3] = { { .p_type = PT_LOAD }, { .p_type = PT_NOTE }, { .p_type = type } };
	int fd;

	unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0700);
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(pwrite(fd, segments, sizeof(segments), 512), sizeof(segments));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	assert_string_equal(unreached_reason(name), want);
}

static void reasons(void **state)
{
	ElfW(Ehdr) own, header;
	int fd = open(SELF, O_RDONLY);

	(void)state;
	assert_int_equal(read(fd, &own, sizeof(own)), sizeof(own));
	close(fd);
	own.e_phoff = 512;
	own.e_phnum = 3;
	assert_string_equal(unreached_reason(NULL), "its file cannot be read");
	assert_string_equal(unreached_reason("/nowhere"), "its file cannot be read");
	assert_string_equal(unreached_reason(SELF), OTHER);
	reason(own, PT_INTERP, 0700, OTHER);
	reason(own, PT_LOAD, 0700, STATIC);
	reason(own, PT_INTERP, 04700, "it is setuid, setgid or has capabilities");
	reason(own, PT_INTERP, 02700, "it is setuid, setgid or has capabilities");
	header = own;
	header.e_phnum = 2;
	reason(header, PT_INTERP, 0700, STATIC);
	/* ends before the interpreter */
	header.e_phnum = 9;
	reason(header, PT_LOAD, 0700, STATIC);
	header = own;
	header.e_phoff = UINT64_MAX - 8;
	reason(header, PT_INTERP, 0700, STATIC);
	header = own;
	header.e_machine++;
	reason(header, PT_INTERP, 0700, "it is not of this system's main architecture");
	header = own;
	header.e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
	reason(header, PT_INTERP, 0700, "it is not of this system's main architecture");
	header = own;
	header.e_ident[3]++;
	reason(header, PT_LOAD, 0700, OTHER);
	/* shorter than a header */
	assert_int_equal(truncate(name, sizeof(own) - 1), 0);
	assert_string_equal(unreached_reason(name), OTHER);
	/* opening it does not wait for a writer */
	unlink(name);
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_string_equal(unreached_reason(name), OTHER);
}

#define TEST(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(int argc, char **argv)
{
	static int signals[] = { SIGKILL, SIGTERM, SIGQUIT };
	const struct CMUnitTest tests[] = {
		TEST(ends),
		{ "dies: SIGKILL", dies, setup, teardown, &signals[0] },
		{ "dies: SIGTERM", dies, setup, teardown, &signals[1] },
		{ "dies: SIGQUIT", dies, setup, teardown, &signals[2] },
		TEST(not_executed),
		TEST(reports),
		TEST(nothing_to_report),
		TEST(hooks),
		TEST(no_memory_for_counts),
		TEST(passes_signals),
		TEST(passes_values),
		TEST(passes_alarm),
		TEST(nonsense),
		TEST(closes_files),
		TEST(dies_with_parent),
		TEST(stops_with_program),
		TEST(stopped_alone),
		TEST(settings),
		TEST(finds),
		TEST(reasons),
	};

	if (argc > 2) {
		ready[1] = atoi(getenv("TEST_READY"));
		return program(argv[1], argv[2]);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
