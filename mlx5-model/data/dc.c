// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/dc.h"

#include "cmd/eq.h"
#include "cmd/port.h"
#include "data/recv.h"
#include "fabric/fabric.h"

/* A request with another key is dropped, and counted */
static bool dc_key_matches(const struct job *job)
{
	struct dct *dct = job->peer->dct;

	if (job->address.key == dct->key)
		return true;
	if (dct->violations < UINT32_MAX)
		dct->violations++;
	if (dct->armed) {
		dct->armed = false;
		eq_object_event(job->peer_dev, EVENT_DCT_KEY_VIOLATION, job->peer->number);
	}
	trace(job->peer_dev, "DCT %#x: wrong access key of LID %u QP %#x", job->peer->number,
	      job->dev->lid, job->qp->number);
	return false;
}

static bool dc_accepts(const struct job *job)
{
	return job->peer->service == QP_DCT && job->peer->dct->state == DCT_ACTIVE &&
	       (!job->address.grh || port_has_gid(job->peer_dev, job->address.gid)) &&
	       dc_key_matches(job);
}

enum job_result dc_find_target(struct job *job)
{
	const struct wqe_address *address = &job->address;
	struct receive *receive = &job->qp->receive;

	if (!job_find_peer(job, address->lid, address->qpn) || !dc_accepts(job)) {
		job->peer = NULL;
		return job_no_answer(job);
	}
	/* the WQE changed while it waited */
	if (receive->lid != address->lid || receive->qpn != address->qpn)
		dc_abandon(job->dev, job->qp);
	receive->lid = address->lid;
	receive->qpn = address->qpn;
	return JOB_DONE;
}

void dc_abandon(struct dev *dev, struct qp *qp)
{
	struct dev *target_dev = fabric_find(dev->fabric, qp->receive.lid);
	struct qp *target;

	if (qp->service != QP_DCI || !qp->receive.held)
		return;
	target = target_dev ? table_get(&target_dev->qps, qp->receive.qpn) : NULL;
	if (target && target->service == QP_DCT)
		recv_error(target_dev, target, &qp->receive, SYNDROME_REMOTE_ABORTED);
	qp->receive.held = false;
}

void dc_abandon_target(struct dev *dev, uint32_t number)
{
	struct dev *other;
	struct qp *qp;
	unsigned int i;
	uint32_t n;

	fabric_for_each(dev->fabric, i, other)
		table_for_each(&other->qps, n, qp)
			if (qp->receive.lid == dev->lid && qp->receive.qpn == number)
				dc_abandon(other, qp);
}

void dc_forget(struct dev *dev)
{
	struct dev *other;
	struct qp *qp;
	unsigned int i;
	uint32_t n;

	fabric_for_each(dev->fabric, i, other)
		table_for_each(&other->qps, n, qp) {
			if (qp->service == QP_DCI && qp->receive.lid == dev->lid)
				qp->receive.held = false;
			else if (other == dev)
				dc_abandon(dev, qp);
		}
}

bool dc_stream_errored(const struct qp *qp, uint16_t stream)
{
	unsigned int i;

	for (i = 0; qp->streams && i < qp->errored_count; i++)
		if (qp->errored[i] == stream)
			return true;
	return false;
}

bool dc_stream_fail(struct dev *dev, struct qp *qp, uint16_t stream)
{
	if (dc_stream_errored(qp, stream))
		return true;
	if (!qp->streams || qp->errored_count + 1 >= qp->errored_max)
		return false;
	trace(dev, "QP %#x: stream %u has an error", qp->number, stream);
	qp->errored[qp->errored_count++] = stream;
	return true;
}

void dc_stream_reset(struct qp *qp, uint16_t stream)
{
	unsigned int i;

	for (i = 0; i < qp->errored_count; i++)
		if (qp->errored[i] == stream)
			qp->errored[i--] = qp->errored[--qp->errored_count];
}
