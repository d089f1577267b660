/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Strict mode: bits of an input that its layout reserves, and that a driver must leave zero. */
#ifndef MLX5_MODEL_RESERVED_H
#define MLX5_MODEL_RESERVED_H

#include "base/dev.h"

/* The lists are made from the layouts, in reserved_fields.h; each ends with a width of 0. */
struct reserved {
	size_t bit;
	size_t width;
	const struct reserved *nested; /* a layout in this place, not reserved as a whole */
};

/*
 * Bits that the kernel's layout reserves, and that have a meaning for an application's own commands
 * if another bit says so. A list ends with a width of 0.
 */
struct reserved_used {
	size_t bit;
	size_t width;
	size_t valid; /* the other bit */
};

/* For bytes without a layout: returns true if one of them is set */
bool reserved_bytes(const uint8_t *data, size_t length);
/* Reports each reserved field that is set; what and name describe the input, used can be NULL */
void reserved_report(struct dev *dev, const char *what, const char *name,
		     const struct reserved *fields, const struct reserved_used *used,
		     const uint8_t *data);

#endif
