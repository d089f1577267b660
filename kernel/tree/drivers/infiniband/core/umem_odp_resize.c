// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of ODP umems: the table, and how it gets another size.
 *
 * The size of the blocks of a umem changes when the application asks for it, when
 * memory turns out not to be made of blocks of the present size any more, and when
 * it has become so again.
 *
 * Locking: the sizes, the table, and with them ib_umem_start() and
 * ib_umem_end(), change under umem_mutex, and pages.generation with them. No lock
 * is held while memory is faulted in, which may wait for user space: a fault
 * takes the geometry of the umem, looks at the page tables of the mm, and then,
 * under umem_mutex, uses what it found only if both the generation and the
 * notifier's sequence are the same. resize_mutex serializes changes; no fault is
 * served under it.
 *
 * The interval of the notifier does not change: it holds the largest blocks that
 * the umem can ever have.
 */
#include <linux/export.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_odp_table.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_hugeodp.h>

#include "umem_odp_dma.h"
#include "umem_odp_look.h"
#include "umem_odp_resize.h"

/* How often a umem looks whether it can have larger blocks. */
#define ODP_GROW_DELAY	HZ
/* Blocks that ib_odp_look_again() looks at in one go when a umem is to grow. */
#define ODP_GROW_BATCH	64
/* Looks that may wait for the mmap_lock of their processes at a time. */
#define ODP_GROW_ACTIVE	8

static struct workqueue_struct *odp_grow_wq;

/**
 * ib_umem_odp_charge - let the owner of an ODP umem pay for what is allocated
 * @umem_odp: the umem
 *
 * Faults of a device are served by kernel threads.
 *
 * Return: to be given to ib_umem_odp_uncharge()
 */
struct ib_odp_charge ib_umem_odp_charge(const struct ib_umem_odp *umem_odp)
{
	struct ib_odp_charge charge;

	charge.memcg = get_mem_cgroup_from_mm(umem_odp->umem.owning_mm);
	charge.old = set_active_memcg(charge.memcg);
	return charge;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_charge);

/**
 * ib_umem_odp_uncharge - end what ib_umem_odp_charge() began
 * @charge: what that returned
 */
void ib_umem_odp_uncharge(struct ib_odp_charge charge)
{
	set_active_memcg(charge.old);
	mem_cgroup_put(charge.memcg);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_uncharge);

/* The mm is about to take this memory away, and the device may have written. */
static void odp_dirty_blocks(const struct ib_odp_block *block, unsigned long nr)
{
	if (block->write)
		ib_umem_odp_set_dirty(block->pfn,
				      nr << (block->shift - PAGE_SHIFT));
}

/*
 * The table for blocks of @sizes. A umem that may only be read from never has
 * anything to mark dirty, even if the CPU writes to the pages.
 */
static int odp_alloc_table(const struct ib_umem_odp *umem_odp, u64 sizes,
			   struct ib_odp_tables *tables)
{
	struct ib_device *dev = umem_odp->umem.ibdev;
	unsigned int shift = (unsigned int)fls64(sizes) - 1;
	unsigned long start, end;
	int ret;

	*tables = (struct ib_odp_tables){};
	ret = ib_umem_odp_bounds(umem_odp, shift, &start, &end);
	if (ret)
		return ret;
	if (!ib_uses_virt_dma(dev)) {
		tables->dma = ib_odp_dma_table_create(dev->dma_device, shift,
						      (end - start) >> shift);
		return PTR_ERR_OR_ZERO(tables->dma);
	}
	tables->table = ib_odp_table_create(start, end, sizes,
					    umem_odp->umem.writable ?
						    odp_dirty_blocks : NULL);
	return PTR_ERR_OR_ZERO(tables->table);
}

static void odp_free_table(const struct ib_umem_odp *umem_odp,
			   struct ib_odp_tables *tables)
{
	struct ib_device *dev = umem_odp->umem.ibdev;

	if (ib_uses_virt_dma(dev))
		ib_odp_table_destroy(tables->table);
	else
		ib_odp_dma_table_destroy(dev->dma_device, tables->dma);
}

/**
 * ib_umem_odp_get_geometry - take a consistent look at the sizes of an ODP umem
 * @umem_odp: the umem
 * @geo: filled in
 */
void ib_umem_odp_get_geometry(struct ib_umem_odp *umem_odp,
			      struct ib_odp_geometry *geo)
{
	struct ib_odp_pages *pages = &umem_odp->pages;

	mutex_lock(&umem_odp->umem_mutex);
	*geo = (struct ib_odp_geometry){
		.generation = pages->generation,
		.shift = umem_odp->page_shift,
		.sizes = pages->sizes,
		.start = ib_umem_start(umem_odp),
		.end = ib_umem_end(umem_odp),
		.smallest = !(pages->flags & IB_UVERBS_ODP_MIXED) &&
			    !(pages->accepted & ((pages->sizes & -pages->sizes) - 1)),
	};
	mutex_unlock(&umem_odp->umem_mutex);
}

/* All sizes that the umem may ever have. */
static u64 odp_possible_sizes(const struct ib_umem_odp *umem_odp)
{
	u64 sizes = umem_odp->umem.ibdev->attrs.odp_caps.page_sizes |
		    umem_odp->pages.accepted | umem_odp->pages.sizes;

	return ib_umem_odp_usable_sizes(umem_odp, sizes) |
	       umem_odp->pages.sizes;
}

/* The largest size that is accepted and can be. */
static void odp_set_top(struct ib_umem_odp *umem_odp)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 sizes = ib_umem_odp_usable_sizes(umem_odp, pages->accepted);

	pages->top = sizes ? BIT_ULL(fls64(sizes) - 1) : 0;
}

static void odp_grow_work(struct work_struct *work);

/**
 * ib_umem_odp_init_pages - give an ODP umem a table, and let it listen to the mm
 * @umem_odp: the umem, with its sizes chosen
 * @ops: of the notifier
 *
 * Return: 0, -EINVAL for a umem of no length, -EOVERFLOW, -EOPNOTSUPP, -ENOMEM, -EINTR
 */
int ib_umem_odp_init_pages(struct ib_umem_odp *umem_odp,
			   const struct mmu_interval_notifier_ops *ops)
{
	u64 possible = odp_possible_sizes(umem_odp);
	unsigned long start, end;
	struct ib_odp_tables tables;
	int ret;

	INIT_DELAYED_WORK(&umem_odp->pages.grow, odp_grow_work);
	ret = odp_alloc_table(umem_odp, umem_odp->pages.sizes, &tables);
	if (ret)
		return ret;
	umem_odp->dma = tables.dma;
	umem_odp->table = tables.table;
	odp_set_top(umem_odp);
	ret = ib_umem_odp_bounds(umem_odp, (unsigned int)fls64(possible) - 1,
				 &start, &end);
	if (!ret)
		ret = mmu_interval_notifier_insert(&umem_odp->notifier,
						   umem_odp->umem.owning_mm,
						   start, end - start, ops);
	if (ret)
		odp_free_table(umem_odp, &tables);
	return ret;
}

/**
 * ib_umem_odp_free_pages - the opposite of ib_umem_odp_init_pages()
 * @umem_odp: the umem, which the device does not use any more
 */
void ib_umem_odp_free_pages(struct ib_umem_odp *umem_odp)
{
	struct ib_odp_tables tables;

	cancel_delayed_work_sync(&umem_odp->pages.grow);
	mutex_lock(&umem_odp->umem_mutex);
	ib_umem_odp_unmap_dma_pages(umem_odp, ib_umem_start(umem_odp),
				    ib_umem_end(umem_odp));
	mutex_unlock(&umem_odp->umem_mutex);
	mmu_interval_notifier_remove(&umem_odp->notifier);
	tables.dma = umem_odp->dma;
	tables.table = umem_odp->table;
	odp_free_table(umem_odp, &tables);
}

static void odp_swap_tables(struct ib_umem_odp *umem_odp, u64 sizes,
			    struct ib_odp_tables *tables)
{
	swap(umem_odp->dma, tables->dma);
	swap(umem_odp->table, tables->table);
	umem_odp->pages.sizes = sizes;
	umem_odp->page_shift = (unsigned int)fls64(sizes) - 1;
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
 * Go over to blocks of other sizes with an empty table. The caller holds a
 * reference to the users of the mm. On error nothing has changed, but the table
 * may be empty.
 */
static int odp_set_sizes(struct ib_umem_odp *umem_odp, u64 sizes)
{
	struct ib_odp_charge charge;
	struct ib_odp_tables tables;
	int ret;

	lockdep_assert_held(&umem_odp->resize_mutex);

	if (sizes == umem_odp->pages.sizes)
		return 0;
	charge = ib_umem_odp_charge(umem_odp);
	ret = odp_alloc_table(umem_odp, sizes, &tables);
	ib_umem_odp_uncharge(charge);
	if (ret)
		return ret;

	mutex_lock(&umem_odp->umem_mutex);
	ret = odp_change_table(umem_odp, sizes, &tables);
	mutex_unlock(&umem_odp->umem_mutex);

	odp_free_table(umem_odp, &tables);
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

	ret = ib_umem_odp_accept(umem_odp, req, &accepted);
	if (ret)
		return ret;
	if (!mmget_not_zero(mm))
		return -EFAULT;
	ret = mutex_lock_killable(&umem_odp->resize_mutex);
	if (ret)
		goto out_mm;
	ret = ib_umem_odp_choose_sizes(umem_odp, accepted, req->flags, &sizes);
	if (!ret)
		ret = odp_set_sizes(umem_odp, sizes);
	if (!ret) {
		mutex_lock(&umem_odp->umem_mutex);
		umem_odp->pages.accepted =
			ib_umem_odp_with_room(umem_odp, accepted);
		umem_odp->pages.flags =
			req->flags & ~(u32)IB_UVERBS_ODP_POPULATE;
		umem_odp->pages.settled = true;
		odp_set_top(umem_odp);
		mutex_unlock(&umem_odp->umem_mutex);
	}
	mutex_unlock(&umem_odp->resize_mutex);
out_mm:
	/* The caller may be another process: it does not tear this mm down. */
	mmput_async(mm);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_renegotiate);

/* Sizes below the present ones that are accepted, if it is still @generation. */
static int odp_smaller_sizes(struct ib_umem_odp *umem_odp, u32 generation,
			     u64 *smaller)
{
	const struct ib_odp_pages *pages = &umem_odp->pages;
	bool same;

	mutex_lock(&umem_odp->umem_mutex);
	same = pages->generation == generation;
	*smaller = pages->accepted & ((pages->sizes & -pages->sizes) - 1);
	mutex_unlock(&umem_odp->umem_mutex);
	if (!same)
		return -EAGAIN;
	return *smaller ? 0 : -ERANGE;
}

/**
 * ib_umem_odp_step_down - go to a smaller page size that is accepted
 * @umem_odp: the umem
 * @generation: pages.generation as read before memory was looked at
 * @addr: memory that is not made of the present page size
 *
 * To be called after a look failed with -ERANGE, without umem_mutex. If the
 * generation is still the same the failure was one of the present page size;
 * the page size alone could have changed twice. The size is the one that the
 * memory at @addr has now. With blocks of different sizes the smallest accepted
 * one has failed.
 *
 * Return: 0 if it is worth to try again, also because another fault was here
 *	   first; -ERANGE if no smaller size is accepted, or an error
 */
int ib_umem_odp_step_down(struct ib_umem_odp *umem_odp, u32 generation,
			  u64 addr)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 sizes;
	int ret;

	/* Most of the time there is nothing to change, and nothing to wait for. */
	ret = odp_smaller_sizes(umem_odp, generation, &sizes);
	if (ret)
		return ret == -EAGAIN ? 0 : ret;
	if (!mmget_not_zero(mm))
		return -EFAULT;
	ret = mutex_lock_killable(&umem_odp->resize_mutex);
	if (ret)
		goto out_mm;
	ret = odp_smaller_sizes(umem_odp, generation, &sizes);
	if (!ret) {
		unsigned int shift = ib_odp_shift_now(mm, addr, sizes);

		ret = odp_set_sizes(umem_odp, BIT_ULL(shift));
		umem_odp->pages.obstacle = addr;
	}
	mutex_unlock(&umem_odp->resize_mutex);
out_mm:
	mmput_async(mm);
	return ret == -EAGAIN ? 0 : ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_step_down);

/*
 * Is all memory that there is made of blocks of 1 << @shift? What is not there
 * yet may become so.
 */
static bool odp_can_grow_to(struct ib_umem_odp *umem_odp, unsigned int shift)
{
	u64 start = umem_odp->umem.address;
	u64 end = start + umem_odp->umem.length;
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	unsigned long pfns[ODP_GROW_BATCH];
	struct ib_odp_look look = {
		.notifier = &umem_odp->notifier,
		.shift = shift,
		.pfns = pfns,
	};
	bool can = true;

	while (can && (start = ib_odp_next_mapped(mm, start, end)) < end) {
		u64 first = ALIGN_DOWN(start, BIT_ULL(shift));
		unsigned int i, nr;

		look.start = start;
		look.end = min(end, first + ((u64)ODP_GROW_BATCH << shift));
		look.seq = mmu_interval_read_begin(look.notifier);
		if (ib_odp_look_again(&look)) {
			can = false;
			break;
		}
		nr = (unsigned int)((look.end - 1 - first) >> shift) + 1;
		for (i = 0; i < nr; i++)
			if (pfns[i] & ODP_PFN_FINER)
				break;
		if (i < nr) {
			umem_odp->pages.obstacle =
				max(start, first + ((u64)i << shift));
			can = false;
		}
		start = look.end;
		cond_resched();
	}
	ib_odp_look_free(&look);
	return can;
}

/* The size that a umem can have now that its memory may be huge again. */
static void odp_grow(struct ib_umem_odp *umem_odp)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 obstacle = pages->obstacle ?: umem_odp->umem.address;
	unsigned int shift;
	u64 larger, sizes;

	lockdep_assert_held(&umem_odp->resize_mutex);

	if ((pages->flags & IB_UVERBS_ODP_MIXED) || !is_power_of_2(pages->sizes))
		return;
	larger = ib_umem_odp_usable_sizes(umem_odp, pages->accepted) &
		 ~((pages->sizes << 1) - 1);
	if (!larger)
		return;
	/* The cheap question first. */
	shift = ib_odp_shift_now(umem_odp->umem.owning_mm, obstacle,
				 larger | pages->sizes);
	larger &= (BIT_ULL(shift) << 1) - 1;
	if (!larger ||
	    ib_umem_odp_choose_sizes(umem_odp, larger, pages->flags, &sizes))
		return;
	if (odp_can_grow_to(umem_odp, (unsigned int)fls64(sizes) - 1))
		odp_set_sizes(umem_odp, sizes);
}

static void odp_grow_work(struct work_struct *work)
{
	struct ib_odp_pages *pages =
		container_of(to_delayed_work(work), struct ib_odp_pages, grow);
	struct ib_umem_odp *umem_odp =
		container_of(pages, struct ib_umem_odp, pages);
	struct mm_struct *mm = umem_odp->umem.owning_mm;

	if (!mmget_not_zero(mm))
		return;
	/* This is an improvement, which waits neither for the mm nor a resize. */
	if (!mmap_read_trylock(mm))
		goto later;
	mmap_read_unlock(mm);
	if (!mutex_trylock(&umem_odp->resize_mutex))
		goto later;
	odp_grow(umem_odp);
	mutex_unlock(&umem_odp->resize_mutex);
	mmput_async(mm);
	return;

later:
	queue_delayed_work(odp_grow_wq, &pages->grow, ODP_GROW_DELAY);
	mmput_async(mm);
}

/**
 * ib_umem_odp_init_growth - prepare the growth of ODP umems
 *
 * A process can keep its mmap_lock for long, so the work that needs it does not
 * share a queue with others.
 *
 * Return: 0, or -ENOMEM
 */
int __init ib_umem_odp_init_growth(void)
{
	odp_grow_wq = alloc_workqueue("ib-odp-grow", WQ_UNBOUND,
				      ODP_GROW_ACTIVE);
	return odp_grow_wq ? 0 : -ENOMEM;
}

/**
 * ib_umem_odp_exit_growth - the opposite of ib_umem_odp_init_growth()
 */
void ib_umem_odp_exit_growth(void)
{
	destroy_workqueue(odp_grow_wq);
}

/**
 * ib_umem_odp_want_growth - a fault was served by less than the largest size
 * @umem_odp: the umem, its umem_mutex held
 *
 * Memory that small pages were taken from may be huge again before long: by
 * khugepaged, by MADV_COLLAPSE. That takes what was mapped away, so there is a
 * fault afterwards, and a look after each fault is enough. Not more often than
 * once a second.
 */
void ib_umem_odp_want_growth(struct ib_umem_odp *umem_odp)
{
	const struct ib_odp_pages *pages = &umem_odp->pages;

	lockdep_assert_held(&umem_odp->umem_mutex);

	if (pages->top > pages->sizes && !(pages->flags & IB_UVERBS_ODP_MIXED))
		queue_delayed_work(odp_grow_wq, &umem_odp->pages.grow,
				   ODP_GROW_DELAY);
}

/**
 * ib_umem_odp_invalidate - take entries out of the table for the mm
 * @umem_odp: the umem, its umem_mutex held
 * @virt: first address
 * @bound: address after the last one
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
