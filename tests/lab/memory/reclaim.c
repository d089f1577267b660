// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Data that a device wrote survives reclaim. The pages come back from swap by a
 * read fault, so that their page table entries are writable but clean, and only
 * the device writes to them. Reclaim may drop them in favour of the copy in swap
 * unless the driver marked them dirty.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "scene.h"
#include "swap.h"
#include "tap.h"

#define LEN SZ_2M
#define WRITES 16
#define PATIENCE_S 60

/* Drains the per-CPU batches of pages into the LRU lists. */
static void drain_processors(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "1", 1) != 1)
		fatal("/proc/sys/vm/compact_memory: %s", strerror(errno));
	close(fd);
}

/*
 * The kernel skips a page whose writeback to swap has not finished, and one that is still in
 * another processor's LRU batch: repeat until all pages are out.
 */
static void page_out(const struct mem *mem, const char *what)
{
	size_t swapped = 0;

	for (int tries = 0; tries < PATIENCE_S * 10; tries++) {
		if (madvise(mem->addr, mem->len, MADV_PAGEOUT))
			fatal("MADV_PAGEOUT: %s", strerror(errno));
		swapped = swapped_pages(mem->addr, mem->len);
		if (swapped == mem->len / SZ_4K)
			break;
		note("%s: %zu pages are in swap", what, swapped);
		drain_processors();
		nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
	is_u64(swapped, mem->len / SZ_4K, "%s: all pages are in swap", what);
}

static void read_in(const struct mem *mem)
{
	for (size_t at = 0; at < mem->len; at += SZ_4K)
		(void)*(volatile uint8_t *)(mem->addr + at);
}

static void written_by_device(struct rig *rig)
{
	struct scene s;

	scene_open(&s, rig, &mode_odp, MEM_BASE, LEN);
	buf_fill(&s.far, 0, LEN);
	page_out(&s.far.mem, "written by the CPU");
	read_in(&s.far.mem);
	is_u64(swapped_pages(s.far.mem.addr, LEN), 0, "reading all pages brings them in");
	/* one packet at the start of a page: unpatched kernels get that right, too */
	for (size_t i = 0; i < WRITES; i++)
		scene_write(&s, i * LEN / WRITES, 512, "a clean page");
	page_out(&s.far.mem, "written by the device");
	scene_intact(&s, "back from swap");
	scene_close(&s);
}

int main(void)
{
	struct rig rig;
	struct swap swap;

	rig_open(&rig);
	swap_on(&swap, SZ_2M * 16);
	written_by_device(&rig);
	swap_off(&swap);
	rig_close(&rig);
	return tap_done();
}
