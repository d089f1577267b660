/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What a work request's segments come down to: pieces of the guest's memory, in order. A list is
 * made, used and dropped within one message of the guest, so no piece can be unmapped meanwhile.
 */
#ifndef MLX5_MODEL_SG_H
#define MLX5_MODEL_SG_H

#include "base/dev.h"

struct sg_piece {
	uint8_t *host; /* NULL: reads as zero, and what is written is gone */
	size_t length;
};

struct sg {
	struct sg_piece *pieces;
	size_t count;
	size_t room;
	uint64_t length;
};

bool sg_add(struct sg *sg, uint8_t *host, size_t length);
bool sg_add_guest(struct dev *dev, struct sg *sg, uint64_t address, uint64_t length, bool write);
void sg_release(struct sg *sg);

/* Skips bytes at the start of to; copies as much as from has, which fits (the caller checked) */
void sg_copy(const struct sg *to, uint64_t skip, const struct sg *from);
void sg_put(const struct sg *to, uint64_t skip, const void *data, size_t length);

#endif
