/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Memory of a known kind, to register and to unmap. */
#ifndef LAB_MEMORY_H
#define LAB_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define SZ_4K ((size_t)1 << 12)
#define SZ_64K ((size_t)1 << 16)
#define SZ_1M ((size_t)1 << 20)
#define SZ_2M ((size_t)1 << 21)
#define SZ_1G ((size_t)1 << 30)

enum mem_kind {
	MEM_BASE,	    /* anonymous, kept to base pages */
	MEM_THP,	    /* anonymous, transparent huge pages */
	MEM_HUGETLB,	    /* anonymous, 2 MiB pages of the pool */
	MEM_HUGETLB_SHARED, /* a file of 2 MiB pages of the pool, mapped shared */
	MEM_SHMEM,	    /* a memory file of base pages, mapped shared */
};

struct mem {
	enum mem_kind kind;
	uint8_t *addr; /* 2 MiB aligned, between inaccessible pages */
	size_t len;
	int fd; /* of the shared kinds, else -1 */
};

const char *mem_name(enum mem_kind kind);

/*
 * Inaccessible address space, 2 MiB aligned, far below the addresses that mmap() chooses: no mapping
 * of another thread lands in a hole that a test leaves there for a moment.
 */
uint8_t *mem_reserve(size_t len);

/* Maps @len bytes, none of them touched. Ends the test if that is not possible. */
void mem_map(struct mem *mem, enum mem_kind kind, size_t len);
void mem_unmap(struct mem *mem);

/* The same for an existing file of a shared kind; mem_unmap() closes it. */
void mem_map_file(struct mem *mem, enum mem_kind kind, size_t len, int fd);

/* Frees the pages of a range, which then reads as zeroes. */
void mem_drop(struct mem *mem, size_t off, size_t len);

/* Maps 2 MiB of a private kind at @at, in the place of what is mapped there. */
void mem_map_piece(uint8_t *at, enum mem_kind kind);

/*
 * Maps @count pieces of 2 MiB, each of a private kind, and touches their pages. Ends the test if a
 * piece does not get huge pages that it should have.
 */
void mem_map_pieces(struct mem *mem, const enum mem_kind *kinds, size_t count);

/* Leaves a hole, and fills it with fresh memory of the same kind. */
void mem_punch(struct mem *mem, size_t off, size_t len);
void mem_refill(struct mem *mem, size_t off, size_t len);

/*
 * Has the CPU touch all pages, every other one first; their content stays. Pages faulted in address
 * order may happen to be contiguous in physical memory, too, and that is a huge block.
 */
void touch_scattered(void *addr, size_t len);

/* Bytes of the mapping at @addr that the CPU reaches through huge page entries. */
size_t mem_huge_bytes(const void *addr);

/* The physical address of the page at @addr, which must be present. Needs root. */
uint64_t mem_physical(const void *addr);

/*
 * The page shift of a pinned MR by the physical addresses of its memory: that of the largest page
 * size for which each piece of contiguous physical memory consists of whole pages of the iova, except
 * at the ends of the range; no larger than one page for the whole range.
 */
uint32_t mem_pinned_shift(const void *addr, size_t length, uint64_t iova);

/* A number of the pool of 2 MiB pages, such as "free" or "resv"; 0 without a pool. */
size_t hugetlb_pages(const char *name);

/*
 * Keeps khugepaged from collapsing the small pages that a test made of huge ones.
 * Needs root; the setting stays, and 2 MiB of memory.
 */
void stop_khugepaged(void);

#endif
