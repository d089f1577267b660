// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../libibverbs/memory/thp.h"
#include "change.h"
#include "../tool.h"

/* A file of a file system without transparent huge pages. */
static bool is_other_file(const struct survey_obstacle *obstacle)
{
	return obstacle->vma.flags & VMA_FILE && obstacle->file == VMAS_FILE_OTHER;
}

/* Small pages are there. What becomes of them depends on the kind of memory. */
static enum change_kind of_small_pages(const struct survey_obstacle *obstacle)
{
	if (1ULL << obstacle->shift > thp_pmd_size())
		return CHANGE_HUGETLB;
	if (is_other_file(obstacle))
		return CHANGE_FILE;
	return obstacle->thp_disabled ? CHANGE_PROCESS : CHANGE_COLLAPSE;
}

static enum change_kind kind_for(const struct survey_obstacle *obstacle)
{
	switch (obstacle->reason) {
	case IBV_ODP_REASON_DEVICE:
		return CHANGE_KERNEL;
	case IBV_ODP_REASON_START:
	case IBV_ODP_REASON_END:
	case IBV_ODP_REASON_BOUNDARY:
		return is_other_file(obstacle) ? CHANGE_FILE : CHANGE_ALIGN;
	case IBV_ODP_REASON_SMALL_PAGES:
		return of_small_pages(obstacle);
	case IBV_ODP_REASON_NO_THP:
	case IBV_ODP_REASON_READ_ONLY:
		return obstacle->vma.flags & VMA_FILE ? CHANGE_FILE : CHANGE_HUGETLB;
	case IBV_ODP_REASON_THP_OFF:
		return CHANGE_THP;
	case IBV_ODP_REASON_THP_NOT_ADVISED:
	case IBV_ODP_REASON_THP_REFUSED:
		return CHANGE_ADVISE;
	case IBV_ODP_REASON_THP_PROCESS:
		return CHANGE_PROCESS;
	case IBV_ODP_REASON_THP_SHMEM:
		return CHANGE_SHMEM;
	case IBV_ODP_REASON_THP_MOUNT:
		return CHANGE_MOUNT;
	default:
		return CHANGE_NOTHING;
	}
}

void change_for(const struct survey_obstacle *obstacle, struct change *change)
{
	*change = (struct change){
		.kind = kind_for(obstacle),
		.vma = obstacle->vma,
		.shift = obstacle->shift,
		.start = obstacle->start,
		.end = obstacle->end,
	};
}

bool change_is_general(enum change_kind kind)
{
	return kind == CHANGE_THP || kind == CHANGE_SHMEM || kind == CHANGE_PROCESS ||
	       kind == CHANGE_KERNEL;
}

/* Cut a path of a mapping down to where its file system is mounted. Returns false if not found. */
static bool find_mount(const char *proc, const char *name, char *place, size_t room)
{
	char path[256];
	struct stat below, at;
	char *slash, *root;
	int len;

	len = snprintf(path, sizeof(path), "%s/root%s", proc, name);
	if (*name != '/' || len < 0 || (size_t)len >= sizeof(path))
		return false;
	root = path + strlen(proc) + strlen("/root");
	/* the file may have been deleted, and a long name is cut off */
	*strrchr(path, '/') = '\0';
	if (stat(path, &below))
		return false;
	while (*root) {
		slash = strrchr(root, '/');
		snprintf(place, room, "%s", root);
		*slash = '\0';
		if (stat(path, &at))
			return false;
		if (at.st_dev != below.st_dev)
			return true;
	}
	snprintf(place, room, "/");
	return true;
}

static void print_mount(FILE *out, const struct change *change, const char *proc)
{
	char place[sizeof(change->vma.name) + 1];

	fputs("mount -o remount,huge=within_size ", out);
	if (proc && find_mount(proc, change->vma.name, place, sizeof(place)))
		print_quoted(out, place);
	else
		fputs("DIRECTORY", out);
}

static void print_madvise(FILE *out, const struct change *change, const char *advice)
{
	fprintf(out, "madvise((void *)%#" PRIx64 ", %#" PRIx64 ", %s)", change->start,
		change->end - change->start, advice);
}

static void print_collapse(FILE *out, const struct change *change)
{
	if (change->vma.flags & VMA_THP_REFUSED) {
		print_madvise(out, change, "MADV_HUGEPAGE");
		fputs(", then ", out);
	}
	print_madvise(out, change, "MADV_COLLAPSE");
}

/* The rest of the last block is the price of the alignment. */
static void print_align(FILE *out, const struct change *change)
{
	const uint64_t size = 1ULL << change->shift;
	const uint64_t length = change->vma.end - change->vma.start;

	fprintf(out,
		change->vma.flags & VMA_FILE
			? "mmap() it at a multiple of %#" PRIx64 ", %#" PRIx64 " bytes"
			: "allocate it by aligned_alloc(%#" PRIx64 ", %#" PRIx64 ")",
		size, ((length - 1) | (size - 1)) + 1);
}

static void print_thp(FILE *out, const struct change *change)
{
	char path[256];

	thp_anon_setting(1ULL << change->shift, path, sizeof(path));
	fprintf(out, "echo madvise >%s", path);
}

/* With these settings, memory can be huge only where the process wants it. */
static void print_also_advise(FILE *out, const struct change *change)
{
	if (!(change->vma.flags & VMA_THP_WANTED))
		fputs(", and madvise(MADV_HUGEPAGE)", out);
}

void change_print(FILE *out, const struct change *change, const char *proc)
{
	switch (change->kind) {
	case CHANGE_THP:
		print_thp(out, change);
		print_also_advise(out, change);
		break;
	case CHANGE_SHMEM:
		fprintf(out, "echo advise >%s/shmem_enabled", thp_dir);
		print_also_advise(out, change);
		break;
	case CHANGE_MOUNT:
		print_mount(out, change, proc);
		break;
	case CHANGE_PROCESS:
		fputs("prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) in the process, or before it starts",
		      out);
		break;
	case CHANGE_ADVISE:
		print_madvise(out, change, "MADV_HUGEPAGE");
		break;
	case CHANGE_COLLAPSE:
		print_collapse(out, change);
		break;
	case CHANGE_ALIGN:
		print_align(out, change);
		break;
	case CHANGE_HUGETLB:
		fprintf(out, "mmap() it with MAP_HUGETLB | %u << MAP_HUGE_SHIFT", change->shift);
		break;
	case CHANGE_FILE:
		fputs("use anonymous memory, or a file of hugetlbfs or of a tmpfs with huge=", out);
		break;
	case CHANGE_KERNEL:
		fputs("hugeodp check, which says what is missing", out);
		break;
	default:
		break;
	}
}

char *change_text(const struct change *change, const char *proc)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	change_print(out, change, proc);
	return fclose(out) ? NULL : text;
}
