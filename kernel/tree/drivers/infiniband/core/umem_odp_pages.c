// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of ODP umems.
 *
 * The table of an ODP umem is made of blocks. How large these are gets
 * negotiated here: when the MR is registered, when the application asks again,
 * and when memory turns out not to be made of blocks of that size any more.
 * page_shift is that of the largest ones.
 *
 * Locking: the sizes, the table, and with them ib_umem_start() and
 * ib_umem_end(), change only with both resize_sem held for write and
 * umem_mutex. Whoever looks at the table needs umem_mutex; a fault, which has
 * to look at the page tables of the mm before it can take umem_mutex, holds
 * resize_sem for read until it has it. Invalidation takes umem_mutex only.
 */
#include <linux/export.h>
#include <linux/hmm-block.h>
#include <linux/hmm-dma.h>
#include <linux/hugetlb.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_odp_table.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_hugeodp.h>
#include <rdma/uverbs_ioctl.h>

/* The blocks that hold all of the umem. */
static int odp_bounds(const struct ib_umem_odp *umem_odp,
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

/* Of @sizes those that the table of the device is large enough for. */
static u64 odp_with_room(const struct ib_umem_odp *umem_odp, u64 sizes)
{
	u64 room = umem_odp->pages.room;

	return room ? sizes & -room : sizes;
}

/*
 * The sizes in which the umem can be cut at all: address and iova have to agree
 * below them, and of the sizes that hold all of it in one block only the
 * smallest is of use.
 */
static u64 odp_usable_sizes(const struct ib_umem_odp *umem_odp, u64 sizes)
{
	u64 differ = umem_odp->umem.address ^ umem_odp->pages.iova;
	unsigned long start, end;
	u64 usable = 0;
	int shift;

	sizes = odp_with_room(umem_odp, sizes);
	for (shift = PAGE_SHIFT; shift < BITS_PER_LONG - 1; shift++) {
		if (!(sizes & BIT_ULL(shift)))
			continue;
		if ((differ & (BIT_ULL(shift) - 1)) ||
		    odp_bounds(umem_odp, shift, &start, &end))
			break;
		usable |= BIT_ULL(shift);
		if (end - start == 1UL << shift)
			break;
	}
	return usable;
}

/* A table of a device that does DMA is for blocks of one size. */
static bool odp_has_table_for(const struct ib_umem_odp *umem_odp, u64 sizes)
{
	return ib_uses_virt_dma(umem_odp->umem.ibdev) ||
	       umem_odp->is_implicit_odp || is_power_of_2(sizes);
}

/*
 * The sizes of blocks that the umem gets, as its memory is now: the largest of
 * @accepted that fits all of it, or, if they may be of different sizes, all that
 * can be if the smallest one fits.
 */
static int odp_choose_sizes(const struct ib_umem_odp *umem_odp, u64 accepted,
			    u32 flags, u64 *sizes)
{
	unsigned long start = umem_odp->umem.address;
	u64 usable;
	int shift;

	if (!umem_odp->umem.length)
		return -EINVAL;
	usable = odp_usable_sizes(umem_odp, accepted);
	if (!usable)
		return -ERANGE;
	*sizes = flags & IB_UVERBS_ODP_MIXED ? usable & -usable : usable;
	shift = hmm_block_best_shift(umem_odp->umem.owning_mm, start,
				     start + umem_odp->umem.length, *sizes);
	if (shift < 0)
		return shift;
	*sizes = flags & IB_UVERBS_ODP_MIXED ? usable : BIT_ULL(shift);
	return odp_has_table_for(umem_odp, *sizes) ? 0 : -EOPNOTSUPP;
}

/* What of a request the device can do; an error if that is not enough. */
static int odp_accept(const struct ib_umem_odp *umem_odp,
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
	    (ureq.flags & ~(IB_UVERBS_ODP_MIXED | IB_UVERBS_ODP_POPULATE)))
		return -EINVAL;
	req->page_sizes = ureq.page_sizes;
	req->flags = ureq.flags;
	return 0;
}
EXPORT_SYMBOL_GPL(ib_odp_request_from_attr);

/**
 * ib_odp_request_from_udata - the page size request of a registration
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

/*
 * A device with a table of its own gets one that is large enough for the
 * smallest size that is accepted now, and it is not made larger later.
 */
static void odp_set_room(struct ib_umem_odp *umem_odp)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 usable;

	if (ib_uses_virt_dma(umem_odp->umem.ibdev))
		return;
	usable = odp_usable_sizes(umem_odp, pages->accepted);
	pages->room = usable ? usable & -usable : pages->sizes;
	pages->accepted = odp_with_room(umem_odp, pages->accepted);
}

/**
 * ib_umem_odp_choose - choose the page size of an ODP umem that is being made
 * @umem_odp: the umem; address, length and mm are set, there is no table yet
 * @iova: where the MR starts for its users
 * @access: enum ib_access_flags
 * @req: what the application accepts, or NULL if it did not say
 *
 * IB_ACCESS_HUGETLB stands for a strict request of the default huge page size.
 *
 * Return: 0, -EOPNOTSUPP if the device cannot, -ERANGE if no size fits
 */
int ib_umem_odp_choose(struct ib_umem_odp *umem_odp, u64 iova, int access,
		       const struct ib_odp_request *req)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	int ret;

	pages->iova = iova;
	pages->accepted = PAGE_SIZE;
	pages->sizes = PAGE_SIZE;
	if (access & IB_ACCESS_HUGETLB) {
		if (req)
			return -EINVAL;
		if (IS_ENABLED(CONFIG_HUGETLB_PAGE))
			pages->accepted = 1ULL << HPAGE_SHIFT;
	} else if (req) {
		ret = odp_accept(umem_odp, req, &pages->accepted);
		if (ret)
			return ret;
		pages->flags = req->flags & ~IB_UVERBS_ODP_POPULATE;
		pages->settled = true;
	} else {
		umem_odp->page_shift = PAGE_SHIFT;
		odp_set_room(umem_odp);
		return 0;
	}

	ret = odp_choose_sizes(umem_odp, pages->accepted, pages->flags,
			       &pages->sizes);
	if (ret)
		return ret;
	umem_odp->page_shift = fls64(pages->sizes) - 1;
	odp_set_room(umem_odp);
	return 0;
}

/**
 * ib_umem_odp_choose_implicit - choose the page sizes of an implicit MR
 * @umem_odp: the umem that stands for all of the address space
 * @req: what the application accepts, or NULL if it did not say
 *
 * For drivers that make a umem for each part of the address space that is in
 * use, with ib_umem_odp_alloc_child(): what is chosen here holds for those that
 * will be made, and pages.generation tells those that were made before.
 *
 * Return: 0, -EOPNOTSUPP if the device cannot; as there are holes and small
 *	   pages in every address space, -ERANGE for a request that does not
 *	   accept the pages of the system, and -EFAULT for one to populate the MR
 */
int ib_umem_odp_choose_implicit(struct ib_umem_odp *umem_odp,
				const struct ib_odp_request *req)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 accepted = PAGE_SIZE;
	int ret;

	if (req) {
		ret = odp_accept(umem_odp, req, &accepted);
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
	umem_odp->page_shift = fls64(accepted) - 1;
	/* Who sees the new generation sees all of the above. */
	smp_store_release(&pages->generation, pages->generation + 1);
	mutex_unlock(&umem_odp->umem_mutex);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_choose_implicit);

/**
 * ib_umem_odp_choose_child - choose the page size of a part of an implicit MR
 * @child: the umem; address, length and mm are set, there is no table yet
 * @root: the umem that stands for all of the address space
 * @sizes: sizes that it may have, 0: those of @root
 *
 * The largest size to begin with: whether memory is made of it is seen when
 * there is a fault.
 */
void ib_umem_odp_choose_child(struct ib_umem_odp *child,
			      const struct ib_umem_odp *root, u64 sizes)
{
	struct ib_odp_pages *pages = &child->pages;

	pages->iova = child->umem.address;
	pages->accepted = sizes ?: root->pages.accepted;
	pages->flags = root->pages.flags;
	pages->settled = root->pages.settled;
	pages->sizes = odp_usable_sizes(child, pages->accepted);
	if (!pages->sizes)
		pages->sizes = PAGE_SIZE;
	pages->sizes = BIT_ULL(fls64(pages->sizes) - 1);
	child->page_shift = fls64(pages->sizes) - 1;
	odp_set_room(child);
}

/**
 * ib_umem_odp_alloc_mixed - a umem for blocks of several sizes
 * @device: the device, which has tables of its own
 * @addr: start of the memory
 * @size: length of the memory
 * @iova: where the MR starts for its users
 * @access: enum ib_access_flags
 * @req: what the application accepts, with IB_UVERBS_ODP_MIXED
 *
 * It has no table. The driver makes a child for each of the sizes that it takes
 * of pages.sizes.
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
	umem_odp = ib_umem_odp_alloc_implicit(device, access);
	if (IS_ERR(umem_odp))
		return umem_odp;
	umem_odp->umem.address = addr;
	umem_odp->umem.length = size;
	ret = ib_umem_odp_choose(umem_odp, iova, access, req);
	if (ret) {
		ib_umem_odp_release(umem_odp);
		return ERR_PTR(ret);
	}
	return umem_odp;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_alloc_mixed);

/**
 * ib_umem_odp_alloc_mixed_child - a part of an implicit MR for blocks of several sizes
 * @root: the umem that stands for all of the address space
 * @addr: start of the part
 * @size: length of the part
 *
 * As ib_umem_odp_alloc_mixed(), but it may be called by anybody.
 *
 * Return: the umem, or -ENOMEM
 */
struct ib_umem_odp *ib_umem_odp_alloc_mixed_child(struct ib_umem_odp *root,
						  unsigned long addr,
						  size_t size)
{
	struct ib_umem_odp *umem_odp;

	umem_odp = ib_umem_odp_alloc_implicit(root->umem.ibdev, 0);
	if (IS_ERR(umem_odp))
		return umem_odp;
	put_pid(umem_odp->tgid);
	umem_odp->tgid = get_pid(root->tgid);
	if (umem_odp->umem.owning_mm)
		mmdrop(umem_odp->umem.owning_mm);
	umem_odp->umem.owning_mm = root->umem.owning_mm;
	mmgrab(umem_odp->umem.owning_mm);
	umem_odp->umem.writable = root->umem.writable;
	umem_odp->umem.address = addr;
	umem_odp->umem.length = size;
	ib_umem_odp_choose_child(umem_odp, root, 0);
	umem_odp->pages.sizes = odp_usable_sizes(umem_odp,
						 umem_odp->pages.accepted);
	return umem_odp;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_alloc_mixed_child);

/* The mm is about to take this memory away, and the device may have written. */
static void odp_dirty_blocks(const struct ib_odp_block *block, unsigned long nr)
{
	if (block->write)
		ib_umem_odp_set_dirty(block->pfn,
				      nr << (block->shift - PAGE_SHIFT));
}

/**
 * ib_umem_odp_alloc_table - allocate the table of an ODP umem
 * @umem_odp: the umem
 * @sizes: sizes of its blocks, bit mask in bytes; one for other than software
 *	   devices
 * @tables: filled in
 *
 * Return: 0, -EINVAL for a umem of no length, -EOVERFLOW, -ENOMEM, or what
 *	   hmm_dma_map_alloc() returns
 */
int ib_umem_odp_alloc_table(struct ib_umem_odp *umem_odp, u64 sizes,
			    struct ib_odp_tables *tables)
{
	struct ib_device *dev = umem_odp->umem.ibdev;
	unsigned int shift = fls64(sizes) - 1;
	unsigned long start, end;
	int ret;

	*tables = (struct ib_odp_tables){};
	ret = odp_bounds(umem_odp, shift, &start, &end);
	if (ret)
		return ret;
	if (!ib_uses_virt_dma(dev))
		return hmm_dma_map_alloc(dev->dma_device, &tables->map,
					 (end - start) >> shift, 1UL << shift);

	tables->table = ib_odp_table_create(start, end, sizes, odp_dirty_blocks);
	return PTR_ERR_OR_ZERO(tables->table);
}

/**
 * ib_umem_odp_free_table - free what ib_umem_odp_alloc_table() gave
 * @umem_odp: the umem
 * @tables: the tables
 */
void ib_umem_odp_free_table(struct ib_umem_odp *umem_odp,
			    struct ib_odp_tables *tables)
{
	struct ib_device *dev = umem_odp->umem.ibdev;

	if (ib_uses_virt_dma(dev))
		ib_odp_table_destroy(tables->table);
	else
		hmm_dma_map_free(dev->dma_device, &tables->map);
}

/* Listen to the blocks that the table has now. */
static void odp_listen(struct ib_umem_odp *umem_odp)
{
	struct mmu_interval_notifier *notifier = &umem_odp->notifier;
	unsigned long start = ib_umem_start(umem_odp);
	unsigned long end = ib_umem_end(umem_odp);
	const struct mmu_interval_notifier_ops *ops = notifier->ops;

	if (notifier->interval_tree.start == start &&
	    notifier->interval_tree.last == end - 1)
		return;
	mmu_interval_notifier_remove(notifier);
	/*
	 * This allocates only for the first notifier of an mm, and the range
	 * has been checked with the table.
	 */
	WARN_ON(mmu_interval_notifier_insert(notifier,
					     umem_odp->umem.owning_mm, start,
					     end - start, ops));
}

static void odp_swap_tables(struct ib_umem_odp *umem_odp, u64 sizes,
			    struct ib_odp_tables *tables)
{
	swap(umem_odp->map, tables->map);
	swap(umem_odp->table, tables->table);
	umem_odp->pages.sizes = sizes;
	umem_odp->page_shift = fls64(sizes) - 1;
}

/*
 * Take an empty table for blocks of other sizes. If the device cannot follow,
 * all is as it was, but the table is empty.
 */
static int odp_change_table(struct ib_umem_odp *umem_odp, u64 sizes,
			    struct ib_odp_tables *tables)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 old = pages->sizes;
	int ret = 0;

	lockdep_assert_held(&umem_odp->umem_mutex);

	if (pages->ops)
		ret = pages->ops->clear(umem_odp);
	if (ret)
		return ret;
	ib_umem_odp_unmap_dma_pages(umem_odp, ib_umem_start(umem_odp),
				    ib_umem_end(umem_odp));
	odp_swap_tables(umem_odp, sizes, tables);
	if (pages->ops)
		ret = pages->ops->resize(umem_odp);
	if (ret) {
		odp_swap_tables(umem_odp, old, tables);
		return ret;
	}
	if (pages->settled) {
		pages->renegotiations++;
		if (fls64(sizes) < fls64(old))
			pages->renegotiations_down++;
	}
	pages->generation++;
	return 0;
}

/*
 * Go over to blocks of other sizes with an empty table. The caller holds
 * resize_sem for write and a reference to the users of the mm. On error nothing
 * has changed, but the table may be empty.
 */
static int odp_set_sizes(struct ib_umem_odp *umem_odp, u64 sizes)
{
	struct ib_odp_tables tables;
	int ret;

	lockdep_assert_held_write(&umem_odp->resize_sem);

	if (sizes == umem_odp->pages.sizes)
		return 0;
	ret = ib_umem_odp_alloc_table(umem_odp, sizes, &tables);
	if (ret)
		return ret;

	mutex_lock(&umem_odp->umem_mutex);
	ret = odp_change_table(umem_odp, sizes, &tables);
	mutex_unlock(&umem_odp->umem_mutex);

	ib_umem_odp_free_table(umem_odp, &tables);
	/*
	 * The table is empty and stays so meanwhile, as all who could fill it
	 * wait for resize_sem.
	 */
	odp_listen(umem_odp);
	return ret;
}

/**
 * ib_umem_odp_renegotiate - change the accepted page sizes of a live ODP umem
 * @umem_odp: the umem
 * @req: what the application accepts now
 *
 * The table is empty afterwards if the shift has changed, and faults fill it
 * again.
 *
 * Return: 0, -EOPNOTSUPP if the device cannot, -ERANGE if no size fits,
 *	   -ENOMEM, -EFAULT if the process is gone, -EINTR, or what the device
 *	   says; unless 0 the umem has the sizes it had
 */
int ib_umem_odp_renegotiate(struct ib_umem_odp *umem_odp,
			    const struct ib_odp_request *req)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 accepted;
	u64 sizes;
	int ret;

	ret = odp_accept(umem_odp, req, &accepted);
	if (ret)
		return ret;
	if (!mmget_not_zero(mm))
		return -EFAULT;

	/* Faults hold it, and may wait for user space. */
	if (down_write_killable(&umem_odp->resize_sem)) {
		mmput(mm);
		return -EINTR;
	}
	ret = odp_choose_sizes(umem_odp, accepted, req->flags, &sizes);
	if (!ret)
		ret = odp_set_sizes(umem_odp, sizes);
	if (!ret) {
		mutex_lock(&umem_odp->umem_mutex);
		umem_odp->pages.accepted = odp_with_room(umem_odp, accepted);
		umem_odp->pages.flags = req->flags & ~IB_UVERBS_ODP_POPULATE;
		umem_odp->pages.settled = true;
		mutex_unlock(&umem_odp->umem_mutex);
	}
	up_write(&umem_odp->resize_sem);
	mmput(mm);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_renegotiate);

/**
 * ib_umem_odp_step_down - go to the next smaller page size that is accepted
 * @umem_odp: the umem
 * @generation: pages.generation as read before memory was looked at
 *
 * To be called after that failed with -ERANGE, without umem_mutex. If the
 * generation is still the same the failure was one of the present page size;
 * the page size alone could have changed twice. With blocks of different sizes
 * the smallest accepted one has failed.
 *
 * Return: 0 if it is worth to try again, also because somebody else was here
 *	   first; -ERANGE if no smaller size is accepted, or an error
 */
int ib_umem_odp_step_down(struct ib_umem_odp *umem_odp, u32 generation)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 sizes;
	int ret = 0;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	down_write(&umem_odp->resize_sem);
	if (umem_odp->pages.generation == generation) {
		sizes = umem_odp->pages.accepted &
			((umem_odp->pages.sizes & -umem_odp->pages.sizes) - 1);
		ret = sizes ? odp_set_sizes(umem_odp,
					    BIT_ULL(fls64(sizes) - 1)) :
			      -ERANGE;
	}
	up_write(&umem_odp->resize_sem);
	mmput_async(mm);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_step_down);

/**
 * ib_umem_odp_invalidate - take entries out of the table for the mm
 * @umem_odp: the umem, its umem_mutex held
 * @virt: first address
 * @bound: address behind the last one
 *
 * ib_umem_odp_unmap_dma_pages() for invalidation callbacks, with accounting.
 */
void ib_umem_odp_invalidate(struct ib_umem_odp *umem_odp, u64 virt, u64 bound)
{
	u64 mapped = ib_umem_odp_blocks_mapped(umem_odp);

	ib_umem_odp_unmap_dma_pages(umem_odp, virt, bound);
	mapped -= ib_umem_odp_blocks_mapped(umem_odp);
	umem_odp->pages.invalidated += mapped;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_invalidate);

/**
 * ib_umem_odp_absorb - keep the counters of a part of an implicit MR
 * @root: the umem that stands for all of the address space
 * @child: the umem that is about to go
 */
void ib_umem_odp_absorb(struct ib_umem_odp *root, struct ib_umem_odp *child)
{
	struct ib_uverbs_odp_state state;

	ib_umem_odp_get_state(child, &state);
	mutex_lock(&root->umem_mutex);
	root->pages.invalidated += state.pages_invalidated;
	root->pages.renegotiations += state.renegotiations;
	root->pages.renegotiations_down += state.renegotiations_down;
	mutex_unlock(&root->umem_mutex);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_absorb);

/**
 * ib_umem_odp_count_fault - a fault of the device has been served
 * @umem_odp: the umem, its umem_mutex held
 */
void ib_umem_odp_count_fault(struct ib_umem_odp *umem_odp)
{
	lockdep_assert_held(&umem_odp->umem_mutex);

	umem_odp->pages.faults++;
	umem_odp->pages.settled = true;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_count_fault);
