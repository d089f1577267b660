// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/srq.h"

#include "base/caps.h"
#include "base/queue.h"
#include "cmd/eq.h"
#include "cmd/uses.h"

#include <stdlib.h>

#define SRQ_STRIDE_SHIFT_MIN 4
#define SRQ_WQE_NEXT_INDEX 2

/* The doorbell record counts posted WQEs; its low 16 bits are used. */
static uint16_t srq_available(struct dev *dev, const struct srq *srq)
{
	uint32_t posted;

	if (!guest_read_be32(&dev->guest, srq->doorbell, &posted)) {
		dev_bad_dma(dev, srq->doorbell);
		return 0;
	}
	return (uint16_t)posted - srq->consumed;
}

bool srq_read(struct dev *dev, const struct srq *srq, uint16_t index, uint8_t *wqe, size_t length)
{
	return queue_read(dev, &srq->queue, (uint64_t)index << srq->stride_shift, wqe, length);
}

bool srq_take(struct dev *dev, struct srq *srq, uint16_t *index)
{
	uint16_t available = srq_available(dev, srq);
	uint8_t next[SRQ_WQE_NEXT];

	if (!available || available > 1u << srq->log_size ||
	    !srq_read(dev, srq, srq->head, next, sizeof(next)))
		return false;
	*index = srq->head;
	srq->head = get_be16(next + SRQ_WQE_NEXT_INDEX) & ((1u << srq->log_size) - 1);
	srq->consumed++;
	if (srq->limit && available - 1 < srq->limit) {
		srq->limit = 0;
		eq_object_event(dev, EVENT_SRQ_LIMIT, srq->number);
	}
	return true;
}

void srq_release(void *object)
{
	struct srq *srq = object;

	queue_release(&srq->queue);
	free(srq);
}

/* True if all objects that the context refers to exist; only an SRQ for XRC has the last two */
static bool srq_refers_well(const struct dev *dev, const uint8_t *context)
{
	uint32_t cqn = IFC_GET(srqc, context, cqn), xrcd = IFC_GET(srqc, context, xrcd);

	return table_get(&dev->pds, IFC_GET(srqc, context, pd)) &&
	       (!cqn || table_get(&dev->cqs, cqn)) && (!xrcd || table_get(&dev->xrcds, xrcd));
}

enum cmd_status srq_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_srq_in, cmd->in, srq_context_entry);
	size_t pages_length;
	const uint8_t *pages = CMD_TAIL(cmd, create_srq_in, pas, &pages_length);
	struct srq *srq;

	if (IFC_GET(srqc, context, log_srq_size) > CAPS_LOG_MAX_SRQ_SZ)
		return CMD_BAD_PARAM;
	if (!srq_refers_well(dev, context))
		return CMD_BAD_RESOURCE;
	srq = calloc(1, sizeof(*srq));
	if (!srq)
		return CMD_NO_RESOURCES;
	memcpy(srq->context, context, sizeof(srq->context));
	srq->log_size = IFC_GET(srqc, context, log_srq_size);
	srq->stride_shift = IFC_GET(srqc, context, log_rq_stride) + SRQ_STRIDE_SHIFT_MIN;
	srq->pd = IFC_GET(srqc, context, pd);
	srq->cqn = IFC_GET(srqc, context, cqn);
	srq->xrcd = IFC_GET(srqc, context, xrcd);
	srq->limit = IFC_GET(srqc, context, lwm);
	srq->doorbell = IFC_GET(srqc, context, dbr_addr);
	if (!queue_init(&srq->queue, pages, pages_length, IFC_GET(srqc, context, log_page_size),
			IFC_GET(srqc, context, page_offset),
			1ull << (srq->log_size + srq->stride_shift))) {
		srq_release(srq);
		return CMD_BAD_PARAM;
	}
	srq->number = table_add(&dev->srqs, srq);
	if (!srq->number) {
		srq_release(srq);
		return CMD_LIMIT;
	}
	IFC_SET(create_srq_out, cmd->out, srqn, srq->number);
	return CMD_OK;
}

enum cmd_status srq_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number = IFC_GET(destroy_srq_in, cmd->in, srqn);
	enum cmd_status status = uses_status(dev, &dev->srqs, number, uses_srq);

	if (status == CMD_OK)
		srq_release(table_take(&dev->srqs, number));
	return status;
}

enum cmd_status srq_query(struct dev *dev, const struct cmd *cmd)
{
	struct srq *srq = table_get(&dev->srqs, IFC_GET(query_srq_in, cmd->in, srqn));
	uint8_t *context = IFC_AT(query_srq_out, cmd->out, srq_context_entry);

	if (!srq)
		return CMD_BAD_RESOURCE;
	memcpy(context, srq->context, sizeof(srq->context));
	IFC_SET(srqc, context, lwm, srq->limit);
	return CMD_OK;
}

enum cmd_status srq_arm(struct dev *dev, const struct cmd *cmd)
{
	struct srq *srq = table_get(&dev->srqs, IFC_GET(arm_rq_in, cmd->in, srq_number));

	if (!srq)
		return CMD_BAD_RESOURCE;
	srq->limit = IFC_GET(arm_rq_in, cmd->in, lwm);
	if (srq->limit && srq_available(dev, srq) < srq->limit) {
		srq->limit = 0;
		eq_object_event(dev, EVENT_SRQ_LIMIT, srq->number);
	}
	return CMD_OK;
}
