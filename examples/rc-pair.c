// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "rc-pair.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 16
#define CHUNK ((size_t)1 << 20)

void die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* Find the first active port. Returns 0 if there is none. */
static uint8_t active_port(struct ibv_context *ctx, struct ibv_port_attr *attr)
{
	struct ibv_device_attr device;

	if (ibv_query_device(ctx, &device))
		return 0;
	for (uint8_t port = 1; port <= device.phys_port_cnt; port++)
		if (!ibv_query_port(ctx, port, attr) && attr->state == IBV_PORT_ACTIVE)
			return port;
	return 0;
}

static void open_device(struct rc_pair *pair, const char *name, struct ibv_port_attr *port)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; list && list[i] && !pair->port; i++) {
		if (name && strcmp(ibv_get_device_name(list[i]), name))
			continue;
		pair->ctx = ibv_open_device(list[i]);
		if (!pair->ctx)
			continue;
		pair->port = active_port(pair->ctx, port);
		if (!pair->port)
			ibv_close_device(pair->ctx);
	}
	if (list)
		ibv_free_device_list(list);
	if (!pair->port)
		die("no active RDMA device%s%s", name ? " named " : "", name ? name : "");
}

/* Find an address of the port: prefer RoCE version 2, then IPv4. */
static struct ibv_gid_entry own_gid(const struct rc_pair *pair)
{
	struct ibv_gid_entry table[64], best = {};
	ssize_t n = ibv_query_gid_table(pair->ctx, table, 64, 0);
	int best_rank = -1;

	for (ssize_t i = 0; i < n; i++) {
		int rank = (table[i].gid_type == IBV_GID_TYPE_ROCE_V2) * 2 +
			   !table[i].gid.global.subnet_prefix;

		if (table[i].port_num == pair->port && rank > best_rank) {
			best = table[i];
			best_rank = rank;
		}
	}
	if (best_rank < 0)
		die("the port has no address");
	return best;
}

static struct ibv_qp *create_qp(struct rc_pair *pair)
{
	struct ibv_qp_init_attr init = {
		.send_cq = pair->cq,
		.recv_cq = pair->cq,
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = DEPTH, .max_send_sge = 1, .max_recv_wr = 1 },
		.sq_sig_all = 1,
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = pair->port,
		.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
	};
	struct ibv_qp *qp = ibv_create_qp(pair->pd, &init);

	if (!qp ||
	    ibv_modify_qp(qp, &attr,
			  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS))
		die("cannot create a QP: %s", strerror(errno));
	return qp;
}

static void connect_qp(const struct rc_pair *pair, const struct ibv_port_attr *port,
		       struct ibv_qp *qp, const struct ibv_qp *peer)
{
	struct ibv_gid_entry gid = own_gid(pair);
	struct ibv_qp_attr rtr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = port->active_mtu,
		.dest_qp_num = peer->qp_num,
		.max_dest_rd_atomic = DEPTH,
		.min_rnr_timer = 12,
		.ah_attr = {
			.is_global = 1,
			.port_num = pair->port,
			.dlid = port->lid,
			.grh = {
				.dgid = gid.gid,
				.sgid_index = (uint8_t)gid.gid_index,
				.hop_limit = 64,
			},
		},
	};
	struct ibv_qp_attr rts = {
		.qp_state = IBV_QPS_RTS,
		.timeout = 18,
		.retry_cnt = 7,
		.rnr_retry = 7,
		.max_rd_atomic = DEPTH,
	};

	if (ibv_modify_qp(qp, &rtr,
			  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				  IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				  IBV_QP_MIN_RNR_TIMER) ||
	    ibv_modify_qp(qp, &rts,
			  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				  IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		die("cannot connect a QP: %s", strerror(errno));
}

void rc_pair_open(struct rc_pair *pair, const char *device)
{
	struct ibv_port_attr port;

	memset(pair, 0, sizeof(*pair));
	open_device(pair, device, &port);
	pair->mtu = 128U << port.active_mtu;
	pair->pd = ibv_alloc_pd(pair->ctx);
	pair->cq = ibv_create_cq(pair->ctx, DEPTH * 2, NULL, NULL, 0);
	if (!pair->pd || !pair->cq)
		die("cannot create a PD and a CQ: %s", strerror(errno));
	pair->local = create_qp(pair);
	pair->remote = create_qp(pair);
	connect_qp(pair, &port, pair->local, pair->remote);
	connect_qp(pair, &port, pair->remote, pair->local);
}

void rc_pair_close(struct rc_pair *pair)
{
	if (ibv_destroy_qp(pair->local) || ibv_destroy_qp(pair->remote) ||
	    ibv_destroy_cq(pair->cq) || ibv_dealloc_pd(pair->pd) || ibv_close_device(pair->ctx))
		die("cannot tear the connection down: %s", strerror(errno));
}

static void post_chunk(struct rc_pair *pair, enum ibv_wr_opcode opcode, const struct ibv_mr *local,
		       const struct ibv_mr *remote, size_t at, size_t len)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)local->addr + at,
		.length = (uint32_t)len,
		.lkey = local->lkey,
	};
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = opcode,
		.wr.rdma = {
			.remote_addr = (uintptr_t)remote->addr + at,
			.rkey = remote->rkey,
		},
	};
	struct ibv_send_wr *bad;
	int err = ibv_post_send(pair->local, &wr, &bad);

	if (err)
		die("cannot post a request: %s", strerror(err));
}

static void wait_for_one(struct rc_pair *pair)
{
	struct ibv_wc wc;
	int n;

	/* a software device needs the processor to make progress */
	while (!(n = ibv_poll_cq(pair->cq, 1, &wc)))
		sched_yield();
	if (n < 0)
		die("cannot poll the CQ");
	if (wc.status != IBV_WC_SUCCESS)
		die("a request failed: %s", ibv_wc_status_str(wc.status));
}

void rc_pair_transfer(struct rc_pair *pair, enum ibv_wr_opcode opcode, const struct ibv_mr *local,
		      const struct ibv_mr *remote, size_t len)
{
	unsigned int pending = 0;

	for (size_t at = 0; at < len; at += CHUNK) {
		if (pending == DEPTH) {
			wait_for_one(pair);
			pending--;
		}
		post_chunk(pair, opcode, local, remote, at, len - at < CHUNK ? len - at : CHUNK);
		pending++;
	}
	while (pending--)
		wait_for_one(pair);
}
