/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Declarations shared by the files of the hugeodp command. */
#ifndef HUGEODP_TOOL_H
#define HUGEODP_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../preload/parent.h"

/* Exit statuses, see the manual page. */
enum {
	TOOL_OK = 0,
	TOOL_FAILED = 1,
	TOOL_USAGE = 2,
	TOOL_NOTHING = 3,      /* no such device or process; check: the answer is no */
	TOOL_TOO_MANY = 4,     /* explain: more entries than --entries allows */
	TOOL_CANNOT = 126,     /* the program cannot be run */
	TOOL_NO_COMMAND = 127, /* the program was not found */
};

struct ibv_device;

struct tool {
	bool json;
	bool color;
	const char *device; /* NULL: all */
	uint64_t sizes;	    /* 0: any */
	bool sizes_given;
	uint64_t min;	    /* shortest mapping to explain; 0: the usual one */
	bool all;	    /* run, explain: also registrations without on-demand paging */
	const char *report; /* run, explain: file of the report, "-" for stderr, or NULL */
	struct parent_hook hook;

	/* tables */
	const char *output; /* columns, or NULL */
	bool no_headings;

	/* explain, advise */
	bool range; /* only addresses from start to end */
	uint64_t start;
	uint64_t end;
	bool pinned;	  /* entries of pinned MRs */
	uint64_t entries; /* that may be used; 0: any number */

	/* mr */
	uint64_t pid;	  /* 0: of all processes */
	bool processes;	  /* sums of each process */
	bool openmetrics; /* the sums for a collector of metrics */
	const char *sort;   /* a column, or NULL */
	unsigned int watch; /* pause in seconds; 0: once */
};

struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *options; /* letters of the accepted options */
	int (*run)(const struct tool *tool, int argc, char **argv);
};

int check_run(const struct tool *tool, int argc, char **argv);
int info_run(const struct tool *tool, int argc, char **argv);
int explain_run(const struct tool *tool, int argc, char **argv);
int advise_run(const struct tool *tool, int argc, char **argv);
int mr_run(const struct tool *tool, int argc, char **argv);
int run_run(const struct tool *tool, int argc, char **argv);

/*
 * run.c: run a program with the library preloaded. With a report it returns the exit status of the
 * program, and without one only on failure.
 */
int run_program(const struct tool *tool, const char *mode, char **argv);

/* A sum that would be too large, as of implicit MRs, stays at the end. */
static inline void add_saturated(uint64_t *sum, uint64_t value)
{
	if (__builtin_add_overflow(*sum, value, sum))
		*sum = UINT64_MAX;
}

/* Print a message to stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Print a name that another process may have chosen: "?" in place of control characters and what
 * the terminal cannot show.
 */
void print_name(FILE *out, const char *name);
/* The same as a word of a shell, of less than 256 bytes. */
void print_quoted(FILE *out, const char *text);

/*
 * Print that there is no device, or not the requested one, and what to do. Returns the exit status,
 * which is 0 if the machine has no device and none was requested.
 */
int complain_no_device(const struct tool *tool);

/* libibverbs always returns ENOENT for a device that it cannot open: find the actual error. */
int why_not_open(const struct ibv_device *ibdev, int err);
/* What to do about it. */
const char *open_advice(int err);

/* Colours for good, bad and headlines; empty strings without colours. */
const char *good(const struct tool *tool);
const char *bad(const struct tool *tool);
const char *bold(const struct tool *tool);
const char *normal(const struct tool *tool);

/* A JSON writer: each call writes a name (NULL in arrays) and a value. */
struct json {
	FILE *out;
	bool more; /* the current object or array is not empty */
};
void json_open(struct json *json, const char *name, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *name, const char *value);
void json_number(struct json *json, const char *name, uint64_t value);
void json_bool(struct json *json, const char *name, bool value);
/* An array of page sizes in bytes. */
void json_sizes(struct json *json, const char *name, uint64_t sizes);
/* End the JSON text. */
void json_end(struct json *json);

#endif
