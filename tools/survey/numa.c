// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "numa.h"
#include "../tool.h"

void numa_open(struct numa *numa, const char *proc)
{
	char path[64];

	*numa = (struct numa){ 0 };
	snprintf(path, sizeof(path), "%s/numa_maps", proc);
	numa->file = fopen(path, "re");
}

void numa_close(struct numa *numa)
{
	if (numa->file)
		fclose(numa->file);
	free(numa->line);
}

/* A decimal number that ends at a blank or at the end of the line. */
static bool take_number(const char *text, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !errno && (!*end || *end == ' ' || *end == '\n');
}

/* "N0=12" */
static bool take_node(const char *word, uint64_t *node, uint64_t *pages)
{
	char *end;

	if (word[0] != 'N' || word[1] < '0' || word[1] > '9')
		return false;
	errno = 0;
	*node = strtoull(word + 1, &end, 10);
	return !errno && *node < NUMA_NODES && *end == '=' && take_number(end + 1, pages);
}

static uint64_t page_size(const char *line)
{
	const char *word = strstr(line, " kernelpagesize_kB=");
	uint64_t kib;

	if (!word || !take_number(strchr(word, '=') + 1, &kib) || kib > UINT64_MAX >> 10)
		return (uint64_t)sysconf(_SC_PAGESIZE);
	return kib << 10;
}

/* Blanks in names of files are written as numbers, so a word is never part of a name. */
static void add_line(struct numa *numa)
{
	const uint64_t size = page_size(numa->line);
	uint64_t node, pages, bytes;
	const char *word;

	for (word = numa->line; (word = strchr(word, ' '));) {
		word++;
		if (!take_node(word, &node, &pages))
			continue;
		if (__builtin_mul_overflow(pages, size, &bytes))
			bytes = UINT64_MAX;
		add_saturated(&numa->bytes[node], bytes);
	}
}

void numa_add(struct numa *numa, uint64_t start)
{
	for (;;) {
		if (numa->have_line && numa->at >= start)
			break;
		numa->have_line = numa->file && getline(&numa->line, &numa->room, numa->file) >= 0;
		if (!numa->have_line)
			return;
		numa->at = strtoull(numa->line, NULL, 16);
	}
	if (numa->at == start)
		add_line(numa);
}
