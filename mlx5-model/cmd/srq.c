// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/srq.h"

#include "base/caps.h"
#include "base/queue.h"
#include "cmd/eq.h"
#include "cmd/qp.h"
#include "cmd/uses.h"

#include <stdlib.h>

#define SRQ_STRIDE_SHIFT_MIN 4
#define SRQ_WQE_NEXT_INDEX 2
#define RMP_READY 1

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

/* True if it may refer to all objects that it names; not all kinds have the last two */
static bool srq_refers_well(const struct dev *dev, const struct srq *srq)
{
	return table_own(&dev->pds, srq->pd) && (!srq->cqn || table_refer(&dev->cqs, srq->cqn)) &&
	       (!srq->xrcd || table_refer(&dev->xrcds, srq->xrcd));
}

/* Where the context of a command says that the queue is */
struct srq_place {
	const uint8_t *pages;
	size_t pages_length;
	unsigned int log_page_size;
	unsigned int page_offset;
};

/* Adds a copy of template and sets its number */
static enum cmd_status srq_add(struct dev *dev, const struct srq *template,
			       const struct srq_place *place, uint32_t *number)
{
	struct srq *srq;

	if (template->log_size > CAPS_LOG_MAX_SRQ_SZ)
		return CMD_BAD_PARAM;
	if (!srq_refers_well(dev, template))
		return CMD_BAD_RESOURCE;
	srq = malloc(sizeof(*srq));
	if (!srq)
		return CMD_NO_RESOURCES;
	*srq = *template;
	if (!queue_init(&srq->queue, place->pages, place->pages_length, place->log_page_size,
			place->page_offset, 1ull << (srq->log_size + srq->stride_shift))) {
		srq_release(srq);
		return CMD_BAD_PARAM;
	}
	srq->number = table_add(&dev->srqs, srq);
	if (!srq->number) {
		srq_release(srq);
		return CMD_LIMIT;
	}
	*number = srq->number;
	return CMD_OK;
}

/* The SRQ with this number if it is of this kind and the command may name it */
static struct srq *srq_of_kind(struct dev *dev, uint32_t number, enum srq_kind kind)
{
	struct srq *srq = table_own(&dev->srqs, number);

	return srq && srq->kind == kind ? srq : NULL;
}

/*
 * A responder of XRC does not refer to the SRQs of its requests. If it has taken a WQE from this one,
 * for a message that waits, it takes one again from the SRQ that then has the number.
 */
static void srq_forget(struct dev *dev, uint32_t number)
{
	struct qp *qp;
	uint32_t i;

	table_for_each(&dev->qps, i, qp)
		if (qp->service == QP_XRC && qp->receive.srqn == number)
			qp->receive.held = false;
}

static enum cmd_status srq_remove(struct dev *dev, uint32_t number, enum srq_kind kind)
{
	enum cmd_status status;

	if (!srq_of_kind(dev, number, kind))
		return CMD_BAD_RESOURCE;
	status = uses_status(dev, &dev->srqs, number, uses_srq);
	if (status == CMD_OK) {
		srq_forget(dev, number);
		srq_release(table_take(&dev->srqs, number));
	}
	return status;
}

static enum cmd_status srq_set_limit(struct dev *dev, struct srq *srq, uint16_t limit)
{
	if (!srq)
		return CMD_BAD_RESOURCE;
	srq->limit = limit;
	if (limit && srq_available(dev, srq) < limit) {
		srq->limit = 0;
		eq_object_event(dev, EVENT_SRQ_LIMIT, srq->number);
	}
	return CMD_OK;
}

enum cmd_status srq_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_srq_in, cmd->in, srq_context_entry);
	struct srq srq = {
		.kind = SRQ_BASIC,
		.log_size = IFC_GET(srqc, context, log_srq_size),
		.stride_shift = IFC_GET(srqc, context, log_rq_stride) + SRQ_STRIDE_SHIFT_MIN,
		.pd = IFC_GET(srqc, context, pd),
		.cqn = IFC_GET(srqc, context, cqn),
		.xrcd = IFC_GET(srqc, context, xrcd),
		.limit = IFC_GET(srqc, context, lwm),
		.doorbell = IFC_GET(srqc, context, dbr_addr),
	};
	struct srq_place place = {
		.log_page_size = IFC_GET(srqc, context, log_page_size),
		.page_offset = IFC_GET(srqc, context, page_offset),
	};
	enum cmd_status status;
	uint32_t number = 0;

	place.pages = CMD_TAIL(cmd, create_srq_in, pas, &place.pages_length);
	memcpy(srq.context, context, IFC_SIZE(srqc));
	status = srq_add(dev, &srq, &place, &number);
	IFC_SET(create_srq_out, cmd->out, srqn, number);
	return status;
}

enum cmd_status srq_destroy(struct dev *dev, const struct cmd *cmd)
{
	return srq_remove(dev, IFC_GET(destroy_srq_in, cmd->in, srqn), SRQ_BASIC);
}

enum cmd_status srq_query(struct dev *dev, const struct cmd *cmd)
{
	struct srq *srq = srq_of_kind(dev, IFC_GET(query_srq_in, cmd->in, srqn), SRQ_BASIC);
	uint8_t *context = IFC_AT(query_srq_out, cmd->out, srq_context_entry);

	if (!srq)
		return CMD_BAD_RESOURCE;
	memcpy(context, srq->context, IFC_SIZE(srqc));
	IFC_SET(srqc, context, lwm, srq->limit);
	return CMD_OK;
}

enum cmd_status srq_arm(struct dev *dev, const struct cmd *cmd)
{
	return srq_set_limit(dev,
			     srq_of_kind(dev, IFC_GET(arm_rq_in, cmd->in, srq_number), SRQ_BASIC),
			     IFC_GET(arm_rq_in, cmd->in, lwm));
}

enum cmd_status rmp_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_rmp_in, cmd->in, ctx);
	const uint8_t *wq = IFC_AT_CONST(rmpc, context, wq);
	struct srq srq = {
		.kind = SRQ_RMP,
		.log_size = IFC_GET(wq, wq, log_wq_sz),
		.stride_shift = IFC_GET(wq, wq, log_wq_stride),
		.pd = IFC_GET(wq, wq, pd),
		.limit = IFC_GET(wq, wq, lwm),
		.doorbell = IFC_GET(wq, wq, dbr_addr),
	};
	struct srq_place place = {
		.log_page_size = IFC_GET(wq, wq, log_wq_pg_sz),
		.page_offset = IFC_GET(wq, wq, page_offset),
	};
	enum cmd_status status;
	uint32_t number = 0;

	/* a list of WQEs in the driver's memory; no other kind of queue is implemented */
	if (IFC_GET(rmpc, context, state) != RMP_READY || IFC_GET(wq, wq, wq_type) ||
	    IFC_GET(rmpc, context, basic_cyclic_rcv_wqe) || IFC_GET(wq, wq, wq_umem_valid) ||
	    IFC_GET(wq, wq, dbr_umem_valid) || srq.stride_shift < SRQ_STRIDE_SHIFT_MIN)
		return CMD_BAD_PARAM;
	place.pages = CMD_TAIL(cmd, create_rmp_in, ctx.wq.pas, &place.pages_length);
	memcpy(srq.context, context, IFC_SIZE(rmpc));
	status = srq_add(dev, &srq, &place, &number);
	IFC_SET(create_rmp_out, cmd->out, rmpn, number);
	return status;
}

enum cmd_status rmp_destroy(struct dev *dev, const struct cmd *cmd)
{
	return srq_remove(dev, IFC_GET(destroy_rmp_in, cmd->in, rmpn), SRQ_RMP);
}

enum cmd_status rmp_query(struct dev *dev, const struct cmd *cmd)
{
	struct srq *srq = srq_of_kind(dev, IFC_GET(query_rmp_in, cmd->in, rmpn), SRQ_RMP);
	uint8_t *context = IFC_AT(query_rmp_out, cmd->out, rmp_context);

	if (!srq)
		return CMD_BAD_RESOURCE;
	memcpy(context, srq->context, IFC_SIZE(rmpc));
	IFC_SET(rmpc, context, wq.lwm, srq->limit);
	return CMD_OK;
}

/* Changes the limit, and nothing else */
enum cmd_status rmp_modify(struct dev *dev, const struct cmd *cmd)
{
	struct srq *srq = srq_of_kind(dev, IFC_GET(modify_rmp_in, cmd->in, rmpn), SRQ_RMP);

	if (!srq)
		return CMD_BAD_RESOURCE;
	if (IFC_GET(modify_rmp_in, cmd->in, rmp_state) != RMP_READY ||
	    IFC_GET(modify_rmp_in, cmd->in, ctx.state) != RMP_READY ||
	    !IFC_GET(modify_rmp_in, cmd->in, bitmask.lwm))
		return CMD_BAD_PARAM;
	return srq_set_limit(dev, srq, IFC_GET(modify_rmp_in, cmd->in, ctx.wq.lwm));
}

enum cmd_status xrc_srq_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_xrc_srq_in, cmd->in, xrc_srq_context_entry);
	struct srq srq = {
		.kind = SRQ_XRC,
		.log_size = IFC_GET(xrc_srqc, context, log_xrc_srq_size),
		.stride_shift = IFC_GET(xrc_srqc, context, log_rq_stride) + SRQ_STRIDE_SHIFT_MIN,
		.pd = IFC_GET(xrc_srqc, context, pd),
		.cqn = IFC_GET(xrc_srqc, context, cqn),
		.xrcd = IFC_GET(xrc_srqc, context, xrcd),
		.user_index = IFC_GET(xrc_srqc, context, user_index),
		.limit = IFC_GET(xrc_srqc, context, lwm),
		.doorbell = (uint64_t)IFC_GET(xrc_srqc, context, db_record_addr_h) << 32 |
			    IFC_GET(xrc_srqc, context, db_record_addr_l) << 2,
	};
	struct srq_place place = {
		.log_page_size = IFC_GET(xrc_srqc, context, log_page_size),
		.page_offset = IFC_GET(xrc_srqc, context, page_offset),
	};
	enum cmd_status status;
	uint32_t number = 0;

	if (IFC_GET(xrc_srqc, context, basic_cyclic_rcv_wqe) ||
	    IFC_GET(xrc_srqc, context, dbr_umem_valid) ||
	    IFC_GET(create_xrc_srq_in, cmd->in, xrc_srq_umem_valid) ||
	    IFC_GET(xrc_srqc, context, user_index_equal_xrc_srqn))
		return CMD_BAD_PARAM;
	place.pages = CMD_TAIL(cmd, create_xrc_srq_in, pas, &place.pages_length);
	memcpy(srq.context, context, IFC_SIZE(xrc_srqc));
	status = srq_add(dev, &srq, &place, &number);
	IFC_SET(create_xrc_srq_out, cmd->out, xrc_srqn, number);
	return status;
}

enum cmd_status xrc_srq_destroy(struct dev *dev, const struct cmd *cmd)
{
	return srq_remove(dev, IFC_GET(destroy_xrc_srq_in, cmd->in, xrc_srqn), SRQ_XRC);
}

enum cmd_status xrc_srq_query(struct dev *dev, const struct cmd *cmd)
{
	struct srq *srq = srq_of_kind(dev, IFC_GET(query_xrc_srq_in, cmd->in, xrc_srqn), SRQ_XRC);
	uint8_t *context = IFC_AT(query_xrc_srq_out, cmd->out, xrc_srq_context_entry);

	if (!srq)
		return CMD_BAD_RESOURCE;
	memcpy(context, srq->context, IFC_SIZE(xrc_srqc));
	IFC_SET(xrc_srqc, context, lwm, srq->limit);
	return CMD_OK;
}

enum cmd_status xrc_srq_arm(struct dev *dev, const struct cmd *cmd)
{
	return srq_set_limit(dev,
			     srq_of_kind(dev, IFC_GET(arm_xrc_srq_in, cmd->in, xrc_srqn), SRQ_XRC),
			     IFC_GET(arm_xrc_srq_in, cmd->in, lwm));
}
