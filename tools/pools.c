// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

#include "pools.h"

static uint64_t read_number(const char *dir, const char *name)
{
	uint64_t value = 0;
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), POOLS_DIR "/%s/%s", dir, name);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

size_t pools_read(struct pool *pools, size_t room)
{
	DIR *dir = opendir(POOLS_DIR);
	struct dirent *entry;
	uint64_t kib;
	size_t n = 0;

	if (!dir)
		return 0;
	while (n < room && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kib) != 1)
			continue;
		pools[n++] = (struct pool){
			.size = kib << 10,
			.pages = read_number(entry->d_name, "nr_hugepages"),
			.free = read_number(entry->d_name, "free_hugepages"),
		};
	}
	closedir(dir);
	return n;
}
