/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What a card's translation caches would see of this device, if that is asked for: it is counted
 * (cache/cache.h), recorded (cache/trace.h), or both. The model itself reads no cache.
 */
#ifndef MLX5_MODEL_ACCOUNT_H
#define MLX5_MODEL_ACCOUNT_H

#include "base/dev.h"

/*
 * Starts what the options ask for, if anything. Returns false, and prints why, without memory or if
 * the file of the trace cannot be made.
 */
bool account_start(struct dev *dev);
/* Sets dev->record_lost, and prints so, if not all of the trace was written */
void account_end(struct dev *dev);

/*
 * The functions below have no effect without account_start(). An mkey that is new, or that was
 * changed:
 */
void account_key(struct dev *dev, const struct mkey *mkey);
/* The table's entries of a range were read; offset is from the start of the first page */
void account_access(struct dev *dev, const struct mkey *mkey, uint64_t offset, uint64_t length);
/* A range of the table was written, in bytes */
void account_written(struct dev *dev, const struct mkey *mkey, uint64_t offset, uint64_t length);
void account_dropped(struct dev *dev, const struct mkey *mkey);
void account_reset(struct dev *dev);

#endif
