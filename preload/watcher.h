/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The process that reports for programs that end without exit(3). */
#ifndef HUGEODP_PRELOAD_WATCHER_H
#define HUGEODP_PRELOAD_WATCHER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Start a watcher for the calling process, which is about to become the program. @directory receives
 * the directory for HUGEODP_PRELOAD_COUNTS. Returns false if there can be no watcher.
 */
bool watcher_start(char *directory, size_t size, const char *report, bool json);

#endif
