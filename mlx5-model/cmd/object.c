// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/object.h"

#include "cmd/handler.h"
#include "cmd/qp.h"

/* Bytes of the input that maps an address vector: header, number of the queue pair, the vector */
#define MAPPING_QPN 28
#define MAPPING_ADDRESS 32
#define MAPPING_SIZE 80
#define ADDRESS_GID_INDEX_BIT 0xe4
#define ADDRESS_GID_INDEX_WIDTH 8

/* An object is only a number */
static char object_token;

static enum cmd_status add(struct table *table, const struct cmd *cmd, unsigned int log_size)
{
	uint32_t number = table_add(table, &object_token);

	if (!number)
		return CMD_LIMIT;
	IFC_SET(general_obj_out_cmd_hdr, cmd->out, obj_id, number << log_size);
	return CMD_OK;
}

static enum cmd_status take(struct table *table, const struct cmd *cmd, unsigned int log_size)
{
	uint32_t id = IFC_GET(general_obj_in_cmd_hdr, cmd->in, obj_id);
	uint32_t number = id >> log_size;

	/* not even the driver destroys an application's */
	if (!table_get(table, number) || number << log_size != id ||
	    table->owners[number] != IFC_GET(general_obj_in_cmd_hdr, cmd->in, uid))
		return CMD_BAD_RESOURCE;
	table_take(table, number);
	return CMD_OK;
}

static enum cmd_status create_reserved(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *create = IFC_AT_CONST(general_obj_in_cmd_hdr, cmd->in, op_param.create);

	if (IFC_GET(general_obj_create_param, create, alias_object) ||
	    IFC_GET(general_obj_create_param, create, log_obj_range) != CAPS_LOG_RESERVED_QPNS)
		return CMD_BAD_PARAM;
	return add(&dev->reserved_qpns, cmd, CAPS_LOG_RESERVED_QPNS);
}

/*
 * The object does not refer to the queue pair, which may be destroyed first, and may be that of another
 * application: rdma-core's test of it names the other end of a connection.
 */
static enum cmd_status create_mapping(struct dev *dev, const struct cmd *cmd)
{
	if (cmd->in_length < MAPPING_SIZE)
		return CMD_BAD_INPUT_LENGTH;
	if (!qp_get(dev, get_be32(cmd->in + MAPPING_QPN)))
		return CMD_BAD_RESOURCE;
	if (ifc_get(cmd->in + MAPPING_ADDRESS, ADDRESS_GID_INDEX_BIT, ADDRESS_GID_INDEX_WIDTH) >=
	    DEV_GIDS)
		return CMD_BAD_PARAM;
	return add(&dev->mappings, cmd, 0);
}

/* The type of the command, 0 if it is not announced or the object is another function's */
static unsigned int object_type(const struct dev *dev, const struct cmd *cmd)
{
	uint64_t types = IFC_GET(cmd_hca_cap, dev->caps_general, general_obj_types);
	unsigned int type = IFC_GET(general_obj_in_cmd_hdr, cmd->in, obj_type);

	if (type >= 64 || !(types >> type & 1) ||
	    IFC_GET(general_obj_in_cmd_hdr, cmd->in, vhca_tunnel_id))
		return 0;
	return type;
}

enum cmd_status object_create(struct dev *dev, const struct cmd *cmd)
{
	switch (object_type(dev, cmd)) {
	case OBJECT_RESERVED_QPN:
		return create_reserved(dev, cmd);
	case OBJECT_AV_QP_MAPPING:
		return create_mapping(dev, cmd);
	default:
		return CMD_BAD_PARAM;
	}
}

enum cmd_status object_destroy(struct dev *dev, const struct cmd *cmd)
{
	switch (object_type(dev, cmd)) {
	case OBJECT_RESERVED_QPN:
		return take(&dev->reserved_qpns, cmd, CAPS_LOG_RESERVED_QPNS);
	case OBJECT_AV_QP_MAPPING:
		return take(&dev->mappings, cmd, 0);
	default:
		return CMD_BAD_PARAM;
	}
}
