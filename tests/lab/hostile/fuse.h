/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A file of a FUSE file system: its pages come from a thread here, which may let them wait. */
#ifndef HOSTILE_FUSE_H
#define HOSTILE_FUSE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUSE_HELD 64

struct fuse_held {
	uint64_t unique;
	uint64_t offset;
	uint32_t size;
};

struct fuse {
	const uint8_t *content;
	size_t size;
	char dir[64];
	int dev;
	int fd; /* of the file, to map */
	pthread_t thread;
	atomic_bool hold;
	atomic_bool stop;
	atomic_uint held;
	struct fuse_held waiting[FUSE_HELD];
};

/* Mounts it and opens the file; needs root, and a mount namespace that goes away by itself. */
void fuse_open(struct fuse *fuse, const uint8_t *content, size_t size);
/* True once a read is held. */
bool fuse_holds(struct fuse *fuse, double seconds);
void fuse_release(struct fuse *fuse);
void fuse_close(struct fuse *fuse);

#endif
