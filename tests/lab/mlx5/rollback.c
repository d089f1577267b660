// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registrations, changes and accesses while the model's option "fail" makes some commands of the
 * device fail: a failed call returns an errno, leaves nothing behind, and succeeds when it is
 * repeated. Without the option no call may fail. The last line prints the number of failures.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "pattern.h"
#include "resources.h"
#include "scene.h"
#include "tap.h"

#define LEN (4 * SZ_2M)
#define ROUNDS 4
#define MTU 4096

static unsigned int failures;

static const struct mode implicit = {
	.name = "implicit", .access = IBV_ACCESS_ON_DEMAND, .request = true, .page_sizes = SZ_4K
};
static const struct mode implicit_mixed = {
	.name = "implicit, mixed",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.page_sizes = SZ_2M | SZ_4K,
	.flags = IBV_ODP_MIXED,
};

/* Three keys: there is a block of small pages. */
static const struct mode pinned_mixed = {
	.name = "pinned, mixed",
	.request = true,
	.page_sizes = SZ_2M | SZ_4K,
	.flags = IBV_ODP_MIXED,
};

static void make_hole(struct scene *s, bool hole)
{
	if (madvise(s->far.mem.addr + SZ_2M, SZ_2M, hole ? MADV_NOHUGEPAGE : MADV_HUGEPAGE))
		fatal("madvise: %s", strerror(errno));
	if (hole)
		touch_scattered(s->far.mem.addr, LEN);
}

static struct ibv_mr *reg(const struct mode *mode, struct scene *s)
{
	bool whole = mode == &implicit || mode == &implicit_mixed;
	void *addr = whole ? NULL : s->far.mem.addr;

	return mode_reg(mode, s->rig->pd, addr, whole ? SIZE_MAX : LEN, (uintptr_t)addr,
			ACCESS_ALL);
}

/* A second attempt must succeed: the errors are never two in a row. */
static struct ibv_mr *reg_patient(const struct mode *mode, struct scene *s)
{
	long before = resource_count(s->rig, "mr");
	struct ibv_mr *mr = reg(mode, s);

	if (!mr) {
		diag("%s: %s", mode->name, strerror(errno));
		failures++;
		is_u64(resource_settles(s->rig, "mr", before), before, "%s: nothing left",
		       mode->name);
		mr = reg(mode, s);
	}
	if (!ok(mr, "%s: register", mode->name))
		fatal("%s: %s", mode->name, strerror(errno));
	return mr;
}

/* A failed fault moves the QPs to the error state; on new ones the same access succeeds. */
static void access_patient(struct scene *s, const struct ibv_mr *mr, const uint8_t *at,
			   enum ibv_wr_opcode opcode)
{
	enum ibv_wc_status status = scene_access(s, mr, at, opcode);

	if (status != IBV_WC_SUCCESS) {
		diag("access: %s", ibv_wc_status_str(status));
		failures++;
		pair_close(&s->pair);
		pair_open(&s->pair, s->rig, MTU);
		status = scene_access(s, mr, at, opcode);
	}
	is_u64(status, IBV_WC_SUCCESS, "access at %p", (const void *)at);
}

static void round_of(const struct mode *mode, struct scene *s)
{
	static uint8_t want[PIECE];
	struct ibv_mr *mr;

	make_hole(s, mode == &pinned_mixed);
	mr = reg_patient(mode, s);
	if (mode == &pinned_mixed)
		is_u64((uint64_t)ibv_mr_page_shift(mr), 21, "%s: two sizes", mode->name);
	for (size_t off = 0; off + PIECE <= LEN; off += SZ_2M - SZ_4K) {
		uint8_t *at = s->far.mem.addr + off;

		pattern_fill(want, off, failures, PIECE);
		memcpy(s->near.mem.addr, want, PIECE);
		access_patient(s, mr, at, IBV_WR_RDMA_WRITE);
		ok(!memcmp(at, want, PIECE), "%s: every byte written", mode->name);
		memset(s->near.mem.addr, 0, PIECE);
		access_patient(s, mr, at, IBV_WR_RDMA_READ);
		ok(!memcmp(s->near.mem.addr, want, PIECE), "%s: every byte read", mode->name);
	}
	is_errno(ibv_dereg_mr(mr), 0, "%s: deregister", mode->name);
	if (madvise(s->far.mem.addr, LEN, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
}

int main(void)
{
	static const struct mode *const modes[] = {
		&mode_odp,	 &mode_strict_2m, &mode_2m_4k,	   &mode_mixed_2m_4k,
		&mode_mixed_any, &implicit,	  &implicit_mixed, &pinned_mixed,
	};
	struct scene s;
	struct rig rig;
	long mrs;

	rig_open(&rig);
	need_series(&rig);
	scene_open_unregistered(&s, &rig, MEM_THP, LEN);
	mrs = resource_count(&rig, "mr");
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
			round_of(modes[i], &s);
	is_u64(resource_settles(&rig, "mr", mrs), mrs, "as many MRs as before");
	diag("failed: %u", failures);
	scene_close(&s);
	rig_close(&rig);
	return tap_done();
}
