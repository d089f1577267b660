// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Two devices: every service, the state of each side, and the removal of one device. */
#include "pair.h"

#include "cmd/port.h"

static struct pair pair;

static int setup_service(void **state, enum dev_scheme scheme, unsigned int service)
{
	pair_init(&pair, &(struct dev_options){ .scheme = scheme }, 2, service);
	*state = &pair;
	return 0;
}

static int setup(void **state)
{
	return setup_service(state, SCHEME_TRANSPORT, QP_RC);
}

static int setup_memory(void **state)
{
	return setup_service(state, SCHEME_MEMORY, QP_RC);
}

static int setup_uc(void **state)
{
	return setup_service(state, SCHEME_TRANSPORT, QP_UC);
}

static int setup_ud(void **state)
{
	return setup_service(state, SCHEME_TRANSPORT, QP_UD);
}

static int setup_xrc(void **state)
{
	return setup_service(state, SCHEME_TRANSPORT, QP_XRC);
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

/* Bytes that crossed between the devices, as each of them counts them */
static void assert_crossed(struct pair *p, uint64_t there, uint64_t back)
{
	assert_int_equal(p->on[0]->dev.stats.bytes_out, there);
	assert_int_equal(p->on[1]->dev.stats.bytes_in, there);
	assert_int_equal(p->on[0]->dev.stats.bytes_in, back);
	assert_int_equal(p->on[1]->dev.stats.bytes_out, back);
}

static void test_counters(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 1000);

	assert_int_equal(p->on[0]->dev.lid, 1);
	assert_int_equal(p->on[1]->dev.lid, 2);
	assert_int_not_equal(p->qp[0].number, p->qp[1].number);
	assert_int_not_equal(p->key[0], p->key[1]);
	pair_send(p, &wr);
	assert_crossed(p, 1000, 0);
	wr.opcode = WQE_READ;
	pair_send(p, &wr);
	assert_crossed(p, 1000, 1000);
	wr.opcode = WQE_FETCH_ADD;
	wr.length = 8;
	wr.remote = p->buffer[1];
	pair_send(p, &wr);
	assert_crossed(p, 1000, 1008);
	wr.opcode = WQE_SEND;
	pair_receive(p, 0, 100);
	pair_send(p, &wr);
	assert_crossed(p, 1008, 1008);
	assert_int_equal(p->on[0]->dev.stats.wqes, 4);
	assert_int_equal(p->on[1]->dev.stats.wqes, 0);
	assert_int_equal(p->on[1]->dev.stats.completions, 1);
}

static void test_write_immediate(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE_IMM, 3000);
	const uint8_t *cqe;

	wr.immediate = 0x01020304;
	pair_receive(p, 0, 0);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	cqe = pair_complete(p, 1, CQE_RECEIVE_WRITE_IMM, SYNDROME_OK, 3000);
	assert_int_equal(get_be32(cqe + 36), 0x01020304);
	assert_int_equal(get_be16(cqe + 22), p->qp[0].lid);
	assert_int_equal(get_be32(cqe + 24) & 0xffffff, p->qp[0].number);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 3000);
}

static void test_invalidate(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND_INVALIDATE, 100);
	uint32_t key = stand_register(p->on[1], p->buffer[1], PAIR_SIZE, 12, true);

	/* the key is the receiver's */
	wr.immediate = key;
	pair_receive(p, 0, 100);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND_INVALIDATE, SYNDROME_OK, 100);
	wr = pair_request(p, WQE_WRITE, 100);
	wr.rkey = key;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
}

static void denied_invalidate(struct pair *p, uint32_t key)
{
	struct stand_wr wr = pair_request(p, WQE_SEND_INVALIDATE, 100);

	wr.immediate = key;
	pair_receive(p, 0, 100);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_OPERATION, 0);
	assert_false(mkey_get(&p->on[1]->dev, key)->free);
}

/* A peer invalidates only keys that allow it */
static void test_invalidate_denied(void **state)
{
	struct pair *p = *state;

	IFC_SET(mkc, mkey_get(&p->on[1]->dev, p->key[1])->context, en_rinval, 0);
	denied_invalidate(p, p->key[1]);
}

/* A memory window of another queue pair */
static void test_invalidate_window(void **state)
{
	struct pair *p = *state;
	uint32_t key = stand_register(p->on[1], p->buffer[1], PAIR_SIZE, 12, true);
	struct mkey *mkey = mkey_get(&p->on[1]->dev, key);

	IFC_SET(mkc, mkey->context, qpn, p->qp[1].number + 1);
	mkey_refresh(mkey);
	denied_invalidate(p, key);
}

static void test_uc(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 500);

	/* no receive WQE: the message is lost, and the sender gets no error */
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_crossed(p, 0, 0);
	pair_receive(p, 0, 500);
	pair_send(p, &wr);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 500);
	assert_crossed(p, 500, 0);
	wr.opcode = WQE_WRITE;
	pair_send(p, &wr);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 500);
	model_reset(&p->on[1]->dev);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
}

static void test_ud(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 700);
	uint8_t gid[16];
	const uint8_t *cqe;

	wr.datagram = &p->qp[1];
	port_gid(&p->on[1]->dev, 1, gid);
	wr.gid = gid;
	pair_receive(p, 0, 1000);
	pair_receive(p, 1000, 1000);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 740);
	assert_int_equal(get_be16(cqe + 22), p->qp[0].lid);
	assert_int_equal(get_be32(cqe + 24), 1u << 28 | p->qp[0].number);
	assert_memory_equal(pair_at(p, 1, 40), pair_at(p, 0, 11), 700);
	assert_memory_equal(pair_at(p, 1, 24), gid, 16);
	port_gid(&p->on[0]->dev, 0, gid);
	assert_memory_equal(pair_at(p, 1, 8), gid, 16);
	/* the GID of one and the LID of the other; then an unknown LID and an unknown number */
	pair_send(p, &wr);
	wr.datagram = &(struct stand_qp){ .lid = 3, .number = p->qp[1].number };
	wr.gid = NULL;
	pair_send(p, &wr);
	wr.datagram = &(struct stand_qp){ .lid = 2, .number = p->qp[0].number };
	pair_send(p, &wr);
	pair_silent(p, 1);
	assert_crossed(p, 700, 0);
	wr.datagram = &p->qp[1];
	pair_send(p, &wr);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 740);
	assert_int_equal(get_be32(cqe + 24), p->qp[0].number);
}

/*
 * A receiver without page: its driver may fail it, which a sender without acknowledgements does not
 * notice
 */
static void expect_unnoticed(struct pair *p, struct stand_wr *wr)
{
	const struct qp *sender = table_get(&p->on[0]->dev.qps, p->qp[0].number);
	const uint8_t *event;

	stand_receive(p->on[1], &p->qp[1], p->buffer[1], pair_absent(p, 1), 1000);
	pair_send(p, wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	assert_int_equal(stand_resume(p->on[1], event, true), CMD_OK);
	stand_run(p->on[0]);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_LOCAL_PROTECTION, 0);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_int_equal(sender->state, QP_RTS);
}

static void test_ud_fault_failed(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 700);

	wr.datagram = &p->qp[1];
	expect_unnoticed(p, &wr);
}

static void test_uc_fault_failed(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 700);

	IFC_SET(odp_cap, p->on[1]->dev.caps_odp,
		transport_page_fault_scheme_cap.uc_odp_caps.receive, 1);
	expect_unnoticed(p, &wr);
}

static void test_srq(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);
	struct stand_srq srq = stand_create_srq(p->on[1], &p->cq[1]);
	uint32_t key = pair_absent(p, 1);
	const uint8_t *cqe, *event;

	p->qp[1] = stand_create_qp_srq(p->on[1], &p->cq[1], QP_RC, &srq);
	stand_connect(p->on[1], &p->qp[1], &p->qp[0]);
	stand_modify(p->on[0], &p->qp[0], MLX5_CMD_OP_2RST_QP, NULL);
	stand_connect(p->on[0], &p->qp[0], &p->qp[1]);
	stand_receive_srq(p->on[1], &srq, p->buffer[1], p->key[1], 300);
	stand_receive_srq(p->on[1], &srq, p->buffer[1], key, 300);
	pair_send(p, &wr);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
	assert_int_equal(get_be32(cqe + 32), srq.number);
	assert_memory_equal(pair_at(p, 1, 0), pair_at(p, 0, 11), 200);
	/* the fault names the SRQ and is reported to the SRQ's driver */
	pair_send(p, &wr);
	assert_null(pair_fault(p, 0));
	event = pair_fault(p, 1);
	assert_non_null(event);
	assert_int_equal(get_be32(event + 32 + 24), srq.number);
	pair_fill(p, 1, key);
	stand_resume(p->on[1], event, false);
	stand_run(p->on[1]);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
}

static void test_xrc(void **state)
{
	struct pair *p = *state;
	struct stand_srq srq;
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);
	const uint8_t *cqe;

	/* the protection domain is the SRQ's, not the queue pair's */
	p->on[1]->pd = stand_number(p->on[1], MLX5_CMD_OP_ALLOC_PD);
	srq = stand_create_srq(p->on[1], &p->cq[1]);
	p->key[1] = stand_register(p->on[1], p->buffer[1], PAIR_SIZE, 12, true);
	wr.rkey = p->key[1];
	wr.xrc_srqn = srq.number;
	stand_receive_srq(p->on[1], &srq, p->buffer[1] + 1000, p->key[1], 300);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
	assert_int_equal(get_be32(cqe + 32), srq.number);
	assert_memory_equal(pair_at(p, 1, 1000), pair_at(p, 0, 11), 200);
	wr.opcode = WQE_READ;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 200);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 200);
	/* also that of a key which the sender invalidates */
	wr.opcode = WQE_SEND_INVALIDATE;
	wr.immediate = stand_register(p->on[1], p->buffer[1], PAIR_SIZE, 12, true);
	stand_receive_srq(p->on[1], &srq, p->buffer[1] + 1000, p->key[1], 300);
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND_INVALIDATE, SYNDROME_OK, 200);
	assert_true(mkey_get(&p->on[1]->dev, wr.immediate)->free);
}

/* Neither the memory of the SRQ's owner nor its receive WQEs are accessible */
static void refused_by_srq(struct pair *p, uint8_t opcode, uint32_t srqn)
{
	struct stand_wr wr = pair_request(p, opcode, 200);
	uint8_t before = *pair_at(p, 1, 5);
	unsigned int i;

	wr.xrc_srqn = srqn;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_INVALID, 0);
	pair_silent(p, 1);
	assert_int_equal(*pair_at(p, 1, 5), before);
	for (i = 0; i < 2; i++) {
		stand_modify(p->on[i], &p->qp[i], MLX5_CMD_OP_2RST_QP, NULL);
		p->qp[i].sq_next = 0;
		put_be64(stand_at(p->on[i], p->qp[i].doorbell), 0);
		stand_connect(p->on[i], &p->qp[i], &p->qp[1 - i]);
	}
}

/* An SRQ of another XRC domain, and one that is not there */
static void test_xrc_domain(void **state)
{
	struct pair *p = *state;
	struct stand *b = p->on[1];
	struct stand_srq srq;

	b->pd = stand_number(b, MLX5_CMD_OP_ALLOC_PD);
	b->xrcd = stand_number(b, MLX5_CMD_OP_ALLOC_XRCD);
	srq = stand_create_srq(b, &p->cq[1]);
	p->key[1] = stand_register(b, p->buffer[1], PAIR_SIZE, 12, true);
	stand_receive_srq(b, &srq, p->buffer[1], p->key[1], 300);
	refused_by_srq(p, WQE_WRITE, srq.number);
	refused_by_srq(p, WQE_READ, srq.number);
	refused_by_srq(p, WQE_SEND, srq.number);
	refused_by_srq(p, WQE_WRITE, srq.number + 1);
	refused_by_srq(p, WQE_SEND, srq.number + 1);
}

/*
 * An application may be in the XRC domain of another one. Its targets reach its own SRQs there, if
 * these complete to a queue of its own; the driver's targets reach all.
 */
static void test_xrc_owner(void **state)
{
	struct pair *p = *state;
	struct dev *dev = &p->on[1]->dev;
	struct stand_srq srq = stand_create_srq(p->on[1], &p->cq[1]);
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);
	uint16_t *of_srq = &dev->srqs.owners[srq.number];
	uint16_t *of_cq = &dev->cqs.owners[p->cq[1].number];

	stand_receive_srq(p->on[1], &srq, p->buffer[1], p->key[1], 300);
	*of_srq = *of_cq = STAND_APPLICATION + 1;
	refused_by_srq(p, WQE_SEND, srq.number);
	refused_by_srq(p, WQE_READ, srq.number);
	*of_srq = *of_cq = 0;
	refused_by_srq(p, WQE_SEND, srq.number);
	*of_srq = STAND_APPLICATION;
	refused_by_srq(p, WQE_SEND, srq.number);
	*of_srq = *of_cq = STAND_APPLICATION + 1;
	dev->qps.owners[p->qp[1].number] = 0;
	wr.xrc_srqn = srq.number;
	pair_send(p, &wr);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
}

/* A message that waits for a page fault takes nothing from an SRQ that gets the number of its own */
static void test_xrc_destroyed(void **state)
{
	struct pair *p = *state;
	struct stand *b = p->on[1];
	struct stand_srq srq = stand_create_srq(b, &p->cq[1]), other;
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);
	uint8_t before = *pair_at(p, 1, 0);
	const uint8_t *event;

	stand_receive_srq(b, &srq, p->buffer[1], pair_absent(p, 1), 300);
	wr.xrc_srqn = srq.number;
	pair_send(p, &wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_SRQ, srq.number), CMD_OK);
	b->dev.srqs.next = srq.number;
	other = stand_create_srq(b, &p->cq[1]);
	assert_int_equal(other.number, srq.number);
	/* its first WQE is not posted */
	stand_receive_srq(b, &other, p->buffer[1], p->key[1], 300);
	put_be32(stand_at(b, other.doorbell), 0);
	assert_int_equal(stand_resume(b, event, false), CMD_OK);
	stand_run(b);
	pair_silent(p, 0);
	pair_silent(p, 1);
	assert_int_equal(*pair_at(p, 1, 0), before);
}

/*
 * Messages reach only the connected queue pair, not one connected elsewhere or with the same number
 */
static void test_strangers(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	struct stand_qp namesake = p->qp[0];

	namesake.lid = p->qp[1].lid;
	stand_modify(p->on[1], &p->qp[1], MLX5_CMD_OP_2RST_QP, NULL);
	stand_connect(p->on[1], &p->qp[1], &namesake);
	pair_send(p, &wr);
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
	assert_crossed(p, 0, 0);
}

static void assert_ends_with_retry(struct pair *p)
{
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
	pair_silent(p, 0);
	assert_int_equal(PAIR_TOTAL(p, page_faults),
			 PAIR_TOTAL(p, page_faults_resumed) + PAIR_TOTAL(p, page_faults_dropped));
}

/* Runs another queue pair of the requester's device, while the requester waits for its turn */
static void run_another(struct pair *p, struct stand_qp *other, const uint8_t *event, bool error)
{
	struct stand_wr nop = { .opcode = WQE_NOP, .unsignaled = true };

	stand_post(p->on[0], other, &nop);
	assert_int_equal(stand_resume(p->on[1], event, error), CMD_OK);
	model_work(&p->fabric);
	assert_true(stand_busy(p->on[0]));
}

/* The responder, or its device, is reset after it has answered a fault with an error */
static void reset_after_answer(struct pair *p, bool device)
{
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	struct stand_qp other = stand_create_qp(p->on[0], &p->cq[0], QP_RC);
	const uint8_t *event;

	stand_connect(p->on[0], &other, &other);
	stand_run(p->on[0]);
	wr.rkey = pair_absent(p, 1);
	pair_send(p, &wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	run_another(p, &other, event, true);
	if (device)
		model_reset(&p->on[1]->dev);
	else
		stand_modify(p->on[1], &p->qp[1], MLX5_CMD_OP_2RST_QP, NULL);
	pair_wait(p, 2);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_RETRY, 0);
	pair_silent(p, 0);
}

static void test_reset_after_answer(void **state)
{
	struct pair *p = *state;
	const struct qp *responder = table_get(&p->on[1]->dev.qps, p->qp[1].number);

	reset_after_answer(p, false);
	/* and not failed by the answer */
	assert_int_equal(responder->state, QP_RESET);
}

static void test_lost_after_answer(void **state)
{
	reset_after_answer(*state, true);
}

/* The responder's device or queue pair is reset before it resolves a fault */
static void test_reset_in_fault(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);

	wr.rkey = pair_absent(p, 1);
	pair_send(p, &wr);
	assert_int_equal(p->on[1]->dev.stats.page_faults, 1);
	model_reset(&p->on[1]->dev);
	assert_ends_with_retry(p);
	assert_int_equal(p->on[1]->dev.stats.page_faults_dropped, 1);
}

static void test_disable_in_fault(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 64);
	uint8_t in[16] = { 0 }, out[16];

	stand_receive(p->on[1], &p->qp[1], p->buffer[1], pair_absent(p, 1), 100);
	pair_send(p, &wr);
	assert_int_equal(p->on[1]->dev.stats.page_faults_receive +
				 p->on[1]->dev.stats.page_faults_memory, 1);
	put_be16(in, MLX5_CMD_OP_DISABLE_HCA);
	assert_int_equal(stand_command(p->on[1], in, sizeof(in), out, sizeof(out)), CMD_OK);
	assert_int_equal(p->on[1]->dev.qps.count, 0);
	assert_ends_with_retry(p);
}

static void test_destroy_in_fault(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_READ, 64);
	uint8_t in[IFC_SIZE(destroy_qp_in)] = { 0 }, out[IFC_SIZE(destroy_qp_out)];
	const uint8_t *event;

	wr.rkey = pair_absent(p, 1);
	pair_send(p, &wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	IFC_SET(destroy_qp_in, in, opcode, MLX5_CMD_OP_DESTROY_QP);
	IFC_SET(destroy_qp_in, in, qpn, p->qp[1].number);
	assert_int_equal(stand_command(p->on[1], in, sizeof(in), out, sizeof(out)), CMD_OK);
	/* a resume after that succeeds: the driver cannot know */
	assert_int_equal(stand_resume(p->on[1], event, true), CMD_OK);
	assert_ends_with_retry(p);
	assert_int_equal(p->on[1]->dev.stats.page_faults_failed, 0);
}

/* The requester is destroyed, and the responder's driver still resumes its fault */
static void test_requester_gone(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	const uint8_t *event;

	wr.rkey = pair_absent(p, 1);
	pair_send(p, &wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	stand_destroy(&p->stands[0]);
	p->stands[0].dev.fabric = NULL;
	assert_int_equal(p->on[1]->dev.stats.page_faults_dropped, 1);
	assert_int_equal(stand_resume(p->on[1], event, false), CMD_OK);
	stand_run(p->on[1]);
	assert_int_equal(p->on[1]->dev.stats.page_faults_resumed, 0);
}

/* A token belongs to the device that reported the fault: the other driver cannot resume it */
static void test_tokens(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_WRITE, 64);
	uint32_t key = pair_absent(p, 1);
	const uint8_t *event;

	wr.rkey = key;
	pair_send(p, &wr);
	assert_null(pair_fault(p, 0));
	event = pair_fault(p, 1);
	assert_non_null(event);
	assert_int_equal(stand_resume(p->on[0], event, true), CMD_BAD_RESOURCE_STATE);
	stand_run(p->on[0]);
	pair_silent(p, 0);
	pair_fill(p, 1, key);
	stand_resume(p->on[1], event, false);
	stand_run(p->on[1]);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_memory_equal(pair_at(p, 1, 5), pair_at(p, 0, 11), 64);
	assert_int_equal(p->on[0]->dev.stats.page_faults, 0);
	assert_int_equal(p->on[1]->dev.stats.page_faults_resumed, 1);
}

/* An error of the responder is reported to its driver, and the sender gets its own error */
static void test_error_sides(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 64);

	stand_receive(p->on[1], &p->qp[1], p->buffer[1], p->key[1] + 1, 100);
	pair_receive(p, 0, 100);
	stand_post(p->on[0], &p->qp[0], &wr);
	stand_post(p->on[0], &p->qp[0], &wr);
	stand_run(p->on[0]);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_OPERATION, 0);
	pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_FLUSHED, 0);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_LOCAL_PROTECTION, 0);
	pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED, 0);
	pair_silent(p, 0);
	pair_silent(p, 1);
}

/* An event that one device causes on the other is due, even if the other was run first */
static void test_due(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = {
		.opcode = WQE_SEND, .address = p->buffer[1], .lkey = p->key[1], .length = 64,
	};
	uint8_t arm[8] = { 0 };

	stand_run(p->on[0]);
	stand_receive(p->on[0], &p->qp[0], p->buffer[0], p->key[0], 100);
	put_be32(arm + 4, p->cq[0].number);
	cq_doorbell(&p->on[0]->dev, p->on[0]->uar, arm);
	stand_post(p->on[1], &p->qp[1], &wr);
	assert_true(model_work(&p->fabric) >= 0);
	assert_non_null(p->on[0]->dev.delayed);
	pair_complete(p, 0, CQE_RECEIVE_SEND, SYNDROME_OK, 64);
}

/* After a reset a device uses neither the other's numbers nor its own previous ones */
static void test_numbers(void **state)
{
	struct pair *p = *state;
	struct stand_mkey all = { .mode = MKEY_PA };
	uint32_t before = p->key[1];

	model_reset(&p->on[1]->dev);
	assert_int_equal(p->on[1]->dev.mkeys.count, 0);
	stand_power_up(p->on[1]);
	p->on[1]->pd = stand_number(p->on[1], MLX5_CMD_OP_ALLOC_PD);
	assert_true(stand_create_mkey(p->on[1], &all) > before);
	assert_true(before > p->key[0]);
}

/* A message that first finds no responder, and then no receive WQE: each has its own retries */
static void test_retries(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 64);
	struct qp *requester = table_get(&p->on[0]->dev.qps, p->qp[0].number);
	struct qp *responder = table_get(&p->on[1]->dev.qps, p->qp[1].number);
	uint64_t end = dev_now() + 60000000000ull;

	/* a tenth of a second, until the responder is there */
	IFC_SET(qpc, requester->context, primary_address_path.ack_timeout, 14);
	IFC_SET(qpc, requester->context, rnr_retry, 1);
	stand_modify(p->on[1], &p->qp[1], MLX5_CMD_OP_2RST_QP, NULL);
	pair_send(p, &wr);
	assert_int_equal(requester->stall, STALL_TIMEOUT);
	stand_connect(p->on[1], &p->qp[1], &p->qp[0]);
	IFC_SET(qpc, responder->context, min_rnr_nak, 1);
	while (!p->on[0]->dev.stats.rnr_waits) {
		assert_true(dev_now() < end);
		model_work(&p->fabric);
	}
	pair_silent(p, 0);
	pair_receive(p, 0, 100);
	pair_wait(p, 1);
	pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 64);
}

static void test_room(void **state)
{
	struct pair *p = *state;
	struct dev third;

	assert_false(model_init(&third, &p->fabric, &(struct dev_options){ 0 }));
	assert_null(fabric_find(&p->fabric, 0));
	assert_null(fabric_find(&p->fabric, 3));
	assert_null(fabric_find(&p->fabric, UINT32_MAX));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_FAULT(name) \
	TEST(name), { #name "_memory", name, setup_memory, teardown, NULL }
	const struct CMUnitTest tests[] = {
		TEST(test_counters),
		TEST(test_write_immediate),
		TEST(test_invalidate),
		TEST(test_invalidate_denied),
		TEST(test_invalidate_window),
		{ "test_uc", test_uc, setup_uc, teardown, NULL },
		{ "test_ud", test_ud, setup_ud, teardown, NULL },
		{ "test_ud_fault_failed", test_ud_fault_failed, setup_ud, teardown, NULL },
		{ "test_uc_fault_failed", test_uc_fault_failed, setup_uc, teardown, NULL },
		TEST(test_srq),
		{ "test_xrc", test_xrc, setup_xrc, teardown, NULL },
		{ "test_xrc_domain", test_xrc_domain, setup_xrc, teardown, NULL },
		{ "test_xrc_owner", test_xrc_owner, setup_xrc, teardown, NULL },
		{ "test_xrc_destroyed", test_xrc_destroyed, setup_xrc, teardown, NULL },
		TEST(test_strangers),
		TEST_FAULT(test_reset_after_answer),
		TEST_FAULT(test_lost_after_answer),
		TEST_FAULT(test_reset_in_fault),
		TEST_FAULT(test_disable_in_fault),
		TEST_FAULT(test_destroy_in_fault),
		TEST_FAULT(test_requester_gone),
		TEST_FAULT(test_tokens),
		TEST(test_error_sides),
		{ "test_due", test_due, setup_delay, teardown, NULL },
		TEST(test_numbers),
		TEST(test_retries),
		TEST(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
