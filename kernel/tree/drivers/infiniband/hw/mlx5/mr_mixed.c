// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of pinned memory with blocks of two sizes.
 *
 * An mkey has one page size, so a few small pages force entries of small pages for
 * the whole MR. Such an MR gets two child mkeys instead: one maps the whole
 * large blocks, the other one maps the rest in small pages. The MR's own mkey is
 * a KSM with an entry for each large block, which points into one of the
 * children.
 *
 * A peer can guess the key of a child. A child therefore maps only memory of the
 * MR, one block after the other, is bounded to it, and has the PD and the access
 * rights of the MR. The tables stay as they are until the MR is deregistered.
 */
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/scatterlist.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/iter.h>

#include "mlx5_ib.h"
#include "odp_pages.h"
#include "umr.h"

/*
 * More accepted sizes than this are reduced to those of the page tables, or to the
 * largest ones.
 */
#define MR_MIXED_CANDIDATES 3
/*
 * The largest table in the command that creates an mkey, in bytes: commands are
 * not interrupted. Longer tables are written by UMRs, with pages of one size.
 */
#define MR_MIXED_TABLE_MAX SZ_16M
/* log2 of the largest block. */
#define MR_MIXED_MAX_SHIFT 31

enum {
	MR_SMALL,
	MR_LARGE,
	MR_CHILDREN,
};

struct mlx5r_mr_mixed {
	struct mlx5_ib_mkey child[MR_CHILDREN]; /* key 0: none, or destroyed */
	u64 entries;
	u64 device_bytes;
};

/**
 * struct mlx5r_mr_plan - which blocks of an MR are large
 * @umem: the memory
 * @start: first address of the MR
 * @end: address after the last one
 * @shift: log2 of both sizes
 * @blocks: number of large blocks that the MR spans; the first and the last one may
 *          be partial
 * @nr: number of these that each child maps
 * @nr_small: entries of the child of small pages
 * @is_large: for each block whether the child of large ones maps it
 */
struct mlx5r_mr_plan {
	struct ib_umem *umem;
	u64 start;
	u64 end;
	unsigned int shift[MR_CHILDREN];
	size_t blocks;
	size_t nr[MR_CHILDREN];
	u64 nr_small;
	unsigned long is_large[];
};

/* An mkey that is about to be created. */
struct mr_mkey {
	int mode;
	u64 start;
	u64 length;
	unsigned int shift;
	size_t entries;
	void *in;
	int inlen;
};

static u64 plan_block_mask(const struct mlx5r_mr_plan *plan)
{
	return BIT_ULL(plan->shift[MR_LARGE]) - 1;
}

static u64 plan_first(const struct mlx5r_mr_plan *plan)
{
	return plan->start & ~plan_block_mask(plan);
}

static size_t plan_block(const struct mlx5r_mr_plan *plan, u64 addr)
{
	return (addr - plan_first(plan)) >> plan->shift[MR_LARGE];
}

/**
 * mlx5r_mr_plan_entries - number of entries of a mixed MR in the device
 * @plan: the plan
 *
 * Return: the number, of all three tables
 */
u64 mlx5r_mr_plan_entries(const struct mlx5r_mr_plan *plan)
{
	return plan->blocks + plan->nr[MR_LARGE] + plan->nr_small;
}

/*
 * Mark the blocks that lie within one folio, all of which the MR contains. Whether
 * other memory is contiguous and aligned depends on physical addresses, of which
 * nothing must be revealed.
 */
static int plan_find_folios(struct mlx5r_mr_plan *plan)
{
	unsigned int order = plan->shift[MR_LARGE] - PAGE_SHIFT;
	u64 mask = plan_block_mask(plan);
	u64 pos = plan->start & PAGE_MASK;
	struct sg_page_iter piter;

	for_each_sgtable_page(&plan->umem->sgt_append.sgt, &piter, 0) {
		struct page *page = sg_page_iter_page(&piter);
		struct folio *folio = page_folio(page);

		if (!(pos & mask)) {
			if (pos >= plan->start && pos + mask < plan->end &&
			    folio_order(folio) >= order &&
			    IS_ALIGNED(folio_page_idx(folio, page), BIT(order)))
				__set_bit(plan_block(plan, pos), plan->is_large);
			if (fatal_signal_pending(current))
				return -EINTR;
			cond_resched();
		}
		pos += PAGE_SIZE;
	}
	return 0;
}

/* Count the blocks that are contiguous and aligned for the device as well. */
static int plan_scan(struct mlx5r_mr_plan *plan)
{
	u64 small = BIT_ULL(plan->shift[MR_SMALL]);
	u64 mask = plan_block_mask(plan);
	struct ib_block_iter biter;
	dma_addr_t expected = 0;
	bool fits = false;
	size_t block;
	u64 pos = plan->start & ~(small - 1);

	rdma_umem_for_each_dma_block(plan->umem, &biter, small) {
		dma_addr_t addr = rdma_block_iter_dma_address(&biter);

		if (!(pos & mask))
			fits = !(addr & mask);
		else if (addr != expected)
			fits = false;
		expected = addr + small;
		pos += small;
		if (pos & mask)
			continue;
		block = plan_block(plan, pos - 1);
		if (!fits)
			__clear_bit(block, plan->is_large);
		else if (test_bit(block, plan->is_large))
			plan->nr[MR_LARGE]++;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	plan->nr[MR_SMALL] = plan->blocks - plan->nr[MR_LARGE];
	plan->nr_small = ib_umem_num_dma_blocks(plan->umem, small) -
			 ((u64)plan->nr[MR_LARGE]
			  << (plan->shift[MR_LARGE] - plan->shift[MR_SMALL]));
	return 0;
}

static struct mlx5r_mr_plan *plan_make(struct ib_umem *umem, u64 iova,
				       unsigned int small, unsigned int large)
{
	u64 blocks = ((iova + umem->length - 1) >> large) - (iova >> large) + 1;
	struct mlx5r_mr_plan *plan;
	int err;

	if (overflows_type(blocks, size_t))
		return ERR_PTR(-ENOMEM);
	plan = kvzalloc_flex(*plan, is_large, BITS_TO_LONGS(blocks),
			     GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!plan)
		return ERR_PTR(-ENOMEM);
	plan->umem = umem;
	plan->start = iova;
	plan->end = iova + umem->length;
	plan->shift[MR_SMALL] = small;
	plan->shift[MR_LARGE] = large;
	plan->blocks = blocks;
	err = plan_find_folios(plan) ?: plan_scan(plan);
	if (err) {
		mlx5r_mr_plan_free(plan);
		return ib_odp_err_ptr(err);
	}
	return plan;
}

/**
 * mlx5r_mr_plan_free - free a plan
 * @plan: the plan, or NULL
 */
void mlx5r_mr_plan_free(struct mlx5r_mr_plan *plan)
{
	kvfree(plan);
}

/* The accepted sizes for large blocks. */
static u64 plan_candidates(struct mlx5_ib_dev *dev, const struct ib_umem *umem,
			   unsigned int small, u64 accepted)
{
	unsigned int max =
		min(get_max_log_entity_size_cap(dev, MLX5_MKC_ACCESS_MODE_MTT),
		    get_max_log_entity_size_cap(dev, MLX5_MKC_ACCESS_MODE_KSM));
	unsigned int min = max(get_min_log_entity_size_cap(dev,
							   MLX5_MKC_ACCESS_MODE_KSM),
			       small + 1);

	/* A block that is not smaller than the MR could be one page. */
	max = min_t(unsigned int, max, ilog2(umem->length));
	max = min_t(unsigned int, max, MR_MIXED_MAX_SHIFT);
	min = max_t(unsigned int, min, PAGE_SHIFT);
	if (min > max)
		return 0;
	accepted &= GENMASK_ULL(max, min);
	if (hweight64(accepted) > MR_MIXED_CANDIDATES &&
	    (accepted & (PMD_SIZE | PUD_SIZE)))
		accepted &= PMD_SIZE | PUD_SIZE;
	while (hweight64(accepted) > MR_MIXED_CANDIDATES)
		accepted &= accepted - 1;
	return accepted;
}

/* Do both children map something, and are the tables short enough? */
static bool plan_is_possible(const struct mlx5r_mr_plan *plan)
{
	return plan->nr[MR_SMALL] && plan->nr[MR_LARGE] &&
	       plan->nr_small <= MR_MIXED_TABLE_MAX / sizeof(struct mlx5_mtt) &&
	       plan->blocks <= MR_MIXED_TABLE_MAX / sizeof(struct mlx5_ksm);
}

/**
 * mlx5r_mr_plan_mixed - find out whether blocks of two sizes save entries
 * @umem: pinned memory, after ib_umem_find_best_pgsz()
 * @iova: first address of the MR
 * @page_size: the best page size for all of it
 * @accepted: sizes that the application accepts
 * @most: entries that the device may use
 *
 * Return: the plan with the fewest entries, NULL if it has more than @most, -EINTR
 *	   or -ENOMEM
 */
struct mlx5r_mr_plan *mlx5r_mr_plan_mixed(struct ib_umem *umem, u64 iova,
					  unsigned long page_size, u64 accepted,
					  u64 most)
{
	unsigned int small = ilog2(page_size);
	struct mlx5r_mr_plan *best = NULL;
	u64 candidates, end;

	/* The end of the last block must not wrap either. */
	if (check_add_overflow(iova, (u64)umem->length, &end) ||
	    end > U64_MAX - U32_MAX)
		return NULL;
	candidates = plan_candidates(to_mdev(umem->ibdev), umem, small,
				     accepted);
	while (candidates) {
		struct mlx5r_mr_plan *plan;
		u64 entries;

		plan = plan_make(umem, iova, small, __ffs64(candidates));
		if (IS_ERR(plan)) {
			mlx5r_mr_plan_free(best);
			return plan;
		}
		entries = mlx5r_mr_plan_entries(plan);
		if (plan_is_possible(plan) && entries <= most) {
			swap(best, plan);
			most = entries;
		}
		mlx5r_mr_plan_free(plan);
		candidates &= candidates - 1;
	}
	return best;
}

static size_t mr_entry_size(const struct mr_mkey *mkey)
{
	return mkey->mode == MLX5_MKC_ACCESS_MODE_KSM ? sizeof(struct mlx5_ksm) :
							sizeof(struct mlx5_mtt);
}

static void *mr_table(const struct mr_mkey *mkey)
{
	return MLX5_ADDR_OF(create_mkey_in, mkey->in, klm_pas_mtt);
}

/* Do the entries of MTTs have bits for their presence? */
static bool mr_has_present(const struct mlx5_ib_dev *dev)
{
	return MLX5_CAP_GEN(dev->mdev, pg);
}

/* Allocate the command that creates an mkey, except for its table. */
static int mr_mkey_alloc(struct mlx5_ib_mr *mr, struct mr_mkey *mkey)
{
	struct mlx5_ib_dev *dev = mr_to_mdev(mr);
	u32 octwords;
	void *mkc;

	octwords = (u32)DIV_ROUND_UP(mkey->entries * mr_entry_size(mkey),
				     (size_t)MLX5_IB_UMR_OCTOWORD);
	mkey->inlen = (int)(MLX5_ST_SZ_BYTES(create_mkey_in) +
			    octwords * MLX5_IB_UMR_OCTOWORD);
	mkey->in = kvzalloc((size_t)mkey->inlen,
			    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!mkey->in)
		return -ENOMEM;
	MLX5_SET(create_mkey_in, mkey->in, translations_octword_actual_size,
		 octwords);
	MLX5_SET(create_mkey_in, mkey->in, pg_access,
		 mkey->mode == MLX5_MKC_ACCESS_MODE_MTT && mr_has_present(dev));
	mkc = MLX5_ADDR_OF(create_mkey_in, mkey->in, memory_key_mkey_entry);
	set_mkc_access_pd_addr_fields(mkc, mr->access_flags, mkey->start,
				      mr->ibmr.pd);
	MLX5_SET(mkc, mkc, access_mode_1_0, mkey->mode & 0x3);
	MLX5_SET(mkc, mkc, access_mode_4_2, (mkey->mode >> 2) & 0x7);
	MLX5_SET64(mkc, mkc, len, mkey->length);
	MLX5_SET(mkc, mkc, translations_octword_size, octwords);
	MLX5_SET(mkc, mkc, log_page_size, mkey->shift);
	return 0;
}

/* The child of large blocks, all of which are whole. */
static void mr_large_mkey(const struct mlx5r_mr_plan *plan, struct mr_mkey *mkey)
{
	*mkey = (struct mr_mkey){
		.mode = MLX5_MKC_ACCESS_MODE_MTT,
		.length = (u64)plan->nr[MR_LARGE] << plan->shift[MR_LARGE],
		.shift = plan->shift[MR_LARGE],
		.entries = plan->nr[MR_LARGE],
	};
}

/* The child of small pages. The first and the last block can be incomplete. */
static void mr_small_mkey(const struct mlx5r_mr_plan *plan, struct mr_mkey *mkey)
{
	u64 mask = plan_block_mask(plan);
	u64 start = 0, end = (u64)plan->nr[MR_SMALL] << plan->shift[MR_LARGE];

	if (!test_bit(0, plan->is_large))
		start = plan->start & mask;
	if (!test_bit(plan->blocks - 1, plan->is_large))
		end -= mask - ((plan->end - 1) & mask);
	*mkey = (struct mr_mkey){
		.mode = MLX5_MKC_ACCESS_MODE_MTT,
		.start = start,
		.length = end - start,
		.shift = plan->shift[MR_SMALL],
		.entries = plan->nr_small,
	};
}

/* Write the tables of both children. */
static void mr_fill_children(struct mlx5_ib_mr *mr,
			     const struct mlx5r_mr_plan *plan,
			     const struct mr_mkey mkey[MR_CHILDREN])
{
	u64 present = mr_has_present(mr_to_mdev(mr)) ? MLX5_IB_MTT_PRESENT : 0;
	u64 small = BIT_ULL(plan->shift[MR_SMALL]);
	__be64 *large_entry = mr_table(&mkey[MR_LARGE]);
	__be64 *small_entry = mr_table(&mkey[MR_SMALL]);
	u64 pos = plan->start & ~(small - 1);
	struct ib_block_iter biter;

	rdma_umem_for_each_dma_block(plan->umem, &biter, small) {
		__be64 entry = cpu_to_be64(rdma_block_iter_dma_address(&biter) |
					   present);

		if (!test_bit(plan_block(plan, pos), plan->is_large))
			*small_entry++ = entry;
		else if (!(pos & plan_block_mask(plan)))
			*large_entry++ = entry;
		pos += small;
		if (!(pos & plan_block_mask(plan)))
			cond_resched();
	}
}

/* Write the table of the MR's own mkey. */
static void mr_fill_ksm(const struct mlx5r_mr_mixed *mixed,
			const struct mlx5r_mr_plan *plan,
			const struct mr_mkey *mkey)
{
	struct mlx5_ksm *ksm = mr_table(mkey);
	size_t next[MR_CHILDREN] = {};
	size_t i;

	for (i = 0; i < plan->blocks; i++, ksm++) {
		int child = test_bit(i, plan->is_large) ? MR_LARGE : MR_SMALL;

		ksm->key = cpu_to_be32(mixed->child[child].key);
		ksm->va = cpu_to_be64((u64)next[child]++
				      << plan->shift[MR_LARGE]);
	}
}

static int mr_create_children(struct mlx5_ib_mr *mr,
			      const struct mlx5r_mr_plan *plan)
{
	struct mlx5_ib_dev *dev = mr_to_mdev(mr);
	struct mr_mkey mkey[MR_CHILDREN];
	unsigned int i;
	int err;

	mr_small_mkey(plan, &mkey[MR_SMALL]);
	mr_large_mkey(plan, &mkey[MR_LARGE]);
	err = mr_mkey_alloc(mr, &mkey[MR_SMALL]);
	if (!err)
		err = mr_mkey_alloc(mr, &mkey[MR_LARGE]);
	if (!err)
		mr_fill_children(mr, plan, mkey);
	for (i = 0; i < MR_CHILDREN && !err; i++) {
		struct mlx5_ib_mkey *child = &mr->pinned_mixed->child[i];

		err = mlx5_ib_create_mkey(dev, child, mkey[i].in, mkey[i].inlen);
		if (err)
			child->key = 0;
	}
	for (i = 0; i < MR_CHILDREN; i++)
		kvfree(mkey[i].in);
	return err;
}

/*
 * A KSM starts with a whole entry, so that of an unaligned MR starts before the
 * MR. The child, which has the bounds of the memory, refuses an access there.
 */
static int mr_create_ksm(struct mlx5_ib_mr *mr, const struct mlx5r_mr_plan *plan)
{
	struct mr_mkey mkey = {
		.mode = MLX5_MKC_ACCESS_MODE_KSM,
		.start = plan_first(plan),
		.length = plan->end - plan_first(plan),
		.shift = plan->shift[MR_LARGE],
		.entries = plan->blocks,
	};
	int err;

	err = mr_mkey_alloc(mr, &mkey);
	if (err)
		return err;
	mr_fill_ksm(mr->pinned_mixed, plan, &mkey);
	err = mlx5_ib_create_mkey(mr_to_mdev(mr), &mr->mmkey, mkey.in, mkey.inlen);
	if (err)
		mr->mmkey.key = 0;
	kvfree(mkey.in);
	return err;
}

static struct mlx5_ib_mr *mr_alloc(struct ib_pd *pd, u64 iova, int access_flags,
				   const struct mlx5r_mr_plan *plan)
{
	struct mlx5_ib_mr *mr;

	mr = kzalloc_obj(*mr);
	if (!mr)
		return NULL;
	mr->pinned_mixed = kzalloc_obj(*mr->pinned_mixed);
	if (!mr->pinned_mixed) {
		kfree(mr);
		return NULL;
	}
	mr->pinned_mixed->entries = mlx5r_mr_plan_entries(plan);
	mr->pinned_mixed->device_bytes =
		(plan->nr[MR_LARGE] + plan->nr_small) * sizeof(struct mlx5_mtt) +
		plan->blocks * sizeof(struct mlx5_ksm);
	mr->ibmr.pd = pd;
	mr->ibmr.device = pd->device;
	mr->ibmr.length = plan->umem->length;
	mr->ibmr.iova = iova;
	mr->access_flags = access_flags;
	mr->page_shift = plan->shift[MR_LARGE];
	mr->fixed_page_size = true;
	mr->mmkey.type = MLX5_MKEY_MR;
	mr->umem = plan->umem;
	return mr;
}

/**
 * mlx5r_mr_reg_mixed - register an MR of pinned memory with blocks of two sizes
 * @pd: protection domain
 * @access_flags: enum ib_access_flags
 * @plan: the plan, consumed together with its umem, even on failure
 *
 * Return: the MR, -ENOMEM, -EINTR, or an error of the device
 */
struct ib_mr *mlx5r_mr_reg_mixed(struct ib_pd *pd, int access_flags,
				 struct mlx5r_mr_plan *plan)
{
	struct mlx5_ib_dev *dev = to_mdev(pd->device);
	struct ib_umem *umem = plan->umem;
	struct mlx5_ib_mr *mr;
	int err = -ENOMEM;

	mr = mr_alloc(pd, plan->start, access_flags, plan);
	if (mr)
		err = mutex_lock_killable(&dev->slow_path_mutex);
	if (!err) {
		err = mr_create_children(mr, plan);
		if (!err)
			err = mr_create_ksm(mr, plan);
		mutex_unlock(&dev->slow_path_mutex);
	}
	mlx5r_mr_plan_free(plan);
	if (!err) {
		mr->ibmr.lkey = mr->mmkey.key;
		mr->ibmr.rkey = mr->mmkey.key;
		atomic_add((int)ib_umem_num_pages(umem),
			   &dev->mdev->priv.reg_pages);
		return &mr->ibmr;
	}
	if (mr && mlx5r_mr_mixed_destroy(mr)) {
		mlx5_ib_warn(dev, "failed to destroy an mkey, its memory stays pinned\n");
		return ib_odp_err_ptr(err);
	}
	if (mr)
		kfree(mr->pinned_mixed);
	kfree(mr);
	ib_umem_release(umem);
	return ib_odp_err_ptr(err);
}

/**
 * mlx5r_mr_is_mixed - check whether an MR has blocks of two sizes in pinned memory
 * @mr: any MR
 *
 * Return: true if it does
 */
bool mlx5r_mr_is_mixed(const struct mlx5_ib_mr *mr)
{
	return mr->umem && !mr->umem->is_odp && mr->pinned_mixed;
}

static int mr_destroy_mkey(struct mlx5_ib_dev *dev, u32 *key)
{
	int err = *key ? mlx5_core_destroy_mkey(dev->mdev, *key) : 0;

	if (!err)
		*key = 0;
	return err;
}

/**
 * mlx5r_mr_mixed_destroy - destroy the mkeys of a mixed MR
 * @mr: the MR
 *
 * The MR's own mkey first, because it points to the others. Can be repeated after
 * an error.
 *
 * Return: 0 if the device does not use the memory any more, or its error
 */
int mlx5r_mr_mixed_destroy(struct mlx5_ib_mr *mr)
{
	struct mlx5_ib_dev *dev = mr_to_mdev(mr);
	unsigned int i;
	int err;

	err = mr_destroy_mkey(dev, &mr->mmkey.key);
	for (i = 0; i < MR_CHILDREN && !err; i++)
		err = mr_destroy_mkey(dev, &mr->pinned_mixed->child[i].key);
	return err;
}

/**
 * mlx5r_mr_mixed_pages - report how the device translates a mixed MR
 * @mr: the MR
 * @pages: filled in, except for the base pages
 */
void mlx5r_mr_mixed_pages(const struct mlx5_ib_mr *mr,
			  struct ib_uverbs_mr_pages *pages)
{
	*pages = (struct ib_uverbs_mr_pages){
		.kind = IB_UVERBS_MR_PINNED,
		.page_shift = mr->page_shift,
		.entries = mr->pinned_mixed->entries,
		.device_bytes = mr->pinned_mixed->device_bytes,
	};
}
