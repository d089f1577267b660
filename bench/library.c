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

enum what {
	REGISTER,
	PROBE_FIRST,
	SECOND_CALL, /* of the two that a registration with a request takes */
};

static const struct call {
	struct subject subject; /* @subject.name: the call */
	enum what what;
} calls[] = {
	{ { "ibv_reg_mr", &mode_odp, SPACE_HUGE, SZ_2M, false }, REGISTER },
	{ { "ibv_reg_mr_ex 4K", &mode_strict_4k, SPACE_HUGE, SZ_2M, true }, REGISTER },
	{ { "ibv_reg_mr_ex 2M", &mode_strict_2m, SPACE_HUGE, SZ_2M, true }, REGISTER },
	{ { "second call of ibv_reg_mr_ex 2M", &mode_strict_2m, SPACE_HUGE, SZ_2M, true },
	  SECOND_CALL },
	{ { "probe + ibv_reg_mr_ex 2M", &mode_strict_2m, SPACE_HUGE, SZ_2M, true }, PROBE_FIRST },
};

struct count {
	uint64_t steps;
	uint64_t syscalls;
};

/* State of a call between its parts. */
struct run {
	const struct bench *b;
	const struct call *call;
	struct space space;
	struct ibv_mr *mr;
	uint32_t handle;
};

static void run_open(struct run *run, const struct bench *b, const struct call *c)
{
	*run = (struct run){ .b = b, .call = c };
	space_map(&run->space, c->subject.kind, SZ_2M);
	space_populate(&run->space);
	space_check(&run->space);
}

/* The first call: rxe registers an MR to modify, other drivers create one to import. */
static void first_call(struct run *run)
{
	const struct mode *mode = run->call->subject.mode;
	const struct rig *rig = &run->b->rig;
	const struct ibv_mr_init_attr_pages attr = {
		.base = {
			.length = run->space.len,
			.access = ACCESS_ALL | mode->access,
			.addr = run->space.addr,
		},
		.page_sizes = mode->page_sizes,
		.flags = mode->flags,
	};

	if (rig->is_rxe)
		run->mr = mode_reg(&mode_hugetlb_flag, rig->pd, run->space.addr, run->space.len,
				   (uintptr_t)run->space.addr, ACCESS_ALL);
	else
		errno = hugeodp_create_mr_fd(rig->ctx->cmd_fd, rig->pd->handle, &attr, sizeof(attr),
					     &run->handle);
	if (rig->is_rxe ? !run->mr : errno)
		fatal("the first call of a registration: %s", strerror(errno));
}

static void second_call(struct run *run)
{
	const struct mode *mode = run->call->subject.mode;
	const struct rig *rig = &run->b->rig;

	if (!rig->is_rxe)
		run->mr = ibv_import_mr(rig->pd, run->handle);
	else
		errno = ibv_modify_mr_odp(run->mr, mode->page_sizes, mode->flags);
	if (rig->is_rxe ? errno : !run->mr)
		fatal("the second call of a registration: %s", strerror(errno));
}

/* What is not measured. */
static void run_before(struct run *run)
{
	if (run->call->what == SECOND_CALL)
		first_call(run);
}

/* What is measured. */
static void run_call(struct run *run)
{
	struct ibv_odp_report report;

	if (run->call->what == SECOND_CALL) {
		second_call(run);
		return;
	}
	if (run->call->what == PROBE_FIRST &&
	    ibv_probe_odp_range(run->b->rig.ctx, run->space.addr, run->space.len,
				run->call->subject.mode->page_sizes, &report, sizeof(report)))
		fatal("ibv_probe_odp_range: %s", strerror(errno));
	run->mr = subject_reg(run->b, &run->call->subject, run->space.addr, run->space.len);
}

/* In the child: the call between two marks, then two marks with nothing between them. */
static _Noreturn void run_marked(const struct call *c)
{
	struct bench b = {};
	struct run run;

	rig_open(&b.rig);
	run_open(&run, &b, c);
	for (int i = 0; i < WARM; i++) {
		run_before(&run);
		run_call(&run);
		subject_dereg(run.mr);
	}
	run_before(&run);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(1);
	raise(SIGUSR1);
	run_call(&run);
	raise(SIGUSR1);
	raise(SIGUSR1);
	subject_dereg(run.mr);
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
	struct run run;

	run_open(&run, b, c);
	for (int i = 0; i < WARM + REPEATS; i++) {
		uint64_t start;

		run_before(&run);
		start = work_done();
		run_call(&run);
		if (i >= WARM)
			figure_add(&f, work_done() - start);
		subject_dereg(run.mr);
	}
	space_unmap(&run.space);
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
