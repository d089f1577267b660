// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "hostile.h"
#include "tap.h"

#define NAME "pages"
#define NODE 2
#define HANDLE 1
#define FOR_EVER 1000000

static void reply(const struct fuse *f, uint64_t unique, int err, const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + (err ? 0 : len)),
		.error = -err,
		.unique = unique,
	};
	struct iovec iov[] = { { &out, sizeof(out) }, { (void *)(uintptr_t)data, len } };

	/* ENOENT: who asked is gone */
	if (writev(f->dev, iov, err || !len ? 1 : 2) < 0 && errno != ENOENT && errno != ENODEV)
		diag("fuse: reply: %s", strerror(errno));
}

static struct fuse_attr attr_of(const struct fuse *f, uint64_t node)
{
	bool dir = node == FUSE_ROOT_ID;

	return (struct fuse_attr){
		.ino = node,
		.size = dir ? 0 : f->size,
		.mode = dir ? S_IFDIR | 0755 : S_IFREG | 0644,
		.nlink = 1,
		.blksize = SZ_4K,
	};
}

static void reply_read(const struct fuse *f, const struct fuse_held *r)
{
	size_t len = r->offset >= f->size	     ? 0
		     : r->offset + r->size > f->size ? f->size - r->offset
						     : r->size;

	reply(f, r->unique, 0, f->content + r->offset, len);
}

static void on_read(struct fuse *f, const struct fuse_in_header *in, const struct fuse_read_in *arg)
{
	struct fuse_held r = { in->unique, arg->offset, arg->size };
	unsigned int held = atomic_load(&f->held);

	if (atomic_load(&f->hold) && held < FUSE_HELD) {
		f->waiting[held] = r;
		atomic_store(&f->held, held + 1);
	} else {
		reply_read(f, &r);
	}
}

static void on_init(const struct fuse *f, const struct fuse_in_header *in)
{
	/* no read-ahead: each page is asked for when it is needed */
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_write = SZ_4K,
		.max_background = 16,
	};

	reply(f, in->unique, 0, &out, sizeof(out));
}

static void on_lookup(const struct fuse *f, const struct fuse_in_header *in, const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = NODE,
		.entry_valid = FOR_EVER,
		.attr_valid = FOR_EVER,
		.attr = attr_of(f, NODE),
	};

	if (strcmp(name, NAME))
		reply(f, in->unique, ENOENT, NULL, 0);
	else
		reply(f, in->unique, 0, &out, sizeof(out));
}

static void serve(struct fuse *f, const struct fuse_in_header *in)
{
	struct fuse_open_out opened = { .fh = HANDLE, .open_flags = FOPEN_KEEP_CACHE };
	struct fuse_attr_out attr = { .attr_valid = FOR_EVER, .attr = attr_of(f, in->nodeid) };

	switch (in->opcode) {
	case FUSE_INIT:
		on_init(f, in);
		break;
	case FUSE_LOOKUP:
		on_lookup(f, in, (const char *)(in + 1));
		break;
	case FUSE_GETATTR:
		reply(f, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		reply(f, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		on_read(f, in, (const void *)(in + 1));
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_DESTROY:
		reply(f, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		reply(f, in->unique, ENOSYS, NULL, 0);
	}
}

static void *run_fuse(void *arg)
{
	static _Alignas(8) char request[SZ_64K * 4];
	struct fuse *f = arg;

	while (!atomic_load(&f->stop)) {
		struct pollfd p = { .fd = f->dev, .events = POLLIN };
		unsigned int held = atomic_load(&f->held);

		if (held && !atomic_load(&f->hold)) {
			for (unsigned int i = 0; i < held; i++)
				reply_read(f, &f->waiting[i]);
			atomic_store(&f->held, 0);
		}
		if (poll(&p, 1, 20) != 1)
			continue;
		if (read(f->dev, request, sizeof(request)) >=
		    (ssize_t)sizeof(struct fuse_in_header))
			serve(f, (const void *)request);
		else if (errno == ENODEV)
			break;
	}
	return NULL;
}

void fuse_open(struct fuse *f, const uint8_t *content, size_t size)
{
	char options[96], file[96];

	*f = (struct fuse){ .content = content, .size = size };
	f->dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	need(f->dev >= 0, "/dev/fuse: %s", strerror(errno));
	snprintf(f->dir, sizeof(f->dir), "/tmp/lab-fuse-XXXXXX");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", f->dev);
	if (!mkdtemp(f->dir) || mount("lab", f->dir, "fuse.lab", MS_NOSUID | MS_NODEV, options))
		fatal("mounting FUSE on %s: %s", f->dir, strerror(errno));
	if (pthread_create(&f->thread, NULL, run_fuse, f))
		fatal("pthread_create failed");
	snprintf(file, sizeof(file), "%s/" NAME, f->dir);
	f->fd = open(file, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		fatal("%s: %s", file, strerror(errno));
}

bool fuse_holds(struct fuse *f, double seconds)
{
	double end = now_s() + seconds;

	while (!atomic_load(&f->held) && now_s() < end)
		sleep_ms(5);
	return atomic_load(&f->held);
}

void fuse_release(struct fuse *f)
{
	atomic_store(&f->hold, false);
}

void fuse_close(struct fuse *f)
{
	fuse_release(f);
	if (f->fd >= 0)
		close(f->fd);
	if (umount2(f->dir, MNT_DETACH))
		fatal("umount %s: %s", f->dir, strerror(errno));
	while (atomic_load(&f->held))
		sleep_ms(5);
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
	close(f->dev);
	rmdir(f->dir);
}
