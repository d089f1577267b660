/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The life of a device, from power-on to removal, and the loop body that runs all devices. */
#ifndef MLX5_MODEL_MODEL_H
#define MLX5_MODEL_MODEL_H

#include "fabric/fabric.h"

/* Returns false if the fabric has no free port, or the options of cache and trace fail */
bool model_init(struct dev *dev, struct fabric *fabric, const struct dev_options *options);
/* Resets the device to its state after power-on; the guest's memory stays mapped */
void model_reset(struct dev *dev);
void model_destroy(struct dev *dev);
/* Runs all devices once. Returns ms until work is due again, -1 if nothing is due. */
int model_work(struct fabric *fabric);

#endif
