// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../libibverbs/memory/blocks.h"
#include "../../libibverbs/memory/thp.h"
#include "../../libibverbs/sizes.h"
#include "advice.h"
#include "../pools.h"
#include "../table.h"

/* The kernel's table of an ODP MR and the tables of devices have 8 bytes for each entry. */
#define ENTRY_BYTES 8

enum {
	ADVICE_ENTRIES,
	ADVICE_FAULTS,
	ADVICE_TABLE,
	ADVICE_SIZE,
	ADVICE_BLOCKS,
	ADVICE_NAME,
	ADVICE_CHANGE,
	ADVICE_COLUMNS,
};

static const struct table_column columns[ADVICE_COLUMNS] = {
	[ADVICE_ENTRIES] = { "entries", "ENTRIES", true },
	[ADVICE_FAULTS] = { "faults", "FAULTS", true },
	[ADVICE_TABLE] = { "table", "TABLE", true },
	[ADVICE_SIZE] = { "size", "SIZE", true },
	[ADVICE_BLOCKS] = { "blocks", "BLOCKS", true },
	[ADVICE_NAME] = { "name", "NAME", false },
	[ADVICE_CHANGE] = { "change", "CHANGE", false },
};

bool advice_has_output(const struct tool *tool)
{
	return table_has_output(tool, columns, ADVICE_COLUMNS);
}

static uint64_t table_bytes(uint64_t entries)
{
	uint64_t bytes;

	return __builtin_mul_overflow(entries, (uint64_t)ENTRY_BYTES, &bytes) ? UINT64_MAX : bytes;
}

/*
 * The parts before the first and after the last whole block need blocks of their own now, and
 * together fewer if the mapping starts with a block.
 */
static uint64_t aligned_blocks(const struct change *change)
{
	const uint64_t mask = (1ULL << change->shift) - 1;
	const uint64_t start = change->vma.start, end = change->vma.end;
	const uint64_t first = (start + mask) & ~mask, last = end & ~mask;
	const uint64_t whole = first >= start && last > first ? (last - first) >> change->shift : 0;

	return blocks_count(0, end - start, change->shift) - whole;
}

/* What is left of the entries after each change, and the largest gain first. */
static int by_gain(const void *a, const void *b)
{
	const struct advice_row *x = a, *y = b;

	if (x->entries != y->entries)
		return x->entries < y->entries ? 1 : -1;
	return (x->change.start > y->change.start) - (x->change.start < y->change.start);
}

static void finish(struct advice *advice)
{
	size_t i, kept = 0;

	for (i = 0; i < advice->count; i++) {
		struct advice_row row = advice->rows[i];

		if (row.change.kind == CHANGE_ALIGN)
			row.blocks = aligned_blocks(&row.change);
		if (row.entries <= row.blocks)
			continue;
		row.entries -= row.blocks;
		advice->rows[kept++] = row;
	}
	advice->count = kept;
	if (kept)
		qsort(advice->rows, kept, sizeof(*advice->rows), by_gain);
}

/* Entries that all changes save. */
static uint64_t total_gain(const struct advice *advice)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < advice->count; i++) {
		if (!advice->rows[i].alternative)
			add_saturated(&sum, advice->rows[i].entries);
	}
	return sum < advice->entries ? sum : advice->entries;
}

/* Pages of a size that memory of the pool would need. */
static uint64_t pool_pages(const struct advice *advice, uint32_t shift)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < advice->count; i++) {
		if (advice->rows[i].change.kind == CHANGE_HUGETLB &&
		    advice->rows[i].change.shift == shift)
			add_saturated(&sum, advice->rows[i].blocks);
	}
	return sum;
}

/* Returns false if nothing has to be changed. */
static bool pool_command(const struct pool *pool, uint64_t needed, char *text, size_t room)
{
	uint64_t pages = pool->pages;

	if (needed <= pool->free)
		return false;
	add_saturated(&pages, needed - pool->free);
	snprintf(text, room, "echo %" PRIu64 " >" POOLS_DIR "/hugepages-%" PRIu64 "kB/nr_hugepages",
		 pages, pool->size >> 10);
	return true;
}

static void print_pools(const struct advice *advice, FILE *out)
{
	char size[SIZES_TEXT], text[128];
	struct pool pools[POOLS];
	uint64_t needed;
	size_t n, i;

	n = pools_read(pools, POOLS);
	for (i = 0; i < n; i++) {
		needed = pool_pages(advice, (uint32_t)__builtin_ctzll(pools[i].size));
		if (needed && pool_command(&pools[i], needed, text, sizeof(text)))
			fprintf(out,
				"  MAP_HUGETLB needs %" PRIu64 " pages of %s, %" PRIu64
				" are free: %s\n",
				needed, sizes_text(pools[i].size, size, sizeof(size)),
				pools[i].free, text);
	}
}

/* For programs that cannot be changed. */
static void print_always(const struct advice *advice, FILE *out)
{
	char path[256];
	size_t i;

	for (i = 0; i < advice->count; i++) {
		if (advice->rows[i].change.kind != CHANGE_ADVISE ||
		    advice->rows[i].change.vma.flags & VMA_THP_REFUSED)
			continue;
		thp_anon_setting(1ULL << advice->rows[i].change.shift, path, sizeof(path));
		fprintf(out, "  without a change of the program: echo always >%s\n", path);
		return;
	}
}

static void add_line(struct table *table, const struct advice *advice, const struct advice_row *row)
{
	char *text = change_text(&row->change, advice->proc);
	char size[SIZES_TEXT];

	table_add_line(table);
	table_set_number(table, ADVICE_ENTRIES, row->entries);
	table_set_number(table, ADVICE_FAULTS, row->entries);
	table_set_number(table, ADVICE_TABLE, table_bytes(row->entries));
	table_set(table, ADVICE_SIZE, sizes_text(1ULL << row->change.shift, size, sizeof(size)),
		  "");
	table_set_number(table, ADVICE_BLOCKS, row->blocks);
	table_set_name(table, ADVICE_NAME, "",
		       change_is_general(row->change.kind) ? "" : row->change.vma.name, "");
	table_set(table, ADVICE_CHANGE, text ? text : "", "");
	free(text);
}

static void print_sums(const struct advice *advice, FILE *out)
{
	const uint64_t after = advice->entries - total_gain(advice);

	fprintf(out, "now %" PRIu64 " entries and faults, %" PRIu64 " bytes of tables; ",
		advice->entries, table_bytes(advice->entries));
	if (advice->count)
		fprintf(out, "with all changes %" PRIu64 " and %" PRIu64 " bytes\n", after,
			table_bytes(after));
	else
		fputs("nothing to change\n", out);
}

int advice_print(struct advice *advice, FILE *out)
{
	struct table table;
	char *text = NULL;
	size_t i;
	int err = 0;

	finish(advice);
	fprintf(out, "%sprocess %" PRIu64 ": ", bold(advice->tool), advice->pid);
	print_name(out, advice->name);
	fprintf(out, "%s\n", normal(advice->tool));
	if (advice->count) {
		table_start(&table, advice->tool, columns, ADVICE_COLUMNS);
		for (i = 0; i < advice->count; i++)
			add_line(&table, advice, &advice->rows[i]);
		err = table_text(&table, &text);
	}
	if (text)
		fprintf(out, "%s\n", text);
	free(text);
	if (err)
		return err;
	print_sums(advice, out);
	print_always(advice, out);
	print_pools(advice, out);
	if (advice->cut)
		fputs("  only the first ranges that it registered are known\n", out);
	return 0;
}

static void json_row(struct json *json, const struct advice *advice, const struct advice_row *row)
{
	char *text = change_text(&row->change, advice->proc);

	json_open(json, NULL, '{');
	json_string(json, "change", text ? text : "");
	json_number(json, "page_shift", row->change.shift);
	json_number(json, "blocks", row->blocks);
	json_number(json, "entries", row->entries);
	json_number(json, "faults", row->entries);
	json_number(json, "table_bytes", table_bytes(row->entries));
	if (!change_is_general(row->change.kind)) {
		json_number(json, "start", row->change.start);
		json_number(json, "end", row->change.end);
		json_string(json, "name", row->change.vma.name);
	}
	json_bool(json, "alternative", row->alternative);
	json_close(json, '}');
	free(text);
}

static void json_pools(struct json *json, const struct advice *advice)
{
	struct pool pools[POOLS];
	uint64_t needed;
	char text[128];
	size_t n, i;

	json_open(json, "hugetlb", '[');
	n = pools_read(pools, POOLS);
	for (i = 0; i < n; i++) {
		needed = pool_pages(advice, (uint32_t)__builtin_ctzll(pools[i].size));
		if (!needed)
			continue;
		json_open(json, NULL, '{');
		json_number(json, "page_size", pools[i].size);
		json_number(json, "pages", pools[i].pages);
		json_number(json, "free", pools[i].free);
		json_number(json, "needed", needed);
		if (pool_command(&pools[i], needed, text, sizeof(text)))
			json_string(json, "change", text);
		json_close(json, '}');
	}
	json_close(json, ']');
}

void advice_json(struct advice *advice, struct json *json)
{
	uint64_t after;
	size_t i;

	finish(advice);
	after = advice->entries - total_gain(advice);
	json_open(json, NULL, '{');
	json_number(json, "pid", advice->pid);
	json_string(json, "name", advice->name);
	json_number(json, "entries", advice->entries);
	json_number(json, "table_bytes", table_bytes(advice->entries));
	json_number(json, "entries_after", after);
	json_number(json, "table_bytes_after", table_bytes(after));
	json_open(json, "changes", '[');
	for (i = 0; i < advice->count; i++)
		json_row(json, advice, &advice->rows[i]);
	json_close(json, ']');
	json_pools(json, advice);
	json_bool(json, "cut", advice->cut);
	json_close(json, '}');
}
