// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Queue pairs as objects: the commands on them. engine.c runs their work requests. */
#include "cmd/qp.h"

#include "base/caps.h"
#include "base/queue.h"
#include "cmd/eq.h"
#include "cmd/handler.h"
#include "cmd/multicast.h"
#include "cmd/umem.h"
#include "data/dc.h"
#include "data/fault.h"
#include "data/recv.h"

#include <stdlib.h>

#define QP_RQ_STRIDE_SHIFT_MIN 4
#define QP_DOORBELL_RECEIVE 0
#define QP_DOORBELL_SEND 4
#define QP_UNITS_MASK 0x3f /* of 16 bytes, in the second word of a WQE */

enum qp_rq_type { RQ_OWN = 0, RQ_SRQ = 1, RQ_NONE = 3 };

/* Optional parameters of the modify commands */
enum qp_optional {
	OPTIONAL_RRE = 1 << 1,
	OPTIONAL_RAE = 1 << 2,
	OPTIONAL_RWE = 1 << 3,
	OPTIONAL_PKEY_INDEX = 1 << 4,
	OPTIONAL_Q_KEY = 1 << 5,
	OPTIONAL_RNR_TIMEOUT = 1 << 6,
	OPTIONAL_PRIMARY_PATH = 1 << 7,
	OPTIONAL_SRA_MAX = 1 << 8,
	OPTIONAL_RRA_MAX = 1 << 9,
	OPTIONAL_PM_STATE = 1 << 10,
	OPTIONAL_RETRY_COUNT = 1 << 12,
	OPTIONAL_RNR_RETRY = 1 << 13,
	OPTIONAL_ACK_TIMEOUT = 1 << 14,
	OPTIONAL_PORT = 1 << 16,
};

struct xlate_origin qp_origin(const struct qp *qp)
{
	return (struct xlate_origin){
		.qpn = qp->number,
		.pd = qp->pd,
		.any_pd = qp->service == QP_REG_UMR,
		.kernel = IFC_GET(qpc, qp->context, fre),
	};
}

struct qp *qp_get(const struct dev *dev, uint32_t number)
{
	struct qp *qp = table_get(&dev->qps, number);

	return qp && qp->service != QP_DCT ? qp : NULL;
}

struct qp *qp_own(const struct dev *dev, uint32_t number)
{
	struct qp *qp = table_own(&dev->qps, number);

	return qp && qp->service != QP_DCT ? qp : NULL;
}

uint32_t qp_completion_resource(const struct dev *dev, const struct qp *qp, const struct srq *srq)
{
	if (!IFC_GET(cmd_hca_cap, dev->caps_general, cqe_version))
		return srq ? srq->number : 0;
	if (srq && srq->kind == SRQ_XRC)
		return srq->user_index;
	return IFC_GET(qpc, qp->context, user_index);
}

void qp_schedule(struct dev *dev, struct qp *qp)
{
	if (qp->ready)
		return;
	qp->ready = true;
	qp->next = NULL;
	if (dev->run_last)
		dev->run_last->next = qp;
	else
		dev->run_first = qp;
	dev->run_last = qp;
}

static void qp_unschedule(struct dev *dev, struct qp *qp)
{
	struct qp **link = &dev->run_first, *last = NULL;

	if (!qp->ready)
		return;
	for (; *link && *link != qp; link = &(*link)->next)
		last = *link;
	*link = qp->next;
	if (dev->run_last == qp)
		dev->run_last = last;
	qp->ready = false;
}

void qp_wait(struct dev *dev, struct qp *qp)
{
	if (qp->waiting)
		return;
	qp->waiting = true;
	qp->next_waiting = dev->waiting;
	dev->waiting = qp;
}

static void qp_forget(struct dev *dev, struct qp *qp)
{
	struct qp **link = &dev->waiting;

	if (!qp->waiting)
		return;
	while (*link != qp)
		link = &(*link)->next_waiting;
	*link = qp->next_waiting;
	qp->waiting = false;
}

bool qp_posted(struct dev *dev, const struct qp *qp, bool send, uint16_t *count)
{
	uint32_t producer;
	uint64_t record = qp->doorbell + (send ? QP_DOORBELL_SEND : QP_DOORBELL_RECEIVE);

	*count = 0;
	if (send ? !qp->has_sq : !qp->has_rq)
		return true;
	if (send && qp->sq_by_doorbell) {
		*count = qp->sq_posted - qp->sq_head;
		return *count <= 1u << qp->log_sq_size;
	}
	if (!guest_read_be32(&dev->guest, record, &producer)) {
		dev_bad_dma(dev, record);
		return false;
	}
	*count = (uint16_t)producer - (send ? qp->sq_head : qp->rq_head);
	return *count <= 1u << (send ? qp->log_sq_size : qp->log_rq_size);
}

static void qp_set_state(struct dev *dev, struct qp *qp, unsigned int state)
{
	qp->state = state;
	IFC_SET(qpc, qp->context, state, state);
	if (state == QP_RTS || state == QP_ERROR)
		qp_schedule(dev, qp);
	if (state == QP_ERROR)
		qp_wait(dev, qp);
}

static void qp_drop_faults(struct dev *dev, struct qp *qp)
{
	fault_drop(dev, qp);
	fault_drop_peers(dev, qp->number);
}

void qp_fail(struct dev *dev, struct qp *qp)
{
	/* a DC target has no such state: it serves other initiators */
	if (qp->state == QP_ERROR || qp->service == QP_DCT)
		return;
	trace(dev, "QP %#x: error state", qp->number);
	qp_drop_faults(dev, qp);
	qp_set_state(dev, qp, QP_ERROR);
	dc_abandon(dev, qp);
	if (qp->service == QP_DCI)
		return;
	recv_flush_held(dev, qp);
	if (qp->srqn)
		eq_object_event(dev, EVENT_SRQ_LAST_WQE, qp->number);
}

static void qp_reset(struct dev *dev, struct qp *qp)
{
	qp_drop_faults(dev, qp);
	dc_abandon(dev, qp);
	qp_unschedule(dev, qp);
	qp_set_state(dev, qp, QP_RESET);
	qp->sq_head = 0;
	qp->sq_posted = 0;
	qp->committed = 0;
	qp->rq_head = 0;
	qp->receive.held = false;
	qp->retries = 0;
	qp->rnr_retries = 0;
	qp->errored_count = 0;
	qp->mmo = false;
}

void qp_doorbell(struct dev *dev, uint32_t uar, uint32_t number)
{
	struct qp *qp = qp_get(dev, number);

	if (qp && qp->uar != uar) {
		strict_report(dev, "doorbell of QP %#x through UAR page %u, its own is %u", number,
			      uar, qp->uar);
		return;
	}
	if (qp && (qp->state == QP_RTS || qp->state == QP_ERROR))
		qp_schedule(dev, qp);
}

/* A WQE that is not in the free part of the queue, or for which the queue is in use, is not posted */
void qp_doorbell_wqe(struct dev *dev, uint32_t uar, const uint8_t *value)
{
	uint32_t number = get_be32(value + 4) >> 8, index = get_be32(value) >> 8 & 0xffff;
	uint16_t producer = index + (value[7] & QP_UNITS_MASK) / 4 + !!(value[7] & 3);
	struct qp *qp = qp_get(dev, number);

	if (!qp)
		return;
	if (!qp->sq_by_doorbell || (uint16_t)(producer - qp->sq_head) > 1u << qp->log_sq_size ||
	    (uint16_t)(producer - qp->sq_head) < (uint16_t)(qp->sq_posted - qp->sq_head)) {
		strict_report(dev, "doorbell of QP %#x with WQE %#x, which it cannot have", number,
			      index);
		return;
	}
	if (qp->uar == uar)
		qp->sq_posted = producer;
	qp_doorbell(dev, uar, number);
}

void qp_release(void *object)
{
	struct qp *qp = object;

	queue_release(&qp->queue);
	free(qp->dct);
	free(qp);
}

/* Receive queue first, then the send queue */
static void qp_set_sizes(struct qp *qp)
{
	unsigned int type = IFC_GET(qpc, qp->context, rq_type);

	qp->has_rq = type == RQ_OWN;
	qp->srqn = type == RQ_SRQ ? IFC_GET(qpc, qp->context, srqn_rmpn_xrqn) : 0;
	qp->log_rq_size = IFC_GET(qpc, qp->context, log_rq_size);
	qp->rq_stride_shift = IFC_GET(qpc, qp->context, log_rq_stride) + QP_RQ_STRIDE_SHIFT_MIN;
	qp->has_sq = !IFC_GET(qpc, qp->context, no_sq);
	qp->log_sq_size = IFC_GET(qpc, qp->context, log_sq_size);
	qp->sq_offset = qp->has_rq ? 1ull << (qp->log_rq_size + qp->rq_stride_shift) : 0;
}

/*
 * An application has neither QP0 nor QP1, nor the queue pair for UMRs of the keys of all protection
 * domains. The driver passes on the service that an application's command names.
 */
static bool qp_service_valid(const struct dev *dev, unsigned int service)
{
	switch (service) {
	case QP_RC:
	case QP_UC:
	case QP_UD:
	case QP_XRC:
	case QP_DCI:
		return true;
	case QP_MANAGEMENT:
	case QP_GENERAL:
	case QP_REG_UMR:
		return table_is_driver(dev->context);
	}
	return false;
}

/* Offset in a QP context that its layout calls reserved: the umem of the doorbell record */
#define QPC_DOORBELL_UMEM_ID (0x720 / 8)

/* and how the send queue is rung, whose lower bit is set if doorbells name the WQEs */
#define QPC_DOORBELL_MODE 0x80
#define QPC_DOORBELL_MODE_WIDTH 2
#define DOORBELL_WITH_RECORD 0
#define DOORBELL_WITHOUT_RECORD 1

const struct reserved_used qp_umem_fields[] = {
	{ IFC_BIT(create_qp_in, qpc) + QPC_DOORBELL_MODE, QPC_DOORBELL_MODE_WIDTH,
	  IFC_BIT(create_qp_in, qpc) + QPC_DOORBELL_MODE + 1 },
	{ IFC_BIT(create_qp_in, qpc) + QPC_DOORBELL_UMEM_ID * 8, 32,
	  IFC_BIT(create_qp_in, qpc.dbr_umem_valid) },
	{ 0, 0, 0 },
};

static bool qp_set_queue(struct dev *dev, struct qp *qp, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_qp_in, cmd->in, qpc);
	size_t pages_length;
	const uint8_t *pages = CMD_TAIL(cmd, create_qp_in, pas, &pages_length);
	uint64_t size = qp->sq_offset;

	if (qp->has_sq)
		size += 1ull << (qp->log_sq_size + QP_BLOCK_SHIFT);
	if (IFC_GET(create_qp_in, cmd->in, wq_umem_valid)) {
		qp->umem = IFC_GET(create_qp_in, cmd->in, wq_umem_id);
		return umem_queue(dev, qp->umem, IFC_GET(create_qp_in, cmd->in, wq_umem_offset),
				  size, false, &qp->queue);
	}
	return queue_init(&qp->queue, pages, pages_length, IFC_GET(qpc, context, log_page_size),
			  IFC_GET(qpc, context, page_offset), size);
}

/*
 * The queues that it completes to and receives from. The driver lends its own to an application's
 * queue pairs only if these do not use them (devr of mlx5_ib): XRC has a completion queue by SRQ, and
 * its initiators and those of DC receive nothing.
 */
static bool qp_has_queues(const struct dev *dev, const uint8_t *context)
{
	uint32_t send = IFC_GET(qpc, context, cqn_snd), receive = IFC_GET(qpc, context, cqn_rcv);
	uint32_t srq = IFC_GET(qpc, context, srqn_rmpn_xrqn);
	bool xrc = IFC_GET(qpc, context, st) == QP_XRC;
	bool lent = xrc || IFC_GET(qpc, context, st) == QP_DCI;

	return (!send || table_own(&dev->cqs, send)) &&
	       (!receive || (xrc ? table_refer : table_own)(&dev->cqs, receive)) &&
	       (IFC_GET(qpc, context, rq_type) != RQ_SRQ ||
		(lent ? table_refer : table_own)(&dev->srqs, srq));
}

/* Only a send queue has doorbells: without one, a queue pair need not name a UAR page */
static bool qp_has_uar(const struct dev *dev, const uint8_t *context)
{
	uint32_t uar = IFC_GET(qpc, context, uar_page);

	return (!uar && IFC_GET(qpc, context, no_sq)) || table_own(&dev->uars, uar);
}

/* True if the context may refer to all objects that it names */
static bool qp_refers_well(const struct dev *dev, const uint8_t *context)
{
	unsigned int service = IFC_GET(qpc, context, st);

	/* the driver's own queue for UMRs has no protection domain */
	return (service == QP_REG_UMR || table_own(&dev->pds, IFC_GET(qpc, context, pd))) &&
	       qp_has_uar(dev, context) &&
	       qp_has_queues(dev, context) &&
	       (service != QP_XRC || table_refer(&dev->xrcds, IFC_GET(qpc, context, xrcd)));
}

/* Sets how the send queue is rung; false if this is not announced */
static bool qp_set_doorbell_mode(const struct dev *dev, struct qp *qp)
{
	switch (ifc_get(qp->context, QPC_DOORBELL_MODE, QPC_DOORBELL_MODE_WIDTH)) {
	case DOORBELL_WITH_RECORD:
		return true;
	case DOORBELL_WITHOUT_RECORD:
		qp->sq_by_doorbell = true;
		return ifc_get(dev->caps_general_2, CAPS_2_NO_RECORD_BIT, 1);
	}
	return false;
}

/* Only a DC initiator has streams; it does not have a receive queue */
static bool qp_streams_valid(const uint8_t *context)
{
	unsigned int channels = IFC_GET(qpc, context, log_num_dci_stream_channels);
	unsigned int errored = IFC_GET(qpc, context, log_num_dci_errored_streams);

	if (IFC_GET(qpc, context, st) != QP_DCI)
		return !channels && !errored;
	return channels <= CAPS_LOG_MAX_STREAMS && errored <= CAPS_LOG_MAX_ERRORED &&
	       IFC_GET(qpc, context, rq_type) != RQ_OWN;
}

enum cmd_status qp_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_qp_in, cmd->in, qpc);
	struct qp *qp;
	bool placed;

	if (!qp_service_valid(dev, IFC_GET(qpc, context, st)) || !qp_streams_valid(context))
		return CMD_BAD_PARAM;
	/* "fast registration enabled": the kernel says so of all of its own queue pairs */
	if (IFC_GET(qpc, context, fre) && IFC_GET(create_qp_in, cmd->in, uid))
		return CMD_BAD_PARAM;
	if (!qp_refers_well(dev, context))
		return CMD_BAD_RESOURCE;
	qp = calloc(1, sizeof(*qp));
	if (!qp)
		return CMD_NO_RESOURCES;
	memcpy(qp->context, context, sizeof(qp->context));
	IFC_SET(qpc, qp->context, state, QP_RESET);
	qp->service = IFC_GET(qpc, context, st);
	qp->uar = IFC_GET(qpc, context, uar_page);
	qp->pd = IFC_GET(qpc, context, pd);
	qp->doorbell = IFC_GET(qpc, context, dbr_addr);
	qp->streams = IFC_GET(qpc, context, log_num_dci_stream_channels);
	qp->errored_max = 1u << IFC_GET(qpc, context, log_num_dci_errored_streams);
	qp_set_sizes(qp);
	placed = qp_set_doorbell_mode(dev, qp) && qp_set_queue(dev, qp, cmd);
	if (placed && IFC_GET(qpc, context, dbr_umem_valid)) {
		qp->doorbell_umem = get_be32(context + QPC_DOORBELL_UMEM_ID);
		placed = umem_doorbell(dev, qp->doorbell_umem, &qp->doorbell);
	}
	if (!placed) {
		qp_release(qp);
		return CMD_BAD_PARAM;
	}
	qp->number = table_add(&dev->qps, qp);
	if (!qp->number) {
		qp_release(qp);
		return CMD_LIMIT;
	}
	IFC_SET(create_qp_out, cmd->out, qpn, qp->number);
	return CMD_OK;
}

enum cmd_status qp_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number = IFC_GET(destroy_qp_in, cmd->in, qpn);
	struct qp *qp = qp_own(dev, number);

	if (!qp)
		return CMD_BAD_RESOURCE;
	qp_reset(dev, qp);
	qp_forget(dev, qp);
	multicast_forget(dev, number);
	table_take(&dev->qps, number);
	qp_release(qp);
	return CMD_OK;
}

/* Stores the attributes that are required for the transition of the command */
static void qp_take_required(struct qp *qp, uint16_t opcode, const uint8_t *c)
{
	uint8_t *to = qp->context;

	switch (opcode) {
	case MLX5_CMD_OP_RST2INIT_QP:
		IFC_COPY(qpc, to, c, pm_state);
		IFC_COPY(qpc, to, c, log_msg_max);
		IFC_COPY(qpc, to, c, rre);
		IFC_COPY(qpc, to, c, rwe);
		IFC_COPY(qpc, to, c, rae);
		IFC_COPY(qpc, to, c, atomic_mode);
		IFC_COPY(qpc, to, c, q_key);
		IFC_COPY(qpc, to, c, primary_address_path.pkey_index);
		IFC_COPY(qpc, to, c, primary_address_path.vhca_port_num);
		break;
	case MLX5_CMD_OP_INIT2RTR_QP:
		memcpy(IFC_AT(qpc, to, primary_address_path),
		       IFC_AT_CONST(qpc, c, primary_address_path), IFC_SIZE(ads));
		IFC_COPY(qpc, to, c, mtu);
		IFC_COPY(qpc, to, c, log_msg_max);
		IFC_COPY(qpc, to, c, remote_qpn);
		IFC_COPY(qpc, to, c, next_rcv_psn);
		IFC_COPY(qpc, to, c, log_rra_max);
		IFC_COPY(qpc, to, c, min_rnr_nak);
		break;
	case MLX5_CMD_OP_RTR2RTS_QP:
		IFC_COPY(qpc, to, c, next_send_psn);
		IFC_COPY(qpc, to, c, log_sra_max);
		IFC_COPY(qpc, to, c, retry_count);
		IFC_COPY(qpc, to, c, rnr_retry);
		IFC_COPY(qpc, to, c, log_ack_req_freq);
		IFC_COPY(qpc, to, c, primary_address_path.ack_timeout);
		break;
	}
}

static void qp_take_optional(struct qp *qp, uint32_t mask, const uint8_t *c)
{
	uint8_t *to = qp->context;

#define OPTIONAL(bit, field)                           \
	do {                                           \
		if (mask & (bit))                      \
			IFC_COPY(qpc, to, c, field);   \
	} while (0)
	OPTIONAL(OPTIONAL_RRE, rre);
	OPTIONAL(OPTIONAL_RAE, rae);
	OPTIONAL(OPTIONAL_RAE, atomic_mode);
	OPTIONAL(OPTIONAL_RWE, rwe);
	OPTIONAL(OPTIONAL_PKEY_INDEX, primary_address_path.pkey_index);
	OPTIONAL(OPTIONAL_Q_KEY, q_key);
	OPTIONAL(OPTIONAL_RNR_TIMEOUT, min_rnr_nak);
	OPTIONAL(OPTIONAL_SRA_MAX, log_sra_max);
	OPTIONAL(OPTIONAL_RRA_MAX, log_rra_max);
	OPTIONAL(OPTIONAL_PM_STATE, pm_state);
	OPTIONAL(OPTIONAL_RETRY_COUNT, retry_count);
	OPTIONAL(OPTIONAL_RNR_RETRY, rnr_retry);
	OPTIONAL(OPTIONAL_ACK_TIMEOUT, primary_address_path.ack_timeout);
	OPTIONAL(OPTIONAL_PORT, primary_address_path.vhca_port_num);
#undef OPTIONAL
	if (mask & OPTIONAL_PRIMARY_PATH)
		memcpy(IFC_AT(qpc, to, primary_address_path),
		       IFC_AT_CONST(qpc, c, primary_address_path), IFC_SIZE(ads));
}

/* State before and after each command; -1: any */
static const struct {
	uint16_t opcode;
	int from;
	unsigned int to;
} qp_transitions[] = {
	{ MLX5_CMD_OP_RST2INIT_QP, QP_RESET, QP_INIT },
	{ MLX5_CMD_OP_INIT2INIT_QP, QP_INIT, QP_INIT },
	{ MLX5_CMD_OP_INIT2RTR_QP, QP_INIT, QP_RTR },
	{ MLX5_CMD_OP_RTR2RTS_QP, QP_RTR, QP_RTS },
	{ MLX5_CMD_OP_RTS2RTS_QP, QP_RTS, QP_RTS },
	{ MLX5_CMD_OP_2ERR_QP, -1, QP_ERROR },
	{ MLX5_CMD_OP_2RST_QP, -1, QP_RESET },
};

enum cmd_status qp_modify(struct dev *dev, const struct cmd *cmd)
{
	uint16_t opcode = IFC_GET(rst2init_qp_in, cmd->in, opcode);
	struct qp *qp = qp_own(dev, IFC_GET(rst2init_qp_in, cmd->in, qpn));
	const uint8_t *context;
	enum cmd_status status;
	size_t i;

	if (!qp)
		return CMD_BAD_RESOURCE;
	for (i = 0; qp_transitions[i].opcode != opcode; i++)
		;
	if (qp_transitions[i].from >= 0 && (unsigned int)qp_transitions[i].from != qp->state)
		return CMD_BAD_RESOURCE_STATE;
	switch (qp_transitions[i].to) {
	case QP_ERROR:
		qp_fail(dev, qp);
		return CMD_OK;
	case QP_RESET:
		qp_reset(dev, qp);
		return CMD_OK;
	}
	status = qp_extend(dev, qp, opcode, cmd);
	if (status != CMD_OK)
		return status;
	/* the other commands have one layout */
	context = IFC_AT_CONST(rst2init_qp_in, cmd->in, qpc);
	qp_take_required(qp, opcode, context);
	qp_take_optional(qp, IFC_GET(rst2init_qp_in, cmd->in, opt_param_mask), context);
	qp_set_state(dev, qp, qp_transitions[i].to);
	return CMD_OK;
}

enum cmd_status qp_query(struct dev *dev, const struct cmd *cmd)
{
	struct qp *qp = qp_own(dev, IFC_GET(query_qp_in, cmd->in, qpn));
	uint8_t *context = IFC_AT(query_qp_out, cmd->out, qpc);

	if (!qp)
		return CMD_BAD_RESOURCE;
	memcpy(context, qp->context, sizeof(qp->context));
	IFC_SET(qpc, context, hw_sq_wqebb_counter, qp->sq_head);
	IFC_SET(qpc, context, hw_rq_counter, qp->rq_head);
	return CMD_OK;
}
