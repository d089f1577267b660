/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The fabric's subnet administrator: path records and multicast groups. It answers management
 * datagrams as in InfiniBand Architecture Specification 1.4, volume 1, chapters 13.4 and 15.2; IP
 * over InfiniBand and rdma_cm require it.
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

/* Answers a port's request. Returns false if it is not a request and gets no answer. */
bool sa_answer(const struct dev *port, const uint8_t *request, uint8_t *reply);
/* Removes a port whose device is gone from all groups */
void sa_forget(struct fabric *fabric, const struct dev *dev);

#endif
