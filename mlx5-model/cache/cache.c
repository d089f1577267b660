// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cache/cache.h"

#include "cache/sets.h"

#include <stdlib.h>
#include <string.h>

/* A tag has the key above the number of the line in its table, plus 1, as 0 is an empty way */
#define LINE_BITS 38
#define PAGE_ENTRY 8
#define OTHER_ENTRY 16
#define PS 1000ull

struct cache {
	struct cache_params params;
	struct cache_counts counts;
	struct sets mpt, mtt;
};

struct cache *cache_new(const struct cache_params *params)
{
	struct cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->params = *params;
	if (!sets_init(&cache->mpt, params->mpt_sets, params->mpt_ways) ||
	    !sets_init(&cache->mtt, params->mtt_sets, params->mtt_ways)) {
		cache_free(cache);
		return NULL;
	}
	return cache;
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	sets_release(&cache->mpt);
	sets_release(&cache->mtt);
	free(cache);
}

static uint64_t entry_size(const struct cache_key *key)
{
	return key->kind == CACHE_PAGES ? PAGE_ENTRY : OTHER_ENTRY;
}

static uint64_t entry_line(const struct cache *cache, const struct cache_key *key, uint64_t entry)
{
	/* a line of 8 bytes has half of an entry of 16, which is fetched as a whole */
	if (cache->params.line < entry_size(key))
		return entry;
	return entry * entry_size(key) / cache->params.line;
}

static uint64_t line_tag(const struct cache_key *key, uint64_t line)
{
	return ((uint64_t)key->index << LINE_BITS | line) + 1;
}

/*
 * Lines that follow each other in a table are in sets that do, as if by their addresses. Where the
 * table starts is scattered by the key's index (the constant of Fibonacci hashing).
 */
static uint64_t line_place(const struct cache_key *key, uint64_t line)
{
	return line + (key->index * 0x9e3779b97f4a7c15ull >> 40);
}

bool cache_covers(const struct cache_key *key, uint64_t offset, uint64_t length)
{
	if (!length || length > CACHE_ACCESS_MAX || length - 1 > UINT64_MAX - offset)
		return false;
	return key->kind == CACHE_FLAT || (offset + (length - 1)) >> key->shift < key->entries;
}

uint64_t cache_work(const struct cache *cache, const struct cache_key *key, uint64_t length)
{
	if (key->kind == CACHE_LIST)
		return length + 1;
	/* a packet: the key, an entry for each page that starts in it, and the one before */
	return (length / cache->params.packet + 1) * 2 +
	       (key->kind == CACHE_FLAT ? 0 : (length >> key->shift) + 1);
}

uint64_t cache_lines(const struct cache *cache)
{
	return (uint64_t)cache->mtt.sets * cache->mtt.ways +
	       (uint64_t)cache->mpt.sets * cache->mpt.ways;
}

static bool use_mpt(struct cache *cache, const struct cache_key *key)
{
	enum sets_result result = sets_use(&cache->mpt, key->index, key->index + 1ull);

	cache->counts.mpt_hits += result == SETS_HIT;
	cache->counts.mpt_misses += result != SETS_HIT;
	cache->counts.mpt_evictions += result == SETS_EVICTION;
	return result == SETS_HIT;
}

static bool use_mtt(struct cache *cache, const struct cache_key *key, uint64_t entry)
{
	uint64_t line = entry_line(cache, key, entry);
	enum sets_result result =
		sets_use(&cache->mtt, line_place(key, line), line_tag(key, line));

	cache->counts.mtt_hits += result == SETS_HIT;
	cache->counts.mtt_misses += result != SETS_HIT;
	cache->counts.mtt_evictions += result == SETS_EVICTION;
	return result == SETS_HIT;
}

/*
 * Looks up the key and the entries; returns the longest chain of fetches, each of which needs the
 * last
 */
static unsigned int use_packet(struct cache *cache, const struct cache_key *key, uint64_t first,
			       uint64_t last, uint64_t *fetches)
{
	unsigned int deep = cache->params.deep && key->entries > cache->params.deep;
	unsigned int chain = !use_mpt(cache, key), longest = 0;
	uint64_t entry;

	*fetches += chain;
	if (key->kind == CACHE_FLAT)
		return chain;
	for (entry = first; entry <= last; entry++) {
		if (use_mtt(cache, key, entry))
			continue;
		longest = 1 + deep;
		*fetches += 1 + deep;
	}
	return chain + longest;
}

/* At least the longest chain, and no more at the same time than are allowed */
static void access_end(struct cache *cache, const struct cache_key *key, uint64_t fetches,
		       unsigned int chain)
{
	uint64_t outstanding = cache->params.outstanding;
	uint64_t rounds = (fetches + outstanding - 1) / outstanding;

	if (rounds < chain)
		rounds = chain;
	/* blocks and lists are a part of the accesses to the keys that they name */
	cache->counts.accesses += key->kind == CACHE_FLAT || key->kind == CACHE_PAGES;
	cache->counts.fetches += fetches;
	cache->counts.wait += rounds * cache->params.miss;
}

static void packet_sent(struct cache *cache, uint64_t bytes)
{
	uint64_t wire = bytes * 8 * PS / cache->params.link;
	uint64_t gap = cache->params.gap * PS;

	cache->counts.packets++;
	cache->counts.bytes += bytes;
	cache->counts.wire += wire > gap ? wire : gap;
}

void cache_access(struct cache *cache, const struct cache_key *key, uint64_t offset,
		  uint64_t length)
{
	unsigned int chain = 0, longest = 0;
	uint64_t fetches = 0, at, n;

	if (!cache_covers(key, offset, length))
		return;
	if (key->kind == CACHE_LIST) {
		longest = use_packet(cache, key, offset, offset + length - 1, &fetches);
		access_end(cache, key, fetches, longest);
		return;
	}
	for (at = 0; at < length; at += n) {
		n = length - at < cache->params.packet ? length - at : cache->params.packet;
		chain = use_packet(cache, key, (offset + at) >> key->shift,
				   (offset + at + (n - 1)) >> key->shift, &fetches);
		if (chain > longest)
			longest = chain;
		if (key->kind != CACHE_BLOCKS)
			packet_sent(cache, n);
	}
	access_end(cache, key, fetches, longest);
}

void cache_changed(struct cache *cache, const struct cache_key *key)
{
	cache->counts.mpt_invalidated +=
		sets_drop(&cache->mpt, key->index, key->index + 1ull);
}

/* Looks for each line, or goes through the cache, whichever is less work */
static void drop_lines(struct cache *cache, const struct cache_key *key, uint64_t first,
		       uint64_t last)
{
	uint64_t all = (uint64_t)cache->mtt.sets * cache->mtt.ways, line;

	if (!cache->mtt.held)
		return;
	if ((last - first + 1) * cache->mtt.ways > all) {
		cache->counts.mtt_invalidated += sets_drop_range(
			&cache->mtt, line_tag(key, first), line_tag(key, last));
		return;
	}
	for (line = first; line <= last; line++)
		cache->counts.mtt_invalidated += sets_drop(&cache->mtt, line_place(key, line),
							   line_tag(key, line));
}

void cache_written(struct cache *cache, const struct cache_key *key, uint64_t offset,
		   uint64_t length)
{
	uint64_t size = entry_size(key), table = key->entries * size;

	if (key->kind == CACHE_FLAT || offset >= table || !length)
		return;
	if (length > table - offset)
		length = table - offset;
	drop_lines(cache, key, entry_line(cache, key, offset / size),
		   entry_line(cache, key, (offset + (length - 1)) / size));
}

void cache_dropped(struct cache *cache, const struct cache_key *key)
{
	cache_changed(cache, key);
	if (key->kind != CACHE_FLAT && key->entries)
		drop_lines(cache, key, 0, entry_line(cache, key, key->entries - 1));
}

void cache_reset(struct cache *cache)
{
	cache->counts.mpt_invalidated += sets_drop_range(&cache->mpt, 1, UINT64_MAX);
	cache->counts.mtt_invalidated += sets_drop_range(&cache->mtt, 1, UINT64_MAX);
}

const struct cache_counts *cache_counts(const struct cache *cache)
{
	return &cache->counts;
}

void cache_forget_counts(struct cache *cache)
{
	memset(&cache->counts, 0, sizeof(cache->counts));
}

/* value * factor / divisor without overflow of what fits in the end */
static uint64_t scale(uint64_t value, uint64_t factor, uint64_t divisor)
{
	unsigned __int128 result;

	if (!divisor)
		return 0;
	result = (unsigned __int128)value * factor / divisor;
	return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}

void cache_figure(const struct cache_params *params, const struct cache_counts *counts,
		  struct cache_figures *figures)
{
	uint64_t fetching = scale(counts->fetches, params->miss * PS, params->outstanding);

	*figures = (struct cache_figures){ .time = counts->wire };
	if (fetching > counts->wire)
		figures->time = fetching;
	if (!counts->accesses)
		return;
	figures->latency = params->base * PS + counts->wire / counts->accesses +
			   scale(counts->wait, PS, counts->accesses);
	/* 10^9 ps are a millisecond */
	figures->rate = scale(counts->bytes, 1000000000, figures->time);
}
