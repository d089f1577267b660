/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Names of processes, programs and files, which their users choose freely. */
#ifndef HUGEODP_PRELOAD_NAMES_H
#define HUGEODP_PRELOAD_NAMES_H

#include <stdio.h>

/* For a terminal: control characters, and bytes that are not UTF-8, are printed as "?". */
void names_print(FILE *out, const char *name);

/* As a JSON string in quotes. */
void names_json(FILE *out, const char *name);

#endif
