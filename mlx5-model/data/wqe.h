/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Send WQEs and data segments as they stand in a queue. */
#ifndef MLX5_MODEL_WQE_H
#define MLX5_MODEL_WQE_H

#include "base/dev.h"

enum wqe_opcode {
	WQE_NOP = 0x00,
	WQE_SEND_INVALIDATE = 0x01,
	WQE_WRITE = 0x08,
	WQE_WRITE_IMM = 0x09,
	WQE_SEND = 0x0a,
	WQE_SEND_IMM = 0x0b,
	WQE_READ = 0x10,
	WQE_COMPARE_SWAP = 0x11,
	WQE_FETCH_ADD = 0x12,
	WQE_UMR = 0x25,
	WQE_MMO = 0x2f,
};

#define WQE_MMO_DMA 1 /* its modifier: a copy in the device's own memory */

#define WQE_UNIT 16
#define WQE_MAX (63 * WQE_UNIT)

struct wqe {
	uint16_t index; /* in blocks */
	unsigned int blocks;
	uint8_t opcode;
	uint8_t modifier;
	bool signaled;
	bool solicited;
	uint16_t stream;    /* of a DC initiator with streams */
	uint32_t immediate; /* or key */
	uint8_t data[WQE_MAX];
	size_t length;
	size_t offset; /* of the next segment */
};

struct wqe_segment {
	uint64_t length;
	uint32_t key;
	uint64_t address;
	const uint8_t *inline_data;
};

/* Where a datagram or a request of DC goes */
struct wqe_address {
	uint64_t key; /* the target's access key, or in the upper half the Q_Key */
	uint32_t qpn;
	uint16_t lid;
	uint8_t service_level;
	bool grh;
	uint8_t traffic_class;
	uint8_t hop_limit;
	uint32_t flow_label;
	unsigned int source_gid;
	uint8_t gid[16];
};

/* Returns false if the WQE is malformed */
bool wqe_read(struct dev *dev, const struct qp *qp, struct wqe *wqe);
/* Strict mode: checks the other fields of the control segment */
void wqe_check(struct dev *dev, const struct qp *qp, const struct wqe *wqe);
/* Returns the next size bytes, or NULL if fewer are left */
const uint8_t *wqe_take(struct wqe *wqe, size_t size);
/* Takes an address vector; returns false if fewer bytes are left */
bool wqe_take_address(struct wqe *wqe, struct wqe_address *address);
bool wqe_next_segment(const uint8_t *data, size_t length, size_t *offset,
		      struct wqe_segment *segment);
/* In a receive WQE, whose size is fixed */
bool wqe_segment_ends_list(const struct wqe_segment *segment);

#endif
