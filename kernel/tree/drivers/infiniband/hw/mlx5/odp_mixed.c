// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ODP MRs with blocks of several sizes.
 *
 * An mkey has a single page size. So the MR has a child mkey for each size,
 * with a table for the whole MR, and the MR's own mkey is a KSM: each of its
 * entries points to the child that maps the block. A block that cannot have the
 * size of one child is mapped by the child of the next smaller size.
 *
 * An entry covers the second smallest size; larger blocks have several entries.
 * The child of the largest size is created with the MR, and owns all blocks
 * that were not accessed yet. The others are created when they are needed.
 *
 * Each child has its own umem and interval notifier. Only the KSM and owner[]
 * are shared; they are protected by umem_mutex of the MR's umem, which has no
 * table. No umem_mutex nests inside of another one.
 */
#include <linux/bitops.h>
#include <linux/hmm.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include "mlx5_ib.h"
#include "odp_pages.h"
#include "umr.h"

/* The smallest size, PMD_SIZE, and the largest. */
#define MLX5R_MIXED_SIZES 3
/* The most entries whose memory is mapped by one update of a child. */
#define MLX5R_MIXED_SPAN 512
/* The most entries that are cleared under one hold of a umem_mutex. */
#define MLX5R_MIXED_DROP 16384

struct mlx5r_odp_mixed {
	/* the largest first; unused elements are 0 */
	unsigned int shift[MLX5R_MIXED_SIZES];
	struct mlx5_ib_mr *child[MLX5R_MIXED_SIZES];
	unsigned int entry_shift;
	u64 first; /* address that the first entry maps */
	size_t entries;
	/* a bit for each child that may map memory; changes under umem_mutex */
	unsigned int accepted;
	bool stale; /* an update of the KSM failed: rewrite all of it */
	unsigned int restarts; /* changes of the accepted sizes that have begun */
	unsigned int complete; /* the last one of these that did all of its work */
	bool snapshot; /* map present memory at registration */
	u8 owner[]; /* for each entry the index of its child */
};

static struct ib_umem_odp *mlx5r_mixed_umem(const struct mlx5_ib_mr *mr)
{
	return to_ib_umem_odp(mr->umem);
}

static u64 mlx5r_mixed_to_iova(const struct mlx5_ib_mr *mr, u64 va)
{
	return va - mr->umem->address + mlx5r_mixed_umem(mr)->pages.iova;
}

void mlx5r_mixed_populate_ksm(struct mlx5_ksm *ksm, size_t idx, size_t n,
			      struct mlx5_ib_mr *mr)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	u64 va;

	lockdep_assert_held(&mlx5r_mixed_umem(mr)->umem_mutex);

	for (; n && idx < mixed->entries; n--, idx++, ksm++) {
		va = mixed->first + ((u64)idx << mixed->entry_shift);
		ksm->key = cpu_to_be32(mixed->child[mixed->owner[idx]]->ibmr.lkey);
		ksm->va = cpu_to_be64(mlx5r_mixed_to_iova(mr, va));
	}
	/* A UMR writes KSM entries in groups of four: clear the rest. */
	memset(ksm, 0, n * sizeof(*ksm));
}

static int mlx5r_mixed_update(struct mlx5_ib_mr *mr, size_t idx, size_t n)
{
	return mlx5r_umr_update_xlt(mr, idx, n, 0,
				    MLX5_IB_UPD_XLT_INDIRECT |
					    MLX5_IB_UPD_XLT_ATOMIC,
				    0);
}

static void mlx5r_mixed_choose(struct mlx5r_odp_mixed *mixed, u64 sizes)
{
	u64 largest = BIT_ULL(fls64(sizes) - 1);
	u64 smallest = sizes & -sizes;
	unsigned int i = 0;

	mixed->shift[i++] = ilog2(largest);
	if ((sizes & PMD_SIZE) && PMD_SIZE != largest && PMD_SIZE != smallest)
		mixed->shift[i++] = PMD_SHIFT;
	if (smallest != largest)
		mixed->shift[i++] = ilog2(smallest);
	mixed->entry_shift = mixed->shift[i > 1 ? i - 2 : 0];
}

/*
 * Does the device support blocks of these sizes in one MR? A KSM entry has
 * limits.
 */
bool mlx5r_mixed_can(struct mlx5_ib_dev *dev, u64 sizes)
{
	struct mlx5r_odp_mixed mixed = {};

	if (is_power_of_2(sizes))
		return false;
	mlx5r_mixed_choose(&mixed, sizes);
	return mixed.entry_shift >=
		       get_min_log_entity_size_cap(dev,
						   MLX5_MKC_ACCESS_MODE_KSM) &&
	       mixed.entry_shift <=
		       get_max_log_entity_size_cap(dev,
						   MLX5_MKC_ACCESS_MODE_KSM);
}

/*
 * The first child of an MR with a snapshot maps the memory that is present. The
 * other children map only what is faulted in.
 */
static int mlx5r_mixed_enable_child(struct mlx5_ib_mr *mr,
				    struct mlx5_ib_mr *child)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(child->umem);
	int err;

	if (!mr->odp_mixed->child[0] && mr->odp_mixed->snapshot)
		return mlx5_ib_init_odp_mr(child, mr->ibmr.pd);

	/* Nobody else knows this child, and an invalidation must not wait for it. */
	err = mlx5r_umr_update_xlt(child, 0, ib_umem_odp_num_pages(umem_odp),
				   umem_odp->page_shift,
				   MLX5_IB_UPD_XLT_ZAP | MLX5_IB_UPD_XLT_ENABLE,
				   to_mpd(mr->ibmr.pd)->pdn);
	if (err)
		return err;
	mutex_lock(&umem_odp->umem_mutex);
	mlx5r_odp_enabled(child);
	mutex_unlock(&umem_odp->umem_mutex);
	return 0;
}

static struct mlx5_ib_mr *mlx5r_mixed_new_child(struct mlx5_ib_mr *mr,
						unsigned int shift)
{
	struct mlx5_ib_dev *dev = mr_to_mdev(mr);
	struct ib_umem_odp *umem_odp;
	struct mlx5_ib_mr *child;
	int err;

	umem_odp = ib_umem_odp_alloc_child(mlx5r_mixed_umem(mr),
					   mr->umem->address, mr->umem->length,
					   BIT_ULL(shift), &mlx5_mn_ops);
	if (IS_ERR(umem_odp))
		return ERR_CAST(umem_odp);
	umem_odp->pages.iova = mlx5r_mixed_umem(mr)->pages.iova;
	child = mlx5r_odp_alloc_mkey(mr->ibmr.pd, &umem_odp->umem,
				     umem_odp->pages.iova, mr->access_flags);
	if (IS_ERR(child)) {
		ib_umem_odp_release(umem_odp);
		return child;
	}
	xa_init(&child->implicit_children);
	child->parent = mr;
	umem_odp->private = child;
	child->mmkey.type = MLX5_MKEY_IMPLICIT_CHILD;
	err = mlx5r_store_odp_mkey(dev, &child->mmkey, mr->mmkey.context);
	if (!err)
		err = mlx5r_mixed_enable_child(mr, child);
	if (err) {
		mlx5_ib_dereg_mr(&child->ibmr, NULL);
		return ib_odp_err_ptr(err);
	}
	return child;
}

/* The caller holds a reference to the mkey, or is its only user. */
static struct mlx5_ib_mr *mlx5r_mixed_make_child(struct mlx5_ib_mr *mr,
						 unsigned int i)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	struct mlx5_ib_mr *child, *old;

	child = mlx5r_mixed_new_child(mr, mixed->shift[i]);
	if (IS_ERR(child))
		return child;
	/* The reference of mixed->child[] */
	refcount_inc(&child->odp_refs);
	old = cmpxchg(&mixed->child[i], NULL, child);
	if (!old)
		return child;
	mlx5_ib_dereg_mr(&child->ibmr, NULL);
	mlx5r_odp_mr_put(child);
	return old;
}

/*
 * Get the child for a size, and create it if it is missing. It is freed with
 * the MR, and its mkey is destroyed with that of the MR.
 */
static struct mlx5_ib_mr *mlx5r_mixed_child(struct mlx5_ib_mr *mr,
					    unsigned int i)
{
	struct mlx5_ib_mr *child;

	/* Pairs with cmpxchg() in mlx5r_mixed_make_child() */
	child = smp_load_acquire(&mr->odp_mixed->child[i]);
	if (child)
		return child;
	/* The reference makes a deregistration wait until the child exists. */
	if (!refcount_inc_not_zero(&mr->mmkey.usecount))
		return ERR_PTR(-ENOENT);
	child = mlx5r_mixed_make_child(mr, i);
	mlx5r_deref_odp_mkey(&mr->mmkey);
	return child;
}

/*
 * Find the entries of a child for [@start, @end), from the first mapped one on. Returns
 * whether there is one.
 */
static bool mlx5r_mixed_range(struct ib_umem_odp *umem_odp, u64 start, u64 end,
			      size_t *idx, size_t *n)
{
	unsigned int shift = umem_odp->page_shift;
	size_t last;

	lockdep_assert_held(&umem_odp->umem_mutex);

	start = max_t(u64, start, ib_umem_start(umem_odp));
	end = min_t(u64, end, ib_umem_end(umem_odp));
	*idx = (start - ib_umem_start(umem_odp)) >> shift;
	last = ((end - 1 - ib_umem_start(umem_odp)) >> shift) + 1;
	*idx = ib_umem_odp_next_entry(umem_odp, *idx, last);
	*n = last - *idx;
	return *n;
}

static bool mlx5r_mixed_has(struct mlx5_ib_mr *child, u64 va)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(child->umem);
	size_t idx, n;
	bool has;

	mutex_lock(&umem_odp->umem_mutex);
	has = mlx5r_mixed_range(umem_odp, va, va + 1, &idx, &n);
	mutex_unlock(&umem_odp->umem_mutex);
	return has;
}

/*
 * Unmap [@start, @end) from a child that no longer owns it, in pieces: an invalidation
 * of the same memory waits for each.
 */
static int mlx5r_mixed_drop(struct mlx5_ib_mr *child, u64 start, u64 end)
{
	struct ib_umem_odp *umem_odp = to_ib_umem_odp(child->umem);
	bool more = true;
	size_t idx, n;
	int err = 0;
	u64 stop;

	while (!err && more) {
		mutex_lock(&umem_odp->umem_mutex);
		more = umem_odp->private &&
		       mlx5r_mixed_range(umem_odp, start, end, &idx, &n);
		if (more) {
			n = min_t(size_t, n, MLX5R_MIXED_DROP);
			start = ib_umem_start(umem_odp) +
				((u64)idx << umem_odp->page_shift);
			stop = start + ((u64)n << umem_odp->page_shift);
			err = mlx5r_umr_update_xlt(child, idx, n, 0,
						   MLX5_IB_UPD_XLT_ZAP |
							   MLX5_IB_UPD_XLT_ATOMIC,
						   0);
			if (!err)
				ib_umem_odp_unmap_dma_pages(umem_odp, start,
							    min(stop, end));
			start = stop;
			more = start < end;
		}
		mutex_unlock(&umem_odp->umem_mutex);
		cond_resched();
	}
	return err;
}

/*
 * Make child @i the only owner of [@start, @end), and update the KSM. Returns -ESTALE
 * if its size is not accepted any more.
 */
static int mlx5r_mixed_own(struct mlx5_ib_mr *mr, u64 start, u64 end,
			   unsigned int i)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	struct ib_umem_odp *umem_odp = mlx5r_mixed_umem(mr);
	size_t from = (start - mixed->first) >> mixed->entry_shift;
	size_t to = min_t(u64, mixed->entries,
			  (end - mixed->first) >> mixed->entry_shift);
	unsigned long others = 0;
	unsigned int other;
	int err = 0;
	size_t idx;

	mutex_lock(&umem_odp->umem_mutex);
	/* The mkey was destroyed while the caller faulted the memory in. */
	if (!umem_odp->private) {
		mutex_unlock(&umem_odp->umem_mutex);
		return -ENOENT;
	}
	if (!(mixed->accepted & BIT(i))) {
		mutex_unlock(&umem_odp->umem_mutex);
		err = mlx5r_mixed_drop(mixed->child[i], start, end);
		return err ?: -ESTALE;
	}
	for (idx = from; idx < to; idx++) {
		if (mixed->owner[idx] == i)
			continue;
		__set_bit(mixed->owner[idx], &others);
		mixed->owner[idx] = (u8)i;
	}
	if (others || mixed->stale) {
		err = mixed->stale ? mlx5r_mixed_update(mr, 0, mixed->entries) :
				     mlx5r_mixed_update(mr, from, to - from);
		mixed->stale = err;
	}
	mutex_unlock(&umem_odp->umem_mutex);

	for_each_set_bit(other, &others, MLX5R_MIXED_SIZES)
		if (!err)
			err = mlx5r_mixed_drop(mixed->child[other], start, end);
	return err;
}

/*
 * Map the wanted part of one entry, or the larger block that contains it.
 * @next: the end of that.
 */
static int mlx5r_mixed_fault_entry(struct mlx5_ib_mr *mr, u64 va, u64 end,
				   u32 flags, bool fault, u64 *next)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	unsigned long accepted = READ_ONCE(mixed->accepted);
	u64 size = BIT_ULL(mixed->entry_shift);
	u64 start = ALIGN_DOWN(va, size);
	unsigned int i;
	int ret = 0;

	end = min(end, start + size);
	*next = end;
	for_each_set_bit(i, &accepted, MLX5R_MIXED_SIZES) {
		u64 block = max(size, BIT_ULL(mixed->shift[i]));
		u64 block_start = ALIGN_DOWN(va, block);
		struct mlx5_ib_mr *child = mlx5r_mixed_child(mr, i);

		*next = block > size ? block_start + block : end;
		/* A failed prefetch of absent memory is not an error. */
		if (IS_ERR(child))
			return fault ? PTR_ERR_OR_ZERO(child) : 0;
		/* The child maps this block already. */
		if (!fault && BIT_ULL(mixed->shift[i]) >= size &&
		    mlx5r_mixed_has(child, va))
			return 0;
		ret = mlx5r_odp_fault(child, va, end - va, flags);
		if (ret == -ERANGE)
			continue;
		if (ret)
			return ret;
		/*
		 * Without faults, try smaller sizes if this one found nothing.
		 */
		if (!fault && !mlx5r_mixed_has(child, va))
			continue;
		return mlx5r_mixed_own(mr, max(block_start, mixed->first),
				       block_start + block, i);
	}
	*next = end;
	/* A size that fits may have been accepted meanwhile. */
	if (ret == -ERANGE && READ_ONCE(mixed->accepted) != accepted)
		ret = -ESTALE;
	return fault ? ret : 0;
}

/*
 * Map the wanted part of several entries with child @i. Returns -ERANGE if not all of
 * their memory has its size.
 */
static int mlx5r_mixed_fault_child(struct mlx5_ib_mr *mr, unsigned int i, u64 va,
				   u64 end, u32 flags)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	struct mlx5_ib_mr *child = mlx5r_mixed_child(mr, i);
	u64 block = BIT_ULL(mixed->shift[i]);
	int ret;

	if (IS_ERR(child))
		return PTR_ERR(child);
	ret = mlx5r_odp_fault(child, va, end - va, flags);
	if (ret)
		return ret;
	return mlx5r_mixed_own(mr, max(ALIGN_DOWN(va, block), mixed->first),
			       ALIGN(end, block), i);
}

/*
 * The end of the smallest block that is larger than an entry and contains @va. If a span
 * continued after it, memory in smaller pages there would take the block's size from it.
 */
static u64 mlx5r_mixed_span_end(const struct mlx5r_odp_mixed *mixed, u64 va,
				u64 end)
{
	unsigned int i;

	for (i = 0; i < MLX5R_MIXED_SIZES; i++) {
		u64 block = BIT_ULL(mixed->shift[i]);

		if (mixed->shift[i] <= mixed->entry_shift)
			break;
		end = min(end, ALIGN_DOWN(va, block) + block);
	}
	return end;
}

/*
 * Map as many entries as have memory of one size that is not smaller than an entry,
 * so that the device's table is updated once. @pace: how many to try; it is halved
 * when they have not. @next: where to continue, @va if there is only one.
 */
static int mlx5r_mixed_fault_span(struct mlx5_ib_mr *mr, u64 va, u64 end,
				  u32 flags, size_t *pace, u64 *next)
{
	const struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	unsigned long accepted = READ_ONCE(mixed->accepted);
	u64 size = BIT_ULL(mixed->entry_shift);
	u64 start = ALIGN_DOWN(va, size);
	unsigned int i;

	*next = va;
	end = mlx5r_mixed_span_end(mixed, va, end);
	/* A larger number would be the same attempt again. */
	*pace = min_t(u64, *pace, ((end - 1 - start) >> mixed->entry_shift) + 1);
	for (; *pace > 1; *pace /= 2) {
		u64 stop = min(end, start + *pace * size);

		for_each_set_bit(i, &accepted, MLX5R_MIXED_SIZES) {
			int ret;

			if (mixed->shift[i] < mixed->entry_shift)
				break;
			ret = mlx5r_mixed_fault_child(mr, i, va, stop, flags);
			if (ret == -ERANGE)
				continue;
			*next = stop;
			*pace = min_t(size_t, *pace * 2, MLX5R_MIXED_SPAN);
			return ret;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	/* After a single entry, try more of them again. */
	*pace = 2;
	return 0;
}

/**
 * mlx5r_mixed_fault - map memory of an MR with blocks of several sizes
 * @mr: the MR
 * @va: first address
 * @bcnt: bytes
 * @flags: flags of the fault
 * @fault: fault memory in; otherwise map only memory that is present
 *
 * Return: 0 or an error
 */
int mlx5r_mixed_fault(struct mlx5_ib_mr *mr, u64 va, size_t bcnt, u32 flags,
		      bool fault)
{
	struct mm_struct *mm = mr->umem->owning_mm;
	size_t pace = MLX5R_MIXED_SPAN;
	int ret = 0;
	u64 end;

	if (check_add_overflow(va, (u64)bcnt, &end))
		return -EFAULT;
	if (!mmget_not_zero(mm))
		return -EFAULT;
	while (!ret && va < end) {
		u64 next = va;

		if (fault)
			ret = mlx5r_mixed_fault_span(mr, va, end, flags, &pace,
						     &next);
		else
			va = ib_umem_odp_next_mapped(mlx5r_mixed_umem(mr), va,
						     end);
		if (va >= end)
			break;
		if (!ret && next <= va)
			ret = mlx5r_mixed_fault_entry(mr, va, end, flags, fault,
						      &next);
		/* The accepted sizes have changed meanwhile. */
		if (ret == -ESTALE) {
			next = va;
			ret = 0;
		}
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		va = next;
		cond_resched();
	}
	mmput_async(mm);
	return ret;
}

static void mlx5r_mixed_for_each(struct ib_umem_odp *umem_odp,
				 void (*fn)(struct ib_umem_odp *child,
					    void *arg),
				 void *arg)
{
	struct mlx5_ib_mr *mr = READ_ONCE(umem_odp->private);
	struct mlx5_ib_mr *child;
	unsigned int i;

	/* The caller holds the MR, but its mkey may be destroyed. */
	if (!mr)
		return;
	for (i = 0; i < MLX5R_MIXED_SIZES; i++) {
		/* Pairs with cmpxchg() in mlx5r_mixed_make_child() */
		child = smp_load_acquire(&mr->odp_mixed->child[i]);
		if (child)
			fn(to_ib_umem_odp(child->umem), arg);
	}
}

static const struct ib_odp_device_ops mlx5r_mixed_ops = {
	.for_each_child = mlx5r_mixed_for_each,
};

/**
 * mlx5r_mixed_entries - number of KSM entries of an MR
 * @mr: the MR
 *
 * Return: the number, 0 for an MR with blocks of one size
 */
size_t mlx5r_mixed_entries(const struct mlx5_ib_mr *mr)
{
	return mr->odp_mixed ? mr->odp_mixed->entries : 0;
}

/**
 * mlx5r_mixed_is_empty - check whether all children have lost their last page
 * @mr: the MR
 *
 * To be called under umem_mutex of a child that has lost its last page. The
 * other children are not locked, so a concurrent fault in one may be missed.
 *
 * Return: whether no child has a page mapped
 */
bool mlx5r_mixed_is_empty(const struct mlx5_ib_mr *mr)
{
	const struct mlx5_ib_mr *child;
	unsigned int i;

	/*
	 * If two children become empty concurrently, at least one must see
	 * both.
	 */
	smp_mb();
	for (i = 0; i < MLX5R_MIXED_SIZES; i++) {
		/* Pairs with cmpxchg() in mlx5r_mixed_make_child(). */
		child = smp_load_acquire(&mr->odp_mixed->child[i]);
		if (child &&
		    READ_ONCE(to_ib_umem_odp(child->umem)->pages.blocks_mapped))
			return false;
	}
	return true;
}

/**
 * mlx5r_mixed_dereg - deregister the children of an MR with blocks of several sizes
 * @mr: the MR, whose mkey is destroyed, so that no child is created any more
 */
void mlx5r_mixed_dereg(struct mlx5_ib_mr *mr)
{
	unsigned int i;

	if (!mr->odp_mixed)
		return;
	for (i = 0; i < MLX5R_MIXED_SIZES; i++)
		if (mr->odp_mixed->child[i])
			mlx5_ib_dereg_mr(&mr->odp_mixed->child[i]->ibmr, NULL);
}

/**
 * mlx5r_mixed_release - free the children of an MR with blocks of several sizes
 * @mr: the MR, which no page fault uses any more
 */
void mlx5r_mixed_release(struct mlx5_ib_mr *mr)
{
	unsigned int i;

	if (!mr->odp_mixed)
		return;
	for (i = 0; i < MLX5R_MIXED_SIZES; i++)
		if (mr->odp_mixed->child[i])
			mlx5r_odp_mr_put(mr->odp_mixed->child[i]);
	kvfree(mr->odp_mixed);
	mr->odp_mixed = NULL;
}

/*
 * A KSM starts with a whole entry, so that of an unaligned MR starts before the
 * MR. The child mkey, which has the bounds of the MR, rejects an access there.
 * The KSM ends where the MR ends.
 */
static int mlx5r_mixed_enable(struct mlx5_ib_mr *mr)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	struct ib_umem_odp *umem_odp = mlx5r_mixed_umem(mr);
	int err;

	mr->ibmr.iova = mlx5r_mixed_to_iova(mr, mixed->first);
	mr->ibmr.length = mr->umem->address + mr->umem->length - mixed->first;
	mutex_lock(&umem_odp->umem_mutex);
	err = mlx5r_umr_update_xlt(mr, 0, mixed->entries, mixed->entry_shift,
				   MLX5_IB_UPD_XLT_INDIRECT |
					   MLX5_IB_UPD_XLT_ENABLE |
					   MLX5_IB_UPD_XLT_ATOMIC,
				   to_mpd(mr->ibmr.pd)->pdn);
	mutex_unlock(&umem_odp->umem_mutex);
	mr->ibmr.iova = umem_odp->pages.iova;
	mr->ibmr.length = mr->umem->length;
	return err;
}

/* The sizes that have a child; an MR can accept more. */
static u64 mlx5r_mixed_sizes(const struct mlx5r_odp_mixed *mixed)
{
	u64 sizes = 0;
	unsigned int i;

	for (i = 0; i < MLX5R_MIXED_SIZES && mixed->shift[i]; i++)
		sizes |= BIT_ULL(mixed->shift[i]);
	return sizes;
}

/* The children that have one of these sizes. */
static unsigned int mlx5r_mixed_children(const struct mlx5r_odp_mixed *mixed,
					 u64 sizes)
{
	unsigned int i, children = 0;

	for (i = 0; i < MLX5R_MIXED_SIZES && mixed->shift[i]; i++)
		if (sizes & BIT_ULL(mixed->shift[i]))
			children |= BIT(i);
	return children;
}

/*
 * Accept @sizes from now on, and give all entries to child @i, which has the largest
 * of them. Returns -EALREADY if they are accepted, and no change before has failed.
 * @restart: for mlx5r_mixed_complete()
 */
static int mlx5r_mixed_restart(struct mlx5_ib_mr *mr, u64 sizes, unsigned int i,
			       unsigned int *restart)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	struct ib_umem_odp *umem_odp = mlx5r_mixed_umem(mr);
	unsigned int accepted = mlx5r_mixed_children(mixed, sizes);
	bool down = false;
	int err;

	mutex_lock(&umem_odp->umem_mutex);
	if (!umem_odp->private) {
		err = -ENOENT;
	} else if (accepted == mixed->accepted &&
		   mixed->complete == mixed->restarts) {
		err = -EALREADY;
	} else {
		if (accepted != mixed->accepted)
			down = ib_umem_odp_set_mixed(umem_odp, sizes);
		WRITE_ONCE(mixed->accepted, accepted);
		*restart = ++mixed->restarts;
		memset(mixed->owner, (int)i, mixed->entries);
		err = mlx5r_mixed_update(mr, 0, mixed->entries);
		mixed->stale = err;
	}
	mutex_unlock(&umem_odp->umem_mutex);
	if (down)
		ib_umem_odp_signal(umem_odp);
	return err;
}

/* What began with this number is done, unless a later change has begun. */
static void mlx5r_mixed_complete(struct mlx5_ib_mr *mr, unsigned int restart)
{
	mutex_lock(&mlx5r_mixed_umem(mr)->umem_mutex);
	if (restart == mr->odp_mixed->restarts)
		mr->odp_mixed->complete = restart;
	mutex_unlock(&mlx5r_mixed_umem(mr)->umem_mutex);
}

/**
 * mlx5r_modify_mixed - change the page sizes of a mixed MR
 * @mr: the MR
 * @req: what the application accepts
 *
 * The sizes of the children are fixed, so the MR stays mixed, with all of these sizes
 * or some. If that changes, the MR starts again as after its registration: the child
 * of the largest size owns all blocks, and only memory that is present is mapped.
 *
 * Return: 0, or an error as from ib_umem_odp_choose_mixed(), after which the MR is
 *	   unchanged; -ENOMEM; or an error of the device. After these, the sizes
 *	   may have changed, and another call does what is left to do
 */
int mlx5r_modify_mixed(struct mlx5_ib_mr *mr, const struct ib_odp_request *req)
{
	struct mlx5r_odp_mixed *mixed = mr->odp_mixed;
	u64 start = mr->umem->address;
	u64 sizes = mlx5r_mixed_sizes(mixed);
	unsigned int first, i, restart;
	struct mlx5_ib_mr *child;
	int err;

	err = ib_umem_odp_choose_mixed(mlx5r_mixed_umem(mr), req, &sizes);
	if (err)
		return err;
	first = __ffs(mlx5r_mixed_children(mixed, sizes));
	child = mlx5r_mixed_child(mr, first);
	if (IS_ERR(child))
		return PTR_ERR_OR_ZERO(child);
	err = mlx5r_mixed_restart(mr, sizes, first, &restart);
	if (err == -EALREADY)
		return 0;
	for (i = 0; !err && i < MLX5R_MIXED_SIZES; i++) {
		/* Pairs with cmpxchg() in mlx5r_mixed_make_child() */
		child = smp_load_acquire(&mixed->child[i]);
		if (child && i != first)
			err = mlx5r_mixed_drop(child, start,
					       start + mr->umem->length);
	}
	if (!err)
		err = mlx5r_mixed_snapshot(mr);
	if (!err)
		mlx5r_mixed_complete(mr, restart);
	return err;
}

static struct mlx5r_odp_mixed *mlx5r_mixed_alloc(struct ib_umem_odp *umem_odp)
{
	u64 start = umem_odp->umem.address;
	u64 end = start + umem_odp->umem.length;
	struct mlx5r_odp_mixed *mixed, sizes = {};
	struct ib_odp_charge charge;
	size_t entries;

	mlx5r_mixed_choose(&sizes, umem_odp->pages.sizes);
	sizes.first = ALIGN_DOWN(start, BIT_ULL(sizes.entry_shift));
	entries = (ALIGN(end, BIT_ULL(sizes.entry_shift)) - sizes.first) >>
		  sizes.entry_shift;
	charge = ib_umem_odp_charge(umem_odp);
	mixed = kvzalloc_flex(*mixed, owner, entries,
			      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	ib_umem_odp_uncharge(charge);
	if (!mixed)
		return NULL;
	*mixed = sizes;
	mixed->entries = entries;
	return mixed;
}

/*
 * Takes over the umem, also on error. No page fault finds the mkey of the MR
 * yet, but one may find the mkey of a child, and through it the MR, and @imr if
 * it is a part of that.
 */
static struct mlx5_ib_mr *mlx5r_mixed_create(struct ib_pd *pd,
					     struct ib_umem_odp *umem_odp,
					     int access_flags,
					     struct mlx5_ib_mr *imr)
{
	struct mlx5r_odp_mixed *mixed;
	struct mlx5_ib_mr *child, *mr;
	int err;

	mixed = mlx5r_mixed_alloc(umem_odp);
	if (!mixed) {
		ib_umem_odp_release(umem_odp);
		return ERR_PTR(-ENOMEM);
	}
	mixed->snapshot = !imr;
	mr = mlx5_mr_cache_alloc(to_mdev(pd->device), access_flags,
				 MLX5_MKC_ACCESS_MODE_KSM,
				 ALIGN(mixed->entries, 4));
	if (IS_ERR(mr)) {
		kvfree(mixed);
		ib_umem_odp_release(umem_odp);
		return mr == ERR_PTR(-EAGAIN) ? ERR_PTR(-ENOMEM) : mr;
	}
	mr->mmkey.type = MLX5_MKEY_MR;
	if (imr && MLX5_CAP_ODP(to_mdev(pd->device)->mdev, mem_page_fault))
		mr->mmkey.type = MLX5_MKEY_IMPLICIT_CHILD;
	mr->mmkey.context = mlx5r_pd_context(pd);
	mr->parent = imr;
	mr->access_flags = access_flags;
	mr->ibmr.pd = pd;
	mr->ibmr.device = pd->device;
	mr->ibmr.lkey = mr->mmkey.key;
	mr->ibmr.rkey = mr->mmkey.key;
	mr->umem = &umem_odp->umem;
	mr->odp_mixed = mixed;
	mixed->accepted = mlx5r_mixed_children(mixed, U64_MAX);
	xa_init(&mr->implicit_children);

	child = mlx5r_mixed_make_child(mr, 0);
	err = PTR_ERR_OR_ZERO(child);
	if (!err)
		err = mlx5r_mixed_enable(mr);
	if (err) {
		mlx5_ib_dereg_mr(&mr->ibmr, NULL);
		return ib_odp_err_ptr(err);
	}
	umem_odp->private = mr;
	umem_odp->pages.ops = &mlx5r_mixed_ops;
	umem_odp->pages.accepted = mlx5r_mixed_sizes(mixed);
	return mr;
}

/**
 * mlx5r_odp_reg_mixed - register an MR with blocks of several sizes
 * @pd: protection domain
 * @umem_odp: a umem without a table; the MR takes it over, also on error
 * @access_flags: enum ib_access_flags
 *
 * Return: the MR, or an error
 */
struct mlx5_ib_mr *mlx5r_odp_reg_mixed(struct ib_pd *pd,
				       struct ib_umem_odp *umem_odp,
				       int access_flags)
{
	struct mlx5_ib_mr *mr;
	int err;

	mr = mlx5r_mixed_create(pd, umem_odp, access_flags, NULL);
	if (IS_ERR(mr))
		return mr;
	err = mlx5r_store_odp_mkey(to_mdev(pd->device), &mr->mmkey,
				   mlx5r_pd_context(pd));
	if (!err)
		err = mlx5r_mixed_snapshot(mr);
	if (err) {
		mlx5_ib_dereg_mr(&mr->ibmr, NULL);
		return ib_odp_err_ptr(err);
	}
	return mr;
}

/**
 * mlx5r_mixed_wanted - check whether the parts of an implicit MR are mixed
 * @imr: the implicit MR
 *
 * Return: true if they are
 */
bool mlx5r_mixed_wanted(struct mlx5_ib_mr *imr)
{
	const struct ib_odp_pages *pages = &mlx5r_mixed_umem(imr)->pages;

	return (pages->flags & IB_UVERBS_ODP_MIXED) &&
	       mlx5r_mixed_can(mr_to_mdev(imr), pages->accepted);
}

/**
 * mlx5r_mixed_of_implicit - create a mixed part of an implicit MR
 * @imr: the implicit MR
 * @start: start of the part
 * @length: length of the part
 *
 * Return: an MR that its parent does not refer to yet; NULL if the sizes changed, and
 *	   parts are not mixed any more; or an error
 */
struct mlx5_ib_mr *mlx5r_mixed_of_implicit(struct mlx5_ib_mr *imr, u64 start,
					   u64 length)
{
	struct ib_umem_odp *umem_odp;

	umem_odp = ib_umem_odp_alloc_mixed_child(mlx5r_mixed_umem(imr), start,
						 length);
	if (IS_ERR(umem_odp))
		return ERR_CAST(umem_odp);
	if (!mlx5r_mixed_can(mr_to_mdev(imr), umem_odp->pages.sizes)) {
		ib_umem_odp_release(umem_odp);
		return NULL;
	}
	return mlx5r_mixed_create(imr->ibmr.pd, umem_odp, imr->access_flags,
				  imr);
}
