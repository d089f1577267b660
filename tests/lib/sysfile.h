/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Settings and counters of the system: files of procfs, sysfs and cgroups. */
#ifndef LAB_SYSFILE_H
#define LAB_SYSFILE_H

#include <stddef.h>

/* Writes @text; ends the test if that is not possible. */
void put_file(const char *path, const char *text);

/* The number after @key in a file of "key: number" or "key number" lines; -1: not there. */
long file_value(const char *path, const char *key);

/* "always [madvise] never" of a file: the word in brackets */
void get_choice(const char *path, char *value, size_t size);

#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

#endif
