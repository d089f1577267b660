/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Counts what the preloaded library did, and reports it at the end of the process. */
#ifndef HUGEODP_PRELOAD_REPORT_H
#define HUGEODP_PRELOAD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counts.h"

struct ibv_mr_odp_attr;
struct ibv_odp_report;

/* Environment variable with the file that is the stderr of hugeodp run */
#define REPORT_STDERR "HUGEODP_PRELOAD_STDERR"

/* Reads HUGEODP_PRELOAD_REPORT, _JSON, _COUNTS and _STDERR. */
void report_start(void);

/* Whether descriptor 2 is still the stderr of hugeodp run, and not a file of the program. */
bool report_has_stderr(void);

bool report_wanted(void);

void report_upgraded(unsigned int page_shift, const void *addr, size_t length);
void report_declined(enum declined why, const void *addr, size_t length);

/* A request of the program itself. @page_shift is 0 if the MR has base pages. */
void report_requested(bool done, unsigned int page_shift, const void *addr, size_t length);

/* The MR has base pages, for a reason that @report contains. */
void report_small(const struct ibv_odp_report *report, const void *addr, size_t length);

/* The counters of an MR, before it is deregistered. */
void report_work(const struct ibv_mr_odp_attr *attr);

#endif
