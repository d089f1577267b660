// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "rig.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <infiniband/hugeodp.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include "raw.h"
#include "tap.h"

#define DEPTH 64
#define QKEY 0x1ee7
/*
 * 17 s: no packet is lost here, and resent packets slow down slow faults. They may also arrive
 * after the completion, and fault once more. With 7, rxe retries without end.
 */
#define TIMEOUT 22
#define RETRIES 7
/* 4 s: the other end may be gone, and resending belongs to that test */
#define TIMEOUT_HALF 20
/* Seconds that a transfer may take */
#define PATIENCE 300
#define PATIENCE_SLOW 600
/* The kernel fills the GID table of a new device some time after it is added. */
#define ADDRESS_S 120

bool kernel_is_slow(void)
{
	const char *kernel = getenv("HUGEODP_KERNEL");

	return kernel && !strcmp(kernel, "debug");
}

static struct ibv_context *open_named(struct ibv_device **list, const char *name)
{
	for (int i = 0; list[i]; i++)
		if (!name || !strcmp(ibv_get_device_name(list[i]), name))
			return ibv_open_device(list[i]);
	return NULL;
}

static struct ibv_context *open_context(const char *wanted)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;

	if (!list)
		return NULL;
	ctx = open_named(list, wanted ? wanted : "rxe0");
	if (!ctx && !wanted)
		ctx = open_named(list, NULL);
	ibv_free_device_list(list);
	return ctx;
}

/* A routable RoCE v2 address if there is one, else the port's first. */
static bool pick_gid(struct rig *rig)
{
	struct ibv_gid_entry table[64];
	ssize_t n = ibv_query_gid_table(rig->ctx, table, 64, 0);
	bool found = false;

	for (ssize_t i = 0; i < n; i++) {
		bool v4 = table[i].gid.global.subnet_prefix == 0 &&
			  table[i].gid_type == IBV_GID_TYPE_ROCE_V2;

		if (table[i].port_num != PORT || (found && !v4))
			continue;
		rig->gid = table[i].gid;
		rig->gid_index = (uint8_t)table[i].gid_index;
		found = true;
		if (v4)
			break;
	}
	return found;
}

static bool wait_for_gid(struct rig *rig)
{
	for (int i = 0; i < ADDRESS_S * 100; i++) {
		if (pick_gid(rig))
			return true;
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return false;
}

static bool behind_iommu(const struct ibv_device *device)
{
	char path[300], type[8] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/device/iommu_group/type", device->ibdev_path);
	f = fopen(path, "re");
	if (f && !fgets(type, sizeof(type), f))
		type[0] = '\0';
	if (f)
		fclose(f);
	return !strncmp(type, "DMA", 3);
}

/*
 * An entry is a page frame number and, if the kernel has to unmap it, the address that the device has
 * for it. A table of base pages has one range of such addresses with an IOMMU, and needs no list. A
 * kernel that checks DMA (CONFIG_DMA_API_DEBUG) unmaps everything. Kernel: hmm_dma_map_alloc(),
 * dma_need_unmap().
 */
static void table_entries(struct rig *rig)
{
	bool checked = !rig->is_rxe && !access("/sys/kernel/debug/dma-api", F_OK);

	rig->entry = sizeof(uint64_t);
	rig->base_entry = sizeof(uint64_t);
	if (behind_iommu(rig->ctx->device))
		rig->entry *= 2;
	else if (checked)
		rig->entry = rig->base_entry *= 2;
}

static void open_end(struct rig *rig, const char *wanted)
{
	struct ibv_device_odp_attr pages = {};
	struct ibv_device_attr_ex attr = {};

	memset(rig, 0, sizeof(*rig));
	rig->far = rig;
	rig->ctx = open_context(wanted);
	need(rig->ctx, "%s is needed", wanted ? wanted : "an RDMA device");
	rig->is_rxe = !strncmp(ibv_get_device_name(rig->ctx->device), "rxe", 3);
	raw_driver_id = rig->is_rxe ? RDMA_DRIVER_RXE : RDMA_DRIVER_MLX5;
	raw_read_mark(rig->ctx->device);
	table_entries(rig);
	if (ibv_query_port(rig->ctx, PORT, &rig->port))
		fatal("ibv_query_port: %s", strerror(errno));
	need(rig->port.state == IBV_PORT_ACTIVE, "port %d of %s must be active", PORT,
	     ibv_get_device_name(rig->ctx->device));
	need(wait_for_gid(rig), "port %d of %s has no address", PORT,
	     ibv_get_device_name(rig->ctx->device));
	if (ibv_query_device_ex(rig->ctx, NULL, &attr))
		fatal("ibv_query_device_ex: %s", strerror(errno));
	need(attr.odp_caps.general_caps & IBV_ODP_SUPPORT, "%s has no on-demand paging",
	     ibv_get_device_name(rig->ctx->device));
	rig->pd = ibv_alloc_pd(rig->ctx);
	if (!rig->pd)
		fatal("ibv_alloc_pd: %s", strerror(errno));
	rig->series = !ibv_query_device_odp(rig->ctx, &pages, sizeof(pages)) &&
		      pages.source == IBV_ODP_SOURCE_KERNEL;
}

void rig_open(struct rig *rig)
{
	const char *far = getenv("HUGEODP_LAB_FAR_DEVICE");

	open_end(rig, getenv("HUGEODP_LAB_DEVICE"));
	if (!far)
		return;
	rig->far = malloc(sizeof(*rig->far));
	if (!rig->far)
		fatal("out of memory");
	open_end(rig->far, far);
}

void rig_close(struct rig *rig)
{
	int ret;

	if (rig->far != rig) {
		rig_close(rig->far);
		free(rig->far);
	}
	ret = ibv_dealloc_pd(rig->pd);
	if (ret)
		fatal("ibv_dealloc_pd: %s", strerror(ret));
	ibv_close_device(rig->ctx);
}

void need_series(const struct rig *rig)
{
	need(rig->series, "the kernel must have the hugeodp series");
}

static enum ibv_mtu mtu_enum(unsigned int bytes)
{
	enum ibv_mtu mtu = IBV_MTU_256;

	while (mtu < IBV_MTU_4096 && (128U << mtu) < bytes)
		mtu++;
	return mtu;
}

static struct rig *end_rig(const struct pair *pair, enum end end)
{
	return end == NEAR ? pair->rig : pair->rig->far;
}

static struct ibv_qp *create_qp(struct pair *pair, enum end end)
{
	struct ibv_qp_init_attr_ex init = {
		.pd = end_rig(pair, end)->pd,
		.comp_mask = IBV_QP_INIT_ATTR_PD |
			     (pair->send_ops ? IBV_QP_INIT_ATTR_SEND_OPS_FLAGS : 0),
		.send_ops_flags = pair->send_ops,
		.send_cq = pair->cq[end],
		.recv_cq = pair->cq[end],
		.srq = end == FAR ? pair->srq : NULL,
		.cap = {
			.max_send_wr = DEPTH,
			.max_recv_wr = DEPTH,
			.max_send_sge = MAX_SGE,
			.max_recv_sge = MAX_SGE,
		},
		.qp_type = pair->type,
		.sq_sig_all = 1,
	};
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT,
	};
	int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT;
	struct ibv_qp *qp = ibv_create_qp_ex(end_rig(pair, end)->ctx, &init);

	if (!qp)
		fatal("ibv_create_qp_ex: %s", strerror(errno));
	if (pair->type == IBV_QPT_UD) {
		attr.qkey = QKEY;
		mask |= IBV_QP_QKEY;
	} else {
		attr.qp_access_flags = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
				       IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_ATOMIC |
				       IBV_ACCESS_MW_BIND;
		mask |= IBV_QP_ACCESS_FLAGS;
	}
	if (ibv_modify_qp(qp, &attr, mask))
		fatal("QP to INIT: %s", strerror(errno));
	return qp;
}

static struct ibv_ah_attr address(const struct rig *from, const struct rig *to)
{
	return (struct ibv_ah_attr){
		.is_global = 1,
		.port_num = PORT,
		.dlid = to->port.lid,
		.grh = {
			.dgid = to->gid,
			.sgid_index = from->gid_index,
			.hop_limit = 64,
		},
	};
}

static void ready_rc(struct pair *pair, enum end end, uint32_t peer_qpn, uint8_t timeout)
{
	struct ibv_qp_attr rtr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = mtu_enum(pair->mtu),
		.dest_qp_num = peer_qpn,
		.max_dest_rd_atomic = 16,
		.min_rnr_timer = 1,
		.ah_attr = address(end_rig(pair, end), end_rig(pair, !end)),
	};
	struct ibv_qp_attr rts = {
		.qp_state = IBV_QPS_RTS,
		.timeout = timeout,
		.retry_cnt = RETRIES,
		.rnr_retry = 7,
		.max_rd_atomic = 16,
	};

	if (ibv_modify_qp(pair->qp[end], &rtr,
			  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				  IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		fatal("RC QP to RTR: %s", strerror(errno));
	if (ibv_modify_qp(pair->qp[end], &rts,
			  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				  IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		fatal("RC QP to RTS: %s", strerror(errno));
}

static void ready_ud(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_RTR };

	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE))
		fatal("UD QP to RTR: %s", strerror(errno));
	attr.qp_state = IBV_QPS_RTS;
	if (ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_SQ_PSN))
		fatal("UD QP to RTS: %s", strerror(errno));
}

static void create_cq(struct pair *pair, enum end end)
{
	pair->cq[end] = ibv_create_cq(end_rig(pair, end)->ctx, DEPTH * 2, NULL, NULL, 0);
	if (!pair->cq[end])
		fatal("ibv_create_cq: %s", strerror(errno));
}

static void connect_pair(struct pair *pair)
{
	struct ibv_srq_init_attr srq = { .attr = { .max_wr = DEPTH, .max_sge = MAX_SGE } };
	struct ibv_ah_attr to = address(pair->rig, pair->rig->far);

	create_cq(pair, NEAR);
	create_cq(pair, FAR);
	if (pair->use_srq) {
		pair->srq = ibv_create_srq(pair->rig->far->pd, &srq);
		if (!pair->srq)
			fatal("ibv_create_srq: %s", strerror(errno));
	}
	for (int end = NEAR; end <= FAR; end++)
		pair->qp[end] = create_qp(pair, (enum end)end);
	if (pair->type == IBV_QPT_UD) {
		ready_ud(pair->qp[NEAR]);
		ready_ud(pair->qp[FAR]);
		pair->ah = ibv_create_ah(pair->rig->pd, &to);
		if (!pair->ah)
			fatal("ibv_create_ah: %s", strerror(errno));
	} else {
		ready_rc(pair, NEAR, pair->qp[FAR]->qp_num, TIMEOUT);
		ready_rc(pair, FAR, pair->qp[NEAR]->qp_num, TIMEOUT);
	}
}

void pair_open(struct pair *pair, struct rig *rig, unsigned int mtu)
{
	*pair = (struct pair){ .rig = rig, .type = IBV_QPT_RC, .mtu = mtu };
	need(rig->port.active_mtu >= mtu_enum(mtu), "the port must have an MTU of at least %u",
	     mtu);
	connect_pair(pair);
}

void pair_open_srq(struct pair *pair, struct rig *rig, unsigned int mtu)
{
	*pair = (struct pair){ .rig = rig, .type = IBV_QPT_RC, .mtu = mtu, .use_srq = true };
	connect_pair(pair);
}

void pair_open_ud(struct pair *pair, struct rig *rig)
{
	*pair = (struct pair){
		.rig = rig,
		.type = IBV_QPT_UD,
		.mtu = 128U << rig->port.active_mtu,
	};
	connect_pair(pair);
}

void pair_open_half(struct pair *pair, struct rig *rig, unsigned int mtu)
{
	*pair = (struct pair){ .rig = rig, .type = IBV_QPT_RC, .mtu = mtu };
	create_cq(pair, NEAR);
	pair->qp[NEAR] = create_qp(pair, NEAR);
}

void pair_connect_half(struct pair *pair, uint32_t peer_qpn)
{
	ready_rc(pair, NEAR, peer_qpn, TIMEOUT_HALF);
}

static void check(int ret, const char *what)
{
	if (ret)
		fatal("%s: %s", what, strerror(ret));
}

void pair_close(struct pair *pair)
{
	if (pair->ah)
		check(ibv_destroy_ah(pair->ah), "ibv_destroy_ah");
	check(ibv_destroy_qp(pair->qp[NEAR]), "ibv_destroy_qp");
	if (pair->qp[FAR])
		check(ibv_destroy_qp(pair->qp[FAR]), "ibv_destroy_qp");
	if (pair->srq)
		check(ibv_destroy_srq(pair->srq), "ibv_destroy_srq");
	check(ibv_destroy_cq(pair->cq[NEAR]), "ibv_destroy_cq");
	if (pair->cq[FAR])
		check(ibv_destroy_cq(pair->cq[FAR]), "ibv_destroy_cq");
}

void pair_renew(struct pair *pair)
{
	pair_close(pair);
	connect_pair(pair);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct ibv_wc pair_wait(struct pair *pair, enum end end)
{
	double patience = kernel_is_slow() ? PATIENCE_SLOW : PATIENCE;
	double deadline = 0;
	struct ibv_wc wc;
	int n;

	for (unsigned long spins = 1; !(n = ibv_poll_cq(pair->cq[end], 1, &wc)); spins++) {
		sched_yield();
		if (spins % 1024)
			continue;
		if (!deadline)
			deadline = now() + patience;
		else if (now() > deadline)
			fatal("no completion at the %s end for %.0f s",
			      end == NEAR ? "near" : "far", patience);
	}
	if (n < 0)
		fatal("ibv_poll_cq: %s", strerror(errno));
	return wc;
}

int sge_split(struct ibv_sge *sge, int count, uint64_t addr, size_t len, uint32_t lkey)
{
	size_t piece = len / (size_t)count;
	int used = 0;

	while (len) {
		size_t n = used == count - 1 || piece > len || !piece ? len : piece;

		sge[used++] = (struct ibv_sge){ .addr = addr, .length = (uint32_t)n, .lkey = lkey };
		addr += n;
		len -= n;
	}
	return used;
}

void post_send(struct pair *pair, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;

	if (pair->type == IBV_QPT_UD) {
		wr->wr.ud.ah = pair->ah;
		wr->wr.ud.remote_qpn = pair->qp[FAR]->qp_num;
		wr->wr.ud.remote_qkey = QKEY;
	}
	check(ibv_post_send(pair->qp[NEAR], wr, &bad), "ibv_post_send");
}

void post_recv(struct pair *pair, struct ibv_recv_wr *wr)
{
	struct ibv_recv_wr *bad;

	if (pair->srq)
		check(ibv_post_srq_recv(pair->srq, wr, &bad), "ibv_post_srq_recv");
	else
		check(ibv_post_recv(pair->qp[FAR], wr, &bad), "ibv_post_recv");
}
