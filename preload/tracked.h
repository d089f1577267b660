/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The MRs that the preloaded library changed, with what they do not tell of themselves. */
#ifndef HUGEODP_PRELOAD_TRACKED_H
#define HUGEODP_PRELOAD_TRACKED_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_mr;

struct kept {
	uint64_t iova;
	unsigned int access; /* as the program gave it */
};

void kept_start(void);

/* Without memory for it the MR is not known later. */
void kept_add(const struct ibv_mr *mr, struct kept kept);
bool kept_find(const struct ibv_mr *mr, struct kept *kept);

/* Before the MR is deregistered: its place can be the next one's at once. */
bool kept_take(const struct ibv_mr *mr, struct kept *kept);

#endif
