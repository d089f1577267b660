// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The command queue as the driver fills it, and commands that are not tested elsewhere. */
#include "unit.h"

#include "base/caps.h"
#include "stand.h"
#include "vfio/pci.h"

#define QUEUE_HIGH 0x10
#define QUEUE_LOW 0x14
#define DOORBELL 0x18

struct mail {
	uint64_t queue, in, out; /* in, out: first of the chains */
};

static void write_register(struct stand *b, uint64_t offset, uint32_t value)
{
	uint8_t bytes[4];

	put_be32(bytes, value);
	pci_bar_write(&b->dev, PCI_BAR_DEVICE, offset, bytes, sizeof(bytes));
}

static uint64_t chain(struct stand *b, unsigned int blocks)
{
	uint64_t first = stand_alloc(b, blocks * 1024, 1024), block = first;

	for (; --blocks; block += 1024)
		put_be64(stand_at(b, block) + 560, block + 1024);
	return first;
}

static struct mail mail_init(struct stand *b)
{
	struct mail mail = {
		.queue = stand_alloc(b, 4096, 4096),
		.in = chain(b, 12),
		.out = chain(b, 12),
	};

	write_register(b, QUEUE_HIGH, mail.queue >> 32);
	write_register(b, QUEUE_LOW, mail.queue);
	return mail;
}

static uint8_t *slot_fill(struct stand *b, const struct mail *mail, unsigned int slot,
			  const uint8_t *in, uint32_t in_length, uint32_t out_length)
{
	uint8_t *entry = stand_at(b, mail->queue) + slot * 64;
	uint32_t i;

	memset(entry, 0, 64);
	entry[0] = 7;
	put_be32(entry + 4, in_length);
	put_be64(entry + 8, mail->in);
	memcpy(entry + 16, in, 16);
	put_be64(entry + 48, mail->out);
	put_be32(entry + 56, out_length);
	for (i = 16; i < in_length; i++)
		stand_at(b, mail->in)[(i - 16) / 512 * 1024 + (i - 16) % 512] = in[i];
	entry[63] = 1;
	return entry;
}

static void test_mailbox(void **state)
{
	uint8_t in[16] = { 0 }, *slot;
	struct stand b;
	struct mail mail;
	size_t capability = IFC_OFFSET(query_hca_cap_out, capability);
	size_t byte, i;

	(void)state;
	stand_init(&b, NULL);
	mail = mail_init(&b);
	put_be16(in, MLX5_CMD_OP_QUERY_HCA_CAP);
	put_be16(in + 6, 1);
	slot = slot_fill(&b, &mail, 3, in, sizeof(in), IFC_SIZE(query_hca_cap_out));
	write_register(&b, DOORBELL, 1 << 3);
	assert_int_equal(slot[63], 0);
	assert_int_equal(slot[32], 0);
	for (i = 0; i < IFC_SIZE(cmd_hca_cap); i++) {
		byte = capability + i - 16;
		assert_int_equal(stand_at(&b, mail.out)[byte / 512 * 1024 + byte % 512],
				 b.dev.caps_general[i]);
	}
	stand_destroy(&b);
}

static void test_mailbox_broken(void **state)
{
	uint8_t in[2048] = { 0 }, *slot;
	struct stand b;
	struct mail mail;

	(void)state;
	stand_init(&b, NULL);
	mail = mail_init(&b);
	put_be16(in, MLX5_CMD_OP_CREATE_QP);
	/* the chain leaves the guest's memory */
	slot = slot_fill(&b, &mail, 0, in, sizeof(in), 16);
	put_be64(stand_at(&b, mail.in) + 560, 1ull << 60);
	write_register(&b, DOORBELL, 1);
	assert_int_equal(slot[63], CMD_BAD_INPUT_LENGTH << 1);
	/* an absurd length */
	slot = slot_fill(&b, &mail, 0, in, 16, 16);
	put_be32(slot + 4, UINT32_MAX);
	write_register(&b, DOORBELL, 1);
	assert_int_equal(slot[63], CMD_BAD_INPUT_LENGTH << 1);
	/* output mailbox outside of the guest's memory */
	slot = slot_fill(&b, &mail, 0, in, 16, 4096);
	put_be64(slot + 48, 1ull << 50);
	write_register(&b, DOORBELL, 1);
	assert_int_equal(slot[63], CMD_BAD_OUTPUT_LENGTH << 1);
	/* the driver owns the slot */
	slot = slot_fill(&b, &mail, 0, in, 16, 16);
	slot[63] = 0;
	slot[32] = 0xaa;
	write_register(&b, DOORBELL, 1);
	assert_int_equal(slot[32], 0xaa);
	/* a command queue outside of the guest's memory */
	write_register(&b, QUEUE_HIGH, 0xffffffff);
	write_register(&b, QUEUE_LOW, 0xfffff000);
	write_register(&b, DOORBELL, UINT32_MAX);
	stand_destroy(&b);
}

static void test_short(void **state)
{
	uint8_t in[8] = { 0 }, out[8];
	struct stand b;
	unsigned int opcode, length;

	(void)state;
	stand_init(&b, NULL);
	/* every command with less input than it requires, down to none */
	for (opcode = 0; opcode < 0x1000; opcode++)
		for (length = 0; length <= sizeof(in); length += 4) {
			put_be16(in, opcode);
			cmd_execute(&b.dev, in, length, out, sizeof(out));
			cmd_execute(&b.dev, in, sizeof(in), out, length);
		}
	model_reset(&b.dev);
	stand_power_up(&b);
	put_be16(in, 0xfff);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_BAD_OP);
	put_be16(in, MLX5_CMD_OP_NOP);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	assert_int_equal(stand_command(&b, in, 4, out, sizeof(out)), CMD_BAD_OP);
	stand_destroy(&b);
}

static void test_unknown_objects(void **state)
{
	static const uint16_t opcodes[] = {
		MLX5_CMD_OP_DESTROY_EQ, MLX5_CMD_OP_DESTROY_CQ, MLX5_CMD_OP_QUERY_CQ,
		MLX5_CMD_OP_MODIFY_CQ,	MLX5_CMD_OP_DESTROY_QP, MLX5_CMD_OP_QUERY_QP,
		MLX5_CMD_OP_2ERR_QP,	MLX5_CMD_OP_DESTROY_MKEY, MLX5_CMD_OP_QUERY_MKEY,
		MLX5_CMD_OP_DESTROY_SRQ, MLX5_CMD_OP_ARM_RQ, MLX5_CMD_OP_DEALLOC_PD,
		MLX5_CMD_OP_DEALLOC_UAR, MLX5_CMD_OP_DEALLOC_XRCD, MLX5_CMD_OP_DESTROY_UCTX,
	};
	uint8_t in[64], out[1024];
	struct stand b;
	size_t i;

	(void)state;
	stand_init(&b, NULL);
	for (i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		memset(in, 0xff, sizeof(in));
		put_be16(in, opcodes[i]);
		assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)),
				 CMD_BAD_RESOURCE);
	}
	stand_destroy(&b);
}

/* A new queue for this completion queue; in_umem: of an application */
static uint8_t resize_cq(struct stand *b, const struct stand_cq *cq, uint64_t ring,
			 unsigned int log_size, bool in_umem)
{
	uint8_t in[IFC_SIZE(modify_cq_in) + 32] = { 0 }, out[IFC_SIZE(modify_cq_out)];
	unsigned int i;

	IFC_SET(modify_cq_in, in, opcode, MLX5_CMD_OP_MODIFY_CQ);
	IFC_SET(modify_cq_in, in, op_mod, 1);
	IFC_SET(modify_cq_in, in, cqn, cq->number);
	IFC_SET(modify_cq_in, in, cq_context.log_cq_size, log_size);
	IFC_SET(modify_cq_in, in, cq_umem_valid, in_umem);
	for (i = 0; i < 4; i++)
		put_be64(IFC_AT(modify_cq_in, in, pas) + 8 * i, ring + i * STAND_PAGE);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

/* An application can resize its queue by itself, and must not choose where the entries go */
static void test_resize_cq(void **state)
{
	struct stand b;
	struct stand_cq cq;
	struct stand_qp qp;
	uint64_t ring;

	(void)state;
	stand_init(&b, NULL);
	cq = stand_create_cq(&b);
	ring = stand_alloc(&b, 4096, 4096);
	assert_int_equal(resize_cq(&b, &cq, ring, 6, true), CMD_BAD_PARAM);
	assert_int_equal(resize_cq(&b, &cq, ring, 6, false), CMD_OK);
	qp = stand_create_qp(&b, &cq, QP_RC);
	stand_connect(&b, &qp, &qp);
	stand_post(&b, &qp, &(struct stand_wr){ .opcode = WQE_NOP });
	stand_run(&b);
	/* the resize itself is an entry of the old queue */
	assert_int_equal(stand_at(&b, cq.ring)[63] >> 4, CQE_RESIZE);
	assert_int_equal(get_be32(stand_at(&b, ring) + 64 + 56), qp.number);
	stand_destroy(&b);
}

/* The entry that ends the old queue needs a place there */
static void test_resize_full_cq(void **state)
{
	struct stand_wr wr = { .opcode = WQE_NOP };
	struct stand_cq cq;
	struct stand_qp qp;
	struct stand b;
	uint64_t ring;
	unsigned int i;

	(void)state;
	stand_init(&b, NULL);
	cq = stand_create_cq(&b);
	ring = stand_alloc(&b, 64 << STAND_CQ_LOG, STAND_PAGE);
	qp = stand_create_qp(&b, &cq, QP_RC);
	stand_connect(&b, &qp, &qp);
	for (i = 0; i < 1 << STAND_CQ_LOG; i++) {
		stand_post(&b, &qp, &wr);
		stand_run(&b);
	}
	assert_int_equal(resize_cq(&b, &cq, ring, STAND_CQ_LOG, false), CMD_BAD_RESOURCE_STATE);
	for (i = 0; i < 1 << STAND_CQ_LOG; i++)
		assert_int_equal(stand_poll(&b, &cq)[63] >> 4, CQE_REQUESTER);
	assert_int_equal(resize_cq(&b, &cq, ring, STAND_CQ_LOG, false), CMD_OK);
	stand_destroy(&b);
}

static uint8_t create_umem(struct stand *b, uint64_t count, uint32_t offset, size_t length)
{
	uint8_t in[IFC_SIZE(create_umem_in) + 16] = { 0 }, out[IFC_SIZE(create_umem_out)];

	IFC_SET(create_umem_in, in, opcode, MLX5_CMD_OP_CREATE_UMEM);
	IFC_SET(create_umem_in, in, umem.num_of_mtt, count);
	IFC_SET(create_umem_in, in, umem.page_offset, offset);
	put_be64(IFC_AT(create_umem_in, in, umem.mtt), STAND_BASE);
	return stand_command(b, in, IFC_SIZE(create_umem_in) + length, out, sizeof(out));
}

/* A completion queue in a umem of one page: 64 entries of 64 bytes */
static uint8_t create_cq_in_umem(struct stand *b, uint32_t umem, uint64_t offset, uint32_t record,
				 uint64_t record_offset)
{
	uint8_t in[IFC_SIZE(create_cq_in)] = { 0 }, out[IFC_SIZE(create_cq_out)];
	uint8_t *context = IFC_AT(create_cq_in, in, cq_context);

	IFC_SET(create_cq_in, in, opcode, MLX5_CMD_OP_CREATE_CQ);
	IFC_SET(create_cq_in, in, uid, STAND_APPLICATION);
	IFC_SET(create_cq_in, in, cq_umem_valid, 1);
	put_be64(in + 0x280 / 8, offset);
	put_be32(in + 0x2c0 / 8, umem);
	IFC_SET(cqc, context, log_cq_size, 6);
	IFC_SET(cqc, context, c_eqn_or_apu_element, b->completion_eq);
	IFC_SET(cqc, context, uar_page, b->uar);
	IFC_SET(cqc, context, dbr_umem_valid, 1);
	put_be32(context + 0x20 / 8, record);
	IFC_SET(cqc, context, dbr_addr, record_offset);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static void test_umems(void **state)
{
	struct stand b;
	uint32_t page, two;

	(void)state;
	stand_init(&b, NULL);
	assert_int_equal(create_umem(&b, 0, 0, 16), CMD_BAD_PARAM);
	assert_int_equal(create_umem(&b, 3, 0, 16), CMD_BAD_PARAM);
	assert_int_equal(create_umem(&b, UINT64_MAX, 0, 16), CMD_BAD_PARAM);
	assert_int_equal(create_umem(&b, 1, STAND_PAGE, 16), CMD_BAD_PARAM);
	assert_int_equal(create_umem(&b, 1, STAND_PAGE - 8, 16), CMD_OK);

	page = stand_create_umem(&b, STAND_BASE, STAND_PAGE);
	two = stand_create_umem(&b, STAND_BASE + 4, 2 * STAND_PAGE - 4);
	assert_int_equal(create_cq_in_umem(&b, page, 0, page, STAND_PAGE - 8), CMD_OK);
	assert_int_equal(create_cq_in_umem(&b, two, 64, two, 8), CMD_OK);
	assert_int_equal(create_cq_in_umem(&b, 0, 0, page, 0), CMD_BAD_PARAM);
	assert_int_equal(create_cq_in_umem(&b, two + 1, 0, page, 0), CMD_BAD_PARAM);
	assert_int_equal(create_cq_in_umem(&b, page, 64, page, 0), CMD_BAD_PARAM);
	assert_int_equal(create_cq_in_umem(&b, page, UINT64_MAX - 63, page, 0), CMD_BAD_PARAM);
	assert_int_equal(create_cq_in_umem(&b, page, 0, two + 1, 0), CMD_BAD_PARAM);
	assert_int_equal(create_cq_in_umem(&b, page, 0, page, STAND_PAGE), CMD_BAD_PARAM);
	assert_int_equal(create_cq_in_umem(&b, page, 0, page, 4), CMD_BAD_PARAM);
	/* a doorbell record across two pages */
	assert_int_equal(create_cq_in_umem(&b, page, 0, two, STAND_PAGE - 8), CMD_BAD_PARAM);
	stand_destroy(&b);
}

/* An application may register memory that it cannot write to: no entry goes there */
static void test_umems_read_only(void **state)
{
	uint32_t readable, writable;
	struct stand b;

	(void)state;
	stand_init(&b, NULL);
	writable = stand_create_umem(&b, STAND_BASE, STAND_PAGE);
	readable = writable + 1;
	b.umem_access = 1;
	assert_int_equal(stand_create_umem(&b, STAND_BASE, STAND_PAGE), readable);
	assert_int_equal(create_cq_in_umem(&b, readable, 0, writable, 0), CMD_BAD_PARAM);
	/* the device only reads a doorbell record, and the queues of a queue pair */
	assert_int_equal(create_cq_in_umem(&b, writable, 0, readable, 0), CMD_OK);
	b.in_umems = true;
	stand_create_qp(&b, &(struct stand_cq){ 0 }, QP_RC);
	stand_destroy(&b);
}

/* The driver releases a umem's memory after the command: nothing may refer to it any more */
static void test_umems_in_use(void **state)
{
	const uint16_t destroy = MLX5_CMD_OP_DESTROY_UMEM;
	uint32_t ring, record, ends;
	struct stand_cq cq;
	struct stand_qp qp;
	struct stand b;

	(void)state;
	stand_init(&b, NULL);
	ring = stand_create_umem(&b, STAND_BASE, STAND_PAGE);
	record = stand_create_umem(&b, STAND_BASE, STAND_PAGE);
	/* the driver's queues are in none */
	cq = stand_create_cq(&b);
	assert_int_equal(create_cq_in_umem(&b, ring, 0, record, 0), CMD_OK);
	assert_int_equal(stand_destroy_object(&b, destroy, ring), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(stand_destroy_object(&b, destroy, record), CMD_BAD_RESOURCE_STATE);
	/* the number of the completion queue after the first */
	assert_int_equal(stand_destroy_object(&b, MLX5_CMD_OP_DESTROY_CQ, cq.number + 1), CMD_OK);
	assert_int_equal(stand_destroy_object(&b, destroy, ring), CMD_OK);
	assert_int_equal(stand_destroy_object(&b, destroy, record), CMD_OK);
	b.in_umems = true;
	qp = stand_create_qp(&b, &cq, QP_RC);
	/* the umems that the stand makes for it are the next numbers */
	for (ends = record + 1; ends <= record + 2; ends++)
		assert_int_equal(stand_destroy_object(&b, destroy, ends), CMD_BAD_RESOURCE_STATE);
	assert_int_equal(stand_destroy_object(&b, MLX5_CMD_OP_DESTROY_QP, qp.number), CMD_OK);
	for (ends = record + 1; ends <= record + 2; ends++)
		assert_int_equal(stand_destroy_object(&b, destroy, ends), CMD_OK);
	stand_destroy(&b);
}

/* Fields that the layout reserves and an application uses, and the same bits without their flag */
static void test_reserved_umems(void **state)
{
	uint8_t qp[IFC_SIZE(create_qp_in)] = { 0 }, cq[IFC_SIZE(create_cq_in)] = { 0 }, out[64];
	uint8_t *context = IFC_AT(create_qp_in, qp, qpc);
	struct stand b;
	struct stats *stats = &b.dev.stats;
	uint32_t page;

	(void)state;
	stand_init(&b, &(struct dev_options){ .strict = true });
	page = stand_create_umem(&b, STAND_BASE, STAND_PAGE);
	assert_int_equal(create_cq_in_umem(&b, page, 64 * 3, page, 8), CMD_BAD_PARAM);
	assert_int_equal(create_cq_in_umem(&b, page, 0, page, STAND_PAGE - 8), CMD_OK);
	assert_int_equal(stats->strict_reports, 0);
	IFC_SET(create_cq_in, cq, opcode, MLX5_CMD_OP_CREATE_CQ);
	IFC_SET(create_cq_in, cq, uid, STAND_APPLICATION);
	put_be32(cq + 0x2c0 / 8, page);
	stand_command(&b, cq, sizeof(cq), out, sizeof(out));
	assert_int_equal(stats->strict_reports, 1);
	put_be32(IFC_AT(create_cq_in, cq, cq_context) + 0x20 / 8, page);
	stand_command(&b, cq, sizeof(cq), out, sizeof(out));
	assert_int_equal(stats->strict_reports, 3);

	IFC_SET(create_qp_in, qp, opcode, MLX5_CMD_OP_CREATE_QP);
	IFC_SET(create_qp_in, qp, uid, STAND_APPLICATION);
	put_be32(context + 0x720 / 8, UINT32_MAX);
	stand_command(&b, qp, sizeof(qp), out, sizeof(out));
	assert_int_equal(stats->strict_reports, 4);
	IFC_SET(qpc, context, dbr_umem_valid, 1);
	stand_command(&b, qp, sizeof(qp), out, sizeof(out));
	assert_int_equal(stats->strict_reports, 4);
	/* the adjacent bits stay reserved */
	context[0x720 / 8 - 1] = 1;
	stand_command(&b, qp, sizeof(qp), out, sizeof(out));
	assert_int_equal(stats->strict_reports, 5);
	/* all of them are reserved for the driver */
	context[0x720 / 8 - 1] = 0;
	IFC_SET(create_qp_in, qp, uid, 0);
	stand_command(&b, qp, sizeof(qp), out, sizeof(out));
	assert_int_equal(stats->strict_reports, 6);
	stand_destroy(&b);
}

static void test_transitions(void **state)
{
	struct stand b;
	struct stand_cq cq;
	struct stand_qp qp;
	uint8_t in[IFC_SIZE(query_qp_in)] = { 0 }, out[IFC_SIZE(query_qp_out)];
	const uint8_t *context = IFC_AT_CONST(query_qp_out, out, qpc);

	(void)state;
	stand_init(&b, NULL);
	cq = stand_create_cq(&b);
	qp = stand_create_qp(&b, &cq, QP_RC);
	assert_int_equal(stand_modify(&b, &qp, MLX5_CMD_OP_INIT2RTR_QP, NULL),
			 CMD_BAD_RESOURCE_STATE);
	stand_connect(&b, &qp, &qp);
	assert_int_equal(stand_modify(&b, &qp, MLX5_CMD_OP_RST2INIT_QP, NULL),
			 CMD_BAD_RESOURCE_STATE);
	IFC_SET(query_qp_in, in, opcode, MLX5_CMD_OP_QUERY_QP);
	IFC_SET(query_qp_in, in, qpn, qp.number);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	assert_int_equal(IFC_GET(qpc, context, state), QP_RTS);
	assert_int_equal(IFC_GET(qpc, context, remote_qpn), qp.number);
	assert_int_equal(IFC_GET(qpc, context, rnr_retry), 7);
	assert_int_equal(stand_modify(&b, &qp, MLX5_CMD_OP_2RST_QP, NULL), CMD_OK);
	stand_connect(&b, &qp, &qp);
	stand_destroy(&b);
}

/* Reserved bits of the input itself, of a context in it, and of a struct in the context */
static void test_reserved(void **state)
{
	uint8_t pd[IFC_SIZE(alloc_pd_in)] = { 0 }, qp[IFC_SIZE(init2rtr_qp_in)] = { 0 }, out[4096];
	struct stand b;
	struct stats *stats = &b.dev.stats;

	(void)state;
	stand_init(&b, &(struct dev_options){ .strict = true });
	assert_int_equal(stats->strict_reports, 0);
	IFC_SET(alloc_pd_in, pd, opcode, MLX5_CMD_OP_ALLOC_PD);
	stand_command(&b, pd, sizeof(pd), out, IFC_SIZE(alloc_pd_out));
	assert_int_equal(stats->strict_reports, 0);
	IFC_SET(alloc_pd_in, pd, reserved_at_40, 1);
	assert_int_equal(stand_command(&b, pd, sizeof(pd), out, IFC_SIZE(alloc_pd_out)), CMD_OK);
	assert_int_equal(stats->strict_reports, 1);
	/* input that ends before the reserved field; less than a driver passes */
	stand_command(&b, pd, 8, out, IFC_SIZE(alloc_pd_out));
	assert_int_equal(stats->strict_reports, 2);
	put_be64(pd + 8, 0);
	stand_command(&b, pd, sizeof(pd), out, 8);
	assert_int_equal(stats->strict_reports, 3);
	/* a user's command is not reported */
	put_be16(pd + 2, 1);
	stand_command(&b, pd, 8, out, IFC_SIZE(alloc_pd_out));
	assert_int_equal(stats->strict_reports, 3);
	IFC_SET(init2rtr_qp_in, qp, opcode, MLX5_CMD_OP_INIT2RTR_QP);
	IFC_SET(init2rtr_qp_in, qp, qpc.primary_address_path.reserved_at_2, 1);
	IFC_SET(init2rtr_qp_in, qp, qpc.reserved_at_10, 1);
	stand_command(&b, qp, sizeof(qp), out, IFC_SIZE(init2rtr_qp_out));
	assert_int_equal(stats->strict_reports, 5);
	/* reported in strict mode only */
	b.dev.options.strict = false;
	stand_command(&b, qp, sizeof(qp), out, IFC_SIZE(init2rtr_qp_out));
	assert_int_equal(stats->strict_reports, 5);
	stand_destroy(&b);
}

/* Capabilities by name: the device reports and enforces them */
static void test_caps(void **state)
{
	static const char *const wrong[] = { "", "log_max_qp", "log_max_qp=", "log_max_qp=32",
					     "log_max_qp=1x", "=1", "reserved_at_0=1", "none=0",
					     "log_max_q=1", "rc_odp_caps.sing=1", "log_max_qp=-1" };
	struct dev_options options = { .cap_count = 3 };
	struct cap_setting setting;
	struct stand b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(caps_parse(wrong[i], &setting));
	assert_true(caps_parse("log_max_qp=7", &options.caps[0]));
	assert_true(caps_parse("max_mkey_log_entity_size_fixed_buffer=0x15", &options.caps[1]));
	assert_true(caps_parse("uc_odp_caps.write=1", &options.caps[2]));
	stand_init(&b, &options);
	assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, log_max_qp), 7);
	assert_int_equal(IFC_GET(cmd_hca_cap_2, b.dev.caps_general_2,
				 max_mkey_log_entity_size_fixed_buffer), 21);
	assert_int_equal(IFC_GET(odp_cap, b.dev.caps_odp,
				 transport_page_fault_scheme_cap.uc_odp_caps.write), 1);
	assert_int_equal(IFC_GET(odp_cap, b.dev.caps_odp,
				 memory_page_fault_scheme_cap.uc_odp_caps.write), 1);
	/* also after a reset */
	model_reset(&b.dev);
	assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, log_max_qp), 7);
	stand_destroy(&b);
}

static uint8_t nop(struct stand *b)
{
	uint8_t in[16] = { 0 }, out[16];

	put_be16(in, MLX5_CMD_OP_NOP);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

/* The n-th command of any kind, and of one kind, fails; no other one does */
static void test_fail(void **state)
{
	struct dev_options options = {
		.fails = { { "NOP", 2 }, { "", 15 }, { "NOP", 3 } }, .fail_count = 3,
	};
	struct stand b;

	(void)state;
	assert_true(cmd_is_known("NOP"));
	assert_false(cmd_is_known("NO"));
	stand_init(&b, &options);
	assert_true(b.dev.stats.commands < 14);
	assert_int_equal(nop(&b), CMD_OK);
	assert_int_equal(nop(&b), CMD_INTERNAL);
	assert_int_equal(nop(&b), CMD_INTERNAL);
	assert_int_equal(b.dev.stats.made_to_fail, 2);
	while (b.dev.stats.commands < 14)
		assert_int_equal(nop(&b), CMD_OK);
	assert_int_equal(nop(&b), CMD_INTERNAL);
	assert_int_equal(nop(&b), CMD_OK);
	assert_int_equal(b.dev.stats.made_to_fail, 3);
	stand_destroy(&b);
}

/* A command that would have no effect */
static void test_no_effect(void **state)
{
	uint8_t in[IFC_SIZE(set_hca_cap_in)] = { 0 }, out[IFC_SIZE(set_hca_cap_out)];
	uint8_t *atomic = IFC_AT(set_hca_cap_in, in, capability);
	struct stand b;

	(void)state;
	stand_init(&b, NULL);
	IFC_SET(set_hca_cap_in, in, opcode, MLX5_CMD_OP_SET_HCA_CAP);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	IFC_SET(set_hca_cap_in, in, op_mod, 1 << 1);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_BAD_PARAM);
	/* the byte order of responses to atomics */
	IFC_SET(set_hca_cap_in, in, op_mod, 3 << 1);
	IFC_SET(atomic_caps, atomic, atomic_req_8B_endianness_mode, 2);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_BAD_PARAM);
	IFC_SET(atomic_caps, atomic, atomic_req_8B_endianness_mode, 1);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	IFC_SET(atomic_caps, b.dev.caps_atomic, supported_atomic_req_8B_endianness_mode_1, 0);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_BAD_PARAM);
	stand_destroy(&b);
}

static void test_reset(void **state)
{
	struct stand b;
	struct stand_cq cq;

	(void)state;
	stand_init(&b, NULL);
	cq = stand_create_cq(&b);
	stand_create_qp(&b, &cq, QP_RC);
	model_reset(&b.dev);
	assert_int_equal(b.dev.qps.count, 0);
	assert_int_equal(b.dev.eqs.count, 0);
	assert_int_equal(b.dev.stats.mkeys, 0);
	assert_int_equal(b.dev.stats.mkey_xlt_bytes, 0);
	stand_destroy(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_mailbox_broken),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_unknown_objects),
		cmocka_unit_test(test_resize_cq),
		cmocka_unit_test(test_resize_full_cq),
		cmocka_unit_test(test_umems),
		cmocka_unit_test(test_umems_read_only),
		cmocka_unit_test(test_umems_in_use),
		cmocka_unit_test(test_transitions),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test(test_reserved_umems),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_fail),
		cmocka_unit_test(test_no_effect),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
