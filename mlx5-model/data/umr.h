/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* UMR: a send WQE that changes an mkey. */
#ifndef MLX5_MODEL_UMR_H
#define MLX5_MODEL_UMR_H

#include "cmd/cq.h"
#include "data/xlate.h"

/* wqe starts after the control segment; XLATE_FAULT if the list itself is not present */
enum xlate_result umr_execute(struct dev *dev, const struct xlate_origin *origin, uint32_t key,
			      const uint8_t *wqe, size_t length, enum syndrome *syndrome,
			      struct xlate_miss *miss);
/* Invalidates a key for a remote peer (SEND with invalidate); returns false if it may not */
bool umr_invalidate(struct dev *dev, const struct xlate_origin *origin, uint32_t key);

#endif
