/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Sets of page sizes as text: "2M|base", "any". */
#ifndef HUGEODP_SIZES_H
#define HUGEODP_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes for the longest text of sizes_text() and sizes_list(). */
#define SIZES_TEXT 256

/* "any" and "" are 0, "base" is the base page size. Sizes are separated by '|' or ','. */
bool sizes_parse(const char *text, uint64_t *sizes);

/* Three or more consecutive sizes become a range: "4K..1G". Returns @text. */
const char *sizes_text(uint64_t sizes, char *text, size_t room);

/* One by one, as sizes_parse() reads them: "4K|2M". Returns @text. */
const char *sizes_list(uint64_t sizes, char *text, size_t room);

#endif
