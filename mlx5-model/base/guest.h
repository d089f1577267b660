/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The guest's memory. Only this file maps and accesses it, and checks that addresses are inside of
 * it.
 */
#ifndef MLX5_MODEL_GUEST_H
#define MLX5_MODEL_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With an IOMMU the guest has a region for each page that it lets the device access. */
#define GUEST_REGIONS_MAX (1u << 20)

struct guest_file;
struct guest_region;

struct guest {
	void *regions; /* by address: a tree of tsearch(3) */
	unsigned int count;
	const struct guest_region *last; /* the one of the last access */
	struct guest_file *files;
};

/*
 * Negative errno values. A map without fd is a hole: a valid address range that DMA cannot access.
 */
int guest_map(struct guest *guest, uint64_t address, uint64_t size, int fd, uint64_t offset,
	      bool writable);
/*
 * Unmaps all regions in a range; none may lie across its ends. Sets @unmapped to the sum of their
 * sizes.
 */
int guest_unmap(struct guest *guest, uint64_t address, uint64_t size, uint64_t *unmapped);
/* Returns the sum of the sizes. */
uint64_t guest_unmap_all(struct guest *guest);

/*
 * Returns the address in this process and reduces *length to the contiguous part. NULL if not
 * mapped.
 */
uint8_t *guest_at(struct guest *guest, uint64_t address, size_t *length, bool write);

/* Return false if a part of the range is not accessible; other parts may have been copied. */
bool guest_read(struct guest *guest, uint64_t address, void *data, size_t length);
bool guest_write(struct guest *guest, uint64_t address, const void *data, size_t length);
bool guest_read_be32(struct guest *guest, uint64_t address, uint32_t *value);

#endif
