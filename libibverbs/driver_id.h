/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef HUGEODP_DRIVER_ID_H
#define HUGEODP_DRIVER_ID_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_context;

/*
 * The number of the kernel driver behind a context (enum rdma_driver_id), which
 * each uverbs ioctl has to name. Returns 0 or EOPNOTSUPP.
 */
int driver_id_get(const struct ibv_context *context, uint32_t *driver_id);

/*
 * For use when the kernel answered EINVAL: true if *driver_id was wrong, with
 * the right one in its place; false if it was right.
 */
bool driver_id_renew(const struct ibv_context *context, uint32_t *driver_id);

#endif
