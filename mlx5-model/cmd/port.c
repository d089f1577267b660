// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The one port: an IB port that is always active. */
#include "cmd/port.h"

#include "cmd/handler.h"
#include "fabric/fabric.h"

#define PORT_STATE_ACTIVE 4
#define PORT_PHYSICAL_LINK_UP 5
#define NODE_GUID 0x0200c9fffe000000ull /* of the first device */
#define NODE_GUID_STEP 0x10000
#define PORT_GID_PREFIX 0xfe80000000000000ull
#define PORT_GIDS_IN_USE 2
#define PORT_MTU 4096
#define PORT_WIDTH_4X 2
#define PORT_SPEED_EDR 0x20

enum port_register {
	REGISTER_PMTU = 0x5003,
	REGISTER_PTYS = 0x5004,
	REGISTER_PVLC = 0x500f,
	REGISTER_NODE_DESCRIPTION = 0x6001,
	REGISTER_HOST_ENDIANNESS = 0x7004,
};

enum { REGISTER_WRITE = 0 };
#define HOST_LITTLE_ENDIAN 0

static uint64_t port_node_guid(const struct dev *dev)
{
	return NODE_GUID + (dev->lid - 1u) * NODE_GUID_STEP;
}

static uint64_t port_guid(const struct dev *dev)
{
	return port_node_guid(dev) + 1;
}

enum cmd_status port_query_context(struct dev *dev, const struct cmd *cmd)
{
	uint8_t *context = IFC_AT(query_hca_vport_context_out, cmd->out, hca_vport_context);

#define SET(field, value) IFC_SET(hca_vport_context, context, field, value)
	SET(port_physical_state, PORT_PHYSICAL_LINK_UP);
	SET(port_state, PORT_STATE_ACTIVE);
	SET(vport_state, PORT_STATE_ACTIVE);
	SET(system_image_guid, port_node_guid(dev));
	SET(node_guid, port_node_guid(dev));
	SET(port_guid, port_guid(dev));
	SET(cap_mask1, dev->port_caps);
	SET(cap_mask1_field_select, 0xffffffff);
	SET(lid, dev->lid);
	SET(sm_lid, FABRIC_MANAGER_LID);
#undef SET
	return CMD_OK;
}

/* The driver announces what it supports; nothing else can be changed */
enum cmd_status port_modify_context(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *context =
		IFC_AT_CONST(modify_hca_vport_context_in, cmd->in, hca_vport_context);
	uint32_t select = IFC_GET(hca_vport_context, context, cap_mask1_field_select);

	if (IFC_GET(modify_hca_vport_context_in, cmd->in, other_vport) ||
	    IFC_GET(hca_vport_context, context, field_select) ||
	    IFC_GET(hca_vport_context, context, cap_mask2_field_select))
		return CMD_BAD_PARAM;
	dev->port_caps &= ~select;
	dev->port_caps |= IFC_GET(hca_vport_context, context, cap_mask1) & select;
	return CMD_OK;
}

void port_gid(const struct dev *dev, unsigned int index, uint8_t *gid)
{
	memset(gid, 0, 16);
	if (index >= PORT_GIDS_IN_USE)
		return;
	put_be64(gid, PORT_GID_PREFIX);
	put_be64(gid + 8, port_guid(dev) + index);
}

bool port_has_gid(const struct dev *dev, const uint8_t *gid)
{
	uint8_t own[16];
	unsigned int i;

	for (i = 0; i < PORT_GIDS_IN_USE; i++) {
		port_gid(dev, i, own);
		if (!memcmp(gid, own, sizeof(own)))
			return true;
	}
	return false;
}

enum cmd_status port_query_gid(struct dev *dev, const struct cmd *cmd)
{
	unsigned int index = IFC_GET(query_hca_vport_gid_in, cmd->in, gid_index);
	size_t offset = IFC_OFFSET(query_hca_vport_gid_out, gid);

	if (index >= DEV_GIDS)
		return CMD_BAD_PARAM;
	if (cmd->out_length < offset + 16)
		return CMD_BAD_OUTPUT_LENGTH;
	IFC_SET(query_hca_vport_gid_out, cmd->out, gids_num, 1);
	port_gid(dev, index, cmd->out + offset);
	return CMD_OK;
}

enum cmd_status port_query_pkey(struct dev *dev, const struct cmd *cmd)
{
	unsigned int index = IFC_GET(query_hca_vport_pkey_in, cmd->in, pkey_index);
	size_t offset = IFC_OFFSET(query_hca_vport_pkey_out, pkey);

	(void)dev;
	if (cmd->out_length < offset + 4)
		return CMD_BAD_OUTPUT_LENGTH;
	put_be32(cmd->out + offset, index ? 0 : 0xffff);
	return CMD_OK;
}

static void port_read_register(struct dev *dev, unsigned int id, uint8_t *data, size_t length)
{
	uint8_t value[128] = { 0 };

	switch (id) {
	case REGISTER_PMTU:
		IFC_SET(pmtu_reg, value, local_port, 1);
		IFC_SET(pmtu_reg, value, max_mtu, PORT_MTU);
		IFC_SET(pmtu_reg, value, admin_mtu, PORT_MTU);
		IFC_SET(pmtu_reg, value, oper_mtu, PORT_MTU);
		break;
	case REGISTER_PTYS:
		IFC_SET(ptys_reg, value, local_port, 1);
		IFC_SET(ptys_reg, value, ib_link_width_capability, PORT_WIDTH_4X);
		IFC_SET(ptys_reg, value, ib_proto_capability, PORT_SPEED_EDR);
		IFC_SET(ptys_reg, value, ib_link_width_oper, PORT_WIDTH_4X);
		IFC_SET(ptys_reg, value, ib_proto_oper, PORT_SPEED_EDR);
		break;
	case REGISTER_PVLC:
		IFC_SET(pvlc_reg, value, local_port, 1);
		IFC_SET(pvlc_reg, value, vl_hw_cap, 1);
		IFC_SET(pvlc_reg, value, vl_admin, 1);
		IFC_SET(pvlc_reg, value, vl_operational, 1);
		break;
	case REGISTER_NODE_DESCRIPTION:
		memcpy(value, dev->node_description, sizeof(dev->node_description));
		break;
	}
	memcpy(data, value, length < sizeof(value) ? length : sizeof(value));
}

/* The port's parameters cannot be changed */
static enum cmd_status port_write_register(struct dev *dev, unsigned int id, const uint8_t *data,
					   size_t length)
{
	switch (id) {
	case REGISTER_NODE_DESCRIPTION:
		memcpy(dev->node_description, data,
		       length < sizeof(dev->node_description) ? length :
								sizeof(dev->node_description));
		return CMD_OK;
	case REGISTER_HOST_ENDIANNESS:
		return !length || data[0] == HOST_LITTLE_ENDIAN ? CMD_OK : CMD_BAD_PARAM;
	}
	return CMD_BAD_PARAM;
}

enum cmd_status port_access_register(struct dev *dev, const struct cmd *cmd)
{
	unsigned int id = IFC_GET(access_register_in, cmd->in, register_id);
	size_t in_length, out_offset = IFC_OFFSET(access_register_out, register_data);
	const uint8_t *in = CMD_TAIL(cmd, access_register_in, register_data, &in_length);

	switch (id) {
	case REGISTER_PMTU:
	case REGISTER_PTYS:
	case REGISTER_PVLC:
	case REGISTER_NODE_DESCRIPTION:
	case REGISTER_HOST_ENDIANNESS:
		break;
	default:
		return CMD_BAD_PARAM;
	}
	if (IFC_GET(access_register_in, cmd->in, op_mod) == REGISTER_WRITE)
		return port_write_register(dev, id, in, in_length);
	if (cmd->out_length > out_offset)
		port_read_register(dev, id, cmd->out + out_offset, cmd->out_length - out_offset);
	return CMD_OK;
}
