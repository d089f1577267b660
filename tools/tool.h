/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the parts of the hugeodp command share. */
#ifndef HUGEODP_TOOL_H
#define HUGEODP_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses, as the manual page has them. */
enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
	TOOL_NOTHING = 3,      /* no such device, process or memory region */
	TOOL_CANNOT = 126,     /* a program that cannot be run */
	TOOL_NO_COMMAND = 127, /* a program that is not there */
};

struct tool {
	bool json;
	bool color;
	const char *device; /* NULL: all */
	uint64_t sizes;	    /* 0: any */
	bool sizes_given;
	uint64_t min;	    /* shortest mapping to explain */
	bool all;	    /* run: registrations without on-demand paging, too */
	const char *report; /* run: where to, or NULL */
};

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *options; /* letters of those that it takes */
	int (*run)(const struct tool *tool, int argc, char **argv);
};

int info_run(const struct tool *tool, int argc, char **argv);
int explain_run(const struct tool *tool, int argc, char **argv);
int mr_run(const struct tool *tool, int argc, char **argv);
int run_run(const struct tool *tool, int argc, char **argv);

/* run.c: start a program with the library loaded ahead. Does not return if that works. */
int run_program(const struct tool *tool, const char *mode, char **argv);

/* A message on stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The message that there is no device, or not the one wanted, and where to look. */
void complain_no_device(const struct tool *tool);

/* Good, bad and headline colours, where there are colours. */
const char *good(const struct tool *tool);
const char *bad(const struct tool *tool);
const char *bold(const struct tool *tool);
const char *normal(const struct tool *tool);

/* JSON, written as it goes: a name (NULL in arrays), then a value. */
struct json {
	FILE *out;
	bool more; /* something of the same object or array was written */
};
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, uint64_t value);
void json_bool(struct json *json, const char *name, bool value);
/* An array of page sizes in bytes. */
void json_sizes(struct json *json, const char *name, uint64_t sizes);
/* The end of the whole text. */
void json_end(struct json *json);

#endif
