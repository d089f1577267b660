// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "dc.h"

static struct dc_fixture fixture;

struct stand_srq dc_create_srq(struct stand *b, struct stand_cq *cq)
{
	return b->dev.issi ? stand_create_srq_1(b, NULL) : stand_create_srq(b, cq);
}

int dc_setup_with(void **state, const struct dev_options *options, unsigned int devices)
{
	struct dc_fixture *f = &fixture;
	struct pair *p = &f->pair;
	unsigned int i;

	memset(f, 0, sizeof(*f));
	pair_init(p, options, devices, QP_RC);
	for (i = 0; i < 2; i++)
		stand_destroy_object(p->on[i], MLX5_CMD_OP_DESTROY_QP, p->qp[i].number);
	f->srq = dc_create_srq(p->on[1], &p->cq[1]);
	p->qp[0] = stand_create_qp(p->on[0], &p->cq[0], QP_DCI);
	p->on[1]->user_index = DC_INDEX;
	p->qp[1] = stand_create_dct(p->on[1], &p->cq[1], &f->srq, DC_KEY);
	f->cq = stand_create_cq(p->on[0]);
	f->second = stand_create_qp(p->on[0], &f->cq, QP_DCI);
	stand_connect(p->on[0], &p->qp[0], NULL);
	stand_connect(p->on[0], &f->second, NULL);
	*state = f;
	return 0;
}

int dc_setup(void **state)
{
	return dc_setup_with(state, &(struct dev_options){ 0 }, 1);
}

int dc_setup_two(void **state)
{
	return dc_setup_with(state, &(struct dev_options){ 0 }, 2);
}

int dc_setup_new(void **state)
{
	return dc_setup_with(state, &(struct dev_options){ .profile = PROFILE_NEW }, 2);
}

int dc_setup_memory(void **state)
{
	return dc_setup_with(state, &(struct dev_options){ .scheme = SCHEME_MEMORY }, 1);
}

int dc_setup_two_memory(void **state)
{
	return dc_setup_with(state, &(struct dev_options){ .scheme = SCHEME_MEMORY }, 2);
}

int dc_teardown(void **state)
{
	struct dc_fixture *f = *state;

	pair_destroy(&f->pair);
	return 0;
}

struct stand_wr dc_request(struct dc_fixture *f, uint8_t opcode, uint32_t length)
{
	struct stand_wr wr = pair_request(&f->pair, opcode, length);

	wr.datagram = &f->pair.qp[1];
	wr.dc_key = DC_KEY;
	return wr;
}

void dc_receive(struct dc_fixture *f, size_t offset, uint32_t key, uint32_t length)
{
	stand_receive_srq(f->pair.on[1], &f->srq, f->pair.buffer[1] + offset, key, length);
}

const struct qp *dc_initiator(struct dc_fixture *f)
{
	return table_get(&f->pair.on[0]->dev.qps, f->pair.qp[0].number);
}

struct qp *dc_target(struct dc_fixture *f)
{
	return table_get(&f->pair.on[1]->dev.qps, f->pair.qp[1].number);
}

const uint8_t *dc_event(struct stand *b)
{
	return stand_event(b, b->async_ring, &b->async_seen);
}

uint8_t dc_command(struct stand *b, uint16_t opcode, uint32_t number)
{
	return stand_destroy_object(b, opcode, number);
}
