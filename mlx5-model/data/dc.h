/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The dynamically connected transport: each WQE of an initiator (DCI) names its target (DCT), which
 * serves any number of initiators. The engine runs an initiator's WQEs as those of RC.
 */
#ifndef MLX5_MODEL_DC_H
#define MLX5_MODEL_DC_H

#include "data/job.h"

/* Sets the peer to the target that the WQE names; without an answer, as job_no_answer() */
enum job_result dc_find_target(struct job *job);

/*
 * The initiator gives up a message: the receive WQE that its target has taken for it completes with
 * an error. Does nothing for other queue pairs, and if there is no such WQE.
 */
void dc_abandon(struct dev *dev, struct qp *qp);
/* The same for all initiators, of any device, that are in the middle of a message to this target */
void dc_abandon_target(struct dev *dev, uint32_t number);
/*
 * The same for all initiators of the device, before it is reset. Its own targets are forgotten: their
 * completion queues may be other memory by now.
 */
void dc_forget(struct dev *dev);

/* True if the WQEs of this stream are flushed; never without streams */
bool dc_stream_errored(const struct qp *qp, uint16_t stream);
/* A WQE failed. Returns false if the queue pair fails, too. */
bool dc_stream_fail(struct dev *dev, struct qp *qp, uint16_t stream);
void dc_stream_reset(struct qp *qp, uint16_t stream);

#endif
