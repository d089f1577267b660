// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <assert.h>
#include <stdbool.h>
#include <unistd.h>

#include "log.h"
#include "priv.h"
#include "probe.h"
#include "provider.h"
#include "stock/stock.h"

static_assert(sizeof(struct ibv_mr_init_attr) <=
		      sizeof(((struct ibv_mr_init_attr_odp *)0)->base_room),
	      "upstream's struct ibv_mr_init_attr has outgrown its room");

static bool wraps(uint64_t start, size_t length)
{
	return start + (length - 1) < start;
}

static bool is_implicit(const struct ibv_mr_init_attr *attr)
{
	return !attr->addr && attr->length == SIZE_MAX;
}

uint64_t hugeodp_iova(const struct ibv_mr_init_attr *attr)
{
	return attr->comp_mask & IBV_REG_MR_MASK_IOVA ? attr->iova : (uintptr_t)attr->addr;
}

static int validate_range(const struct ibv_mr_init_attr *attr)
{
	const uint64_t base_page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t addr = (uintptr_t)attr->addr;
	uint64_t iova = hugeodp_iova(attr);

	if (is_implicit(attr))
		return iova ? log_refusal(EINVAL, "implicit MR with an iova") : 0;
	if (!addr || !attr->length)
		return log_refusal(EINVAL, "no address, or length 0");
	if (wraps(addr, attr->length) || wraps(iova, attr->length))
		return log_refusal(EINVAL, "address or iova wraps around: %#jx, %#jx, length %#zx",
				   (uintmax_t)addr, (uintmax_t)iova, attr->length);
	if ((addr ^ iova) & (base_page - 1))
		return log_refusal(EINVAL, "address %#jx and iova %#jx differ below the base page",
				   (uintmax_t)addr, (uintmax_t)iova);
	return 0;
}

static bool is_pinned(const struct ibv_mr_init_attr *attr)
{
	return !(attr->access & IBV_ACCESS_ON_DEMAND);
}

/* What belongs to only one of ODP and pinned MRs. */
static int validate_kind(const struct ibv_mr_init_attr_odp *request)
{
	const struct ibv_mr_init_attr *attr = &request->base;

	if (!is_pinned(attr))
		return request->max_entries
			       ? log_refusal(EINVAL, "max_entries with IBV_ACCESS_ON_DEMAND")
			       : 0;
	if (request->flags & ~(uint32_t)IBV_ODP_MIXED || is_implicit(attr))
		return log_refusal(EINVAL, "access %#x, flags %#x without IBV_ACCESS_ON_DEMAND",
				   (unsigned int)attr->access, request->flags);
	return 0;
}

int hugeodp_validate(const struct ibv_mr_init_attr_odp *request)
{
	const uint64_t required = IBV_REG_MR_MASK_ODP | IBV_REG_MR_MASK_ADDR;
	const uint64_t known = required | IBV_REG_MR_MASK_IOVA | IBV_REG_MR_MASK_DMAH |
			       IBV_REG_MR_MASK_MAX_ENTRIES;
	const struct ibv_mr_init_attr *attr = &request->base;
	int err;

	if (attr->comp_mask & ~known || (attr->comp_mask & required) != required)
		return log_refusal(EINVAL, "comp_mask %#jx has unknown bits or no address",
				   (uintmax_t)attr->comp_mask);
	if (request->flags & ~HUGEODP_KNOWN_FLAGS)
		return log_refusal(EINVAL, "unknown bits in flags %#x", request->flags);
	if (request->reserved)
		return log_refusal(EINVAL, "reserved is not 0");
	if (!hugeodp_sizes_are_possible(request->page_sizes))
		return log_refusal(EINVAL, "page sizes %#jx are below the base page or above 2^47",
				   (uintmax_t)request->page_sizes);
	if (attr->access & IBV_ACCESS_HUGETLB)
		return log_refusal(EINVAL, "IBV_ACCESS_HUGETLB is a request of its own");
	err = validate_kind(request);
	if (err)
		return err;
	if (attr->comp_mask & IBV_REG_MR_MASK_DMAH)
		return log_refusal(EOPNOTSUPP, "a DMA handle is not supported");
	return validate_range(attr);
}

static int check_caps(const struct ibv_mr_init_attr_odp *request, const struct device_caps *caps)
{
	if (request->page_sizes && !(request->page_sizes & caps->page_sizes))
		return EOPNOTSUPP;
	if (request->flags & ~caps->flags)
		return EOPNOTSUPP;
	return 0;
}

int hugeodp_check_device(struct ibv_context *context, const struct ibv_mr_init_attr_odp *request,
			 struct device_caps *caps)
{
	int err;

	if (context_find_caps(context, caps) && !check_caps(request, caps))
		return 0;
	err = hugeodp_device_caps_now(context, caps);
	if (err)
		return log_refusal(err, "%s: no on-demand paging",
				   ibv_get_device_name(context->device));
	err = check_caps(request, caps);
	if (err)
		log_line("%s%s: page sizes %#jx of %#jx, flags %#x of %#x",
			 ibv_get_device_name(context->device),
			 caps->source == IBV_ODP_SOURCE_KERNEL ? "" : " without kernel support",
			 (uintmax_t)request->page_sizes, (uintmax_t)caps->page_sizes,
			 request->flags, caps->flags);
	return err;
}

/*
 * Register through the provider as for an MR without a request, then set the page sizes before the
 * MR is returned to the caller. Works with every provider.
 */
static int register_then_modify(const struct hugeodp_provider *provider, struct ibv_pd *pd,
				const struct ibv_mr_init_attr_odp *request, struct ibv_mr **mr)
{
	const struct ibv_mr_init_attr *attr = &request->base;
	int err;

	*mr = provider->first_step ? provider->first_step(pd, request, hugeodp_iova(attr)) : NULL;
	if (!*mr)
		*mr = ibv_reg_mr_iova2(pd, attr->addr, attr->length, hugeodp_iova(attr),
				       (unsigned int)attr->access);
	if (!*mr)
		return errno;

	err = hugeodp_modify(*mr, request->page_sizes, request->flags);
	if (err)
		ibv_dereg_mr(*mr);
	return err;
}

/* Register in one ioctl if the provider supports that, otherwise in two. */
static int register_request(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request,
			    struct ibv_mr **mr)
{
	const struct hugeodp_provider *provider = hugeodp_provider(pd->context);
	int err = EOPNOTSUPP;

	if (provider->reg_mr)
		err = provider->reg_mr(pd, request, hugeodp_iova(&request->base), mr);
	return err == EOPNOTSUPP ? register_then_modify(provider, pd, request, mr) : err;
}

int hugeodp_copy_request(struct ibv_mr_init_attr_odp *request,
			 const struct ibv_mr_init_attr_odp *attr, size_t size)
{
	int err = hugeodp_copy_in(request, sizeof(*request), attr, size,
				  HUGEODP_SIZE_THROUGH(struct ibv_mr_init_attr_odp, page_sizes));

	if (!err)
		request->base.comp_mask |= IBV_REG_MR_MASK_ODP | IBV_REG_MR_MASK_ADDR;
	return err;
}

/* Say why a registration failed that passed the checks. */
static void log_failure(struct ibv_context *context, const struct ibv_mr_init_attr_odp *request,
			const struct device_caps *caps, int err)
{
	struct range range = {
		.addr = (uintptr_t)request->base.addr,
		.length = request->base.length,
		.iova = hugeodp_iova(&request->base),
		.accepted = request->page_sizes ? request->page_sizes : caps->page_sizes,
	};
	struct ibv_odp_report report;

	log_line("registration of %#zx bytes at %#jx, page sizes %#jx, flags %#x: %s",
		 request->base.length, (uintmax_t)range.addr, (uintmax_t)request->page_sizes,
		 request->flags, strerror(err));
	if (err != ERANGE || is_implicit(&request->base))
		return;
	probe_for_device(&range, context, caps);
	if (!range_report_self(&range, &report) && report.reason)
		log_line("no 2^%u: %s, at %#jx", report.blocked_shift,
			 ibv_odp_reason_str(report.reason), (uintmax_t)report.address);
}

static struct ibv_mr *register_pinned(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request)
{
	struct ibv_mr *mr;
	int err = hugeodp_register_pinned(pd, request, &mr);

	if (!err)
		return mr;
	log_line("registration of %#zx bytes at %#jx, page sizes %#jx, at most %ju entries: %s",
		 request->base.length, (uintmax_t)(uintptr_t)request->base.addr,
		 (uintmax_t)request->page_sizes, (uintmax_t)request->max_entries, strerror(err));
	return hugeodp_err_ptr(err);
}

static struct ibv_mr *register_odp(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request)
{
	const struct ibv_mr_init_attr *attr = &request->base;
	struct device_caps caps;
	struct ibv_mr *mr;
	int err;

	err = hugeodp_check_device(pd->context, request, &caps);
	if (err)
		return hugeodp_err_ptr(err);
	if (caps.source == IBV_ODP_SOURCE_KERNEL)
		err = register_request(pd, request, &mr);
	else if (is_implicit(attr))
		err = EOPNOTSUPP;
	else
		err = stock_register(pd, request, hugeodp_iova(attr), &caps, &mr);
	if (!err)
		return mr;
	if (log_wanted())
		log_failure(pd->context, request, &caps, err);
	return hugeodp_err_ptr(err);
}

void hugeodp_count_request(const struct ibv_mr_init_attr_odp *request, struct ibv_mr *mr)
{
	int err = errno;

	if (hugeodp_preload_requested)
		hugeodp_preload_requested(request, mr, ibv_mr_page_shift);
	errno = err;
}

static struct ibv_mr *register_mr(struct ibv_pd *pd, const struct ibv_mr_init_attr_odp *request)
{
	struct ibv_mr *mr;
	int err = hugeodp_validate(request);

	if (err)
		mr = hugeodp_err_ptr(err);
	else
		mr = is_pinned(&request->base) ? register_pinned(pd, request)
					       : register_odp(pd, request);
	hugeodp_count_request(request, mr);
	return mr;
}

HUGEODP_EXPORT struct ibv_mr *hugeodp_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	struct ibv_mr_init_attr_odp request = { 0 };

	if (!(attr->comp_mask & IBV_REG_MR_MASK_ODP))
		return hugeodp_preload_reg_mr_ex ? hugeodp_preload_reg_mr_ex(pd, attr)
						 : hugeodp_upstream_reg_mr_ex(pd, attr);
	/* the mask bits guarantee these members */
	memcpy(&request, attr,
	       attr->comp_mask & IBV_REG_MR_MASK_MAX_ENTRIES
		       ? sizeof(request)
		       : offsetof(struct ibv_mr_init_attr_odp, max_entries));
	return register_mr(pd, &request);
}

HUGEODP_EXPORT struct ibv_mr *hugeodp_reg_mr(struct ibv_pd *pd,
					     const struct ibv_mr_init_attr_odp *attr, size_t size)
{
	struct ibv_mr_init_attr_odp request;
	int err = hugeodp_copy_request(&request, attr, size);

	return err ? hugeodp_err_ptr(err) : register_mr(pd, &request);
}
