// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The subnet administrator: its answers, and how requests and answers pass through a device. */
#include "unit.h"

#include "cmd/port.h"
#include "stand.h"

#define GET 0x01
#define SET 0x02
#define GET_TABLE 0x12
#define DELETE 0x15
#define RESPONSE 0x80

#define CLASS_PORT_INFO 0x0001
#define PATH 0x0035
#define MEMBER 0x0038

#define OK 0x0000
#define BAD_VERSION 0x0004
#define UNSUPPORTED 0x000c
#define NO_RESOURCES 0x0100
#define INVALID 0x0200
#define NO_RECORDS 0x0300
#define INVALID_GID 0x0500
#define TOO_FEW 0x0600

#define RECORD 56

/* Components of a path */
#define DGID (1 << 2)
#define SGID (1 << 3)
#define DLID (1 << 4)
#define SLID (1 << 5)

/* and of a member record: required to join, and to create a group */
#define JOINS (1 << 0 | 1 << 1 | 1 << 16)
#define MAKES (JOINS | 1 << 2 | 1 << 6 | 1 << 7 | 1 << 12 | 1 << 13)

#define QKEY 0x12345678
#define FULL 1
#define NON_MEMBER 2
#define SEND_ONLY 4
#define SEND_ONLY_FULL 8

static const uint8_t broadcast[16] = { 0xff, 0x12, 0x40, 0x1b, 0xff, 0xff, [12] = 0xff, 0xff,
				       0xff, 0xff };

struct net {
	struct fabric fabric;
	struct stand stands[2];
	struct dev *port[2];
	uint8_t request[SA_MAD_SIZE], reply[SA_MAD_SIZE];
};

static struct net net;

static int setup(void **state)
{
	unsigned int i;

	memset(&net, 0, sizeof(net));
	for (i = 0; i < 2; i++) {
		stand_join(&net.stands[i], &net.fabric, NULL);
		net.port[i] = &net.stands[i].dev;
	}
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

/* All header bytes that the administrator ignores are set, and the record is empty */
static uint8_t *question(struct net *n, uint8_t method, uint16_t attribute, uint64_t components)
{
	unsigned int i;

	for (i = 4; i < RECORD; i++)
		n->request[i] = i;
	n->request[0] = 1;
	n->request[1] = 3;
	n->request[2] = 2;
	n->request[3] = method;
	put_be16(n->request + 16, attribute);
	put_be64(n->request + 48, components);
	memset(n->request + RECORD, 0, SA_MAD_SIZE - RECORD);
	return n->request + RECORD;
}

/* Checks the answer's header against the request and the status; returns its record */
static const uint8_t *answer(struct net *n, uint16_t status)
{
	uint8_t method = n->request[3] == SET ? GET : n->request[3];

	assert_int_equal(n->reply[3], method | RESPONSE);
	assert_int_equal(get_be16(n->reply + 4), status);
	assert_memory_equal(n->reply, n->request, 3);
	assert_memory_equal(n->reply + 6, n->request + 6, RECORD - 6);
	return n->reply + RECORD;
}

static const uint8_t *ask(struct net *n, unsigned int port, uint16_t status)
{
	memset(n->reply, 0xaa, sizeof(n->reply));
	assert_true(sa_answer(n->port[port], n->request, n->reply));
	return answer(n, status);
}

static void test_class_port_info(void **state)
{
	struct net *n = *state;
	uint8_t expected[SA_MAD_SIZE - RECORD] = { 1, 2 };

	memset(question(n, GET, CLASS_PORT_INFO, 0), 0x77, sizeof(expected));
	assert_memory_equal(ask(n, 0, OK), expected, sizeof(expected));
	question(n, SET, CLASS_PORT_INFO, 0);
	ask(n, 0, UNSUPPORTED);
}

/* Checks a path record from port 0 to another port, with GIDs of these indexes */
static void expect_path(struct net *n, const uint8_t *path, unsigned int to, unsigned int dgid,
			unsigned int sgid)
{
	uint8_t expected[SA_MAD_SIZE - RECORD] = { 0 };

	port_gid(n->port[to], dgid, expected + 8);
	port_gid(n->port[0], sgid, expected + 24);
	put_be16(expected + 40, n->port[to]->lid);
	put_be16(expected + 42, 1);
	expected[49] = 0x81; /* reversible, one */
	put_be16(expected + 50, 0xffff);
	expected[54] = 0x85; /* exactly 4096 bytes */
	expected[55] = 0x90; /* exactly 100 Gb/s */
	expected[56] = 0x80;
	assert_memory_equal(path, expected, sizeof(expected));
}

static void test_path(void **state)
{
	struct net *n = *state;
	uint8_t *path = question(n, GET, PATH, DGID | SGID);

	port_gid(n->port[0], 0, path + 24);
	port_gid(n->port[1], 0, path + 8);
	expect_path(n, ask(n, 0, OK), 1, 0, 0);
	/* the answer has the GID of the request */
	port_gid(n->port[1], 1, path + 8);
	port_gid(n->port[0], 1, path + 24);
	expect_path(n, ask(n, 0, OK), 1, 1, 1);
	port_gid(n->port[0], 0, path + 8);
	expect_path(n, ask(n, 0, OK), 0, 0, 1);

	path = question(n, GET, PATH, DLID | SGID);
	port_gid(n->port[0], 0, path + 24);
	put_be16(path + 40, 2);
	expect_path(n, ask(n, 0, OK), 1, 0, 0);
	path = question(n, GET, PATH, DLID | SLID);
	put_be16(path + 40, 2);
	put_be16(path + 42, 1);
	expect_path(n, ask(n, 0, OK), 1, 0, 0);
	/* fields outside of the component mask are ignored */
	memset(path + 8, 0x55, 32);
	expect_path(n, ask(n, 0, OK), 1, 0, 0);
}

static void test_no_path(void **state)
{
	static const uint16_t lids[] = { 0, 3, 0x100, 0xc000, 0xffff };
	struct net *n = *state;
	uint8_t *path = question(n, GET, PATH, DGID | SGID);
	unsigned int i;

	port_gid(n->port[0], 0, path + 24);
	ask(n, 0, NO_RECORDS);
	port_gid(n->port[1], 1, path + 8);
	path[8 + 15]++;
	ask(n, 0, NO_RECORDS);
	path[8 + 15]--;
	path[24]++;
	ask(n, 0, NO_RECORDS);
	path[24]--;
	/* GID and LID of different ports */
	put_be64(n->request + 48, DGID | DLID | SGID);
	put_be16(path + 40, 1);
	ask(n, 0, NO_RECORDS);
	put_be16(path + 40, 2);
	expect_path(n, ask(n, 0, OK), 1, 1, 0);

	put_be64(n->request + 48, DLID | SGID);
	for (i = 0; i < sizeof(lids) / sizeof(lids[0]); i++) {
		put_be16(path + 40, lids[i]);
		ask(n, 0, NO_RECORDS);
	}
	put_be64(n->request + 48, SGID);
	ask(n, 0, TOO_FEW);
	put_be64(n->request + 48, DGID);
	ask(n, 0, TOO_FEW);
	put_be64(n->request + 48, 0);
	ask(n, 0, TOO_FEW);
	/* a removed device has no path */
	stand_destroy(&n->stands[1]);
	put_be64(n->request + 48, DGID | SGID);
	ask(n, 0, NO_RECORDS);
	stand_join(&n->stands[1], &n->fabric, NULL);
	ask(n, 0, OK);
}

/* A request to join or leave an IPv4 group; group: the last bytes of its GID */
static uint8_t *member(struct net *n, uint8_t method, uint64_t components, unsigned int port,
		       uint32_t group, uint8_t join)
{
	uint8_t *record = question(n, method, MEMBER, components);

	memcpy(record, broadcast, sizeof(broadcast));
	put_be32(record + 12, group);
	port_gid(n->port[port], 0, record + 16);
	record[48] = join;
	if (components == MAKES) {
		put_be32(record + 32, QKEY);
		record[39] = 0x21;
		put_be16(record + 40, 0x8001);
		put_be32(record + 44, 0x3abcde42);
	}
	return record;
}

static uint16_t joined_lid(struct net *n, unsigned int port, uint16_t status)
{
	return get_be16(ask(n, port, status) + 36);
}

/* Checks that the group is as its creator requested, with another port's join as well */
static void expect_member(struct net *n, const uint8_t *record, uint16_t lid, uint8_t join)
{
	uint8_t expected[SA_MAD_SIZE - RECORD];

	memcpy(expected, n->request + RECORD, sizeof(expected));
	put_be32(expected + 32, QKEY);
	put_be16(expected + 36, lid);
	expected[38] = 0x85;
	expected[39] = 0x21;
	put_be16(expected + 40, 0x8001);
	expected[42] = 0x90;
	expected[43] = 0x80;
	put_be32(expected + 44, 0x3abcde42);
	expected[48] = 0x20 | join;
	assert_memory_equal(record, expected, sizeof(expected));
}

static void test_join(void **state)
{
	struct net *n = *state;

	member(n, SET, MAKES, 0, 7, FULL);
	expect_member(n, ask(n, 0, OK), 0xc000, FULL);
	member(n, SET, JOINS, 1, 7, FULL);
	expect_member(n, ask(n, 1, OK), 0xc000, FULL);
	member(n, SET, JOINS, 1, 7, 0xf0);
	ask(n, 1, INVALID);
	/* the parameters of a later join are ignored */
	put_be32(member(n, SET, MAKES, 1, 7, FULL) + 32, ~QKEY);
	expect_member(n, ask(n, 1, OK), 0xc000, FULL);
	member(n, SET, MAKES, 1, 8, SEND_ONLY_FULL);
	expect_member(n, ask(n, 1, OK), 0xc001, SEND_ONLY_FULL);
	/* join states accumulate, by port */
	member(n, SET, JOINS, 0, 8, NON_MEMBER);
	expect_member(n, ask(n, 0, OK), 0xc001, NON_MEMBER);
	member(n, SET, JOINS, 0, 8, FULL);
	expect_member(n, ask(n, 0, OK), 0xc001, FULL | NON_MEMBER);
}

static void test_broadcast(void **state)
{
	struct net *n = *state;
	const uint8_t *record;

	/* nothing is left of the group that had its slot before */
	member(n, SET, MAKES, 0, 7, FULL);
	ask(n, 0, OK);
	member(n, DELETE, JOINS, 0, 7, FULL);
	ask(n, 0, OK);
	memset(member(n, SET, JOINS, 0, UINT32_MAX, FULL) + 32, 0x77, 16);
	record = ask(n, 0, OK);
	assert_int_equal(get_be32(record + 32), 0x0b1b);
	assert_int_equal(get_be16(record + 36), 0xc000);
	assert_int_equal(record[38], 0x85);
	assert_int_equal(record[39], 0);
	assert_int_equal(get_be16(record + 40), 0xffff);
	assert_int_equal(get_be32(record + 44), 0);
	assert_int_equal(record[48], 0x20 | FULL);
	/* parameters of a request do not change it */
	member(n, DELETE, JOINS, 0, UINT32_MAX, FULL);
	ask(n, 0, OK);
	member(n, SET, MAKES, 0, UINT32_MAX, FULL);
	assert_int_equal(get_be32(ask(n, 0, OK) + 32), 0x0b1b);
}

static void test_refused(void **state)
{
	static const unsigned int needed[] = { 2, 6, 7, 12, 13 }, joins[] = { 0, 1, 16 };
	struct net *n = *state;
	uint8_t *record;
	unsigned int i;

	member(n, SET, JOINS, 0, 7, FULL);
	ask(n, 0, TOO_FEW);
	member(n, SET, MAKES, 0, 7, FULL);
	for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		put_be64(n->request + 48, MAKES & ~(1ull << needed[i]));
		ask(n, 0, TOO_FEW);
	}
	for (i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
		put_be64(n->request + 48, MAKES & ~(1ull << joins[i]));
		ask(n, 0, TOO_FEW);
	}
	/* not multicast; no state; a state that cannot create a group, also the broadcast group */
	record = member(n, SET, MAKES, 0, 7, FULL);
	port_gid(n->port[1], 0, record);
	ask(n, 0, INVALID_GID);
	member(n, SET, MAKES, 0, 7, 0xf0);
	ask(n, 0, INVALID);
	member(n, SET, MAKES, 0, 7, NON_MEMBER | SEND_ONLY);
	ask(n, 0, INVALID);
	member(n, SET, JOINS, 0, UINT32_MAX, SEND_ONLY);
	ask(n, 0, INVALID);
	/* for another port, or for an unknown one */
	member(n, SET, MAKES, 1, 7, FULL);
	ask(n, 0, INVALID);
	member(n, SET, MAKES, 0, 7, FULL)[16]++;
	ask(n, 0, INVALID);
	/* none of these created a group */
	for (i = 0; i < SA_GROUPS; i++)
		assert_int_equal(n->fabric.sa.groups[i].joined[0] | n->fabric.sa.groups[i].joined[1],
				 0);
}

static void test_leave(void **state)
{
	struct net *n = *state;

	member(n, DELETE, JOINS, 0, 7, FULL);
	ask(n, 0, NO_RECORDS);
	member(n, SET, MAKES, 0, 7, FULL);
	assert_int_equal(joined_lid(n, 0, OK), 0xc000);
	member(n, SET, MAKES, 0, 8, FULL);
	assert_int_equal(joined_lid(n, 0, OK), 0xc001);
	/* a port that has not joined, or not in this state, or another port */
	member(n, DELETE, JOINS, 1, 7, FULL);
	ask(n, 1, INVALID);
	ask(n, 0, INVALID);
	member(n, DELETE, JOINS, 0, 7, SEND_ONLY);
	ask(n, 0, INVALID);
	member(n, SET, JOINS, 1, 7, FULL | NON_MEMBER);
	ask(n, 1, OK);
	member(n, DELETE, JOINS, 0, 7, FULL);
	expect_member(n, ask(n, 0, OK), 0xc000, 0);
	ask(n, 0, INVALID);
	/* the group exists as long as the other port has one of its states */
	member(n, DELETE, JOINS, 1, 7, FULL);
	expect_member(n, ask(n, 1, OK), 0xc000, NON_MEMBER);
	member(n, SET, MAKES, 0, 9, FULL);
	assert_int_equal(joined_lid(n, 0, OK), 0xc002);
	member(n, DELETE, JOINS, 1, 7, NON_MEMBER);
	ask(n, 1, OK);
	ask(n, 1, NO_RECORDS);
	/* its LID is free, and nothing of it is left */
	member(n, SET, JOINS, 1, 7, FULL);
	ask(n, 1, TOO_FEW);
	member(n, SET, MAKES, 1, 10, FULL);
	expect_member(n, ask(n, 1, OK), 0xc000, FULL);
}

static void test_full(void **state)
{
	struct net *n = *state;
	unsigned int i;

	for (i = 0; i < SA_GROUPS; i++) {
		member(n, SET, MAKES, 0, i, FULL);
		assert_int_equal(joined_lid(n, 0, OK), 0xc000 + i);
	}
	member(n, SET, MAKES, 0, SA_GROUPS, FULL);
	ask(n, 0, NO_RESOURCES);
	member(n, SET, JOINS, 1, UINT32_MAX, FULL);
	ask(n, 1, NO_RESOURCES);
	for (i = 0; i < SA_GROUPS; i++) {
		member(n, SET, JOINS, 1, i, FULL);
		expect_member(n, ask(n, 1, OK), 0xc000 + i, FULL);
	}
	for (i = 0; i < 2; i++) {
		member(n, DELETE, JOINS, i, 40, FULL);
		ask(n, i, OK);
	}
	member(n, SET, MAKES, 0, SA_GROUPS, FULL);
	assert_int_equal(joined_lid(n, 0, OK), 0xc000 + 40);
}

static void test_reset(void **state)
{
	struct net *n = *state;
	uint8_t in[16] = { 0 }, out[16];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		member(n, SET, MAKES, i, 7, FULL);
		assert_int_equal(joined_lid(n, i, OK), 0xc000);
	}
	member(n, SET, MAKES, 0, 8, FULL);
	assert_int_equal(joined_lid(n, 0, OK), 0xc001);
	model_reset(n->port[0]);
	/* only the other port is in the first group, and the second is gone */
	member(n, DELETE, JOINS, 0, 7, FULL);
	ask(n, 0, INVALID);
	member(n, DELETE, JOINS, 0, 8, FULL);
	ask(n, 0, NO_RECORDS);
	put_be16(in, MLX5_CMD_OP_DISABLE_HCA);
	assert_int_equal(stand_command(&n->stands[1], in, sizeof(in), out, sizeof(out)), CMD_OK);
	member(n, DELETE, JOINS, 1, 7, FULL);
	ask(n, 1, NO_RECORDS);
	/* a device in the slot of a removed one is in none of its groups */
	member(n, SET, MAKES, 1, 7, FULL);
	ask(n, 1, OK);
	stand_destroy(&n->stands[1]);
	stand_join(&n->stands[1], &n->fabric, NULL);
	member(n, DELETE, JOINS, 1, 7, FULL);
	ask(n, 1, NO_RECORDS);
}

static void test_unsupported(void **state)
{
	static const struct {
		uint8_t method;
		uint16_t attribute;
	} wrong[] = {
		{ GET, MEMBER }, { SET, PATH }, { DELETE, PATH }, { GET_TABLE, PATH },
		{ GET_TABLE, MEMBER }, { DELETE, CLASS_PORT_INFO }, { GET, 0 }, { GET, 0x0011 },
		{ SET, 0x3500 }, { 0, PATH }, { 0x7f, MEMBER },
	};
	struct net *n = *state;
	unsigned int i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memset(question(n, wrong[i].method, wrong[i].attribute, UINT64_MAX), 0x5a,
		       SA_MAD_SIZE - RECORD);
		assert_memory_equal(ask(n, 0, UNSUPPORTED), n->request + RECORD,
				    SA_MAD_SIZE - RECORD);
	}
	question(n, GET, CLASS_PORT_INFO, 0);
	for (i = 0; i < 256; i++) {
		n->request[2] = i;
		ask(n, 0, i == 2 ? OK : BAD_VERSION);
	}
}

static void test_unanswered(void **state)
{
	static const struct {
		unsigned int at;
		uint8_t value;
	} wrong[] = {
		{ 0, 0 }, { 0, 2 }, { 0, 0x80 }, /* versions */
		{ 1, 0x01 }, { 1, 0x04 }, { 1, 0x07 }, { 1, 0x81 }, { 1, 0xff }, /* classes */
		{ 3, 0x81 }, { 3, 0x82 }, { 3, 0x95 }, { 3, 0xff }, /* responses */
		{ 3, 0x03 }, { 3, 0x05 }, { 3, 0x07 }, /* Send, Trap, TrapRepress */
	};
	struct net *n = *state;
	unsigned int i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		question(n, GET, CLASS_PORT_INFO, 0);
		n->request[wrong[i].at] = wrong[i].value;
		assert_false(sa_answer(n->port[0], n->request, n->reply));
	}
}

/* A requesting queue pair, with its request at the start of the buffer */
struct asker {
	struct stand *b;
	struct stand_cq cq;
	struct stand_qp qp;
	uint64_t buffer;
	struct stand_wr wr;
};

#define ANSWER_AT 1024
#define ANSWER (40 + SA_MAD_SIZE)

static const struct stand_qp administrator = { .number = 1, .lid = 0x100 };

static void asker_init(struct asker *a, struct net *n, unsigned int port, unsigned int service,
		       uint32_t qkey)
{
	struct stand *b = &n->stands[port];

	a->b = b;
	a->cq = stand_create_cq(b);
	a->qp = stand_create_qp(b, &a->cq, service);
	a->qp.qkey = qkey;
	stand_connect(b, &a->qp, NULL);
	a->buffer = stand_alloc(b, STAND_PAGE, STAND_PAGE);
	memset(stand_at(b, a->buffer), 0xee, STAND_PAGE);
	a->wr = (struct stand_wr){
		.opcode = WQE_SEND,
		.address = a->buffer,
		.lkey = b->pa_key,
		.length = SA_MAD_SIZE,
		.datagram = &administrator,
		.qkey = STAND_GENERAL_QKEY,
	};
}

/* Sends a request that is dropped; the sender gets no error */
static void asker_lose(struct asker *a, const struct net *n)
{
	const uint8_t *cqe;

	memcpy(stand_at(a->b, a->buffer), n->request, sizeof(n->request));
	stand_post(a->b, &a->qp, &a->wr);
	stand_run(a->b);
	cqe = stand_poll(a->b, &a->cq);
	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, CQE_REQUESTER);
	assert_null(stand_poll(a->b, &a->cq));
}

static void asker_receive(struct asker *a, uint32_t length)
{
	stand_receive(a->b, &a->qp, a->buffer + ANSWER_AT, a->b->pa_key, length);
}

/* Sends, and checks the completion and each byte of the answer and around it */
static const uint8_t *asker_ask(struct asker *a, struct net *n, uint16_t status)
{
	const uint8_t *at = stand_at(a->b, a->buffer + ANSWER_AT), *cqe;
	unsigned int i;

	memset(stand_at(a->b, a->buffer), 0xee, STAND_PAGE);
	memcpy(stand_at(a->b, a->buffer), n->request, sizeof(n->request));
	stand_post(a->b, &a->qp, &a->wr);
	stand_run(a->b);
	cqe = stand_poll(a->b, &a->cq);
	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, CQE_RECEIVE_SEND);
	assert_int_equal(get_be16(cqe + 22), 0x100);
	assert_int_equal(get_be32(cqe + 24), 1);
	assert_int_equal(get_be32(cqe + 36), 0xffff);
	assert_int_equal(get_be32(cqe + 44), ANSWER);
	assert_int_equal(get_be32(cqe + 56) & 0xffffff, a->qp.number);
	cqe = stand_poll(a->b, &a->cq);
	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, CQE_REQUESTER);
	assert_null(stand_poll(a->b, &a->cq));
	/* without a GRH its bytes are not written */
	for (i = 0; i < 40; i++)
		assert_int_equal(at[i], 0xee);
	for (i = ANSWER; i < ANSWER + 200; i++)
		assert_int_equal(at[i], 0xee);
	assert_memory_equal(stand_at(a->b, a->buffer), n->request, sizeof(n->request));
	memcpy(n->reply, at + 40, sizeof(n->reply));
	return answer(n, status);
}

static void asker_silent(struct asker *a)
{
	assert_null(stand_poll(a->b, &a->cq));
}

static void test_device(void **state)
{
	struct net *n = *state;
	struct asker a[2];
	uint8_t *path;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		asker_init(&a[i], n, i, QP_GENERAL, STAND_GENERAL_QKEY);
		asker_receive(&a[i], ANSWER);
		asker_receive(&a[i], ANSWER + 200);
	}
	path = question(n, GET, PATH, DGID | SGID);
	port_gid(n->port[0], 0, path + 24);
	port_gid(n->port[1], 0, path + 8);
	expect_path(n, asker_ask(&a[0], n, OK), 1, 0, 0);
	/* the answer goes to the device that asked */
	asker_silent(&a[1]);
	expect_path(n, asker_ask(&a[1], n, OK), 1, 0, 0);
	asker_silent(&a[0]);
	/* and the port that the request came through joins */
	member(n, SET, MAKES, 1, 7, FULL);
	asker_ask(&a[0], n, INVALID);
	expect_member(n, asker_ask(&a[1], n, OK), 0xc000, FULL);
	/* this is not counted as traffic between devices */
	for (i = 0; i < 2; i++) {
		assert_int_equal(n->port[i]->stats.bytes_sent, 0);
		assert_int_equal(n->port[i]->stats.bytes_in, 0);
		assert_int_equal(n->port[i]->stats.bytes_out, 0);
		assert_int_equal(n->port[i]->stats.wqes, 2);
	}
}

static void test_dropped(void **state)
{
	static const uint32_t lengths[] = { 0, 1, SA_MAD_SIZE - 1, SA_MAD_SIZE + 1, 4096 };
	struct net *n = *state;
	struct stand_qp other = administrator;
	struct asker a;
	unsigned int i;

	asker_init(&a, n, 0, QP_GENERAL, STAND_GENERAL_QKEY);
	asker_receive(&a, ANSWER);
	question(n, GET, CLASS_PORT_INFO, 0);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		a.wr.length = lengths[i];
		asker_lose(&a, n);
	}
	a.wr.length = SA_MAD_SIZE;
	a.wr.qkey = STAND_QKEY;
	asker_lose(&a, n);
	a.wr.qkey = STAND_GENERAL_QKEY;
	a.wr.datagram = &other;
	other.number = 0;
	asker_lose(&a, n);
	other.number = a.qp.number;
	asker_lose(&a, n);
	other.number = 1;
	other.lid = 0x101;
	asker_lose(&a, n);
	other.lid = 0x100;
	question(n, GET | RESPONSE, CLASS_PORT_INFO, 0);
	asker_lose(&a, n);
	/* the receive WQE is still there */
	question(n, GET, CLASS_PORT_INFO, 0);
	asker_ask(&a, n, OK);
}

/* Any queue pair with the Q_Key may send requests, and gets the answer itself */
static void test_other_askers(void **state)
{
	struct net *n = *state;
	struct asker general, second, ud, stranger;

	asker_init(&general, n, 0, QP_GENERAL, STAND_GENERAL_QKEY);
	asker_init(&ud, n, 0, QP_UD, STAND_GENERAL_QKEY);
	asker_init(&stranger, n, 0, QP_UD, STAND_QKEY);
	asker_receive(&general, ANSWER);
	asker_receive(&ud, ANSWER);
	asker_receive(&stranger, ANSWER);
	question(n, GET, CLASS_PORT_INFO, 0);
	asker_lose(&stranger, n);
	asker_ask(&ud, n, OK);
	asker_silent(&general);
	/* QP1 is the first queue pair of its type, and that one cannot receive */
	asker_init(&second, n, 0, QP_GENERAL, STAND_GENERAL_QKEY);
	asker_receive(&second, ANSWER);
	stand_modify(general.b, &general.qp, MLX5_CMD_OP_2RST_QP, NULL);
	general.qp.rq_next = 0;
	asker_receive(&general, ANSWER);
	asker_lose(&second, n);
	asker_silent(&general);
}

static void test_lost(void **state)
{
	struct net *n = *state;
	struct asker a;
	const uint8_t *cqe;
	uint32_t absent;

	asker_init(&a, n, 0, QP_GENERAL, STAND_GENERAL_QKEY);
	absent = stand_register(a.b, a.buffer, STAND_PAGE, 12, false);
	/* the request is executed, though its answer is lost */
	member(n, SET, MAKES, 0, 7, FULL);
	asker_lose(&a, n);
	assert_int_equal(n->fabric.sa.groups[0].joined[0], FULL);
	asker_receive(&a, ANSWER);
	expect_member(n, asker_ask(&a, n, OK), 0xc000, FULL);
	/* a receiver that would have to fault gets nothing, and no event is sent */
	stand_receive(a.b, &a.qp, a.buffer + ANSWER_AT, absent, ANSWER);
	asker_lose(&a, n);
	assert_int_equal(n->port[0]->stats.page_faults, 0);
	stand_update(a.b, absent, 0, (const uint64_t[8]){ a.buffer | 3 }, 8);
	expect_member(n, asker_ask(&a, n, OK), 0xc000, FULL);
	/* too short: the receive fails, and with it the queue pair, but not the request */
	asker_receive(&a, ANSWER - 1);
	stand_post(a.b, &a.qp, &a.wr);
	stand_run(a.b);
	cqe = stand_poll(a.b, &a.cq);
	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, CQE_RECEIVE_ERROR);
	assert_int_equal(cqe[55], SYNDROME_LOCAL_LENGTH);
	cqe = stand_poll(a.b, &a.cq);
	assert_non_null(cqe);
	assert_int_equal(cqe[63] >> 4, CQE_REQUESTER);
	asker_silent(&a);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_class_port_info), TEST(test_path),	 TEST(test_no_path),
		TEST(test_join),	    TEST(test_broadcast), TEST(test_refused),
		TEST(test_leave),	    TEST(test_full),	 TEST(test_reset),
		TEST(test_unsupported),	    TEST(test_unanswered), TEST(test_device),
		TEST(test_dropped),	    TEST(test_other_askers), TEST(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
