/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The only entry into the kernel: uverbs ioctls on ibv_context.cmd_fd.
 *
 * libibverbs also has a marshaller, but its symbols are private and change from
 * release to release.
 */
#ifndef HUGEODP_IOCTL_H
#define HUGEODP_IOCTL_H

#include <stddef.h>
#include <stdint.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

struct ibv_context;

#define UVERBS_CMD_MAX_ATTRS 10

struct uverbs_cmd {
	union {
		struct ib_uverbs_ioctl_hdr hdr;
		unsigned char room[sizeof(struct ib_uverbs_ioctl_hdr) +
				   UVERBS_CMD_MAX_ATTRS * sizeof(struct ib_uverbs_attr)];
	};
};

void uverbs_cmd_init(struct uverbs_cmd *cmd, uint16_t object, uint16_t method);

/*
 * Add an attribute. Each one is marked mandatory: a kernel that does not know it
 * then refuses the whole call. Otherwise the kernel would skip the attribute, and
 * the caller could not determine whether an output was written.
 */
void uverbs_attr_idr(struct uverbs_cmd *cmd, uint16_t id, uint32_t handle);
void uverbs_attr_in(struct uverbs_cmd *cmd, uint16_t id, const void *data, uint16_t len);
void uverbs_attr_out(struct uverbs_cmd *cmd, uint16_t id, void *data, uint16_t len);
void uverbs_attr_fd(struct uverbs_cmd *cmd, uint16_t id, int fd);

/* Create an object: the kernel stores its handle in the command. */
void uverbs_attr_new(struct uverbs_cmd *cmd, uint16_t id);
uint32_t uverbs_attr_handle(const struct uverbs_cmd *cmd, uint16_t id);

/*
 * Run the command. Returns 0 or an errno value as a verbs caller expects it:
 * EOPNOTSUPP if the kernel does not know the method or an attribute.
 */
int uverbs_cmd_exec(struct ibv_context *context, struct uverbs_cmd *cmd);

/* Deregister an MR that has no struct ibv_mr. Returns 0 or an errno value. */
int uverbs_destroy_mr(struct ibv_context *context, uint32_t handle);

/* The number of the kernel driver. Returns 0 or EOPNOTSUPP. */
int uverbs_driver_id(struct ibv_context *context, uint32_t *driver_id);

/* The plain system call, with the kernel's own errno values. Used by driver_id.c. */
int uverbs_cmd_submit(int fd, struct uverbs_cmd *cmd, uint32_t driver_id);

#endif
