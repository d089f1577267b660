/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The memory in which the processes of a program keep their counts for `hugeodp run`. It has no name
 * in any file system, and goes with the last process that has it. README.md describes its life.
 */
#ifndef HUGEODP_PRELOAD_SHARED_H
#define HUGEODP_PRELOAD_SHARED_H

#include <stdbool.h>
#include <stddef.h>

#include "counts.h"

/* Environment variable with the place of the memory */
#define SHARED_PLACE "HUGEODP_PRELOAD_COUNTS"

struct shared_head;

/* The side of hugeodp run */
struct shared {
	int fd;
	struct shared_head *head;
};

/* Returns false if there can be no such memory. */
bool shared_create(struct shared *shared);
/* The value of SHARED_PLACE. */
void shared_place(const struct shared *shared, char *place, size_t size);
/* Whether any process has loaded the module; no process can record that if the memory is out of reach. */
bool shared_loaded(const struct shared *shared);
/* Whether processes find the memory in /proc. */
bool shared_in_reach(const struct shared *shared);

/*
 * Copy the counts at @index to @counts. Returns false after the last ones. @alive is set if their
 * process can still change them; a process that has not started to count has no pid.
 */
bool shared_read(const struct shared *shared, unsigned int index, struct counts *counts,
		 bool *alive);

/* The side of the processes: record that the module was loaded. @place is as above. */
void shared_note_loaded(const char *place);
/*
 * Map new counts, all 0, or return NULL. They belong to the process until it ends, executes another
 * program or unmaps them, whatever it does to descriptors, threads, user or root directory.
 */
struct counts *shared_claim(const char *place);

#endif
