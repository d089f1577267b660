// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Counters of ODP umems that the drivers increment, and the eventfd that reports
 * to the application that its MR has become worse: smaller pages, or accesses
 * that fail because the memory has no accepted page size.
 */
#include <linux/eventfd.h>
#include <linux/export.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_ioctl_verbs.h>

/**
 * ib_umem_odp_absorb - add the counters of a child to its implicit MR
 * @root: the umem that stands for all of the address space
 * @child: the umem, which is about to be freed
 */
void ib_umem_odp_absorb(struct ib_umem_odp *root, struct ib_umem_odp *child)
{
	struct ib_uverbs_odp_state state;

	ib_umem_odp_get_state(child, &state);
	mutex_lock(&root->umem_mutex);
	root->pages.invalidated += state.pages_invalidated;
	root->pages.renegotiations += state.renegotiations;
	root->pages.renegotiations_down += state.renegotiations_down;
	root->pages.refused += state.faults_refused;
	mutex_unlock(&root->umem_mutex);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_absorb);

/**
 * ib_umem_odp_count_fault - count a page fault of the device
 * @umem_odp: the umem, its umem_mutex held
 */
void ib_umem_odp_count_fault(struct ib_umem_odp *umem_odp)
{
	lockdep_assert_held(&umem_odp->umem_mutex);

	umem_odp->pages.faults++;
	umem_odp->pages.settled = true;
}
EXPORT_SYMBOL_GPL(ib_umem_odp_count_fault);

/**
 * ib_umem_odp_set_event - set the eventfd of an ODP umem
 * @umem_odp: the umem of an MR
 * @event: the new eventfd, whose reference the umem takes over, or NULL
 *
 * Replaces the previous eventfd, if any.
 */
void ib_umem_odp_set_event(struct ib_umem_odp *umem_odp,
			   struct eventfd_ctx *event)
{
	mutex_lock(&umem_odp->umem_mutex);
	swap(umem_odp->pages.event, event);
	mutex_unlock(&umem_odp->umem_mutex);
	if (event)
		eventfd_ctx_put(event);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_set_event);

/**
 * ib_umem_odp_signal - signal the eventfd of an MR
 * @umem_odp: the umem of the MR or of a part of it
 *
 * To be called without umem_mutex. An application has a handle for an implicit
 * MR, but not for its parts.
 */
void ib_umem_odp_signal(struct ib_umem_odp *umem_odp)
{
	while (umem_odp->pages.root)
		umem_odp = umem_odp->pages.root;
	mutex_lock(&umem_odp->umem_mutex);
	if (umem_odp->pages.event)
		eventfd_signal(umem_odp->pages.event);
	mutex_unlock(&umem_odp->umem_mutex);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_signal);

/**
 * ib_umem_odp_count_refused - count a fault that no accepted page size fits
 * @umem_odp: the umem
 *
 * To be called without umem_mutex, for a fault of the device that failed with
 * -ERANGE. Signals the eventfd of the MR.
 */
void ib_umem_odp_count_refused(struct ib_umem_odp *umem_odp)
{
	mutex_lock(&umem_odp->umem_mutex);
	umem_odp->pages.refused++;
	mutex_unlock(&umem_odp->umem_mutex);
	ib_umem_odp_signal(umem_odp);
}
EXPORT_SYMBOL_GPL(ib_umem_odp_count_refused);
