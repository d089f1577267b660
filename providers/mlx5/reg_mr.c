// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The kernel creates the MR with its request, and the provider imports it.
 * Registering first and changing the page sizes afterwards would build tables of
 * base pages, in the kernel and in the device, only to discard them.
 */
#include "uverbs/ioctl.h"
#include "priv.h"
#include "provider.h"

/* From the kernel's <rdma/ib_user_ioctl_cmds.h> of Linux 6.17 and later. */
enum {
	REG_MR = 5, /* UVERBS_OBJECT_MR */
};
enum {
	REG_MR_HANDLE = 0,
	REG_MR_PD_HANDLE = 1,
	REG_MR_IOVA = 3,
	REG_MR_ADDR = 4,
	REG_MR_LENGTH = 5,
	REG_MR_ACCESS_FLAGS = 6,
	REG_MR_RESP_LKEY = 9,
	REG_MR_RESP_RKEY = 10,
};


static int mlx5_create_mr(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
			  uint64_t iova, uint32_t *handle)
{
	const struct hugeodp_abi_request odp = {
		.page_sizes = request->page_sizes,
		.flags = request->flags,
		.max_entries = request->max_entries,
	};
	const struct ibv_mr_init_attr *attr = &request->base;
	const uint64_t addr = (uintptr_t)attr->addr;
	/* no address: an implicit MR, which covers the whole address space */
	const uint64_t length = addr ? attr->length : UINT64_MAX;
	const uint32_t access = (uint32_t)attr->access;
	/* the provider queries these again, but the method requires them */
	uint32_t lkey, rkey;
	uint64_t needed = 0;
	const struct kernel_side *side;
	struct uverbs_cmd cmd;
	int err;

	/* the provider cannot bind a memory window to an imported MR */
	if (attr->access & IBV_ACCESS_MW_BIND)
		return EOPNOTSUPP;
	err = hugeodp_kernel_side(pd->context, &side);
	if (err)
		return err;
	uverbs_cmd_init(&cmd, UVERBS_OBJECT_MR, REG_MR);
	uverbs_attr_new(&cmd, REG_MR_HANDLE);
	uverbs_attr_idr(&cmd, REG_MR_PD_HANDLE, pd->handle);
	uverbs_attr_in(&cmd, REG_MR_IOVA, &iova, sizeof(iova));
	uverbs_attr_in(&cmd, REG_MR_ADDR, &addr, sizeof(addr));
	uverbs_attr_in(&cmd, REG_MR_LENGTH, &length, sizeof(length));
	uverbs_attr_in(&cmd, REG_MR_ACCESS_FLAGS, &access, sizeof(access));
	uverbs_attr_out(&cmd, REG_MR_RESP_LKEY, &lkey, sizeof(lkey));
	uverbs_attr_out(&cmd, REG_MR_RESP_RKEY, &rkey, sizeof(rkey));
	uverbs_attr_in(&cmd, side->reg_mr_request, &odp, sizeof(odp));
	if (request->max_entries)
		uverbs_attr_out(&cmd, side->reg_mr_entries, &needed, sizeof(needed));
	err = hugeodp_kernel_err(pd->context, side, uverbs_cmd_exec(pd->context, &cmd));
	if (err == E2BIG)
		return hugeodp_too_many(request, needed);
	if (!err)
		*handle = uverbs_attr_handle(&cmd, REG_MR_HANDLE);
	return err;
}

static int mlx5_reg_mr(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request, uint64_t iova,
		       struct ibv_mr **mr)
{
	uint32_t handle;
	int err;

	err = mlx5_create_mr(pd, request, iova, &handle);
	if (err)
		return err;
	*mr = ibv_import_mr(pd, handle);
	if (!*mr) {
		err = errno;
		uverbs_destroy_mr(pd->context, handle);
		return err;
	}
	/* ibv_import_mr() does not set these, ibv_reg_mr() does */
	(*mr)->addr = request->base.addr;
	(*mr)->length = request->base.length;
	return 0;
}

const struct hugeodp_provider provider_mlx5 = {
	.driver = RDMA_DRIVER_MLX5,
	.reg_mr = mlx5_reg_mr,
	.create_mr = mlx5_create_mr,
	.mixed_at_registration = true,
	.hugetlb_flag_known = true,
	.entry_bytes = 8,
	.odp_entry_bytes = 8,
};

const struct hugeodp_provider provider_mlx4 = {
	.driver = RDMA_DRIVER_MLX4,
	.reg_mr = mlx5_reg_mr,
	.create_mr = mlx5_create_mr,
	.entry_bytes = 8,
};
