/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The system's settings for transparent huge pages (THP). */
#ifndef HUGEODP_THP_H
#define HUGEODP_THP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum thp_level {
	THP_NEVER,
	THP_MADVISE, /* only after MADV_HUGEPAGE */
	THP_ALWAYS,
};

/* The directory with the settings; the unit tests replace it. */
extern const char *thp_dir;

/* Size of a PMD-mapped huge page; 0 without THP. */
uint64_t thp_pmd_size(void);

/*
 * The setting for anonymous memory and THP sizes of at least @size. With @kept, which is between
 * kept_begin() and kept_end(): the files stay open, and their content is read each time.
 */
enum thp_level thp_anon_level(uint64_t size, uint64_t pmd_size, bool kept);

/* Whether anonymous memory with MADV_HUGEPAGE can have huge pages of exactly @size. */
bool thp_anon_has(uint64_t size);

/* The file with the setting that decides about anonymous memory and THPs of exactly @size. */
void thp_anon_setting(uint64_t size, char *path, size_t room);

/* Whether shared memory (tmpfs, memfd, shared anonymous memory) can have any. */
bool thp_shmem_possible(void);

#endif
