/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MLX5_MODEL_SRQ_H
#define MLX5_MODEL_SRQ_H

#include "base/dev.h"

#define SRQ_WQE_NEXT 16 /* bytes before the data segments */

/* Takes the WQE at the head; returns false if there is none */
bool srq_take(struct dev *dev, struct srq *srq, uint16_t *index);
bool srq_read(struct dev *dev, const struct srq *srq, uint16_t index, uint8_t *wqe, size_t length);
void srq_release(void *srq);

#endif
