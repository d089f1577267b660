// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Strict MRs of every power of two from 4 KiB to 2 MiB. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "matrix.h"
#include "tap.h"

#define GUARD SZ_2M
#define LEN (SZ_1M * 16)

static void one_size(struct matrix *matrix, enum mem_kind kind, uint32_t shift, bool odd)
{
	char name[32];
	struct mode mode = {
		.name = name,
		.access = IBV_ACCESS_ON_DEMAND,
		.request = true,
		.page_sizes = 1ULL << shift,
	};
	unsigned int total = 0, bad;
	struct buf near, far;
	struct pair pair;
	bool right;
	int err;

	snprintf(name, sizeof(name), "%zuK", ((size_t)1 << shift) >> 10);
	buf_make(&near, matrix->rig, MEM_BASE, LEN, &mode_pinned);
	buf_open(&far, matrix->rig, kind, GUARD + LEN + GUARD);
	err = buf_reg(&far, &mode, GUARD + (odd ? 5003 : 0), LEN - (odd ? 9999 : 0));
	if (!is_errno(err, 0, "%s over %s%s", name, mem_name(kind), odd ? ", unaligned" : ""))
		goto out;
	is_u64(buf_state(&far).page_shift, shift, "%s over %s: page shift", name, mem_name(kind));
	pair_open(&pair, matrix->rig, odd ? 1024 : 4096);
	bad = matrix_transfers(matrix, &pair, &near, &far, FAR, &total);
	right = buf_check_all(&near);
	right = buf_check_all(&far) && right;
	ok(right && !bad, "%s over %s: %u transfers, %u wrong", name, mem_name(kind), total, bad);
	is_u64(buf_state(&far).page_shift, shift, "%s over %s: page shift at the end", name,
	       mem_name(kind));
	pair_close(&pair);
out:
	buf_close(&near);
	buf_close(&far);
}

int main(void)
{
	static const enum op ops[] = { OP_WRITE, OP_READ, OP_SEND, OP_WRITE_IMM };
	struct matrix matrix = { .ops = ops, .nops = 4 };
	struct rig rig;

	rng_init(&matrix.rng, 0x5eed07);
	rig_open(&rig);
	need_series(&rig);
	matrix.rig = &rig;
	for (uint32_t shift = 12; shift <= 21; shift++) {
		one_size(&matrix, MEM_HUGETLB, shift, shift % 2);
		one_size(&matrix, MEM_THP, shift, !(shift % 2));
	}
	rig_close(&rig);
	return tap_done();
}
