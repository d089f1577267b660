/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Another process, whose number another one can get when it has ended. */
#ifndef HUGEODP_PROCESS_H
#define HUGEODP_PROCESS_H

#include <stddef.h>
#include <stdint.h>

struct process {
	uint64_t pid;
	int dir;       /* open directory, which stays that of this process */
	char path[40]; /* of this directory */
	char name[64]; /* as the process chose it */
};

/* Read the name below a directory such as /proc/PID; "?" if it cannot be read. */
void process_name(const char *proc, char *name, size_t room);

/* Returns 0, ESRCH if there is no such process, or an errno value. */
int process_open(struct process *process, uint64_t pid);
void process_close(struct process *process);

/*
 * Whether a process has memory, by a directory such as /proc/PID. Returns 0, ESRCH if it has ended
 * or is a thread of the kernel, or an errno value.
 */
int process_has_memory(const char *proc);

#endif
