/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The MRs that the preloaded library changed, with parameters that struct ibv_mr lacks. */
#ifndef HUGEODP_PRELOAD_TRACKED_H
#define HUGEODP_PRELOAD_TRACKED_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_mr;

struct tracked {
	uint64_t iova;
	unsigned int access; /* as the program gave it */
};

void tracked_start(void);

/* If no memory is left for an entry, later calls do not find the MR. */
void tracked_add(const struct ibv_mr *mr, struct tracked tracked);
bool tracked_find(const struct ibv_mr *mr, struct tracked *tracked);

/* Call before the MR is deregistered: afterwards a new MR can reuse its address. */
bool tracked_take(const struct ibv_mr *mr, struct tracked *tracked);

#endif
