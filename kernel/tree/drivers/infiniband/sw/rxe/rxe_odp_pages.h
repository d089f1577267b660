/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef RXE_ODP_PAGES_H
#define RXE_ODP_PAGES_H

#include <linux/types.h>

struct ib_mr;
struct ib_odp_request;
struct ib_udata;
struct ib_umem_odp;
struct ib_uverbs_mr_pages;
struct rxe_dev;
struct rxe_mr;
struct sk_buff;

#ifdef CONFIG_INFINIBAND_ON_DEMAND_PAGING

void rxe_odp_init_page_caps(struct rxe_dev *rxe);
struct ib_umem_odp *rxe_mr_odp(struct ib_mr *ibmr);
int rxe_mr_pages(struct ib_mr *ibmr, struct ib_uverbs_mr_pages *pages);
int rxe_pinned_check(u64 start, u64 length, struct ib_udata *udata);
struct ib_umem_odp *rxe_odp_get_implicit(struct rxe_dev *rxe, u64 iova,
					 int access,
					 const struct ib_odp_request *req);
int rxe_odp_populate(struct rxe_mr *mr, u32 flags);
int rxe_modify_mr_odp(struct ib_mr *ibmr, const struct ib_odp_request *req);
int rxe_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);
int rxe_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr);

#else

static inline void rxe_odp_init_page_caps(struct rxe_dev *rxe)
{
}

static inline int rxe_pinned_check(u64 start, u64 length,
				   struct ib_udata *udata)
{
	return 0;
}

#endif

#endif
