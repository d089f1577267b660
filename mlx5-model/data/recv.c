// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/recv.h"

#include "base/queue.h"
#include "cmd/srq.h"
#include "data/wqe.h"

#define RECV_WQE_MAX 2048

static struct srq *recv_srq(struct dev *dev, const struct receive *receive)
{
	return table_get(&dev->srqs, receive->srqn);
}

/* Sets receive; returns false if nothing is posted */
static bool recv_take(struct dev *dev, struct qp *qp, struct receive *receive, uint32_t xrc_srqn)
{
	uint32_t srqn = qp->service == QP_XRC ? xrc_srqn : qp->srqn;
	struct srq *srq;
	uint16_t posted;

	if (receive->held) {
		if (!receive->srqn || recv_srq(dev, receive))
			return true;
		receive->held = false;
	}
	if (srqn) {
		srq = table_get(&dev->srqs, srqn);
		if (!srq || !srq_take(dev, srq, &receive->index))
			return false;
	} else {
		if (!qp_posted(dev, qp, false, &posted) || !posted)
			return false;
		receive->index = qp->rq_head;
	}
	receive->srqn = srqn;
	receive->held = true;
	return true;
}

/* Reads the data segments of the held WQE */
static bool recv_read(struct dev *dev, const struct qp *qp, const struct receive *receive,
		      uint8_t *wqe, size_t *length)
{
	const struct srq *srq = recv_srq(dev, receive);
	uint32_t slot;

	if (receive->srqn) {
		if (!srq || srq->stride_shift > 11)
			return false;
		*length = (1u << srq->stride_shift) - SRQ_WQE_NEXT;
		return queue_read(dev, &srq->queue,
				  ((uint64_t)receive->index << srq->stride_shift) + SRQ_WQE_NEXT,
				  wqe, *length);
	}
	slot = receive->index & ((1u << qp->log_rq_size) - 1);
	*length = 1u << qp->rq_stride_shift;
	return queue_read(dev, &qp->queue, (uint64_t)slot << qp->rq_stride_shift, wqe, *length);
}

static void recv_describe(const struct qp *qp, const struct receive *receive,
			  const struct srq *srq, struct fault *fault)
{
	fault->side = FAULT_RECEIVE;
	fault->wq = srq ? FAULT_WQ_SRQ : FAULT_WQ_RECEIVE;
	fault->wq_number = srq ? srq->number : qp->number;
	fault->wqe_index = receive->index;
	fault->peer = qp->number;
	fault->use = srq ? FAULT_USE_RECEIVE_SRQ : FAULT_USE_RECEIVE;
}

enum recv_result recv_prepare(struct dev *dev, struct qp *qp, struct receive *receive,
			      uint32_t xrc_srqn, uint64_t skip, uint64_t length, struct sg *sg,
			      struct fault *fault)
{
	uint64_t at = 0, end = skip + length;
	struct xlate_origin origin = qp_origin(qp);
	const struct srq *srq;
	uint8_t wqe[RECV_WQE_MAX];
	struct wqe_segment segment;
	size_t size, offset = 0;

	if (!recv_take(dev, qp, receive, xrc_srqn))
		return RECV_NONE;
	if (!recv_read(dev, qp, receive, wqe, &size))
		return RECV_DENIED;
	srq = recv_srq(dev, receive);
	if (srq)
		origin.pd = srq->pd;
	while (length && at < end && wqe_next_segment(wqe, size, &offset, &segment)) {
		uint64_t from = at < skip ? skip - at : 0;
		uint64_t to = segment.length < end - at ? segment.length : end - at;

		if (wqe_segment_ends_list(&segment))
			break;
		at += segment.length;
		if (segment.inline_data)
			return RECV_DENIED;
		if (from >= to)
			continue;
		switch (xlate(dev, &origin, segment.key, segment.address + from, to - from,
			      XLATE_LOCAL_WRITE, sg, &fault->miss)) {
		case XLATE_OK:
			break;
		case XLATE_FAULT:
			recv_describe(qp, receive, srq, fault);
			fault->committed = skip;
			fault->packet = at - segment.length + to - skip;
			return RECV_FAULT;
		case XLATE_DENIED:
			return RECV_DENIED;
		}
	}
	return length && at < end ? RECV_SHORT : RECV_OK;
}

static void recv_report(struct dev *dev, struct qp *qp, struct receive *receive,
			struct completion *completion)
{
	const struct srq *srq = recv_srq(dev, receive);
	uint32_t cqn = IFC_GET(qpc, qp->context, cqn_rcv);

	completion->qpn = qp->number;
	completion->wqe_counter = receive->index;
	completion->resource = qp_completion_resource(dev, qp, srq);
	if (receive->srqn) {
		if (srq && qp->service == QP_XRC)
			cqn = srq->cqn;
	} else {
		qp->rq_head++;
	}
	receive->held = false;
	cq_complete(dev, cqn, completion);
}

void recv_complete(struct dev *dev, struct qp *qp, struct receive *receive,
		   struct completion *completion)
{
	if (receive->held)
		recv_report(dev, qp, receive, completion);
}

void recv_error(struct dev *dev, struct qp *qp, struct receive *receive, enum syndrome syndrome)
{
	struct completion completion = { .opcode = CQE_RECEIVE_ERROR, .syndrome = syndrome };

	recv_complete(dev, qp, receive, &completion);
}

void recv_fail(struct dev *dev, struct qp *qp, struct receive *receive, enum syndrome syndrome)
{
	recv_error(dev, qp, receive, syndrome);
	qp_fail(dev, qp);
}

void recv_flush_held(struct dev *dev, struct qp *qp)
{
	/* a WQE of the queue pair's own queue is flushed with the others */
	if (qp->receive.srqn)
		recv_error(dev, qp, &qp->receive, SYNDROME_FLUSHED);
	qp->receive.held = false;
}

void recv_flush(struct dev *dev, struct qp *qp)
{
	struct completion completion = {
		.opcode = CQE_RECEIVE_ERROR,
		.syndrome = SYNDROME_FLUSHED,
	};
	struct receive receive = { 0 };
	uint16_t posted;

	if (!qp_posted(dev, qp, false, &posted))
		return;
	for (; posted; posted--) {
		receive.index = qp->rq_head;
		recv_report(dev, qp, &receive, &completion);
	}
}
