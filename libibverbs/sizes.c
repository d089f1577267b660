// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "priv.h"
#include "sizes.h"

/* Of 2^64 - 1. Longer numbers could only begin with zeros. */
#define MAX_DIGITS 20

static const char units[] = "BKMGTPE";

static bool parse_one(const char **text, uint64_t *size)
{
	const char *unit;
	char *end;

	if (!strncasecmp(*text, "base", 4)) {
		*text += 4;
		*size = IBV_PAGE_SIZE_BASE;
		return true;
	}
	if (**text < '0' || **text > '9')
		return false;
	*size = strtoull(*text, &end, 10);
	if (end - *text > MAX_DIGITS)
		return false;
	if (*end && *end != '|' && *end != ',') {
		unit = strchr(units, *end >= 'a' ? *end - ('a' - 'A') : *end);
		if (!unit || *size > UINT64_MAX >> 10 * (unit - units))
			return false;
		*size <<= 10 * (unit - units);
		end++;
	}
	*text = end;
	return *size && !(*size & (*size - 1));
}

bool sizes_parse(const char *text, uint64_t *sizes)
{
	uint64_t size;

	*sizes = 0;
	if (!*text || !strcmp(text, "any"))
		return true;
	for (;; text++) {
		if (!parse_one(&text, &size))
			return false;
		*sizes |= size;
		if (!*text)
			return true;
		if (*text != '|' && *text != ',')
			return false;
	}
}

static void add(char *text, size_t room, const char *separator, int shift)
{
	size_t len = strlen(text);

	snprintf(text + len, room - len, "%s%d%c", len ? separator : "", 1 << shift % 10,
		 units[shift / 10]);
}

const char *sizes_text(uint64_t sizes, char *text, size_t room)
{
	int shift, last;

	snprintf(text, room, "%s", sizes ? "" : "none");
	for (shift = 0; shift < 64; shift = last + 1) {
		last = shift;
		if (!(sizes >> shift & 1))
			continue;
		while (last < 63 && sizes >> (last + 1) & 1)
			last++;
		if (last - shift < 2)
			last = shift;
		add(text, room, "|", shift);
		if (last > shift)
			add(text, room, "..", last);
	}
	return text;
}

const char *sizes_list(uint64_t sizes, char *text, size_t room)
{
	snprintf(text, room, "%s", sizes ? "" : "any");
	for (; sizes; sizes &= sizes - 1)
		add(text, room, "|", __builtin_ctzll(sizes));
	return text;
}

HUGEODP_EXPORT int hugeodp_parse_page_sizes(const char *text, uint64_t *page_sizes)
{
	uint64_t sizes;

	if (!text || !page_sizes || !sizes_parse(text, &sizes) ||
	    !hugeodp_sizes_are_possible(sizes))
		return hugeodp_err(EINVAL);
	*page_sizes = sizes;
	return 0;
}

HUGEODP_EXPORT int hugeodp_format_page_sizes(uint64_t page_sizes, char *text, size_t size)
{
	char list[HUGEODP_PAGE_SIZES_TEXT];

	if (!text || !hugeodp_sizes_are_possible(page_sizes) ||
	    strlen(sizes_list(page_sizes, list, sizeof(list))) >= size)
		return hugeodp_err(EINVAL);
	strcpy(text, list);
	return 0;
}
