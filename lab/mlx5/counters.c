// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * In the machine: prints the counters of the mlx5 device model, or the values of those named, one a
 * line. They are the records of the device's last BAR.
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

#define BAR "/sys/bus/pci/devices/*/infiniband/mlx5_*/device/resource4"
#define BAR_SIZE 0x2000
#define RECORD 64
#define NAME 56

static const volatile uint64_t *map(void)
{
	void *bar = MAP_FAILED;
	glob_t found;
	int fd;

	if (glob(BAR, 0, NULL, &found)) {
		fputs("hugeodp-mlx5-counters: no device of the lab's model here\n", stderr);
		return NULL;
	}
	fd = open(found.gl_pathv[0], O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		bar = mmap(NULL, BAR_SIZE, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (bar == MAP_FAILED)
		fprintf(stderr, "hugeodp-mlx5-counters: %s: %s\n", found.gl_pathv[0],
			strerror(errno));
	globfree(&found);
	return bar == MAP_FAILED ? NULL : bar;
}

/* The registers are read in words of 8 bytes, no other way */
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
	fprintf(stderr, "hugeodp-mlx5-counters: no counter '%s'\n", wanted);
	return false;
}

int main(int argc, char **argv)
{
	const volatile uint64_t *bar = map();
	char name[NAME + 1];
	uint64_t value;
	unsigned int i;
	int status = 0, arg;

	if (!bar)
		return 1;
	for (arg = 1; arg < argc; arg++)
		if (!print_one(bar, argv[arg]))
			status = 1;
	for (i = 0; argc == 1 && i < BAR_SIZE / RECORD && read_record(bar, i, name, &value); i++)
		printf("%-24s %" PRIu64 "\n", name, value);
	return status;
}
