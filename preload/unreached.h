/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Why the dynamic linker did not load a preloaded library. */
#ifndef HUGEODP_PRELOAD_UNREACHED_H
#define HUGEODP_PRELOAD_UNREACHED_H

/* Find the file that execvp(3) executes. Returns NULL if it is not found; the caller frees it. */
char *unreached_find(const char *program);

/* The reason, for a file or NULL. */
const char *unreached_reason(const char *path);

#endif
