// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/stats.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

static const struct {
	char name[STATS_RECORD - sizeof(uint64_t)];
	size_t offset;
} stats_fields[] = {
#define STATS_ENTRY(name) { #name, offsetof(struct stats, name) },
	STATS_LIST(STATS_ENTRY)
#undef STATS_ENTRY
};

#define STATS_COUNT (sizeof(stats_fields) / sizeof(stats_fields[0]))

static uint64_t stats_value(const struct stats *stats, size_t index)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)stats + stats_fields[index].offset, sizeof(value));
	return value;
}

static void stats_record(const struct stats *stats, size_t index, uint8_t *record)
{
	uint64_t value = htole64(stats_value(stats, index));

	memcpy(record, stats_fields[index].name, sizeof(stats_fields[index].name));
	memcpy(record + sizeof(stats_fields[index].name), &value, sizeof(value));
}

void stats_read(const struct stats *stats, uint64_t offset, uint8_t *data, size_t length)
{
	uint8_t record[STATS_RECORD];

	memset(data, 0, length);
	while (length) {
		size_t index = offset / STATS_RECORD, skip = offset % STATS_RECORD;
		size_t n = STATS_RECORD - skip < length ? STATS_RECORD - skip : length;

		if (index >= STATS_COUNT)
			return;
		stats_record(stats, index, record);
		memcpy(data, record + skip, n);
		data += n;
		offset += n;
		length -= n;
	}
}

void stats_print(const struct stats *stats, FILE *file)
{
	size_t i;

	for (i = 0; i < STATS_COUNT; i++)
		fprintf(file, "%-24s %" PRIu64 "\n", stats_fields[i].name, stats_value(stats, i));
}
