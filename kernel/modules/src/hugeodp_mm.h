/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Replacements for the changes of the series in mm/, which the modules cannot
 * change.
 */
#ifndef HUGEODP_MM_H
#define HUGEODP_MM_H

#include <linux/huge_mm.h>
#include <linux/types.h>

struct hmm_range;
struct mm_struct;
struct vm_area_struct;

/* The settings that determine the huge pages of a VMA. */
enum hugeodp_thp_kind {
	HUGEODP_THP_ANY,	/* none: the VMA cannot have transparent huge pages */
	HUGEODP_THP_NEVER,
	HUGEODP_THP_ALWAYS,	/* PMD_SIZE, whatever the settings are */
	HUGEODP_THP_ANON,	/* transparent_hugepage/hugepages-SIZE/enabled */
	HUGEODP_THP_SHMEM,	/* transparent_hugepage/hugepages-SIZE/shmem_enabled */
	HUGEODP_THP_TMPFS,	/* huge= of the mount, transparent_hugepage/shmem_enabled */
};

/**
 * struct hugeodp_thp - properties of a VMA that affect its huge pages
 * @kind: enum hugeodp_thp_kind
 * @advised: it has the advice MADV_HUGEPAGE
 * @within_size: the file contains the whole huge page
 * @mounted: the mount of the file allows huge pages
 */
struct hugeodp_thp {
	enum hugeodp_thp_kind kind;
	bool advised;
	bool within_size;
	bool mounted;
};

/**
 * struct hugeodp_thp_settings - settings of the system that have been read
 * @common: of all sizes, for anonymous and for shared memory
 * @size: of each folio size, by order
 *
 * The same files would be read for each VMA otherwise.
 */
struct hugeodp_thp_settings {
	u8 common[2];
	u8 size[2][PMD_ORDER + 1];
};

/* hugeodp_mm.c */
void hugeodp_hide(struct mm_struct *mm, u64 start, u64 end,
		  unsigned long *pfns);
int hugeodp_fault_in(struct mm_struct *mm, const struct hmm_range *range);

/* hugeodp_thp.c */
void hugeodp_thp_look(struct vm_area_struct *vma, u64 end,
		      struct hugeodp_thp *thp);
bool hugeodp_thp_allows(struct hugeodp_thp_settings *known,
			const struct hugeodp_thp *thp, unsigned int order);

#endif
