// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Runs in the guest: prints the counters of a device of the mlx5 model (the first, if none is
 * named), or the values of the named ones, one per line. They are records in the device's last BAR.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BAR "/sys/class/infiniband/%s/device/resource4"
#define ANY_DEVICE "mlx5_*"
#define BAR_SIZE 0x2000
#define RECORD 64
#define NAME 56

static const volatile uint64_t *map(const char *device)
{
	void *bar = MAP_FAILED;
	char path[256];
	glob_t found;
	int fd;

	if (snprintf(path, sizeof(path), BAR, device) >= (int)sizeof(path) ||
	    glob(path, 0, NULL, &found)) {
		fprintf(stderr, "mlx5-model-counters: no device %s of the lab's model here\n",
			device);
		return NULL;
	}
	fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		bar = mmap(NULL, BAR_SIZE, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (bar == MAP_FAILED)
		fprintf(stderr, "mlx5-model-counters: %s: %s\n", found.gl_pathv[0],
			strerror(errno));
	globfree(&found);
	return bar == MAP_FAILED ? NULL : bar;
}

/* Read the registers in words of 8 bytes only */
static bool read_record(const volatile uint64_t *bar, unsigned int index, char *name,
			uint64_t *value)
{
	const volatile uint64_t *record = bar + index * (RECORD / 8);
	unsigned int i;

	for (i = 0; i < NAME / 8; i++) {
		uint64_t word = record[i];

		memcpy(name + 8 * i, &word, sizeof(word));
		if (!((const char *)&word)[7])
			break;
	}
	name[NAME] = '\0';
	*value = le64toh(record[NAME / 8]);
	return name[0];
}

static bool print_one(const volatile uint64_t *bar, const char *wanted)
{
	char name[NAME + 1];
	uint64_t value;
	unsigned int i;

	for (i = 0; i < BAR_SIZE / RECORD && read_record(bar, i, name, &value); i++)
		if (!strcmp(name, wanted)) {
			printf("%" PRIu64 "\n", value);
			return true;
		}
	fprintf(stderr, "mlx5-model-counters: no counter '%s'\n", wanted);
	return false;
}

int main(int argc, char **argv)
{
	const char *device = ANY_DEVICE;
	const volatile uint64_t *bar;
	char name[NAME + 1];
	uint64_t value;
	unsigned int i;
	int status = 0, c;

	while ((c = getopt(argc, argv, "d:")) >= 0) {
		if (c != 'd') {
			fputs("usage: mlx5-model-counters [-d DEVICE] [COUNTER...]\n", stderr);
			return 2;
		}
		device = optarg;
	}
	bar = map(device);
	if (!bar)
		return 1;
	argv += optind;
	argc -= optind;
	for (; *argv; argv++)
		if (!print_one(bar, *argv))
			status = 1;
	for (i = 0; !argc && i < BAR_SIZE / RECORD && read_record(bar, i, name, &value); i++)
		printf("%-24s %" PRIu64 "\n", name, value);
	return status;
}
