// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The server of fuse.c's file system: started with its device and with what it shares. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fuse.h"

#define NAME "pages"
#define NODE 2
#define HANDLE 1
#define FOR_EVER 1000000
#define PAGE 4096
#define REQUEST_MAX (PAGE * 64)
#define HELD_MAX 64
#define POLL_MS 20
/* Longer than any scenario; limits the wait for a server that was not stopped. */
#define LIFETIME_S 1800

struct held_read {
	uint64_t unique;
	uint64_t offset;
	uint32_t size;
};

struct server {
	struct fuse_shared *shared;
	struct held_read waiting[HELD_MAX];
	unsigned int held;
};

static void reply(uint64_t unique, int err, const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + (err ? 0 : len)),
		.error = -err,
		.unique = unique,
	};
	struct iovec iov[] = { { &out, sizeof(out) }, { (void *)(uintptr_t)data, len } };

	/* ENOENT: the requesting process has exited */
	if (writev(FUSE_SERVER_DEV, iov, err || !len ? 1 : 2) < 0 && errno != ENOENT &&
	    errno != ENODEV)
		fprintf(stderr, "# fuse: reply: %s\n", strerror(errno));
}

static struct fuse_attr attr_of(const struct server *s, uint64_t node)
{
	bool dir = node == FUSE_ROOT_ID;

	return (struct fuse_attr){
		.ino = node,
		.size = dir ? 0 : s->shared->size,
		.mode = dir ? S_IFDIR | 0755 : S_IFREG | 0644,
		.nlink = 1,
		.blksize = PAGE,
	};
}

static void reply_read(const struct server *s, const struct held_read *r)
{
	uint64_t size = s->shared->size;
	size_t len = r->offset >= size		  ? 0
		     : r->size > size - r->offset ? size - r->offset
						  : r->size;

	reply(r->unique, 0, s->shared->content + (len ? r->offset : 0), len);
}

static void on_read(struct server *s, const struct fuse_in_header *in,
		    const struct fuse_read_in *arg)
{
	struct held_read r = { in->unique, arg->offset, arg->size };

	if (atomic_load(&s->shared->mode) != FUSE_ANSWERS && s->held < HELD_MAX) {
		s->waiting[s->held++] = r;
		atomic_store(&s->shared->held, s->held);
	} else {
		reply_read(s, &r);
	}
}

static void on_init(const struct fuse_in_header *in)
{
	/* no read-ahead: each page is requested when it is needed */
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_write = PAGE,
		.max_background = 16,
	};

	reply(in->unique, 0, &out, sizeof(out));
}

static void on_lookup(const struct server *s, const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = NODE,
		.entry_valid = FOR_EVER,
		.attr_valid = FOR_EVER,
		.attr = attr_of(s, NODE),
	};

	if (strcmp(name, NAME))
		reply(in->unique, ENOENT, NULL, 0);
	else
		reply(in->unique, 0, &out, sizeof(out));
}

static void serve(struct server *s, const struct fuse_in_header *in)
{
	struct fuse_open_out opened = { .fh = HANDLE, .open_flags = FOPEN_KEEP_CACHE };
	struct fuse_attr_out attr = { .attr_valid = FOR_EVER, .attr = attr_of(s, in->nodeid) };

	switch (in->opcode) {
	case FUSE_INIT:
		on_init(in);
		break;
	case FUSE_LOOKUP:
		on_lookup(s, in, (const char *)(in + 1));
		break;
	case FUSE_GETATTR:
		reply(in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		on_read(s, in, (const void *)(in + 1));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		reply(in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(in->unique, ENOSYS, NULL, 0);
	}
}

static void let_go(struct server *s)
{
	for (unsigned int i = 0; i < s->held; i++)
		reply_read(s, &s->waiting[i]);
	s->held = 0;
	atomic_store(&s->shared->held, 0);
}

/* False when the file system was unmounted. */
static bool one_round(struct server *s)
{
	static _Alignas(8) char request[REQUEST_MAX];
	struct pollfd p = { .fd = FUSE_SERVER_DEV, .events = POLLIN };
	unsigned int mode = atomic_load(&s->shared->mode);
	ssize_t len;

	if (mode == FUSE_ANSWERS && atomic_load(&s->shared->held))
		let_go(s);
	if (poll(&p, 1, POLL_MS) != 1)
		return true;
	/* check again: requests after the change to this mode must not be read */
	if (atomic_load(&s->shared->mode) == FUSE_IGNORES) {
		if (p.revents & POLLIN)
			atomic_store(&s->shared->held, s->held + 1);
		poll(NULL, 0, POLL_MS);
		return !(p.revents & POLLERR);
	}
	len = read(FUSE_SERVER_DEV, request, sizeof(request));
	if (len >= (ssize_t)sizeof(struct fuse_in_header))
		serve(s, (const void *)request);
	return len >= 0 || errno != ENODEV;
}

int main(void)
{
	struct server s = {};
	struct stat st;

	alarm(LIFETIME_S);
	if (fstat(FUSE_SERVER_SHARED, &st)) {
		perror("fuse-server");
		return 2;
	}
	s.shared = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			FUSE_SERVER_SHARED, 0);
	if (s.shared == MAP_FAILED) {
		perror("fuse-server");
		return 2;
	}
	while (getppid() == s.shared->user && one_round(&s))
		;
	return 0;
}
