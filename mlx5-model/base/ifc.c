// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/ifc.h"

uint64_t ifc_get(const void *base, size_t bit, unsigned int width)
{
	const uint8_t *p = base;
	uint64_t value = 0;

	while (width) {
		unsigned int first = bit % 8;
		unsigned int n = 8 - first < width ? 8 - first : width;

		value = value << n | ((p[bit / 8] >> (8 - first - n)) & ((1u << n) - 1));
		bit += n;
		width -= n;
	}
	return value;
}

void ifc_set(void *base, size_t bit, unsigned int width, uint64_t value)
{
	uint8_t *p = base;

	while (width) {
		unsigned int first = bit % 8;
		unsigned int n = 8 - first < width ? 8 - first : width;
		unsigned int shift = 8 - first - n;
		uint8_t mask = ((1u << n) - 1) << shift;

		width -= n;
		p[bit / 8] = (p[bit / 8] & ~mask) | (((value >> width) << shift) & mask);
		bit += n;
	}
}
