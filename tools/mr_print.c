// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libibverbs/sizes.h"
#include "mr.h"
#include "table.h"

#define NUMBER 24

static void json_values(struct json *json, const struct mr_numbers *numbers)
{
	int i;

	for (i = 0; i < MR_VALUES; i++) {
		if (numbers->has_value[i])
			json_number(json, mr_value_names[i], numbers->values[i]);
	}
}

static void json_mr(struct json *json, const struct mr *mr)
{
	json_open(json, NULL, '{');
	json_string(json, "device", mr->device);
	json_number(json, "mrn", mr->number);
	json_number(json, "length", mr->numbers.length);
	if (mr->has_pid)
		json_number(json, "pid", mr->pid);
	else if (*mr->owner)
		json_string(json, "kernel", mr->owner);
	if (mr->has_key)
		json_number(json, "lkey", mr->key);
	if (*mr->kind)
		json_string(json, "kind", mr->kind);
	json_values(json, &mr->numbers);
	json_close(json, '}');
}

static void json_process(struct json *json, const struct mr_process *process)
{
	json_open(json, NULL, '{');
	if (process->first->has_pid) {
		json_number(json, "pid", process->first->pid);
		json_string(json, "name", process->first->owner);
	} else {
		json_string(json, "kernel", process->first->owner);
	}
	json_number(json, "regions", process->mrs);
	json_number(json, "length", process->numbers.length);
	json_number(json, "base_pages", process->base_pages);
	json_number(json, "huge_pages", process->huge_pages);
	json_values(json, &process->numbers);
	json_close(json, '}');
}

void mr_print_json(const struct mr_list *list, const struct tool *tool)
{
	struct json json = { .out = stdout };
	size_t i;

	json_open(&json, NULL, '[');
	for (i = 0; tool->processes && i < list->process_count; i++)
		json_process(&json, &list->processes[i]);
	for (i = 0; !tool->processes && i < list->count; i++)
		json_mr(&json, &list->mrs[i]);
	json_close(&json, ']');
	json_end(&json);
}

/* The last columns of both tables. */
enum {
	SHARED_ENTRIES,
	SHARED_DEVICE_BYTES,
	SHARED_BLOCKS,
	SHARED_TABLE,
	SHARED_FAULTS,
	SHARED_INVALIDATED,
	SHARED_OWNER,
	SHARED_COLUMNS,
};

enum {
	MR_DEVICE,
	MR_NUMBER,
	MR_KIND,
	MR_BYTES,
	MR_PAGE,
	MR_SHARED,
	MR_COLUMNS = MR_SHARED + SHARED_COLUMNS,
};

enum {
	PROCESS_MRS,
	PROCESS_BYTES,
	PROCESS_BASE_PAGES,
	PROCESS_HUGE_PAGES,
	PROCESS_SHARED,
	PROCESS_COLUMNS = PROCESS_SHARED + SHARED_COLUMNS,
};

#define SHARED(first)                                                                              \
	[(first) + SHARED_ENTRIES] = { "entries", "ENTRIES", true },                               \
	[(first) + SHARED_DEVICE_BYTES] = { "device-bytes", "DEVICE BYTES", true },                \
	[(first) + SHARED_BLOCKS] = { "blocks", "BLOCKS", true },                                  \
	[(first) + SHARED_TABLE] = { "table", "TABLE", true },                                     \
	[(first) + SHARED_FAULTS] = { "faults", "FAULTS", true },                                  \
	[(first) + SHARED_INVALIDATED] = { "invalidated", "INVALIDATED", true },                   \
	[(first) + SHARED_OWNER] = { "owner", "OWNER", false }

static const struct table_column mr_columns[MR_COLUMNS] = {
	[MR_DEVICE] = { "device", "DEVICE", false },
	[MR_NUMBER] = { "mr", "MR", true },
	[MR_KIND] = { "kind", "KIND", false },
	[MR_BYTES] = { "bytes", "BYTES", true },
	[MR_PAGE] = { "page", "PAGE", true },
	SHARED(MR_SHARED),
};

static const struct table_column process_columns[PROCESS_COLUMNS] = {
	[PROCESS_MRS] = { "mrs", "MRS", true },
	[PROCESS_BYTES] = { "bytes", "BYTES", true },
	[PROCESS_BASE_PAGES] = { "base-pages", "BASE PAGES", true },
	[PROCESS_HUGE_PAGES] = { "huge-pages", "HUGE PAGES", true },
	SHARED(PROCESS_SHARED),
};

static const char mr_usual[] = "device,mr,kind,bytes,page,entries,faults,invalidated,owner";
static const char process_usual[] =
	"mrs,bytes,base-pages,huge-pages,entries,faults,invalidated,owner";

bool mr_has_output(const struct tool *tool)
{
	return tool->processes ? table_has_output(tool, process_columns, PROCESS_COLUMNS)
			       : table_has_output(tool, mr_columns, MR_COLUMNS);
}

static void set_value(struct table *table, size_t column, const struct mr_numbers *numbers,
		      enum mr_value which)
{
	if (numbers->has_value[which])
		table_set_number(table, column, numbers->values[which]);
	else
		table_set(table, column, "-", "");
}

static void set_shared(struct table *table, size_t first, const struct mr_numbers *numbers,
		       const struct mr *mr)
{
	char pid[NUMBER];

	set_value(table, first + SHARED_ENTRIES, numbers, MR_ENTRIES);
	set_value(table, first + SHARED_DEVICE_BYTES, numbers, MR_DEVICE_BYTES);
	set_value(table, first + SHARED_BLOCKS, numbers, MR_BLOCKS_MAPPED);
	set_value(table, first + SHARED_TABLE, numbers, MR_TABLE_BYTES);
	set_value(table, first + SHARED_FAULTS, numbers, MR_FAULTS);
	set_value(table, first + SHARED_INVALIDATED, numbers, MR_INVALIDATED);
	snprintf(pid, sizeof(pid), "%" PRIu64 " ", mr->pid);
	if (mr->has_pid)
		table_set_name(table, first + SHARED_OWNER, pid, mr->owner, "");
	else
		table_set_name(table, first + SHARED_OWNER, "[", mr->owner, "]");
}

static void add_mrs(struct table *table, const struct mr_list *list)
{
	char size[SIZES_TEXT];
	const struct mr *mr;
	size_t i;

	for (i = 0; i < list->count; i++) {
		mr = &list->mrs[i];
		snprintf(size, sizeof(size), "-");
		if (mr->numbers.has_value[MR_PAGE_SHIFT] && mr->numbers.values[MR_PAGE_SHIFT] < 64)
			sizes_text(1ULL << mr->numbers.values[MR_PAGE_SHIFT], size, sizeof(size));
		table_add_line(table);
		table_set(table, MR_DEVICE, mr->device, "");
		table_set_number(table, MR_NUMBER, mr->number);
		table_set_name(table, MR_KIND, "", *mr->kind ? mr->kind : "-", "");
		table_set_number(table, MR_BYTES, mr->numbers.length);
		table_set(table, MR_PAGE, size, "");
		set_shared(table, MR_SHARED, &mr->numbers, mr);
	}
}

static void add_processes(struct table *table, const struct mr_list *list)
{
	const struct mr_process *process;
	size_t i;

	for (i = 0; i < list->process_count; i++) {
		process = &list->processes[i];
		table_add_line(table);
		table_set_number(table, PROCESS_MRS, process->mrs);
		table_set_number(table, PROCESS_BYTES, process->numbers.length);
		table_set_number(table, PROCESS_BASE_PAGES, process->base_pages);
		table_set_number(table, PROCESS_HUGE_PAGES, process->huge_pages);
		set_shared(table, PROCESS_SHARED, &process->numbers, process->first);
	}
}

int mr_print_table(const struct mr_list *list, const struct tool *options)
{
	struct tool tool = *options;
	struct table table;
	char *text;
	int err;

	if (!tool.output)
		tool.output = tool.processes ? process_usual : mr_usual;
	if (tool.processes) {
		table_start(&table, &tool, process_columns, PROCESS_COLUMNS);
		add_processes(&table, list);
	} else {
		table_start(&table, &tool, mr_columns, MR_COLUMNS);
		add_mrs(&table, list);
	}
	err = table_text(&table, &text);
	if (!err && *text)
		puts(text);
	free(text);
	return err;
}

/* A value of a label. Bytes that are not printable ASCII are left out. */
static void print_label(const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			putchar('\\');
		if (*text >= ' ' && *text < 0x7f)
			putchar(*text);
	}
}

static void print_labels(const struct mr *mr)
{
	if (mr->has_pid)
		printf("{pid=\"%" PRIu64 "\",name=\"", mr->pid);
	else
		printf("{pid=\"\",name=\"");
	print_label(mr->owner);
	printf("\"}");
}

/* All of them are about the regions that exist now, so none is a counter. */
static const struct {
	const char *name;
	const char *help;
	size_t offset; /* in struct mr_process */
	int value;     /* enum mr_value, or -1 for what every process has */
} metrics[] = {
	{ "regions", "Memory regions.", offsetof(struct mr_process, mrs), -1 },
	{ "region_bytes", "Length of the memory regions.",
	  offsetof(struct mr_process, numbers.length), -1 },
	{ "entries", "Entries of the page tables of devices.",
	  offsetof(struct mr_process, numbers.values[MR_ENTRIES]), MR_ENTRIES },
	{ "device_bytes", "Bytes of these entries.",
	  offsetof(struct mr_process, numbers.values[MR_DEVICE_BYTES]), MR_DEVICE_BYTES },
	{ "odp_blocks_mapped", "Blocks that devices can access without a fault.",
	  offsetof(struct mr_process, numbers.values[MR_BLOCKS_MAPPED]), MR_BLOCKS_MAPPED },
	{ "odp_table_bytes", "Kernel memory of the page tables.",
	  offsetof(struct mr_process, numbers.values[MR_TABLE_BYTES]), MR_TABLE_BYTES },
	{ "odp_faults", "Faults of the regions that exist.",
	  offsetof(struct mr_process, numbers.values[MR_FAULTS]), MR_FAULTS },
	{ "odp_invalidated", "Blocks of the regions that exist that the kernel invalidated.",
	  offsetof(struct mr_process, numbers.values[MR_INVALIDATED]), MR_INVALIDATED },
};

static void print_metric(const struct mr_list *list, size_t which)
{
	const struct mr_process *process;
	const uint64_t *number;
	size_t i;

	printf("# TYPE hugeodp_%s gauge\n# HELP hugeodp_%s %s\n", metrics[which].name,
	       metrics[which].name, metrics[which].help);
	for (i = 0; i < list->process_count; i++) {
		process = &list->processes[i];
		if (metrics[which].value >= 0 && !process->numbers.has_value[metrics[which].value])
			continue;
		number = (const uint64_t *)((const char *)process + metrics[which].offset);
		printf("hugeodp_%s", metrics[which].name);
		print_labels(process->first);
		printf(" %" PRIu64 "\n", *number);
	}
}

void mr_print_openmetrics(const struct mr_list *list)
{
	size_t i;

	for (i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		print_metric(list, i);
	puts("# EOF");
}
