// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One kind of operation through the whole data matrix. The kind is the argument; each has a test of
 * its own, data-KIND.
 */
#include <stdio.h>
#include <string.h>

#include "matrix.h"
#include "tap.h"

struct kind {
	const char *name;
	pair_opener open;
	enum op ops[2];
	unsigned int nops;
	unsigned int mtus[2];
	uint64_t seed;
};

/* Receive requests of the QP at the small MTU, of an SRQ at the large one */
static void open_send(struct pair *pair, struct rig *rig, unsigned int mtu)
{
	if (mtu == 4096)
		pair_open_srq(pair, rig, mtu);
	else
		pair_open(pair, rig, mtu);
}

/* A message is one packet of at most the port's MTU */
static void open_ud(struct pair *pair, struct rig *rig, unsigned int mtu)
{
	(void)mtu;
	pair_open_ud(pair, rig);
}

static const struct kind kinds[] = {
	{ "write", pair_open, { OP_WRITE, OP_WRITE_IMM }, 2, { 1024, 4096 }, 0x5eed01 },
	{ "read", pair_open, { OP_READ }, 1, { 1024, 4096 }, 0x5eed02 },
	{ "send", open_send, { OP_SEND }, 1, { 1024, 4096 }, 0x5eed03 },
	{ "atomic", pair_open, { OP_FETCH_ADD, OP_CMP_SWAP }, 2, { 1024 }, 0x5eed04 },
	{ "ud", open_ud, { OP_SEND }, 1, { 4096 }, 0x5eed05 },
};

static void run(const struct kind *kind)
{
	struct matrix matrix = {
		.open = kind->open,
		.ops = kind->ops,
		.nops = kind->nops,
		.mtus = { kind->mtus[0], kind->mtus[1] },
	};
	struct rig rig;

	rng_init(&matrix.rng, kind->seed);
	rig_open(&rig);
	matrix.rig = &rig;
	matrix_run(&matrix);
	rig_close(&rig);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strcmp(argv[1], kinds[i].name)) {
			run(&kinds[i]);
			return tap_done();
		}
	}
	fprintf(stderr, "usage: data write|read|send|atomic|ud\n");
	return 2;
}
