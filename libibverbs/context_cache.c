// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <stdatomic.h>
#include <string.h>
#include <infiniband/verbs.h>

#include "context_cache.h"

#define SLOTS 16

/*
 * Other threads treat a busy slot as empty, so no thread ever waits. This also
 * keeps a forked child from waiting for a thread that exists only in its parent.
 */
struct slot {
	atomic_flag busy;
	const struct ibv_context *context;
	int cmd_fd;
	char device[IBV_SYSFS_NAME_MAX];
	bool has_driver_id;
	uint32_t driver_id;
	bool has_caps;
	struct device_caps caps;
	bool has_kernel_side;
	const struct kernel_side *kernel_side;
};

static struct slot slots[SLOTS];

static struct slot *slot_enter(const struct ibv_context *context)
{
	/* the allocator aligns contexts, so the lowest bits are always equal */
	uintptr_t hash = (uintptr_t)context >> 4;
	struct slot *slot = &slots[(hash ^ hash >> 8) % SLOTS];

	return atomic_flag_test_and_set_explicit(&slot->busy, memory_order_acquire) ? NULL : slot;
}

static void slot_leave(struct slot *slot)
{
	atomic_flag_clear_explicit(&slot->busy, memory_order_release);
}

static bool slot_is(const struct slot *slot, const struct ibv_context *context)
{
	return slot->context == context && slot->cmd_fd == context->cmd_fd &&
	       !strcmp(slot->device, ibv_get_device_name(context->device));
}

/* Assign the slot to this context, and drop the data of any other context. */
static void slot_take(struct slot *slot, const struct ibv_context *context)
{
	if (slot_is(slot, context))
		return;
	slot->context = context;
	slot->cmd_fd = context->cmd_fd;
	strncpy(slot->device, ibv_get_device_name(context->device), sizeof(slot->device) - 1);
	slot->has_driver_id = false;
	slot->has_caps = false;
	slot->has_kernel_side = false;
}

bool context_find_driver_id(const struct ibv_context *context, uint32_t *driver_id)
{
	struct slot *slot = slot_enter(context);
	bool found;

	if (!slot)
		return false;
	found = slot_is(slot, context) && slot->has_driver_id;
	if (found)
		*driver_id = slot->driver_id;
	slot_leave(slot);
	return found;
}

void context_store_driver_id(const struct ibv_context *context, uint32_t driver_id)
{
	struct slot *slot = slot_enter(context);

	if (!slot)
		return;
	slot_take(slot, context);
	slot->driver_id = driver_id;
	slot->has_driver_id = true;
	slot_leave(slot);
}

bool context_find_caps(const struct ibv_context *context, struct device_caps *caps)
{
	struct slot *slot = slot_enter(context);
	bool found;

	if (!slot)
		return false;
	found = slot_is(slot, context) && slot->has_caps;
	if (found)
		*caps = slot->caps;
	slot_leave(slot);
	return found;
}

void context_store_caps(const struct ibv_context *context, const struct device_caps *caps)
{
	struct slot *slot = slot_enter(context);

	if (!slot)
		return;
	slot_take(slot, context);
	slot->caps = *caps;
	slot->has_caps = true;
	slot_leave(slot);
}

bool context_find_kernel_side(const struct ibv_context *context, const struct kernel_side **side)
{
	struct slot *slot = slot_enter(context);
	bool found;

	if (!slot)
		return false;
	found = slot_is(slot, context) && slot->has_kernel_side;
	if (found)
		*side = slot->kernel_side;
	slot_leave(slot);
	return found;
}

void context_store_kernel_side(const struct ibv_context *context, const struct kernel_side *side)
{
	struct slot *slot = slot_enter(context);

	if (!slot)
		return;
	slot_take(slot, context);
	slot->kernel_side = side;
	slot->has_kernel_side = true;
	slot_leave(slot);
}
