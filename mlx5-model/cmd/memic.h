/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Device memory (MEMIC). The driver chooses pages of an area of BAR 0 and maps them for an
 * application; keys make them accessible to work requests. The areas of operations are other views
 * of the same memory, in which an access is an operation.
 */
#ifndef MLX5_MODEL_MEMIC_H
#define MLX5_MODEL_MEMIC_H

#include "base/caps.h"

#define MEMIC_PAGE 4096u
#define MEMIC_COUNT (CAPS_MEMIC_SIZE / MEMIC_PAGE)

/* Returns the number of the allocation that this range of the BAR is in, or 0 */
uint32_t memic_find(struct dev *dev, uint64_t address, uint64_t length);
/*
 * Returns the memory at this address of the BAR, or NULL unless the range is in the allocation of
 * this number
 */
uint8_t *memic_at(struct dev *dev, uint32_t number, uint64_t address, uint64_t length);
/* Accesses to BAR 0 from CAPS_MEMIC_START on. What is not allocated reads as zero. */
void memic_bar_read(struct dev *dev, uint64_t offset, uint8_t *data, size_t length);
void memic_bar_write(struct dev *dev, uint64_t offset, const uint8_t *data, size_t length);
void memic_release(void *memic);

#endif
