/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The mappings of a process, with the properties that determine page sizes. */
#ifndef HUGEODP_VMAS_H
#define HUGEODP_VMAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kept.h"

enum vma_flags {
	VMA_READ = 1 << 0,
	VMA_WRITE = 1 << 1,
	VMA_FILE = 1 << 2,
	VMA_THP_KNOWN = 1 << 3,	   /* the next three are valid */
	VMA_THP_ELIGIBLE = 1 << 4, /* for at least one size */
	VMA_THP_WANTED = 1 << 5,   /* MADV_HUGEPAGE */
	VMA_THP_REFUSED = 1 << 6,  /* MADV_NOHUGEPAGE */
	VMA_SPECIAL = 1 << 7,	   /* device memory; only smaps reports it */
	VMA_SHARED = 1 << 8,
};

struct vma {
	uint64_t start;
	uint64_t end;
	uint64_t page_size; /* the hugetlb page size, or else the base page size */
	uint32_t flags;
	/* only smaps reports these, otherwise 0 or empty */
	uint64_t rss;
	uint64_t thp_bytes;
	char name[64];
};

/* The mappings that have been read from smaps or maps so far, in order. */
struct vma_text {
	FILE *file;
	char *line;
	size_t room;
	bool have_header; /* line is the first one of the next mapping */
	struct vma *list;
	size_t count;
	size_t list_room;
};

struct vmas {
	const char *proc;     /* "/proc/self" */
	bool kept;	      /* this is between kept_begin() and kept_end() */
	int fds[KEPT_FILES];  /* maps for PROCMAP_QUERY, pagemap for PAGEMAP_SCAN, or -1 */
	bool own[KEPT_FILES]; /* to be closed */
	struct vma last;      /* that PROCMAP_QUERY has returned; empty at first */
	struct vma_text text;
};

/* Returns 0 or an errno value. */
int vmas_open(struct vmas *vmas, const char *proc);
/* The same, but always read smaps, which has more information. */
int vmas_open_text(struct vmas *vmas, const char *proc);
void vmas_close(struct vmas *vmas);

/* Find the mapping that contains @addr, or the next one. Returns 0, ENOENT or an errno value. */
int vmas_find(struct vmas *vmas, uint64_t addr, struct vma *vma);

/*
 * Fill in the flags that PROCMAP_QUERY does not return. This reads all mappings
 * of the process up to this one, once for each vmas_open().
 */
int vmas_find_thp(struct vmas *vmas, struct vma *vma);

/* The kind of memory of a file, after vmas_find_thp(). */
enum vmas_file {
	VMAS_FILE_OTHER,
	VMAS_FILE_SHMEM, /* memfd, shared anonymous memory, shmget(2) */
	VMAS_FILE_TMPFS, /* below a mount point */
};
enum vmas_file vmas_file_kind(const struct vmas *vmas, const struct vma *vma);

/* Whether the process has switched transparent huge pages off by prctl(2). */
bool vmas_thp_disabled(const struct vmas *vmas);

enum vmas_scan {
	VMAS_SCAN_HUGE,	   /* all pages are present and mapped as huge pages */
	VMAS_SCAN_SMALL,   /* a small page is present */
	VMAS_SCAN_ABSENT,  /* no small page is present, but some pages are missing */
	VMAS_SCAN_UNKNOWN, /* PAGEMAP_SCAN is not available */
};

/* How a range is mapped now. @first receives the address of the first small or missing page, if any. */
enum vmas_scan vmas_scan(struct vmas *vmas, uint64_t start, uint64_t end, uint64_t *first);

enum vmas_pages {
	VMAS_PAGES_ABSENT,
	VMAS_PAGES_SMALL,
	VMAS_PAGES_HUGE, /* present and mapped as huge pages */
};

/*
 * The kind of the pages at @start, which must be in a mapping, and where pages of another kind
 * follow, or @end. Returns false without PAGEMAP_SCAN.
 */
bool vmas_run(struct vmas *vmas, uint64_t start, uint64_t end, enum vmas_pages *pages,
	      uint64_t *until);

#endif
