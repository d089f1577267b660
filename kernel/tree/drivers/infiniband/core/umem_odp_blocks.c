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
 * under it. For resize_sem see umem_odp_pages.c.
 */
#include <linux/export.h>
#include <linux/hmm-block.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_odp_table.h>
#include <rdma/ib_umem_odp.h>

/* Blocks to look up at a time; the same for an access, however it is aligned. */
#define ODP_BATCH	512
#define ODP_FEW		(DIV_ROUND_UP(IB_ODP_MAP_MAX, PAGE_SIZE) + 1)
/* Bytes to fill before others have their turn, if blocks are not larger. */
#define ODP_WINDOW	SZ_64M
/* Failed attempts before an access does with the smallest blocks. */
#define ODP_PATIENCE	8
#define ODP_TIMEOUT	msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT)

/* Something that wants memory in the table. */
struct odp_fill {
	struct ib_umem_odp *umem_odp;
	bool fault;
	bool write;
	/* the mm does not rest: no looks for larger blocks */
	bool hurry;
	/* what HMM said about each block of the last look */
	unsigned long *pfns;
	struct ib_odp_spare spare;
};

static bool odp_inside(const struct ib_umem_odp *umem_odp, u64 start, u64 end)
{
	return start >= umem_odp->table->start && start < end &&
	       end <= umem_odp->table->end;
}

static unsigned long odp_hmm_flags(const struct odp_fill *fill)
{
	if (!fill->fault)
		return 0;
	return HMM_PFN_REQ_FAULT | (fill->write ? HMM_PFN_REQ_WRITE : 0);
}

static void odp_range(const struct odp_fill *fill, struct hmm_range *range,
		      unsigned long start, unsigned long end,
		      unsigned int shift)
{
	*range = (struct hmm_range){
		.notifier = &fill->umem_odp->notifier,
		.start = ALIGN_DOWN(start, BIT(shift)),
		.end = ALIGN(end, BIT(shift)),
		.block_shift = shift,
	};
}

/* What HMM said about the block at @addr. False if there is nothing to use. */
static bool odp_block(unsigned long hmm_pfn, unsigned long addr,
		      unsigned int shift, struct ib_odp_block *block)
{
	if (!(hmm_pfn & HMM_PFN_VALID))
		return false;
	*block = (struct ib_odp_block){
		.addr = addr,
		.pfn = hmm_pfn & ~HMM_PFN_FLAGS,
		.shift = shift,
		.write = hmm_pfn & HMM_PFN_WRITE,
	};
	return true;
}

/*
 * @block is of the smallest size: is it part of a larger one that is as good?
 * The notifier's sequence tells later whether the answer is true.
 */
static void odp_enlarge(const struct odp_fill *fill, unsigned long seq,
			struct ib_odp_block *block)
{
	u64 sizes = fill->umem_odp->table->sizes & ~BIT_ULL(block->shift);
	struct mm_struct *mm = fill->umem_odp->umem.owning_mm;

	while (sizes) {
		unsigned int shift = fls64(sizes) - 1;
		unsigned long mask = BIT(shift) - 1;
		struct ib_odp_block larger;
		unsigned long hmm_pfn = 0;
		struct hmm_range range;
		int ret;

		sizes &= ~BIT_ULL(shift);
		/* Memory of another alignment cannot be. */
		if ((block->addr ^ (block->pfn << PAGE_SHIFT)) & mask)
			continue;
		odp_range(fill, &range, block->addr, block->addr + 1, shift);
		range.notifier_seq = seq;
		range.block_flags = HMM_BLOCK_STRICT;
		range.hmm_pfns = &hmm_pfn;
		mmap_read_lock(mm);
		ret = hmm_range_fault(&range);
		mmap_read_unlock(mm);
		if (!ret && odp_block(hmm_pfn, range.start, shift, &larger) &&
		    larger.write >= block->write) {
			*block = larger;
			return;
		}
	}
}

/* Get the memory that the table asks for, with umem_mutex dropped meanwhile. */
static int odp_get_spare(struct odp_fill *fill, unsigned long seq)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;
	struct ib_odp_spare *spare = &fill->spare;

	lockdep_assert_held(&umem_odp->umem_mutex);

	mutex_unlock(&umem_odp->umem_mutex);
	kfree(spare->mem);
	spare->mem = kzalloc(spare->bytes, GFP_KERNEL | __GFP_NOWARN);
	mutex_lock(&umem_odp->umem_mutex);
	if (!spare->mem)
		return -ENOMEM;
	return mmu_interval_read_retry(&umem_odp->notifier, seq) ? -EAGAIN : 0;
}

/* Put blocks into the table; umem_mutex is dropped on the way if need be. */
static int odp_install(struct odp_fill *fill, const struct ib_odp_block *blocks,
		       unsigned int nr, unsigned long seq)
{
	struct ib_odp_table *table = fill->umem_odp->table;
	unsigned int i = 0;
	int ret = 0;

	while (!ret && i < nr)
		if (ib_odp_table_set(table, &blocks[i], &fill->spare))
			ret = odp_get_spare(fill, seq);
		else
			i++;
	return ret;
}

/* The same for what HMM said about a range. */
static int odp_install_range(struct odp_fill *fill,
			     const struct hmm_range *range, unsigned int shift)
{
	struct ib_odp_table *table = fill->umem_odp->table;
	unsigned long nr = (range->end - range->start) >> shift;
	int ret = 0;

	while (!ret && ib_odp_table_set_pfns(table, range->start, shift,
					     range->hmm_pfns, nr, &fill->spare))
		ret = odp_get_spare(fill, range->notifier_seq);
	return ret;
}

/* Take umem_mutex, if what HMM said is still true. */
static int odp_lock(struct ib_umem_odp *umem_odp, unsigned long seq)
{
	mutex_lock(&umem_odp->umem_mutex);
	if (!mmu_interval_read_retry(&umem_odp->notifier, seq))
		return 0;
	mutex_unlock(&umem_odp->umem_mutex);
	return -EAGAIN;
}

/* Map a few blocks of the smallest size, or the larger ones they are part of. */
static int odp_map_few_and_lock(struct odp_fill *fill, unsigned long start,
				unsigned long end)
{
	unsigned int shift = __ffs64(fill->umem_odp->table->sizes);
	struct ib_odp_block blocks[ODP_FEW];
	unsigned long pfns[ODP_FEW] = {};
	struct hmm_range range;
	unsigned int nr = 0;
	unsigned long addr;
	int ret;

	odp_range(fill, &range, start, end, shift);
	if (WARN_ON_ONCE(range.end - range.start > ODP_FEW << shift))
		return -EINVAL;
	range.default_flags = odp_hmm_flags(fill);
	range.hmm_pfns = pfns;
	ret = hmm_range_fault_unlocked_timeout(&range, ODP_TIMEOUT);
	if (ret)
		return ret;

	for (addr = range.start; addr < range.end; addr += BIT(shift)) {
		if (nr && addr - blocks[nr - 1].addr < BIT(blocks[nr - 1].shift))
			continue;
		if (!odp_block(pfns[(addr - range.start) >> shift], addr, shift,
			       &blocks[nr]))
			continue;
		if (!fill->hurry)
			odp_enlarge(fill, range.notifier_seq, &blocks[nr]);
		nr++;
	}

	ret = odp_lock(fill->umem_odp, range.notifier_seq);
	if (ret)
		return ret;
	ret = odp_install(fill, blocks, nr, range.notifier_seq);
	if (ret)
		mutex_unlock(&fill->umem_odp->umem_mutex);
	return ret;
}

/*
 * Map blocks of one size, at most ODP_BATCH. With @report blocks that are not
 * one piece are left out, and fill->pfns tells which.
 */
static int odp_map_batch(struct odp_fill *fill, unsigned long start,
			 unsigned long end, unsigned int shift, bool report)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;
	struct hmm_range range;
	int ret;

	do {
		odp_range(fill, &range, start, end, shift);
		range.default_flags = odp_hmm_flags(fill);
		range.block_flags = report ? HMM_BLOCK_REPORT : 0;
		range.hmm_pfns = fill->pfns;
		memset(fill->pfns, 0, ODP_BATCH * sizeof(*fill->pfns));
		ret = hmm_range_fault_unlocked_timeout(&range, ODP_TIMEOUT);
		if (ret)
			return ret;

		ret = odp_lock(umem_odp, range.notifier_seq);
		if (ret)
			continue;
		ret = odp_install_range(fill, &range, shift);
		mutex_unlock(&umem_odp->umem_mutex);
	} while (ret == -EAGAIN && !fatal_signal_pending(current));
	return ret == -EAGAIN ? -EINTR : ret;
}

static int odp_fill(struct odp_fill *fill, unsigned long start,
		    unsigned long end, u64 sizes);

/* Less than a block of 1 << @shift is wanted, and smaller ones will do. */
static int odp_fill_part(struct odp_fill *fill, unsigned long start,
			 unsigned long end, unsigned int shift, u64 smaller)
{
	struct ib_umem_odp *umem_odp = fill->umem_odp;
	struct ib_odp_block block = {};
	int ret;

	do {
		ret = odp_map_few_and_lock(fill, start, start + 1);
	} while (ret == -EAGAIN && !fatal_signal_pending(current));
	if (ret)
		return ret == -EAGAIN ? -EINTR : ret;
	ib_odp_table_get(umem_odp->table, start, &block);
	mutex_unlock(&umem_odp->umem_mutex);
	if (block.shift >= shift)
		return 0;
	return odp_fill(fill, start, end, smaller);
}

/* Map whole blocks of 1 << @shift, at most ODP_BATCH. */
static int odp_fill_whole(struct odp_fill *fill, unsigned long start,
			  unsigned long end, unsigned int shift, u64 smaller)
{
	unsigned long nr = DIV_ROUND_UP(end - start, BIT(shift));
	DECLARE_BITMAP(finer, ODP_BATCH) = {};
	unsigned long i;
	int ret;

	ret = odp_map_batch(fill, start, end, shift, smaller);
	if (ret || !smaller)
		return ret;
	for (i = 0; i < nr; i++)
		if ((fill->pfns[i] & HMM_PFN_FINER) == HMM_PFN_FINER &&
		    !(fill->pfns[i] & HMM_PFN_VALID))
			__set_bit(i, finer);
	for_each_set_bit(i, finer, nr) {
		ret = odp_fill(fill, start + (i << shift),
			       start + ((i + 1) << shift), smaller);
		if (ret)
			break;
	}
	return ret;
}

/*
 * Fill [@start, @end) with the largest blocks of @sizes that memory is made of.
 * Without faults, what has no memory is skipped, at no cost for its length.
 */
static int odp_fill(struct odp_fill *fill, unsigned long start,
		    unsigned long end, u64 sizes)
{
	struct mm_struct *mm = fill->umem_odp->umem.owning_mm;
	unsigned int shift = fls64(sizes) - 1;
	u64 smaller = sizes & ~BIT_ULL(shift);
	unsigned long size = BIT(shift);
	int ret = 0;

	while (start < end) {
		unsigned long first = ALIGN_DOWN(start, size);
		unsigned long next;

		if (!fill->fault) {
			start = hmm_block_next(mm, start, end);
			if (start >= end)
				break;
			first = ALIGN_DOWN(start, size);
		}
		if (smaller && (start != first || end - start < size)) {
			next = min(first + size, end);
			ret = odp_fill_part(fill, start, next, shift, smaller);
		} else {
			next = smaller ? ALIGN_DOWN(end, size) : end;
			next = min(next, first + ODP_BATCH * size);
			ret = odp_fill_whole(fill, start, next, shift, smaller);
		}
		/* Memory that is being invalidated can be faulted in later. */
		if (ret == -EBUSY && !fill->fault)
			ret = 0;
		if (ret)
			break;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		start = next;
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
	};
	u64 end = va + length;
	u64 cur = va;
	int busy = 0;
	int ret = 0;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	fill.pfns = kmalloc_array(ODP_BATCH, sizeof(*fill.pfns), GFP_KERNEL);
	if (!fill.pfns)
		ret = -ENOMEM;

	while (!ret && cur < end) {
		u32 generation = READ_ONCE(umem_odp->pages.generation);
		u64 next, window;

		if (!fault)
			cur = hmm_block_next(mm, cur, end);
		if (cur >= end)
			break;

		/* Others who need the semaphore get it between windows. */
		down_read(&umem_odp->resize_sem);
		window = max_t(u64, ODP_WINDOW, BIT_ULL(umem_odp->page_shift));
		next = min(end, ALIGN_DOWN(cur, window) + window);
		if (!odp_inside(umem_odp, cur, next))
			ret = -EFAULT;
		else
			ret = odp_fill(&fill, cur, next, umem_odp->table->sizes);
		up_read(&umem_odp->resize_sem);

		if (!ret) {
			cur = next;
		} else if (ret == -EBUSY && busy++ < IB_ODP_MAX_BUSY) {
			ret = 0;
		} else if (ret == -ERANGE) {
			ret = ib_umem_odp_step_down(umem_odp, generation);
			/* The table has been emptied. */
			cur = va;
		}
	}

	kfree(fill.pfns);
	kfree(fill.spare.mem);
	mmput(mm);
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
	int again = 0;
	int busy = 0;
	int ret;

	mutex_lock(&umem_odp->umem_mutex);
	if (ib_umem_odp_mapped(umem_odp, va, length, write))
		return 0;
	mutex_unlock(&umem_odp->umem_mutex);

	if (!mmget_not_zero(mm))
		return -EFAULT;
	do {
		u32 generation = READ_ONCE(umem_odp->pages.generation);

		down_read(&umem_odp->resize_sem);
		if (odp_inside(umem_odp, va, va + length))
			ret = odp_map_few_and_lock(&fill, va, va + length);
		else
			ret = -EFAULT;
		up_read(&umem_odp->resize_sem);

		if (ret == -EAGAIN && again++ == ODP_PATIENCE)
			fill.hurry = true;
		if (ret == -ERANGE &&
		    !ib_umem_odp_step_down(umem_odp, generation))
			ret = -EAGAIN;
		else if (ret == -EBUSY && busy++ < IB_ODP_MAX_BUSY)
			ret = -EAGAIN;
	} while (ret == -EAGAIN);
	kfree(fill.spare.mem);
	mmput_async(mm);
	if (ret)
		return ret;

	ib_umem_odp_count_fault(umem_odp);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_map_and_lock);
