// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A reliable connection between two RDMA devices of one process.
 */
#include <string.h>
#include <time.h>

#include "../kselftest.h"
#include "rxe_odp_pair.h"

static struct ibv_context *open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;

	for (int i = 0; list && list[i] && !context; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			context = ibv_open_device(list[i]);
	ibv_free_device_list(list);
	if (!context)
		ksft_exit_fail_msg("cannot open %s\n", name);
	return context;
}

/* The GID of the IPv4 address */
static void find_gid(struct side *side)
{
	static const uint8_t mapped[12] = { [10] = 0xff, 0xff };
	struct ibv_port_attr port;
	struct ibv_gid_entry entry;

	if (ibv_query_port(side->context, 1, &port))
		ksft_exit_fail_msg("cannot query a port\n");
	for (int i = 0; i < port.gid_tbl_len; i++) {
		if (ibv_query_gid_ex(side->context, 1, i, &entry, 0) ||
		    entry.gid_type != IBV_GID_TYPE_ROCE_V2 ||
		    memcmp(entry.gid.raw, mapped, sizeof(mapped)))
			continue;
		side->gid = entry.gid;
		side->gid_index = i;
		return;
	}
	ksft_exit_fail_msg("no GID of an IPv4 address\n");
}

static void side_open(struct side *side, const char *name)
{
	struct ibv_qp_init_attr init = { .qp_type = IBV_QPT_RC };

	side->context = open_device(name);
	find_gid(side);
	side->pd = ibv_alloc_pd(side->context);
	side->cq = ibv_create_cq(side->context, 16, NULL, NULL, 0);
	if (!side->pd || !side->cq)
		ksft_exit_fail_msg("no PD or CQ\n");
	init.send_cq = side->cq;
	init.recv_cq = side->cq;
	init.cap.max_send_wr = 16;
	init.cap.max_recv_wr = 1;
	init.cap.max_send_sge = 1;
	init.cap.max_recv_sge = 1;
	side->qp = ibv_create_qp(side->pd, &init);
	if (!side->qp)
		ksft_exit_fail_msg("no QP\n");
}

static void side_connect(struct side *side, const struct side *peer)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
		.port_num = 1,
	};
	int ret;

	ret = ibv_modify_qp(side->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			    IBV_QP_ACCESS_FLAGS);
	attr.qp_state = IBV_QPS_RTR;
	attr.path_mtu = IBV_MTU_1024;
	attr.dest_qp_num = peer->qp->qp_num;
	attr.max_dest_rd_atomic = 1;
	attr.min_rnr_timer = 12;
	attr.ah_attr.is_global = 1;
	attr.ah_attr.grh.dgid = peer->gid;
	attr.ah_attr.grh.sgid_index = side->gid_index;
	attr.ah_attr.grh.hop_limit = 64;
	attr.ah_attr.port_num = 1;
	ret = ret ?: ibv_modify_qp(side->qp, &attr, IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU |
				   IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				   IBV_QP_MIN_RNR_TIMER);
	attr.qp_state = IBV_QPS_RTS;
	attr.timeout = 18;
	attr.retry_cnt = 7;
	attr.rnr_retry = 7;
	attr.max_rd_atomic = 1;
	ret = ret ?: ibv_modify_qp(side->qp, &attr, IBV_QP_STATE | IBV_QP_TIMEOUT |
				   IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
				   IBV_QP_MAX_QP_RD_ATOMIC);
	if (ret)
		ksft_exit_fail_msg("cannot connect QPs: %s\n", strerror(ret));
}

void pair_open(struct pair *pair, const char *near, const char *far)
{
	side_open(&pair->near, near);
	side_open(&pair->far, far);
	side_connect(&pair->near, &pair->far);
	side_connect(&pair->far, &pair->near);
}

static void side_close(struct side *side)
{
	ibv_destroy_qp(side->qp);
	ibv_destroy_cq(side->cq);
	ibv_dealloc_pd(side->pd);
	ibv_close_device(side->context);
}

void pair_close(struct pair *pair)
{
	side_close(&pair->near);
	side_close(&pair->far);
}

bool side_has_odp(const struct side *side)
{
	const uint32_t need = IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	struct ibv_device_attr_ex attr = {};

	return !ibv_query_device_ex(side->context, NULL, &attr) &&
	       attr.odp_caps.general_caps & IBV_ODP_SUPPORT &&
	       (attr.odp_caps.per_transport_caps.rc_odp_caps & need) == need;
}

int pair_post(struct pair *pair, enum ibv_wr_opcode opcode, struct part near, struct part far,
	      size_t length)
{
	struct ibv_sge sge = { .addr = near.iova, .length = length, .lkey = near.mr->lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = far.iova, .rkey = far.mr->rkey },
	};
	struct ibv_send_wr *bad;

	return ibv_post_send(pair->near.qp, &wr, &bad);
}

static uint64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

int pair_wait(struct pair *pair, unsigned int seconds)
{
	uint64_t end = milliseconds() + seconds * 1000ULL;
	struct ibv_wc wc;
	int count;

	do {
		count = ibv_poll_cq(pair->near.cq, 1, &wc);
	} while (!count && milliseconds() < end);
	return count == 1 ? (int)wc.status : -1;
}
