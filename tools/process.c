// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <stdio.h>
#include <string.h>

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
