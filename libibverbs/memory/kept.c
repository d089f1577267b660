// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory/kept.h"

/* Programs count on getting 0, 1 and 2 where they have closed them. */
#define LOWEST_FD 3

enum state {
	UNKNOWN, /* nothing is open, or what is open is the parent's */
	IDLE,
	IN_USE,
};

/*
 * In a page that the kernel clears in a child process, also in one made by clone(2), for which no
 * handlers run.
 */
static _Atomic uint32_t *state;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Of the thread that has set the state to IN_USE. */
static struct kept {
	int fd;	    /* 0: none */
	off_t mark; /* or 0 */
	dev_t dev;
	ino_t ino;
} files[KEPT_FILES];

/* The program may have closed the descriptor, and its number may be another file's now. */
static bool is_same(const struct kept *kept)
{
	struct stat st;

	if (!kept->fd)
		return false;
	if (kept->mark)
		return lseek(kept->fd, 0, SEEK_CUR) == kept->mark;
	return !fstat(kept->fd, &st) && st.st_ino == kept->ino && st.st_dev == kept->dev;
}

static void close_all(void)
{
	size_t i;

	for (i = 0; i < KEPT_FILES; i++) {
		if (is_same(&files[i]))
			close(files[i].fd);
		files[i].fd = 0;
	}
}

/* Not to leave a child that drops its privileges with the parent's files. */
static void in_child(void)
{
	int err = errno;

	close_all();
	errno = err;
}

static void prepare(void)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return;
	if (madvise(page, size, MADV_WIPEONFORK) || pthread_atfork(NULL, NULL, in_child)) {
		munmap(page, size);
		return;
	}
	state = page;
}

static bool change(uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(state, &from, to, memory_order_acquire,
						       memory_order_relaxed);
}

bool kept_begin(void)
{
	pthread_once(&once, prepare);
	if (!state)
		return false;
	if (change(IDLE, IN_USE))
		return true;
	if (!change(UNKNOWN, IN_USE))
		return false;
	close_all();
	return true;
}

void kept_end(void)
{
	atomic_store_explicit(state, IDLE, memory_order_release);
}

static int open_above(const char *path)
{
	int fd, higher;

	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0 || fd >= LOWEST_FD)
		return fd;
	higher = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);
	close(fd);
	return higher;
}

int kept_find(enum kept_file file)
{
	return is_same(&files[file]) ? files[file].fd : -1;
}

/*
 * Mark the file by a random position of 62 bits, which costs less to check than its inode. Possible
 * where the position has no meaning: nothing reads pagemap. Returns 0 if it cannot be marked.
 */
static off_t set_mark(enum kept_file file, int fd)
{
	uint64_t random;
	off_t mark;

	if (file != KEPT_PAGEMAP || getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		return 0;
	mark = (off_t)(random >> 2) + 1;
	return lseek(fd, mark, SEEK_SET) == mark ? mark : 0;
}

int kept_open(enum kept_file file, const char *path)
{
	struct stat st;
	int fd = open_above(path);

	files[file].fd = 0;
	if (fd < 0)
		return -1;
	if (fstat(fd, &st)) {
		close(fd);
		return -1;
	}
	files[file] = (struct kept){ fd, set_mark(file, fd), st.st_dev, st.st_ino };
	return fd;
}

/* Before the library is unloaded. A thread that runs on at the exit of the process may use them. */
static void __attribute__((destructor)) unload(void)
{
	if (state && change(IDLE, IN_USE)) {
		close_all();
		kept_end();
	}
}
