/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The blocks that the memory of this process consists of now. */
#ifndef HUGEODP_BLOCKS_H
#define HUGEODP_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

/* Number of blocks that a range touches. The range must not wrap around. */
uint64_t blocks_count(uint64_t addr, uint64_t length, uint32_t shift);

/*
 * Find the size of which all blocks of a range are: log2 of the smallest page in it. With @possible,
 * pages that are missing can still become huge ones. Returns 0, EOPNOTSUPP if the range is empty or
 * not all of it is mapped, or an errno value.
 */
int blocks_shift_self(uint64_t addr, uint64_t length, bool possible, uint32_t *shift);

/*
 * The largest size up to 2^@shift in which a device can have a range at @iova: the bits below it
 * are the same in both addresses, and no smaller size has one block for the whole range.
 */
uint32_t blocks_common_shift(uint64_t addr, uint64_t iova, uint64_t length, uint32_t shift);

#endif
