// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Send queues without a doorbell record: the doorbell names the last WQE that is posted. */
#include "pair.h"

#include "base/caps.h"
#include "vfio/pci.h"

static struct pair pair;

static int setup(void **state)
{
	unsigned int i;

	pair_init(&pair, &(struct dev_options){ .strict = true, .strict_silent = true }, 1, QP_RC);
	pair.on[0]->by_doorbell = true;
	for (i = 0; i < 2; i++)
		pair.qp[i] = stand_create_qp(pair.on[i], &pair.cq[i], QP_RC);
	for (i = 0; i < 2; i++)
		stand_connect(pair.on[i], &pair.qp[i], &pair.qp[1 - i]);
	*state = &pair;
	return 0;
}

static int teardown(void **state)
{
	pair_destroy(*state);
	return 0;
}

static const struct qp *requester(struct pair *p)
{
	return table_get(&p->on[0]->dev.qps, p->qp[0].number);
}

/* Several times around the queue, with WQEs of one block and of more, also around its end */
static void test_wrap(void **state)
{
	struct pair *p = *state;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		struct stand_wr wr = pair_request(p, i % 3 ? WQE_WRITE : WQE_FETCH_ADD,
						  i % 3 ? 1 + i : 8);

		wr.remote = p->buffer[1] + 8;
		memset(pair_at(p, 1, 0), 0, PAIR_SIZE);
		pair_send(p, &wr);
		pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, i % 3 ? 0 : 8);
		if (i % 3)
			assert_memory_equal(pair_at(p, 1, 8), pair_at(p, 0, 11), wr.length);
	}
	assert_int_equal(p->on[0]->dev.stats.strict_reports, 0);
}

/* The record is not read, and a doorbell of the other kind posts nothing */
static void test_record(void **state)
{
	struct pair *p = *state;

	put_be32(stand_at(p->on[0], p->qp[0].doorbell) + 4, 5);
	qp_doorbell(&p->on[0]->dev, p->on[0]->uar, p->qp[0].number);
	stand_run(p->on[0]);
	pair_silent(p, 0);
	assert_int_equal(requester(p)->sq_head, 0);
}

/* Rings with this index, number of units and queue pair, through a page's register */
static void ring(struct pair *p, uint32_t uar, uint32_t qpn, uint16_t index, unsigned int units)
{
	uint8_t value[8];

	put_be32(value, (uint32_t)index << 8 | WQE_WRITE);
	put_be32(value + 4, qpn << 8 | units);
	pci_bar_write(&p->on[0]->dev, PCI_BAR_DEVICE, ((uint64_t)uar << PCI_UAR_SHIFT) + 0x600,
		      value, sizeof(value));
	stand_run(p->on[0]);
}

static void test_register(void **state)
{
	struct pair *p = *state;
	struct stand *b = p->on[0];
	uint64_t *reports = &b->dev.stats.strict_reports;
	uint32_t number = p->qp[0].number, other = stand_number(b, MLX5_CMD_OP_ALLOC_UAR);
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	struct stand_qp qp;

	/* an unknown number; a page that is not the queue pair's */
	ring(p, b->uar, 0xffffff, 0, 3);
	ring(p, other, number, 0, 3);
	assert_int_equal(*reports, 1);
	/* more than the queue has */
	ring(p, b->uar, number, 1 << STAND_SQ_LOG, 1);
	ring(p, b->uar, number, 0xfff0, 4);
	assert_int_equal(*reports, 3);
	assert_int_equal(requester(p)->sq_posted, 0);
	pair_silent(p, 0);
	/* one that was posted before */
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	ring(p, b->uar, number, 0xffff, 1);
	assert_int_equal(*reports, 4);
	/* a queue pair with a record */
	b->by_doorbell = false;
	qp = stand_create_qp(b, &p->cq[0], QP_RC);
	ring(p, b->uar, qp.number, 0, 1);
	assert_int_equal(*reports, 5);
	pair_silent(p, 0);
}

/* A WQE that is longer than what is posted: it fails, and the next one is flushed */
static void test_beyond(void **state)
{
	struct pair *p = *state;

	memset(stand_at(p->on[0], p->qp[0].sq), 0xff, 64 << STAND_SQ_LOG);
	ring(p, p->on[0]->uar, p->qp[0].number, 0, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_LOCAL_OPERATION, 0);
	assert_int_equal(requester(p)->state, QP_ERROR);
	model_work(&p->fabric);
	pair_silent(p, 0);
	ring(p, p->on[0]->uar, p->qp[0].number, 1, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_FLUSHED, 0);
	pair_silent(p, 0);
	assert_int_equal(p->on[0]->dev.stats.strict_reports, 0);
}

static void test_reset(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);

	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	stand_modify(p->on[0], &p->qp[0], MLX5_CMD_OP_2RST_QP, NULL);
	assert_int_equal(requester(p)->sq_posted, 0);
	stand_connect(p->on[0], &p->qp[0], &p->qp[1]);
	p->qp[0].sq_next = 0;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
}

static uint8_t create(struct pair *p, unsigned int mode)
{
	struct stand *b = p->on[0];
	uint8_t in[IFC_SIZE(create_qp_in) + 8] = { 0 }, out[IFC_SIZE(create_qp_out)];
	uint8_t *context = IFC_AT(create_qp_in, in, qpc);

	IFC_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	IFC_SET(create_qp_in, in, uid, STAND_APPLICATION);
	IFC_SET(qpc, context, pd, b->pd);
	IFC_SET(qpc, context, uar_page, b->uar);
	IFC_SET(qpc, context, rq_type, 3);
	IFC_SET(qpc, context, log_sq_size, STAND_SQ_LOG);
	ifc_set(context, 0x80, 2, mode);
	put_be64(IFC_AT(create_qp_in, in, pas), p->buffer[0]);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static void test_create(void **state)
{
	struct pair *p = *state;
	struct dev *dev = &p->on[0]->dev;

	assert_int_equal(create(p, 0), CMD_OK);
	assert_int_equal(create(p, 1), CMD_OK);
	assert_int_equal(dev->stats.strict_reports, 0);
	assert_int_equal(create(p, 2), CMD_BAD_PARAM);
	assert_int_equal(create(p, 3), CMD_BAD_PARAM);
	ifc_set(dev->caps_general_2, CAPS_2_NO_RECORD_BIT, 1, 0);
	assert_int_equal(create(p, 1), CMD_BAD_PARAM);
	assert_int_equal(create(p, 0), CMD_OK);
}

int main(void)
{
#define TEST(name) { #name, name, setup, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST(test_wrap),
		TEST(test_record),
		TEST(test_register),
		TEST(test_beyond),
		TEST(test_reset),
		TEST(test_create),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
