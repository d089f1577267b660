// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The fault of a single block: a message into a block that the device has no translation for, less
 * the same message again. With a populated block that is the path of the responder, from the packet
 * that faults until it goes on; with a cold one it contains the fault of the memory, which is also
 * measured for the CPU.
 */
#include "bench.h"
#include "tap.h"
#include "wire.h"

/* the first one warms up */
#define BLOCKS (REPEATS + 1)

static const struct subject no_mr[] = {
	[SPACE_BASE] = { "none", NULL, SPACE_BASE, SZ_4K, false },
	[SPACE_HUGE] = { "none", NULL, SPACE_HUGE, SZ_4K, false },
	[SPACE_GIGA] = { "none", NULL, SPACE_GIGA, SZ_1G, false },
};

/* The first of two accesses costs more than the second. */
static uint64_t more_by_cpu(uint8_t *at)
{
	volatile uint8_t *byte = at;
	uint64_t start = work_done(), between;

	*byte = 1;
	between = work_done();
	*byte = 2;
	return minus(between - start, work_done() - between);
}

static uint64_t more_by_device(struct wire *w, struct ibv_mr *mr, size_t at)
{
	uint64_t start = work_done(), between;

	wire_write(w, mr, at, 8);
	between = work_done();
	wire_write(w, mr, at, 8);
	return minus(between - start, work_done() - between);
}

/* @s without an MR: by the CPU */
static void one(const struct bench *b, struct wire *w, const struct subject *s, bool cold)
{
	struct figure f = {
		.name = "block-fault",
		.subject = s,
		.state = cold ? "cold" : "populated",
		.length = space_page(s->kind),
		.unit = work_unit(),
	};
	size_t step = s->kind == SPACE_GIGA ? SZ_1G : SZ_2M, n = s->kind == SPACE_GIGA ? 1 : BLOCKS;
	struct ibv_mr *mr = NULL;
	struct space space;

	if (!subject_fits(b, s, step * n))
		return;
	/* there is a single page of 1 GiB: a mapping for each sample */
	for (size_t round = 0; round < BLOCKS / n; round++) {
		space_map(&space, s->kind, step * n);
		if (s->mode)
			mr = subject_reg(b, s, space.addr, space.len);
		if (!cold) {
			space_populate(&space);
			space_check(&space);
		}
		for (size_t i = 0; i < n; i++) {
			uint64_t more = mr ? more_by_device(w, mr, i * step)
					   : more_by_cpu(space.addr + i * step);

			if (round + i)
				figure_add(&f, more);
		}
		if (mr)
			subject_dereg(mr);
		space_unmap(&space);
	}
	figure_print(&f);
}

void measure_block(const struct bench *b)
{
	struct wire w;

	for (size_t i = 0; i < sizeof(no_mr) / sizeof(*no_mr); i++)
		one(b, NULL, &no_mr[i], true);
	wire_open(&w, b, SZ_4K);
	for (size_t i = 0; i < subjects_count; i++) {
		if (!subject_odp(&subjects[i]))
			continue;
		one(b, &w, &subjects[i], true);
		one(b, &w, &subjects[i], false);
	}
	wire_close(&w);
}
