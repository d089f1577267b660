// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The device is removed while another process has faults in progress on it. The
 * removal must not wait for that process, and a new device must work.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"
#include "torture.h"

#define DEVICE "rxe1"
#define NETDEV "veth1"
#define BACK_S 120
#define REMOVAL "300" /* s */

struct control {
	uint64_t seed;
	atomic_bool running;
	atomic_bool removing; /* failures are expected from now on */
	atomic_uint wrong;
};

extern char **environ;

static bool runs(const char *command)
{
	int status = system(command);

	if (status)
		diag("'%s' ended with status %#x", command, (unsigned int)status);
	return !status;
}

static bool active(void)
{
	FILE *f = fopen("/sys/class/infiniband/" DEVICE "/ports/1/state", "re");
	char text[32] = "";

	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strstr(text, "ACTIVE");
}

static void nap(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

static bool is_back(void)
{
	uint64_t deadline = now_ms() + BACK_S * 1000;

	if (!runs("rdma link add " DEVICE " type rxe netdev " NETDEV))
		return false;
	while (!active()) {
		if (now_ms() > deadline)
			return false;
		nap(10);
	}
	return true;
}

static pid_t spawn_victim(int fd)
{
	char *argv[] = { (char *)"torture", (char *)"--victim", (char *)"100", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int err;

	setenv("HUGEODP_LAB_DEVICE", DEVICE, 1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, 100);
	/* its messages after the removal are not test output */
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	err = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	unsetenv("HUGEODP_LAB_DEVICE");
	if (err)
		fatal("posix_spawn: %s", strerror(err));
	return pid;
}

/* One device, from its addition to its removal; false if either is wrong. */
static bool one_life(struct control *c, int fd, struct rng *rng)
{
	uint64_t deadline = now_ms() + BACK_S * 4000;
	int status = 0;
	bool right;
	pid_t pid;

	c->seed = rng_next(rng);
	atomic_store(&c->running, false);
	atomic_store(&c->removing, false);
	pid = spawn_victim(fd);
	while (!atomic_load(&c->running)) {
		if (now_ms() > deadline)
			fatal("no traffic on " DEVICE " in %d s", BACK_S * 4);
		if (waitpid(pid, &status, WNOHANG))
			fatal("the user of " DEVICE " ended with status %#x", (unsigned int)status);
		nap(5);
	}
	nap((long)rng_below(rng, 400));
	atomic_store(&c->removing, true);
	right = runs("timeout " REMOVAL " rdma link del " DEVICE);
	nap((long)rng_below(rng, 20));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (atomic_load(&c->wrong))
		diag("wrong data on " DEVICE);
	return is_back() && right && !atomic_load(&c->wrong);
}

static void works_again(void)
{
	struct rig rig;
	struct scene s;

	setenv("HUGEODP_LAB_DEVICE", DEVICE, 1);
	rig_open(&rig);
	unsetenv("HUGEODP_LAB_DEVICE");
	scene_open(&s, &rig, &mode_2m_4k, MEM_THP, SZ_2M * 2);
	scene_write_pieces(&s, "device removed and added");
	scene_read_pieces(&s, "device removed and added");
	scene_close(&s);
	rig_close(&rig);
}

void removal_run(uint64_t seed, uint64_t until_ms)
{
	int fd = memfd_create("control", MFD_CLOEXEC);
	unsigned int lives = 0, bad = 0;
	struct rng rng = { seed };
	struct control *c;

	if (fd < 0 || ftruncate(fd, sizeof(*c)))
		fatal("memfd: %s", strerror(errno));
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	do {
		bad += !one_life(c, fd, &rng);
		lives++;
	} while (now_ms() < until_ms && !bad);
	is_u64(bad, 0, "device removal: %u times with faults in progress, wrong ones", lives);
	works_again();
	munmap(c, sizeof(*c));
	close(fd);
}

_Noreturn void victim_main(int control_fd)
{
	struct control *c =
		mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, control_fd, 0);
	struct arena a = {};
	struct disturber disturber;
	struct worker worker[WORKERS];
	struct rig rig;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (c == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	a.seed = c->seed;
	rig_open(&rig);
	arena_open(&a, &rig, MEM_THP, -1);
	arena_register(&a);
	disturber_open(&disturber, &a, 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		worker_open(&worker[i], &a, i);
	start_thread(&disturber.thread, disturber_run, &disturber);
	for (unsigned int i = 0; i < WORKERS; i++)
		start_thread(&worker[i].thread, worker_run, &worker[i]);
	/* its workers end the process when the device is gone, or else it is killed */
	for (;;) {
		if (worker[0].transfers > 10)
			atomic_store(&c->running, true);
		if (!atomic_load(&c->removing))
			atomic_store(&c->wrong, atomic_load(&a.wrong));
		nap(5);
	}
}
