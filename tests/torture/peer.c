// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Another process that maps the arena's file and registers it in all modes. It
 * disturbs its own mapping, which does not change the content, and answers
 * requests, until it is killed, at any moment. Data written through its MRs can
 * be checked without it.
 */
#include <errno.h>
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

#define LINK_MTU 1024
#define START_S 600

/* Shared by both processes. */
struct control {
	uint64_t seed;
	atomic_bool ready;
	atomic_uint closed[BLOCKS];
	uint64_t addr;
	atomic_uint views;
	struct {
		uint32_t rkey;
		bool fussy;
	} view[MAX_VIEWS];
	struct {
		atomic_uint wanted, made; /* connections */
		atomic_uint qpn, peer_qpn;
	} link[WORKERS];
	atomic_uint wrong;
};

struct peer {
	struct arena *arena;
	struct control *control;
	int fd;
	pid_t pid;
	/* odd: it is being replaced */
	atomic_uint life;
	/* of the workers' links, held while one is made or removed */
	pthread_mutex_t lock;
	struct ibv_qp *linked[WORKERS];
};

extern char **environ;

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static struct control *map_control(int fd)
{
	struct control *c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (c == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	return c;
}

static void spawn(struct peer *p)
{
	char control[16], memory[16];
	char *argv[] = { (char *)"torture", (char *)"--peer", control, memory, NULL };
	uint64_t deadline = now_ms() + START_S * 1000;
	posix_spawn_file_actions_t actions;
	int err;

	snprintf(control, sizeof(control), "%d", 100);
	snprintf(memory, sizeof(memory), "%d", 101);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, p->fd, 100);
	posix_spawn_file_actions_adddup2(&actions, p->arena->mem.fd, 101);
	posix_spawn_file_actions_adddup2(&actions, 2, 1);
	err = posix_spawn(&p->pid, "/proc/self/exe", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		fatal("posix_spawn: %s", strerror(err));
	while (!atomic_load(&p->control->ready)) {
		if (now_ms() > deadline || waitpid(p->pid, NULL, WNOHANG))
			fatal("the other process does not start");
		nap();
	}
}

struct peer *peer_start(struct arena *a)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		fatal("out of memory");
	p->arena = a;
	pthread_mutex_init(&p->lock, NULL);
	p->fd = memfd_create("control", MFD_CLOEXEC);
	if (p->fd < 0 || ftruncate(p->fd, sizeof(*p->control)))
		fatal("memfd: %s", strerror(errno));
	p->control = map_control(p->fd);
	p->control->seed = a->seed + 0x9ee2;
	spawn(p);
	return p;
}

static void put_to_death(struct peer *p)
{
	int status;

	kill(p->pid, SIGKILL);
	if (waitpid(p->pid, &status, 0) != p->pid)
		fatal("waitpid: %s", strerror(errno));
	if (atomic_load(&p->control->wrong))
		went_wrong(p->arena);
	if (!WIFSIGNALED(status)) {
		diag("the other process ended with status %d", WEXITSTATUS(status));
		went_wrong(p->arena);
	}
}

/*
 * Requests to a process that is gone would be resent for ever, or for long: the time of an answer
 * depends on the machine, so no number of retries proves that there will be none.
 */
static void end_links(struct peer *p)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	pthread_mutex_lock(&p->lock);
	for (unsigned int i = 0; i < WORKERS; i++)
		if (p->linked[i] && ibv_modify_qp(p->linked[i], &attr, IBV_QP_STATE))
			fatal("QP to ERR: %s", strerror(errno));
	pthread_mutex_unlock(&p->lock);
}

void peer_replace(struct peer *p)
{
	struct control *c = p->control;

	atomic_fetch_add(&p->life, 1);
	put_to_death(p);
	end_links(p);
	atomic_store(&c->ready, false);
	for (size_t b = 0; b < BLOCKS; b++)
		atomic_store(&c->closed[b], 0);
	for (unsigned int i = 0; i < WORKERS; i++)
		atomic_store(&c->link[i].made, atomic_load(&c->link[i].wanted));
	c->seed++;
	spawn(p);
	atomic_fetch_add(&p->life, 1);
	happened(p->arena, EV_KILL);
}

void peer_stop(struct peer *p)
{
	put_to_death(p);
	munmap(p->control, sizeof(*p->control));
	close(p->fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

unsigned int peer_life(const struct peer *p)
{
	return atomic_load(&p->life);
}

unsigned int peer_closed(const struct peer *p, size_t block)
{
	return atomic_load(&p->control->closed[block]);
}

bool peer_link(struct worker *w)
{
	struct peer *p = w->arena->peer;
	unsigned int life = peer_life(p), wanted;
	struct control *c = p->control;

	if (w->link_up && w->link_life == life)
		return true;
	peer_unlink(w);
	if (life % 2)
		return false;
	pair_open_half(&w->link, w->arena->rig, LINK_MTU);
	atomic_store(&c->link[w->number].qpn, w->link.qp[NEAR]->qp_num);
	wanted = atomic_fetch_add(&c->link[w->number].wanted, 1) + 1;
	while (atomic_load(&c->link[w->number].made) != wanted) {
		if (peer_life(p) != life || atomic_load(&w->arena->stop)) {
			pair_close(&w->link);
			return false;
		}
		nap();
	}
	pair_connect_half(&w->link, atomic_load(&c->link[w->number].peer_qpn));
	w->link_life = life;
	pthread_mutex_lock(&p->lock);
	/* once it is noted, replacing the other process closes it */
	w->link_up = peer_life(p) == life;
	if (w->link_up)
		p->linked[w->number] = w->link.qp[NEAR];
	pthread_mutex_unlock(&p->lock);
	if (!w->link_up)
		pair_close(&w->link);
	return w->link_up;
}

void peer_unlink(struct worker *w)
{
	struct peer *p = w->arena->peer;

	if (!w->link_up)
		return;
	pthread_mutex_lock(&p->lock);
	p->linked[w->number] = NULL;
	pthread_mutex_unlock(&p->lock);
	pair_close(&w->link);
	w->link_up = false;
}

bool peer_view(struct worker *w, struct buf *buf, struct ibv_mr *mr, bool *fussy)
{
	const struct control *c = w->arena->peer->control;
	unsigned int views = atomic_load(&c->views), i;

	if (!views)
		return false;
	i = (unsigned int)rng_below(&w->rng, views);
	mr->rkey = c->view[i].rkey;
	*fussy = c->view[i].fussy;
	buf->iova = c->addr;
	return true;
}

/* The other process. */

static void publish(struct control *c, const struct arena *a)
{
	c->addr = (uintptr_t)a->mem.addr;
	for (unsigned int i = 0; i < a->views; i++) {
		c->view[i].rkey = a->view[i].mr->rkey;
		c->view[i].fussy = a->view[i].fussy;
	}
	atomic_store(&c->views, a->views);
}

/* Transfers of its own, so that it is killed as a requester, too. */
static void *run_traffic(void *arg)
{
	struct arena *a = arg;
	struct scene s;
	struct xfer x = { .op = OP_WRITE, .near = &s.near, .far = &s.far, .len = SZ_2M };

	scene_open(&s, a->rig, &mode_2m_4k, MEM_THP, SZ_2M);
	for (;;) {
		xfer_run(&s.pair, &x);
		mem_drop(&s.far.mem, 0, SZ_2M);
	}
	return NULL;
}

_Noreturn static void serve(struct control *c, struct rig *rig, const struct arena *a)
{
	struct pair link[WORKERS];
	bool open[WORKERS] = {};

	for (;;) {
		for (unsigned int i = 0; i < WORKERS; i++) {
			unsigned int wanted = atomic_load(&c->link[i].wanted);

			if (wanted == atomic_load(&c->link[i].made))
				continue;
			if (open[i])
				pair_close(&link[i]);
			pair_open_half(&link[i], rig, LINK_MTU);
			pair_connect_half(&link[i], atomic_load(&c->link[i].qpn));
			open[i] = true;
			atomic_store(&c->link[i].peer_qpn, link[i].qp[NEAR]->qp_num);
			atomic_store(&c->link[i].made, wanted);
		}
		atomic_store(&c->wrong, atomic_load(&a->wrong));
		nap();
	}
}

_Noreturn void peer_main(int control_fd, int memory_fd)
{
	struct control *c = map_control(control_fd);
	struct arena a = { .all_stable = true, .seed = c->seed };
	struct disturber disturber;
	pthread_t changer, traffic;
	struct rig rig;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rig_open(&rig);
	for (size_t b = 0; b < BLOCKS; b++)
		a.block[b].closed = &c->closed[b];
	arena_open(&a, &rig, MEM_SHMEM, memory_fd);
	arena_register(&a);
	publish(c, &a);
	disturber_open(&disturber, &a, 0);
	start_thread(&disturber.thread, disturber_run, &disturber);
	start_thread(&changer, changer_run, &a);
	start_thread(&traffic, run_traffic, &a);
	atomic_store(&c->ready, true);
	serve(c, &rig, &a);
}
