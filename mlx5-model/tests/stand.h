/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A device on the bench: no QEMU and no driver, but a guest's memory, and the commands, queues and
 * work requests that a driver would make.
 */
#ifndef MLX5_TEST_BENCH_H
#define MLX5_TEST_BENCH_H

#include "cmd.h"
#include "cq.h"
#include "eq.h"
#include "fabric.h"
#include "handler.h"
#include "mkey.h"
#include "model.h"
#include "qp.h"
#include "wqe.h"

#define BENCH_BASE 0x100000ull
#define BENCH_SIZE (64ull << 20)
#define BENCH_PAGE 4096

struct bench {
	struct fabric own;
	struct dev dev;
	uint8_t *memory; /* BENCH_BASE */
	uint64_t next;	 /* free memory */
	unsigned int interrupts[DEV_VECTORS];
	uint32_t async_eq, fault_eq, completion_eq;
	uint64_t async_ring, fault_ring;
	unsigned int async_seen, fault_seen;
	uint32_t pd;
	uint32_t pa_key; /* for what is not to fault: address is the memory's */
	bool in_umems;	 /* queues and doorbell records are told by umems, not by page lists */
};

struct bench_cq {
	uint32_t number;
	uint64_t ring, doorbell;
	uint32_t consumer;
};

struct bench_qp {
	uint32_t number;
	uint16_t lid;
	struct bench_cq *cq;
	uint64_t rq, sq, doorbell;
	uint16_t sq_next, rq_next;
	uint32_t qkey; /* for the commands that change its state */
};

struct bench_srq {
	uint32_t number;
	uint64_t ring, doorbell;
	uint16_t next;
};

struct bench_wr {
	uint8_t opcode;
	uint32_t immediate;
	uint64_t remote;
	uint32_t rkey;
	uint64_t add, compare;
	uint64_t address;
	uint32_t lkey;
	uint32_t length;
	bool unsignaled;
	uint32_t xrc_srqn; /* not 0: of an XRC queue pair */
	const struct bench_qp *datagram; /* where it goes, of a UD queue pair */
	const uint8_t *gid; /* the datagram has a GRH */
	uint32_t qkey; /* 0: BENCH_QKEY */
};

#define BENCH_SQ_LOG 6
#define BENCH_RQ_LOG 4
#define BENCH_RQ_STRIDE 64
#define BENCH_QKEY 0x11111111
#define BENCH_GENERAL_QKEY 0x80010000 /* of general services; in a WQE: the one of the context */
#define BENCH_CQ_LOG 8
#define BENCH_EQ_LOG 6

void bench_init(struct bench *b, const struct dev_options *options);
/* As one more device of a fabric, with memory of its own */
void bench_join(struct bench *b, struct fabric *fabric, const struct dev_options *options);
void bench_destroy(struct bench *b);
/* Memory of the guest: zeroed, aligned */
uint64_t bench_alloc(struct bench *b, size_t size, size_t align);
uint8_t *bench_at(struct bench *b, uint64_t address);

/* Returns the status; buffers as the driver has them */
uint8_t bench_command(struct bench *b, uint8_t *in, size_t in_length, uint8_t *out,
		      size_t out_length);
/* A umem of length bytes of memory that is contiguous, its number */
uint32_t bench_create_umem(struct bench *b, uint64_t address, uint64_t length);
struct bench_cq bench_create_cq(struct bench *b);
struct bench_qp bench_create_qp(struct bench *b, struct bench_cq *cq, unsigned int service);
/* That takes its receive WQEs from there */
struct bench_qp bench_create_qp_srq(struct bench *b, struct bench_cq *cq, unsigned int service,
				    const struct bench_srq *srq);
struct bench_srq bench_create_srq(struct bench *b, const struct bench_cq *cq);
void bench_receive_srq(struct bench *b, struct bench_srq *srq, uint64_t address, uint32_t lkey,
		       uint32_t length);
void bench_connect(struct bench *b, struct bench_qp *qp, const struct bench_qp *to);
/* to: the other end, NULL for none */
uint8_t bench_modify(struct bench *b, const struct bench_qp *qp, uint16_t opcode,
		     const struct bench_qp *to);

struct bench_mkey {
	unsigned int mode, page_shift;
	uint64_t start, length;
	bool odp;
	const uint8_t *list; /* as the device reads it; NULL: all zero */
	size_t list_length;
	size_t table_length;
};
/* All rights, UMR enabled. Returns the key. */
uint32_t bench_create_mkey(struct bench *b, const struct bench_mkey *mkey);
/* An MTT mkey over memory that lies in one piece; present says which of the entries are */
uint32_t bench_register(struct bench *b, uint64_t address, size_t length, unsigned int page_shift,
			bool present);
/* By a UMR queue pair: entries from first on become these values */
void bench_update(struct bench *b, uint32_t key, uint64_t first, const uint64_t *entries,
		  unsigned int count);

void bench_post(struct bench *b, struct bench_qp *qp, const struct bench_wr *wr);
void bench_receive(struct bench *b, struct bench_qp *qp, uint64_t address, uint32_t lkey,
		   uint32_t length);
/* Lets the devices of the fabric work until they have nothing to do at once */
void bench_run(struct bench *b);
bool bench_busy(const struct bench *b);
/* The next completion, 64 bytes, or NULL */
const uint8_t *bench_poll(struct bench *b, struct bench_cq *cq);
const uint8_t *bench_event(struct bench *b, uint64_t ring, unsigned int *seen);
uint8_t bench_resume(struct bench *b, const uint8_t *event, bool error);

#endif
