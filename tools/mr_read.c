// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* MRs as the kernel's resource tracking reports them; page sizes are named values of the driver. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rdma/rdma_netlink.h>

#include "../libibverbs/uverbs/rdma_netlink.h"
#include "mr.h"
#include "process.h"

/* The number of these is what the entries are compared with, on all machines */
#define HUGE_PAGE (2ULL << 20)

const char *const mr_value_names[MR_VALUES] = {
	[MR_PAGE_SHIFT] = "page_shift",
	[MR_ENTRIES] = "entries",
	[MR_DEVICE_BYTES] = "device_bytes",
	[MR_BLOCKS_MAPPED] = "odp_blocks_mapped",
	[MR_TABLE_BYTES] = "odp_table_bytes",
	[MR_FAULTS] = "odp_faults",
	[MR_INVALIDATED] = "odp_invalidated",
};

struct reader {
	struct mr_list *list;
	const char *device;
	const struct tool *tool;
	size_t before; /* the MRs of other devices */
};

static void copy_text(char *to, size_t room, const struct nl_attrs *value)
{
	size_t len = value->len < room ? value->len : room - 1;

	memcpy(to, value->data, len);
	to[len] = '\0';
}

static void take_string(struct mr *mr, const char *name, const struct nl_attrs *value)
{
	char text[sizeof(mr->kind)];

	copy_text(text, sizeof(text), value);
	if (!strcmp(name, "kind"))
		memcpy(mr->kind, text, sizeof(text));
	/* mlx5 without page size requests */
	if (!strcmp(name, "odp") && !*mr->kind)
		strcpy(mr->kind, strcmp(text, "implicit") ? "odp" : "implicit");
}

/* Names and values alternate; a print type may come between them. */
static void take_driver(struct mr *mr, struct nl_attrs rest)
{
	struct nl_attrs value;
	char name[32] = "";
	bool named = false;
	uint16_t type;
	int i;

	while (nl_next(&rest, &type, &value)) {
		if (type == RDMA_NLDEV_ATTR_DRIVER_ENTRY) {
			take_driver(mr, value);
			continue;
		}
		if (type == RDMA_NLDEV_ATTR_DRIVER_PRINT_TYPE)
			continue;
		if (type == RDMA_NLDEV_ATTR_DRIVER_STRING && !named) {
			copy_text(name, sizeof(name), &value);
			named = true;
			continue;
		}
		named = false;
		if (type == RDMA_NLDEV_ATTR_DRIVER_STRING)
			take_string(mr, name, &value);
		for (i = 0; i < MR_VALUES; i++) {
			if (!strcmp(name, mr_value_names[i]))
				mr->numbers.has_value[i] = nl_uint(&value, &mr->numbers.values[i]);
		}
	}
}

static void read_owner(struct mr *mr)
{
	char proc[40];

	snprintf(proc, sizeof(proc), "/proc/%" PRIu64, mr->pid);
	process_name(proc, mr->owner, sizeof(mr->owner));
}

/* @before: the MR before this one in the list, or NULL */
static void take_mr(struct mr *mr, const struct mr *before, const char *device,
		    const struct nl_attrs *attrs)
{
	struct nl_attrs value;

	memset(mr, 0, sizeof(*mr));
	snprintf(mr->device, sizeof(mr->device), "%s", device);
	nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_MRN, &mr->number);
	nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_MRLEN, &mr->numbers.length);
	mr->has_pid = nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_PID, &mr->pid);
	mr->has_key = nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_LKEY, &mr->key);
	/* a process has many of them in a row */
	if (mr->has_pid && before && before->has_pid && before->pid == mr->pid)
		memcpy(mr->owner, before->owner, sizeof(mr->owner));
	else if (mr->has_pid)
		read_owner(mr);
	else if (nl_find(attrs, RDMA_NLDEV_ATTR_RES_KERN_NAME, &value))
		copy_text(mr->owner, sizeof(mr->owner), &value);
	if (nl_find(attrs, RDMA_NLDEV_ATTR_DRIVER, &value))
		take_driver(mr, value);
}

static int grow(struct mr_list *list)
{
	const size_t room = list->room ? list->room * 2 : 64;
	struct mr *mrs = reallocarray(list->mrs, room, sizeof(*mrs));

	if (!mrs)
		return ENOMEM;
	list->mrs = mrs;
	list->room = room;
	return 0;
}

static int take_message(const struct nl_attrs *attrs, void *arg)
{
	const struct reader *reader = arg;
	struct mr_list *list = reader->list;
	struct nl_attrs table, entry;
	struct mr *mr;
	uint16_t type;
	int err;

	if (!nl_find(attrs, RDMA_NLDEV_ATTR_RES_MR, &table))
		return 0;
	while (nl_next(&table, &type, &entry)) {
		if (type != RDMA_NLDEV_ATTR_RES_MR_ENTRY)
			continue;
		err = list->count == list->room ? grow(list) : 0;
		if (err)
			return err;
		mr = &list->mrs[list->count];
		take_mr(mr, list->count ? mr - 1 : NULL, reader->device, &entry);
		if (!reader->tool->pid || (mr->has_pid && mr->pid == reader->tool->pid))
			list->count++;
	}
	return 0;
}

static void restart(void *arg)
{
	const struct reader *reader = arg;

	reader->list->count = reader->before;
}

int mr_list_read(struct mr_list *list, const char *device, const struct tool *tool)
{
	struct reader reader = {
		.list = list,
		.device = device,
		.tool = tool,
		.before = list->count,
	};

	return rdma_netlink_mrs(device, take_message, restart, &reader);
}

void mr_list_free(struct mr_list *list)
{
	free(list->mrs);
	free(list->processes);
	memset(list, 0, sizeof(*list));
}

/* Processes by number, then parts of the kernel by name; those on several devices are the same. */
static int by_owner(const void *a, const void *b)
{
	const struct mr *x = a, *y = b;

	if (x->has_pid != y->has_pid)
		return x->has_pid ? -1 : 1;
	if (!x->has_pid)
		return strcmp(x->owner, y->owner);
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void add_pages(uint64_t *sum, uint64_t length, uint64_t size)
{
	add_saturated(sum, length / size + !!(length % size));
}

static void add_mr(struct mr_process *process, const struct mr *mr)
{
	const struct mr_numbers *more = &mr->numbers;
	struct mr_numbers *sums = &process->numbers;
	int i;

	process->mrs++;
	add_saturated(&sums->length, more->length);
	add_pages(&process->base_pages, more->length, (uint64_t)sysconf(_SC_PAGESIZE));
	add_pages(&process->huge_pages, more->length, HUGE_PAGE);
	for (i = MR_ENTRIES; i < MR_VALUES; i++) {
		sums->has_value[i] |= more->has_value[i];
		add_saturated(&sums->values[i], more->values[i]);
	}
}

int mr_list_sum(struct mr_list *list)
{
	struct mr_process *process = NULL;
	size_t i;

	if (!list->count)
		return 0;
	list->processes = calloc(list->count, sizeof(*list->processes));
	if (!list->processes)
		return ENOMEM;
	qsort(list->mrs, list->count, sizeof(*list->mrs), by_owner);
	for (i = 0; i < list->count; i++) {
		if (!i || by_owner(&list->mrs[i - 1], &list->mrs[i])) {
			process = &list->processes[list->process_count++];
			process->first = &list->mrs[i];
		}
		add_mr(process, &list->mrs[i]);
	}
	return 0;
}

/* The columns of a table by which it can be sorted. */
static const struct {
	const char *name;
	size_t offset; /* in struct mr_numbers */
} columns[] = {
	{ "bytes", offsetof(struct mr_numbers, length) },
	{ "page", offsetof(struct mr_numbers, values[MR_PAGE_SHIFT]) },
	{ "entries", offsetof(struct mr_numbers, values[MR_ENTRIES]) },
	{ "device-bytes", offsetof(struct mr_numbers, values[MR_DEVICE_BYTES]) },
	{ "blocks", offsetof(struct mr_numbers, values[MR_BLOCKS_MAPPED]) },
	{ "table", offsetof(struct mr_numbers, values[MR_TABLE_BYTES]) },
	{ "faults", offsetof(struct mr_numbers, values[MR_FAULTS]) },
	{ "invalidated", offsetof(struct mr_numbers, values[MR_INVALIDATED]) },
};

/* Returns an index of columns, or -1. */
static int find_column(const struct tool *tool)
{
	size_t i;

	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		/* the regions of a process have many page sizes */
		if (!strcmp(columns[i].name, tool->sort) &&
		    !(tool->processes && !strcmp(tool->sort, "page")))
			return (int)i;
	}
	return -1;
}

bool mr_list_can_sort(const struct tool *tool)
{
	return find_column(tool) >= 0;
}

/* Both kinds of entries start with their numbers. */
static int descending(const void *a, const void *b, void *arg)
{
	const size_t offset = *(const size_t *)arg;
	const uint64_t x = *(const uint64_t *)((const char *)a + offset);
	const uint64_t y = *(const uint64_t *)((const char *)b + offset);

	return (x < y) - (x > y);
}

_Static_assert(!offsetof(struct mr, numbers) && !offsetof(struct mr_process, numbers),
	       "descending() finds the numbers at the start");

void mr_list_sort(struct mr_list *list, const struct tool *tool)
{
	size_t offset = columns[find_column(tool)].offset;

	/* the sums point into the list of MRs */
	if (list->processes)
		qsort_r(list->processes, list->process_count, sizeof(*list->processes), descending,
			&offset);
	else if (list->count)
		qsort_r(list->mrs, list->count, sizeof(*list->mrs), descending, &offset);
}
