// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/eq.h"

#include "base/queue.h"
#include "cmd/uses.h"

#include <stdatomic.h>
#include <stdlib.h>

#define EQE_SIZE 64
#define EQE_TYPE 1
#define EQE_SUBTYPE 3
#define EQE_DATA_OFFSET 32
#define EQE_OWNER 63
#define EQE_COMP_CQN 24
#define EQE_QP_SRQ_NUMBER 24

#define EQ_LOG_SIZE_MAX 20
#define DELAY_MAX_NS 3000000u

/* An event held back by the delay option: an entry, or the interrupt after one */
struct delayed_event {
	struct delayed_event *next;
	uint64_t due;
	uint32_t eqn;
	bool interrupt;
	uint8_t entry[EQE_SIZE];
};

/* Delays an event without reordering those of a queue, as hardware. NULL as entry: an interrupt */
static void eq_delay(struct dev *dev, const struct eq *eq, const uint8_t *entry)
{
	struct delayed_event *event = calloc(1, sizeof(*event)), **link = &dev->delayed;

	if (!event)
		return;
	event->due = dev_now() + dev_random(dev) % DELAY_MAX_NS;
	event->eqn = eq->number;
	event->interrupt = !entry;
	if (entry)
		memcpy(event->entry, entry, EQE_SIZE);
	for (; *link; link = &(*link)->next)
		if ((*link)->eqn == eq->number && (*link)->due > event->due)
			event->due = (*link)->due;
	*link = event;
}

struct eq *eq_for_event(struct dev *dev, enum event type)
{
	uint32_t number;
	struct eq *eq;

	table_for_each(&dev->eqs, number, eq)
		if (eq->events[type / 64] >> (type % 64) & 1)
			return eq;
	return NULL;
}

static void eq_raise(struct dev *dev, const struct eq *eq)
{
	dev->stats.interrupts++;
	if (dev->interrupt)
		dev->interrupt(dev->interrupt_context, eq->vector);
}

static void eq_interrupt(struct dev *dev, struct eq *eq)
{
	eq->armed = false;
	if (dev->options.delay_seed)
		eq_delay(dev, eq, NULL);
	else
		eq_raise(dev, eq);
}

static void eq_put(struct dev *dev, struct eq *eq, uint8_t *entry)
{
	uint64_t offset = (uint64_t)(eq->producer & ((1u << eq->log_size) - 1)) * EQE_SIZE;

	if (((eq->producer - eq->consumer) & 0xffffff) >= 1u << eq->log_size) {
		strict_report(dev, "EQ %u is full, event %#x lost", eq->number, entry[EQE_TYPE]);
		return;
	}
	entry[EQE_OWNER] = eq->producer >> eq->log_size & 1;
	if (!queue_write(dev, &eq->queue, offset, entry, EQE_OWNER))
		return;
	atomic_thread_fence(memory_order_release);
	queue_write(dev, &eq->queue, offset + EQE_OWNER, entry + EQE_OWNER, 1);
	eq->producer++;
	dev->stats.events++;
	if (eq->armed)
		eq_interrupt(dev, eq);
}

static void eq_post(struct dev *dev, struct eq *eq, enum event type, uint8_t subtype,
		    const uint8_t *data)
{
	uint8_t entry[EQE_SIZE] = { 0 };

	entry[EQE_TYPE] = type;
	entry[EQE_SUBTYPE] = subtype;
	memcpy(entry + EQE_DATA_OFFSET, data, EQE_DATA);
	if (dev->options.delay_seed)
		eq_delay(dev, eq, entry);
	else
		eq_put(dev, eq, entry);
}

int eq_delayed_work(struct dev *dev)
{
	struct delayed_event **link = &dev->delayed, *event;
	uint64_t now = dev_now(), next = UINT64_MAX;

	while ((event = *link)) {
		struct eq *eq = table_get(&dev->eqs, event->eqn);

		if (eq && event->due > now) {
			next = event->due < next ? event->due : next;
			link = &event->next;
			continue;
		}
		*link = event->next;
		if (eq && event->interrupt)
			eq_raise(dev, eq);
		else if (eq)
			eq_put(dev, eq, event->entry);
		free(event);
	}
	return next == UINT64_MAX ? -1 : (int)((next - now + 999999) / 1000000);
}

void eq_delayed_drop(struct dev *dev)
{
	struct delayed_event *event;

	while ((event = dev->delayed)) {
		dev->delayed = event->next;
		free(event);
	}
}

void eq_event(struct dev *dev, enum event type, uint8_t subtype, const uint8_t *data)
{
	struct eq *eq = eq_for_event(dev, type);

	if (eq)
		eq_post(dev, eq, type, subtype, data);
}

void eq_object_event(struct dev *dev, enum event type, uint32_t number)
{
	uint8_t data[EQE_DATA] = { 0 };

	put_be32(data + EQE_QP_SRQ_NUMBER, number);
	eq_event(dev, type, 0, data);
}

void eq_completion(struct dev *dev, uint32_t eqn, uint32_t cqn)
{
	struct eq *eq = table_get(&dev->eqs, eqn);
	uint8_t data[EQE_DATA] = { 0 };

	put_be32(data + EQE_COMP_CQN, cqn);
	if (eq)
		eq_post(dev, eq, EVENT_COMPLETION, 0, data);
}

void eq_doorbell(struct dev *dev, uint32_t uar, uint32_t value, bool arm)
{
	struct eq *eq = table_get(&dev->eqs, value >> 24);

	if (!eq)
		return;
	if (eq->uar != uar) {
		strict_report(dev, "doorbell of EQ %u through UAR page %u, its own is %u",
			      eq->number, uar, eq->uar);
		return;
	}
	eq->consumer = value & 0xffffff;
	if (!arm)
		return;
	eq->armed = true;
	if ((eq->producer & 0xffffff) != eq->consumer)
		eq_interrupt(dev, eq);
}

void eq_release(void *object)
{
	struct eq *eq = object;

	queue_release(&eq->queue);
	free(eq);
}

enum cmd_status eq_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_eq_in, cmd->in, eq_context_entry);
	size_t pages_length, i;
	const uint8_t *pages = CMD_TAIL(cmd, create_eq_in, pas, &pages_length);
	struct eq *eq;

	if (IFC_GET(eqc, context, log_eq_size) > EQ_LOG_SIZE_MAX ||
	    IFC_GET(eqc, context, intr) >= DEV_VECTORS)
		return CMD_BAD_PARAM;
	if (!table_own(&dev->uars, IFC_GET(eqc, context, uar_page)))
		return CMD_BAD_RESOURCE;
	eq = calloc(1, sizeof(*eq));
	if (!eq)
		return CMD_NO_RESOURCES;
	eq->log_size = IFC_GET(eqc, context, log_eq_size);
	eq->uar = IFC_GET(eqc, context, uar_page);
	eq->vector = IFC_GET(eqc, context, intr);
	for (i = 0; i < 4; i++)
		eq->events[i] = get_be64(IFC_AT_CONST(create_eq_in, cmd->in, event_bitmask) + 8 * i);
	if (!queue_init(&eq->queue, pages, pages_length, IFC_GET(eqc, context, log_page_size),
			IFC_GET(eqc, context, page_offset), (uint64_t)EQE_SIZE << eq->log_size)) {
		eq_release(eq);
		return CMD_BAD_PARAM;
	}
	eq->number = table_add(&dev->eqs, eq);
	if (!eq->number) {
		eq_release(eq);
		return CMD_LIMIT;
	}
	IFC_SET(create_eq_out, cmd->out, eq_number, eq->number);
	return CMD_OK;
}

enum cmd_status eq_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number = IFC_GET(destroy_eq_in, cmd->in, eq_number);
	enum cmd_status status = uses_status(dev, &dev->eqs, number, uses_eq);

	if (status == CMD_OK)
		eq_release(table_take(&dev->eqs, number));
	return status;
}
