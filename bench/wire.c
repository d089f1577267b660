// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "wire.h"

#include <errno.h>
#include <string.h>

#include "tap.h"

#define MTU 4096

void wire_open(struct wire *w, const struct bench *b, size_t most)
{
	pair_open(&w->pair, (struct rig *)&b->rig, MTU);
	mem_map(&w->near, MEM_BASE, most);
	memset(w->near.addr, 0x5a, most);
	w->near_mr = mode_reg(&mode_pinned, b->rig.pd, w->near.addr, most, (uintptr_t)w->near.addr,
			      ACCESS_ALL);
	if (!w->near_mr)
		fatal("pinned MR of %zu KiB: %s", most >> 10, strerror(errno));
}

void wire_close(struct wire *w)
{
	pair_close(&w->pair);
	subject_dereg(w->near_mr);
	mem_unmap(&w->near);
}

static void post(struct wire *w, enum ibv_wr_opcode op, struct ibv_mr *mr, size_t at, size_t len)
{
	struct ibv_sge sge = { (uintptr_t)w->near.addr, (uint32_t)len, w->near_mr->lkey };
	struct ibv_send_wr wr = {
		.opcode = op,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { (uintptr_t)mr->addr + at, mr->rkey },
	};

	post_send(&w->pair, &wr);
}

void wire_post_write(struct wire *w, struct ibv_mr *mr, size_t at, size_t len)
{
	post(w, IBV_WR_RDMA_WRITE, mr, at, len);
}

void wire_wait(struct wire *w)
{
	struct ibv_wc wc = pair_wait(&w->pair, NEAR);

	if (wc.status != IBV_WC_SUCCESS)
		fatal("message: %s", ibv_wc_status_str(wc.status));
}

void wire_write(struct wire *w, struct ibv_mr *mr, size_t at, size_t len)
{
	wire_post_write(w, mr, at, len);
	wire_wait(w);
}

void wire_read(struct wire *w, struct ibv_mr *mr, size_t at, size_t len)
{
	post(w, IBV_WR_RDMA_READ, mr, at, len);
	wire_wait(w);
}
