// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of ODP umems: the table, and changes of its block size.
 *
 * The block size of a umem changes when the application asks for it, when a
 * fault finds memory that does not have the present size, and when memory can
 * have a larger size again.
 *
 * Locking: the sizes, the table, ib_umem_start() and ib_umem_end() change under
 * umem_mutex, and pages.generation with them. No lock is held while memory is
 * faulted in, which may wait for user space. A fault copies the geometry of the
 * umem and walks the page tables of the mm. It then takes umem_mutex and uses
 * the result only if neither the generation nor the sequence of the notifier
 * has changed. resize_mutex serializes changes of the size; no fault is served
 * under it.
 *
 * The interval of the notifier does not change: it is rounded out to the
 * largest block size that the umem can ever have.
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
#include <rdma/ib_user_ioctl_verbs.h>

#include "umem_odp_dma.h"
#include "umem_odp_look.h"
#include "umem_odp_resize.h"

/* Minimum time between two attempts to return to larger blocks. */
#define ODP_GROW_DELAY	HZ
/* Blocks in one call of ib_odp_look_again() when a umem might grow. */
#define ODP_GROW_BATCH	64
/* Work items that may wait for the mmap_lock of a process at a time. */
#define ODP_GROW_ACTIVE	8

static struct workqueue_struct *odp_grow_wq;

/**
 * ib_umem_odp_charge - charge allocations to the owner of an ODP umem
 * @umem_odp: the umem
 *
 * Page faults of a device are served by kernel threads, which would charge the
 * root cgroup.
 *
 * Return: the argument of ib_umem_odp_uncharge()
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
 * ib_umem_odp_uncharge - undo ib_umem_odp_charge()
 * @charge: its return value
 */
void ib_umem_odp_uncharge(struct ib_odp_charge charge)
{
	set_active_memcg(charge.old);
	mem_cgroup_put(charge.memcg);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_uncharge);

/*
 * The device may have written to these pages, which are about to be unmapped.
 */
static void odp_dirty_blocks(const struct ib_odp_block *block, unsigned long nr)
{
	if (block->write)
		ib_umem_odp_set_dirty(block->pfn,
				      nr << (block->shift - PAGE_SHIFT));
}

/*
 * Allocate a table for blocks of @sizes, charged to the owner: a page fault may need
 * a new umem. A read-only umem marks no pages dirty: those that the CPU writes to are
 * dirty in its page tables.
 */
static int odp_alloc_table(const struct ib_umem_odp *umem_odp, u64 sizes,
			   struct ib_odp_tables *tables)
{
	struct ib_device *dev = umem_odp->umem.ibdev;
	unsigned int shift = (unsigned int)fls64(sizes) - 1;
	struct ib_odp_charge charge;
	unsigned long start, end;
	int ret;

	*tables = (struct ib_odp_tables){};
	ret = ib_umem_odp_bounds(umem_odp, shift, &start, &end);
	if (ret)
		return ret;
	charge = ib_umem_odp_charge(umem_odp);
	if (!ib_uses_virt_dma(dev))
		tables->dma = ib_odp_dma_table_create(dev->dma_device, shift,
						      (end - start) >> shift);
	else
		tables->table = ib_odp_table_create(start, end, sizes,
						    umem_odp->umem.writable ?
							    odp_dirty_blocks :
							    NULL);
	ib_umem_odp_uncharge(charge);
	return PTR_ERR_OR_ZERO(tables->dma) ?: PTR_ERR_OR_ZERO(tables->table);
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
 * ib_umem_odp_get_geometry - take a consistent snapshot of an ODP umem's sizes
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
		.run_shift = umem_odp->table ? umem_odp->table->run_shift : 0,
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

/* Set pages->top, the largest accepted size that the umem can have. */
static void odp_set_top(struct ib_umem_odp *umem_odp)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	u64 sizes = ib_umem_odp_usable_sizes(umem_odp, pages->accepted);

	pages->top = sizes ? BIT_ULL(fls64(sizes) - 1) : 0;
}

static void odp_grow_work(struct work_struct *work);

/**
 * ib_umem_odp_init_pages - allocate the table and register the notifier
 * @umem_odp: the umem, with its sizes chosen
 * @ops: operations of the notifier
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
 * ib_umem_odp_free_pages - undo ib_umem_odp_init_pages()
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

/* What an application accepts, from a request. */
struct odp_terms {
	u64 accepted;
	u32 flags;
};

static void odp_set_terms(struct ib_umem_odp *umem_odp,
			  const struct odp_terms *terms)
{
	struct ib_odp_pages *pages = &umem_odp->pages;

	lockdep_assert_held(&umem_odp->umem_mutex);

	pages->accepted = ib_umem_odp_with_room(umem_odp, terms->accepted);
	pages->flags = terms->flags;
	pages->settled = true;
	odp_set_top(umem_odp);
}

/* Returns whether the change is for the worse. */
static bool odp_count_change(struct ib_odp_pages *pages, u64 old, u64 sizes)
{
	bool down = fls64(sizes) < fls64(old);

	if (!pages->settled)
		return false;
	pages->renegotiations++;
	if (down)
		pages->renegotiations_down++;
	return down;
}

/*
 * Replace the table by @tables, which is empty, for blocks of @sizes. If the
 * device fails to change, the old sizes stay, with an empty table. @terms change
 * together with the sizes: a fault that fails for the new sizes has to find the
 * smaller ones that are accepted now.
 */
static int odp_change_table(struct ib_umem_odp *umem_odp, u64 sizes,
			    const struct odp_terms *terms,
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
	odp_count_change(pages, old, sizes);
	if (terms)
		odp_set_terms(umem_odp, terms);
	WRITE_ONCE(pages->generation, pages->generation + 1);
	return 0;
}

/*
 * Change to blocks of @sizes, with an empty table, and to @terms unless these are
 * NULL. The caller holds a reference to the users of the mm. On error the sizes
 * and terms are unchanged, but the table may be empty.
 */
static int odp_set_sizes(struct ib_umem_odp *umem_odp, u64 sizes,
			 const struct odp_terms *terms)
{
	struct ib_odp_tables tables;
	u64 before;
	bool down;
	int ret;

	lockdep_assert_held(&umem_odp->resize_mutex);

	if (sizes == umem_odp->pages.sizes) {
		if (terms) {
			mutex_lock(&umem_odp->umem_mutex);
			odp_set_terms(umem_odp, terms);
			mutex_unlock(&umem_odp->umem_mutex);
		}
		return 0;
	}
	ret = odp_alloc_table(umem_odp, sizes, &tables);
	if (ret)
		return ret;

	mutex_lock(&umem_odp->umem_mutex);
	before = umem_odp->pages.renegotiations_down;
	ret = odp_change_table(umem_odp, sizes, terms, &tables);
	down = umem_odp->pages.renegotiations_down != before;
	mutex_unlock(&umem_odp->umem_mutex);

	if (down)
		ib_umem_odp_signal(umem_odp);
	odp_free_table(umem_odp, &tables);
	return ret;
}

/**
 * ib_umem_odp_renegotiate - change the accepted page sizes of a live ODP umem
 * @umem_odp: the umem
 * @req: what the application accepts now
 *
 * If the block size changes, the table is empty afterwards, and faults fill it
 * again.
 *
 * Return: 0; -EOPNOTSUPP if the device does not support it; -ERANGE if no size
 *	   fits; -ENOMEM; -EFAULT if the process has exited; -EINTR; or an error
 *	   of the device. On error the sizes are unchanged
 */
int ib_umem_odp_renegotiate(struct ib_umem_odp *umem_odp,
			    const struct ib_odp_request *req)
{
	struct odp_terms terms = {
		.flags = req->flags & ~(u32)IB_UVERBS_ODP_POPULATE,
	};
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 sizes;
	int ret;

	ret = ib_umem_odp_accept(umem_odp, req, &terms.accepted);
	if (ret)
		return ret;
	if (!mmget_not_zero(mm))
		return -EFAULT;
	ret = mutex_lock_killable(&umem_odp->resize_mutex);
	if (ret)
		goto out_mm;
	ret = ib_umem_odp_choose_sizes(umem_odp, terms.accepted, req->flags,
				       &sizes);
	if (!ret)
		ret = odp_set_sizes(umem_odp, sizes, &terms);
	mutex_unlock(&umem_odp->resize_mutex);
out_mm:
	/*
	 * The caller may be another process, which must not tear down this mm.
	 */
	mmput_async(mm);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_renegotiate);

/**
 * ib_umem_odp_choose_mixed - choose among the sizes of a mixed ODP umem
 * @umem_odp: a umem without a table, whose driver has a child for each size
 * @req: what the application accepts now
 * @sizes: (in) those that a child can have; (out) those that are accepted
 *
 * Return: 0; -EOPNOTSUPP if the device does not support it; -ERANGE if the memory
 *	   may need an accepted size that no child has; -EFAULT if the process
 *	   has exited; -EINTR
 */
int ib_umem_odp_choose_mixed(struct ib_umem_odp *umem_odp,
			     const struct ib_odp_request *req, u64 *sizes)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 smallest = *sizes & -*sizes;
	u64 accepted, usable;
	int ret;

	ret = ib_umem_odp_accept(umem_odp, req, &accepted);
	if (ret)
		return ret;
	if (!mmget_not_zero(mm))
		return -EFAULT;
	/* The device's tables have no room for smaller ones. */
	accepted &= ~(smallest - 1);
	ret = ib_umem_odp_choose_sizes(umem_odp, accepted, IB_UVERBS_ODP_MIXED,
				       &usable);
	mmput_async(mm);
	if (ret)
		return ret;
	if (!(usable & -usable & *sizes))
		return -ERANGE;
	/* A size between those of the children does not make a larger one useless. */
	*sizes = ib_umem_odp_usable_sizes(umem_odp, accepted & *sizes);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_choose_mixed);

/**
 * ib_umem_odp_set_mixed - change the accepted sizes of a mixed ODP umem
 * @umem_odp: the umem, its umem_mutex held
 * @sizes: those of its children that are accepted from now on
 *
 * Return: whether the largest size is smaller than before. The caller then calls
 *	   ib_umem_odp_signal()
 */
bool ib_umem_odp_set_mixed(struct ib_umem_odp *umem_odp, u64 sizes)
{
	struct ib_odp_pages *pages = &umem_odp->pages;
	bool down;

	lockdep_assert_held(&umem_odp->umem_mutex);

	down = odp_count_change(pages, pages->accepted, sizes);
	pages->accepted = sizes;
	pages->settled = true;
	umem_odp->page_shift = (unsigned int)fls64(sizes) - 1;
	return down;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_set_mixed);

/* Get the accepted sizes below the present ones. -EAGAIN if not @generation. */
static int odp_smaller_sizes(struct ib_umem_odp *umem_odp,
			     unsigned long generation, u64 *smaller)
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
 * ib_umem_odp_step_down - change to a smaller accepted page size
 * @umem_odp: the umem
 * @generation: pages.generation as read before the walk of the page tables
 * @addr: memory that does not have the present page size
 *
 * To be called without umem_mutex after a walk returned -ERANGE. If the
 * generation is unchanged, the walk failed for the present page size; a
 * comparison of page sizes would miss two changes. The new size is the one that
 * the memory at @addr has now. For a mixed umem, the smallest accepted size has
 * failed.
 *
 * Return: 0 if the caller should retry, also if another fault has changed the
 *	   size already; -ERANGE if no smaller size is accepted; or another
 *	   error
 */
int ib_umem_odp_step_down(struct ib_umem_odp *umem_odp,
			  unsigned long generation, u64 addr)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 sizes;
	int ret;

	/*
	 * Check without resize_mutex first: most callers have nothing to
	 * change.
	 */
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

		if (fatal_signal_pending(current))
			ret = -EINTR;
		else
			ret = odp_set_sizes(umem_odp, BIT_ULL(shift), NULL);
		umem_odp->pages.obstacle = addr;
	}
	mutex_unlock(&umem_odp->resize_mutex);
out_mm:
	mmput_async(mm);
	return ret == -EAGAIN ? 0 : ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_step_down);

/*
 * Can all present memory have blocks of 1 << @shift? Absent memory is no
 * obstacle.
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

/* Change to a larger size if all memory of the umem can have it again. */
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
	/* Check the last obstacle first, which is cheap. */
	shift = ib_odp_shift_now(umem_odp->umem.owning_mm, obstacle,
				 larger | pages->sizes);
	larger &= (BIT_ULL(shift) << 1) - 1;
	if (!larger ||
	    ib_umem_odp_choose_sizes(umem_odp, larger, pages->flags, &sizes))
		return;
	if (odp_can_grow_to(umem_odp, (unsigned int)fls64(sizes) - 1))
		odp_set_sizes(umem_odp, sizes, NULL);
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
	/* Growth is optional: do not block on mmap_lock or resize_mutex. */
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
 * ib_umem_odp_init_growth - allocate the workqueue that grows ODP umems
 *
 * A process can hold its mmap_lock for a long time, so the work items that take
 * it have a workqueue of their own.
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
 * ib_umem_odp_exit_growth - undo ib_umem_odp_init_growth()
 */
void ib_umem_odp_exit_growth(void)
{
	destroy_workqueue(odp_grow_wq);
}

/**
 * ib_umem_odp_want_growth - schedule a check for larger blocks
 * @umem_odp: the umem, its umem_mutex held
 *
 * To be called after a fault. khugepaged or MADV_COLLAPSE may make huge pages
 * of the memory again. That invalidates the mapping, so the device faults
 * afterwards, and it is enough to check after faults, at most once a second.
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
 * ib_umem_odp_invalidate - unmap and count entries in an invalidation callback
 * @umem_odp: the umem, its umem_mutex held
 * @virt: first address
 * @bound: address after the last one
 *
 * Calls ib_umem_odp_unmap_dma_pages(), and adds to pages.invalidated.
 */
void ib_umem_odp_invalidate(struct ib_umem_odp *umem_odp, u64 virt, u64 bound)
{
	u64 mapped = ib_umem_odp_blocks_mapped(umem_odp);

	ib_umem_odp_unmap_dma_pages(umem_odp, virt, bound);
	mapped -= ib_umem_odp_blocks_mapped(umem_odp);
	umem_odp->pages.invalidated += mapped;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_invalidate);
