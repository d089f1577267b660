// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Whether a VMA may have large folios. mm/ does not export the settings for
 * that, so read them from sysfs, below the root directory of the init process,
 * which no user can change. Reading a file may take locks that nest outside of
 * mmap_lock, so the VMA and the settings are read one after the other.
 */
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/path.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <linux/version.h>

#include "hugeodp_mm.h"

/* Before 7.3, kernel threads share it with the first process. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 3, 0)
#define userspace_init_fs init_task.fs
#endif

#define HUGEODP_THP_DIR "/sys/kernel/mm/transparent_hugepage/"

/* Values of the mount option huge= of tmpfs(5). */
enum hugeodp_tmpfs_huge {
	HUGEODP_TMPFS_NEVER,
	HUGEODP_TMPFS_ALWAYS,
	HUGEODP_TMPFS_WITHIN_SIZE,
	HUGEODP_TMPFS_ADVISE,
};

enum hugeodp_mode {
	HUGEODP_MODE_UNKNOWN,	/* not read yet */
	HUGEODP_MODE_NEVER,
	HUGEODP_MODE_DENY,
	HUGEODP_MODE_FORCE,
	HUGEODP_MODE_ALWAYS,
	HUGEODP_MODE_ADVISED,
	HUGEODP_MODE_WITHIN_SIZE,
	HUGEODP_MODE_INHERIT,
};

static const struct {
	const char *word;
	enum hugeodp_mode mode;
} hugeodp_modes[] = {
	{ "[always]", HUGEODP_MODE_ALWAYS },
	{ "[deny]", HUGEODP_MODE_DENY },
	{ "[force]", HUGEODP_MODE_FORCE },
	{ "[madvise]", HUGEODP_MODE_ADVISED },
	{ "[advise]", HUGEODP_MODE_ADVISED },
	{ "[within_size]", HUGEODP_MODE_WITHIN_SIZE },
	{ "[inherit]", HUGEODP_MODE_INHERIT },
};

/* Read the word in brackets in a sysfs file; NEVER if it cannot be read. */
static enum hugeodp_mode hugeodp_read_mode(const char *name)
{
	enum hugeodp_mode mode = HUGEODP_MODE_NEVER;
	struct file *file;
	struct path root;
	char text[128];
	loff_t pos = 0;
	ssize_t n;
	size_t i;

	get_fs_root(userspace_init_fs, &root);
	file = file_open_root(&root, name, O_RDONLY, 0);
	path_put(&root);
	if (IS_ERR(file))
		return HUGEODP_MODE_NEVER;
	n = kernel_read(file, text, sizeof(text) - 1, &pos);
	/* fput() would keep the file and its buffer until the system call ends. */
	__fput_sync(file);
	if (n <= 0)
		return HUGEODP_MODE_NEVER;
	text[n] = '\0';
	for (i = 0; i < ARRAY_SIZE(hugeodp_modes); i++)
		if (strstr(text, hugeodp_modes[i].word))
			mode = hugeodp_modes[i].mode;
	return mode;
}

/* The setting for all sizes, read once for each struct hugeodp_thp_settings. */
static enum hugeodp_mode hugeodp_common_mode(struct hugeodp_thp_settings *known,
					     bool shmem)
{
	if (known->common[shmem] == HUGEODP_MODE_UNKNOWN)
		known->common[shmem] =
			hugeodp_read_mode(shmem ? HUGEODP_THP_DIR "shmem_enabled" :
						  HUGEODP_THP_DIR "enabled");
	return known->common[shmem];
}

/* The mode of a folio size, which may be inherited from the common setting. */
static enum hugeodp_mode hugeodp_size_mode(struct hugeodp_thp_settings *known,
					   unsigned int order, bool shmem)
{
	char name[sizeof(HUGEODP_THP_DIR) + 64];

	if (known->size[shmem][order] == HUGEODP_MODE_UNKNOWN) {
		snprintf(name, sizeof(name),
			 HUGEODP_THP_DIR "hugepages-%lukB/%senabled",
			 (PAGE_SIZE << order) / SZ_1K, shmem ? "shmem_" : "");
		known->size[shmem][order] = hugeodp_read_mode(name);
	}
	if (known->size[shmem][order] != HUGEODP_MODE_INHERIT)
		return known->size[shmem][order];
	return hugeodp_common_mode(known, shmem);
}

/* Does the mount option huge= of a tmpfs allow huge pages? */
static bool hugeodp_tmpfs_allows(const struct inode *inode,
				 const struct hugeodp_thp *thp)
{
	const struct shmem_sb_info *sbinfo = inode->i_sb->s_fs_info;

	switch (sbinfo->huge) {
	case HUGEODP_TMPFS_ALWAYS:
		return true;
	case HUGEODP_TMPFS_WITHIN_SIZE:
		return thp->within_size || thp->advised;
	case HUGEODP_TMPFS_ADVISE:
		return thp->advised;
	default:
		return false;
	}
}

/**
 * hugeodp_thp_look - read the properties of a VMA that affect its huge pages
 * @vma: the VMA, with mmap_lock held
 * @end: the end of the memory of interest
 * @thp: filled in
 */
void hugeodp_thp_look(struct vm_area_struct *vma, u64 end,
		      struct hugeodp_thp *thp)
{
	const struct inode *inode;
	u64 last;

	*thp = (struct hugeodp_thp){
		.kind = HUGEODP_THP_NEVER,
		.advised = vma->vm_flags & VM_HUGEPAGE,
	};
	if (vma_thp_disabled(vma, vma->vm_flags, false))
		return;
	if (vma_is_anonymous(vma)) {
		thp->kind = HUGEODP_THP_ANON;
		return;
	}
	if (vma_is_dax(vma)) {
		thp->kind = HUGEODP_THP_ALWAYS;
		return;
	}
	if (!vma->vm_file)
		return;
	inode = file_inode(vma->vm_file);
	if (inode->i_sb->s_magic != TMPFS_MAGIC || !S_ISREG(inode->i_mode))
		return;
	last = ((u64)vma->vm_pgoff << PAGE_SHIFT) + (end - vma->vm_start);
	thp->within_size = (u64)i_size_read(inode) >= last;
	/* Shared memory without a name is in the kernel's own tmpfs mount. */
	thp->kind = inode->i_nlink ? HUGEODP_THP_TMPFS : HUGEODP_THP_SHMEM;
	thp->mounted = hugeodp_tmpfs_allows(inode, thp);
}

/**
 * hugeodp_thp_allows - check whether the settings allow large folios
 * @known: settings read so far; all 0 at first
 * @thp: properties of the VMA
 * @order: the smallest order of interest
 *
 * To be called without mmap_lock.
 *
 * Return: whether a page fault may allocate a folio of at least this order, up
 *	   to PMD_ORDER
 */
bool hugeodp_thp_allows(struct hugeodp_thp_settings *known,
			const struct hugeodp_thp *thp, unsigned int order)
{
	bool shmem = thp->kind == HUGEODP_THP_SHMEM;
	enum hugeodp_mode mode;
	unsigned int o;

	if (thp->kind == HUGEODP_THP_ANY)
		return true;
	if (order > PMD_ORDER || thp->kind == HUGEODP_THP_NEVER)
		return false;
	if (thp->kind == HUGEODP_THP_ALWAYS)
		return true;
	if (thp->kind == HUGEODP_THP_TMPFS) {
		mode = hugeodp_common_mode(known, true);
		return mode == HUGEODP_MODE_FORCE ||
		       (mode != HUGEODP_MODE_DENY && thp->mounted);
	}
	/* Check PMD_ORDER first, the most likely order to be allowed. */
	for (o = PMD_ORDER; o >= max(order, 1U); o--) {
		mode = hugeodp_size_mode(known, o, shmem);
		switch (mode) {
		case HUGEODP_MODE_FORCE:
		case HUGEODP_MODE_ALWAYS:
			return true;
		case HUGEODP_MODE_WITHIN_SIZE:
			if (thp->within_size || thp->advised)
				return true;
			break;
		case HUGEODP_MODE_ADVISED:
			if (thp->advised)
				return true;
			break;
		default:
			break;
		}
	}
	return false;
}
