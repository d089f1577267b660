/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Hooks of the MR methods for page sizes of ODP MRs. */
#ifndef UVERBS_MR_ODP_H
#define UVERBS_MR_ODP_H

#include <linux/types.h>

struct ib_device;
struct ib_mr;
struct uapi_definition;
struct uverbs_attr_bundle;

#ifdef CONFIG_INFINIBAND_ON_DEMAND_PAGING

extern const struct uapi_definition uverbs_def_mr_odp[];

int uverbs_reg_mr_odp_check(struct uverbs_attr_bundle *attrs,
			    struct ib_device *ib_dev, u32 access_flags,
			    bool user_va);
int uverbs_reg_mr_odp_finish(struct uverbs_attr_bundle *attrs,
			     struct ib_mr *mr);
int uverbs_query_mr_odp(struct uverbs_attr_bundle *attrs, struct ib_mr *mr);

#else

static inline int uverbs_reg_mr_odp_check(struct uverbs_attr_bundle *attrs,
					  struct ib_device *ib_dev,
					  u32 access_flags, bool user_va)
{
	return 0;
}

static inline int uverbs_reg_mr_odp_finish(struct uverbs_attr_bundle *attrs,
					   struct ib_mr *mr)
{
	return 0;
}

static inline int uverbs_query_mr_odp(struct uverbs_attr_bundle *attrs,
				      struct ib_mr *mr)
{
	return 0;
}

#endif

#endif
