/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MLX5_MODEL_PORT_H
#define MLX5_MODEL_PORT_H

#include "base/dev.h"

/* Fills in the GID of this index (16 bytes); all zero if the index is not in use */
void port_gid(const struct dev *dev, unsigned int index, uint8_t *gid);
bool port_has_gid(const struct dev *dev, const uint8_t *gid);

#endif
