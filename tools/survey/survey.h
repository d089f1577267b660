/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The memory of a process in blocks: which are huge pages now, which would be, and what is in the
 * way of the others. All reasons are those of the library's probe.
 */
#ifndef HUGEODP_SURVEY_H
#define HUGEODP_SURVEY_H

#include <stdbool.h>
#include <stdint.h>
#include <infiniband/hugeodp.h>

#include "../../libibverbs/memory/vmas.h"

/* Blocks are counted by log2 of their size. A range that touches a block counts all of it. */
struct survey_counts {
	uint64_t now[64];   /* huge pages now */
	uint64_t could[64]; /* without pages, and an access would allocate huge ones */
	uint64_t now_bytes;
	uint64_t could_bytes;
	uint64_t base_bytes; /* all other memory */
	uint64_t base_pages;
};

struct survey_mapping {
	const struct vma *vma;
	/* the part of it in the range of the survey */
	uint64_t start;
	uint64_t end;
	bool no_access; /* device memory, or memory that cannot be read; it has no counts */
	struct ibv_odp_report report; /* of the part as a whole */
	struct survey_counts counts;
};

/* Neighbouring blocks of a mapping that cannot be huge, for the same reason. */
struct survey_obstacle {
	struct vma vma;
	enum vmas_file file; /* if it is a file */
	bool thp_disabled;   /* by prctl() */
	uint32_t shift;	     /* of the blocks */
	uint32_t reason;
	uint64_t address; /* of the first page in the way */
	uint64_t start;
	uint64_t end;
	uint64_t blocks;
	uint64_t entries; /* of an ODP MR over them, as they are */
	bool inner;	  /* these are part of an obstacle of larger blocks */
};

struct survey_totals {
	uint64_t mappings;
	uint64_t bytes;
	uint64_t rss;
	uint64_t no_access; /* bytes */
	uint64_t left_out;  /* mappings that are too short */
	uint64_t unmapped;  /* bytes of a range */
	struct survey_counts counts;
};

struct survey {
	const char *proc; /* a directory such as /proc/PID */
	uint64_t sizes;	  /* of blocks, and the base page size; never 0 */
	uint64_t min;	  /* leave out shorter mappings */
	uint64_t start;	  /* a range of whole base pages, or 0 and UINT64_MAX */
	uint64_t end;
	/* Functions to call, or NULL; obstacles before their mapping. They return 0 or an error. */
	int (*mapping)(const struct survey_mapping *mapping, void *arg);
	int (*obstacle)(const struct survey_obstacle *obstacle, void *arg);
	void *arg;
};

/*
 * Returns 0 or an errno value: ESRCH if the process ended, or has no memory, and the error of a
 * function.
 */
int survey_run(const struct survey *survey, struct survey_totals *totals);

/* Entries of the table of an ODP MR whose blocks have their own sizes. */
uint64_t survey_entries(const struct survey_counts *counts);

/* The largest of a set of sizes that is below @limit and above the base page size, or 0. */
uint64_t survey_next_size(uint64_t sizes, uint64_t limit);

/* Sizes of a request: those of the command line, or the usual ones. */
struct tool;
uint64_t survey_sizes(const struct tool *tool);

#endif
