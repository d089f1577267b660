/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A scatter/gather list: the pieces of memory, of the guest or of the device, that a work request
 * refers to, in order. It lives within the handling of one guest message, so no piece can be
 * unmapped or freed during its use.
 */
#ifndef MLX5_MODEL_SG_H
#define MLX5_MODEL_SG_H

#include "base/dev.h"

struct sg_piece {
	uint8_t *host; /* NULL: reads as zero, writes are discarded */
	size_t length;
};

/*
 * Limits of one work request. A message of DEV_MAX_MSG in pages of 4 KiB has 2^18 pieces, each
 * found through at most CAPS_MAX_INDIRECTION + 1 entries; users can create lists of single bytes.
 */
#define SG_PIECES_MAX (1u << 19)
#define SG_ENTRIES_MAX (1u << 21)

struct sg {
	unsigned int entries; /* of translation tables that were read for it */
	struct sg_piece *pieces;
	size_t count;
	size_t room;
	uint64_t length;
};

/* These two return false on ENOMEM, and for more than SG_PIECES_MAX pieces */
bool sg_add(struct sg *sg, uint8_t *host, size_t length);
bool sg_add_guest(struct dev *dev, struct sg *sg, uint64_t address, uint64_t length, bool write);
void sg_release(struct sg *sg);

/* Copies all of from, after skip bytes of to. The caller has checked that it fits. */
void sg_copy(const struct sg *to, uint64_t skip, const struct sg *from);
void sg_put(const struct sg *to, uint64_t skip, const void *data, size_t length);

#endif
