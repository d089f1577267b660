/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Descriptors of files in /proc/self and sysfs, kept open from one probe to the next. */
#ifndef HUGEODP_KEPT_H
#define HUGEODP_KEPT_H

#include <stdbool.h>

enum kept_file {
	KEPT_MAPS,
	KEPT_PAGEMAP,
	KEPT_THP_ENABLED,
	KEPT_THP_PMD_ENABLED,
	KEPT_FILES,
};

/*
 * Opening one of these files costs several times as much as the question that it then answers. A
 * descriptor of /proc/self answers for the address space of the process that opened it. So a child
 * process never uses those of its parent, and a descriptor that the program has closed, or whose
 * number has become another file's, is not used.
 *
 * Begin to use them. Returns false if another thread does at the moment, or if this system cannot
 * keep any: the caller then opens files of its own. Never waits.
 */
bool kept_begin(void);

/* Between begin and end: the descriptor of a file that is kept, or -1. Not to be closed. */
int kept_find(enum kept_file file);

/* The same after opening it at @path, which is always the same for a file. */
int kept_open(enum kept_file file, const char *path);

/* End the use that kept_begin() began. */
void kept_end(void);

#endif
