// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * General objects. The only type maps an address vector to a queue pair, as a hint which algorithm
 * against congestion to use to this destination. There is none on this fabric. The object does not
 * refer to the queue pair, which may be destroyed first.
 */
#include "base/caps.h"
#include "cmd/qp.h"

/* Bytes of the input: header, number of the queue pair, address vector */
#define MAPPING_QPN 28
#define MAPPING_ADDRESS 32
#define MAPPING_SIZE 80
#define ADDRESS_GID_INDEX_BIT 0xe4
#define ADDRESS_GID_INDEX_WIDTH 8

static char general_token;

/* True if the type is known and announced */
static bool general_announced(const struct dev *dev, const struct cmd *cmd)
{
	return IFC_GET(general_obj_in_cmd_hdr, cmd->in, obj_type) == CAPS_OBJECT_AV_QP_MAPPING &&
	       IFC_GET(cmd_hca_cap, dev->caps_general, general_obj_types) >>
			       CAPS_OBJECT_AV_QP_MAPPING & 1;
}

enum cmd_status general_create(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number;

	if (!general_announced(dev, cmd))
		return CMD_BAD_PARAM;
	if (cmd->in_length < MAPPING_SIZE)
		return CMD_BAD_INPUT_LENGTH;
	if (!qp_get(dev, get_be32(cmd->in + MAPPING_QPN)))
		return CMD_BAD_RESOURCE;
	if (ifc_get(cmd->in + MAPPING_ADDRESS, ADDRESS_GID_INDEX_BIT, ADDRESS_GID_INDEX_WIDTH) >=
	    DEV_GIDS)
		return CMD_BAD_PARAM;
	number = table_add(&dev->mappings, &general_token);
	IFC_SET(general_obj_out_cmd_hdr, cmd->out, obj_id, number);
	return number ? CMD_OK : CMD_LIMIT;
}

enum cmd_status general_destroy(struct dev *dev, const struct cmd *cmd)
{
	if (!general_announced(dev, cmd))
		return CMD_BAD_PARAM;
	return table_take(&dev->mappings, IFC_GET(general_obj_in_cmd_hdr, cmd->in, obj_id)) ?
		       CMD_OK :
		       CMD_BAD_RESOURCE;
}
