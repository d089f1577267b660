// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Datagrams to a group are received once by each attached queue pair, and by no other. */
#include "unit.h"

#include "base/caps.h"
#include "cmd/port.h"
#include "stand.h"

#define MEMBERS 4 /* two on each device; the first one sends */
#define BUFFER 8192
#define PAYLOAD_AT 4096
#define FILL 0xee
#define GRH 40
#define ROOM 1000

static const uint8_t group[16] = { 0xff, 0x12, 0x40, 0x1b, 0xff, 0xff, [15] = 7 };
static const uint8_t other_group[16] = { 0xff, 0x12, 0x40, 0x1b, 0xff, 0xff, [15] = 8 };

/* A queue pair; it receives at the start of its buffer and sends from the second half */
struct member {
	struct stand *b;
	struct stand_cq cq;
	struct stand_qp qp;
	uint64_t buffer;
};

struct net {
	struct fabric fabric;
	struct stand stands[2];
	struct dev *dev[2];
	struct member members[MEMBERS];
	struct stand_qp to; /* all members */
	struct stand_wr wr;
};

static struct net net;

static void member_init(struct member *m, struct stand *b, unsigned int service)
{
	unsigned int i;

	m->b = b;
	m->cq = stand_create_cq(b);
	m->qp = stand_create_qp(b, &m->cq, service);
	stand_connect(b, &m->qp, NULL);
	m->buffer = stand_alloc(b, BUFFER, STAND_PAGE);
	for (i = 0; i < BUFFER / 2; i++) {
		stand_at(b, m->buffer)[i] = FILL;
		stand_at(b, m->buffer)[PAYLOAD_AT + i] = i * 7 + m->qp.number;
	}
}

static uint8_t member_command(const struct member *m, uint16_t opcode, const uint8_t *gid)
{
	uint8_t in[IFC_SIZE(attach_to_mcg_in)] = { 0 }, out[IFC_SIZE(attach_to_mcg_out)];

	/* both commands have one layout */
	IFC_SET(attach_to_mcg_in, in, opcode, opcode);
	IFC_SET(attach_to_mcg_in, in, qpn, m->qp.number);
	memcpy(IFC_AT(attach_to_mcg_in, in, multicast_gid), gid, 16);
	return stand_command(m->b, in, sizeof(in), out, sizeof(out));
}

static uint8_t attach(const struct member *m, const uint8_t *gid)
{
	return member_command(m, MLX5_CMD_OP_ATTACH_TO_MCG, gid);
}

static uint8_t detach(const struct member *m, const uint8_t *gid)
{
	return member_command(m, MLX5_CMD_OP_DETACH_FROM_MCG, gid);
}

static uint8_t destroy(const struct member *m)
{
	uint8_t in[IFC_SIZE(destroy_qp_in)] = { 0 }, out[IFC_SIZE(destroy_qp_out)];

	IFC_SET(destroy_qp_in, in, opcode, MLX5_CMD_OP_DESTROY_QP);
	IFC_SET(destroy_qp_in, in, qpn, m->qp.number);
	return stand_command(m->b, in, sizeof(in), out, sizeof(out));
}

static void receive(struct member *m, uint32_t length)
{
	stand_receive(m->b, &m->qp, m->buffer, m->b->pa_key, length);
}

static int setup(void **state)
{
	unsigned int i;

	memset(&net, 0, sizeof(net));
	for (i = 0; i < 2; i++) {
		stand_join(&net.stands[i], &net.fabric, NULL);
		net.dev[i] = &net.stands[i].dev;
	}
	for (i = 0; i < MEMBERS; i++) {
		member_init(&net.members[i], &net.stands[i / 2], QP_UD);
		assert_int_equal(attach(&net.members[i], group), CMD_OK);
		receive(&net.members[i], ROOM);
		receive(&net.members[i], ROOM);
	}
	net.to = (struct stand_qp){ .number = 0xffffff, .lid = 0xc005 };
	net.wr = (struct stand_wr){
		.opcode = WQE_SEND,
		.address = net.members[0].buffer + PAYLOAD_AT,
		.lkey = net.members[0].b->pa_key,
		.length = 500,
		.datagram = &net.to,
		.gid = group,
	};
	*state = &net;
	return 0;
}

static int teardown(void **state)
{
	struct net *n = *state;

	stand_destroy(&n->stands[0]);
	stand_destroy(&n->stands[1]);
	return 0;
}

static void send_it(struct net *n)
{
	stand_post(n->members[0].b, &n->members[0].qp, &n->wr);
	stand_run(n->members[0].b);
}

/* The next completion */
static const uint8_t *complete(struct member *m, enum cqe_opcode opcode, enum syndrome syndrome)
{
	const uint8_t *cqe = stand_poll(m->b, &m->cq);

	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, opcode);
	if (syndrome != SYNDROME_OK)
		assert_int_equal(cqe[55], syndrome);
	assert_int_equal(get_be32(cqe + 56) & 0xffffff, m->qp.number);
	return cqe;
}

static void silent(struct member *m)
{
	assert_null(stand_poll(m->b, &m->cq));
}

/* The sender's completion: success, whether or not a member received it */
static void sent(struct net *n)
{
	complete(&n->members[0], CQE_REQUESTER, SYNDROME_OK);
}

/* Checks each byte that the member received, and resets its buffer */
static const uint8_t *received(struct net *n, unsigned int member)
{
	struct member *m = &n->members[member];
	const uint8_t *cqe = stand_poll(m->b, &m->cq);
	uint8_t expected[BUFFER / 2];

	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, n->wr.opcode == WQE_SEND ? CQE_RECEIVE_SEND :
								  CQE_RECEIVE_SEND_IMM);
	assert_int_equal(get_be16(cqe + 22), n->members[0].qp.lid);
	assert_int_equal(get_be32(cqe + 24), 1u << 28 | n->members[0].qp.number);
	assert_int_equal(get_be32(cqe + 36),
			 n->wr.opcode == WQE_SEND ? 0xffff : n->wr.immediate);
	assert_int_equal(get_be32(cqe + 44), n->wr.length + GRH);
	assert_int_equal(get_be32(cqe + 56) & 0xffffff, m->qp.number);
	memset(expected, FILL, sizeof(expected));
	put_be32(expected, 6u << 28);
	put_be16(expected + 4, n->wr.length);
	expected[6] = 0x1b;
	expected[7] = 0;
	port_gid(n->dev[0], 0, expected + 8);
	memcpy(expected + 24, n->wr.gid, 16);
	memcpy(expected + GRH, stand_at(n->members[0].b, n->members[0].buffer) + PAYLOAD_AT,
	       n->wr.length);
	assert_memory_equal(stand_at(m->b, m->buffer), expected, sizeof(expected));
	memset(stand_at(m->b, m->buffer), FILL, sizeof(expected));
	return cqe;
}

/* Checks that all members received it, except those in the mask */
static void received_but(struct net *n, unsigned int without)
{
	unsigned int i;

	for (i = 0; i < MEMBERS; i++)
		if (!(without & 1 << i))
			received(n, i);
	sent(n);
	for (i = 0; i < MEMBERS; i++)
		silent(&n->members[i]);
}

static void counted(struct net *n, uint64_t total, uint64_t crossed)
{
	assert_int_equal(n->dev[0]->stats.bytes_sent, total);
	assert_int_equal(n->dev[0]->stats.bytes_out, crossed);
	assert_int_equal(n->dev[0]->stats.bytes_in, 0);
	assert_int_equal(n->dev[1]->stats.bytes_sent, 0);
	assert_int_equal(n->dev[1]->stats.bytes_in, crossed);
	assert_int_equal(n->dev[1]->stats.bytes_out, 0);
}

static void test_everybody(void **state)
{
	struct net *n = *state;

	send_it(n);
	received_but(n, 0);
	/* counted once per device, not per member */
	counted(n, 500, 500);
	n->wr.opcode = WQE_SEND_IMM;
	n->wr.immediate = 0x01020304;
	n->wr.length = ROOM - GRH;
	send_it(n);
	received_but(n, 0);
	counted(n, 500 + ROOM - GRH, 500 + ROOM - GRH);
}

/* Members of another group get nothing; a member of both gets each datagram once */
static void test_groups(void **state)
{
	struct net *n = *state;

	assert_int_equal(attach(&n->members[2], other_group), CMD_OK);
	n->wr.gid = other_group;
	send_it(n);
	received_but(n, 1 << 0 | 1 << 1 | 1 << 3);
	counted(n, 500, 500);
	assert_int_equal(detach(&n->members[2], group), CMD_OK);
	assert_int_equal(attach(&n->members[1], other_group), CMD_OK);
	send_it(n);
	received_but(n, 1 << 0 | 1 << 3);
	n->wr.gid = group;
	receive(&n->members[1], ROOM);
	send_it(n);
	received_but(n, 1 << 2);
}

/* Only the sender's own completion */
static void heard_by_nobody(struct net *n)
{
	unsigned int i;

	send_it(n);
	sent(n);
	for (i = 0; i < MEMBERS; i++)
		silent(&n->members[i]);
}

static void test_not_addressed(void **state)
{
	struct net *n = *state;
	uint8_t gid[16];
	unsigned int i;

	/* one wrong value at a time; first a GRH whose flag is cleared */
	stand_post(n->members[0].b, &n->members[0].qp, &n->wr);
	stand_at(n->members[0].b, n->members[0].qp.sq)[16 + 28] = 0;
	stand_run(n->members[0].b);
	sent(n);
	n->wr.gid = NULL;
	heard_by_nobody(n);
	n->wr.gid = group;
	n->to.number = 0xfffffe;
	heard_by_nobody(n);
	n->to.number = n->members[1].qp.number;
	heard_by_nobody(n);
	n->to.number = 0xffffff;
	n->to.lid = 2;
	heard_by_nobody(n);
	n->to.lid = 0xbfff;
	heard_by_nobody(n);
	n->to.lid = 0xc005;
	n->wr.qkey = STAND_QKEY + 1;
	heard_by_nobody(n);
	n->wr.qkey = 0;
	for (i = 0; i < 16; i++) {
		memcpy(gid, group, sizeof(gid));
		gid[i]++;
		n->wr.gid = gid;
		heard_by_nobody(n);
	}
	counted(n, 0, 0);
	n->wr.gid = group;
	send_it(n);
	received_but(n, 0);
}

static void test_detached(void **state)
{
	struct net *n = *state;

	assert_int_equal(detach(&n->members[1], group), CMD_OK);
	send_it(n);
	received_but(n, 1 << 1);
	assert_int_equal(detach(&n->members[1], group), CMD_BAD_RESOURCE);
	assert_int_equal(detach(&n->members[2], other_group), CMD_BAD_RESOURCE);
	assert_int_equal(detach(&n->members[2], group), CMD_OK);
	assert_int_equal(detach(&n->members[3], group), CMD_OK);
	send_it(n);
	received_but(n, 1 << 1 | 1 << 2 | 1 << 3);
	/* no member on the other device */
	counted(n, 1000, 500);
	assert_int_equal(detach(&n->members[0], group), CMD_OK);
	heard_by_nobody(n);
	counted(n, 1000, 500);
	assert_int_equal(n->dev[0]->attachments.count, 0);
	assert_int_equal(n->dev[1]->attachments.count, 0);
}

static void test_destroyed(void **state)
{
	struct net *n = *state;

	assert_int_equal(attach(&n->members[3], other_group), CMD_OK);
	assert_int_equal(n->dev[1]->attachments.count, 3);
	assert_int_equal(destroy(&n->members[3]), CMD_OK);
	assert_int_equal(n->dev[1]->attachments.count, 1);
	assert_int_equal(detach(&n->members[3], group), CMD_BAD_RESOURCE);
	/* the next queue pair of this number is not attached */
	n->dev[1]->qps.next = n->members[3].qp.number;
	member_init(&n->members[3], n->members[3].b, QP_UD);
	assert_int_equal(n->members[3].qp.number + 1, n->dev[1]->qps.next);
	receive(&n->members[3], ROOM);
	send_it(n);
	received_but(n, 1 << 3);
	assert_int_equal(attach(&n->members[3], group), CMD_OK);
	receive(&n->members[3], ROOM);
	send_it(n);
	received_but(n, 0);
}

/* A queue pair that is reset stays attached, but gets nothing until it can receive again */
static void test_not_receiving(void **state)
{
	struct net *n = *state;
	struct member *m = &n->members[2];

	stand_modify(m->b, &m->qp, MLX5_CMD_OP_2RST_QP, NULL);
	send_it(n);
	received_but(n, 1 << 2);
	m->qp.rq_next = 0;
	stand_connect(m->b, &m->qp, NULL);
	receive(m, ROOM);
	send_it(n);
	received_but(n, 0);
	assert_int_equal(n->dev[0]->stats.rnr_waits, 0);
}

static void test_device_reset(void **state)
{
	struct net *n = *state;

	model_reset(n->dev[1]);
	assert_int_equal(n->dev[1]->attachments.count, 0);
	send_it(n);
	received_but(n, 1 << 2 | 1 << 3);
	counted(n, 500, 0);
	assert_int_equal(attach(&n->members[2], group), CMD_BAD_SYSTEM_STATE);
	stand_power_up(&n->stands[1]);
	assert_int_equal(attach(&n->members[2], group), CMD_BAD_RESOURCE);
	stand_destroy(&n->stands[1]);
	send_it(n);
	received(n, 0);
	received(n, 1);
	sent(n);
	stand_join(&n->stands[1], &n->fabric, NULL);
}

static void test_twice(void **state)
{
	struct net *n = *state;

	assert_int_equal(attach(&n->members[1], group), CMD_OK);
	assert_int_equal(attach(&n->members[3], group), CMD_OK);
	assert_int_equal(n->dev[0]->attachments.count, 2);
	send_it(n);
	received_but(n, 0);
	/* one detach is enough */
	assert_int_equal(detach(&n->members[1], group), CMD_OK);
	send_it(n);
	received_but(n, 1 << 1);
}

static void test_refused(void **state)
{
	static const unsigned int services[] = { QP_RC, QP_UC, QP_XRC, QP_MANAGEMENT, QP_GENERAL };
	struct net *n = *state;
	struct member m;
	uint8_t gid[16];
	unsigned int i;

	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		member_init(&m, &n->stands[0], services[i]);
		assert_int_equal(attach(&m, group), CMD_BAD_PARAM);
		assert_int_equal(detach(&m, group), CMD_BAD_RESOURCE);
	}
	port_gid(n->dev[0], 0, gid);
	assert_int_equal(attach(&n->members[0], gid), CMD_BAD_PARAM);
	memcpy(gid, group, sizeof(gid));
	gid[0] = 0xfe;
	assert_int_equal(attach(&n->members[0], gid), CMD_BAD_PARAM);
	m = n->members[2];
	m.b = &n->stands[0];
	/* a number of the other device */
	assert_int_equal(attach(&m, group), CMD_BAD_RESOURCE);
	m.qp.number = 0;
	assert_int_equal(attach(&m, group), CMD_BAD_RESOURCE);
	m.qp.number = 0xffffff;
	assert_int_equal(attach(&m, group), CMD_BAD_RESOURCE);
	assert_int_equal(n->dev[0]->attachments.count, 2);
	assert_int_equal(n->dev[1]->attachments.count, 2);
	send_it(n);
	received_but(n, 0);
}

static void test_full(void **state)
{
	struct net *n = *state;
	uint32_t room = n->dev[0]->attachments.limit - n->dev[0]->attachments.first, i;
	uint8_t gid[16] = { 0xff };

	assert_int_equal(room, CAPS_MAX_ATTACHED << CAPS_LOG_MAX_GROUP);
	for (i = 2; i < room; i++) {
		put_be32(gid + 8, i);
		assert_int_equal(attach(&n->members[1], gid), CMD_OK);
	}
	put_be32(gid + 8, i);
	assert_int_equal(attach(&n->members[1], gid), CMD_LIMIT);
	assert_int_equal(attach(&n->members[1], group), CMD_OK);
	send_it(n);
	received_but(n, 0);
	assert_int_equal(detach(&n->members[0], group), CMD_OK);
	assert_int_equal(attach(&n->members[1], gid), CMD_OK);
	n->wr.gid = gid;
	send_it(n);
	received_but(n, 1 << 0 | 1 << 2 | 1 << 3);
	/* destroying the queue pair removes all its attachments */
	assert_int_equal(destroy(&n->members[1]), CMD_OK);
	assert_int_equal(n->dev[0]->attachments.count, 0);
}

static void test_short_buffer(void **state)
{
	struct net *n = *state;
	struct member *m = &n->members[1];

	n->wr.length = ROOM - GRH;
	stand_modify(m->b, &m->qp, MLX5_CMD_OP_2RST_QP, NULL);
	m->qp.rq_next = 0;
	stand_connect(m->b, &m->qp, NULL);
	receive(m, ROOM - 1);
	receive(m, ROOM);
	send_it(n);
	complete(m, CQE_RECEIVE_ERROR, SYNDROME_LOCAL_LENGTH);
	complete(m, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED);
	received_but(n, 1 << 1);
	send_it(n);
	received_but(n, 1 << 1);
	counted(n, 2 * (ROOM - GRH), 2 * (ROOM - GRH));
}

/* The sender's own buffer is too short: all others receive it, and the send succeeds */
static void test_short_sender(void **state)
{
	struct net *n = *state;

	n->wr.length = ROOM - GRH + 1;
	receive(&n->members[1], ROOM + 1);
	n->members[1].qp.rq_next = 0;
	receive(&n->members[1], ROOM + 1);
	n->members[2].qp.rq_next = 0;
	receive(&n->members[2], ROOM + 1);
	stand_post(n->members[0].b, &n->members[0].qp, &n->wr);
	send_it(n);
	complete(&n->members[0], CQE_RECEIVE_ERROR, SYNDROME_LOCAL_LENGTH);
	sent(n);
	complete(&n->members[0], CQE_RECEIVE_ERROR, SYNDROME_FLUSHED);
	complete(&n->members[0], CQE_REQUESTER_ERROR, SYNDROME_FLUSHED);
	silent(&n->members[0]);
	received(n, 1);
	received(n, 2);
	complete(&n->members[3], CQE_RECEIVE_ERROR, SYNDROME_LOCAL_LENGTH);
	counted(n, ROOM - GRH + 1, ROOM - GRH + 1);
}

/* The sender receives into its payload: the others get the original bytes */
static void test_same_buffer(void **state)
{
	struct net *n = *state;
	struct member *m = &n->members[0];
	uint8_t *payload = stand_at(m->b, m->buffer) + PAYLOAD_AT, before[BUFFER / 2];
	unsigned int i;

	memcpy(before, payload, sizeof(before));
	m->qp.rq_next = 0;
	stand_receive(m->b, &m->qp, m->buffer + PAYLOAD_AT, m->b->pa_key, ROOM);
	send_it(n);
	complete(m, CQE_RECEIVE_SEND, SYNDROME_OK);
	sent(n);
	assert_int_equal(get_be32(payload), 6u << 28);
	assert_memory_equal(payload + GRH, before, n->wr.length);
	assert_memory_equal(payload + GRH + n->wr.length, before + GRH + n->wr.length,
			    sizeof(before) - GRH - n->wr.length);
	memcpy(payload, before, sizeof(before));
	for (i = 1; i < MEMBERS; i++)
		received(n, i);
}

static void test_nothing_posted(void **state)
{
	struct net *n = *state;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		send_it(n);
		received_but(n, 0);
	}
	receive(&n->members[1], ROOM);
	send_it(n);
	received_but(n, 1 << 0 | 1 << 2 | 1 << 3);
	counted(n, 1500, 1000);
	assert_int_equal(n->dev[0]->stats.rnr_waits, 3);
	heard_by_nobody(n);
	counted(n, 1500, 1000);
	assert_int_equal(n->dev[0]->stats.rnr_waits, 7);
	assert_int_equal(n->dev[1]->stats.rnr_waits, 0);
}

/* Two members with one SRQ take one WQE each, while there are any */
static void test_shared(void **state)
{
	struct net *n = *state;
	struct stand *b = &n->stands[1];
	struct stand_srq srq = stand_create_srq(b, &n->members[2].cq);
	unsigned int i;

	for (i = 2; i < MEMBERS; i++) {
		struct member *m = &n->members[i];

		assert_int_equal(destroy(m), CMD_OK);
		m->qp = stand_create_qp_srq(b, &m->cq, QP_UD, &srq);
		stand_connect(b, &m->qp, NULL);
		assert_int_equal(attach(m, group), CMD_OK);
		stand_receive_srq(b, &srq, m->buffer, b->pa_key, ROOM);
	}
	send_it(n);
	for (i = 2; i < MEMBERS; i++)
		assert_int_equal(get_be32(received(n, i) + 32), srq.number);
	received_but(n, 1 << 2 | 1 << 3);
	stand_receive_srq(b, &srq, n->members[2].buffer, b->pa_key, ROOM);
	send_it(n);
	received_but(n, 1 << 3);
	assert_int_equal(n->dev[0]->stats.rnr_waits, 1);
}

/* A receiver whose buffer would fault gets nothing: no event, and the others do not wait */
static void test_absent(void **state)
{
	struct net *n = *state;
	struct member *m = &n->members[2];
	uint32_t key = stand_register(m->b, m->buffer, BUFFER, 12, false);

	m->qp.rq_next = 0;
	stand_receive(m->b, &m->qp, m->buffer, key, ROOM);
	send_it(n);
	received_but(n, 1 << 2);
	assert_int_equal(n->dev[0]->stats.page_faults + n->dev[1]->stats.page_faults, 0);
	stand_update(m->b, key, 0, (const uint64_t[8]){ m->buffer | 3 }, 8);
	send_it(n);
	received_but(n, 0);
	/* the sender's payload does fault, and the message is sent after the resume */
	key = stand_register(n->members[0].b, n->members[0].buffer, BUFFER, 12, false);
	n->wr.address = n->members[0].buffer + PAYLOAD_AT;
	n->wr.lkey = key;
	receive(&n->members[1], ROOM);
	send_it(n);
	silent(&n->members[0]);
	assert_int_equal(n->dev[0]->stats.page_faults, 1);
	stand_update(n->members[0].b, key, 0,
		     (const uint64_t[8]){ n->members[0].buffer | 3,
					  (n->members[0].buffer + 4096) | 3 }, 8);
	stand_resume(n->members[0].b,
		     stand_event(n->members[0].b, n->members[0].b->fault_ring,
				 &n->members[0].b->fault_seen), false);
	stand_run(n->members[0].b);
	received_but(n, 1 << 0 | 1 << 2 | 1 << 3);
}

static void test_sizes(void **state)
{
	struct net *n = *state;
	unsigned int i;

	n->wr.length = 0;
	send_it(n);
	received_but(n, 0);
	counted(n, 0, 0);
	for (i = 0; i < MEMBERS; i++) {
		n->members[i].qp.rq_next = 1;
		receive(&n->members[i], BUFFER / 2);
	}
	n->wr.length = BUFFER / 2 - GRH;
	send_it(n);
	received_but(n, 0);
	/* no datagram is larger than the MTU */
	n->wr.length = 4097;
	n->wr.address = n->members[0].buffer;
	send_it(n);
	complete(&n->members[0], CQE_REQUESTER_ERROR, SYNDROME_LOCAL_LENGTH);
	counted(n, BUFFER / 2 - GRH, BUFFER / 2 - GRH);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_everybody),	 TEST(test_groups),	  TEST(test_not_addressed),
		TEST(test_detached),	 TEST(test_destroyed),	  TEST(test_not_receiving),
		TEST(test_device_reset), TEST(test_twice),	  TEST(test_refused),
		TEST(test_full),	 TEST(test_short_buffer), TEST(test_short_sender),
		TEST(test_same_buffer),	 TEST(test_nothing_posted), TEST(test_absent),
		TEST(test_shared),	 TEST(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
