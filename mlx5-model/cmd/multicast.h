/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Queue pairs attached to multicast groups, whose datagrams they receive. */
#ifndef MLX5_MODEL_MULTICAST_H
#define MLX5_MODEL_MULTICAST_H

#include "base/dev.h"

struct attachment {
	uint8_t gid[16];
	uint32_t qpn;
};

/* Removes all attachments of a queue pair that is destroyed */
void multicast_forget(struct dev *dev, uint32_t qpn);
void multicast_release(void *attachment);

#endif
