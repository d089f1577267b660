// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../../libibverbs/memory/blocks.h"
#include "../../libibverbs/memory/range.h"
#include "../../libibverbs/memory/thp.h"
#include "../process.h"
#include "survey.h"
#include "../tool.h"

struct walk {
	const struct survey *survey;
	struct vmas *vmas;
	const struct vma *vma;
	uint64_t base;
	uint64_t leaf; /* the largest pages that the mapping can have */
	bool thp_disabled;
	struct survey_counts *counts;
	unsigned int depth;		 /* larger blocks of which this is a part */
	struct survey_obstacle last[64]; /* by shift; not yet reported if it has blocks */
};

static uint32_t shift_of(uint64_t size)
{
	return (uint32_t)__builtin_ctzll(size);
}

static uint64_t down(uint64_t addr, uint64_t size)
{
	return addr & ~(size - 1);
}

uint64_t survey_next_size(uint64_t sizes, uint64_t limit)
{
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);

	sizes &= limit - 1;
	sizes &= ~(base | (base - 1));
	return sizes ? 1ULL << (63 - __builtin_clzll(sizes)) : 0;
}

uint64_t survey_sizes(const struct tool *tool)
{
	uint64_t sizes = (uint64_t)sysconf(_SC_PAGESIZE) | thp_pmd_size();

	if (tool->pinned)
		sizes |= IBV_PAGE_SIZE_2M | IBV_PAGE_SIZE_1G;
	return tool->sizes ? tool->sizes : sizes;
}

uint64_t survey_entries(const struct survey_counts *counts)
{
	uint64_t sum = counts->base_pages;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		add_saturated(&sum, counts->now[i]);
		add_saturated(&sum, counts->could[i]);
	}
	return sum;
}

static void add_counts(struct survey_counts *sums, const struct survey_counts *more)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		add_saturated(&sums->now[i], more->now[i]);
		add_saturated(&sums->could[i], more->could[i]);
	}
	add_saturated(&sums->now_bytes, more->now_bytes);
	add_saturated(&sums->could_bytes, more->could_bytes);
	add_saturated(&sums->base_bytes, more->base_bytes);
	add_saturated(&sums->base_pages, more->base_pages);
}

static int report_last(struct walk *walk, uint32_t shift)
{
	struct survey_obstacle *last = &walk->last[shift];
	int err = 0;

	if (last->blocks && walk->survey->obstacle)
		err = walk->survey->obstacle(last, walk->survey->arg);
	last->blocks = 0;
	return err;
}

static void add_now(struct walk *walk, uint64_t size, uint64_t start, uint64_t end)
{
	const uint32_t shift = shift_of(size);

	walk->counts->now[shift] += blocks_count(start, end - start, shift);
	walk->counts->now_bytes += end - start;
}

static void add_could(struct walk *walk, uint64_t size, uint64_t start, uint64_t end)
{
	const uint32_t shift = shift_of(size);

	walk->counts->could[shift] += blocks_count(start, end - start, shift);
	walk->counts->could_bytes += end - start;
}

static void add_base(struct walk *walk, uint64_t start, uint64_t end)
{
	walk->counts->base_pages += blocks_count(start, end - start, shift_of(walk->base));
	walk->counts->base_bytes += end - start;
}

static int add_obstacle(struct walk *walk, const struct ibv_odp_report *report, uint64_t size,
			uint64_t start, uint64_t end)
{
	const uint32_t shift = shift_of(size);
	struct survey_obstacle *last = &walk->last[shift];
	int err;

	if (!last->blocks || last->reason != report->reason || last->end != start) {
		err = report_last(walk, shift);
		if (err)
			return err;
		*last = (struct survey_obstacle){
			.vma = *walk->vma,
			.shift = shift,
			.reason = report->reason,
			.thp_disabled = walk->thp_disabled,
			.address = report->address,
			.start = start,
			.inner = walk->depth,
		};
		if (walk->vma->flags & VMA_FILE)
			last->file = vmas_file_kind(walk->vmas, walk->vma);
	}
	last->blocks += blocks_count(start, end - start, shift);
	last->end = end;
	return 0;
}

/* The probe of a part of the mapping, of one size or several. */
static int probe(struct walk *walk, uint64_t sizes, uint64_t start, uint64_t end,
		 struct ibv_odp_report *report)
{
	const struct range range = {
		.addr = start,
		.iova = start,
		.length = end - start,
		.accepted = sizes,
		.supported = sizes,
	};

	return range_report_vmas(&range, walk->vmas, report);
}

static bool is_huge(struct walk *walk, uint64_t start, uint64_t end)
{
	enum vmas_pages pages;
	uint64_t until;

	return vmas_run(walk->vmas, start, end, &pages, &until) && pages == VMAS_PAGES_HUGE &&
	       until == end;
}

static int split(struct walk *walk, uint64_t size, uint64_t start, uint64_t end);

/* Count blocks that cannot have a size in smaller ones. */
static int count_smaller(struct walk *walk, uint64_t size, uint64_t start, uint64_t end)
{
	const uint64_t before = survey_entries(walk->counts);
	int err;

	walk->depth++;
	err = split(walk, survey_next_size(walk->survey->sizes, size), start, end);
	walk->depth--;
	walk->last[shift_of(size)].entries += survey_entries(walk->counts) - before;
	return err;
}

/* Blocks that are all present, all missing, or one alone. */
static int count_blocks(struct walk *walk, uint64_t size, uint64_t start, uint64_t end)
{
	struct ibv_odp_report report;
	int err = probe(walk, size, start, end, &report);

	if (err)
		return err;
	if (!report.reason) {
		if (is_huge(walk, start, end))
			add_now(walk, size, start, end);
		else
			add_could(walk, size, start, end);
		return 0;
	}
	err = add_obstacle(walk, &report, size, start, end);
	return err ? err : count_smaller(walk, size, start, end);
}

/*
 * Without PAGEMAP_SCAN, smaps reports how many bytes of the mapping are in huge pages, but not
 * which: the first ones are taken for these.
 */
static int estimate_blocks(struct walk *walk, uint64_t size, uint64_t start, uint64_t end)
{
	struct ibv_odp_report report;
	uint64_t now = down(walk->vma->thp_bytes, size);
	int err;

	if (now > end - start)
		now = end - start;
	err = probe(walk, size, start, end, &report);
	if (err)
		return err;
	if (now)
		add_now(walk, size, start, start + now);
	start += now;
	if (start == end)
		return 0;
	if (!report.reason) {
		add_could(walk, size, start, end);
		return 0;
	}
	err = add_obstacle(walk, &report, size, start, end);
	if (err)
		return err;
	add_base(walk, start, end);
	walk->last[shift_of(size)].entries +=
		blocks_count(start, end - start, shift_of(walk->base));
	return 0;
}

/* Count the blocks at @at that are alike. Sets @next to where others follow. */
static int step(struct walk *walk, uint64_t size, uint64_t at, uint64_t end, uint64_t *next)
{
	const uint64_t last = at | (size - 1); /* byte of the first block */
	const bool whole = !(at & (size - 1)) && last < end;
	enum vmas_pages pages;
	uint64_t until;

	*next = last < end ? last + 1 : end;
	if (!whole)
		return count_blocks(walk, size, at, *next);
	if (!vmas_run(walk->vmas, at, end, &pages, &until)) {
		*next = down(end, size);
		return estimate_blocks(walk, size, at, *next);
	}
	until = down(until, size);
	if (until > at && pages != VMAS_PAGES_SMALL)
		*next = until;
	if (until > at && pages == VMAS_PAGES_HUGE) {
		add_now(walk, size, at, *next);
		return 0;
	}
	return count_blocks(walk, size, at, *next);
}

/* Count a part of the mapping in blocks of a size, and in smaller ones what cannot have it. */
static int split(struct walk *walk, uint64_t size, uint64_t start, uint64_t end)
{
	uint64_t at, next;
	int err = 0;

	/* a mapping that is shorter than a block is not in the way of one */
	while (size && walk->vma->end - walk->vma->start < size)
		size = survey_next_size(walk->survey->sizes, size);
	if (!size) {
		add_base(walk, start, end);
		return 0;
	}
	/* the same reason for all blocks */
	if (size > walk->leaf)
		return count_blocks(walk, size, start, end);
	for (at = start; !err && at < end; at = next)
		err = step(walk, size, at, end, &next);
	return err;
}

static bool cannot_access(const struct survey_mapping *mapping)
{
	return mapping->report.flags & IBV_ODP_RANGE_HOLE || mapping->vma->flags & VMA_SPECIAL;
}

static int survey_mapping(struct walk *walk, struct survey_mapping *mapping)
{
	const uint64_t sizes = walk->survey->sizes;
	const uint64_t pmd_size = thp_pmd_size();
	uint32_t shift;
	int err;

	err = probe(walk, sizes | walk->base, mapping->start, mapping->end, &mapping->report);
	if (err)
		return err;
	mapping->no_access = cannot_access(mapping);
	if (mapping->no_access)
		return 0;
	walk->counts = &mapping->counts;
	walk->leaf = mapping->vma->page_size;
	if (walk->leaf == walk->base && pmd_size > walk->base)
		walk->leaf = pmd_size;
	err = split(walk, survey_next_size(sizes, 0), mapping->start, mapping->end);
	for (shift = 0; !err && shift < 64; shift++)
		err = report_last(walk, shift);
	return err;
}

static void add_totals(struct survey_totals *totals, const struct survey_mapping *mapping)
{
	const uint64_t bytes = mapping->end - mapping->start;

	if (mapping->no_access) {
		add_saturated(&totals->no_access, bytes);
		return;
	}
	totals->mappings++;
	add_saturated(&totals->bytes, bytes);
	add_saturated(&totals->rss, mapping->vma->rss);
	add_counts(&totals->counts, &mapping->counts);
}

/* @list: from smaps, because the names and resident sizes are of interest, too */
static int survey_vmas(const struct survey *survey, struct vmas *list, struct vmas *vmas,
		       struct survey_totals *totals)
{
	struct walk walk = {
		.survey = survey,
		.vmas = vmas,
		.base = (uint64_t)sysconf(_SC_PAGESIZE),
		.thp_disabled = vmas_thp_disabled(vmas),
	};
	uint64_t mapped = 0, at;
	struct vma vma;
	int err;

	for (at = survey->start; at < survey->end; at = vma.end) {
		struct survey_mapping mapping = { .vma = &vma };

		err = vmas_find(list, at, &vma);
		if (err == ENOENT || (!err && vma.start >= survey->end))
			break;
		if (err)
			return err;
		mapping.start = vma.start > survey->start ? vma.start : survey->start;
		mapping.end = vma.end < survey->end ? vma.end : survey->end;
		/* [vsyscall] ends at the top of the address space */
		if (mapping.end <= mapping.start)
			continue;
		add_saturated(&mapped, mapping.end - mapping.start);
		if (mapping.end - mapping.start < survey->min) {
			totals->left_out++;
			continue;
		}
		walk.vma = &vma;
		err = survey_mapping(&walk, &mapping);
		if (!err)
			add_totals(totals, &mapping);
		if (!err && survey->mapping)
			err = survey->mapping(&mapping, survey->arg);
		if (err)
			return err;
	}
	if (survey->end != UINT64_MAX && survey->end - survey->start > mapped)
		totals->unmapped = survey->end - survey->start - mapped;
	return 0;
}

int survey_run(const struct survey *survey, struct survey_totals *totals)
{
	struct vmas list, vmas;
	int err;

	memset(totals, 0, sizeof(*totals));
	err = process_has_memory(survey->proc);
	if (err)
		return err;
	err = vmas_open_text(&list, survey->proc);
	if (!err)
		err = vmas_open(&vmas, survey->proc);
	if (err) {
		vmas_close(&list);
		return err;
	}
	err = survey_vmas(survey, &list, &vmas, totals);
	/* a process that ends has no mappings, which is not an error of reading them */
	if (!err)
		err = process_has_memory(survey->proc);
	vmas_close(&vmas);
	vmas_close(&list);
	return err;
}
