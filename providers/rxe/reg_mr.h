/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The first step of a registration in two. */
#ifndef HUGEODP_RXE_REG_MR_H
#define HUGEODP_RXE_REG_MR_H

#include <stdint.h>

struct ibv_mr;
struct ibv_mr_init_attr_odp;
struct ibv_pd;

/*
 * An MR that is on the way to the request, in huge pages. NULL if the device is
 * not rxe, or the memory cannot be had so: it may still be had in base pages.
 */
struct ibv_mr *rxe_reg_mr_huge(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
			       uint64_t iova);

#endif
