/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Declarations shared by the files of libhugeodp. */
#ifndef HUGEODP_PRIV_H
#define HUGEODP_PRIV_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <infiniband/hugeodp.h>
#include <rdma/ib_user_hugeodp.h>

#include "context_cache.h"
#include "uverbs/kernel_side.h"

#define HUGEODP_EXPORT __attribute__((visibility("default")))

#define HUGEODP_KNOWN_FLAGS ((uint32_t)(IBV_ODP_MIXED | IBV_ODP_POPULATE))

/*
 * The error rule: inside the library a function returns 0 or a positive errno
 * value and does not set errno; the public functions pass that value through one
 * of these two before they return.
 */
static inline int hugeodp_err(int err)
{
	if (err)
		errno = err;
	return err;
}

static inline void *hugeodp_err_ptr(int err)
{
	errno = err;
	return NULL;
}

/* Page sizes that some device and system can have: not those of an int shift gone wrong. */
static inline bool hugeodp_sizes_are_possible(uint64_t sizes)
{
	return !(sizes & (IBV_ODP_PAGE_BASE - 1)) && !(sizes >> 48);
}

/* Size of a struct up to and including a member. */
#define HUGEODP_SIZE_THROUGH(type, member) (offsetof(type, member) + sizeof(((type *)NULL)->member))

/*
 * Copy a struct to a caller that may have been compiled with another size of it:
 * the common part, then zeroes.
 */
static inline void hugeodp_copy_out(void *to, size_t to_size, const void *from, size_t from_size)
{
	size_t both = to_size < from_size ? to_size : from_size;

	memcpy(to, from, both);
	memset((char *)to + both, 0, to_size - both);
}

/*
 * version.c: copy a struct of a caller that may have been compiled with another size of it. Returns
 * EINVAL if it ends before @least, and EOPNOTSUPP if it sets a member that this release does not know.
 */
int hugeodp_copy_in(void *to, size_t to_size, const void *from, size_t from_size, size_t least);

/*
 * device.c: the kernel side of the device, read once for each context. Returns 0, EOPNOTSUPP if
 * it is not ours, or an errno value if it cannot be read now.
 */
int hugeodp_kernel_side(struct ibv_context *context, const struct kernel_side **side);

/* device.c: what an ioctl of ours returned; EOPNOTSUPP if a sandbox refuses all of them. */
int hugeodp_kernel_err(struct ibv_context *context, const struct kernel_side *side, int err);

/*
 * device.c: capabilities of the device. The first function returns cached values,
 * the second one queries them again. Without kernel support they come from
 * stock/stock.c.
 */
int hugeodp_device_caps(struct ibv_context *context, struct device_caps *caps);
int hugeodp_device_caps_now(struct ibv_context *context, struct device_caps *caps);

/*
 * reg_mr.c: copy a request of any size; check what needs no answer from the kernel; check the
 * request against the device, before the registration, so that there is nothing to undo. Each
 * returns 0 or an errno value.
 */
int hugeodp_copy_request(struct ibv_mr_init_attr_odp *request,
			 const struct ibv_mr_init_attr_odp *attr, size_t size);
int hugeodp_validate(const struct ibv_mr_init_attr_odp *request);
int hugeodp_check_device(struct ibv_context *context, const struct ibv_mr_init_attr_odp *request,
			 struct device_caps *caps);

/*
 * The library that "hugeodp run" preloads reports requests of the program itself. It is NULL in other
 * processes. @mr is NULL if the registration failed, @page_shift is ibv_mr_page_shift().
 */
void hugeodp_preload_requested(const struct ibv_mr_init_attr_odp *request, struct ibv_mr *mr,
			       int (*page_shift)(struct ibv_mr *mr)) __attribute__((weak));
/* A registration without a request, which that library may change; NULL as above. */
struct ibv_mr *hugeodp_preload_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
	__attribute__((weak));
/* reg_mr.c: call the first one, if it is there. */
void hugeodp_count_request(const struct ibv_mr_init_attr_odp *request, struct ibv_mr *mr);

/* reg_mr.c: the first address of the MR for remote peers. */
uint64_t hugeodp_iova(const struct ibv_mr_init_attr *attr);

/* The error of a pinned MR that needs more entries than its request allows. */
static inline int hugeodp_too_many(const struct ibv_mr_init_attr_pages *request, uint64_t needed)
{
	if (request->entries_needed)
		*request->entries_needed = needed;
	return E2BIG;
}

/* pinned.c: register pinned memory for a request that has been validated. Returns 0 or an errno value. */
int hugeodp_register_pinned(struct ibv_pd *pd, const struct ibv_mr_init_attr_pages *request,
			    struct ibv_mr **mr);

/* query.c: what the device translates an MR with. Returns 0 or an errno value. */
int hugeodp_query_pages(struct ibv_mr *mr, struct ibv_mr_pages *pages);

/* modify.c: put a request in force on an MR. */
int hugeodp_modify(struct ibv_mr *mr, uint64_t page_sizes, uint32_t flags);

/* upstream.c: rdma-core's ibv_reg_mr_ex(). */
struct ibv_mr *hugeodp_upstream_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);
/* The same by older functions of libibverbs. */
struct ibv_mr *hugeodp_translate_reg_mr_ex(struct ibv_pd *pd, const struct ibv_mr_init_attr *attr);

#endif
