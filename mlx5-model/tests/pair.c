// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "pair.h"

static void pair_make(struct pair *p, const struct dev_options *options, unsigned int devices,
		      unsigned int service, bool in_umems)
{
	unsigned int i, j;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < devices; i++)
		stand_join(&p->stands[i], &p->fabric, options);
	for (i = 0; i < 2; i++) {
		struct stand *b = p->on[i] = &p->stands[i % devices];

		b->in_umems = in_umems;
		p->cq[i] = stand_create_cq(b);
		p->qp[i] = stand_create_qp(b, &p->cq[i], service);
		p->buffer[i] = stand_alloc(b, PAIR_SIZE, 4096);
		p->key[i] = stand_register(b, p->buffer[i], PAIR_SIZE, 12, true);
		for (j = 0; j < PAIR_SIZE; j++)
			*pair_at(p, i, j) = j * 7 + i * 100;
	}
	for (i = 0; i < 2; i++)
		stand_connect(p->on[i], &p->qp[i], &p->qp[1 - i]);
}

void pair_init(struct pair *p, const struct dev_options *options, unsigned int devices,
	       unsigned int service)
{
	pair_make(p, options, devices, service, false);
}

void pair_init_in_umems(struct pair *p)
{
	pair_make(p, &(struct dev_options){}, 1, QP_RC, true);
}

void pair_destroy(struct pair *p)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (p->stands[i].dev.fabric)
			stand_destroy(&p->stands[i]);
}

uint8_t *pair_at(struct pair *p, unsigned int side, size_t offset)
{
	return stand_at(p->on[side], p->buffer[side]) + offset;
}

struct stand_wr pair_request(const struct pair *p, uint8_t opcode, uint32_t length)
{
	return (struct stand_wr){
		.opcode = opcode,
		.remote = p->buffer[1] + 5,
		.rkey = p->key[1],
		.address = p->buffer[0] + 11,
		.lkey = p->key[0],
		.length = length,
	};
}

void pair_send(struct pair *p, const struct stand_wr *wr)
{
	stand_post(p->on[0], &p->qp[0], wr);
	stand_run(p->on[0]);
}

void pair_receive(struct pair *p, size_t offset, uint32_t length)
{
	stand_receive(p->on[1], &p->qp[1], p->buffer[1] + offset, p->key[1], length);
}

void pair_wait(struct pair *p, uint64_t wqes)
{
	uint64_t end = dev_now() + 120000000000ull;

	/* fail if nothing is due before the requester is done: it would wait forever */
	while (p->on[0]->dev.stats.wqes < wqes)
		assert_true((model_work(&p->fabric) >= 0 || p->on[0]->dev.stats.wqes >= wqes) &&
			    dev_now() < end);
	stand_run(p->on[0]);
}

const uint8_t *pair_complete(struct pair *p, unsigned int side, enum cqe_opcode opcode,
			     enum syndrome syndrome, uint32_t bytes)
{
	const uint8_t *cqe = stand_poll(p->on[side], &p->cq[side]);

	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, opcode);
	if (opcode == CQE_REQUESTER_ERROR || opcode == CQE_RECEIVE_ERROR)
		assert_int_equal(cqe[55], syndrome);
	else
		assert_int_equal(get_be32(cqe + 44), bytes);
	assert_int_equal(get_be32(cqe + 56) & 0xffffff, p->qp[side].number);
	return cqe;
}

void pair_silent(struct pair *p, unsigned int side)
{
	assert_null(stand_poll(p->on[side], &p->cq[side]));
}

uint32_t pair_absent(struct pair *p, unsigned int side)
{
	return stand_register(p->on[side], p->buffer[side], PAIR_SIZE, 12, false);
}

void pair_fill(struct pair *p, unsigned int side, uint32_t key)
{
	const uint64_t entries[8] = { p->buffer[side] | 3, (p->buffer[side] + 4096) | 3 };

	stand_update(p->on[side], key, 0, entries, 8);
}

const uint8_t *pair_fault(struct pair *p, unsigned int side)
{
	struct stand *b = p->on[side];

	return stand_event(b, b->fault_ring, &b->fault_seen);
}
