/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MLX5_MODEL_CQ_H
#define MLX5_MODEL_CQ_H

#include "base/dev.h"
#include "base/reserved.h"

enum cqe_opcode {
	CQE_REQUESTER = 0,
	CQE_RECEIVE_WRITE_IMM = 1,
	CQE_RECEIVE_SEND = 2,
	CQE_RECEIVE_SEND_IMM = 3,
	CQE_RECEIVE_SEND_INVALIDATE = 4,
	CQE_RESIZE = 5,
	CQE_REQUESTER_ERROR = 13,
	CQE_RECEIVE_ERROR = 14,
};

enum syndrome {
	SYNDROME_OK = 0,
	SYNDROME_LOCAL_LENGTH = 0x01,
	SYNDROME_LOCAL_OPERATION = 0x02,
	SYNDROME_LOCAL_PROTECTION = 0x04,
	SYNDROME_FLUSHED = 0x05,
	SYNDROME_MW_BIND = 0x06,
	SYNDROME_LOCAL_ACCESS = 0x11,
	SYNDROME_REMOTE_INVALID = 0x12,
	SYNDROME_REMOTE_ACCESS = 0x13,
	SYNDROME_REMOTE_OPERATION = 0x14,
	SYNDROME_RETRY = 0x15,
	SYNDROME_RNR_RETRY = 0x16,
	SYNDROME_REMOTE_ABORTED = 0x22,
};

struct completion {
	enum cqe_opcode opcode;
	enum syndrome syndrome; /* of the two error opcodes */
	uint32_t qpn;
	uint8_t wqe_opcode;
	uint16_t wqe_counter;
	uint32_t byte_count;
	uint32_t immediate; /* as in the WQE; or the key to invalidate, or QP1's pkey */
	uint32_t resource; /* SRQ, or in version 1 the user's index of SRQ or queue pair */
	uint32_t flags_source; /* GRH and service level, number of the sender */
	uint16_t source_lid;
	bool solicited;
};

void cq_complete(struct dev *dev, uint32_t cqn, const struct completion *completion);
/* UAR doorbell: 8 bytes as written to this page */
void cq_doorbell(struct dev *dev, uint32_t uar, const uint8_t *value);
void cq_release(void *cq);

/* Fields of CREATE_CQ for a queue and a doorbell record in umems of an application */
extern const struct reserved_used cq_umem_fields[];

#endif
