// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Objects that are no more than a number: protection domains, UAR pages, XRC domains, contexts. */
#include "cmd.h"

static char res_token;

static enum cmd_status res_alloc(struct table *table, uint32_t *number)
{
	*number = table_add(table, &res_token);
	return *number ? CMD_OK : CMD_LIMIT;
}

static enum cmd_status res_dealloc(struct table *table, uint32_t number)
{
	return table_take(table, number) ? CMD_OK : CMD_BAD_RESOURCE;
}

#define RES(what, table, alloc, dealloc, in_field, out_field)                            \
	enum cmd_status alloc(struct dev *dev, const struct cmd *cmd)                    \
	{                                                                                \
		uint32_t number;                                                         \
		enum cmd_status status = res_alloc(&dev->table, &number);                \
                                                                                         \
		IFC_SET(what##_out, cmd->out, out_field, number);                        \
		return status;                                                           \
	}                                                                                \
	enum cmd_status dealloc(struct dev *dev, const struct cmd *cmd)                  \
	{                                                                                \
		return res_dealloc(&dev->table, IFC_GET(de##what##_in, cmd->in, in_field)); \
	}

RES(alloc_pd, pds, res_alloc_pd, res_dealloc_pd, pd, pd)
RES(alloc_uar, uars, res_alloc_uar, res_dealloc_uar, uar, uar)
RES(alloc_xrcd, xrcds, res_alloc_xrcd, res_dealloc_xrcd, xrcd, xrcd)

enum cmd_status res_create_context(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number;
	enum cmd_status status = res_alloc(&dev->contexts, &number);

	IFC_SET(create_uctx_out, cmd->out, uid, number);
	return status;
}

enum cmd_status res_destroy_context(struct dev *dev, const struct cmd *cmd)
{
	return res_dealloc(&dev->contexts, IFC_GET(destroy_uctx_in, cmd->in, uid));
}

enum cmd_status res_create_umem(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number;
	enum cmd_status status = res_alloc(&dev->umems, &number);

	IFC_SET(create_umem_out, cmd->out, umem_id, number);
	return status;
}

enum cmd_status res_destroy_umem(struct dev *dev, const struct cmd *cmd)
{
	return res_dealloc(&dev->umems, IFC_GET(destroy_umem_in, cmd->in, umem_id));
}
