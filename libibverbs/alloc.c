// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory of the largest page size that the system has left. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/mempolicy.h>

#include "log.h"
#include "memory/thp.h"
#include "priv.h"

/* Not in the headers of older systems. */
#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define KNOWN_FLAGS \
	((uint32_t)(HUGEODP_MEMORY_POPULATE | HUGEODP_MEMORY_DONTFORK | HUGEODP_MEMORY_NODE))
/* the kernel's limit is 1024 */
#define NODES 1024
#define LONG_BITS (sizeof(unsigned long) * 8)

struct area {
	struct hugeodp_memory memory;
	size_t mapped; /* from memory.addr */
};

static int validate(const struct hugeodp_memory_attr *attr)
{
	/* so that rounding it up cannot overflow */
	if (!attr->length || attr->length >> 62)
		return log_refusal(EINVAL, "memory of %" PRIu64 " bytes", attr->length);
	if (!hugeodp_sizes_are_possible(attr->page_sizes))
		return log_refusal(EINVAL, "page sizes %#" PRIx64 " of memory are impossible",
				   attr->page_sizes);
	if (attr->flags & ~KNOWN_FLAGS)
		return log_refusal(EINVAL, "unknown bits in flags %#x of memory", attr->flags);
	if (attr->flags & HUGEODP_MEMORY_NODE ? attr->node >= NODES : attr->node)
		return log_refusal(EINVAL, "node %u", attr->node);
	return 0;
}

static int bind_to_node(const struct area *area, uint32_t node)
{
	unsigned long mask[NODES / LONG_BITS] = { 0 };

	mask[node / LONG_BITS] = 1UL << node % LONG_BITS;
	/* the kernel takes one bit less than this */
	if (!syscall(SYS_mbind, area->memory.addr, area->mapped, MPOL_BIND, mask, NODES + 1, 0))
		return 0;
	/* a kernel without NUMA has one node */
	return errno == ENOSYS && !node ? 0 : errno;
}

/*
 * Before Linux 5.14 the kernel cannot do this. The library can, but in a pool a page that is missing
 * would be a signal. Returns ERANGE if this kind of memory cannot be populated.
 */
static int populate(const struct area *area)
{
	volatile unsigned char *byte = area->memory.addr;
	const size_t step = (size_t)IBV_ODP_PAGE_BASE;
	size_t at;

	if (!madvise(area->memory.addr, area->mapped, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return errno;
	if (area->memory.kind == HUGEODP_MEMORY_HUGETLB)
		return ERANGE;
	for (at = 0; at < area->mapped; at += step)
		byte[at] = 0;
	return 0;
}

/* What the caller wants of memory that is mapped. */
static int prepare(const struct area *area, const struct hugeodp_memory_attr *attr)
{
	/*
	 * The pool is reserved without regard to nodes and to the limit of the control group
	 * (hugetlb.2MB.max): a lack would be a signal at the first access.
	 */
	const bool pool = area->memory.kind == HUGEODP_MEMORY_HUGETLB;
	const bool must = attr->flags & HUGEODP_MEMORY_POPULATE ||
			  (pool && attr->flags & HUGEODP_MEMORY_NODE);
	int err = 0;

	if (attr->flags & HUGEODP_MEMORY_NODE)
		err = bind_to_node(area, attr->node);
	if (!err && attr->flags & HUGEODP_MEMORY_DONTFORK)
		err = madvise(area->memory.addr, area->mapped, MADV_DONTFORK) ? errno : 0;
	if (err || (!must && !pool))
		return err;
	err = populate(area);
	return err == ERANGE && !must ? 0 : err;
}

static void *map(size_t length, int flags)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1,
		    0);
}

/* Map @length bytes at a multiple of @size. */
static void *map_aligned(size_t length, size_t size)
{
	unsigned char *at = map(length + size, 0);
	size_t before, after;

	if (at == MAP_FAILED)
		return at;
	before = -(uintptr_t)at & (size - 1);
	after = size - before;
	if (before)
		munmap(at, before);
	munmap(at + before + length, after);
	return at + before;
}

static bool thp_is_possible(uint64_t size)
{
	return thp_anon_has(size) && prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) != 1;
}

static void *map_kind(uint32_t kind, size_t length, uint64_t size)
{
	void *at;

	switch (kind) {
	case HUGEODP_MEMORY_HUGETLB:
		return map(length, (int)(MAP_HUGETLB | (unsigned int)__builtin_ctzll(size)
							       << MAP_HUGE_SHIFT));
	case HUGEODP_MEMORY_THP:
		at = map_aligned(length, (size_t)size);
		if (at != MAP_FAILED && madvise(at, length, MADV_HUGEPAGE)) {
			munmap(at, length);
			at = MAP_FAILED;
		}
		return at;
	default:
		return map(length, 0);
	}
}

/* Map pages of @size from one source. Returns an errno value, ERANGE if the system has none. */
static int try_kind(struct area *area, const struct hugeodp_memory_attr *attr, uint32_t kind,
		    uint64_t size)
{
	const uint64_t length = (attr->length + size - 1) & ~(size - 1);
	int err;

	if (kind == HUGEODP_MEMORY_THP && !thp_is_possible(size))
		return ERANGE;
	area->mapped = (size_t)length;
	area->memory = (struct hugeodp_memory){
		.addr = map_kind(kind, area->mapped, size),
		.length = attr->length,
		.page_size = size,
		.kind = kind,
	};
	if (area->memory.addr == MAP_FAILED)
		/* a pool that does not exist, or is too small, is not a lack of memory */
		return kind == HUGEODP_MEMORY_HUGETLB || errno == EINVAL ? ERANGE : errno;
	err = prepare(area, attr);
	if (err)
		munmap(area->memory.addr, area->mapped);
	return err;
}

static int try_size(struct area *area, const struct hugeodp_memory_attr *attr, uint64_t size)
{
	int err;

	if (size == IBV_ODP_PAGE_BASE)
		return try_kind(area, attr, HUGEODP_MEMORY_BASE, size);
	err = try_kind(area, attr, HUGEODP_MEMORY_HUGETLB, size);
	/* a wrong node is one for every kind */
	if (err && err != EINVAL)
		err = try_kind(area, attr, HUGEODP_MEMORY_THP, size);
	return err;
}

/* The accepted sizes that do not exceed the length, or else the smallest one. */
static uint64_t sizes_to_try(const struct hugeodp_memory_attr *attr)
{
	/* from the base page size up to 2^47 */
	const uint64_t any = (UINT64_C(1) << 48) - IBV_ODP_PAGE_BASE;
	const uint64_t accepted = attr->page_sizes ? attr->page_sizes : any;
	const int top = 63 - __builtin_clzll(attr->length);
	const uint64_t fit = accepted & ((UINT64_C(2) << top) - 1);

	return fit ? fit : accepted & -accepted;
}

static int allocate(struct area *area, const struct hugeodp_memory_attr *attr)
{
	uint64_t sizes = sizes_to_try(attr);
	int worst = ERANGE;

	while (sizes) {
		const uint64_t size = UINT64_C(1) << (63 - __builtin_clzll(sizes));
		int err = try_size(area, attr, size);

		if (!err)
			return 0;
		if (err == EINVAL)
			return log_refusal(err, "no node %u", attr->node);
		if (err != ERANGE)
			worst = err;
		sizes &= ~size;
	}
	return log_refusal(worst, "no memory of %" PRIu64 " bytes with pages of %#" PRIx64,
			   attr->length, attr->page_sizes);
}

HUGEODP_EXPORT struct hugeodp_memory *hugeodp_alloc_memory(const struct hugeodp_memory_attr *attr,
							   size_t size)
{
	struct hugeodp_memory_attr known;
	struct area *area;
	int err;

	err = hugeodp_copy_in(&known, sizeof(known), attr, size,
			      HUGEODP_SIZE_THROUGH(struct hugeodp_memory_attr, page_sizes));
	if (!err)
		err = validate(&known);
	if (err)
		return hugeodp_err_ptr(err);
	area = calloc(1, sizeof(*area));
	if (!area)
		return hugeodp_err_ptr(ENOMEM);
	err = allocate(area, &known);
	if (err) {
		free(area);
		return hugeodp_err_ptr(err);
	}
	return &area->memory;
}

HUGEODP_EXPORT int hugeodp_free_memory(struct hugeodp_memory *memory)
{
	/* the public struct is its first member */
	struct area *area = (struct area *)memory;

	if (!area)
		return 0;
	if (munmap(memory->addr, area->mapped))
		return hugeodp_err(errno);
	free(area);
	return 0;
}
