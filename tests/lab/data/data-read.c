// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* RDMA READ. */
#include "matrix.h"
#include "tap.h"

int main(void)
{
	static const enum op ops[] = { OP_READ };
	struct matrix matrix = {
		.open = pair_open,
		.ops = ops,
		.nops = sizeof(ops) / sizeof(*ops),
		.mtus = { 1024, 4096 },
	};
	struct rig rig;

	rng_init(&matrix.rng, 0x5eed02);
	rig_open(&rig);
	matrix.rig = &rig;
	matrix_run(&matrix);
	rig_close(&rig);
	return tap_done();
}
