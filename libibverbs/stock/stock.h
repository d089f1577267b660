/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Page size requests on a kernel that does not support them: IBV_ACCESS_HUGETLB and stock_mrs.c. */
#ifndef HUGEODP_STOCK_H
#define HUGEODP_STOCK_H

#include <stdbool.h>

#include "../context_cache.h"

struct ibv_mr;
struct ibv_mr_init_attr_odp;
struct ibv_mr_odp_attr;
struct ibv_pd;

/*
 * Adds page_sizes and flags to @caps. Returns 0, EOPNOTSUPP without on-demand paging, or EIO if the
 * device was removed.
 */
int stock_caps(struct ibv_context *context, struct device_caps *caps);

/* The sizes of @caps for which the kernel is known to work correctly on this range. */
uint64_t stock_sizes(const struct device_caps *caps, uint64_t addr, uint64_t length);

/*
 * Register for a request that has been checked against @caps. Returns 0, EOPNOTSUPP
 * if no accepted size is possible, or the error of the registration.
 */
int stock_register(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request, uint64_t iova,
		   const struct device_caps *caps, struct ibv_mr **mr);

/* The directory with the modules of the kernel; the unit tests replace it. */
extern const char *stock_module_dir;

/*
 * Whether MRs of several blocks are correct with IBV_ACCESS_HUGETLB: Linux 6.16 and later map all
 * blocks but the first to the wrong memory. The release says nothing about RDMA modules that were
 * built outside of the kernel's tree, which can be newer.
 */
bool hugetlb_flag_is_safe(const char *release);

#endif
