// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "../libibverbs/sizes.h"
#include "../preload/names.h"
#include "mr.h"

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
	if (*mr->odp)
		json_string(json, "odp", mr->odp);
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

static const char *number(const struct mr_numbers *numbers, enum mr_value which, char text[NUMBER])
{
	if (numbers->has_value[which])
		snprintf(text, NUMBER, "%" PRIu64, numbers->values[which]);
	else
		snprintf(text, NUMBER, "-");
	return text;
}

static void print_owner(const struct mr *mr)
{
	if (mr->has_pid) {
		printf("%" PRIu64 " ", mr->pid);
		names_print(stdout, mr->owner);
		putchar('\n');
	} else {
		printf("[%s]\n", mr->owner);
	}
}

/* The columns that both tables have. */
static void print_values(const struct mr_numbers *numbers)
{
	char blocks[NUMBER], table[NUMBER], faults[NUMBER], invalidated[NUMBER];

	printf("%10s %10s %10s %11s  ", number(numbers, MR_BLOCKS_MAPPED, blocks),
	       number(numbers, MR_TABLE_BYTES, table), number(numbers, MR_FAULTS, faults),
	       number(numbers, MR_INVALIDATED, invalidated));
}

static void print_heading(const struct tool *tool, const char *first)
{
	if (!tool->no_headings)
		printf("%s%s %10s %10s %10s %11s  %s%s\n", bold(tool), first, "BLOCKS", "TABLE",
		       "FAULTS", "INVALIDATED", "OWNER", normal(tool));
}

static void print_mrs(const struct mr_list *list, const struct tool *tool)
{
	char size[SIZES_TEXT];
	const struct mr *mr;
	size_t i;

	if (list->count)
		print_heading(tool, "DEVICE         MR          BYTES  PAGE");
	for (i = 0; i < list->count; i++) {
		mr = &list->mrs[i];
		snprintf(size, sizeof(size), "-");
		if (mr->numbers.has_value[MR_PAGE_SHIFT] && mr->numbers.values[MR_PAGE_SHIFT] < 64)
			sizes_text(1ULL << mr->numbers.values[MR_PAGE_SHIFT], size, sizeof(size));
		printf("%-10s %6" PRIu64 " %14" PRIu64 " %5s ", mr->device, mr->number,
		       mr->numbers.length, size);
		print_values(&mr->numbers);
		print_owner(mr);
	}
}

static void print_processes(const struct mr_list *list, const struct tool *tool)
{
	const struct mr_process *process;
	size_t i;

	if (list->process_count)
		print_heading(tool, "   MRS          BYTES BASE PAGES");
	for (i = 0; i < list->process_count; i++) {
		process = &list->processes[i];
		printf("%6" PRIu64 " %14" PRIu64 " %10" PRIu64 " ", process->mrs,
		       process->numbers.length, process->base_pages);
		print_values(&process->numbers);
		print_owner(process->first);
	}
}

void mr_print_table(const struct mr_list *list, const struct tool *tool)
{
	if (tool->processes)
		print_processes(list, tool);
	else
		print_mrs(list, tool);
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
