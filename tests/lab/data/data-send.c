// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* SEND into receive requests: of the QP at the small MTU, of an SRQ at the large one. */
#include "matrix.h"
#include "tap.h"

static void open_pair(struct pair *pair, struct rig *rig, unsigned int mtu)
{
	if (mtu == 4096)
		pair_open_srq(pair, rig, mtu);
	else
		pair_open(pair, rig, mtu);
}

int main(void)
{
	static const enum op ops[] = { OP_SEND };
	struct matrix matrix = {
		.open = open_pair,
		.ops = ops,
		.nops = 1,
		.mtus = { 1024, 4096 },
	};
	struct rig rig;

	rng_init(&matrix.rng, 0x5eed03);
	rig_open(&rig);
	matrix.rig = &rig;
	matrix_run(&matrix);
	rig_close(&rig);
	return tap_done();
}
