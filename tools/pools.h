/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The pools of huge pages (hugetlb) of the system. */
#ifndef HUGEODP_POOLS_H
#define HUGEODP_POOLS_H

#include <stddef.h>
#include <stdint.h>

#define POOLS 16
#define POOLS_DIR "/sys/kernel/mm/hugepages"

struct pool {
	uint64_t size;
	uint64_t pages;
	uint64_t free;
};

/* Returns how many there are, at most @room. */
size_t pools_read(struct pool *pools, size_t room);

#endif
