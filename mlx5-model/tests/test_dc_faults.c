// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The dynamically connected transport: page faults, and the end of either side during a message. */
#include "dc.h"

#include "data/fault.h"

static int setup_mix(void **state)
{
	return dc_setup_with(state, &(struct dev_options){ .fault_seed = 5, .strict = true }, 2);
}

static int setup_mix_memory(void **state)
{
	return dc_setup_with(state, &(struct dev_options){ .fault_seed = 5, .strict = true,
							.scheme = SCHEME_MEMORY }, 2);
}

static const uint8_t *fault(struct dc_fixture *f, unsigned int side)
{
	const uint8_t *event = pair_fault(&f->pair, side);

	assert_non_null(event);
	return event;
}

static void resume(struct dc_fixture *f, unsigned int side, uint32_t key, const uint8_t *event)
{
	pair_fill(&f->pair, side, key);
	assert_int_equal(stand_resume(f->pair.on[side], event, false), CMD_OK);
	stand_run(f->pair.on[0]);
}

static void test_fault(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_WRITE, 5000);
	uint32_t local = pair_absent(p, 0), remote = pair_absent(p, 1);
	bool memory = p->on[0]->dev.options.scheme == SCHEME_MEMORY;
	uint8_t before = *pair_at(p, 1, 5);
	const uint8_t *event;

	wr.lkey = local;
	wr.rkey = remote;
	pair_send(p, &wr);
	event = fault(f, 0);
	assert_int_equal(event[3], memory ? 2 : 0);
	if (!memory) {
		assert_int_equal(get_be32(event + 32 + 24),
				 FAULT_WQ_REQUESTER << 24 | p->qp[0].number);
		assert_int_equal(get_be16(event + 32 + 6), 0);
	}
	resume(f, 0, local, event);
	event = fault(f, 1);
	assert_int_equal(event[3], memory ? 2 : 1);
	if (!memory) {
		assert_int_equal(get_be32(event + 32 + 4), remote);
		assert_int_equal(get_be32(event + 32 + 12), 5000);
		assert_int_equal(get_be64(event + 32 + 16), wr.remote);
	}
	assert_int_equal(*pair_at(p, 1, 5), before);
	resume(f, 1, remote, event);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 5000);
}

static void test_fault_receive(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_SEND, 5000);
	uint32_t key = pair_absent(p, 1);
	const uint8_t *event;

	dc_receive(f, 16, p->key[1], 100);
	dc_receive(f, 16, key, 6000);
	wr.length = 100;
	pair_send(p, &wr);
	wr.length = 5000;
	pair_send(p, &wr);
	event = fault(f, 1);
	if (event[3] == 0) {
		/* the WQE is that of the SRQ */
		assert_int_equal(get_be32(event + 32 + 24), FAULT_WQ_SRQ << 24 | f->srq.number);
		assert_int_equal(get_be16(event + 32 + 6), 1);
	}
	resume(f, 1, key, event);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 100);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 5000);
	assert_memory_equal(pair_at(p, 1, 16), pair_at(p, 0, 11), 5000);
}

/* While one initiator waits for a page fault of the target, another one is served */
static void test_two_initiators(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_SEND, 3000), other = dc_request(f, WQE_SEND, 70);
	uint32_t key = pair_absent(p, 1);
	const uint8_t *event, *cqe;

	dc_receive(f, 0, key, 3000);
	dc_receive(f, 5000, p->key[1], 100);
	other.address += 4000;
	pair_send(p, &wr);
	event = fault(f, 1);
	stand_post(p->on[0], &f->second, &other);
	stand_run(p->on[0]);
	pair_silent(p, 0);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 70);
	assert_int_equal(get_be32(cqe + 24), f->second.number);
	assert_int_equal(get_be16(cqe + 60), 1);
	assert_memory_equal(pair_at(p, 1, 5000), pair_at(p, 0, 4011), 70);
	resume(f, 1, key, event);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 3000);
	assert_int_equal(get_be32(cqe + 24), p->qp[0].number);
	assert_int_equal(get_be16(cqe + 60), 0);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_memory_equal(pair_at(p, 1, 0), pair_at(p, 0, 11), 3000);
	assert_memory_equal(pair_at(p, 1, 5000), pair_at(p, 0, 4011), 70);
}

static void test_fault_error(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_SEND, 64);

	dc_receive(f, 0, pair_absent(p, 1), 100);
	pair_send(p, &wr);
	assert_int_equal(stand_resume(p->on[1], fault(f, 1), true), CMD_OK);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_OPERATION, 0);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_LOCAL_PROTECTION, 0);
	wr = dc_request(f, WQE_WRITE, 64);
	wr.rkey = pair_absent(p, 1);
	p->qp[0] = f->second;
	p->cq[0] = f->cq;
	pair_send(p, &wr);
	assert_int_equal(stand_resume(p->on[1], fault(f, 1), true), CMD_OK);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	assert_int_equal(dc_target(f)->dct->state, DCT_ACTIVE);
}

/* Without the capability, an absent entry is an error, without an event, and a report */
static void test_fault_not_announced(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = dc_request(f, WQE_SEND, 64);

	p->on[1]->dev.options.strict = true;
	IFC_SET(odp_cap, p->on[1]->dev.caps_odp,
		transport_page_fault_scheme_cap.dc_odp_caps.srq_receive, 0);
	dc_receive(f, 0, pair_absent(p, 1), 100);
	pair_send(p, &wr);
	assert_null(pair_fault(p, 1));
	assert_int_equal(p->on[1]->dev.stats.strict_reports, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_OPERATION, 0);
}

/* Stops the first initiator in the middle of a message: its target has taken a receive WQE */
static const uint8_t *halt(struct dc_fixture *f)
{
	struct stand_wr wr = dc_request(f, WQE_SEND, 64);

	dc_receive(f, 0, pair_absent(&f->pair, 1), 100);
	pair_send(&f->pair, &wr);
	return fault(f, 1);
}

static void test_initiator_reset(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	const uint8_t *event = halt(f);

	stand_modify(p->on[0], &p->qp[0], MLX5_CMD_OP_2RST_QP, NULL);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_REMOTE_ABORTED, 0);
	assert_int_equal(stand_resume(p->on[1], event, false), CMD_OK);
	stand_run(p->on[0]);
	pair_silent(p, 0);
	pair_silent(p, 1);
}

static void test_initiator_destroyed(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;

	halt(f);
	assert_int_equal(dc_command(p->on[0], MLX5_CMD_OP_DESTROY_QP, p->qp[0].number), CMD_OK);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_REMOTE_ABORTED, 0);
}

static void test_initiator_lost(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;

	halt(f);
	model_reset(&p->on[0]->dev);
	if (p->on[0] != p->on[1])
		pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_REMOTE_ABORTED, 0);
	/* a device that is reset does not write to memory */
	pair_silent(p, 1);
}

static void test_target_drained(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;

	halt(f);
	assert_int_equal(dc_command(p->on[1], MLX5_CMD_OP_DRAIN_DCT, p->qp[1].number), CMD_OK);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_REMOTE_ABORTED, 0);
	assert_int_equal(dc_command(p->on[1], MLX5_CMD_OP_DESTROY_DCT, p->qp[1].number), CMD_OK);
	/* a new target with another receive queue does not get the message */
	p->on[1]->dev.qps.next = p->qp[1].number;
	f->srq = dc_create_srq(p->on[1], &p->cq[1]);
	stand_create_dct(p->on[1], &p->cq[1], &f->srq, DC_OTHER_KEY);
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
	pair_silent(p, 1);
}

static void test_target_lost(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;

	halt(f);
	assert_true(dc_initiator(f)->receive.held);
	model_reset(&p->on[1]->dev);
	assert_false(dc_initiator(f)->receive.held);
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
}

/* A hostile driver changes the WQE during the page fault: the first target's receive is over */
static void test_changed(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	const uint8_t *event = halt(f);
	struct stand_cq cq = stand_create_cq(p->on[1]);
	struct stand_qp other = stand_create_dct(p->on[1], &cq, &f->srq, DC_KEY);

	put_be32(stand_at(p->on[0], p->qp[0].sq) + 16 + 8, 1u << 31 | other.number);
	dc_receive(f, 512, p->key[1], 100);
	assert_int_equal(stand_resume(p->on[1], event, false), CMD_OK);
	stand_run(p->on[0]);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_REMOTE_ABORTED, 0);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_non_null(stand_poll(p->on[1], &cq));
	assert_memory_equal(pair_at(p, 1, 512), pair_at(p, 0, 11), 64);
}

/* Messages in parts, with a mix of page faults on all sides */
static void test_mix(void **state)
{
	struct dc_fixture *f = *state;
	struct pair *p = &f->pair;
	uint64_t end = dev_now() + 60000000000ull;
	unsigned int i, j, side;

	for (i = 0; i < 40; i++) {
		struct stand_wr wr = dc_request(f, i & 1 ? WQE_SEND : WQE_WRITE, 8000);
		uint32_t key[2] = { pair_absent(p, 0), pair_absent(p, 1) };

		for (j = 0; j < PAIR_SIZE; j++)
			*pair_at(p, 0, j) = j * 3 + i;
		wr.lkey = key[0];
		wr.rkey = key[1];
		if (i & 1)
			dc_receive(f, 5, key[1], 8100);
		stand_post(p->on[0], &p->qp[0], &wr);
		while (dc_initiator(f)->sq_head != p->qp[0].sq_next) {
			assert_true(dev_now() < end);
			model_work(&p->fabric);
			for (side = 0; side < 2; side++) {
				const uint8_t *event = pair_fault(p, side);

				if (!event)
					continue;
				pair_fill(p, side, key[side]);
				stand_resume(p->on[side], event, false);
			}
		}
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
		if (i & 1)
			pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 8000);
		assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 8000);
	}
	assert_true(PAIR_TOTAL(p, page_faults) > 40);
	assert_int_equal(PAIR_TOTAL(p, strict_reports), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DC_TEST_FAULT(test_fault),
		DC_TEST_FAULT(test_fault_receive),
		DC_TEST_FAULT(test_two_initiators),
		DC_TEST_FAULT(test_fault_error),
		DC_TEST(test_fault_not_announced),
		DC_TEST_FAULT(test_initiator_reset),
		DC_TEST(test_initiator_destroyed),
		DC_TEST(test_initiator_lost),
		DC_TEST(test_target_drained),
		{ "test_target_lost", test_target_lost, dc_setup_two, dc_teardown, NULL },
		DC_TEST(test_changed),
		{ "test_mix", test_mix, setup_mix, dc_teardown, NULL },
		{ "test_mix_memory", test_mix, setup_mix_memory, dc_teardown, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
