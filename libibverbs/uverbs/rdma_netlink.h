/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef HUGEODP_RDMA_NETLINK_H
#define HUGEODP_RDMA_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The attributes of a message or of a nested table, or the value of one attribute. */
struct nl_attrs {
	const unsigned char *data;
	size_t len;
};

/* Remove the first attribute from @rest. Returns false if there is none. */
bool nl_next(struct nl_attrs *rest, uint16_t *type, struct nl_attrs *value);

bool nl_find(const struct nl_attrs *attrs, uint16_t type, struct nl_attrs *value);

/* Read a number of 32 or 64 bits: the header file and the kernel do not always agree. */
bool nl_uint(const struct nl_attrs *value, uint64_t *number);
bool nl_find_uint(const struct nl_attrs *attrs, uint16_t type, uint64_t *number);

/* Called for each message of an answer. Returns 0 to continue, or an errno value. */
typedef int (*nl_message_fn)(const struct nl_attrs *attrs, void *arg);

/* Called before a dump is made again: the messages of the answer until now do not count. */
typedef void (*nl_restart_fn)(void *arg);

/*
 * Query the driver_id of a device by RDMA netlink, given its name and the number
 * of its uverbs character device. Returns 0 or an errno value: ENODEV if no such
 * device exists or its character device has another number; ENODATA if its driver
 * does not publish a driver_id; EBADMSG for a malformed answer; EBUSY if devices come
 * and go all the time; or any error of the socket calls or of the kernel, whose text
 * about it goes to the log.
 */
int rdma_netlink_driver_id(const char *ibdev, dev_t rdev, uint32_t *driver_id);

/*
 * Dump the memory regions of a device, again if the kernel says that they changed meanwhile.
 * Returns 0 or an errno value as above.
 */
int rdma_netlink_mrs(const char *ibdev, nl_message_fn message, nl_restart_fn restart, void *arg);

/* Encode a device number as the kernel passes it to user space. */
uint32_t rdma_netlink_dev(dev_t rdev);

#endif
