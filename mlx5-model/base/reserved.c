// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/reserved.h"

static bool reserved_set(const uint8_t *data, size_t bit, size_t width)
{
	size_t n;

	for (; width; width -= n, bit += n) {
		n = width < 64 ? width : 64;
		if (ifc_get(data, bit, n))
			return true;
	}
	return false;
}

bool reserved_bytes(const uint8_t *data, size_t length)
{
	return reserved_set(data, 0, length * 8);
}

static void reserved_walk(struct dev *dev, const char *what, const char *name,
			  const struct reserved *fields, const uint8_t *data, size_t base)
{
	for (; fields->width; fields++) {
		if (fields->nested)
			reserved_walk(dev, what, name, fields->nested, data, base + fields->bit);
		else if (reserved_set(data, base + fields->bit, fields->width))
			strict_report(dev, "%s %s: reserved bits set, %zu from bit %#zx", what, name,
				      fields->width, base + fields->bit);
	}
}

void reserved_report(struct dev *dev, const char *what, const char *name,
		     const struct reserved *fields, const uint8_t *data)
{
	if (dev->options.strict)
		reserved_walk(dev, what, name, fields, data, 0);
}
