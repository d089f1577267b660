/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Random layouts of memory of several kinds, and ranges of them to register. */
#ifndef LAB_LAYOUT_H
#define LAB_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "pattern.h"

#define LAYOUT_PIECES 6

struct layout {
	uint8_t *addr; /* of the mapping; 2 MiB aligned */
	size_t len;
	enum mem_kind kinds[LAYOUT_PIECES]; /* of each 2 MiB */
	bool huge;     /* no base pages */
	bool in_order; /* base pages were touched in the order of addresses */
	/* the range: after layout_cut() */
	uint8_t *start;
	size_t mr_len;
	uint64_t iova;
	char text[64];
};

/* Maps up to LAYOUT_PIECES pieces of 2 MiB and touches all pages of them. */
void layout_map(struct layout *layout, struct rng *rng);
void layout_unmap(struct layout *layout);

/*
 * Chooses a range of the mapping, which starts at a page or at any byte, and an iova that may differ
 * from the address. @nr is for the text.
 */
void layout_cut(struct layout *layout, struct rng *rng, int nr);

/*
 * Is all of the 2 MiB at this iova in the range, and one huge page there? @iova is a multiple of
 * 2 MiB.
 */
bool layout_has_block(const struct layout *layout, uint64_t iova);

/* Do huge pages translate all of the range, with whole ones at its ends that are partly in it? */
bool layout_is_huge(const struct layout *layout);

/* The blocks of this size that a range of addresses touches. */
uint64_t layout_blocks(uint64_t addr, size_t len, uint32_t shift);

#endif
