// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* ibv_probe_odp_range() and ibv_odp_reason_str(). The work is done in memory/range.c. */
#include "priv.h"
#include "probe.h"
#include "stock/stock.h"

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

/* Probe a range that has been checked. Returns 0 or an errno value. */
static int probe(struct range *range, struct ibv_context *context, const struct device_caps *caps,
		 struct ibv_odp_report *report, size_t size)
{
	struct ibv_odp_report answer;
	int err;

	probe_for_device(range, context, caps);
	if (!range->accepted)
		range->accepted = caps->page_sizes;
	err = range_report_self(range, &answer);
	if (!err)
		hugeodp_copy_out(report, size, &answer, sizeof(answer));
	return err;
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
	int err;

	if (!report || size < HUGEODP_SIZE_THROUGH(struct ibv_odp_report, page_shift))
		return hugeodp_err(EINVAL);
	if (!addr && length == SIZE_MAX)
		return hugeodp_err(EOPNOTSUPP);
	if (!addr || !length || range.addr + (length - 1) < range.addr ||
	    !hugeodp_sizes_are_possible(page_sizes))
		return hugeodp_err(EINVAL);

	err = hugeodp_device_caps(context, &caps);
	if (err)
		return hugeodp_err(err);
	range.accepted = page_sizes;
	return hugeodp_err(probe(&range, context, &caps, report, size));
}

HUGEODP_EXPORT int hugeodp_probe_mr(struct ibv_context *context,
				    const struct ibv_mr_init_attr_odp *attr, size_t attr_size,
				    struct ibv_odp_report *report, size_t size)
{
	struct ibv_mr_init_attr_odp request;
	struct device_caps caps;
	struct range range;
	int err;

	if (!report || size < HUGEODP_SIZE_THROUGH(struct ibv_odp_report, page_shift))
		return hugeodp_err(EINVAL);
	err = hugeodp_copy_request(&request, attr, attr_size);
	if (!err)
		err = hugeodp_validate(&request);
	/* ibv_query_mr_pages() is about pinned memory */
	if (!err && !(request.base.access & IBV_ACCESS_ON_DEMAND))
		err = EINVAL;
	/* the whole address space has no page size */
	if (!err && !request.base.addr)
		err = EOPNOTSUPP;
	if (!err)
		err = hugeodp_check_device(context, &request, &caps);
	if (err)
		return hugeodp_err(err);
	range = (struct range){
		.addr = (uintptr_t)request.base.addr,
		.length = request.base.length,
		.iova = hugeodp_iova(&request.base),
		.accepted = request.page_sizes,
	};
	return hugeodp_err(probe(&range, context, &caps, report, size));
}

HUGEODP_EXPORT const char *ibv_odp_reason_str(uint32_t reason)
{
	static const char *const words[] = {
		[IBV_ODP_REASON_NONE] = "nothing",
		[IBV_ODP_REASON_DEVICE] = "the device or the kernel does not support the size",
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
		[IBV_ODP_REASON_THP_OFF] = "transparent huge pages are off",
		[IBV_ODP_REASON_THP_NOT_ADVISED] = "no MADV_HUGEPAGE",
		[IBV_ODP_REASON_THP_REFUSED] = "MADV_NOHUGEPAGE",
		[IBV_ODP_REASON_THP_PROCESS] = "PR_SET_THP_DISABLE in the process",
		[IBV_ODP_REASON_THP_SHMEM] = "no transparent huge pages for shared memory",
		[IBV_ODP_REASON_THP_MOUNT] = "tmpfs without the option huge=",
	};

	return reason < sizeof(words) / sizeof(words[0]) ? words[reason] : "unknown reason";
}

#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

HUGEODP_EXPORT const char *ibv_odp_reason_hint(uint32_t reason)
{
	switch (reason) {
	case IBV_ODP_REASON_SMALL_PAGES:
		return "madvise(addr, length, MADV_COLLAPSE), or allocate it with MAP_HUGETLB";
	case IBV_ODP_REASON_THP_OFF:
		return "echo madvise >" THP_DIR "enabled";
	case IBV_ODP_REASON_THP_NOT_ADVISED:
		return "madvise(addr, length, MADV_HUGEPAGE) before the first access";
	case IBV_ODP_REASON_THP_REFUSED:
		return "no madvise(addr, length, MADV_NOHUGEPAGE)";
	case IBV_ODP_REASON_THP_PROCESS:
		return "prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) in the process or its parent";
	case IBV_ODP_REASON_THP_SHMEM:
		return "echo advise >" THP_DIR "shmem_enabled, and MADV_HUGEPAGE";
	case IBV_ODP_REASON_THP_MOUNT:
		return "mount -o remount,huge=within_size DIRECTORY";
	default:
		return "";
	}
}
