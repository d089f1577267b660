// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of ODP umems: the choice at registration.
 *
 * The table of an ODP umem consists of blocks. This file chooses their size
 * when the MR is registered; umem_odp_resize.c changes it later.
 * umem_odp->page_shift is that of the largest block size.
 */
#include <linux/export.h>
#include <linux/hugetlb.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/uverbs_ioctl.h>

#include "umem_odp_look.h"
#include "umem_odp_resize.h"

/**
 * ib_umem_odp_bounds - round an ODP umem out to whole blocks
 * @umem_odp: the umem
 * @page_shift: log2 of the size of a block
 * @start: (out) start of the first one
 * @end: (out) end of the last one
 *
 * Return: 0, -EINVAL for a umem of no length, -EOVERFLOW
 */
int ib_umem_odp_bounds(const struct ib_umem_odp *umem_odp,
		       unsigned int page_shift, unsigned long *start,
		       unsigned long *end)
{
	unsigned long size = 1UL << page_shift;

	*start = ALIGN_DOWN(umem_odp->umem.address, size);
	if (check_add_overflow(umem_odp->umem.address,
			       (unsigned long)umem_odp->umem.length, end))
		return -EOVERFLOW;
	*end = ALIGN(*end, size);
	if (*end == *start)
		return -EINVAL;
	return *end > *start ? 0 : -EOVERFLOW;
}

/**
 * ib_umem_odp_check_range - reject addresses outside of user space
 * @address: first address
 * @length: bytes
 *
 * Whether memory is mapped there does not matter. The addresses are passed to
 * the mm and to the device, and reported back to the user.
 *
 * Return: 0; -EINVAL if the length is 0 or the range wraps; -EFAULT if the
 *	   range is not in user space
 */
int ib_umem_odp_check_range(u64 address, u64 length)
{
	unsigned long start, end;

	if (!length || check_add_overflow(address, length, &end) ||
	    overflows_type(address, start))
		return -EINVAL;
	start = (unsigned long)address;
	return access_ok((void __user *)start, end - start) ? 0 : -EFAULT;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_check_range);

/**
 * ib_umem_odp_with_room - drop sizes that the device's table is too small for
 * @umem_odp: the umem
 * @sizes: sizes to choose from
 *
 * Return: those of @sizes
 */
u64 ib_umem_odp_with_room(const struct ib_umem_odp *umem_odp, u64 sizes)
{
	u64 room = umem_odp->pages.room;

	return room ? sizes & -room : sizes;
}

/**
 * ib_umem_odp_usable_sizes - drop sizes that an ODP umem cannot be divided into
 * @umem_odp: the umem
 * @sizes: sizes to choose from
 *
 * Address and iova must be equal modulo the block size. Of the sizes for which
 * one block contains the whole umem, only the smallest is used.
 *
 * Return: those of @sizes
 */
u64 ib_umem_odp_usable_sizes(const struct ib_umem_odp *umem_odp, u64 sizes)
{
	u64 differ = umem_odp->umem.address ^ umem_odp->pages.iova;
	unsigned long start, end;
	u64 usable = 0;
	unsigned int shift;

	sizes = ib_umem_odp_with_room(umem_odp, sizes);
	for (shift = PAGE_SHIFT; shift < BITS_PER_LONG - 1; shift++) {
		if (!(sizes & BIT_ULL(shift)))
			continue;
		if ((differ & (BIT_ULL(shift) - 1)) ||
		    ib_umem_odp_bounds(umem_odp, shift, &start, &end))
			break;
		usable |= BIT_ULL(shift);
		if (end - start == 1UL << shift)
			break;
	}
	return usable;
}

/* The table of a device that does DMA has blocks of a single size. */
static bool odp_has_table_for(const struct ib_umem_odp *umem_odp, u64 sizes)
{
	return ib_uses_virt_dma(umem_odp->umem.ibdev) ||
	       umem_odp->is_implicit_odp || is_power_of_2(sizes);
}

/* As ib_umem_odp_choose_sizes(); @reserved accepts ranges without memory. */
static int odp_choose_sizes(const struct ib_umem_odp *umem_odp, u64 accepted,
			    u32 flags, bool reserved, u64 *sizes)
{
	u64 start = umem_odp->umem.address;
	u64 usable;
	int shift;

	if (!umem_odp->umem.length)
		return -EINVAL;
	usable = ib_umem_odp_usable_sizes(umem_odp, accepted);
	if (!usable)
		return -ERANGE;
	*sizes = flags & IB_UVERBS_ODP_MIXED ? usable & -usable : usable;
	shift = ib_odp_best_shift(umem_odp->umem.owning_mm, start,
				  start + umem_odp->umem.length, *sizes,
				  reserved);
	if (shift < 0)
		return shift;
	*sizes = flags & IB_UVERBS_ODP_MIXED ? usable : BIT_ULL(shift);
	return odp_has_table_for(umem_odp, *sizes) ? 0 : -EOPNOTSUPP;
}

/**
 * ib_umem_odp_choose_sizes - choose the block sizes of an ODP umem
 * @umem_odp: the umem
 * @accepted: sizes to choose from
 * @flags: enum ib_uverbs_odp_flags
 * @sizes: (out) for the memory as it is now: the largest of @accepted that all
 *         of it can have; with IB_UVERBS_ODP_MIXED all usable ones, if all
 *         memory can have the smallest
 *
 * Return: 0, -EINVAL, -ERANGE if no size fits, -EOPNOTSUPP if the device does
 *	   not support it
 */
int ib_umem_odp_choose_sizes(const struct ib_umem_odp *umem_odp, u64 accepted,
			     u32 flags, u64 *sizes)
{
	return odp_choose_sizes(umem_odp, accepted, flags, false, sizes);
}

/**
 * ib_umem_odp_accept - restrict a request to what the device supports
 * @umem_odp: the umem
 * @req: what the application accepts
 * @accepted: (out) accepted sizes that the device supports
 *
 * Return: 0, or -EOPNOTSUPP if there is none, or a flag is not supported
 */
int ib_umem_odp_accept(const struct ib_umem_odp *umem_odp,
		       const struct ib_odp_request *req, u64 *accepted)
{
	const struct ib_odp_caps *caps = &umem_odp->umem.ibdev->attrs.odp_caps;

	if (!caps->page_sizes || (req->flags & ~caps->page_flags))
		return -EOPNOTSUPP;
	*accepted = caps->page_sizes;
	if (req->page_sizes)
		*accepted &= req->page_sizes;
	return *accepted ? 0 : -EOPNOTSUPP;
}

/**
 * ib_odp_request_from_attr - read a page size request
 * @attrs: attributes of the call
 * @id: the attribute
 * @req: filled in
 *
 * Return: 0, -ENOENT if there is no such attribute, -EINVAL if it is malformed,
 *	   -EFAULT
 */
int ib_odp_request_from_attr(const struct uverbs_attr_bundle *attrs, u16 id,
			     struct ib_odp_request *req)
{
	struct ib_uverbs_odp_request ureq;
	int ret;

	ret = uverbs_copy_from_or_zero(&ureq, attrs, id);
	if (ret)
		return ret;
	if (ureq.reserved ||
	    (ureq.flags & ~(u32)(IB_UVERBS_ODP_MIXED | IB_UVERBS_ODP_POPULATE)))
		return -EINVAL;
	req->page_sizes = ureq.page_sizes;
	req->flags = ureq.flags;
	req->max_entries = ureq.max_entries;
	return 0;
}
EXPORT_SYMBOL_GPL(ib_odp_request_from_attr);

/**
 * ib_odp_request_from_udata - read the page size request of a registration
 * @udata: what the driver's reg_user_mr() was called with
 * @req: filled in
 *
 * Return: 0, -ENOENT if there is no request, or an error
 */
int ib_odp_request_from_udata(struct ib_udata *udata,
			      struct ib_odp_request *req)
{
	if (!udata)
		return -ENOENT;
	return ib_odp_request_from_attr(rdma_udata_to_uverbs_attr_bundle(udata),
					UVERBS_ATTR_REG_MR_ODP_REQUEST, req);
}
EXPORT_SYMBOL_GPL(ib_odp_request_from_udata);

/**
 * ib_mr_check_entries - compare the table of a new MR with its request
 * @udata: what the driver's reg_user_mr() was called with
 * @req: what the application accepts
 * @entries: that the table needs
 *
 * Return: 0, -E2BIG after the number was returned to the application, or -EFAULT
 */
int ib_mr_check_entries(struct ib_udata *udata,
			const struct ib_odp_request *req, u64 entries)
{
	int ret;

	if (!req->max_entries || entries <= req->max_entries)
		return 0;
	ret = uverbs_copy_to(rdma_udata_to_uverbs_attr_bundle(udata),
			     UVERBS_ATTR_REG_MR_RESP_ENTRIES_NEEDED, &entries,
			     sizeof(entries));
	return ret && ret != -ENOENT ? ret : -E2BIG;
}
EXPORT_SYMBOL_GPL(ib_mr_check_entries);

/*
 * The table of a device has entries for the smallest size accepted now, and
 * does not grow later.
 */
static void odp_set_room(struct ib_umem_odp *umem_odp)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 usable;

	if (ib_uses_virt_dma(umem_odp->umem.ibdev))
		return;
	usable = ib_umem_odp_usable_sizes(umem_odp, pages->accepted);
	pages->room = usable ? usable & -usable : pages->sizes;
	pages->accepted = ib_umem_odp_with_room(umem_odp, pages->accepted);
}

/**
 * ib_umem_odp_choose - choose the page size of a new ODP umem
 * @umem_odp: the umem; address, length and mm are set, there is no table yet
 * @iova: where the MR starts for its users
 * @access: enum ib_access_flags
 * @req: what the application accepts, or NULL if it did not say
 *
 * IB_ACCESS_HUGETLB is a strict request for the default huge page size. It also
 * accepts address space that is not mapped yet.
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP if the device does not support it, -ERANGE if
 *	   no size fits
 */
int ib_umem_odp_choose(struct ib_umem_odp *umem_odp, u64 iova, int access,
		       const struct ib_odp_request *req)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 iova_end;
	int ret;

	if (check_add_overflow(iova, (u64)umem_odp->umem.length, &iova_end))
		return -EINVAL;
	pages->iova = iova;
	pages->accepted = PAGE_SIZE;
	pages->sizes = PAGE_SIZE;
	if (access & IB_ACCESS_HUGETLB) {
		if (req)
			return -EINVAL;
#ifdef CONFIG_HUGETLB_PAGE
		pages->accepted = HPAGE_SIZE;
#endif
	} else if (req) {
		ret = ib_umem_odp_accept(umem_odp, req, &pages->accepted);
		if (ret)
			return ret;
		pages->flags = req->flags & ~(u32)IB_UVERBS_ODP_POPULATE;
		pages->settled = true;
	} else {
		umem_odp->page_shift = PAGE_SHIFT;
		odp_set_room(umem_odp);
		return 0;
	}

	/*
	 * With IB_ACCESS_HUGETLB, memory may be mapped after the registration.
	 */
	ret = odp_choose_sizes(umem_odp, pages->accepted, pages->flags, !req,
			       &pages->sizes);
	if (ret)
		return ret;
	umem_odp->page_shift = (unsigned int)fls64(pages->sizes) - 1;
	odp_set_room(umem_odp);
	return 0;
}

/**
 * ib_umem_odp_choose_implicit - choose the page sizes of an implicit MR
 * @umem_odp: the umem that stands for all of the address space
 * @req: what the application accepts, or NULL if it did not say
 *
 * For drivers that allocate a umem for each part of the address space that is
 * in use, with ib_umem_odp_alloc_child(). The choice applies to children
 * allocated from now on; older ones have an older pages.generation.
 *
 * Return: 0; -EOPNOTSUPP if the device does not support it; as every address
 *	   space has holes and small pages, -ERANGE for a request that does not
 *	   accept base pages, and -EFAULT for one that populates the MR
 */
int ib_umem_odp_choose_implicit(struct ib_umem_odp *umem_odp,
				const struct ib_odp_request *req)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 accepted = PAGE_SIZE;
	int ret;

	if (req) {
		ret = ib_umem_odp_accept(umem_odp, req, &accepted);
		if (ret)
			return ret;
		if (!(accepted & PAGE_SIZE))
			return -ERANGE;
		if (req->flags & IB_UVERBS_ODP_POPULATE)
			return -EFAULT;
	}
	mutex_lock(&umem_odp->umem_mutex);
	pages->accepted = accepted;
	pages->sizes = accepted;
	pages->flags = req ? req->flags : 0;
	pages->settled = req;
	umem_odp->page_shift = (unsigned int)fls64(accepted) - 1;
	/* A reader of the new generation sees all of the above. */
	smp_store_release(&pages->generation, pages->generation + 1);
	mutex_unlock(&umem_odp->umem_mutex);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_choose_implicit);

/**
 * ib_umem_odp_choose_child - choose the page size of a part of an implicit MR
 * @child: the umem; address, length and mm are set, there is no table yet
 * @root: the umem that stands for all of the address space
 * @sizes: sizes to choose from, 0: those of @root
 *
 * Starts with the largest size. A fault finds out whether the memory has it.
 */
void ib_umem_odp_choose_child(struct ib_umem_odp *child,
			      struct ib_umem_odp *root, u64 sizes)
{
	struct ib_odp_pages *pages = &child->pages;

	pages->root = root;
	pages->iova = child->umem.address;
	pages->accepted = sizes ?: root->pages.accepted;
	pages->flags = root->pages.flags;
	pages->settled = root->pages.settled;
	pages->sizes = ib_umem_odp_usable_sizes(child, pages->accepted);
	if (!pages->sizes)
		pages->sizes = PAGE_SIZE;
	pages->sizes = BIT_ULL(fls64(pages->sizes) - 1);
	child->page_shift = (unsigned int)fls64(pages->sizes) - 1;
	odp_set_room(child);
}

/**
 * ib_umem_odp_alloc_mixed - allocate a umem for blocks of several sizes
 * @device: the device, which has tables of its own
 * @addr: start of the memory
 * @size: length of the memory
 * @iova: where the MR starts for its users
 * @access: enum ib_access_flags
 * @req: what the application accepts, with IB_UVERBS_ODP_MIXED
 *
 * The umem has no table. The driver allocates a child for each size that it
 * uses from pages.sizes.
 *
 * Return: the umem, or an error as from ib_umem_odp_get()
 */
struct ib_umem_odp *ib_umem_odp_alloc_mixed(struct ib_device *device,
					    unsigned long addr, size_t size,
					    u64 iova, int access,
					    const struct ib_odp_request *req)
{
	struct ib_umem_odp *umem_odp;
	int ret;

	if (WARN_ON_ONCE(!(access & IB_ACCESS_ON_DEMAND)))
		return ERR_PTR(-EINVAL);
	ret = ib_umem_odp_check_range(addr, size);
	if (ret)
		return ib_odp_err_ptr(ret);
	umem_odp = ib_umem_odp_alloc_implicit(device, access);
	if (IS_ERR(umem_odp))
		return umem_odp;
	umem_odp->umem.address = addr;
	umem_odp->umem.length = size;
	ret = ib_umem_odp_choose(umem_odp, iova, access, req);
	if (ret) {
		ib_umem_odp_release(umem_odp);
		return ib_odp_err_ptr(ret);
	}
	return umem_odp;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_alloc_mixed);

/**
 * ib_umem_odp_alloc_mixed_child - allocate a mixed part of an implicit MR
 * @root: the umem that stands for all of the address space
 * @addr: start of the part
 * @size: length of the part
 *
 * As ib_umem_odp_alloc_mixed(), but not only for the calling process.
 *
 * Return: the umem, or -ENOMEM
 */
struct ib_umem_odp *ib_umem_odp_alloc_mixed_child(struct ib_umem_odp *root,
						  unsigned long addr,
						  size_t size)
{
	struct ib_umem_odp *umem_odp = ib_umem_odp_alloc_anchor(root->umem.ibdev,
								root->umem.owning_mm,
								root->tgid);

	if (IS_ERR(umem_odp))
		return umem_odp;
	umem_odp->umem.writable = root->umem.writable;
	umem_odp->umem.address = addr;
	umem_odp->umem.length = size;
	ib_umem_odp_choose_child(umem_odp, root, 0);
	umem_odp->pages.sizes = ib_umem_odp_usable_sizes(umem_odp,
							 umem_odp->pages.accepted);
	return umem_odp;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_alloc_mixed_child);
