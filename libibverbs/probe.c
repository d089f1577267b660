// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Follows what the kernel does at registration: the blocks that hold the range
 * must lie in mappings that can provide their size. One thing is stricter here:
 * small pages that are there already are in the way of transparent huge pages,
 * as the device would find them.
 */
#include <stdbool.h>
#include <unistd.h>

#include "priv.h"
#include "probe.h"
#include "stock.h"
#include "thp.h"
#include "vmas.h"

const char *probe_proc_self = "/proc/self";

/* What is in the way of a size; larger ones than @limit need not be tried. */
struct obstacle {
	uint32_t reason;
	uint64_t addr;
	uint64_t limit;
};

struct look {
	const struct probe_range *range;
	struct vmas *vmas;
	uint64_t end;	   /* of the range */
	uint64_t pmd_size; /* of transparent huge pages */
	uint64_t base;
	uint32_t flags;
	/* the blocks in question */
	uint64_t size;
	uint64_t from;
	uint64_t to;
	/* in the range, before it and behind it */
	struct obstacle in, head, tail;
};

static uint64_t down(uint64_t addr, uint64_t size)
{
	return addr & ~(size - 1);
}

static uint64_t up(uint64_t addr, uint64_t size)
{
	return down(addr + size - 1, size);
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* [@start, @end) cannot have blocks of the size. */
static void in_the_way(struct look *look, uint64_t start, uint64_t end, uint32_t reason,
		       uint64_t limit)
{
	struct obstacle found = { .reason = reason, .limit = limit };
	struct obstacle *to;

	if (end <= look->range->addr) {
		to = &look->head;
		found.reason = IBV_ODP_REASON_START;
		found.addr = look->range->addr;
		found.limit = look->size;
	} else if (start >= look->end) {
		to = &look->tail;
		found.reason = IBV_ODP_REASON_END;
		found.addr = look->end;
		found.limit = look->size;
	} else {
		to = &look->in;
		found.addr = max(start, look->range->addr);
	}
	if (!to->reason)
		*to = found;
}

/* Would a fault bring in transparent huge pages of the size? By the rules of the system. */
static int thp_by_rules(struct look *look, struct vma *vma, bool *yes)
{
	enum thp_level level;
	int err;

	*yes = false;
	if (vma->flags & VMA_FILE) {
		if (!thp_shmem_possible())
			return 0;
		level = THP_ALWAYS;
	} else {
		level = thp_anon_level(look->size, look->pmd_size);
	}
	if (level == THP_NEVER)
		return 0;
	err = vmas_find_thp(look->vmas, vma);
	if (err)
		return err == ENOENT ? 0 : err;
	if (!(vma->flags & VMA_THP_ELIGIBLE) || vma->flags & VMA_THP_REFUSED)
		return 0;
	*yes = level == THP_ALWAYS || vma->flags & VMA_THP_WANTED;
	return 0;
}

/* The same from the kernel if it can be asked: the rules take a look at all mappings. */
static int thp_provides(struct look *look, struct vma *vma, uint64_t start, uint64_t end, bool *yes)
{
	uint32_t shift;

	if (!look->range->context || hugeodp_range_shift(look->range->context, start, end - start,
							 look->size | look->base, &shift))
		return thp_by_rules(look, vma, yes);
	*yes = 1ULL << shift == look->size;
	return 0;
}

static bool is_mapped(struct look *look, uint64_t addr)
{
	struct vma vma;

	return !vmas_find(look->vmas, addr, &vma) && vma.start <= addr;
}

/* The other part of a block that a border runs through is another mapping's. */
static void border(struct look *look, uint64_t at)
{
	uint64_t start = at <= look->range->addr ? at - 1 : at;

	in_the_way(look, start, start + 1, IBV_ODP_REASON_BORDER, look->size);
}

static int look_at_thp(struct look *look, struct vma *vma, uint64_t start, uint64_t end)
{
	uint32_t reason = vma->flags & VMA_WRITE ? IBV_ODP_REASON_NO_THP : IBV_ODP_REASON_READ_ONLY;
	enum vmas_scan scan;
	uint64_t small;
	bool yes;
	int err;

	if (look->size > look->pmd_size || look->range->hugetlb_only) {
		in_the_way(look, start, end, IBV_ODP_REASON_SMALL_PAGES,
			   look->range->hugetlb_only ? look->base
						     : max(look->pmd_size, look->base));
		return 0;
	}
	if (start != down(start, look->size))
		border(look, start);
	if (end != down(end, look->size) && is_mapped(look, end))
		border(look, end);
	start = up(start, look->size);
	end = down(end, look->size);
	if (start >= end)
		return 0;
	scan = vmas_scan(look->vmas, start, end, &small);
	if (scan == VMAS_SCAN_HUGE)
		return 0;
	if (scan == VMAS_SCAN_SMALL && look->size == look->pmd_size) {
		in_the_way(look, small, small + look->base, IBV_ODP_REASON_SMALL_PAGES, look->size);
		return 0;
	}
	err = thp_provides(look, vma, start, end, &yes);
	if (!err && !yes)
		in_the_way(look, start, end, reason, look->size);
	return err;
}

static int look_at_vma(struct look *look, struct vma *vma, uint64_t start, uint64_t end)
{
	if (!(vma->flags & VMA_READ) || vma->flags & VMA_SPECIAL) {
		if (end > look->range->addr && start < look->end)
			look->flags |= IBV_ODP_RANGE_HOLE;
		in_the_way(look, start, end, IBV_ODP_REASON_NO_ACCESS, look->base);
		return 0;
	}
	if (!(vma->flags & VMA_WRITE) && end > look->range->addr && start < look->end)
		look->flags |= IBV_ODP_RANGE_READ_ONLY;
	if (look->size <= vma->page_size)
		return 0;
	if (vma->page_size > look->base) {
		in_the_way(look, start, end, IBV_ODP_REASON_SMALL_PAGES, vma->page_size);
		return 0;
	}
	return look_at_thp(look, vma, start, end);
}

static void look_at_hole(struct look *look, uint64_t start, uint64_t end)
{
	if (end > look->range->addr && start < look->end)
		look->flags |= IBV_ODP_RANGE_HOLE;
	if (look->size > look->base)
		in_the_way(look, start, end, IBV_ODP_REASON_HOLE, look->base);
}

/* Go through the blocks of a size. */
static int look_at_size(struct look *look, uint64_t size)
{
	struct vma vma;
	uint64_t addr;
	uint64_t end;
	int err;

	look->size = size;
	look->from = down(look->range->addr, size);
	look->to = up(look->end, size);
	look->in = look->head = look->tail = (struct obstacle){ 0 };
	for (addr = look->from; addr < look->to; addr = end) {
		err = vmas_find(look->vmas, addr, &vma);
		if (err == ENOENT) {
			look_at_hole(look, addr, look->to);
			return 0;
		}
		if (err)
			return err;
		if (vma.start > addr) {
			end = vma.start < look->to ? vma.start : look->to;
			look_at_hole(look, addr, end);
			continue;
		}
		end = vma.end < look->to ? vma.end : look->to;
		err = look_at_vma(look, &vma, addr, end);
		if (err)
			return err;
	}
	return 0;
}

/*
 * The sizes in which the range can be cut at all: address and iova agree below
 * them, and of those that hold all of it in one block only the smallest is of use.
 */
static uint64_t usable_sizes(const struct look *look, uint64_t sizes, struct obstacle *why)
{
	const struct probe_range *range = look->range;
	uint64_t usable = 0;
	uint64_t size;

	*why = (struct obstacle){ .reason = IBV_ODP_REASON_LENGTH, .addr = range->addr };
	for (size = look->base; size; size <<= 1) {
		if (!(sizes & size))
			continue;
		if ((range->addr ^ range->iova) & (size - 1)) {
			why->reason = IBV_ODP_REASON_IOVA;
			break;
		}
		if (look->end < range->addr || up(look->end, size) < look->end) {
			why->reason = IBV_ODP_REASON_END;
			why->addr = look->end;
			break;
		}
		usable |= size;
		if (up(look->end, size) - down(range->addr, size) == size)
			break;
	}
	return usable;
}

/* Returns 0 with a reason in @why if the size is not possible, and without one if it is. */
static int try_size(struct look *look, uint64_t size, struct obstacle *why)
{
	int err = look_at_size(look, size);

	*why = look->in.reason ? look->in : look->head.reason ? look->head : look->tail;
	/* base pages can always be asked for; that some are missing shows when they are used */
	if (size == look->base)
		why->reason = IBV_ODP_REASON_NONE;
	return err;
}

int probe_vmas(const struct probe_range *range, struct vmas *vmas, struct ibv_odp_report *report)
{
	struct look look = {
		.range = range,
		.vmas = vmas,
		.end = range->addr + range->length,
		.pmd_size = thp_pmd_size(),
		.base = (uint64_t)sysconf(_SC_PAGESIZE),
	};
	struct obstacle unusable;
	struct obstacle why = { 0 };
	uint64_t usable = usable_sizes(&look, range->accepted & range->supported, &unusable);
	int shift;
	int err;

	memset(report, 0, sizeof(*report));
	report->source = IBV_ODP_SOURCE_LIBRARY;
	for (shift = 63; shift >= 0; shift--) {
		uint64_t size = 1ULL << shift;

		if (!(range->accepted & size))
			continue;
		if (!(range->supported & size)) {
			why = (struct obstacle){ IBV_ODP_REASON_DEVICE, range->addr, size };
		} else if (!(usable & size)) {
			why = unusable;
			why.limit = size;
		} else if (!why.reason || size <= why.limit) {
			err = try_size(&look, size, &why);
			if (err)
				return err;
			if (!why.reason) {
				report->page_shift = (uint32_t)shift;
				report->page_sizes = usable & (size | (size - 1));
				break;
			}
		}
		report->reason = why.reason;
		report->address = why.addr;
		report->blocked_shift = (uint32_t)shift;
	}
	report->flags = look.flags;
	return 0;
}

void probe_for_device(struct probe_range *range, struct ibv_context *context,
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

int probe_self(const struct probe_range *range, struct ibv_odp_report *report)
{
	struct vmas vmas;
	int err;

	err = vmas_open(&vmas, probe_proc_self);
	if (!err) {
		err = probe_vmas(range, &vmas, report);
		vmas_close(&vmas);
	}
	return err;
}

HUGEODP_EXPORT int ibv_probe_odp_range(struct ibv_context *context, void *addr, size_t length,
				       uint64_t page_sizes, struct ibv_odp_report *report,
				       size_t size)
{
	struct probe_range range = {
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
	err = probe_self(&range, &answer);
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
		[IBV_ODP_REASON_BORDER] = "a mapping ends inside a page of the size",
		[IBV_ODP_REASON_NO_ACCESS] = "memory that cannot be read",
	};

	return reason < sizeof(words) / sizeof(words[0]) ? words[reason] : "unknown reason";
}
