/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The kernel's counts of a device's objects, and the mlx5 model's own counters. */
#ifndef LAB_RESOURCES_H
#define LAB_RESOURCES_H

#include <stdint.h>

#include "rig.h"

/* Objects of all processes; @kind: "mr", "pd", "qp", "cq" and so on. */
long resource_count(const struct rig *rig, const char *kind);

/*
 * The same, waiting for it to become @want. Objects of a killed process are freed with its memory,
 * which a fault of the device may still hold after the process has exited.
 */
long resource_settles(const struct rig *rig, const char *kind, long want);

/* A counter of the mlx5 model; ends the test if it cannot be read. */
uint64_t model_counter(const char *name);

#endif
