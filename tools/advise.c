// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp advise: what to change for more huge pages, and the gain. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../preload/counts.h"
#include "survey/advice.h"
#include "process.h"
#include "survey/target.h"

static int take_obstacle(const struct survey_obstacle *obstacle, void *arg)
{
	return advice_add(arg, obstacle);
}

/* Returns an exit status. */
static int advise_process(const struct tool *tool, struct json *json, const struct process *process,
			  bool again, void *arg)
{
	struct survey survey = target_survey(tool, process);
	struct advice advice = {
		.tool = tool,
		.pid = process->pid,
		.name = process->name,
		.proc = process->path,
	};
	struct survey_totals totals;
	int err;

	(void)arg;
	survey.obstacle = take_obstacle;
	survey.arg = &advice;
	err = survey_run(&survey, &totals);
	advice.entries = survey_entries(&totals.counts);
	if (!err && !json && again)
		putchar('\n');
	if (!err && json)
		advice_json(&advice, json);
	else if (!err)
		err = advice_print(&advice, stdout);
	advice_free(&advice);
	return target_status(tool, process, &totals, err);
}

/* Advice about what a program registered, when it has ended. */
static void advise_counts(const struct counts *counts, void *arg)
{
	struct target_range range;
	struct json json = { .out = stderr };
	struct advice advice = {
		.tool = arg,
		.pid = (uint64_t)counts->pid,
		.name = counts->program,
		.cut = counts->nranges >= COUNTS_RANGES,
	};
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < counts->nranges; i++) {
		if (!target_registered(&counts->ranges[i], &range))
			continue;
		add_saturated(&advice.entries, range.obstacle.entries);
		if (range.obstacle.reason)
			err = advice_add(&advice, &range.obstacle);
	}
	if (!err && advice.tool->json) {
		advice_json(&advice, &json);
		json_end(&json);
	} else if (!err) {
		err = advice_print(&advice, stderr);
	}
	if (err)
		complain("advise: %s", strerror(err));
	advice_free(&advice);
}

int advise_run(const struct tool *tool, int argc, char **argv)
{
	struct tool program = *tool;

	if (!argc) {
		complain("advise: give a PID, or -- and a program");
		return TOOL_USAGE;
	}
	if (!advice_has_output(tool))
		return TOOL_USAGE;
	if (strcmp(argv[-1], "--") != 0)
		return target_are_pids("advise", argc, argv)
			       ? target_each(tool, argc, argv, advise_process, NULL)
			       : TOOL_USAGE;
	if (!target_program(tool, "advise"))
		return TOOL_USAGE;
	program.all = true;
	program.report = "-";
	program.hook = (struct parent_hook){
		.process = advise_counts,
		.arg = &program,
		.no_report = true,
	};
	return run_program(&program, "explain", argv);
}
