/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Memory with a block whose faults wait for user space. */
#ifndef HOSTILE_HELD_H
#define HOSTILE_HELD_H

#include "fuse.h"
#include "hostile.h"
#include "uffd.h"

enum holder {
	HOLD_MISSING, /* userfaultfd, page missing */
	HOLD_MINOR,   /* userfaultfd, page present but not mapped; for shared kinds */
	HOLD_WP,      /* userfaultfd, write protection: holds writes */
	HOLD_FUSE,    /* a file of a FUSE file system, mapped private; its server does not answer */
	HOLD_UNREAD,  /* the same, but the server does not read the request either */
	HOLD_STOPPED, /* userfaultfd, its server a process that is stopped */
};

const char *holder_name(enum holder holder);

struct held {
	enum holder holder;
	struct buf *buf;
	uint8_t *source; /* content of the block */
	int uffd;
	struct pager pager;
	struct fuse fuse;
	pid_t server;
};

/* From now on, faults in the first 2 MiB of @buf, which are untouched, wait. */
void held_open(struct held *held, enum holder holder, struct buf *buf);
/* True once a fault waits. */
bool held_waits(struct held *held, double seconds);
/* Resolves this fault, and all later ones. */
void held_release(struct held *held);
void held_close(struct held *held);

#endif
