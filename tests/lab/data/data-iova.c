// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* MRs whose iova is not their address. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "matrix.h"
#include "tap.h"

#define GUARD SZ_2M
#define LEN (SZ_1M * 8)

/* Just outside the MR, where an index into its table would be out of bounds. */
static void outside(struct pair *pair, struct buf *near, struct buf *far, const char *name)
{
	static const enum op ops[] = { OP_WRITE, OP_READ };

	for (int i = 0; i < 2; i++) {
		struct xfer x = { .op = ops[i], .near = near, .far = far, .len = 64 };
		char what[160];

		x.far_at = far->mr_at - 1;
		snprintf(what, sizeof(what), "%s, a byte before the MR", name);
		xfer_fails(pair, &x, IBV_WC_REM_ACCESS_ERR, what);
		x.far_at = far->mr_at + far->mr_len - x.len + 1;
		snprintf(what, sizeof(what), "%s, a byte after the MR", name);
		xfer_fails(pair, &x, IBV_WC_REM_ACCESS_ERR, what);
	}
	ok(buf_check_all(far), "%s: refused transfers wrote nothing", name);
}

/* A prefetch takes the iova as well; the CPU can check which page it faulted in. */
static void prefetched(struct buf *far, const char *name)
{
	struct ibv_sge sge = {
		.addr = buf_iova(far, far->mr_at + SZ_2M),
		.length = SZ_2M,
		.lkey = far->mr->lkey,
	};
	uint64_t before = buf_state(far).blocks_mapped, after;

	is_errno(ibv_advise_mr(far->rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
		 0, "%s: prefetch", name);
	after = buf_state(far).blocks_mapped;
	ok(after >= before + (SZ_2M >> buf_state(far).page_shift), "%s: 2 MiB prefetched", name);
}

static void at_iova(struct rig *rig, struct rng *rng, const struct mode *mode, enum mem_kind kind,
		    uint64_t base, bool odd)
{
	static const enum op data[] = { OP_WRITE, OP_READ, OP_SEND };
	static const enum op atomic[] = { OP_FETCH_ADD, OP_CMP_SWAP };
	struct matrix matrix = { .rig = rig, .rng = *rng };
	size_t at = GUARD + (odd ? SZ_4K * 9 + 77 : 0);
	unsigned int total = 0, bad = 0;
	struct buf near, far;
	struct pair pair;
	char name[128];
	int err;

	snprintf(name, sizeof(name), "%s over %s, iova base %#llx%s", mode->name, mem_name(kind),
		 (unsigned long long)base, odd ? ", unaligned" : "");
	buf_make(&near, rig, MEM_BASE, LEN, &mode_pinned);
	buf_open(&far, rig, kind, GUARD + LEN + GUARD);
	err = buf_reg_iova(&far, mode, at, LEN - (odd ? 12345 : 0), base + (at & (SZ_2M - 1)),
			   ACCESS_ALL);
	if (!is_errno(err, 0, "%s: MR", name))
		goto out;
	if (mode != &mode_pinned)
		prefetched(&far, name);
	pair_open(&pair, rig, odd ? 1024 : 4096);
	matrix.ops = data;
	matrix.nops = 3;
	bad += matrix_transfers(&matrix, &pair, &near, &far, FAR, &total);
	bad += matrix_transfers(&matrix, &pair, &far, &near, NEAR, &total);
	matrix.ops = atomic;
	matrix.nops = 2;
	bad += matrix_transfers(&matrix, &pair, &near, &far, FAR, &total);
	if (!buf_check_all(&far) || !buf_check_all(&near))
		bad++;
	is_u64(bad, 0, "%s: %u transfers", name, total);
	outside(&pair, &near, &far, name);
	pair_close(&pair);
out:
	buf_close(&near);
	buf_close(&far);
	*rng = matrix.rng;
}

int main(void)
{
	/* zero based, low, high, and one that looks negative */
	static const uint64_t bases[] = {
		0, SZ_2M * 3, 1ULL << 40, 0x7ffffffe00000000, 0xffff800000000000,
	};
	struct rng rng;
	struct rig rig;

	rng_init(&rng, 0x5eed08);
	rig_open(&rig);
	/* without the series rxe takes the iova for the address and reads past its table */
	need_series(&rig);
	for (size_t i = 0; i < sizeof(bases) / sizeof(*bases); i++) {
		bool odd = i % 2;

		at_iova(&rig, &rng, &mode_pinned, MEM_BASE, bases[i], !odd);
		at_iova(&rig, &rng, &mode_odp, MEM_BASE, bases[i], odd);
		at_iova(&rig, &rng, &mode_strict_2m, MEM_HUGETLB, bases[i], !odd);
		at_iova(&rig, &rng, &mode_2m_4k, MEM_THP, bases[i], odd);
		at_iova(&rig, &rng, &mode_strict_64k, MEM_HUGETLB, bases[i], odd);
	}
	rig_close(&rig);
	return tap_done();
}
