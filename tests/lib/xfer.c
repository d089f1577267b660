// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "xfer.h"

#include <string.h>

#include "tap.h"

static const struct {
	const char *name;
	enum ibv_wr_opcode opcode;
	bool remote; /* the far memory is named by address and rkey */
	bool recv;   /* takes a receive request at the far end */
	bool pull;   /* the near memory is the target */
} ops[] = {
	[OP_WRITE] = { "WRITE", IBV_WR_RDMA_WRITE, true, false, false },
	[OP_WRITE_IMM] = { "WRITE_WITH_IMM", IBV_WR_RDMA_WRITE_WITH_IMM, true, true, false },
	[OP_READ] = { "READ", IBV_WR_RDMA_READ, true, false, true },
	[OP_SEND] = { "SEND", IBV_WR_SEND, false, true, false },
	[OP_FETCH_ADD] = { "FETCH_ADD", IBV_WR_ATOMIC_FETCH_AND_ADD, true, false, true },
	[OP_CMP_SWAP] = { "CMP_SWP", IBV_WR_ATOMIC_CMP_AND_SWP, true, false, true },
};

const char *op_name(enum op op)
{
	return ops[op].name;
}

static bool is_atomic(enum op op)
{
	return op == OP_FETCH_ADD || op == OP_CMP_SWAP;
}

static uint32_t imm_of(const struct xfer *x)
{
	return (uint32_t)(x->far_at * 31 + x->len);
}

/* A UD receive starts with a routing header; the message follows. */
static size_t grh_of(const struct pair *pair)
{
	return pair->type == IBV_QPT_UD ? GRH_BYTES : 0;
}

static void start_recv(struct pair *pair, const struct xfer *x)
{
	struct ibv_sge sge[MAX_SGE];
	struct ibv_recv_wr wr = { .wr_id = x->far_at, .sg_list = sge };

	/* the immediate needs a request, but no memory */
	if (x->op == OP_SEND)
		wr.num_sge = sge_split(sge, x->sges ? x->sges : 1,
				       buf_iova(x->far, x->far_at - grh_of(pair)),
				       x->len + grh_of(pair), x->far->mr->lkey);
	post_recv(pair, &wr);
}

static void start_send(struct pair *pair, const struct xfer *x)
{
	struct ibv_sge sge[MAX_SGE];
	struct ibv_send_wr wr = {
		.wr_id = x->near_at,
		.sg_list = sge,
		.opcode = ops[x->op].opcode,
	};

	wr.num_sge = sge_split(sge, x->sges ? x->sges : 1, buf_iova(x->near, x->near_at), x->len,
			       x->near->mr->lkey);
	if (x->op == OP_WRITE_IMM)
		wr.imm_data = imm_of(x);
	if (is_atomic(x->op)) {
		wr.wr.atomic.remote_addr = buf_iova(x->far, x->far_at);
		wr.wr.atomic.rkey = x->far->mr->rkey;
		wr.wr.atomic.compare_add = x->op == OP_CMP_SWAP ? x->compare : x->operand;
		wr.wr.atomic.swap = x->operand;
	} else if (ops[x->op].remote) {
		wr.wr.rdma.remote_addr = buf_iova(x->far, x->far_at);
		wr.wr.rdma.rkey = x->far->mr->rkey;
	}
	post_send(pair, &wr);
}

static void apply_atomic(const struct xfer *x)
{
	uint64_t value, old;

	memcpy(&old, x->far->shadow + x->far_at, sizeof(old));
	value = old;
	if (x->op == OP_FETCH_ADD)
		value += x->operand;
	else if (value == x->compare)
		value = x->operand;
	memcpy(x->far->shadow + x->far_at, &value, sizeof(value));
	memcpy(x->near->shadow + x->near_at, &old, sizeof(old));
}

static void apply(const struct pair *pair, const struct xfer *x)
{
	uint8_t *near = x->near->shadow + x->near_at;
	uint8_t *far = x->far->shadow + x->far_at;

	if (is_atomic(x->op)) {
		apply_atomic(x);
	} else if (ops[x->op].pull) {
		memcpy(near, far, x->len);
	} else {
		memcpy(far, near, x->len);
		/* the content of the header is not checked */
		buf_adopt(x->far, x->far_at - grh_of(pair), grh_of(pair));
	}
}

struct outcome xfer_run(struct pair *pair, const struct xfer *x)
{
	struct outcome out = { IBV_WC_SUCCESS, IBV_WC_SUCCESS };
	struct ibv_wc wc;

	if (ops[x->op].recv)
		start_recv(pair, x);
	start_send(pair, x);
	out.near = pair_wait(pair, NEAR).status;
	/* after a local error nothing may ever arrive at the far end */
	if (ops[x->op].recv && out.near == IBV_WC_SUCCESS) {
		wc = pair_wait(pair, FAR);
		out.far = wc.status;
		if (wc.status == IBV_WC_SUCCESS && wc.byte_len != x->len + grh_of(pair))
			fatal("%s of %zu bytes: %u received", op_name(x->op), x->len, wc.byte_len);
		if (x->op == OP_WRITE_IMM && wc.status == IBV_WC_SUCCESS &&
		    (!(wc.wc_flags & IBV_WC_WITH_IMM) || wc.imm_data != imm_of(x)))
			fatal("WRITE_WITH_IMM: wrong immediate data");
	}
	if (out.near == IBV_WC_SUCCESS && out.far == IBV_WC_SUCCESS)
		apply(pair, x);
	return out;
}

static void describe(const struct pair *pair, const struct xfer *x)
{
	diag("%s of %zu bytes, %d SGEs, near %zu (page + %zu, block + %zu), far %zu (page + %zu, "
	     "block + %zu), MTU %u",
	     op_name(x->op), x->len, x->sges ? x->sges : 1, x->near_at, x->near_at % SZ_4K,
	     x->near_at % SZ_2M, x->far_at, x->far_at % SZ_4K, x->far_at % SZ_2M, pair->mtu);
}

/* The range and a page on either side of it, as far as the mapping goes. */
static bool check_around(const struct buf *buf, size_t at, size_t len)
{
	size_t from = at > SZ_4K ? at - SZ_4K : 0;
	size_t to = at + len + SZ_4K < buf->mem.len ? at + len + SZ_4K : buf->mem.len;

	return buf_check(buf, from, to - from, (ssize_t)at);
}

bool xfer_verify_as_is(struct pair *pair, const struct xfer *x)
{
	struct outcome out = xfer_run(pair, x);
	bool right;

	if (out.near != IBV_WC_SUCCESS || out.far != IBV_WC_SUCCESS) {
		describe(pair, x);
		diag("  completed with '%s' at the near and '%s' at the far end",
		     ibv_wc_status_str(out.near), ibv_wc_status_str(out.far));
		pair_renew(pair);
		buf_adopt(x->near, x->near_at, x->len);
		buf_adopt(x->far, x->far_at, x->len);
		return false;
	}
	right = ops[x->op].pull ? check_around(x->near, x->near_at, x->len) : true;
	if (!ops[x->op].pull || is_atomic(x->op))
		right = check_around(x->far, x->far_at, x->len) && right;
	if (!right) {
		describe(pair, x);
		/* the next transfer is checked on its own */
		buf_adopt(x->near, 0, x->near->mem.len);
		buf_adopt(x->far, 0, x->far->mem.len);
	}
	return right;
}

bool xfer_verify(struct pair *pair, const struct xfer *x)
{
	if (!is_atomic(x->op) && ops[x->op].pull)
		buf_fill(x->far, x->far_at, x->len);
	else if (!is_atomic(x->op))
		buf_fill(x->near, x->near_at, x->len);
	return xfer_verify_as_is(pair, x);
}

bool xfer_fails(struct pair *pair, const struct xfer *x, enum ibv_wc_status want, const char *what)
{
	struct outcome out = xfer_run(pair, x);
	bool right = ok(out.near == want, "%s: %s of %zu bytes completes with '%s'", what,
			op_name(x->op), x->len, ibv_wc_status_str(want));

	if (!right) {
		describe(pair, x);
		diag("  got '%s'", ibv_wc_status_str(out.near));
	}
	pair_renew(pair);
	return right;
}

bool xfer_ok(struct pair *pair, const struct xfer *x, const char *what)
{
	return ok(xfer_verify(pair, x), "%s: %s of %zu bytes is right", what, op_name(x->op),
		  x->len);
}
