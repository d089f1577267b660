// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/cq.h"

#include "base/caps.h"
#include "base/queue.h"
#include "cmd/eq.h"
#include "cmd/handler.h"
#include "cmd/umem.h"
#include "cmd/uses.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CQE_SIZE 64
#define CQE_SOURCE_LID 22
#define CQE_FLAGS_SOURCE 24
#define CQE_RESOURCE 32
#define CQE_IMMEDIATE 36
#define CQE_BYTE_COUNT 44
#define CQE_TIMESTAMP 48
#define CQE_VENDOR_SYNDROME 54
#define CQE_SYNDROME 55
#define CQE_OPCODE_QPN 56
#define CQE_WQE_COUNTER 60
#define CQE_OWNER 63

#define CQ_NUMBER_MASK 0xffffff
#define CQ_DOORBELL_SOLICITED (1u << 24)
#define CQ_MODIFY_RESIZE 1
#define CQ_ERROR_OVERRUN 1

/* An entry of 128 bytes has its 64 bytes of content in the second half */
enum cq_format { CQ_FORMAT_64 = 0, CQ_FORMAT_128 = 1, CQ_FORMAT_128_PADDED = 2 };

static void cqe_fill(uint8_t *entry, const struct completion *c)
{
	put_be16(entry + CQE_SOURCE_LID, c->source_lid);
	put_be32(entry + CQE_FLAGS_SOURCE, c->flags_source);
	put_be32(entry + CQE_RESOURCE, c->resource);
	put_be32(entry + CQE_OPCODE_QPN, (uint32_t)c->wqe_opcode << 24 | c->qpn);
	put_be16(entry + CQE_WQE_COUNTER, c->wqe_counter);
	if (c->opcode == CQE_REQUESTER_ERROR || c->opcode == CQE_RECEIVE_ERROR) {
		entry[CQE_SYNDROME] = c->syndrome;
		entry[CQE_VENDOR_SYNDROME] = c->syndrome;
		return;
	}
	put_be32(entry + CQE_IMMEDIATE, c->immediate);
	put_be32(entry + CQE_BYTE_COUNT, c->byte_count);
	put_be64(entry + CQE_TIMESTAMP, dev_now());
}

/* Write the owner bit last: it makes the entry valid for the driver */
static bool cqe_write(struct dev *dev, struct cq *cq, uint8_t *entry, enum cqe_opcode opcode)
{
	uint64_t offset = (uint64_t)(cq->producer & ((1u << cq->log_size) - 1)) * cq->entry_size +
			  cq->entry_size - CQE_SIZE;

	entry[CQE_OWNER] = opcode << 4 | (cq->producer >> cq->log_size & 1);
	if (!queue_write(dev, &cq->queue, offset, entry, CQE_OWNER))
		return false;
	atomic_thread_fence(memory_order_release);
	if (!queue_write(dev, &cq->queue, offset + CQE_OWNER, entry + CQE_OWNER, 1))
		return false;
	cq->producer = (cq->producer + 1) & CQ_NUMBER_MASK;
	return true;
}

/* Entries that the driver has not consumed yet */
static uint32_t cq_pending(struct dev *dev, const struct cq *cq)
{
	uint32_t consumer;

	if (!guest_read_be32(&dev->guest, cq->doorbell, &consumer)) {
		dev_bad_dma(dev, cq->doorbell);
		return 0;
	}
	return (cq->producer - consumer) & CQ_NUMBER_MASK;
}

static bool cq_full(struct dev *dev, const struct cq *cq)
{
	return !IFC_GET(cqc, cq->context, oi) && cq_pending(dev, cq) >= 1u << cq->log_size;
}

static void cq_overrun(struct dev *dev, struct cq *cq)
{
	uint8_t data[EQE_DATA] = { 0 };

	cq->failed = true;
	put_be32(data, cq->number);
	data[11] = CQ_ERROR_OVERRUN;
	eq_event(dev, EVENT_CQ_ERROR, 0, data);
}

static void cq_notify(struct dev *dev, struct cq *cq)
{
	cq->armed = false;
	cq->armed_solicited = false;
	eq_completion(dev, cq->eqn, cq->number);
}

void cq_complete(struct dev *dev, uint32_t cqn, const struct completion *completion)
{
	struct cq *cq = table_get(&dev->cqs, cqn);
	bool error = completion->syndrome != SYNDROME_OK;
	uint8_t entry[CQE_SIZE] = { 0 };

	if (!cq || cq->failed)
		return;
	if (cq_full(dev, cq)) {
		cq_overrun(dev, cq);
		return;
	}
	cqe_fill(entry, completion);
	if (!cqe_write(dev, cq, entry, completion->opcode))
		return;
	dev->stats.completions++;
	dev->stats.completion_errors += error;
	if (completion->solicited || error) {
		cq->solicited = cq->producer;
		cq->any_solicited = true;
	}
	if (cq->armed || (cq->armed_solicited && (completion->solicited || error)))
		cq_notify(dev, cq);
}

void cq_doorbell(struct dev *dev, uint32_t uar, const uint8_t *value)
{
	uint32_t word = get_be32(value), consumer = word & CQ_NUMBER_MASK;
	struct cq *cq = table_get(&dev->cqs, get_be32(value + 4) & CQ_NUMBER_MASK);
	bool pending;

	if (!cq)
		return;
	if (cq->uar != uar) {
		strict_report(dev, "doorbell of CQ %u through UAR page %u, its own is %u",
			      cq->number, uar, cq->uar);
		return;
	}
	cq->armed_solicited = word & CQ_DOORBELL_SOLICITED;
	cq->armed = !cq->armed_solicited;
	if (cq->armed)
		pending = cq->producer != consumer;
	else
		pending = cq->any_solicited &&
			  ((cq->solicited - consumer - 1) & CQ_NUMBER_MASK) < CQ_NUMBER_MASK / 2;
	if (pending)
		cq_notify(dev, cq);
}

void cq_release(void *object)
{
	struct cq *cq = object;

	queue_release(&cq->queue);
	free(cq);
}

/* Byte offsets in CREATE_CQ that its layout calls reserved: a queue in a umem */
#define CREATE_CQ_UMEM_OFFSET (0x280 / 8)
#define CREATE_CQ_UMEM_ID (0x2c0 / 8)
/* and in the CQ context: the umem of the doorbell record */
#define CQC_DOORBELL_UMEM_ID (0x20 / 8)

const struct reserved_used cq_umem_fields[] = {
	{ CREATE_CQ_UMEM_OFFSET * 8, 96, IFC_BIT(create_cq_in, cq_umem_valid) },
	{ IFC_BIT(create_cq_in, cq_context) + CQC_DOORBELL_UMEM_ID * 8, 32,
	  IFC_BIT(create_cq_in, cq_context.dbr_umem_valid) },
	{ 0, 0, 0 },
};

static bool cq_set_umem_queue(struct dev *dev, struct cq *cq, const struct cmd *cmd)
{
	cq->log_size = IFC_GET(create_cq_in, cmd->in, cq_context.log_cq_size);
	cq->umem = get_be32(cmd->in + CREATE_CQ_UMEM_ID);
	return cq->log_size <= CAPS_LOG_MAX_CQ_SZ &&
	       umem_queue(dev, cq->umem,
			  get_be64(cmd->in + CREATE_CQ_UMEM_OFFSET),
			  (uint64_t)cq->entry_size << cq->log_size, true, &cq->queue);
}

static bool cq_set_queue(struct cq *cq, const uint8_t *context, const uint8_t *pages,
			 size_t pages_length)
{
	cq->log_size = IFC_GET(cqc, context, log_cq_size);
	return cq->log_size <= CAPS_LOG_MAX_CQ_SZ &&
	       queue_init(&cq->queue, pages, pages_length, IFC_GET(cqc, context, log_page_size),
			  IFC_GET(cqc, context, page_offset),
			  (uint64_t)cq->entry_size << cq->log_size);
}

enum cmd_status cq_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(create_cq_in, cmd->in, cq_context);
	unsigned int format = IFC_GET(cqc, context, cqe_sz);
	size_t pages_length;
	const uint8_t *pages = CMD_TAIL(cmd, create_cq_in, pas, &pages_length);
	bool placed;
	struct cq *cq;

	if (format > CQ_FORMAT_128_PADDED)
		return CMD_BAD_PARAM;
	if (!table_refer(&dev->eqs, IFC_GET(cqc, context, c_eqn_or_apu_element)) ||
	    !table_own(&dev->uars, IFC_GET(cqc, context, uar_page)))
		return CMD_BAD_RESOURCE;
	cq = calloc(1, sizeof(*cq));
	if (!cq)
		return CMD_NO_RESOURCES;
	memcpy(cq->context, context, sizeof(cq->context));
	cq->entry_size = format == CQ_FORMAT_64 ? CQE_SIZE : 2 * CQE_SIZE;
	cq->uar = IFC_GET(cqc, context, uar_page);
	cq->eqn = IFC_GET(cqc, context, c_eqn_or_apu_element);
	cq->doorbell = IFC_GET(cqc, context, dbr_addr);
	if (IFC_GET(create_cq_in, cmd->in, cq_umem_valid))
		placed = cq_set_umem_queue(dev, cq, cmd);
	else
		placed = cq_set_queue(cq, context, pages, pages_length);
	if (placed && IFC_GET(cqc, context, dbr_umem_valid)) {
		cq->doorbell_umem = get_be32(context + CQC_DOORBELL_UMEM_ID);
		placed = umem_doorbell(dev, cq->doorbell_umem, &cq->doorbell);
	}
	if (!placed) {
		cq_release(cq);
		return CMD_BAD_PARAM;
	}
	cq->number = table_add(&dev->cqs, cq);
	if (!cq->number) {
		cq_release(cq);
		return CMD_LIMIT;
	}
	IFC_SET(create_cq_out, cmd->out, cqn, cq->number);
	return CMD_OK;
}

enum cmd_status cq_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number = IFC_GET(destroy_cq_in, cmd->in, cqn);
	enum cmd_status status = uses_status(dev, &dev->cqs, number, uses_cq);

	if (status == CMD_OK)
		cq_release(table_take(&dev->cqs, number));
	return status;
}

enum cmd_status cq_query(struct dev *dev, const struct cmd *cmd)
{
	struct cq *cq = table_own(&dev->cqs, IFC_GET(query_cq_in, cmd->in, cqn));
	uint8_t *context = IFC_AT(query_cq_out, cmd->out, cq_context);

	if (!cq)
		return CMD_BAD_RESOURCE;
	memcpy(context, cq->context, sizeof(cq->context));
	IFC_SET(cqc, context, producer_counter, cq->producer);
	return CMD_OK;
}

/* The last entry of the old queue takes a number in both queues. */
static enum cmd_status cq_resize(struct dev *dev, struct cq *cq, const struct cmd *cmd)
{
	const uint8_t *context = IFC_AT_CONST(modify_cq_in, cmd->in, cq_context);
	size_t pages_length;
	const uint8_t *pages = CMD_TAIL(cmd, modify_cq_in, pas, &pages_length);
	uint8_t entry[CQE_SIZE] = { 0 };
	struct cq resized = *cq;

	/* it must not replace an entry that the driver has not consumed */
	if (cq->failed || cq_full(dev, cq))
		return CMD_BAD_RESOURCE_STATE;
	if (cq_pending(dev, cq) > 1u << IFC_GET(cqc, context, log_cq_size))
		return CMD_BAD_PARAM;
	if (!cq_set_queue(&resized, context, pages, pages_length)) {
		queue_release(&resized.queue);
		return CMD_BAD_PARAM;
	}
	if (!cqe_write(dev, cq, entry, CQE_RESIZE)) {
		queue_release(&resized.queue);
		return CMD_BAD_PARAM;
	}
	queue_release(&cq->queue);
	cq->queue = resized.queue;
	cq->umem = 0;
	cq->log_size = resized.log_size;
	IFC_COPY(cqc, cq->context, context, log_cq_size);
	IFC_COPY(cqc, cq->context, context, log_page_size);
	IFC_COPY(cqc, cq->context, context, page_offset);
	return CMD_OK;
}

enum cmd_status cq_modify(struct dev *dev, const struct cmd *cmd)
{
	struct cq *cq = table_own(&dev->cqs, IFC_GET(modify_cq_in, cmd->in, cqn));

	if (!cq)
		return CMD_BAD_RESOURCE;
	/* no moderation: events come at once */
	if (IFC_GET(modify_cq_in, cmd->in, op_mod) != CQ_MODIFY_RESIZE)
		return CMD_BAD_PARAM;
	/* an application's own command: it must not give the addresses of a queue */
	if (IFC_GET(modify_cq_in, cmd->in, cq_umem_valid))
		return CMD_BAD_PARAM;
	return cq_resize(dev, cq, cmd);
}
