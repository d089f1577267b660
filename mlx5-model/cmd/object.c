// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/object.h"

#include "cmd/handler.h"

#include <stdlib.h>

struct reserved_qpns {
	uint32_t uid; /* the context that they belong to, 0 for the driver */
};

void object_release(void *object)
{
	free(object);
}

bool object_uses_context(struct dev *dev, uint32_t uid)
{
	const struct reserved_qpns *block;
	uint32_t number;

	table_for_each(&dev->reserved_qpns, number, block)
		if (block->uid == uid)
			return true;
	return false;
}

/* True if the command is for this function's own object of a type that is announced */
static bool object_known(const struct dev *dev, const struct cmd *cmd)
{
	uint64_t types = IFC_GET(cmd_hca_cap, dev->caps_general, general_obj_types);

	return IFC_GET(general_obj_in_cmd_hdr, cmd->in, obj_type) == OBJECT_RESERVED_QPN &&
	       types >> OBJECT_RESERVED_QPN & 1 &&
	       !IFC_GET(general_obj_in_cmd_hdr, cmd->in, vhca_tunnel_id);
}

enum cmd_status object_create(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *create = IFC_AT_CONST(general_obj_in_cmd_hdr, cmd->in, op_param.create);
	uint32_t uid = IFC_GET(general_obj_in_cmd_hdr, cmd->in, uid), number;
	struct reserved_qpns *block;

	if (!object_known(dev, cmd) ||
	    IFC_GET(general_obj_create_param, create, alias_object) ||
	    IFC_GET(general_obj_create_param, create, log_obj_range) != CAPS_LOG_RESERVED_QPNS)
		return CMD_BAD_PARAM;
	if (uid && !table_get(&dev->contexts, uid))
		return CMD_BAD_RESOURCE;
	block = malloc(sizeof(*block));
	if (!block)
		return CMD_NO_RESOURCES;
	block->uid = uid;
	number = table_add(&dev->reserved_qpns, block);
	if (!number) {
		object_release(block);
		return CMD_LIMIT;
	}
	IFC_SET(general_obj_out_cmd_hdr, cmd->out, obj_id, number << CAPS_LOG_RESERVED_QPNS);
	return CMD_OK;
}

enum cmd_status object_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t id = IFC_GET(general_obj_in_cmd_hdr, cmd->in, obj_id);
	uint32_t number = id >> CAPS_LOG_RESERVED_QPNS;
	const struct reserved_qpns *block = table_get(&dev->reserved_qpns, number);

	if (!object_known(dev, cmd))
		return CMD_BAD_PARAM;
	if (!block || number << CAPS_LOG_RESERVED_QPNS != id ||
	    block->uid != IFC_GET(general_obj_in_cmd_hdr, cmd->in, uid))
		return CMD_BAD_RESOURCE;
	object_release(table_take(&dev->reserved_qpns, number));
	return CMD_OK;
}
