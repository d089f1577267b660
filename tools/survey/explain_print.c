// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../libibverbs/memory/blocks.h"
#include "../../libibverbs/sizes.h"
#include "change.h"
#include "explain.h"

enum {
	EXPLAIN_ADDRESS,
	EXPLAIN_SIZE,
	EXPLAIN_RSS,
	EXPLAIN_HUGE,
	EXPLAIN_COULD,
	EXPLAIN_BASE,
	EXPLAIN_PAGE,
	EXPLAIN_ENTRIES,
	EXPLAIN_NAME,
	EXPLAIN_COLUMNS,
};

static const struct table_column columns[EXPLAIN_COLUMNS] = {
	[EXPLAIN_ADDRESS] = { "address", "ADDRESS", false },
	[EXPLAIN_SIZE] = { "size", "SIZE", true },
	[EXPLAIN_RSS] = { "rss", "RSS", true },
	[EXPLAIN_HUGE] = { "huge", "HUGE", true },
	[EXPLAIN_COULD] = { "could", "COULD", true },
	[EXPLAIN_BASE] = { "base", "BASE", true },
	[EXPLAIN_PAGE] = { "page", "PAGE", false },
	[EXPLAIN_ENTRIES] = { "entries", "ENTRIES", true },
	[EXPLAIN_NAME] = { "name", "NAME", false },
};

static const char usual_columns[] = "address,size,rss,huge,could,base,page,name";
static const char pinned_columns[] = "address,size,rss,huge,could,base,page,entries,name";

bool explain_has_output(const struct tool *tool)
{
	return table_has_output(tool, columns, EXPLAIN_COLUMNS);
}

/* A size in the largest unit in which it has at most four digits. */
static const char *short_size(uint64_t bytes, char *text, size_t room)
{
	static const char units[] = "KMGTPE";
	uint64_t value = bytes >> 10;
	int unit = 0;

	for (; value > 9999; value = (value + 512) >> 10)
		unit++;
	snprintf(text, room, "%" PRIu64 "%c", value, units[unit]);
	return text;
}

static void set_size(struct table *table, size_t column, uint64_t bytes)
{
	char text[16];

	table_set(table, column, short_size(bytes, text, sizeof(text)), "");
}

void explain_start(struct explain *explain)
{
	struct tool tool = *explain->tool;

	if (explain->json) {
		json_open(explain->json, NULL, '{');
		json_number(explain->json, "pid", explain->process->pid);
		json_string(explain->json, "name", explain->process->name);
		json_sizes(explain->json, "sizes", explain->sizes);
		json_open(explain->json, "mappings", '[');
		return;
	}
	if (!tool.output)
		tool.output = tool.pinned ? pinned_columns : usual_columns;
	table_start(&explain->table, &tool, columns, EXPLAIN_COLUMNS);
}

static uint64_t entries_of(const struct survey_mapping *mapping)
{
	return blocks_count(mapping->start, mapping->end - mapping->start,
			    mapping->report.page_shift);
}

static void add_line(struct explain *explain, const struct survey_mapping *mapping)
{
	const struct tool *tool = explain->tool;
	const struct survey_counts *counts = &mapping->counts;
	struct table *table = &explain->table;
	char text[SIZES_TEXT] = "-", address[40];

	if (!mapping->no_access)
		sizes_text(1ULL << mapping->report.page_shift, text, sizeof(text));
	snprintf(address, sizeof(address), "%012" PRIx64 "-%012" PRIx64, mapping->start,
		 mapping->end);
	table_add_line(table);
	table_set(table, EXPLAIN_ADDRESS, address, "");
	set_size(table, EXPLAIN_SIZE, mapping->end - mapping->start);
	set_size(table, EXPLAIN_RSS, mapping->vma->rss);
	set_size(table, EXPLAIN_HUGE, counts->now_bytes);
	set_size(table, EXPLAIN_COULD, counts->could_bytes);
	set_size(table, EXPLAIN_BASE, counts->base_bytes);
	table_set(table, EXPLAIN_PAGE, text, mapping->report.reason ? bad(tool) : good(tool));
	if (mapping->no_access)
		table_set(table, EXPLAIN_ENTRIES, "-", "");
	else
		table_set_number(table, EXPLAIN_ENTRIES, entries_of(mapping));
	table_set_name(table, EXPLAIN_NAME, "", mapping->vma->name, "");
}

/* The numbers of blocks by size. */
static void json_blocks(struct json *json, const struct survey_counts *counts, uint64_t sizes)
{
	uint64_t size;

	json_open(json, "blocks", '[');
	for (size = survey_next_size(sizes, 0); size; size = survey_next_size(sizes, size)) {
		const unsigned int shift = (unsigned int)__builtin_ctzll(size);

		json_open(json, NULL, '{');
		json_number(json, "page_shift", shift);
		json_number(json, "now", counts->now[shift]);
		json_number(json, "could", counts->could[shift]);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_number(json, "huge_bytes", counts->now_bytes);
	json_number(json, "could_bytes", counts->could_bytes);
	json_number(json, "base_bytes", counts->base_bytes);
	json_number(json, "base_pages", counts->base_pages);
}

static void json_mapping(const struct explain *explain, const struct survey_mapping *mapping)
{
	const struct ibv_odp_report *report = &mapping->report;
	struct json *json = explain->json;

	json_open(json, NULL, '{');
	json_number(json, "start", mapping->start);
	json_number(json, "end", mapping->end);
	json_string(json, "name", mapping->vma->name);
	json_number(json, "rss", mapping->vma->rss);
	json_number(json, "thp_bytes", mapping->vma->thp_bytes);
	if (mapping->no_access) {
		json_number(json, "page_shift", 0);
		json_string(json, "reason", ibv_odp_reason_str(IBV_ODP_REASON_NO_ACCESS));
		json_close(json, '}');
		return;
	}
	json_number(json, "page_shift", report->page_shift);
	json_sizes(json, "page_sizes", report->page_sizes);
	if (report->reason) {
		json_number(json, "blocked_shift", report->blocked_shift);
		json_string(json, "reason", ibv_odp_reason_str(report->reason));
		json_number(json, "obstacle_address", report->address);
	}
	json_blocks(json, &mapping->counts, explain->sizes);
	if (explain->tool->pinned)
		json_number(json, "entries", entries_of(mapping));
	json_close(json, '}');
}

void explain_mapping(struct explain *explain, const struct survey_mapping *mapping)
{
	if (explain->json)
		json_mapping(explain, mapping);
	else
		add_line(explain, mapping);
}

static void json_obstacles(const struct explain *explain)
{
	struct json *json = explain->json;
	struct change change;
	char *text;
	size_t i;

	json_open(json, "obstacles", '[');
	for (i = 0; i < explain->shown; i++) {
		const struct survey_obstacle *obstacle = &explain->obstacles[i];

		change_for(obstacle, &change);
		text = change_text(&change, explain->process->path);
		json_open(json, NULL, '{');
		json_number(json, "start", obstacle->start);
		json_number(json, "end", obstacle->end);
		json_number(json, "blocks", obstacle->blocks);
		json_number(json, "blocked_shift", obstacle->shift);
		json_string(json, "reason", ibv_odp_reason_str(obstacle->reason));
		json_number(json, "obstacle_address", obstacle->address);
		json_string(json, "name", obstacle->vma.name);
		if (text && *text)
			json_string(json, "change", text);
		json_close(json, '}');
		free(text);
	}
	json_close(json, ']');
	json_number(json, "obstacle_count", explain->obstacle_count);
}

static void json_nodes(const struct explain *explain)
{
	struct json *json = explain->json;
	size_t i;

	if (!explain->numa.file)
		return;
	json_open(json, "nodes", '[');
	for (i = 0; i < NUMA_NODES; i++) {
		if (!explain->numa.bytes[i])
			continue;
		json_open(json, NULL, '{');
		json_number(json, "node", i);
		json_number(json, "bytes", explain->numa.bytes[i]);
		json_number(json, "base_pages", explain->numa.bytes[i] / IBV_PAGE_SIZE_BASE);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void json_pinned(const struct explain *explain)
{
	const struct explain_entries *entries = &explain->entries;
	const struct tool *tool = explain->tool;
	struct json *json = explain->json;
	unsigned int i;

	json_open(json, "pinned", '{');
	json_number(json, "entries", entries->now);
	json_open(json, "with", '[');
	for (i = 0; i < 64; i++) {
		if (!entries->with[i])
			continue;
		json_open(json, NULL, '{');
		json_number(json, "page_shift", i);
		json_number(json, "entries", entries->with[i]);
		json_close(json, '}');
	}
	json_close(json, ']');
	if (tool->entries) {
		json_number(json, "allowed", tool->entries);
		json_bool(json, "fits", !explain_budget(tool, NULL, entries));
	}
	json_close(json, '}');
}

static void json_end_process(const struct explain *explain, int err)
{
	const struct survey_totals *totals = &explain->totals;
	struct json *json = explain->json;

	json_close(json, ']');
	json_number(json, "bytes", totals->bytes);
	json_blocks(json, &totals->counts, explain->sizes);
	json_obstacles(explain);
	json_nodes(explain);
	if (explain->tool->pinned)
		json_pinned(explain);
	json_number(json, "no_access_bytes", totals->no_access);
	if (explain->tool->range)
		json_number(json, "unmapped_bytes", totals->unmapped);
	json_number(json, "left_out", totals->left_out);
	if (err)
		json_string(json, "error", strerror(err));
	json_close(json, '}');
}

static void print_counts(const struct explain *explain)
{
	const struct survey_totals *totals = &explain->totals;
	const struct survey_counts *counts = &totals->counts;
	const struct tool *tool = explain->tool;
	char text[SIZES_TEXT];
	uint64_t size;

	printf("%s%" PRIu64 " mappings, %" PRIu64 " MiB: %" PRIu64
	       " MiB in huge pages now, %" PRIu64 " MiB could be, %" PRIu64
	       " MiB in base pages%s\n",
	       bold(tool), totals->mappings, totals->bytes >> 20, counts->now_bytes >> 20,
	       counts->could_bytes >> 20, counts->base_bytes >> 20, normal(tool));
	for (size = survey_next_size(explain->sizes, 0); size;
	     size = survey_next_size(explain->sizes, size)) {
		const unsigned int shift = (unsigned int)__builtin_ctzll(size);

		printf("  %s: %" PRIu64 " blocks now, %" PRIu64 " could be\n",
		       sizes_text(size, text, sizeof(text)), counts->now[shift],
		       counts->could[shift]);
	}
	printf("  %s: %" PRIu64 " pages\n", sizes_text(IBV_PAGE_SIZE_BASE, text, sizeof(text)),
	       counts->base_pages);
}

static void print_nodes(const struct explain *explain)
{
	uint64_t bytes;
	size_t i;

	for (i = 0; i < NUMA_NODES; i++) {
		bytes = explain->numa.bytes[i];
		if (bytes)
			printf("  node %zu: %" PRIu64 " pages present, %" PRIu64 " MiB\n", i,
			       bytes / IBV_PAGE_SIZE_BASE, bytes >> 20);
	}
}

static void print_obstacles(const struct explain *explain)
{
	const struct survey_obstacle *obstacle;
	struct change change;
	char text[SIZES_TEXT];
	size_t i;

	if (!explain->shown)
		return;
	if (explain->obstacle_count > explain->shown)
		printf("obstacles, the first %zu of %" PRIu64 ":\n", explain->shown,
		       explain->obstacle_count);
	else
		puts("obstacles:");
	for (i = 0; i < explain->shown; i++) {
		obstacle = &explain->obstacles[i];
		printf("  %#" PRIx64 ", %" PRIu64 " of %s: %s", obstacle->address, obstacle->blocks,
		       sizes_text(1ULL << obstacle->shift, text, sizeof(text)),
		       ibv_odp_reason_str(obstacle->reason));
		if (*obstacle->vma.name)
			fputs("  ", stdout);
		print_name(stdout, obstacle->vma.name);
		putchar('\n');
		change_for(obstacle, &change);
		if (change.kind == CHANGE_NOTHING)
			continue;
		fputs("    ", stdout);
		change_print(stdout, &change, explain->process->path);
		putchar('\n');
	}
}

static void print_left_out(const struct explain *explain)
{
	const struct survey_totals *totals = &explain->totals;
	char text[SIZES_TEXT];

	if (totals->no_access >> 20)
		printf("  %" PRIu64 " MiB not counted: %s\n", totals->no_access >> 20,
		       ibv_odp_reason_str(IBV_ODP_REASON_NO_ACCESS));
	if (totals->unmapped)
		printf("  %" PRIu64 " bytes of the range are not mapped\n", totals->unmapped);
	if (totals->left_out)
		printf("  %" PRIu64 " mappings shorter than %s left out, see --min\n",
		       totals->left_out, sizes_text(explain->min, text, sizeof(text)));
}

static void print_title(const struct explain *explain)
{
	printf("%s%sprocess %" PRIu64 ": ", explain->again ? "\n" : "", bold(explain->tool),
	       explain->process->pid);
	print_name(stdout, explain->process->name);
	printf("%s\n", normal(explain->tool));
}

int explain_end(struct explain *explain, int err)
{
	const struct survey_totals *totals = &explain->totals;
	const bool any = totals->mappings || totals->no_access;
	char *text;
	int print_err;

	if (explain->json) {
		json_end_process(explain, err);
		return err;
	}
	print_err = table_text(&explain->table, &text);
	if (any || totals->left_out)
		print_title(explain);
	if (any && text)
		puts(text);
	free(text);
	if (err || print_err)
		return err ? err : print_err;
	if (!any && !totals->left_out)
		return 0;
	print_counts(explain);
	print_nodes(explain);
	if (explain->tool->pinned) {
		fputs("  ", stdout);
		explain_print_entries(stdout, &explain->entries);
	}
	print_left_out(explain);
	print_obstacles(explain);
	return 0;
}

void explain_print_entries(FILE *out, const struct explain_entries *entries)
{
	const char *separator = "; with pages";
	char text[SIZES_TEXT];
	unsigned int i;

	fprintf(out, "entries of pinned MRs: %" PRIu64, entries->now);
	for (i = 0; i < 64; i++) {
		if (!entries->with[i])
			continue;
		fprintf(out, "%s of %s %" PRIu64, separator,
			sizes_text(1ULL << i, text, sizeof(text)), entries->with[i]);
		separator = ",";
	}
	fputc('\n', out);
}

bool explain_budget(const struct tool *tool, FILE *out, const struct explain_entries *entries)
{
	const bool too_many = entries->now > tool->entries;
	char text[SIZES_TEXT];
	unsigned int i;

	if (!out)
		return too_many;
	fprintf(out, "entries: %" PRIu64 " of %" PRIu64 ", which %s", entries->now, tool->entries,
		too_many ? "are too many" : "fit");
	for (i = 0; too_many && i < 64; i++) {
		if (entries->with[i] && entries->with[i] <= tool->entries) {
			fprintf(out, "; %" PRIu64 " in pages of %s would fit", entries->with[i],
				sizes_text(1ULL << i, text, sizeof(text)));
			break;
		}
	}
	fputc('\n', out);
	return too_many;
}
