// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* MRs of many threads, deregistered by others, and fork with live ones. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define THREADS 8
#define ROUNDS 40

struct worker {
	struct rig *rig;
	pthread_t thread;
	struct mem mem;
	/* an MR made by the previous thread, to be deregistered by this one */
	_Atomic(struct ibv_mr *) given;
	struct worker *next;
	unsigned int wrong;
	bool expect_huge;
};

static unsigned int use(const struct worker *worker, struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr attr;

	if (ibv_query_mr_odp(mr, &attr, sizeof(attr)))
		return 1;
	return attr.page_shift != (worker->expect_huge ? 21 : 12);
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct ibv_mr *mr;

	for (int i = 0; i < ROUNDS; i++) {
		mr = mode_reg(&mode_2m_4k, worker->rig->pd, worker->mem.addr, worker->mem.len,
			      (uintptr_t)worker->mem.addr, ACCESS_ALL);
		worker->wrong += !mr || use(worker, mr);
		mr = atomic_exchange(&worker->next->given, mr);
		worker->wrong += mr && ibv_dereg_mr(mr);
		mr = atomic_exchange(&worker->given, NULL);
		worker->wrong += mr && (use(worker, mr) || ibv_dereg_mr(mr));
	}
	return NULL;
}

static void threads(struct rig *rig, enum mem_kind kind)
{
	struct worker workers[THREADS] = {};
	unsigned int wrong = 0;

	for (int i = 0; i < THREADS; i++) {
		workers[i].rig = rig;
		workers[i].expect_huge = kind != MEM_BASE;
		workers[i].next = &workers[(i + 1) % THREADS];
		mem_map(&workers[i].mem, kind, SZ_2M * 2);
	}
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			fatal("pthread_create failed");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < THREADS; i++) {
		struct ibv_mr *mr = workers[i].given;

		wrong += workers[i].wrong + (mr && ibv_dereg_mr(mr));
		mem_unmap(&workers[i].mem);
	}
	is_u64(wrong, 0, "%s: %d threads, %d MRs each, deregistered by another", mem_name(kind),
	       THREADS, ROUNDS);
}

/* In the child: memory is as before the fork, although the device wrote since. */
static int child(struct scene *s, int go)
{
	struct ibv_device_odp_attr attr;
	char byte;

	alarm(600);
	if (read(go, &byte, 1) != 1)
		return 2;
	if (memcmp(s->far.mem.addr, s->far.shadow, LEN) != 0)
		return 3;
	return ibv_query_device_odp(s->rig->ctx, &attr, sizeof(attr)) ? 4 : 0;
}

static void fork_with_mr(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	struct scene s;
	int go[2], status;
	pid_t pid;

	scene_open(&s, rig, mode, kind, LEN);
	scene_write(&s, 0, LEN, "before fork");
	if (pipe(go))
		fatal("pipe: %s", strerror(errno));
	pid = fork();
	if (!pid)
		_exit(child(&s, go[0]));
	scene_write(&s, 0, LEN, "after fork");
	scene_write_pieces(&s, "after fork");
	scene_read(&s, 0, LEN, "after fork");
	scene_intact(&s, "after fork");
	if (write(go[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid)
		fatal("child: %s", strerror(errno));
	is_u64((uint64_t)status, 0, "%s: the child has the bytes from before (exit %d)", s.name,
	       WEXITSTATUS(status));
	scene_write(&s, 0, LEN, "after the child");
	scene_intact(&s, "after the child");
	close(go[0]);
	close(go[1]);
	scene_close(&s);
}

int main(int argc, char **argv)
{
	struct rig rig;

	(void)argv;
	/* has to come before all other verbs; run again without it */
	if (argc > 1 && ibv_fork_init())
		fatal("ibv_fork_init: %s", strerror(errno));
	rig_open(&rig);
	need_series(&rig);
	threads(&rig, MEM_BASE);
	threads(&rig, MEM_THP);
	threads(&rig, MEM_HUGETLB);
	fork_with_mr(&rig, &mode_2m_4k, MEM_THP);
	fork_with_mr(&rig, &mode_2m_4k, MEM_BASE);
	fork_with_mr(&rig, &mode_strict_2m, MEM_HUGETLB);
	rig_close(&rig);
	return tap_done();
}
