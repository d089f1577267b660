// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The program runs as a child in the same process group, and dies with this process. Signals from
 * the terminal reach both; signals that another process sends to this one are passed on. The end of
 * the program, and each stop, is repeated here, for a shell that only knows this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counts.h"
#include "parent.h"
#include "shared.h"
#include "unreached.h"

struct parent {
	pid_t program;
	const char *report;
	bool json;
	const struct parent_hook *hook;
	bool shares;
	struct shared shared;
};

static void child(char **argv, pid_t parent, const sigset_t *mask, const struct sigaction *on_child,
		  int errors)
{
	int err;

	/* as it would have died by a signal to this process if it had replaced it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	sigaction(SIGCHLD, on_child, NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	err = errno;
	if (write(errors, &err, sizeof(err)) != (ssize_t)sizeof(err))
		_exit(1);
	_exit(0);
}

/* Returns 0 once the child runs the program, or an errno value. */
static int start(struct parent *parent, char **argv, const sigset_t *mask,
		 const struct sigaction *on_child)
{
	pid_t self = getpid();
	int errors[2], err = 0;

	if (pipe2(errors, O_CLOEXEC))
		return errno;
	parent->program = fork();
	if (!parent->program)
		child(argv, self, mask, on_child, errors[1]);
	if (parent->program < 0)
		err = errno;
	close(errors[1]);
	if (!err && read(errors[0], &err, sizeof(err)) != (ssize_t)sizeof(err))
		err = 0;
	close(errors[0]);
	if (err && parent->program > 0)
		waitpid(parent->program, NULL, 0);
	return err;
}

/* A reader of a pipe must not wait for this process, which only needs its stderr. */
static void close_files(const struct parent *parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned int keep = (unsigned int)parent->shared.fd;

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	if (!parent->shares)
		keep = STDERR_FILENO;
	if (keep > STDERR_FILENO + 1)
		syscall(SYS_close_range, STDERR_FILENO + 1, keep - 1, 0);
	syscall(SYS_close_range, keep + 1, ~0U, 0);
}

/* The command line of the program appears once in the list of processes. */
static void hide_arguments(char **argv)
{
	for (; *argv; argv++)
		memset(*argv, 0, strlen(*argv));
}

/* The terminal sends these to the whole group; SIGALRM also comes from the kernel, to one process. */
static bool is_of_terminal(int signo)
{
	return signo == SIGINT || signo == SIGQUIT || signo == SIGTSTP || signo == SIGTTIN ||
	       signo == SIGTTOU || signo == SIGHUP || signo == SIGCONT || signo == SIGWINCH;
}

/* Pass on a signal that was sent to this process alone. */
static void pass_on(const struct parent *parent, const siginfo_t *info)
{
	if (info->si_code == SI_KERNEL && is_of_terminal(info->si_signo))
		return;
	if (info->si_code == SI_QUEUE)
		sigqueue(parent->program, info->si_signo, info->si_value);
	else
		kill(parent->program, info->si_signo);
}

/* Take note of children. Returns true if the program ended; @end receives how. */
static bool take_children(const struct parent *parent, siginfo_t *end)
{
	siginfo_t info;

	for (;;) {
		info.si_pid = 0;
		/* also orphans, as the first process of a container */
		if (waitid(P_ALL, 0, &info, WEXITED | WSTOPPED | WNOHANG) || !info.si_pid)
			return false;
		if (info.si_pid != parent->program)
			continue;
		if (info.si_code != CLD_STOPPED && info.si_code != CLD_TRAPPED) {
			*end = info;
			return true;
		}
		/*
		 * Job control: the shell takes the terminal when its own child stops, and continues
		 * both. A program that is stopped by SIGSTOP may be continued alone.
		 */
		if (info.si_code == CLD_STOPPED && info.si_status != SIGSTOP)
			raise(SIGSTOP);
	}
}

/* Wait for the end of the program, with all signals blocked. */
static siginfo_t wait_for_end(const struct parent *parent, const sigset_t *all)
{
	siginfo_t info, end = { 0 };

	while (!take_children(parent, &end)) {
		if (sigwaitinfo(all, &info) < 0)
			continue;
		if (info.si_signo != SIGCHLD)
			pass_on(parent, &info);
	}
	return end;
}

/* Report for processes that have ended without a report of their own, and call the hook for all. */
static bool report_counts(const struct parent *parent)
{
	const struct parent_hook *hook = parent->hook;
	struct counts counts;
	bool alive, any = false;
	unsigned int i;

	for (i = 0; parent->shares && shared_read(&parent->shared, i, &counts, &alive); i++) {
		any = any || counts.registrations || counts.unseen;
		/* the kernel may still be unmapping the memory of the program */
		if ((alive && counts.pid != parent->program) ||
		    (!counts.registrations && !counts.unseen))
			continue;
		if (!counts.reported && (!hook->no_report || counts.unseen))
			counts_report(&counts, parent->report, parent->json, true);
		if (hook->process && counts.registrations)
			hook->process(&counts, hook->arg);
	}
	return any;
}

/* One line if there is nothing else to report. */
static void report_nothing(const struct parent *parent, const char *program, const char *path)
{
	struct counts counts = { .pid = parent->program, .exited = true };
	const char *slash = strrchr(program, '/');

	snprintf(counts.program, sizeof(counts.program), "%s", slash ? slash + 1 : program);
	if (shared_loaded(&parent->shared))
		snprintf(
			counts.note, sizeof(counts.note),
			"no registration of memory was seen in it or its children before it ended");
	else if (!shared_in_reach(&parent->shared))
		snprintf(
			counts.note, sizeof(counts.note),
			"without the /proc of its PID namespace, only a process that ends by exit(3) is reported");
	else
		snprintf(counts.note, sizeof(counts.note), "was not reached: %s",
			 unreached_reason(path));
	counts_report(&counts, parent->report, parent->json, true);
}

static _Noreturn void die_by(int sig)
{
	const struct rlimit none = { 0 };
	sigset_t one;

	/* one memory image is enough */
	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	/* the first process of a container does not die by a signal of its own */
	_exit(128 + sig);
}

int parent_run(char **argv, const char *report, bool json, const struct parent_hook *hook, int *err)
{
	struct parent parent = { .report = report, .json = json, .hook = hook };
	const struct sigaction on_end = { .sa_handler = SIG_DFL };
	char *program = strdup(argv[0]), *path = unreached_find(argv[0]);
	struct sigaction on_child;
	sigset_t all, mask;
	siginfo_t end = { 0 };
	char place[128];

	parent.shares = shared_create(&parent.shared);
	if (parent.shares)
		shared_place(&parent.shared, place, sizeof(place));
	*err = parent.shares && setenv(SHARED_PLACE, place, 1) ? errno : 0;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &mask);
	/* SIGCHLD may be ignored, and then there is nothing to wait for */
	sigaction(SIGCHLD, &on_end, &on_child);
	if (!*err)
		*err = start(&parent, argv, &mask, &on_child);
	if (!*err) {
		close_files(&parent);
		hide_arguments(argv);
		end = wait_for_end(&parent, &all);
		if (!report_counts(&parent) && parent.shares && program)
			report_nothing(&parent, program, path);
		if (end.si_code != CLD_EXITED)
			die_by(end.si_status);
	}
	sigprocmask(SIG_SETMASK, &mask, NULL);
	free(program);
	free(path);
	return end.si_status;
}
