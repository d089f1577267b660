/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Canaries: private memory, always freshly mapped, in which only its own bytes
 * may ever appear. It reuses pages that other mappings freed.
 */
#ifndef LAB_CANARY_H
#define LAB_CANARY_H

#include <stdatomic.h>

#include "memory.h"

struct canaries {
	enum mem_kind kind;
	long pause_us; /* between one and the next */
	atomic_bool stop;
	atomic_uint made;
	atomic_uint wrong;
};

/* A thread's function: maps memory, fills and checks it, until it is stopped. */
void *canaries_run(void *canaries);

#endif
