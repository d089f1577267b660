/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The counts of the preloaded library in a process. They are in memory that it shares with
 * `hugeodp run`, if possible, which reports for a process that never reached exit(3).
 */
#ifndef HUGEODP_PRELOAD_COUNTS_H
#define HUGEODP_PRELOAD_COUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <infiniband/hugeodp.h>

/* Registrations that are reported one by one; all are counted. */
#define COUNTS_RANGES 32
#define COUNTS_REASONS (IBV_ODP_REASON_THP_MOUNT + 1)
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

/* One registration in the report */
struct range_report {
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
	uint64_t own;	       /* those of them with a request of the program itself */
	uint64_t upgraded[64]; /* by page shift */
	uint64_t declined[DECLINED_KINDS];
	uint64_t small[COUNTS_REASONS];
	uint64_t deregistered; /* on-demand regions */
	uint64_t known;	       /* those of them that the members up to renegotiations count for */
	uint64_t blocks[64];   /* mapped when deregistered, by size */
	uint64_t faults;
	uint64_t invalidated;
	uint64_t renegotiations;
	struct range_report ranges[COUNTS_RANGES];
	uint32_t nranges;
	uint32_t exited;   /* it reached exit(3) */
	uint32_t reported; /* by the process itself */
	uint32_t unseen;   /* it opened libibverbs, but no call was intercepted */
	char note[128];	   /* to report in place of the counts */
};

/*
 * Append the report to the file @path, in whose name %p stands for the process number, or write it
 * to stderr if @path is "-". Returns false if that failed, after a message on stderr if @complain is
 * true. Blocks SIGPIPE and SIGXFSZ, which would kill the process.
 */
bool counts_report(const struct counts *counts, const char *path, bool json, bool complain);

#endif
