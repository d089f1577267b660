// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The user-space cost of a registration: instructions and system calls between two marks in a child
 * that is single-stepped, so both are exact. Where instructions are counted, also the total cost,
 * with that of the kernel.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "tap.h"

#define WARM 3

static const struct call {
	struct subject subject; /* @subject.name: the call */
	bool probe;
} calls[] = {
	{ { "ibv_reg_mr", &mode_odp, SPACE_HUGE, SZ_2M, false }, false },
	{ { "ibv_reg_mr_ex 4K", &mode_strict_4k, SPACE_HUGE, SZ_2M, true }, false },
	{ { "ibv_reg_mr_ex 2M", &mode_strict_2m, SPACE_HUGE, SZ_2M, true }, false },
	{ { "probe + ibv_reg_mr_ex 2M", &mode_strict_2m, SPACE_HUGE, SZ_2M, true }, true },
};

struct count {
	uint64_t steps;
	uint64_t syscalls;
};

static struct ibv_mr *call(const struct bench *b, const struct call *c, const struct space *space)
{
	struct ibv_odp_report report;

	if (c->probe && ibv_probe_odp_range(b->rig.ctx, space->addr, space->len,
					    c->subject.mode->page_sizes, &report, sizeof(report)))
		fatal("ibv_probe_odp_range: %s", strerror(errno));
	return subject_reg(b, &c->subject, space->addr, space->len);
}

/* In the child: the call between two marks, then two marks with nothing between them. */
static _Noreturn void run_marked(const struct call *c)
{
	struct bench b = {};
	struct space space;
	struct ibv_mr *mr;

	rig_open(&b.rig);
	space_map(&space, c->subject.kind, SZ_2M);
	space_populate(&space);
	space_check(&space);
	for (int i = 0; i < WARM; i++)
		subject_dereg(call(&b, c, &space));
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(SIGUSR1);
	mr = call(&b, c, &space);
	raise(SIGUSR1);
	raise(SIGUSR1);
	subject_dereg(mr);
	_exit(0);
}

static bool at_syscall(pid_t child)
{
	struct user_regs_struct regs;
	long word;

	if (ptrace(PTRACE_GETREGS, child, NULL, &regs))
		fatal("PTRACE_GETREGS: %s", strerror(errno));
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, child, (void *)regs.rip, NULL);
	return !errno && (word & 0xffff) == 0x050f;
}

/* Runs to the next mark. */
static struct count step(pid_t child)
{
	struct count count = {};
	int status;

	for (;;) {
		count.syscalls += at_syscall(child);
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) || waitpid(child, &status, 0) < 0)
			fatal("single step: %s", strerror(errno));
		if (!WIFSTOPPED(status))
			fatal("the child ended between its marks");
		if (WSTOPSIG(status) == SIGUSR1)
			return count;
		if (WSTOPSIG(status) != SIGTRAP)
			fatal("the child got signal %d", WSTOPSIG(status));
		count.steps++;
	}
}

static struct count count_call(const struct call *c)
{
	struct count both, marks;
	pid_t child = fork();
	int status;

	if (child < 0)
		fatal("fork: %s", strerror(errno));
	if (!child)
		run_marked(c);
	if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGUSR1)
		fatal("the child does not reach its first mark");
	both = step(child);
	marks = step(child);
	if (ptrace(PTRACE_CONT, child, NULL, NULL) || waitpid(child, &status, 0) < 0 ||
	    !WIFEXITED(status) || WEXITSTATUS(status))
		fatal("the child fails");
	return (struct count){ both.steps - marks.steps, both.syscalls - marks.syscalls };
}

static struct figure figure_for(const struct call *c, const char *unit)
{
	return (struct figure){
		.name = "library",
		.subject = &c->subject,
		.state = "populated",
		.length = SZ_2M,
		.unit = unit,
	};
}

static void user_space(const struct call *c)
{
	struct figure steps = figure_for(c, "user instructions");
	struct figure syscalls = figure_for(c, "system calls");

	for (int i = 0; i < 3; i++) {
		struct count count = count_call(c);

		figure_add(&steps, count.steps);
		figure_add(&syscalls, count.syscalls);
	}
	figure_print(&steps);
	figure_print(&syscalls);
}

static void with_kernel(const struct bench *b, const struct call *c)
{
	struct figure f = figure_for(c, work_unit());
	struct space space;

	space_map(&space, c->subject.kind, SZ_2M);
	space_populate(&space);
	space_check(&space);
	for (int i = 0; i < WARM + REPEATS; i++) {
		uint64_t start = work_done();
		struct ibv_mr *mr = call(b, c, &space);

		if (i >= WARM)
			figure_add(&f, work_done() - start);
		subject_dereg(mr);
	}
	space_unmap(&space);
	figure_print(&f);
}

void measure_library(const struct bench *b)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		if (!subject_fits(b, &calls[i].subject, SZ_2M))
			continue;
		user_space(&calls[i]);
		if (b->exact)
			with_kernel(b, &calls[i]);
	}
}
