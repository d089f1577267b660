// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The dynamically connected transport: commands on targets, requests, and their errors. */
#include "dc.h"

/* The context that the device reports, or NULL */
static const uint8_t *query(struct stand *b, uint32_t number)
{
	static uint8_t out[IFC_SIZE(query_dct_out)];
	uint8_t in[IFC_SIZE(query_dct_in)] = { 0 };

	IFC_SET(query_dct_in, in, opcode, MLX5_CMD_OP_QUERY_DCT);
	IFC_SET(query_dct_in, in, dctn, number);
	if (stand_command(b, in, sizeof(in), out, sizeof(out)))
		return NULL;
	return IFC_AT(query_dct_out, out, dct_context_entry);
}

struct creation {
	uint32_t pd, cq, srq, state, port, mtu, gid;
};

static uint8_t create(struct stand *b, const struct creation *c)
{
	uint8_t in[IFC_SIZE(create_dct_in)] = { 0 }, out[IFC_SIZE(create_dct_out)];
	uint8_t *context = IFC_AT(create_dct_in, in, dct_context_entry);
	uint8_t status;

	IFC_SET(create_dct_in, in, opcode, MLX5_CMD_OP_CREATE_DCT);
	IFC_SET(dctc, context, pd, c->pd);
	IFC_SET(dctc, context, cqn, c->cq);
	IFC_SET(dctc, context, srqn_xrqn, c->srq);
	IFC_SET(dctc, context, state, c->state);
	IFC_SET(dctc, context, port, c->port);
	IFC_SET(dctc, context, mtu, c->mtu);
	IFC_SET(dctc, context, my_addr_index, c->gid);
	status = stand_command(b, in, sizeof(in), out, sizeof(out));
	if (!status) {
		assert_int_equal(dc_command(b, MLX5_CMD_OP_DRAIN_DCT,
					 IFC_GET(create_dct_out, out, dctn)), CMD_OK);
		assert_int_equal(dc_command(b, MLX5_CMD_OP_DESTROY_DCT,
					 IFC_GET(create_dct_out, out, dctn)), CMD_OK);
	}
	return status;
}

static void test_create(void **state)
{
	struct dc_fixture *f = *state;
	struct stand *b = f->pair.on[1];
	struct creation good = {
		.pd = b->pd, .cq = f->pair.cq[1].number, .srq = f->srq.number, .port = 1, .mtu = 5,
	}, c;

	assert_int_equal(create(b, &good), CMD_OK);
#define BAD(field, value, status)                          \
	do {                                               \
		c = good;                                  \
		c.field = value;                           \
		assert_int_equal(create(b, &c), status);   \
	} while (0)
	BAD(pd, 0xffff, CMD_BAD_RESOURCE);
	BAD(cq, 0, CMD_BAD_RESOURCE);
	BAD(cq, 0xffff, CMD_BAD_RESOURCE);
	BAD(srq, 0, CMD_BAD_RESOURCE);
	BAD(srq, 0xffffff, CMD_BAD_RESOURCE);
	BAD(state, 1, CMD_BAD_PARAM);
	BAD(port, 0, CMD_BAD_PARAM);
	BAD(port, 2, CMD_BAD_PARAM);
	BAD(mtu, 0, CMD_BAD_PARAM);
	BAD(mtu, 6, CMD_BAD_PARAM);
	BAD(gid, DEV_GIDS, CMD_BAD_PARAM);
	if (b->dev.issi)
		BAD(srq, stand_create_srq_1(b, &f->pair.cq[1]).number, CMD_BAD_RESOURCE);
#undef BAD
}

static void test_life(void **state)
{
	struct dc_fixture *f = *state;
	struct stand *b = f->pair.on[1];
	uint32_t number = f->pair.qp[1].number, pd = b->pd;
	const uint8_t *context = query(b, number), *event;

	assert_non_null(context);
	assert_true(IFC_GET(dctc, context, dc_access_key) == DC_KEY);
	assert_int_equal(IFC_GET(dctc, context, state), MLX5_DCTC_STATE_ACTIVE);
	/* it is not a queue pair, and queue pairs are not targets */
	assert_int_equal(stand_modify(b, &f->pair.qp[1], MLX5_CMD_OP_2ERR_QP, NULL),
			 CMD_BAD_RESOURCE);
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DESTROY_QP, number), CMD_BAD_RESOURCE);
	assert_int_equal(dc_command(b, MLX5_CMD_OP_QUERY_QP, number), CMD_BAD_RESOURCE);
	assert_int_equal(dc_command(f->pair.on[0], MLX5_CMD_OP_DRAIN_DCT, f->second.number),
			 CMD_BAD_RESOURCE);
	assert_null(query(f->pair.on[0], f->second.number));
	/* what it refers to is in use */
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DESTROY_CQ, f->pair.cq[1].number),
			 CMD_BAD_RESOURCE_STATE);
	assert_int_equal(dc_command(b, b->dev.issi ? MLX5_CMD_OP_DESTROY_RMP : MLX5_CMD_OP_DESTROY_SRQ,
				 f->srq.number), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DEALLOC_PD, pd), CMD_BAD_RESOURCE_STATE);
	/* drained once, then destroyed once */
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DESTROY_DCT, number), CMD_BAD_RESOURCE_STATE);
	assert_null(dc_event(b));
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DRAIN_DCT, number), CMD_OK);
	event = dc_event(b);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_DCT_DRAINED);
	assert_int_equal(get_be32(event + 32 + 24), number);
	assert_int_equal(IFC_GET(dctc, query(b, number), state), MLX5_DCTC_STATE_DRAINED);
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DRAIN_DCT, number), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DESTROY_DCT, number), CMD_OK);
	assert_int_equal(dc_command(b, MLX5_CMD_OP_DESTROY_DCT, number), CMD_BAD_RESOURCE);
	assert_int_equal(dc_command(b, MLX5_CMD_OP_ARM_DCT_FOR_KEY_VIOLATION, number),
			 CMD_BAD_RESOURCE);
	assert_null(query(b, number));
	assert_int_equal(dc_command(b, b->dev.issi ? MLX5_CMD_OP_DESTROY_RMP : MLX5_CMD_OP_DESTROY_SRQ,
				 f->srq.number), CMD_OK);
}

static const uint32_t lengths[] = { 1, 63, 4084, 4085, 4086, 4096, 4097, 5000, 8000 };
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static void test_send(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	const uint8_t *cqe;
	size_t i;

	for (i = 0; i < LENGTHS; i++) {
		struct stand_wr wr = dc_request(f, WQE_SEND_IMM, lengths[i]);
		uint8_t after;

		wr.immediate = 0x11223344 + i;
		memset(pair_at(p, 1, 0), 0, PAIR_SIZE);
		after = *pair_at(p, 1, 9 + lengths[i]) = 0x5a;
		dc_receive(f, 9, p->key[1], 8100);
		pair_send(p, &wr);
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
		cqe = pair_complete(p, 1, CQE_RECEIVE_SEND_IMM, SYNDROME_OK, lengths[i]);
		assert_int_equal(get_be32(cqe + 36), wr.immediate);
		assert_int_equal(get_be32(cqe + 24), p->qp[0].number);
		assert_int_equal(get_be32(cqe + 32), p->on[1]->dev.issi ? DC_INDEX : f->srq.number);
		assert_memory_equal(pair_at(p, 1, 9), pair_at(p, 0, 11), lengths[i]);
		assert_int_equal(*pair_at(p, 1, 9 + lengths[i]), after);
		assert_int_equal(*pair_at(p, 1, 8), 0);
	}
	pair_silent(p, 0);
	pair_silent(p, 1);
}

static void test_write_read(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	size_t i;

	for (i = 0; i < LENGTHS; i++) {
		struct stand_wr wr = dc_request(f, WQE_WRITE, lengths[i]);

		memset(pair_at(p, 1, 0), i, PAIR_SIZE);
		pair_send(p, &wr);
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
		assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), lengths[i]);
		assert_int_equal(*pair_at(p, 1, 4), i);
		assert_int_equal(*pair_at(p, 1, 5 + lengths[i]), i);
		wr = dc_request(f, WQE_READ, lengths[i]);
		memset(pair_at(p, 0, 11), 0xee, lengths[i]);
		pair_send(p, &wr);
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, lengths[i]);
		assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), lengths[i]);
	}
	pair_silent(p, 1);
}

static void test_write_immediate(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_WRITE_IMM, 5000);

	dc_receive(f, 0, p->key[1], 8);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_WRITE_IMM, SYNDROME_OK, 5000);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 5000);
}

static void test_atomic(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_FETCH_ADD, 8);
	uint64_t value = 40;

	wr.remote = p->buffer[1] + 8;
	wr.add = 2;
	memcpy(pair_at(p, 1, 8), &value, 8);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	memcpy(&value, pair_at(p, 0, 11), 8);
	assert_int_equal(value, 40);
	memcpy(&value, pair_at(p, 1, 8), 8);
	assert_int_equal(value, 42);
	/* not allowed by the target */
	IFC_SET(qpc, dc_target(f)->context, rae, 0);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_INVALID, 0);
}

static void expect_no_answer(struct dc_fixture *f, const struct stand_wr *wr)
{
	struct pair *p = &f->pair;
	uint64_t wqes = p->on[0]->dev.stats.wqes;

	pair_send(p, wr);
	/* on a slow machine the timer has expired already */
	pair_wait(p, wqes + 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
	assert_int_equal(dc_initiator(f)->state, QP_ERROR);
	pair_silent(p, 1);
}

static void test_wrong_key(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand *b = p->on[1];
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);
	uint8_t before = *pair_at(p, 1, 5);
	const uint8_t *event;

	wr.dc_key = DC_OTHER_KEY;
	assert_int_equal(dc_command(b, MLX5_CMD_OP_ARM_DCT_FOR_KEY_VIOLATION, p->qp[1].number),
			 CMD_OK);
	expect_no_answer(f, &wr);
	assert_int_equal(*pair_at(p, 1, 5), before);
	/* two attempts, and one event */
	assert_int_equal(IFC_GET(dctc, query(b, p->qp[1].number), dc_access_key_violation_count),
			 2);
	event = dc_event(b);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_DCT_KEY_VIOLATION);
	assert_int_equal(get_be32(event + 32 + 24), p->qp[1].number);
	assert_null(dc_event(b));
	/* the target still serves others */
	wr.dc_key = DC_KEY;
	stand_post(p->on[0], &f->second, &wr);
	stand_run(p->on[0]);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 64);
}

static void test_no_target(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);
	struct stand_qp wrong = f->second;

	/* a queue pair of another service */
	wr.datagram = &wrong;
	wrong.lid = f->pair.on[0]->dev.lid;
	expect_no_answer(f, &wr);
}

static void test_wrong_lid(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);
	struct stand_qp wrong = f->pair.qp[1];

	wr.datagram = &wrong;
	wrong.lid = 77;
	expect_no_answer(f, &wr);
}

static void test_wrong_gid(void **state)
{
	static const uint8_t gid[16] = { 0xfe, 0x80, 1 };
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);

	wr.gid = gid;
	expect_no_answer(f, &wr);
}

static void test_drained(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_SEND, 64);

	dc_receive(f, 0, f->pair.key[1], 100);
	assert_int_equal(dc_command(f->pair.on[1], MLX5_CMD_OP_DRAIN_DCT, f->pair.qp[1].number),
			 CMD_OK);
	expect_no_answer(f, &wr);
}

/* A request to a target of another number, from a queue pair that is not an initiator */
static void test_not_an_initiator(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);

	p->qp[0] = stand_create_qp(p->on[0], &p->cq[0], QP_RC);
	stand_connect(p->on[0], &p->qp[0], &p->qp[1]);
	expect_no_answer(f, &wr);
}

/* Errors of a request end the initiator, and leave the target as it is */
static void expect_error(struct dc_fixture *f, const struct stand_wr *wr, enum syndrome syndrome,
			 enum syndrome received)
{
	struct pair *p = &f->pair;
	struct stand_wr next = dc_request(f, WQE_SEND, 64);

	pair_send(p, wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, syndrome, 0);
	assert_int_equal(dc_initiator(f)->state, QP_ERROR);
	if (received != SYNDROME_OK)
		pair_complete(p, 1, CQE_RECEIVE_ERROR, received, 0);
	pair_silent(p, 1);
	assert_null(dc_event(p->on[1]));
	dc_receive(f, 64, p->key[1], 100);
	stand_post(p->on[0], &f->second, &next);
	stand_run(p->on[0]);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 64);
	assert_memory_equal(pair_at(p, 1, 64), pair_at(p, 0, 11), 64);
}

static void test_remote_access(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);

	wr.rkey++;
	expect_error(f, &wr, SYNDROME_REMOTE_ACCESS, SYNDROME_OK);
}

static void test_remote_domain(void **state)
{
	struct dc_fixture *f = *state;
	struct stand *b = f->pair.on[1];
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);
	uint32_t pd = b->pd;

	b->pd = stand_number(b, MLX5_CMD_OP_ALLOC_PD);
	wr.rkey = stand_register(b, f->pair.buffer[1], PAIR_SIZE, 12, true);
	b->pd = pd;
	expect_error(f, &wr, SYNDROME_REMOTE_ACCESS, SYNDROME_OK);
}

static void test_remote_range(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_READ, 64);

	wr.remote = UINT64_MAX - 10;
	expect_error(f, &wr, SYNDROME_REMOTE_ACCESS, SYNDROME_OK);
}

static void test_not_allowed(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_READ, 64);

	IFC_SET(qpc, dc_target(f)->context, rre, 0);
	expect_error(f, &wr, SYNDROME_REMOTE_INVALID, SYNDROME_OK);
}

static void test_local_protection(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_WRITE, 64);

	wr.lkey++;
	expect_error(f, &wr, SYNDROME_LOCAL_PROTECTION, SYNDROME_OK);
}

static void test_short_receive(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_SEND, 200);

	dc_receive(f, 0, f->pair.key[1], 100);
	expect_error(f, &wr, SYNDROME_REMOTE_INVALID, SYNDROME_LOCAL_LENGTH);
}

static void test_receive_protection(void **state)
{
	struct dc_fixture *f = *state;
	struct stand_wr wr = dc_request(f, WQE_SEND, 200);

	dc_receive(f, 0, f->pair.key[1] + 1, 1000);
	expect_error(f, &wr, SYNDROME_REMOTE_OPERATION, SYNDROME_LOCAL_PROTECTION);
}

/* A WQE without room for its address vector, or that ends in it */
static void test_truncated(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_SEND, 0);
	uint8_t *ring = stand_at(p->on[0], p->qp[0].sq);
	unsigned int units;

	for (units = 1; units < 4; units++) {
		uint16_t at = p->qp[0].sq_next;

		stand_post(p->on[0], &p->qp[0], &wr);
		ring[at * 64 + 7] = units;
		stand_run(p->on[0]);
		pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_LOCAL_OPERATION, 0);
		stand_modify(p->on[0], &p->qp[0], MLX5_CMD_OP_2RST_QP, NULL);
		p->qp[0].sq_next = 0;
		put_be64(stand_at(p->on[0], p->qp[0].doorbell), 0);
		stand_connect(p->on[0], &p->qp[0], NULL);
	}
}

static void test_not_ready(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_SEND, 200);

	pair_send(p, &wr);
	pair_silent(p, 0);
	assert_int_equal(PAIR_TOTAL(p, rnr_waits), 1);
	dc_receive(f, 0, p->key[1], 1000);
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
}

static void test_not_ready_error(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_SEND, 200);

	IFC_SET(qpc, ((struct qp *)dc_initiator(f))->context, rnr_retry, 1);
	pair_send(p, &wr);
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RNR_RETRY, 0);
	assert_int_equal(PAIR_TOTAL(p, rnr_waits), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DC_TEST_NEW(test_create),
		DC_TEST_NEW(test_life),
		DC_TEST_NEW(test_send),
		DC_TEST(test_write_read),
		DC_TEST_NEW(test_write_immediate),
		DC_TEST(test_atomic),
		DC_TEST(test_wrong_key),
		DC_TEST(test_no_target),
		DC_TEST(test_wrong_lid),
		DC_TEST(test_wrong_gid),
		DC_TEST(test_drained),
		DC_TEST(test_not_an_initiator),
		DC_TEST(test_remote_access),
		DC_TEST(test_remote_domain),
		DC_TEST(test_remote_range),
		DC_TEST(test_not_allowed),
		DC_TEST(test_local_protection),
		DC_TEST_NEW(test_short_receive),
		DC_TEST(test_receive_protection),
		DC_TEST(test_truncated),
		DC_TEST(test_not_ready),
		DC_TEST(test_not_ready_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
