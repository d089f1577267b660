/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Translates a key and an address into pieces of memory, a page fault, or a protection error. */
#ifndef MLX5_MODEL_XLATE_H
#define MLX5_MODEL_XLATE_H

#include "base/dev.h"
#include "base/sg.h"

#define XLATE_PRESENT_READ 1u
#define XLATE_PRESENT_WRITE 2u

enum xlate_access {
	XLATE_LOCAL_READ = 1,
	XLATE_LOCAL_WRITE = 2,
	XLATE_REMOTE_READ = 4,
	XLATE_REMOTE_WRITE = 8,
	XLATE_ATOMIC = 16,
};

enum xlate_result { XLATE_OK, XLATE_FAULT, XLATE_DENIED };

/* The requester */
struct xlate_origin {
	uint32_t qpn;
	uint32_t pd;
	bool any_pd; /* the driver's own queue for UMRs has none */
	bool kernel; /* it may change keys of pages */
};

/* The first hole: key of the last table read, and the range that was accessed through it */
struct xlate_miss {
	uint32_t key;
	uint64_t address;
	uint64_t length;
};

/* Appends to sg. Only XLATE_FAULT fills in miss. */
enum xlate_result xlate(struct dev *dev, const struct xlate_origin *origin, uint32_t key,
			uint64_t address, uint64_t length, enum xlate_access access, struct sg *sg,
			struct xlate_miss *miss);

#endif
