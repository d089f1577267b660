// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Commands on the function as a whole. */
#include "base/caps.h"
#include "cmd/handler.h"

enum cap_type {
	CAP_GENERAL = 0x0,
	CAP_ODP = 0x2,
	CAP_ATOMIC = 0x3,
	CAP_DEVICE_MEMORY = 0xf,
	CAP_GENERAL_2 = 0x20,
};

#define ADAPTER_VENDOR 0x2c9
#define ADAPTER_PSID "MLX5_MODEL_00001"

/* Commands that only need success and a reply of zeros */
enum cmd_status hca_nothing(struct dev *dev, const struct cmd *cmd)
{
	(void)dev;
	(void)cmd;
	return CMD_OK;
}

enum cmd_status hca_enable(struct dev *dev, const struct cmd *cmd)
{
	(void)cmd;
	if (dev->state != DEV_DISABLED)
		return CMD_BAD_SYSTEM_STATE;
	dev->state = DEV_ENABLED;
	return CMD_OK;
}

enum cmd_status hca_init(struct dev *dev, const struct cmd *cmd)
{
	(void)cmd;
	if (dev->state != DEV_ENABLED)
		return CMD_BAD_SYSTEM_STATE;
	dev->state = DEV_RUNNING;
	return CMD_OK;
}

/* Destroy all objects that the driver left: the guest may reuse the memory of their queues */
enum cmd_status hca_teardown(struct dev *dev, const struct cmd *cmd)
{
	(void)cmd;
	if (dev->state != DEV_RUNNING)
		return CMD_BAD_SYSTEM_STATE;
	dev->clear(dev);
	dev->state = DEV_ENABLED;
	return CMD_OK;
}

/* Also of a running function, which it tears down */
enum cmd_status hca_disable(struct dev *dev, const struct cmd *cmd)
{
	(void)cmd;
	if (dev->state == DEV_DISABLED)
		return CMD_BAD_SYSTEM_STATE;
	dev->clear(dev);
	dev->state = DEV_DISABLED;
	dev->issi = 0;
	return CMD_OK;
}

/* In ISSI 0, an SRQ is an SRQ; in ISSI 1, it is a receive memory pool or an XRC SRQ */
enum cmd_status hca_query_issi(struct dev *dev, const struct cmd *cmd)
{
	/* older than the command */
	if (dev->options.profile == PROFILE_OLD)
		return CMD_BAD_OP;
	IFC_SET(query_issi_out, cmd->out, current_issi, dev->issi);
	IFC_SET(query_issi_out, cmd->out, supported_issi_dw0,
		dev->options.profile == PROFILE_NEW ? 3 : 1);
	return CMD_OK;
}

enum cmd_status hca_set_issi(struct dev *dev, const struct cmd *cmd)
{
	unsigned int issi = IFC_GET(set_issi_in, cmd->in, current_issi);

	if (dev->options.profile != PROFILE_NEW)
		return CMD_BAD_OP;
	if (dev->state != DEV_ENABLED)
		return CMD_BAD_SYSTEM_STATE;
	if (issi > 1)
		return CMD_BAD_PARAM;
	dev->issi = issi;
	return CMD_OK;
}

static uint8_t *hca_caps(struct dev *dev, unsigned int type, size_t *size)
{
	switch (type) {
	case CAP_GENERAL:
		*size = sizeof(dev->caps_general);
		return dev->caps_general;
	case CAP_GENERAL_2:
		*size = sizeof(dev->caps_general_2);
		return dev->caps_general_2;
	case CAP_ODP:
		*size = sizeof(dev->caps_odp);
		return dev->caps_odp;
	case CAP_ATOMIC:
		*size = sizeof(dev->caps_atomic);
		return dev->caps_atomic;
	case CAP_DEVICE_MEMORY:
		if (!IFC_GET(cmd_hca_cap, dev->caps_general, device_memory))
			break;
		*size = sizeof(dev->caps_device_memory);
		return dev->caps_device_memory;
	}
	return NULL;
}

enum cmd_status hca_query_cap(struct dev *dev, const struct cmd *cmd)
{
	unsigned int modifier = IFC_GET(query_hca_cap_in, cmd->in, op_mod);
	size_t size;
	const uint8_t *caps = hca_caps(dev, modifier >> 1, &size);

	/* capability groups that the model does not have read as zero */
	if (caps)
		memcpy(IFC_AT(query_hca_cap_out, cmd->out, capability), caps, size);
	return CMD_OK;
}

/*
 * The driver may choose only the byte order of the responses to atomics: 0 is big-endian, 1, if it is
 * announced, that of the host (MLX5_ATOMIC_REQ_MODE_HOST_ENDIANNESS of mlx5_core). The other
 * capabilities that it sets are those that it read.
 */
enum cmd_status hca_set_cap(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *caps = IFC_AT_CONST(set_hca_cap_in, cmd->in, capability);
	unsigned int type = IFC_GET(set_hca_cap_in, cmd->in, op_mod) >> 1;
	size_t size;

	if (!hca_caps(dev, type, &size))
		return CMD_BAD_PARAM;
	if (type != CAP_ATOMIC)
		return CMD_OK;
	if (IFC_GET(atomic_caps, caps, atomic_req_8B_endianness_mode) >
	    IFC_GET(atomic_caps, dev->caps_atomic, supported_atomic_req_8B_endianness_mode_1))
		return CMD_BAD_PARAM;
	IFC_COPY(atomic_caps, dev->caps_atomic, caps, atomic_req_8B_endianness_mode);
	return CMD_OK;
}

enum cmd_status hca_query_adapter(struct dev *dev, const struct cmd *cmd)
{
	uint8_t *block = IFC_AT(query_adapter_out, cmd->out, query_adapter_struct);

	(void)dev;
	IFC_SET(query_adapter_param_block, block, ieee_vendor_id, ADAPTER_VENDOR);
	memcpy(IFC_AT(query_adapter_param_block, block, vsd_contd_psid), ADAPTER_PSID, 16);
	return CMD_OK;
}

enum cmd_status hca_query_special_contexts(struct dev *dev, const struct cmd *cmd)
{
	(void)dev;
	IFC_SET(query_special_contexts_out, cmd->out, resd_lkey, KEY_RESD);
	IFC_SET(query_special_contexts_out, cmd->out, null_mkey, KEY_NULL);
	IFC_SET(query_special_contexts_out, cmd->out, terminate_scatter_list_mkey, KEY_TERMINATE);
	return CMD_OK;
}
