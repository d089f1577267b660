// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Connected queue pairs: RC, UC and XRC, and DC, whose initiators connect by themselves. */
#include "data/job.h"

#include "cmd/port.h"
#include "data/dc.h"
#include "data/recv.h"
#include "data/umr.h"

#define RADDR_SEGMENT 16
#define ATOMIC_SEGMENT 16
#define ATOMIC_SIZE 8
#define XRC_SEGMENT 16

/* True if each of the two is connected to the other, by LID and number */
static bool rc_connected(const struct job *job)
{
	const uint8_t *near = job->qp->context, *far = job->peer->context;

	return job->peer->service == job->qp->service && qp_receives(job->peer) &&
	       IFC_GET(qpc, far, remote_qpn) == job->qp->number &&
	       IFC_GET(qpc, far, primary_address_path.rlid) == job->dev->lid &&
	       (!IFC_GET(qpc, near, primary_address_path.grh) ||
		port_has_gid(job->peer_dev,
			     IFC_AT_CONST(qpc, near, primary_address_path.rgid_rip)));
}

/*
 * An XRC request is for an SRQ of the responder's XRC domain: it uses the memory of the SRQ's owner.
 * Applications can name the domains of others, as the driver makes and shares them. So an
 * application's responder reaches only its own SRQs; those that the driver makes reach all. An SRQ
 * that is not for XRC has a completion queue of the driver.
 */
static bool rc_reaches_srq(const struct job *job)
{
	const struct dev *dev = job->peer_dev;
	const struct srq *srq = table_get(&dev->srqs, job->xrc_srqn);
	uint16_t owner, responder = dev->qps.owners[job->peer->number];

	if (!srq || srq->xrcd != IFC_GET(qpc, job->peer->context, xrcd))
		return false;
	owner = dev->srqs.owners[srq->number];
	return (table_is_driver(responder) || responder == owner) &&
	       (table_is_driver(owner) ||
		(table_get(&dev->cqs, srq->cqn) && dev->cqs.owners[srq->cqn] == owner));
}

static enum job_result rc_find_peer(struct job *job)
{
	const uint8_t *c = job->qp->context;

	if (job->qp->service == QP_DCI)
		return dc_find_target(job);
	if (!job_find_peer(job, IFC_GET(qpc, c, primary_address_path.rlid),
			   IFC_GET(qpc, c, remote_qpn)) ||
	    !rc_connected(job)) {
		job->peer = NULL;
		return job_no_answer(job);
	}
	if (job->qp->service == QP_XRC && !rc_reaches_srq(job))
		return job_refused(job, SYNDROME_REMOTE_INVALID);
	return JOB_DONE;
}

static void rc_receive_completion(struct job *job, enum cqe_opcode opcode, uint64_t length)
{
	struct completion completion = {
		.opcode = opcode,
		.byte_count = length,
		.immediate = job->wqe.immediate,
		.flags_source = job->qp->number,
		.source_lid = job->dev->lid,
		.solicited = job->wqe.solicited,
	};

	recv_complete(job->peer_dev, job->peer, job->receive, &completion);
}

static enum job_result rc_send(struct job *job)
{
	static const struct {
		uint8_t wqe;
		enum cqe_opcode cqe;
	} opcodes[] = {
		{ WQE_SEND_IMM, CQE_RECEIVE_SEND_IMM },
		{ WQE_SEND_INVALIDATE, CQE_RECEIVE_SEND_INVALIDATE },
		{ WQE_SEND, CQE_RECEIVE_SEND },
	};
	struct xlate_origin origin;
	enum job_result result = job_local(job, false);
	size_t i;

	if (result == JOB_DONE)
		result = rc_find_peer(job);
	if (result != JOB_DONE || !job->peer)
		return result;
	result = job_receive(job, job->skip, job->local.length);
	if (result != JOB_DONE || !job->receive->held)
		return result;
	origin = job_peer_origin(job);
	if (job_is_last(job) && job->wqe.opcode == WQE_SEND_INVALIDATE &&
	    !umr_invalidate(job->peer_dev, &origin, job->wqe.immediate)) {
		recv_fail(job->peer_dev, job->peer, job->receive, SYNDROME_LOCAL_OPERATION);
		return job_failed(job, SYNDROME_REMOTE_OPERATION);
	}
	sg_copy(&job->remote, 0, &job->local);
	job->dev->stats.bytes_sent += job->local.length;
	job_moved(job, true, job->local.length);
	if (!job_is_last(job))
		return job_commit(job);
	for (i = 0; opcodes[i].wqe != job->wqe.opcode; i++)
		;
	rc_receive_completion(job, opcodes[i].cqe, job->total);
	return JOB_DONE;
}

static enum job_result rc_write(struct job *job)
{
	const uint8_t *raddr = wqe_take(&job->wqe, RADDR_SEGMENT);
	bool immediate = job->wqe.opcode == WQE_WRITE_IMM;
	struct sg target;
	enum job_result result;

	if (!raddr)
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	result = job_local(job, false);
	if (result == JOB_DONE)
		result = rc_find_peer(job);
	if (result != JOB_DONE || !job->peer)
		return result;
	if (job->local.length)
		result = job_remote(job, get_be32(raddr + 8), get_be64(raddr), XLATE_REMOTE_WRITE);
	if (result != JOB_DONE || job->remote.length != job->local.length)
		return result;
	if (immediate && job_is_last(job)) {
		/* consumes a receive WQE, but does not use its memory */
		target = job->remote;
		memset(&job->remote, 0, sizeof(job->remote));
		result = job_receive(job, 0, 0);
		job->remote = target;
		if (result != JOB_DONE || !job->receive->held)
			return result;
	}
	sg_copy(&job->remote, 0, &job->local);
	job->dev->stats.bytes_written += job->local.length;
	job_moved(job, true, job->local.length);
	if (!job_is_last(job))
		return job_commit(job);
	if (immediate)
		rc_receive_completion(job, CQE_RECEIVE_WRITE_IMM, job->total);
	return JOB_DONE;
}

static enum job_result rc_read(struct job *job)
{
	const uint8_t *raddr = wqe_take(&job->wqe, RADDR_SEGMENT);
	enum job_result result;

	if (!raddr || job->qp->service == QP_UC)
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	result = job_local(job, true);
	if (result == JOB_DONE)
		result = rc_find_peer(job);
	if (result == JOB_DONE && job->local.length)
		result = job_remote(job, get_be32(raddr + 8), get_be64(raddr), XLATE_REMOTE_READ);
	if (result != JOB_DONE)
		return result;
	sg_copy(&job->local, 0, &job->remote);
	job->dev->stats.bytes_read += job->local.length;
	job_moved(job, false, job->local.length);
	job->byte_count = job->total;
	return job_is_last(job) ? JOB_DONE : job_commit(job);
}

/*
 * The value in the responder's memory is in host byte order, operands in the WQE are big-endian, and
 * so is the response in the requester's memory unless its driver chooses the host's order
 */
static enum job_result rc_atomic(struct job *job)
{
	const uint8_t *raddr = wqe_take(&job->wqe, RADDR_SEGMENT);
	const uint8_t *operands = wqe_take(&job->wqe, ATOMIC_SEGMENT);
	struct sg old = { 0 };
	uint64_t before = 0, after;
	enum job_result result;

	if (!raddr || !operands || job->qp->service == QP_UC)
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	result = job_local(job, true);
	if (result == JOB_DONE && job->local.length != ATOMIC_SIZE)
		return job_failed(job, SYNDROME_LOCAL_LENGTH);
	if (result == JOB_DONE)
		result = rc_find_peer(job);
	if (result == JOB_DONE)
		result = job_remote(job, get_be32(raddr + 8), get_be64(raddr), XLATE_ATOMIC);
	if (result != JOB_DONE)
		return result;
	sg_add(&old, (uint8_t *)&before, sizeof(before));
	sg_copy(&old, 0, &job->remote);
	sg_release(&old);
	after = le64toh(before);
	if (job->wqe.opcode == WQE_FETCH_ADD)
		after += get_be64(operands);
	else if (after == get_be64(operands + 8))
		after = get_be64(operands);
	after = htole64(after);
	if (!IFC_GET(atomic_caps, job->dev->caps_atomic, atomic_req_8B_endianness_mode))
		before = htobe64(le64toh(before));
	sg_put(&job->remote, 0, &after, sizeof(after));
	sg_put(&job->local, 0, &before, sizeof(before));
	job->dev->stats.atomics++;
	job_moved(job, false, ATOMIC_SIZE);
	job->byte_count = ATOMIC_SIZE;
	return JOB_DONE;
}

static enum job_result rc_umr(struct job *job)
{
	struct xlate_origin origin = qp_origin(job->qp);
	struct xlate_miss miss;

	/* the list of a UMR is in pinned memory: report an error, not a page fault */
	if (umr_execute(job->dev, &origin, job->wqe.immediate, job->wqe.data + job->wqe.offset,
			job->wqe.length - job->wqe.offset, &job->syndrome, &miss) == XLATE_OK)
		return JOB_DONE;
	return JOB_FAILED;
}

enum job_result rc_execute(struct job *job)
{
	const uint8_t *xrc;

	if (job->wqe.opcode == WQE_NOP)
		return JOB_DONE;
	if (job->wqe.opcode == WQE_UMR)
		return rc_umr(job);
	if (job->wqe.opcode == WQE_MMO)
		return mmo_execute(job);
	if (job->qp->service == QP_REG_UMR)
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	if (job->qp->service == QP_XRC) {
		xrc = wqe_take(&job->wqe, XRC_SEGMENT);
		if (!xrc)
			return job_failed(job, SYNDROME_LOCAL_OPERATION);
		job->xrc_srqn = get_be32(xrc) & 0xffffff;
	}
	if (job->qp->service == QP_DCI && !wqe_take_address(&job->wqe, &job->address))
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	switch (job->wqe.opcode) {
	case WQE_SEND:
	case WQE_SEND_IMM:
	case WQE_SEND_INVALIDATE:
		return rc_send(job);
	case WQE_WRITE:
	case WQE_WRITE_IMM:
		return rc_write(job);
	case WQE_READ:
		return rc_read(job);
	case WQE_COMPARE_SWAP:
	case WQE_FETCH_ADD:
		return rc_atomic(job);
	}
	return job_failed(job, SYNDROME_LOCAL_OPERATION);
}
