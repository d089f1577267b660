// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <infiniband/verbs.h>

#include "../preload/names.h"
#include "tool.h"

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("hugeodp: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void print_name(FILE *out, const char *name)
{
	if (MB_CUR_MAX > 1) {
		names_print(out, name);
		return;
	}
	for (; *name; name++)
		fputc(*name >= ' ' && *name < 0x7f ? *name : '?', out);
}

void print_quoted(FILE *out, const char *text)
{
	const char *quote;
	char part[256];

	fputc('\'', out);
	while ((quote = strchr(text, '\''))) {
		snprintf(part, sizeof(part), "%.*s", (int)(quote - text), text);
		print_name(out, part);
		fputs("'\\''", out);
		text = quote + 1;
	}
	print_name(out, text);
	fputc('\'', out);
}

/* Find an RDMA device of the kernel: the one named @wanted, or any if that is NULL. */
static bool kernel_has(const char *wanted, char *name, size_t room)
{
	DIR *dir = opendir("/sys/class/infiniband");
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		found = *entry->d_name != '.' && (!wanted || !strcmp(wanted, entry->d_name));
		if (found)
			snprintf(name, room, "%s", entry->d_name);
	}
	if (dir)
		closedir(dir);
	return found;
}

int complain_no_device(const struct tool *tool)
{
	char name[256];
	bool found;

	found = kernel_has(tool->device, name, sizeof(name));
	if (found)
		complain("no usable RDMA device: the kernel has %s, but libibverbs does not; check "
			 "/dev/infiniband/uverbs* and the provider of the device",
			 name);
	else if (tool->device)
		complain("no RDMA device %s; \"hugeodp info\" lists the devices", tool->device);
	else
		complain(
			"no RDMA device; load its driver, or make a software device by \"rdma link "
			"add rxe0 type rxe netdev NETDEV\"");
	/* a machine without RDMA is not an error */
	return found || tool->device ? TOOL_NOTHING : TOOL_OK;
}

int why_not_open(const struct ibv_device *ibdev, int err)
{
	char path[sizeof(ibdev->dev_name) + 32];

	snprintf(path, sizeof(path), "/dev/infiniband/%s", ibdev->dev_name);
	return access(path, R_OK | W_OK) ? errno : err;
}

const char *open_advice(int err)
{
	switch (err) {
	case EACCES:
	case EPERM:
		return "give this user read and write access to /dev/infiniband/uverbs*; a "
		       "container "
		       "also needs the device in its device list";
	case ENOENT:
		return "load the module ib_uverbs; pass /dev/infiniband into the container if "
		       "there "
		       "is one";
	case ENODEV:
	case ENXIO:
	case EIO:
		return "the device was removed or has failed: see the messages of the kernel";
	case ENOMEM:
		return "raise the limit of locked memory (ulimit -l), or free memory";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files (ulimit -n)";
	default:
		return "see the messages of the kernel (dmesg) about the device";
	}
}

const char *good(const struct tool *tool)
{
	return tool->color ? "\033[32m" : "";
}

const char *bad(const struct tool *tool)
{
	return tool->color ? "\033[33m" : "";
}

const char *bold(const struct tool *tool)
{
	return tool->color ? "\033[1m" : "";
}

const char *normal(const struct tool *tool)
{
	return tool->color ? "\033[0m" : "";
}

static void next(struct json *json, const char *name)
{
	if (json->more)
		fputs(", ", json->out);
	json->more = true;
	if (name) {
		names_json(json->out, name);
		fputs(": ", json->out);
	}
}

void json_open(struct json *json, const char *name, char bracket)
{
	next(json, name);
	fputc(bracket, json->out);
	json->more = false;
}

void json_close(struct json *json, char bracket)
{
	fputc(bracket, json->out);
	json->more = true;
}

void json_string(struct json *json, const char *name, const char *value)
{
	next(json, name);
	names_json(json->out, value);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
	next(json, name);
	fprintf(json->out, "%" PRIu64, value);
}

void json_bool(struct json *json, const char *name, bool value)
{
	next(json, name);
	fputs(value ? "true" : "false", json->out);
}

void json_sizes(struct json *json, const char *name, uint64_t sizes)
{
	int shift;

	json_open(json, name, '[');
	for (shift = 0; shift < 64; shift++) {
		if (sizes >> shift & 1)
			json_number(json, NULL, 1ULL << shift);
	}
	json_close(json, ']');
}

void json_end(struct json *json)
{
	fputc('\n', json->out);
}
