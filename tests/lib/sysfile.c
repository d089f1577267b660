// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int err = errno;

	if (fd >= 0)
		close(fd);
	need(n == (ssize_t)strlen(text), "%s: cannot write '%s': %s", path, text, strerror(err));
}

long file_value(const char *path, const char *key)
{
	FILE *f = fopen(path, "re");
	size_t len = strlen(key);
	char line[256];
	long value = -1;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && (line[len] == ' ' || line[len] == ':')) {
			value = strtol(line + len + 1, NULL, 10);
			break;
		}
	if (f)
		fclose(f);
	return value;
}

void get_choice(const char *path, char *value, size_t size)
{
	FILE *f = fopen(path, "re");
	char text[128] = "";
	const char *at;

	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	at = strchr(text, '[');
	need(at, "%s must be readable", path);
	snprintf(value, size, "%.*s", (int)strcspn(at + 1, "]"), at + 1);
}
