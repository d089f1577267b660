// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "dmabuf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/udmabuf.h>

#include "tap.h"

int dmabuf_make(size_t len)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = len };
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;
	int memory = memfd_create("lab", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (device < 0 || memory < 0 || ftruncate(memory, (off_t)len) ||
	    fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK)) {
		if (device >= 0)
			fatal("memory for a dma-buf: %s", strerror(errno));
		close(memory);
		return -1;
	}
	create.memfd = (uint32_t)memory;
	fd = ioctl(device, UDMABUF_CREATE, &create);
	if (fd < 0)
		fatal("UDMABUF_CREATE: %s", strerror(errno));
	close(device);
	close(memory);
	return fd;
}
