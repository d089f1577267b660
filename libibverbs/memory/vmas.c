// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Linux 6.11 and later report single mappings (PROCMAP_QUERY). Older kernels, and
 * fields that PROCMAP_QUERY does not return, need smaps, which is a few megabytes
 * for a process with ten thousand mappings. If the kernel was built without
 * smaps, maps has the least information: then no memory counts as huge.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "memory/vmas.h"

/*
 * Both ioctls are newer than the kernel headers of some supported build systems.
 */
struct procmap_request {
	uint64_t size;
	uint64_t flags;
	uint64_t addr;
	uint64_t start;
	uint64_t end;
	uint64_t vma_flags;
	uint64_t page_size;
	uint64_t offset;
	uint64_t inode;
	uint32_t dev[2];
	uint32_t name_size;
	uint32_t build_id_size;
	uint64_t name;
	uint64_t build_id;
};
#define PROCMAP_IOCTL _IOWR('f', 17, struct procmap_request)
#define PROCMAP_READABLE 0x01
#define PROCMAP_WRITABLE 0x02
#define PROCMAP_SHARED 0x08
#define PROCMAP_OR_NEXT 0x10

struct pagemap_request {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t regions;
	uint64_t nregions;
	uint64_t max_pages;
	uint64_t inverted;
	uint64_t mask;
	uint64_t any_of;
	uint64_t report;
};
struct pagemap_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};
#define PAGEMAP_IOCTL _IOWR('f', 16, struct pagemap_request)
#define PAGEMAP_PRESENT (1 << 3)
#define PAGEMAP_HUGE (1 << 6)

/* Open a file below the directory of the process, unless that has been done. Returns -1 on errors. */
static int file_fd(struct vmas *vmas, enum kept_file file, const char *name)
{
	char path[256];
	int fd = vmas->fds[file];

	if (fd >= 0)
		return fd;
	if (vmas->kept)
		fd = kept_find(file);
	if (fd < 0) {
		snprintf(path, sizeof(path), "%s/%s", vmas->proc, name);
		if (vmas->kept)
			fd = kept_open(file, path);
	}
	vmas->own[file] = fd < 0;
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	vmas->fds[file] = fd;
	return fd;
}

static void file_close(struct vmas *vmas, enum kept_file file)
{
	if (vmas->fds[file] >= 0 && vmas->own[file])
		close(vmas->fds[file]);
	vmas->fds[file] = -1;
}

static int text_open(struct vma_text *text, const char *proc)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/smaps", proc);
	text->file = fopen(path, "re");
	if (!text->file && errno == ENOENT) {
		snprintf(path, sizeof(path), "%s/maps", proc);
		text->file = fopen(path, "re");
	}
	return text->file ? 0 : errno;
}

static void text_close(struct vma_text *text)
{
	if (text->file)
		fclose(text->file);
	free(text->line);
	free(text->list);
	memset(text, 0, sizeof(*text));
}

static void init(struct vmas *vmas, const char *proc)
{
	size_t i;

	*vmas = (struct vmas){ .proc = proc };
	for (i = 0; i < KEPT_FILES; i++)
		vmas->fds[i] = -1;
}

int vmas_open_text(struct vmas *vmas, const char *proc)
{
	init(vmas, proc);
	return text_open(&vmas->text, proc);
}

int vmas_open(struct vmas *vmas, const char *proc)
{
	int err = 0;

	init(vmas, proc);
	vmas->kept = !strcmp(proc, "/proc/self") && kept_begin();
	if (file_fd(vmas, KEPT_MAPS, "maps") < 0)
		err = text_open(&vmas->text, proc);
	if (err)
		vmas_close(vmas);
	return err;
}

void vmas_close(struct vmas *vmas)
{
	size_t i;

	for (i = 0; i < KEPT_FILES; i++)
		file_close(vmas, i);
	if (vmas->kept)
		kept_end();
	vmas->kept = false;
	text_close(&vmas->text);
}

/* The first line of a mapping. All other lines start with a capital letter. */
static bool is_header(const char *line)
{
	return isdigit((unsigned char)*line) || (*line >= 'a' && *line <= 'f');
}

static bool parse_header(const char *line, struct vma *vma)
{
	unsigned long inode;
	char perms[5];
	int name = 0;
	size_t len;

	memset(vma, 0, sizeof(*vma));
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %lu %n", &vma->start, &vma->end,
		   perms, &inode, &name) < 4)
		return false;
	vma->page_size = (uint64_t)sysconf(_SC_PAGESIZE);
	if (perms[0] == 'r')
		vma->flags |= VMA_READ;
	if (perms[1] == 'w')
		vma->flags |= VMA_WRITE;
	if (perms[3] == 's')
		vma->flags |= VMA_SHARED;
	if (inode)
		vma->flags |= VMA_FILE;
	len = strcspn(line + name, "\n");
	if (len >= sizeof(vma->name))
		len = sizeof(vma->name) - 1;
	memcpy(vma->name, line + name, len);
	return true;
}

static void parse_vm_flags(const char *flags, struct vma *vma)
{
	char flag[3];
	int len;

	for (; sscanf(flags, " %2s%n", flag, &len) == 1; flags += len) {
		if (!strcmp(flag, "hg"))
			vma->flags |= VMA_THP_WANTED;
		else if (!strcmp(flag, "nh"))
			vma->flags |= VMA_THP_REFUSED;
		else if (!strcmp(flag, "io") || !strcmp(flag, "pf"))
			vma->flags |= VMA_SPECIAL;
	}
}

static void parse_field(const char *line, struct vma *vma)
{
	uint64_t value;

	if (sscanf(line, "KernelPageSize: %" SCNu64 " kB", &value) == 1)
		vma->page_size = value << 10;
	else if (sscanf(line, "Rss: %" SCNu64 " kB", &value) == 1)
		vma->rss = value << 10;
	else if (sscanf(line, "AnonHugePages: %" SCNu64 " kB", &value) == 1 ||
		 sscanf(line, "ShmemPmdMapped: %" SCNu64 " kB", &value) == 1 ||
		 sscanf(line, "FilePmdMapped: %" SCNu64 " kB", &value) == 1)
		vma->thp_bytes += value << 10;
	else if (sscanf(line, "THPeligible: %" SCNu64, &value) == 1 && value)
		vma->flags |= VMA_THP_ELIGIBLE;
	else if (!strncmp(line, "VmFlags:", 8)) {
		vma->flags |= VMA_THP_KNOWN;
		parse_vm_flags(line + 8, vma);
	}
}

static struct vma *text_add(struct vma_text *text)
{
	size_t room = text->list_room ? text->list_room * 2 : 64;
	struct vma *list;

	if (text->count == text->list_room) {
		list = realloc(text->list, room * sizeof(*list));
		if (!list)
			return NULL;
		text->list = list;
		text->list_room = room;
	}
	return &text->list[text->count];
}

/* Read the next line. Returns 0, ENOENT at the end, or an errno value: ESRCH if the process ended. */
static int text_line(struct vma_text *text)
{
	errno = 0;
	if (getline(&text->line, &text->room, text->file) >= 0)
		return 0;
	if (feof(text->file))
		return ENOENT;
	return errno ? errno : EIO;
}

/* Read the next mapping. Returns 0, ENOENT at the end, or an errno value. */
static int text_next(struct vma_text *text)
{
	struct vma *vma = text_add(text);
	int err;

	if (!vma)
		return ENOMEM;
	err = text->have_header ? 0 : text_line(text);
	if (err)
		return err;
	text->have_header = false;
	if (!is_header(text->line) || !parse_header(text->line, vma))
		return EBADMSG;
	while (!text->have_header && !(err = text_line(text))) {
		if (is_header(text->line))
			text->have_header = true;
		else
			parse_field(text->line, vma);
	}
	if (err && err != ENOENT)
		return err;
	text->count++;
	return 0;
}

/* Search smaps; opens it if necessary. */
static int text_find(struct vmas *vmas, uint64_t addr, struct vma *vma)
{
	struct vma_text *text = &vmas->text;
	size_t low = 0, high, middle;
	int err = 0;

	if (!text->file)
		err = text_open(text, vmas->proc);
	if (err)
		return err;
	while (!text->count || text->list[text->count - 1].end <= addr) {
		err = text_next(text);
		if (err)
			return err;
	}
	/* the first one that ends after addr */
	high = text->count - 1;
	while (low < high) {
		middle = (low + high) / 2;
		if (text->list[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	*vma = text->list[low];
	return 0;
}

static int procmap_find(int fd, uint64_t addr, struct vma *vma)
{
	struct procmap_request req = {
		.size = sizeof(req),
		.flags = PROCMAP_OR_NEXT,
		.addr = addr,
	};

	if (ioctl(fd, PROCMAP_IOCTL, &req))
		return errno;
	memset(vma, 0, sizeof(*vma));
	vma->start = req.start;
	vma->end = req.end;
	vma->page_size = req.page_size;
	if (req.vma_flags & PROCMAP_READABLE)
		vma->flags |= VMA_READ;
	if (req.vma_flags & PROCMAP_WRITABLE)
		vma->flags |= VMA_WRITE;
	if (req.vma_flags & PROCMAP_SHARED)
		vma->flags |= VMA_SHARED;
	if (req.inode)
		vma->flags |= VMA_FILE;
	return 0;
}

int vmas_find(struct vmas *vmas, uint64_t addr, struct vma *vma)
{
	int err;

	if (addr >= vmas->last.start && addr < vmas->last.end) {
		*vma = vmas->last;
		return 0;
	}
	if (vmas->fds[KEPT_MAPS] >= 0) {
		err = procmap_find(vmas->fds[KEPT_MAPS], addr, vma);
		if (!err)
			vmas->last = *vma;
		if (!err || err == ENOENT)
			return err;
		/* the kernel is too old for this ioctl */
		file_close(vmas, KEPT_MAPS);
	}
	return text_find(vmas, addr, vma);
}

int vmas_find_thp(struct vmas *vmas, struct vma *vma)
{
	struct vma found;
	int err;

	if (vma->flags & VMA_THP_KNOWN)
		return 0;
	err = text_find(vmas, vma->start, &found);
	if (err)
		return err;
	/* ignore the entry if the mapping has changed in the meantime */
	if (found.start <= vma->start && found.end >= vma->end) {
		vma->flags |= found.flags;
		memcpy(vma->name, found.name, sizeof(vma->name));
	}
	return 0;
}

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

enum vmas_file vmas_file_kind(const struct vmas *vmas, const struct vma *vma)
{
	const char *slash = strrchr(vma->name, '/');
	struct statfs fs;
	char path[512];

	if (begins(vma->name, "/memfd:") || begins(vma->name, "/dev/zero") ||
	    begins(vma->name, "/SYSV") || begins(vma->name, "[anon_shmem:"))
		return VMAS_FILE_SHMEM;
	if (*vma->name != '/')
		return VMAS_FILE_OTHER;
	/* the directory: the file may have been deleted, and a long name is cut off */
	snprintf(path, sizeof(path), "%s/root%.*s/", vmas->proc, (int)(slash - vma->name),
		 vma->name);
	return !statfs(path, &fs) && fs.f_type == TMPFS_MAGIC ? VMAS_FILE_TMPFS : VMAS_FILE_OTHER;
}

bool vmas_thp_disabled(const struct vmas *vmas)
{
	unsigned int enabled = 1;
	char line[256], path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/status", vmas->proc);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file) && sscanf(line, "THP_enabled: %u", &enabled) != 1)
		;
	fclose(file);
	return !enabled;
}

/*
 * Find the first page of a range with none of @inverted and all other categories of @mask, and with
 * @max_pages 0 all pages after it that are of the same kind.
 */
static int scan(int fd, uint64_t start, uint64_t end, uint64_t mask, uint64_t inverted,
		uint64_t max_pages, struct pagemap_region *region)
{
	struct pagemap_request req = {
		.size = sizeof(req),
		.start = start,
		.end = end,
		.regions = (uintptr_t)region,
		.nregions = 1,
		.max_pages = max_pages,
		.inverted = inverted,
		.mask = mask,
		.report = PAGEMAP_PRESENT | PAGEMAP_HUGE,
	};

	return ioctl(fd, PAGEMAP_IOCTL, &req);
}

static int pagemap_fd(struct vmas *vmas)
{
	return file_fd(vmas, KEPT_PAGEMAP, "pagemap");
}

/* The first page that is present or, with @small, the first one that is but not as a huge page. */
static int scan_present(int fd, uint64_t start, uint64_t end, bool small,
			struct pagemap_region *region)
{
	const uint64_t huge = small ? PAGEMAP_HUGE : 0;

	return scan(fd, start, end, PAGEMAP_PRESENT | huge, huge, 1, region);
}

/* The same outcomes as those of vmas_scan(). */
static enum vmas_scan scan_all(int fd, uint64_t start, uint64_t end, uint64_t *first)
{
	struct pagemap_region region = { 0 };
	int found;

	found = scan(fd, start, end, PAGEMAP_HUGE, PAGEMAP_HUGE, 1, &region);
	if (found < 0)
		return VMAS_SCAN_UNKNOWN;
	if (!found)
		return VMAS_SCAN_HUGE;
	*first = region.start;
	if (!(region.categories & PAGEMAP_PRESENT)) {
		found = scan_present(fd, region.start, end, true, &region);
		if (found < 0)
			return VMAS_SCAN_UNKNOWN;
		if (!found)
			return VMAS_SCAN_ABSENT;
	}
	*first = region.start;
	return VMAS_SCAN_SMALL;
}

/* If nothing at all is present, which one scan finds. */
static bool nothing_present(int fd, uint64_t start, uint64_t end)
{
	struct pagemap_region region;

	return !scan_present(fd, start, end, false, &region);
}

enum vmas_scan vmas_scan(struct vmas *vmas, uint64_t start, uint64_t end, uint64_t *first)
{
	/* the memory of a program is often alike: expect what the last range was */
	static _Atomic bool was_absent;
	const int fd = pagemap_fd(vmas);
	enum vmas_scan found;

	if (fd < 0)
		return VMAS_SCAN_UNKNOWN;
	if (was_absent && nothing_present(fd, start, end)) {
		*first = start;
		return VMAS_SCAN_ABSENT;
	}
	found = scan_all(fd, start, end, first);
	was_absent = found == VMAS_SCAN_ABSENT;
	return found;
}

bool vmas_run(struct vmas *vmas, uint64_t start, uint64_t end, enum vmas_pages *pages,
	      uint64_t *until)
{
	struct pagemap_region region = { 0 };
	const int fd = pagemap_fd(vmas);
	int found;

	if (fd < 0)
		return false;
	found = scan(fd, start, end, 0, 0, 0, &region);
	if (found < 0)
		return false;
	*pages = VMAS_PAGES_ABSENT;
	/* unmapped in the meantime, as a whole or at the start */
	*until = found ? region.start : end;
	if (found && region.start == start) {
		*until = region.end;
		/* a missing page of the hugetlb pool counts as huge, but not as present */
		if (region.categories & PAGEMAP_PRESENT)
			*pages = region.categories & PAGEMAP_HUGE ? VMAS_PAGES_HUGE
								  : VMAS_PAGES_SMALL;
	}
	return *until > start && *until <= end;
}
