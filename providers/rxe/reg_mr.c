// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <unistd.h>

#include "priv.h"
#include "provider.h"

/* Use huge pages if possible, so that the second step need not replace a table of base pages. */
static struct ibv_mr *rxe_first_step(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
				     uint64_t iova)
{
	const uint64_t base_page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct ibv_mr_init_attr *attr = &request->base;

	/* an implicit MR has an empty table, and cannot have a single page size */
	if (request->page_sizes == base_page || attr->length == SIZE_MAX)
		return NULL;
	return ibv_reg_mr_iova2(pd, attr->addr, attr->length, iova,
				(unsigned int)attr->access | IBV_ACCESS_HUGETLB);
}

const struct hugeodp_provider provider_rxe = {
	.driver = RDMA_DRIVER_RXE,
	.first_step = rxe_first_step,
	.pinned_base_pages = true,
	.entry_bytes = 16,
	.odp_entry_bytes = 8,
};
