// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/engine.h"

#include "data/dc.h"
#include "data/job.h"
#include "data/recv.h"

/* WQEs in one turn of a queue pair; other queue pairs and messages from QEMU wait for its end */
#define ENGINE_BATCH 64
#define ENGINE_BATCH_BYTES (64u << 20)
#define ENGINE_PACKET 4096u
#define ENGINE_PACKETS_LOG 7
#define ENGINE_POLL_NS 2000000u

static void engine_advance(struct qp *qp, const struct wqe *wqe)
{
	qp->sq_head += wqe->blocks;
	qp->committed = 0;
	qp->retries = 0;
	qp->rnr_retries = 0;
}

static void engine_complete(struct job *job, enum cqe_opcode opcode)
{
	struct completion completion = {
		.opcode = opcode,
		.syndrome = job->syndrome,
		.qpn = job->qp->number,
		.wqe_opcode = job->wqe.opcode,
		.wqe_counter = job->wqe.index,
		.byte_count = job->byte_count,
		.resource = qp_completion_resource(job->dev, job->qp, NULL),
	};

	cq_complete(job->dev, IFC_GET(qpc, job->qp->context, cqn_snd), &completion);
}

/*
 * In the error state all posted WQEs complete, signaled or not. WQEs that a driver posts in the
 * meantime may complete only when the queue is polled again.
 */
static void engine_flush(struct dev *dev, struct qp *qp)
{
	struct job job = { .dev = dev, .qp = qp, .syndrome = SYNDROME_FLUSHED };
	unsigned int blocks = 0;
	uint16_t posted;

	recv_flush(dev, qp);
	while (blocks < 1u << qp->log_sq_size && qp_posted(dev, qp, true, &posted) && posted) {
		wqe_read(dev, qp, &job.wqe);
		if (job.wqe.blocks > posted)
			job.wqe.blocks = posted;
		engine_complete(&job, CQE_REQUESTER_ERROR);
		engine_advance(qp, &job.wqe);
		blocks += job.wqe.blocks;
	}
}

/* With a mix of page faults, a message of some packets is moved in several attempts */
static uint64_t engine_chunk(const struct job *job)
{
	const struct dev_options *options = &job->dev->options;

	if (!options->fault_seed || !qp_is_reliable(job->qp) ||
	    job->wqe.opcode == WQE_COMPARE_SWAP || job->wqe.opcode == WQE_FETCH_ADD ||
	    job->wqe.opcode == WQE_MMO)
		return UINT64_MAX;
	return ENGINE_PACKET << dev_fault_random(job->dev, ENGINE_PACKETS_LOG);
}

static enum job_result engine_execute(struct job *job)
{
	struct qp *qp = job->qp;

	if (qp->fault_pending)
		return job_fault_pending(job);
	if (qp->fault_failed) {
		qp->fault_failed = false;
		return job_fault_failed(job);
	}
	if (dc_stream_errored(qp, job->wqe.stream))
		return job_failed(job, SYNDROME_FLUSHED);
	job->skip = qp->committed;
	job->chunk = engine_chunk(job);
	return qp_is_datagram(qp) ? ud_execute(job) : rc_execute(job);
}

/* JOB_DONE or JOB_FAILED: the WQE at the head ended */
static enum job_result engine_step(struct dev *dev, struct qp *qp, uint16_t posted,
				   uint64_t *bytes)
{
	struct job job = { .dev = dev, .qp = qp, .start = dev_now() };
	bool readable = wqe_read(dev, qp, &job.wqe) && job.wqe.blocks <= posted;
	enum job_result result;

	/* the queue goes on after what is posted */
	if (job.wqe.blocks > posted)
		job.wqe.blocks = posted;
	if (!readable) {
		result = job_failed(&job, SYNDROME_LOCAL_OPERATION);
	} else {
		result = engine_execute(&job);
		if (result == JOB_DONE || result == JOB_FAILED)
			wqe_check(dev, qp, &job.wqe);
	}
	*bytes += job.local.length;
	sg_release(&job.local);
	sg_release(&job.remote);
	if (result == JOB_WAIT || result == JOB_MORE)
		return result;
	trace(dev, "QP %#x: WQE %#x opcode %#x: syndrome %#x", qp->number, job.wqe.index,
	      job.wqe.opcode, job.syndrome);
	dev->stats.wqes++;
	engine_advance(qp, &job.wqe);
	dc_abandon(dev, qp);
	if (result == JOB_FAILED) {
		engine_complete(&job, CQE_REQUESTER_ERROR);
		if (!readable || !dc_stream_fail(dev, qp, job.wqe.stream))
			qp_fail(dev, qp);
	} else if (job.wqe.signaled) {
		engine_complete(&job, CQE_REQUESTER);
	}
	return result;
}

bool engine_run(struct dev *dev, struct qp *qp)
{
	enum job_result result;
	uint64_t bytes = 0;
	unsigned int i;
	uint16_t posted;

	for (i = 0; i < ENGINE_BATCH && bytes < ENGINE_BATCH_BYTES && qp->state == QP_RTS &&
		    qp->stall == STALL_NONE;
	     i++) {
		if (!qp_posted(dev, qp, true, &posted)) {
			qp_fail(dev, qp);
			break;
		}
		if (!posted)
			return false;
		result = engine_step(dev, qp, posted, &bytes);
		/* let other work run before the rest of a message */
		if (result == JOB_WAIT || result == JOB_MORE)
			return result == JOB_MORE;
	}
	if (qp->state == QP_ERROR) {
		engine_flush(dev, qp);
		return false;
	}
	return qp->state == QP_RTS && qp->stall == STALL_NONE;
}

/*
 * Receive WQEs are posted without a doorbell, and so is work for a queue pair in the error state:
 * poll for both.
 */
uint64_t engine_wake(struct dev *dev)
{
	uint64_t now = dev_now(), next = UINT64_MAX;
	struct qp **link = &dev->waiting, *qp;

	while ((qp = *link)) {
		uint64_t due = UINT64_MAX;

		if (!qp_waits(qp)) {
			qp->waiting = false;
			*link = qp->next_waiting;
			continue;
		}
		link = &qp->next_waiting;
		if (qp->state == QP_ERROR) {
			due = qp->polled + ENGINE_POLL_NS;
			if (due <= now) {
				engine_flush(dev, qp);
				qp->polled = now;
				due = now + ENGINE_POLL_NS;
			}
		} else if (qp->stall == STALL_RNR || qp->stall == STALL_TIMEOUT) {
			due = qp->wake;
			if (due <= now) {
				qp->stall = STALL_NONE;
				qp_schedule(dev, qp);
				continue;
			}
		}
		next = due < next ? due : next;
	}
	return next == UINT64_MAX ? next : next - now;
}
