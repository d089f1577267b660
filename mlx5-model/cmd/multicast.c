// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/multicast.h"

#include "cmd/handler.h"
#include "cmd/qp.h"

#include <stdlib.h>

void multicast_release(void *attachment)
{
	free(attachment);
}

/* Returns the attachment's number, or 0 if there is none */
static uint32_t multicast_find(struct dev *dev, const uint8_t *gid, uint32_t qpn)
{
	const struct attachment *attachment;
	uint32_t number;

	table_for_each(&dev->attachments, number, attachment)
		if (attachment->qpn == qpn && !memcmp(attachment->gid, gid, 16))
			return number;
	return 0;
}

enum cmd_status multicast_attach(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *gid = IFC_AT_CONST(attach_to_mcg_in, cmd->in, multicast_gid);
	uint32_t qpn = IFC_GET(attach_to_mcg_in, cmd->in, qpn);
	const struct qp *qp = table_own(&dev->qps, qpn);
	struct attachment *attachment;

	if (!qp)
		return CMD_BAD_RESOURCE;
	if (qp->service != QP_UD || gid[0] != 0xff)
		return CMD_BAD_PARAM;
	if (multicast_find(dev, gid, qpn))
		return CMD_OK;
	attachment = calloc(1, sizeof(*attachment));
	if (!attachment)
		return CMD_NO_RESOURCES;
	memcpy(attachment->gid, gid, 16);
	attachment->qpn = qpn;
	if (!table_add(&dev->attachments, attachment)) {
		free(attachment);
		return CMD_LIMIT;
	}
	return CMD_OK;
}

enum cmd_status multicast_detach(struct dev *dev, const struct cmd *cmd)
{
	const uint8_t *gid = IFC_AT_CONST(detach_from_mcg_in, cmd->in, multicast_gid);
	uint32_t qpn = IFC_GET(detach_from_mcg_in, cmd->in, qpn);
	uint32_t number = multicast_find(dev, gid, qpn);

	if (!number || !table_own(&dev->qps, qpn))
		return CMD_BAD_RESOURCE;
	multicast_release(table_take(&dev->attachments, number));
	return CMD_OK;
}

void multicast_forget(struct dev *dev, uint32_t qpn)
{
	const struct attachment *attachment;
	uint32_t number;

	table_for_each(&dev->attachments, number, attachment)
		if (attachment->qpn == qpn)
			multicast_release(table_take(&dev->attachments, number));
}
