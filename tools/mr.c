// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * hugeodp mr: memory regions as the kernel's resource tracking reports them. Page
 * sizes are named values of the driver.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_netlink.h>

#include "../libibverbs/uverbs/rdma_netlink.h"
#include "../libibverbs/sizes.h"
#include "../preload/names.h"
#include "tool.h"

/* Named values of the driver. */
enum { PAGE_SHIFT, BLOCKS_MAPPED, TABLE_BYTES, FAULTS, INVALIDATED, VALUES };

static const char *const value_names[VALUES] = {
	[PAGE_SHIFT] = "odp_page_shift",   [BLOCKS_MAPPED] = "odp_blocks_mapped",
	[TABLE_BYTES] = "odp_table_bytes", [FAULTS] = "odp_faults",
	[INVALIDATED] = "odp_invalidated",
};

struct mr {
	uint64_t number;
	uint64_t length;
	uint64_t pid;
	uint64_t key;
	bool has_pid;
	bool has_key;
	char kernel_name[32];
	char odp[16]; /* "implicit" or "explicit", if the driver reports it */
	uint64_t values[VALUES];
	bool has_value[VALUES];
};

struct list {
	const struct tool *tool;
	struct json *json;
	const char *device;
	unsigned int count;
	unsigned int sized; /* with a page size */
	unsigned int devices;
};

static void copy_text(char *to, size_t room, const struct nl_attrs *value)
{
	size_t len = value->len < room ? value->len : room - 1;

	memcpy(to, value->data, len);
	to[len] = '\0';
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
		if (type == RDMA_NLDEV_ATTR_DRIVER_STRING && !strcmp(name, "odp"))
			copy_text(mr->odp, sizeof(mr->odp), &value);
		for (i = 0; i < VALUES; i++) {
			if (!strcmp(name, value_names[i]))
				mr->has_value[i] = nl_uint(&value, &mr->values[i]);
		}
	}
}

static void take_mr(struct mr *mr, const struct nl_attrs *attrs)
{
	struct nl_attrs value;

	memset(mr, 0, sizeof(*mr));
	nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_MRN, &mr->number);
	nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_MRLEN, &mr->length);
	mr->has_pid = nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_PID, &mr->pid);
	mr->has_key = nl_find_uint(attrs, RDMA_NLDEV_ATTR_RES_LKEY, &mr->key);
	if (nl_find(attrs, RDMA_NLDEV_ATTR_RES_KERN_NAME, &value))
		copy_text(mr->kernel_name, sizeof(mr->kernel_name), &value);
	if (nl_find(attrs, RDMA_NLDEV_ATTR_DRIVER, &value))
		take_driver(mr, value);
}

static void process_name(uint64_t pid, char *name, size_t room)
{
	char path[64];
	FILE *file;

	snprintf(name, room, "?");
	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/comm", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, (int)room, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

static void json_mr(const struct list *list, const struct mr *mr)
{
	struct json *json = list->json;
	int i;

	json_open(json, NULL, '{');
	json_string(json, "device", list->device);
	json_number(json, "mrn", mr->number);
	json_number(json, "length", mr->length);
	if (mr->has_pid)
		json_number(json, "pid", mr->pid);
	if (*mr->kernel_name)
		json_string(json, "kernel", mr->kernel_name);
	if (mr->has_key)
		json_number(json, "lkey", mr->key);
	if (*mr->odp)
		json_string(json, "odp", mr->odp);
	for (i = 0; i < VALUES; i++) {
		if (mr->has_value[i])
			json_number(json, value_names[i], mr->values[i]);
	}
	json_close(json, '}');
}

static void value_text(const struct mr *mr, int which, char *text, size_t room)
{
	if (mr->has_value[which])
		snprintf(text, room, "%" PRIu64, mr->values[which]);
	else
		snprintf(text, room, "-");
}

static void print_mr(const struct list *list, const struct mr *mr)
{
	char name[32], size[SIZES_TEXT] = "-";
	char blocks[24], table[24], faults[24], invalidated[24];

	if (mr->has_value[PAGE_SHIFT] && mr->values[PAGE_SHIFT] < 64)
		sizes_text(1ULL << mr->values[PAGE_SHIFT], size, sizeof(size));
	value_text(mr, BLOCKS_MAPPED, blocks, sizeof(blocks));
	value_text(mr, TABLE_BYTES, table, sizeof(table));
	value_text(mr, FAULTS, faults, sizeof(faults));
	value_text(mr, INVALIDATED, invalidated, sizeof(invalidated));
	if (!list->count)
		printf("%s%-10s %6s %14s %5s %10s %10s %10s %11s  %s%s\n", bold(list->tool),
		       "DEVICE", "MR", "BYTES", "PAGE", "BLOCKS", "TABLE", "FAULTS", "INVALIDATED",
		       "OWNER", normal(list->tool));
	printf("%-10s %6" PRIu64 " %14" PRIu64 " %5s %10s %10s %10s %11s  ", list->device,
	       mr->number, mr->length, size, blocks, table, faults, invalidated);
	if (mr->has_pid) {
		process_name(mr->pid, name, sizeof(name));
		printf("%" PRIu64 " ", mr->pid);
		names_print(stdout, name);
		putchar('\n');
	} else {
		printf("[%s]\n", mr->kernel_name);
	}
}

static int take_message(const struct nl_attrs *attrs, void *arg)
{
	struct list *list = arg;
	struct nl_attrs table, entry;
	uint16_t type;
	struct mr mr;

	if (!nl_find(attrs, RDMA_NLDEV_ATTR_RES_MR, &table))
		return 0;
	while (nl_next(&table, &type, &entry)) {
		if (type != RDMA_NLDEV_ATTR_RES_MR_ENTRY)
			continue;
		take_mr(&mr, &entry);
		if (list->tool->json)
			json_mr(list, &mr);
		else
			print_mr(list, &mr);
		list->count++;
		list->sized += mr.has_value[PAGE_SHIFT];
	}
	return 0;
}

/* What to do about an error of RDMA netlink. */
static const char *list_advice(int err)
{
	switch (err) {
	case EPROTONOSUPPORT:
	case EAFNOSUPPORT:
		return "; the kernel has no RDMA netlink: load the module ib_core";
	case EACCES:
	case EPERM:
		return "; run this command as root";
	case EINVAL:
	case EOPNOTSUPP:
		return "; this kernel does not list memory regions";
	case ENODEV:
		return "; the device has been removed, or belongs to another network namespace";
	default:
		return "";
	}
}

static int list_devices(struct list *list)
{
	const struct tool *tool = list->tool;
	struct ibv_device **devices;
	int status = TOOL_NOTHING;
	int n = 0, i, err;

	devices = ibv_get_device_list(&n);
	for (i = 0; devices && i < n; i++) {
		list->device = ibv_get_device_name(devices[i]);
		if (tool->device && strcmp(tool->device, list->device) != 0)
			continue;
		list->devices++;
		err = rdma_netlink_mrs(list->device, take_message, list);
		if (err)
			complain("%s: %s%s", list->device, strerror(err), list_advice(err));
		if (err || status == TOOL_NOTHING)
			status = err ? TOOL_FAILED : TOOL_OK;
	}
	if (devices)
		ibv_free_device_list(devices);
	if (status == TOOL_NOTHING)
		status = complain_no_device(tool);
	return status;
}

int mr_run(const struct tool *tool, int argc, char **argv)
{
	struct json json = { .out = stdout };
	struct list list = { .tool = tool, .json = &json };
	int status;

	if (argc) {
		complain("mr: unexpected argument '%s'", argv[0]);
		return TOOL_USAGE;
	}
	if (tool->json)
		json_open(&json, NULL, '[');
	status = list_devices(&list);
	if (tool->json) {
		json_close(&json, ']');
		json_end(&json);
	}
	if (status == TOOL_OK && list.devices && !list.count && !tool->json)
		complain("no memory region");
	if (list.count && !list.sized && !tool->json)
		complain("this driver does not report page sizes; "
			 "a program can query them with ibv_query_mr_odp()");
	return status;
}
