// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cache/pattern.h"

#include <string.h>

#define FIRST_INDEX 16u
#define LAYERS 32u
#define HOT_PARTS 5u /* of so many blocks one is hot; they get all requests but one of so many */

bool pattern_parse(const char *name, enum pattern_kind *kind)
{
	static const char *const names[] = { "uniform", "sequential", "kv" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(name, names[i]))
			continue;
		*kind = i;
		return true;
	}
	return false;
}

static uint64_t slice_of(const struct pattern *p)
{
	return p->slice ? p->slice : p->memory;
}

static uint64_t slices(const struct pattern *p)
{
	return (p->memory + slice_of(p) - 1) / slice_of(p);
}

/* The last slice may be shorter */
static uint64_t slice_length(const struct pattern *p, uint64_t number)
{
	uint64_t rest = p->memory - number * slice_of(p);

	return rest < slice_of(p) ? rest : slice_of(p);
}

const char *pattern_start(struct pattern *p)
{
	if (p->message < PATTERN_MESSAGE_MIN || p->message > PATTERN_MESSAGE_MAX)
		return "the message has to have from 8 bytes to 1 GiB";
	if (p->memory < p->message || p->memory > PATTERN_MEMORY_MAX || p->memory % p->message)
		return "the memory has to be a multiple of the message, up to 16 TiB";
	if (p->slice % p->message)
		return "the slice has to be a multiple of the message";
	if (slices(p) > PATTERN_SLICES_MAX)
		return "there are more than 65536 slices";
	if (p->kind == PATTERN_KV && p->memory / p->message < LAYERS * HOT_PARTS)
		return "the pattern kv wants memory of 160 messages or more";
	if (!p->count || p->count > PATTERN_COUNT_MAX)
		return "the count has to be from 1 to 16777216";
	if (!p->seed)
		return "the seed must not be 0";
	if (p->shift < 12 || p->shift > 30)
		return "the page size has to be from 4 KiB to 1 GiB";
	if (!p->passes || p->passes > PATTERN_PASSES_MAX ||
	    (p->passes > 1 && p->kind != PATTERN_SEQUENTIAL))
		return "passes has to be from 1 to 65536, and is for the pattern sequential";
	p->random = p->seed;
	p->made = 0;
	p->keys_made = 0;
	p->block = 0;
	return NULL;
}

/* xorshift64*, of which the upper bits are good; the bias of the remainder is below 2^-20 */
static uint64_t pattern_random(struct pattern *p, uint64_t limit)
{
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return (p->random * 0x2545f4914f6cdd1dull >> 2) % limit;
}

/* The number of the message's place in memory; passes over a slice before the next one */
static uint64_t sequential_place(const struct pattern *p)
{
	uint64_t places = p->memory / p->message;
	uint64_t whole = slice_of(p) / p->message;
	uint64_t at, number;

	/* within one round over all slices, which is passes * places long, without its overflow */
	at = p->made % (places * p->passes);
	number = at / (whole * p->passes);
	at -= number * whole * p->passes;
	return number * whole + at % (slice_length(p, number) / p->message);
}

/*
 * A layer has an odd number of blocks: numbers of blocks are seldom round, and with a power of two
 * the blocks of all layers would be in the same set of the cache.
 */
static uint64_t kv_place(struct pattern *p)
{
	uint64_t blocks = (p->memory / p->message / LAYERS - 1) | 1;
	uint64_t hot = blocks / HOT_PARTS;

	if (p->made % LAYERS == 0)
		p->block = pattern_random(p, HOT_PARTS) ? pattern_random(p, hot) * HOT_PARTS :
							  pattern_random(p, blocks);
	return p->made % LAYERS * blocks + p->block;
}

static uint64_t pattern_place(struct pattern *p)
{
	switch (p->kind) {
	case PATTERN_SEQUENTIAL:
		return sequential_place(p);
	case PATTERN_KV:
		return kv_place(p);
	case PATTERN_UNIFORM:
		break;
	}
	return pattern_random(p, p->memory / p->message);
}

static struct cache_key pattern_key(const struct pattern *p, uint64_t number)
{
	uint64_t size = 1ull << p->shift;

	return (struct cache_key){
		.index = FIRST_INDEX + number,
		.kind = CACHE_PAGES,
		.shift = p->shift,
		.entries = (slice_length(p, number) + size - 1) >> p->shift,
	};
}

bool pattern_next(struct pattern *p, struct trace_event *event)
{
	uint64_t place;

	if (p->keys_made < slices(p)) {
		*event = (struct trace_event){
			.type = TRACE_KEY,
			.key = pattern_key(p, p->keys_made++),
		};
		return true;
	}
	if (p->made == p->count)
		return false;
	place = pattern_place(p) * p->message;
	p->made++;
	*event = (struct trace_event){
		.type = TRACE_ACCESS,
		.key = pattern_key(p, place / slice_of(p)),
		.offset = place % slice_of(p),
		.length = p->message,
	};
	return true;
}
