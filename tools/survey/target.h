/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The processes and the range of addresses that "explain" and "advise" are about. */
#ifndef HUGEODP_TARGET_H
#define HUGEODP_TARGET_H

#include <stdbool.h>

#include "../process.h"
#include "survey.h"
#include "../tool.h"

/* "START-END" as in /proc/PID/maps, with or without 0x; not empty. */
bool target_range(const char *text, uint64_t *start, uint64_t *end);

/* Check the numbers of processes, or complain. */
bool target_are_pids(const char *command, int argc, char **argv);

/* Check that no option is about a process that exists, or complain. */
bool target_program(const struct tool *tool, const char *command);

/* Open a process, or complain. Returns an exit status. */
int target_open(const char *pid, struct process *process);

/*
 * Call @function for each process; it returns an exit status, and prints to the JSON unless that is
 * NULL, or to stdout, where @again is true after the first process. Returns the first status that is
 * not 0.
 */
typedef int (*target_fn)(const struct tool *tool, struct json *json, const struct process *process,
			 bool again, void *arg);
int target_each(const struct tool *tool, int argc, char **argv, target_fn function, void *arg);

/* A survey by the options, still without functions. */
struct survey target_survey(const struct tool *tool, const struct process *process);

/* The exit status of a survey, with a message unless it is 0. */
int target_status(const struct tool *tool, const struct process *process,
		  const struct survey_totals *totals, int err);

/*
 * A range that a program registered, with an obstacle if its reason is not 0. The program could
 * have written anything: returns false if no memory can be like that.
 */
struct range_report;
struct target_range {
	struct survey_obstacle obstacle;
	uint32_t page_shift; /* never 0 */
};
bool target_registered(const struct range_report *report, struct target_range *range);

#endif
