// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Older verbs on MRs with page sizes: memory windows, atomic write. */
#include <errno.h>
#include <string.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)

/* A window over two halves of blocks of an MR. */
static void memory_window(struct rig *rig)
{
	struct ibv_send_wr *bad, bind = { .opcode = IBV_WR_BIND_MW };
	uint32_t whole;
	struct ibv_mw *mw;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, MEM_HUGETLB, LEN);
	err = buf_reg_iova(&s.far, &mode_strict_2m, 0, LEN, (uintptr_t)s.far.mem.addr,
			   ACCESS_ALL | IBV_ACCESS_MW_BIND);
	if (err)
		fatal("MR to bind to: %s", strerror(err));
	mw = ibv_alloc_mw(rig->pd, IBV_MW_TYPE_2);
	if (!mw)
		fatal("ibv_alloc_mw: %s", strerror(errno));
	bind.bind_mw.mw = mw;
	bind.bind_mw.rkey = ibv_inc_rkey(mw->rkey);
	bind.bind_mw.bind_info = (struct ibv_mw_bind_info){
		.mr = s.far.mr,
		.addr = buf_iova(&s.far, SZ_1M),
		.length = SZ_2M,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
	};
	/* the far end's QP is the one whose memory is opened */
	if (ibv_post_send(s.pair.qp[FAR], &bind, &bad))
		fatal("posting the bind: %s", strerror(errno));
	is_u64(pair_wait(&s.pair, FAR).status, IBV_WC_SUCCESS, "a window is bound to the MR");
	/* transfers take the key from the MR */
	whole = s.far.mr->rkey;
	s.far.mr->rkey = bind.bind_mw.rkey;
	scene_write(&s, SZ_1M, SZ_2M, "through the window");
	scene_read(&s, SZ_1M + 1, SZ_2M - 2, "through the window");
	scene_intact(&s, "through the window");
	s.far.mr->rkey = whole;
	if (ibv_dealloc_mw(mw))
		fatal("ibv_dealloc_mw: %s", strerror(errno));
	scene_close(&s);
}

/*
 * rxe finds an MR by its key alone, so a program can name one of another program, which is in
 * another protection domain.
 */
static void foreign_window(struct rig *rig)
{
	struct ibv_send_wr *bad, bind = { .opcode = IBV_WR_BIND_MW };
	enum ibv_wc_status status = IBV_WC_MW_BIND_ERR;
	struct ibv_pd *pd = ibv_alloc_pd(rig->ctx);
	struct ibv_mr *foreign, claimed;
	struct ibv_mw *mw;
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_HUGETLB, LEN);
	foreign = pd ? ibv_reg_mr(pd, s.far.mem.addr, LEN, ACCESS_ALL | IBV_ACCESS_MW_BIND) : NULL;
	mw = ibv_alloc_mw(rig->pd, IBV_MW_TYPE_2);
	if (!foreign || !mw)
		fatal("another PD, its MR, and a window: %s", strerror(errno));
	claimed = *foreign;
	claimed.pd = rig->pd;
	bind.bind_mw.mw = mw;
	bind.bind_mw.rkey = ibv_inc_rkey(mw->rkey);
	bind.bind_mw.bind_info = (struct ibv_mw_bind_info){
		.mr = &claimed,
		.addr = (uintptr_t)s.far.mem.addr,
		.length = SZ_4K,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
	};
	if (!ibv_post_send(s.pair.qp[FAR], &bind, &bad))
		status = pair_wait(&s.pair, FAR).status;
	is_u64(status, IBV_WC_MW_BIND_ERR, "no window over an MR of another protection domain");
	if (ibv_dealloc_mw(mw) || ibv_dereg_mr(foreign) || ibv_dealloc_pd(pd))
		fatal("another PD, its MR, and a window: %s", strerror(errno));
	scene_close(&s);
}

/* Eight bytes written in one piece, at both sides of block boundaries. */
static void atomic_write(struct rig *rig)
{
	struct ibv_qp_ex *qpx;
	struct rng rng = { 0xa70 };
	struct scene s;

	scene_open(&s, rig, &mode_strict_2m, MEM_HUGETLB, LEN);
	s.pair.send_ops = IBV_QP_EX_WITH_ATOMIC_WRITE;
	pair_renew(&s.pair);
	qpx = ibv_qp_to_qp_ex(s.pair.qp[NEAR]);
	for (int i = 0; i < 64; i++) {
		size_t at = SZ_2M * (1 + rng_below(&rng, 3)) - 64 + rng_below(&rng, 16) * 8;
		uint64_t value = rng_next(&rng);
		enum ibv_wc_status status;

		ibv_wr_start(qpx);
		qpx->wr_flags = IBV_SEND_SIGNALED;
		ibv_wr_atomic_write(qpx, s.far.mr->rkey, buf_iova(&s.far, at), &value);
		if (ibv_wr_complete(qpx))
			fatal("posting ATOMIC_WRITE failed");
		status = pair_wait(&s.pair, NEAR).status;
		memcpy(s.far.shadow + at, &value, sizeof(value));
		if (status != IBV_WC_SUCCESS)
			fatal("ATOMIC_WRITE at %zu: %s", at, ibv_wc_status_str(status));
	}
	scene_intact(&s, "64 ATOMIC_WRITEs around block boundaries");
	scene_close(&s);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	memory_window(&rig);
	if (rig.is_rxe) {
		foreign_window(&rig);
		atomic_write(&rig);
	} else {
		note("atomic writes: only rxe has them");
	}
	rig_close(&rig);
	return tap_done();
}
