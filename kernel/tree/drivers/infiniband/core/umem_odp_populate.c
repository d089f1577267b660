// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory for ODP umems before anybody needs it. */
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>

/* Blocks to fault in at a time, but not more bytes than these. */
#define ODP_BATCH	512
#define ODP_WINDOW	((unsigned long)SZ_64M)

/* Fault some blocks from @addr on in. Returns where they end, or an error. */
static long odp_fault_in_some(struct ib_umem_odp *umem_odp, unsigned long addr,
			      unsigned long *pfns)
{
	unsigned long size = BIT(umem_odp->page_shift);
	unsigned long bytes = clamp(ODP_BATCH * size, size,
				    max(ODP_WINDOW, size));
	struct hmm_range range = {
		.notifier = &umem_odp->notifier,
		.start = addr,
		.end = min_t(unsigned long, addr + bytes,
			     ib_umem_end(umem_odp)),
		.block_shift = umem_odp->page_shift,
		.default_flags = HMM_PFN_REQ_FAULT,
		.hmm_pfns = pfns,
	};
	int ret;

	lockdep_assert_held(&umem_odp->resize_sem);

	if (umem_odp->umem.writable)
		range.default_flags |= HMM_PFN_REQ_WRITE;
	memset(pfns, 0, ODP_BATCH * sizeof(*pfns));
	ret = hmm_range_fault_unlocked_timeout(&range,
					       msecs_to_jiffies(HMM_RANGE_DEFAULT_TIMEOUT));
	return ret ?: (long)range.end;
}

/**
 * ib_umem_odp_fault_in - let all of an ODP umem have memory
 * @umem_odp: the umem
 *
 * Nothing is mapped for the device. Memory that is not made of blocks of the
 * umem's size makes it go to the next smaller accepted one.
 *
 * Return: 0; -EFAULT if there is a hole, or memory that may not be written;
 *	   -ERANGE if memory is not made of blocks of an accepted size; -EBUSY if
 *	   it is being invalidated all the time; -EINTR; -ENOMEM
 */
int ib_umem_odp_fault_in(struct ib_umem_odp *umem_odp)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	unsigned long *pfns;
	long next = 0;
	int busy = 0;
	int ret = 0;

	pfns = kmalloc_array(ODP_BATCH, sizeof(*pfns), GFP_KERNEL);
	if (!pfns)
		return -ENOMEM;
	if (!mmget_not_zero(mm)) {
		kfree(pfns);
		return -EFAULT;
	}
	while (!ret) {
		u32 generation = READ_ONCE(umem_odp->pages.generation);
		unsigned long addr;
		bool done;

		down_read(&umem_odp->resize_sem);
		addr = max_t(unsigned long, next, ib_umem_start(umem_odp));
		done = addr >= ib_umem_end(umem_odp);
		if (!done)
			next = odp_fault_in_some(umem_odp, addr, pfns);
		up_read(&umem_odp->resize_sem);
		if (done)
			break;

		if (next == -ERANGE) {
			ret = ib_umem_odp_step_down(umem_odp, generation);
			next = addr;
		} else if (next == -EBUSY && busy++ < IB_ODP_MAX_BUSY) {
			next = addr;
		} else if (next < 0) {
			/* EPERM would be about the caller. */
			ret = next == -EPERM ? -EFAULT : next;
		}
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	mmput(mm);
	kfree(pfns);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_fault_in);
