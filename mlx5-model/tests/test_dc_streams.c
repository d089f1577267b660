// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The dynamically connected transport: streams of initiators, and mappings of address vectors. */
#include "dc.h"

static void create_streams(struct dc_fixture *f, unsigned int log_streams, unsigned int log_errored)
{
	struct pair *p = &f->pair;

	p->on[0]->log_streams = log_streams;
	p->on[0]->log_errored = log_errored;
	p->qp[0] = stand_create_qp(p->on[0], &p->cq[0], QP_DCI);
	stand_connect(p->on[0], &p->qp[0], NULL);
}

/* RTS2RTS_QP or INIT2INIT_QP with an extension of the context */
static uint8_t extend(struct stand *b, uint16_t opcode, const struct stand_qp *qp, uint64_t mask,
		      uint32_t first_word, size_t length)
{
	uint8_t in[0x1d0] = { 0 }, out[IFC_SIZE(rts2rts_qp_out)];

	IFC_SET(rts2rts_qp_in, in, opcode, opcode);
	IFC_SET(rts2rts_qp_in, in, uid, STAND_APPLICATION);
	IFC_SET(rts2rts_qp_in, in, qpn, qp->number);
	in[8] |= 0x80;
	put_be64(in + 0x108, mask);
	put_be32(in + 0x110, first_word);
	return stand_command(b, in, length, out, sizeof(out));
}

static uint8_t reset_stream(struct dc_fixture *f, uint16_t stream)
{
	return extend(f->pair.on[0], MLX5_CMD_OP_RTS2RTS_QP, &f->pair.qp[0], 1, stream, 0x1d0);
}

static void send_stream(struct dc_fixture *f, uint16_t stream, bool good, enum syndrome syndrome)
{
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);

	wr.stream = stream;
	wr.rkey += !good;
	pair_send(&f->pair, &wr);
	pair_complete(&f->pair, 0, syndrome ? CQE_REQUESTER_ERROR : CQE_REQUESTER, syndrome, 0);
}

static void test_streams(void **state)
{
	struct dc_fixture *f = *state;
	struct dev *dev = &f->pair.on[0]->dev;

	dev->options.strict = true;
	create_streams(f, 3, 2);
	send_stream(f, 1, false, SYNDROME_REMOTE_ACCESS);
	send_stream(f, 1, true, SYNDROME_FLUSHED);
	send_stream(f, 2, true, SYNDROME_OK);
	send_stream(f, 0xffff, false, SYNDROME_REMOTE_ACCESS);
	send_stream(f, 0xffff, false, SYNDROME_FLUSHED);
	send_stream(f, 3, false, SYNDROME_REMOTE_ACCESS);
	assert_int_equal(dc_initiator(f)->state, QP_RTS);
	/* a stream is reset; one without an error stays as it is */
	assert_int_equal(reset_stream(f, 0xffff), CMD_OK);
	assert_int_equal(reset_stream(f, 2), CMD_OK);
	send_stream(f, 0xffff, true, SYNDROME_OK);
	send_stream(f, 1, true, SYNDROME_FLUSHED);
	send_stream(f, 3, true, SYNDROME_FLUSHED);
	send_stream(f, 4, false, SYNDROME_REMOTE_ACCESS);
	assert_int_equal(dc_initiator(f)->state, QP_RTS);
	/* the fourth one ends the initiator */
	send_stream(f, 5, false, SYNDROME_REMOTE_ACCESS);
	assert_int_equal(dc_initiator(f)->state, QP_ERROR);
	send_stream(f, 2, true, SYNDROME_FLUSHED);
	assert_int_equal(reset_stream(f, 1), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(dev->stats.strict_reports, 0);
}

/* After a reset of the queue pair, all streams work again */
static void test_streams_recovery(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;

	create_streams(f, 1, 1);
	send_stream(f, 1, false, SYNDROME_REMOTE_ACCESS);
	send_stream(f, 2, false, SYNDROME_REMOTE_ACCESS);
	assert_int_equal(dc_initiator(f)->state, QP_ERROR);
	stand_modify(p->on[0], &p->qp[0], MLX5_CMD_OP_2RST_QP, NULL);
	p->qp[0].sq_next = 0;
	put_be64(stand_at(p->on[0], p->qp[0].doorbell), 0);
	stand_connect(p->on[0], &p->qp[0], NULL);
	send_stream(f, 1, true, SYNDROME_OK);
	send_stream(f, 2, false, SYNDROME_REMOTE_ACCESS);
	send_stream(f, 1, true, SYNDROME_OK);
	assert_int_equal(dc_initiator(f)->state, QP_RTS);
}

static void test_stream_commands(void **state)
{
	struct dc_fixture *f = *state;
	struct stand *b = f->pair.on[0];
	const struct stand_qp *qp = &f->pair.qp[0];

	b->dev.options.strict = true;
	/* without streams */
	assert_int_equal(reset_stream(f, 1), CMD_BAD_PARAM);
	send_stream(f, 1, true, SYNDROME_OK);
	assert_int_equal(b->dev.stats.strict_reports, 1);
	create_streams(f, 2, 0);
	assert_int_equal(extend(b, MLX5_CMD_OP_RTS2RTS_QP, qp, 1, 1, 0x1cf), CMD_BAD_INPUT_LENGTH);
	assert_int_equal(extend(b, MLX5_CMD_OP_RTS2RTS_QP, qp, 1, 1, 0x110), CMD_BAD_INPUT_LENGTH);
	assert_int_equal(extend(b, MLX5_CMD_OP_RTS2RTS_QP, qp, 2, 1, 0x1d0), CMD_BAD_PARAM);
	assert_int_equal(extend(b, MLX5_CMD_OP_RTS2RTS_QP, qp, 1ull << 63, 1, 0x1d0),
			 CMD_BAD_PARAM);
	assert_int_equal(extend(b, MLX5_CMD_OP_RTS2RTS_QP, qp, 8, 1u << 29, 0x1d0), CMD_BAD_PARAM);
	assert_int_equal(extend(b, MLX5_CMD_OP_RTS2RTS_QP, qp, 0, 0, 0x1d0), CMD_OK);
	assert_int_equal(b->dev.stats.strict_reports, 1);
	IFC_SET(cmd_hca_cap, b->dev.caps_general, qpc_extension, 0);
	assert_int_equal(reset_stream(f, 1), CMD_BAD_PARAM);
	/* one error is all that it may have */
	send_stream(f, 9, false, SYNDROME_REMOTE_ACCESS);
	assert_int_equal(dc_initiator(f)->state, QP_ERROR);
}

/* CREATE_QP with these logarithms, for this service and with this type of receive queue */
static uint8_t create_qp(struct dc_fixture *f, unsigned int service, unsigned int rq_type,
			 unsigned int log_streams, unsigned int log_errored)
{
	struct stand *b = f->pair.on[0];
	uint8_t in[IFC_SIZE(create_qp_in) + 8] = { 0 }, out[IFC_SIZE(create_qp_out)];
	uint8_t *context = IFC_AT(create_qp_in, in, qpc);

	IFC_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	IFC_SET(qpc, context, st, service);
	IFC_SET(qpc, context, pd, b->pd);
	IFC_SET(qpc, context, uar_page, b->uar);
	IFC_SET(qpc, context, rq_type, rq_type);
	IFC_SET(qpc, context, log_sq_size, STAND_SQ_LOG);
	IFC_SET(qpc, context, cqn_snd, f->pair.cq[0].number);
	IFC_SET(qpc, context, log_num_dci_stream_channels, log_streams);
	IFC_SET(qpc, context, log_num_dci_errored_streams, log_errored);
	put_be64(IFC_AT(create_qp_in, in, pas), f->pair.buffer[0]);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static void test_create_initiator(void **state)
{
	struct dc_fixture *f = *state;

	assert_int_equal(create_qp(f, QP_DCI, 3, 6, 5), CMD_OK);
	assert_int_equal(create_qp(f, QP_DCI, 3, 7, 0), CMD_BAD_PARAM);
	assert_int_equal(create_qp(f, QP_DCI, 3, 1, 6), CMD_BAD_PARAM);
	assert_int_equal(create_qp(f, QP_DCI, 0, 0, 0), CMD_BAD_PARAM);
	assert_int_equal(create_qp(f, QP_RC, 3, 0, 0), CMD_OK);
	assert_int_equal(create_qp(f, QP_RC, 3, 1, 0), CMD_BAD_PARAM);
	assert_int_equal(create_qp(f, QP_RC, 3, 0, 1), CMD_BAD_PARAM);
	assert_int_equal(create_qp(f, QP_DCT, 3, 0, 0), CMD_BAD_PARAM);
}

static uint8_t map(struct stand *b, uint32_t *object, uint32_t qpn, unsigned int type,
		   uint32_t gid_index, size_t length)
{
	uint8_t in[80] = { 0 }, out[IFC_SIZE(general_obj_out_cmd_hdr)];
	uint8_t status;

	IFC_SET(general_obj_in_cmd_hdr, in, opcode, MLX5_CMD_OP_CREATE_GENERAL_OBJECT);
	IFC_SET(general_obj_in_cmd_hdr, in, obj_type, type);
	put_be32(in + 28, qpn);
	put_be32(in + 32 + 28, gid_index << 20);
	status = stand_command(b, in, length, out, sizeof(out));
	*object = IFC_GET(general_obj_out_cmd_hdr, out, obj_id);
	return status;
}

static uint8_t unmap(struct stand *b, uint32_t object, unsigned int type)
{
	uint8_t in[IFC_SIZE(general_obj_in_cmd_hdr)] = { 0 };
	uint8_t out[IFC_SIZE(general_obj_out_cmd_hdr)];

	IFC_SET(general_obj_in_cmd_hdr, in, opcode, MLX5_CMD_OP_DESTROY_GENERAL_OBJECT);
	IFC_SET(general_obj_in_cmd_hdr, in, obj_type, type);
	IFC_SET(general_obj_in_cmd_hdr, in, obj_id, object);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static void test_mapping(void **state)
{
	struct dc_fixture *f = *state;
	struct stand *b = f->pair.on[0];
	uint32_t object, other;

	assert_int_equal(map(b, &object, f->second.number, 0x3a, 1, 80), CMD_OK);
	assert_int_equal(map(b, &other, f->second.number, 0x3b, 1, 80), CMD_BAD_PARAM);
	assert_int_equal(map(b, &other, f->second.number, 0x3a, 1, 79), CMD_BAD_INPUT_LENGTH);
	assert_int_equal(map(b, &other, 0xffffff, 0x3a, 1, 80), CMD_BAD_RESOURCE);
	assert_int_equal(map(b, &other, f->second.number, 0x3a, DEV_GIDS, 80), CMD_BAD_PARAM);
	/* it does not keep the queue pair */
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DESTROY_QP, f->second.number), CMD_OK);
	assert_int_equal(unmap(b, object, 0x3b), CMD_BAD_PARAM);
	assert_int_equal(unmap(b, object, 0x3a), CMD_OK);
	assert_int_equal(unmap(b, object, 0x3a), CMD_BAD_RESOURCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DC_TEST(test_streams),
		DC_TEST(test_streams_recovery),
		DC_TEST(test_stream_commands),
		DC_TEST(test_create_initiator),
		DC_TEST(test_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
