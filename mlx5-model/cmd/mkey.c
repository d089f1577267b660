// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/mkey.h"

#include "cmd/handler.h"
#include "cmd/memic.h"
#include "data/account.h"
#include "data/xlate.h"

#include <stdlib.h>

#define MKEY_XLT_MAX (2ull << 30)
#define MKEY_XLT_TOTAL_MAX (4ull << 30)

void mkey_refresh(struct mkey *mkey)
{
	const uint8_t *c = mkey->context;
	bool was_free = mkey->free;

	mkey->key = mkey->index << 8 | IFC_GET(mkc, c, mkey_7_0);
	mkey->mode = IFC_GET(mkc, c, access_mode_4_2) << 2 | IFC_GET(mkc, c, access_mode_1_0);
	mkey->free = IFC_GET(mkc, c, free);
	mkey->length64 = IFC_GET(mkc, c, length64);
	mkey->pd = IFC_GET(mkc, c, pd);
	mkey->qpn = IFC_GET(mkc, c, qpn);
	mkey->start = IFC_GET(mkc, c, start_addr);
	mkey->length = IFC_GET(mkc, c, len);
	mkey->page_shift = IFC_GET(mkc, c, log_page_size);
	if (mkey->free && !was_free)
		mkey->fresh = 0;
}

bool mkey_has_table(const struct mkey *mkey)
{
	return mkey->mode != MKEY_PA && mkey->mode != MKEY_MEMIC;
}

size_t mkey_entry_size(const struct mkey *mkey)
{
	return mkey->mode == MKEY_MTT ? sizeof(uint64_t) : MKEY_OCTWORD;
}

bool mkey_entry_present(const struct mkey *mkey, const uint8_t *entry)
{
	uint32_t key;

	if (mkey->mode == MKEY_MTT)
		return get_be64(entry) & (XLATE_PRESENT_READ | XLATE_PRESENT_WRITE);
	key = get_be32(entry + 4);
	return key && key != KEY_NULL;
}

void mkey_write(struct dev *dev, struct mkey *mkey, uint64_t offset, const uint8_t *data,
		uint64_t length)
{
	size_t size = mkey_entry_size(mkey);
	uint64_t i, zapped = 0;

	if (offset >= mkey->xlt_size)
		return;
	if (length > mkey->xlt_size - offset)
		length = mkey->xlt_size - offset;
	for (i = 0; i + size <= length; i += size)
		zapped += mkey_entry_present(mkey, mkey->xlt + offset + i) &&
			  !mkey_entry_present(mkey, data + i);
	memcpy(mkey->xlt + offset, data, length);
	if (offset <= mkey->fresh && offset + length > mkey->fresh)
		mkey->fresh = offset + length;
	dev->stats.xlt_entries_written += length / size;
	dev->stats.xlt_bytes_written += length;
	dev->stats.zapped_entries += zapped;
	dev->stats.zaps += zapped != 0;
}

void mkey_release(void *object)
{
	struct mkey *mkey = object;

	free(mkey->xlt);
	free(mkey);
}

static enum cmd_status mkey_alloc_xlt(struct dev *dev, struct mkey *mkey)
{
	mkey->xlt_size = IFC_GET(mkc, mkey->context, translations_octword_size) * MKEY_OCTWORD;
	if (!mkey_has_table(mkey))
		mkey->xlt_size = 0;
	if (mkey->xlt_size > MKEY_XLT_MAX ||
	    dev->stats.mkey_xlt_bytes + mkey->xlt_size > MKEY_XLT_TOTAL_MAX)
		return CMD_NO_RESOURCES;
	mkey->fresh = mkey->xlt_size;
	mkey->xlt = calloc(1, mkey->xlt_size + 1);
	return mkey->xlt ? CMD_OK : CMD_NO_RESOURCES;
}

static enum cmd_status mkey_fill(struct dev *dev, struct mkey *mkey, const struct cmd *cmd)
{
	size_t list_length;
	const uint8_t *list = CMD_TAIL(cmd, create_mkey_in, klm_pas_mtt, &list_length);
	uint64_t length = IFC_GET(create_mkey_in, cmd->in, translations_octword_actual_size) *
			  MKEY_OCTWORD;

	/* a driver may give the size of a table without any of its entries */
	if (length > list_length)
		length = list_length;
	if (length > mkey->xlt_size)
		return CMD_BAD_PARAM;
	mkey_write(dev, mkey, 0, list, length);
	return CMD_OK;
}

/* Device memory belongs to the driver: applications' own commands cannot make keys of it */
static enum cmd_status mkey_find_memory(struct dev *dev, struct mkey *mkey, unsigned int uid)
{
	if (mkey->mode <= MKEY_KSM)
		return CMD_OK;
	if (mkey->mode != MKEY_MEMIC || mkey->length64)
		return CMD_BAD_PARAM;
	if (!uid)
		mkey->memic = memic_find(dev, mkey->start, mkey->length);
	return mkey->memic ? CMD_OK : CMD_BAD_RESOURCE;
}

enum cmd_status mkey_create(struct dev *dev, const struct cmd *cmd)
{
	struct mkey *mkey;
	enum cmd_status status;

	if (IFC_GET(create_mkey_in, cmd->in, mkey_umem_valid))
		return CMD_BAD_PARAM;
	if (!table_own(&dev->pds, IFC_GET(create_mkey_in, cmd->in, memory_key_mkey_entry.pd)))
		return CMD_BAD_RESOURCE;
	mkey = calloc(1, sizeof(*mkey));
	if (!mkey)
		return CMD_NO_RESOURCES;
	memcpy(mkey->context, IFC_AT_CONST(create_mkey_in, cmd->in, memory_key_mkey_entry),
	       sizeof(mkey->context));
	mkey->always_present = !IFC_GET(create_mkey_in, cmd->in, pg_access);
	mkey_refresh(mkey);
	status = mkey_find_memory(dev, mkey, IFC_GET(create_mkey_in, cmd->in, uid));
	if (status == CMD_OK)
		status = mkey_alloc_xlt(dev, mkey);
	if (status == CMD_OK)
		status = mkey_fill(dev, mkey, cmd);
	if (status == CMD_OK) {
		mkey->index = table_add(&dev->mkeys, mkey);
		status = mkey->index ? CMD_OK : CMD_LIMIT;
	}
	if (status != CMD_OK) {
		mkey_release(mkey);
		return status;
	}
	mkey_refresh(mkey);
	mkey_check(dev, mkey, NULL);
	account_key(dev, mkey);
	dev->stats.mkeys++;
	dev->stats.mkey_xlt_bytes += mkey->xlt_size;
	dev->stats.mkey_xlt_bytes_created += mkey->xlt_size;
	if (dev->stats.mkey_xlt_bytes > dev->stats.mkey_xlt_bytes_peak)
		dev->stats.mkey_xlt_bytes_peak = dev->stats.mkey_xlt_bytes;
	IFC_SET(create_mkey_out, cmd->out, mkey_index, mkey->index);
	return CMD_OK;
}

enum cmd_status mkey_query(struct dev *dev, const struct cmd *cmd)
{
	struct mkey *mkey = table_own(&dev->mkeys, IFC_GET(query_mkey_in, cmd->in, mkey_index));
	size_t offset = IFC_OFFSET(query_mkey_out, bsf0_klm0_pas_mtt0_1);
	size_t room;

	if (!mkey)
		return CMD_BAD_RESOURCE;
	memcpy(IFC_AT(query_mkey_out, cmd->out, memory_key_mkey_entry), mkey->context,
	       sizeof(mkey->context));
	room = cmd->out_length > offset ? cmd->out_length - offset : 0;
	memcpy(cmd->out + offset, mkey->xlt, room < mkey->xlt_size ? room : mkey->xlt_size);
	return CMD_OK;
}

enum cmd_status mkey_destroy(struct dev *dev, const struct cmd *cmd)
{
	uint32_t index = IFC_GET(destroy_mkey_in, cmd->in, mkey_index);
	struct mkey *mkey = table_own(&dev->mkeys, index);

	if (!mkey)
		return CMD_BAD_RESOURCE;
	table_take(&dev->mkeys, index);
	account_dropped(dev, mkey);
	dev->stats.mkeys--;
	dev->stats.mkey_xlt_bytes -= mkey->xlt_size;
	mkey_release(mkey);
	return CMD_OK;
}
