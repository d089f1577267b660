/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The data matrix: ways to register x kinds of memory x sides x MTU, each with
 * transfers that start and end around every boundary, and random ones.
 */
#ifndef LAB_MATRIX_H
#define LAB_MATRIX_H

#include "xfer.h"

typedef void (*pair_opener)(struct pair *pair, struct rig *rig, unsigned int mtu);

struct matrix {
	struct rig *rig;
	pair_opener open;
	const enum op *ops; /* taken in turn */
	unsigned int nops;
	unsigned int mtus[2]; /* 0: no more */
	struct rng rng;
};

/* One way to have a region under test. */
struct combo {
	const struct mode *mode;
	enum mem_kind kind;
	bool warm;	/* the CPU wrote it before the MR was made */
	bool odd;	/* the MR starts and ends inside pages */
	uint32_t shift; /* of the page size granted; 0: not asked for */
};

/* Runs all combinations, with a test point for each. */
void matrix_run(struct matrix *matrix);

/*
 * The transfers of one combination: @subject is the end whose boundaries are used.
 * Returns the number of wrong transfers.
 */
unsigned int matrix_transfers(struct matrix *matrix, struct pair *pair, struct buf *near,
			      struct buf *far, enum end subject, unsigned int *total);

#endif
