// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Behaviour of programs besides registering memory: each habit runs in a separate process, first
 * without and then under `hugeodp run`, and must end in the same way. The report shows that the
 * library was loaded.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "region.h"
#include "rig.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define REPORT "/tmp/habits.report"
#define PROCESSES 16
/* ranges that a report lists one by one */
#define RANGES 32

static struct rig rig;
static char *memory;

static void open_all(void)
{
	rig_open(&rig);
	memory = aligned_alloc(SZ_2M, LEN);
	if (!memory)
		fatal("no memory");
}

/* Unaligned to huge pages at both ends. */
static struct ibv_mr *reg(void)
{
	return ibv_reg_mr(rig.pd, memory + SZ_4K, LEN - SZ_64K, IBV_ACCESS_ON_DEMAND | ACCESS_ALL);
}

static bool reg_and_dereg(void)
{
	struct ibv_mr *mr = reg();

	return mr && !ibv_dereg_mr(mr);
}

static bool plainly(void)
{
	open_all();
	return reg_and_dereg();
}

static bool came_back;

static void *cancelled_thread(void *arg)
{
	(void)arg;
	pthread_cancel(pthread_self());
	came_back = reg_and_dereg();
	pthread_testcancel();
	return NULL;
}

static bool in_thread(const pthread_attr_t *attr, void *(*fn)(void *arg))
{
	pthread_t thread;

	open_all();
	if (pthread_create(&thread, attr, fn, NULL))
		fatal("no thread");
	pthread_join(thread, NULL);
	return came_back;
}

static bool cancelled(void)
{
	return in_thread(NULL, cancelled_thread);
}

static void *thread(void *arg)
{
	(void)arg;
	came_back = reg_and_dereg();
	return NULL;
}

static bool small_stack(void)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, (size_t)sysconf(_SC_THREAD_STACK_MIN)))
		fatal("no such stack");
	return in_thread(&attr, thread);
}

/* An allocator that registers: this process's own malloc() and free(). */
static bool allocator_registers;
static _Thread_local bool allocator_busy;
static unsigned int allocator_mrs;

void *__libc_malloc(size_t size);
void __libc_free(void *at);

static void allocator_reg(void)
{
	struct ibv_mr *mr;

	if (!allocator_registers || allocator_busy)
		return;
	allocator_busy = true;
	mr = reg();
	if (mr && !ibv_dereg_mr(mr))
		allocator_mrs++;
	allocator_busy = false;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	allocator_reg();
	return __libc_malloc(size);
}

__attribute__((visibility("default"))) void free(void *at)
{
	allocator_reg();
	__libc_free(at);
}

static bool allocator(void)
{
	bool good;

	open_all();
	allocator_registers = true;
	good = reg_and_dereg();
	allocator_registers = false;
	return good && allocator_mrs;
}

/* The same, where the first MR of the report is one that the library left alone. */
static bool allocator_and_request(void)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.length = SZ_2M,
			.access = IBV_ACCESS_ON_DEMAND | ACCESS_ALL,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
		},
	};
	struct ibv_mr *mr;
	bool good;

	open_all();
	request.base.addr = memory;
	mr = ibv_reg_mr_ex(rig.pd, &request.base);
	allocator_registers = true;
	good = mr && !ibv_dereg_mr(mr);
	allocator_registers = false;
	return good && allocator_mrs;
}

static bool no_environment(void)
{
	clearenv();
	return plainly();
}

static bool no_files(void)
{
	open_all();
	for (int fd = 0; fd < 256; fd++) {
		if (fd != rig.ctx->cmd_fd)
			close(fd);
	}
	return reg_and_dereg();
}

static bool no_reader(void)
{
	int fds[2];

	if (pipe(fds) || dup2(fds[1], STDERR_FILENO) < 0)
		fatal("no pipe");
	close(fds[0]);
	return plainly();
}

static bool file_limit(void)
{
	const struct rlimit limit = { 0 };
	bool good = plainly();

	return !setrlimit(RLIMIT_FSIZE, &limit) && good;
}

/* The program of hugeodp(7) that looks the function up, and gets the page size that it requests. */
static bool by_name(void)
{
	struct ibv_mr *(*reg_mr_ex)(struct ibv_pd * pd, struct ibv_mr_init_attr * attr);
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.length = SZ_2M,
			.access = IBV_ACCESS_ON_DEMAND | ACCESS_ALL,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
		},
		.page_sizes = SZ_64K | SZ_4K,
	};
	struct ibv_mr *mr;

	open_all();
	request.base.addr = memory;
	/* libhugeodp is linked ahead of libibverbs: its function is found */
	*(void **)&reg_mr_ex = dlsym(RTLD_DEFAULT, "ibv_reg_mr_ex");
	mr = reg_mr_ex(rig.pd, &request.base);
	return mr && (!rig.series || ibv_mr_page_shift(mr) == 16) && reg_and_dereg();
}

/* As NCCL does. */
static bool by_handle(void)
{
	struct ibv_mr *(*reg_mr)(struct ibv_pd * pd, void *addr, size_t length, int access);
	int (*dereg_mr)(struct ibv_mr * mr);
	void *handle = dlopen("libibverbs.so.1", RTLD_NOW | RTLD_LOCAL);
	struct ibv_mr *mr;

	open_all();
	*(void **)&reg_mr = handle ? dlvsym(handle, "ibv_reg_mr", "IBVERBS_1.1") : NULL;
	*(void **)&dereg_mr = handle ? dlsym(handle, "ibv_dereg_mr") : NULL;
	if (!reg_mr || !dereg_mr)
		return false;
	mr = reg_mr(rig.pd, memory, LEN, IBV_ACCESS_ON_DEMAND | ACCESS_ALL);
	return mr && !dereg_mr(mr);
}

/* The first ABI version of libibverbs, which it still has. */
struct first_pd {
	void *context;
	uint32_t handle;
};
struct first_mr {
	void *context;
	struct first_pd *pd;
};
void **first_list(int *n);
void *first_open(void *device);
struct first_pd *first_alloc_pd(void *context);
struct first_mr *first_reg_mr(struct first_pd *pd, void *addr, size_t length, int access);
int first_dereg_mr(struct first_mr *mr);
__asm__(".symver first_list, ibv_get_device_list@IBVERBS_1.0");
__asm__(".symver first_open, ibv_open_device@IBVERBS_1.0");
__asm__(".symver first_alloc_pd, ibv_alloc_pd@IBVERBS_1.0");
__asm__(".symver first_reg_mr, ibv_reg_mr@IBVERBS_1.0");
__asm__(".symver first_dereg_mr, ibv_dereg_mr@IBVERBS_1.0");

static bool first_interface(void)
{
	void **devices = first_list(NULL);
	void *context = devices ? first_open(devices[0]) : NULL;
	struct first_pd *pd = context ? first_alloc_pd(context) : NULL;
	struct first_mr *mr;

	open_all();
	if (!pd)
		return false;
	mr = first_reg_mr(pd, memory, SZ_2M, IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE);
	return mr && mr->pd == pd && !first_dereg_mr(mr);
}

/* As many ranges as a report can have, in processes that all report at the same time. */
static _Noreturn void one_of_many(int gate)
{
	char nothing;

	open_all();
	for (size_t i = 0; i < RANGES; i++) {
		if (!ibv_reg_mr(rig.pd, memory + SZ_4K * i, SZ_4K,
				IBV_ACCESS_ON_DEMAND | ACCESS_ALL))
			exit(1);
	}
	if (read(gate, &nothing, 1))
		exit(1);
	exit(0);
}

static bool many(void)
{
	int gate[2], status;
	bool good = true;

	if (pipe(gate))
		fatal("no pipe");
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (!pid) {
			close(gate[1]);
			one_of_many(gate[0]);
		}
		good = good && pid > 0;
	}
	close(gate[1]);
	while (wait(&status) > 0)
		good = good && !status;
	return good;
}

static const struct habit {
	const char *name;
	bool (*run)(void);
	const char *report; /* a path that is writable for the program; else there is no report */
	int lines;
	const char *says; /* in each line, or NULL */
} habits[] = {
	{ "nothing special", plainly, REPORT, 1, NULL },
	{ "a thread that is cancelled", cancelled, REPORT, 1, NULL },
	{ "a thread with the smallest stack", small_stack, REPORT, 1, NULL },
	{ "an allocator that registers", allocator, REPORT, 1, NULL },
	{ "an allocator that registers, and a request", allocator_and_request, REPORT, 1, NULL },
	{ "no environment", no_environment, REPORT, 1, NULL },
	{ "no files but the device", no_files, REPORT, 1, NULL },
	{ "stderr without a reader", no_reader, "-", 0, NULL },
	{ "no file may grow", file_limit, REPORT, 1, NULL },
	{ "a request of its own, by name", by_name, REPORT, 1,
	  "\"registrations\": 2, \"own_requests\": 1, " },
	{ "functions of a handle", by_handle, REPORT, 1,
	  "\"registrations\": 1, \"own_requests\": 0, " },
	{ "libibverbs' first interface", first_interface, REPORT, 1, NULL },
	{ "many processes that end at once", many, REPORT, PROCESSES, NULL },
};

#define HABITS (sizeof(habits) / sizeof(habits[0]))

/* Runs the habit as a process of its own; returns its wait status. */
static int run_habit(const struct habit *habit, const char *program, bool under)
{
	char report[64], number[24];
	int status;
	pid_t pid;

	snprintf(report, sizeof(report), "--report=%s", habit->report);
	snprintf(number, sizeof(number), "%td", habit - habits);
	pid = fork();
	if (!pid) {
		/* keep its output out of this program's */
		if (dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO) < 0)
			_exit(1);
		alarm(300);
		if (under)
			execlp("hugeodp", "hugeodp", "run", "--json", report, "--", program, number,
			       (char *)NULL);
		else
			execl(program, program, number, (char *)NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		fatal("no process");
	return status;
}

/* Counts complete reports with this text, one per line, of processes that registered something. */
static int count_reports(const char *says)
{
	FILE *file = fopen(REPORT, "re");
	char line[16384];
	int n = 0;

	while (file && fgets(line, sizeof(line), file)) {
		const char *begin = strstr(line, "{\"program\": ");
		const char *end = strstr(line, "]}\n");

		if (begin != line || strstr(line + 1, "{\"program\": ") || !end || end[3] ||
		    strstr(line, "\"registrations\": 0") || (says && !strstr(line, says)))
			return -1;
		n++;
	}
	if (file)
		fclose(file);
	return n;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return habits[strtoul(argv[1], NULL, 10) % HABITS].run() ? 0 : 1;
	for (const struct habit *habit = habits; habit < habits + HABITS; habit++) {
		is_u64((uint64_t)run_habit(habit, argv[0], false), 0, "%s", habit->name);
		unlink(REPORT);
		is_u64((uint64_t)run_habit(habit, argv[0], true), 0, "%s, under hugeodp run",
		       habit->name);
		is_u64((uint64_t)count_reports(habit->says), (uint64_t)habit->lines, "%s: reports",
		       habit->name);
	}
	unlink(REPORT);
	return tap_done();
}
