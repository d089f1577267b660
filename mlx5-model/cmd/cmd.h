/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The command interface: the queue of commands in the guest's memory. */
#ifndef MLX5_MODEL_CMD_H
#define MLX5_MODEL_CMD_H

#include "base/dev.h"

#define CMD_LOG_SLOTS 5
#define CMD_LOG_STRIDE 6

/* For tests as well: one command as it stands in the driver's buffers */
void cmd_execute(struct dev *dev, uint8_t *in, size_t in_length, uint8_t *out, size_t out_length);
/* Bits of the doorbell register: slots to look at */
void cmd_doorbell(struct dev *dev, uint32_t slots);

#endif
