/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Packets for rxe0 that verbs cannot send: they are injected at the other end of its link. A peer
 * exists only as packets, so that the test can read all responses.
 */
#ifndef HOSTILE_FORGE_H
#define HOSTILE_FORGE_H

#include <linux/if_packet.h>

#include "hostile.h"

#define RC_READ_REQUEST 0x0c
#define RC_READ_RESPONSE_ONLY 0x10
#define RC_FLUSH 0x1c

/* IBV_ACCESS_FLUSH_GLOBAL, which older headers do not have */
#define ACCESS_FLUSH_GLOBAL (1U << 8)

/* After the base header */
#define FORGE_BODY_MAX 20

struct forger {
	int fd;
	struct sockaddr_ll to;
	uint8_t dst[6];
	uint32_t from, address;
};

/* Needs root. Packets seem to come from the device itself. */
void forger_open(struct forger *forger, struct rig *rig);
void forger_close(struct forger *forger);

void forge_read(const struct forger *forger, uint32_t qpn, uint32_t psn, uint64_t va, uint32_t len,
		uint32_t rkey);
/* A FLUSH of the whole MR, which ignores the range. */
void forge_flush(const struct forger *forger, uint32_t qpn, uint32_t psn, uint64_t va, uint32_t len,
		 uint32_t rkey);

/* The number of duplicate requests that the device has received. */
long forge_duplicates(const struct rig *rig);
/* True once there are more than @before. */
bool forge_duplicate_comes(const struct rig *rig, long before);

struct peer {
	struct forger forger;
	struct rig *rig;
	int fd; /* what is sent to it */
	struct ibv_cq *cq;
	struct ibv_qp *qp; /* that responds, with one responder resource, from PSN 0 on */
};

void peer_open(struct peer *peer, struct rig *rig);
void peer_close(struct peer *peer);
/*
 * True once a response with this opcode and PSN arrives, with the @len bytes of @content if that is
 * not NULL.
 */
bool peer_gets(struct peer *peer, uint8_t opcode, uint32_t psn, const void *content, size_t len,
	       double seconds);

#endif
