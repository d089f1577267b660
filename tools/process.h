/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Another process. */
#ifndef HUGEODP_PROCESS_H
#define HUGEODP_PROCESS_H

#include <stddef.h>

/* Read the name below a directory such as /proc/PID; "?" if it cannot be read. */
void process_name(const char *proc, char *name, size_t room);

#endif
