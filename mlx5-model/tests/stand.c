// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "stand.h"

#include "vfio/pci.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EQE 64
#define CQE 64

static void stand_interrupt(void *context, unsigned int vector)
{
	struct stand *b = context;

	b->interrupts[vector]++;
}

static void stand_must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "stand: %s\n", what);
	abort();
}

uint64_t stand_alloc(struct stand *b, size_t size, size_t align)
{
	uint64_t address = (b->next + align - 1) & ~((uint64_t)align - 1);

	b->next = address + size;
	stand_must(b->next <= STAND_BASE + STAND_SIZE, "out of memory");
	memset(stand_at(b, address), 0, size);
	return address;
}

uint8_t *stand_at(struct stand *b, uint64_t address)
{
	return b->memory + (address - STAND_BASE);
}

uint8_t stand_command(struct stand *b, uint8_t *in, size_t in_length, uint8_t *out,
		      size_t out_length)
{
	cmd_execute(&b->dev, in, in_length, out, out_length);
	return out[0];
}

uint32_t stand_number(struct stand *b, uint16_t opcode)
{
	uint8_t in[IFC_SIZE(alloc_pd_in)] = { 0 }, out[IFC_SIZE(alloc_pd_out)];

	IFC_SET(alloc_pd_in, in, opcode, opcode);
	/* an XRC domain may be shared, so the driver makes all of them its own */
	IFC_SET(alloc_pd_in, in, uid, opcode == MLX5_CMD_OP_ALLOC_XRCD ? 0 : b->application);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "a number");
	return IFC_GET(alloc_pd_out, out, pd);
}

uint8_t stand_destroy_object(struct stand *b, uint16_t opcode, uint32_t number)
{
	uint8_t in[IFC_SIZE(dealloc_pd_in)] = { 0 }, out[IFC_SIZE(dealloc_pd_out)];

	IFC_SET(dealloc_pd_in, in, opcode, opcode);
	IFC_SET(dealloc_pd_in, in, pd, number);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static uint32_t stand_create_eq(struct stand *b, uint64_t events, unsigned int vector,
				uint64_t *ring)
{
	uint8_t in[IFC_SIZE(create_eq_in) + 8] = { 0 }, out[IFC_SIZE(create_eq_out)];
	uint8_t *context = IFC_AT(create_eq_in, in, eq_context_entry);

	*ring = stand_alloc(b, EQE << STAND_EQ_LOG, STAND_PAGE);
	IFC_SET(create_eq_in, in, opcode, MLX5_CMD_OP_CREATE_EQ);
	IFC_SET(eqc, context, log_eq_size, STAND_EQ_LOG);
	IFC_SET(eqc, context, intr, vector);
	IFC_SET(eqc, context, uar_page, b->uar);
	put_be64(IFC_AT(create_eq_in, in, event_bitmask), events);
	put_be64(IFC_AT(create_eq_in, in, pas), *ring);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_EQ");
	eq_doorbell(&b->dev, b->uar, IFC_GET(create_eq_out, out, eq_number) << 24, true);
	return IFC_GET(create_eq_out, out, eq_number);
}

/* As the driver does, have the responses to atomics in the host's byte order */
static void stand_set_atomic(struct stand *b)
{
	uint8_t in[IFC_SIZE(set_hca_cap_in)] = { 0 }, out[IFC_SIZE(set_hca_cap_out)];

	IFC_SET(set_hca_cap_in, in, opcode, MLX5_CMD_OP_SET_HCA_CAP);
	IFC_SET(set_hca_cap_in, in, op_mod, 3 << 1);
	IFC_SET(atomic_caps, IFC_AT(set_hca_cap_in, in, capability), atomic_req_8B_endianness_mode,
		1);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "SET_HCA_CAP");
}

uint32_t stand_create_context(struct stand *b)
{
	uint8_t in[IFC_SIZE(create_uctx_in)] = { 0 }, out[IFC_SIZE(create_uctx_out)];

	IFC_SET(create_uctx_in, in, opcode, MLX5_CMD_OP_CREATE_UCTX);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_UCTX");
	return IFC_GET(create_uctx_out, out, uid);
}

void stand_power_up(struct stand *b)
{
	static const uint16_t opcodes[] = {
		MLX5_CMD_OP_ENABLE_HCA,
		MLX5_CMD_OP_SET_ISSI,
		MLX5_CMD_OP_INIT_HCA,
	};
	uint8_t in[IFC_SIZE(init_hca_in)] = { 0 }, out[IFC_SIZE(init_hca_out)];
	size_t i;

	for (i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		bool issi = opcodes[i] == MLX5_CMD_OP_SET_ISSI;

		if (issi && b->dev.options.profile != PROFILE_NEW)
			continue;
		IFC_SET(set_issi_in, in, opcode, opcodes[i]);
		IFC_SET(set_issi_in, in, current_issi, issi);
		stand_must(!stand_command(b, in, issi ? IFC_SIZE(set_issi_in) : sizeof(in), out,
					  sizeof(out)),
			   "power up");
	}
	stand_set_atomic(b);
	b->application = stand_create_context(b);
}

void stand_init(struct stand *b, const struct dev_options *options)
{
	memset(&b->own, 0, sizeof(b->own));
	stand_join(b, &b->own, options);
}

void stand_join(struct stand *b, struct fabric *fabric, const struct dev_options *options)
{
	static const struct dev_options none;
	struct stand_mkey all = { .mode = MKEY_PA };
	int fd = memfd_create("mlx5-stand", MFD_CLOEXEC);
	size_t size = STAND_SIZE;

	memset(&b->dev, 0, sizeof(*b) - offsetof(struct stand, dev));
	stand_must(fd >= 0 && !ftruncate(fd, STAND_SIZE), "memfd");
	stand_must(model_init(&b->dev, fabric, options ? options : &none), "model_init");
	b->dev.interrupt = stand_interrupt;
	b->dev.interrupt_context = b;
	stand_must(!guest_map(&b->dev.guest, STAND_BASE, STAND_SIZE, fd, 0, true), "guest_map");
	close(fd);
	b->memory = guest_at(&b->dev.guest, STAND_BASE, &size, true);
	b->next = STAND_BASE;
	stand_power_up(b);
	b->umem_access = 3;
	b->pd = stand_number(b, MLX5_CMD_OP_ALLOC_PD);
	b->uar = stand_number(b, MLX5_CMD_OP_ALLOC_UAR);
	b->xrcd = stand_number(b, MLX5_CMD_OP_ALLOC_XRCD);
	b->async_eq = stand_create_eq(b, 1ull << EVENT_QP_ACCESS_ERROR |
					 1ull << EVENT_QP_REQUEST_ERROR |
					 1ull << EVENT_SRQ_LIMIT | 1ull << EVENT_CQ_ERROR |
					 1ull << EVENT_DCT_DRAINED |
					 1ull << EVENT_DCT_KEY_VIOLATION,
				      0, &b->async_ring);
	b->fault_eq = stand_create_eq(b, 1ull << EVENT_PAGE_FAULT, 1, &b->fault_ring);
	b->completion_eq = stand_create_eq(b, 0, 2, &(uint64_t){ 0 });
	b->pa_key = stand_create_mkey(b, &all);
}

void stand_destroy(struct stand *b)
{
	model_destroy(&b->dev);
}

uint32_t stand_create_umem(struct stand *b, uint64_t address, uint64_t length)
{
	uint8_t in[IFC_SIZE(create_umem_in) + 8 * 32] = { 0 }, out[IFC_SIZE(create_umem_out)];
	unsigned int offset = address % STAND_PAGE, i;
	unsigned int pages = (offset + length + STAND_PAGE - 1) / STAND_PAGE;

	IFC_SET(create_umem_in, in, opcode, MLX5_CMD_OP_CREATE_UMEM);
	IFC_SET(create_umem_in, in, uid, b->application);
	IFC_SET(create_umem_in, in, umem.page_offset, offset);
	IFC_SET(create_umem_in, in, umem.num_of_mtt, pages);
	stand_must(pages <= 32, "a small umem");
	for (i = 0; i < pages; i++)
		put_be64(IFC_AT(create_umem_in, in, umem.mtt) + 8 * i,
			 (address - offset + i * STAND_PAGE) | b->umem_access);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_UMEM");
	return IFC_GET(create_umem_out, out, umem_id);
}

struct stand_cq stand_create_cq(struct stand *b)
{
	uint8_t in[IFC_SIZE(create_cq_in) + 32] = { 0 }, out[IFC_SIZE(create_cq_out)];
	uint8_t *context = IFC_AT(create_cq_in, in, cq_context);
	struct stand_cq cq = { 0 };
	unsigned int i, size = CQE << STAND_CQ_LOG;

	cq.ring = stand_alloc(b, size, STAND_PAGE);
	cq.doorbell = stand_alloc(b, 64, 64);
	for (i = 0; i < 1 << STAND_CQ_LOG; i++)
		stand_at(b, cq.ring)[i * CQE + 63] = 0xf1;
	IFC_SET(create_cq_in, in, opcode, MLX5_CMD_OP_CREATE_CQ);
	IFC_SET(create_cq_in, in, uid, b->application);
	IFC_SET(cqc, context, log_cq_size, STAND_CQ_LOG);
	IFC_SET(cqc, context, c_eqn_or_apu_element, b->completion_eq);
	IFC_SET(cqc, context, uar_page, b->uar);
	IFC_SET(cqc, context, dbr_addr, cq.doorbell);
	for (i = 0; i < size / STAND_PAGE; i++)
		put_be64(IFC_AT(create_cq_in, in, pas) + 8 * i, cq.ring + i * STAND_PAGE);
	if (b->in_umems) {
		/* not at the beginning of the umem: reserved, by the kernel's layout */
		put_be64(in + 0x280 / 8, 64);
		put_be32(in + 0x2c0 / 8, stand_create_umem(b, cq.ring - 64, size + 64));
		IFC_SET(create_cq_in, in, cq_umem_valid, 1);
		put_be32(context + 0x20 / 8, stand_create_umem(b, cq.doorbell, 8));
		IFC_SET(cqc, context, dbr_umem_valid, 1);
		IFC_SET(cqc, context, dbr_addr, 0);
		memset(IFC_AT(create_cq_in, in, pas), 0, 32);
	}
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_CQ");
	cq.number = IFC_GET(create_cq_out, out, cqn);
	return cq;
}

/* The list of WQEs and the doorbell record */
static struct stand_srq stand_place_srq(struct stand *b)
{
	struct stand_srq srq = { 0 };
	unsigned int i;

	srq.ring = stand_alloc(b, STAND_RQ_STRIDE << STAND_RQ_LOG, STAND_PAGE);
	srq.doorbell = stand_alloc(b, 64, 64);
	for (i = 0; i < 1 << STAND_RQ_LOG; i++)
		put_be16(stand_at(b, srq.ring) + i * STAND_RQ_STRIDE + 2,
			 (i + 1) & ((1 << STAND_RQ_LOG) - 1));
	return srq;
}

static struct stand_srq stand_create_rmp(struct stand *b)
{
	uint8_t in[IFC_SIZE(create_rmp_in) + 8] = { 0 }, out[IFC_SIZE(create_rmp_out)];
	uint8_t *wq = IFC_AT(create_rmp_in, in, ctx.wq);
	struct stand_srq srq = stand_place_srq(b);

	IFC_SET(create_rmp_in, in, opcode, MLX5_CMD_OP_CREATE_RMP);
	IFC_SET(create_rmp_in, in, uid, b->application);
	IFC_SET(create_rmp_in, in, ctx.state, 1);
	IFC_SET(wq, wq, log_wq_sz, STAND_RQ_LOG);
	IFC_SET(wq, wq, log_wq_stride, 6);
	IFC_SET(wq, wq, pd, b->pd);
	IFC_SET(wq, wq, dbr_addr, srq.doorbell);
	put_be64(IFC_AT(create_rmp_in, in, ctx.wq.pas), srq.ring);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_RMP");
	srq.number = IFC_GET(create_rmp_out, out, rmpn);
	return srq;
}

struct stand_srq stand_create_srq_1(struct stand *b, const struct stand_cq *cq)
{
	uint8_t in[IFC_SIZE(create_xrc_srq_in) + 8] = { 0 }, out[IFC_SIZE(create_xrc_srq_out)];
	uint8_t *context = IFC_AT(create_xrc_srq_in, in, xrc_srq_context_entry);
	struct stand_srq srq;

	if (!cq)
		return stand_create_rmp(b);
	srq = stand_place_srq(b);
	IFC_SET(create_xrc_srq_in, in, opcode, MLX5_CMD_OP_CREATE_XRC_SRQ);
	IFC_SET(create_xrc_srq_in, in, uid, b->application);
	IFC_SET(xrc_srqc, context, log_xrc_srq_size, STAND_RQ_LOG);
	IFC_SET(xrc_srqc, context, log_rq_stride, 2);
	IFC_SET(xrc_srqc, context, pd, b->pd);
	IFC_SET(xrc_srqc, context, xrcd, b->xrcd);
	IFC_SET(xrc_srqc, context, cqn, cq->number);
	IFC_SET(xrc_srqc, context, user_index, b->user_index);
	IFC_SET(xrc_srqc, context, db_record_addr_l, srq.doorbell >> 2);
	put_be64(IFC_AT(create_xrc_srq_in, in, pas), srq.ring);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_XRC_SRQ");
	srq.number = IFC_GET(create_xrc_srq_out, out, xrc_srqn);
	return srq;
}

struct stand_srq stand_create_srq(struct stand *b, const struct stand_cq *cq)
{
	uint8_t in[IFC_SIZE(create_srq_in) + 8] = { 0 }, out[IFC_SIZE(create_srq_out)];
	uint8_t *context = IFC_AT(create_srq_in, in, srq_context_entry);
	struct stand_srq srq = stand_place_srq(b);

	IFC_SET(create_srq_in, in, opcode, MLX5_CMD_OP_CREATE_SRQ);
	IFC_SET(create_srq_in, in, uid, b->application);
	IFC_SET(srqc, context, log_srq_size, STAND_RQ_LOG);
	IFC_SET(srqc, context, log_rq_stride, 2);
	IFC_SET(srqc, context, pd, b->pd);
	IFC_SET(srqc, context, xrcd, b->xrcd);
	IFC_SET(srqc, context, cqn, cq->number);
	IFC_SET(srqc, context, dbr_addr, srq.doorbell);
	put_be64(IFC_AT(create_srq_in, in, pas), srq.ring);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_SRQ");
	srq.number = IFC_GET(create_srq_out, out, srqn);
	return srq;
}

struct stand_qp stand_create_qp(struct stand *b, struct stand_cq *cq, unsigned int service)
{
	return stand_create_qp_srq(b, cq, service, NULL);
}

struct stand_qp stand_create_qp_srq(struct stand *b, struct stand_cq *cq, unsigned int service,
				    const struct stand_srq *srq)
{
	uint8_t in[IFC_SIZE(create_qp_in) + 16] = { 0 }, out[IFC_SIZE(create_qp_out)];
	uint8_t *context = IFC_AT(create_qp_in, in, qpc);
	unsigned int rq_type = srq ? 1 : service == QP_DCI ? 3 : 0;
	struct stand_qp qp = {
		.lid = b->dev.lid,
		.cq = cq,
		.qkey = service == QP_GENERAL ? STAND_GENERAL_QKEY : STAND_QKEY,
		.by_doorbell = b->by_doorbell,
	};

	/* without a receive queue of its own, the send queue starts where that would */
	qp.rq = stand_alloc(b, (STAND_RQ_STRIDE << STAND_RQ_LOG) + (64 << STAND_SQ_LOG), STAND_PAGE);
	qp.sq = qp.rq + (rq_type ? 0 : STAND_RQ_STRIDE << STAND_RQ_LOG);
	qp.doorbell = stand_alloc(b, 64, 64);
	IFC_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	IFC_SET(qpc, context, st, service);
	IFC_SET(qpc, context, pd, service == QP_REG_UMR ? 0 : b->pd);
	IFC_SET(qpc, context, uar_page, b->uar);
	IFC_SET(qpc, context, xrcd, service == QP_XRC ? b->xrcd : 0);
	IFC_SET(qpc, context, rq_type, rq_type);
	ifc_set(context, 0x80, 2, b->by_doorbell);
	IFC_SET(create_qp_in, in, uid,
		service == QP_REG_UMR || service == QP_GENERAL || service == QP_MANAGEMENT ?
			0 :
			b->application);
	IFC_SET(qpc, context, log_num_dci_stream_channels, service == QP_DCI ? b->log_streams : 0);
	IFC_SET(qpc, context, log_num_dci_errored_streams, service == QP_DCI ? b->log_errored : 0);
	IFC_SET(qpc, context, srqn_rmpn_xrqn, srq ? srq->number : 0);
	IFC_SET(qpc, context, user_index, b->user_index);
	IFC_SET(qpc, context, log_rq_size, STAND_RQ_LOG);
	IFC_SET(qpc, context, log_rq_stride, 2);
	IFC_SET(qpc, context, log_sq_size, STAND_SQ_LOG);
	IFC_SET(qpc, context, cqn_snd, cq->number);
	IFC_SET(qpc, context, cqn_rcv, cq->number);
	IFC_SET(qpc, context, dbr_addr, qp.doorbell);
	put_be64(IFC_AT(create_qp_in, in, pas), qp.rq);
	put_be64(IFC_AT(create_qp_in, in, pas) + 8, qp.rq + STAND_PAGE);
	if (b->in_umems) {
		IFC_SET(create_qp_in, in, wq_umem_offset, 64);
		IFC_SET(create_qp_in, in, wq_umem_id,
			stand_create_umem(b, qp.rq - 64, 64 + 2 * STAND_PAGE));
		IFC_SET(create_qp_in, in, wq_umem_valid, 1);
		put_be32(context + 0x720 / 8, stand_create_umem(b, qp.doorbell, 8));
		IFC_SET(qpc, context, dbr_umem_valid, 1);
		IFC_SET(qpc, context, dbr_addr, 0);
		memset(IFC_AT(create_qp_in, in, pas), 0, 16);
	}
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_QP");
	qp.number = IFC_GET(create_qp_out, out, qpn);
	return qp;
}

struct stand_qp stand_create_dct(struct stand *b, struct stand_cq *cq, const struct stand_srq *srq,
				 uint64_t key)
{
	uint8_t in[IFC_SIZE(create_dct_in)] = { 0 }, out[IFC_SIZE(create_dct_out)];
	uint8_t *context = IFC_AT(create_dct_in, in, dct_context_entry);
	struct stand_qp dct = { .lid = b->dev.lid, .cq = cq };

	IFC_SET(create_dct_in, in, opcode, MLX5_CMD_OP_CREATE_DCT);
	IFC_SET(dctc, context, pd, b->pd);
	IFC_SET(dctc, context, cqn, cq->number);
	IFC_SET(dctc, context, srqn_xrqn, srq->number);
	IFC_SET(dctc, context, user_index, b->user_index);
	IFC_SET(dctc, context, rre, 1);
	IFC_SET(dctc, context, rwe, 1);
	IFC_SET(dctc, context, rae, 1);
	IFC_SET(dctc, context, min_rnr_nak, 1);
	IFC_SET(dctc, context, dc_access_key, key);
	IFC_SET(dctc, context, port, 1);
	IFC_SET(dctc, context, mtu, MLX5_DCTC_MTU_4K_BYTES);
	stand_must(!stand_command(b, in, sizeof(in), out, sizeof(out)), "CREATE_DCT");
	dct.number = IFC_GET(create_dct_out, out, dctn);
	return dct;
}

uint8_t stand_modify(struct stand *b, const struct stand_qp *qp, uint16_t opcode,
		     const struct stand_qp *to)
{
	uint8_t in[IFC_SIZE(rst2init_qp_in)] = { 0 }, out[IFC_SIZE(rst2init_qp_out)];
	uint8_t *context = IFC_AT(rst2init_qp_in, in, qpc);

	IFC_SET(rst2init_qp_in, in, opcode, opcode);
	IFC_SET(rst2init_qp_in, in, qpn, qp->number);
	IFC_SET(qpc, context, rre, 1);
	IFC_SET(qpc, context, rwe, 1);
	IFC_SET(qpc, context, rae, 1);
	IFC_SET(qpc, context, remote_qpn, to ? to->number : 0);
	IFC_SET(qpc, context, q_key, qp->qkey);
	IFC_SET(qpc, context, rnr_retry, 7);
	IFC_SET(qpc, context, retry_count, 1);
	IFC_SET(qpc, context, primary_address_path.rlid, to ? to->lid : 0);
	IFC_SET(qpc, context, primary_address_path.ack_timeout, 1);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

void stand_connect(struct stand *b, struct stand_qp *qp, const struct stand_qp *to)
{
	stand_must(!stand_modify(b, qp, MLX5_CMD_OP_RST2INIT_QP, NULL) &&
			   !stand_modify(b, qp, MLX5_CMD_OP_INIT2RTR_QP, to) &&
			   !stand_modify(b, qp, MLX5_CMD_OP_RTR2RTS_QP, to),
		   "modify");
}

uint32_t stand_create_mkey(struct stand *b, const struct stand_mkey *m)
{
	size_t length = IFC_OFFSET(create_mkey_in, klm_pas_mtt) + m->list_length;
	uint8_t *in = calloc(1, length), out[IFC_SIZE(create_mkey_out)];
	uint8_t *context = IFC_AT(create_mkey_in, in, memory_key_mkey_entry);
	size_t table = m->table_length > m->list_length ? m->table_length : m->list_length;

	IFC_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	IFC_SET(create_mkey_in, in, pg_access, m->odp);
	IFC_SET(create_mkey_in, in, translations_octword_actual_size, m->list_length / 16);
	IFC_SET(mkc, context, access_mode_1_0, m->mode & 3);
	IFC_SET(mkc, context, access_mode_4_2, m->mode >> 2);
	IFC_SET(mkc, context, umr_en, 1);
	IFC_SET(mkc, context, en_rinval, 1);
	IFC_SET(mkc, context, lr, 1);
	IFC_SET(mkc, context, lw, 1);
	IFC_SET(mkc, context, rr, 1);
	IFC_SET(mkc, context, rw, 1);
	IFC_SET(mkc, context, a, 1);
	IFC_SET(mkc, context, qpn, MKEY_QPN_ANY);
	IFC_SET(mkc, context, pd, b->pd);
	IFC_SET(mkc, context, length64, !m->length);
	IFC_SET(mkc, context, start_addr, m->start);
	IFC_SET(mkc, context, len, m->length);
	IFC_SET(mkc, context, log_page_size, m->page_shift);
	IFC_SET(mkc, context, translations_octword_size, (table + 15) / 16);
	if (m->list_length)
		memcpy(in + IFC_OFFSET(create_mkey_in, klm_pas_mtt), m->list, m->list_length);
	stand_must(!stand_command(b, in, length, out, sizeof(out)), "CREATE_MKEY");
	free(in);
	return IFC_GET(create_mkey_out, out, mkey_index) << 8;
}

uint32_t stand_register(struct stand *b, uint64_t address, size_t length, unsigned int page_shift,
			bool present)
{
	uint64_t first = address >> page_shift, last = (address + length - 1) >> page_shift, i;
	size_t size = (last - first + 2) / 2 * 16;
	uint8_t *list = calloc(1, size);
	struct stand_mkey m = {
		.mode = MKEY_MTT,
		.page_shift = page_shift,
		.start = address,
		.length = length,
		.odp = true,
		.list = list,
		.list_length = size,
	};
	uint32_t key;

	for (i = first; present && i <= last; i++)
		put_be64(list + (i - first) * 8, i << page_shift | 3);
	key = stand_create_mkey(b, &m);
	free(list);
	return key;
}

static uint8_t *stand_put_address(uint8_t *s, const struct stand_wr *wr)
{
	if (wr->dc_key)
		put_be64(s, wr->dc_key);
	else
		put_be32(s, wr->qkey ? wr->qkey : STAND_QKEY);
	put_be32(s + 8, 1u << 31 | wr->datagram->number);
	put_be16(s + 14, wr->datagram->lid);
	if (wr->gid) {
		put_be32(s + 28, 1u << 30);
		memcpy(s + 32, wr->gid, 16);
	}
	return s + 48;
}

void stand_post(struct stand *b, struct stand_qp *qp, const struct stand_wr *wr)
{
	uint8_t wqe[128] = { 0 }, *s = wqe + 16, *ring = stand_at(b, qp->sq);
	bool atomic = wr->opcode == WQE_FETCH_ADD || wr->opcode == WQE_COMPARE_SWAP;
	unsigned int i;

	if (wr->xrc_srqn) {
		put_be32(s, wr->xrc_srqn);
		s += 16;
	}
	if (wr->datagram)
		s = stand_put_address(s, wr);
	if (wr->opcode == WQE_MMO) {
		/* metadata, source, destination */
		s = wqe + 32;
		put_be32(s + 16, wr->length);
		put_be32(s + 20, wr->rkey);
		put_be64(s + 24, wr->remote);
	}
	if (wr->opcode == WQE_WRITE || wr->opcode == WQE_WRITE_IMM || wr->opcode == WQE_READ ||
	    atomic) {
		put_be64(s, wr->remote);
		put_be32(s + 8, wr->rkey);
		s += 16;
	}
	if (atomic) {
		put_be64(s, wr->add);
		put_be64(s + 8, wr->compare);
		s += 16;
	}
	if (wr->length) {
		put_be32(s, wr->length);
		put_be32(s + 4, wr->lkey);
		put_be64(s + 8, wr->address);
		s += wr->opcode == WQE_MMO ? 32 : 16;
	}
	put_be32(wqe, (uint32_t)qp->sq_next << 8 | wr->opcode);
	wqe[0] = wr->opcode == WQE_MMO ? WQE_MMO_DMA : 0;
	put_be32(wqe + 4, qp->number << 8 | (uint32_t)((s - wqe) / 16));
	put_be16(wqe + 9, wr->stream);
	wqe[11] = wr->unsignaled ? 0 : 8;
	put_be32(wqe + 12, wr->immediate);
	for (i = 0; wqe + i < s; i += 64)
		memcpy(ring + (qp->sq_next++ & ((1 << STAND_SQ_LOG) - 1)) * 64, wqe + i, 64);
	if (qp->by_doorbell) {
		qp_doorbell_wqe(&b->dev, b->uar, wqe);
		return;
	}
	put_be32(stand_at(b, qp->doorbell) + 4, qp->sq_next);
	qp_doorbell(&b->dev, b->uar, qp->number);
}

static void stand_put_buffer(uint8_t *wqe, uint64_t address, uint32_t lkey, uint32_t length)
{
	put_be32(wqe, length);
	put_be32(wqe + 4, lkey);
	put_be64(wqe + 8, address);
	put_be32(wqe + 16, 0);
	put_be32(wqe + 20, KEY_TERMINATE);
	put_be64(wqe + 24, 0);
}

void stand_receive(struct stand *b, struct stand_qp *qp, uint64_t address, uint32_t lkey,
		   uint32_t length)
{
	uint8_t *wqe = stand_at(b, qp->rq) +
		       (qp->rq_next & ((1 << STAND_RQ_LOG) - 1)) * STAND_RQ_STRIDE;

	stand_put_buffer(wqe, address, lkey, length);
	put_be32(stand_at(b, qp->doorbell), ++qp->rq_next);
}

void stand_receive_srq(struct stand *b, struct stand_srq *srq, uint64_t address, uint32_t lkey,
		       uint32_t length)
{
	uint8_t *wqe = stand_at(b, srq->ring) +
		       (srq->next & ((1 << STAND_RQ_LOG) - 1)) * STAND_RQ_STRIDE;

	stand_put_buffer(wqe + 16, address, lkey, length);
	put_be32(stand_at(b, srq->doorbell), ++srq->next);
}

void stand_update(struct stand *b, uint32_t key, uint64_t first, const uint64_t *entries,
		  unsigned int count)
{
	static const uint8_t fields = 48 + IFC_SIZE(mkc);
	struct stand_cq cq = stand_create_cq(b);
	struct stand_qp qp = stand_create_qp(b, &cq, QP_REG_UMR);
	uint64_t list = stand_alloc(b, (size_t)(count + 8) * 8, 64);
	uint8_t *wqe = stand_at(b, qp.sq), *data = wqe + 16 + fields;
	unsigned int i;

	for (i = 0; i < count; i++)
		put_be64(stand_at(b, list) + 8 * i, entries[i]);
	put_be32(wqe, WQE_UMR);
	put_be32(wqe + 4, qp.number << 8 | (16u + fields + 16) / 16);
	wqe[11] = 8;
	put_be32(wqe + 12, key);
	wqe[16] = 0x10;
	put_be16(wqe + 16 + 4, (count + 1) / 2);
	put_be16(wqe + 16 + 6, first / 2);
	put_be32(data, (count + 1) / 2 * 16);
	put_be32(data + 4, b->pa_key);
	put_be64(data + 8, list);
	put_be32(stand_at(b, qp.doorbell) + 4, (16u + fields + 16 + 63) / 64);
	stand_connect(b, &qp, NULL);
	stand_run(b);
	data = (uint8_t *)(uintptr_t)stand_poll(b, &cq);
	stand_must(data && data[63] >> 4 == CQE_REQUESTER, "UMR");
}

bool stand_busy(const struct stand *b)
{
	const struct dev *dev;
	unsigned int i;

	fabric_for_each(b->dev.fabric, i, dev)
		if (dev->run_first)
			return true;
	return false;
}

void stand_run(struct stand *b)
{
	while (stand_busy(b))
		model_work(b->dev.fabric);
}

const uint8_t *stand_poll(struct stand *b, struct stand_cq *cq)
{
	const uint8_t *entry =
		stand_at(b, cq->ring) + (cq->consumer & ((1 << STAND_CQ_LOG) - 1)) * CQE;

	if (entry[63] >> 4 == 15 || (entry[63] & 1) != (cq->consumer >> STAND_CQ_LOG & 1))
		return NULL;
	put_be32(stand_at(b, cq->doorbell), ++cq->consumer);
	return entry;
}

const uint8_t *stand_event(struct stand *b, uint64_t ring, unsigned int *seen)
{
	const uint8_t *entry = stand_at(b, ring) + (*seen & ((1 << STAND_EQ_LOG) - 1)) * EQE;

	/* the owner bit of the first round is 0, as in unused memory: check the event type, too */
	if (!entry[1] || (entry[63] & 1) != (*seen >> STAND_EQ_LOG & 1))
		return NULL;
	++*seen;
	return entry;
}

uint8_t stand_resume(struct stand *b, const uint8_t *event, bool error)
{
	uint8_t in[IFC_SIZE(page_fault_resume_in)] = { 0 }, out[IFC_SIZE(page_fault_resume_out)];
	uint8_t *info = IFC_AT(page_fault_resume_in, in, page_fault_info);
	const uint8_t *data = event + 32;

	IFC_SET(page_fault_resume_in, in, opcode, MLX5_CMD_OP_PAGE_FAULT_RESUME);
	IFC_SET(trans_page_fault_info, info, error, error);
	switch (event[3]) {
	case 0:
		IFC_SET(trans_page_fault_info, info, fault_token, get_be32(data + 12));
		IFC_SET(trans_page_fault_info, info, page_fault_type, get_be32(data + 24) >> 24);
		IFC_SET(trans_page_fault_info, info, wq_number, get_be32(data + 24));
		break;
	case 1:
		IFC_SET(trans_page_fault_info, info, fault_token, get_be32(data + 24));
		IFC_SET(trans_page_fault_info, info, page_fault_type, get_be32(data + 24) >> 24);
		IFC_SET(trans_page_fault_info, info, wq_number, get_be32(data + 24));
		break;
	default:
		IFC_SET(mem_page_fault_info, info, fault_token_47_32, get_be16(data + 6));
		IFC_SET(mem_page_fault_info, info, fault_token_31_0, get_be32(data + 8));
	}
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}
