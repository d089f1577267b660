/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Initiators and a target of the dynamically connected transport, on one device or on two. */
#ifndef MLX5_TEST_DC_H
#define MLX5_TEST_DC_H

#include "pair.h"

#define DC_KEY 0x1122334455667788ull
#define DC_OTHER_KEY 0x1122334455667789ull
#define DC_INDEX 0x654321

/* Side 0 of the pair is an initiator, side 1 a target; a second initiator is next to the first */
struct dc_fixture {
	struct pair pair;
	struct stand_srq srq;
	struct stand_cq cq;
	struct stand_qp second;
};

struct stand_srq dc_create_srq(struct stand *b, struct stand_cq *cq);
int dc_setup_with(void **state, const struct dev_options *options, unsigned int devices);
int dc_setup(void **state);
int dc_setup_two(void **state);
int dc_setup_new(void **state);
int dc_setup_memory(void **state);
int dc_setup_two_memory(void **state);
int dc_teardown(void **state);
/* As pair_request(), to the target */
struct stand_wr dc_request(struct dc_fixture *f, uint8_t opcode, uint32_t length);
/* Posts a receive WQE for the target, at an offset of its buffer */
void dc_receive(struct dc_fixture *f, size_t offset, uint32_t key, uint32_t length);
const struct qp *dc_initiator(struct dc_fixture *f);
struct qp *dc_target(struct dc_fixture *f);
/* The next asynchronous event, or NULL */
const uint8_t *dc_event(struct stand *b);
/* A command whose only argument is a number; returns the status */
uint8_t dc_command(struct stand *b, uint16_t opcode, uint32_t number);

/* On one device and between two */
#define DC_TEST(name)                                                 \
	{ #name, name, dc_setup, dc_teardown, NULL },                 \
	{ #name "_two", name, dc_setup_two, dc_teardown, NULL }
/* Tests with page faults run in both schemes */
#define DC_TEST_FAULT(name)                                           \
	DC_TEST(name),                                                \
	{ #name "_memory", name, dc_setup_memory, dc_teardown, NULL }, \
	{ #name "_two_memory", name, dc_setup_two_memory, dc_teardown, NULL }
/* Completions of version 1, and receive memory pools */
#define DC_TEST_NEW(name)                                             \
	DC_TEST(name),                                                \
	{ #name "_new", name, dc_setup_new, dc_teardown, NULL }

#endif
