/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Swap to page out to. */
#ifndef LAB_SWAP_H
#define LAB_SWAP_H

#include <stddef.h>

struct swap {
	char dir[64];
	char dev[64];
};

/*
 * Over a loop device: pages read from a synchronous one, like zram, leave swap
 * at once and are dirty for that reason. Needs root.
 */
void swap_on(struct swap *swap, size_t bytes);
void swap_off(struct swap *swap);

/* Pages of the range that are in swap. */
size_t swapped_pages(const void *addr, size_t len);

#endif
