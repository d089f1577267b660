/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Two connected RC queue pairs (QPs) of one device in one process, the minimum
 * for RDMA WRITE and READ. This code does not depend on page sizes.
 *
 * On failure, all functions print a message and exit.
 */
#ifndef EXAMPLES_RC_PAIR_H
#define EXAMPLES_RC_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

struct rc_pair {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *local;  /* posts the requests */
	struct ibv_qp *remote; /* its peer */
	uint8_t port;
	unsigned int mtu; /* bytes in a packet */
};

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Connect the QPs on the device of that name, or on the first active one if @device is NULL. */
void rc_pair_open(struct rc_pair *pair, const char *device);
void rc_pair_close(struct rc_pair *pair);

/*
 * Transfer @len bytes between @local and the same offsets of @remote, with
 * several requests in flight, and wait for completion. @opcode is
 * IBV_WR_RDMA_WRITE or IBV_WR_RDMA_READ.
 */
void rc_pair_transfer(struct rc_pair *pair, enum ibv_wr_opcode opcode, const struct ibv_mr *local,
		      const struct ibv_mr *remote, size_t len);

#endif
