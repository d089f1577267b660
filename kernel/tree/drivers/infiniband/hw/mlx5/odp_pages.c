// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of ODP MRs.
 *
 * The device translates with the table of the mkey, so the mkey has to change
 * with the page size of the umem. UMRs under umem_mutex zap all entries of the
 * old table, then the additional entries of the new one, and then set the new
 * page size, so that the device never finds a valid entry in between. An access
 * in the meantime faults, as on any unmapped memory, and is resumed when the
 * fault has been served.
 *
 * An implicit MR has a child for each part of the address space in use. Each
 * child has its own page size: it starts with the largest accepted one, and
 * changes to a smaller one if a fault finds memory that does not have it.
 */
#include <linux/bits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include "mlx5_ib.h"
#include "odp_pages.h"
#include "umr.h"

/* Invalidate all entries of the mkey's table. */
static int mlx5r_odp_zap(struct mlx5_ib_mr *mr, struct ib_umem_odp *umem_odp)
{
	return mlx5r_umr_update_xlt(mr, 0, ib_umem_odp_num_pages(umem_odp), 0,
				    MLX5_IB_UPD_XLT_ZAP |
					    MLX5_IB_UPD_XLT_ATOMIC,
				    0);
}

static int mlx5r_odp_clear(struct ib_umem_odp *umem_odp)
{
	lockdep_assert_held(&umem_odp->umem_mutex);

	if (!umem_odp->private || !umem_odp->pages.blocks_mapped)
		return 0;
	return mlx5r_odp_zap(umem_odp->private, umem_odp);
}

static int mlx5r_odp_resize(struct ib_umem_odp *umem_odp)
{
	struct mlx5_ib_mr *mr = umem_odp->private;
	int err;

	lockdep_assert_held(&umem_odp->umem_mutex);

	/* The MR is being deregistered. */
	if (!mr)
		return -EFAULT;
	err = mlx5r_odp_zap(mr, umem_odp);
	if (err)
		return err;
	return mlx5r_umr_update_mr_page_shift(mr, umem_odp->page_shift);
}

static const struct ib_odp_device_ops mlx5r_odp_ops = {
	.clear = mlx5r_odp_clear,
	.resize = mlx5r_odp_resize,
};

/* Get a reference to the next child. NULL after the last one. */
static struct mlx5_ib_mr *mlx5r_odp_get_child(struct mlx5_ib_mr *imr,
					      unsigned long *idx)
{
	struct mlx5_ib_mr *child;

	xa_lock(&imr->implicit_children);
	child = xa_find(&imr->implicit_children, idx, ULONG_MAX, XA_PRESENT);
	if (child)
		refcount_inc(&child->odp_refs);
	xa_unlock(&imr->implicit_children);
	return child;
}

static void mlx5r_odp_for_each_child(struct ib_umem_odp *umem_odp,
				     void (*fn)(struct ib_umem_odp *child,
						void *arg),
				     void *arg)
{
	struct mlx5_ib_mr *imr = umem_odp->private;
	struct mlx5_ib_mr *child;
	unsigned long idx = 0;

	while ((child = mlx5r_odp_get_child(imr, &idx))) {
		fn(to_ib_umem_odp(child->umem), arg);
		mlx5r_odp_mr_put(child);
		idx++;
	}
}

static const struct ib_odp_device_ops mlx5r_odp_implicit_ops = {
	.for_each_child = mlx5r_odp_for_each_child,
};

/*
 * The mkey is enabled, and changes with the umem from now on. To be called
 * under umem_mutex, or before another thread can find the umem.
 */
void mlx5r_odp_enabled(struct mlx5_ib_mr *mr)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(mr->umem);

	umem_odp->private = mr;
	mr->page_shift = umem_odp->page_shift;
	umem_odp->pages.ops = umem_odp->is_implicit_odp ?
				      &mlx5r_odp_implicit_ops :
				      &mlx5r_odp_ops;
}

static void mlx5r_odp_retire(struct ib_umem_odp *child, void *arg)
{
	struct mlx5_ib_mr *mr = READ_ONCE(child->private);

	/* The child may be retired already because its memory was unmapped. */
	if (mr)
		mlx5r_odp_retire_child(mr);
}

/* log2 of the smallest page size that the mkey has entries for. */
unsigned int mlx5r_odp_min_shift(struct ib_umem *umem)
{
	return __ffs64(to_ib_umem_odp(umem)->pages.room);
}

void mlx5r_odp_init_page_caps(struct mlx5_ib_dev *dev)
{
	unsigned int max =
		get_max_log_entity_size_cap(dev, MLX5_MKC_ACCESS_MODE_MTT);
	unsigned int min =
		get_min_log_entity_size_cap(dev, MLX5_MKC_ACCESS_MODE_MTT);

	dev->odp_caps.page_sizes = GENMASK_ULL(min(max, ilog2(SZ_1G)),
					       max(min, PAGE_SHIFT));
	dev->odp_caps.page_flags = IB_UVERBS_ODP_POPULATE;
	if (MLX5_CAP_GEN(dev->mdev, fixed_buffer_size) &&
	    !MLX5_CAP_GEN(dev->mdev, umr_indirect_mkey_disabled) &&
	    mlx5r_mixed_can(dev, PMD_SIZE | PAGE_SIZE))
		dev->odp_caps.page_flags |= IB_UVERBS_ODP_MIXED;
}

/* Count a page fault of the device, after an attempt to serve it returned @ret. */
void mlx5r_odp_count_fault(struct mlx5_ib_mr *mr, s64 ret)
{
	struct ib_umem_odp *umem_odp;

	if (mr->umem->is_dmabuf)
		return;
	umem_odp = to_ib_umem_odp(mr->umem);
	if (ret == -ERANGE)
		ib_umem_odp_count_refused(umem_odp);
	if (ret < 0)
		return;
	mutex_lock(&umem_odp->umem_mutex);
	ib_umem_odp_count_fault(umem_odp);
	mutex_unlock(&umem_odp->umem_mutex);
}

struct ib_umem_odp *mlx5r_mr_odp(struct ib_mr *ibmr)
{
	struct mlx5_ib_mr *mr = to_mmr(ibmr);

	return mr->umem && is_odp_mr(mr) ? to_ib_umem_odp(mr->umem) : NULL;
}

static bool mlx5r_odp_wants_all(const struct ib_odp_request *req)
{
	return req && (req->flags & IB_UVERBS_ODP_POPULATE);
}

/*
 * Populate the memory before the mkey is enabled, if the request asks for that.
 * The table of the mkey is then written only once.
 */
int mlx5r_odp_prepare(struct ib_umem_odp *umem_odp,
		      const struct ib_odp_request *req)
{
	return mlx5r_odp_wants_all(req) ? ib_umem_odp_fault_in(umem_odp) : 0;
}

/* Map what is still missing of an MR that is to be populated. */
int mlx5r_odp_complete(struct mlx5_ib_mr *mr, const struct ib_odp_request *req)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(mr->umem);
	bool all;

	if (!mlx5r_odp_wants_all(req))
		return 0;
	mutex_lock(&umem_odp->umem_mutex);
	all = umem_odp->pages.blocks_mapped == ib_umem_odp_num_pages(umem_odp);
	mutex_unlock(&umem_odp->umem_mutex);
	return all ? 0 : mlx5r_odp_populate(mr);
}

/*
 * Register a mixed MR if the request is for one. Returns NULL if a single block
 * size is to be used; clears IB_UVERBS_ODP_MIXED in @req if that is because the
 * device does not support these sizes in one MR.
 */
struct mlx5_ib_mr *mlx5r_odp_try_mixed(struct ib_pd *pd, u64 start, u64 length,
				       u64 iova, int access_flags,
				       struct ib_odp_request *req)
{
	struct ib_umem_odp *umem_odp;
	struct mlx5_ib_mr *mr;
	int err;

	if (!req || !(req->flags & IB_UVERBS_ODP_MIXED))
		return NULL;
	umem_odp = ib_umem_odp_alloc_mixed(pd->device, start, length, iova,
					   access_flags, req);
	if (IS_ERR(umem_odp))
		return ERR_CAST(umem_odp);
	if (!mlx5r_mixed_can(to_mdev(pd->device), umem_odp->pages.sizes)) {
		if (!is_power_of_2(umem_odp->pages.sizes))
			req->flags &= ~(u32)IB_UVERBS_ODP_MIXED;
		ib_umem_odp_release(umem_odp);
		return NULL;
	}
	mr = mlx5r_odp_reg_mixed(pd, umem_odp, access_flags);
	if (IS_ERR(mr))
		return mr;
	err = mlx5r_odp_complete(mr, req);
	if (err) {
		mlx5_ib_dereg_mr(&mr->ibmr, NULL);
		return ib_odp_err_ptr(err);
	}
	return mr;
}

/*
 * Does the MR accept more than base pages, other than by IB_ACCESS_HUGETLB? A mixed MR
 * counts even if it accepts base pages alone now: its children are mkeys of their own.
 */
bool mlx5r_odp_was_asked(const struct mlx5_ib_mr *mr)
{
	if (!mr->umem || !mr->umem->is_odp)
		return false;
	if (mr->odp_mixed)
		return true;
	return !(mr->access_flags & IB_ACCESS_HUGETLB) &&
	       to_ib_umem_odp(mr->umem)->pages.accepted != PAGE_SIZE;
}

/*
 * The length of the memory from @va on that is absent, up to @length. No part of an
 * implicit MR is created for it.
 */
size_t mlx5r_odp_absent(const struct mlx5_ib_mr *imr, u64 va, size_t length)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(imr->umem);
	struct mm_struct *mm = umem_odp->umem.owning_mm;
	u64 next;

	if (!mmget_not_zero(mm))
		return length;
	next = ib_umem_odp_next_mapped(umem_odp, va, va + length);
	mmput_async(mm);
	return (size_t)(next - va);
}

int mlx5r_modify_mr_odp(struct ib_mr *ibmr, const struct ib_odp_request *req)
{
	struct ib_umem_odp *umem_odp = mlx5r_mr_odp(ibmr);
	unsigned long generation = READ_ONCE(umem_odp->pages.generation);
	struct mlx5_ib_mr *mr = to_mmr(ibmr);
	int err;

	if (mr->odp_mixed) {
		err = mlx5r_modify_mixed(mr, req);
		return err ?: mlx5r_odp_complete(mr, req);
	}

	if (umem_odp->is_implicit_odp) {
		err = ib_umem_odp_choose_implicit(umem_odp, req);
		if (err)
			return err;
		/*
		 * Pairs with the barrier in implicit_get_child_mr(): either
		 * this loop sees a new child, or its creator sees the new
		 * generation and retires it.
		 */
		smp_mb();
		mlx5r_odp_for_each_child(umem_odp, mlx5r_odp_retire, NULL);
		return 0;
	}

	err = ib_umem_odp_renegotiate(umem_odp, req);
	/*
	 * As at registration, map present memory with the permissions of the
	 * CPU's page tables. So read-only memory can be read through a writable
	 * MR, in which a fault would ask for write access. Populated memory
	 * must be writable.
	 */
	if (!err)
		err = mlx5r_odp_prepare(umem_odp, req);
	if (!err && READ_ONCE(umem_odp->pages.generation) != generation)
		err = mlx5r_odp_take(mr);
	return err ?: mlx5r_odp_complete(mr, req);
}

static void mlx5r_add_entries(struct ib_uverbs_mr_pages *pages, u64 n,
			      size_t size)
{
	pages->entries += n;
	pages->device_bytes += n * size;
}

/* Add the entries of an mkey. */
static void mlx5r_add_table(struct ib_umem_odp *umem_odp, void *arg)
{
	u64 n;

	mutex_lock(&umem_odp->umem_mutex);
	n = ib_umem_odp_num_pages(umem_odp);
	mutex_unlock(&umem_odp->umem_mutex);
	mlx5r_add_entries(arg, n, sizeof(struct mlx5_mtt));
}

/* Add the entries of an MR and, if it is mixed, of its children. */
static void mlx5r_add_tables(struct ib_umem_odp *umem_odp, void *arg)
{
	struct mlx5_ib_mr *mr = READ_ONCE(umem_odp->private);
	size_t entries = mr ? mlx5r_mixed_entries(mr) : 0;

	if (!entries) {
		mlx5r_add_table(umem_odp, arg);
		return;
	}
	mlx5r_add_entries(arg, entries, sizeof(struct mlx5_ksm));
	umem_odp->pages.ops->for_each_child(umem_odp, mlx5r_add_table, arg);
}

/* Add the entries and base pages of a part of an implicit MR. */
static void mlx5r_add_part(struct ib_umem_odp *umem_odp, void *arg)
{
	struct ib_uverbs_mr_pages *pages = arg;

	pages->base_pages += ib_umem_odp_base_pages(umem_odp);
	mlx5r_add_tables(umem_odp, pages);
}

static void mlx5r_odp_pages(struct mlx5_ib_mr *mr,
			    struct ib_uverbs_mr_pages *pages)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(mr->umem);

	ib_umem_odp_get_pages(umem_odp, pages);
	pages->entries = 0;
	pages->device_bytes = 0;
	if (!mr->is_odp_implicit) {
		mlx5r_add_tables(umem_odp, pages);
		return;
	}
	pages->kind = IB_UVERBS_MR_IMPLICIT;
	pages->base_pages = 0;
	mlx5r_add_entries(pages, mlx5r_implicit_entries(),
			  sizeof(struct mlx5_ksm));
	mlx5r_odp_for_each_child(umem_odp, mlx5r_add_part, pages);
}

/*
 * Pinned memory of one page size, or a dma-buf, whose page size may change. The umem
 * is left alone, because netlink does not exclude a re-registration, which replaces
 * it. Netlink may report some of the old and some of the new values then.
 */
static void mlx5r_pinned_table(const struct mlx5_ib_mr *mr, size_t entry_size,
			       struct ib_uverbs_mr_pages *pages)
{
	u64 iova = READ_ONCE(mr->ibmr.iova);
	u64 last = iova + READ_ONCE(mr->ibmr.length) - 1;
	unsigned int shift = READ_ONCE(mr->page_shift);

	*pages = (struct ib_uverbs_mr_pages){
		.kind = mr->is_dmabuf ? IB_UVERBS_MR_DMABUF :
					IB_UVERBS_MR_PINNED,
		.page_shift = shift,
	};
	mlx5r_add_entries(pages, (last >> shift) - (iova >> shift) + 1,
			  entry_size);
}

/* A data direct MR points to another mkey, which has the table. */
static void mlx5r_data_direct_pages(struct mlx5_ib_mr *mr,
				    struct ib_uverbs_mr_pages *pages)
{
	struct mlx5_ib_dev *dev = mr_to_mdev(mr);

	mutex_lock(&dev->data_direct_lock);
	mlx5r_pinned_table(mr->dd_crossed_mr, sizeof(struct mlx5_ksm), pages);
	pages->base_pages = ib_umem_num_pages(mr->dd_crossed_mr->umem);
	mutex_unlock(&dev->data_direct_lock);
}

/* All but the base pages of memory that is pinned, see mlx5r_pinned_table(). */
static int mlx5r_mr_table(struct mlx5_ib_mr *mr,
			  struct ib_uverbs_mr_pages *pages)
{
	if (mr->ibmr.type != IB_MR_TYPE_USER)
		return -EOPNOTSUPP;
	/* A failed re-registration may have taken the umem away. */
	if (!mr->data_direct && !READ_ONCE(mr->umem))
		return -EOPNOTSUPP;
	if (mr->data_direct)
		mlx5r_data_direct_pages(mr, pages);
	else if (mr->pinned_mixed)
		mlx5r_mr_mixed_pages(mr, pages);
	else if ((mr->access_flags & IB_ACCESS_ON_DEMAND) && !mr->is_dmabuf)
		mlx5r_odp_pages(mr, pages);
	else
		mlx5r_pinned_table(mr, sizeof(struct mlx5_mtt), pages);
	return 0;
}

int mlx5r_mr_pages(struct ib_mr *ibmr, struct ib_uverbs_mr_pages *pages)
{
	struct mlx5_ib_mr *mr = to_mmr(ibmr);
	int ret = mlx5r_mr_table(mr, pages);

	if (!ret && !mr->data_direct && !is_odp_mr(mr))
		pages->base_pages = ib_umem_num_pages(mr->umem);
	return ret;
}

/**
 * mlx5r_mr_put_res - put the page size and state of an MR into a netlink message
 * @msg: the message, within a nest of driver attributes
 * @mr: an MR that is not deregistered meanwhile, but maybe registered again
 *
 * Return: 0 or -EMSGSIZE
 */
int mlx5r_mr_put_res(struct sk_buff *msg, struct mlx5_ib_mr *mr)
{
	struct ib_uverbs_mr_pages pages;
	int ret;

	if (mlx5r_mr_table(mr, &pages))
		return 0;
	ret = ib_mr_put_res(msg, &pages);
	if (!ret && (pages.kind == IB_UVERBS_MR_ODP ||
		     pages.kind == IB_UVERBS_MR_IMPLICIT))
		ret = ib_umem_odp_put_res(msg, to_ib_umem_odp(mr->umem));
	return ret;
}

/*
 * Blocks of two sizes instead of @entries pages of @page_size, or NULL. The extra
 * indirection is used only if it at least halves the number of entries, or if
 * max_entries rules out a single page size.
 */
static struct mlx5r_mr_plan *mlx5r_pinned_mixed(struct ib_umem *umem, u64 iova,
						unsigned long page_size,
						u64 entries,
						const struct ib_odp_request *req)
{
	u64 most = entries / 2;

	if (req->max_entries && req->max_entries < entries)
		most = entries - 1;
	return mlx5r_mr_plan_mixed(umem, iova, page_size,
				   req->page_sizes ?: U64_MAX, most);
}

/*
 * The page size of an MR of pinned memory that has a request: the largest accepted
 * one up to the best, 0 without a request. The best one is no larger than what holds
 * the MR in one page. Whether a larger one would do depends on bits of physical
 * addresses, which users could find by trying. With IB_UVERBS_ODP_MIXED, @plan is
 * for blocks of two sizes if that is better, else NULL.
 */
int mlx5r_pinned_choose(struct ib_umem *umem, u64 iova, struct ib_udata *udata,
			unsigned long *page_size, struct mlx5r_mr_plan **plan)
{
	struct mlx5_ib_dev *dev = to_mdev(umem->ibdev);
	unsigned long best, sizes;
	struct ib_odp_request req;
	u64 entries;
	int ret;

	*page_size = 0;
	*plan = NULL;
	ret = ib_odp_request_from_udata(udata, &req);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	best = mlx5_umem_mkc_find_best_pgsz(dev, umem, iova,
					    MLX5_MKC_ACCESS_MODE_MTT);
	/* The user chose an iova that wraps. */
	if (!best)
		return -EINVAL;
	sizes = GENMASK(ilog2(best),
			get_min_log_entity_size_cap(dev,
						    MLX5_MKC_ACCESS_MODE_MTT));
	if (req.page_sizes)
		sizes &= req.page_sizes;
	if (!sizes)
		return -ERANGE;
	*page_size = rounddown_pow_of_two(sizes);
	entries = ib_umem_num_dma_blocks(umem, *page_size);
	if (req.flags & IB_UVERBS_ODP_MIXED) {
		*plan = mlx5r_pinned_mixed(umem, iova, *page_size, entries,
					   &req);
		if (IS_ERR(*plan))
			return PTR_ERR_OR_ZERO(*plan);
	}
	if (*plan)
		entries = mlx5r_mr_plan_entries(*plan);
	ret = ib_mr_check_entries(udata, &req, entries);
	if (ret)
		mlx5r_mr_plan_free(*plan);
	return ret;
}
