/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* hugeodp run --report: the process that runs the program and reports for processes that could not. */
#ifndef HUGEODP_PRELOAD_PARENT_H
#define HUGEODP_PRELOAD_PARENT_H

#include <stdbool.h>

struct counts;

/* What else to do for each process that registered memory, when the program has ended. */
struct parent_hook {
	void (*process)(const struct counts *counts, void *arg); /* or NULL */
	void *arg;
	bool no_report; /* in place of the report */
};

/*
 * Run the program as a child, and report as counts_report() does. Returns its exit status, or an
 * errno value in @err if it could not be executed. Does not return if a signal killed the program:
 * then the process dies by the same signal.
 */
int parent_run(char **argv, const char *report, bool json, const struct parent_hook *hook,
	       int *err);

#endif
