/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef HUGEODP_PROBE_H
#define HUGEODP_PROBE_H

#include "memory/range.h"

struct device_caps;

/* Fill in the device's part of a range whose address and length are set. */
void probe_for_device(struct range *range, struct ibv_context *context,
		      const struct device_caps *caps);

#endif
