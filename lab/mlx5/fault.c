// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "fault.h"

#include "cmd.h"
#include "eq.h"
#include "qp.h"

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

void fault_raise(struct dev *dev, struct qp *qp, const struct fault *fault)
{
	uint32_t token;

	do
		token = ++dev->next_token & FAULT_TOKEN_MASK;
	while (!token);
	qp->stall = STALL_FAULT;
	qp_wait(dev, qp);
	qp->fault_token = token;
	qp->fault_side = fault->side;
	qp->fault_peer = fault->side == FAULT_RECEIVE ? fault->peer : 0;
	dev->stats.page_faults++;
	trace(dev, "QP %#x: page fault %#x, side %d, key %#x, %#" PRIx64 " + %#" PRIx64,
	      qp->number, token, fault->side, fault->miss.key, fault->miss.address,
	      fault->miss.length);
	if (dev->options.scheme == SCHEME_MEMORY)
		fault_memory_event(dev, fault, token);
	else if (fault->side == FAULT_REMOTE)
		fault_rdma_event(dev, fault, token);
	else
		fault_wqe_event(dev, fault, token);
}

void fault_drop(struct dev *dev, struct qp *qp)
{
	if (qp->stall == STALL_FAULT)
		dev->stats.page_faults_dropped++;
	qp->stall = STALL_NONE;
	qp->fault_token = 0;
	qp->fault_failed = false;
	if (qp->state == QP_RTS)
		qp_schedule(dev, qp);
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
	struct qp *qp;

	for (qp = dev->waiting; qp; qp = qp->next_waiting) {
		if (qp->stall != STALL_FAULT || qp->fault_token != token)
			continue;
		qp->stall = STALL_NONE;
		qp->fault_failed = error;
		dev->stats.page_faults_resumed++;
		dev->stats.page_faults_failed += error;
		qp_schedule(dev, qp);
		return CMD_OK;
	}
	/* of a queue pair that is no more: the driver could not know */
	return CMD_OK;
}
