// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "memory/range.h"
#include "memory/thp.h"
#include "priv.h"
#include "provider.h"
#include "stock/stock.h"
#include "stock/stock_mrs.h"

const char *stock_module_dir = "/sys/module";

/* Whether a module is not the one that was built with the kernel; false if it is part of it. */
static bool is_out_of_tree(int dir, const char *module)
{
	char path[300], taint[32] = "";
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/taint", module);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno != ENOENT;
	len = read(fd, taint, sizeof(taint) - 1);
	close(fd);
	return len < 0 || strchr(taint, 'O');
}

/* The RDMA core and all modules that use it, such as ib_uverbs and the drivers. */
static bool modules_are_in_tree(void)
{
	int dir = open(stock_module_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, "ib_core/holders", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *holders = fd < 0 ? NULL : fdopendir(fd);
	bool good = dir >= 0 && !is_out_of_tree(dir, "ib_core");
	const struct dirent *entry;

	while (good && holders && (entry = readdir(holders)))
		good = *entry->d_name == '.' || !is_out_of_tree(dir, entry->d_name);
	if (holders)
		closedir(holders);
	else if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
	return good;
}

bool hugetlb_flag_is_safe(const char *release)
{
	unsigned int major, minor;

	/* these kernels have newer RDMA drivers than their version number suggests */
	if (strstr(release, ".el") || strstr(release, "uek") || strstr(release, "-default"))
		return false;
	if (sscanf(release, "%u.%u", &major, &minor) != 2)
		return false;
	/* 2.6 is what a process with the personality UNAME26 gets from any kernel */
	if (major < 3 || major > 6 || (major == 6 && minor >= 16))
		return false;
	return modules_are_in_tree();
}

int stock_caps(struct ibv_context *context, struct device_caps *caps)
{
	struct ibv_device_attr_ex attr = { 0 };
	int err = ibv_query_device_ex(context, NULL, &attr);

	if (err || !(attr.odp_caps.general_caps & IBV_ODP_SUPPORT))
		return err == EIO ? EIO : EOPNOTSUPP;
	caps->page_sizes = (uint64_t)sysconf(_SC_PAGESIZE);
	if (hugeodp_provider(context)->hugetlb_flag_known)
		caps->page_sizes |= thp_pmd_size();
	caps->flags = 0;
	caps->source = IBV_ODP_SOURCE_LIBRARY;
	return 0;
}

uint64_t stock_sizes(const struct device_caps *caps, uint64_t addr, uint64_t length)
{
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t size = caps->page_sizes & ~base;
	struct utsname uts;

	if (!size || caps->series || (addr ^ (addr + length - 1)) < size)
		return caps->page_sizes;
	/* more than one block */
	return !uname(&uts) && hugetlb_flag_is_safe(uts.release) ? caps->page_sizes : base;
}

static bool is_hugetlb(const struct ibv_mr_init_attr *attr, uint64_t iova, uint64_t size)
{
	struct range range = {
		.addr = (uintptr_t)attr->addr,
		.length = attr->length,
		.iova = iova,
		.accepted = size,
		.supported = size,
		.hugetlb_only = true,
	};
	struct ibv_odp_report report;

	return !range_report_self(&range, &report) && report.page_shift;
}

int stock_register(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request, uint64_t iova,
		   const struct device_caps *caps, struct ibv_mr **mr)
{
	const struct ibv_mr_init_attr *attr = &request->base;
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t accepted = request->page_sizes ? request->page_sizes : caps->page_sizes;
	unsigned int access = (unsigned int)attr->access;
	int err = EOPNOTSUPP;
	uint64_t size;

	*mr = NULL;
	accepted &= caps->page_sizes;
	size = accepted & stock_sizes(caps, (uintptr_t)attr->addr, attr->length) & ~base;
	if (size && is_hugetlb(attr, iova, size)) {
		*mr = ibv_reg_mr_iova2(pd, attr->addr, attr->length, iova,
				       access | IBV_ACCESS_HUGETLB);
		/* the arguments have been checked: EINVAL means that the flag is not supported */
		if (!*mr && errno != EINVAL)
			err = errno;
	}
	if (!*mr && accepted & base) {
		size = base;
		*mr = ibv_reg_mr_iova2(pd, attr->addr, attr->length, iova, access);
		if (!*mr)
			err = errno;
	}
	if (!*mr)
		return err;
	stock_mrs_add(*mr, accepted, size);
	return 0;
}
