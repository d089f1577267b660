// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The process as QEMU uses it: a socket for each device, which connect and close independently. */
#include "unit.h"

#include "vfio/vfu.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERSION 1
#define WAIT_MS 120000

static const char *program;

struct process {
	char dir[64];
	char paths[5][96]; /* two sockets, the counters, traces of both devices */
	pid_t pid;
};

static int start(void **state, bool cache)
{
	static struct process p;
	struct pollfd wait;
	char line[8] = "";
	unsigned int i;
	int ready[2];

	snprintf(p.dir, sizeof(p.dir), "/tmp/mlx5-process.XXXXXX");
	assert_non_null(mkdtemp(p.dir));
	for (i = 0; i < 4; i++)
		snprintf(p.paths[i], sizeof(p.paths[i]), "%s/%u", p.dir, i);
	snprintf(p.paths[4], sizeof(p.paths[4]), "%s/3.1", p.dir);
	assert_int_equal(pipe(ready), 0);
	p.pid = fork();
	assert_true(p.pid >= 0);
	if (!p.pid) {
		dup2(ready[1], STDOUT_FILENO);
		execl(program, program, "--socket", p.paths[0], "--socket", p.paths[1], "--stats",
		      p.paths[2], cache ? "--cache" : NULL, "mtt=16x2", "--record", p.paths[3],
		      NULL);
		_exit(127);
	}
	close(ready[1]);
	wait = (struct pollfd){ .fd = ready[0], .events = POLLIN };
	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	assert_int_equal(read(ready[0], line, sizeof(line) - 1), strlen("ready\n"));
	assert_string_equal(line, "ready\n");
	close(ready[0]);
	*state = &p;
	return 0;
}

static int setup(void **state)
{
	return start(state, false);
}

static int setup_cache(void **state)
{
	return start(state, true);
}

static int teardown(void **state)
{
	struct process *p = *state;
	unsigned int i;

	if (p->pid) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	for (i = 0; i < 5; i++)
		unlink(p->paths[i]);
	return rmdir(p->dir);
}

static int come(struct process *p, unsigned int device)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->paths[device]);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The device answers, independently of the other one */
static void ask(int fd)
{
	uint8_t message[VFU_HEADER + 4] = { 1, 0, VERSION, 0, sizeof(message) }, reply[512];
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	assert_int_equal(write(fd, message, sizeof(message)), sizeof(message));
	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	assert_true(read(fd, reply, sizeof(reply)) > VFU_HEADER);
	assert_int_equal(reply[8], 1);
}

static void assert_ends(struct process *p)
{
	int status, tries = WAIT_MS;

	while (!waitpid(p->pid, &status, WNOHANG)) {
		assert_true(tries--);
		usleep(1000);
	}
	p->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void assert_counters(struct process *p)
{
	char text[8192] = "", *second;
	FILE *file = fopen(p->paths[2], "r");

	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_ptr_equal(strstr(text, "# mlx5_0\ncommands "), text);
	second = strstr(text, "# mlx5_1\ncommands ");
	assert_non_null(second);
}

static void test_one_after_the_other(void **state)
{
	struct process *p = *state;
	int first = come(p, 0), second;

	/* QEMU talks to the first before it connects to the second */
	ask(first);
	second = come(p, 1);
	ask(second);
	ask(first);
	close(first);
	ask(second);
	close(second);
	assert_ends(p);
	assert_counters(p);
}

static void test_second_alone(void **state)
{
	struct process *p = *state;
	int second = come(p, 1);

	ask(second);
	close(second);
	assert_ends(p);
	assert_counters(p);
}

static void test_nonsense(void **state)
{
	struct process *p = *state;
	const uint8_t nonsense[VFU_HEADER] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	int first = come(p, 0), second = come(p, 1);
	struct pollfd wait = { .fd = first, .events = POLLIN };
	uint8_t byte;

	/* only the client that sent it is disconnected */
	ask(second);
	assert_int_equal(write(first, nonsense, sizeof(nonsense)), sizeof(nonsense));
	assert_int_equal(poll(&wait, 1, WAIT_MS), 1);
	assert_int_equal(read(first, &byte, 1), 0);
	ask(second);
	kill(p->pid, SIGTERM);
	assert_ends(p);
	assert_counters(p);
	close(first);
	close(second);
}

/* Both devices have recorded at least that they were removed */
static void test_traces(void **state)
{
	struct process *p = *state;
	struct stat status;
	unsigned int i;

	close(come(p, 0));
	assert_ends(p);
	assert_counters(p);
	for (i = 3; i < 5; i++) {
		assert_int_equal(stat(p->paths[i], &status), 0);
		assert_int_equal(status.st_size, i == 3 ? 32 : 16);
	}
}

/* The status of the program with these options */
static int refused(const char *option, const char *value)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		execl(program, program, "--socket", "/nonexistent/socket", option, value, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_options(void **state)
{
	(void)state;
	assert_int_equal(refused("--cache", "mtt=3x3"), 2);
	assert_int_equal(refused("--cache", ""), 2);
	assert_int_equal(refused("--record", "/nonexistent/trace"), 1);
	/* these are valid, and the socket is not */
	assert_int_equal(refused("--cache", "default"), 1);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_after_the_other),
		TEST(test_second_alone),
		TEST(test_nonsense),
		cmocka_unit_test_setup_teardown(test_traces, setup_cache, teardown),
		cmocka_unit_test(test_options),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
