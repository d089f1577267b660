// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp mr: the memory regions of the system, one by one or by process, once or again and again. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mr.h"

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
	case EBUSY:
		return "; its memory regions change too fast for a list: try again";
	case ENODEV:
		return "; the device has been removed, or belongs to another network namespace";
	default:
		return "";
	}
}

static int read_devices(struct mr_list *list, const struct tool *tool, unsigned int *found)
{
	struct ibv_device **devices;
	int status = TOOL_NOTHING;
	const char *name;
	int n = 0, i, err;

	devices = ibv_get_device_list(&n);
	for (i = 0; devices && i < n; i++) {
		name = ibv_get_device_name(devices[i]);
		if (tool->device && strcmp(tool->device, name) != 0)
			continue;
		++*found;
		err = mr_list_read(list, name, tool);
		if (err)
			complain("%s: %s%s", name, strerror(err), list_advice(err));
		if (err || status == TOOL_NOTHING)
			status = err ? TOOL_FAILED : TOOL_OK;
	}
	if (devices)
		ibv_free_device_list(devices);
	return status == TOOL_NOTHING ? complain_no_device(tool) : status;
}

static bool any_sized(const struct mr_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		if (list->mrs[i].numbers.has_value[MR_PAGE_SHIFT])
			return true;
	}
	return false;
}

/* Returns 0 or an errno value. */
static int print(const struct mr_list *list, const struct tool *tool)
{
	if (!tool->openmetrics && !tool->json)
		return mr_print_table(list, tool);
	if (tool->openmetrics)
		mr_print_openmetrics(list);
	else
		mr_print_json(list, tool);
	return 0;
}

/* Returns an exit status. */
static int show(const struct tool *tool)
{
	struct mr_list list = { 0 };
	unsigned int found = 0;
	int status, err = 0;

	status = read_devices(&list, tool, &found);
	if (tool->processes || tool->openmetrics)
		err = mr_list_sum(&list);
	if (!err && tool->sort)
		mr_list_sort(&list, tool);
	if (!err)
		err = print(&list, tool);
	if (err) {
		complain("mr: %s", strerror(err));
		mr_list_free(&list);
		return TOOL_FAILED;
	}
	if (!tool->json && !tool->openmetrics) {
		if (status == TOOL_OK && found && !list.count)
			complain("no memory region");
		if (list.count && !any_sized(&list))
			complain("this driver does not report page sizes; a program can query them "
				 "with ibv_query_mr_pages()");
	}
	mr_list_free(&list);
	return status;
}

/* Until the user interrupts it, or nothing can be written any more. */
static int watch(const struct tool *tool)
{
	const struct timespec pause = { .tv_sec = (time_t)tool->watch };
	const bool clear = isatty(STDOUT_FILENO) && !tool->json && !tool->openmetrics;
	int status;

	for (;;) {
		if (clear)
			fputs("\033[H\033[2J", stdout);
		status = show(tool);
		if (status != TOOL_OK || fflush(stdout))
			return status;
		nanosleep(&pause, NULL);
	}
}

int mr_run(const struct tool *tool, int argc, char **argv)
{
	if (argc) {
		complain("mr: unexpected argument '%s'", argv[0]);
		return TOOL_USAGE;
	}
	if (tool->json && tool->openmetrics) {
		complain("mr: --json and --openmetrics exclude each other");
		return TOOL_USAGE;
	}
	if (!mr_has_output(tool))
		return TOOL_USAGE;
	if (tool->sort && !mr_list_can_sort(tool)) {
		complain("mr: no column to sort by: %s", tool->sort);
		return TOOL_USAGE;
	}
	return tool->watch ? watch(tool) : show(tool);
}
