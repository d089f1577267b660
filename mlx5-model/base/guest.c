// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/guest.h"

#include "base/bytes.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct guest_region {
	uint64_t address;
	uint64_t size;
	struct guest_file *file; /* NULL for a hole */
	uint8_t *host;
	bool writable;
};

/*
 * A file of the guest's memory, mapped as a whole between two guard pages: an access outside of it
 * crashes.
 */
struct guest_file {
	struct guest_file *next;
	dev_t device;
	ino_t inode;
	uint64_t size;
	bool writable;
	uint8_t *host;
	uint8_t *mapping;
	size_t mapping_size;
	unsigned int users; /* regions */
};

static int guest_file_mmap(struct guest_file *file, int fd)
{
	uint64_t page = sysconf(_SC_PAGESIZE);
	size_t size;
	int error;

	if (!file->size || file->size > SIZE_MAX - 3 * page)
		return -EINVAL;
	size = (file->size + page - 1) / page * page;
	file->mapping_size = size + 2 * page;
	file->mapping = mmap(NULL, file->mapping_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
	if (file->mapping == MAP_FAILED)
		return -errno;
	file->host = file->mapping + page;
	if (mmap(file->host, size, PROT_READ | (file->writable ? PROT_WRITE : 0),
		 MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED)
		return 0;
	error = errno;
	munmap(file->mapping, file->mapping_size);
	return -error;
}

/* Returns the file, mapped once for all regions, or NULL and a negative errno value in @ret */
static struct guest_file *guest_file_get(struct guest *guest, int fd, bool writable, int *ret)
{
	struct guest_file *file;
	struct stat st;

	if (fstat(fd, &st)) {
		*ret = -errno;
		return NULL;
	}
	for (file = guest->files; file; file = file->next) {
		if (file->device == st.st_dev && file->inode == st.st_ino &&
		    file->size == (uint64_t)st.st_size && file->writable == writable)
			break;
	}
	if (!file) {
		file = calloc(1, sizeof(*file));
		*ret = -ENOMEM;
		if (!file)
			return NULL;
		file->device = st.st_dev;
		file->inode = st.st_ino;
		file->size = st.st_size;
		file->writable = writable;
		*ret = guest_file_mmap(file, fd);
		if (*ret) {
			free(file);
			return NULL;
		}
		file->next = guest->files;
		guest->files = file;
	}
	file->users++;
	return file;
}

static void guest_file_put(struct guest *guest, struct guest_file *file)
{
	struct guest_file **link = &guest->files;

	if (!file || --file->users)
		return;
	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	munmap(file->mapping, file->mapping_size);
	free(file);
}

/* Regions that overlap are equal: a search for a range finds any region that it overlaps */
static int guest_compare(const void *a, const void *b)
{
	const struct guest_region *x = a, *y = b;

	if (x->address + (x->size - 1) < y->address)
		return -1;
	return y->address + (y->size - 1) < x->address;
}

static struct guest_region *guest_find(const struct guest *guest, uint64_t address, uint64_t size)
{
	struct guest_region range = { .address = address, .size = size };
	struct guest_region **found = tfind(&range, &guest->regions, guest_compare);

	return found ? *found : NULL;
}

static int guest_file_map(struct guest *guest, struct guest_region *region, int fd, uint64_t offset)
{
	int ret;

	region->file = guest_file_get(guest, fd, region->writable, &ret);
	if (!region->file)
		return ret;
	/* an access after the end of the file would raise SIGBUS later: fail now */
	if (offset > region->file->size || region->size > region->file->size - offset)
		return -EINVAL;
	region->host = region->file->host + offset;
	return 0;
}

int guest_map(struct guest *guest, uint64_t address, uint64_t size, int fd, uint64_t offset,
	      bool writable)
{
	struct guest_region *region;
	int ret = 0;

	if (!size || address + (size - 1) < address)
		return -EINVAL;
	if (guest_find(guest, address, size))
		return -EEXIST;
	if (guest->count >= GUEST_REGIONS_MAX)
		return -ENOSPC;
	region = calloc(1, sizeof(*region));
	if (!region)
		return -ENOMEM;
	region->address = address;
	region->size = size;
	region->writable = writable;
	if (fd >= 0)
		ret = guest_file_map(guest, region, fd, offset);
	if (!ret && !tsearch(region, &guest->regions, guest_compare))
		ret = -ENOMEM;
	if (ret) {
		guest_file_put(guest, region->file);
		free(region);
		return ret;
	}
	guest->count++;
	return 0;
}

static void guest_remove(struct guest *guest, struct guest_region *region)
{
	tdelete(region, &guest->regions, guest_compare);
	if (guest->last == region)
		guest->last = NULL;
	guest_file_put(guest, region->file);
	free(region);
	guest->count--;
}

int guest_unmap(struct guest *guest, uint64_t address, uint64_t size, uint64_t *unmapped)
{
	uint64_t last = address + (size - 1);
	struct guest_region *first, *end;

	*unmapped = 0;
	if (!size || last < address)
		return -EINVAL;
	first = guest_find(guest, address, 1);
	end = guest_find(guest, last, 1);
	if ((first && first->address < address) || (end && end->address + (end->size - 1) > last))
		return -EINVAL;
	while ((first = guest_find(guest, address, size))) {
		*unmapped += first->size;
		guest_remove(guest, first);
	}
	return 0;
}

uint64_t guest_unmap_all(struct guest *guest)
{
	struct guest_region *region;
	uint64_t unmapped = 0;

	/* a size of 0 wraps to all addresses */
	while ((region = guest_find(guest, 0, 0))) {
		unmapped += region->size;
		guest_remove(guest, region);
	}
	return unmapped;
}

static const struct guest_region *guest_region_at(struct guest *guest, uint64_t address)
{
	const struct guest_region *r = guest->last;

	if (!r || address - r->address >= r->size)
		guest->last = r = guest_find(guest, address, 1);
	return r;
}

uint8_t *guest_at(struct guest *guest, uint64_t address, size_t *length, bool write)
{
	const struct guest_region *r = guest_region_at(guest, address);
	uint64_t offset;

	if (!r || !r->file || (write && !r->writable))
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
