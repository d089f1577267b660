/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Reproducible random numbers, and bytes that identify where and when they were written. */
#ifndef LAB_PATTERN_H
#define LAB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

/* The seed is @dflt or $HUGEODP_SEED, and is printed. */
void rng_init(struct rng *rng, uint64_t dflt);

uint64_t rng_next(struct rng *rng);

/* Uniform in [0, bound). */
uint64_t rng_below(struct rng *rng, uint64_t bound);

/* A size in [1, max], small ones as likely as large ones. */
size_t rng_size(struct rng *rng, size_t max);

/*
 * The bytes of positions [@pos, @pos + @len) in generation @gen. Bytes of
 * another position or generation differ with near certainty, so misplaced and
 * stale data both show.
 */
void pattern_fill(void *dst, uint64_t gen, uint64_t pos, size_t len);

/*
 * For memory that may lose its pages: each byte must be the one of its position and generation, or
 * zero. Prints the first that is neither.
 */
bool pattern_or_zero(const uint8_t *got, uint64_t gen, size_t pos, size_t len);

#endif
