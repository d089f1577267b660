// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * libhugeodp-preload.so: huge pages for the ODP registrations of a program that
 * knows nothing of them. The program gets what it would have got without, or the
 * same MR with larger pages; base pages are always among those accepted, so
 * that memory that stops being huge costs speed and no error.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "preload_report.h"
#include "priv.h"
#include "probe.h"
#include "sizes.h"
#include "stock.h"
#include "thp.h"

#undef ibv_reg_mr
#undef ibv_reg_mr_iova
#undef ibv_reg_mr_ex

/* As libibverbs has them. */
struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access);
struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			       int access);
struct ibv_mr *ibv_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);

static struct {
	struct ibv_mr *(*reg_mr)(struct ibv_pd *pd, void *addr, size_t length, int access);
	struct ibv_mr *(*reg_mr_iova)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				      int access);
	struct ibv_mr *(*reg_mr_iova2)(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access);
	struct ibv_mr *(*reg_mr_ex)(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);
	int (*dereg_mr)(struct ibv_mr *mr);
} real;

static struct {
	uint64_t sizes; /* 0: any */
	bool all;	/* registrations without on-demand paging, too */
	bool explain;	/* change nothing */
} policy;

/* libibverbs calls its own functions by their exported names. */
static _Thread_local bool inside;

/* A registration, by whichever function it was asked for. */
struct call {
	enum { BY_REG_MR, BY_IOVA, BY_IOVA2, BY_EX } by;
	struct ibv_pd *pd;
	void *addr;
	size_t length;
	uint64_t iova;
	unsigned int access;
	struct ibv_mr_init_attr *attr;
};

static void *find(const char *name, const char *version)
{
	return dlvsym(RTLD_NEXT, name, version);
}

static void start(void)
{
	const char *sizes = getenv("HUGEODP_PRELOAD_SIZES");
	const char *mode = getenv("HUGEODP_PRELOAD_MODE");

	real.reg_mr = find("ibv_reg_mr", "IBVERBS_1.1");
	real.reg_mr_iova = find("ibv_reg_mr_iova", "IBVERBS_1.7");
	real.reg_mr_iova2 = find("ibv_reg_mr_iova2", "IBVERBS_1.8");
	real.reg_mr_ex = find("ibv_reg_mr_ex", "IBVERBS_1.15");
	real.dereg_mr = find("ibv_dereg_mr", "IBVERBS_1.1");
	policy.all = getenv("HUGEODP_PRELOAD_ALL") != NULL;
	policy.explain = mode && !strcmp(mode, "explain");
	if (sizes && !sizes_parse(sizes, &policy.sizes)) {
		fprintf(stderr, "hugeodp: HUGEODP_PRELOAD_SIZES: no page sizes: %s\n", sizes);
		policy.sizes = 0;
	}
	report_start();
}

static void start_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, start);
}

static struct ibv_mr *plain(const struct call *call)
{
	switch (call->by) {
	case BY_REG_MR:
		return real.reg_mr(call->pd, call->addr, call->length, (int)call->access);
	case BY_IOVA:
		return real.reg_mr_iova(call->pd, call->addr, call->length, call->iova,
					(int)call->access);
	case BY_IOVA2:
		return real.reg_mr_iova2(call->pd, call->addr, call->length, call->iova,
					 call->access);
	default:
		if (!real.reg_mr_ex)
			return hugeodp_err_ptr(EOPNOTSUPP);
		return real.reg_mr_ex(call->pd, call->attr);
	}
}

/* Why nothing is tried for this one, or DECLINED_NOT. */
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

static uint64_t accepted(const struct device_caps *caps)
{
	uint64_t sizes = policy.sizes ? policy.sizes : caps->page_sizes;

	return (sizes | (uint64_t)sysconf(_SC_PAGESIZE)) & caps->page_sizes;
}

static struct ibv_odp_report look(const struct call *call, const struct device_caps *caps)
{
	struct probe_range range = {
		.addr = (uintptr_t)call->addr,
		.length = call->length,
		.iova = call->iova,
		/* a size that the device does not have can be what is in the way, too */
		.accepted = accepted(caps) | thp_pmd_size(),
		.supported = caps->page_sizes,
	};
	struct ibv_odp_report report = { 0 };

	if (policy.sizes)
		range.accepted = policy.sizes | (uint64_t)sysconf(_SC_PAGESIZE);
	if (caps->source == IBV_ODP_SOURCE_LIBRARY) {
		range.supported = stock_sizes(caps, range.addr, range.length);
		range.hugetlb_only = true;
	}
	if (range.addr + (range.length - 1) < range.addr || probe_self(&range, &report))
		report.reason = IBV_ODP_REASON_NONE;
	return report;
}

/* The plain MR first: whatever fails after that, it is what the program asked for. */
static struct ibv_mr *with_kernel(const struct call *call, const struct device_caps *caps)
{
	uint32_t mixed = caps->flags & IBV_ODP_MIXED;
	struct ibv_mr *mr;

	if (!(call->access & IBV_ACCESS_ON_DEMAND))
		mr = real.reg_mr_iova2(call->pd, call->addr, call->length, call->iova,
				       call->access | IBV_ACCESS_ON_DEMAND);
	else
		mr = plain(call);
	/* the ends of a buffer are seldom aligned, so each block gets what fits it */
	if (mr && hugeodp_modify(mr, accepted(caps), mixed) && mixed)
		hugeodp_modify(mr, accepted(caps), 0);
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
		.page_sizes = accepted(caps),
	};
	struct ibv_mr *mr;

	return stock_register(call->pd, &request, call->iova, caps, &mr) ? NULL : mr;
}

static struct ibv_mr *upgrade(const struct call *call, const struct device_caps *caps)
{
	struct ibv_odp_report report;
	struct ibv_mr *mr;
	int shift;

	mr = caps->source == IBV_ODP_SOURCE_KERNEL ? with_kernel(call, caps)
						   : without_kernel(call, caps);
	if (!mr) {
		mr = plain(call);
		report_declined(DECLINED_FAILED, call->addr, call->length);
		return mr;
	}
	shift = ibv_mr_page_shift(mr);
	if (shift > 0 && 1L << shift > sysconf(_SC_PAGESIZE)) {
		report_upgraded((unsigned int)shift, call->addr, call->length);
	} else {
		report = look(call, caps);
		report_small(&report, call->addr, call->length);
	}
	return mr;
}

static struct ibv_mr *decide(const struct call *call)
{
	enum declined declined = leave_alone(call);
	struct ibv_odp_report report;
	struct device_caps caps;

	if (!declined && hugeodp_device_caps(call->pd->context, &caps))
		declined = DECLINED_DEVICE;
	if (declined) {
		report_declined(declined, call->addr, call->length);
		return plain(call);
	}
	if (!policy.explain)
		return upgrade(call, &caps);
	report = look(call, &caps);
	if (report.page_shift && 1L << report.page_shift > sysconf(_SC_PAGESIZE))
		report_upgraded(report.page_shift, call->addr, call->length);
	else
		report_small(&report, call->addr, call->length);
	return plain(call);
}

/* libhugeodp registers for requests of the program itself. */
static bool is_libhugeodp(const void *caller)
{
	const char *name;
	Dl_info info;

	if (!dladdr(caller, &info) || !info.dli_fname)
		return false;
	name = strrchr(info.dli_fname, '/');
	return !strncmp(name ? name + 1 : info.dli_fname, "libhugeodp.so", 13);
}

static struct ibv_mr *handle(const struct call *call, const void *caller)
{
	int before = errno;
	struct ibv_mr *mr;

	start_once();
	if (inside || is_libhugeodp(caller))
		return plain(call);
	inside = true;
	mr = decide(call);
	inside = false;
	if (mr)
		errno = before;
	return mr;
}

HUGEODP_EXPORT struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
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

HUGEODP_EXPORT struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length,
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

HUGEODP_EXPORT struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length,
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

HUGEODP_EXPORT struct ibv_mr *ibv_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	const uint64_t simple = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_IOVA;
	struct call call = {
		.by = BY_EX,
		.pd = pd,
		.addr = attr->addr,
		.length = attr->length,
		.iova = attr->comp_mask & IBV_REG_MR_MASK_IOVA ? attr->iova : (uintptr_t)attr->addr,
		.access = (unsigned int)attr->access,
		.attr = attr,
	};

	start_once();
	/* other kinds of memory, and what is not known here */
	if (attr->comp_mask & ~simple || !(attr->comp_mask & IBV_REG_MR_MASK_ADDR))
		return plain(&call);
	return handle(&call, __builtin_return_address(0));
}

HUGEODP_EXPORT int ibv_dereg_mr(struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr attr;
	int before = errno;

	start_once();
	if (!inside && report_wanted() && !ibv_query_mr_odp(mr, &attr, sizeof(attr)))
		report_work(&attr);
	errno = before;
	return real.dereg_mr(mr);
}
