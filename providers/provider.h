/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What differs between the drivers. The library and the preloaded module ask this table; a driver's
 * number or name appears nowhere else.
 */
#ifndef HUGEODP_PROVIDER_H
#define HUGEODP_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>
#include <rdma/ib_user_ioctl_verbs.h>

struct ibv_context;
struct ibv_mr;
struct ibv_mr_init_attr_odp;
struct ibv_pd;

struct hugeodp_provider {
	enum rdma_driver_id driver;

	/*
	 * Register in one ioctl, for a request that has been checked. Returns 0, or an errno value
	 * with nothing left behind: EOPNOTSUPP if kernel or provider do not support this, or not
	 * with the access flags of the request. NULL: not possible.
	 */
	int (*reg_mr)(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request, uint64_t iova,
		      struct ibv_mr **mr);

	/*
	 * Where a request takes two ioctls: register so that the second one has little to change.
	 * Returns NULL if a plain registration is to be tried. NULL: always a plain registration.
	 */
	struct ibv_mr *(*first_step)(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
				     uint64_t iova);

	bool mixed_at_registration; /* an existing MR cannot become a mixed one */
	bool hugetlb_flag_known;    /* IBV_ACCESS_HUGETLB works without the series */
};

/* Of the device's driver. Never NULL: a driver without an entry has the empty one. */
const struct hugeodp_provider *hugeodp_provider(struct ibv_context *context);

/* The entries, each in the folder of its provider. mlx4 uses functions of mlx5. */
extern const struct hugeodp_provider provider_mlx4;
extern const struct hugeodp_provider provider_mlx5;
extern const struct hugeodp_provider provider_rxe;

#endif
