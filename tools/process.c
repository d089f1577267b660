// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

void process_name(const char *proc, char *name, size_t room)
{
	char path[64];
	FILE *file;

	snprintf(name, room, "?");
	snprintf(path, sizeof(path), "%s/comm", proc);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, (int)room, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

int process_open(struct process *process, uint64_t pid)
{
	char path[40];

	*process = (struct process){ .pid = pid };
	snprintf(path, sizeof(path), "/proc/%" PRIu64, pid);
	process->dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process->dir < 0)
		return errno == ENOENT ? ESRCH : errno;
	snprintf(process->path, sizeof(process->path), "/proc/self/fd/%d", process->dir);
	process_name(process->path, process->name, sizeof(process->name));
	return 0;
}

void process_close(struct process *process)
{
	close(process->dir);
}

int process_has_memory(const char *proc)
{
	char path[64], byte;
	ssize_t n;
	int fd, err;

	snprintf(path, sizeof(path), "%s/maps", proc);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ESRCH : errno;
	n = read(fd, &byte, 1);
	err = n < 0 ? errno : n ? 0 : ESRCH;
	close(fd);
	return err;
}
