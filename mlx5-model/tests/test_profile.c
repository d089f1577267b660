// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Generations of firmware: their capabilities, versions of the interface and of completions, and which
 * commands are refused, and when.
 */
#include "pair.h"

#include "base/caps.h"
#include "vfio/pci.h"

#define INDEX_SENDER 0x123456
#define INDEX_RECEIVER 0x654321

static struct pair pair;

static int setup_service(void **state, unsigned int service)
{
	pair_init(&pair, &(struct dev_options){ .profile = PROFILE_NEW }, 2, service);
	*state = &pair;
	return 0;
}

static int setup_rc(void **state)
{
	return setup_service(state, QP_RC);
}

static int setup_xrc(void **state)
{
	return setup_service(state, QP_XRC);
}

static int teardown(void **state)
{
	pair_destroy(*state);
	return 0;
}

static void stand_of(struct stand *b, enum dev_profile profile)
{
	stand_init(b, &(struct dev_options){ .profile = profile });
}

static uint8_t command(struct stand *b, uint16_t opcode)
{
	uint8_t in[0x200] = { 0 }, out[0x400];

	put_be16(in, opcode);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

static uint8_t set_issi(struct stand *b, unsigned int issi)
{
	uint8_t in[IFC_SIZE(set_issi_in)] = { 0 }, out[IFC_SIZE(set_issi_out)];

	IFC_SET(set_issi_in, in, opcode, MLX5_CMD_OP_SET_ISSI);
	IFC_SET(set_issi_in, in, current_issi, issi);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

/* Connects two new queue pairs with indexes; side 1 takes its receive WQEs from srq if there is one */
static void connect_indexed(struct pair *p, unsigned int service, const struct stand_srq *srq)
{
	unsigned int i;

	p->on[0]->user_index = INDEX_SENDER;
	p->on[1]->user_index = INDEX_RECEIVER;
	for (i = 0; i < 2; i++)
		p->qp[i] = stand_create_qp_srq(p->on[i], &p->cq[i], service, i ? srq : NULL);
	for (i = 0; i < 2; i++)
		stand_connect(p->on[i], &p->qp[i], &p->qp[1 - i]);
}

static void test_names(void **state)
{
	enum dev_profile profile;

	(void)state;
	assert_true(caps_profile_parse("old", &profile));
	assert_int_equal(profile, PROFILE_OLD);
	assert_true(caps_profile_parse("new", &profile));
	assert_int_equal(profile, PROFILE_NEW);
	assert_true(caps_profile_parse("default", &profile));
	assert_int_equal(profile, PROFILE_DEFAULT);
	assert_false(caps_profile_parse("", &profile));
	assert_false(caps_profile_parse("newer", &profile));
}

static void test_capabilities(void **state)
{
	static const struct {
		unsigned int cqe_version, implicit, page_max, xrc_send, dc;
		uint8_t firmware[4];
	} want[] = {
		[PROFILE_DEFAULT] = { 0, 1, 0, 1, 1, { 0, 30, 0, 20 } },
		[PROFILE_OLD] = { 0, 0, 0, 0, 0, { 0, 16, 0, 10 } },
		[PROFILE_NEW] = { 1, 1, 40, 1, 1, { 0, 43, 0, 28 } },
	};
	uint8_t firmware[4];
	struct stand b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		stand_of(&b, i);
		assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, cqe_version),
				 want[i].cqe_version);
		assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, null_mkey),
				 want[i].implicit);
		assert_int_equal(IFC_GET(cmd_hca_cap_2, b.dev.caps_general_2,
					 max_mkey_log_entity_size_mtt), want[i].page_max);
		assert_int_equal(IFC_GET(odp_cap, b.dev.caps_odp,
					 transport_page_fault_scheme_cap.xrc_odp_caps.send),
				 want[i].xrc_send);
		assert_int_equal(IFC_GET(odp_cap, b.dev.caps_odp,
					 transport_page_fault_scheme_cap.dc_odp_caps.srq_receive),
				 want[i].dc);
		assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, dct), want[i].dc);
		assert_int_equal(ifc_get(b.dev.caps_general, CAPS_DMA_MMO_QP_BIT, 1), want[i].dc);
		assert_int_equal(IFC_GET(odp_cap, b.dev.caps_odp,
					 transport_page_fault_scheme_cap.rc_odp_caps.write), 1);
		pci_bar_read(&b.dev, PCI_BAR_DEVICE, 0, firmware, sizeof(firmware));
		assert_memory_equal(firmware, want[i].firmware, sizeof(firmware));
		stand_destroy(&b);
	}
}

/* What is set by name goes on top of the profile */
static void test_capability_by_name(void **state)
{
	struct dev_options options = { .profile = PROFILE_NEW, .cap_count = 2 };
	struct stand b;

	(void)state;
	assert_true(caps_parse("cqe_version=0", &options.caps[0]));
	/* one that the kernel's layout reserves */
	assert_true(caps_parse("dma_mmo_qp=0", &options.caps[1]));
	stand_init(&b, &options);
	assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, cqe_version), 0);
	assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, umr_fence), 2);
	assert_int_equal(ifc_get(b.dev.caps_general, CAPS_DMA_MMO_QP_BIT, 1), 0);
	assert_int_equal(ifc_get(b.dev.caps_general, CAPS_LOG_DMA_MMO_MAX_SIZE_BIT,
				 CAPS_LOG_DMA_MMO_MAX_SIZE_WIDTH), CAPS_LOG_MAX_MEMCPY);
	stand_destroy(&b);
}

static void test_issi(void **state)
{
	static const unsigned int versions[] = {
		[PROFILE_DEFAULT] = 1,
		[PROFILE_OLD] = 0,
		[PROFILE_NEW] = 3,
	};
	uint8_t in[IFC_SIZE(query_issi_in)] = { 0 }, out[IFC_SIZE(query_issi_out)];
	struct stand b;
	size_t i;

	(void)state;
	IFC_SET(query_issi_in, in, opcode, MLX5_CMD_OP_QUERY_ISSI);
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		stand_of(&b, i);
		model_reset(&b.dev);
		assert_int_equal(set_issi(&b, 0), CMD_BAD_SYSTEM_STATE);
		assert_int_equal(command(&b, MLX5_CMD_OP_ENABLE_HCA), CMD_OK);
		assert_int_equal(set_issi(&b, 1), versions[i] == 3 ? CMD_OK : CMD_BAD_OP);
		assert_int_equal(set_issi(&b, 2), versions[i] == 3 ? CMD_BAD_PARAM : CMD_BAD_OP);
		assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)),
				 versions[i] ? CMD_OK : CMD_BAD_OP);
		assert_int_equal(IFC_GET(query_issi_out, out, supported_issi_dw0), versions[i]);
		assert_int_equal(IFC_GET(query_issi_out, out, current_issi), versions[i] == 3);
		assert_int_equal(command(&b, MLX5_CMD_OP_INIT_HCA), CMD_OK);
		/* the SRQs of one version are unknown in the other */
		assert_int_equal(command(&b, MLX5_CMD_OP_CREATE_SRQ),
				 versions[i] == 3 ? CMD_BAD_OP : CMD_BAD_RESOURCE);
		assert_int_equal(command(&b, MLX5_CMD_OP_QUERY_SRQ),
				 versions[i] == 3 ? CMD_BAD_OP : CMD_BAD_RESOURCE);
		assert_int_equal(command(&b, MLX5_CMD_OP_QUERY_RMP),
				 versions[i] == 3 ? CMD_BAD_RESOURCE : CMD_BAD_OP);
		assert_int_equal(command(&b, MLX5_CMD_OP_CREATE_XRC_SRQ),
				 versions[i] == 3 ? CMD_BAD_RESOURCE : CMD_BAD_OP);
		/* too late, and forgotten when the function is disabled */
		if (versions[i] == 3)
			assert_int_equal(set_issi(&b, 0), CMD_BAD_SYSTEM_STATE);
		assert_int_equal(command(&b, MLX5_CMD_OP_DISABLE_HCA), CMD_OK);
		assert_int_equal(b.dev.issi, 0);
		stand_destroy(&b);
	}
}

static void test_life(void **state)
{
	struct stand b;

	(void)state;
	stand_of(&b, PROFILE_DEFAULT);
	assert_int_equal(command(&b, MLX5_CMD_OP_INIT_HCA), CMD_BAD_SYSTEM_STATE);
	assert_int_equal(command(&b, MLX5_CMD_OP_ENABLE_HCA), CMD_BAD_SYSTEM_STATE);
	assert_true(b.dev.pds.count && b.dev.mkeys.count && b.dev.eqs.count);
	assert_int_equal(command(&b, MLX5_CMD_OP_TEARDOWN_HCA), CMD_OK);
	assert_false(b.dev.pds.count || b.dev.mkeys.count || b.dev.eqs.count);
	assert_int_equal(command(&b, MLX5_CMD_OP_ALLOC_PD), CMD_BAD_SYSTEM_STATE);
	assert_int_equal(command(&b, MLX5_CMD_OP_TEARDOWN_HCA), CMD_BAD_SYSTEM_STATE);
	assert_int_equal(command(&b, MLX5_CMD_OP_QUERY_HCA_CAP), CMD_OK);
	assert_int_equal(command(&b, MLX5_CMD_OP_DISABLE_HCA), CMD_OK);
	assert_int_equal(command(&b, MLX5_CMD_OP_DISABLE_HCA), CMD_BAD_SYSTEM_STATE);
	assert_int_equal(command(&b, MLX5_CMD_OP_QUERY_HCA_CAP), CMD_BAD_SYSTEM_STATE);
	assert_int_equal(command(&b, MLX5_CMD_OP_INIT_HCA), CMD_BAD_SYSTEM_STATE);
	stand_power_up(&b);
	assert_int_equal(command(&b, MLX5_CMD_OP_ALLOC_PD), CMD_OK);
	stand_destroy(&b);
}

/* Commands that would have no effect */
static void test_refused(void **state)
{
	static const uint16_t unknown[] = {
		MLX5_CMD_OP_MAD_IFC,
		MLX5_CMD_OP_QUERY_FLOW_COUNTER,
	};
	uint8_t in[IFC_SIZE(modify_cq_in)] = { 0 }, out[IFC_SIZE(modify_cq_out)];
	struct stand b;
	size_t i;

	(void)state;
	stand_of(&b, PROFILE_DEFAULT);
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(command(&b, unknown[i]), CMD_BAD_OP);
	/* moderation of completions is not announced */
	assert_int_equal(IFC_GET(cmd_hca_cap, b.dev.caps_general, cq_moderation), 0);
	IFC_SET(modify_cq_in, in, opcode, MLX5_CMD_OP_MODIFY_CQ);
	IFC_SET(modify_cq_in, in, cqn, stand_create_cq(&b).number);
	IFC_SET(modify_cq_in, in, cq_context.cq_period, 10);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_BAD_PARAM);
	stand_destroy(&b);
}

/* An entry needs its table and its group, which stay as long as it does */
static void test_flow_entries(void **state)
{
	uint8_t set[IFC_SIZE(set_fte_in)] = { 0 }, out[IFC_SIZE(set_fte_out)];
	uint8_t delete[IFC_SIZE(delete_fte_in)] = { 0 }, destroy[IFC_SIZE(destroy_flow_table_in)] = { 0 };
	struct stand b;

	(void)state;
	stand_of(&b, PROFILE_DEFAULT);
	IFC_SET(set_fte_in, set, opcode, MLX5_CMD_OP_SET_FLOW_TABLE_ENTRY);
	IFC_SET(delete_fte_in, delete, opcode, MLX5_CMD_OP_DELETE_FLOW_TABLE_ENTRY);
	IFC_SET(destroy_flow_table_in, destroy, opcode, MLX5_CMD_OP_DESTROY_FLOW_TABLE);
	assert_int_equal(command(&b, MLX5_CMD_OP_CREATE_FLOW_TABLE), CMD_OK);
	IFC_SET(set_fte_in, set, table_id, 1);
	IFC_SET(delete_fte_in, delete, table_id, 1);
	IFC_SET(destroy_flow_table_in, destroy, table_id, 1);
	IFC_SET(set_fte_in, set, flow_context.group_id, 1);
	assert_int_equal(stand_command(&b, set, sizeof(set), out, sizeof(out)), CMD_BAD_RESOURCE);
	assert_int_equal(command(&b, MLX5_CMD_OP_CREATE_FLOW_GROUP), CMD_OK);
	assert_int_equal(stand_command(&b, delete, sizeof(delete), out, sizeof(out)), CMD_BAD_RESOURCE);
	assert_int_equal(stand_command(&b, set, sizeof(set), out, sizeof(out)), CMD_OK);
	/* again, and a change of it */
	assert_int_equal(stand_command(&b, set, sizeof(set), out, sizeof(out)), CMD_BAD_PARAM);
	IFC_SET(set_fte_in, set, op_mod, 1);
	assert_int_equal(stand_command(&b, set, sizeof(set), out, sizeof(out)), CMD_BAD_PARAM);
	assert_int_equal(stand_command(&b, destroy, sizeof(destroy), out, sizeof(out)),
			 CMD_BAD_RESOURCE_STATE);
	assert_int_equal(stand_command(&b, delete, sizeof(delete), out, sizeof(out)), CMD_OK);
	assert_int_equal(stand_command(&b, destroy, sizeof(destroy), out, sizeof(out)), CMD_OK);
	stand_destroy(&b);
}

/* The port's capabilities can be changed, as the query shows; other fields cannot */
static void test_port(void **state)
{
	uint8_t in[IFC_SIZE(modify_hca_vport_context_in)] = { 0 }, out[0x400];
	uint8_t *context = IFC_AT(modify_hca_vport_context_in, in, hca_vport_context);
	uint8_t query[IFC_SIZE(query_hca_vport_context_in)] = { 0 };
	uint8_t reply[IFC_SIZE(query_hca_vport_context_out)];
	struct stand b;

	(void)state;
	stand_of(&b, PROFILE_DEFAULT);
	IFC_SET(modify_hca_vport_context_in, in, opcode, MLX5_CMD_OP_MODIFY_HCA_VPORT_CONTEXT);
	IFC_SET(query_hca_vport_context_in, query, opcode, MLX5_CMD_OP_QUERY_HCA_VPORT_CONTEXT);
	IFC_SET(hca_vport_context, context, cap_mask1, 0x30);
	IFC_SET(hca_vport_context, context, cap_mask1_field_select, 0x10);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	IFC_SET(hca_vport_context, context, cap_mask1, 0x40);
	IFC_SET(hca_vport_context, context, cap_mask1_field_select, 0x40);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	stand_command(&b, query, sizeof(query), reply, sizeof(reply));
	assert_int_equal(IFC_GET(query_hca_vport_context_out, reply, hca_vport_context.cap_mask1),
			 0x50);
	IFC_SET(hca_vport_context, context, field_select, 1);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_BAD_PARAM);
	IFC_SET(hca_vport_context, context, field_select, 0);
	IFC_SET(modify_hca_vport_context_in, in, other_vport, 1);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_BAD_PARAM);
	stand_destroy(&b);
}

/* Registers can be read; of those of the port, only the description can be written */
static void test_registers(void **state)
{
	static const struct {
		unsigned int id;
		uint8_t value, status;
	} writes[] = {
		{ 0x5003, 0, CMD_BAD_PARAM },	 { 0x5004, 0, CMD_BAD_PARAM },
		{ 0x500f, 0, CMD_BAD_PARAM },	 { 0x6001, 'd', CMD_OK },
		{ 0x7004, 0, CMD_OK },		 { 0x7004, 0x80, CMD_BAD_PARAM },
		{ 0x1234, 0, CMD_BAD_PARAM },
	};
	uint8_t in[IFC_SIZE(access_register_in) + 64] = { 0 };
	uint8_t out[IFC_SIZE(access_register_out) + 64];
	struct stand b;
	size_t i;

	(void)state;
	stand_of(&b, PROFILE_DEFAULT);
	IFC_SET(access_register_in, in, opcode, MLX5_CMD_OP_ACCESS_REG);
	for (i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		IFC_SET(access_register_in, in, register_id, writes[i].id);
		*IFC_AT(access_register_in, in, register_data) = writes[i].value;
		assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)),
				 writes[i].status);
	}
	IFC_SET(access_register_in, in, register_id, 0x6001);
	IFC_SET(access_register_in, in, op_mod, 1);
	assert_int_equal(stand_command(&b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	assert_int_equal(*IFC_AT(access_register_out, out, register_data), 'd');
	stand_destroy(&b);
}

/* Completions of version 1 name the queue pair by its user's index, also errors and flushes */
static void test_completions(void **state)
{
	struct pair *p = *state;
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);
	const uint8_t *cqe;

	connect_indexed(p, QP_RC, NULL);
	pair_receive(p, 0, 300);
	pair_send(p, &wr);
	cqe = pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_int_equal(get_be32(cqe + 32), INDEX_SENDER);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
	assert_int_equal(get_be32(cqe + 32), INDEX_RECEIVER);
	assert_int_equal(get_be32(cqe + 56) & 0xffffff, p->qp[1].number);
	wr.opcode = WQE_WRITE;
	wr.rkey++;
	pair_receive(p, 0, 300);
	pair_send(p, &wr);
	cqe = pair_complete(p, 0, CQE_REQUESTER_ERROR, SYNDROME_REMOTE_ACCESS, 0);
	assert_int_equal(get_be32(cqe + 32), INDEX_SENDER);
	cqe = pair_complete(p, 1, CQE_RECEIVE_ERROR, SYNDROME_FLUSHED, 0);
	assert_int_equal(get_be32(cqe + 32), INDEX_RECEIVER);
}

static uint8_t modify_rmp(struct stand *b, uint32_t number, unsigned int limit, bool masked)
{
	uint8_t in[IFC_SIZE(modify_rmp_in)] = { 0 }, out[IFC_SIZE(modify_rmp_out)];

	IFC_SET(modify_rmp_in, in, opcode, MLX5_CMD_OP_MODIFY_RMP);
	IFC_SET(modify_rmp_in, in, rmp_state, 1);
	IFC_SET(modify_rmp_in, in, rmpn, number);
	IFC_SET(modify_rmp_in, in, bitmask.lwm, masked);
	IFC_SET(modify_rmp_in, in, ctx.state, 1);
	IFC_SET(modify_rmp_in, in, ctx.wq.lwm, limit);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

/* A receive memory pool: data, a page fault, the limit, and its end */
static void test_rmp(void **state)
{
	struct pair *p = *state;
	struct stand *b = p->on[1];
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);
	struct stand_srq srq = stand_create_srq_1(b, NULL);
	uint8_t in[IFC_SIZE(query_rmp_in)] = { 0 }, out[IFC_SIZE(query_rmp_out)];
	uint32_t key = pair_absent(p, 1);
	const uint8_t *cqe, *event;

	connect_indexed(p, QP_RC, &srq);
	stand_receive_srq(b, &srq, p->buffer[1], p->key[1], 300);
	stand_receive_srq(b, &srq, p->buffer[1], key, 300);
	assert_int_equal(modify_rmp(b, srq.number, 1, false), CMD_BAD_PARAM);
	assert_int_equal(modify_rmp(b, srq.number, 1, true), CMD_OK);
	IFC_SET(query_rmp_in, in, opcode, MLX5_CMD_OP_QUERY_RMP);
	IFC_SET(query_rmp_in, in, rmpn, srq.number);
	assert_int_equal(stand_command(b, in, sizeof(in), out, sizeof(out)), CMD_OK);
	assert_int_equal(IFC_GET(query_rmp_out, out, rmp_context.wq.lwm), 1);
	assert_int_equal(IFC_GET(query_rmp_out, out, rmp_context.wq.log_wq_sz), STAND_RQ_LOG);
	assert_int_equal(IFC_GET(query_rmp_out, out, rmp_context.state), 1);
	pair_send(p, &wr);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
	assert_int_equal(get_be32(cqe + 32), INDEX_RECEIVER);
	assert_memory_equal(pair_at(p, 1, 0), pair_at(p, 0, 11), 200);
	assert_null(stand_event(b, b->async_ring, &b->async_seen));
	/* the fault names the pool, of which no WQE is left */
	pair_send(p, &wr);
	event = pair_fault(p, 1);
	assert_non_null(event);
	assert_int_equal(get_be32(event + 32 + 24), srq.number);
	event = stand_event(b, b->async_ring, &b->async_seen);
	assert_non_null(event);
	assert_int_equal(event[1], EVENT_SRQ_LIMIT);
	pair_fill(p, 1, key);
	assert_int_equal(b->dev.stats.page_faults_receive, 1);
	/* of another kind, in use, gone */
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_XRC_SRQ, srq.number),
			 CMD_BAD_RESOURCE);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_RMP, srq.number),
			 CMD_BAD_RESOURCE_STATE);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_QP, p->qp[1].number), CMD_OK);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_RMP, srq.number), CMD_OK);
	assert_int_equal(modify_rmp(b, srq.number, 1, true), CMD_BAD_RESOURCE);
}

static void test_xrc_srq(void **state)
{
	struct pair *p = *state;
	struct stand *b = p->on[1];
	struct stand_wr wr = pair_request(p, WQE_SEND, 200);
	uint8_t in[IFC_SIZE(arm_xrc_srq_in)] = { 0 }, out[IFC_SIZE(query_xrc_srq_out)];
	struct stand_srq srq;
	const uint8_t *cqe;

	b->user_index = 77;
	srq = stand_create_srq_1(b, &p->cq[1]);
	connect_indexed(p, QP_XRC, NULL);
	wr.xrc_srqn = srq.number;
	stand_receive_srq(b, &srq, p->buffer[1], p->key[1], 300);
	stand_receive_srq(b, &srq, p->buffer[1], p->key[1], 300);
	pair_send(p, &wr);
	cqe = pair_complete(p, 0, CQE_REQUESTER, SYNDROME_OK, 0);
	assert_int_equal(get_be32(cqe + 32), INDEX_SENDER);
	cqe = pair_complete(p, 1, CQE_RECEIVE_SEND, SYNDROME_OK, 200);
	assert_int_equal(get_be32(cqe + 32), 77);
	assert_memory_equal(pair_at(p, 1, 0), pair_at(p, 0, 11), 200);
	/* one WQE is left, fewer than this limit */
	IFC_SET(arm_xrc_srq_in, in, opcode, MLX5_CMD_OP_ARM_XRC_SRQ);
	IFC_SET(arm_xrc_srq_in, in, xrc_srqn, srq.number);
	IFC_SET(arm_xrc_srq_in, in, lwm, 2);
	assert_int_equal(stand_command(b, in, sizeof(in), out, 16), CMD_OK);
	assert_int_equal(stand_event(b, b->async_ring, &b->async_seen)[1], EVENT_SRQ_LIMIT);
	IFC_SET(arm_xrc_srq_in, in, lwm, 1);
	assert_int_equal(stand_command(b, in, sizeof(in), out, 16), CMD_OK);
	IFC_SET(query_xrc_srq_in, in, opcode, MLX5_CMD_OP_QUERY_XRC_SRQ);
	assert_int_equal(stand_command(b, in, IFC_SIZE(query_xrc_srq_in), out, sizeof(out)), CMD_OK);
	assert_int_equal(IFC_GET(query_xrc_srq_out, out, xrc_srq_context_entry.lwm), 1);
	assert_int_equal(IFC_GET(query_xrc_srq_out, out, xrc_srq_context_entry.user_index), 77);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_RMP, srq.number),
			 CMD_BAD_RESOURCE);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DEALLOC_XRCD, b->xrcd),
			 CMD_BAD_RESOURCE_STATE);
	assert_int_equal(stand_destroy_object(b, MLX5_CMD_OP_DESTROY_XRC_SRQ, srq.number), CMD_OK);
}

int main(void)
{
#define TEST(name, setup) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_capability_by_name),
		cmocka_unit_test(test_issi),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_flow_entries),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_registers),
		TEST(test_completions, setup_rc),
		TEST(test_rmp, setup_rc),
		TEST(test_xrc_srq, setup_xrc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
