/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Objects refer to each other by number. As in firmware, a command fails if it would create an
 * object with a reference to one that does not exist, or destroy an object that another one refers
 * to.
 */
#ifndef MLX5_MODEL_USES_H
#define MLX5_MODEL_USES_H

#include "cmd/handler.h"

/* Returns true if an object refers to this number or, for a context, belongs to it */
bool uses_pd(struct dev *dev, uint32_t number);
bool uses_uar(struct dev *dev, uint32_t number);
bool uses_xrcd(struct dev *dev, uint32_t number);
bool uses_eq(struct dev *dev, uint32_t number);
bool uses_cq(struct dev *dev, uint32_t number);
bool uses_srq(struct dev *dev, uint32_t number);
bool uses_memic(struct dev *dev, uint32_t number);
bool uses_umem(struct dev *dev, uint32_t number);
bool uses_context(struct dev *dev, uint32_t number);

/* The status of a command that destroys this object: CMD_OK if no other object refers to it */
enum cmd_status uses_status(struct dev *dev, const struct table *table, uint32_t number,
			    bool (*uses)(struct dev *dev, uint32_t number));

#endif
