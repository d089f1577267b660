/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* uverbs ioctls built by hand, so that a test can make any of it wrong. */
#ifndef LAB_RAW_H
#define LAB_RAW_H

#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "../../libibverbs/uverbs/kernel_side.h"

#define RAW_ATTRS 16

struct raw {
	uint16_t object, method;
	uint32_t driver_id;
	uint64_t reserved1;
	uint16_t num;
	struct ib_uverbs_attr attr[RAW_ATTRS];
};

/* Of the device under test: enum rdma_driver_id */
extern uint32_t raw_driver_id;

/* The mark of the device under test, and its numbers; ends the test if the device has none. */
void raw_read_mark(const struct ibv_device *device);
const struct kernel_side *raw_side(void);

/* A command without attributes, with that driver_id. */
struct raw raw_command(uint16_t object, uint16_t method);

/* Each appends an attribute, marked mandatory, and returns it. */
struct ib_uverbs_attr *raw_in(struct raw *raw, uint16_t id, const void *data, size_t len);
struct ib_uverbs_attr *raw_out(struct raw *raw, uint16_t id, void *data, size_t len);
struct ib_uverbs_attr *raw_object(struct raw *raw, uint16_t id, uint32_t handle);
struct ib_uverbs_attr *raw_fd(struct raw *raw, uint16_t id, int fd);

/* 0 or an errno value; afterwards the attributes are as the kernel left them. */
int raw_ioctl(struct ibv_context *ctx, struct raw *raw);

/* A query of an ODP MR, to which the caller appends the outputs of the kernel side. */
struct raw raw_query_odp(uint32_t handle);

/* The blocks of each size that an MR has mapped; ends the test on error. */
void raw_blocks(struct ibv_mr *mr, uint64_t blocks[64]);

/* As ibv_rereg_mr(), without what a provider or libibverbs refuses. Returns 0 or an errno value. */
int raw_rereg(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t len, int access);

#endif
