// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ibv_probe_odp_range() and ibv_odp_reason_str(). The work is done in memory/range.c. */
#include "priv.h"
#include "probe.h"
#include "stock.h"

void probe_for_device(struct range *range, struct ibv_context *context,
		      const struct device_caps *caps)
{
	if (caps->source == IBV_ODP_SOURCE_LIBRARY) {
		range->supported = stock_sizes(caps, range->addr, range->length);
		range->hugetlb_only = true;
	} else {
		range->supported = caps->page_sizes;
		range->context = context;
	}
}

HUGEODP_EXPORT int ibv_probe_odp_range(struct ibv_context *context, void *addr, size_t length,
				       uint64_t page_sizes, struct ibv_odp_report *report,
				       size_t size)
{
	struct range range = {
		.addr = (uintptr_t)addr,
		.iova = (uintptr_t)addr,
		.length = length,
	};
	struct device_caps caps;
	struct ibv_odp_report answer;
	int err;

	if (!report || size < HUGEODP_SIZE_THROUGH(struct ibv_odp_report, page_shift))
		return hugeodp_err(EINVAL);
	if (!addr && length == SIZE_MAX)
		return hugeodp_err(EOPNOTSUPP);
	if (!addr || !length || range.addr + (length - 1) < range.addr)
		return hugeodp_err(EINVAL);

	err = hugeodp_device_caps(context, &caps);
	if (err)
		return hugeodp_err(err);
	probe_for_device(&range, context, &caps);
	range.accepted = page_sizes ? page_sizes : caps.page_sizes;
	err = range_report_self(&range, &answer);
	if (err)
		return hugeodp_err(err);
	hugeodp_copy_out(report, size, &answer, sizeof(answer));
	return 0;
}

HUGEODP_EXPORT const char *ibv_odp_reason_str(uint32_t reason)
{
	static const char *const words[] = {
		[IBV_ODP_REASON_NONE] = "nothing",
		[IBV_ODP_REASON_DEVICE] = "device or kernel do not support the size",
		[IBV_ODP_REASON_LENGTH] = "the range fits into one smaller page",
		[IBV_ODP_REASON_IOVA] = "address and iova differ below the size",
		[IBV_ODP_REASON_START] = "unaligned start",
		[IBV_ODP_REASON_END] = "unaligned end",
		[IBV_ODP_REASON_HOLE] = "nothing mapped there",
		[IBV_ODP_REASON_SMALL_PAGES] = "memory of smaller pages",
		[IBV_ODP_REASON_NO_THP] = "not eligible for transparent huge pages",
		[IBV_ODP_REASON_READ_ONLY] = "read-only memory of small pages",
		[IBV_ODP_REASON_BOUNDARY] = "a mapping ends inside a page of the size",
		[IBV_ODP_REASON_NO_ACCESS] = "memory that cannot be read",
	};

	return reason < sizeof(words) / sizeof(words[0]) ? words[reason] : "unknown reason";
}
