/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Canaries: private memory, always fresh, in which nothing but its own bytes may
 * ever appear. Pages that others give back come to life again here.
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

/* A thread's function: takes memory into use and looks after it until told to stop. */
void *canaries_run(void *canaries);

#endif
