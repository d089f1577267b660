/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Cached properties of open devices, so that a registration need not query
 * them. Entries can be stale: a context can be closed and another one
 * allocated at its address. The kernel rejects a wrong driver_id; before a
 * request is refused because of the capabilities, they are queried again.
 */
#ifndef HUGEODP_CONTEXT_CACHE_H
#define HUGEODP_CONTEXT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_context;
struct kernel_side;

struct device_caps {
	uint64_t page_sizes;
	uint32_t flags;
	uint32_t source; /* enum ibv_odp_source */
	/* the kernel has the series: IBV_ACCESS_HUGETLB is safe */
	bool series;
};

bool context_find_driver_id(const struct ibv_context *context, uint32_t *driver_id);
void context_store_driver_id(const struct ibv_context *context, uint32_t driver_id);

bool context_find_caps(const struct ibv_context *context, struct device_caps *caps);
void context_store_caps(const struct ibv_context *context, const struct device_caps *caps);

/* @side: NULL if the kernel side is not ours, see kernel_side.h. */
bool context_find_kernel_side(const struct ibv_context *context, const struct kernel_side **side);
void context_store_kernel_side(const struct ibv_context *context, const struct kernel_side *side);

#endif
