/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef HUGEODP_RDMA_NETLINK_H
#define HUGEODP_RDMA_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The attributes of a message or of a table in it; the value of one of them. */
struct nl_attrs {
	const unsigned char *data;
	size_t len;
};

/* Takes the first attribute off @rest; false if there is none. */
bool nl_next(struct nl_attrs *rest, uint16_t *type, struct nl_attrs *value);

bool nl_find(const struct nl_attrs *attrs, uint16_t type, struct nl_attrs *value);

/* A number of either width: the header file and the kernel do not always agree. */
bool nl_uint(const struct nl_attrs *value, uint64_t *number);
bool nl_find_uint(const struct nl_attrs *attrs, uint16_t type, uint64_t *number);

/* For each message of an answer. Returns 0 to go on, or an errno value. */
typedef int (*nl_message_fn)(const struct nl_attrs *attrs, void *arg);

/*
 * Ask RDMA netlink for the driver_id of a device, given its name and the number
 * of its uverbs character device. Returns 0 or an errno value: ENODEV if there
 * is no such device, or one with another character device; ENODATA if its driver
 * does not publish a number; what socket calls give; EBADMSG for an answer that
 * makes no sense.
 */
int rdma_netlink_driver_id(const char *ibdev, dev_t rdev, uint32_t *driver_id);

/* Every memory region of a device. Returns 0 or an errno value. */
int rdma_netlink_mrs(const char *ibdev, nl_message_fn fn, void *arg);

/* A device number as the kernel writes it to user space. */
uint32_t rdma_netlink_dev(dev_t rdev);

#endif
