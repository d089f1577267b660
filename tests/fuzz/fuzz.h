/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Random ioctls from several processes, and their shared state. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"
#include "pattern.h"
#include "raw.h"
#include "rig.h"

#define PROCS 3
#define THREADS 2 /* of each process that make calls; one more disturbs its memory */
#define SLOTS 32  /* MRs that are kept for a while, in each context */
#define MAX_ERRNO 134

enum method {
	REG_MR,
	QUERY_MR,
	MODIFY_ODP,
	WATCH_ODP,
	QUERY_ODP_PAGES,
	DESTROY_MR,
	METHODS,
};

extern const char *const method_names[METHODS];

/* A context, and handles of MRs that were made in it: 0 or the handle plus 1. */
struct target {
	struct ibv_context *ctx;
	uint32_t pd;
	atomic_uint *mrs;
};

/* In memory that all processes share. */
struct field {
	atomic_bool stop;
	atomic_ullong budget; /* calls still to be made */
	atomic_uint wrong;    /* calls with a wrong result */
	atomic_ullong results[METHODS][MAX_ERRNO];
	atomic_ullong progress[PROCS][THREADS];
	atomic_uint common_mrs[SLOTS];
};

enum area_kind {
	AREA_THP,
	AREA_HUGETLB,
	AREA_BASE,
	AREA_SHMEM,
	AREA_READ_ONLY,
	AREA_RESERVED, /* much address space without access */
	AREAS,
};

struct process {
	struct rig rig; /* its own context */
	struct field *field;
	struct target own;
	struct target common; /* of the parent, in its address space */
	atomic_uint own_mrs[SLOTS];
	struct mem area[AREAS];
	atomic_ullong calls; /* that its threads have made */
	uint32_t cq; /* a handle of another type */
	int event_fd;
	unsigned int number;
};

/* Buffers of one thread, all within one mapping that ends at a page without access. */
struct arena {
	uint8_t *start;
	size_t len;
	uint8_t *read_only;
	uint8_t *last; /* eight bytes before the page without access */
};

struct caller {
	struct process *process;
	struct arena arena;
	struct rng rng;
	unsigned int number;
};

void areas_map(struct process *process);
void arena_map(struct arena *arena);

/* Frees pages, maps others and changes protections until it is stopped. */
void *run_disturber(void *process);

/* Makes one call; counts it. */
void one_call(struct caller *caller);

#endif
