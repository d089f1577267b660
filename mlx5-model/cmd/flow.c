// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/flow.h"

#include "cmd/handler.h"

#include <stdlib.h>

void flow_release(void *entry)
{
	free(entry);
}

bool flow_uses_table(struct dev *dev, uint32_t number)
{
	const struct flow_entry *entry;
	uint32_t i;

	table_for_each(&dev->flow_entries, i, entry)
		if (entry->table == number)
			return true;
	return false;
}

bool flow_uses_group(struct dev *dev, uint32_t number)
{
	const struct flow_entry *entry;
	uint32_t i;

	table_for_each(&dev->flow_entries, i, entry)
		if (entry->group == number)
			return true;
	return false;
}

/* Returns the entry's number, or 0 if there is none */
static uint32_t flow_find(struct dev *dev, uint32_t table, uint32_t index)
{
	const struct flow_entry *entry;
	uint32_t number;

	table_for_each(&dev->flow_entries, number, entry)
		if (entry->table == table && entry->index == index)
			return number;
	return 0;
}

/* A new entry; changes of one (op_mod 1) are not implemented */
enum cmd_status flow_set_entry(struct dev *dev, const struct cmd *cmd)
{
	uint32_t table = IFC_GET(set_fte_in, cmd->in, table_id);
	uint32_t group = IFC_GET(set_fte_in, cmd->in, flow_context.group_id);
	uint32_t index = IFC_GET(set_fte_in, cmd->in, flow_index);
	struct flow_entry *entry;

	if (!table_own(&dev->flow_tables, table) || !table_own(&dev->flow_groups, group))
		return CMD_BAD_RESOURCE;
	if (IFC_GET(set_fte_in, cmd->in, op_mod) || flow_find(dev, table, index))
		return CMD_BAD_PARAM;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return CMD_NO_RESOURCES;
	*entry = (struct flow_entry){ .table = table, .group = group, .index = index };
	if (!table_add(&dev->flow_entries, entry)) {
		free(entry);
		return CMD_LIMIT;
	}
	return CMD_OK;
}

enum cmd_status flow_delete_entry(struct dev *dev, const struct cmd *cmd)
{
	uint32_t number = flow_find(dev, IFC_GET(delete_fte_in, cmd->in, table_id),
				    IFC_GET(delete_fte_in, cmd->in, flow_index));

	if (!table_own(&dev->flow_entries, number))
		return CMD_BAD_RESOURCE;
	flow_release(table_take(&dev->flow_entries, number));
	return CMD_OK;
}
