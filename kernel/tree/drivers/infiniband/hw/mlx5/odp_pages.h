/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Page sizes of ODP MRs, see odp_pages.c. */
#ifndef MLX5_IB_ODP_PAGES_H
#define MLX5_IB_ODP_PAGES_H

struct ib_mr;
struct ib_odp_request;
struct ib_pd;
struct ib_udata;
struct ib_umem;
struct ib_umem_odp;
struct ib_uverbs_mr_pages;
struct mlx5_ib_dev;
struct mlx5_ib_mkey;
struct mlx5_ib_mr;
struct mlx5_ksm;
struct mlx5r_mr_plan;
struct sk_buff;

/* mr.c */
void set_mkc_access_pd_addr_fields(void *mkc, int acc, u64 start_addr,
				   struct ib_pd *pd);
int mlx5_ib_create_mkey(struct mlx5_ib_dev *dev, struct mlx5_ib_mkey *mkey,
			u32 *in, int inlen);
struct mlx5_ib_mr *mlx5r_odp_alloc_mkey(struct ib_pd *pd, struct ib_umem *umem,
					u64 iova, int access_flags);

#ifdef CONFIG_INFINIBAND_ON_DEMAND_PAGING

void mlx5r_odp_init_page_caps(struct mlx5_ib_dev *dev);
unsigned int mlx5r_odp_min_shift(struct ib_umem *umem);
struct mlx5_ib_mr *mlx5r_odp_try_mixed(struct ib_pd *pd, u64 start, u64 length,
				       u64 iova, int access_flags,
				       struct ib_odp_request *req);
int mlx5r_odp_prepare(struct ib_umem_odp *umem_odp,
		      const struct ib_odp_request *req);
int mlx5r_odp_complete(struct mlx5_ib_mr *mr, const struct ib_odp_request *req);
void mlx5r_odp_enabled(struct mlx5_ib_mr *mr);
void mlx5r_odp_count_fault(struct mlx5_ib_mr *mr, s64 ret);
bool mlx5r_odp_was_asked(const struct mlx5_ib_mr *mr);
struct ib_umem_odp *mlx5r_mr_odp(struct ib_mr *ibmr);
int mlx5r_modify_mr_odp(struct ib_mr *ibmr, const struct ib_odp_request *req);
int mlx5r_mr_pages(struct ib_mr *ibmr, struct ib_uverbs_mr_pages *pages);
int mlx5r_mr_put_res(struct sk_buff *msg, struct mlx5_ib_mr *mr);
int mlx5r_pinned_choose(struct ib_umem *umem, u64 iova, struct ib_udata *udata,
			unsigned long *page_size, struct mlx5r_mr_plan **plan);
size_t mlx5r_odp_absent(const struct mlx5_ib_mr *imr, u64 va, size_t length);

/* mr_mixed.c */
struct mlx5r_mr_plan *mlx5r_mr_plan_mixed(struct ib_umem *umem, u64 iova,
					  unsigned long page_size,
					  u64 accepted, u64 most);
u64 mlx5r_mr_plan_entries(const struct mlx5r_mr_plan *plan);
void mlx5r_mr_plan_free(struct mlx5r_mr_plan *plan);
struct ib_mr *mlx5r_mr_reg_mixed(struct ib_pd *pd, int access_flags,
				 struct mlx5r_mr_plan *plan);
bool mlx5r_mr_is_mixed(const struct mlx5_ib_mr *mr);
int mlx5r_mr_mixed_destroy(struct mlx5_ib_mr *mr);
void mlx5r_mr_mixed_pages(const struct mlx5_ib_mr *mr,
			  struct ib_uverbs_mr_pages *pages);

/* odp_mixed.c */
bool mlx5r_mixed_can(struct mlx5_ib_dev *dev, u64 sizes);
struct mlx5_ib_mr *mlx5r_odp_reg_mixed(struct ib_pd *pd,
				       struct ib_umem_odp *umem_odp,
				       int access_flags);
bool mlx5r_mixed_wanted(struct mlx5_ib_mr *imr);
struct mlx5_ib_mr *mlx5r_mixed_of_implicit(struct mlx5_ib_mr *imr, u64 start,
					   u64 length);
int mlx5r_modify_mixed(struct mlx5_ib_mr *mr, const struct ib_odp_request *req);
int mlx5r_mixed_fault(struct mlx5_ib_mr *mr, u64 va, size_t bcnt, u32 flags,
		      bool fault);
void mlx5r_mixed_populate_ksm(struct mlx5_ksm *ksm, size_t idx, size_t n,
			      struct mlx5_ib_mr *mr);
size_t mlx5r_mixed_entries(const struct mlx5_ib_mr *mr);
bool mlx5r_mixed_is_empty(const struct mlx5_ib_mr *mr);
void mlx5r_mixed_dereg(struct mlx5_ib_mr *mr);
void mlx5r_mixed_release(struct mlx5_ib_mr *mr);

/* odp.c */
u64 mlx5r_implicit_entries(void);
int mlx5r_mixed_snapshot(struct mlx5_ib_mr *mr);
int mlx5r_odp_fault(struct mlx5_ib_mr *mr, u64 va, size_t bcnt, u32 flags);
int mlx5r_odp_populate(struct mlx5_ib_mr *mr);
int mlx5r_odp_take(struct mlx5_ib_mr *mr);
void mlx5r_odp_retire_child(struct mlx5_ib_mr *mr);

#else

static inline unsigned int mlx5r_odp_min_shift(struct ib_umem *umem)
{
	return PAGE_SHIFT;
}

static inline struct mlx5_ib_mr *mlx5r_odp_try_mixed(struct ib_pd *pd, u64 start,
						     u64 length, u64 iova,
						     int access_flags,
						     struct ib_odp_request *req)
{
	return NULL;
}

static inline int mlx5r_odp_prepare(struct ib_umem_odp *umem_odp,
				    const struct ib_odp_request *req)
{
	return -EOPNOTSUPP;
}

static inline int mlx5r_odp_complete(struct mlx5_ib_mr *mr,
				     const struct ib_odp_request *req)
{
	return -EOPNOTSUPP;
}

static inline bool mlx5r_odp_was_asked(const struct mlx5_ib_mr *mr)
{
	return false;
}

static inline int mlx5r_mr_put_res(struct sk_buff *msg, struct mlx5_ib_mr *mr)
{
	return 0;
}

static inline int mlx5r_pinned_choose(struct ib_umem *umem, u64 iova,
				      struct ib_udata *udata,
				      unsigned long *page_size,
				      struct mlx5r_mr_plan **plan)
{
	*page_size = 0;
	*plan = NULL;
	return 0;
}

static inline struct ib_mr *mlx5r_mr_reg_mixed(struct ib_pd *pd,
					       int access_flags,
					       struct mlx5r_mr_plan *plan)
{
	return NULL;
}

static inline bool mlx5r_mr_is_mixed(const struct mlx5_ib_mr *mr)
{
	return false;
}

static inline int mlx5r_mr_mixed_destroy(struct mlx5_ib_mr *mr)
{
	return 0;
}

#endif

#endif
