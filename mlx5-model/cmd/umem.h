/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* User memory that queues can lie in, as DevX has it: a page list that is told once. */
#ifndef MLX5_MODEL_UMEM_H
#define MLX5_MODEL_UMEM_H

#include "base/dev.h"

void umem_release(void *umem);
/* A queue of size bytes in a umem; false: there is no such umem, or no such place in it */
bool umem_queue(struct dev *dev, uint32_t id, uint64_t offset, uint64_t size, struct queue *queue);
/* Of a doorbell record in a umem: its offset becomes its address */
bool umem_doorbell(struct dev *dev, uint32_t id, uint64_t *record);

#endif
