/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* userfaultfd, and a thread that resolves its page faults or lets them wait. */
#ifndef HOSTILE_UFFD_H
#define HOSTILE_UFFD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/userfaultfd.h>

/* Headers of Linux 6.1, as in Debian 12, lack the next two; the kernel of the test has them. */
#ifndef UFFDIO_POISON
#define UFFD_FEATURE_POISON (1 << 14)
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, 0x08, struct uffdio_poison)
#endif

#ifndef UFFDIO_MOVE
#define UFFD_FEATURE_MOVE (1 << 16)
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};
#define UFFDIO_MOVE _IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

/* Ends the test if there is none with these features. */
int uffd_open(uint64_t features);

/* @modes: UFFDIO_REGISTER_MODE_* */
void uffd_watch(int fd, void *addr, size_t len, uint64_t modes);
void uffd_unwatch(int fd, void *addr, size_t len);

/* True once an event can be read; does not read it. */
bool uffd_pending(int fd, double seconds);

/* 0 or an errno value */
int uffd_copy(int fd, void *to, const void *from, size_t len);
int uffd_continue(int fd, void *addr, size_t len);
int uffd_protect(int fd, void *addr, size_t len, bool protect);
int uffd_poison(int fd, void *addr, size_t len);
int uffd_move(int fd, void *to, void *from, size_t len);

#define PAGER_EVENTS 64

/* Resolves missing pages from @source, page by page; other faults without a change. */
struct pager {
	int fd;
	uint8_t *addr;
	size_t len;
	size_t page;
	const uint8_t *source;
	pthread_t thread;
	atomic_bool hold;
	atomic_bool stop;
	atomic_uint events; /* of all kinds so far */
	atomic_uint held;
	/* called with an event before it is answered, in the thread; may be NULL */
	void (*look)(void *arg, const struct uffd_msg *msg);
	void *arg;
	struct uffd_msg waiting[PAGER_EVENTS];
};

/* @pager: fd, addr, len, page and source are set, and hold, look and arg if wanted. */
void pager_start(struct pager *pager);
/* True once an event is held. */
bool pager_holds(struct pager *pager, double seconds);
/* Resolves the held faults, and all later ones. */
void pager_release(struct pager *pager);
void pager_stop(struct pager *pager);

/* Answers one event; for a pager without a thread. */
void pager_answer(const struct pager *pager, const struct uffd_msg *msg);

#endif
