/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The command interface: the queue of commands in the guest's memory. */
#ifndef MLX5_MODEL_CMD_H
#define MLX5_MODEL_CMD_H

#include "base/dev.h"

#define CMD_LOG_SLOTS 5
#define CMD_LOG_STRIDE 6

/* Executes one command in the driver's buffers; tests call it, too */
void cmd_execute(struct dev *dev, uint8_t *in, size_t in_length, uint8_t *out, size_t out_length);
bool cmd_is_known(const char *name);
/* Executes the commands in the slots whose bits are set in the doorbell register */
void cmd_doorbell(struct dev *dev, uint32_t slots);

#endif
