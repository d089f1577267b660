/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MLX5_MODEL_QUEUE_H
#define MLX5_MODEL_QUEUE_H

#include "base/dev.h"

/* Bytes of page lists that the process keeps for all queues and umems of its devices, at most */
#define QUEUE_LISTS_MAX (256u << 20)

/*
 * From the page list of a command: log_page_size is relative to 4 KiB, page_offset in 1/64 pages.
 * Returns false if the list is too short for size or the numbers are invalid.
 */
bool queue_init(struct queue *queue, const uint8_t *pages, size_t pages_length,
		unsigned int log_page_size, unsigned int page_offset, uint64_t size);
/* The same with an offset in bytes */
bool queue_init_at(struct queue *queue, const uint8_t *pages, size_t pages_length,
		   unsigned int log_page_size, uint64_t offset, uint64_t size);
/*
 * A queue in a part of another queue's memory. Returns false if the part is not inside, or on
 * ENOMEM.
 */
bool queue_part(struct queue *part, const struct queue *whole, uint64_t offset, uint64_t size);
/* Guest address of a range; false if it is not inside the queue, or not in one page */
bool queue_address(const struct queue *queue, uint64_t offset, size_t length, uint64_t *address);
void queue_release(struct queue *queue);
bool queue_read(struct dev *dev, const struct queue *queue, uint64_t offset, void *data,
		size_t length);
bool queue_write(struct dev *dev, const struct queue *queue, uint64_t offset, const void *data,
		 size_t length);

#endif
