// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <stdbool.h>
#include <stddef.h>

#include "names.h"

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

/* Also U+0080 to U+009F: some terminals take them for commands. */
static bool is_control(const char *text)
{
	const unsigned char c = (unsigned char)*text;

	return c < ' ' || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0);
}

void names_print(FILE *out, const char *name)
{
	size_t len;

	for (; *name; name += len ? len : 1) {
		len = character(name);
		if (!len || is_control(name))
			fputc('?', out);
		else
			fwrite(name, 1, len, out);
	}
}

void names_json(FILE *out, const char *name)
{
	size_t len;

	fputc('"', out);
	for (; *name; name += len ? len : 1) {
		len = character(name);
		if (*name == '"' || *name == '\\')
			fprintf(out, "\\%c", *name);
		else if (!len)
			fputs("\\ufffd", out);
		else if (is_control(name))
			fprintf(out, "\\u%04x", (unsigned char)name[len - 1]);
		else
			fwrite(name, 1, len, out);
	}
	fputc('"', out);
}
