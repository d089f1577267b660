// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * libibverbs knows the driver_id of a device but does not expose it. RDMA netlink
 * reports it for nearly all drivers. If it does not (the driver does not publish
 * it, the process may not open netlink sockets, or the device was renamed after
 * it was opened), probe the character device: the kernel checks driver_id before
 * it looks the method up, so calling a method that does not exist fails with
 * EINVAL for a wrong driver_id and with EPROTONOSUPPORT for the right one, and
 * has no effect.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <infiniband/verbs.h>

#include "driver_id.h"
#include "ioctl.h"
#include "rdma_netlink.h"

/* Linux 7.3 uses the numbers 0 to 22. */
#define DRIVER_ID_LIMIT 64

/* Beyond the kernel's core and driver name spaces. */
#define NO_SUCH_OBJECT 0x0fff
#define NO_SUCH_METHOD 0x0fff

/*
 * Known numbers, by minor number: device number in the upper half, driver_id in
 * the lower. After an unplug, a minor number can be reused for another device, so
 * entries can be stale; driver_id_renew() corrects them. A device number is
 * never 0, so neither is a valid entry.
 */
#define CACHE_SLOTS 16
static _Atomic uint64_t cache[CACHE_SLOTS];

static _Atomic uint64_t *cache_slot(dev_t rdev)
{
	return &cache[minor(rdev) % CACHE_SLOTS];
}

static void cache_store(dev_t rdev, uint32_t driver_id)
{
	atomic_store_explicit(cache_slot(rdev), (uint64_t)rdma_netlink_dev(rdev) << 32 | driver_id,
			      memory_order_relaxed);
}

static bool cache_find(dev_t rdev, uint32_t *driver_id)
{
	uint64_t entry = atomic_load_explicit(cache_slot(rdev), memory_order_relaxed);

	if (entry >> 32 != rdma_netlink_dev(rdev))
		return false;
	*driver_id = (uint32_t)entry;
	return true;
}

/* Returns EPROTONOSUPPORT if the driver_id is right, EINVAL if it is wrong. */
static int probe(int fd, uint32_t driver_id)
{
	struct uverbs_cmd cmd;

	uverbs_cmd_init(&cmd, NO_SUCH_OBJECT, NO_SUCH_METHOD);
	return uverbs_cmd_submit(fd, &cmd, driver_id);
}

static bool probe_all(int fd, uint32_t *driver_id)
{
	int err = EINVAL;
	uint32_t id;

	for (id = 0; id < DRIVER_ID_LIMIT && err == EINVAL; id++) {
		err = probe(fd, id);
		if (err == EPROTONOSUPPORT) {
			*driver_id = id;
			return true;
		}
	}
	return false;
}

static bool char_device(const struct ibv_context *context, dev_t *rdev)
{
	struct stat st;

	if (fstat(context->cmd_fd, &st) || !S_ISCHR(st.st_mode))
		return false;
	*rdev = st.st_rdev;
	return true;
}

int driver_id_get(const struct ibv_context *context, uint32_t *driver_id)
{
	dev_t rdev;

	/* a provider that runs only in user space has none, and is not supported */
	if (!char_device(context, &rdev))
		return EOPNOTSUPP;
	if (cache_find(rdev, driver_id))
		return 0;
	if (rdma_netlink_driver_id(ibv_get_device_name(context->device), rdev, driver_id) &&
	    !probe_all(context->cmd_fd, driver_id))
		return EOPNOTSUPP;
	cache_store(rdev, *driver_id);
	return 0;
}

bool driver_id_renew(const struct ibv_context *context, uint32_t *driver_id)
{
	dev_t rdev;

	if (probe(context->cmd_fd, *driver_id) != EINVAL || !probe_all(context->cmd_fd, driver_id))
		return false;
	if (char_device(context, &rdev))
		cache_store(rdev, *driver_id);
	return true;
}
