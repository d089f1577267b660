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

/* The same without the bits that are used */
static bool unused_set(const struct reserved_used *used, const uint8_t *data, size_t bit,
		       size_t width)
{
	size_t end = bit + width, used_end;

	for (; used && used->width; used++) {
		used_end = used->bit + used->width;
		if (used->bit < bit || used_end > end || !ifc_get(data, used->valid, 1))
			continue;
		return unused_set(used + 1, data, bit, used->bit - bit) ||
		       unused_set(used + 1, data, used_end, end - used_end);
	}
	return reserved_set(data, bit, width);
}

struct walk {
	struct dev *dev;
	const char *what, *name;
	const struct reserved_used *used;
	const uint8_t *data;
};

static void reserved_walk(const struct walk *w, const struct reserved *fields, size_t base)
{
	size_t bit;

	for (; fields->width; fields++) {
		bit = base + fields->bit;
		if (fields->nested)
			reserved_walk(w, fields->nested, bit);
		else if (unused_set(w->used, w->data, bit, fields->width))
			strict_report(w->dev, "%s %s: reserved bits set, %zu from bit %#zx",
				      w->what, w->name, fields->width, bit);
	}
}

void reserved_report(struct dev *dev, const char *what, const char *name,
		     const struct reserved *fields, const struct reserved_used *used,
		     const uint8_t *data)
{
	const struct walk walk = { dev, what, name, used, data };

	if (dev->options.strict)
		reserved_walk(&walk, fields, 0);
}
