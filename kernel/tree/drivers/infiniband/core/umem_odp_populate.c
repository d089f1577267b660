// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Populate the memory of ODP umems before the device accesses it. */
#include <linux/export.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>

#include "umem_odp_look.h"

/**
 * ib_umem_odp_fault_in - fault in all memory of an ODP umem
 * @umem_odp: the umem
 *
 * Maps nothing in the device. Accepts memory that does not have the umem's
 * block size.
 *
 * Return: 0; -EFAULT if there is a hole, or memory without the permissions of
 *	   the MR; -EBUSY if it keeps being invalidated; -EINTR; -ENOMEM
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
	/* To user space, EPERM would mean a missing capability. */
	return ret == -EPERM ? -EFAULT : ret;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_fault_in);
