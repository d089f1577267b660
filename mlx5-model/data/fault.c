// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/fault.h"

#include "cmd/eq.h"
#include "cmd/handler.h"
#include "cmd/qp.h"
#include "fabric/fabric.h"

#include <inttypes.h>

#define FAULT_SUBTYPE_WQE 0
#define FAULT_SUBTYPE_RDMA 1
#define FAULT_SUBTYPE_MEMORY 2
#define FAULT_TYPE_RDMA 4
#define FAULT_TYPE_WRITE 2
#define FAULT_MEMORY_LAST 0x80
#define FAULT_PAGE 4096
#define FAULT_PAGES_MAX 0xfffff
#define FAULT_TOKEN_MASK 0xffffff /* the narrower of the two schemes */

static void fault_wqe_event(struct dev *dev, const struct fault *fault, uint32_t token)
{
	uint8_t data[EQE_DATA] = { 0 };

	put_be16(data + 6, fault->wqe_index);
	put_be16(data + 10, fault->miss.length > UINT16_MAX ? UINT16_MAX : fault->miss.length);
	put_be32(data + 12, token);
	put_be32(data + 24, (uint32_t)fault->wq << 24 | fault->wq_number);
	if (fault->side == FAULT_RECEIVE)
		dev->stats.page_faults_receive++;
	else
		dev->stats.page_faults_requester++;
	eq_event(dev, EVENT_PAGE_FAULT, FAULT_SUBTYPE_WQE, data);
}

static void fault_rdma_event(struct dev *dev, const struct fault *fault, uint32_t token)
{
	uint32_t type = FAULT_TYPE_RDMA | (fault->write ? FAULT_TYPE_WRITE : 0);
	uint8_t data[EQE_DATA] = { 0 };

	put_be32(data + 4, fault->key);
	put_be16(data + 10, fault->length > UINT16_MAX ? UINT16_MAX : fault->length);
	put_be32(data + 12, fault->length);
	put_be64(data + 16, fault->address);
	put_be32(data + 24, type << 24 | token);
	dev->stats.page_faults_rdma++;
	eq_event(dev, EVENT_PAGE_FAULT, FAULT_SUBTYPE_RDMA, data);
}

static void fault_memory_event(struct dev *dev, const struct fault *fault, uint32_t token)
{
	uint64_t first = fault->miss.address / FAULT_PAGE;
	uint64_t pages = (fault->miss.address + fault->miss.length - 1) / FAULT_PAGE - first + 1;
	uint8_t data[EQE_DATA] = { 0 };

	if (pages > FAULT_PAGES_MAX)
		pages = FAULT_PAGES_MAX;
	data[0] = FAULT_MEMORY_LAST;
	put_be32(data + 8, token);
	put_be32(data + 12, pages << 12);
	put_be32(data + 16, fault->miss.key);
	put_be64(data + 20, first * FAULT_PAGE);
	dev->stats.page_faults_memory++;
	eq_event(dev, EVENT_PAGE_FAULT, FAULT_SUBTYPE_MEMORY, data);
}

void fault_raise(struct dev *dev, struct qp *qp, struct dev *reporter, const struct fault *fault)
{
	uint32_t token;

	do
		token = ++reporter->next_token & FAULT_TOKEN_MASK;
	while (!token);
	qp->stall = STALL_FAULT;
	qp_wait(dev, qp);
	qp->fault_token = token;
	qp->fault_side = fault->side;
	qp->fault_lid = reporter->lid;
	qp->fault_peer = fault->side == FAULT_LOCAL ? 0 : fault->peer;
	reporter->stats.page_faults++;
	trace(reporter,
	      "LID %u QP %#x: page fault %#x, side %d, key %#x, %#" PRIx64 " + %#" PRIx64,
	      dev->lid, qp->number, token, fault->side, fault->miss.key, fault->miss.address,
	      fault->miss.length);
	if (reporter->options.scheme == SCHEME_MEMORY)
		fault_memory_event(reporter, fault, token);
	else if (fault->side == FAULT_REMOTE)
		fault_rdma_event(reporter, fault, token);
	else
		fault_wqe_event(reporter, fault, token);
}

void fault_drop(struct dev *dev, struct qp *qp)
{
	struct dev *reporter = fabric_find(dev->fabric, qp->fault_lid);

	if (qp->stall == STALL_FAULT && reporter)
		reporter->stats.page_faults_dropped++;
	qp->stall = STALL_NONE;
	qp->fault_token = 0;
	qp->fault_failed = false;
	if (qp->state == QP_RTS)
		qp_schedule(dev, qp);
}

void fault_drop_peers(struct dev *dev, uint32_t peer)
{
	struct dev *other;
	unsigned int i;
	struct qp *qp;

	fabric_for_each(dev->fabric, i, other)
		for (qp = other->waiting; qp; qp = qp->next_waiting)
			if (qp->fault_lid == dev->lid && qp->fault_peer == peer &&
			    (qp->stall == STALL_FAULT || qp->fault_failed))
				fault_drop(other, qp);
}

void fault_drop_all(struct dev *dev)
{
	struct dev *other;
	unsigned int i;
	struct qp *qp;

	fabric_for_each(dev->fabric, i, other)
		for (qp = other->waiting; qp; qp = qp->next_waiting)
			if (qp->stall == STALL_FAULT &&
			    (other == dev || qp->fault_lid == dev->lid))
				fault_drop(other, qp);
}

/* Finds the queue pair that waits for this fault of dev, and the device that owns it */
static struct qp *fault_find(const struct dev *dev, uint64_t token, struct dev **owner)
{
	unsigned int i;
	struct qp *qp;

	fabric_for_each(dev->fabric, i, *owner)
		for (qp = (*owner)->waiting; qp; qp = qp->next_waiting)
			if (qp->stall == STALL_FAULT && qp->fault_lid == dev->lid &&
			    qp->fault_token == token)
				return qp;
	return NULL;
}

static uint64_t fault_resume_token(const struct dev *dev, const uint8_t *info)
{
	if (dev->options.scheme == SCHEME_MEMORY)
		return IFC_GET(mem_page_fault_info, info, fault_token_47_32) << 32 |
		       IFC_GET(mem_page_fault_info, info, fault_token_31_0);
	return IFC_GET(trans_page_fault_info, info, fault_token);
}

enum cmd_status fault_resume(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *info = IFC_AT_CONST(page_fault_resume_in, cmd->in, page_fault_info);
	uint64_t token = fault_resume_token(dev, info);
	bool error = IFC_GET(trans_page_fault_info, info, error);
	struct dev *owner;
	struct qp *qp = fault_find(dev, token, &owner);

	/* the queue pair is gone: the driver could not know, so this is not an error */
	if (!qp)
		return CMD_OK;
	qp->stall = STALL_NONE;
	qp->fault_failed = error;
	dev->stats.page_faults_resumed++;
	dev->stats.page_faults_failed += error;
	qp_schedule(owner, qp);
	return CMD_OK;
}
