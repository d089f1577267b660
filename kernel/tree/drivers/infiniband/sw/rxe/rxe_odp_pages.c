// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of MRs. rxe translates ODP MRs with the table of the umem itself,
 * so it supports every power of two.
 */
#include <linux/bits.h>
#include <linux/err.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include "rxe.h"
#include "rxe_loc.h"
#include "rxe_odp_pages.h"

#define RXE_ODP_PAGE_SIZES GENMASK_ULL(ilog2(SZ_1G), PAGE_SHIFT)

void rxe_odp_init_page_caps(struct rxe_dev *rxe)
{
	rxe->attr.odp_caps.page_sizes = RXE_ODP_PAGE_SIZES;
	rxe->attr.odp_caps.page_flags =
		IB_UVERBS_ODP_MIXED | IB_UVERBS_ODP_POPULATE;
}

struct ib_umem_odp *rxe_mr_odp(struct ib_mr *ibmr)
{
	struct rxe_mr *mr = to_rmr(ibmr);

	return is_odp_mr(mr) ? to_ib_umem_odp(mr->umem) : NULL;
}

static bool rxe_odp_implicit(const struct rxe_mr *mr)
{
	return !mr->umem->address && mr->ibmr.length == U64_MAX;
}

/*
 * An implicit MR covers the whole address space. Its table is sparse, so that
 * this costs next to nothing. Without a request, each block gets the largest
 * possible size.
 */
struct ib_umem_odp *rxe_odp_get_implicit(struct rxe_dev *rxe, u64 iova,
					 int access,
					 const struct ib_odp_request *req)
{
	const struct ib_odp_request any = { .flags = IB_UVERBS_ODP_MIXED };

	if (iova || (access & IB_ACCESS_HUGETLB))
		return ERR_PTR(-EINVAL);
	return ib_umem_odp_get(&rxe->ib_dev, 0, TASK_SIZE_MAX, iova, access,
			       req ?: &any, &rxe_mn_ops);
}

/* Count the base pages in the mapped blocks of an implicit MR. */
static u64 rxe_odp_mapped_base_pages(struct ib_umem_odp *umem_odp)
{
	struct ib_uverbs_odp_blocks blocks;
	unsigned int shift;
	u64 pages = 0;

	ib_umem_odp_get_blocks(umem_odp, &blocks);
	for (shift = PAGE_SHIFT; shift < ARRAY_SIZE(blocks.mapped); shift++)
		pages += blocks.mapped[shift] << (shift - PAGE_SHIFT);
	return pages;
}

/* A pinned MR is a list of base pages, also over huge pages. */
int rxe_mr_pages(struct ib_mr *ibmr, struct ib_uverbs_mr_pages *pages)
{
	struct rxe_mr *mr = to_rmr(ibmr);

	if (!mr->umem)
		return -EOPNOTSUPP;
	if (is_odp_mr(mr)) {
		ib_umem_odp_get_pages(to_ib_umem_odp(mr->umem), pages);
		if (!rxe_odp_implicit(mr))
			return 0;
		pages->kind = IB_UVERBS_MR_IMPLICIT;
		pages->base_pages =
			rxe_odp_mapped_base_pages(to_ib_umem_odp(mr->umem));
		return 0;
	}
	*pages = (struct ib_uverbs_mr_pages){
		.kind = IB_UVERBS_MR_PINNED,
		.page_shift = mr->page_shift,
		.entries = mr->nbuf,
		.device_bytes = (u64)mr->nbuf * sizeof(*mr->page_info),
		.base_pages = ib_umem_num_pages(mr->umem),
	};
	return 0;
}

/* The list of base pages is known before the memory is pinned. */
int rxe_pinned_check(u64 start, u64 length, struct ib_udata *udata)
{
	struct ib_odp_request req;
	u64 last;
	int ret;

	ret = ib_odp_request_from_udata(udata, &req);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!length || check_add_overflow(start, length - 1, &last))
		return -EINVAL;
	if (req.page_sizes && !(req.page_sizes & PAGE_SIZE))
		return -ERANGE;
	return ib_mr_check_entries(udata, &req, (last >> PAGE_SHIFT) -
						(start >> PAGE_SHIFT) + 1);
}

/*
 * Populate the MR, or map only memory that is present. An implicit MR is left
 * empty unless the request populates it.
 */
int rxe_odp_populate(struct rxe_mr *mr, u32 flags)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(mr->umem);
	bool fault = flags & IB_UVERBS_ODP_POPULATE;
	int ret;

	if (rxe_odp_implicit(mr) && !fault)
		return 0;
	ret = ib_umem_odp_fill(umem_odp, umem_odp->umem.address,
			       umem_odp->umem.length, umem_odp->umem.writable,
			       fault);
	/* To user space, EPERM would mean a missing capability. */
	return ret == -EPERM ? -EFAULT : ret;
}

int rxe_modify_mr_odp(struct ib_mr *ibmr, const struct ib_odp_request *req)
{
	struct ib_umem_odp *umem_odp = rxe_mr_odp(ibmr);
	unsigned long generation = READ_ONCE(umem_odp->pages.generation);
	int ret;

	ret = ib_umem_odp_renegotiate(umem_odp, req);
	if (ret)
		return ret;
	/* If the table was not replaced, faults map what is missing. */
	if (!(req->flags & IB_UVERBS_ODP_POPULATE) &&
	    READ_ONCE(umem_odp->pages.generation) == generation)
		return 0;
	return rxe_odp_populate(to_rmr(ibmr), req->flags);
}

int rxe_fill_res_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct ib_uverbs_mr_pages pages;

	/* MRs of the kernel have no umem. */
	if (rxe_mr_pages(ibmr, &pages))
		return 0;
	return ib_mr_fill_res(msg, &pages, rxe_mr_odp(ibmr));
}

int rxe_fill_stat_mr_entry(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct ib_umem_odp *umem_odp = rxe_mr_odp(ibmr);

	return umem_odp ? ib_umem_odp_fill_stat(msg, umem_odp) : 0;
}
