/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* One RDMA operation between two bufs, and the check of its result. */
#ifndef LAB_XFER_H
#define LAB_XFER_H

#include "pattern.h"
#include "region.h"
#include "rig.h"

enum op {
	OP_WRITE,
	OP_WRITE_IMM,
	OP_READ,
	OP_SEND,
	OP_FETCH_ADD,
	OP_CMP_SWAP,
};

struct xfer {
	enum op op;
	struct buf *near; /* local memory of the near end, by lkey */
	size_t near_at;
	struct buf *far; /* remote memory by rkey, or the receive buffer by lkey */
	size_t far_at;
	size_t len;
	int sges;	  /* pieces of the local memory; 0 is 1 */
	uint64_t operand; /* added, or swapped in */
	uint64_t compare;
};

struct outcome {
	enum ibv_wc_status near;
	enum ibv_wc_status far; /* of a receive; success where there is none */
};

const char *op_name(enum op op);

/*
 * Runs one transfer to its completion(s). After a success the shadows hold the
 * expected content; after a failure they are unchanged.
 */
struct outcome xfer_run(struct pair *pair, const struct xfer *xfer);

/* Fills the source, runs the transfer, and checks the target and the bytes around it. */
bool xfer_verify(struct pair *pair, const struct xfer *xfer);

/* The same for bytes that are in the source already. */
bool xfer_verify_as_is(struct pair *pair, const struct xfer *xfer);

/*
 * Test point: the transfer fails with @want at the near end. The pair is
 * renewed; the target is expected to be as it was.
 */
bool xfer_fails(struct pair *pair, const struct xfer *xfer, enum ibv_wc_status want,
		const char *what);

/* Test point: the transfer succeeds and every byte is right. */
bool xfer_ok(struct pair *pair, const struct xfer *xfer, const char *what);

#endif
