// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * libhugeodp-preload.so: huge pages for the ODP registrations of unmodified
 * programs. The program gets the MR that it requested, with larger pages if
 * possible. Base pages are always accepted, so that splitting a huge page costs
 * speed but never causes an error.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libibverbs.h"
#include "memory/thp.h"
#include "priv.h"
#include "probe.h"
#include "provider.h"
#include "report.h"
#include "stock/stock.h"
#include "stock/stock_mrs.h"
#include "tracked.h"

/*
 * The interposed functions, exported under libibverbs' names. The parts of libhugeodp that are
 * linked into this module also call them; libibverbs_inside passes these calls to libibverbs.
 */
#define INTERPOSE(name) __asm__(#name)
struct ibv_mr *interpose_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
	INTERPOSE(ibv_reg_mr);
struct ibv_mr *interpose_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				     int access) INTERPOSE(ibv_reg_mr_iova);
struct ibv_mr *interpose_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				      unsigned int access) INTERPOSE(ibv_reg_mr_iova2);
struct ibv_mr *interpose_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
	INTERPOSE(ibv_reg_mr_ex);
int interpose_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t length,
		       int access) INTERPOSE(ibv_rereg_mr);
int interpose_dereg_mr(struct ibv_mr *mr) INTERPOSE(ibv_dereg_mr);

static struct {
	uint64_t sizes; /* 0: any */
	bool all;	/* registrations without on-demand paging, too */
	bool explain;	/* change nothing */
	char *no_sizes; /* an invalid HUGEODP_PRELOAD_SIZES */
} policy;

/* Reading files and sockets must not be a cancellation point where libibverbs has none. */
static int not_cancelled(void)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static void cancelled_again(int state)
{
	pthread_setcancelstate(state, NULL);
}

/* A registration, independent of the function that was called. */
struct call {
	enum { BY_REG_MR, BY_IOVA, BY_IOVA2, BY_EX } by;
	bool of_program; /* although libhugeodp calls */
	const struct libibverbs *libibverbs;
	struct ibv_pd *pd;
	void *addr;
	size_t length;
	uint64_t iova;
	unsigned int access;
	struct ibv_mr_init_attr *attr;
};

/* The environment is not trusted in a setuid program, which can have the module from /etc/ld.so.preload. */
static void start(void)
{
	const char *sizes = secure_getenv("HUGEODP_PRELOAD_SIZES");
	const char *mode = secure_getenv("HUGEODP_PRELOAD_MODE");

	policy.all = secure_getenv("HUGEODP_PRELOAD_ALL") != NULL;
	policy.explain = mode && !strcmp(mode, "explain");
	if (sizes && hugeodp_parse_page_sizes(sizes, &policy.sizes))
		policy.no_sizes = strdup(sizes);
	libibverbs_start();
	report_start();
	tracked_start();
}

static void start_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
}

/* Read the environment before the program can change it. */
static __attribute__((constructor)) void start_early(void)
{
	start_once();
}

/* Only in programs that register memory. */
static void complain(void)
{
	if (policy.no_sizes && report_has_stderr())
		fprintf(stderr, "hugeodp: invalid HUGEODP_PRELOAD_SIZES '%s'\n", policy.no_sizes);
}

static void complain_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, complain);
}

static struct ibv_mr *call_libibverbs(const struct call *call)
{
	const struct libibverbs *to = call->libibverbs;

	if (call->by == BY_EX)
		/* exported here even if libibverbs is too old to have it */
		return to->reg_mr_ex ? to->reg_mr_ex(call->pd, call->attr)
				     : hugeodp_translate_reg_mr_ex(call->pd, call->attr);
	if (call->by == BY_REG_MR && to->reg_mr)
		return to->reg_mr(call->pd, call->addr, call->length, (int)call->access);
	if (call->by == BY_IOVA && to->reg_mr_iova)
		return to->reg_mr_iova(call->pd, call->addr, call->length, call->iova,
				       (int)call->access);
	if (call->by == BY_IOVA2 && to->reg_mr_iova2)
		return to->reg_mr_iova2(call->pd, call->addr, call->length, call->iova,
					call->access);
	return hugeodp_err_ptr(EOPNOTSUPP);
}

static struct ibv_mr *register_plain(const struct call *call)
{
	struct ibv_mr *mr = call_libibverbs(call);
	struct tracked tracked;

	/* drop an earlier MR at this address that was deregistered without this library */
	if (mr)
		tracked_take(mr, &tracked);
	return mr;
}

/* The reason to leave this registration unchanged, or DECLINED_NOT. */
static enum declined leave_alone(const struct call *call)
{
	if (!call->addr && call->length == SIZE_MAX)
		return DECLINED_IMPLICIT;
	if (call->access & IBV_ACCESS_HUGETLB)
		return DECLINED_OWN_REQUEST;
	if (!(call->access & IBV_ACCESS_ON_DEMAND) && !policy.all)
		return DECLINED_NOT_ON_DEMAND;
	if (!call->addr || !call->length)
		return DECLINED_FAILED;
	return DECLINED_NOT;
}

static uint64_t accepted_sizes(const struct device_caps *caps)
{
	uint64_t sizes = policy.sizes ? policy.sizes : caps->page_sizes;

	return (sizes | (uint64_t)sysconf(_SC_PAGESIZE)) & caps->page_sizes;
}

static struct ibv_odp_report probe_call(const struct call *call, const struct device_caps *caps)
{
	struct range range = {
		.addr = (uintptr_t)call->addr,
		.length = call->length,
		.iova = call->iova,
		/* also report a size that the device does not support as the obstacle */
		.accepted = accepted_sizes(caps) | thp_pmd_size(),
	};
	struct ibv_odp_report report = { 0 };

	if (policy.sizes)
		range.accepted = policy.sizes | (uint64_t)sysconf(_SC_PAGESIZE);
	probe_for_device(&range, call->pd->context, caps);
	if (range.addr + (range.length - 1) < range.addr || range_report_self(&range, &report))
		report.reason = IBV_ODP_REASON_NONE;
	return report;
}

/*
 * True if the middle of the buffer can use huge pages but its ends are unaligned, so that a single
 * page size would have to be small.
 */
static bool has_ragged_ends(const struct call *call)
{
	const uint64_t size = thp_pmd_size(), addr = (uintptr_t)call->addr;
	const uint64_t end = addr + call->length;
	uint64_t first, last;
	uint32_t shift;

	if (!size || (addr ^ call->iova) & (size - 1) || end < addr)
		return false;
	first = (addr + size - 1) & ~(size - 1);
	last = end & ~(size - 1);
	if (first < addr || first >= last || (first == addr && last == end))
		return false;
	return !range_kernel_shift(call->pd->context, first, last - first, size, &shift);
}

/* For a device that creates mixed MRs only at registration. NULL if nothing was registered. */
static struct ibv_mr *mixed_from_the_start(const struct call *call, const struct device_caps *caps)
{
	const struct ibv_mr_init_attr_odp request = {
		.base = {
			.addr = call->addr,
			.length = call->length,
			.access = (int)(call->access | IBV_ACCESS_ON_DEMAND),
		},
		.page_sizes = accepted_sizes(caps),
		.flags = IBV_ODP_MIXED,
	};
	const struct hugeodp_provider *provider = hugeodp_provider(call->pd->context);
	struct ibv_mr *mr;

	/* check the ends last: this takes an ioctl */
	if (!(caps->flags & IBV_ODP_MIXED) || !provider->mixed_at_registration ||
	    !has_ragged_ends(call))
		return NULL;
	return provider->reg_mr(call->pd, &request, call->iova, &mr) ? NULL : mr;
}

/* Otherwise register the plain MR first: if a later step fails, the program still gets this MR. */
static struct ibv_mr *with_kernel(const struct call *call, const struct device_caps *caps)
{
	uint32_t mixed = caps->flags & IBV_ODP_MIXED;
	struct ibv_mr *mr = mixed_from_the_start(call, caps);

	if (mr)
		return mr;
	if (!(call->access & IBV_ACCESS_ON_DEMAND))
		mr = ibv_reg_mr_iova2(call->pd, call->addr, call->length, call->iova,
				      call->access | IBV_ACCESS_ON_DEMAND);
	else
		mr = register_plain(call);
	/* the ends of a buffer are rarely aligned, so give each block the size that fits it */
	if (mr && hugeodp_modify(mr, accepted_sizes(caps), mixed) && mixed)
		hugeodp_modify(mr, accepted_sizes(caps), 0);
	return mr;
}

static struct ibv_mr *without_kernel(const struct call *call, const struct device_caps *caps)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.addr = call->addr,
			.length = call->length,
			.access = (int)(call->access | IBV_ACCESS_ON_DEMAND),
		},
		.page_sizes = accepted_sizes(caps),
	};
	struct ibv_mr *mr;

	return stock_register(call->pd, &request, call->iova, caps, &mr) ? NULL : mr;
}

static bool is_huge(int shift)
{
	return shift > 0 && 1L << shift > sysconf(_SC_PAGESIZE);
}

/* @shift is the page shift of the MR. In mode explain, record the possible page shift instead. */
static void record_result(const struct call *call, const struct device_caps *caps, int shift)
{
	struct ibv_odp_report report;

	if (!is_huge(shift)) {
		report = probe_call(call, caps);
		if (policy.explain)
			shift = (int)report.page_shift;
	}
	if (is_huge(shift))
		report_upgraded((unsigned int)shift, call->addr, call->length);
	else
		report_small(&report, call->addr, call->length);
}

/*
 * MRs that we did not change are left to libibverbs' own ibv_rereg_mr(), which can preserve the
 * keys.
 */
static bool is_changed(const struct ibv_mr *mr, const struct call *call,
		       const struct device_caps *caps)
{
	struct ibv_mr_odp_attr attr;

	return caps->source == IBV_ODP_SOURCE_KERNEL || !(call->access & IBV_ACCESS_ON_DEMAND) ||
	       stock_mrs_query(mr, &attr) || is_huge((int)attr.page_shift);
}

static struct ibv_mr *upgrade(const struct call *call, const struct device_caps *caps)
{
	struct ibv_mr *mr;

	mr = caps->source == IBV_ODP_SOURCE_KERNEL ? with_kernel(call, caps)
						   : without_kernel(call, caps);
	if (!mr) {
		mr = register_plain(call);
		report_declined(DECLINED_FAILED, call->addr, call->length);
		return mr;
	}
	if (is_changed(mr, call, caps))
		tracked_add(mr, (struct tracked){ .iova = call->iova, .access = call->access });
	/* these additional queries are only needed for the report */
	if (report_wanted())
		record_result(call, caps, ibv_mr_page_shift(mr));
	return mr;
}

static struct ibv_mr *register_call(const struct call *call)
{
	enum declined declined = leave_alone(call);
	struct device_caps caps;

	complain_once();
	if (!declined && hugeodp_device_caps(call->pd->context, &caps))
		declined = DECLINED_DEVICE;
	if (declined) {
		report_declined(declined, call->addr, call->length);
		return register_plain(call);
	}
	if (!policy.explain)
		return upgrade(call, &caps);
	if (report_wanted())
		record_result(call, &caps, 0);
	return register_plain(call);
}

/* The copy of libibverbs that this call reaches without this module. */
static const struct libibverbs *called(const void *caller)
{
	return libibverbs_inside ? libibverbs_inside : libibverbs_of(caller).libibverbs;
}

static struct ibv_mr *handle(struct call *call, const void *caller)
{
	int before = errno, state;
	struct object object;
	struct ibv_mr *mr;

	start_once();
	if (libibverbs_inside) {
		call->libibverbs = libibverbs_inside;
		return register_plain(call);
	}
	object = libibverbs_of(caller);
	call->libibverbs = object.libibverbs;
	libibverbs_inside = call->libibverbs;
	state = not_cancelled();
	/* libhugeodp calls for a request of the program itself */
	mr = object.libhugeodp && !call->of_program ? register_plain(call) : register_call(call);
	cancelled_again(state);
	libibverbs_inside = NULL;
	if (mr)
		errno = before;
	return mr;
}

HUGEODP_EXPORT struct ibv_mr *interpose_reg_mr(struct ibv_pd *pd, void *addr, size_t length,
					       int access)
{
	struct call call = {
		.by = BY_REG_MR,
		.pd = pd,
		.addr = addr,
		.length = length,
		.iova = (uintptr_t)addr,
		.access = (unsigned int)access,
	};

	return handle(&call, __builtin_return_address(0));
}

HUGEODP_EXPORT struct ibv_mr *interpose_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
						    uint64_t iova, int access)
{
	struct call call = {
		.by = BY_IOVA,
		.pd = pd,
		.addr = addr,
		.length = length,
		.iova = iova,
		.access = (unsigned int)access,
	};

	return handle(&call, __builtin_return_address(0));
}

HUGEODP_EXPORT struct ibv_mr *interpose_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
						     uint64_t iova, unsigned int access)
{
	struct call call = {
		.by = BY_IOVA2,
		.pd = pd,
		.addr = addr,
		.length = length,
		.iova = iova,
		.access = access,
	};

	return handle(&call, __builtin_return_address(0));
}

/* libhugeodp calls this after each registration with a request of the program. */
HUGEODP_EXPORT void hugeodp_preload_requested(const struct ibv_mr_init_attr_odp *request,
					      struct ibv_mr *mr,
					      int (*page_shift)(struct ibv_mr *mr))
{
	const struct ibv_mr_init_attr *attr = &request->base;
	int state, shift;

	start_once();
	if (!report_wanted())
		return;
	state = not_cancelled();
	shift = mr ? page_shift(mr) : 0;
	report_requested(mr != NULL, is_huge(shift) ? (unsigned int)shift : 0, attr->addr,
			 attr->length);
	cancelled_again(state);
}

/* A program that looks up the name finds this module's function; call the next one, if any. */
static struct ibv_mr *pass_on(struct ibv_pd *pd, struct ibv_mr_init_attr *attr, const void *caller)
{
	struct ibv_mr *(*next)(struct ibv_pd * pd, struct ibv_mr_init_attr * attr);

	*(void **)&next = libibverbs_next(caller, "ibv_reg_mr_ex");
	return next ? next(pd, attr) : hugeodp_translate_reg_mr_ex(pd, attr);
}

/* Not intercepted. */
static struct ibv_mr *plain_ex(struct call *call, const void *caller)
{
	const struct libibverbs *before = libibverbs_inside;
	struct ibv_mr *mr;

	call->libibverbs = called(caller);
	libibverbs_inside = call->libibverbs;
	mr = register_plain(call);
	libibverbs_inside = before;
	return mr;
}

static struct ibv_mr *reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr, bool of_program,
				const void *caller)
{
	const uint64_t simple = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_IOVA;
	struct call call = {
		.by = BY_EX,
		.of_program = of_program,
		.pd = pd,
		.addr = attr->addr,
		.length = attr->length,
		.iova = attr->comp_mask & IBV_REG_MR_MASK_IOVA ? attr->iova : (uintptr_t)attr->addr,
		.access = (unsigned int)attr->access,
		.attr = attr,
	};

	start_once();
	if (attr->comp_mask & IBV_REG_MR_MASK_ODP)
		return pass_on(pd, attr, caller);
	/* other kinds of memory, and unknown bits */
	if (attr->comp_mask & ~simple || !(attr->comp_mask & IBV_REG_MR_MASK_ADDR))
		return plain_ex(&call, caller);
	return handle(&call, caller);
}

HUGEODP_EXPORT struct ibv_mr *interpose_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	return reg_mr_ex(pd, attr, false, __builtin_return_address(0));
}

/* libhugeodp calls this for registrations of the program without a request. */
HUGEODP_EXPORT struct ibv_mr *hugeodp_preload_reg_mr_ex(struct ibv_pd *pd,
							struct ibv_mr_init_attr *attr)
{
	return reg_mr_ex(pd, attr, true, __builtin_return_address(0));
}

static void record_work(struct ibv_mr *mr, const struct libibverbs *libibverbs)
{
	const struct libibverbs *before = libibverbs_inside;
	struct ibv_mr_odp_attr attr;
	int state;

	if (!report_wanted())
		return;
	/* do not report registrations of an allocator in the meantime: the report is locked */
	libibverbs_inside = libibverbs;
	state = not_cancelled();
	if (!ibv_query_mr_odp(mr, &attr, sizeof(attr)))
		report_work(&attr);
	cancelled_again(state);
	libibverbs_inside = before;
}

/* Exchange all members that a program may read. */
static void swap(struct ibv_mr *a, struct ibv_mr *b)
{
	const struct ibv_mr before = *a;

	*a = *b;
	*b = before;
}

/*
 * ibv_rereg_mr() cannot pass page sizes, and libibverbs does not support it for all kinds of MRs:
 * replace the old MR by a new one. Returns 0, or an errno value with the MR unchanged.
 */
static int replace(struct ibv_mr *mr, const struct call *call)
{
	struct device_caps caps;
	struct tracked tracked;
	struct ibv_mr *new;
	int err;

	if (!hugeodp_device_caps(call->pd->context, &caps) && caps.source == IBV_ODP_SOURCE_KERNEL)
		new = register_call(call);
	else
		new = register_plain(call);
	if (!new)
		return errno;
	/* before another thread's new MR can reuse its struct */
	tracked_take(new, &tracked);
	record_work(mr, call->libibverbs);
	swap(mr, new);
	err = call->libibverbs->dereg_mr(new);
	if (err) {
		swap(mr, new);
		call->libibverbs->dereg_mr(new);
		return err;
	}
	tracked_add(mr, (struct tracked){ .iova = call->iova, .access = call->access });
	return 0;
}

HUGEODP_EXPORT int interpose_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
				      size_t length, int access)
{
	const struct libibverbs *libibverbs;
	struct tracked tracked;
	struct call call;
	int before = errno, state, err;

	start_once();
	libibverbs = called(__builtin_return_address(0));
	if (libibverbs_inside || !tracked_find(mr, &tracked) || !flags ||
	    flags & ~IBV_REREG_MR_FLAGS_SUPPORTED) {
		errno = libibverbs->rereg_mr ? before : EOPNOTSUPP;
		return libibverbs->rereg_mr
			       ? libibverbs->rereg_mr(mr, flags, pd, addr, length, access)
			       : IBV_REREG_MR_ERR_INPUT;
	}
	call = (struct call){
		.by = BY_IOVA2,
		.libibverbs = libibverbs,
		.pd = flags & IBV_REREG_MR_CHANGE_PD ? pd : mr->pd,
		.addr = mr->addr,
		.length = mr->length,
		.iova = tracked.iova,
		.access = tracked.access,
	};
	if (flags & IBV_REREG_MR_CHANGE_ACCESS)
		call.access = (unsigned int)access;
	if (flags & IBV_REREG_MR_CHANGE_TRANSLATION) {
		call.addr = addr;
		call.length = length;
		call.iova = (uintptr_t)addr;
	}
	if (!call.pd || !call.addr || !call.length ||
	    (access && !(flags & IBV_REREG_MR_CHANGE_ACCESS))) {
		errno = EINVAL;
		return IBV_REREG_MR_ERR_INPUT;
	}
	libibverbs_inside = libibverbs;
	state = not_cancelled();
	err = replace(mr, &call);
	cancelled_again(state);
	libibverbs_inside = NULL;
	errno = err ? err : before;
	return err ? IBV_REREG_MR_ERR_CMD : 0;
}

HUGEODP_EXPORT int interpose_dereg_mr(struct ibv_mr *mr)
{
	const struct libibverbs *libibverbs;
	int before = errno, err;
	struct tracked tracked;
	bool known;

	start_once();
	libibverbs = called(__builtin_return_address(0));
	if (!libibverbs->dereg_mr)
		return EOPNOTSUPP;
	if (!libibverbs_inside)
		record_work(mr, libibverbs);
	known = tracked_take(mr, &tracked);
	errno = before;
	err = libibverbs->dereg_mr(mr);
	if (err && known)
		tracked_add(mr, tracked);
	return err;
}
