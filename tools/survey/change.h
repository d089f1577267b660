/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What to change so that blocks can be huge: the exact command or call. */
#ifndef HUGEODP_CHANGE_H
#define HUGEODP_CHANGE_H

#include <stdbool.h>
#include <stdio.h>

#include "survey.h"

enum change_kind {
	CHANGE_NOTHING,	 /* there is nothing to do */
	CHANGE_THP,	 /* the system's setting for anonymous memory */
	CHANGE_SHMEM,	 /* and that for shared memory */
	CHANGE_MOUNT,	 /* an option of a tmpfs */
	CHANGE_PROCESS,	 /* prctl() */
	CHANGE_ADVISE,	 /* madvise() before the first access */
	CHANGE_COLLAPSE, /* madvise() of small pages that are present */
	CHANGE_ALIGN,	 /* the start or the end of the memory */
	CHANGE_HUGETLB,	 /* memory of the hugetlb pool */
	CHANGE_FILE,	 /* other memory in place of a file */
	CHANGE_KERNEL,	 /* the kernel or the device does not support it */
	CHANGE_KINDS,
};

struct change {
	enum change_kind kind;
	/* the memory that it is about */
	struct vma vma;
	uint32_t shift;
	uint64_t start;
	uint64_t end;
};

/* What to do about an obstacle; @change is about its blocks only. */
void change_for(const struct survey_obstacle *obstacle, struct change *change);

/* Whether a command for the whole system or the process changes all such memory. */
bool change_is_general(enum change_kind kind);

/*
 * Print the command or call. @proc is the directory of the process, or NULL if it is not known.
 * Prints nothing if there is nothing to do.
 */
void change_print(FILE *out, const struct change *change, const char *proc);

/* The same as a new string for free(3), or NULL. */
char *change_text(const struct change *change, const char *proc);

#endif
