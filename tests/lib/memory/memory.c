// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "memory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/memfd.h>
#include <linux/mman.h>

#include "sysfile.h"
#include "tap.h"

/* One inaccessible huge page on either side keeps the kernel from merging mappings. */
#define FENCE SZ_2M

const char *mem_name(enum mem_kind kind)
{
	static const char *const names[] = {
		[MEM_BASE] = "base",	   [MEM_THP] = "thp",
		[MEM_HUGETLB] = "hugetlb", [MEM_HUGETLB_SHARED] = "hugetlb-shared",
		[MEM_SHMEM] = "shmem",
	};

	return names[kind];
}

static bool is_hugetlb(enum mem_kind kind)
{
	return kind == MEM_HUGETLB || kind == MEM_HUGETLB_SHARED;
}

static bool is_shared(enum mem_kind kind)
{
	return kind == MEM_HUGETLB_SHARED || kind == MEM_SHMEM;
}

size_t hugetlb_pages(const char *name)
{
	size_t pages = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-2048kB/%s_hugepages",
		 name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%zu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages;
}

static void map_fixed(struct mem *mem, size_t off, size_t len)
{
	int flags = MAP_FIXED | (is_shared(mem->kind) ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
	uint8_t *addr = mem->addr + off;

	if (mem->kind == MEM_HUGETLB)
		flags |= MAP_HUGETLB | MAP_HUGE_2MB;
	if (mmap(addr, len, PROT_READ | PROT_WRITE, flags, mem->fd,
		 is_shared(mem->kind) ? (off_t)off : 0) == MAP_FAILED)
		fatal("mmap of %zu KiB of %s memory: %s", len >> 10, mem_name(mem->kind),
		      strerror(errno));
	if (mem->kind == MEM_THP && madvise(addr, len, MADV_HUGEPAGE))
		fatal("MADV_HUGEPAGE: %s", strerror(errno));
	if (mem->kind == MEM_BASE && madvise(addr, len, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
}

uint8_t *mem_reserve(size_t len)
{
	static atomic_uintptr_t next = 0x200000000000;
	size_t step = (len + SZ_1G - 1) & ~(SZ_1G - 1);
	void *at;

	do {
		at = (void *)atomic_fetch_add(&next, step);
		if (mmap(at, len, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			 0) == at)
			return at;
	} while (errno == EEXIST);
	fatal("mmap: %s", strerror(errno));
}

/* Maps the memory of @mem, between fences. */
static void map_between_fences(struct mem *mem)
{
	mem->addr = mem_reserve(FENCE + mem->len + FENCE) + FENCE;
	map_fixed(mem, 0, mem->len);
}

void mem_map(struct mem *mem, enum mem_kind kind, size_t len)
{
	if (is_hugetlb(kind))
		need(hugetlb_pages("free") >= len / SZ_2M,
		     "%zu free huge pages of 2 MiB are needed, %zu there", len / SZ_2M,
		     hugetlb_pages("free"));

	*mem = (struct mem){ .kind = kind, .len = len, .fd = -1 };
	if (is_shared(kind)) {
		unsigned int flags = MFD_CLOEXEC;

		if (is_hugetlb(kind))
			flags |= MFD_HUGETLB | MFD_HUGE_2MB;
		mem->fd = memfd_create("lab", flags);
		if (mem->fd < 0 || ftruncate(mem->fd, (off_t)len))
			fatal("memfd of %zu KiB: %s", len >> 10, strerror(errno));
	}
	map_between_fences(mem);
}

void mem_map_file(struct mem *mem, enum mem_kind kind, size_t len, int fd)
{
	*mem = (struct mem){ .kind = kind, .len = len, .fd = fd };
	map_between_fences(mem);
}

void mem_unmap(struct mem *mem)
{
	if (munmap(mem->addr - FENCE, FENCE + mem->len + FENCE))
		fatal("munmap: %s", strerror(errno));
	if (mem->fd >= 0)
		close(mem->fd);
	mem->addr = NULL;
}

void mem_drop(struct mem *mem, size_t off, size_t len)
{
	/* dropped pages of a shared mapping would come back from the file */
	int advice = is_shared(mem->kind) ? MADV_REMOVE : MADV_DONTNEED;

	if (madvise(mem->addr + off, len, advice))
		fatal("dropping %zu KiB of %s memory: %s", len >> 10, mem_name(mem->kind),
		      strerror(errno));
}

void mem_map_piece(uint8_t *at, enum mem_kind kind)
{
	int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;

	if (kind == MEM_HUGETLB)
		flags |= MAP_HUGETLB | MAP_HUGE_2MB;
	if (mmap(at, SZ_2M, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
		fatal("mmap of %s memory: %s", mem_name(kind), strerror(errno));
	if (kind == MEM_THP && madvise(at, SZ_2M, MADV_HUGEPAGE))
		fatal("MADV_HUGEPAGE: %s", strerror(errno));
	if (kind == MEM_BASE && madvise(at, SZ_2M, MADV_NOHUGEPAGE))
		fatal("MADV_NOHUGEPAGE: %s", strerror(errno));
}

void mem_map_pieces(struct mem *mem, const enum mem_kind *kinds, size_t count)
{
	/* a mapping of its own: pieces of it are replaced */
	mem_map(mem, MEM_BASE, count * SZ_2M);
	for (size_t i = 0; i < count; i++) {
		uint8_t *at = mem->addr + i * SZ_2M;

		mem_map_piece(at, kinds[i]);
		touch_scattered(at, SZ_2M);
		if (kinds[i] == MEM_THP && mem_huge_bytes(at) < SZ_2M)
			fatal("no transparent huge page for piece %zu", i);
	}
}

void mem_punch(struct mem *mem, size_t off, size_t len)
{
	if (munmap(mem->addr + off, len))
		fatal("munmap: %s", strerror(errno));
}

void mem_refill(struct mem *mem, size_t off, size_t len)
{
	if (is_shared(mem->kind) &&
	    fallocate(mem->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len))
		fatal("fallocate: %s", strerror(errno));
	map_fixed(mem, off, len);
}

void touch_scattered(void *addr, size_t len)
{
	volatile uint8_t *byte = addr;

	for (size_t odd = 0; odd < 2; odd++)
		for (size_t at = odd * SZ_4K; at < len; at += SZ_4K * 2)
			byte[at] = byte[at];
}

size_t mem_huge_bytes(const void *addr)
{
	uint64_t at = (uintptr_t)addr, start, end;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false;
	size_t bytes = 0, kib;
	char text[512];

	if (!f)
		return 0;
	while (fgets(text, sizeof(text), f)) {
		if (sscanf(text, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2)
			inside = start <= at && at < end;
		else if (inside && sscanf(text, "AnonHugePages: %zu kB", &kib) == 1)
			bytes = kib << 10;
	}
	fclose(f);
	return bytes;
}

uint64_t mem_physical(const void *addr)
{
	static int fd = -1;
	uint64_t entry;

	if (fd < 0)
		fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)addr / SZ_4K * sizeof(entry))) !=
		    sizeof(entry) ||
	    !(entry >> 63) || !(entry & ((1ULL << 55) - 1)))
		fatal("no physical address of %p", addr);
	return (entry & ((1ULL << 55) - 1)) * SZ_4K;
}

uint32_t mem_pinned_shift(const void *addr, size_t length, uint64_t iova)
{
	const uint64_t differ = (iova + length - 1) ^ iova;
	const uintptr_t start = (uintptr_t)addr, first = start & ~(SZ_4K - 1);
	uint64_t next = 0, at, mask = 0;
	uint32_t shift = 12;

	iova &= ~(uint64_t)(SZ_4K - 1);
	for (uintptr_t page = first; page < start + length; page += SZ_4K, iova += SZ_4K) {
		at = mem_physical((const void *)page);
		mask |= at ^ iova;
		if (page > first && at != next)
			mask |= iova;
		next = at + SZ_4K;
	}
	while (!(mask >> shift & 1) && differ >> shift)
		shift++;
	return shift;
}

#define FALLS_ASLEEP_S 120

static bool khugepaged_sleeps(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool sleeps = false;

	if (!proc)
		fatal("/proc: %s", strerror(errno));
	while (!sleeps && (entry = readdir(proc))) {
		char path[300], text[64] = "";
		FILE *f;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		sleeps = fgets(text, sizeof(text), f) && strstr(text, "(khugepaged) S ");
		fclose(f);
	}
	closedir(proc);
	return sleeps;
}

/*
 * It scans memory when it starts, after each sleep, and when the first process with huge pages
 * appears; that may take long. So make this process the first one, restart it, and wait until it
 * sleeps.
 */
void stop_khugepaged(void)
{
	static struct mem first;
	char enabled[16];

	get_choice(THP_DIR "enabled", enabled, sizeof(enabled));
	mem_map(&first, MEM_THP, SZ_2M);
	first.addr[0] = 1;
	put_file(THP_DIR "khugepaged/scan_sleep_millisecs", "4000000000");
	put_file(THP_DIR "enabled", "never");
	put_file(THP_DIR "enabled", enabled);
	for (int tries = 0; !khugepaged_sleeps(); tries++) {
		if (tries == FALLS_ASLEEP_S * 100)
			fatal("khugepaged does not sleep");
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
}
