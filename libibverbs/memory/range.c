// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Follows the kernel's rules for registration: the blocks that contain the range
 * must lie in mappings that can provide their size. There is one difference:
 * small pages that are already present also rule out transparent huge pages,
 * because the device would find these small pages.
 */
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "uverbs/ioctl.h"
#include "memory/range.h"
#include "memory/thp.h"
#include "memory/vmas.h"
#include "priv.h"

const char *range_proc_self = "/proc/self";

/* An obstacle to a size; sizes larger than @limit need not be tried. */
struct obstacle {
	uint32_t reason;
	uint64_t addr;
	uint64_t limit;
};

struct walk {
	const struct range *range;
	struct vmas *vmas;
	uint64_t end;	   /* of the range */
	uint64_t pmd_size; /* of transparent huge pages */
	uint64_t base;
	uint32_t flags;
	/* the blocks to check */
	uint64_t size;
	uint64_t from;
	uint64_t to;
	/* in the range, before it and after it */
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
static void in_the_way(struct walk *walk, uint64_t start, uint64_t end, uint32_t reason,
		       uint64_t limit)
{
	struct obstacle found = { .reason = reason, .limit = limit };
	struct obstacle *to;

	if (end <= walk->range->addr) {
		to = &walk->head;
		found.reason = IBV_ODP_REASON_START;
		found.addr = walk->range->addr;
		found.limit = walk->size;
	} else if (start >= walk->end) {
		to = &walk->tail;
		found.reason = IBV_ODP_REASON_END;
		found.addr = walk->end;
		found.limit = walk->size;
	} else {
		to = &walk->in;
		found.addr = max(start, walk->range->addr);
	}
	if (!to->reason)
		*to = found;
}

int range_kernel_shift(struct ibv_context *context, uint64_t addr, uint64_t length,
		       uint64_t page_sizes, uint32_t *page_shift)
{
	const struct hugeodp_abi_range range = {
		.addr = addr,
		.length = length,
		.page_sizes = page_sizes,
	};
	struct hugeodp_abi_page_caps caps;
	const struct kernel_side *side;
	struct uverbs_cmd cmd;
	int err;

	err = hugeodp_kernel_side(context, &side);
	if (err)
		return err;
	uverbs_cmd_init(&cmd, UVERBS_OBJECT_DEVICE, side->query_pages);
	/* required by the method */
	uverbs_attr_out(&cmd, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
	uverbs_attr_in(&cmd, HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE, &range, sizeof(range));
	uverbs_attr_out(&cmd, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, page_shift,
			sizeof(*page_shift));
	return uverbs_cmd_exec(context, &cmd);
}

static uint32_t why_no_file(struct walk *walk, const struct vma *vma)
{
	switch (vmas_file_kind(walk->vmas, vma)) {
	case VMAS_FILE_SHMEM:
		return IBV_ODP_REASON_THP_SHMEM;
	case VMAS_FILE_TMPFS:
		return IBV_ODP_REASON_THP_MOUNT;
	default:
		return IBV_ODP_REASON_NO_THP;
	}
}

static enum thp_level level_for(const struct walk *walk, const struct vma *vma)
{
	return vma->flags & VMA_FILE ? THP_ALWAYS
				     : thp_anon_level(walk->size, walk->pmd_size, walk->vmas->kept);
}

/*
 * Why a fault would not allocate transparent huge pages of the size, by the system's settings and
 * the properties of the mapping. The reason is NONE if it would.
 */
static int why_no_thp(struct walk *walk, struct vma *vma, enum thp_level level, uint32_t *reason)
{
	bool file = vma->flags & VMA_FILE;
	int err;

	*reason = IBV_ODP_REASON_THP_OFF;
	if (level == THP_NEVER)
		return 0;
	*reason = IBV_ODP_REASON_NO_THP;
	err = vmas_find_thp(walk->vmas, vma);
	if (err || !(vma->flags & VMA_THP_KNOWN))
		return err == ENOENT ? 0 : err;
	if (vma->flags & VMA_THP_REFUSED)
		*reason = IBV_ODP_REASON_THP_REFUSED;
	else if (vmas_thp_disabled(walk->vmas))
		*reason = IBV_ODP_REASON_THP_PROCESS;
	else if (level == THP_MADVISE && !(vma->flags & VMA_THP_WANTED))
		*reason = IBV_ODP_REASON_THP_NOT_ADVISED;
	else if (vma->flags & VMA_THP_ELIGIBLE)
		*reason = IBV_ODP_REASON_NONE;
	else if (file)
		*reason = why_no_file(walk, vma);
	return 0;
}

/*
 * The reason of a kernel that refuses, found without reading smaps: private memory that can be
 * written has huge pages if the system's setting is "always", unless the process or the mapping has
 * none. In all other cases the reason is left as it is.
 */
static void why_kernel_refuses(const struct vma *vma, enum thp_level level, uint32_t *reason)
{
	const uint32_t kind = VMA_READ | VMA_WRITE | VMA_FILE | VMA_SHARED;

	if (level == THP_ALWAYS && (vma->flags & kind) == (VMA_READ | VMA_WRITE))
		*reason = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) > 0 ? IBV_ODP_REASON_THP_PROCESS
								    : IBV_ODP_REASON_THP_REFUSED;
}

/* Ask the kernel if possible: checking the mapping's properties needs a scan of all mappings. */
static int thp_obstacle(struct walk *walk, struct vma *vma, uint64_t start, uint64_t end,
			uint32_t *reason)
{
	enum thp_level level;
	uint32_t shift;
	int err;

	if (!walk->range->context || range_kernel_shift(walk->range->context, start, end - start,
							walk->size | walk->base, &shift))
		return why_no_thp(walk, vma, level_for(walk, vma), reason);
	*reason = IBV_ODP_REASON_NONE;
	if (1ULL << shift == walk->size)
		return 0;
	level = level_for(walk, vma);
	why_kernel_refuses(vma, level, reason);
	if (*reason)
		return 0;
	err = why_no_thp(walk, vma, level, reason);
	/* the kernel knows better */
	if (err || !*reason)
		*reason = IBV_ODP_REASON_NO_THP;
	return 0;
}

static bool is_mapped(struct walk *walk, uint64_t addr)
{
	struct vma vma;

	return !vmas_find(walk->vmas, addr, &vma) && vma.start <= addr;
}

/* A mapping ends at @at, inside a block: the rest of the block belongs to another mapping. */
static void mapping_boundary(struct walk *walk, uint64_t at)
{
	uint64_t start = at <= walk->range->addr ? at - 1 : at;

	in_the_way(walk, start, start + 1, IBV_ODP_REASON_BOUNDARY, walk->size);
}

static int check_thp(struct walk *walk, struct vma *vma, uint64_t start, uint64_t end)
{
	enum vmas_scan scan;
	uint32_t reason;
	uint64_t first;
	int err;

	if (walk->size > walk->pmd_size || walk->range->hugetlb_only) {
		in_the_way(walk, start, end, IBV_ODP_REASON_SMALL_PAGES,
			   walk->range->hugetlb_only ? walk->base
						     : max(walk->pmd_size, walk->base));
		return 0;
	}
	if (start != down(start, walk->size))
		mapping_boundary(walk, start);
	if (end != down(end, walk->size) && is_mapped(walk, end))
		mapping_boundary(walk, end);
	start = up(start, walk->size);
	end = down(end, walk->size);
	if (start >= end)
		return 0;
	first = start;
	scan = vmas_scan(walk->vmas, start, end, &first);
	if (scan == VMAS_SCAN_HUGE)
		return 0;
	if (scan == VMAS_SCAN_SMALL && walk->size == walk->pmd_size) {
		in_the_way(walk, first, first + walk->base, IBV_ODP_REASON_SMALL_PAGES, walk->size);
		return 0;
	}
	err = thp_obstacle(walk, vma, start, end, &reason);
	if (!err && reason && !(vma->flags & VMA_WRITE))
		reason = IBV_ODP_REASON_READ_ONLY;
	if (!err && reason)
		in_the_way(walk, first, end, reason, walk->size);
	return err;
}

static int check_vma(struct walk *walk, struct vma *vma, uint64_t start, uint64_t end)
{
	int err;

	/* the memory of a device is that of a file, and only smaps reports it */
	if (vma->flags & VMA_FILE && vma->page_size == walk->base) {
		err = vmas_find_thp(walk->vmas, vma);
		if (err && err != ENOENT)
			return err;
	}
	if (!(vma->flags & VMA_READ) || vma->flags & VMA_SPECIAL) {
		if (end > walk->range->addr && start < walk->end)
			walk->flags |= IBV_ODP_RANGE_HOLE;
		in_the_way(walk, start, end, IBV_ODP_REASON_NO_ACCESS, walk->base);
		return 0;
	}
	if (!(vma->flags & VMA_WRITE) && end > walk->range->addr && start < walk->end)
		walk->flags |= IBV_ODP_RANGE_READ_ONLY;
	if (walk->size <= vma->page_size)
		return 0;
	if (vma->page_size > walk->base) {
		in_the_way(walk, start, end, IBV_ODP_REASON_SMALL_PAGES, vma->page_size);
		return 0;
	}
	return check_thp(walk, vma, start, end);
}

static void check_hole(struct walk *walk, uint64_t start, uint64_t end)
{
	if (end > walk->range->addr && start < walk->end)
		walk->flags |= IBV_ODP_RANGE_HOLE;
	if (walk->size > walk->base)
		in_the_way(walk, start, end, IBV_ODP_REASON_HOLE, walk->base);
}

/* Check all blocks of a size. */
static int check_size(struct walk *walk, uint64_t size)
{
	struct vma vma;
	uint64_t addr;
	uint64_t end;
	int err;

	walk->size = size;
	walk->from = down(walk->range->addr, size);
	walk->to = up(walk->end, size);
	walk->in = walk->head = walk->tail = (struct obstacle){ 0 };
	for (addr = walk->from; addr < walk->to; addr = end) {
		err = vmas_find(walk->vmas, addr, &vma);
		if (err == ENOENT) {
			check_hole(walk, addr, walk->to);
			return 0;
		}
		if (err)
			return err;
		if (vma.start > addr) {
			end = vma.start < walk->to ? vma.start : walk->to;
			check_hole(walk, addr, end);
			continue;
		}
		end = vma.end < walk->to ? vma.end : walk->to;
		err = check_vma(walk, &vma, addr, end);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Find the sizes into which the range can be divided: address and iova must be
 * equal modulo the size. Of the sizes for which one block contains the whole
 * range, only the smallest is useful.
 */
static uint64_t usable_sizes(const struct walk *walk, uint64_t sizes, struct obstacle *why)
{
	const struct range *range = walk->range;
	uint64_t usable = 0;
	uint64_t size;

	*why = (struct obstacle){ .reason = IBV_ODP_REASON_LENGTH, .addr = range->addr };
	for (size = walk->base; size; size <<= 1) {
		if (!(sizes & size))
			continue;
		if ((range->addr ^ range->iova) & (size - 1)) {
			why->reason = IBV_ODP_REASON_IOVA;
			break;
		}
		if (walk->end < range->addr || up(walk->end, size) < walk->end) {
			why->reason = IBV_ODP_REASON_END;
			why->addr = walk->end;
			break;
		}
		usable |= size;
		if (up(walk->end, size) - down(range->addr, size) == size)
			break;
	}
	return usable;
}

/* Check one size. Sets the reason in @why if it is not possible. Returns 0 or an errno value. */
static int try_size(struct walk *walk, uint64_t size, struct obstacle *why)
{
	int err = check_size(walk, size);

	*why = walk->in.reason ? walk->in : walk->head.reason ? walk->head : walk->tail;
	/* base pages can always be requested; a missing page only fails when it is accessed */
	if (size == walk->base)
		why->reason = IBV_ODP_REASON_NONE;
	return err;
}

int range_report_vmas(const struct range *range, struct vmas *vmas, struct ibv_odp_report *report)
{
	struct walk walk = {
		.range = range,
		.vmas = vmas,
		.end = range->addr + range->length,
		.pmd_size = thp_pmd_size(),
		.base = (uint64_t)sysconf(_SC_PAGESIZE),
	};
	struct obstacle unusable;
	struct obstacle why = { 0 };
	uint64_t usable = usable_sizes(&walk, range->accepted & range->supported, &unusable);
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
			err = try_size(&walk, size, &why);
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
	/* no process has memory up to where addresses end */
	if (!usable && unusable.reason == IBV_ODP_REASON_END)
		walk.flags |= IBV_ODP_RANGE_HOLE;
	report->flags = walk.flags;
	return 0;
}

int range_report_self(const struct range *range, struct ibv_odp_report *report)
{
	struct vmas vmas;
	int err;

	err = vmas_open(&vmas, range_proc_self);
	if (!err) {
		err = range_report_vmas(range, &vmas, report);
		vmas_close(&vmas);
	}
	return err;
}
