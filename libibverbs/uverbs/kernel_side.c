// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <infiniband/verbs.h>
#include <rdma/ib_user_hugeodp.h>

#include "kernel_side.h"

static const struct kernel_side sides[] = {
	{
		.mark = HUGEODP_MARK_CORE,
		.name = "series",
		.in_core = true,
		.query_pages = HUGEODP_CORE_METHOD_QUERY_ODP_PAGES,
		.modify_mr = HUGEODP_CORE_METHOD_MR_MODIFY_ODP,
		.watch_mr = HUGEODP_CORE_METHOD_MR_WATCH_ODP,
		.query_mr = UVERBS_METHOD_QUERY_MR,
		.query_mr_handle = UVERBS_ATTR_QUERY_MR_HANDLE,
		.query_mr_state = HUGEODP_CORE_ATTR_QUERY_MR_RESP_ODP_STATE,
		.query_mr_blocks = HUGEODP_CORE_ATTR_QUERY_MR_RESP_ODP_BLOCKS,
		.query_mr_pages = HUGEODP_CORE_ATTR_QUERY_MR_RESP_PAGES,
		.reg_mr_request = HUGEODP_CORE_ATTR_REG_MR_ODP_REQUEST,
		.reg_mr_page_shift = HUGEODP_CORE_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT,
		.reg_mr_entries = HUGEODP_CORE_ATTR_REG_MR_RESP_ENTRIES_NEEDED,
	},
	{
		.mark = HUGEODP_MARK_DRIVER,
		.name = "modules",
		.query_pages = HUGEODP_DRIVER_METHOD_QUERY_ODP_PAGES,
		.modify_mr = HUGEODP_DRIVER_METHOD_MR_MODIFY_ODP,
		.watch_mr = HUGEODP_DRIVER_METHOD_MR_WATCH_ODP,
		.query_mr = HUGEODP_DRIVER_METHOD_QUERY_MR_ODP,
		.query_mr_handle = HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_HANDLE,
		.query_mr_state = HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_STATE,
		.query_mr_blocks = HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_BLOCKS,
		.query_mr_pages = HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_PAGES,
		.reg_mr_request = HUGEODP_DRIVER_ATTR_REG_MR_ODP_REQUEST,
		.reg_mr_page_shift = HUGEODP_DRIVER_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT,
		.reg_mr_entries = HUGEODP_DRIVER_ATTR_REG_MR_RESP_ENTRIES_NEEDED,
	},
};

static int open_retry(int dir, const char *path, int flags)
{
	int fd;

	do {
		fd = openat(dir, path, flags | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

/*
 * Read at most @room bytes of the mark. Returns the number of bytes, or a negative errno value. A
 * thread may have the smallest stack there is, so no path is put together.
 */
static ssize_t read_mark(const struct ibv_device *device, char *text, size_t room)
{
	int dir, fd;
	ssize_t len;

	/* a provider that runs only in user space may have no folder in sysfs */
	if (!device->ibdev_path[0])
		return -ENOENT;
	dir = open_retry(AT_FDCWD, device->ibdev_path, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	/* not to wait for the other end, should something else be there than a regular file */
	fd = open_retry(dir, HUGEODP_MARK_FILE, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	close(dir);
	if (fd < 0)
		return fd;
	do {
		len = read(fd, text, room);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		len = -errno;
	close(fd);
	return len;
}

static const struct kernel_side *find(const char *text, size_t len)
{
	size_t i, mark;

	for (i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		mark = strlen(sides[i].mark);
		if (len == mark + 1 && !memcmp(text, sides[i].mark, mark) && text[mark] == '\n')
			return &sides[i];
	}
	return NULL;
}

int kernel_side_read(const struct ibv_device *device, const struct kernel_side **side)
{
	/* one byte more than the longest mark and its newline */
	char text[sizeof(HUGEODP_MARK_DRIVER) + 1];
	ssize_t len = read_mark(device, text, sizeof(text));

	*side = len > 0 ? find(text, (size_t)len) : NULL;
	return len == -EMFILE || len == -ENFILE || len == -ENOMEM ? (int)-len : 0;
}
