// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of ODP MRs: rxe translates with the table of the umem itself, so
 * any power of two will do.
 */
#include <linux/bits.h>
#include <linux/sizes.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_hugeodp.h>

#include "rxe.h"
#include "rxe_loc.h"
#include "rxe_odp_pages.h"

#define RXE_ODP_PAGE_SIZES GENMASK_ULL(ilog2(SZ_1G), PAGE_SHIFT)

void rxe_odp_init_page_caps(struct rxe_dev *rxe)
{
	rxe->attr.odp_caps.page_sizes = RXE_ODP_PAGE_SIZES;
	rxe->attr.odp_caps.page_flags = IB_UVERBS_ODP_POPULATE;
}

struct ib_umem_odp *rxe_mr_odp(struct ib_mr *ibmr)
{
	struct rxe_mr *mr = to_rmr(ibmr);

	return is_odp_mr(mr) ? to_ib_umem_odp(mr->umem) : NULL;
}

int rxe_modify_mr_odp(struct ib_mr *ibmr, const struct ib_odp_request *req)
{
	struct ib_umem_odp *umem_odp = rxe_mr_odp(ibmr);
	int ret;

	ret = ib_umem_odp_renegotiate(umem_odp, req);
	if (ret)
		return ret;
	return ib_umem_odp_populate(umem_odp,
				    req->flags & IB_UVERBS_ODP_POPULATE);
}
