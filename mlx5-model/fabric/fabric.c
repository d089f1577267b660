// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "fabric/fabric.h"

#define LID_FIRST 1u

bool fabric_add(struct fabric *fabric, struct dev *dev)
{
	unsigned int i;

	for (i = 0; i < FABRIC_DEVICES; i++) {
		if (fabric->devices[i])
			continue;
		fabric->devices[i] = dev;
		dev->fabric = fabric;
		dev->lid = LID_FIRST + i;
		return true;
	}
	return false;
}

void fabric_remove(struct fabric *fabric, const struct dev *dev)
{
	fabric->devices[fabric_index(dev)] = NULL;
}

unsigned int fabric_index(const struct dev *dev)
{
	return dev->lid - LID_FIRST;
}

struct dev *fabric_find(const struct fabric *fabric, unsigned int lid)
{
	return lid - LID_FIRST < FABRIC_DEVICES ? fabric->devices[lid - LID_FIRST] : NULL;
}
