// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What a doorbell costs the model: sends it doorbells in bursts, as QEMU sends them while the model is
 * busy, each burst followed by the read of a register, whose reply it waits for. Prints the time for
 * a burst; `strace -c` of the model counts its system calls.
 * usage: mlx5-doorbells SOCKET BURST ROUNDS
 */
#include "vfio/pci.h"
#include "vfio/vfu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define VERSION 1
#define REGION_READ 9
#define REGION_WRITE 10
#define NO_REPLY 0x10
#define ACCESS 16 /* before the data: offset, region, size */
#define WRITE_SIZE (VFU_HEADER + ACCESS + 8)
#define BURST_MAX 1024
#define DOORBELL (16 << PCI_UAR_SHIFT | 0x800)
#define REGISTER 0x1010

static void put(uint8_t *p, uint64_t value, size_t size)
{
	memcpy(p, &value, size);
}

static uint8_t *put_message(uint8_t *p, uint16_t command, size_t size, uint32_t flags)
{
	memset(p, 0, size);
	put(p + 2, command, 2);
	put(p + 4, size, 4);
	put(p + 8, flags, 4);
	return p + VFU_HEADER;
}

static uint8_t *put_access(uint8_t *p, uint64_t offset, uint32_t size)
{
	put(p, offset, 8);
	put(p + 8, PCI_BAR_DEVICE, 4);
	put(p + 12, size, 4);
	return p + ACCESS;
}

static bool exchange(int fd, const uint8_t *data, size_t size)
{
	uint8_t reply[VFU_MESSAGE_MAX];

	return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size &&
	       recv(fd, reply, sizeof(reply), 0) > VFU_HEADER;
}

static int open_device(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint8_t message[VFU_HEADER + 4];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	put_message(message, VERSION, sizeof(message), 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    !exchange(fd, message, sizeof(message))) {
		perror(path);
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t burst[(BURST_MAX + 1) * WRITE_SIZE];
	unsigned int count = argc == 4 ? strtoul(argv[2], NULL, 0) : 0, i;
	unsigned int rounds = argc == 4 ? strtoul(argv[3], NULL, 0) : 0;
	uint64_t start;
	size_t size;
	int fd;

	if (!count || count > BURST_MAX || !rounds) {
		fprintf(stderr, "usage: mlx5-doorbells SOCKET BURST ROUNDS (up to %u in a burst)\n",
			BURST_MAX);
		return 2;
	}
	for (i = 0; i < count; i++)
		put_access(put_message(burst + i * WRITE_SIZE, REGION_WRITE, WRITE_SIZE, NO_REPLY),
			   DOORBELL, 8);
	put_access(put_message(burst + count * WRITE_SIZE, REGION_READ, VFU_HEADER + ACCESS, 0),
		   REGISTER, 4);
	size = count * WRITE_SIZE + VFU_HEADER + ACCESS;
	fd = open_device(argv[1]);
	if (fd < 0)
		return 1;
	start = dev_now();
	for (i = 0; i < rounds; i++)
		if (!exchange(fd, burst, size)) {
			perror("mlx5-doorbells");
			return 1;
		}
	printf("%u bursts of %u doorbells and a read: %.1f us each\n", rounds, count,
	       (dev_now() - start) / 1e3 / rounds);
	close(fd);
	return 0;
}
