/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A card's caches of translations: of mkeys (MPT) and of the entries of their tables (MTT). They
 * hold no data: the model always reads the tables themselves, and here it is only counted what a
 * card with such caches would have found in them. Hits, misses and evictions are exact for the
 * parameters; times are as good as the parameters are.
 */
#ifndef MLX5_MODEL_CACHE_CACHE_H
#define MLX5_MODEL_CACHE_CACHE_H

#include "cache/params.h"

#define CACHE_INDEX_BITS 24
#define CACHE_ENTRIES_MAX (1ull << 36) /* of a key's table */
#define CACHE_ACCESS_MAX (1ull << 30)  /* bytes, or entries of a list */

/*
 * What an mkey refers to: memory without a table; pages; blocks of other mkeys; a list of pieces of
 * other mkeys, of which offset and length below are numbers of entries and not bytes.
 */
enum cache_kind { CACHE_FLAT, CACHE_PAGES, CACHE_BLOCKS, CACHE_LIST };

struct cache_key {
	uint32_t index; /* CACHE_INDEX_BITS */
	enum cache_kind kind;
	unsigned int shift; /* log of the page or block size, 0 to 63; 0 for a list */
	uint64_t entries;   /* up to CACHE_ENTRIES_MAX */
};

struct cache_counts {
	uint64_t accesses, packets, bytes;
	uint64_t mpt_hits, mpt_misses, mpt_evictions, mpt_invalidated;
	uint64_t mtt_hits, mtt_misses, mtt_evictions, mtt_invalidated;
	uint64_t fetches; /* misses, and the second fetches of deep tables */
	uint64_t wait;	  /* ns that the fetches add to the latency of accesses, in all */
	uint64_t wire;	  /* ps that the link is busy, or waits for the gap of a packet */
};

struct cache;

/* Returns NULL without memory. The parameters are valid ones. */
struct cache *cache_new(const struct cache_params *params);
void cache_free(struct cache *cache);

/* True if [offset, offset + length) is not empty, not too long and within the key's table */
bool cache_covers(const struct cache_key *key, uint64_t offset, uint64_t length);
/* Lookups that such an access needs, at most */
uint64_t cache_work(const struct cache *cache, const struct cache_key *key, uint64_t length);
/* Lines that a change of a key or its table looks at, at most */
uint64_t cache_lines(const struct cache *cache);
/* A message, or a part of one, of a range that the key covers; offset is from its first page */
void cache_access(struct cache *cache, const struct cache_key *key, uint64_t offset,
		  uint64_t length);
/* The context of the key is new: the MPT entry is invalid */
void cache_changed(struct cache *cache, const struct cache_key *key);
/* [offset, offset + length) of the key's table, in bytes, is new */
void cache_written(struct cache *cache, const struct cache_key *key, uint64_t offset,
		   uint64_t length);
/* The key is gone, with its table */
void cache_dropped(struct cache *cache, const struct cache_key *key);
/* The device is as after power-on; counts stay */
void cache_reset(struct cache *cache);

const struct cache_counts *cache_counts(const struct cache *cache);
/* Sets the counts to 0; what is in the caches stays */
void cache_forget_counts(struct cache *cache);

/* Modelled figures from counts */
struct cache_figures {
	uint64_t latency; /* ps of an access, on average */
	uint64_t time;	  /* ps of all: of the link or of the fetches, whichever takes longer */
	uint64_t rate;	  /* bytes in a millisecond; 0 without an access */
};
void cache_figure(const struct cache_params *params, const struct cache_counts *counts,
		  struct cache_figures *figures);

#endif
