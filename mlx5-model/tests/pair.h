/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Two connected queue pairs with a buffer each, on one device or on two. */
#ifndef MLX5_TEST_PAIR_H
#define MLX5_TEST_PAIR_H

#include "unit.h"

#include "stand.h"

#define PAIR_SIZE 8192

struct pair {
	struct fabric fabric;
	struct stand stands[2];
	struct stand *on[2]; /* of side 0, the requester, and of side 1, the responder */
	struct stand_cq cq[2];
	struct stand_qp qp[2];
	uint64_t buffer[2];
	uint32_t key[2];
};

void pair_init(struct pair *p, const struct dev_options *options, unsigned int devices,
	       unsigned int service);
/* On one device, with queues in umems, as a DevX application creates them */
void pair_init_in_umems(struct pair *p);
void pair_destroy(struct pair *p);

uint8_t *pair_at(struct pair *p, unsigned int side, size_t offset);
/* A request that moves bytes between offset 11 of buffer 0 and offset 5 of buffer 1 */
struct stand_wr pair_request(const struct pair *p, uint8_t opcode, uint32_t length);
void pair_send(struct pair *p, const struct stand_wr *wr);
void pair_receive(struct pair *p, size_t offset, uint32_t length);
/* Runs the devices until the requester has completed this number of WQEs */
void pair_wait(struct pair *p, uint64_t wqes);
/* Checks the next completion of this side and returns it for further checks */
const uint8_t *pair_complete(struct pair *p, unsigned int side, enum cqe_opcode opcode,
			     enum syndrome syndrome, uint32_t bytes);
/* Checks that there are no more completions */
void pair_silent(struct pair *p, unsigned int side);
/* An MR of this side's buffer without present entries, and filling it */
uint32_t pair_absent(struct pair *p, unsigned int side);
void pair_fill(struct pair *p, unsigned int side, uint32_t key);
/* The next page-fault event that this side's driver gets */
const uint8_t *pair_fault(struct pair *p, unsigned int side);

/* The sum over both devices, or the value of the only one */
#define PAIR_TOTAL(p, counter)            \
	((p)->on[0]->dev.stats.counter +  \
	 ((p)->on[1] != (p)->on[0] ? (p)->on[1]->dev.stats.counter : 0))

#endif
