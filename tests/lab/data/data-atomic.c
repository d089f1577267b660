// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* FETCH_ADD and CMP_SWP around page and block borders. */
#include "matrix.h"
#include "tap.h"

int main(void)
{
	static const enum op ops[] = { OP_FETCH_ADD, OP_CMP_SWAP };
	struct matrix matrix = {
		.open = pair_open,
		.ops = ops,
		.nops = sizeof(ops) / sizeof(*ops),
		.mtus = { 1024 },
	};
	struct rig rig;

	rng_init(&matrix.rng, 0x5eed04);
	rig_open(&rig);
	matrix.rig = &rig;
	matrix_run(&matrix);
	rig_close(&rig);
	return tap_done();
}
