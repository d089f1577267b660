// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Blocks of ODP umems of software devices.
 *
 * A software device translates with the table of the umem itself, and the table
 * can hold blocks of any of the sizes that the umem has: one, unless blocks of
 * different sizes have been asked for. Each block gets the largest size in
 * which its memory is one piece.
 *
 * What is put into the table has been learned from the page tables of the mm
 * without umem_mutex, and is true if the notifier's sequence is still the same
 * under it. See umem_odp_look.c and umem_odp_resize.c.
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

/* Blocks of an access, however it is aligned. */
#define ODP_FEW		(DIV_ROUND_UP(IB_ODP_MAP_MAX, PAGE_SIZE) + 1)
/* Failed attempts before an access does with the smallest blocks. */
#define ODP_PATIENCE	8

/* Something that wants memory in the table. */
struct odp_fill {
	struct ib_umem_odp *umem_odp;
	struct ib_odp_geometry geo;
	bool fault;
	bool write;
	/* the mm does not rest: no looks for larger blocks */
	bool hurry;
	struct ib_odp_look look;
	/* where the last fault began and ended */
	u64 faulted_from;
	u64 faulted;
	struct ib_odp_spare spare;
};

/* Set a look up for [@start, @end) in blocks of 1 << @shift. */
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

static u64 odp_batch_start(const struct ib_odp_look *look)
{
	return ALIGN_DOWN(look->start, BIT_ULL(look->shift));
}

static unsigned long odp_batch_blocks(const struct ib_odp_look *look)
{
	return ((look->end - 1) >> look->shift) -
	       (look->start >> look->shift) + 1;
}

/* What a look found out about the block at @addr. False if it is of no use. */
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

/* Is a block as the access wants it? */
static bool odp_wanted(const struct odp_fill *fill, unsigned long pfn)
{
	return (pfn & HMM_PFN_VALID) && (!fill->write || (pfn & HMM_PFN_WRITE));
}

/* Is the table the one that the fill is about, and memory as it was seen? */
static bool odp_same(const struct odp_fill *fill)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;

	return umem_odp->pages.generation == fill->geo.generation &&
	       !mmu_interval_read_retry(&umem_odp->notifier, fill->look.seq);
}

/* Get the memory that the table asks for, with umem_mutex dropped meanwhile. */
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

/* Put blocks into the table; umem_mutex is dropped on the way if need be. */
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

/* The same for all blocks of a look. */
static int odp_install_batch(struct odp_fill *fill)
{
	const struct ib_odp_look *look = &fill->look;
	unsigned long nr = odp_batch_blocks(look);
	int ret = 0;

	while (!ret &&
	       ib_odp_table_set_pfns(fill->umem_odp->table,
				     (unsigned long)odp_batch_start(look),
				     look->shift, look->pfns, nr, &fill->spare))
		ret = odp_get_spare(fill);
	return ret;
}

/* Take umem_mutex, if what was seen is still true. */
static int odp_lock(struct odp_fill *fill)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;

	mutex_lock(&umem_odp->umem_mutex);
	if (odp_same(fill))
		return 0;
	mutex_unlock(&umem_odp->umem_mutex);
	return -EAGAIN;
}

/* What the last look, at the smallest blocks, has found. */
static void odp_take_small(const struct odp_fill *fill,
			   struct ib_odp_block *blocks, unsigned int *nr)
{
	const struct ib_odp_look *look = &fill->look;
	unsigned long i, n = odp_batch_blocks(look);
	u64 addr = odp_batch_start(look);

	*nr = 0;
	for (i = 0; i < n; i++, addr += BIT_ULL(look->shift))
		if (odp_block(look->pfns[i], addr, look->shift, &blocks[*nr]))
			++*nr;
}

/* Fault [@start, @end) in, a few blocks of the smallest size. */
static int odp_look_few(struct odp_fill *fill, u64 start, u64 end)
{
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	struct ib_odp_look *look = odp_look_for(fill, start, end, shift);
	unsigned long i;
	int ret;

	if (WARN_ON_ONCE(odp_batch_blocks(look) > ODP_LOOK_BATCH))
		return -EINVAL;
	ret = ib_odp_look(look);
	for (i = 0; !ret && fill->fault && i < odp_batch_blocks(look); i++)
		if (!odp_wanted(fill, look->pfns[i]))
			ret = -ERANGE;
	return ret;
}

/* Map a few blocks of the smallest size, or the larger ones they are part of. */
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

/* Map blocks of the only size, at most ODP_LOOK_BATCH. */
static int odp_map_batch(struct odp_fill *fill, u64 start, u64 end)
{
	unsigned long i;
	int ret;

	ret = odp_look_few(fill, start, end);
	if (ret)
		return ret;
	for (i = 0; i < odp_batch_blocks(&fill->look); i++)
		if (!(fill->look.pfns[i] & HMM_PFN_VALID))
			fill->look.pfns[i] = 0;
	ret = odp_lock(fill);
	if (ret)
		return ret;
	ret = odp_install_batch(fill);
	mutex_unlock(&fill->umem_odp->umem_mutex);
	return ret;
}

/* What is missing at @start, and with it as much as one fault may bring. */
static int odp_fault_next(struct odp_fill *fill, u64 start, u64 end)
{
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	u64 size = BIT_ULL(shift);
	u64 span = ODP_LOOK_BATCH << shift;

	/* The rest of a window may come with its first page. */
	end = min(end, ALIGN_DOWN(start, span) + span);
	if (start != fill->faulted)
		end = min(end, ALIGN_DOWN(start, size) + size);
	fill->faulted_from = start;
	fill->faulted = end;
	return odp_look_few(fill, start, end);
}

/*
 * Map blocks of any size from @start on, as many as are found in one look, and
 * fault in what is missing after them. @next is where to go on.
 */
static int odp_map_mixed(struct odp_fill *fill, u64 start, u64 end, u64 *next)
{
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	u64 span = ODP_LOOK_BATCH << shift;
	struct ib_odp_block blocks[ODP_FEW];
	unsigned int nr = ODP_FEW;
	struct ib_odp_look *look;
	int ret;

	/*
	 * Without faults a look does not stop at what is not there. It holds mmap_lock,
	 * and no signal ends it, so it gets no more than a window.
	 */
	if (!fill->fault)
		end = min(end, ALIGN_DOWN(start, span) + span);
	look = odp_look_for(fill, start, end, shift);
	look->seq = mmu_interval_read_begin(look->notifier);
	ret = ib_odp_look_mixed(look, fill->geo.sizes, blocks, &nr, next);
	if (ret == -EBUSY)
		return -EAGAIN;
	if (ret)
		return ret;
	/* A block of many pages, larger than ib_odp_look_mixed() looks for. */
	if (fill->fault && !nr && start == fill->faulted_from) {
		*next = min(end, fill->faulted);
		return odp_map_batch(fill, start, *next);
	}
	if (nr) {
		ret = odp_lock(fill);
		if (ret)
			return ret;
		ret = odp_install(fill, blocks, nr);
		mutex_unlock(&fill->umem_odp->umem_mutex);
	}
	if (!ret && fill->fault && *next < end && nr < ODP_FEW)
		ret = odp_fault_next(fill, *next, end);
	return ret;
}

/*
 * Fill [@start, @end) with the largest blocks that memory is made of. Without
 * faults, what has no memory is skipped, at little cost for its length.
 */
static int odp_fill(struct odp_fill *fill, u64 start, u64 end)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;
	unsigned int shift = (unsigned int)__ffs64(fill->geo.sizes);
	int ret = 0;

	while (start < end) {
		u64 next;

		if (!fill->fault) {
			start = ib_odp_next_mapped(umem_odp->umem.owning_mm,
						   start, end);
			if (start >= end)
				break;
		}
		if (is_power_of_2(fill->geo.sizes)) {
			next = min(end, ALIGN_DOWN(start, BIT_ULL(shift)) +
						(ODP_LOOK_BATCH << shift));
			ret = odp_map_batch(fill, start, next);
		} else {
			ret = odp_map_mixed(fill, start, end, &next);
		}
		/* Memory that is being invalidated can be faulted in later. */
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
 * @fault: fault memory in; else take what is there
 *
 * Each block is mapped in the largest of the sizes of the umem that its memory
 * is made of. If it is of none, the umem goes to the next smaller accepted size.
 *
 * Return: 0; -EFAULT if there is no memory, or it is out of the umem; -EPERM if
 *	   it may not be written; -ERANGE if it is not made of blocks of an
 *	   accepted size; -EBUSY if it is being invalidated all the time; -EINTR;
 *	   -ENOMEM
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
		return -EFAULT;
	fill.look.pfns = kmalloc_array(ODP_LOOK_BATCH, sizeof(*fill.look.pfns),
				       GFP_KERNEL);
	ret = fill.look.pfns ? -EAGAIN : -ENOMEM;
	charge = ib_umem_odp_charge(umem_odp);
	/* A table of another size has to be filled from the start. */
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
	kfree(fill.look.pfns);
	kfree(fill.spare.mem);
	mmput_async(mm);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_fill);

/**
 * ib_umem_odp_mapped - is all of a range in the table?
 * @umem_odp: the umem, its umem_mutex held
 * @va: first address
 * @length: bytes
 * @write: the device wants to write
 *
 * For software devices that do not want to sleep in a page fault.
 *
 * Return: true if the range is in the table, and may be written if it has to be
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
 * ib_umem_odp_page - the page at an address
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
 * Faults memory in if it is not in the table. If its memory is not made of
 * blocks of a size of the umem, the umem goes to the next smaller accepted size.
 *
 * Return: 0 and umem_mutex is held until the caller is done with the memory; or
 *	   an error, see ib_umem_odp_fill()
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
	if (ret)
		return ret;

	ib_umem_odp_count_fault(umem_odp);
	ib_umem_odp_want_growth(umem_odp);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_map_and_lock);
