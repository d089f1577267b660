/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The memory regions (MRs) of the system, for "hugeodp mr". */
#ifndef HUGEODP_MR_H
#define HUGEODP_MR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <infiniband/verbs.h>

#include "tool.h"

/* Named values of the driver. */
enum mr_value {
	MR_PAGE_SHIFT,
	MR_ENTRIES,
	MR_DEVICE_BYTES,
	MR_BLOCKS_MAPPED,
	MR_TABLE_BYTES,
	MR_FAULTS,
	MR_INVALIDATED,
	MR_VALUES,
};

extern const char *const mr_value_names[MR_VALUES];

/* What an MR and a sum of MRs have in common. */
struct mr_numbers {
	uint64_t length;
	uint64_t values[MR_VALUES];
	bool has_value[MR_VALUES];
};

struct mr {
	struct mr_numbers numbers;
	char device[IBV_SYSFS_NAME_MAX];
	uint64_t number;
	uint64_t pid;
	uint64_t key;
	bool has_pid;
	bool has_key;
	char owner[32]; /* the process, or the part of the kernel */
	char kind[16];	/* "pinned", "odp", "implicit" or "dmabuf", if the driver reports it */
};

/* All MRs of a process, or of a part of the kernel. */
struct mr_process {
	struct mr_numbers numbers; /* sums; no page shift */
	const struct mr *first;
	uint64_t mrs;
	uint64_t base_pages;
	uint64_t huge_pages;
};

struct mr_list {
	struct mr *mrs;
	size_t count;
	size_t room;
	struct mr_process *processes; /* after mr_list_sum() */
	size_t process_count;
};

/* mr_read.c: add the MRs of a device, or of one process there. Returns 0 or an errno value. */
int mr_list_read(struct mr_list *list, const char *device, const struct tool *tool);
void mr_list_free(struct mr_list *list);

/* mr_read.c: add up the MRs of each owner; changes their order. Returns 0 or an errno value. */
int mr_list_sum(struct mr_list *list);

/* mr_read.c: whether the table has the column tool->sort; the largest values of it first. */
bool mr_list_can_sort(const struct tool *tool);
void mr_list_sort(struct mr_list *list, const struct tool *tool);

/* mr_print.c */
void mr_print_json(const struct mr_list *list, const struct tool *tool);
/* Check the list of columns for the table, or complain. */
bool mr_has_output(const struct tool *tool);
/* Returns 0 or an errno value. */
int mr_print_table(const struct mr_list *list, const struct tool *tool);
/* The sums in the text format of OpenMetrics, for a collector such as node_exporter's. */
void mr_print_openmetrics(const struct mr_list *list);

#endif
