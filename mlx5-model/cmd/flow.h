/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Entries of flow tables. No packet reaches a table, as steering is not announced. */
#ifndef MLX5_MODEL_FLOW_H
#define MLX5_MODEL_FLOW_H

#include "base/dev.h"

struct flow_entry {
	uint32_t table;
	uint32_t group;
	uint32_t index;
};

/* Returns true if an entry is in this table, or of this group */
bool flow_uses_table(struct dev *dev, uint32_t number);
bool flow_uses_group(struct dev *dev, uint32_t number);
void flow_release(void *entry);

#endif
