// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Datagrams: SEND on UD queue pairs, whose messages are packets of at most the port's MTU. */
#include "matrix.h"
#include "tap.h"

static void open_ud(struct pair *pair, struct rig *rig, unsigned int mtu)
{
	(void)mtu;
	pair_open_ud(pair, rig);
}

int main(void)
{
	static const enum op ops[] = { OP_SEND };
	struct matrix matrix = {
		.open = open_ud,
		.ops = ops,
		.nops = 1,
		.mtus = { 4096 },
	};
	struct rig rig;

	rng_init(&matrix.rng, 0x5eed05);
	rig_open(&rig);
	matrix.rig = &rig;
	matrix_run(&matrix);
	rig_close(&rig);
	return tap_done();
}
