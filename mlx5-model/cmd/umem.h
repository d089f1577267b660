/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* DevX umems: registered user memory that queues and doorbell records can be in. */
#ifndef MLX5_MODEL_UMEM_H
#define MLX5_MODEL_UMEM_H

#include "base/dev.h"

void umem_release(void *umem);
/*
 * A queue of size bytes in a umem. False if there is no such umem, no such range in it, or if the
 * device is to write to the queue and the umem does not allow that.
 */
bool umem_queue(struct dev *dev, uint32_t id, uint64_t offset, uint64_t size, bool write,
		struct queue *queue);
/* Replaces the offset of a doorbell record in a umem with its address */
bool umem_doorbell(struct dev *dev, uint32_t id, uint64_t *record);

#endif
