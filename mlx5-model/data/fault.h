/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Page faults. A queue pair whose WQE meets an entry that is not present stops there, an event
 * reports it to the driver, and PAGE_FAULT_RESUME runs the WQE again. Only committed bytes were
 * moved before, so nothing is moved twice.
 *
 * The device that reports a fault stores it by its token until the driver has answered its events.
 * If one of the two queue pairs is destroyed, the fault is over, but may still be answered.
 */
#ifndef MLX5_MODEL_FAULT_H
#define MLX5_MODEL_FAULT_H

#include "data/xlate.h"

enum fault_wq { FAULT_WQ_SRQ = 0, FAULT_WQ_REQUESTER = 1, FAULT_WQ_RECEIVE = 2, FAULT_WQ_READ = 3 };

/* Operations that can have page faults, as bits of the capabilities of a service */
enum fault_use {
	FAULT_USE_SEND = 0x20,
	FAULT_USE_RECEIVE = 0x10,
	FAULT_USE_WRITE = 0x08,
	FAULT_USE_READ = 0x04,
	FAULT_USE_ATOMIC = 0x02,
	FAULT_USE_RECEIVE_SRQ = 0x01,
	FAULT_USE_MMO = 0x40, /* a capability of its own, for all services */
};

struct fault {
	enum fault_side side;
	enum fault_use use;
	struct xlate_miss miss;
	/* FAULT_LOCAL, FAULT_RECEIVE: the WQE */
	enum fault_wq wq;
	uint32_t wq_number;
	uint16_t wqe_index;
	uint64_t committed; /* bytes of the message before this attempt */
	uint64_t packet;    /* bytes from there to the end of the missing range */
	uint32_t peer;	    /* FAULT_RECEIVE, FAULT_REMOTE: the responder */
	/* FAULT_REMOTE: the whole operation */
	uint32_t key;
	uint64_t address;
	uint32_t length;
	bool write;
};

/*
 * Stops qp of dev; reporter is the device whose translation has the hole. Returns false, and
 * reports it in strict mode, if page faults are not announced for this use of this service.
 */
bool fault_raise(struct dev *dev, struct qp *qp, struct dev *reporter, const struct fault *fault);
/* The queue pair was destroyed, or its state changed: a later resume has no effect. */
void fault_drop(struct dev *dev, struct qp *qp);
/* Restarts all queue pairs, on any device, that wait for a fault of responder peer on dev */
void fault_drop_peers(struct dev *dev, uint32_t peer);
/* Drops all faults that the device reported and all faults of its own queue pairs */
void fault_drop_all(struct dev *dev);

#endif
