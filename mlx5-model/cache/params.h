/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the translation cache of a card might be. None of these is a known figure of a card: the
 * defaults are one set that has the shape of published measurements (mlx5-model/README.md).
 */
#ifndef MLX5_MODEL_CACHE_PARAMS_H
#define MLX5_MODEL_CACHE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_SETS_MAX (1u << 20)
#define CACHE_WAYS_MAX 64u
#define CACHE_LINES_MAX (1u << 22) /* of a cache */

struct cache_params {
	uint32_t mpt_sets, mpt_ways;
	uint32_t mtt_sets, mtt_ways;
	uint32_t line;	      /* bytes of a translation table that a miss fetches */
	uint32_t packet;      /* bytes: each packet of a message is looked up by itself */
	uint32_t miss;	      /* ns of a fetch */
	uint32_t outstanding; /* fetches at the same time */
	uint32_t base;	      /* ns of a message of which everything hits, without its bytes */
	uint32_t gap;	      /* ns between packets, at least */
	uint32_t link;	      /* Gbit/s */
	uint64_t deep;	      /* entries above which a table costs a second fetch; 0: none */
};

#define CACHE_PARAMS_TEXT 256

void cache_params_default(struct cache_params *params);
/*
 * Reads "default", or NAME=VALUE separated by colons: "mtt=1024x8:miss=500". What is not named has
 * its default. Returns false, and a sentence in error, for anything else.
 */
bool cache_params_parse(const char *text, struct cache_params *params, char *error, size_t size);
/* All of them, in the form that cache_params_parse() reads */
void cache_params_print(const struct cache_params *params, char text[CACHE_PARAMS_TEXT]);
/* Entries of 8 bytes that the MTT cache has room for */
uint64_t cache_params_entries(const struct cache_params *params);

#endif
