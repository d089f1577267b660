// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A peer repeats a READ request with another range: a duplicate must be inside of the request that
 * it repeats, and a range that wraps around is not. Another peer repeats it after a FLUSH, which
 * has replaced the request, and one may read a memory window only. rxe only, whose packets can be
 * forged at the other end of the link.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "forge.h"
#include "pattern.h"
#include "tap.h"

#define LEN SZ_2M
#define AT (SZ_64K + 100)
#define N 4000

static void replayed(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct forger forger;
	struct scene s;

	if (!rig->is_rxe) {
		ok(true, "what this device gets cannot be forged");
		return;
	}
	scene_open(&s, rig, mode, mode == &mode_odp ? MEM_BASE : MEM_THP, LEN);
	scene_write(&s, 0, LEN, "before");
	forger_open(&forger, rig);
	for (size_t i = 0; i < 7; i++) {
		uint64_t va = buf_iova(&s.far, AT);
		const struct {
			uint64_t va;
			uint32_t len;
		} again[] = {
			{ va, N }, /* unchanged: to check that packets arrive */
			{ va + 10, N - 20 }, { ~0ULL - 9, 10 + 100 }, { ~0ULL - N, N },
			{ ~0ULL, 1 },	     { va + N, 1 },	      { va - 1, N },
		};
		struct flight f;
		char what[64];
		long before;
		bool late;

		pair_renew(&s.pair);
		/* one packet, the first of all: number 0 */
		flight_start(&f, &s.pair, OP_READ, &s.near, 0, &s.far, AT, N);
		flight_lands(&f, soon(), &late, "the request");
		before = forge_duplicates(rig);
		forge_read(&forger, s.pair.qp[FAR]->qp_num, 0, again[i].va, again[i].len,
			   s.far.mr->rkey);
		snprintf(what, sizeof(what), "a duplicate of %#llx + %u",
			 (unsigned long long)again[i].va, again[i].len);
		ok(forge_duplicate_comes(rig, before), "%s comes in", what);
		/* it neither breaks the connection nor changes the response */
		flight_start(&f, &s.pair, OP_READ, &s.near, SZ_64K, &s.far, AT - 100, N);
		flight_lands(&f, soon(), &late, what);
		ok(buf_check_all(&s.near), "%s: every byte at the near end", what);
	}
	pair_renew(&s.pair);
	scene_write(&s, AT, N, "after all duplicates");
	scene_intact(&s, "after all duplicates");
	scene_close(&s);
	forger_close(&forger);
}

/* ---- after a FLUSH ---- */

/* iova of both MRs: a FLUSH has 32 bits to pretend that a READ began there */
#define FLUSH_AT SZ_1M
#define SAMPLE 64

static struct ibv_mr *reg_at(struct ibv_pd *pd, uint8_t *mem, unsigned int access)
{
	struct ibv_mr *mr = ibv_reg_mr_iova(pd, mem, SZ_64K, FLUSH_AT, access);

	if (!mr)
		fatal("ibv_reg_mr_iova: %s", strerror(errno));
	return mr;
}

/*
 * READ, FLUSH, and the READ again: the FLUSH has taken the responder resource of the READ. Its
 * address there must not be used as the rkey and the length of a READ.
 */
static void after_flush(struct rig *rig, const void *arg)
{
	static _Alignas(4096) uint8_t shown[SZ_64K], secret[SZ_64K];
	struct ibv_mr *shown_mr, *secret_mr;
	struct ibv_pd *other_pd;
	struct peer peer;
	uint32_t qpn;
	long before;

	(void)arg;
	if (!rig->is_rxe) {
		ok(true, "what this device gets cannot be forged");
		return;
	}
	other_pd = ibv_alloc_pd(rig->ctx);
	if (!other_pd)
		fatal("ibv_alloc_pd: %s", strerror(errno));
	pattern_fill(shown, 1, 0, SZ_64K);
	pattern_fill(secret, 2, 0, SZ_64K);
	peer_open(&peer, rig);
	qpn = peer.qp->qp_num;
	shown_mr = reg_at(rig->pd, shown,
			  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | ACCESS_FLUSH_GLOBAL);
	/* of another PD, without remote access */
	secret_mr = reg_at(other_pd, secret, IBV_ACCESS_LOCAL_WRITE);

	forge_read(&peer.forger, qpn, 0, FLUSH_AT, SAMPLE, shown_mr->rkey);
	ok(peer_gets(&peer, RC_READ_RESPONSE_ONLY, 0, shown, SAMPLE, soon()), "a READ is answered");
	forge_read(&peer.forger, qpn, 0, FLUSH_AT, SAMPLE, shown_mr->rkey);
	ok(peer_gets(&peer, RC_READ_RESPONSE_ONLY, 0, shown, SAMPLE, soon()), "its duplicate, too");
	forge_flush(&peer.forger, qpn, 1, (uint64_t)SZ_64K << 32 | secret_mr->rkey,
		    (uint32_t)FLUSH_AT, shown_mr->rkey);
	/* rxe answers it as if it were a READ of no length */
	ok(peer_gets(&peer, RC_READ_RESPONSE_ONLY, 1, NULL, 0, soon()), "a FLUSH is acknowledged");
	before = forge_duplicates(rig);
	forge_read(&peer.forger, qpn, 0, FLUSH_AT, SAMPLE, secret_mr->rkey);
	ok(forge_duplicate_comes(rig, before), "a duplicate of the READ by another rkey comes in");
	ok(!peer_gets(&peer, RC_READ_RESPONSE_ONLY, 0, secret, SAMPLE, 2), "it gets no secret");
	forge_read(&peer.forger, qpn, 2, FLUSH_AT, SAMPLE, shown_mr->rkey);
	ok(peer_gets(&peer, RC_READ_RESPONSE_ONLY, 2, shown, SAMPLE, soon()),
	   "the next READ is answered");

	ibv_dereg_mr(secret_mr);
	ibv_dereg_mr(shown_mr);
	peer_close(&peer);
	ibv_dealloc_pd(other_pd);
}

/* ---- out of a memory window ---- */

#define WINDOW_AT 4096

static struct ibv_mw_bind_info window_of(struct ibv_mr *mr, uint8_t *mem, unsigned int access)
{
	return (struct ibv_mw_bind_info){
		.mr = mr,
		.addr = (uintptr_t)mem + WINDOW_AT,
		.length = SAMPLE,
		.mw_access_flags = IBV_ACCESS_REMOTE_READ | access,
	};
}

static uint32_t bind_type_1(struct pair *pair, struct ibv_mw *mw, struct ibv_mw_bind_info info)
{
	struct ibv_mw_bind bind = { .send_flags = IBV_SEND_SIGNALED, .bind_info = info };
	int err = ibv_bind_mw(pair->qp[FAR], mw, &bind);

	if (err)
		fatal("ibv_bind_mw: %s", strerror(err));
	is_u64(pair_wait(pair, FAR).status, IBV_WC_SUCCESS, "a window is bound");
	return mw->rkey;
}

/* By the QP that the peer is connected to, the only one that may use the window */
static uint32_t bind_type_2(struct peer *peer, struct ibv_mw *mw, struct ibv_mw_bind_info info)
{
	struct ibv_qp_attr rts = { .qp_state = IBV_QPS_RTS, .timeout = 14, .retry_cnt = 7 };
	struct ibv_send_wr *bad, bind = {
		.opcode = IBV_WR_BIND_MW,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_mw = { mw, ibv_inc_rkey(mw->rkey), info },
	};
	double end = now_s() + soon();
	struct ibv_wc wc = {};

	if (ibv_modify_qp(peer->qp, &rts,
			  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				  IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		fatal("QP to RTS: %s", strerror(errno));
	if (ibv_post_send(peer->qp, &bind, &bad))
		fatal("posting the bind: %s", strerror(errno));
	while (!ibv_poll_cq(peer->cq, 1, &wc) && now_s() < end)
		sleep_ms(1);
	ok(wc.status == IBV_WC_SUCCESS && wc.opcode == IBV_WC_BIND_MW,
	   "a window of type 2 is bound");
	return bind.bind_mw.rkey;
}

/* Repetitions of a READ of the whole window at @va, with PSN @psn and @content. */
static void out_of_one(struct rig *rig, struct peer *peer, uint32_t rkey, uint64_t va, uint32_t psn,
		       const uint8_t *content, const char *what)
{
	uint32_t qpn = peer->qp->qp_num;
	long before;

	forge_read(&peer->forger, qpn, psn, va, SAMPLE, rkey);
	ok(peer_gets(peer, RC_READ_RESPONSE_ONLY, psn, content, SAMPLE, soon()),
	   "%s: a READ is answered", what);
	forge_read(&peer->forger, qpn, psn, va, SAMPLE, rkey);
	ok(peer_gets(peer, RC_READ_RESPONSE_ONLY, psn, content, SAMPLE, soon()), "%s: repeated",
	   what);
	forge_read(&peer->forger, qpn, psn, va + SAMPLE - 1, 1, rkey);
	ok(peer_gets(peer, RC_READ_RESPONSE_ONLY, psn, content + SAMPLE - 1, 1, soon()),
	   "%s: its last byte repeated", what);
	before = forge_duplicates(rig);
	forge_read(&peer->forger, qpn, psn, va + SAMPLE - 1, SAMPLE, rkey);
	ok(forge_duplicate_comes(rig, before), "%s: a repetition from there on comes in", what);
	ok(!peer_gets(peer, RC_READ_RESPONSE_ONLY, psn, content + SAMPLE - 1, SAMPLE, 2),
	   "%s: it gets nothing outside of the window", what);
	forge_read(&peer->forger, qpn, psn, va, SAMPLE, rkey);
	ok(peer_gets(peer, RC_READ_RESPONSE_ONLY, psn, content, SAMPLE, soon()),
	   "%s: repeated once more", what);
}

static void out_of_window(struct rig *rig, const void *arg)
{
	static _Alignas(4096) uint8_t mem[SZ_64K];
	struct ibv_mw *mw[2];
	struct ibv_mr *mr;
	struct pair pair;
	struct peer peer;
	uint32_t rkey;

	(void)arg;
	if (!rig->is_rxe) {
		ok(true, "what this device gets cannot be forged");
		return;
	}
	pattern_fill(mem, 3, 0, SZ_64K);
	mr = ibv_reg_mr(rig->pd, mem, SZ_64K, ACCESS_ALL | IBV_ACCESS_MW_BIND);
	mw[0] = ibv_alloc_mw(rig->pd, IBV_MW_TYPE_1);
	mw[1] = ibv_alloc_mw(rig->pd, IBV_MW_TYPE_2);
	if (!mr || !mw[0] || !mw[1])
		fatal("an MR and windows: %s", strerror(errno));
	pair_open(&pair, rig, 1024);
	peer_open(&peer, rig);
	rkey = bind_type_1(&pair, mw[0], window_of(mr, mem, 0));
	out_of_one(rig, &peer, rkey, (uintptr_t)mem + WINDOW_AT, 0, mem + WINDOW_AT, "a window");
	rkey = bind_type_2(&peer, mw[1], window_of(mr, mem, IBV_ACCESS_ZERO_BASED));
	out_of_one(rig, &peer, rkey, 0, 1, mem + WINDOW_AT, "a window from 0 on");
	peer_close(&peer);
	pair_close(&pair);
	ibv_dealloc_mw(mw[0]);
	ibv_dealloc_mw(mw[1]);
	ibv_dereg_mr(mr);
}

int main(void)
{
	static const struct mode *const modes[] = { &mode_odp, &mode_strict_2m, &mode_2m_4k,
						    &mode_mixed_2m_4k };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later(), replayed, modes[i], "replayed, %s", modes[i]->name);
	scenario(later(), after_flush, NULL, "replayed after a FLUSH");
	scenario(later(), out_of_window, NULL, "replayed out of a window");
	return tap_done();
}
