// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Whose objects a command may name. The driver passes on commands of applications, with the number of
 * the application's context: these must not reach objects of another application.
 */
#include "unit.h"

#include "stand.h"

#define DRIVER 0
#define SHARED 0xffff
#define OTHER (STAND_APPLICATION + 1)

/* An object of each kind that commands name, all of one context */
struct objects {
	uint32_t pd, uar, xrcd, umem, cq, receive_cq, srq, qp, mkey;
};

static struct stand stand;
static struct objects own, other, lent, shared;

static uint8_t execute(const void *in, size_t length, uint32_t *number)
{
	uint8_t copy[1024] = { 0 }, out[4096];
	uint8_t status;

	memcpy(copy, in, length);
	status = stand_command(&stand, copy, sizeof(copy), out, sizeof(out));
	/* in the same place in all replies that have one */
	if (number)
		*number = IFC_GET(alloc_pd_out, out, pd);
	return status;
}

/* A command whose input is a number */
static uint8_t name_it(unsigned int context, uint16_t opcode, uint32_t number)
{
	uint8_t in[IFC_SIZE(dealloc_pd_in)] = { 0 };

	IFC_SET(dealloc_pd_in, in, opcode, opcode);
	IFC_SET(dealloc_pd_in, in, uid, context);
	IFC_SET(dealloc_pd_in, in, pd, number);
	return execute(in, sizeof(in), NULL);
}

static uint32_t alloc(unsigned int context, uint16_t opcode)
{
	uint8_t in[IFC_SIZE(alloc_pd_in)] = { 0 };
	uint32_t number;

	IFC_SET(alloc_pd_in, in, opcode, opcode);
	IFC_SET(alloc_pd_in, in, uid, context);
	assert_int_equal(execute(in, sizeof(in), &number), CMD_OK);
	return number;
}

static uint8_t create_umem(unsigned int context, uint32_t *number)
{
	uint8_t in[IFC_SIZE(create_umem_in) + 64] = { 0 };
	uint64_t page = stand_alloc(&stand, STAND_PAGE, STAND_PAGE);
	unsigned int i;

	IFC_SET(create_umem_in, in, opcode, MLX5_CMD_OP_CREATE_UMEM);
	IFC_SET(create_umem_in, in, uid, context);
	IFC_SET(create_umem_in, in, umem.num_of_mtt, 8);
	for (i = 0; i < 8; i++)
		put_be64(IFC_AT(create_umem_in, in, umem.mtt) + 8 * i, page);
	return execute(in, sizeof(in), number);
}

static uint8_t create_cq(unsigned int context, const struct objects *with, uint32_t *number)
{
	uint8_t in[IFC_SIZE(create_cq_in) + 8] = { 0 };

	IFC_SET(create_cq_in, in, opcode, MLX5_CMD_OP_CREATE_CQ);
	IFC_SET(create_cq_in, in, uid, context);
	IFC_SET(create_cq_in, in, cq_context.log_cq_size, 3);
	/* all applications use the driver's */
	IFC_SET(create_cq_in, in, cq_context.c_eqn_or_apu_element, stand.completion_eq);
	IFC_SET(create_cq_in, in, cq_context.uar_page, with->uar);
	put_be64(IFC_AT(create_cq_in, in, pas), stand_alloc(&stand, STAND_PAGE, STAND_PAGE));
	return execute(in, sizeof(in), number);
}

static uint8_t create_srq(unsigned int context, const struct objects *with, uint32_t *number)
{
	uint8_t in[IFC_SIZE(create_srq_in) + 8] = { 0 };
	uint8_t *c = IFC_AT(create_srq_in, in, srq_context_entry);

	IFC_SET(create_srq_in, in, opcode, MLX5_CMD_OP_CREATE_SRQ);
	IFC_SET(create_srq_in, in, uid, context);
	IFC_SET(srqc, c, log_srq_size, 3);
	IFC_SET(srqc, c, pd, with->pd);
	IFC_SET(srqc, c, cqn, with->cq);
	IFC_SET(srqc, c, xrcd, with->xrcd);
	put_be64(IFC_AT(create_srq_in, in, pas), stand_alloc(&stand, STAND_PAGE, STAND_PAGE));
	return execute(in, sizeof(in), number);
}

/* What all commands for a queue pair have */
static void begin_qp(uint8_t *in, unsigned int context, unsigned int service,
		     const struct objects *with)
{
	uint8_t *c = IFC_AT(create_qp_in, in, qpc);

	IFC_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	IFC_SET(create_qp_in, in, uid, context);
	IFC_SET(qpc, c, st, service);
	IFC_SET(qpc, c, pd, with->pd);
	IFC_SET(qpc, c, uar_page, with->uar);
}

/* A queue pair with a queue in a umem, which names an object of each kind */
static uint8_t create_qp_of(unsigned int context, unsigned int service, const struct objects *with,
			    uint32_t *number)
{
	uint8_t in[IFC_SIZE(create_qp_in)] = { 0 };
	uint8_t *c = IFC_AT(create_qp_in, in, qpc);

	begin_qp(in, context, service, with);
	IFC_SET(create_qp_in, in, wq_umem_valid, 1);
	IFC_SET(create_qp_in, in, wq_umem_id, with->umem);
	IFC_SET(qpc, c, xrcd, with->xrcd);
	IFC_SET(qpc, c, cqn_snd, with->cq);
	IFC_SET(qpc, c, cqn_rcv, with->receive_cq);
	IFC_SET(qpc, c, rq_type, 1);
	IFC_SET(qpc, c, srqn_rmpn_xrqn, with->srq);
	return execute(in, sizeof(in), number);
}

static uint8_t create_qp(unsigned int context, const struct objects *with, uint32_t *number)
{
	return create_qp_of(context, QP_XRC, with, number);
}

static uint8_t create_rc(unsigned int context, const struct objects *with, uint32_t *number)
{
	return create_qp_of(context, QP_RC, with, number);
}

static uint8_t create_dci(unsigned int context, const struct objects *with, uint32_t *number)
{
	return create_qp_of(context, QP_DCI, with, number);
}

/* The same without a send queue: it has no doorbells, and its UAR page cannot be released */
static uint8_t create_qp_no_sq(unsigned int context, const struct objects *with, uint32_t *number)
{
	uint8_t in[IFC_SIZE(create_qp_in) + 8] = { 0 };
	uint8_t *c = IFC_AT(create_qp_in, in, qpc);

	begin_qp(in, context, QP_RC, with);
	IFC_SET(qpc, c, no_sq, 1);
	put_be64(IFC_AT(create_qp_in, in, pas), stand_alloc(&stand, STAND_PAGE, STAND_PAGE));
	return execute(in, sizeof(in), number);
}

static uint8_t create_dct(unsigned int context, const struct objects *with, uint32_t *number)
{
	uint8_t in[IFC_SIZE(create_dct_in)] = { 0 };
	uint8_t *c = IFC_AT(create_dct_in, in, dct_context_entry);

	IFC_SET(create_dct_in, in, opcode, MLX5_CMD_OP_CREATE_DCT);
	IFC_SET(create_dct_in, in, uid, context);
	IFC_SET(dctc, c, pd, with->pd);
	IFC_SET(dctc, c, cqn, with->cq);
	IFC_SET(dctc, c, srqn_xrqn, with->srq);
	IFC_SET(dctc, c, port, 1);
	IFC_SET(dctc, c, mtu, MLX5_DCTC_MTU_4K_BYTES);
	return execute(in, sizeof(in), number);
}

static uint8_t create_mkey(unsigned int context, const struct objects *with, uint32_t *number)
{
	uint8_t in[IFC_SIZE(create_mkey_in)] = { 0 };
	uint8_t *c = IFC_AT(create_mkey_in, in, memory_key_mkey_entry);

	IFC_SET(create_mkey_in, in, opcode, MLX5_CMD_OP_CREATE_MKEY);
	IFC_SET(create_mkey_in, in, uid, context);
	IFC_SET(mkc, c, access_mode_1_0, MKEY_KLM);
	IFC_SET(mkc, c, pd, with->pd);
	IFC_SET(mkc, c, qpn, MKEY_QPN_ANY);
	IFC_SET(mkc, c, translations_octword_size, 4);
	return execute(in, sizeof(in), number);
}

static void create_all(unsigned int context, struct objects *o)
{
	o->pd = alloc(context, MLX5_CMD_OP_ALLOC_PD);
	o->uar = alloc(context, MLX5_CMD_OP_ALLOC_UAR);
	o->xrcd = alloc(context, MLX5_CMD_OP_ALLOC_XRCD);
	assert_int_equal(create_umem(context, &o->umem), CMD_OK);
	assert_int_equal(create_cq(context, o, &o->cq), CMD_OK);
	o->receive_cq = o->cq;
	assert_int_equal(create_srq(context, o, &o->srq), CMD_OK);
	assert_int_equal(create_qp(context, o, &o->qp), CMD_OK);
	assert_int_equal(create_mkey(context, o, &o->mkey), CMD_OK);
}

static int setup(void **state)
{
	(void)state;
	stand_init(&stand, &(struct dev_options){ .strict = true });
	assert_int_equal(stand_create_context(&stand), OTHER);
	create_all(STAND_APPLICATION, &own);
	create_all(OTHER, &other);
	create_all(DRIVER, &lent);
	create_all(SHARED, &shared);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(stand.dev.stats.strict_reports, 0);
	stand_destroy(&stand);
	return 0;
}

#define AT(member) offsetof(struct objects, member)

static uint32_t *member(struct objects *o, size_t offset)
{
	return (uint32_t *)((char *)o + offset);
}

/* Commands that name one object, in an order in which its owner may give all of them */
static const struct {
	uint16_t opcode;
	size_t member;
} naming[] = {
	{ MLX5_CMD_OP_QUERY_QP, AT(qp) },
	{ MLX5_CMD_OP_RST2INIT_QP, AT(qp) },
	{ MLX5_CMD_OP_2ERR_QP, AT(qp) },
	{ MLX5_CMD_OP_2RST_QP, AT(qp) },
	{ MLX5_CMD_OP_QUERY_SRQ, AT(srq) },
	{ MLX5_CMD_OP_ARM_RQ, AT(srq) },
	{ MLX5_CMD_OP_QUERY_CQ, AT(cq) },
	{ MLX5_CMD_OP_QUERY_MKEY, AT(mkey) },
	{ MLX5_CMD_OP_DESTROY_QP, AT(qp) },
	{ MLX5_CMD_OP_DESTROY_SRQ, AT(srq) },
	{ MLX5_CMD_OP_DESTROY_CQ, AT(cq) },
	{ MLX5_CMD_OP_DESTROY_MKEY, AT(mkey) },
	{ MLX5_CMD_OP_DESTROY_UMEM, AT(umem) },
	{ MLX5_CMD_OP_DEALLOC_XRCD, AT(xrcd) },
	{ MLX5_CMD_OP_DEALLOC_UAR, AT(uar) },
	{ MLX5_CMD_OP_DEALLOC_PD, AT(pd) },
};

static void test_named(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(naming) / sizeof(naming[0]); i++) {
		uint16_t opcode = naming[i].opcode;

		assert_int_equal(name_it(STAND_APPLICATION, opcode, *member(&other, naming[i].member)),
				 CMD_BAD_RESOURCE);
		/* not that of the driver either */
		assert_int_equal(name_it(STAND_APPLICATION, opcode, *member(&lent, naming[i].member)),
				 CMD_BAD_RESOURCE);
		assert_int_equal(name_it(STAND_APPLICATION, opcode, *member(&shared, naming[i].member)),
				 CMD_BAD_RESOURCE);
		assert_int_equal(name_it(OTHER, opcode, *member(&other, naming[i].member)), CMD_OK);
		/* the driver cleans up for an application that has ended */
		assert_int_equal(name_it(DRIVER, opcode, *member(&own, naming[i].member)), CMD_OK);
		assert_int_equal(name_it(DRIVER, opcode, *member(&lent, naming[i].member)), CMD_OK);
		assert_int_equal(name_it(SHARED, opcode, *member(&shared, naming[i].member)), CMD_OK);
	}
}

/* Commands that create an object, by what they refer to */
static const struct {
	uint8_t (*create)(unsigned int context, const struct objects *with, uint32_t *number);
	size_t member;
	bool lends; /* also the driver's */
} references[] = {
	{ create_cq, AT(uar), false },
	{ create_srq, AT(pd), false },
	{ create_srq, AT(cq), true },
	{ create_srq, AT(xrcd), true },
	{ create_qp, AT(pd), false },
	{ create_qp, AT(uar), false },
	{ create_qp, AT(umem), false },
	{ create_qp, AT(cq), false },
	/* of the queue pairs that receive nothing, or nothing by these */
	{ create_qp, AT(receive_cq), true },
	{ create_qp, AT(srq), true },
	{ create_dci, AT(cq), false },
	{ create_dci, AT(receive_cq), false },
	{ create_dci, AT(srq), true },
	{ create_rc, AT(cq), false },
	{ create_rc, AT(receive_cq), false },
	{ create_rc, AT(srq), false },
	{ create_qp, AT(xrcd), true },
	{ create_qp_no_sq, AT(pd), false },
	{ create_qp_no_sq, AT(uar), false },
	{ create_dct, AT(pd), false },
	{ create_dct, AT(cq), false },
	{ create_dct, AT(srq), false },
	{ create_mkey, AT(pd), false },
};

static bool creates(size_t i, unsigned int context, const struct objects *foreign)
{
	struct objects with = context == STAND_APPLICATION ? own : lent;
	uint32_t at = *member((struct objects *)foreign, references[i].member), number;
	uint8_t status;

	*member(&with, references[i].member) = at;
	status = references[i].create(context, &with, &number);
	/* a queue in another's umem cannot be placed */
	assert_true(status == CMD_OK || status == CMD_BAD_RESOURCE ||
		    (status == CMD_BAD_PARAM && references[i].member == AT(umem)));
	return status == CMD_OK;
}

static void test_referred_to(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
		assert_true(creates(i, STAND_APPLICATION, &own));
		assert_false(creates(i, STAND_APPLICATION, &other));
		assert_int_equal(creates(i, STAND_APPLICATION, &lent), references[i].lends);
		assert_int_equal(creates(i, STAND_APPLICATION, &shared), references[i].lends);
		assert_true(creates(i, DRIVER, &own));
		assert_true(creates(i, SHARED, &lent));
	}
}

/* The driver names no UAR page for a queue pair that only receives, also for an application's */
static void test_no_uar(void **state)
{
	struct objects with = own;
	uint32_t number;

	(void)state;
	with.uar = 0;
	assert_int_equal(create_qp_no_sq(STAND_APPLICATION, &with, &number), CMD_OK);
	assert_int_equal(create_qp_no_sq(DRIVER, &with, &number), CMD_OK);
	assert_int_equal(create_qp(STAND_APPLICATION, &with, &number), CMD_BAD_RESOURCE);
}

/* A queue pair of this service, with a send queue alone */
static uint8_t create_service(unsigned int context, unsigned int service,
			      const struct objects *with)
{
	uint8_t in[IFC_SIZE(create_qp_in) + 8] = { 0 };
	uint8_t *c = IFC_AT(create_qp_in, in, qpc);
	uint32_t number;

	begin_qp(in, context, service, with);
	if (service == QP_REG_UMR)
		IFC_SET(qpc, c, pd, 0);
	IFC_SET(qpc, c, rq_type, 3);
	put_be64(IFC_AT(create_qp_in, in, pas), stand_alloc(&stand, STAND_PAGE, STAND_PAGE));
	return execute(in, sizeof(in), &number);
}

/* The queue for UMRs changes keys of all protection domains; QP0 and QP1 are those of the port */
static void test_services(void **state)
{
	static const unsigned int services[] = { QP_REG_UMR, QP_MANAGEMENT, QP_GENERAL };
	size_t i;

	(void)state;
	assert_int_equal(create_service(STAND_APPLICATION, QP_RC, &own), CMD_OK);
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		assert_int_equal(create_service(STAND_APPLICATION, services[i], &own),
				 CMD_BAD_PARAM);
		assert_int_equal(create_service(DRIVER, services[i], &lent), CMD_OK);
	}
}

/* Objects of another application would belong to the next one that gets the number */
static void test_context_in_use(void **state)
{
	struct objects o;
	uint32_t uid;
	size_t i;

	(void)state;
	uid = stand_create_context(&stand);
	create_all(uid, &o);
	for (i = 0; i < sizeof(naming) / sizeof(naming[0]); i++) {
		assert_int_equal(name_it(DRIVER, MLX5_CMD_OP_DESTROY_UCTX, uid),
				 CMD_BAD_RESOURCE_STATE);
		assert_int_equal(name_it(uid, naming[i].opcode, *member(&o, naming[i].member)),
				 CMD_OK);
	}
	assert_int_equal(name_it(DRIVER, MLX5_CMD_OP_DESTROY_UCTX, uid), CMD_OK);
	/* the number is nobody's now */
	assert_int_equal(name_it(uid, MLX5_CMD_OP_ALLOC_PD, 0), CMD_BAD_RESOURCE);
	assert_int_equal(create_umem(uid, &o.umem), CMD_BAD_RESOURCE);
	assert_int_equal(create_umem(UINT16_MAX - 1, &o.umem), CMD_BAD_RESOURCE);
}

static uint8_t set_entry(unsigned int context, uint16_t opcode, uint32_t table, uint32_t group)
{
	uint8_t in[IFC_SIZE(set_fte_in)] = { 0 };

	IFC_SET(set_fte_in, in, opcode, opcode);
	put_be16(in + 2, context);
	IFC_SET(set_fte_in, in, table_id, table);
	IFC_SET(set_fte_in, in, flow_context.group_id, group);
	return execute(in, opcode == MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY ? sizeof(in) :
									IFC_SIZE(delete_fte_in),
		       NULL);
}

static void test_flow_entries(void **state)
{
	const uint16_t set = MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY;
	const uint16_t delete = MLX5_CMD_OP_DELETE_FLOW_TABLE_ENTRY;
	uint32_t tables[2], groups[2];
	unsigned int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		tables[i] = alloc(STAND_APPLICATION + i, MLX5_CMD_OP_CREATE_FLOW_TABLE);
		groups[i] = alloc(STAND_APPLICATION + i, MLX5_CMD_OP_CREATE_FLOW_GROUP);
	}
	assert_int_equal(set_entry(OTHER, set, tables[0], groups[1]), CMD_BAD_RESOURCE);
	assert_int_equal(set_entry(OTHER, set, tables[1], groups[0]), CMD_BAD_RESOURCE);
	assert_int_equal(set_entry(STAND_APPLICATION, set, tables[0], groups[0]), CMD_OK);
	assert_int_equal(set_entry(OTHER, delete, tables[0], 0), CMD_BAD_RESOURCE);
	assert_int_equal(set_entry(DRIVER, delete, tables[0], 0), CMD_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_named),
		TEST(test_referred_to),
		TEST(test_no_uar),
		TEST(test_services),
		TEST(test_context_in_use),
		TEST(test_flow_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
