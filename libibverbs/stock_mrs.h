/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the MRs of stock.c were registered for. */
#ifndef HUGEODP_STOCK_MRS_H
#define HUGEODP_STOCK_MRS_H

#include <stdint.h>

struct ibv_mr;
struct ibv_mr_odp_attr;

/* Remember a new MR. Without memory for an entry the MR is unknown later. */
void stock_mrs_add(struct ibv_mr *mr, uint64_t page_sizes, uint64_t size);

/* Returns 0, or EOPNOTSUPP if the MR is not known to be one of stock_register(). */
int stock_mrs_query(const struct ibv_mr *mr, struct ibv_mr_odp_attr *attr);

#endif
