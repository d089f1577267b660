// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The kernel cannot report the page size of an MR, so the request is remembered here, by the
 * kernel's handle. The library does not see when an MR is deregistered: its entry stays until the
 * handle is reused. An entry is valid only while the MR still has its address, length, keys and our
 * mark. The mark is needed because a driver that caches mkeys gives the same keys to a new MR.
 */
#include <pthread.h>
#include <search.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "priv.h"
#include "stock/stock_mrs.h"

struct known {
	const struct ibv_context *context;
	uint32_t handle;
	struct ibv_mr mr; /* copy made at registration */
	const struct ibv_mr *at;
	uint32_t mark;
	uint64_t page_sizes;
	uint32_t page_shift;
};

/*
 * On 64-bit systems, struct ibv_mr ends with unused padding bytes. Providers
 * allocate an MR as zeroes.
 */
#define MR_END (offsetof(struct ibv_mr, rkey) + sizeof(((struct ibv_mr *)NULL)->rkey))
#define MR_HAS_TAIL (sizeof(struct ibv_mr) - MR_END >= sizeof(uint32_t))

static void *entries;
static uint32_t last_mark;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * A child must not wait for a thread that it does not have. Before main(), so that the lock is free in
 * the program's own handlers.
 */
static void __attribute__((constructor)) prepare_fork(void)
{
	pthread_atfork(take_lock, release_lock, release_lock);
}

static int compare(const void *a, const void *b)
{
	const struct known *x = a;
	const struct known *y = b;

	if (x->context != y->context)
		return (uintptr_t)x->context < (uintptr_t)y->context ? -1 : 1;
	return x->handle < y->handle ? -1 : x->handle > y->handle;
}

static void set_mark(struct ibv_mr *mr, uint32_t mark)
{
	if (MR_HAS_TAIL)
		memcpy((char *)mr + MR_END, &mark, sizeof(mark));
}

static bool has_mark(const struct ibv_mr *mr, uint32_t mark)
{
	return !MR_HAS_TAIL || !memcmp((const char *)mr + MR_END, &mark, sizeof(mark));
}

static bool same_mr(const struct known *entry, const struct ibv_mr *mr)
{
	return entry->at == mr && has_mark(mr, entry->mark) && entry->mr.pd == mr->pd &&
	       entry->mr.addr == mr->addr && entry->mr.length == mr->length &&
	       entry->mr.lkey == mr->lkey && entry->mr.rkey == mr->rkey;
}

void stock_mrs_add(struct ibv_mr *mr, uint64_t page_sizes, uint64_t size)
{
	struct known *entry = malloc(sizeof(*entry));
	struct known **found;

	if (!entry)
		return;
	*entry = (struct known){
		.context = mr->context,
		.handle = mr->handle,
		.mr = *mr,
		.at = mr,
		.page_sizes = page_sizes,
		.page_shift = (uint32_t)__builtin_ctzll(size),
	};
	take_lock();
	/* 0 means that there is no mark */
	last_mark += last_mark == UINT32_MAX ? 2 : 1;
	entry->mark = last_mark;
	set_mark(mr, entry->mark);
	found = tsearch(entry, &entries, compare);
	if (found && *found != entry) {
		free(*found);
		*found = entry;
	}
	release_lock();
	if (!found)
		free(entry);
}

int stock_mrs_query(const struct ibv_mr *mr, struct ibv_mr_odp_attr *attr)
{
	struct known key = { .context = mr->context, .handle = mr->handle };
	struct known **found;
	int err = EOPNOTSUPP;

	take_lock();
	found = tfind(&key, &entries, compare);
	if (found && same_mr(*found, mr)) {
		*attr = (struct ibv_mr_odp_attr){
			.page_sizes = (*found)->page_sizes,
			.page_shift = (*found)->page_shift,
			.source = IBV_ODP_SOURCE_LIBRARY,
		};
		err = 0;
	}
	release_lock();
	return err;
}
