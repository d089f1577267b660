/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MLX5_MODEL_EQ_H
#define MLX5_MODEL_EQ_H

#include "base/dev.h"

#define EQE_DATA 28

enum event {
	EVENT_COMPLETION = 0x00,
	EVENT_CQ_ERROR = 0x04,
	EVENT_COMMAND = 0x0a,
	EVENT_PAGE_FAULT = 0x0c,
	EVENT_QP_REQUEST_ERROR = 0x10,
	EVENT_QP_ACCESS_ERROR = 0x11,
	EVENT_SRQ_LAST_WQE = 0x13,
	EVENT_SRQ_LIMIT = 0x14,
	EVENT_DCT_DRAINED = 0x1c,
	EVENT_DCT_KEY_VIOLATION = 0x1d,
};

/* The queue that takes this type of event, or NULL */
struct eq *eq_for_event(struct dev *dev, enum event type);
/* Sends an event to the queue that takes its type; data is EQE_DATA bytes */
void eq_event(struct dev *dev, enum event type, uint8_t subtype, const uint8_t *data);
void eq_completion(struct dev *dev, uint32_t eqn, uint32_t cqn);
/* An event whose data is one object number */
void eq_object_event(struct dev *dev, enum event type, uint32_t number);
/* UAR doorbell */
void eq_doorbell(struct dev *dev, uint32_t uar, uint32_t value, bool arm);
void eq_release(void *eq);
/* Delivers delayed events that are due. Returns ms until the next one, -1 for none. */
int eq_delayed_work(struct dev *dev);
void eq_delayed_drop(struct dev *dev);

#endif
