// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Datagrams of UD queue pairs, QP0 and QP1: unicast, multicast, and to the subnet administrator. */
#include "data/job.h"

#include "cmd/multicast.h"
#include "cmd/port.h"
#include "data/recv.h"
#include "fabric/fabric.h"

#define UD_MTU 4096
#define QKEY_FROM_CONTEXT (1u << 31)
#define GRH_SIZE 40
#define GRH_NEXT_HEADER 0x1b
#define CQE_GRH (1u << 28)
#define CQE_SERVICE_LEVEL_SHIFT 24
#define DEFAULT_PKEY 0xffff
#define GENERAL_QPN 1
#define GENERAL_QKEY 0x80010000
#define MULTICAST_QPN 0xffffff

/* A datagram that is being sent */
struct datagram {
	uint32_t qkey;
	bool grh;
	uint8_t header[GRH_SIZE];
	const struct sg *payload;
	struct completion completion; /* of the receiver */
};

/* QP0 and QP1 have other numbers as objects */
static struct qp *ud_find(struct dev *dev, uint32_t qpn)
{
	unsigned int service = qpn ? QP_GENERAL : QP_MANAGEMENT;
	uint32_t number;
	struct qp *qp;

	if (qpn > 1)
		return table_get(&dev->qps, qpn);
	table_for_each(&dev->qps, number, qp)
		if (qp->service == service)
			return qp;
	return NULL;
}

static bool ud_accepts(const struct qp *qp, const struct datagram *datagram)
{
	return qp && qp_is_datagram(qp) && qp_receives(qp) &&
	       (qp->service == QP_MANAGEMENT || datagram->qkey == IFC_GET(qpc, qp->context, q_key));
}

static void ud_header(const struct dev *dev, const struct wqe_address *address, uint64_t length,
		      uint8_t *grh)
{
	put_be32(grh, 6u << 28 | (uint32_t)address->traffic_class << 20 | address->flow_label);
	put_be16(grh + 4, length);
	grh[6] = GRH_NEXT_HEADER;
	grh[7] = address->hop_limit;
	port_gid(dev, address->source_gid, grh + 8);
	memcpy(grh + 24, address->gid, 16);
}

/* The sender's number as in a packet */
static uint32_t ud_source(const struct qp *qp)
{
	if (qp->service == QP_MANAGEMENT)
		return 0;
	return qp->service == QP_GENERAL ? GENERAL_QPN : qp->number;
}

static struct datagram ud_make(const struct job *job, const struct wqe_address *address)
{
	bool immediate = job->wqe.opcode == WQE_SEND_IMM;
	uint32_t qkey = address->key >> 32;
	struct datagram datagram = {
		.qkey = qkey & QKEY_FROM_CONTEXT ? IFC_GET(qpc, job->qp->context, q_key) : qkey,
		.grh = address->grh,
		.payload = &job->local,
		.completion = {
			.opcode = immediate ? CQE_RECEIVE_SEND_IMM : CQE_RECEIVE_SEND,
			.byte_count = job->local.length + GRH_SIZE,
			.immediate = immediate ? job->wqe.immediate : DEFAULT_PKEY,
			.flags_source =
				ud_source(job->qp) |
				(uint32_t)address->service_level << CQE_SERVICE_LEVEL_SHIFT |
				(address->grh ? CQE_GRH : 0),
			.source_lid = job->dev->lid,
			.solicited = job->wqe.solicited,
		},
	};

	if (address->grh)
		ud_header(job->dev, address, job->local.length, datagram.header);
	return datagram;
}

/* Errors are the receiver's and not reported to the sender, except a page fault */
static enum recv_result ud_receive(struct dev *dev, struct qp *qp, const struct datagram *datagram,
				   struct fault *fault)
{
	struct completion completion = datagram->completion;
	struct sg room = { 0 };
	enum recv_result result = recv_prepare(dev, qp, &qp->receive, 0, 0, completion.byte_count,
					       &room, fault);

	switch (result) {
	case RECV_OK:
		if (datagram->grh)
			sg_put(&room, 0, datagram->header, GRH_SIZE);
		sg_copy(&room, GRH_SIZE, datagram->payload);
		recv_complete(dev, qp, &qp->receive, &completion);
		break;
	case RECV_SHORT:
		recv_fail(dev, qp, &qp->receive, SYNDROME_LOCAL_LENGTH);
		break;
	case RECV_DENIED:
		recv_fail(dev, qp, &qp->receive, SYNDROME_LOCAL_PROTECTION);
		break;
	case RECV_NONE:
	case RECV_FAULT:
		break;
	}
	sg_release(&room);
	return result;
}

static enum job_result ud_send_one(struct job *job, const struct wqe_address *address,
				   const struct datagram *datagram)
{
	struct fault fault = { 0 };

	job->peer_dev = fabric_find(job->dev->fabric, address->lid);
	job->peer = job->peer_dev ? ud_find(job->peer_dev, address->qpn) : NULL;
	if (!ud_accepts(job->peer, datagram) ||
	    (address->grh && !port_has_gid(job->peer_dev, address->gid)))
		return JOB_DONE;
	switch (ud_receive(job->peer_dev, job->peer, datagram, &fault)) {
	case RECV_OK:
		job->dev->stats.bytes_sent += job->local.length;
		job_moved(job, true, job->local.length);
		break;
	case RECV_NONE:
		job->dev->stats.rnr_waits++;
		break;
	case RECV_FAULT:
		if (fault_raise(job->dev, job->qp, job->peer_dev, &fault))
			return JOB_WAIT;
		recv_fail(job->peer_dev, job->peer, &job->peer->receive,
			  SYNDROME_LOCAL_PROTECTION);
		break;
	case RECV_SHORT:
	case RECV_DENIED:
		break;
	}
	return JOB_DONE;
}

/*
 * Returns true if a member on this device received it. A member whose buffer would fault is
 * skipped.
 */
static bool ud_receive_group(struct job *job, const struct wqe_address *address,
			     const struct datagram *datagram)
{
	const struct attachment *attachment;
	bool received = false;
	uint32_t number;

	table_for_each(&job->peer_dev->attachments, number, attachment) {
		struct qp *qp = table_get(&job->peer_dev->qps, attachment->qpn);
		struct fault unresolved = { 0 };
		enum recv_result result;

		if (memcmp(attachment->gid, address->gid, 16) || !ud_accepts(qp, datagram))
			continue;
		result = ud_receive(job->peer_dev, qp, datagram, &unresolved);
		received |= result == RECV_OK;
		job->dev->stats.rnr_waits += result == RECV_NONE;
	}
	return received;
}

/* Sends to all attached queue pairs, also the sender. Counted once per device. */
static void ud_send_group(struct job *job, const struct wqe_address *address,
			  struct datagram *datagram)
{
	uint8_t payload[UD_MTU];
	struct sg once = { 0 };
	bool received = false;
	unsigned int i;

	if (!address->grh || address->qpn != MULTICAST_QPN ||
	    !sg_add(&once, payload, job->local.length))
		return;
	/* send a copy: the first receiver's buffer may overlap the payload */
	sg_copy(&once, 0, &job->local);
	datagram->payload = &once;
	fabric_for_each(job->dev->fabric, i, job->peer_dev) {
		if (!ud_receive_group(job, address, datagram))
			continue;
		received = true;
		job_moved(job, true, job->local.length);
	}
	if (received)
		job->dev->stats.bytes_sent += job->local.length;
	sg_release(&once);
}

/* The administrator accepts requests of any queue pair, as GSI does, and answers at once. */
static void ud_send_administrator(struct job *job, const struct wqe_address *address,
				  const struct datagram *question)
{
	uint8_t request[SA_MAD_SIZE], reply[SA_MAD_SIZE];
	struct sg in = { 0 }, out = { 0 };
	struct datagram answer = {
		.qkey = GENERAL_QKEY,
		.payload = &out,
		.completion = {
			.opcode = CQE_RECEIVE_SEND,
			.byte_count = SA_MAD_SIZE + GRH_SIZE,
			.immediate = DEFAULT_PKEY,
			.flags_source = GENERAL_QPN,
			.source_lid = FABRIC_MANAGER_LID,
		},
	};
	struct qp *qp = ud_find(job->dev, ud_source(job->qp));
	struct fault unresolved = { 0 };

	if (job->local.length != SA_MAD_SIZE || address->qpn != GENERAL_QPN ||
	    question->qkey != GENERAL_QKEY)
		return;
	if (sg_add(&in, request, SA_MAD_SIZE) && sg_add(&out, reply, SA_MAD_SIZE)) {
		sg_copy(&in, 0, &job->local);
		if (sa_answer(job->dev, request, reply) && ud_accepts(qp, &answer))
			ud_receive(job->dev, qp, &answer, &unresolved);
	}
	sg_release(&in);
	sg_release(&out);
}

enum job_result ud_execute(struct job *job)
{
	struct wqe_address address;
	struct datagram datagram;
	enum job_result result;

	if (job->wqe.opcode == WQE_NOP)
		return JOB_DONE;
	if ((job->wqe.opcode != WQE_SEND && job->wqe.opcode != WQE_SEND_IMM) ||
	    !wqe_take_address(&job->wqe, &address))
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	result = job_local(job, false);
	if (result != JOB_DONE)
		return result;
	if (job->local.length > UD_MTU)
		return job_failed(job, SYNDROME_LOCAL_LENGTH);
	datagram = ud_make(job, &address);
	if (address.lid == FABRIC_MANAGER_LID)
		ud_send_administrator(job, &address, &datagram);
	else if (address.lid >= FABRIC_MULTICAST_LID)
		ud_send_group(job, &address, &datagram);
	else
		result = ud_send_one(job, &address, &datagram);
	return result;
}
