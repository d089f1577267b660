// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page size requests of pinned MRs. A kernel with page size requests takes them with the
 * registration. Elsewhere the driver chooses the page size by itself, the largest that all of the
 * memory has, so the library compares what it would choose and what it chose with the request.
 */
#include <unistd.h>

#include "memory/blocks.h"
#include "log.h"
#include "priv.h"
#include "provider.h"

/*
 * Compare the pages that a driver chooses by itself with a request. Returns 0, ERANGE, E2BIG, or
 * EOPNOTSUPP for a strict request of smaller pages. Several sizes also accept larger pages.
 */
static int compare(const struct ibv_mr_init_attr_pages *request, uint32_t page_shift,
		   uint64_t entries)
{
	const uint64_t size = 1ULL << page_shift;
	const uint64_t sizes = request->page_sizes;
	int err = 0;

	if (sizes && !(sizes & (size | (size - 1))))
		err = ERANGE;
	else if (sizes && sizes < size && !(sizes & (sizes - 1)))
		err = EOPNOTSUPP;
	else if (request->max_entries && entries > request->max_entries)
		err = hugeodp_too_many(request, entries);
	if (err)
		log_line("%ju entries for pages of 2^%u bytes", (uintmax_t)entries, page_shift);
	return err;
}

/* Then no estimate is needed, which may be impossible: it reads files. */
static bool accepts_all(const struct ibv_mr_init_attr_pages *request)
{
	return !request->page_sizes && !request->max_entries;
}

/* With @possible, as if huge pages came where pages are missing now. */
static int compare_estimate(const struct hugeodp_provider *provider,
			    const struct ibv_mr_init_attr_pages *request, uint64_t iova,
			    bool possible)
{
	const uint64_t addr = (uintptr_t)request->base.addr;
	const size_t length = request->base.length;
	uint32_t page_shift = (uint32_t)__builtin_ctzll(IBV_PAGE_SIZE_BASE);
	int err;

	if (!provider->pinned_base_pages) {
		err = blocks_shift_self(addr, length, possible, &page_shift);
		/* the kernel has an error for memory that is not mapped */
		if (err)
			return err == EOPNOTSUPP ? 0 : err;
		page_shift = blocks_common_shift(addr, iova, length, page_shift);
	}
	return compare(request, page_shift, blocks_count(addr, length, page_shift));
}

/* Refuse before any memory is pinned what does not depend on the pages that are missing now. */
static int check_before(const struct hugeodp_provider *provider,
			const struct ibv_mr_init_attr_pages *request, uint64_t iova)
{
	int err = compare_estimate(provider, request, iova, true);

	if (err != EOPNOTSUPP)
		return err;
	err = compare_estimate(provider, request, iova, false);
	return err == EOPNOTSUPP ? err : 0;
}

/* Register without the request, which then has to be met. */
static int register_plain(const struct hugeodp_provider *provider, struct ibv_pd *pd,
			  const struct ibv_mr_init_attr_pages *request, struct ibv_mr **mr)
{
	const struct ibv_mr_init_attr *attr = &request->base;
	struct ibv_mr_pages pages;
	int err;

	*mr = ibv_reg_mr_iova2(pd, attr->addr, attr->length, hugeodp_iova(attr),
			       (unsigned int)attr->access);
	if (!*mr)
		return errno;
	/* nothing is left to check */
	if (provider->pinned_base_pages || accepts_all(request))
		return 0;
	err = hugeodp_query_pages(*mr, &pages);
	if (!err)
		err = compare(request, pages.page_shift, pages.entries);
	if (err)
		ibv_dereg_mr(*mr);
	return err;
}

/* IBV_ODP_MIXED needs a kernel with page size requests. */
static int check_flags(struct ibv_context *context, uint32_t flags)
{
	const struct ibv_mr_init_attr_pages any_size = { .flags = flags };
	struct device_caps caps;

	return flags ? hugeodp_check_device(context, &any_size, &caps) : 0;
}

int hugeodp_register_pinned(struct ibv_pd *pd, const struct ibv_mr_init_attr_pages *request,
			    struct ibv_mr **mr)
{
	const struct hugeodp_provider *provider = hugeodp_provider(pd->context);
	const uint64_t iova = hugeodp_iova(&request->base);
	const struct kernel_side *side;
	int err;

	err = check_flags(pd->context, request->flags);
	if (err)
		return err;
	/* a driver that has base pages only needs no request */
	err = EOPNOTSUPP;
	if (provider->reg_mr && !provider->pinned_base_pages)
		err = provider->reg_mr(pd, request, iova, mr);
	if (err != EOPNOTSUPP)
		return err;
	/* IBV_ODP_MIXED with what the provider cannot import */
	if (request->flags && !provider->pinned_base_pages)
		return EOPNOTSUPP;
	err = provider->pinned_base_pages ? EOPNOTSUPP : hugeodp_kernel_side(pd->context, &side);
	/* a kernel that will report what the MR has is not preceded by an estimate */
	if (err == EOPNOTSUPP)
		err = accepts_all(request) ? 0 : check_before(provider, request, iova);
	return err ? err : register_plain(provider, pd, request, mr);
}
