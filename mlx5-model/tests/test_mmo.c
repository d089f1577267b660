// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Copies of memory by MMO WQEs. */
#include "unit.h"

#include "base/caps.h"
#include "stand.h"

#define SIZE (3u << 20)
#define MAX (1u << CAPS_LOG_MAX_MEMCPY)
#define FROM 11
#define TO 5

struct fixture {
	struct stand b;
	struct stand_cq cq;
	struct stand_qp qp;
	uint64_t from, to; /* SIZE bytes each */
	uint32_t from_key, to_key;
};

static struct fixture fixture;

static uint8_t enable(struct stand *b, const struct stand_qp *qp, uint64_t mask, bool mmo)
{
	uint8_t in[0x1d0] = { 0 }, out[IFC_SIZE(init2init_qp_out)];

	IFC_SET(init2init_qp_in, in, opcode, MLX5_CMD_OP_INIT2INIT_QP);
	IFC_SET(init2init_qp_in, in, uid, STAND_APPLICATION);
	IFC_SET(init2init_qp_in, in, qpn, qp->number);
	in[8] |= 0x80;
	put_be64(in + 0x108, mask);
	put_be32(in + 0x110, (uint32_t)mmo << 29);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

/* A queue pair without a peer, in the state that sends */
static struct stand_qp create(struct fixture *f, unsigned int service, bool mmo)
{
	struct stand_qp qp = stand_create_qp(&f->b, &f->cq, service);

	assert_int_equal(stand_modify(&f->b, &qp, MLX5_CMD_OP_RST2INIT_QP, NULL), CMD_OK);
	if (mmo)
		assert_int_equal(enable(&f->b, &qp, 8, true), CMD_OK);
	assert_int_equal(stand_modify(&f->b, &qp, MLX5_CMD_OP_INIT2RTR_QP, NULL), CMD_OK);
	assert_int_equal(stand_modify(&f->b, &qp, MLX5_CMD_OP_RTR2RTS_QP, NULL), CMD_OK);
	return qp;
}

static int setup_scheme(void **state, enum dev_scheme scheme)
{
	struct fixture *f = &fixture;
	unsigned int i;

	memset(f, 0, sizeof(*f));
	stand_init(&f->b, &(struct dev_options){ .strict = true, .scheme = scheme });
	f->cq = stand_create_cq(&f->b);
	f->qp = create(f, QP_RC, true);
	f->from = stand_alloc(&f->b, SIZE, 4096);
	f->to = stand_alloc(&f->b, SIZE, 4096);
	f->from_key = stand_register(&f->b, f->from, SIZE, 12, true);
	f->to_key = stand_register(&f->b, f->to, SIZE, 12, true);
	for (i = 0; i < SIZE; i++)
		stand_at(&f->b, f->from)[i] = i * 7 + i / 4096;
	*state = f;
	return 0;
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

	stand_destroy(&f->b);
	return 0;
}

struct copy {
	uint8_t modifier;
	uint32_t from_length, from_key, to_length, to_key;
	uint64_t from, to;
};

static struct copy copy(const struct fixture *f, uint32_t length)
{
	return (struct copy){
		.modifier = 1,
		.from_length = length, .from_key = f->from_key, .from = f->from + FROM,
		.to_length = length, .to_key = f->to_key, .to = f->to + TO,
	};
}

/* Posts the WQE and returns its first byte */
static uint8_t *put(struct fixture *f, struct stand_qp *qp, const struct copy *c)
{
	uint8_t *wqe = stand_at(&f->b, qp->sq) + (qp->sq_next & ((1 << STAND_SQ_LOG) - 1)) * 64;

	memset(wqe, 0, 64);
	put_be32(wqe, (uint32_t)c->modifier << 24 | (uint32_t)qp->sq_next << 8 | WQE_MMO);
	put_be32(wqe + 4, qp->number << 8 | 4);
	wqe[11] = 8;
	put_be32(wqe + 32, c->from_length);
	put_be32(wqe + 36, c->from_key);
	put_be64(wqe + 40, c->from);
	put_be32(wqe + 48, c->to_length);
	put_be32(wqe + 52, c->to_key);
	put_be64(wqe + 56, c->to);
	put_be32(stand_at(&f->b, qp->doorbell) + 4, ++qp->sq_next);
	return wqe;
}

static void run(struct fixture *f, const struct stand_qp *qp)
{
	qp_doorbell(&f->b.dev, f->b.uar, qp->number);
	stand_run(&f->b);
}

static void complete(struct fixture *f, enum syndrome syndrome)
{
	const uint8_t *cqe = stand_poll(&f->b, &f->cq);

	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, syndrome ? CQE_REQUESTER_ERROR : CQE_REQUESTER);
	if (syndrome)
		assert_int_equal(cqe[55], syndrome);
	assert_int_equal(cqe[56], WQE_MMO);
}

/* A copy that fails changes nothing */
static void expect(struct fixture *f, const struct copy *c, enum syndrome syndrome)
{
	struct stand_qp qp = create(f, QP_RC, true);

	memset(stand_at(&f->b, f->to), 0x5a, 8192);
	put(f, &qp, c);
	run(f, &qp);
	complete(f, syndrome);
	assert_int_equal(stand_at(&f->b, f->to)[TO], 0x5a);
}

static void test_copy(void **state)
{
	static const uint32_t lengths[] = { 1, 4085, 4086, 4096, 4097, 65536, 1000003, MAX };
	struct fixture *f = *state;
	uint8_t *to = stand_at(&f->b, f->to);
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct copy c = copy(f, lengths[i]);

		memset(to, 0x5a, SIZE);
		put(f, &f->qp, &c);
		run(f, &f->qp);
		complete(f, SYNDROME_OK);
		assert_memory_equal(to + TO, stand_at(&f->b, f->from) + FROM, lengths[i]);
		assert_int_equal(to[TO - 1], 0x5a);
		assert_int_equal(to[TO + lengths[i]], 0x5a);
	}
	assert_null(stand_poll(&f->b, &f->cq));
	assert_int_equal(f->b.dev.stats.strict_reports, 0);
}

static void test_initiator(void **state)
{
	struct fixture *f = *state;
	struct stand_qp qp = create(f, QP_DCI, true);
	struct copy c = copy(f, 5000);

	put(f, &qp, &c);
	run(f, &qp);
	complete(f, SYNDROME_OK);
	assert_memory_equal(stand_at(&f->b, f->to) + TO, stand_at(&f->b, f->from) + FROM, 5000);
}

/* Within one MR, to an address inside of the source */
static void test_overlap(void **state)
{
	struct fixture *f = *state;
	struct copy c = copy(f, 4000);
	uint8_t before[4000];

	memcpy(before, stand_at(&f->b, f->from) + FROM, sizeof(before));
	c.to = f->from + 50;
	c.to_key = f->from_key;
	put(f, &f->qp, &c);
	run(f, &f->qp);
	complete(f, SYNDROME_OK);
	assert_memory_equal(stand_at(&f->b, f->from) + 50, before, sizeof(before));
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct copy c;

#define BAD(field, value, syndrome)                \
	do {                                       \
		c = copy(f, 64);                   \
		c.field = value;                   \
		expect(f, &c, syndrome);           \
	} while (0)
	BAD(modifier, 0, SYNDROME_LOCAL_OPERATION);
	BAD(modifier, 2, SYNDROME_LOCAL_OPERATION);
	BAD(to_length, 65, SYNDROME_LOCAL_LENGTH);
	BAD(to_length, 63, SYNDROME_LOCAL_LENGTH);
	BAD(from_length, 0, SYNDROME_LOCAL_LENGTH);
	BAD(from_length, 1u << 31 | 8, SYNDROME_LOCAL_OPERATION);
	BAD(to_length, 1u << 31 | 8, SYNDROME_LOCAL_OPERATION);
	BAD(from_key, f->from_key + 1, SYNDROME_LOCAL_PROTECTION);
	BAD(to_key, f->to_key + 1, SYNDROME_LOCAL_PROTECTION);
	BAD(from, f->from + SIZE - 63, SYNDROME_LOCAL_PROTECTION);
	BAD(to, f->to + SIZE - 63, SYNDROME_LOCAL_PROTECTION);
	BAD(from, UINT64_MAX - 3, SYNDROME_LOCAL_PROTECTION);
#undef BAD
	c = copy(f, MAX + 1);
	expect(f, &c, SYNDROME_LOCAL_LENGTH);
	/* 0 means 2 GiB in a data segment */
	c = copy(f, 0);
	expect(f, &c, SYNDROME_LOCAL_LENGTH);
}

static void test_rights(void **state)
{
	struct fixture *f = *state;
	struct copy c = copy(f, 64);
	struct mkey *to = mkey_get(&f->b.dev, f->to_key), *from = mkey_get(&f->b.dev, f->from_key);
	uint32_t pd = f->b.pd;

	IFC_SET(mkc, to->context, lw, 0);
	expect(f, &c, SYNDROME_LOCAL_PROTECTION);
	IFC_SET(mkc, to->context, lw, 1);
	IFC_SET(mkc, from->context, lr, 0);
	expect(f, &c, SYNDROME_LOCAL_PROTECTION);
	IFC_SET(mkc, from->context, lr, 1);
	f->b.pd = stand_number(&f->b, MLX5_CMD_OP_ALLOC_PD);
	c.to_key = stand_register(&f->b, f->to, SIZE, 12, true);
	f->b.pd = pd;
	expect(f, &c, SYNDROME_LOCAL_PROTECTION);
}

/* A WQE that is too short or too long */
static void test_malformed(void **state)
{
	struct fixture *f = *state;
	struct copy c = copy(f, 64);
	unsigned int units;

	for (units = 1; units <= 5; units++) {
		struct stand_qp qp = create(f, QP_RC, true);

		if (units == 4)
			continue;
		put(f, &qp, &c)[7] = units;
		if (units > 4) {
			memset(stand_at(&f->b, qp.sq) + 64, 0, 64);
			put_be32(stand_at(&f->b, qp.doorbell) + 4, 2);
		}
		run(f, &qp);
		complete(f, SYNDROME_LOCAL_OPERATION);
	}
}

static void test_not_enabled(void **state)
{
	struct fixture *f = *state;
	struct copy c = copy(f, 64);
	struct stand_qp qp = create(f, QP_RC, false);

	put(f, &qp, &c);
	run(f, &qp);
	complete(f, SYNDROME_LOCAL_OPERATION);
	/* only in the state INIT, for services that have it, and only if announced */
	assert_int_equal(enable(&f->b, &f->qp, 8, true), CMD_BAD_RESOURCE_STATE);
	qp = stand_create_qp(&f->b, &f->cq, QP_UC);
	assert_int_equal(stand_modify(&f->b, &qp, MLX5_CMD_OP_RST2INIT_QP, NULL), CMD_OK);
	assert_int_equal(enable(&f->b, &qp, 8, true), CMD_BAD_PARAM);
	qp = stand_create_qp(&f->b, &f->cq, QP_RC);
	assert_int_equal(stand_modify(&f->b, &qp, MLX5_CMD_OP_RST2INIT_QP, NULL), CMD_OK);
	assert_int_equal(enable(&f->b, &qp, 1, true), CMD_BAD_PARAM);
	ifc_set(f->b.dev.caps_general, CAPS_DMA_MMO_QP_BIT, 1, 0);
	assert_int_equal(enable(&f->b, &qp, 8, true), CMD_BAD_PARAM);
	assert_int_equal(f->b.dev.stats.strict_reports, 0);
}

/* A reset of the queue pair disables it again */
static void test_reset(void **state)
{
	struct fixture *f = *state;
	struct copy c = copy(f, 64);

	assert_int_equal(stand_modify(&f->b, &f->qp, MLX5_CMD_OP_2RST_QP, NULL), CMD_OK);
	stand_connect(&f->b, &f->qp, NULL);
	put(f, &f->qp, &c);
	run(f, &f->qp);
	complete(f, SYNDROME_LOCAL_OPERATION);
}

static void fill(struct fixture *f, uint32_t key, uint64_t address)
{
	uint64_t entries[8];
	unsigned int i;

	for (i = 0; i < 8; i++)
		entries[i] = (address + i * STAND_PAGE) | 3;
	stand_update(&f->b, key, 0, entries, 8);
}

/* The events of the memory scheme do not need the WQE; those of the other one are not announced */
static void test_fault(void **state)
{
	struct fixture *f = *state;
	bool memory = f->b.dev.options.scheme == SCHEME_MEMORY;
	struct copy c = copy(f, 9000);
	const uint8_t *event;

	c.from_key = stand_register(&f->b, f->from, SIZE, 12, false);
	c.to_key = stand_register(&f->b, f->to, SIZE, 12, false);
	put(f, &f->qp, &c);
	run(f, &f->qp);
	event = stand_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	if (!memory) {
		assert_null(event);
		assert_int_equal(f->b.dev.stats.strict_reports, 1);
		complete(f, SYNDROME_LOCAL_PROTECTION);
		return;
	}
	assert_non_null(event);
	assert_int_equal(get_be32(event + 32 + 16), c.from_key);
	fill(f, c.from_key, f->from);
	assert_int_equal(stand_resume(&f->b, event, false), CMD_OK);
	stand_run(&f->b);
	event = stand_event(&f->b, f->b.fault_ring, &f->b.fault_seen);
	assert_non_null(event);
	assert_int_equal(get_be32(event + 32 + 16), c.to_key);
	assert_null(stand_poll(&f->b, &f->cq));
	fill(f, c.to_key, f->to);
	assert_int_equal(stand_resume(&f->b, event, false), CMD_OK);
	stand_run(&f->b);
	complete(f, SYNDROME_OK);
	assert_memory_equal(stand_at(&f->b, f->to) + TO, stand_at(&f->b, f->from) + FROM, 9000);
	assert_int_equal(f->b.dev.stats.strict_reports, 0);
}

int main(void)
{
#define TEST(name) { #name, name, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST(test_copy),
		TEST(test_initiator),
		TEST(test_overlap),
		TEST(test_errors),
		TEST(test_rights),
		TEST(test_malformed),
		TEST(test_not_enabled),
		TEST(test_reset),
		TEST(test_fault),
		{ "test_fault_memory", test_fault, setup_memory, teardown, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
