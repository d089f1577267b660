// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/mman.h>

#include "bench.h"
#include "tap.h"

#define PLACE ((void *)0x300000000000)

const char *space_name(enum space_kind kind)
{
	static const char *const names[] = {
		[SPACE_BASE] = "base",
		[SPACE_HUGE] = "huge",
		[SPACE_GIGA] = "giga",
	};

	return names[kind];
}

size_t space_page(enum space_kind kind)
{
	static const size_t pages[] = {
		[SPACE_BASE] = SZ_4K,
		[SPACE_HUGE] = SZ_2M,
		[SPACE_GIGA] = SZ_1G,
	};

	return pages[kind];
}

void space_map(struct space *space, enum space_kind kind, size_t len)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	/* without reserving memory: much of it may never be touched */
	flags |= kind == SPACE_GIGA ? MAP_HUGETLB | MAP_HUGE_1GB : MAP_NORESERVE;
	*space = (struct space){ .kind = kind, .len = len };
	space->addr = mmap(PLACE, len, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (space->addr == MAP_FAILED)
		fatal("mmap of %zu MiB of %s memory: %s", len >> 20, space_name(kind),
		      strerror(errno));
	if (kind != SPACE_GIGA &&
	    madvise(space->addr, len, kind == SPACE_HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		fatal("madvise: %s", strerror(errno));
}

void space_unmap(struct space *space)
{
	if (munmap(space->addr, space->len))
		fatal("munmap: %s", strerror(errno));
}

void space_populate(struct space *space)
{
	volatile uint8_t *byte = space->addr;
	size_t page = space_page(space->kind);

	for (size_t at = 0; at < space->len; at += page)
		byte[at] = 1;
}

void space_check(const struct space *space)
{
	if (space->kind == SPACE_HUGE && space->len >= SZ_2M &&
	    mem_huge_bytes(space->addr) < (space->len & ~(SZ_2M - 1)))
		fatal("of %zu MiB of memory, only %zu MiB are in huge pages", space->len >> 20,
		      mem_huge_bytes(space->addr) >> 20);
}

void space_empty(struct space *space)
{
	if (madvise(space->addr, space->len, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
}
