// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Compares the page size and the entries of MRs of all kinds, as reported by the kernel and as
 * estimated by the library, with physical addresses and the counters of the mlx5 model.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf.h"
#include "layout.h"
#include "raw.h"
#include "region.h"
#include "resources.h"
#include "tap.h"
#include "unmarked.h"

#define LAYOUTS 60
#define RXE_ENTRY 8
#define MLX5_ENTRY 8

/* Errors of the estimate, over the layouts of a kind */
struct errors {
	uint64_t truth;
	uint64_t estimate;
	unsigned int exact;
	unsigned int all;
};

static bool is_mlx5(const struct rig *rig)
{
	return !rig->is_rxe;
}

/* ---- pinned MRs ---- */

static struct ibv_mr *reg(struct rig *rig, const struct layout *l, int access)
{
	struct ibv_mr *mr = ibv_reg_mr_iova2(rig->pd, l->start, l->mr_len, l->iova,
					     (unsigned int)(ACCESS_ALL | access));

	if (!mr)
		fatal("%s: registration: %s", l->text, strerror(errno));
	return mr;
}

static void dereg(struct ibv_mr *mr)
{
	if (ibv_dereg_mr(mr))
		fatal("ibv_dereg_mr: %s", strerror(errno));
}

static void check_kernel(const struct rig *rig, const struct layout *l,
			 const struct ibv_mr_pages *p, uint32_t shift)
{
	uint64_t entries = layout_blocks(l->iova, l->mr_len, shift);

	is_u64(p->source, IBV_ODP_SOURCE_KERNEL, "%s: the kernel answered", l->text);
	is_u64(p->kind, IBV_MR_KIND_PINNED, "%s: pinned", l->text);
	is_u64(p->page_shift, shift, "%s: page shift", l->text);
	is_u64(p->entries, entries, "%s: entries", l->text);
	is_u64(p->device_bytes, entries * (rig->is_rxe ? RXE_ENTRY : MLX5_ENTRY), "%s: bytes",
	       l->text);
}

/* The library does not know which base pages happen to be contiguous. */
static void check_estimate(const struct layout *l, const struct ibv_mr_pages *p, uint32_t shift,
			   struct errors *errors)
{
	uint64_t truth = layout_blocks(l->iova, l->mr_len, shift);

	is_u64(p->source, IBV_ODP_SOURCE_ESTIMATE, "%s: an estimate", l->text);
	is_u64(p->kind, IBV_MR_KIND_UNKNOWN, "%s: estimate: kind", l->text);
	ok(p->entries >= truth && p->entries <= p->base_pages,
	   "%s: estimate: %llu entries of %llu to %llu", l->text, (unsigned long long)p->entries,
	   (unsigned long long)truth, (unsigned long long)p->base_pages);
	if (l->huge)
		is_u64(p->page_shift, shift < 21 ? shift : 21, "%s: estimate: huge pages", l->text);
	errors += l->in_order;
	errors->truth += truth;
	errors->estimate += p->entries;
	errors->exact += p->entries == truth;
	errors->all++;
}

static void pinned(struct rig *rig, struct rig *unmarked, const struct layout *l,
		   struct errors *errors)
{
	uint32_t shift = rig->is_rxe ? 12 : mem_pinned_shift(l->start, l->mr_len, l->iova);
	uint64_t base = layout_blocks((uintptr_t)l->start, l->mr_len, 12);
	uint64_t before = is_mlx5(rig) ? model_counter("xlt_entries_written") : 0, written;
	struct ibv_mr *mr = reg(rig, l, 0);
	uint64_t entries = layout_blocks(l->iova, l->mr_len, shift);
	struct ibv_mr_pages p = mr_pages(mr);

	if (is_mlx5(rig)) {
		written = model_counter("xlt_entries_written") - before;
		/* they are written eight at a time */
		ok(written >= entries && written <= ((entries + 7) & ~7ULL),
		   "%s: the device got %llu entries for %llu", l->text, (unsigned long long)written,
		   (unsigned long long)entries);
	}
	if (rig->series)
		check_kernel(rig, l, &p, shift);
	is_u64(p.base_pages, base, "%s: base pages", l->text);
	is_u64((uint64_t)ibv_mr_page_shift(mr), p.page_shift, "%s: ibv_mr_page_shift()", l->text);
	dereg(mr);

	mr = reg(unmarked, l, 0);
	p = mr_pages(mr);
	check_estimate(l, &p, shift, errors);
	is_u64(p.base_pages, base, "%s: estimate: base pages", l->text);
	dereg(mr);
}

/* ---- ODP MRs ---- */

static void check_odp(struct rig *rig, const struct layout *l, const struct mode *mode)
{
	struct ibv_mr *mr = mode_reg(mode, rig->pd, l->start, l->mr_len, l->iova, ACCESS_ALL);
	struct ibv_mr_odp_attr state;
	struct ibv_mr_pages p;

	/* a request may not fit */
	if (!mr && errno == ERANGE && mode->page_sizes == SZ_2M)
		return;
	if (!mr)
		fatal("%s: %s: %s", l->text, mode->name, strerror(errno));
	p = mr_pages(mr);
	state = mr_state(mr);
	is_u64(p.source, IBV_ODP_SOURCE_KERNEL, "%s: %s: the kernel answered", l->text, mode->name);
	is_u64(p.kind, IBV_MR_KIND_ODP, "%s: %s: kind", l->text, mode->name);
	is_u64(p.page_shift, state.page_shift, "%s: %s: page shift", l->text, mode->name);
	is_u64(p.base_pages, layout_blocks((uintptr_t)l->start, l->mr_len, 12), "%s: %s: base pages",
	       l->text, mode->name);
	if (rig->is_rxe) {
		is_u64(p.entries, state.blocks_mapped, "%s: %s: entries", l->text, mode->name);
		is_u64(p.device_bytes, state.table_bytes, "%s: %s: bytes", l->text, mode->name);
	} else if (!(state.flags & IBV_ODP_MIXED) || p.base_pages == 1) {
		uint64_t entries = layout_blocks((uintptr_t)l->start, l->mr_len, state.page_shift);

		is_u64(p.entries, entries, "%s: %s: entries", l->text, mode->name);
		is_u64(p.device_bytes, entries * MLX5_ENTRY, "%s: %s: bytes", l->text, mode->name);
	} else {
		/* entries of 2 MiB lead to one child or two */
		ok(p.entries >= 2 * layout_blocks((uintptr_t)l->start, l->mr_len, 21) &&
			   p.entries <=
				   2 * layout_blocks((uintptr_t)l->start, l->mr_len, 21) + p.base_pages,
		   "%s: %s: %llu entries", l->text, mode->name, (unsigned long long)p.entries);
	}
	dereg(mr);
}

static void implicit(struct rig *rig)
{
	struct ibv_mr_pages p, after;
	struct ibv_sge sge;
	struct mem mem;
	uint64_t pages;
	struct ibv_mr *mr = ibv_reg_mr(rig->pd, NULL, SIZE_MAX, ACCESS_ALL | IBV_ACCESS_ON_DEMAND);

	if (!mr)
		fatal("implicit MR: %s", strerror(errno));
	p = mr_pages(mr);
	is_u64(p.kind, IBV_MR_KIND_IMPLICIT, "implicit: kind");
	is_u64(p.base_pages, 0, "implicit: nothing in use");
	/* mlx5: an entry of 16 bytes for each GiB of the address space */
	is_u64(p.entries, rig->is_rxe ? 0 : 1ULL << 17, "implicit: entries");
	if (is_mlx5(rig))
		is_u64(p.device_bytes, p.entries * 16, "implicit: bytes");

	mem_map(&mem, MEM_BASE, SZ_64K);
	sge = (struct ibv_sge){ .addr = (uintptr_t)mem.addr, .length = SZ_64K, .lkey = mr->lkey };
	is_errno(ibv_advise_mr(rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 0, "implicit: ibv_advise_mr()");
	after = mr_pages(mr);
	/* mlx5: a table for the GiB around it */
	pages = rig->is_rxe ? SZ_64K / SZ_4K : SZ_1G / SZ_4K;
	is_u64(after.base_pages, pages, "implicit: base pages of the parts in use");
	is_u64(after.entries, p.entries + pages, "implicit: entries of the parts in use");
	if (is_mlx5(rig))
		is_u64(after.device_bytes, p.device_bytes + pages * MLX5_ENTRY,
		       "implicit: bytes of the parts in use");
	dereg(mr);
	mem_unmap(&mem);
}

/* ---- imported MRs, and MRs of other memory ---- */

static void imported(struct rig *rig, const struct layout *l)
{
	struct ibv_mr *mr = reg(rig, l, 0), *other = ibv_import_mr(rig->pd, mr->handle);
	struct ibv_mr_pages mine = mr_pages(mr), theirs;
	int err;

	/* rxe's provider cannot */
	if (!other) {
		ok(rig->is_rxe && errno == EOPNOTSUPP, "ibv_import_mr()");
		dereg(mr);
		return;
	}
	err = ibv_query_mr_pages(other, &theirs, sizeof(theirs));
	if (rig->series)
		ok(!err && !memcmp(&mine, &theirs, sizeof(mine)), "imported: the same answer");
	else
		is_errno(err, EOPNOTSUPP, "imported: its memory is not known");
	ibv_unimport_mr(other);
	dereg(mr);
}

static void dmabuf(struct rig *rig)
{
	const size_t len = SZ_1M, offset = SZ_4K * 3;
	int fd = dmabuf_make(len), err;
	struct ibv_mr_pages p;
	struct ibv_mr *mr;

	if (fd < 0) {
		const char *kernel = getenv("HUGEODP_KERNEL");

		ok(!kernel || strncmp(kernel, "debian", 6), "Debian's kernel has /dev/udmabuf");
		return;
	}
	mr = ibv_reg_dmabuf_mr(rig->pd, offset, len - offset, offset, fd, ACCESS_ALL);
	if (rig->is_rxe) {
		ok(!mr && errno == EOPNOTSUPP, "rxe takes no dma-buf");
		close(fd);
		return;
	}
	if (!mr)
		fatal("ibv_reg_dmabuf_mr: %s", strerror(errno));
	err = ibv_query_mr_pages(mr, &p, sizeof(p));
	if (rig->series) {
		is_errno(err, 0, "dma-buf: ibv_query_mr_pages()");
		is_u64(p.kind, IBV_MR_KIND_DMABUF, "dma-buf: kind");
		is_u64(p.base_pages, (len - offset) / SZ_4K, "dma-buf: base pages");
		is_u64(p.entries, layout_blocks(offset, len - offset, p.page_shift), "dma-buf: entries");
	} else {
		is_errno(err, EOPNOTSUPP, "dma-buf: its memory is not known");
	}
	dereg(mr);
	close(fd);
}

/* ---- the interface ---- */

static int raw_pages(struct ibv_mr *mr, void *out, size_t len)
{
	struct raw raw = raw_query_odp(mr->handle);

	raw_out(&raw, raw_side()->query_mr_pages, out, len);
	return raw_ioctl(mr->context, &raw);
}

static void arguments(struct rig *rig, const struct layout *l)
{
	struct {
		struct ibv_mr_pages pages;
		uint64_t tail;
	} longer;
	struct ibv_mr *mr = reg(rig, l, 0);
	uint64_t words[5];

	is_errno(ibv_query_mr_pages(mr, NULL, sizeof(longer)), EINVAL, "no struct");
	is_errno(ibv_query_mr_pages(mr, &longer.pages, 8), EINVAL, "no room for the source");
	memset(&longer, 0xff, sizeof(longer));
	is_errno(ibv_query_mr_pages(mr, &longer.pages, sizeof(longer)), 0,
		 "a struct of the future");
	is_u64(longer.tail | longer.pages.reserved, 0, "unknown members are zero");
	if (rig->series) {
		memset(words, 0xff, sizeof(words));
		is_errno(raw_pages(mr, words, 31), EINVAL, "kernel: a short buffer");
		is_u64(words[0], UINT64_MAX, "kernel: nothing written");
		is_errno(raw_pages(mr, words, 40), 0, "kernel: a long buffer");
		is_u64(words[4], 0, "kernel: unknown members are zero");
		is_errno(raw_pages(mr, NULL, 32), EFAULT, "kernel: no buffer");
	}
	dereg(mr);
}

int main(void)
{
	struct errors errors[2] = {};
	struct rig rig, unmarked;
	struct layout l;
	struct rng rng;

	rig_open(&rig);
	unmarked_open(&unmarked, &rig);
	rng_init(&rng, 17);
	for (int i = 0; i < LAYOUTS; i++) {
		layout_map(&l, &rng);
		layout_cut(&l, &rng, i);
		pinned(&rig, &unmarked, &l, errors);
		if (rig.series) {
			check_odp(&rig, &l, &mode_odp);
			check_odp(&rig, &l, &mode_strict_2m);
			check_odp(&rig, &l, &mode_2m_4k);
			check_odp(&rig, &l, &mode_mixed_2m_4k);
		}
		if (!i) {
			arguments(&rig, &l);
			imported(&rig, &l);
		}
		layout_unmap(&l);
	}
	for (int i = 0; i < 2; i++)
		diag("estimate, %s: exact for %u of %u layouts, %llu entries for %llu",
		     i ? "pages in order" : "pages scattered", errors[i].exact, errors[i].all,
		     (unsigned long long)errors[i].estimate, (unsigned long long)errors[i].truth);
	/* pages in order may be contiguous in physical memory, which the library cannot know */
	ok(errors[0].estimate <= errors[0].truth + errors[0].truth / 4,
	   "the estimate is at most 25 %% more");
	if (rig.series)
		implicit(&rig);
	dmabuf(&rig);
	rig_close(&unmarked);
	rig_close(&rig);
	return tap_done();
}
