// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"
#include "tap.h"

/* Returns the descriptor of the memory, for the server. */
static int share(struct fuse *f, const uint8_t *content, size_t size)
{
	int fd = memfd_create("fuse", MFD_CLOEXEC);

	f->shared_len = sizeof(*f->shared) + size;
	if (fd < 0 || ftruncate(fd, (off_t)f->shared_len))
		fatal("a memory file: %s", strerror(errno));
	f->shared = mmap(NULL, f->shared_len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (f->shared == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	f->shared->user = getpid();
	f->shared->size = size;
	memcpy(f->shared->content, content, size);
	return fd;
}

/* Executes another program: a forked child would share the open devices and their mappings. */
static void start_server(struct fuse *f, int dev, int shared)
{
	char *argv[] = { (char *)"fuse-server", NULL };
	posix_spawn_file_actions_t actions;
	/* duplicate them to numbers above the final ones */
	int from[] = { fcntl(dev, F_DUPFD_CLOEXEC, 10), fcntl(shared, F_DUPFD_CLOEXEC, 10) };
	int err;

	if (from[0] < 0 || from[1] < 0)
		fatal("F_DUPFD: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, from[0], FUSE_SERVER_DEV);
	posix_spawn_file_actions_adddup2(&actions, from[1], FUSE_SERVER_SHARED);
	err = posix_spawn(&f->server, FUSE_SERVER, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (err)
		fatal("%s: %s", FUSE_SERVER, strerror(err));
	close(from[0]);
	close(from[1]);
}

void fuse_open(struct fuse *f, const uint8_t *content, size_t size)
{
	int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK), shared;
	char options[96], file[96];

	*f = (struct fuse){ .fd = -1 };
	need(dev >= 0, "/dev/fuse: %s", strerror(errno));
	snprintf(f->dir, sizeof(f->dir), "/tmp/lab-fuse-XXXXXX");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", dev);
	if (!mkdtemp(f->dir) || mount("lab", f->dir, "fuse.lab", MS_NOSUID | MS_NODEV, options))
		fatal("mounting FUSE on %s: %s", f->dir, strerror(errno));
	shared = share(f, content, size);
	start_server(f, dev, shared);
	close(dev);
	close(shared);
	snprintf(file, sizeof(file), "%s/pages", f->dir);
	f->fd = open(file, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		fatal("%s: %s", file, strerror(errno));
}

void fuse_set(struct fuse *f, enum fuse_mode mode)
{
	atomic_store(&f->shared->mode, mode);
}

bool fuse_holds(struct fuse *f, double seconds)
{
	double end = now_s() + seconds;

	while (!atomic_load(&f->shared->held) && now_s() < end)
		sleep_ms(5);
	return atomic_load(&f->shared->held);
}

void fuse_close(struct fuse *f)
{
	double end = now_s() + later();

	fuse_set(f, FUSE_ANSWERS);
	if (f->fd >= 0)
		close(f->fd);
	if (umount2(f->dir, MNT_DETACH))
		fatal("umount %s: %s", f->dir, strerror(errno));
	while (atomic_load(&f->shared->held) && now_s() < end)
		sleep_ms(5);
	kill(f->server, SIGKILL);
	waitpid(f->server, NULL, 0);
	munmap(f->shared, f->shared_len);
	rmdir(f->dir);
}
