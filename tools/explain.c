// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp explain: the memory of processes in blocks, as if it were registered. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libibverbs/memory/blocks.h"
#include "../preload/counts.h"
#include "survey/explain.h"
#include "survey/target.h"

/* The first ones by address; of those at the same address the one of larger blocks. */
static int take_obstacle(const struct survey_obstacle *obstacle, void *arg)
{
	struct explain *explain = arg;
	struct survey_obstacle *list = explain->obstacles;
	size_t at = explain->shown;

	explain->obstacle_count++;
	while (at &&
	       (list[at - 1].start > obstacle->start ||
		(list[at - 1].start == obstacle->start && list[at - 1].shift < obstacle->shift)))
		at--;
	if (at == EXPLAIN_OBSTACLES)
		return 0;
	if (explain->shown < EXPLAIN_OBSTACLES)
		explain->shown++;
	memmove(&list[at + 1], &list[at], (explain->shown - at - 1) * sizeof(*list));
	list[at] = *obstacle;
	return 0;
}

/* Add a pinned MR over a range, with pages of 2^@shift bytes, and for comparison with others. */
static void add_entries(struct explain_entries *entries, const struct tool *tool, uint64_t start,
			uint64_t end, uint32_t shift)
{
	const uint64_t sizes = survey_sizes(tool) | IBV_PAGE_SIZE_BASE;
	uint32_t other;

	add_saturated(&entries->now, blocks_count(start, end - start, shift));
	for (other = 0; other < 64; other++) {
		if (sizes >> other & 1)
			add_saturated(&entries->with[other],
				      blocks_count(start, end - start, other));
	}
}

static int take_mapping(const struct survey_mapping *mapping, void *arg)
{
	struct explain *explain = arg;

	if (!mapping->no_access) {
		numa_add(&explain->numa, mapping->vma->start);
		add_entries(&explain->entries, explain->tool, mapping->start, mapping->end,
			    mapping->report.page_shift);
	}
	explain_mapping(explain, mapping);
	return 0;
}

static void sum_entries(struct explain_entries *sums, const struct explain_entries *more)
{
	unsigned int i;

	add_saturated(&sums->now, more->now);
	for (i = 0; i < 64; i++)
		add_saturated(&sums->with[i], more->with[i]);
}

/* Returns an exit status. */
static int explain_process(const struct tool *tool, struct json *json,
			   const struct process *process, bool again, void *sums)
{
	struct survey survey = target_survey(tool, process);
	struct explain *explain = calloc(1, sizeof(*explain));
	int err;

	if (!explain) {
		complain("out of memory");
		return TOOL_FAILED;
	}
	explain->tool = tool;
	explain->process = process;
	explain->again = again;
	explain->sizes = survey.sizes;
	explain->min = survey.min;
	explain->json = json;
	survey.mapping = take_mapping;
	survey.obstacle = take_obstacle;
	survey.arg = explain;
	numa_open(&explain->numa, process->path);
	explain_start(explain);
	err = survey_run(&survey, &explain->totals);
	err = explain_end(explain, err);
	sum_entries(sums, &explain->entries);
	numa_close(&explain->numa);
	err = target_status(tool, process, &explain->totals, err);
	free(explain);
	return err;
}

static int explain_pids(const struct tool *tool, int argc, char **argv)
{
	struct explain_entries sums = { 0 };
	int status = target_each(tool, argc, argv, explain_process, &sums);

	if (tool->entries && status == TOOL_OK &&
	    explain_budget(tool, tool->json ? NULL : stdout, &sums))
		status = TOOL_TOO_MANY;
	return status;
}

/* What the processes of a program need together. */
struct program_entries {
	const struct tool *tool;
	struct explain_entries sums;
};

static void take_counts(const struct counts *counts, void *arg)
{
	struct program_entries *program = arg;
	struct explain_entries entries = { 0 };
	struct target_range range;
	unsigned int i;

	for (i = 0; i < counts->nranges; i++) {
		if (target_registered(&counts->ranges[i], &range))
			add_entries(&entries, program->tool, range.obstacle.start,
				    range.obstacle.end, range.page_shift);
	}
	sum_entries(&program->sums, &entries);
	if (program->tool->json)
		return;
	fputs("hugeodp: ", stderr);
	print_name(stderr, counts->program);
	fprintf(stderr, "[%d]: ", counts->pid);
	explain_print_entries(stderr, &entries);
}

/* Returns an exit status: that of the program, unless it is 0 and the entries are too many. */
static int explain_program(const struct tool *tool, char **argv)
{
	struct program_entries entries = { .tool = tool };
	struct tool program = *tool;
	int status;

	if (!program.report)
		program.report = "-";
	program.all |= program.pinned;
	if (program.pinned)
		program.hook = (struct parent_hook){ .process = take_counts, .arg = &entries };
	status = run_program(&program, "explain", argv);
	if (program.entries && entries.sums.now &&
	    explain_budget(tool, tool->json ? NULL : stderr, &entries.sums) && status == TOOL_OK)
		status = TOOL_TOO_MANY;
	return status;
}

int explain_run(const struct tool *tool, int argc, char **argv)
{

	if (!argc) {
		complain("explain: give a PID, or -- and a program");
		return TOOL_USAGE;
	}
	if (!strcmp(argv[-1], "--"))
		return target_program(tool, "explain") ? explain_program(tool, argv) : TOOL_USAGE;
	if (tool->all || tool->report) {
		complain("explain: --all and --report are for programs, after --");
		return TOOL_USAGE;
	}
	if (!explain_has_output(tool) || !target_are_pids("explain", argc, argv))
		return TOOL_USAGE;
	return explain_pids(tool, argc, argv);
}
