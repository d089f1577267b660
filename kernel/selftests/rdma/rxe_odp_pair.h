/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A reliable connection between two RDMA devices of one process.
 */
#ifndef RXE_ODP_PAIR_H
#define RXE_ODP_PAIR_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct side {
	struct ibv_context *context;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	union ibv_gid gid;
	uint8_t gid_index;
};

struct pair {
	struct side near;
	struct side far;
};

/* part of an MR */
struct part {
	struct ibv_mr *mr;
	uint64_t iova;
};

/* Skips or fails the test on an error. */
void pair_open(struct pair *pair, const char *near, const char *far);

/* Errors are ignored: the device may be gone. */
void pair_close(struct pair *pair);

/* Whether a device supports RDMA READ and WRITE with ODP MRs. */
bool side_has_odp(const struct side *side);

/* Posts an RDMA READ or WRITE of the near side: 0 or a positive errno value. */
int pair_post(struct pair *pair, enum ibv_wr_opcode opcode, struct part near, struct part far,
	      size_t length);

/* The status of the next completion, or -1 if there is none in @seconds. */
int pair_wait(struct pair *pair, unsigned int seconds);

#endif
