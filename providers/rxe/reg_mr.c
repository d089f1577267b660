// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "rxe/reg_mr.h"

#include <stdbool.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_verbs.h>

#include "ioctl.h"
#include "priv.h"

static bool is_rxe(struct ibv_context *context)
{
	uint32_t driver_id;

	return !uverbs_driver_id(context, &driver_id) && driver_id == RDMA_DRIVER_RXE;
}

struct ibv_mr *rxe_reg_mr_huge(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
			       uint64_t iova)
{
	const uint64_t base_page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct ibv_mr_init_attr *attr = &request->base;

	/* an implicit MR has nothing in its table, and cannot be of one size */
	if (request->page_sizes == base_page || attr->length == SIZE_MAX ||
	    !is_rxe(pd->context))
		return NULL;
	return ibv_reg_mr_iova2(pd, attr->addr, attr->length, iova,
				(unsigned int)attr->access | IBV_ACCESS_HUGETLB);
}
