// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A driver that pins memory gets pieces that are contiguous in physical memory. Which pages happen
 * to be neighbours there is not known here: only pages of the hugetlb pool and those that the CPU
 * has mapped as huge ones count as larger than base pages.
 */
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "memory/blocks.h"
#include "memory/range.h"
#include "memory/thp.h"
#include "memory/vmas.h"

static uint32_t shift_of(uint64_t size)
{
	return (uint32_t)__builtin_ctzll(size);
}

uint64_t blocks_count(uint64_t addr, uint64_t length, uint32_t shift)
{
	return length ? ((addr + (length - 1)) >> shift) - (addr >> shift) + 1 : 0;
}

uint32_t blocks_common_shift(uint64_t addr, uint64_t iova, uint64_t length, uint32_t shift)
{
	const uint32_t base = shift_of((uint64_t)sysconf(_SC_PAGESIZE));

	while (shift > base && ((addr ^ iova) & ((1ULL << shift) - 1) ||
				blocks_count(iova, length, shift - 1) == 1))
		shift--;
	return shift;
}

/* Without PAGEMAP_SCAN, smaps reports what the mapping consists of as a whole. */
static bool is_huge(struct vmas *vmas, const struct vma *vma, uint64_t start, uint64_t end,
		    bool possible)
{
	uint64_t first;

	switch (vmas_scan(vmas, start, end, &first)) {
	case VMAS_SCAN_HUGE:
		return true;
	case VMAS_SCAN_ABSENT:
		return possible;
	case VMAS_SCAN_UNKNOWN:
		return (vma->rss || possible) && vma->thp_bytes == vma->rss;
	default:
		return false;
	}
}

static uint64_t size_in_vma(struct vmas *vmas, const struct vma *vma, uint64_t start, uint64_t end,
			    bool possible)
{
	const uint64_t pmd_size = thp_pmd_size();

	if (vma->page_size > (uint64_t)sysconf(_SC_PAGESIZE) || !pmd_size)
		return vma->page_size;
	return is_huge(vmas, vma, start, end, possible) ? pmd_size : vma->page_size;
}

static int walk(struct vmas *vmas, uint64_t addr, uint64_t end, bool possible, uint32_t *shift)
{
	uint64_t smallest = 0, size, to;
	struct vma vma;
	int err;

	for (; addr < end; addr = to) {
		err = vmas_find(vmas, addr, &vma);
		if (err)
			return err == ENOENT ? EOPNOTSUPP : err;
		if (vma.start > addr)
			return EOPNOTSUPP;
		to = vma.end < end ? vma.end : end;
		size = size_in_vma(vmas, &vma, addr, to, possible);
		if (!smallest || size < smallest)
			smallest = size;
	}
	*shift = shift_of(smallest);
	return 0;
}

int blocks_shift_self(uint64_t addr, uint64_t length, bool possible, uint32_t *shift)
{
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t start = addr & ~(base - 1);
	uint64_t end = addr + length;
	struct vmas vmas;
	int err;

	if (!length || end < addr || end > UINT64_MAX - base)
		return EOPNOTSUPP;
	end = (end + base - 1) & ~(base - 1);
	err = vmas_open(&vmas, range_proc_self);
	if (err)
		return err;
	err = walk(&vmas, start, end, possible, shift);
	vmas_close(&vmas);
	return err;
}
