// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "matrix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define GUARD SZ_2M
#define MR_LEN (SZ_1M * 16)
#define RANDOM_TRANSFERS 32
#define RANDOM_MAX (SZ_1M / 8)
#define RANDOM_MAX_SLOW (SZ_4K * 2)
#define ENOUGH_BAD 4 /* stop after this many wrong transfers */

static const struct combo combos[] = {
	{ &mode_pinned, MEM_BASE, true, true, 0 },
	{ &mode_pinned, MEM_HUGETLB, true, false, 0 },
	{ &mode_odp, MEM_BASE, false, true, 12 },
	{ &mode_odp, MEM_THP, true, false, 12 },
	{ &mode_odp, MEM_HUGETLB, false, false, 12 },
	{ &mode_odp, MEM_SHMEM, false, false, 12 },
	{ &mode_hugetlb_flag, MEM_HUGETLB, false, false, 21 },
	{ &mode_strict_2m, MEM_HUGETLB, false, false, 21 },
	{ &mode_strict_2m, MEM_HUGETLB, true, true, 21 },
	{ &mode_strict_2m, MEM_HUGETLB_SHARED, false, false, 21 },
	{ &mode_strict_2m, MEM_THP, false, true, 21 },
	{ &mode_strict_2m, MEM_THP, true, false, 21 },
	{ &mode_strict_64k, MEM_HUGETLB, false, true, 16 },
	{ &mode_strict_64k, MEM_THP, true, false, 16 },
	{ &mode_strict_4k, MEM_BASE, false, false, 12 },
	{ &mode_strict_4k, MEM_HUGETLB, true, true, 12 },
	{ &mode_2m_4k, MEM_HUGETLB, true, false, 21 },
	{ &mode_2m_4k, MEM_THP, false, false, 21 },
	{ &mode_2m_4k, MEM_BASE, true, true, 12 },
	{ &mode_any, MEM_HUGETLB, false, false, 21 },
	{ &mode_any, MEM_THP, true, false, 21 },
	{ &mode_any, MEM_BASE, false, false, 12 },
};

/* A run over one combination. */
struct sweep {
	struct matrix *matrix;
	struct pair *pair;
	struct buf *end[2];
	enum end subject;
	unsigned int total;
	unsigned int bad;
};

static size_t mr_end(const struct buf *buf)
{
	return buf->mr_at + buf->mr_len;
}

/* @len bytes at @at of the subject, if that is inside its MR. */
static void transfer(struct sweep *s, size_t at, size_t len)
{
	struct rng *rng = &s->matrix->rng;
	struct buf *subject = s->end[s->subject], *other = s->end[!s->subject];
	size_t head = s->pair->type == IBV_QPT_UD ? GRH_BYTES : 0;
	size_t other_at;
	struct xfer x = {
		.op = s->matrix->ops[s->total % s->matrix->nops],
		.near = s->end[NEAR],
		.far = s->end[FAR],
		.len = len,
		.sges = 1 + (int)rng_below(rng, MAX_SGE),
	};

	if (s->bad == ENOUGH_BAD)
		return;
	if (at < subject->mr_at + head || at > mr_end(subject) || len > mr_end(subject) - at ||
	    len > other->mr_len - head || (head && len > s->pair->mtu))
		return;
	other_at = other->mr_at + head + rng_below(rng, other->mr_len - head - len + 1);
	if (x.op == OP_FETCH_ADD || x.op == OP_CMP_SWAP) {
		x.sges = 1;
		other_at = (other_at + 7) & ~(size_t)7;
		if (other_at + len > mr_end(other))
			other_at -= 8;
		x.operand = rng_next(rng);
	}
	x.near_at = s->subject == NEAR ? at : other_at;
	x.far_at = s->subject == FAR ? at : other_at;
	if (x.op == OP_CMP_SWAP) {
		/* let every other comparison succeed */
		memcpy(&x.compare, x.far->shadow + x.far_at, sizeof(x.compare));
		x.compare ^= rng_below(rng, 2);
	}
	s->total++;
	/* now and then send the present content: zeroes in untouched memory */
	if (rng_below(rng, 4) ? !xfer_verify(s->pair, &x) : !xfer_verify_as_is(s->pair, &x))
		s->bad++;
}

/* A multiple of @unit well inside the subject's MR, or 0 if there is none. */
static size_t some_boundary(struct sweep *s, size_t unit)
{
	const struct buf *buf = s->end[s->subject];
	size_t first = buf->mr_at / unit + 1, last = (mr_end(buf) - 1) / unit;

	if (first > last)
		return 0;
	return (first + rng_below(&s->matrix->rng, last - first + 1)) * unit;
}

/* From @before bytes before a boundary of @unit to @after bytes after it. */
static void across(struct sweep *s, size_t unit, size_t before, size_t after)
{
	size_t boundary = some_boundary(s, unit);

	if (boundary && before + after)
		transfer(s, boundary - before, before + after);
}

static void across_boundaries(struct sweep *s, size_t unit)
{
	const size_t mtu = s->pair->mtu;
	const size_t reach[] = { 0, 1, mtu - 1, mtu, mtu + 1, mtu * 2 - 1 };

	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 6; j++)
			across(s, unit, reach[i], reach[j]);
}

/* The few lengths that matter at boundaries of sizes other than the MR's own. */
static void touch_boundaries(struct sweep *s, size_t unit)
{
	across(s, unit, 1, 1);
	across(s, unit, 0, s->pair->mtu);
	across(s, unit, s->pair->mtu, 0);
	across(s, unit, s->pair->mtu - 1, s->pair->mtu + 1);
}

/* Lengths of n packets, a byte less and a byte more, from around a page's start. */
static void around_packets(struct sweep *s)
{
	for (size_t packets = 0; packets <= 3; packets++)
		for (int dlen = -1; dlen <= 1; dlen++)
			for (int dat = -1; dat <= 1; dat++) {
				ssize_t len = (ssize_t)(packets * s->pair->mtu) + dlen;
				size_t page = some_boundary(s, SZ_4K);

				if (page && len >= 0)
					transfer(s, page + (size_t)(ssize_t)dat, (size_t)len);
			}
}

static void around_mr_ends(struct sweep *s)
{
	const struct buf *buf = s->end[s->subject];
	size_t head = s->pair->type == IBV_QPT_UD ? GRH_BYTES : 0;

	for (size_t d = 0; d <= 1; d++)
		for (size_t len = 1; len <= s->pair->mtu * 2 + 1; len += s->pair->mtu) {
			transfer(s, buf->mr_at + head + d, len);
			transfer(s, mr_end(buf) - len - d, len);
		}
}

static void at_random(struct sweep *s)
{
	struct rng *rng = &s->matrix->rng;
	const struct buf *buf = s->end[s->subject];
	size_t max = kernel_is_slow() ? RANDOM_MAX_SLOW : RANDOM_MAX;

	if (s->pair->type == IBV_QPT_UD)
		max = s->pair->mtu;

	for (int i = 0; i < RANDOM_TRANSFERS; i++) {
		size_t len = rng_size(rng, max);

		transfer(s, buf->mr_at + rng_below(rng, buf->mr_len - len), len);
	}
}

static void atomics(struct sweep *s)
{
	const struct buf *buf = s->end[s->subject];
	const size_t units[] = { SZ_4K, SZ_64K, SZ_2M };

	for (size_t i = 0; i < 3; i++)
		for (int n = 0; n < 8; n++) {
			size_t boundary = some_boundary(s, units[i]);

			transfer(s, boundary - 8, 8);
			transfer(s, boundary, 8);
		}
	transfer(s, (buf->mr_at + 7) & ~(size_t)7, 8);
	transfer(s, (mr_end(buf) - 8) & ~(size_t)7, 8);
	for (int i = 0; i < RANDOM_TRANSFERS; i++)
		transfer(s,
			 (buf->mr_at + 7 + rng_below(&s->matrix->rng, buf->mr_len - 16)) &
				 ~(size_t)7,
			 8);
}

/* Messages of megabytes: on a slow kernel only where these are the fewest packets. */
static bool long_messages(const struct pair *pair)
{
	return pair->type != IBV_QPT_UD && (!kernel_is_slow() || pair->mtu == 4096);
}

unsigned int matrix_transfers(struct matrix *matrix, struct pair *pair, struct buf *near,
			      struct buf *far, enum end subject, unsigned int *total)
{
	struct sweep s = {
		.matrix = matrix,
		.pair = pair,
		.end = { near, far },
		.subject = subject,
	};

	if (matrix->ops[0] == OP_FETCH_ADD || matrix->ops[0] == OP_CMP_SWAP) {
		atomics(&s);
	} else {
		around_packets(&s);
		across_boundaries(&s, SZ_4K);
		touch_boundaries(&s, SZ_64K);
		across_boundaries(&s, SZ_2M);
		around_mr_ends(&s);
		at_random(&s);
		/* and one over two boundaries of huge pages, a byte more on either side */
		if (long_messages(pair)) {
			size_t boundary = some_boundary(&s, SZ_2M);

			if (boundary + SZ_2M >= mr_end(s.end[subject]))
				boundary -= SZ_2M;
			transfer(&s, boundary - 1, SZ_2M + 2);
		}
	}
	*total += s.total;
	return s.bad;
}

static void open_subject(struct rig *rig, struct buf *buf, const struct combo *c)
{
	size_t at = GUARD + (c->odd ? SZ_4K * 3 + 123 : 0);
	size_t len = MR_LEN - (c->odd ? 77777 : 0);
	int err;

	buf_open(buf, rig, c->kind, GUARD + MR_LEN + GUARD);
	if (c->warm)
		buf_fill(buf, 0, buf->mem.len);
	err = buf_reg(buf, c->mode, at, len);
	if (err)
		diag("%s MR of %zu bytes over %s memory: %s", c->mode->name, len, mem_name(c->kind),
		     strerror(err));
}

static bool shift_is(const struct buf *buf, const struct combo *c)
{
	struct ibv_mr_odp_attr state;

	if (!c->shift || !buf->rig->series)
		return true;
	state = buf_state(buf);
	if (state.page_shift != c->shift)
		diag("page shift %u, want %u", state.page_shift, c->shift);
	return state.page_shift == c->shift;
}

/* The whole MR in one message, where messages can be that long. */
static bool whole(struct pair *pair, struct buf *near, struct buf *far, enum end subject,
		  enum op op)
{
	const struct buf *buf = subject == NEAR ? near : far;
	struct xfer x = {
		.op = op,
		.near = near,
		.near_at = near->mr_at,
		.far = far,
		.far_at = far->mr_at,
		.len = buf->mr_len,
	};

	return xfer_verify(pair, &x);
}

static void run_side(struct matrix *matrix, const struct combo *c, struct buf *near,
		     struct buf *far, enum end subject, const char *label)
{
	struct buf *buf = subject == NEAR ? near : far;
	enum op op = matrix->ops[0];

	for (int i = 0; i < 2 && matrix->mtus[i]; i++) {
		unsigned int total = 0, bad;
		bool right = shift_is(buf, c);
		struct pair pair;

		matrix->open(&pair, matrix->rig, matrix->mtus[i]);
		bad = matrix_transfers(matrix, &pair, near, far, subject, &total);
		if (i && subject == FAR && pair.type != IBV_QPT_UD && op != OP_FETCH_ADD &&
		    op != OP_CMP_SWAP && !kernel_is_slow())
			right = whole(&pair, near, far, subject, op) && right;
		right = buf_check_all(near) && right;
		right = buf_check_all(far) && right;
		right = shift_is(buf, c) && right;
		ok(right && !bad, "%s, MTU %u: %u transfers", label, pair.mtu, total);
		if (bad)
			diag("%u of %u transfers were wrong", bad, total);
		pair_close(&pair);
	}
}

static void run_combo(struct matrix *matrix, const struct combo *c, struct buf *pinned)
{
	struct buf subject, second;
	char name[128], label[192];

	snprintf(name, sizeof(name), "%s %s over %s%s%s", op_name(matrix->ops[0]), c->mode->name,
		 mem_name(c->kind), c->warm ? "" : " untouched", c->odd ? " unaligned" : "");
	if (getenv("HUGEODP_ONLY") && !strstr(name, getenv("HUGEODP_ONLY")))
		return;
	if (mode_needs_series(c->mode) && !matrix->rig->series) {
		ok(false, "%s: the kernel must have the hugeodp series", name);
		return;
	}
	open_subject(matrix->rig->far, &subject, c);
	open_subject(matrix->rig, &second, c);
	if (!ok(subject.mr && second.mr, "%s: MR", name)) {
		buf_close(&subject);
		buf_close(&second);
		return;
	}
	snprintf(label, sizeof(label), "%s, far end", name);
	run_side(matrix, c, pinned, &subject, FAR, label);
	snprintf(label, sizeof(label), "%s, both ends", name);
	run_side(matrix, c, &second, &subject, NEAR, label);
	buf_close(&subject);
	buf_close(&second);
}

void matrix_run(struct matrix *matrix)
{
	struct buf pinned;

	buf_make(&pinned, matrix->rig, MEM_BASE, MR_LEN + SZ_4K, &mode_pinned);
	for (size_t i = 0; i < sizeof(combos) / sizeof(*combos); i++)
		run_combo(matrix, &combos[i], &pinned);
	buf_close(&pinned);
}
