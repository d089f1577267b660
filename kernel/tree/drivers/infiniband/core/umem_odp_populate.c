// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Memory for ODP umems before a device needs it. */
#include <linux/export.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>

#include "umem_odp_look.h"

/**
 * ib_umem_odp_fault_in - let all of an ODP umem have memory
 * @umem_odp: the umem
 *
 * Nothing is mapped for the device. Memory that is not made of blocks of the
 * umem's size is accepted here.
 *
 * Return: 0; -EFAULT if there is a hole, or memory that may not be accessed as the
 *	   MR wants it; -EBUSY if it is being invalidated all the time; -EINTR; -ENOMEM
 */
int ib_umem_odp_fault_in(struct ib_umem_odp *umem_odp)
{
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 start = umem_odp->umem.address;
	u64 end = start + umem_odp->umem.length;
	struct ib_odp_geometry geo;
	struct ib_odp_look look = {
		.notifier = &umem_odp->notifier,
		.fault = true,
		.write = umem_odp->umem.writable,
	};
	int ret = 0;

	look.pfns = kmalloc_array(ODP_LOOK_BATCH, sizeof(*look.pfns),
				  GFP_KERNEL);
	if (!look.pfns)
		return -ENOMEM;
	if (!mmget_not_zero(mm)) {
		kfree(look.pfns);
		return -EFAULT;
	}
	ib_umem_odp_get_geometry(umem_odp, &geo);
	look.shift = geo.shift;
	while (!ret && start < end) {
		look.start = start;
		look.end = min(end, ALIGN_DOWN(start, BIT_ULL(geo.shift)) +
					    (ODP_LOOK_BATCH << geo.shift));
		ret = ib_odp_look(&look);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		start = look.end;
		cond_resched();
	}
	ib_odp_look_free(&look);
	kfree(look.pfns);
	mmput_async(mm);
	/* EPERM would be about the caller. */
	return ret == -EPERM ? -EFAULT : ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_fault_in);
