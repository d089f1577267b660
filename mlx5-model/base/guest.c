// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/guest.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUEST_REGIONS_MAX 4096

static bool guest_overlaps(const struct guest *guest, uint64_t address, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < guest->count; i++) {
		const struct guest_region *r = &guest->regions[i];

		if (address <= r->address + (r->size - 1) && r->address <= address + (size - 1))
			return true;
	}
	return false;
}

/* Maps the region between two guard pages: an access outside of it crashes */
static int guest_mmap(struct guest_region *region, int fd, uint64_t offset)
{
	uint64_t page = sysconf(_SC_PAGESIZE), lead = offset % page;
	size_t size = (lead + region->size + page - 1) / page * page;
	struct stat st;
	uint8_t *guard;
	int error;

	/* a file that is too short would raise SIGBUS later: fail now */
	if (fstat(fd, &st) || offset > (uint64_t)st.st_size ||
	    region->size > (uint64_t)st.st_size - offset)
		return -EINVAL;
	guard = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guard == MAP_FAILED)
		return -errno;
	if (mmap(guard + page, size, PROT_READ | (region->writable ? PROT_WRITE : 0),
		 MAP_SHARED | MAP_FIXED, fd, offset - lead) == MAP_FAILED) {
		error = errno;
		munmap(guard, size + 2 * page);
		return -error;
	}
	region->mapping = guard;
	region->mapping_size = size + 2 * page;
	region->host = guard + page + lead;
	return 0;
}

int guest_map(struct guest *guest, uint64_t address, uint64_t size, int fd, uint64_t offset,
	      bool writable)
{
	struct guest_region region = { .address = address, .size = size, .writable = writable };
	struct guest_region *regions;
	int ret;

	if (!size || address + (size - 1) < address || guest->count >= GUEST_REGIONS_MAX)
		return -EINVAL;
	if (guest_overlaps(guest, address, size))
		return -EEXIST;
	regions = realloc(guest->regions, (guest->count + 1) * sizeof(*regions));
	if (!regions)
		return -ENOMEM;
	guest->regions = regions;
	if (fd >= 0) {
		ret = guest_mmap(&region, fd, offset);
		if (ret)
			return ret;
	}
	regions[guest->count++] = region;
	return 0;
}

int guest_unmap(struct guest *guest, uint64_t address, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < guest->count; i++) {
		struct guest_region *r = &guest->regions[i];

		if (r->address != address || r->size != size)
			continue;
		if (r->host)
			munmap(r->mapping, r->mapping_size);
		*r = guest->regions[--guest->count];
		return 0;
	}
	return -ENOENT;
}

void guest_unmap_all(struct guest *guest)
{
	while (guest->count)
		guest_unmap(guest, guest->regions[0].address, guest->regions[0].size);
	free(guest->regions);
	guest->regions = NULL;
}

static const struct guest_region *guest_find(struct guest *guest, uint64_t address)
{
	unsigned int i;

	for (i = 0; i < guest->count; i++) {
		unsigned int index = (guest->last + i) % guest->count;
		const struct guest_region *r = &guest->regions[index];

		if (address - r->address < r->size) {
			guest->last = index;
			return r;
		}
	}
	return NULL;
}

uint8_t *guest_at(struct guest *guest, uint64_t address, size_t *length, bool write)
{
	const struct guest_region *r = guest_find(guest, address);
	uint64_t offset;

	if (!r || !r->host || (write && !r->writable))
		return NULL;
	offset = address - r->address;
	if (*length > r->size - offset)
		*length = r->size - offset;
	return r->host + offset;
}

bool guest_read(struct guest *guest, uint64_t address, void *data, size_t length)
{
	uint8_t *to = data;

	while (length) {
		size_t n = length;
		const uint8_t *from = guest_at(guest, address, &n, false);

		if (!from)
			return false;
		memcpy(to, from, n);
		address += n;
		to += n;
		length -= n;
	}
	return true;
}

bool guest_write(struct guest *guest, uint64_t address, const void *data, size_t length)
{
	const uint8_t *from = data;

	while (length) {
		size_t n = length;
		uint8_t *to = guest_at(guest, address, &n, true);

		if (!to)
			return false;
		memcpy(to, from, n);
		address += n;
		from += n;
		length -= n;
	}
	return true;
}

bool guest_read_be32(struct guest *guest, uint64_t address, uint32_t *value)
{
	uint8_t bytes[4];

	if (!guest_read(guest, address, bytes, sizeof(bytes)))
		return false;
	*value = get_be32(bytes);
	return true;
}
