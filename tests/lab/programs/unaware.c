// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An unmodified program under `hugeodp run`: it gets blocks of several sizes by each function that
 * registers, and can change such MRs by ibv_rereg_mr(): to other memory, other rights, another PD.
 * The MR's address stays, data is right, no MR is left.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resources.h"
#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 8)
/* never aligned to huge pages */
#define FIRST SZ_4K
#define FIRST_LEN (SZ_2M * 3)
#define SECOND (SZ_2M * 3 + SZ_64K)
#define SECOND_LEN (SZ_2M * 4 + SZ_4K)

static void is_mixed(const struct buf *buf, const char *what)
{
	struct ibv_mr_odp_attr state = buf_state(buf);

	is_u64(state.flags & IBV_ODP_MIXED, IBV_ODP_MIXED, "%s: blocks of several sizes", what);
	ok(state.page_shift >= 21, "%s: up to 2 MiB and more (shift %u)", what, state.page_shift);
}

static void traffic(struct scene *s, const char *what)
{
	const size_t at = s->far.mr_at, len = s->far.mr_len;

	scene_write(s, at, len, what);
	scene_read(s, at, len, what);
	scene_write(s, at + SZ_2M - 4097, SZ_64K + 1, what);
	scene_intact(s, what);
}

/* As perftest does, if it is new enough: libibverbs' own, which this library has another name for */
static void by_reg_mr_ex(struct rig *rig)
{
	struct ibv_mr *(*reg_mr_ex)(struct ibv_pd * pd, struct ibv_mr_init_attr * attr);
	struct ibv_mr_init_attr attr = {
		.length = FIRST_LEN,
		.access = IBV_ACCESS_ON_DEMAND | ACCESS_ALL,
		.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_IOVA,
	};
	struct scene s;

	*(void **)&reg_mr_ex = dlsym(RTLD_DEFAULT, "ibv_reg_mr_ex");
	if (!reg_mr_ex)
		fatal("ibv_reg_mr_ex: %s", dlerror());
	scene_open_unregistered(&s, rig, MEM_THP, LEN);
	attr.addr = s.far.mem.addr + FIRST;
	attr.iova = (uintptr_t)attr.addr;
	s.far.mr = reg_mr_ex(rig->pd, &attr);
	if (!s.far.mr)
		fatal("ibv_reg_mr_ex: %s", strerror(errno));
	s.far.mr_at = FIRST;
	s.far.mr_len = FIRST_LEN;
	s.far.iova = attr.iova;
	is_mixed(&s.far, "ibv_reg_mr_ex");
	traffic(&s, "ibv_reg_mr_ex");
	scene_close(&s);
}

static void is_changed(struct scene *s, int flags, struct ibv_pd *pd, int access, const char *what)
{
	const struct ibv_mr *before = s->far.mr;
	int err = ibv_rereg_mr(s->far.mr, flags, pd, s->far.mem.addr + s->far.mr_at, s->far.mr_len,
			       access);

	if (!is_u64((uint64_t)(int64_t)err, 0, "%s", what))
		diag("%s", strerror(errno));
	ok(s->far.mr == before && s->far.mr->length == s->far.mr_len &&
		   s->far.mr->addr == s->far.mem.addr + s->far.mr_at,
	   "%s: the same MR, of the new memory", what);
}

static void move(struct scene *s, size_t at, size_t len)
{
	s->far.mr_at = at;
	s->far.mr_len = len;
	s->far.iova = (uintptr_t)s->far.mem.addr + at;
	is_changed(s, IBV_REREG_MR_CHANGE_TRANSLATION, NULL, 0, "other memory");
}

static void rights(struct scene *s)
{
	is_changed(s, IBV_REREG_MR_CHANGE_ACCESS, NULL,
		   IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ,
		   "fewer rights");
	scene_read(s, s->far.mr_at, s->far.mr_len, "fewer rights");
	scene_write_fails(s, s->far.mr_at, 64, "fewer rights");
	is_changed(s, IBV_REREG_MR_CHANGE_ACCESS, NULL, IBV_ACCESS_ON_DEMAND | ACCESS_ALL,
		   "all rights");
	is_mixed(&s->far, "all rights");
	traffic(s, "all rights");
	is_changed(s, IBV_REREG_MR_CHANGE_ACCESS, NULL, ACCESS_ALL, "pinned");
	traffic(s, "pinned");
	is_changed(s, IBV_REREG_MR_CHANGE_ACCESS, NULL, IBV_ACCESS_ON_DEMAND | ACCESS_ALL,
		   "on demand again");
	is_mixed(&s->far, "on demand again");
	traffic(s, "on demand again");
}

static void protection_domain(struct scene *s)
{
	struct ibv_pd *pd = ibv_alloc_pd(s->rig->ctx);

	if (!pd)
		fatal("ibv_alloc_pd: %s", strerror(errno));
	is_changed(s, IBV_REREG_MR_CHANGE_PD, pd, 0, "other PD");
	ok(s->far.mr->pd == pd, "other PD: the MR has it");
	scene_write_fails(s, s->far.mr_at, 64, "other PD");
	is_changed(s, IBV_REREG_MR_CHANGE_PD, s->rig->pd, 0, "the PD it had");
	is_errno(ibv_dealloc_pd(pd), 0, "the other PD is not in use");
	traffic(s, "the PD it had");
}

static void refused(struct scene *s)
{
	is_u64((uint64_t)(int64_t)ibv_rereg_mr(s->far.mr, IBV_REREG_MR_CHANGE_TRANSLATION, NULL,
					       NULL, 0, 0),
	       (uint64_t)IBV_REREG_MR_ERR_INPUT, "no memory");
	ok(ibv_rereg_mr(s->far.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
			IBV_ACCESS_ON_DEMAND | IBV_ACCESS_REMOTE_WRITE) != 0,
	   "remote writes without local ones");
	traffic(s, "after refusals");
}

int main(int argc, char **argv)
{
	struct rig rig;
	struct scene s;
	long mrs;

	if (!getenv("LD_PRELOAD") && argc == 1) {
		execlp("hugeodp", "hugeodp", "run", "--", argv[0], "preloaded", (char *)NULL);
		fatal("hugeodp: %s", strerror(errno));
	}
	rig_open(&rig);
	need_series(&rig);
	mrs = resource_count(&rig, "mr");
	by_reg_mr_ex(&rig);
	scene_open_unregistered(&s, &rig, MEM_THP, LEN);
	is_errno(buf_reg(&s.far, &mode_odp, FIRST, FIRST_LEN), 0, "registered");
	is_mixed(&s.far, "registered");
	traffic(&s, "registered");
	move(&s, SECOND, SECOND_LEN);
	is_mixed(&s.far, "other memory");
	traffic(&s, "other memory");
	rights(&s);
	protection_domain(&s);
	refused(&s);
	is_u64((uint64_t)resource_count(&rig, "mr"), (uint64_t)mrs + 2,
	       "MRs, with that of the near end");
	scene_close(&s);
	is_u64((uint64_t)resource_count(&rig, "mr"), (uint64_t)mrs, "MRs left");
	rig_close(&rig);
	return tap_done();
}
