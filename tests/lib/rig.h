/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The device under test, and pairs of connected queue pairs (QPs) on it. */
#ifndef LAB_RIG_H
#define LAB_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

#define PORT 1
#define MAX_SGE 3
#define GRH_BYTES 40

struct rig {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct ibv_port_attr port;
	union ibv_gid gid;
	uint8_t gid_index;
	bool is_rxe;
	bool series; /* the kernel knows page size requests */
	size_t entry;	   /* bytes of the kernel's table for a block */
	size_t base_entry; /* the same for a base page */
	struct rig *far; /* the device of the far ends: this one, or another */
};

/*
 * Opens $HUGEODP_LAB_DEVICE, else rxe0, else the first active device; and $HUGEODP_LAB_FAR_DEVICE,
 * if there is one, for the far ends of pairs and what is registered there.
 */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* Does the kernel have all its checkers? A packet takes it ten times as long. */
bool kernel_is_slow(void);
/* Ends the test unless the kernel has the hugeodp series. */
void need_series(const struct rig *rig);

enum end {
	NEAR, /* posts the requests */
	FAR,  /* answers them */
};

struct pair {
	struct rig *rig;
	enum ibv_qp_type type;
	unsigned int mtu; /* bytes */
	bool use_srq;
	uint64_t send_ops;   /* for ibv_wr_*(): enum ibv_qp_create_send_ops_flags */
	struct ibv_srq *srq; /* of the far end */
	struct ibv_cq *cq[2];
	struct ibv_qp *qp[2];
	struct ibv_ah *ah; /* UD */
};

/* RC with a path MTU of @mtu bytes; UD always has the port's. */
void pair_open(struct pair *pair, struct rig *rig, unsigned int mtu);
void pair_open_srq(struct pair *pair, struct rig *rig, unsigned int mtu);
void pair_open_ud(struct pair *pair, struct rig *rig);
void pair_close(struct pair *pair);

/*
 * The near end of an RC pair whose other end is in another process. It sends
 * only what needs no receive request, and cannot be renewed.
 */
void pair_open_half(struct pair *pair, struct rig *rig, unsigned int mtu);
void pair_connect_half(struct pair *pair, uint32_t peer_qpn);

/* A fresh pair in the place of one whose QPs went into the error state. */
void pair_renew(struct pair *pair);

/* The next completion; ends the test if there is none for long. */
struct ibv_wc pair_wait(struct pair *pair, enum end end);

/*
 * Splits @len bytes at @addr into @count pieces of about the same size, as a
 * scatter/gather list; returns the entries in use.
 */
int sge_split(struct ibv_sge *sge, int count, uint64_t addr, size_t len, uint32_t lkey);

void post_send(struct pair *pair, struct ibv_send_wr *wr);
void post_recv(struct pair *pair, struct ibv_recv_wr *wr);

#endif
