/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Synthetic streams of translations, the same for the same parameters and seed. */
#ifndef MLX5_MODEL_CACHE_PATTERN_H
#define MLX5_MODEL_CACHE_PATTERN_H

#include "cache/trace.h"

#define PATTERN_COUNT_MAX (1ull << 24) /* messages */
#define PATTERN_MEMORY_MAX (1ull << 44)
#define PATTERN_SLICES_MAX (1u << 16)
#define PATTERN_PASSES_MAX 65536u
#define PATTERN_MESSAGE_MIN 8u
#define PATTERN_MESSAGE_MAX (1u << 30)

/*
 * uniform: messages anywhere; sequential: one after the other, from the start again at the end;
 * kv: requests for a block of each of 32 layers, four of five of them for one of each five blocks
 */
enum pattern_kind { PATTERN_UNIFORM, PATTERN_SEQUENTIAL, PATTERN_KV };

struct pattern {
	enum pattern_kind kind;
	uint64_t memory;   /* bytes that messages go to */
	uint64_t slice;	   /* bytes of an mkey; 0: one for all of the memory */
	uint32_t message;  /* bytes */
	uint32_t passes;   /* sequential: over each slice before the next one, at least 1 */
	uint64_t count;	   /* messages */
	uint64_t seed;	   /* not 0 */
	unsigned int shift; /* log of the page size, 12 to 30 */

	/* set by pattern_start() and changed by pattern_next() */
	uint64_t random, made, keys_made, block;
};

/* Returns NULL if the pattern is valid, or a sentence */
const char *pattern_start(struct pattern *pattern);
/* The keys first, then the accesses; returns false at the end */
bool pattern_next(struct pattern *pattern, struct trace_event *event);
bool pattern_parse(const char *name, enum pattern_kind *kind);

#endif
