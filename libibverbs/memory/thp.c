// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/kept.h"
#include "memory/thp.h"

static const char system_dir[] = "/sys/kernel/mm/transparent_hugepage";
const char *thp_dir = system_dir;

static bool read_fd(int fd, char *text, size_t room)
{
	ssize_t len = pread(fd, text, room - 1, 0);

	if (len < 0)
		return false;
	text[len] = '\0';
	return true;
}

/* Open a setting, to be kept as @file unless that is KEPT_FILES, and read it. */
static bool open_and_read(const char *name, enum kept_file file, char *text, size_t room)
{
	char path[256];
	bool done;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", thp_dir, name);
	fd = file == KEPT_FILES ? -1 : kept_open(file, path);
	if (fd >= 0)
		return read_fd(fd, text, room);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = read_fd(fd, text, room);
	close(fd);
	return done;
}

static bool read_setting(const char *name, char *text, size_t room)
{
	return open_and_read(name, KEPT_FILES, text, room);
}

static bool read_kept(enum kept_file file, char *text, size_t room)
{
	const int fd = file == KEPT_FILES ? -1 : kept_find(file);

	return fd >= 0 && read_fd(fd, text, room);
}

/* The word in brackets. */
static bool chosen(const char *setting, const char *word)
{
	const char *at = strchr(setting, '[');

	return at && !strncmp(at + 1, word, strlen(word)) && at[1 + strlen(word)] == ']';
}

static enum thp_level level(const char *setting)
{
	if (chosen(setting, "always"))
		return THP_ALWAYS;
	return chosen(setting, "madvise") ? THP_MADVISE : THP_NEVER;
}

/* The size does not change until the system is rebooted. */
uint64_t thp_pmd_size(void)
{
	static _Atomic uint64_t known;
	uint64_t size = thp_dir == system_dir ? known : 0;
	char text[32];

	if (!size && read_setting("hpage_pmd_size", text, sizeof(text)))
		size = strtoull(text, NULL, 10);
	if (thp_dir == system_dir)
		known = size;
	return size;
}

static enum thp_level system_level(bool kept)
{
	const enum kept_file file = kept ? KEPT_THP_ENABLED : KEPT_FILES;
	char text[80];

	if (read_kept(file, text, sizeof(text)) ||
	    open_and_read("enabled", file, text, sizeof(text)))
		return level(text);
	return THP_NEVER;
}

static void name_of_size(uint64_t size, char *name, size_t room)
{
	snprintf(name, room, "hugepages-%" PRIu64 "kB/enabled", size >> 10);
}

/* The setting for exactly this size. */
static enum thp_level size_level(uint64_t size, uint64_t pmd_size, bool kept)
{
	const enum kept_file file = kept && size == pmd_size ? KEPT_THP_PMD_ENABLED : KEPT_FILES;
	char text[80];
	char name[48];
	bool done = read_kept(file, text, sizeof(text));

	if (!done) {
		name_of_size(size, name, sizeof(name));
		done = open_and_read(name, file, text, sizeof(text));
	}
	if (done)
		return chosen(text, "inherit") ? system_level(kept) : level(text);
	/* before Linux 6.8 there was only one size, with a single setting */
	return size == pmd_size ? system_level(kept) : THP_NEVER;
}

enum thp_level thp_anon_level(uint64_t size, uint64_t pmd_size, bool kept)
{
	enum thp_level best = THP_NEVER;
	enum thp_level now;
	uint64_t at;

	kept = kept && thp_dir == system_dir;
	for (at = pmd_size; at >= size && best != THP_ALWAYS; at >>= 1) {
		now = size_level(at, pmd_size, kept);
		best = now > best ? now : best;
	}
	return best;
}

bool thp_anon_has(uint64_t size)
{
	const uint64_t pmd_size = thp_pmd_size();

	return size <= pmd_size && size_level(size, pmd_size, false) != THP_NEVER;
}

void thp_anon_setting(uint64_t size, char *path, size_t room)
{
	char text[80], name[48];

	name_of_size(size, name, sizeof(name));
	if (!read_setting(name, text, sizeof(text)) || chosen(text, "inherit"))
		snprintf(name, sizeof(name), "enabled");
	snprintf(path, room, "%s/%s", thp_dir, name);
}

bool thp_shmem_possible(void)
{
	char text[128];

	return read_setting("shmem_enabled", text, sizeof(text)) && !chosen(text, "never") &&
	       !chosen(text, "deny");
}
