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
 * recv_complete(); one of an SRQ belongs to the queue pair from here on.
 */
enum recv_result recv_prepare(struct dev *dev, struct qp *qp, uint32_t xrc_srqn, uint64_t skip,
			      uint64_t length, struct sg *sg, struct fault *fault);
/* The caller sets opcode, length and the like; fields that name queue and WQE are set here */
void recv_complete(struct dev *dev, struct qp *qp, struct completion *completion);
/* Completes the held WQE, if any, with an error, and moves qp to the error state */
void recv_fail(struct dev *dev, struct qp *qp, enum syndrome syndrome);
/* Completes all posted WQEs, in the error state */
void recv_flush(struct dev *dev, struct qp *qp);
void recv_flush_held(struct dev *dev, struct qp *qp);

#endif
