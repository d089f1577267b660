// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp run: run a program with libhugeodp-preload.so preloaded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../libibverbs/sizes.h"
#include "../preload/parent.h"
#include "../preload/report.h"
#include "../preload/shared.h"
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

/* A process must not write to a file of the program that is its descriptor 2. */
static void set_stderr(void)
{
	char text[64];
	struct stat st;

	if (fstat(STDERR_FILENO, &st)) {
		set(REPORT_STDERR, "none");
		return;
	}
	snprintf(text, sizeof(text), "%jx:%jx:%jx", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
		 (uintmax_t)st.st_rdev);
	set(REPORT_STDERR, text);
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

static const char *exec_advice(const struct tool *tool, const char *program, int err)
{
	if (err == ENOENT && strchr(program, '/') && !access(program, F_OK))
		return "; the interpreter in its first line, or its dynamic linker, is missing";
	if (err == ENOENT && tool->report && !strcmp(tool->report, "-"))
		return "; a file for the report is given as --report=FILE";
	if (err == ENOEXEC)
		return "; it is a program for another system, or a script without #! in its first "
		       "line";
	return "";
}

int run_program(const struct tool *tool, const char *mode, char **argv)
{
	char path[8192], sizes[SIZES_TEXT];
	int status = TOOL_OK, err;

	if (!find_library(path, sizeof(path))) {
		complain("cannot find %s", path);
		return TOOL_CANNOT;
	}
	/* the dynamic linker would ignore parts of the name */
	if (strpbrk(path, " :")) {
		complain("cannot preload %s: its path contains a blank or a colon; install hugeodp "
			 "below another directory",
			 path);
		return TOOL_CANNOT;
	}
	set_preload(path);
	set("HUGEODP_PRELOAD_MODE", mode);
	set("HUGEODP_PRELOAD_SIZES", sizes_list(tool->sizes, sizes, sizeof(sizes)));
	set("HUGEODP_PRELOAD_ALL", tool->all ? "1" : NULL);
	if (tool->report)
		absolute(tool->report, path, sizeof(path));
	set("HUGEODP_PRELOAD_REPORT", tool->report ? path : NULL);
	set("HUGEODP_PRELOAD_JSON", tool->json ? "1" : NULL);
	set(SHARED_PLACE, NULL);
	set_stderr();
	if (tool->report) {
		status = parent_run(argv, path, tool->json, &tool->hook, &err);
	} else {
		execvp(argv[0], argv);
		err = errno;
	}
	if (!err)
		return status;
	complain("%s: %s%s", argv[0], strerror(err), exec_advice(tool, argv[0], err));
	return err == ENOENT ? TOOL_NO_COMMAND : TOOL_CANNOT;
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
