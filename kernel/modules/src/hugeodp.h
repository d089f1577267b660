/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The interface between the modules. It replaces the members that the series
 * adds to structs of the RDMA core, which is not changed here.
 */
#ifndef HUGEODP_H
#define HUGEODP_H

#include <linux/types.h>

#include <rdma/ib_user_hugeodp.h>
#include <rdma/uverbs_ioctl.h>

struct ib_device;
struct ib_mr;
struct ib_odp_request;
struct ib_umem_odp;

/**
 * struct hugeodp_device_ops - page sizes of a driver's MRs
 * @mr_odp: get the umem of an ODP MR, NULL for another MR
 * @mr_pages: get the page size and the table entries of any MR of memory
 * @modify_mr_odp: change the page sizes accepted for a live ODP MR
 */
struct hugeodp_device_ops {
	struct ib_umem_odp *(*mr_odp)(struct ib_mr *mr);
	int (*mr_pages)(struct ib_mr *mr, struct ib_uverbs_mr_pages *pages);
	int (*modify_mr_odp)(struct ib_mr *mr,
			     const struct ib_odp_request *req);
};

/**
 * struct hugeodp_caps - page sizes of a device
 * @page_sizes: supported page sizes, bit mask in bytes; 0: none
 * @page_flags: supported enum ib_uverbs_odp_flags
 */
struct hugeodp_caps {
	u64 page_sizes;
	u32 page_flags;
};

/* hugeodp_main.c */
int hugeodp_register(struct ib_device *dev,
		     const struct hugeodp_device_ops *ops,
		     const struct hugeodp_caps *caps);
void hugeodp_unregister(struct ib_device *dev);
const struct hugeodp_device_ops *hugeodp_ops(const struct ib_device *dev);
const struct hugeodp_caps *hugeodp_caps(const struct ib_device *dev);

/* uverbs_std_types_mr_odp.c: for ib_device.driver_def */
extern const struct uapi_definition hugeodp_uapi[];

#endif
