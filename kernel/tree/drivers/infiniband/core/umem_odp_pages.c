// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of ODP umems.
 *
 * The table of an ODP umem has one entry for each block of 1 << page_shift
 * bytes. Which shift that is gets negotiated here: when the MR is registered,
 * when the application asks again, and when memory turns out not to be made of
 * blocks of that size any more.
 *
 * Locking: page_shift, the table, and with them ib_umem_start() and
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
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_hugeodp.h>
#include <rdma/uverbs_ioctl.h>

/* Bytes to populate at a time, if blocks are not larger. */
#define ODP_POPULATE_STEP SZ_16M

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

/* The largest of @sizes that fits the umem as its memory is now, or an error. */
static int odp_best_shift(const struct ib_umem_odp *umem_odp, u64 sizes)
{
	unsigned long start = umem_odp->umem.address;

	if (!umem_odp->umem.length)
		return -EINVAL;
	sizes = odp_usable_sizes(umem_odp, sizes);
	if (!sizes)
		return -ERANGE;
	return hmm_block_best_shift(umem_odp->umem.owning_mm, start,
				    start + umem_odp->umem.length, sizes);
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

/**
 * ib_umem_odp_choose - choose the page shift of an ODP umem that is being made
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
		return 0;
	}

	ret = odp_best_shift(umem_odp, pages->accepted);
	if (ret < 0)
		return ret;
	umem_odp->page_shift = ret;
	return 0;
}

/**
 * ib_umem_odp_alloc_table - allocate the table for a page shift
 * @umem_odp: the umem
 * @map: gets the table
 * @page_shift: log2 of the size of an entry
 *
 * Return: 0, -EINVAL for a umem of no length, -EOVERFLOW, -ENOMEM, or what
 *	   hmm_dma_map_alloc() returns
 */
int ib_umem_odp_alloc_table(struct ib_umem_odp *umem_odp,
			    struct hmm_dma_map *map, unsigned int page_shift)
{
	struct ib_device *dev = umem_odp->umem.ibdev;
	unsigned long start, end;
	size_t nr;
	int ret;

	ret = odp_bounds(umem_odp, page_shift, &start, &end);
	if (ret)
		return ret;
	nr = (end - start) >> page_shift;

	if (!ib_uses_virt_dma(dev))
		return hmm_dma_map_alloc(dev->dma_device, map, nr,
					 1UL << page_shift);

	map->pfn_list = kvcalloc(nr, sizeof(*map->pfn_list),
				 GFP_KERNEL | __GFP_NOWARN);
	return map->pfn_list ? 0 : -ENOMEM;
}

/**
 * ib_umem_odp_free_table - free what ib_umem_odp_alloc_table() gave
 * @umem_odp: the umem
 * @map: the table
 */
void ib_umem_odp_free_table(struct ib_umem_odp *umem_odp,
			    struct hmm_dma_map *map)
{
	struct ib_device *dev = umem_odp->umem.ibdev;

	if (ib_uses_virt_dma(dev))
		kvfree(map->pfn_list);
	else
		hmm_dma_map_free(dev->dma_device, map);
}

/*
 * Go over to another shift with an empty table. The caller holds resize_sem for
 * write and a reference to the users of the mm. On error nothing has changed.
 */
static int odp_set_shift(struct ib_umem_odp *umem_odp, unsigned int page_shift)
{
	struct mmu_interval_notifier *notifier = &umem_odp->notifier;
	struct hmm_dma_map map = {};
	unsigned long start, end;
	int ret;

	lockdep_assert_held_write(&umem_odp->resize_sem);

	ret = ib_umem_odp_alloc_table(umem_odp, &map, page_shift);
	if (ret)
		return ret;

	mutex_lock(&umem_odp->umem_mutex);
	ib_umem_odp_unmap_dma_pages(umem_odp, ib_umem_start(umem_odp),
				    ib_umem_end(umem_odp));
	swap(umem_odp->map, map);
	umem_odp->page_shift = page_shift;
	umem_odp->pages.generation++;
	if (umem_odp->pages.settled)
		umem_odp->pages.renegotiations++;
	start = ib_umem_start(umem_odp);
	end = ib_umem_end(umem_odp);
	mutex_unlock(&umem_odp->umem_mutex);

	ib_umem_odp_free_table(umem_odp, &map);

	/*
	 * Listen to the blocks that the table has now. Meanwhile it is empty
	 * and stays so, as all who could fill it wait for resize_sem.
	 */
	if (notifier->interval_tree.start != start ||
	    notifier->interval_tree.last != end - 1) {
		const struct mmu_interval_notifier_ops *ops = notifier->ops;

		mmu_interval_notifier_remove(notifier);
		/*
		 * This allocates only for the first notifier of an mm, and the
		 * range has been checked with the table.
		 */
		WARN_ON(mmu_interval_notifier_insert(notifier,
						     umem_odp->umem.owning_mm,
						     start, end - start, ops));
	}
	return 0;
}

/**
 * ib_umem_odp_renegotiate - change the accepted page sizes of a live ODP umem
 * @umem_odp: the umem
 * @req: what the application accepts now
 *
 * For drivers whose translations are the table of the umem itself: the table is
 * empty afterwards if the shift has changed, and faults fill it again.
 *
 * Return: 0, -EOPNOTSUPP if the device cannot, -ERANGE if no size fits,
 *	   -ENOMEM, or -EFAULT if the process is gone; unless 0 the umem is
 *	   as it was
 */
int ib_umem_odp_renegotiate(struct ib_umem_odp *umem_odp,
			    const struct ib_odp_request *req)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 accepted;
	int shift;
	int ret;

	ret = odp_accept(umem_odp, req, &accepted);
	if (ret)
		return ret;
	if (!mmget_not_zero(mm))
		return -EFAULT;

	down_write(&umem_odp->resize_sem);
	shift = odp_best_shift(umem_odp, accepted);
	ret = shift < 0 ? shift : 0;
	if (!ret && shift != umem_odp->page_shift)
		ret = odp_set_shift(umem_odp, shift);
	if (!ret) {
		mutex_lock(&umem_odp->umem_mutex);
		umem_odp->pages.accepted = accepted;
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
 * @generation: pages.generation as read before ib_umem_odp_map_dma_and_lock()
 *
 * To be called after that failed with -ERANGE, without umem_mutex. If the
 * generation is still the same the failure was one of the present page size;
 * the page size alone could have changed twice.
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
			(BIT_ULL(umem_odp->page_shift) - 1);
		ret = sizes ? odp_set_shift(umem_odp, fls64(sizes) - 1) :
			      -ERANGE;
	}
	up_write(&umem_odp->resize_sem);
	mmput_async(mm);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_step_down);

/**
 * ib_umem_odp_populate - fill the table
 * @umem_odp: the umem
 * @fault: fault memory in; else take what is there
 *
 * For drivers whose translations are the table of the umem itself.
 *
 * Return: 0, or what ib_umem_odp_map_dma_and_lock() returns; -ERANGE if blocks
 *	   are not uniform and no smaller size is accepted
 */
int ib_umem_odp_populate(struct ib_umem_odp *umem_odp, bool fault)
{
	u64 access = umem_odp->umem.writable ? HMM_PFN_WRITE : 0;
	u64 offset = 0;

	while (offset < umem_odp->umem.length) {
		u32 generation = READ_ONCE(umem_odp->pages.generation);
		unsigned int shift = READ_ONCE(umem_odp->page_shift);
		u64 len = min_t(u64, umem_odp->umem.length - offset,
				max_t(u64, ODP_POPULATE_STEP, 1ULL << shift));
		int ret;

		ret = ib_umem_odp_map_dma_and_lock(umem_odp,
						   umem_odp->umem.address + offset,
						   len, access, fault);
		if (ret >= 0)
			mutex_unlock(&umem_odp->umem_mutex);
		/* Memory that is being invalidated can be faulted in later. */
		if (ret >= 0 || (ret == -EBUSY && !fault)) {
			offset += len;
			cond_resched();
			continue;
		}
		if (ret == -EBUSY && !fatal_signal_pending(current))
			continue;
		if (ret != -ERANGE)
			return ret;
		ret = ib_umem_odp_step_down(umem_odp, generation);
		if (ret)
			return ret;
		/* The table has been emptied. */
		offset = 0;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_populate);

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
	u64 mapped = umem_odp->pages.blocks_mapped;

	ib_umem_odp_unmap_dma_pages(umem_odp, virt, bound);
	umem_odp->pages.invalidated += mapped - umem_odp->pages.blocks_mapped;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_invalidate);

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

static u64 odp_table_bytes(struct ib_umem_odp *umem_odp)
{
	u64 entry = sizeof(*umem_odp->map.pfn_list);

	if (umem_odp->map.dma_list)
		entry += sizeof(*umem_odp->map.dma_list);
	return ib_umem_odp_num_pages(umem_odp) * entry;
}

/**
 * ib_umem_odp_get_state - what an ODP umem is made of now
 * @umem_odp: the umem
 * @state: filled in
 */
void ib_umem_odp_get_state(struct ib_umem_odp *umem_odp,
			   struct ib_uverbs_odp_state *state)
{
	struct ib_odp_pages *pages = &umem_odp->pages;

	mutex_lock(&umem_odp->umem_mutex);
	*state = (struct ib_uverbs_odp_state) {
		.page_sizes = pages->accepted,
		.page_shift = umem_odp->page_shift,
		.flags = pages->flags,
		.blocks_mapped = pages->blocks_mapped,
		.table_bytes = odp_table_bytes(umem_odp),
		.faults = pages->faults,
		.pages_invalidated = pages->invalidated,
		.renegotiations = pages->renegotiations,
	};
	mutex_unlock(&umem_odp->umem_mutex);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_get_state);
