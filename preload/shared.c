// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared.h"

/* A multiple of all page sizes. The memory is allocated when a process claims it. */
#define ROOM (64UL << 10)
#define SLOTS 16384U
#define SIZE ((off_t)(ROOM * (SLOTS + 1)))
#define HEAD_MAGIC (0x6875676570000000ULL + sizeof(struct counts))

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

struct shared_head {
	uint64_t magic;
	uint32_t claimed; /* only grows, also beyond SLOTS */
	uint32_t loaded;
};

static off_t offset_of(unsigned int index)
{
	return (off_t)(ROOM * (index + 1UL));
}

static int make_memory(void)
{
	int fd = memfd_create("hugeodp", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	int high;

	/* before Linux 6.3 */
	if (fd < 0)
		fd = memfd_create("hugeodp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	/* the command may have been started without a standard stream */
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	return high;
}

/* No process may make the others fault by truncating the memory. */
static bool set_size(int fd)
{
	struct rlimit limit;

	/* growing a file beyond the limit raises SIGXFSZ */
	return !getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur >= (rlim_t)SIZE &&
	       !ftruncate(fd, SIZE) &&
	       !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

bool shared_create(struct shared *shared)
{
	void *head;

	shared->fd = make_memory();
	if (shared->fd < 0)
		return false;
	head = set_size(shared->fd)
		       ? mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0)
		       : MAP_FAILED;
	if (head == MAP_FAILED) {
		close(shared->fd);
		return false;
	}
	shared->head = head;
	shared->head->magic = HEAD_MAGIC;
	return true;
}

/* A process number or an inode may be used again, but not both. */
void shared_place(const struct shared *shared, char *place, size_t size)
{
	struct stat st = { 0 };

	fstat(shared->fd, &st);
	snprintf(place, size, "%d:%d:%jx:%jx", getpid(), shared->fd, (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
}

bool shared_loaded(const struct shared *shared)
{
	return __atomic_load_n(&shared->head->loaded, __ATOMIC_RELAXED);
}

static struct flock range_of(unsigned int index)
{
	return (struct flock){
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = offset_of(index),
		.l_len = (off_t)ROOM,
	};
}

bool shared_read(const struct shared *shared, unsigned int index, struct counts *counts,
		 bool *alive)
{
	struct flock lock = range_of(index);

	if (index >= SLOTS || index >= __atomic_load_n(&shared->head->claimed, __ATOMIC_RELAXED))
		return false;
	/* in this order: the counts of a process that is alive are not final */
	*alive = fcntl(shared->fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
	if (pread(shared->fd, counts, sizeof(*counts), offset_of(index)) !=
		    (ssize_t)sizeof(*counts) ||
	    counts->magic != COUNTS_MAGIC || counts->nranges > COUNTS_RANGES)
		memset(counts, 0, sizeof(*counts));
	counts->program[sizeof(counts->program) - 1] = '\0';
	/* only the parent has one */
	memset(counts->note, 0, sizeof(counts->note));
	return true;
}

/*
 * Open the memory again, for locks of our own. Check the file before it is opened: the process and
 * its descriptor may be others by now, and opening a device can have effects.
 */
static int open_place(const char *place)
{
	uintmax_t dev, ino;
	int pid, number, fd, memory;
	struct stat st;
	char path[64];

	if (sscanf(place, "%d:%d:%jx:%jx", &pid, &number, &dev, &ino) != 4)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || st.st_dev != (dev_t)dev || st.st_ino != (ino_t)ino ||
	    !S_ISREG(st.st_mode) || st.st_size != SIZE) {
		close(fd);
		return -1;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memory = open(path, O_RDWR | O_CLOEXEC);
	close(fd);
	return memory;
}

bool shared_in_reach(const struct shared *shared)
{
	char place[128];
	int fd;

	shared_place(shared, place, sizeof(place));
	fd = open_place(place);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static struct shared_head *map_head(int fd)
{
	struct shared_head *head = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (head == MAP_FAILED)
		return NULL;
	if (head->magic == HEAD_MAGIC)
		return head;
	munmap(head, ROOM);
	return NULL;
}

void shared_note_loaded(const char *place)
{
	struct shared_head *head;
	int fd = open_place(place);

	if (fd < 0)
		return;
	head = map_head(fd);
	if (head) {
		__atomic_store_n(&head->loaded, 1, __ATOMIC_RELAXED);
		munmap(head, ROOM);
	}
	close(fd);
}

/* The lock stays when the descriptor is closed, for as long as the memory is mapped. */
static struct counts *claim(int fd, struct shared_head *head)
{
	unsigned int index;
	struct counts *map;
	struct flock lock;

	/* no process can make the number wrap around */
	if (__atomic_load_n(&head->claimed, __ATOMIC_RELAXED) >= SLOTS)
		return NULL;
	index = __atomic_fetch_add(&head->claimed, 1, __ATOMIC_RELAXED);
	if (index >= SLOTS)
		return NULL;
	lock = range_of(index);
	/* allocate it: touching memory that the system does not have would kill the process */
	if (fcntl(fd, F_OFD_SETLK, &lock) ||
	    posix_fallocate(fd, offset_of(index), sizeof(struct counts)))
		return NULL;
	map = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset_of(index));
	return map == MAP_FAILED ? NULL : map;
}

struct counts *shared_claim(const char *place)
{
	struct counts *map = NULL;
	struct shared_head *head;
	int fd = open_place(place);

	if (fd < 0)
		return NULL;
	head = map_head(fd);
	if (head) {
		map = claim(fd, head);
		munmap(head, ROOM);
	}
	close(fd);
	return map;
}
