// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <dlfcn.h>
#include <pthread.h>

#include "priv.h"

typedef struct ibv_mr *(*reg_mr_ex_fn)(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);

static reg_mr_ex_fn upstream_reg_mr_ex;
static pthread_once_t upstream_once = PTHREAD_ONCE_INIT;

/*
 * Since rdma-core 59, libibverbs exports the same name. Look it up by its version
 * node, which does not depend on the order in which the libraries are searched.
 */
static void find_upstream(void)
{
	void *handle = dlopen("libibverbs.so.1", RTLD_NOLOAD | RTLD_LAZY);

	if (!handle)
		return;
	upstream_reg_mr_ex = (reg_mr_ex_fn)dlvsym(handle, "ibv_reg_mr_ex", "IBVERBS_1.15");
	/* this library is linked with libibverbs, which therefore stays loaded */
	dlclose(handle);
}

/*
 * For an older libibverbs: support the three combinations that its functions
 * cover, and return the errors of rdma-core for all others.
 */
struct ibv_mr *hugeodp_translate_reg_mr_ex(struct ibv_pd *pd, const struct ibv_mr_init_attr *attr)
{
	const uint64_t known = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_IOVA | IBV_REG_MR_MASK_FD |
			       IBV_REG_MR_MASK_FD_OFFSET;
	unsigned int access = (unsigned int)attr->access;

	switch (attr->comp_mask) {
	case IBV_REG_MR_MASK_ADDR:
		return ibv_reg_mr_iova2(pd, attr->addr, attr->length, (uintptr_t)attr->addr,
					access);
	case IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_IOVA:
		return ibv_reg_mr_iova2(pd, attr->addr, attr->length, attr->iova, access);
	case IBV_REG_MR_MASK_FD | IBV_REG_MR_MASK_FD_OFFSET | IBV_REG_MR_MASK_IOVA:
		return ibv_reg_dmabuf_mr(pd, attr->fd_offset, attr->length, attr->iova, attr->fd,
					 attr->access);
	default:
		return hugeodp_err_ptr(attr->comp_mask & ~known ? EOPNOTSUPP : EINVAL);
	}
}

struct ibv_mr *hugeodp_upstream_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	pthread_once(&upstream_once, find_upstream);
	return upstream_reg_mr_ex ? upstream_reg_mr_ex(pd, attr)
				  : hugeodp_translate_reg_mr_ex(pd, attr);
}
