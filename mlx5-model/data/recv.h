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
 * The WQE that the next message takes, and the first length bytes of its buffers. xrc_srqn is the
 * SRQ that an XRC message names. Nothing is taken from a queue of its own until recv_complete(); a
 * WQE from an SRQ is the queue pair's from here on.
 */
enum recv_result recv_prepare(struct dev *dev, struct qp *qp, uint32_t xrc_srqn, uint64_t length,
			      struct sg *sg, struct fault *fault);
/* completion needs opcode, length and the like; what names queue and WQE is filled in here */
void recv_complete(struct dev *dev, struct qp *qp, struct completion *completion);
/* The WQE in hand ends with an error, if there is one, and so does the queue pair */
void recv_fail(struct dev *dev, struct qp *qp, enum syndrome syndrome);
/* All that is posted, in the error state */
void recv_flush(struct dev *dev, struct qp *qp);
void recv_flush_held(struct dev *dev, struct qp *qp);

#endif
