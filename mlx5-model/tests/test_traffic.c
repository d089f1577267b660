// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Work requests between two queue pairs: with and without page faults, success and errors. */
#include "pair.h"

#include <time.h>

static struct pair pair;

static int setup_pair(void **state, enum dev_scheme scheme, unsigned int devices)
{
	pair_init(&pair, &(struct dev_options){ .scheme = scheme }, devices, QP_RC);
	*state = &pair;
	return 0;
}

static int setup(void **state)
{
	return setup_pair(state, SCHEME_TRANSPORT, 1);
}

static int setup_two(void **state)
{
	return setup_pair(state, SCHEME_TRANSPORT, 2);
}

static int setup_memory(void **state)
{
	return setup_pair(state, SCHEME_MEMORY, 1);
}

static int setup_two_memory(void **state)
{
	return setup_pair(state, SCHEME_MEMORY, 2);
}

static int setup_in_umems(void **state)
{
	pair_init_in_umems(&pair);
	*state = &pair;
	return 0;
}

static int setup_delay(void **state)
{
	pair_init(&pair, &(struct dev_options){ .delay_seed = 7 }, 2, QP_RC);
	*state = &pair;
	return 0;
}

static int teardown(void **state)
{
	pair_destroy(*state);
	return 0;
}

static void test_write(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 5000);
	uint8_t before = *pair_at(p, 1, 4), after = *pair_at(p, 1, 5005);

	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_silent(p, 1);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11),
			    5000);
	assert_int_equal(*pair_at(p, 1, 4), before);
	assert_int_equal(*pair_at(p, 1, 5005), after);
	assert_int_equal(PAIR_TOTAL(p, bytes_written), 5000);
}

static void test_read(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_READ, 5000);

	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 5000);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11),
			    5000);
}

static void test_send(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND_IMM, 3000);
	const uint8_t *cqe;

	wr.immediate = 0x11223344;
	pair_receive(p, 64, 4000);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND_IMM, SYNDROME_OK, 3000);
	assert_int_equal(get_be32(cqe + 36), 0x11223344);
	assert_memory_equal(pair_at(p, 1, 64), pair_at(p, 0, 11),
			    3000);
}

/* Drivers that choose no byte order of the response, or cannot, get that of the wire */
static void test_atomics_big_endian(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_FETCH_ADD, 8);
	uint64_t value = 0x1122334455667788;

	IFC_SET(atomic_caps, p->on[0]->dev.caps_atomic, atomic_req_8B_endianness_mode, 0);
	wr.remote = p->buffer[1] + 8;
	wr.add = 2;
	memcpy(pair_at(p, 1, 8), &value, 8);
	pair_send(p, &wr);
	assert_true(get_be64(pair_at(p, 0, 11)) == value);
	value += 2;
	assert_memory_equal(pair_at(p, 1, 8), &value, 8);
	wr.opcode = WQE_COMPARE_SWAP;
	wr.compare = value;
	wr.add = 7;
	pair_send(p, &wr);
	assert_true(get_be64(pair_at(p, 0, 11)) == value);
	value = 7;
	assert_memory_equal(pair_at(p, 1, 8), &value, 8);
}

static void test_atomics(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_FETCH_ADD, 8);
	uint64_t value = 40, result;

	wr.remote = p->buffer[1] + 8;
	wr.add = 2;
	memcpy(pair_at(p, 1, 8), &value, 8);
	pair_send(p, &wr);
	wr.opcode = WQE_COMPARE_SWAP;
	wr.compare = 42;
	wr.add = 7;
	wr.address += 8;
	pair_send(p, &wr);
	wr.address += 8;
	pair_send(p, &wr);
	memcpy(&result, pair_at(p, 0, 11), 8);
	assert_int_equal(result, 40);
	memcpy(&result, pair_at(p, 0, 19), 8);
	assert_int_equal(result, 42);
	memcpy(&result, pair_at(p, 0, 27), 8);
	assert_int_equal(result, 7);
	memcpy(&value, pair_at(p, 1, 8), 8);
	assert_int_equal(value, 7);
	wr.remote++;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_INVALID, 0);
}

static void test_wrap(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	unsigned int i;

	/* several times around the send queue and the completion queue */
	for (i = 0; i < 1000; i++) {
		pair_send(p, &wr);
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	}
	wr.unsignaled = true;
	pair_send(p, &wr);
	pair_silent(p, 0);
}

static void test_access_error(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	const uint8_t *event;

	pair_receive(p, 0, 100);
	pair_receive(p, 0, 100);
	wr.rkey++;
	stand_post(p->on[0], &p->qp[0], &wr);
	stand_post(p->on[0], &p->qp[0], &wr);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_FLUSHED, 0);
	pair_silent(p, 0);
	/* the responder gets an event, and its queue is flushed */
	event = stand_event(p->on[1], p->on[1]->async_ring, &p->on[1]->async_seen);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_QP_ACCESS_ERROR);
	assert_int_equal(get_be32(event + 32 + 24), p->qp[1].number);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED, 0);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED, 0);
	pair_silent(p, 1);
}

static void test_local_errors(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);

	wr.lkey++;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_LOCAL_PROTECTION, 0);
}

static void test_short_receive(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);

	pair_receive(p, 0, 100);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_INVALID, 0);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_LOCAL_LENGTH, 0);
}

static void test_not_ready(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);

	pair_send(p, &wr);
	pair_silent(p, 0);
	assert_int_equal(PAIR_TOTAL(p, rnr_waits), 1);
	pair_receive(p, 0, 4000);
	/* there is no doorbell: found by polling */
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
}

static void test_no_peer(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);

	stand_modify(p->on[1], &p->qp[1], MLX5_CMD_OP_2RST_QP, NULL);
	pair_send(p, &wr);
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
}

/* Errors that hardware would not check, or not report */
static void test_strict(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	struct stats *stats = &p->on[0]->dev.stats;
	uint8_t *ring = stand_at(p->on[0], p->qp[0].sq);
	unsigned int i;
	static const struct {
		unsigned int byte;
		uint8_t bit;
	} wrong[] = { { 7, 0x40 }, { 9, 1 }, { 10, 1 }, { 11, 0x10 }, { 2, 0x80 }, { 6, 0x20 } };

	p->on[0]->dev.options.strict = true;
	pair_send(p, &wr);
	assert_int_equal(stats->strict_reports, 0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		stand_post(p->on[0], &p->qp[0], &wr);
		ring[(i + 1) * 64 + wrong[i].byte] ^= wrong[i].bit;
		stand_run(p->on[0]);
		assert_int_equal(stats->strict_reports, i + 1);
	}
	assert_int_equal(stats->completion_errors, 0);
}

/* Local, remote and receive side: an event, nothing moved, then resume */
static void test_fault(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 5000);
	uint32_t local = pair_absent(p, 0);
	uint32_t remote = pair_absent(p, 1);
	bool memory = p->on[0]->dev.options.scheme == SCHEME_MEMORY;
	const uint8_t *event;
	uint8_t before = *pair_at(p, 1, 5);

	wr.lkey = local;
	wr.rkey = remote;
	pair_send(p, &wr);
	event = pair_fault(p, 0);
	assert_non_null(event);
	assert_int_equal(event[3], memory ? 2 : 0);
	if (memory) {
		assert_int_equal(get_be32(event + 32 + 16), local);
		assert_int_equal(get_be64(event + 32 + 20), p->buffer[0]);
		assert_int_equal(get_be32(event + 32 + 12) >> 12, 2);
	} else {
		assert_int_equal(get_be32(event + 32 + 24), 1 << 24 | p->qp[0].number);
		assert_int_equal(get_be16(event + 32 + 6), 0);
	}
	pair_fill(p, 0, local);
	assert_int_equal(stand_resume(p->on[0], event, false), CMD_OK);
	stand_run(p->on[0]);
	/* now the other side */
	event = pair_fault(p, 1);
	assert_non_null(event);
	assert_int_equal(event[3], memory ? 2 : 1);
	if (!memory) {
		assert_int_equal(get_be32(event + 32 + 4), remote);
		assert_int_equal(get_be32(event + 32 + 12), 5000);
		assert_int_equal(get_be64(event + 32 + 16), wr.remote);
	}
	assert_int_equal(*pair_at(p, 1, 5), before);
	pair_silent(p, 0);
	pair_fill(p, 1, remote);
	stand_resume(p->on[1], event, false);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11),
			    5000);
	assert_int_equal(PAIR_TOTAL(p, page_faults), 2);
	assert_int_equal(PAIR_TOTAL(p, page_faults_resumed), 2);
}

static void test_fault_receive(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 5000);
	uint32_t key = pair_absent(p, 1);
	const uint8_t *event;

	stand_receive(p->on[1], &p->qp[1], p->buffer[1], key, 6000);
	pair_send(p, &wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	if (event[3] == 0)
		assert_int_equal(get_be32(event + 32 + 24), 2 << 24 | p->qp[1].number);
	pair_fill(p, 1, key);
	stand_resume(p->on[1], event, false);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 5000);
}

static void test_fault_error(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	const uint8_t *event;

	wr.rkey = pair_absent(p, 1);
	pair_send(p, &wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	stand_resume(p->on[1], event, true);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	assert_int_equal(PAIR_TOTAL(p, page_faults_failed), 1);
	/* a second resume has nothing to resume */
	assert_int_equal(stand_resume(p->on[1], event, false), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(PAIR_TOTAL(p, page_faults_resumed), 1);
}

/* A service without the capability meets an absent entry: an error, no event, and a report */
static void test_fault_not_announced(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	const struct stats *stats = &p->on[0]->dev.stats;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		p->on[i]->dev.options.strict = true;
		IFC_SET(odp_cap, p->on[i]->dev.caps_odp,
			transport_page_fault_scheme_cap.rc_odp_caps.write, 0);
	}
	wr.rkey = pair_absent(p, 1);
	pair_send(p, &wr);
	assert_null(pair_fault(p, 1));
	assert_int_equal(PAIR_TOTAL(p, strict_reports), 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	assert_int_equal(stats->page_faults, 0);
}

/* Changes one byte of the event that the driver answers */
static uint8_t answer_wrong(struct stand *b, const uint8_t *event, unsigned int byte)
{
	uint8_t wrong[64];

	memcpy(wrong, event, sizeof(wrong));
	wrong[32 + byte] ^= 1;
	return stand_resume(b, wrong, false);
}

/* An answer that is not to a fault of the device is refused and reported, and changes nothing */
static void test_fault_wrong_answers(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	bool memory = p->on[0]->dev.options.scheme == SCHEME_MEMORY;
	struct stand *b = p->on[0];
	const uint64_t *reports = &b->dev.stats.strict_reports;
	uint32_t key = pair_absent(p, 0);
	const uint8_t *event;
	uint64_t before;

	b->dev.options.strict = true;
	wr.lkey = key;
	pair_send(p, &wr);
	event = pair_fault(p, 0);
	assert_non_null(event);
	before = *reports;
	/* another token; type and number, or the token's other parts */
	assert_int_equal(answer_wrong(b, event, memory ? 11 : 15), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(answer_wrong(b, event, memory ? 8 : 24), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(answer_wrong(b, event, memory ? 7 : 27), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(*reports, before + 3);
	stand_run(b);
	assert_int_equal(b->dev.stats.page_faults_resumed, 0);
	pair_silent(p, 0);
	pair_fill(p, 0, key);
	assert_int_equal(stand_resume(b, event, false), CMD_OK);
	stand_run(b);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_int_equal(*reports, before + 3);
	assert_int_equal(stand_resume(b, event, false), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(*reports, before + 4);
	/* all 48 bits of a token are used */
	if (memory)
		assert_true(get_be16(event + 32 + 6) && event[32 + 8]);
}

static void test_fault_stalls_one(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64), other;
	const uint8_t *event;

	wr.rkey = pair_absent(p, 1);
	pair_send(p, &wr);
	/* the other direction continues */
	other = (struct stand_wr){
		.opcode = WQE_WRITE, .remote = p->buffer[0], .rkey = p->key[0],
		.address = p->buffer[1], .lkey = p->key[1], .length = 64,
	};
	stand_post(p->on[1], &p->qp[1], &other);
	stand_run(p->on[0]);
	pair_complete(p, 1, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_silent(p, 0);
	/* resetting the queue pair drops its fault */
	event = pair_fault(p, 1);
	stand_modify(p->on[0], &p->qp[0], MLX5_CMD_OP_2RST_QP, NULL);
	assert_int_equal(PAIR_TOTAL(p, page_faults_dropped), 1);
	assert_int_equal(stand_resume(p->on[1], event, false), CMD_OK);
	stand_run(p->on[0]);
	pair_silent(p, 0);
}

/* Delayed events arrive without further action of the driver */
static void test_delay(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	uint64_t end = dev_now() + 120000000000ull;
	const uint8_t *event = NULL;
	int timeout = 0;

	wr.rkey = pair_absent(p, 1);
	stand_run(p->on[0]);
	stand_post(p->on[0], &p->qp[0], &wr);
	while (!p->on[1]->interrupts[1] && dev_now() < end) {
		assert_true(timeout >= 0);
		timeout = model_work(&p->fabric);
		if (!event)
			event = pair_fault(p, 1);
	}
	assert_int_equal(p->on[1]->interrupts[1], 1);
	assert_non_null(event);
}

/* On one device and between two */
#define TEST(name)                                              \
	{ #name, name, setup, teardown, NULL },                 \
	{ #name "_two", name, setup_two, teardown, NULL }
/* Tests with page faults run in both schemes */
#define TEST_FAULT(name)                                        \
	TEST(name),                                             \
	{ #name "_memory", name, setup_memory, teardown, NULL }, \
	{ #name "_two_memory", name, setup_two_memory, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_write),
		TEST(test_read),
		TEST(test_send),
		TEST(test_atomics),
		TEST(test_atomics_big_endian),
		TEST(test_wrap),
		TEST(test_access_error),
		TEST(test_local_errors),
		TEST(test_short_receive),
		TEST(test_not_ready),
		TEST(test_no_peer),
		TEST(test_strict),
		TEST_FAULT(test_fault),
		TEST_FAULT(test_fault_receive),
		TEST_FAULT(test_fault_error),
		TEST(test_fault_not_announced),
		TEST_FAULT(test_fault_wrong_answers),
		TEST_FAULT(test_fault_stalls_one),
		{ "test_write_in_umems", test_write, setup_in_umems, teardown, NULL },
		{ "test_send_in_umems", test_send, setup_in_umems, teardown, NULL },
		{ "test_wrap_in_umems", test_wrap, setup_in_umems, teardown, NULL },
		{ "test_delay", test_delay, setup_delay, teardown, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
