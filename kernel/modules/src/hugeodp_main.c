// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The module hugeodp: ODP umems whose pages have the sizes that an application
 * accepts, for drivers built beside a distribution's RDMA core.
 *
 * The core has ODP umems of its own, which other drivers use. Those of this module
 * have another layout, so the core must never see one: the functions that take any
 * umem are wrapped below, and all others have names of their own (see Kbuild).
 */
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_verbs.h>
#include <rdma/uverbs_ioctl.h>

#include "hugeodp.h"
#include "umem_odp_resize.h"
#include "uverbs_mr_odp.h"

MODULE_AUTHOR("hugeodp maintainers");
MODULE_DESCRIPTION("On-demand paging memory regions made of huge pages");
MODULE_LICENSE("Dual BSD/GPL");

/* The core's functions, without the names that Kbuild gives them. */
#undef ib_umem_release
#undef ib_umem_find_best_pgsz
void ib_umem_release(struct ib_umem *umem);
unsigned long ib_umem_find_best_pgsz(struct ib_umem *umem,
				     unsigned long pgsz_bitmap, u64 virt);

/*
 * A registered device. It is freed only after the core has unregistered the
 * device, so readers need no reference.
 */
struct hugeodp_device {
	const struct hugeodp_device_ops *ops;
	struct hugeodp_caps caps;
	struct ib_mr *(*reg_user_mr)(struct ib_pd *pd, u64 start, u64 length,
				     u64 iova, int access, struct ib_dmah *dmah,
				     struct ib_udata *udata);
	struct ib_mr *(*reg_user_mr_dmabuf)(struct ib_pd *pd, u64 offset,
					    u64 length, u64 iova, int fd,
					    int access, struct ib_dmah *dmah,
					    struct uverbs_attr_bundle *attrs);
};

static DEFINE_XARRAY(hugeodp_devices);

static const struct hugeodp_caps hugeodp_no_caps;

static struct hugeodp_device *hugeodp_find(const struct ib_device *dev)
{
	return xa_load(&hugeodp_devices, (unsigned long)dev);
}

/**
 * hugeodp_ops - the ODP operations of a device
 * @dev: the device
 *
 * Return: the operations, or NULL for a device that is not registered
 */
const struct hugeodp_device_ops *hugeodp_ops(const struct ib_device *dev)
{
	struct hugeodp_device *entry = hugeodp_find(dev);

	return entry ? entry->ops : NULL;
}

/**
 * hugeodp_caps - the page sizes of a device
 * @dev: the device
 *
 * Return: the capabilities; no page sizes if the device is not registered
 */
const struct hugeodp_caps *hugeodp_caps(const struct ib_device *dev)
{
	struct hugeodp_device *entry = hugeodp_find(dev);

	return entry ? &entry->caps : &hugeodp_no_caps;
}

static struct uverbs_attr_bundle *hugeodp_attrs(struct ib_udata *udata)
{
	return udata ? rdma_udata_to_uverbs_attr_bundle(udata) : NULL;
}

/*
 * The core's REG_MR does not handle the additional attributes. An MR that it
 * has created cannot be destroyed here, so test before the registration that
 * the output buffer is writable.
 */
static int hugeodp_reg_check(struct uverbs_attr_bundle *attrs,
			     struct ib_device *dev, int access, bool user_va)
{
	const u32 nothing = 0;
	int ret;

	ret = uverbs_reg_mr_odp_check(attrs, dev, (u32)access, user_va);
	if (ret)
		return ret;
	ret = uverbs_copy_to(attrs,
			     HUGEODP_DRIVER_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT,
			     &nothing, sizeof(nothing));
	return ret == -ENOENT ? 0 : ret;
}

static struct ib_mr *hugeodp_reg_user_mr(struct ib_pd *pd, u64 start,
					 u64 length, u64 iova, int access,
					 struct ib_dmah *dmah,
					 struct ib_udata *udata)
{
	struct uverbs_attr_bundle *attrs = hugeodp_attrs(udata);
	struct hugeodp_device *entry = hugeodp_find(pd->device);
	struct ib_mr *mr;
	int ret;

	if (attrs) {
		ret = hugeodp_reg_check(attrs, pd->device, access, !dmah);
		if (ret)
			return ib_odp_err_ptr(ret);
	}
	mr = entry->reg_user_mr(pd, start, length, iova, access, dmah, udata);
	if (IS_ERR(mr) || !attrs)
		return mr;
	mr->device = pd->device;
	/*
	 * If the buffer was unmapped in the meantime, there is no page shift.
	 */
	uverbs_reg_mr_odp_finish(attrs, mr);
	return mr;
}

static struct ib_mr *hugeodp_reg_user_mr_dmabuf(struct ib_pd *pd, u64 offset,
						u64 length, u64 iova, int fd,
						int access,
						struct ib_dmah *dmah,
						struct uverbs_attr_bundle *attrs)
{
	struct hugeodp_device *entry = hugeodp_find(pd->device);
	int ret;

	ret = hugeodp_reg_check(attrs, pd->device, access, false);
	if (ret)
		return ib_odp_err_ptr(ret);
	return entry->reg_user_mr_dmabuf(pd, offset, length, iova, fd, access,
					 dmah, attrs);
}

/**
 * hugeodp_register - register a device with this module
 * @dev: the device, with all operations set, before ib_register_device()
 * @ops: operations of the driver
 * @caps: the page sizes of the device
 *
 * The operations that register MRs are wrapped. The driver gives the core
 * hugeodp_uapi in ib_device.driver_def.
 *
 * Return: 0 or an error
 */
int hugeodp_register(struct ib_device *dev,
		     const struct hugeodp_device_ops *ops,
		     const struct hugeodp_caps *caps)
{
	struct hugeodp_device *entry;
	int ret;

	entry = kzalloc_obj(*entry);
	if (!entry)
		return -ENOMEM;
	entry->ops = ops;
	entry->caps = *caps;
	entry->reg_user_mr = dev->ops.reg_user_mr;
	entry->reg_user_mr_dmabuf = dev->ops.reg_user_mr_dmabuf;
	ret = xa_insert(&hugeodp_devices, (unsigned long)dev, entry, GFP_KERNEL);
	if (ret) {
		kfree(entry);
		return ret;
	}
	if (entry->reg_user_mr)
		dev->ops.reg_user_mr = hugeodp_reg_user_mr;
	if (entry->reg_user_mr_dmabuf)
		dev->ops.reg_user_mr_dmabuf = hugeodp_reg_user_mr_dmabuf;
	return 0;
}
EXPORT_SYMBOL_GPL(hugeodp_register);

/**
 * hugeodp_unregister - unregister a device
 * @dev: the device, after ib_unregister_device()
 */
void hugeodp_unregister(struct ib_device *dev)
{
	struct hugeodp_device *entry;

	entry = xa_erase(&hugeodp_devices, (unsigned long)dev);
	if (!entry)
		return;
	dev->ops.reg_user_mr = entry->reg_user_mr;
	dev->ops.reg_user_mr_dmabuf = entry->reg_user_mr_dmabuf;
	kfree(entry);
}
EXPORT_SYMBOL_GPL(hugeodp_unregister);

/**
 * hugeodp_umem_release - ib_umem_release() for umems of this module as well
 * @umem: any umem of the driver, or NULL
 */
void hugeodp_umem_release(struct ib_umem *umem)
{
	if (umem && umem->is_odp)
		ib_umem_odp_release(to_ib_umem_odp(umem));
	else
		ib_umem_release(umem);
}
EXPORT_SYMBOL_GPL(hugeodp_umem_release);

/**
 * hugeodp_umem_find_best_pgsz - ib_umem_find_best_pgsz() for umems of this module
 *				 as well
 * @umem: any umem of the driver
 * @pgsz_bitmap: sizes that the device supports
 * @virt: iova
 *
 * Return: the size, 0 if there is none
 */
unsigned long hugeodp_umem_find_best_pgsz(struct ib_umem *umem,
					  unsigned long pgsz_bitmap, u64 virt)
{
	if (!umem->is_odp)
		return ib_umem_find_best_pgsz(umem, pgsz_bitmap, virt);
	umem->iova = virt;
	return pgsz_bitmap & BIT(to_ib_umem_odp(umem)->page_shift);
}
EXPORT_SYMBOL_GPL(hugeodp_umem_find_best_pgsz);

static int __init hugeodp_init(void)
{
	return ib_umem_odp_init_growth();
}

static void __exit hugeodp_exit(void)
{
	WARN_ON(!xa_empty(&hugeodp_devices));
	ib_umem_odp_exit_growth();
}

module_init(hugeodp_init);
module_exit(hugeodp_exit);
