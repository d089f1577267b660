/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Runs send queues. */
#ifndef MLX5_MODEL_ENGINE_H
#define MLX5_MODEL_ENGINE_H

#include "base/dev.h"

/* Runs some WQEs. Returns true if there may be more to do now. */
bool engine_run(struct dev *dev, struct qp *qp);
/* Wakes queue pairs whose wait is over. Returns ns until the next is due, UINT64_MAX for none. */
uint64_t engine_wake(struct dev *dev);

#endif
