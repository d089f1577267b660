/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef HUGEODP_RDMA_NETLINK_H
#define HUGEODP_RDMA_NETLINK_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Ask RDMA netlink for the driver_id of a device, given its name and the number
 * of its uverbs character device. Returns 0 or an errno value: ENODEV if there
 * is no such device, or one with another character device; ENODATA if its driver
 * does not publish a number; what socket calls give; EBADMSG for an answer that
 * makes no sense.
 */
int rdma_netlink_driver_id(const char *ibdev, dev_t rdev, uint32_t *driver_id);

/* A device number as the kernel writes it to user space. */
uint32_t rdma_netlink_dev(dev_t rdev);

#endif
