// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Objects that are only a number: protection domains, UAR pages, XRC domains, contexts, flow tables
 * and groups, which no packet reaches, and flow counters, which cannot be read and have nothing to count.
 */
#include "cmd/flow.h"
#include "cmd/uses.h"

static char res_token;

static enum cmd_status res_alloc(struct table *table, uint32_t *number)
{
	*number = table_add(table, &res_token);
	return *number ? CMD_OK : CMD_LIMIT;
}

static enum cmd_status res_dealloc(struct dev *dev, struct table *table, uint32_t number,
				   bool (*uses)(struct dev *dev, uint32_t number))
{
	enum cmd_status status = uses_status(dev, table, number, uses);

	if (status == CMD_OK)
		table_take(table, number);
	return status;
}

static bool res_used_by_none(struct dev *dev, uint32_t number)
{
	(void)dev;
	(void)number;
	return false;
}

#define RES(alloc_cmd, dealloc_cmd, table, alloc, dealloc, field, uses)             \
	enum cmd_status alloc(struct dev *dev, const struct cmd *cmd)               \
	{                                                                           \
		uint32_t number;                                                    \
		enum cmd_status status = res_alloc(&dev->table, &number);           \
                                                                                    \
		IFC_SET(alloc_cmd##_out, cmd->out, field, number);                  \
		return status;                                                      \
	}                                                                           \
	enum cmd_status dealloc(struct dev *dev, const struct cmd *cmd)             \
	{                                                                           \
		return res_dealloc(dev, &dev->table,                                \
				   IFC_GET(dealloc_cmd##_in, cmd->in, field), uses); \
	}

RES(alloc_pd, dealloc_pd, pds, res_alloc_pd, res_dealloc_pd, pd, uses_pd)
RES(alloc_uar, dealloc_uar, uars, res_alloc_uar, res_dealloc_uar, uar, uses_uar)
RES(alloc_xrcd, dealloc_xrcd, xrcds, res_alloc_xrcd, res_dealloc_xrcd, xrcd, uses_xrcd)
RES(create_uctx, destroy_uctx, contexts, res_create_context, res_destroy_context, uid,
    uses_context)
RES(alloc_flow_counter, dealloc_flow_counter, counters, res_alloc_counter, res_dealloc_counter,
    flow_counter_id, res_used_by_none)
RES(create_flow_table, destroy_flow_table, flow_tables, res_create_flow_table,
    res_destroy_flow_table, table_id, flow_uses_table)
RES(create_flow_group, destroy_flow_group, flow_groups, res_create_flow_group,
    res_destroy_flow_group, group_id, flow_uses_group)
