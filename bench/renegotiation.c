// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* From 2 MiB to 4 KiB and back: on request, and down because a page of the memory was dropped. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "tap.h"
#include "wire.h"

static const struct subject negotiated = { "2M|4K", &mode_2m_4k, SPACE_HUGE, SZ_2M, true };

static uint64_t modify(struct ibv_mr *mr, uint64_t page_sizes, uint32_t flags, uint32_t shift)
{
	uint64_t start = work_done(), end;
	int ret = ibv_modify_mr_odp(mr, page_sizes, flags);

	end = work_done();
	if (ret)
		fatal("ibv_modify_mr_odp: %s", strerror(ret));
	if (mr_state(mr).page_shift != shift)
		fatal("page shift %u, not %u", mr_state(mr).page_shift, shift);
	return end - start;
}

static struct figure figure_for(const char *name, const char *state, size_t len)
{
	return (struct figure){
		.name = name,
		.subject = &negotiated,
		.state = state,
		.length = len,
		.unit = work_unit(),
	};
}

/* @flags: IBV_ODP_POPULATE, so that the new translations are a part of it, or 0 */
static void on_request(const struct bench *b, size_t len, uint32_t flags)
{
	const char *state = flags ? "populate" : "mapped";
	struct figure down = figure_for("renegotiate-down", state, len);
	struct figure up = figure_for("renegotiate-up", state, len);
	struct space space;
	struct ibv_mr *mr;

	space_map(&space, SPACE_HUGE, len);
	space_populate(&space);
	space_check(&space);
	mr = subject_reg(b, &negotiated, space.addr, len);
	for (int i = 0; i < 3; i++) {
		subject_prefetch(b, mr, len);
		figure_add(&down, modify(mr, SZ_4K, flags, 12));
		subject_prefetch(b, mr, len);
		figure_add(&up, modify(mr, SZ_2M | SZ_4K, flags, 21));
	}
	subject_dereg(mr);
	space_unmap(&space);
	figure_print(&down);
	figure_print(&up);
}

static uint64_t one_fault(const struct bench *b, struct wire *w, size_t len)
{
	struct space space;
	struct ibv_mr *mr;
	uint64_t start, end;

	space_map(&space, SPACE_HUGE, len);
	space_populate(&space);
	space_check(&space);
	mr = subject_reg(b, &negotiated, space.addr, len);
	subject_prefetch(b, mr, len);
	if (madvise(space.addr + len / 2, SZ_4K, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
	start = work_done();
	wire_write(w, mr, len / 2, 8);
	end = work_done();
	if (mr_state(mr).page_shift != 12)
		fatal("the MR has not gone down");
	subject_dereg(mr);
	space_unmap(&space);
	return end - start;
}

static void by_fault(const struct bench *b, size_t len)
{
	struct figure f = figure_for("renegotiate-fault", "mapped", len);
	struct wire w;

	wire_open(&w, b, SZ_2M);
	for (int i = 0; i < REPEATS; i++)
		figure_add(&f, one_fault(b, &w, len));
	wire_close(&w);
	figure_print(&f);
}

void measure_renegotiation(const struct bench *b)
{
	size_t all[LENGTHS_MAX], n = lengths(all, SZ_1M * 16, b->quick ? SZ_1M * 16 : SZ_1G);

	if (!b->rig.series)
		return;
	for (size_t i = 0; i < n; i++) {
		on_request(b, all[i], 0);
		on_request(b, all[i], IBV_ODP_POPULATE);
		by_fault(b, all[i]);
	}
}
