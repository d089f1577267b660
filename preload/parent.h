/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* hugeodp run --report: the process that runs the program and reports for processes that could not. */
#ifndef HUGEODP_PRELOAD_PARENT_H
#define HUGEODP_PRELOAD_PARENT_H

#include <stdbool.h>

/*
 * Run the program as a child, and report as counts_report() does. Returns its exit status, or an
 * errno value in @err if it could not be executed. Does not return if a signal killed the program:
 * then the process dies by the same signal.
 */
int parent_run(char **argv, const char *report, bool json, int *err);

#endif
