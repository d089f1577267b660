// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Datagrams: UD and the two management queue pairs. */
#include "job.h"

#include "fabric.h"
#include "port.h"
#include "recv.h"

#define UD_MTU 4096
#define AV_SHORT 16
#define AV_LONG 48
#define AV_EXTENDED (1u << 31)
#define AV_GRH (1u << 30)
#define QKEY_FROM_CONTEXT (1u << 31)
#define GRH_SIZE 40
#define GRH_NEXT_HEADER 0x1b
#define CQE_GRH (1u << 28)
#define CQE_SERVICE_LEVEL_SHIFT 24
#define DEFAULT_PKEY 0xffff

struct ud_address {
	uint32_t qkey;
	uint32_t qpn;
	uint16_t lid;
	uint8_t service_level;
	bool grh;
	uint8_t traffic_class;
	uint8_t hop_limit;
	uint32_t flow_label;
	unsigned int source_gid;
	uint8_t gid[16];
};

static bool ud_parse_address(struct wqe *wqe, struct ud_address *address)
{
	const uint8_t *av = wqe_take(wqe, AV_SHORT), *more;

	if (!av)
		return false;
	memset(address, 0, sizeof(*address));
	address->qkey = get_be32(av);
	address->qpn = get_be32(av + 8) & 0xffffff;
	address->service_level = av[12] & 0xf;
	address->lid = get_be16(av + 14);
	if (!(get_be32(av + 8) & AV_EXTENDED))
		return true;
	more = wqe_take(wqe, AV_LONG - AV_SHORT);
	if (!more)
		return false;
	address->traffic_class = more[10];
	address->hop_limit = more[11];
	address->grh = get_be32(more + 12) & AV_GRH;
	address->source_gid = get_be32(more + 12) >> 20 & 0xff;
	address->flow_label = get_be32(more + 12) & 0xfffff;
	memcpy(address->gid, more + 16, 16);
	return true;
}

/* The two well-known numbers are not those of the objects */
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

static bool ud_accepts(const struct job *job, const struct ud_address *address)
{
	const struct qp *peer = job->peer;
	uint32_t qkey = address->qkey;

	if (qkey & QKEY_FROM_CONTEXT)
		qkey = IFC_GET(qpc, job->qp->context, q_key);
	return peer && qp_is_datagram(peer) && qp_receives(peer) &&
	       (!address->grh || port_has_gid(job->peer_dev, address->gid)) &&
	       (peer->service == QP_MANAGEMENT || qkey == IFC_GET(qpc, peer->context, q_key));
}

static void ud_header(const struct dev *dev, const struct ud_address *address, uint64_t length,
		      uint8_t *grh)
{
	put_be32(grh, 6u << 28 | (uint32_t)address->traffic_class << 20 | address->flow_label);
	put_be16(grh + 4, length);
	grh[6] = GRH_NEXT_HEADER;
	grh[7] = address->hop_limit;
	port_gid(dev, address->source_gid, grh + 8);
	memcpy(grh + 24, address->gid, 16);
}

/* What the wire would carry as the sender's number */
static uint32_t ud_source(const struct qp *qp)
{
	if (qp->service == QP_MANAGEMENT)
		return 0;
	return qp->service == QP_GENERAL ? 1 : qp->number;
}

static void ud_deliver(struct job *job, const struct ud_address *address)
{
	bool immediate = job->wqe.opcode == WQE_SEND_IMM;
	struct completion completion = {
		.opcode = immediate ? CQE_RECEIVE_SEND_IMM : CQE_RECEIVE_SEND,
		.byte_count = job->local.length + GRH_SIZE,
		.immediate = immediate ? job->wqe.immediate : DEFAULT_PKEY,
		.flags_source = ud_source(job->qp) |
				(uint32_t)address->service_level << CQE_SERVICE_LEVEL_SHIFT |
				(address->grh ? CQE_GRH : 0),
		.source_lid = job->dev->lid,
		.solicited = job->wqe.solicited,
	};
	uint8_t grh[GRH_SIZE] = { 0 };

	if (address->grh) {
		ud_header(job->dev, address, job->local.length, grh);
		sg_put(&job->remote, 0, grh, sizeof(grh));
	}
	sg_copy(&job->remote, GRH_SIZE, &job->local);
	job->dev->stats.bytes_sent += job->local.length;
	job_moved(job, true, job->local.length);
	recv_complete(job->peer_dev, job->peer, &completion);
}

enum job_result ud_execute(struct job *job)
{
	struct ud_address address;
	enum job_result result;
	struct fault fault = { 0 };

	if (job->wqe.opcode == WQE_NOP)
		return JOB_DONE;
	if ((job->wqe.opcode != WQE_SEND && job->wqe.opcode != WQE_SEND_IMM) ||
	    !ud_parse_address(&job->wqe, &address))
		return job_failed(job, SYNDROME_LOCAL_OPERATION);
	result = job_local(job, false);
	if (result != JOB_DONE)
		return result;
	if (job->local.length > UD_MTU)
		return job_failed(job, SYNDROME_LOCAL_LENGTH);
	job->peer_dev = fabric_find(job->dev->fabric, address.lid);
	job->peer = job->peer_dev ? ud_find(job->peer_dev, address.qpn) : NULL;
	if (!ud_accepts(job, &address))
		return JOB_DONE;
	/* whatever is wrong from here on is the receiver's: the sender never knows */
	switch (recv_prepare(job->peer_dev, job->peer, 0, job->local.length + GRH_SIZE, &job->remote,
			     &fault)) {
	case RECV_OK:
		ud_deliver(job, &address);
		break;
	case RECV_NONE:
		job->dev->stats.rnr_waits++;
		break;
	case RECV_SHORT:
		recv_fail(job->peer_dev, job->peer, SYNDROME_LOCAL_LENGTH);
		break;
	case RECV_FAULT:
		fault_raise(job->dev, job->qp, job->peer_dev, &fault);
		return JOB_WAIT;
	case RECV_DENIED:
		recv_fail(job->peer_dev, job->peer, SYNDROME_LOCAL_PROTECTION);
		break;
	}
	return JOB_DONE;
}
