/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A connected pair of queue pairs, with pinned memory at the near end, to access MRs. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "bench.h"

struct wire {
	struct pair pair;
	struct mem near;
	struct ibv_mr *near_mr;
};

/* @most: bytes of the longest message */
void wire_open(struct wire *w, const struct bench *b, size_t most);
void wire_close(struct wire *w);

/* Post a message to @at in @mr, and wait for the completion of one. */
void wire_post_write(struct wire *w, struct ibv_mr *mr, size_t at, size_t len);
void wire_wait(struct wire *w);

/* One message to its completion, to or from @at in @mr. */
void wire_write(struct wire *w, struct ibv_mr *mr, size_t at, size_t len);
void wire_read(struct wire *w, struct ibv_mr *mr, size_t at, size_t len);

#endif
