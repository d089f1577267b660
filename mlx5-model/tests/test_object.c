// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* General objects: reserved queue pair numbers. */
#include "unit.h"

#include "base/caps.h"
#include "stand.h"

#define BLOCK (1u << CAPS_LOG_RESERVED_QPNS)
#define ALL ((1u << CAPS_LOG_MAX_QP) / BLOCK)

static struct stand stand;

static int setup(void **state)
{
	stand_init(&stand, &(struct dev_options){ .strict = true });
	*state = &stand;
	return 0;
}

static int teardown(void **state)
{
	struct stand *b = *state;

	assert_int_equal(b->dev.stats.strict_reports, 0);
	stand_destroy(b);
	return 0;
}

struct request {
	unsigned int opcode, uid, tunnel, type, log_range;
	bool alias;
	uint32_t id;
};

static uint8_t execute(struct stand *b, struct request r, uint32_t *id)
{
	uint8_t in[64] = { 0 }, out[IFC_SIZE(general_obj_out_cmd_hdr)], status;
	uint8_t *create = IFC_AT(general_obj_in_cmd_hdr, in, op_param.create);

	IFC_SET(general_obj_in_cmd_hdr, in, opcode, r.opcode);
	IFC_SET(general_obj_in_cmd_hdr, in, uid, r.uid);
	IFC_SET(general_obj_in_cmd_hdr, in, vhca_tunnel_id, r.tunnel);
	IFC_SET(general_obj_in_cmd_hdr, in, obj_type, r.type);
	IFC_SET(general_obj_in_cmd_hdr, in, obj_id, r.id);
	IFC_SET(general_obj_create_param, create, alias_object, r.alias);
	IFC_SET(general_obj_create_param, create, log_obj_range, r.log_range);
	status = stand_command(b, in, sizeof(in), out, sizeof(out));
	if (id)
		*id = IFC_GET(general_obj_out_cmd_hdr, out, obj_id);
	return status;
}

static const struct request create = {
	.opcode = MLX5_CMD_OP_CREATE_GENERAL_OBJECT,
	.type = OBJECT_RESERVED_QPN,
	.log_range = CAPS_LOG_RESERVED_QPNS,
};

static uint8_t create_as(struct stand *b, unsigned int uid, uint32_t *id)
{
	struct request r = create;

	r.uid = uid;
	return execute(b, r, id);
}

static uint8_t destroy_as(struct stand *b, unsigned int uid, uint32_t id)
{
	return execute(b, (struct request){
		.opcode = MLX5_CMD_OP_DESTROY_GENERAL_OBJECT, .uid = uid,
		.type = OBJECT_RESERVED_QPN, .id = id,
	}, NULL);
}

static uint8_t destroy_context(struct stand *b, uint32_t uid)
{
	uint8_t in[IFC_SIZE(destroy_uctx_in)] = { 0 }, out[IFC_SIZE(destroy_uctx_out)];

	IFC_SET(destroy_uctx_in, in, opcode, MLX5_CMD_OP_DESTROY_UCTX);
	IFC_SET(destroy_uctx_in, in, uid, uid);
	return stand_command(b, in, sizeof(in), out, sizeof(out));
}

/* As libmlx5 finds the capability */
static void test_capability(void **state)
{
	struct stand *b = *state;
	uint64_t types = IFC_GET(cmd_hca_cap, b->dev.caps_general, general_obj_types);

	assert_int_equal(types, 1ull << 0x2c | 1ull << 0x3a);
	assert_int_equal(ifc_get(b->dev.caps_general_2, 0x80 + 0x13, 5), 6);
}

/* All blocks: no number twice, and none that a queue pair can have */
static void test_numbers(void **state)
{
	static bool used[ALL];
	struct stand *b = *state;
	uint32_t uid = stand_create_context(b), id, i;

	memset(used, 0, sizeof(used));
	for (i = 0; i < ALL; i++) {
		assert_int_equal(create_as(b, i & 1 ? uid : 0, &id), CMD_OK);
		assert_int_equal(id % BLOCK, 0);
		assert_true(id >= 1 << CAPS_LOG_MAX_QP && id <= (2 << CAPS_LOG_MAX_QP) - BLOCK);
		assert_false(used[id / BLOCK - ALL]);
		used[id / BLOCK - ALL] = true;
		assert_null(table_get(&b->dev.qps, id));
	}
	assert_int_equal(create_as(b, 0, NULL), CMD_LIMIT);
	assert_int_equal(destroy_as(b, uid, id), CMD_OK);
	assert_int_equal(create_as(b, uid, &id), CMD_OK);
	assert_int_equal(create_as(b, uid, NULL), CMD_LIMIT);
	model_reset(&b->dev);
	stand_power_up(b);
	assert_int_equal(create_as(b, 0, NULL), CMD_OK);
}

static void test_owner(void **state)
{
	struct stand *b = *state;
	uint32_t one, two, id;

	/* the first one has the objects of the stand */
	assert_int_equal(b->application, STAND_APPLICATION);
	one = stand_create_context(b);
	two = stand_create_context(b);
	assert_int_equal(create_as(b, two + 1, NULL), CMD_BAD_RESOURCE);
	assert_int_equal(create_as(b, one, &id), CMD_OK);
	assert_int_equal(destroy_as(b, two, id), CMD_BAD_RESOURCE);
	assert_int_equal(destroy_as(b, 0, id), CMD_BAD_RESOURCE);
	assert_int_equal(destroy_context(b, two), CMD_OK);
	assert_int_equal(destroy_context(b, one), CMD_BAD_RESOURCE_STATE);
	/* within the block, beside it, far away */
	assert_int_equal(destroy_as(b, one, id + 1), CMD_BAD_RESOURCE);
	assert_int_equal(destroy_as(b, one, id + BLOCK), CMD_BAD_RESOURCE);
	assert_int_equal(destroy_as(b, one, 0), CMD_BAD_RESOURCE);
	assert_int_equal(destroy_as(b, one, UINT32_MAX), CMD_BAD_RESOURCE);
	assert_int_equal(destroy_as(b, one, id), CMD_OK);
	assert_int_equal(destroy_as(b, one, id), CMD_BAD_RESOURCE);
	assert_int_equal(destroy_context(b, one), CMD_OK);
}

static void test_refused(void **state)
{
	struct stand *b = *state;
	struct request r = create;

	r.type = 0;
	assert_int_equal(execute(b, r, NULL), CMD_BAD_PARAM);
	r.type = OBJECT_RESERVED_QPN + 64;
	assert_int_equal(execute(b, r, NULL), CMD_BAD_PARAM);
	r = create;
	r.tunnel = 1;
	assert_int_equal(execute(b, r, NULL), CMD_BAD_PARAM);
	r = create;
	r.alias = true;
	assert_int_equal(execute(b, r, NULL), CMD_BAD_PARAM);
	r = create;
	r.log_range++;
	assert_int_equal(execute(b, r, NULL), CMD_BAD_PARAM);
	r.log_range = 0;
	assert_int_equal(execute(b, r, NULL), CMD_BAD_PARAM);
	assert_int_equal(execute(b, create, NULL), CMD_OK);
	/* not announced */
	IFC_SET(cmd_hca_cap, b->dev.caps_general, general_obj_types, 0);
	assert_int_equal(execute(b, create, NULL), CMD_BAD_PARAM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_capability),
		TEST(test_numbers),
		TEST(test_owner),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
