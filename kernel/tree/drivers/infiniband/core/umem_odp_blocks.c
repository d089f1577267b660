// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Blocks of ODP umems of software devices.
 *
 * A software device translates with the table of the umem itself. The table can
 * hold blocks of each size in pages.sizes: a single size, unless the umem has
 * IB_UVERBS_ODP_MIXED. Each block gets the largest size that its memory is one
 * page or folio of.
 *
 * The page tables of the mm are read without umem_mutex. The result is put into
 * the table only if, under umem_mutex, the sequence of the notifier has not
 * changed. See umem_odp_look.c and umem_odp_resize.c.
 */
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/mmu_notifier.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_odp_table.h>
#include <rdma/ib_umem_odp.h>

#include "umem_odp_look.h"

/* The most blocks that an access of IB_ODP_MAP_MAX bytes can touch. */
#define ODP_FEW		(DIV_ROUND_UP(IB_ODP_MAP_MAX, PAGE_SIZE) + 1)
/* Blocks of several sizes that one walk finds. */
#define ODP_MANY	128U
/* Attempts at larger blocks before an access maps only the smallest ones. */
#define ODP_PATIENCE	8

/* The state of one call that fills a range of the table. */
struct odp_fill {
	struct ib_umem_odp *umem_odp;
	struct ib_odp_geometry geo;
	bool fault;
	bool write;
	/* invalidations keep interfering: map only the smallest blocks */
	bool hurry;
	struct ib_odp_look look;
	/* room for ODP_MANY blocks, allocated when it is needed */
	struct ib_odp_block *blocks;
	/* blocks of the next walk of odp_map_wide(), 0 after base pages */
	unsigned long pace;
	/* the range that was last faulted in */
	u64 faulted_from;
	u64 faulted;
	struct ib_odp_spare spare;
};

/* Prepare a walk of [@start, @end) in blocks of 1 << @shift. */
static struct ib_odp_look *odp_look_for(struct odp_fill *fill, u64 start,
					u64 end, unsigned int shift)
{
	const struct ib_umem *umem = &fill->umem_odp->umem;
	struct ib_odp_look *look = &fill->look;

	look->notifier = &fill->umem_odp->notifier;
	look->start = start;
	look->end = end;
	look->shift = shift;
	look->fault = fill->fault;
	look->write = fill->write;
	look->may_write = umem->writable;
	look->complete = fill->geo.smallest;
	look->low = umem->address;
	look->high = umem->address + umem->length;
	return look;
}

static bool odp_inside(const struct odp_fill *fill, u64 start, u64 end)
{
	return start >= fill->geo.start && start < end && end <= fill->geo.end;
}

/* Convert a pfn of a walk to a block. Returns false if it is not valid. */
static bool odp_block(unsigned long pfn, u64 addr, unsigned int shift,
		      struct ib_odp_block *block)
{
	if (!(pfn & HMM_PFN_VALID))
		return false;
	*block = (struct ib_odp_block){
		.addr = addr,
		.pfn = pfn & ~HMM_PFN_FLAGS,
		.shift = shift,
		.write = pfn & HMM_PFN_WRITE,
	};
	return true;
}

/* Is the result of the last walk still valid for the present table? */
static bool odp_same(const struct odp_fill *fill)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;

	return umem_odp->pages.generation == fill->geo.generation &&
	       !mmu_interval_read_retry(&umem_odp->notifier, fill->look.seq);
}

/* Allocate the chunk that the table needs. Drops umem_mutex to allocate. */
static int odp_get_spare(struct odp_fill *fill)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;
	struct ib_odp_spare *spare = &fill->spare;

	lockdep_assert_held(&umem_odp->umem_mutex);

	mutex_unlock(&umem_odp->umem_mutex);
	kfree(spare->mem);
	spare->mem = kzalloc(spare->bytes, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	mutex_lock(&umem_odp->umem_mutex);
	if (!spare->mem)
		return -ENOMEM;
	return odp_same(fill) ? 0 : -EAGAIN;
}

/* Put blocks into the table. May drop umem_mutex to allocate memory. */
static int odp_install(struct odp_fill *fill, const struct ib_odp_block *blocks,
		       unsigned int nr)
{
	unsigned int i = 0;
	int ret = 0;

	while (!ret && i < nr)
		if (ib_odp_table_set(fill->umem_odp->table, &blocks[i],
				     &fill->spare))
			ret = odp_get_spare(fill);
		else
			i++;
	return ret;
}

/* Take umem_mutex. Fails if the result of the last walk is stale. */
static int odp_lock(struct odp_fill *fill)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;

	mutex_lock(&umem_odp->umem_mutex);
	if (odp_same(fill))
		return 0;
	mutex_unlock(&umem_odp->umem_mutex);
	return -EAGAIN;
}

/* Install all blocks of the last walk, unless its result is stale. */
static int odp_install_batch(struct odp_fill *fill)
{
	const struct ib_odp_look *look = &fill->look;
	unsigned long nr = ib_odp_look_nr(look);
	int ret;

	ret = odp_lock(fill);
	if (ret)
		return ret;
	while (!ret &&
	       ib_odp_table_set_pfns(fill->umem_odp->table,
				     (unsigned long)ib_odp_look_first(look),
				     look->shift, look->pfns, nr, &fill->spare))
		ret = odp_get_spare(fill);
	mutex_unlock(&fill->umem_odp->umem_mutex);
	return ret;
}

/* Convert the result of a walk in blocks of the smallest size. */
static void odp_take_small(const struct odp_fill *fill,
			   struct ib_odp_block *blocks, unsigned int *nr)
{
	const struct ib_odp_look *look = &fill->look;
	unsigned long i, n = ib_odp_look_nr(look);
	u64 addr = ib_odp_look_first(look);

	*nr = 0;
	for (i = 0; i < n; i++, addr += BIT_ULL(look->shift))
		if (odp_block(look->pfns[i], addr, look->shift, &blocks[*nr]))
			++*nr;
}

/* Walk [@start, @end) in blocks of the smallest size; fault if asked to. */
static int odp_look_few(struct odp_fill *fill, u64 start, u64 end)
{
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	struct ib_odp_look *look = odp_look_for(fill, start, end, shift);
	int ret;

	if (WARN_ON_ONCE(ib_odp_look_nr(look) > ODP_LOOK_BATCH))
		return -EINVAL;
	ret = ib_odp_look(look);
	return !ret && fill->fault && !look->good ? -ERANGE : ret;
}

/*
 * Map the blocks of an access, in the largest size possible, and keep the lock.
 */
static int odp_map_few_and_lock(struct odp_fill *fill, u64 start, u64 end)
{
	struct ib_odp_block blocks[ODP_FEW];
	unsigned long pfns[ODP_FEW];
	unsigned int nr = ODP_FEW;
	u64 next = end;
	int ret;

	fill->look.pfns = pfns;
	ret = odp_look_few(fill, start, end);
	if (!ret) {
		if (fill->hurry || is_power_of_2(fill->geo.sizes))
			odp_take_small(fill, blocks, &nr);
		else
			ret = ib_odp_look_mixed(&fill->look, fill->geo.sizes,
						blocks, &nr, &next);
	}
	fill->look.pfns = NULL;
	if (ret == -EBUSY || (!ret && next < end))
		return -EAGAIN;
	if (ret)
		return ret;

	ret = odp_lock(fill);
	if (ret)
		return ret;
	ret = odp_install(fill, blocks, nr);
	if (ret)
		mutex_unlock(&fill->umem_odp->umem_mutex);
	return ret;
}

/* Has the last walk found the base pages of one run? */
static bool odp_is_run(const struct odp_fill *fill)
{
	const struct ib_odp_look *look = &fill->look;
	u64 size = BIT_ULL(fill->geo.run_shift);

	return fill->geo.run_shift && IS_ALIGNED(look->start, size) &&
	       look->end - look->start == size &&
	       (look->pfns[0] & HMM_PFN_VALID) &&
	       hmm_pfn_to_map_order(look->pfns[0]) + PAGE_SHIFT >=
		       fill->geo.run_shift;
}

/* Map blocks of the only size, at most ODP_LOOK_BATCH. */
static int odp_map_batch(struct odp_fill *fill, u64 start, u64 end)
{
	int ret;

	ret = odp_look_few(fill, start, end);
	if (ret)
		return ret;
	if (odp_is_run(fill)) {
		fill->look.shift = fill->geo.run_shift;
		/* There are probably more of them. */
		fill->pace = 1;
	}
	return odp_install_batch(fill);
}

/* Count the blocks at the start of a walk that are writable. */
static int odp_look_writable(struct ib_odp_look *look, unsigned long *nr)
{
	const unsigned long want = HMM_PFN_VALID | HMM_PFN_WRITE;
	unsigned long max = ib_odp_look_nr(look);
	int ret = ib_odp_look_again(look);

	for (*nr = 0; !ret && *nr < max; ++*nr)
		if ((look->pfns[*nr] & want) != want)
			break;
	return ret;
}

/*
 * Map what is present at @start in large pieces: runs of base pages, or blocks of
 * the largest size of a mixed umem. Of those that are not writable, a part of the
 * pages may be, which is for odp_map_mixed() to find out. @next: where to continue;
 * @start if there is no such piece.
 */
static int odp_map_wide(struct odp_fill *fill, u64 start, u64 end, u64 *next)
{
	bool mixed = !is_power_of_2(fill->geo.sizes);
	unsigned int shift = mixed ? fill->geo.shift : fill->geo.run_shift;
	struct ib_odp_look *look;
	unsigned long nr, found;
	int ret;

	*next = start;
	if (!fill->pace || shift < PMD_SHIFT ||
	    !IS_ALIGNED(start, BIT_ULL(shift)) || end - start < BIT_ULL(shift))
		return 0;
	nr = min_t(u64, fill->pace, (end - start) >> shift);
	look = odp_look_for(fill, start, start + ((u64)nr << shift), shift);
	look->write = fill->write && fill->fault;
	look->seq = mmu_interval_read_begin(look->notifier);
	ret = mixed ? odp_look_writable(look, &found) :
		      ib_odp_look_leaves(look, &found);
	/* Memory that is being invalidated is for the caller to wait for. */
	if (ret)
		return ret == -EBUSY ? 0 : ret;
	fill->pace = found == nr ? min(2 * nr, ODP_LOOK_BATCH) : mixed;
	if (!found)
		return 0;
	look->end = start + ((u64)found << shift);
	*next = look->end;
	return odp_install_batch(fill);
}

/* Fault in the memory at @start, and more if the accesses are sequential. */
static int odp_fault_next(struct odp_fill *fill, u64 start, u64 end)
{
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	u64 size = BIT_ULL(shift);
	u64 span = ODP_LOOK_BATCH << shift;

	/* One fault serves at most one window of ODP_LOOK_BATCH blocks. */
	end = min(end, ALIGN_DOWN(start, span) + span);
	if (start != fill->faulted)
		end = min(end, ALIGN_DOWN(start, size) + size);
	fill->faulted_from = start;
	fill->faulted = end;
	return odp_look_few(fill, start, end);
}

/*
 * Map blocks of any size from @start on, as many as one walk finds, and fault
 * in the first missing block after them. @next: where to continue.
 */
static int odp_map_mixed(struct odp_fill *fill, u64 start, u64 end, u64 *next)
{
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	struct ib_odp_look *look;
	unsigned int nr = ODP_MANY;
	int ret;

	if (!fill->blocks)
		fill->blocks = kmalloc_array(ODP_MANY, sizeof(*fill->blocks),
					     GFP_KERNEL);
	if (!fill->blocks)
		return -ENOMEM;
	look = odp_look_for(fill, start, end, shift);
	look->seq = mmu_interval_read_begin(look->notifier);
	ret = ib_odp_look_mixed(look, fill->geo.sizes, fill->blocks, &nr, next);
	if (ret == -EBUSY)
		return -EAGAIN;
	if (ret)
		return ret;
	/* A block of more pages than ib_odp_look_mixed() joins. */
	if (fill->fault && !nr && start == fill->faulted_from) {
		*next = min(end, fill->faulted);
		return odp_map_batch(fill, start, *next);
	}
	if (nr) {
		ret = odp_lock(fill);
		if (ret)
			return ret;
		ret = odp_install(fill, fill->blocks, nr);
		mutex_unlock(&fill->umem_odp->umem_mutex);
	}
	if (!ret && fill->fault && *next < end && nr < ODP_MANY)
		ret = odp_fault_next(fill, *next, end);
	return ret;
}

/*
 * Map [@start, @end) in the largest blocks possible. Without faults, address
 * space without page tables is skipped at little cost.
 */
static int odp_fill(struct odp_fill *fill, u64 start, u64 end)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	u64 span = ODP_LOOK_BATCH << shift;
	int ret = 0;

	fill->pace = !is_power_of_2(fill->geo.sizes);
	while (start < end) {
		u64 next;

		if (!fill->fault) {
			start = ib_odp_next_mapped(umem_odp->umem.owning_mm,
						   start, end);
			if (start >= end)
				break;
		}
		ret = odp_map_wide(fill, start, end, &next);
		if (!ret && next == start) {
			if (is_power_of_2(fill->geo.sizes)) {
				next = min(end, ALIGN_DOWN(start, span) + span);
				ret = odp_map_batch(fill, start, next);
			} else {
				ret = odp_map_mixed(fill, start, end, &next);
			}
		}
		/* A snapshot may leave out memory that is being invalidated. */
		if (ret == -EBUSY && !fill->fault) {
			next = ALIGN_DOWN(start, BIT_ULL(shift)) + BIT_ULL(shift);
			ret = 0;
		}
		if (ret && ret != -EAGAIN)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		if (!ret)
			start = next;
		else if (READ_ONCE(umem_odp->pages.generation) !=
			 fill->geo.generation)
			break;
	}
	return ret;
}

/**
 * ib_umem_odp_fill - fill the table of an ODP umem of a software device
 * @umem_odp: the umem
 * @va: first address
 * @length: bytes
 * @write: the memory has to be writable
 * @fault: fault memory in; otherwise map only memory that is present
 *
 * Each block is mapped in the largest of the umem's sizes that it is one page
 * or folio of. If there is none, the umem changes to the next smaller accepted
 * size.
 *
 * Return: 0; -EFAULT if there is no memory, or the range is outside of the
 *	   umem; -EPERM if the memory is not writable; -ERANGE if it has no
 *	   accepted block size; -EBUSY if it keeps being invalidated; -EINVAL
 *	   if the process has exited; -EINTR; -ENOMEM
 */
int ib_umem_odp_fill(struct ib_umem_odp *umem_odp, u64 va, u64 length,
		     bool write, bool fault)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	struct odp_fill fill = {
		.umem_odp = umem_odp,
		.fault = fault,
		.write = write,
		.faulted_from = U64_MAX,
	};
	struct ib_odp_charge charge;
	int busy = 0;
	u64 end;
	int ret;

	if (!length || check_add_overflow(va, length, &end))
		return -EFAULT;
	if (!mmget_not_zero(mm))
		return -EINVAL;
	fill.look.pfns = kmalloc_array(ODP_LOOK_BATCH, sizeof(*fill.look.pfns),
				       GFP_KERNEL);
	ret = fill.look.pfns ? -EAGAIN : -ENOMEM;
	charge = ib_umem_odp_charge(umem_odp);
	/* If the block size changes, the new table is filled from the start. */
	while (ret == -EAGAIN) {
		ib_umem_odp_get_geometry(umem_odp, &fill.geo);
		if (!odp_inside(&fill, va, end))
			ret = -EFAULT;
		else
			ret = odp_fill(&fill, va, end);
		if (ret == -EBUSY && busy++ < IB_ODP_MAX_BUSY)
			ret = -EAGAIN;
		else if (ret == -ERANGE &&
			 !ib_umem_odp_step_down(umem_odp, fill.geo.generation,
						fill.look.start))
			ret = -EAGAIN;
	}
	ib_umem_odp_uncharge(charge);

	ib_odp_look_free(&fill.look);
	kfree(fill.blocks);
	kfree(fill.look.pfns);
	kfree(fill.spare.mem);
	mmput_async(mm);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_fill);

/**
 * ib_umem_odp_mapped - check whether a whole range is mapped
 * @umem_odp: the umem, its umem_mutex held
 * @va: first address
 * @length: bytes
 * @write: the device wants to write
 *
 * For software devices in contexts that must not sleep in a page fault.
 *
 * Return: true if the range is mapped, and writable if @write is set
 */
bool ib_umem_odp_mapped(struct ib_umem_odp *umem_odp, u64 va, u64 length,
			bool write)
{
	struct ib_odp_block block;
	u64 end = va + length;

	lockdep_assert_held(&umem_odp->umem_mutex);

	for (; va < end; va = block.addr + BIT(block.shift))
		if (!ib_odp_table_get(umem_odp->table, va, &block) ||
		    (write && !block.write))
			return false;
	return true;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_mapped);

/**
 * ib_umem_odp_page - get the page at an address
 * @umem_odp: the umem, its umem_mutex held
 * @va: an address in the range of ib_umem_odp_map_and_lock()
 *
 * For software devices.
 *
 * Return: the page
 */
struct page *ib_umem_odp_page(struct ib_umem_odp *umem_odp, u64 va)
{
	struct ib_odp_block block;

	lockdep_assert_held(&umem_odp->umem_mutex);

	if (WARN_ON_ONCE(!ib_odp_table_get(umem_odp->table, va, &block)))
		return ZERO_PAGE(0);
	return pfn_to_page(block.pfn + ((va - block.addr) >> PAGE_SHIFT));
}
EXPORT_SYMBOL_GPL(ib_umem_odp_page);

/**
 * ib_umem_odp_map_and_lock - make memory accessible to a software device
 * @umem_odp: the umem
 * @va: first address
 * @length: bytes, at most IB_ODP_MAP_MAX
 * @write: the device wants to write
 *
 * Faults in memory that is not mapped. If the memory has none of the umem's
 * block sizes, the umem changes to the next smaller accepted size.
 *
 * Return: 0 with umem_mutex held, which the caller drops when it no longer uses
 *	   the memory; or an error, see ib_umem_odp_fill()
 */
int ib_umem_odp_map_and_lock(struct ib_umem_odp *umem_odp, u64 va, u64 length,
			     bool write)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	struct odp_fill fill = {
		.umem_odp = umem_odp,
		.fault = true,
		.write = write,
	};
	struct ib_odp_charge charge;
	int again = 0;
	int busy = 0;
	int ret;
	u64 end;

	if (WARN_ON_ONCE(!length || length > IB_ODP_MAP_MAX) ||
	    check_add_overflow(va, length, &end))
		return -EFAULT;
	mutex_lock(&umem_odp->umem_mutex);
	if (ib_umem_odp_mapped(umem_odp, va, length, write))
		return 0;
	mutex_unlock(&umem_odp->umem_mutex);

	if (!mmget_not_zero(mm))
		return -EFAULT;
	charge = ib_umem_odp_charge(umem_odp);
	do {
		ib_umem_odp_get_geometry(umem_odp, &fill.geo);
		if (odp_inside(&fill, va, end))
			ret = odp_map_few_and_lock(&fill, va, end);
		else
			ret = -EFAULT;

		if (ret == -EAGAIN && again++ == ODP_PATIENCE)
			fill.hurry = true;
		if (ret == -ERANGE &&
		    !ib_umem_odp_step_down(umem_odp, fill.geo.generation, va))
			ret = -EAGAIN;
		else if (ret == -EBUSY && busy++ < IB_ODP_MAX_BUSY)
			ret = -EAGAIN;
		if (ret == -EAGAIN && fatal_signal_pending(current))
			ret = -EINTR;
	} while (ret == -EAGAIN);
	ib_umem_odp_uncharge(charge);
	ib_odp_look_free(&fill.look);
	kfree(fill.spare.mem);
	mmput_async(mm);
	if (ret == -ERANGE)
		ib_umem_odp_count_refused(umem_odp);
	if (ret)
		return ret;

	ib_umem_odp_count_fault(umem_odp);
	ib_umem_odp_want_growth(umem_odp);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_map_and_lock);
