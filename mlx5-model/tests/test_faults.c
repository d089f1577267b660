// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The mix of page faults: every kind occurs, and messages are complete if a driver serves them. */
#include "pair.h"

#include "data/fault.h"

#include <time.h>

#define LENGTH 700001u
#define OFFSET 77u
#define ROOM (1u << 20)
#define MESSAGES 40
#define EVENTS_MAX 4096
#define EVENT_SIZE 64

struct fixture {
	struct pair pair;
	uint64_t memory[2];
	uint32_t key[2];
	bool ends; /* the driver answers with an error from now on */
	unsigned int faults;
	/* the first events, each after the number of the device that has reported it */
	uint8_t events[EVENTS_MAX][1 + EVENT_SIZE];
	unsigned int event_count;
};

static struct fixture fixture;

static int setup_seed(void **state, enum dev_scheme scheme, uint64_t seed)
{
	struct fixture *f = &fixture;
	unsigned int i;
	size_t j;

	memset(f, 0, sizeof(*f));
	pair_init(&f->pair, &(struct dev_options){ .scheme = scheme, .fault_seed = seed,
						   .strict = true }, 2, QP_RC);
	for (i = 0; i < 2; i++) {
		f->memory[i] = stand_alloc(f->pair.on[i], ROOM, ROOM);
		f->key[i] = stand_register(f->pair.on[i], f->memory[i], ROOM, 12, false);
		for (j = 0; j < ROOM; j++)
			stand_at(f->pair.on[i], f->memory[i])[j] = j * 3 + j / 4096 + i;
	}
	*state = f;
	return 0;
}

static int setup_scheme(void **state, enum dev_scheme scheme)
{
	return setup_seed(state, scheme, 11);
}

static int setup(void **state)
{
	return setup_scheme(state, SCHEME_TRANSPORT);
}

static int setup_memory(void **state)
{
	return setup_scheme(state, SCHEME_MEMORY);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pair_destroy(&f->pair);
	return 0;
}

static const struct qp *requester(struct fixture *f)
{
	return table_get(&f->pair.on[0]->dev.qps, f->pair.qp[0].number);
}

/* Maps the pages of [from, from + length) of this side's memory, or unmaps all others */
static void map(struct fixture *f, unsigned int side, uint64_t from, uint64_t length, bool present)
{
	struct mkey *mkey = mkey_get(&f->pair.on[side]->dev, f->key[side]);
	uint64_t size = 1ull << mkey->page_shift, i;

	for (i = from / size; i < (from + length + size - 1) / size && i < ROOM / size; i++)
		put_be64(mkey->xlt + 8 * i, present ? (f->memory[side] + i * size) | 3 : 0);
}

/* Changes the page size of the key, between two parts of a message */
static void resize(struct fixture *f, unsigned int side)
{
	struct mkey *mkey = mkey_get(&f->pair.on[side]->dev, f->key[side]);

	map(f, side, 0, ROOM, false);
	IFC_SET(mkc, mkey->context, log_page_size, 12 + f->faults % 5);
	mkey_refresh(mkey);
}

/* Serves an event as the kernel's driver does; returns the offset of the pages in the memory */
static void serve(struct fixture *f, unsigned int side, const uint8_t *event)
{
	struct stand *b = f->pair.on[side];
	const uint8_t *data = event + 32;
	uint64_t committed = requester(f)->committed, from, length;
	bool last = true;

	/* committed pages are not read again, so they may be unmapped */
	if (committed && ++f->faults % 4 == 0)
		resize(f, side);
	else if (committed > 65536)
		map(f, side, 0, committed - 65536, false);
	switch (event[3]) {
	case 0:
		assert_int_equal(get_be32(data), committed);
		from = OFFSET + get_be32(data);
		length = get_be16(data + 10);
		break;
	case 1:
		assert_int_equal(get_be32(data), committed);
		assert_int_equal(get_be32(data + 4), f->key[side]);
		assert_int_equal(get_be64(data + 16), f->memory[side] + OFFSET);
		assert_true(get_be32(data + 12) == LENGTH || !get_be32(data + 12));
		from = OFFSET + get_be32(data);
		length = get_be16(data + 10);
		break;
	default:
		assert_int_equal(get_be32(data + 16), f->key[side]);
		from = get_be64(data + 20) - f->memory[side];
		length = (get_be32(data + 12) >> 12) * 4096;
		last = data[0] & 0x80;
		break;
	}
	assert_true(length && from < ROOM);
	map(f, side, from, length, true);
	if (last || f->ends)
		assert_int_equal(stand_resume(b, event, f->ends), CMD_OK);
}

static void keep(struct fixture *f, unsigned int side, const uint8_t *event)
{
	if (f->event_count < EVENTS_MAX) {
		f->events[f->event_count][0] = side;
		memcpy(&f->events[f->event_count][1], event, EVENT_SIZE);
	}
	f->event_count++;
}

/* Runs until the requester has a completion, and returns it */
static const uint8_t *finish(struct fixture *f)
{
	clock_t end = clock() + 10 * CLOCKS_PER_SEC;
	const uint8_t *cqe, *event;
	struct stand *b;
	unsigned int side;

	while (!(cqe = stand_poll(f->pair.on[0], &f->pair.cq[0]))) {
		/* of this process: others may have the processor for long */
		assert_true(clock() < end);
		model_work(&f->pair.fabric);
		for (side = 0; side < 2; side++)
			while ((event = pair_fault(&f->pair, side))) {
				keep(f, side, event);
				serve(f, side, event);
				b = f->pair.on[side];
				eq_doorbell(&b->dev, b->uar, b->fault_eq << 24 | b->fault_seen,
					    false);
			}
	}
	return cqe;
}

static struct stand_wr request(struct fixture *f, uint8_t opcode)
{
	return (struct stand_wr){
		.opcode = opcode,
		.remote = f->memory[1] + OFFSET,
		.rkey = f->key[1],
		.address = f->memory[0] + OFFSET,
		.lkey = f->key[0],
		.length = LENGTH,
	};
}

/* Sends messages of all kinds over memory without pages, and checks each byte */
static void send_messages(struct fixture *f, unsigned int count)
{
	static const uint8_t opcodes[] = { WQE_WRITE, WQE_READ, WQE_SEND, WQE_WRITE_IMM };
	struct pair *p = &f->pair;
	unsigned int i, from;
	const uint8_t *cqe;

	for (i = 0; i < count; i++) {
		struct stand_wr wr = request(f, opcodes[i % 4]);

		from = wr.opcode == WQE_READ;
		map(f, 0, 0, ROOM, false);
		map(f, 1, 0, ROOM, false);
		*(stand_at(p->on[from], f->memory[from]) + OFFSET + i * 1000) ^= 0x55;
		if (i & 2)
			stand_receive(p->on[1], &p->qp[1], f->memory[1] + OFFSET, f->key[1],
				      LENGTH);
		stand_post(p->on[0], &p->qp[0], &wr);
		cqe = finish(f);
		assert_int_equal(cqe[63] >> 4, CQE_REQUESTER);
		assert_memory_equal(stand_at(p->on[0], f->memory[0]) + OFFSET,
				    stand_at(p->on[1], f->memory[1]) + OFFSET, LENGTH);
		if (i & 2)
			pair_complete(p, 1, wr.opcode == WQE_SEND ? CQE_RECEIVE_SEND :
								    CQE_RECEIVE_WRITE_IMM,
				      SYNDROME_OK, LENGTH);
		pair_silent(p, 1);
	}
}

static void test_messages(void **state)
{
	struct fixture *f = *state;
	struct pair *p = &f->pair;

	send_messages(f, MESSAGES);
	assert_int_equal(PAIR_TOTAL(p, strict_reports), 0);
	assert_int_equal(PAIR_TOTAL(p, page_faults), PAIR_TOTAL(p, page_faults_resumed));
	assert_int_equal(PAIR_TOTAL(p, page_faults_failed), 0);
	assert_true(PAIR_TOTAL(p, page_faults_committed) > MESSAGES);
	assert_true(PAIR_TOTAL(p, page_faults_naks) > 0);
	if (p->on[0]->dev.options.scheme == SCHEME_MEMORY)
		assert_true(PAIR_TOTAL(p, page_faults_not_last) > MESSAGES);
	else
		assert_true(PAIR_TOTAL(p, page_faults_no_length) > 0);
	/* each byte was moved once */
	assert_int_equal(PAIR_TOTAL(p, bytes_out), (uint64_t)MESSAGES * LENGTH);
}

/* The same work with the same seed has the same events, in the same order; with another seed it has not */
static void test_replay(void **state)
{
	static uint8_t first[EVENTS_MAX][1 + EVENT_SIZE];
	struct fixture *f = *state;
	enum dev_scheme scheme = f->pair.on[0]->dev.options.scheme;
	unsigned int count;

	send_messages(f, 8);
	count = f->event_count;
	assert_true(count >= 16 && count <= EVENTS_MAX);
	memcpy(first, f->events, sizeof(first));
	pair_destroy(&f->pair);
	setup_seed(state, scheme, 11);
	send_messages(f, 8);
	assert_int_equal(f->event_count, count);
	assert_memory_equal(f->events, first, sizeof(first));
	pair_destroy(&f->pair);
	setup_seed(state, scheme, 12);
	send_messages(f, 8);
	assert_true(memcmp(f->events, first, sizeof(first)));
}

/* Errors end the message, also after events that are not the last; the others may be answered */
static void test_errors(void **state)
{
	static const enum syndrome expected[] = { SYNDROME_LOCAL_PROTECTION,
						  SYNDROME_REMOTE_ACCESS };
	struct fixture *f = *state;
	struct pair *p = &f->pair;
	unsigned int i, side;

	f->ends = true;
	for (i = 0; i < 40; i++) {
		struct stand_wr wr = request(f, WQE_WRITE);
		const uint8_t *cqe;

		map(f, 0, 0, ROOM, false);
		map(f, 1, 0, ROOM, false);
		map(f, i & 1 ? 0 : 1, 0, ROOM, true);
		stand_post(p->on[0], &p->qp[0], &wr);
		cqe = finish(f);
		assert_int_equal(cqe[63] >> 4, CQE_REQUESTER_ERROR);
		assert_int_equal(cqe[55], expected[i & 1]);
		for (side = 0; side < 2; side++) {
			struct stand_qp *qp = &p->qp[side];

			assert_int_equal(stand_modify(p->on[side], qp, MLX5_CMD_OP_2RST_QP, NULL),
					 CMD_OK);
			qp->sq_next = 0;
			qp->rq_next = 0;
			put_be64(stand_at(p->on[side], qp->doorbell), 0);
			stand_connect(p->on[side], qp, &p->qp[1 - side]);
		}
	}
	assert_int_equal(PAIR_TOTAL(p, strict_reports), 0);
	assert_true(PAIR_TOTAL(p, page_faults_failed) >= 40);
}

/* A responder that does not answer in time: the requester's retries are exceeded */
static void test_naks_exceeded(void **state)
{
	struct fixture *f = *state;
	struct pair *p = &f->pair;
	struct stand_wr wr = request(f, WQE_WRITE);
	struct qp *qp = table_get(&p->on[0]->dev.qps, p->qp[0].number);
	const uint8_t *event;

	map(f, 0, 0, ROOM, true);
	IFC_SET(qpc, qp->context, rnr_retry, 2);
	/* until the responder chooses to reply */
	do {
		map(f, 1, 0, ROOM, false);
		stand_post(p->on[0], &p->qp[0], &wr);
		stand_run(p->on[0]);
		event = pair_fault(p, 1);
		assert_non_null(event);
		if (qp->stall != STALL_RNR) {
			map(f, 1, 0, ROOM, true);
			while (!(event[32] & 0x80) && event[3] == 2)
				event = pair_fault(p, 1);
			assert_int_equal(stand_resume(p->on[1], event, false), CMD_OK);
			finish(f);
		}
	} while (qp->stall != STALL_RNR);
	pair_wait(p, p->on[0]->dev.stats.wqes + 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RNR_RETRY, 0);
	/* the driver does not know that */
	assert_int_equal(stand_resume(p->on[1], event, false), CMD_OK);
	assert_int_equal(PAIR_TOTAL(p, strict_reports), 0);
	assert_int_equal(PAIR_TOTAL(p, page_faults_dropped), 1);
}

#define TEST(name)                               \
	{ #name, name, setup, teardown, NULL },  \
	{ #name "_memory", name, setup_memory, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_messages),
		TEST(test_replay),
		TEST(test_errors),
		TEST(test_naks_exceeded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
