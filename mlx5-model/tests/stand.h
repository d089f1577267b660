/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A device on a test stand: without QEMU and driver, but with a guest's memory, and with the
 * commands, queues and work requests that a driver would make.
 */
#ifndef MLX5_TEST_STAND_H
#define MLX5_TEST_STAND_H

#include "cmd/cmd.h"
#include "cmd/cq.h"
#include "cmd/eq.h"
#include "cmd/handler.h"
#include "cmd/mkey.h"
#include "cmd/qp.h"
#include "data/wqe.h"
#include "fabric/fabric.h"
#include "model.h"

#define STAND_BASE 0x100000ull
#define STAND_SIZE (64ull << 20)
#define STAND_PAGE 4096

struct stand {
	struct fabric own;
	struct dev dev;
	uint8_t *memory; /* STAND_BASE */
	uint64_t next;	 /* free memory */
	unsigned int interrupts[DEV_VECTORS];
	uint32_t async_eq, fault_eq, completion_eq;
	uint64_t async_ring, fault_ring;
	unsigned int async_seen, fault_seen;
	uint32_t application; /* the context of commands that the driver passes on */
	uint32_t pd, uar, xrcd;
	uint32_t pa_key; /* never faults: its addresses are guest addresses */
	uint32_t user_index; /* of the queue pairs that follow */
	bool in_umems;	 /* queues and doorbell records are in umems */
	unsigned int umem_access; /* bits of their pages: 1 for reading, 2 for writing */
	bool by_doorbell; /* doorbells name what is posted to the queue pairs that follow */
	/* of the DC initiators that follow */
	unsigned int log_streams, log_errored;
};

struct stand_cq {
	uint32_t number;
	uint64_t ring, doorbell;
	uint32_t consumer;
};

struct stand_qp {
	uint32_t number;
	uint16_t lid;
	struct stand_cq *cq;
	uint64_t rq, sq, doorbell;
	uint16_t sq_next, rq_next;
	bool by_doorbell;
	uint32_t qkey; /* set by the commands that change its state */
};

struct stand_srq {
	uint32_t number;
	uint64_t ring, doorbell;
	uint16_t next;
};

struct stand_wr {
	uint8_t opcode;
	uint32_t immediate;
	uint64_t remote;
	uint32_t rkey;
	uint64_t add, compare;
	uint64_t address;
	uint32_t lkey;
	uint32_t length;
	bool unsignaled;
	uint32_t xrc_srqn; /* for an XRC queue pair, else 0 */
	const struct stand_qp *datagram; /* destination, for a UD queue pair and a DC initiator */
	uint64_t dc_key; /* of the destination, instead of a Q_Key */
	uint16_t stream;
	const uint8_t *gid; /* the datagram has a GRH */
	uint32_t qkey; /* 0: STAND_QKEY */
};

#define STAND_SQ_LOG 6
#define STAND_RQ_LOG 4
#define STAND_RQ_STRIDE 64
#define STAND_QKEY 0x11111111
#define STAND_GENERAL_QKEY 0x80010000 /* of QP1; in a WQE: use the context's */
#define STAND_CQ_LOG 8
#define STAND_APPLICATION 1 /* the application of the first stand, unless it was reset */
#define STAND_EQ_LOG 6

void stand_init(struct stand *b, const struct dev_options *options);
/* Adds a device with memory of its own to a fabric */
void stand_join(struct stand *b, struct fabric *fabric, const struct dev_options *options);
void stand_destroy(struct stand *b);
/* From power-on to a running function, in the newest interface that it has */
void stand_power_up(struct stand *b);
/* Of one more application; the stand has created that of STAND_APPLICATION */
uint32_t stand_create_context(struct stand *b);
/* Allocates guest memory: zeroed, aligned */
uint64_t stand_alloc(struct stand *b, size_t size, size_t align);
uint8_t *stand_at(struct stand *b, uint64_t address);

/* Executes a command with the driver's buffers; returns the status */
uint8_t stand_command(struct stand *b, uint8_t *in, size_t in_length, uint8_t *out,
		      size_t out_length);
/* ALLOC_PD, ALLOC_UAR or ALLOC_XRCD; returns the number */
uint32_t stand_number(struct stand *b, uint16_t opcode);
/* A command that destroys the object of this number; returns the status */
uint8_t stand_destroy_object(struct stand *b, uint16_t opcode, uint32_t number);
/* Creates a umem of length contiguous bytes; returns its number */
uint32_t stand_create_umem(struct stand *b, uint64_t address, uint64_t length);
struct stand_cq stand_create_cq(struct stand *b);
struct stand_qp stand_create_qp(struct stand *b, struct stand_cq *cq, unsigned int service);
/* A queue pair that takes its receive WQEs from srq */
struct stand_qp stand_create_qp_srq(struct stand *b, struct stand_cq *cq, unsigned int service,
				    const struct stand_srq *srq);
struct stand_srq stand_create_srq(struct stand *b, const struct stand_cq *cq);
/* The same with CREATE_RMP, or CREATE_XRC_SRQ if there is a completion queue */
struct stand_srq stand_create_srq_1(struct stand *b, const struct stand_cq *cq);
/* A DC target that takes its receive WQEs from srq */
struct stand_qp stand_create_dct(struct stand *b, struct stand_cq *cq, const struct stand_srq *srq,
				 uint64_t key);
void stand_receive_srq(struct stand *b, struct stand_srq *srq, uint64_t address, uint32_t lkey,
		       uint32_t length);
void stand_connect(struct stand *b, struct stand_qp *qp, const struct stand_qp *to);
/* to: the other end, NULL for none */
uint8_t stand_modify(struct stand *b, const struct stand_qp *qp, uint16_t opcode,
		     const struct stand_qp *to);

struct stand_mkey {
	unsigned int mode, page_shift;
	uint64_t start, length;
	bool odp;
	const uint8_t *list; /* as the device reads it; NULL: all zero */
	size_t list_length;
	size_t table_length;
};
/* All rights, UMR enabled. Returns the key. */
uint32_t stand_create_mkey(struct stand *b, const struct stand_mkey *mkey);
/* An MTT mkey over contiguous memory; present: whether its entries are */
uint32_t stand_register(struct stand *b, uint64_t address, size_t length, unsigned int page_shift,
			bool present);
/* Sets the entries from first on by a UMR */
void stand_update(struct stand *b, uint32_t key, uint64_t first, const uint64_t *entries,
		  unsigned int count);

void stand_post(struct stand *b, struct stand_qp *qp, const struct stand_wr *wr);
void stand_receive(struct stand *b, struct stand_qp *qp, uint64_t address, uint32_t lkey,
		   uint32_t length);
/* Runs the devices of the fabric until none has work that is due */
void stand_run(struct stand *b);
bool stand_busy(const struct stand *b);
/* The next completion, 64 bytes, or NULL */
const uint8_t *stand_poll(struct stand *b, struct stand_cq *cq);
const uint8_t *stand_event(struct stand *b, uint64_t ring, unsigned int *seen);
uint8_t stand_resume(struct stand *b, const uint8_t *event, bool error);

#endif
