// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"
#include "tap.h"

/* Stop after this many processes that cannot be killed */
#define MANY_STUCK 3

double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static double slowness(void)
{
	const char *kernel = getenv("HUGEODP_KERNEL");

	return kernel && !strcmp(kernel, "debug") ? 3 : 1;
}

double soon(void)
{
	return 20 * slowness();
}

double later(void)
{
	return 90 * slowness();
}

bool is_long(void)
{
	const char *text = getenv("HUGEODP_LONG");

	return text && !strcmp(text, "1");
}

/* ---- scenarios ---- */

_Noreturn static void scenario_child(scenario_fn fn, const void *arg, int to_parent)
{
	struct rig rig;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(to_parent, STDOUT_FILENO);
	close(to_parent);
	/* mounts are freed with the process */
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fatal("a mount namespace: %s", strerror(errno));
	rig_open(&rig);
	fn(&rig, arg);
	rig_close(&rig);
	exit(0);
}

struct reader {
	const char *name;
	int fd;
	char text[2048];
	size_t len;
	unsigned int points;
};

/* Prints a line of the child, with its test points renumbered. */
static void repeat_line(struct reader *r, const char *line)
{
	const char *text = strstr(line, " - ");
	bool bad = !strncmp(line, "not ok ", 7);

	if (strstr(line, "# SKIP")) {
		ok(true, "%s %s", r->name, strstr(line, "# SKIP"));
		r->points++;
	} else if (text && (bad || !strncmp(line, "ok ", 3))) {
		ok(!bad, "%s: %s", r->name, text + 3);
		r->points++;
	} else if (line[0] == '#') {
		note("%s: %s", r->name, line + 1 + (line[1] == ' '));
	}
}

static void repeat_lines(struct reader *r)
{
	ssize_t n;
	char *nl;

	while ((n = read(r->fd, r->text + r->len, sizeof(r->text) - 1 - r->len)) > 0) {
		r->len += (size_t)n;
		r->text[r->len] = '\0';
		while ((nl = strchr(r->text, '\n'))) {
			*nl = '\0';
			repeat_line(r, r->text);
			r->len -= (size_t)(nl + 1 - r->text);
			memmove(r->text, nl + 1, r->len + 1);
		}
		if (r->len == sizeof(r->text) - 1)
			r->len = 0;
	}
}

/* Its status, or -1 if it has not ended. */
static int watch(struct reader *r, pid_t pid, double seconds)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	double end = now_s() + seconds;
	int status;

	do {
		pid_t gone = waitpid(pid, &status, WNOHANG);

		repeat_lines(r);
		if (gone == pid)
			return status;
		/* at the end of the file poll() returns at once */
		if (poll(&p, 1, 50) > 0 && (p.revents & POLLHUP))
			sleep_ms(10);
	} while (now_s() < end);
	return -1;
}

void scenario(double seconds, scenario_fn fn, const void *arg, const char *fmt, ...)
{
	const char *only = getenv("HUGEODP_ONLY");
	static unsigned int stuck;
	struct reader r = {};
	char name[128];
	int fds[2], status;
	double began;
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	if (only && !strstr(name, only))
		return;
	r.name = name;
	if (pipe2(fds, O_CLOEXEC) || fcntl(fds[0], F_SETFL, O_NONBLOCK))
		fatal("pipe: %s", strerror(errno));
	fflush(NULL);
	began = now_s();
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid)
		scenario_child(fn, arg, fds[1]);
	close(fds[1]);
	r.fd = fds[0];
	status = watch(&r, pid, seconds);
	if (status < 0) {
		ok(false, "%s: ends in %.0f s", name, seconds);
		kill(-pid, SIGKILL);
		status = watch(&r, pid, later());
		if (status < 0) {
			ok(false, "%s: can be killed", name);
			stuck++;
		}
	} else {
		/* processes that it started and did not end */
		kill(-pid, SIGKILL);
		if (WIFSIGNALED(status) || WEXITSTATUS(status) > 1)
			ok(false, "%s: the process ends well: status %#x", name, status);
		else if (!r.points)
			ok(false, "%s: there are test points", name);
	}
	close(fds[0]);
	note("%s: %.1f s", name, now_s() - began);
	if (stuck >= MANY_STUCK)
		fatal("%u processes cannot be killed", stuck);
}

bool process_ends(pid_t pid, double seconds, const char *what)
{
	double end = now_s() + seconds;
	bool gone = false;

	while (!gone && now_s() < end) {
		gone = waitpid(pid, NULL, WNOHANG) == pid;
		if (!gone)
			sleep_ms(20);
	}
	ok(gone, "%s", what);
	if (gone)
		return true;
	kill(pid, SIGKILL);
	for (end = now_s() + seconds; !gone && now_s() < end; sleep_ms(20))
		gone = waitpid(pid, NULL, WNOHANG) == pid;
	return false;
}

pid_t start_waiting(void (*fn)(const void *arg, int to_parent), const void *arg)
{
	int fds[2];
	pid_t pid;
	char byte;

	if (pipe(fds))
		fatal("pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid) {
		fn(arg, fds[1]);
		_exit(1);
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) != 1)
		pid = -1;
	close(fds[0]);
	return pid;
}

void silence(void)
{
	if (!freopen("/dev/null", "we", stdout))
		_exit(1);
}

/* ---- requests ---- */

void rdma_post(struct pair *pair, enum ibv_wr_opcode op, const struct ibv_mr *local, uint64_t laddr,
	       const struct ibv_mr *remote, uint64_t raddr, size_t len)
{
	struct ibv_sge sge = { .addr = laddr, .length = (uint32_t)len, .lkey = local->lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = op,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = raddr, .rkey = remote->rkey },
	};

	post_send(pair, &wr);
}

int rdma_wait(struct pair *pair, double seconds)
{
	double end = now_s() + seconds;
	struct ibv_wc wc;
	int n;

	for (unsigned long spins = 1; !(n = ibv_poll_cq(pair->cq[NEAR], 1, &wc)); spins++) {
		sched_yield();
		if (spins % 64 == 0 && now_s() > end)
			return NO_COMPLETION;
	}
	if (n < 0)
		fatal("ibv_poll_cq: %s", strerror(errno));
	return (int)wc.status;
}

int rdma_run(struct pair *pair, enum ibv_wr_opcode op, const struct ibv_mr *local, uint64_t laddr,
	     const struct ibv_mr *remote, uint64_t raddr, size_t len)
{
	int status;

	rdma_post(pair, op, local, laddr, remote, raddr, len);
	status = rdma_wait(pair, later());
	if (status == NO_COMPLETION)
		fatal("no completion in %.0f s", later());
	if (status)
		pair_renew(pair);
	return status;
}

const char *status_name(int status)
{
	return status < 0 ? "no completion" : ibv_wc_status_str((enum ibv_wc_status)status);
}

void flight_start(struct flight *f, struct pair *pair, enum op op, struct buf *near, size_t near_at,
		  struct buf *far, size_t far_at, size_t len)
{
	*f = (struct flight){
		.pair = pair,
		.x = {
			.op = op,
			.near = near,
			.near_at = near_at,
			.far = far,
			.far_at = far_at,
			.len = len,
		},
	};
	/* new bytes to write, or content that must be overwritten by the read */
	buf_fill(near, near_at, len);
	rdma_post(pair, op == OP_READ ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE, near->mr,
		  buf_iova(near, near_at), far->mr, buf_iova(far, far_at), len);
}

bool flight_lands(struct flight *f, double seconds, bool *late, const char *what)
{
	const struct xfer *x = &f->x;
	int status = rdma_wait(f->pair, seconds);

	*late = status == NO_COMPLETION;
	if (status) {
		ok(false, "%s: %s of %zu bytes completes in %.0f s", what, op_name(x->op), x->len,
		   seconds);
		diag("  got '%s'", status_name(status));
		if (*late)
			return false;
		pair_renew(f->pair);
		buf_adopt(x->near, x->near_at, x->len);
		buf_adopt(x->far, x->far_at, x->len);
		return false;
	}
	if (x->op == OP_READ)
		memcpy(x->near->shadow + x->near_at, x->far->shadow + x->far_at, x->len);
	else
		memcpy(x->far->shadow + x->far_at, x->near->shadow + x->near_at, x->len);
	return ok(buf_check(x->near, x->near_at, x->len, (ssize_t)x->near_at) &&
			  (x->op == OP_READ ||
			   buf_check(x->far, x->far_at, x->len, (ssize_t)x->far_at)),
		  "%s: %s of %zu bytes is right", what, op_name(x->op), x->len);
}

/* ---- calls ---- */

static void *run_call(void *arg)
{
	struct call *call = arg;

	call->ret = call->fn(call->arg);
	atomic_store(&call->done, true);
	return NULL;
}

void call_start(struct call *call, int (*fn)(void *arg), void *arg)
{
	call->fn = fn;
	call->arg = arg;
	call->joined = false;
	atomic_store(&call->done, false);
	if (pthread_create(&call->thread, NULL, run_call, call))
		fatal("pthread_create failed");
}

bool call_ends(struct call *call, double seconds)
{
	double end = now_s() + seconds;

	while (!atomic_load(&call->done) && now_s() < end)
		sleep_ms(5);
	if (!atomic_load(&call->done))
		return false;
	if (!call->joined)
		pthread_join(call->thread, NULL);
	call->joined = true;
	return true;
}

bool call_is(struct call *call, double seconds, int want, const char *what)
{
	if (call_ends(call, seconds))
		return is_errno(call->ret, want, "%s", what);
	ok(false, "%s: returns in %.0f s", what, seconds);
	return false;
}

int call_dereg(void *mr)
{
	return ibv_dereg_mr(mr);
}

int call_prefetch(void *arg)
{
	struct prefetch *p = arg;

	return ibv_advise_mr(p->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, p->flags, &p->sge, 1);
}

int call_modify(void *arg)
{
	struct modify *m = arg;

	return ibv_modify_mr_odp(m->mr, m->sizes, m->flags);
}

/* ---- pages ---- */

static uint64_t entry_of(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	need(fd >= 0, "%s: %s", path, strerror(errno));
	if (pread(fd, &entry, sizeof(entry), (off_t)(index * sizeof(entry))) != sizeof(entry))
		fatal("reading %s: %s", path, strerror(errno));
	close(fd);
	return entry;
}

uint64_t pagemap_entry(const void *addr)
{
	return entry_of("/proc/self/pagemap", (uintptr_t)addr / SZ_4K);
}

uint64_t page_flags(uint64_t pfn)
{
	return entry_of("/proc/kpageflags", pfn);
}

size_t pages_present(const void *addr, size_t len)
{
	size_t count = 0;

	for (size_t at = 0; at < len; at += SZ_4K)
		count += pagemap_entry((const uint8_t *)addr + at) >> 62 != 0;
	return count;
}
