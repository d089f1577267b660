/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Registration in one ioctl, for providers that can adopt an MR of the kernel. */
#ifndef HUGEODP_MLX5_REG_MR_H
#define HUGEODP_MLX5_REG_MR_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_context;
struct ibv_mr;
struct ibv_mr_init_attr_odp;
struct ibv_pd;

/* Whether the device's provider adopts MRs, and one with this access can do all that it should. */
bool mlx5_can_adopt(struct ibv_context *context, unsigned int access);

/*
 * Register for a request that has been checked. Returns 0 or an errno value with
 * nothing left behind: EOPNOTSUPP if kernel or provider do not know this way.
 */
int mlx5_reg_mr(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request, uint64_t iova,
		struct ibv_mr **mr);

#endif
