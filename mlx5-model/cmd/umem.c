// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/umem.h"

#include "base/queue.h"
#include "cmd/uses.h"

#include <stdlib.h>

#define DOORBELL_RECORD 8
#define MTT_SIZE 8
#define MTT_WRITE 2u

void umem_release(void *object)
{
	struct queue *umem = object;

	queue_release(umem);
	free(umem);
}

/* True if an entry of the page list does not allow the device to write */
static bool umem_is_read_only(const uint8_t *pages, uint64_t count)
{
	uint64_t i;

	for (i = 0; i < count; i++)
		if (!(get_be64(pages + i * MTT_SIZE) & MTT_WRITE))
			return true;
	return false;
}

/* page_offset is in bytes here */
enum cmd_status umem_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_umem_in, cmd->in, umem);
	unsigned int log_page_size = IFC_GET(umem, context, log_page_size);
	uint64_t offset = IFC_GET(umem, context, page_offset);
	uint64_t count = IFC_GET(umem, context, num_of_mtt);
	size_t length;
	const uint8_t *pages = CMD_TAIL(cmd, create_umem_in, umem.mtt, &length);
	uint64_t size;
	struct queue *umem;
	uint32_t number;

	if (!count || count > length / MTT_SIZE)
		return CMD_BAD_PARAM;
	size = count << (log_page_size + 12);
	if (offset >= size || size >> (log_page_size + 12) != count)
		return CMD_BAD_PARAM;
	umem = calloc(1, sizeof(*umem));
	if (!umem)
		return CMD_NO_RESOURCES;
	if (!queue_init_at(umem, pages, length, log_page_size, offset, size - offset)) {
		umem_release(umem);
		return CMD_BAD_PARAM;
	}
	umem->read_only = umem_is_read_only(pages, count);
	number = table_add(&dev->umems, umem);
	if (!number) {
		umem_release(umem);
		return CMD_LIMIT;
	}
	IFC_SET(create_umem_out, cmd->out, umem_id, number);
	return CMD_OK;
}

/* The driver unpins the memory after the command, so that no object may go on to use it */
enum cmd_status umem_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t id = IFC_GET(destroy_umem_in, cmd->in, umem_id);
	enum cmd_status status = uses_status(dev, &dev->umems, id, uses_umem);

	if (status == CMD_OK)
		umem_release(table_take(&dev->umems, id));
	return status;
}

bool umem_queue(struct dev *dev, uint32_t id, uint64_t offset, uint64_t size, bool write,
		struct queue *queue)
{
	struct queue *umem = table_own(&dev->umems, id);

	return umem && !(write && umem->read_only) && queue_part(queue, umem, offset, size);
}

bool umem_doorbell(struct dev *dev, uint32_t id, uint64_t *record)
{
	struct queue *umem = table_own(&dev->umems, id);

	return umem && *record % DOORBELL_RECORD == 0 &&
	       queue_address(umem, *record, DOORBELL_RECORD, record);
}
