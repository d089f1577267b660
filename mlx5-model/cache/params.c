// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cache/params.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENTRY 8
#define NAME_MAX_LENGTH 16

/* A number with its limits; powers: only powers of two */
static const struct number {
	const char *name;
	size_t offset;
	uint32_t low, high;
	bool powers;
} numbers[] = {
	{ "line", offsetof(struct cache_params, line), ENTRY, 4096, true },
	{ "packet", offsetof(struct cache_params, packet), 256, 1 << 16, true },
	{ "miss", offsetof(struct cache_params, miss), 0, 100000, false },
	{ "outstanding", offsetof(struct cache_params, outstanding), 1, 1024, false },
	{ "base", offsetof(struct cache_params, base), 0, 1000000, false },
	{ "gap", offsetof(struct cache_params, gap), 0, 100000, false },
	{ "link", offsetof(struct cache_params, link), 1, 10000, false },
};

#define NUMBERS (sizeof(numbers) / sizeof(*numbers))

void cache_params_default(struct cache_params *params)
{
	*params = (struct cache_params){
		.mpt_sets = 4096,
		.mpt_ways = 8,
		.mtt_sets = 8192,
		.mtt_ways = 8,
		.line = ENTRY,
		.packet = 4096,
		.miss = 550,
		.outstanding = 2,
		.base = 1100,
		.gap = 0,
		.link = 100,
		.deep = 1 << 20,
	};
}

/* Digits alone, up to limit; moves *text to the first other character */
static bool read_number(const char **text, uint64_t limit, uint64_t *value)
{
	const char *p = *text;

	*value = 0;
	while (*p >= '0' && *p <= '9') {
		*value = *value * 10 + (uint64_t)(*p++ - '0');
		if (*value > limit)
			return false;
	}
	if (p == *text)
		return false;
	*text = p;
	return true;
}

static bool at_end(const char *text)
{
	return !*text || *text == ':';
}

static bool is_power(uint64_t value)
{
	return value && !(value & (value - 1));
}

static bool read_shape(const char **text, uint32_t *sets, uint32_t *ways)
{
	uint64_t s, w;

	if (!read_number(text, CACHE_SETS_MAX, &s) || !is_power(s) || **text != 'x')
		return false;
	++*text;
	if (!read_number(text, CACHE_WAYS_MAX, &w) || !w || !at_end(*text) ||
	    s * w > CACHE_LINES_MAX)
		return false;
	*sets = s;
	*ways = w;
	return true;
}

static bool refuse_shape(const char *name, char *error, size_t size)
{
	snprintf(error, size,
		 "%s wants SETSxWAYS: sets a power of two up to %u, ways 1 to %u, lines up to %u",
		 name, CACHE_SETS_MAX, CACHE_WAYS_MAX, CACHE_LINES_MAX);
	return false;
}

static bool read_plain(const char **text, const struct number *number,
		       struct cache_params *params, char *error, size_t size)
{
	uint64_t value;
	uint32_t narrow;

	if (!read_number(text, number->high, &value) || value < number->low || !at_end(*text) ||
	    (number->powers && !is_power(value))) {
		snprintf(error, size, "%s wants a %s from %" PRIu32 " to %" PRIu32, number->name,
			 number->powers ? "power of two" : "number", number->low, number->high);
		return false;
	}
	narrow = value;
	memcpy((char *)params + number->offset, &narrow, sizeof(narrow));
	return true;
}

static bool read_deep(const char **text, struct cache_params *params, char *error, size_t size)
{
	if (read_number(text, 1ull << 40, &params->deep) && at_end(*text))
		return true;
	snprintf(error, size, "deep wants a number of entries up to %llu, or 0 for none",
		 1ull << 40);
	return false;
}

/* *text is at the value; moves it to the end of the value */
static bool read_value(const char *name, const char **text, struct cache_params *params,
		       char *error, size_t size)
{
	size_t i;

	if (!strcmp(name, "mpt"))
		return read_shape(text, &params->mpt_sets, &params->mpt_ways) ||
		       refuse_shape(name, error, size);
	if (!strcmp(name, "mtt"))
		return read_shape(text, &params->mtt_sets, &params->mtt_ways) ||
		       refuse_shape(name, error, size);
	if (!strcmp(name, "deep"))
		return read_deep(text, params, error, size);
	for (i = 0; i < NUMBERS; i++)
		if (!strcmp(name, numbers[i].name))
			return read_plain(text, &numbers[i], params, error, size);
	snprintf(error, size, "unknown parameter '%s'", name);
	return false;
}

bool cache_params_parse(const char *text, struct cache_params *params, char *error, size_t size)
{
	cache_params_default(params);
	if (!strcmp(text, "default"))
		return true;
	for (;;) {
		size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
		char name[NAME_MAX_LENGTH];

		if (!length || length >= sizeof(name) || text[length] != '=') {
			snprintf(error, size,
				 "wants 'default', or NAME=VALUE separated by colons");
			return false;
		}
		memcpy(name, text, length);
		name[length] = '\0';
		text += length + 1;
		if (!read_value(name, &text, params, error, size))
			return false;
		if (!*text)
			return true;
		text++;
	}
}

void cache_params_print(const struct cache_params *p, char text[CACHE_PARAMS_TEXT])
{
	snprintf(text, CACHE_PARAMS_TEXT,
		 "mpt=%" PRIu32 "x%" PRIu32 ":mtt=%" PRIu32 "x%" PRIu32 ":line=%" PRIu32
		 ":packet=%" PRIu32 ":miss=%" PRIu32 ":outstanding=%" PRIu32 ":base=%" PRIu32
		 ":gap=%" PRIu32 ":link=%" PRIu32 ":deep=%" PRIu64,
		 p->mpt_sets, p->mpt_ways, p->mtt_sets, p->mtt_ways, p->line, p->packet, p->miss,
		 p->outstanding, p->base, p->gap, p->link, p->deep);
}

uint64_t cache_params_entries(const struct cache_params *params)
{
	return (uint64_t)params->mtt_sets * params->mtt_ways * (params->line / ENTRY);
}
