// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The extension of a queue pair's context. The kernel's layouts do not have it: applications send it
 * in commands of their own.
 */
#include "base/caps.h"
#include "cmd/qp.h"
#include "data/dc.h"

/* Bits in the input, which is that of INIT2INIT_QP */
#define EXT_VALID 0x40
#define EXT_MASK 0x840
#define EXT_MASK_WIDTH 64
#define EXT_DATA (0x880 / 8)
#define EXT_DATA_SIZE 0xc0
/* Bits in the extension */
#define EXT_MMO 2
#define EXT_STREAM 16
#define EXT_STREAM_WIDTH 16

#define EXT_MASK_STREAM (1ull << 0)
#define EXT_MASK_MMO (1ull << 3)

const struct reserved_used qp_extension_fields[] = {
	{ EXT_VALID, 1, EXT_VALID },
	{ EXT_MASK, EXT_MASK_WIDTH, EXT_VALID },
	{ 0, 0, 0 },
};

static enum cmd_status qp_extend_mmo(struct dev *dev, struct qp *qp, const uint8_t *extension)
{
	if (!ifc_get(dev->caps_general, CAPS_DMA_MMO_QP_BIT, 1) ||
	    (qp->service != QP_RC && qp->service != QP_DCI))
		return CMD_BAD_PARAM;
	qp->mmo = ifc_get(extension, EXT_MMO, 1);
	return CMD_OK;
}

static enum cmd_status qp_extend_stream(struct qp *qp, const uint8_t *extension)
{
	if (!qp->streams)
		return CMD_BAD_PARAM;
	dc_stream_reset(qp, ifc_get(extension, EXT_STREAM, EXT_STREAM_WIDTH));
	return CMD_OK;
}

enum cmd_status qp_extend(struct dev *dev, struct qp *qp, uint16_t opcode, const struct cmd *cmd)
{
	size_t length;
	const uint8_t *extension = cmd_tail(cmd, EXT_DATA, &length);
	uint64_t mask;

	if ((opcode != MLX5_CMD_OP_INIT2INIT_QP && opcode != MLX5_CMD_OP_RTS2RTS_QP) ||
	    !ifc_get(cmd->in, EXT_VALID, 1))
		return CMD_OK;
	if (!IFC_GET(cmd_hca_cap, dev->caps_general, qpc_extension))
		return CMD_BAD_PARAM;
	if (length < EXT_DATA_SIZE)
		return CMD_BAD_INPUT_LENGTH;
	mask = ifc_get(cmd->in, EXT_MASK, EXT_MASK_WIDTH);
	/* each field can be changed in one of the two transitions */
	if (opcode == MLX5_CMD_OP_INIT2INIT_QP && mask == EXT_MASK_MMO)
		return qp_extend_mmo(dev, qp, extension);
	if (opcode == MLX5_CMD_OP_RTS2RTS_QP && mask == EXT_MASK_STREAM)
		return qp_extend_stream(qp, extension);
	return mask ? CMD_BAD_PARAM : CMD_OK;
}
