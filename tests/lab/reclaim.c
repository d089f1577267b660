// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What a device wrote survives reclaim. The pages come back from swap by a read
 * fault, so that their page table entries are writable but clean, and only the
 * device writes to them. Reclaim may drop them in favour of the copy in swap
 * unless the driver marked them dirty.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"

#define LEN SZ_2M
#define WRITES 16
#define SWAP_FILE "/dev/shm/swap"

/*
 * Over a loop device: what comes back from a synchronous one, like zram, is
 * taken out of swap at once and dirty for that reason.
 */
static void swap_on(char *dev, size_t size)
{
	int fd = open(SWAP_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	FILE *out;

	need(fd >= 0, "this needs root, for swap in " SWAP_FILE);
	if (ftruncate(fd, SZ_2M * 16))
		fatal("%s: %s", SWAP_FILE, strerror(errno));
	close(fd);
	out = popen("losetup -f --show " SWAP_FILE, "re");
	if (!out || !fgets(dev, (int)size, out) || pclose(out))
		fatal("losetup of " SWAP_FILE " failed");
	dev[strcspn(dev, "\n")] = '\0';
	if (system("mkswap -q " SWAP_FILE) || swapon(dev, 0))
		fatal("swap on %s: %s", dev, strerror(errno));
}

/* Pages of the range that are in swap, by bit 62 of /proc/self/pagemap. */
static size_t swapped(const uint8_t *addr, size_t len)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t count = 0;
	uint64_t entry;

	if (fd < 0)
		fatal("/proc/self/pagemap: %s", strerror(errno));
	for (size_t at = 0; at < len; at += SZ_4K) {
		off_t where = (off_t)((uintptr_t)(addr + at) / SZ_4K * sizeof(entry));

		if (pread(fd, &entry, sizeof(entry), where) != sizeof(entry))
			fatal("reading pagemap: %s", strerror(errno));
		count += entry >> 62 & 1;
	}
	close(fd);
	return count;
}

static void page_out(const struct mem *mem, const char *what)
{
	if (madvise(mem->addr, mem->len, MADV_PAGEOUT))
		fatal("MADV_PAGEOUT: %s", strerror(errno));
	is_u64(swapped(mem->addr, mem->len), mem->len / SZ_4K, "%s: all pages are in swap", what);
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
	is_u64(swapped(s.far.mem.addr, LEN), 0, "a look at all pages brings them in");
	/* one packet at the start of a page: unpatched kernels get that right too */
	for (size_t i = 0; i < WRITES; i++)
		scene_write(&s, i * LEN / WRITES, 512, "a clean page");
	page_out(&s.far.mem, "written by the device");
	scene_intact(&s, "back from swap");
	scene_close(&s);
}

int main(void)
{
	struct rig rig;
	char dev[64];

	rig_open(&rig);
	swap_on(dev, sizeof(dev));
	written_by_device(&rig);
	if (swapoff(dev))
		fatal("swapoff: %s", strerror(errno));
	rig_close(&rig);
	return tap_done();
}
