// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp check: whether this machine can do huge on-demand paging, in one line, and why. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <infiniband/hugeodp.h>

#include "../libibverbs/memory/thp.h"
#include "../libibverbs/sizes.h"
#include "tool.h"

/* From the worst to the best */
enum state {
	DEVICE_NONE,
	DEVICE_CLOSED,
	DEVICE_WITHOUT_ODP,
	DEVICE_FAILED,
	DEVICE_BASE_PAGES,
	DEVICE_LIMITED, /* only hugetlb memory, by IBV_ACCESS_HUGETLB */
	DEVICE_HUGE,
};

struct device {
	char name[64];
	enum state state;
	int err;
	uint64_t sizes;
};

struct memory {
	uint64_t thp_size;
	enum thp_level thp;
	bool pool; /* the hugetlb pool has free pages */
};

struct verdict {
	const char *word; /* yes, limited or no */
	char reason[SIZES_TEXT + 160];
	char advice[256];
};

static const char *const levels[] = { "never", "madvise", "always" };

static void query_device(struct ibv_device *ibdev, struct device *device)
{
	struct ibv_device_odp_attr pages;
	struct ibv_context *context;

	*device = (struct device){ .state = DEVICE_CLOSED };
	snprintf(device->name, sizeof(device->name), "%s", ibv_get_device_name(ibdev));
	context = ibv_open_device(ibdev);
	if (!context) {
		device->err = why_not_open(ibdev, errno ? errno : EIO);
		return;
	}
	device->err = ibv_query_device_odp(context, &pages, sizeof(pages));
	ibv_close_device(context);
	if (device->err) {
		device->state = device->err == EOPNOTSUPP ? DEVICE_WITHOUT_ODP : DEVICE_FAILED;
		return;
	}
	device->sizes = pages.page_sizes;
	if (!(pages.page_sizes & ~(uint64_t)sysconf(_SC_PAGESIZE)))
		device->state = DEVICE_BASE_PAGES;
	else
		device->state =
			pages.source == IBV_ODP_SOURCE_KERNEL ? DEVICE_HUGE : DEVICE_LIMITED;
}

static bool pool_has_pages(void)
{
	DIR *dir = opendir("/sys/kernel/mm/hugepages");
	const struct dirent *entry;
	unsigned long long pages;
	bool found = false;
	char path[512];
	FILE *file;

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/%s/free_hugepages",
			 entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		found = fscanf(file, "%llu", &pages) == 1 && pages;
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return found;
}

static struct memory query_memory(void)
{
	struct memory memory = { .thp_size = thp_pmd_size(), .pool = pool_has_pages() };

	if (memory.thp_size)
		memory.thp = thp_anon_level(memory.thp_size, memory.thp_size, false);
	return memory;
}

static const char *device_text(const struct device *device, char *text, size_t room)
{
	char sizes[SIZES_TEXT];

	sizes_text(device->sizes, sizes, sizeof(sizes));
	switch (device->state) {
	case DEVICE_CLOSED:
		snprintf(text, room, "cannot be opened: %s", strerror(device->err));
		break;
	case DEVICE_WITHOUT_ODP:
		snprintf(text, room, "does not support on-demand paging");
		break;
	case DEVICE_FAILED:
		snprintf(text, room, "cannot be queried: %s", strerror(device->err));
		break;
	case DEVICE_BASE_PAGES:
		snprintf(text, room, "on-demand paging in base pages only");
		break;
	case DEVICE_LIMITED:
		snprintf(text, room, "pages of %s, by the library and for hugetlb memory only",
			 sizes);
		break;
	default:
		snprintf(text, room, "pages of %s, by the kernel", sizes);
	}
	return text;
}

static const char *device_advice(const struct device *device)
{
	switch (device->state) {
	case DEVICE_NONE:
		return "load the driver of the device, or make a software device by \"rdma link "
		       "add "
		       "rxe0 type rxe netdev NETDEV\"";
	case DEVICE_CLOSED:
		return open_advice(device->err);
	case DEVICE_WITHOUT_ODP:
		return "use another device, or register memory without on-demand paging";
	case DEVICE_FAILED:
		return "see the messages of the kernel (dmesg) about the device";
	default:
		return "boot a kernel with the hugeodp series";
	}
}

/* The best device decides; its memory must be able to have huge pages, too. */
static struct verdict judge(const struct tool *tool, const struct device *best,
			    const struct memory *memory)
{
	struct verdict verdict = { .word = "no" };
	char text[SIZES_TEXT + 64];

	if (best->state == DEVICE_NONE)
		snprintf(verdict.reason, sizeof(verdict.reason), "no RDMA device%s%s",
			 tool->device ? " " : "", tool->device ? tool->device : "");
	else
		snprintf(verdict.reason, sizeof(verdict.reason), "%s: %s", best->name,
			 device_text(best, text, sizeof(text)));
	if (best->state >= DEVICE_LIMITED && !memory->pool &&
	    (best->state == DEVICE_LIMITED || memory->thp == THP_NEVER)) {
		snprintf(verdict.reason, sizeof(verdict.reason),
			 "%s could, but memory cannot have huge pages", best->name);
		snprintf(verdict.advice, sizeof(verdict.advice), "%s",
			 best->state == DEVICE_HUGE && memory->thp_size
				 ? "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled"
				 : "sysctl vm.nr_hugepages=NUMBER");
		return verdict;
	}
	if (best->state >= DEVICE_LIMITED)
		verdict.word = best->state == DEVICE_HUGE ? "yes" : "limited";
	if (best->state != DEVICE_HUGE)
		snprintf(verdict.advice, sizeof(verdict.advice), "%s", device_advice(best));
	return verdict;
}

static void print_item(const struct tool *tool, struct json *json, const char *name, bool is_good,
		       const char *text)
{
	if (tool->json) {
		json_open(json, NULL, '{');
		json_string(json, "name", name);
		json_bool(json, "good", is_good);
		json_string(json, "text", text);
		json_close(json, '}');
		return;
	}
	printf("  %-20s %s%s%s\n", name, is_good ? good(tool) : bad(tool), text, normal(tool));
}

static void print_verdict(const struct tool *tool, struct json *json, const struct verdict *verdict)
{
	bool is_good = *verdict->word == 'y';

	if (tool->json) {
		json_open(json, NULL, '{');
		json_string(json, "verdict", verdict->word);
		json_string(json, "reason", verdict->reason);
		if (*verdict->advice)
			json_string(json, "advice", verdict->advice);
		json_open(json, "evidence", '[');
		return;
	}
	printf("%s%s%s: %s%s%s\n", is_good ? good(tool) : bad(tool), verdict->word, normal(tool),
	       verdict->reason, *verdict->advice ? "; " : "", verdict->advice);
}

static void print_memory(const struct tool *tool, struct json *json, const struct memory *memory)
{
	char size[SIZES_TEXT], text[64];
	struct utsname uts;

	uname(&uts);
	print_item(tool, json, "kernel", true, uts.release);
	if (memory->thp_size) {
		snprintf(text, sizeof(text), "%s, %s",
			 sizes_text(memory->thp_size, size, sizeof(size)), levels[memory->thp]);
		print_item(tool, json, "transparent pages", memory->thp != THP_NEVER, text);
	} else {
		print_item(tool, json, "transparent pages", false, "none in this kernel");
	}
	print_item(tool, json, "hugetlb pool", memory->pool, memory->pool ? "has pages" : "empty");
}

int check_run(const struct tool *tool, int argc, char **argv)
{
	struct device device, best = { .state = DEVICE_NONE };
	const struct memory memory = query_memory();
	struct json json = { .out = stdout };
	struct ibv_device **list;
	struct verdict verdict;
	char text[SIZES_TEXT + 64];
	int n = 0, i;

	if (argc) {
		complain("check: unexpected argument '%s'", argv[0]);
		return TOOL_USAGE;
	}
	list = ibv_get_device_list(&n);
	for (i = 0; list && i < n; i++) {
		if (tool->device && strcmp(tool->device, ibv_get_device_name(list[i])) != 0)
			continue;
		query_device(list[i], &device);
		if (device.state > best.state)
			best = device;
	}
	verdict = judge(tool, &best, &memory);
	print_verdict(tool, &json, &verdict);
	print_memory(tool, &json, &memory);
	for (i = 0; list && i < n; i++) {
		if (tool->device && strcmp(tool->device, ibv_get_device_name(list[i])) != 0)
			continue;
		query_device(list[i], &device);
		print_item(tool, &json, device.name, device.state >= DEVICE_LIMITED,
			   device_text(&device, text, sizeof(text)));
	}
	if (tool->json) {
		json_close(&json, ']');
		json_close(&json, '}');
		json_end(&json);
	}
	if (list)
		ibv_free_device_list(list);
	return *verdict.word == 'n' ? TOOL_NOTHING : TOOL_OK;
}
