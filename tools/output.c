// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

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

void complain_no_device(const struct tool *tool)
{
	char name[256];

	if (kernel_has(tool->device, name, sizeof(name)))
		complain("no usable RDMA device: the kernel has %s, but libibverbs does not; check "
			 "/dev/infiniband/uverbs* and the provider of the device", name);
	else if (tool->device)
		complain("no RDMA device %s; \"hugeodp info\" lists the devices", tool->device);
	else
		complain("no RDMA device; check that its driver is loaded (\"rdma link\" lists the "
			 "devices of the kernel)");
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

/* Bytes of the UTF-8 character at the start of a text; 0 if there is none. */
static size_t character(const char *text)
{
	const unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];
	size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	size_t i;

	for (i = 1; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* overlong encodings, surrogates, code points past the last one */
	if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) ||
	    (c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f))
		return 0;
	return len;
}

static void quote(FILE *out, const char *text)
{
	size_t len;

	fputc('"', out);
	for (; *text; text += len ? len : 1) {
		len = character(text);
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (len == 1 && (*text < ' ' || *text == 0x7f))
			fprintf(out, "\\u%04x", *text);
		else if (len)
			fwrite(text, 1, len, out);
		else
			/* names of files and processes need not be UTF-8 */
			fputs("\\ufffd", out);
	}
	fputc('"', out);
}

static void next(struct json *json, const char *name)
{
	if (json->more)
		fputs(", ", json->out);
	json->more = true;
	if (name) {
		quote(json->out, name);
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
	quote(json->out, value);
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
