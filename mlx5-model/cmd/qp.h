/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MLX5_MODEL_QP_H
#define MLX5_MODEL_QP_H

#include "cmd/cq.h"
#include "cmd/handler.h"
#include "data/xlate.h"

enum qp_state {
	QP_RESET = 0,
	QP_INIT = 1,
	QP_RTR = 2,
	QP_RTS = 3,
	QP_ERROR = 6,
};

enum qp_service {
	QP_RC = 0x0,
	QP_UC = 0x1,
	QP_UD = 0x2,
	QP_XRC = 0x3,
	QP_DCI = 0x5,
	QP_DCT = 0x6, /* a DC target: has a number, but is not made by CREATE_QP */
	QP_MANAGEMENT = 0x7, /* QP0 */
	QP_GENERAL = 0x8,    /* QP1 */
	QP_REG_UMR = 0xc,
};

#define QP_BLOCK_SHIFT 6 /* of the send queue */

static inline bool qp_is_datagram(const struct qp *qp)
{
	return qp->service == QP_UD || qp->service == QP_MANAGEMENT || qp->service == QP_GENERAL;
}

/* Requests are acknowledged, and repeated until then */
static inline bool qp_is_reliable(const struct qp *qp)
{
	return qp->service == QP_RC || qp->service == QP_XRC || qp->service == QP_DCI;
}

static inline bool qp_receives(const struct qp *qp)
{
	return qp->state == QP_RTR || qp->state == QP_RTS;
}

struct xlate_origin qp_origin(const struct qp *qp);
/* The queue pair with this number, or NULL, also if it is a DC target's */
struct qp *qp_get(const struct dev *dev, uint32_t number);
/* The same if the running command may change it */
struct qp *qp_own(const struct dev *dev, uint32_t number);
/*
 * What a completion names besides the number of the queue pair, which has taken a receive WQE from
 * srq unless that is NULL
 */
uint32_t qp_completion_resource(const struct dev *dev, const struct qp *qp, const struct srq *srq);
/* Adds qp to the run list of model_work() */
void qp_schedule(struct dev *dev, struct qp *qp);
/*
 * Adds qp to the waiting list: for a page fault, for a timeout, or, in the error state, for work
 * that is posted without a doorbell. engine_wake() removes queue pairs that no longer wait.
 */
void qp_wait(struct dev *dev, struct qp *qp);
/* A page fault that is not answered yet, or was answered since the last turn with an error */
static inline bool qp_has_fault(const struct qp *qp)
{
	return qp->fault_pending || qp->fault_failed;
}
/* With a page fault it also stays there until its turn, so that fault_drop_peers() finds it */
static inline bool qp_waits(const struct qp *qp)
{
	return qp->state == QP_ERROR || qp->stall != STALL_NONE || qp_has_fault(qp);
}
/* Moves qp to the error state: posted work is flushed from now on */
void qp_fail(struct dev *dev, struct qp *qp);
/* UAR doorbell of the send queue; only the page in its context may ring it */
void qp_doorbell(struct dev *dev, uint32_t uar, uint32_t number);
/* The same for a send queue without a record: the 8 bytes name the last WQE that is posted */
void qp_doorbell_wqe(struct dev *dev, uint32_t uar, const uint8_t *value);
/*
 * The number of posted WQEs, by the doorbell record, that were not taken yet. False if the record
 * is invalid or not mapped.
 */
bool qp_posted(struct dev *dev, const struct qp *qp, bool send, uint16_t *count);
void qp_release(void *qp);

/*
 * INIT2INIT_QP and RTS2RTS_QP with an extension of the context: enables MMO WQEs, or resets a stream
 * of a DC initiator. Without an extension it does nothing.
 */
enum cmd_status qp_extend(struct dev *dev, struct qp *qp, uint16_t opcode, const struct cmd *cmd);
extern const struct reserved_used qp_extension_fields[];

/* Fields of CREATE_QP for a doorbell record in a umem of an application */
extern const struct reserved_used qp_umem_fields[];

#endif
