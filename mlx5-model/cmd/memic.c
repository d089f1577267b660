// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/memic.h"

#include "cmd/uses.h"

#include <stdlib.h>

#define MEMIC_UNIT (1u << CAPS_MEMIC_LOG_UNIT)

/* Addresses are those in the BAR; the memory is the host's, of exactly this size */
struct memic {
	uint64_t range; /* the pages that the driver has given */
	uint64_t range_size;
	uint64_t start;
	uint64_t size;
	uint32_t operations; /* that the driver has asked for */
	uint8_t *data;
};

void memic_release(void *object)
{
	struct memic *memic = object;

	free(memic->data);
	free(memic);
}

static bool memic_contains(const struct memic *memic, uint64_t address, uint64_t length)
{
	uint64_t offset = address - memic->start; /* below the start: large */

	return offset < memic->size && length <= memic->size - offset;
}

uint32_t memic_find(struct dev *dev, uint64_t address, uint64_t length)
{
	const struct memic *memic;
	uint32_t number;

	table_for_each(&dev->memics, number, memic)
		if (memic_contains(memic, address, length))
			return number;
	return 0;
}

uint8_t *memic_at(struct dev *dev, uint32_t number, uint64_t address, uint64_t length)
{
	const struct memic *memic = table_get(&dev->memics, number);

	return memic && memic_contains(memic, address, length) ?
		       memic->data + (address - memic->start) :
		       NULL;
}

/* Returns the number of the allocation that starts at this address, or 0 */
static uint32_t memic_start(struct dev *dev, uint64_t address)
{
	const struct memic *memic;
	uint32_t number;

	table_for_each(&dev->memics, number, memic)
		if (memic->start == address)
			return number;
	return 0;
}

static bool memic_announced(const struct dev *dev)
{
	return IFC_GET(cmd_hca_cap, dev->caps_general, device_memory) &&
	       IFC_GET(device_mem_cap, dev->caps_device_memory, memic);
}

static bool memic_is_taken(struct dev *dev, uint64_t range, uint64_t size)
{
	const struct memic *memic;
	uint32_t number;

	table_for_each(&dev->memics, number, memic)
		if (range < memic->range + memic->range_size && memic->range < range + size)
			return true;
	return false;
}

/* True if the range consists of whole pages of the area */
static bool memic_range_valid(uint64_t range, uint64_t size)
{
	return range % MEMIC_PAGE == 0 && size % MEMIC_PAGE == 0 && size &&
	       range >= CAPS_MEMIC_START && range < CAPS_MEMIC_START + CAPS_MEMIC_SIZE &&
	       size <= CAPS_MEMIC_START + CAPS_MEMIC_SIZE - range;
}

static bool memic_size_valid(const struct dev *dev, uint64_t size)
{
	return size && size % MEMIC_UNIT == 0 && size <= CAPS_MEMIC_MAX &&
	       size <= IFC_GET(device_mem_cap, dev->caps_device_memory, max_memic_size);
}

static struct memic *memic_new(const struct memic *values)
{
	struct memic *memic = malloc(sizeof(*memic));

	if (!memic)
		return NULL;
	*memic = *values;
	memic->data = calloc(1, memic->size);
	if (memic->data)
		return memic;
	free(memic);
	return NULL;
}

/* If the range cannot be used, the driver tries the next page */
enum cmd_status memic_alloc(struct dev *dev, const struct cmd *cmd)
{
	unsigned int log_align = IFC_GET(alloc_memic_in, cmd->in, log_memic_addr_alignment);
	struct memic values = {
		.range = IFC_GET(alloc_memic_in, cmd->in, range_start_addr),
		.range_size = IFC_GET(alloc_memic_in, cmd->in, range_size),
		.size = IFC_GET(alloc_memic_in, cmd->in, memic_size),
	};
	struct memic *memic;
	uint64_t align;

	if (!memic_announced(dev))
		return CMD_BAD_OP;
	if (log_align > CAPS_MEMIC_LOG_ALIGN || !memic_size_valid(dev, values.size) ||
	    !memic_range_valid(values.range, values.range_size))
		return CMD_BAD_PARAM;
	align = (uint64_t)MEMIC_UNIT << log_align;
	values.start = (values.range + align - 1) & ~(align - 1);
	if (values.start - values.range > values.range_size ||
	    values.size > values.range_size - (values.start - values.range) ||
	    memic_is_taken(dev, values.range, values.range_size))
		return CMD_NO_RESOURCES;
	memic = memic_new(&values);
	if (!memic)
		return CMD_NO_RESOURCES;
	if (!table_add(&dev->memics, memic)) {
		memic_release(memic);
		return CMD_LIMIT;
	}
	IFC_SET(alloc_memic_out, cmd->out, memic_start_addr, memic->start);
	return CMD_OK;
}

enum cmd_status memic_dealloc(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number = memic_start(dev, IFC_GET(dealloc_memic_in, cmd->in, memic_start_addr));
	const struct memic *memic = table_get(&dev->memics, number);

	if (!memic_announced(dev))
		return CMD_BAD_OP;
	if (!memic)
		return CMD_BAD_RESOURCE;
	if (IFC_GET(dealloc_memic_in, cmd->in, memic_size) != memic->size)
		return CMD_BAD_PARAM;
	if (memic->operations || uses_memic(dev, number))
		return CMD_BAD_RESOURCE_STATE;
	memic_release(table_take(&dev->memics, number));
	return CMD_OK;
}

/* The address of an allocation in the area of an operation */
static uint64_t memic_operation_address(const struct memic *memic, unsigned int operation)
{
	return memic->start + (operation + 1ull) * CAPS_MEMIC_SIZE;
}

static enum cmd_status memic_add_operation(const struct dev *dev, struct memic *memic,
					   unsigned int operation, uint8_t *out)
{
	uint32_t announced = IFC_GET(device_mem_cap, dev->caps_device_memory, memic_operations);

	if (operation >= MEMIC_OPERATIONS || !(announced >> operation & 1))
		return CMD_BAD_PARAM;
	if (memic->operations >> operation & 1)
		return CMD_BAD_RESOURCE_STATE;
	memic->operations |= 1u << operation;
	IFC_SET(modify_memic_out, out, memic_operation_addr,
		memic_operation_address(memic, operation));
	return CMD_OK;
}

static enum cmd_status memic_remove_operation(struct memic *memic, unsigned int operation)
{
	if (operation >= MEMIC_OPERATIONS || !(memic->operations >> operation & 1))
		return CMD_BAD_RESOURCE;
	memic->operations &= ~(1u << operation);
	return CMD_OK;
}

enum cmd_status memic_modify(struct dev *dev, const struct cmd *cmd)
{
	uint64_t start = IFC_GET(modify_memic_in, cmd->in, memic_start_addr);
	struct memic *memic = table_get(&dev->memics, memic_start(dev, start));
	unsigned int operation = IFC_GET(modify_memic_in, cmd->in, memic_operation_type);

	if (!memic_announced(dev))
		return CMD_BAD_OP;
	/* an allocation belongs to the driver and not to an application's context */
	if (!memic || IFC_GET(modify_memic_in, cmd->in, uid))
		return CMD_BAD_RESOURCE;
	switch (IFC_GET(modify_memic_in, cmd->in, op_mod)) {
	case MLX5_MODIFY_MEMIC_OP_MOD_ALLOC:
		return memic_add_operation(dev, memic, operation, cmd->out);
	case MLX5_MODIFY_MEMIC_OP_MOD_DEALLOC:
		return memic_remove_operation(memic, operation);
	}
	return CMD_BAD_PARAM;
}

/* An access to one of the areas */
struct memic_access {
	uint8_t *host;		/* NULL: not allocated, or not for this operation */
	unsigned int operation; /* MEMIC_OPERATIONS: none, the access is to the memory itself */
};

static struct memic_access memic_access(struct dev *dev, uint64_t offset, size_t length)
{
	uint64_t area = (offset - CAPS_MEMIC_START) / CAPS_MEMIC_SIZE;
	uint64_t address = offset - area * CAPS_MEMIC_SIZE;
	uint32_t number = memic_find(dev, address, length);
	const struct memic *memic = table_get(&dev->memics, number);
	struct memic_access access = { .operation = area ? area - 1 : MEMIC_OPERATIONS };

	if (memic && (!area || (area <= MEMIC_OPERATIONS &&
				memic->operations >> access.operation & 1)))
		access.host = memic_at(dev, number, address, length);
	return access;
}

/* Operations are on single bytes, as announced: what longer ones would do is not known */
void memic_bar_read(struct dev *dev, uint64_t offset, uint8_t *data, size_t length)
{
	struct memic_access access = memic_access(dev, offset, length);

	memset(data, 0, length);
	if (!access.host)
		return;
	if (access.operation == MEMIC_OPERATIONS) {
		memcpy(data, access.host, length);
	} else if (access.operation == MEMIC_TEST_AND_SET && length == 1) {
		*data = *access.host;
		*access.host = 1;
	}
}

void memic_bar_write(struct dev *dev, uint64_t offset, const uint8_t *data, size_t length)
{
	struct memic_access access = memic_access(dev, offset, length);

	if (!access.host)
		return;
	if (access.operation == MEMIC_OPERATIONS)
		memcpy(access.host, data, length);
	else if (access.operation == MEMIC_INCREMENT && length == 1)
		*access.host += *data;
}
