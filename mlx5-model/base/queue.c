// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/queue.h"

#include <stdlib.h>

#define PAGE_SHIFT_MIN 12
#define PAGE_SHIFT_MAX 40

static uint64_t queue_lists; /* bytes of page lists */

static bool queue_alloc_list(struct queue *queue, uint64_t count)
{
	uint64_t bytes = count * sizeof(*queue->pages);

	if (count > QUEUE_LISTS_MAX / sizeof(*queue->pages) ||
	    bytes > QUEUE_LISTS_MAX - queue_lists)
		return false;
	queue->pages = calloc(count, sizeof(*queue->pages));
	if (!queue->pages)
		return false;
	queue->page_count = count;
	queue_lists += bytes;
	return true;
}

bool queue_init_at(struct queue *queue, const uint8_t *pages, size_t pages_length,
		   unsigned int log_page_size, uint64_t offset, uint64_t size)
{
	uint64_t page_size, needed, i;

	memset(queue, 0, sizeof(*queue));
	queue->page_shift = log_page_size + PAGE_SHIFT_MIN;
	if (queue->page_shift > PAGE_SHIFT_MAX || offset > UINT64_MAX / 4 || size > UINT64_MAX / 4)
		return false;
	page_size = 1ull << queue->page_shift;
	queue->offset = offset;
	queue->size = size;
	needed = (offset + size + page_size - 1) / page_size;
	if (!needed)
		return true;
	if (needed > pages_length / 8)
		return false;
	if (!queue_alloc_list(queue, needed))
		return false;
	for (i = 0; i < needed; i++)
		queue->pages[i] = get_be64(pages + i * 8) & ~(uint64_t)0xfff;
	return true;
}

bool queue_init(struct queue *queue, const uint8_t *pages, size_t pages_length,
		unsigned int log_page_size, unsigned int page_offset, uint64_t size)
{
	if (log_page_size > PAGE_SHIFT_MAX - PAGE_SHIFT_MIN)
		return false;
	return queue_init_at(queue, pages, pages_length, log_page_size,
			     (uint64_t)page_offset << (log_page_size + PAGE_SHIFT_MIN - 6), size);
}

static bool queue_has(const struct queue *queue, uint64_t offset, uint64_t length)
{
	return offset <= queue->size && length <= queue->size - offset;
}

bool queue_part(struct queue *part, const struct queue *whole, uint64_t offset, uint64_t size)
{
	uint64_t page_size = 1ull << whole->page_shift, first;

	memset(part, 0, sizeof(*part));
	if (!size || !queue_has(whole, offset, size))
		return false;
	offset += whole->offset;
	first = offset >> whole->page_shift;
	part->page_shift = whole->page_shift;
	part->offset = offset & (page_size - 1);
	part->size = size;
	if (!queue_alloc_list(part, ((offset + size - 1) >> whole->page_shift) - first + 1))
		return false;
	memcpy(part->pages, whole->pages + first, part->page_count * sizeof(*part->pages));
	return true;
}

bool queue_address(const struct queue *queue, uint64_t offset, size_t length, uint64_t *address)
{
	uint64_t within;

	if (!queue_has(queue, offset, length))
		return false;
	offset += queue->offset;
	within = offset & ((1ull << queue->page_shift) - 1);
	*address = queue->pages[offset >> queue->page_shift] + within;
	return length <= (1ull << queue->page_shift) - within;
}

void queue_release(struct queue *queue)
{
	if (queue->pages)
		queue_lists -= queue->page_count * sizeof(*queue->pages);
	free(queue->pages);
	memset(queue, 0, sizeof(*queue));
}

static bool queue_copy(struct dev *dev, const struct queue *queue, uint64_t offset, uint8_t *data,
		       size_t length, bool write)
{
	uint64_t page_size = 1ull << queue->page_shift;

	if (!queue_has(queue, offset, length))
		return false;
	offset += queue->offset;
	while (length) {
		uint64_t within = offset & (page_size - 1);
		uint64_t address = queue->pages[offset >> queue->page_shift] + within;
		size_t n = length < page_size - within ? length : page_size - within;

		if (!(write ? guest_write(&dev->guest, address, data, n) :
			      guest_read(&dev->guest, address, data, n))) {
			dev_bad_dma(dev, address);
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
