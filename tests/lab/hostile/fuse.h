/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A file of a FUSE file system. A server, which is another process and program, supplies its pages,
 * or lets requests wait. The waiting process does not keep /dev/fuse open.
 */
#ifndef HOSTILE_FUSE_H
#define HOSTILE_FUSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum fuse_mode {
	FUSE_ANSWERS, /* also requests that were waiting */
	FUSE_KEEPS,   /* reads requests for pages and does not answer */
	FUSE_IGNORES, /* does not even read requests */
};

/* What the process and its server share. */
struct fuse_shared {
	pid_t user; /* the server ends with this process, which is its parent */
	uint64_t size;
	atomic_uint mode; /* enum fuse_mode */
	atomic_uint held; /* requests that wait */
	_Alignas(4096) uint8_t content[];
};

/* Descriptors that the server is started with */
#define FUSE_SERVER_DEV 3
#define FUSE_SERVER_SHARED 4

struct fuse {
	char dir[64];
	struct fuse_shared *shared;
	size_t shared_len;
	int fd; /* of the file, to map */
	pid_t server;
};

/*
 * Mounts it and opens the file; needs root, and a mount namespace that is freed with the process.
 */
void fuse_open(struct fuse *fuse, const uint8_t *content, size_t size);
void fuse_set(struct fuse *fuse, enum fuse_mode mode);
/* True once a read is held. */
bool fuse_holds(struct fuse *fuse, double seconds);
void fuse_close(struct fuse *fuse);

#endif
