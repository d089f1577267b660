// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * hugeodp_watch_mr(): an eventfd counts the changes to smaller pages and the refused accesses of an
 * MR, also while the MR has traffic.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define BLOCK(n) (SZ_2M * (n))
#define CHANGES 20
#define PATIENCE_MS 60000

static int event_open(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		fatal("eventfd: %s", strerror(errno));
	return fd;
}

/* Reads the number of events since the last call. */
static uint64_t events(int fd)
{
	uint64_t number;
	ssize_t len = read(fd, &number, sizeof(number));

	if (len < 0 && errno == EAGAIN)
		return 0;
	if (len != sizeof(number))
		fatal("eventfd: read: %s", strerror(errno));
	return number;
}

/* What an eventfd has counted if it was there from the start. */
static uint64_t worse(const struct scene *s)
{
	struct ibv_mr_odp_attr state = buf_state(&s->far);

	return state.renegotiations_down + state.faults_refused;
}

static void open_watched(struct scene *s, struct rig *rig, const struct mode *mode, int fd)
{
	scene_open(s, rig, mode, MEM_THP, LEN);
	scene_write(s, 0, LEN, "whole MR");
	is_errno(hugeodp_watch_mr(s->far.mr, fd), 0, "%s: watch", s->name);
	is_u64(events(fd), 0, "%s: no event yet", s->name);
}

/* Wait until the MR has grown again: a second after a fault at the earliest. */
static bool grown(const struct scene *s)
{
	for (int tries = 0; tries < PATIENCE_MS / 100; tries++) {
		if (buf_state(&s->far).page_shift == 21)
			return true;
		poll(NULL, 0, 100);
	}
	return false;
}

static void negotiated(struct rig *rig)
{
	int fd = event_open();
	struct scene s;

	open_watched(&s, rig, &mode_2m_4k, fd);
	buf_drop(&s.far, BLOCK(1) + SZ_4K * 5, SZ_4K);
	scene_write(&s, BLOCK(1), SZ_64K, "broken block");
	scene_shift(&s, 12, "broken block");
	is_u64(events(fd), 1, "%s: one event", s.name);
	is_u64(worse(&s), 1, "%s: one change to smaller pages", s.name);
	scene_write(&s, 0, LEN, "small pages");
	is_u64(events(fd), 0, "%s: accesses to small pages are no events", s.name);
	buf_drop(&s.far, BLOCK(1), SZ_2M);
	scene_write(&s, BLOCK(1), SZ_2M, "mended");
	ok(grown(&s), "%s: the MR has large pages again", s.name);
	is_u64(events(fd), worse(&s) - 1, "%s: larger pages are no event", s.name);
	scene_read(&s, 0, LEN, "at the end");
	scene_intact(&s, "at the end");
	scene_close(&s);
	close(fd);
}

static void strict(struct rig *rig)
{
	int fd = event_open();
	uint64_t refused;
	struct scene s;

	open_watched(&s, rig, &mode_strict_2m, fd);
	is_u64(buf_state(&s.far).faults_refused, 0, "%s: no access refused yet", s.name);
	buf_drop(&s.far, BLOCK(2) + SZ_4K * 100, SZ_4K);
	scene_write(&s, BLOCK(1), SZ_2M, "another block");
	is_u64(events(fd), 0, "%s: no event before the access", s.name);
	scene_write_fails(&s, BLOCK(2) + 8, SZ_4K, "broken block");
	refused = buf_state(&s.far).faults_refused;
	ok(refused > 0, "%s: the refused access is counted", s.name);
	is_u64(events(fd), refused, "%s: and reported", s.name);
	is_u64(buf_state(&s.far).renegotiations, 0, "%s: the page size stays", s.name);
	/* the caller gets this error itself */
	ok(hugeodp_prefetch_mr(s.far.mr, buf_iova(&s.far, BLOCK(2)), SZ_2M,
			       IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, NULL, NULL),
	   "%s: prefetch of the broken block fails", s.name);
	is_u64(buf_state(&s.far).faults_refused, refused, "%s: and is not counted", s.name);
	buf_drop(&s.far, BLOCK(2), SZ_2M);
	scene_write(&s, 0, LEN, "mended");
	is_u64(events(fd), 0, "%s: no event afterwards", s.name);
	scene_intact(&s, "mended");
	scene_close(&s);
	close(fd);
}

/* Each block of a mixed MR has its own size: smaller blocks are its purpose. */
static void mixed(struct rig *rig)
{
	int fd = event_open();
	struct scene s;

	open_watched(&s, rig, &mode_mixed_2m_4k, fd);
	buf_drop(&s.far, BLOCK(1) + SZ_4K * 5, SZ_4K);
	scene_write(&s, 0, LEN, "with a broken block");
	is_u64(events(fd), 0, "%s: no event", s.name);
	is_u64(worse(&s), 0, "%s: nothing counted", s.name);
	scene_intact(&s, "at the end");
	scene_close(&s);
	close(fd);
}

/* On mlx5 it is a part of the MR that changes. */
static void implicit(struct rig *rig)
{
	int fd = event_open();
	struct ibv_mr *mr;
	uint64_t before;
	struct scene s;

	mr = mode_reg(&mode_2m_4k, rig->pd, NULL, SIZE_MAX, 0, ACCESS_ALL);
	ok(mr, "implicit MR: registered");
	if (!mr)
		return;
	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	s.far.mr = mr;
	s.far.mr_len = LEN;
	s.far.iova = (uintptr_t)s.far.mem.addr;
	is_errno(hugeodp_watch_mr(mr, fd), 0, "implicit MR: watch");
	before = worse(&s);
	scene_write(&s, 0, LEN, "implicit MR");
	buf_drop(&s.far, BLOCK(1) + SZ_4K * 5, SZ_4K);
	scene_write(&s, BLOCK(1), SZ_64K, "implicit MR, broken block");
	if (!rig->is_rxe)
		ok(worse(&s) > before, "implicit MR: a part has smaller pages");
	is_u64(events(fd), worse(&s) - before, "implicit MR: as many events as changes");
	scene_intact(&s, "implicit MR");
	s.far.mr = NULL;
	scene_close(&s);
	ibv_dereg_mr(mr);
	close(fd);
}

/* A later eventfd replaces an earlier one; the MR keeps one that its owner has closed. */
static void replaced(struct rig *rig)
{
	int first = event_open(), second = event_open(), copy = dup(second);
	struct scene s, other;

	if (copy < 0)
		fatal("dup: %s", strerror(errno));
	open_watched(&s, rig, &mode_2m_4k, first);
	is_errno(hugeodp_watch_mr(s.far.mr, second), 0, "watch by another eventfd");
	close(second);
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_4K, 0), 0, "modify to 4K");
	is_u64(events(first), 0, "no event at the eventfd that was replaced");
	is_u64(events(copy), 1, "one event at the other, whose first descriptor is closed");
	is_errno(hugeodp_watch_mr(s.far.mr, 1 << 20), EBADF, "watch by a closed descriptor");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M | SZ_4K, 0), 0, "modify to 2M or 4K");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_4K, 0), 0, "modify to 4K");
	is_u64(events(copy), 1, "after an error the MR reports as before");

	open_watched(&other, rig, &mode_2m_4k, copy);
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_2M | SZ_4K, 0), 0, "modify to 2M or 4K");
	is_errno(ibv_modify_mr_odp(s.far.mr, SZ_4K, 0), 0, "one MR to 4K");
	is_errno(ibv_modify_mr_odp(other.far.mr, SZ_4K, 0), 0, "another MR to 4K");
	is_u64(events(copy), 2, "two MRs report to one eventfd");
	is_errno(hugeodp_watch_mr(other.far.mr, -1), 0, "end it for one of them");
	is_errno(ibv_modify_mr_odp(other.far.mr, SZ_2M | SZ_4K, 0), 0, "modify to 2M or 4K");
	is_errno(ibv_modify_mr_odp(other.far.mr, SZ_4K, 0), 0, "modify to 4K");
	is_u64(events(copy), 0, "no event after the end");
	is_errno(hugeodp_watch_mr(s.near.mr, copy), EINVAL, "watch a pinned MR");
	scene_close(&other);
	scene_close(&s);
	is_u64(events(copy), 0, "no event of a deregistered MR");
	close(copy);
	close(first);
}

struct watcher {
	pthread_t thread;
	int fd;
	uint64_t want;
	uint64_t seen;
	unsigned int wakeups;
};

static void *run_watcher(void *arg)
{
	struct watcher *w = arg;
	struct pollfd pollfd = { .fd = w->fd, .events = POLLIN };

	while (w->seen < w->want && poll(&pollfd, 1, PATIENCE_MS) == 1) {
		w->seen += events(w->fd);
		w->wakeups++;
	}
	return NULL;
}

struct traffic {
	pthread_t thread;
	struct rig *rig;
	struct buf *far;
	atomic_bool stop;
	atomic_uint done;
	unsigned int bad;
};

static void *run_traffic(void *arg)
{
	struct traffic *t = arg;
	struct rng rng = { 0x3a7c };
	struct pair pair;
	struct buf near;
	struct xfer x = { .near = &near, .far = t->far, .op = OP_WRITE };

	pair_open(&pair, t->rig, 4096);
	buf_make(&near, t->rig, MEM_BASE, SZ_2M, &mode_pinned);
	while (!atomic_load(&t->stop)) {
		x.len = rng_size(&rng, SZ_64K);
		x.near_at = rng_below(&rng, near.mr_len - x.len);
		x.far_at = BLOCK(2) + rng_below(&rng, BLOCK(2) - x.len);
		t->bad += !xfer_verify(&pair, &x);
		atomic_fetch_add(&t->done, 1);
	}
	pair_close(&pair);
	buf_close(&near);
	return NULL;
}

/* A thread sleeps in poll() while another one writes to the MR, whose page size changes. */
static void under_traffic(struct rig *rig)
{
	struct watcher watcher = { .fd = event_open(), .want = CHANGES };
	struct traffic traffic = { .rig = rig };
	unsigned int wrong = 0;
	struct scene s;

	open_watched(&s, rig, &mode_2m_4k, watcher.fd);
	traffic.far = &s.far;
	if (pthread_create(&watcher.thread, NULL, run_watcher, &watcher) ||
	    pthread_create(&traffic.thread, NULL, run_traffic, &traffic))
		fatal("pthread_create failed");
	for (unsigned int i = 0; i < CHANGES; i++) {
		unsigned int before = atomic_load(&traffic.done);

		wrong += !!ibv_modify_mr_odp(s.far.mr, SZ_4K, 0);
		wrong += !!ibv_modify_mr_odp(s.far.mr, SZ_2M | SZ_4K, 0);
		for (int tries = 0; atomic_load(&traffic.done) == before; tries++) {
			if (tries == PATIENCE_MS)
				fatal("no traffic");
			poll(NULL, 0, 1);
		}
	}
	pthread_join(watcher.thread, NULL);
	atomic_store(&traffic.stop, true);
	pthread_join(traffic.thread, NULL);
	is_u64(wrong, 0, "under traffic: changes that failed");
	is_u64(traffic.bad, 0, "under traffic: wrong transfers of %u", atomic_load(&traffic.done));
	is_u64(watcher.seen, CHANGES, "under traffic: events");
	ok(watcher.wakeups > 0, "under traffic: poll() returned %u times", watcher.wakeups);
	is_u64(worse(&s), CHANGES, "under traffic: as many as the MR counts");
	scene_close(&s);
	close(watcher.fd);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	stop_khugepaged();
	negotiated(&rig);
	strict(&rig);
	mixed(&rig);
	implicit(&rig);
	replaced(&rig);
	under_traffic(&rig);
	rig_close(&rig);
	return tap_done();
}
