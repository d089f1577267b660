/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the preloaded library counts in a process. It lies in a file of HUGEODP_PRELOAD_COUNTS, if
 * that is set, so that somebody else can tell it of a process that came to no exit(3).
 */
#ifndef HUGEODP_PRELOAD_COUNTS_H
#define HUGEODP_PRELOAD_COUNTS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/types.h>

#include <infiniband/hugeodp.h>

/* Registrations that are told of one by one; all are counted. */
#define COUNTS_TOLD 32
#define COUNTS_REASONS (IBV_ODP_REASON_NO_ACCESS + 1)
/* The variable with the directory */
#define COUNTS_PLACE "HUGEODP_PRELOAD_COUNTS"
#define COUNTS_MAGIC (0x6875676500000000ULL + sizeof(struct counts))

/* Why a registration was left as it was. */
enum declined {
	DECLINED_NOT,
	DECLINED_NOT_ON_DEMAND,
	DECLINED_IMPLICIT,
	DECLINED_OWN_REQUEST,
	DECLINED_DEVICE,
	DECLINED_FAILED,
	DECLINED_KINDS,
};

struct told {
	uint64_t addr;
	uint64_t length;
	uint64_t obstacle;
	uint32_t page_shift;
	uint32_t blocked_shift;
	uint32_t reason;
	uint32_t reserved; /* compared as bytes */
};

struct counts {
	uint64_t magic;
	pid_t pid;
	char program[256];
	uint64_t registrations;
	uint64_t upgraded[64]; /* by page shift */
	uint64_t declined[DECLINED_KINDS];
	uint64_t small[COUNTS_REASONS];
	uint64_t deregistered; /* those that the rest is of */
	uint64_t blocks[64];   /* mapped when deregistered, by size */
	uint64_t faults;
	uint64_t invalidated;
	uint64_t renegotiations;
	struct told told[COUNTS_TOLD];
	uint32_t ntold;
	uint32_t exited; /* it came to its exit(3) */
};

/*
 * Whether a process has the file mapped. The mapping alone keeps the lock that the file was made with,
 * whatever becomes of the process's threads, files, user and root directory.
 */
static inline bool counts_in_use(int fd)
{
	return flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
}

/*
 * Writes the report at the end of the file @path, in whose name %p stands for the number of the
 * process, or to stderr if it is "-". Returns whether it did; else complains on stderr. A reader that
 * is gone and a file that may not grow raise no signal, which would be another end of the process.
 */
bool counts_tell(const struct counts *counts, const char *path, bool json);

#endif
