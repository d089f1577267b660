// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs by command file descriptor and handle, for bindings of other languages, which often have both
 * numbers but not the structs of libibverbs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "uverbs/ioctl.h"
#include "by_fd.h"
#include "priv.h"
#include "provider.h"

const char *by_fd_char_dir = "/sys/dev/char";
const char *by_fd_class_dir = "/sys/class/infiniband";

/* What the rest of the library reads of an open device. */
struct stand_in {
	struct ibv_context context;
	struct ibv_device device;
};

/* Read the name of the RDMA device that a character device belongs to. */
static int read_name(dev_t rdev, char *name, size_t room)
{
	/* with the newline */
	char line[IBV_SYSFS_NAME_MAX + 1], path[128];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "%s/%u:%u/ibdev", by_fd_char_dir, major(rdev), minor(rdev));
	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return errno == ENOENT ? EINVAL : errno;
	len = read(fd, line, sizeof(line));
	close(fd);
	/* one line, and a name of one component */
	if (len < 2 || line[len - 1] != '\n' || (size_t)len > room)
		return EINVAL;
	line[len - 1] = '\0';
	if (strcspn(line, "/\n") != (size_t)len - 1 || *line == '.')
		return EINVAL;
	memcpy(name, line, (size_t)len);
	return 0;
}

static int stand_in(int cmd_fd, struct stand_in *to)
{
	struct ibv_device *device = &to->device;
	struct stat st;
	int err, len;

	memset(to, 0, sizeof(*to));
	if (fstat(cmd_fd, &st))
		return errno;
	if (!S_ISCHR(st.st_mode))
		return EINVAL;
	err = read_name(st.st_rdev, device->name, sizeof(device->name));
	if (err)
		return err;
	len = snprintf(device->ibdev_path, sizeof(device->ibdev_path), "%s/%s", by_fd_class_dir,
		       device->name);
	if (len < 0 || (size_t)len >= sizeof(device->ibdev_path))
		return EINVAL;
	to->context.device = device;
	to->context.cmd_fd = cmd_fd;
	return 0;
}

HUGEODP_EXPORT int hugeodp_query_mr_fd(int cmd_fd, uint32_t handle, struct ibv_mr_odp_attr *attr,
				       size_t size)
{
	struct stand_in device;
	struct ibv_mr mr = { .context = &device.context, .handle = handle };
	int err = stand_in(cmd_fd, &device);

	return err ? hugeodp_err(err) : ibv_query_mr_odp(&mr, attr, size);
}

HUGEODP_EXPORT int hugeodp_query_mr_pages_fd(int cmd_fd, uint32_t handle,
					     struct ibv_mr_pages *pages, size_t size)
{
	struct stand_in device;
	/* without an address there is no estimate */
	struct ibv_mr mr = { .context = &device.context, .handle = handle };
	int err = stand_in(cmd_fd, &device);

	return err ? hugeodp_err(err) : ibv_query_mr_pages(&mr, pages, size);
}

HUGEODP_EXPORT int hugeodp_estimate_mr_pages_fd(int cmd_fd, uint32_t handle, void *addr,
						size_t length, struct ibv_mr_pages *pages,
						size_t size)
{
	struct stand_in device;
	struct ibv_mr mr = {
		.context = &device.context, .handle = handle, .addr = addr, .length = length
	};
	int err = stand_in(cmd_fd, &device);

	return err ? hugeodp_err(err) : ibv_query_mr_pages(&mr, pages, size);
}

HUGEODP_EXPORT int hugeodp_modify_mr_fd(int cmd_fd, uint32_t handle, uint64_t page_sizes,
					uint32_t flags)
{
	struct stand_in device;
	struct ibv_mr mr = { .context = &device.context, .handle = handle };
	int err = stand_in(cmd_fd, &device);

	return err ? hugeodp_err(err) : ibv_modify_mr_odp(&mr, page_sizes, flags);
}

HUGEODP_EXPORT int hugeodp_watch_mr_fd(int cmd_fd, uint32_t handle, int event_fd)
{
	struct stand_in device;
	struct ibv_mr mr = { .context = &device.context, .handle = handle };
	int err = stand_in(cmd_fd, &device);

	return err ? hugeodp_err(err) : hugeodp_watch_mr(&mr, event_fd);
}

HUGEODP_EXPORT int hugeodp_create_mr_fd(int cmd_fd, uint32_t pd_handle,
					const struct ibv_mr_init_attr_odp *attr, size_t size,
					uint32_t *handle)
{
	const struct hugeodp_provider *provider;
	struct ibv_mr_init_attr_odp request;
	struct stand_in device;
	struct ibv_pd pd = { .context = &device.context, .handle = pd_handle };
	struct ibv_mr mr = { .context = &device.context };
	int err = stand_in(cmd_fd, &device);

	if (!err)
		err = hugeodp_copy_request(&request, attr, size);
	if (!err)
		err = hugeodp_validate(&request);
	if (err)
		return hugeodp_err(err);
	provider = hugeodp_provider(&device.context);
	if (!provider->create_mr)
		return hugeodp_err(EOPNOTSUPP);
	err = provider->create_mr(&pd, &request, hugeodp_iova(&request.base), handle);
	mr.handle = err ? 0 : *handle;
	hugeodp_count_request(&request, err ? NULL : &mr);
	return hugeodp_err(err);
}

HUGEODP_EXPORT int hugeodp_prefetch_mr_fd(int cmd_fd, uint32_t pd_handle, uint32_t lkey,
					  uint64_t addr, uint64_t length,
					  enum ibv_advise_mr_advice advice,
					  int (*progress)(void *arg, uint64_t done), void *arg)
{
	struct stand_in device;
	struct ibv_pd pd = { .context = &device.context, .handle = pd_handle };
	struct ibv_mr mr = { .context = &device.context, .pd = &pd, .lkey = lkey };
	int err = stand_in(cmd_fd, &device);

	return err ? hugeodp_err(err)
		   : hugeodp_prefetch_mr(&mr, addr, length, advice, progress, arg);
}

HUGEODP_EXPORT int hugeodp_destroy_mr_fd(int cmd_fd, uint32_t handle)
{
	struct stand_in device;
	int err = stand_in(cmd_fd, &device);

	return hugeodp_err(err ? err : uverbs_destroy_mr(&device.context, handle));
}
