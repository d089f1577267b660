/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The vfio-user protocol (server side): the messages that QEMU sends on a UNIX socket. */
#ifndef MLX5_MODEL_VFU_H
#define MLX5_MODEL_VFU_H

#include "base/dev.h"

#define VFU_HEADER 16
#define VFU_TRANSFER_MAX 65536
#define VFU_MESSAGE_MAX (VFU_TRANSFER_MAX + 64)
#define VFU_FDS_MAX 16

/* Bytes that were read from the socket and not handled, with the descriptors that came with them */
struct vfu_input {
	uint8_t bytes[VFU_HEADER + VFU_MESSAGE_MAX];
	size_t start, end;
	int fds[VFU_FDS_MAX];
	unsigned int fd_count;
	size_t fds_end; /* they belong to the message with the byte before this one */
};

struct vfu {
	struct dev *dev;
	int socket;
	int vectors[DEV_VECTORS]; /* eventfds, -1: none */
	struct vfu_input input;
	uint64_t reads; /* system calls for that */
};

struct vfu_message {
	uint16_t id;
	uint16_t command;
	uint32_t flags;
	const uint8_t *payload;
	size_t length;
	int fds[VFU_FDS_MAX];
	unsigned int fd_count;
};

void vfu_init(struct vfu *vfu, struct dev *dev, int socket);
void vfu_destroy(struct vfu *vfu);
/*
 * Handles one message; reply has space for VFU_MESSAGE_MAX bytes. Returns the size of the reply, 0
 * if none is requested. Takes ownership of the message's descriptors.
 */
size_t vfu_handle(struct vfu *vfu, struct vfu_message *message, uint8_t *reply);
/*
 * Handles and answers one message. If the input has none, reads all data that the peer has sent,
 * because each doorbell is a message. False if the peer is gone or violates the protocol.
 */
bool vfu_serve(struct vfu *vfu);
/* True if a whole message was read and not handled */
bool vfu_has_message(const struct vfu *vfu);

#endif
