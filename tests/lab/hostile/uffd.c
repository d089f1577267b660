// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"
#include "tap.h"

int uffd_open(uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	need(fd >= 0, "userfaultfd: %s", strerror(errno));
	need(!ioctl(fd, UFFDIO_API, &api), "userfaultfd with features %#llx: %s",
	     (unsigned long long)features, strerror(errno));
	return fd;
}

void uffd_watch(int fd, void *addr, size_t len, uint64_t modes)
{
	struct uffdio_register r = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = modes,
	};

	if (ioctl(fd, UFFDIO_REGISTER, &r))
		fatal("UFFDIO_REGISTER of %zu KiB, mode %#llx: %s", len >> 10,
		      (unsigned long long)modes, strerror(errno));
}

void uffd_unwatch(int fd, void *addr, size_t len)
{
	struct uffdio_range r = { .start = (uintptr_t)addr, .len = len };

	if (ioctl(fd, UFFDIO_UNREGISTER, &r))
		fatal("UFFDIO_UNREGISTER: %s", strerror(errno));
}

bool uffd_pending(int fd, double seconds)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, (int)(seconds * 1000)) == 1 && (p.revents & POLLIN);
}

int uffd_copy(int fd, void *to, const void *from, size_t len)
{
	struct uffdio_copy c = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = len };

	return ioctl(fd, UFFDIO_COPY, &c) ? errno : 0;
}

int uffd_continue(int fd, void *addr, size_t len)
{
	struct uffdio_continue c = { .range = { .start = (uintptr_t)addr, .len = len } };

	return ioctl(fd, UFFDIO_CONTINUE, &c) ? errno : 0;
}

int uffd_protect(int fd, void *addr, size_t len, bool protect)
{
	struct uffdio_writeprotect w = {
		.range = { .start = (uintptr_t)addr, .len = len },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(fd, UFFDIO_WRITEPROTECT, &w) ? errno : 0;
}

int uffd_poison(int fd, void *addr, size_t len)
{
	struct uffdio_poison p = { .range = { .start = (uintptr_t)addr, .len = len } };

	return ioctl(fd, UFFDIO_POISON, &p) ? errno : 0;
}

int uffd_move(int fd, void *to, void *from, size_t len)
{
	struct uffdio_move m = { .dst = (uintptr_t)to, .src = (uintptr_t)from, .len = len };

	return ioctl(fd, UFFDIO_MOVE, &m) ? errno : 0;
}

/* Wakes faults that another event has resolved in the meantime */
static void wake(int fd, void *addr, size_t len)
{
	struct uffdio_range r = { .start = (uintptr_t)addr, .len = len };

	ioctl(fd, UFFDIO_WAKE, &r);
}

void pager_answer(const struct pager *p, const struct uffd_msg *msg)
{
	uint8_t *at = (uint8_t *)((uintptr_t)msg->arg.pagefault.address & ~(p->page - 1));
	uint64_t flags = msg->arg.pagefault.flags;
	int err;

	for (int tries = 0;; tries++) {
		if (flags & UFFD_PAGEFAULT_FLAG_WP)
			err = uffd_protect(p->fd, at, p->page, false);
		else if (flags & UFFD_PAGEFAULT_FLAG_MINOR)
			err = uffd_continue(p->fd, at, p->page);
		else
			err = uffd_copy(p->fd, at, p->source + (at - p->addr), p->page);
		/* EAGAIN: the mappings are being changed; others may hold the mm for a moment */
		if (err != EAGAIN || tries == 1000)
			break;
		sleep_ms(1);
	}
	if (err == EEXIST)
		wake(p->fd, at, p->page);
	else if (err && err != ESRCH && err != ENOENT)
		diag("userfaultfd: page at %p, flags %#llx: %s", (void *)at,
		     (unsigned long long)flags, strerror(err));
}

static void *run_pager(void *arg)
{
	struct pager *p = arg;
	struct uffd_msg msg;

	while (!atomic_load(&p->stop)) {
		unsigned int held = atomic_load(&p->held);

		if (held && !atomic_load(&p->hold)) {
			for (unsigned int i = 0; i < held; i++)
				pager_answer(p, &p->waiting[i]);
			atomic_store(&p->held, 0);
		}
		if (!uffd_pending(p->fd, 0.02))
			continue;
		if (read(p->fd, &msg, sizeof(msg)) != sizeof(msg) ||
		    msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		if (p->look)
			p->look(p->arg, &msg);
		atomic_fetch_add(&p->events, 1);
		if (atomic_load(&p->hold) && held < PAGER_EVENTS) {
			p->waiting[held] = msg;
			atomic_store(&p->held, held + 1);
		} else {
			pager_answer(p, &msg);
		}
	}
	return NULL;
}

void pager_start(struct pager *p)
{
	atomic_store(&p->stop, false);
	atomic_store(&p->events, 0);
	atomic_store(&p->held, 0);
	if (pthread_create(&p->thread, NULL, run_pager, p))
		fatal("pthread_create failed");
}

bool pager_holds(struct pager *p, double seconds)
{
	double end = now_s() + seconds;

	while (!atomic_load(&p->held) && now_s() < end)
		sleep_ms(5);
	return atomic_load(&p->held);
}

void pager_release(struct pager *p)
{
	atomic_store(&p->hold, false);
}

void pager_stop(struct pager *p)
{
	/* resolve faults that still wait */
	pager_release(p);
	while (atomic_load(&p->held))
		sleep_ms(5);
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
}
