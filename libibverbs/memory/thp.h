/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The system's settings for transparent huge pages (THP). */
#ifndef HUGEODP_THP_H
#define HUGEODP_THP_H

#include <stdbool.h>
#include <stdint.h>

enum thp_level {
	THP_NEVER,
	THP_MADVISE, /* where a program asks for it */
	THP_ALWAYS,
};

/* Where the settings are; the unit tests have their own. */
extern const char *thp_dir;

/* Size of a huge page that one entry of the CPU's upper table maps; 0: no THP. */
uint64_t thp_pmd_size(void);

/* For anonymous memory: pages of @size or of a larger THP size. */
enum thp_level thp_anon_level(uint64_t size, uint64_t pmd_size);

/* Can memory files (tmpfs, memfd, shared anonymous memory) have any? */
bool thp_shmem_possible(void);

#endif
