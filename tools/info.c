// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp info: devices and system settings, with advice on how to get more page sizes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <infiniband/hugeodp.h>

#include "../libibverbs/uverbs/kernel_side.h"
#include "../libibverbs/memory/thp.h"
#include "../libibverbs/sizes.h"
#include "../libibverbs/stock/stock.h"
#include "pools.h"
#include "tool.h"

struct device {
	const char *name;
	int side_error;
	const struct kernel_side *side;
	int open_error;
	bool odp;
	int query_error;
	struct ibv_odp_caps caps;
	struct ibv_device_odp_attr pages;
};

static const char *const levels[] = { "never", "madvise", "always" };

static void query_device(struct ibv_device *ibdev, struct device *device)
{
	struct ibv_context *context;
	struct ibv_device_attr_ex attr = { 0 };

	*device = (struct device){ .name = ibv_get_device_name(ibdev) };
	device->side_error = kernel_side_read(ibdev, &device->side);
	context = ibv_open_device(ibdev);
	if (!context) {
		device->open_error = why_not_open(ibdev, errno ? errno : EIO);
		return;
	}
	if (!ibv_query_device_ex(context, NULL, &attr))
		device->caps = attr.odp_caps;
	device->odp = device->caps.general_caps & IBV_ODP_SUPPORT;
	device->query_error = ibv_query_device_odp(context, &device->pages, sizeof(device->pages));
	ibv_close_device(context);
}

static const char *source_text(uint32_t source)
{
	return source == IBV_ODP_SOURCE_KERNEL ? "kernel" : "library";
}

/* Of the kernel side: the patch series, modules for a distribution's kernel, or neither. */
static const char *side_text(const struct device *device)
{
	return device->side ? device->side->name : "none";
}

static void transports_text(const struct ibv_odp_caps *caps, char *text, size_t room)
{
	snprintf(text, room, "%s%s%s", caps->per_transport_caps.rc_odp_caps ? " RC" : "",
		 caps->per_transport_caps.uc_odp_caps ? " UC" : "",
		 caps->per_transport_caps.ud_odp_caps ? " UD" : "");
}

static const char *advice(const struct device *device)
{
	if (device->open_error)
		return open_advice(device->open_error);
	if (!device->odp)
		return "not possible: the device does not support on-demand paging";
	/* what the device has is not known */
	if (device->query_error)
		return NULL;
	if (device->pages.source != IBV_ODP_SOURCE_KERNEL)
		return device->side ? "not possible: the driver does not support page size requests"
				    : "boot a kernel with the hugeodp series, or install the "
				      "hugeodp modules, for page size requests";
	return NULL;
}

static void print_device(const struct tool *tool, const struct device *device)
{
	char text[SIZES_TEXT];

	printf("%s%s%s\n", bold(tool), device->name, normal(tool));
	if (device->side_error)
		printf("  kernel side         not known: %s\n", strerror(device->side_error));
	else
		printf("  kernel side         %s\n", side_text(device));
	if (device->open_error) {
		printf("  cannot be opened: %s\n", strerror(device->open_error));
	} else {
		transports_text(&device->caps, text, sizeof(text));
		printf("  on-demand paging    %s%s%s%s%s\n", device->odp ? good(tool) : bad(tool),
		       device->odp ? "yes" : "no", normal(tool), device->odp ? "," : "", text);
	}
	if (device->odp && device->query_error)
		printf("  page sizes          not known: %s\n", strerror(device->query_error));
	if (device->odp && !device->query_error) {
		printf("  page sizes          %s\n",
		       sizes_text(device->pages.page_sizes, text, sizeof(text)));
		printf("  mixed page sizes    %s\n",
		       device->pages.flags & IBV_ODP_MIXED ? "yes" : "no");
		printf("  populate            %s\n",
		       device->pages.flags & IBV_ODP_POPULATE ? "yes" : "no");
		printf("  page size requests  %s%s%s\n",
		       device->pages.source == IBV_ODP_SOURCE_KERNEL ? good(tool) : bad(tool),
		       device->pages.source == IBV_ODP_SOURCE_KERNEL
			       ? "by the kernel"
			       : "not by the kernel: the library uses what is safe",
		       normal(tool));
	}
	if (advice(device))
		printf("  to get more         %s\n", advice(device));
}

static void json_device(struct json *json, const struct device *device)
{
	json_open(json, NULL, '{');
	json_string(json, "name", device->name);
	if (!device->side_error)
		json_string(json, "kernel_side", side_text(device));
	if (device->open_error) {
		json_string(json, "error", strerror(device->open_error));
	} else {
		json_bool(json, "odp", device->odp);
		json_bool(json, "odp_implicit",
			  device->caps.general_caps & IBV_ODP_SUPPORT_IMPLICIT);
		json_number(json, "odp_rc", device->caps.per_transport_caps.rc_odp_caps);
		json_number(json, "odp_uc", device->caps.per_transport_caps.uc_odp_caps);
		json_number(json, "odp_ud", device->caps.per_transport_caps.ud_odp_caps);
	}
	if (device->odp && !device->query_error) {
		json_sizes(json, "page_sizes", device->pages.page_sizes);
		json_bool(json, "mixed", device->pages.flags & IBV_ODP_MIXED);
		json_bool(json, "populate", device->pages.flags & IBV_ODP_POPULATE);
		json_string(json, "source", source_text(device->pages.source));
	}
	if (advice(device))
		json_string(json, "advice", advice(device));
	json_close(json, '}');
}

static void print_transparent(void)
{
	enum thp_level level;
	uint64_t pmd = thp_pmd_size();
	char text[SIZES_TEXT];

	if (!pmd) {
		printf("  transparent         %s\n", access("/sys/kernel/mm", F_OK)
							     ? "not known: no /sys/kernel/mm here"
							     : "none in this kernel");
		return;
	}
	level = thp_anon_level(pmd, pmd, false);
	printf("  transparent         %s, %s\n", sizes_text(pmd, text, sizeof(text)),
	       levels[level]);
	if (level == THP_NEVER)
		printf("  to get more         write madvise to "
		       "/sys/kernel/mm/transparent_hugepage/enabled\n");
	printf("  in shared memory    %s\n",
	       thp_shmem_possible() ? "yes"
				    : "no, see /sys/kernel/mm/transparent_hugepage/shmem_enabled");
}

/* Settings that do not depend on a device. */
static void print_system(const struct tool *tool, const struct utsname *uts)
{
	struct pool pools[16];
	char text[SIZES_TEXT];
	size_t n, i;

	printf("%ssystem%s\n  kernel              %s\n", bold(tool), normal(tool), uts->release);
	printf("  base pages          %s\n",
	       sizes_text((uint64_t)sysconf(_SC_PAGESIZE), text, sizeof(text)));
	print_transparent();
	n = pools_read(pools, sizeof(pools) / sizeof(pools[0]));
	for (i = 0; i < n; i++)
		printf("  hugetlb             %s: %lu pages, %lu free\n",
		       sizes_text(pools[i].size, text, sizeof(text)), (unsigned long)pools[i].pages,
		       (unsigned long)pools[i].free);
	if (!hugetlb_flag_is_safe(uts->release))
		printf("  IBV_ACCESS_HUGETLB  safe for one page only, unless the kernel has the "
		       "hugeodp series\n");
}

static void json_system(struct json *json, const struct utsname *uts)
{
	uint64_t pmd = thp_pmd_size();
	struct pool pools[16];
	size_t n, i;

	json_open(json, "system", '{');
	json_string(json, "kernel", uts->release);
	json_number(json, "base_page_size", (uint64_t)sysconf(_SC_PAGESIZE));
	json_number(json, "thp_size", pmd);
	json_string(json, "thp_enabled", levels[pmd ? thp_anon_level(pmd, pmd, false) : THP_NEVER]);
	json_bool(json, "thp_shmem", thp_shmem_possible());
	json_open(json, "hugetlb", '[');
	n = pools_read(pools, sizeof(pools) / sizeof(pools[0]));
	for (i = 0; i < n; i++) {
		json_open(json, NULL, '{');
		json_number(json, "page_size", pools[i].size);
		json_number(json, "pages", pools[i].pages);
		json_number(json, "free", pools[i].free);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_bool(json, "hugetlb_flag_safe", hugetlb_flag_is_safe(uts->release));
	json_close(json, '}');
}

int info_run(const struct tool *tool, int argc, char **argv)
{
	struct json json = { .out = stdout };
	struct ibv_device **list;
	struct device device;
	struct utsname uts;
	int shown = 0, failed = 0;
	int n = 0, i;

	if (argc) {
		complain("info: unexpected argument '%s'", argv[0]);
		return TOOL_USAGE;
	}
	uname(&uts);
	list = ibv_get_device_list(&n);
	if (tool->json) {
		json_open(&json, NULL, '{');
		json_system(&json, &uts);
		json_open(&json, "devices", '[');
	} else {
		print_system(tool, &uts);
	}
	for (i = 0; list && i < n; i++) {
		if (tool->device && strcmp(tool->device, ibv_get_device_name(list[i])) != 0)
			continue;
		query_device(list[i], &device);
		shown++;
		failed += device.open_error || (device.odp && device.query_error);
		if (tool->json)
			json_device(&json, &device);
		else
			print_device(tool, &device);
	}
	if (tool->json) {
		json_close(&json, ']');
		json_close(&json, '}');
		json_end(&json);
	}
	if (list)
		ibv_free_device_list(list);
	if (!shown)
		return complain_no_device(tool);
	return failed ? TOOL_FAILED : TOOL_OK;
}
