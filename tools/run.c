// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp run: run a program with libhugeodp-preload.so preloaded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../libibverbs/sizes.h"
#include "../preload/counts.h"
#include "../preload/watcher.h"
#include "tool.h"

static const char library[] = "libhugeodp-preload.so";

/* Find the library where it is installed or, in a build directory, where it was built. */
static bool find_library(char *path, size_t room)
{
	static const char *const below[] = { HUGEODP_PRELOAD_BELOW_PREFIX,
					     HUGEODP_PRELOAD_BELOW_BUILD };
	char self[4096];
	ssize_t len;
	size_t i;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len > 0) {
		self[len] = '\0';
		*strrchr(self, '/') = '\0';
		for (i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
			snprintf(path, room, "%s/../%s/%s", self, below[i], library);
			if (!access(path, R_OK))
				return true;
		}
	}
	snprintf(path, room, HUGEODP_PRELOAD_DIR "/%s", library);
	return !access(path, R_OK);
}

static void set(const char *name, const char *value)
{
	if (value ? setenv(name, value, 1) : unsetenv(name)) {
		complain("environment: %s", strerror(errno));
		exit(TOOL_FAILED);
	}
}

/* Append to the current value, if any. */
static void append(const char *name, const char *value)
{
	const char *before = getenv(name);
	char *both;

	if (!before || !*before) {
		set(name, value);
		return;
	}
	if (asprintf(&both, "%s:%s", before, value) < 0) {
		complain("out of memory");
		exit(TOOL_FAILED);
	}
	set(name, both);
	free(both);
}

/*
 * A program with the address sanitizer refuses to start if another library is loaded before the
 * sanitizer's, because that could replace malloc(). This library does not.
 */
static void set_preload(const char *path)
{
	append("LD_PRELOAD", path);
	append("ASAN_OPTIONS", "verify_asan_link_order=0");
}

/* The program may change its directory before the report is written. */
static void absolute(const char *path, char *room, size_t size)
{
	char directory[4096];

	if (!strcmp(path, "-") || *path == '/' || !getcwd(directory, sizeof(directory)))
		snprintf(room, size, "%s", path);
	else
		snprintf(room, size, "%s/%s", directory, path);
}

int run_program(const struct tool *tool, const char *mode, char **argv)
{
	char path[8192], place[4096], sizes[SIZES_TEXT] = "any";
	uint64_t rest = tool->sizes;
	size_t len = 0;

	if (!find_library(path, sizeof(path))) {
		complain("cannot find %s", path);
		return TOOL_CANNOT;
	}
	/* one by one, because sizes_text() would write ranges */
	for (; rest; rest &= rest - 1) {
		char one[16];

		sizes_text(rest & -rest, one, sizeof(one));
		len += (size_t)snprintf(sizes + len, sizeof(sizes) - len, "%s%s", len ? "|" : "",
					one);
	}
	set_preload(path);
	set("HUGEODP_PRELOAD_MODE", mode);
	set("HUGEODP_PRELOAD_SIZES", sizes);
	set("HUGEODP_PRELOAD_ALL", tool->all ? "1" : NULL);
	if (tool->report)
		absolute(tool->report, path, sizeof(path));
	set("HUGEODP_PRELOAD_REPORT", tool->report ? path : NULL);
	set("HUGEODP_PRELOAD_JSON", tool->json ? "1" : NULL);
	set(COUNTS_DIRECTORY, NULL);
	if (tool->report && watcher_start(place, sizeof(place), path, tool->json))
		set(COUNTS_DIRECTORY, place);
	execvp(argv[0], argv);
	complain("%s: %s", argv[0], strerror(errno));
	return errno == ENOENT ? TOOL_NO_COMMAND : TOOL_CANNOT;
}

int run_run(const struct tool *tool, int argc, char **argv)
{
	struct tool program = *tool;

	if (!argc) {
		complain("run: no program given");
		return TOOL_USAGE;
	}
	if (tool->json && !tool->report)
		program.report = "-";
	return run_program(&program, "upgrade", argv);
}
