// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cache/sets.h"

#include <stdlib.h>
#include <string.h>

bool sets_init(struct sets *sets, uint32_t count, uint32_t ways)
{
	*sets = (struct sets){ .sets = count, .ways = ways };
	sets->tags = calloc(count, ways * sizeof(*sets->tags));
	return sets->tags;
}

void sets_release(struct sets *sets)
{
	free(sets->tags);
	sets->tags = NULL;
}

static uint64_t *sets_at(const struct sets *sets, uint64_t place)
{
	return sets->tags + (place & (sets->sets - 1)) * (size_t)sets->ways;
}

enum sets_result sets_use(struct sets *sets, uint64_t place, uint64_t tag)
{
	uint64_t *set = sets_at(sets, place);
	enum sets_result result = SETS_HIT;
	uint32_t i;

	for (i = 0; i < sets->ways && set[i] && set[i] != tag; i++)
		;
	if (i == sets->ways) {
		result = SETS_EVICTION;
		i--;
	} else if (!set[i]) {
		result = SETS_MISS;
		sets->held++;
	}
	memmove(set + 1, set, i * sizeof(*set));
	set[0] = tag;
	return result;
}

bool sets_drop(struct sets *sets, uint64_t place, uint64_t tag)
{
	uint64_t *set = sets_at(sets, place);
	uint32_t i;

	for (i = 0; i < sets->ways && set[i] != tag; i++)
		;
	if (i == sets->ways)
		return false;
	memmove(set + i, set + i + 1, (sets->ways - i - 1) * sizeof(*set));
	set[sets->ways - 1] = 0;
	sets->held--;
	return true;
}

/* Keeps the order of the others */
static uint64_t sets_drop_from(uint64_t *set, uint32_t ways, uint64_t first, uint64_t last)
{
	uint32_t i, kept = 0;
	uint64_t dropped = 0;

	for (i = 0; i < ways && set[i]; i++) {
		if (set[i] >= first && set[i] <= last)
			dropped++;
		else
			set[kept++] = set[i];
	}
	memset(set + kept, 0, (i - kept) * sizeof(*set));
	return dropped;
}

uint64_t sets_drop_range(struct sets *sets, uint64_t first, uint64_t last)
{
	uint64_t dropped = 0;
	uint32_t i;

	for (i = 0; i < sets->sets; i++)
		dropped += sets_drop_from(sets_at(sets, i), sets->ways, first, last);
	sets->held -= dropped;
	return dropped;
}
