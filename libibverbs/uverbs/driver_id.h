/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef HUGEODP_DRIVER_ID_H
#define HUGEODP_DRIVER_ID_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_context;

/*
 * Get the number of the context's kernel driver (enum rdma_driver_id), which each
 * uverbs ioctl must contain. Returns 0 or EOPNOTSUPP.
 */
int driver_id_get(const struct ibv_context *context, uint32_t *driver_id);

/*
 * Call after the kernel returned EINVAL. Returns true if *driver_id was wrong,
 * and corrects it; returns false if it was right.
 */
bool driver_id_renew(const struct ibv_context *context, uint32_t *driver_id);

#endif
