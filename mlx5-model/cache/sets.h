/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A set-associative cache of tags, each set in the order of its last uses. It has tags alone: no
 * data, no clock.
 */
#ifndef MLX5_MODEL_CACHE_SETS_H
#define MLX5_MODEL_CACHE_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sets_result { SETS_HIT, SETS_MISS, SETS_EVICTION };

struct sets {
	uint64_t *tags; /* ways of a set side by side, the last used one first; 0: none */
	uint32_t sets;	/* a power of two */
	uint32_t ways;
	uint64_t held; /* tags that are present */
};

/* Returns false without memory */
bool sets_init(struct sets *sets, uint32_t count, uint32_t ways);
void sets_release(struct sets *sets);
/*
 * Finds tag, which is not 0, in the set of place, or adds it there; SETS_EVICTION is a miss that
 * removed another tag.
 */
enum sets_result sets_use(struct sets *sets, uint64_t place, uint64_t tag);
/* Removes tag; returns whether it was there */
bool sets_drop(struct sets *sets, uint64_t place, uint64_t tag);
/* Removes all tags in [first, last]; returns how many there were */
uint64_t sets_drop_range(struct sets *sets, uint64_t first, uint64_t last);

#endif
