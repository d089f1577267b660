// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Messages into memory with all translations in place: the cost of each byte and each message. */
#include "bench.h"
#include "wire.h"

static void one_size(struct wire *w, const struct subject *s, struct ibv_mr *mr, const char *name,
		     size_t message, size_t count, bool read)
{
	struct figure f = {
		.name = name,
		.subject = s,
		.state = "mapped",
		.length = message,
		.count = count,
		.unit = work_unit(),
	};

	/* the first round warms up */
	for (int i = 0; i <= REPEATS; i++) {
		uint64_t start = work_done();

		for (size_t n = 0; n < count; n++) {
			if (read)
				wire_read(w, mr, n * message, message);
			else
				wire_write(w, mr, n * message, message);
		}
		if (i)
			figure_add(&f, work_done() - start);
	}
	figure_print(&f);
}

void measure_stream(const struct bench *b)
{
	size_t count = b->quick ? 4 : 32;
	struct wire w;

	wire_open(&w, b, SZ_2M);
	for (size_t i = 0; i < subjects_count; i++) {
		const struct subject *s = &subjects[i];
		size_t len = s->kind == SPACE_GIGA ? SZ_1G : SZ_1M * 64;
		struct space space;
		struct ibv_mr *mr;

		if (!subject_fits(b, s, len))
			continue;
		space_map(&space, s->kind, len);
		space_populate(&space);
		space_check(&space);
		mr = subject_reg(b, s, space.addr, len);
		if (subject_odp(s))
			subject_prefetch(b, mr, len);
		subject_check_mapped(b, s, mr);
		one_size(&w, s, mr, "stream-write", SZ_1M, count, false);
		one_size(&w, s, mr, "stream-read", SZ_1M, count, true);
		one_size(&w, s, mr, "message-write", 8, count * 16, false);
		one_size(&w, s, mr, "message-read", 8, count * 16, true);
		subject_dereg(mr);
		space_unmap(&space);
	}
	wire_close(&w);
}
