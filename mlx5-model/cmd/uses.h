/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Objects refer to each other by number. As firmware does, a command refuses to make an object with
 * a reference to nothing, and to destroy one that another object refers to.
 */
#ifndef MLX5_MODEL_USES_H
#define MLX5_MODEL_USES_H

#include "cmd/handler.h"

/* Returns true if an object refers to this number */
bool uses_pd(struct dev *dev, uint32_t number);
bool uses_uar(struct dev *dev, uint32_t number);
bool uses_xrcd(struct dev *dev, uint32_t number);
bool uses_eq(struct dev *dev, uint32_t number);
bool uses_cq(struct dev *dev, uint32_t number);
bool uses_srq(struct dev *dev, uint32_t number);

/* The status of a command that destroys this object: CMD_OK if it may */
enum cmd_status uses_status(struct dev *dev, const struct table *table, uint32_t number,
			    bool (*uses)(struct dev *dev, uint32_t number));

#endif
