/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef RXE_ODP_PAGES_H
#define RXE_ODP_PAGES_H

struct ib_mr;
struct ib_odp_request;
struct ib_umem_odp;
struct rxe_dev;

#ifdef CONFIG_INFINIBAND_ON_DEMAND_PAGING

void rxe_odp_init_page_caps(struct rxe_dev *rxe);
struct ib_umem_odp *rxe_mr_odp(struct ib_mr *ibmr);
int rxe_modify_mr_odp(struct ib_mr *ibmr, const struct ib_odp_request *req);

#else

static inline void rxe_odp_init_page_caps(struct rxe_dev *rxe)
{
}

#endif

#endif
