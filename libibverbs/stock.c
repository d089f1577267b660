// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The kernel cannot tell the page size of an MR, so what was asked for is kept
 * here, by the kernel's handle. Nobody tells when an MR is deregistered; its
 * entry stays until the handle is used again, and counts only as long as the MR
 * has the address, length and keys that it had, and our mark: a driver that
 * keeps mkeys for the next MR gives that one the same keys.
 */
#include <pthread.h>
#include <search.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include "ioctl.h"
#include "priv.h"
#include "probe.h"
#include "stock.h"
#include "thp.h"

struct known {
	const struct ibv_context *context;
	uint32_t handle;
	struct ibv_mr mr; /* as it was when it was new */
	const struct ibv_mr *at;
	uint32_t mark;
	uint64_t page_sizes;
	uint32_t page_shift;
};

/*
 * Behind the last member of struct ibv_mr are bytes that nobody uses, where pointers
 * have 64 bits. Providers allocate an MR as zeros.
 */
#define MR_END (offsetof(struct ibv_mr, rkey) + sizeof(((struct ibv_mr *)NULL)->rkey))
#define MR_HAS_TAIL (sizeof(struct ibv_mr) - MR_END >= sizeof(uint32_t))

static void *entries;
static uint32_t last_mark;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

/* A child must not wait for a thread that it does not have. */
static void prepare_fork(void)
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

static void remember(struct ibv_mr *mr, uint64_t page_sizes, uint64_t size)
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
	pthread_once(&once, prepare_fork);
	take_lock();
	/* 0 is what is there without one */
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

int stock_query(const struct ibv_mr *mr, struct ibv_mr_odp_attr *attr)
{
	struct known key = { .context = mr->context, .handle = mr->handle };
	struct known **found;
	int err = EOPNOTSUPP;

	pthread_once(&once, prepare_fork);
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

bool stock_places_blocks_right(const char *release)
{
	unsigned int major, minor;

	/* these have newer RDMA drivers than their number says */
	if (strstr(release, ".el") || strstr(release, "uek") || strstr(release, "-default"))
		return false;
	if (sscanf(release, "%u.%u", &major, &minor) != 2)
		return false;
	return major < 6 || (major == 6 && minor < 16);
}

/* Drivers whose IBV_ACCESS_HUGETLB is known. */
static bool driver_has_huge_pages(struct ibv_context *context)
{
	uint32_t driver_id;

	return !uverbs_driver_id(context, &driver_id) && driver_id == RDMA_DRIVER_MLX5;
}

int stock_caps(struct ibv_context *context, struct device_caps *caps)
{
	struct ibv_device_attr_ex attr = { 0 };

	if (ibv_query_device_ex(context, NULL, &attr) ||
	    !(attr.odp_caps.general_caps & IBV_ODP_SUPPORT))
		return EOPNOTSUPP;
	caps->page_sizes = (uint64_t)sysconf(_SC_PAGESIZE);
	if (driver_has_huge_pages(context))
		caps->page_sizes |= thp_pmd_size();
	caps->flags = 0;
	caps->source = IBV_ODP_SOURCE_LIBRARY;
	return 0;
}

uint64_t stock_sizes(const struct device_caps *caps, uint64_t addr, uint64_t length)
{
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t size = caps->page_sizes & ~base;
	struct utsname uts;

	if (!size || caps->series || (addr ^ (addr + length - 1)) < size)
		return caps->page_sizes;
	/* more than one block */
	return !uname(&uts) && stock_places_blocks_right(uts.release) ? caps->page_sizes : base;
}

static bool is_hugetlb(const struct ibv_mr_init_attr *attr, uint64_t iova, uint64_t size)
{
	struct probe_range range = {
		.addr = (uintptr_t)attr->addr,
		.length = attr->length,
		.iova = iova,
		.accepted = size,
		.supported = size,
		.hugetlb_only = true,
	};
	struct ibv_odp_report report;

	return !probe_self(&range, &report) && report.page_shift;
}

int stock_register(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request, uint64_t iova,
		   const struct device_caps *caps, struct ibv_mr **mr)
{
	const struct ibv_mr_init_attr *attr = &request->base;
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t accepted = request->page_sizes ? request->page_sizes : caps->page_sizes;
	unsigned int access = (unsigned int)attr->access;
	int err = EOPNOTSUPP;
	uint64_t size;

	*mr = NULL;
	accepted &= caps->page_sizes;
	size = accepted & stock_sizes(caps, (uintptr_t)attr->addr, attr->length) & ~base;
	if (size && is_hugetlb(attr, iova, size)) {
		*mr = ibv_reg_mr_iova2(pd, attr->addr, attr->length, iova,
				       access | IBV_ACCESS_HUGETLB);
		/* the arguments have been checked: it is the flag that is not known */
		if (!*mr && errno != EINVAL)
			err = errno;
	}
	if (!*mr && accepted & base) {
		size = base;
		*mr = ibv_reg_mr_iova2(pd, attr->addr, attr->length, iova, access);
		if (!*mr)
			err = errno;
	}
	if (!*mr)
		return err;
	/* an MR that nothing is known of is better than none */
	remember(*mr, accepted, size);
	return 0;
}
