/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What "hugeodp explain" finds out about a process, and the ways to print it. */
#ifndef HUGEODP_EXPLAIN_H
#define HUGEODP_EXPLAIN_H

#include "numa.h"
#include "../process.h"
#include "survey.h"
#include "../table.h"
#include "../tool.h"

/* The first ones are printed; all are counted. */
#define EXPLAIN_OBSTACLES 10

/* Entries of the device's tables if each mapping were a pinned MR. */
struct explain_entries {
	uint64_t now;	   /* with the pages that the memory has or would get */
	uint64_t with[64]; /* with pages of one size, by shift */
};

struct explain {
	const struct tool *tool;
	const struct process *process;
	bool again; /* not the first process */
	uint64_t sizes;
	uint64_t min;
	struct survey_totals totals;
	struct numa numa;
	struct explain_entries entries;
	struct survey_obstacle obstacles[EXPLAIN_OBSTACLES]; /* by address */
	size_t shown;
	uint64_t obstacle_count;
	/* the list of mappings */
	struct json *json; /* NULL: text */
	struct table table;
};

/* explain_print.c: check the list of columns, or complain. */
bool explain_has_output(const struct tool *tool);

/* explain_print.c: before the first mapping, for each one, and after the last one. */
void explain_start(struct explain *explain);
void explain_mapping(struct explain *explain, const struct survey_mapping *mapping);
/* Takes the error that ended the list, or 0. Returns it, or another errno value. */
int explain_end(struct explain *explain, int err);

/* explain_print.c: a line of text */
void explain_print_entries(FILE *out, const struct explain_entries *entries);

/*
 * explain_print.c: compare entries with those that may be used. @out: for the answer, or
 * NULL. Returns whether they are too many.
 */
bool explain_budget(const struct tool *tool, FILE *out, const struct explain_entries *entries);

#endif
