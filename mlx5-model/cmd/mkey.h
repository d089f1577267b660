/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MLX5_MODEL_MKEY_H
#define MLX5_MODEL_MKEY_H

#include "base/dev.h"

#define MKEY_OCTWORD 16
#define MKEY_UNIT 64 /* bytes: the table is written in units of this */
#define MKEY_QPN_ANY 0xffffffu

/* Find by index; the low byte of a key is a version that the caller compares */
static inline struct mkey *mkey_get(struct dev *dev, uint32_t key)
{
	return table_get(&dev->mkeys, key >> 8);
}

/* Call after the context changed */
void mkey_refresh(struct mkey *mkey);
/*
 * Strict mode: checks the requirements of hardware on a key in use, on which the model does not
 * depend. before is the key before the UMR that changed it, NULL for a new key.
 */
void mkey_check(struct dev *dev, const struct mkey *mkey, const struct mkey *before);
/*
 * Sets the entries [offset, offset + length), in bytes, to data. Ignores bytes after the end of the
 * table, because drivers write units of MKEY_UNIT.
 */
void mkey_write(struct dev *dev, struct mkey *mkey, uint64_t offset, const uint8_t *data,
		uint64_t length);
/* False for keys whose addresses are translated without one */
bool mkey_has_table(const struct mkey *mkey);
bool mkey_entry_present(const struct mkey *mkey, const uint8_t *entry);
/* Size of one entry in the table */
size_t mkey_entry_size(const struct mkey *mkey);
void mkey_release(void *mkey);

#endif
