/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Shared by the core's files about the page sizes of ODP umems. */
#ifndef UMEM_ODP_RESIZE_H
#define UMEM_ODP_RESIZE_H

#include <linux/types.h>

struct ib_device;
struct ib_odp_request;
struct ib_umem_odp;
struct mm_struct;
struct mmu_interval_notifier_ops;
struct pid;

/* umem_odp_pages.c */
int ib_umem_odp_bounds(const struct ib_umem_odp *umem_odp,
		       unsigned int page_shift, unsigned long *start,
		       unsigned long *end);
u64 ib_umem_odp_with_room(const struct ib_umem_odp *umem_odp, u64 sizes);
u64 ib_umem_odp_usable_sizes(const struct ib_umem_odp *umem_odp, u64 sizes);
int ib_umem_odp_choose_sizes(const struct ib_umem_odp *umem_odp, u64 accepted,
			     u32 flags, u64 *sizes);
int ib_umem_odp_accept(const struct ib_umem_odp *umem_odp,
		       const struct ib_odp_request *req, u64 *accepted);

/* umem_odp.c */
struct ib_umem_odp *ib_umem_odp_alloc_anchor(struct ib_device *device,
					     struct mm_struct *mm,
					     struct pid *tgid);

/* umem_odp_resize.c */
int ib_umem_odp_init_pages(struct ib_umem_odp *umem_odp,
			   const struct mmu_interval_notifier_ops *ops);
void ib_umem_odp_free_pages(struct ib_umem_odp *umem_odp);

#ifdef CONFIG_INFINIBAND_ON_DEMAND_PAGING
int ib_umem_odp_init_growth(void);
void ib_umem_odp_exit_growth(void);
#else
static inline int ib_umem_odp_init_growth(void)
{
	return 0;
}

static inline void ib_umem_odp_exit_growth(void) {}
#endif

#endif
