/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The copies of libibverbs in the process. This module does not depend on libibverbs, because a
 * dependency of a preloaded object takes the place of the copy that the program would have loaded:
 * all functions are looked up when a call is intercepted.
 */
#ifndef HUGEODP_PRELOAD_LIBIBVERBS_H
#define HUGEODP_PRELOAD_LIBIBVERBS_H

#include <stdbool.h>
#include <infiniband/hugeodp.h>

/* The functions of one copy; NULL if it is too old to have them. */
struct libibverbs {
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t length, int access);
	struct ibv_mr *(*reg_mr_iova)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				      int access);
	struct ibv_mr *(*reg_mr_iova2)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access);
	struct ibv_mr *(*reg_mr_ex)(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);
	int (*rereg_mr)(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t length,
			int access);
	int (*dereg_mr)(struct ibv_mr *mr);
	struct ibv_mr *(*reg_dmabuf_mr)(struct ibv_pd *pd, uint64_t offset, size_t length,
					uint64_t iova, int fd, int access);
	struct ibv_mr *(*import_mr)(struct ibv_pd *pd, uint32_t handle);
	const char *(*get_device_name)(struct ibv_device *device);
	int (*query_device)(struct ibv_context *context, struct ibv_device_attr *attr);
};

/* The object that contains an address of code. */
struct object {
	uintptr_t start;
	uintptr_t end;
	bool libhugeodp;
	const struct libibverbs *libibverbs; /* the copy that its calls reach without this module */
};

void libibverbs_start(void);

/* Whether the program has loaded libibverbs by dlopen(3). */
bool libibverbs_was_opened(void);

/* Whether a path is that of a copy of libibverbs. */
bool libibverbs_is_name(const char *path);

/* The object that contains @caller looks up functions of the copy that has this handle. */
void libibverbs_opened_by(const void *caller, void *handle);

/* Find the object that called; @caller is a return address. */
struct object libibverbs_of(const void *caller);

/* The next function with this name that the caller would reach, or NULL. */
void *libibverbs_next(const void *caller, const char *name);

/*
 * While this is set, the thread is in a call of libibverbs or of libhugeodp's objects: these call
 * interposed functions by their exported names, which must not be intercepted again.
 */
extern _Thread_local const struct libibverbs *libibverbs_inside;

#endif
