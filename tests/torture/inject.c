// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Allocation failures, on a kernel with fault injection. A call is repeated with its first
 * allocation failing, its second, and so on until there are no more. On rxe, allocations in the
 * device's kernel threads fail at random as well. Those of mlx5 give commands to the device, and one
 * that cannot be given is lost: a page fault is not resumed then (mlx5_ib_page_fault_resume()), as in
 * every kernel, where such a small allocation never fails.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"
#include "torture.h"

#define DEBUGFS "/sys/kernel/debug/"
#define MAX_NTH 400
#define RARELY 2 /* per cent of the device's allocations */

static atomic_ullong calls, failed, injected;
static atomic_ullong errnos[134];

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

bool inject_possible(void)
{
	return !access(DEBUGFS "failslab", F_OK) && !access(DEBUGFS "fail_page_alloc", F_OK) &&
	       !access("/proc/self/fail-nth", F_OK);
}

/* The device's kernel threads have this name. */
static unsigned int choose_kernel_threads(const char *value)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned int n = 0;

	if (!proc)
		fatal("/proc: %s", strerror(errno));
	while ((entry = readdir(proc))) {
		char path[300], name[64] = "";
		FILE *f;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(name, sizeof(name), f))
			name[0] = '\0';
		fclose(f);
		if (strncmp(name, "kworker/u", 9))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/make-it-fail", entry->d_name);
		n += put(path, value);
	}
	closedir(proc);
	return n;
}

static void set(const char *name, const char *value)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };

	for (int i = 0; i < 2; i++) {
		char path[128];

		snprintf(path, sizeof(path), DEBUGFS "%s/%s", kinds[i], name);
		if (!put(path, value))
			fatal("%s: %s", path, strerror(errno));
	}
}

void inject_setup(const struct arena *a)
{
	char rarely[16];

	set("verbose", "0");
	set("ignore-gfp-wait", "N");
	set("task-filter", "Y");
	set("times", "-1");
	set("interval", "1");
	snprintf(rarely, sizeof(rarely), "%d", RARELY);
	set("probability", rarely);
	if (!put(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N") ||
	    !put(DEBUGFS "fail_page_alloc/min-order", "0"))
		fatal("fail_page_alloc: %s", strerror(errno));
	need(!a->rig->is_rxe || choose_kernel_threads("1"),
	     "there must be kernel threads that do the device's work");
}

void inject_reset(void)
{
	set("probability", "0");
	choose_kernel_threads("0");
}

struct nth {
	int fd;
};

static void arm(const struct nth *n, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(n->fd, text, (size_t)len, 0) != len)
		fatal("fail-nth: %s", strerror(errno));
}

/* True if the allocation to fail did so. */
static bool disarm(const struct nth *n)
{
	char text[16] = "";

	if (pread(n->fd, text, sizeof(text) - 1, 0) <= 0)
		fatal("fail-nth: %s", strerror(errno));
	arm(n, 0);
	return !strtoul(text, NULL, 0);
}

/* One call; 0 or an errno value. It destroys what it created. */
static int registration(struct arena *a, const struct nth *n, unsigned int nth, struct rng *rng,
			bool *hit)
{
	const struct mode *mode = arena_pick_mode(a, rng);
	struct ibv_mr *mr;
	int err = 0;

	if (mode_is_fussy(a, mode))
		mode = &mode_2m_4k;
	arm(n, nth);
	mr = arena_reg(a, mode);
	err = mr ? 0 : errno;
	*hit = disarm(n);
	if (!mr)
		return err;
	/* deregistration must always succeed */
	arm(n, nth);
	err = ibv_dereg_mr(mr);
	disarm(n);
	if (err) {
		diag("ibv_dereg_mr with allocation %u failing: %s", nth, strerror(err));
		went_wrong(a);
	}
	return 0;
}

static int change(struct arena *a, const struct nth *n, unsigned int nth, struct rng *rng,
		  bool *hit)
{
	static const uint64_t sizes[] = { SZ_2M | SZ_4K, SZ_4K, SZ_64K | SZ_4K };
	struct view *v = &a->view[1 + rng_below(rng, a->views - 1)];
	uint64_t wanted;
	int err;

	/* for MRs that take any page size */
	if (!v->mode || v->fussy)
		v = &a->view[1];
	wanted = sizes[rng_below(rng, 3)];
	arm(n, nth);
	err = ibv_modify_mr_odp(v->mr, wanted,
				v->mode->flags | (rng_below(rng, 2) ? IBV_ODP_POPULATE : 0));
	*hit = disarm(n);
	return err;
}

static int prefetch(struct arena *a, const struct nth *n, unsigned int nth, struct rng *rng,
		    bool *hit)
{
	const struct view *v = &a->view[rng_below(rng, a->views)];
	struct ibv_sge sge = {
		.addr = (uintptr_t)a->mem.addr,
		.length = ARENA_LEN,
		.lkey = v->mr->lkey,
	};
	int err;

	arm(n, nth);
	err = ibv_advise_mr(a->rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    rng_below(rng, 2) ? IBV_ADVISE_MR_FLAG_FLUSH : 0, &sge, 1);
	*hit = disarm(n);
	/* the memory may not fit this mode, or be protected at this moment */
	return (v->fussy && err == ERANGE) || err == EPERM ? 0 : err;
}

static int query(struct arena *a, const struct nth *n, unsigned int nth, struct rng *rng, bool *hit)
{
	struct ibv_mr_odp_attr attr;
	int err;

	arm(n, nth);
	err = ibv_query_mr_odp(a->view[rng_below(rng, 2)].mr, &attr, sizeof(attr));
	*hit = disarm(n);
	return err;
}

void *injector_run(void *arg)
{
	static int (*const call[])(struct arena * a, const struct nth *n, unsigned int nth,
				   struct rng *rng, bool *hit) = {
		registration, registration, change, change, prefetch, query,
	};
	struct arena *a = arg;
	struct rng rng = { a->seed + 0x141 };
	struct nth n = { open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC) };

	if (n.fd < 0)
		fatal("fail-nth: %s", strerror(errno));
	while (!atomic_load(&a->stop)) {
		size_t i = rng_below(&rng, sizeof(call) / sizeof(*call));

		for (unsigned int nth = 1; nth < MAX_NTH && !atomic_load(&a->stop); nth++) {
			bool hit;
			int err = call[i](a, &n, nth, &rng, &hit);

			atomic_fetch_add(&calls, 1);
			atomic_fetch_add(&injected, hit);
			atomic_fetch_add(&failed, err != 0);
			if (err > 0 && err < 134)
				atomic_fetch_add(&errnos[err], 1);
			/* this one has had no allocation of that number */
			if (!hit)
				break;
		}
	}
	close(n.fd);
	return NULL;
}

void inject_report(void)
{
	uint64_t other = 0;

	note("allocation failures: %llu calls, %llu with a failure, %llu of them refused",
	     (unsigned long long)atomic_load(&calls), (unsigned long long)atomic_load(&injected),
	     (unsigned long long)atomic_load(&failed));
	for (int e = 1; e < 134; e++) {
		uint64_t times = atomic_load(&errnos[e]);

		if (times)
			note("  %llu times %s", (unsigned long long)times, strerror(e));
		if (e != ENOMEM && e != EFAULT)
			other += times;
	}
	ok(atomic_load(&failed), "allocation failures: calls have been refused");
	is_u64(other, 0, "allocation failures: refused for another reason");
}
