// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <unistd.h>

#include "memory.h"
#include "tap.h"

void swap_on(struct swap *swap, size_t bytes)
{
	char file[sizeof(swap->dir) + 8], command[256];
	FILE *out;
	int fd;

	need(!geteuid(), "this needs root, for swap");
	snprintf(swap->dir, sizeof(swap->dir), "/tmp/lab-swap-XXXXXX");
	/* noswap: pages of the swap file must not be swapped out themselves */
	if (!mkdtemp(swap->dir) || mount("swap", swap->dir, "tmpfs", 0, "noswap"))
		fatal("a place for swap in %s: %s", swap->dir, strerror(errno));
	snprintf(file, sizeof(file), "%s/swap", swap->dir);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		fatal("%s: %s", file, strerror(errno));
	close(fd);
	snprintf(command, sizeof(command), "mkswap -q %s && losetup -f --show %s", file, file);
	out = popen(command, "re");
	if (!out || !fgets(swap->dev, sizeof(swap->dev), out) || pclose(out))
		fatal("'%s' failed", command);
	swap->dev[strcspn(swap->dev, "\n")] = '\0';
	if (swapon(swap->dev, 0))
		fatal("swap on %s: %s", swap->dev, strerror(errno));
}

void swap_off(struct swap *swap)
{
	char command[sizeof(swap->dev) + 16];

	if (swapoff(swap->dev))
		fatal("swapoff: %s", strerror(errno));
	snprintf(command, sizeof(command), "losetup -d %s", swap->dev);
	if (system(command) || umount(swap->dir) || rmdir(swap->dir))
		fatal("%s cannot be removed: %s", swap->dir, strerror(errno));
}

/* Bit 62 of an entry of /proc/self/pagemap. */
size_t swapped_pages(const void *addr, size_t len)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t count = 0;
	uint64_t entry;

	if (fd < 0)
		fatal("/proc/self/pagemap: %s", strerror(errno));
	for (size_t at = 0; at < len; at += SZ_4K) {
		off_t where = (off_t)(((uintptr_t)addr + at) / SZ_4K * sizeof(entry));

		if (pread(fd, &entry, sizeof(entry), where) != sizeof(entry))
			fatal("reading pagemap: %s", strerror(errno));
		count += entry >> 62 & 1;
	}
	close(fd);
	return count;
}
