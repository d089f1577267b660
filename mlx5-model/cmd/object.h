/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * General objects, of two types. Reserved queue pair numbers are blocks of numbers that no queue pair
 * has, which an application uses to identify connections. A mapping of an address vector to a queue
 * pair is a hint which algorithm against congestion to use; there is none on this fabric.
 */
#ifndef MLX5_MODEL_OBJECT_H
#define MLX5_MODEL_OBJECT_H

#include "base/caps.h"

/* Blocks, by their first number divided by their size: as many as queue pairs have, above those */
#define OBJECT_QPNS_FIRST (1u << (CAPS_LOG_MAX_QP - CAPS_LOG_RESERVED_QPNS))
#define OBJECT_QPNS_LIMIT (2 * OBJECT_QPNS_FIRST)

#endif
