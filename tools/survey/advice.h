/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A list of changes, and what they gain. */
#ifndef HUGEODP_ADVICE_H
#define HUGEODP_ADVICE_H

#include <stdio.h>

#include "change.h"
#include "survey.h"
#include "../tool.h"

struct advice_row {
	struct change change;
	uint64_t blocks;  /* that become huge */
	uint64_t entries; /* of the table that are saved */
	bool alternative; /* to a row about larger blocks */
};

struct advice {
	const struct tool *tool;
	uint64_t pid;
	const char *name; /* of the process */
	const char *proc; /* its directory, or NULL */
	uint64_t entries; /* of ODP MRs over all memory, as it is */
	bool cut;	  /* there is more memory that is not known */
	struct advice_row *rows;
	size_t count;
	size_t room;
	size_t general[CHANGE_KINDS][64]; /* 1 + the row of a kind and a shift, or 0 */
};

/* Add what to do about an obstacle. Returns 0 or ENOMEM. */
int advice_add(struct advice *advice, const struct survey_obstacle *obstacle);
void advice_free(struct advice *advice);

/* advice_print.c: check the list of columns, or complain. */
bool advice_has_output(const struct tool *tool);
/* advice_print.c: the largest gain first. Returns 0 or an errno value. */
int advice_print(struct advice *advice, FILE *out);
/* advice_print.c: the same as an element of JSON. */
void advice_json(struct advice *advice, struct json *json);

#endif
