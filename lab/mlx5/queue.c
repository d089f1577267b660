// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "queue.h"

#include <stdlib.h>

bool queue_init(struct queue *queue, const uint8_t *pages, size_t pages_length,
		unsigned int log_page_size, unsigned int page_offset, uint64_t size)
{
	uint64_t page_size, needed, i;

	memset(queue, 0, sizeof(*queue));
	queue->page_shift = log_page_size + 12;
	if (queue->page_shift > 40)
		return false;
	page_size = 1ull << queue->page_shift;
	queue->offset = page_offset * (page_size / 64);
	queue->size = size;
	needed = (queue->offset + size + page_size - 1) / page_size;
	if (!needed)
		return true;
	if (needed > pages_length / 8)
		return false;
	queue->pages = calloc(needed, sizeof(*queue->pages));
	if (!queue->pages)
		return false;
	queue->page_count = needed;
	for (i = 0; i < needed; i++)
		queue->pages[i] = get_be64(pages + i * 8) & ~(uint64_t)0xfff;
	return true;
}

void queue_release(struct queue *queue)
{
	free(queue->pages);
	memset(queue, 0, sizeof(*queue));
}

static bool queue_copy(struct dev *dev, const struct queue *queue, uint64_t offset, uint8_t *data,
		       size_t length, bool write)
{
	uint64_t page_size = 1ull << queue->page_shift;

	if (offset > queue->size || length > queue->size - offset)
		return false;
	offset += queue->offset;
	while (length) {
		uint64_t within = offset & (page_size - 1);
		uint64_t address = queue->pages[offset >> queue->page_shift] + within;
		size_t n = length < page_size - within ? length : page_size - within;

		if (!(write ? guest_write(&dev->guest, address, data, n) :
			      guest_read(&dev->guest, address, data, n))) {
			dev->stats.bad_dma++;
			return false;
		}
		offset += n;
		data += n;
		length -= n;
	}
	return true;
}

bool queue_read(struct dev *dev, const struct queue *queue, uint64_t offset, void *data,
		size_t length)
{
	return queue_copy(dev, queue, offset, data, length, false);
}

bool queue_write(struct dev *dev, const struct queue *queue, uint64_t offset, const void *data,
		 size_t length)
{
	return queue_copy(dev, queue, offset, (uint8_t *)(uintptr_t)data, length, true);
}
