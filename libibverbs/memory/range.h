/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The page sizes that the memory of a range can provide, by the kernel's rules. */
#ifndef HUGEODP_RANGE_H
#define HUGEODP_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ibv_context;
struct ibv_odp_report;
struct vmas;

/* The directory with the mappings of this process; the unit tests replace it. */
extern const char *range_proc_self;

struct range {
	uint64_t addr;
	uint64_t length;
	uint64_t iova;
	uint64_t accepted;  /* page sizes; never 0 */
	uint64_t supported; /* by the device */
	bool hugetlb_only;  /* transparent huge pages do not count */
	/* a context of this process on a kernel with page size requests, or NULL */
	struct ibv_context *context;
};

/* Fill in @report for a range that does not wrap around. Returns 0 or an errno value. */
int range_report_vmas(const struct range *range, struct vmas *vmas, struct ibv_odp_report *report);

/* The same for this process. */
int range_report_self(const struct range *range, struct ibv_odp_report *report);

/*
 * The kernel's answer: the largest of @page_sizes that memory of this process can have now.
 * Returns 0, EOPNOTSUPP if the kernel does not support the question, or another errno value.
 */
int range_kernel_shift(struct ibv_context *context, uint64_t addr, uint64_t length,
		       uint64_t page_sizes, uint32_t *page_shift);

#endif
