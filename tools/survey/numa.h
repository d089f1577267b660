/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The present pages of mappings by NUMA node, from numa_maps. */
#ifndef HUGEODP_NUMA_H
#define HUGEODP_NUMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* More than any kernel has. */
#define NUMA_NODES 1024

struct numa {
	FILE *file; /* NULL if the kernel has no NUMA */
	char *line;
	size_t room;
	uint64_t at; /* the mapping that line describes */
	bool have_line;
	uint64_t bytes[NUMA_NODES];
};

/* @proc: a directory such as /proc/PID. A system without numa_maps has no nodes. */
void numa_open(struct numa *numa, const char *proc);
void numa_close(struct numa *numa);

/* Add the pages of the mapping that starts at @start, which must grow from call to call. */
void numa_add(struct numa *numa, uint64_t start);

#endif
