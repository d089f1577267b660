/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Runs send queues. */
#ifndef MLX5_MODEL_ENGINE_H
#define MLX5_MODEL_ENGINE_H

#include "base/dev.h"

/* A number of WQEs; true: there may be more to do now */
bool engine_run(struct dev *dev, struct qp *qp);
/* What waits for time to pass. Returns ns until the next of it is due, UINT64_MAX for none. */
uint64_t engine_wake(struct dev *dev);

#endif
