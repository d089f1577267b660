/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The page sizes of MRs that stock_register() registered. */
#ifndef HUGEODP_STOCK_MRS_H
#define HUGEODP_STOCK_MRS_H

#include <stdint.h>

struct ibv_mr;
struct ibv_mr_odp_attr;

/* Record a new MR. If no memory is left for an entry, later queries fail. */
void stock_mrs_add(struct ibv_mr *mr, uint64_t page_sizes, uint64_t size);

/* Returns 0, or EOPNOTSUPP if the MR is not recorded. */
int stock_mrs_query(const struct ibv_mr *mr, struct ibv_mr_odp_attr *attr);

#endif
