// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/job.h"

#include "cmd/eq.h"
#include "data/fault.h"
#include "data/recv.h"
#include "fabric/fabric.h"

#define JOB_POLL_NS 500000u
#define JOB_TIMEOUT_MAX_NS 500000000u
#define JOB_RNR_FOREVER 7
#define JOB_PAUSE 8
#define JOB_NAK_MAX_NS 2000000u  /* for page faults: many of them would make a run long */

enum job_result job_failed(struct job *job, enum syndrome syndrome)
{
	job->syndrome = syndrome;
	return JOB_FAILED;
}

static enum fault_use job_use(const struct job *job)
{
	switch (job->wqe.opcode) {
	case WQE_WRITE:
	case WQE_WRITE_IMM:
		return FAULT_USE_WRITE;
	case WQE_READ:
		return FAULT_USE_READ;
	case WQE_COMPARE_SWAP:
	case WQE_FETCH_ADD:
		return FAULT_USE_ATOMIC;
	case WQE_MMO:
		return FAULT_USE_MMO;
	}
	return FAULT_USE_SEND;
}

static enum job_result job_fault_local(struct job *job, struct fault *fault)
{
	bool reads = job_use(job) == FAULT_USE_READ || job_use(job) == FAULT_USE_ATOMIC;

	fault->side = FAULT_LOCAL;
	fault->use = job_use(job);
	fault->committed = job->skip;
	fault->wq = reads ? FAULT_WQ_READ : FAULT_WQ_REQUESTER;
	fault->wq_number = job->qp->number;
	fault->wqe_index = job->wqe.index;
	return fault_raise(job->dev, job->qp, job->dev, fault) ?
		       JOB_WAIT :
		       job_failed(job, SYNDROME_LOCAL_PROTECTION);
}

enum job_result job_local_range(struct job *job, const struct wqe_segment *segment, uint64_t from,
				uint64_t to, bool write, struct sg *sg)
{
	struct xlate_origin origin = qp_origin(job->qp);
	struct fault fault = { .packet = job->total - segment->length + to - job->skip };

	if (segment->inline_data)
		return !write && sg_add(sg, (uint8_t *)(uintptr_t)segment->inline_data + from,
					to - from) ?
			       JOB_DONE :
			       job_failed(job, SYNDROME_LOCAL_OPERATION);
	switch (xlate(job->dev, &origin, segment->key, segment->address + from, to - from,
		      write ? XLATE_LOCAL_WRITE : XLATE_LOCAL_READ, sg, &fault.miss)) {
	case XLATE_OK:
		return JOB_DONE;
	case XLATE_FAULT:
		return job_fault_local(job, &fault);
	case XLATE_DENIED:
		break;
	}
	return job_failed(job, SYNDROME_LOCAL_PROTECTION);
}

enum job_result job_local(struct job *job, bool write)
{
	uint64_t end = job->chunk < UINT64_MAX - job->skip ? job->skip + job->chunk : UINT64_MAX;
	struct wqe *wqe = &job->wqe;
	struct wqe_segment segment;
	enum job_result result;

	job->total = 0;
	while (wqe_next_segment(wqe->data, wqe->length, &wqe->offset, &segment)) {
		uint64_t at = job->total, from = 0, to = segment.length;

		if (at + segment.length > DEV_MAX_MSG)
			return job_failed(job, SYNDROME_LOCAL_LENGTH);
		job->total += segment.length;
		if (at < job->skip)
			from = job->skip - at < to ? job->skip - at : to;
		if (at + to > end)
			to = end > at ? end - at : 0;
		if (from >= to && segment.length)
			continue;
		result = job_local_range(job, &segment, from, to, write, &job->local);
		if (result != JOB_DONE)
			return result;
	}
	/* a segment that the WQE cuts off */
	return wqe->offset == wqe->length ? JOB_DONE : job_failed(job, SYNDROME_LOCAL_OPERATION);
}

bool job_is_last(const struct job *job)
{
	return job->skip + job->local.length >= job->total;
}

enum job_result job_commit(struct job *job)
{
	job->qp->committed = job->skip + job->local.length;
	job->qp->retries = 0;
	job->qp->rnr_retries = 0;
	return JOB_MORE;
}

enum job_result job_refused(struct job *job, enum syndrome syndrome)
{
	if (job->qp->service == QP_UC)
		return JOB_DONE;
	if (job->qp->service == QP_DCI)
		return job_failed(job, syndrome);
	eq_object_event(job->peer_dev,
			syndrome == SYNDROME_REMOTE_INVALID ? EVENT_QP_REQUEST_ERROR :
							      EVENT_QP_ACCESS_ERROR,
			job->peer->number);
	qp_fail(job->peer_dev, job->peer);
	return job_failed(job, syndrome);
}

static bool job_peer_allows(const struct job *job, enum xlate_access access)
{
	const uint8_t *c = job->peer->context;

	switch (access) {
	case XLATE_REMOTE_READ:
		return IFC_GET(qpc, c, rre);
	case XLATE_REMOTE_WRITE:
		return IFC_GET(qpc, c, rwe);
	case XLATE_ATOMIC:
		return IFC_GET(qpc, c, rae);
	default:
		return false;
	}
}

/* The next attempt after a long one waits several times as long, however short the timer is */
static enum job_result job_stall(struct job *job, enum stall stall, uint64_t ns)
{
	uint64_t now = dev_now(), least = (now - job->start) * JOB_PAUSE;

	job->qp->stall = stall;
	job->qp->wake = now + (ns > least ? ns : least);
	if (stall == STALL_RNR)
		job->qp->rnr_retries++;
	else
		job->qp->retries++;
	qp_wait(job->dev, job->qp);
	return JOB_WAIT;
}

/* Encoding of the minimal RNR timer, in units of 10 us */
static const uint32_t job_rnr_timer[32] = {
	65536, 1,   2,	 3,   4,   6,	8,    12,   16,	  24,	32,   48,   64,	  96,	128,   192,
	256,   384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152,
};

/* The responder requests a later retry; fails once the retries are exceeded */
static enum job_result job_nak(struct job *job, const struct qp *responder, uint64_t most)
{
	unsigned int retry = IFC_GET(qpc, job->qp->context, rnr_retry);
	uint64_t ns = job_rnr_timer[IFC_GET(qpc, responder->context, min_rnr_nak)] * 10000ull;

	if (retry != JOB_RNR_FOREVER && job->qp->rnr_retries >= retry)
		return job_failed(job, SYNDROME_RNR_RETRY);
	return job_stall(job, STALL_RNR, ns < most ? ns : most);
}

enum job_result job_fault_pending(struct job *job)
{
	const struct qp *responder = NULL;
	enum job_result result;

	if (job->qp->fault_side != FAULT_LOCAL)
		responder = job_find_peer(job, job->qp->fault_lid, job->qp->fault_peer);
	result = responder ? job_nak(job, responder, JOB_NAK_MAX_NS) : job_no_answer(job);
	if (result == JOB_FAILED)
		fault_drop(job->dev, job->qp);
	else
		job->dev->stats.page_faults_naks++;
	return result;
}

/* A page fault stops the responder. It may send an RNR NAK if retries are left. */
static bool job_fault_remote(struct job *job, const struct fault *fault)
{
	if (!fault_raise(job->dev, job->qp, job->peer_dev, fault))
		return false;
	if (qp_is_reliable(job->qp) && dev_fault_random(job->dev, 2) &&
	    job_nak(job, job->peer, JOB_NAK_MAX_NS) == JOB_WAIT)
		job->dev->stats.page_faults_naks++;
	return true;
}

struct xlate_origin job_peer_origin(const struct job *job)
{
	struct xlate_origin origin = qp_origin(job->peer);
	const struct srq *srq = table_get(&job->peer_dev->srqs, job->xrc_srqn);

	/* an XRC target acts for the SRQ's owner */
	if (srq)
		origin.pd = srq->pd;
	return origin;
}

enum job_result job_remote(struct job *job, uint32_t key, uint64_t address,
			   enum xlate_access access)
{
	struct xlate_origin origin = job_peer_origin(job);
	struct fault fault = {
		.side = FAULT_REMOTE,
		.use = job_use(job),
		.committed = job->skip,
		.packet = job->local.length,
		.peer = job->peer->number,
		.key = key,
		.address = address,
		.length = job->total,
		.write = access != XLATE_REMOTE_READ,
	};

	if (!job_peer_allows(job, access) || (access == XLATE_ATOMIC && address % job->total))
		return job_refused(job, SYNDROME_REMOTE_INVALID);
	if (job->total > UINT64_MAX - address)
		return job_refused(job, SYNDROME_REMOTE_ACCESS);
	switch (xlate(job->peer_dev, &origin, key, address + job->skip, job->local.length, access,
		      &job->remote, &fault.miss)) {
	case XLATE_OK:
		return JOB_DONE;
	case XLATE_FAULT:
		if (job_fault_remote(job, &fault))
			return JOB_WAIT;
		break;
	case XLATE_DENIED:
		break;
	}
	return job_refused(job, SYNDROME_REMOTE_ACCESS);
}

enum job_result job_no_answer(struct job *job)
{
	const uint8_t *c = job->qp->context;
	unsigned int timeout = IFC_GET(qpc, c, primary_address_path.ack_timeout);
	uint64_t ns = (4096ull << timeout) * (IFC_GET(qpc, c, retry_count) + 1);

	if (job->qp->service == QP_UC)
		return JOB_DONE;
	/* without a timeout, only the driver's answer ends the wait */
	if (!timeout)
		return job_stall(job, STALL_TIMEOUT, JOB_TIMEOUT_MAX_NS / 10);
	if (job->qp->retries)
		return job_failed(job, SYNDROME_RETRY);
	return job_stall(job, STALL_TIMEOUT, ns < JOB_TIMEOUT_MAX_NS ? ns : JOB_TIMEOUT_MAX_NS);
}

enum job_result job_not_ready(struct job *job)
{
	if (job->qp->service == QP_UC)
		return JOB_DONE;
	job->dev->stats.rnr_waits++;
	if (IFC_GET(qpc, job->qp->context, rnr_retry) == JOB_RNR_FOREVER)
		return job_stall(job, STALL_RNR, JOB_POLL_NS);
	return job_nak(job, job->peer, UINT64_MAX);
}

enum job_result job_receive(struct job *job, uint64_t skip, uint64_t length)
{
	struct fault fault = { 0 };

	switch (recv_prepare(job->peer_dev, job->peer, job->receive, job->xrc_srqn, skip, length,
			     &job->remote, &fault)) {
	case RECV_OK:
		return JOB_DONE;
	case RECV_NONE:
		return job_not_ready(job);
	case RECV_SHORT:
		recv_fail(job->peer_dev, job->peer, job->receive, SYNDROME_LOCAL_LENGTH);
		return job->qp->service == QP_UC ? JOB_DONE :
						   job_failed(job, SYNDROME_REMOTE_INVALID);
	case RECV_FAULT:
		if (job_fault_remote(job, &fault))
			return JOB_WAIT;
		break;
	case RECV_DENIED:
		break;
	}
	recv_fail(job->peer_dev, job->peer, job->receive, SYNDROME_LOCAL_PROTECTION);
	return job->qp->service == QP_UC ? JOB_DONE : job_failed(job, SYNDROME_REMOTE_OPERATION);
}

struct qp *job_find_peer(struct job *job, unsigned int lid, uint32_t qpn)
{
	job->peer_dev = fabric_find(job->dev->fabric, lid);
	job->peer = job->peer_dev ? table_get(&job->peer_dev->qps, qpn) : NULL;
	job->receive = NULL;
	if (job->peer)
		job->receive = job->qp->service == QP_DCI ? &job->qp->receive :
							    &job->peer->receive;
	return job->peer;
}

/* Only a requester that expects an answer learns that the responder failed */
static enum job_result job_failed_there(struct job *job, enum syndrome syndrome)
{
	return qp_is_reliable(job->qp) ? job_failed(job, syndrome) : JOB_DONE;
}

enum job_result job_fault_failed(struct job *job)
{
	switch (job->qp->fault_side) {
	case FAULT_REMOTE:
		if (job_find_peer(job, job->qp->fault_lid, job->qp->fault_peer))
			return job_refused(job, SYNDROME_REMOTE_ACCESS);
		return job_failed_there(job, SYNDROME_REMOTE_ACCESS);
	case FAULT_RECEIVE:
		if (job_find_peer(job, job->qp->fault_lid, job->qp->fault_peer))
			recv_fail(job->peer_dev, job->peer, job->receive,
				  SYNDROME_LOCAL_PROTECTION);
		return job_failed_there(job, SYNDROME_REMOTE_OPERATION);
	case FAULT_LOCAL:
		break;
	}
	return job_failed(job, SYNDROME_LOCAL_PROTECTION);
}

void job_moved(const struct job *job, bool to_peer, uint64_t bytes)
{
	struct stats *near = &job->dev->stats, *far = &job->peer_dev->stats;

	if (job->dev == job->peer_dev)
		return;
	*(to_peer ? &near->bytes_out : &near->bytes_in) += bytes;
	*(to_peer ? &far->bytes_in : &far->bytes_out) += bytes;
}
