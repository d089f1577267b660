/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The differences between the drivers. The library and the preloaded module use this table; no
 * other code contains a driver's number or name.
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
	 * with nothing registered: EOPNOTSUPP if the kernel or the provider does not support this,
	 * or not with the access flags of the request. NULL if the provider never supports it.
	 */
	int (*reg_mr)(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request, uint64_t iova,
		      struct ibv_mr **mr);

	/*
	 * The first half of that: create an MR in the kernel, which ibv_import_mr() can then adopt.
	 * Uses only the context and the handle of @pd, and of the context only what
	 * libibverbs/by_fd.c fills in. NULL if @reg_mr is.
	 */
	int (*create_mr)(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
			 uint64_t iova, uint32_t *handle);

	/*
	 * If a request takes two ioctls: register so that the second one has little to change.
	 * Returns NULL if the caller should try a plain registration. NULL if a plain registration
	 * is always right.
	 */
	struct ibv_mr *(*first_step)(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
				     uint64_t iova);

	bool mixed_at_registration; /* an existing MR cannot become mixed */
	bool hugetlb_flag_known;    /* IBV_ACCESS_HUGETLB works without the series */
	bool pinned_base_pages;	    /* the table of a pinned MR never has larger pages */
	uint32_t entry_bytes;	    /* of such a table; 0: unknown */
	uint32_t odp_entry_bytes;   /* of that of an ODP MR without the series; 0: unknown */
};

/* The entry of the device's driver, or an empty entry if there is none. Never NULL. */
const struct hugeodp_provider *hugeodp_provider(struct ibv_context *context);

/* Each entry is in the folder of its provider. mlx4 uses the functions of mlx5. */
extern const struct hugeodp_provider provider_mlx4;
extern const struct hugeodp_provider provider_mlx5;
extern const struct hugeodp_provider provider_rxe;

#endif
