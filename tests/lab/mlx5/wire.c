// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RC transfers between two machines, each with a device of the mlx5 model: run by two-machines.sh in
 * both at the same time. Machine 0 posts writes, reads, sends and atomics, of the same random
 * places and lengths in both; after each, either machine compares all bytes of its memory.
 * usage: wire 0|1 ADDRESS (of machine 1)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pattern.h"
#include "region.h"
#include "rig.h"
#include "tap.h"

#define LEN (4 * SZ_2M)
#define ROUNDS 24
#define TCP_PORT 7001
#define PATIENCE_S 300
#define OPERAND 0x123456789ull

/* What each machine gets to know of the other; both have the same byte order */
struct hello {
	union ibv_gid gid;
	uint64_t iova;
	uint32_t rkey;
	uint32_t qpn;
	uint16_t lid;
};

enum op { OP_WRITE, OP_READ, OP_SEND, OP_FETCH_ADD, OPS };

struct transfer {
	enum op op;
	size_t at[2]; /* in the memory of each machine */
	size_t len;
};

struct wire {
	int machine;
	int tcp;
	struct rig rig, peer;
	struct pair pair;
	struct mem mem;
	struct ibv_mr *mr;
	struct hello other;
	uint8_t *shadow[2]; /* expected content of both memories */
};

static void listen_for_other(struct wire *w, struct sockaddr_in *address)
{
	int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(listener, (struct sockaddr *)address, sizeof(*address)) || listen(listener, 1))
		fatal("a socket: %s", strerror(errno));
	w->tcp = accept(listener, NULL, NULL);
	close(listener);
	if (w->tcp < 0)
		fatal("accept: %s", strerror(errno));
}

static void connect_to_other(struct wire *w, struct sockaddr_in *address)
{
	time_t end = time(NULL) + PATIENCE_S;

	for (;;) {
		w->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (w->tcp < 0)
			fatal("a socket: %s", strerror(errno));
		if (!connect(w->tcp, (struct sockaddr *)address, sizeof(*address)))
			return;
		if (time(NULL) > end)
			fatal("connect: %s", strerror(errno));
		close(w->tcp);
	}
}

static void send_all(struct wire *w, const void *data, size_t len)
{
	if (send(w->tcp, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		fatal("the other machine is gone");
}

static void receive_all(struct wire *w, void *data, size_t len)
{
	if (recv(w->tcp, data, len, MSG_WAITALL) != (ssize_t)len)
		fatal("the other machine is gone");
}

/* Both machines have come to this point */
static void meet(struct wire *w)
{
	char c = 'm';

	send_all(w, &c, 1);
	receive_all(w, &c, 1);
}

static void open_end(struct wire *w, enum mem_kind kind, const struct mode *mode, uint64_t gen)
{
	struct hello own;
	int i;

	mem_map(&w->mem, kind, LEN);
	for (i = 0; i < 2; i++)
		pattern_fill(w->shadow[i], gen + i, 0, LEN);
	w->mr = mode_reg(mode, w->rig.pd, w->mem.addr, LEN, (uintptr_t)w->mem.addr, ACCESS_ALL);
	if (!w->mr)
		fatal("an MR of mode %s: %s", mode->name, strerror(errno));
	/* after the registration, which maps the memory that is present */
	memcpy(w->mem.addr, w->shadow[w->machine], LEN);
	pair_open_half(&w->pair, &w->rig, 4096);
	memset(&own, 0, sizeof(own));
	own.gid = w->rig.gid;
	own.iova = (uintptr_t)w->mem.addr;
	own.rkey = w->mr->rkey;
	own.qpn = w->pair.qp[NEAR]->qp_num;
	own.lid = w->rig.port.lid;
	send_all(w, &own, sizeof(own));
	receive_all(w, &w->other, sizeof(w->other));
	w->peer.gid = w->other.gid;
	w->peer.port.lid = w->other.lid;
	w->rig.far = &w->peer;
	pair_connect_half(&w->pair, w->other.qpn);
	w->rig.far = &w->rig;
	meet(w);
}

static void close_end(struct wire *w)
{
	meet(w);
	if (ibv_destroy_qp(w->pair.qp[NEAR]) || ibv_destroy_cq(w->pair.cq[NEAR]) ||
	    ibv_dereg_mr(w->mr))
		fatal("the QP, the CQ or the MR is not destroyed");
	mem_unmap(&w->mem);
}

static void post_receive(struct wire *w, const struct transfer *t)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)w->mem.addr + t->at[1],
		.length = (uint32_t)t->len,
		.lkey = w->mr->lkey,
	};
	struct ibv_recv_wr wr = { .sg_list = &sge, .num_sge = 1 }, *bad;

	if (ibv_post_recv(w->pair.qp[NEAR], &wr, &bad))
		fatal("ibv_post_recv: %s", strerror(errno));
}

static void post_request(struct wire *w, const struct transfer *t)
{
	static const enum ibv_wr_opcode opcodes[OPS] = {
		[OP_WRITE] = IBV_WR_RDMA_WRITE,
		[OP_READ] = IBV_WR_RDMA_READ,
		[OP_SEND] = IBV_WR_SEND,
		[OP_FETCH_ADD] = IBV_WR_ATOMIC_FETCH_AND_ADD,
	};
	struct ibv_sge sge = {
		.addr = (uintptr_t)w->mem.addr + t->at[0],
		.length = (uint32_t)t->len,
		.lkey = w->mr->lkey,
	};
	struct ibv_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = opcodes[t->op] };

	if (t->op == OP_FETCH_ADD) {
		wr.wr.atomic.remote_addr = w->other.iova + t->at[1];
		wr.wr.atomic.rkey = w->other.rkey;
		wr.wr.atomic.compare_add = OPERAND;
	} else {
		wr.wr.rdma.remote_addr = w->other.iova + t->at[1];
		wr.wr.rdma.rkey = w->other.rkey;
	}
	post_send(&w->pair, &wr);
}

/* What the transfer does to both memories */
static void expect(struct wire *w, const struct transfer *t)
{
	uint8_t *near = w->shadow[0] + t->at[0], *far = w->shadow[1] + t->at[1];
	uint64_t value;

	switch (t->op) {
	case OP_WRITE:
	case OP_SEND:
		memcpy(far, near, t->len);
		break;
	case OP_READ:
		memcpy(near, far, t->len);
		break;
	default:
		memcpy(near, far, sizeof(value));
		memcpy(&value, far, sizeof(value));
		value += OPERAND;
		memcpy(far, &value, sizeof(value));
	}
}

static struct transfer transfer_next(struct rng *rng, int round)
{
	struct transfer t = { .op = (enum op)(round % OPS), .len = rng_size(rng, LEN) };

	if (t.op == OP_FETCH_ADD)
		t.len = sizeof(uint64_t);
	t.at[0] = rng_below(rng, LEN - t.len + 1);
	t.at[1] = rng_below(rng, LEN - t.len + 1);
	if (t.op == OP_FETCH_ADD)
		t.at[1] &= ~(size_t)7;
	return t;
}

static bool run(struct wire *w, const struct transfer *t)
{
	bool receives = w->machine == 1 && t->op == OP_SEND;
	enum ibv_wc_status status = IBV_WC_SUCCESS;

	if (receives)
		post_receive(w, t);
	meet(w);
	if (w->machine == 0)
		post_request(w, t);
	if (w->machine == 0 || receives)
		status = pair_wait(&w->pair, NEAR).status;
	meet(w);
	expect(w, t);
	if (status != IBV_WC_SUCCESS)
		diag("status %s", ibv_wc_status_str(status));
	return status == IBV_WC_SUCCESS &&
	       !memcmp(w->mem.addr, w->shadow[w->machine], LEN);
}

static void transfers(struct wire *w, struct rng *rng, enum mem_kind kind, const struct mode *mode)
{
	static const char *const names[OPS] = { "write", "read", "send", "fetch and add" };
	static uint64_t gen = 1;
	int round;

	open_end(w, kind, mode, gen);
	gen += 2;
	for (round = 0; round < ROUNDS; round++) {
		struct transfer t = transfer_next(rng, round);

		if (!ok(run(w, &t), "%s over %s: %s of %zu bytes from %#zx to %#zx", mode->name,
			mem_name(kind), names[t.op], t.len, t.at[0], t.at[1]))
			fatal("the memories differ from what is expected");
	}
	close_end(w);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(TCP_PORT) };
	static struct wire w;
	struct rng rng;
	int i;

	need(argc == 3 && (!strcmp(argv[1], "0") || !strcmp(argv[1], "1")) &&
		     inet_pton(AF_INET, argv[2], &address.sin_addr) == 1,
	     "wire 0|1 ADDRESS");
	w.machine = argv[1][0] - '0';
	rng_init(&rng, 1);
	rig_open(&w.rig);
	for (i = 0; i < 2; i++) {
		w.shadow[i] = malloc(LEN);
		if (!w.shadow[i])
			fatal("out of memory");
	}
	if (w.machine)
		listen_for_other(&w, &address);
	else
		connect_to_other(&w, &address);
	transfers(&w, &rng, MEM_BASE, &mode_pinned);
	transfers(&w, &rng, MEM_BASE, &mode_odp);
	transfers(&w, &rng, MEM_HUGETLB, &mode_strict_2m);
	transfers(&w, &rng, MEM_THP, &mode_2m_4k);
	close(w.tcp);
	for (i = 0; i < 2; i++)
		free(w.shadow[i]);
	rig_close(&w.rig);
	return tap_done();
}
