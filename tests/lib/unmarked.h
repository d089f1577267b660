/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A device whose kernel side the library does not know, so that it has to estimate. */
#ifndef LAB_UNMARKED_H
#define LAB_UNMARKED_H

#include "rig.h"

/* A second context of the device of @rig. The library reads the mark of a device once for each. */
void unmarked_open(struct rig *unmarked, const struct rig *rig);

#endif
