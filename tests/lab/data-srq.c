// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* SEND into receive requests of a shared receive queue (SRQ). */
#include "matrix.h"
#include "tap.h"

int main(void)
{
	static const enum op ops[] = { OP_SEND, OP_WRITE_IMM };
	struct matrix matrix = {
		.open = pair_open_srq,
		.ops = ops,
		.nops = 2,
		.mtus = { 4096 },
	};
	struct rig rig;

	rng_init(&matrix.rng, 0x5eed06);
	rig_open(&rig);
	matrix.rig = &rig;
	matrix_run(&matrix);
	rig_close(&rig);
	return tap_done();
}
