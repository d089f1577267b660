/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The MRs that the preloaded library changed, with what struct ibv_mr does not hold. */
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

/* Without memory for it the MR is not known later. */
void tracked_add(const struct ibv_mr *mr, struct tracked tracked);
bool tracked_find(const struct ibv_mr *mr, struct tracked *tracked);

/* Before the MR is deregistered: its place can be the next one's at once. */
bool tracked_take(const struct ibv_mr *mr, struct tracked *tracked);

#endif
