/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The kernel's counts of a device's objects. */
#ifndef LAB_RESOURCES_H
#define LAB_RESOURCES_H

#include "rig.h"

/* Objects of all processes; @kind: "mr", "pd", "qp", "cq" and so on. */
long resource_count(const struct rig *rig, const char *kind);

/*
 * The same, waiting for it to become @want. Objects of a killed process are freed with its memory,
 * which a fault of the device may still hold when the process is gone.
 */
long resource_settles(const struct rig *rig, const char *kind, long want);

#endif
