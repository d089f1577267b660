/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The devices of this process, each with a LID of its own. There is no wire: a message is copied
 * directly to the receiver's memory.
 */
#ifndef MLX5_MODEL_FABRIC_H
#define MLX5_MODEL_FABRIC_H

#include "base/dev.h"
#include "fabric/sa.h"

#define FABRIC_DEVICES SA_PORTS
#define FABRIC_MANAGER_LID 0x100 /* not a device's */
#define FABRIC_MULTICAST_LID 0xc000 /* and all LIDs above */

struct fabric {
	struct dev *devices[FABRIC_DEVICES];
	struct sa sa;
};

/* Assigns the device its LID; returns false if there are too many */
bool fabric_add(struct fabric *fabric, struct dev *dev);
void fabric_remove(struct fabric *fabric, const struct dev *dev);
/* The device with this LID, or NULL */
struct dev *fabric_find(const struct fabric *fabric, unsigned int lid);
/* Index of the device in the fabric */
unsigned int fabric_index(const struct dev *dev);

#define fabric_for_each(fabric, index, dev)                    \
	for (index = 0; index < FABRIC_DEVICES; index++)       \
		if ((dev = (fabric)->devices[index]))

#endif
