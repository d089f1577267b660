/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The receiving side of a queue pair: its own queue or a shared one. */
#ifndef MLX5_MODEL_RECV_H
#define MLX5_MODEL_RECV_H

#include "cmd/qp.h"
#include "data/fault.h"

enum recv_result {
	RECV_OK,
	RECV_NONE,  /* nothing is posted */
	RECV_SHORT, /* the buffers are too small */
	RECV_FAULT,
	RECV_DENIED,
};

/*
 * Finds the WQE for the next message and length bytes of its buffers, after skip. xrc_srqn is the
 * SRQ that an XRC message names. A WQE of the queue pair's own queue is consumed by
 * recv_complete(); one of an SRQ belongs to the message from here on. The WQE is stored in receive,
 * for all attempts of a message: of the queue pair or, if several requesters send to it at the same
 * time, of the requester.
 */
enum recv_result recv_prepare(struct dev *dev, struct qp *qp, struct receive *receive,
			      uint32_t xrc_srqn, uint64_t skip, uint64_t length, struct sg *sg,
			      struct fault *fault);
/* The caller sets opcode, length and the like; fields that name queue and WQE are set here */
void recv_complete(struct dev *dev, struct qp *qp, struct receive *receive,
		   struct completion *completion);
/* Completes the held WQE, if any, with an error, and moves qp to the error state */
void recv_fail(struct dev *dev, struct qp *qp, struct receive *receive, enum syndrome syndrome);
/* The same without a change of the state */
void recv_error(struct dev *dev, struct qp *qp, struct receive *receive, enum syndrome syndrome);
/* Completes all posted WQEs, in the error state */
void recv_flush(struct dev *dev, struct qp *qp);
void recv_flush_held(struct dev *dev, struct qp *qp);

#endif
