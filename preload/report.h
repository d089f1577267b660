/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the preloaded library did, counted and told at the end of the process. */
#ifndef HUGEODP_PRELOAD_REPORT_H
#define HUGEODP_PRELOAD_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counts.h"

struct ibv_mr_odp_attr;
struct ibv_odp_report;

/* Reads HUGEODP_PRELOAD_REPORT, _JSON and _COUNTS. */
void report_start(void);
bool report_wanted(void);

void report_upgraded(unsigned int page_shift, const void *addr, size_t length);
void report_declined(enum declined why, const void *addr, size_t length);

/* Could have had huge pages, but for a reason of its memory. */
void report_small(const struct ibv_odp_report *report, const void *addr, size_t length);

/* What a MR did in its life. */
void report_work(const struct ibv_mr_odp_attr *attr);

#endif
