// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Work requests between two queue pairs, with and without page faults, well and badly. */
#include "unit.h"

#include "bench.h"

#include <time.h>

#define SIZE 8192

struct fixture {
	struct bench b;
	struct bench_cq cq[2];
	struct bench_qp qp[2];
	uint64_t buffer[2];
	uint32_t key[2];
};

static void fixture_init(struct fixture *f, const struct dev_options *options)
{
	unsigned int i, j;

	memset(f, 0, sizeof(*f));
	bench_init(&f->b, options);
	for (i = 0; i < 2; i++) {
		f->cq[i] = bench_create_cq(&f->b);
		f->qp[i] = bench_create_qp(&f->b, &f->cq[i], QP_RC);
		f->buffer[i] = bench_alloc(&f->b, SIZE, 4096);
		f->key[i] = bench_register(&f->b, f->buffer[i], SIZE, 12, true);
		for (j = 0; j < SIZE; j++)
			bench_at(&f->b, f->buffer[i])[j] = j * 7 + i * 100;
	}
	bench_connect(&f->b, &f->qp[0], &f->qp[1]);
	bench_connect(&f->b, &f->qp[1], &f->qp[0]);
}

static int setup(void **state)
{
	static struct fixture f;

	fixture_init(&f, NULL);
	*state = &f;
	return 0;
}

static int setup_memory(void **state)
{
	static struct fixture f;

	fixture_init(&f, &(struct dev_options){ .scheme = SCHEME_MEMORY });
	*state = &f;
	return 0;
}

static int setup_delay(void **state)
{
	static struct fixture f;

	fixture_init(&f, &(struct dev_options){ .delay_seed = 7 });
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	bench_destroy(&f->b);
	return 0;
}

static void assert_completion(struct fixture *f, unsigned int side, enum cqe_opcode opcode,
			      enum syndrome syndrome, uint32_t bytes)
{
	const uint8_t *cqe = bench_poll(&f->b, &f->cq[side]);

	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, opcode);
	if (opcode == CQE_REQUESTER_ERROR || opcode == CQE_RECEIVE_ERROR)
		assert_int_equal(cqe[55], syndrome);
	else
		assert_int_equal(get_be32(cqe + 44), bytes);
	assert_int_equal(get_be32(cqe + 56) & 0xffffff, f->qp[side].number);
}

static struct bench_wr request(const struct fixture *f, uint8_t opcode, uint32_t length)
{
	return (struct bench_wr){
		.opcode = opcode,
		.remote = f->buffer[1] + 5,
		.rkey = f->key[1],
		.address = f->buffer[0] + 11,
		.lkey = f->key[0],
		.length = length,
	};
}

static void send_one(struct fixture *f, const struct bench_wr *wr)
{
	bench_post(&f->b, &f->qp[0], wr);
	bench_run(&f->b);
}

static void test_write(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 5000);
	uint8_t before = bench_at(&f->b, f->buffer[1])[4], after = bench_at(&f->b, f->buffer[1])[5005];

	send_one(f, &wr);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_null(bench_poll(&f->b, &f->cq[1]));
	assert_memory_equal(bench_at(&f->b, f->buffer[1]) + 5, bench_at(&f->b, f->buffer[0]) + 11,
			    5000);
	assert_int_equal(bench_at(&f->b, f->buffer[1])[4], before);
	assert_int_equal(bench_at(&f->b, f->buffer[1])[5005], after);
	assert_int_equal(f->b.dev.stats.bytes_written, 5000);
}

static void test_read(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_READ, 5000);

	send_one(f, &wr);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 5000);
	assert_memory_equal(bench_at(&f->b, f->buffer[1]) + 5, bench_at(&f->b, f->buffer[0]) + 11,
			    5000);
}

static void test_send(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_SEND_IMM, 3000);
	const uint8_t *cqe;

	wr.immediate = 0x11223344;
	bench_receive(&f->b, &f->qp[1], f->buffer[1] + 64, f->key[1], 4000);
	send_one(f, &wr);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	cqe = bench_poll(&f->b, &f->cq[1]);
	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, CQE_RECEIVE_SEND_IMM);
	assert_int_equal(get_be32(cqe + 36), 0x11223344);
	assert_int_equal(get_be32(cqe + 44), 3000);
	assert_memory_equal(bench_at(&f->b, f->buffer[1]) + 64, bench_at(&f->b, f->buffer[0]) + 11,
			    3000);
}

static void test_atomics(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_FETCH_ADD, 8);
	uint64_t value = 40, result;

	wr.remote = f->buffer[1] + 8;
	wr.add = 2;
	memcpy(bench_at(&f->b, wr.remote), &value, 8);
	send_one(f, &wr);
	wr.opcode = WQE_COMPARE_SWAP;
	wr.compare = 42;
	wr.add = 7;
	wr.address += 8;
	send_one(f, &wr);
	wr.address += 8;
	send_one(f, &wr);
	memcpy(&result, bench_at(&f->b, f->buffer[0]) + 11, 8);
	assert_int_equal(result, 40);
	memcpy(&result, bench_at(&f->b, f->buffer[0]) + 19, 8);
	assert_int_equal(result, 42);
	memcpy(&result, bench_at(&f->b, f->buffer[0]) + 27, 8);
	assert_int_equal(result, 7);
	memcpy(&value, bench_at(&f->b, wr.remote), 8);
	assert_int_equal(value, 7);
	wr.remote++;
	send_one(f, &wr);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 8);
	assert_completion(f, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_INVALID, 0);
}

static void test_wrap(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 64);
	unsigned int i;

	/* several times around the send queue and the completion queue */
	for (i = 0; i < 1000; i++) {
		send_one(f, &wr);
		assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	}
	wr.unsignaled = true;
	send_one(f, &wr);
	assert_null(bench_poll(&f->b, &f->cq[0]));
}

static void test_access_error(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 64);
	const uint8_t *event;

	bench_receive(&f->b, &f->qp[1], f->buffer[1], f->key[1], 100);
	bench_receive(&f->b, &f->qp[1], f->buffer[1], f->key[1], 100);
	wr.rkey++;
	bench_post(&f->b, &f->qp[0], &wr);
	bench_post(&f->b, &f->qp[0], &wr);
	bench_run(&f->b);
	assert_completion(f, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	assert_completion(f, 0, CQE_REQUESTER_ERROR, SYNDROME_FLUSHED, 0);
	assert_null(bench_poll(&f->b, &f->cq[0]));
	/* the responder is told, and its queue is flushed */
	event = bench_event(&f->b, f->b.async_ring, &f->b.async_seen);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_QP_ACCESS_ERROR);
	assert_int_equal(get_be32(event + 32 + 24), f->qp[1].number);
	assert_completion(f, 1, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED, 0);
	assert_completion(f, 1, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED, 0);
	assert_null(bench_poll(&f->b, &f->cq[1]));
}

static void test_local_errors(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 64);

	wr.lkey++;
	send_one(f, &wr);
	assert_completion(f, 0, CQE_REQUESTER_ERROR, SYNDROME_LOCAL_PROTECTION, 0);
}

static void test_short_receive(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_SEND, 200);

	bench_receive(&f->b, &f->qp[1], f->buffer[1], f->key[1], 100);
	send_one(f, &wr);
	assert_completion(f, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_INVALID, 0);
	assert_completion(f, 1, CQE_RECEIVE_ERROR, SYNDROME_LOCAL_LENGTH, 0);
}

static void test_not_ready(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_SEND, 200);

	send_one(f, &wr);
	assert_null(bench_poll(&f->b, &f->cq[0]));
	assert_int_equal(f->b.dev.stats.rnr_waits, 1);
	bench_receive(&f->b, &f->qp[1], f->buffer[1], f->key[1], 4000);
	/* nobody rings: found by looking again */
	while (f->b.dev.stats.wqes < 1)
		dev_work(&f->b.dev);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_completion(f, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
}

static void test_no_peer(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 64);

	bench_modify(&f->b, &f->qp[1], MLX5_CMD_OP_2RST_QP, 0);
	send_one(f, &wr);
	while (f->b.dev.stats.wqes < 1)
		dev_work(&f->b.dev);
	assert_completion(f, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
}

static void make_present(struct fixture *f, uint32_t key, uint64_t address)
{
	const uint64_t entries[8] = { address | 3, (address + 4096) | 3 };

	bench_update(&f->b, key, 0, entries, 8);
}

/* Local, remote and receive side: an event, nothing moved, then resume */
static void test_fault(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 5000);
	uint32_t local = bench_register(&f->b, f->buffer[0], SIZE, 12, false);
	uint32_t remote = bench_register(&f->b, f->buffer[1], SIZE, 12, false);
	bool memory = f->b.dev.options.scheme == SCHEME_MEMORY;
	const uint8_t *event;
	uint8_t before = bench_at(&f->b, f->buffer[1])[5];

	wr.lkey = local;
	wr.rkey = remote;
	send_one(f, &wr);
	event = bench_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	assert_non_null(event);
	assert_int_equal(event[3], memory ? 2 : 0);
	if (memory) {
		assert_int_equal(get_be32(event + 32 + 16), local);
		assert_int_equal(get_be64(event + 32 + 20), f->buffer[0]);
		assert_int_equal(get_be32(event + 32 + 12) >> 12, 2);
	} else {
		assert_int_equal(get_be32(event + 32 + 24), 1 << 24 | f->qp[0].number);
		assert_int_equal(get_be16(event + 32 + 6), 0);
	}
	make_present(f, local, f->buffer[0]);
	assert_int_equal(bench_resume(&f->b, event, false), CMD_OK);
	bench_run(&f->b);
	/* now the other side */
	event = bench_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	assert_non_null(event);
	assert_int_equal(event[3], memory ? 2 : 1);
	if (!memory) {
		assert_int_equal(get_be32(event + 32 + 4), remote);
		assert_int_equal(get_be32(event + 32 + 12), 5000);
		assert_int_equal(get_be64(event + 32 + 16), wr.remote);
	}
	assert_int_equal(bench_at(&f->b, f->buffer[1])[5], before);
	assert_null(bench_poll(&f->b, &f->cq[0]));
	make_present(f, remote, f->buffer[1]);
	bench_resume(&f->b, event, false);
	bench_run(&f->b);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_memory_equal(bench_at(&f->b, f->buffer[1]) + 5, bench_at(&f->b, f->buffer[0]) + 11,
			    5000);
	assert_int_equal(f->b.dev.stats.page_faults, 2);
	assert_int_equal(f->b.dev.stats.page_faults_resumed, 2);
}

static void test_fault_receive(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_SEND, 5000);
	uint32_t key = bench_register(&f->b, f->buffer[1], SIZE, 12, false);
	const uint8_t *event;

	bench_receive(&f->b, &f->qp[1], f->buffer[1], key, 6000);
	send_one(f, &wr);
	event = bench_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	assert_non_null(event);
	if (event[3] == 0)
		assert_int_equal(get_be32(event + 32 + 24), 2 << 24 | f->qp[1].number);
	make_present(f, key, f->buffer[1]);
	bench_resume(&f->b, event, false);
	bench_run(&f->b);
	assert_completion(f, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_completion(f, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 5000);
}

static void test_fault_error(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 64);
	const uint8_t *event;

	wr.rkey = bench_register(&f->b, f->buffer[1], SIZE, 12, false);
	send_one(f, &wr);
	event = bench_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	assert_non_null(event);
	bench_resume(&f->b, event, true);
	bench_run(&f->b);
	assert_completion(f, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	assert_int_equal(f->b.dev.stats.page_faults_failed, 1);
	/* twice is once */
	assert_int_equal(bench_resume(&f->b, event, false), CMD_OK);
}

static void test_fault_stalls_one(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 64), other;
	const uint8_t *event;

	wr.rkey = bench_register(&f->b, f->buffer[1], SIZE, 12, false);
	send_one(f, &wr);
	/* the other direction goes on */
	other = (struct bench_wr){
		.opcode = WQE_WRITE, .remote = f->buffer[0], .rkey = f->key[0],
		.address = f->buffer[1], .lkey = f->key[1], .length = 64,
	};
	bench_post(&f->b, &f->qp[1], &other);
	bench_run(&f->b);
	assert_completion(f, 1, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_null(bench_poll(&f->b, &f->cq[0]));
	/* a queue pair that goes away takes its fault along */
	event = bench_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	bench_modify(&f->b, &f->qp[0], MLX5_CMD_OP_2RST_QP, 0);
	assert_int_equal(f->b.dev.stats.page_faults_dropped, 1);
	assert_int_equal(bench_resume(&f->b, event, false), CMD_OK);
	bench_run(&f->b);
	assert_null(bench_poll(&f->b, &f->cq[0]));
}

/* Whatever is held back comes, without anything more from the driver */
static void test_delay(void **state)
{
	struct fixture *f = *state;
	struct bench_wr wr = request(f, WQE_WRITE, 64);
	uint64_t end = dev_now() + 10000000000ull;
	const uint8_t *event = NULL;
	int timeout = 0;

	wr.rkey = bench_register(&f->b, f->buffer[1], SIZE, 12, false);
	bench_run(&f->b);
	bench_post(&f->b, &f->qp[0], &wr);
	while (!f->b.interrupts[1] && dev_now() < end) {
		assert_true(timeout >= 0);
		timeout = dev_work(&f->b.dev);
		if (!event)
			event = bench_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	}
	assert_int_equal(f->b.interrupts[1], 1);
	assert_non_null(event);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_MEMORY(name) { #name "_memory", name, setup_memory, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST(test_write),
		TEST(test_read),
		TEST(test_send),
		TEST(test_atomics),
		TEST(test_wrap),
		TEST(test_access_error),
		TEST(test_local_errors),
		TEST(test_short_receive),
		TEST(test_not_ready),
		TEST(test_no_peer),
		TEST(test_fault),
		TEST(test_fault_receive),
		TEST(test_fault_error),
		TEST(test_fault_stalls_one),
		{ "test_delay", test_delay, setup_delay, teardown, NULL },
		TEST_MEMORY(test_fault),
		TEST_MEMORY(test_fault_receive),
		TEST_MEMORY(test_fault_error),
		TEST_MEMORY(test_fault_stalls_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
