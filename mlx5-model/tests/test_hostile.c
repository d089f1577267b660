// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Limits of the time in one turn, and of the host's memory, that a guest can make the device use.
 */
#include "pair.h"

#include <stdlib.h>
#include <time.h>

#define SEGMENTS 62u
#define SEGMENT_LENGTH 2000000u

static struct pair pair;

static int setup(void **state)
{
	pair_init(&pair, &(struct dev_options){ 0 }, 1, QP_RC);
	*state = &pair;
	return 0;
}

static int teardown(void **state)
{
	pair_destroy(*state);
	return 0;
}

/* A key of single bytes, alternately from two addresses, so that no two are contiguous */
static uint32_t make_bytes(struct pair *p)
{
	uint8_t list[3 * 16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_KLM, .length = 1u << 30, .list = list, .list_length = sizeof(list),
	};
	unsigned int i;

	put_be32(list, 2);
	put_be32(list + 4, 0x400);
	put_be32(list + 8, 1u << 30);
	put_be16(list + 14, 2);
	for (i = 1; i < 3; i++) {
		put_be16(list + 16 * i + 2, 1);
		put_be32(list + 16 * i + 4, p->key[0]);
		put_be64(list + 16 * i + 8, p->buffer[0] + i * 100);
	}
	return stand_create_mkey(p->on[0], &m);
}

/* A message of more pieces than any layout needs fails, with and without a receiver */
static void test_pieces(void **state)
{
	struct pair *p = *state;
	uint32_t key = make_bytes(p);
	uint8_t *wqe = stand_at(p->on[0], p->qp[0].sq);
	uint64_t start;
	unsigned int i;

	put_be32(wqe, WQE_SEND);
	put_be32(wqe + 4, p->qp[0].number << 8 | (1 + SEGMENTS));
	wqe[11] = 8;
	for (i = 0; i < SEGMENTS; i++) {
		put_be32(wqe + 16 + 16 * i, SEGMENT_LENGTH);
		put_be32(wqe + 20 + 16 * i, key);
	}
	put_be32(stand_at(p->on[0], p->qp[0].doorbell) + 4, 16);
	start = dev_now();
	qp_doorbell(&p->on[0]->dev, p->on[0]->uar, p->qp[0].number);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_LOCAL_PROTECTION, 0);
	assert_true(dev_now() - start < 20000000000ull);
}

/* An attempt that takes long and finds no receive WQE leaves time until the next one */
static void test_pause(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 200000);
	uint64_t start = dev_now();
	const struct qp *qp = table_get(&p->on[0]->dev.qps, p->qp[0].number);

	wr.lkey = make_bytes(p);
	wr.address = 0;
	pair_send(p, &wr);
	assert_int_equal(qp->stall, STALL_RNR);
	assert_int_equal(p->on[0]->dev.stats.rnr_waits, 1);
	/* by itself the timer is one of half a millisecond, less than so many pieces take */
	assert_true(qp->wake - start > 4000000);
}

/* Large messages: a turn ends after some of them */
static void test_turn(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = {
		.opcode = WQE_WRITE, .remote = STAND_BASE, .rkey = p->on[0]->pa_key,
		.address = STAND_BASE, .lkey = p->on[0]->pa_key, .length = STAND_SIZE,
	};
	unsigned int i;

	for (i = 0; i < 4; i++)
		stand_post(p->on[0], &p->qp[0], &wr);
	while (!p->on[0]->dev.stats.wqes)
		model_work(p->on[0]->dev.fabric);
	assert_int_equal(p->on[0]->dev.stats.wqes, 1);
	stand_run(p->on[0]);
	assert_int_equal(p->on[0]->dev.stats.wqes, 4);
}

/* A UMR that only changes the context of a key */
static void post_change(struct pair *p, uint32_t key, bool is_free)
{
	struct stand_qp *qp = &p->qp[0];
	uint8_t *wqe = stand_at(p->on[0], qp->sq) + (qp->sq_next & ((1 << STAND_SQ_LOG) - 1)) * 64;

	memset(wqe, 0, 128);
	put_be32(wqe, (uint32_t)qp->sq_next << 8 | WQE_UMR);
	put_be32(wqe + 4, qp->number << 8 | 8);
	wqe[11] = 8;
	put_be32(wqe + 12, key);
	put_be64(wqe + 16 + 8, 1ull << 29);
	IFC_SET(mkc, wqe + 64, free, is_free);
	qp->sq_next += 2;
	put_be32(stand_at(p->on[0], qp->doorbell) + 4, qp->sq_next);
	qp_doorbell(&p->on[0]->dev, p->on[0]->uar, qp->number);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
}

/* Strict mode does not look through a table of any size at each use of its key */
static void test_large_table(void **state)
{
	struct pair *p = *state;
	struct stand_mkey m = { .mode = MKEY_KSM, .page_shift = 12, .table_length = 1u << 31 };
	uint32_t key;
	clock_t start;
	unsigned int i;

	p->on[0]->dev.options.strict = true;
	key = stand_create_mkey(p->on[0], &m);
	start = clock();
	for (i = 0; i < 16; i++)
		post_change(p, key, !(i & 1));
	assert_true(clock() - start < 4 * CLOCKS_PER_SEC);
	assert_int_equal(p->on[0]->dev.stats.strict_reports, 0);
}

/* Page lists that name one page again and again */
static void test_lists(void **state)
{
	struct pair *p = *state;
	size_t length = IFC_SIZE(create_cq_in) + 8 * 65536;
	uint8_t *in = calloc(1, length), out[IFC_SIZE(create_cq_out)];
	uint8_t *context = IFC_AT(create_cq_in, in, cq_context);
	unsigned int made = 0;
	uint8_t status;

	IFC_SET(create_cq_in, in, opcode, MLX5_CMD_OP_CREATE_CQ);
	IFC_SET(cqc, context, log_cq_size, 22);
	IFC_SET(cqc, context, c_eqn_or_apu_element, p->on[0]->completion_eq);
	IFC_SET(cqc, context, uar_page, p->on[0]->uar);
	do
		status = stand_command(p->on[0], in, length, out, sizeof(out));
	while (status == CMD_OK && ++made < 1000);
	assert_int_not_equal(status, CMD_OK);
	assert_true(made >= 500 && made <= 512);
	free(in);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pieces),
		TEST(test_pause),
		TEST(test_turn),
		TEST(test_large_table),
		TEST(test_lists),
		/* all memory for page lists has been freed */
		TEST(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
