/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The fabric's subnet administrator: who has which LID, and which multicast groups there are. It
 * answers management datagrams, as InfiniBand Architecture Specification 1.4, volume 1, chapters
 * 13.4 and 15.2 have them; IP over InfiniBand and rdma_cm do not work without.
 */
#ifndef MLX5_MODEL_SA_H
#define MLX5_MODEL_SA_H

#include <stdbool.h>
#include <stdint.h>

#define SA_MAD_SIZE 256
#define SA_GROUPS 64
#define SA_PORTS 2

struct sa_group {
	uint8_t gid[16];
	uint32_t qkey;
	uint16_t pkey;
	uint8_t traffic_class;
	uint32_t sl_flow_hop;	  /* as in the record */
	uint8_t joined[SA_PORTS]; /* bits of the join state, by port; none: the group is free */
};

struct sa {
	struct sa_group groups[SA_GROUPS];
};

struct dev;
struct fabric;

/* To what a port asks. False: this is no request, and gets no answer */
bool sa_answer(const struct dev *port, const uint8_t *request, uint8_t *reply);
/* A port that went away is in no group */
void sa_forget(struct fabric *fabric, const struct dev *dev);

#endif
