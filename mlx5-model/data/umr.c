// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/umr.h"

#include "base/reserved.h"
#include "cmd/mkey.h"
#include "data/account.h"
#include "reserved_fields.h"

#include <inttypes.h>
#include <stdlib.h>

#define UMR_CONTROL 48
#define UMR_OCTWORDS 4
#define UMR_OFFSET 6
#define UMR_MASK 8
#define UMR_OFFSET_HIGH 16
#define UMR_RESERVED 20
#define UMR_HEADER (UMR_CONTROL + IFC_SIZE(mkc))
#define UMR_DATA_SEGMENT 16

enum umr_flags {
	UMR_OFFSET_VALID = 0x10,
	UMR_FAIL_IF_USED = 0x20,
	UMR_FAIL_IF_FREE = 0x40,
	UMR_INLINE = 0x80,
};

enum umr_mask {
	UMR_MASK_LENGTH = 0,
	UMR_MASK_PAGE_SIZE = 1,
	UMR_MASK_START = 6,
	UMR_MASK_PD = 7,
	UMR_MASK_EN_RINVAL = 8,
	UMR_MASK_EN_SIGERR = 9,
	UMR_MASK_BSF_EN = 12,
	UMR_MASK_KEY = 13,
	UMR_MASK_QPN = 14,
	UMR_MASK_LR = 17,
	UMR_MASK_LW = 18,
	UMR_MASK_RR = 19,
	UMR_MASK_RW = 20,
	UMR_MASK_A = 21,
	UMR_MASK_SMALL_FENCE = 23,
	UMR_MASK_RO_WRITE = 25,
	UMR_MASK_FREE = 29,
	UMR_MASK_PAGE_SIZE_5 = 42,
	UMR_MASK_RO_READ = 47,
};

/* Mask bits that are implemented, or that have no effect on the model; no driver sets others */
#define UMR_MASK_KNOWN                                                                        \
	(1ull << UMR_MASK_LENGTH | 1ull << UMR_MASK_PAGE_SIZE | 1ull << UMR_MASK_START |      \
	 1ull << UMR_MASK_PD | 1ull << UMR_MASK_EN_RINVAL | 1ull << UMR_MASK_EN_SIGERR |      \
	 1ull << UMR_MASK_BSF_EN | 1ull << UMR_MASK_KEY | 1ull << UMR_MASK_QPN |              \
	 1ull << UMR_MASK_LR | 1ull << UMR_MASK_LW | 1ull << UMR_MASK_RR |                    \
	 1ull << UMR_MASK_RW | 1ull << UMR_MASK_A | 1ull << UMR_MASK_SMALL_FENCE |            \
	 1ull << UMR_MASK_RO_WRITE | 1ull << UMR_MASK_FREE | 1ull << UMR_MASK_PAGE_SIZE_5 |   \
	 1ull << UMR_MASK_RO_READ)

/* Fields that mkey_check() checks */
#define UMR_MASK_PLACE                                                                        \
	(1ull << UMR_MASK_LENGTH | 1ull << UMR_MASK_PAGE_SIZE | 1ull << UMR_MASK_START |      \
	 1ull << UMR_MASK_FREE | 1ull << UMR_MASK_PAGE_SIZE_5)

struct umr {
	unsigned int flags;
	uint64_t mask;
	uint64_t offset; /* bytes */
	uint64_t length; /* bytes */
	const uint8_t *context;
	uint8_t *list;
};

static void umr_parse(struct umr *umr, const uint8_t *wqe)
{
	umr->flags = wqe[0];
	umr->mask = get_be64(wqe + UMR_MASK);
	umr->length = (uint64_t)get_be16(wqe + UMR_OCTWORDS) * MKEY_OCTWORD;
	if (umr->flags & UMR_OFFSET_VALID)
		umr->offset = ((uint64_t)get_be32(wqe + UMR_OFFSET_HIGH) << 16 |
			       get_be16(wqe + UMR_OFFSET)) *
			      MKEY_OCTWORD;
	umr->context = wqe + UMR_CONTROL;
}

static void umr_check(struct dev *dev, const struct xlate_origin *origin, uint32_t key,
		      const struct umr *umr, const uint8_t *wqe)
{
	if (reserved_bytes(wqe + 1, UMR_OCTWORDS - 1) ||
	    reserved_bytes(wqe + UMR_RESERVED, UMR_CONTROL - UMR_RESERVED))
		strict_report(dev, "UMR of key %#x with reserved bits in its control segment", key);
	if (umr->offset % MKEY_UNIT || umr->length % MKEY_UNIT)
		strict_report(dev,
			      "UMR of key %#x: %" PRIu64 " bytes of its table at %" PRIu64
			      ", not in units of %u",
			      key, umr->length, umr->offset, MKEY_UNIT);
	/* fields that the mask does not select are ignored; only the kernel's driver clears them */
	if (origin->any_pd)
		reserved_report(dev, "UMR's", "mkey", reserved_mkc, NULL, umr->context);
}

/* The list is inline in the WQE, or in the memory of its one data segment */
static enum xlate_result umr_list(struct dev *dev, const struct xlate_origin *origin,
				  struct umr *umr, const uint8_t *data, size_t length,
				  struct xlate_miss *miss)
{
	enum xlate_result result;
	struct sg from = { 0 }, to = { 0 };
	uint64_t n;

	if (!umr->length)
		return XLATE_OK;
	umr->list = calloc(1, umr->length);
	if (!umr->list)
		return XLATE_DENIED;
	if (umr->flags & UMR_INLINE) {
		memcpy(umr->list, data, length < umr->length ? length : umr->length);
		return length < umr->length ? XLATE_DENIED : XLATE_OK;
	}
	if (length < UMR_DATA_SEGMENT)
		return XLATE_DENIED;
	n = get_be32(data);
	if (n < umr->length)
		return XLATE_DENIED;
	result = xlate(dev, origin, get_be32(data + 4), get_be64(data + 8), umr->length,
		       XLATE_LOCAL_READ, &from, miss);
	if (result == XLATE_OK) {
		sg_add(&to, umr->list, umr->length);
		sg_copy(&to, 0, &from);
	}
	sg_release(&from);
	sg_release(&to);
	return result;
}

static void umr_update_context(struct mkey *mkey, const struct umr *umr)
{
#define COPY(bit, field)                     \
	do {                                 \
		if (umr->mask >> (bit) & 1)  \
			IFC_COPY(mkc, mkey->context, umr->context, field); \
	} while (0)
	COPY(UMR_MASK_LENGTH, len);
	COPY(UMR_MASK_LENGTH, length64);
	COPY(UMR_MASK_START, start_addr);
	COPY(UMR_MASK_PD, pd);
	COPY(UMR_MASK_EN_RINVAL, en_rinval);
	COPY(UMR_MASK_KEY, mkey_7_0);
	COPY(UMR_MASK_QPN, qpn);
	COPY(UMR_MASK_LR, lr);
	COPY(UMR_MASK_LW, lw);
	COPY(UMR_MASK_RR, rr);
	COPY(UMR_MASK_RW, rw);
	COPY(UMR_MASK_A, a);
	COPY(UMR_MASK_RO_WRITE, relaxed_ordering_write);
	COPY(UMR_MASK_RO_READ, relaxed_ordering_read);
	COPY(UMR_MASK_FREE, free);
#undef COPY
	/* the sixth bit of the page size has a mask bit of its own */
	if (umr->mask >> UMR_MASK_PAGE_SIZE & 1) {
		unsigned int shift = IFC_GET(mkc, umr->context, log_page_size);

		if (!(umr->mask >> UMR_MASK_PAGE_SIZE_5 & 1))
			shift = (shift & 31) | (IFC_GET(mkc, mkey->context, log_page_size) & 32);
		IFC_SET(mkc, mkey->context, log_page_size, shift);
	}
	mkey_refresh(mkey);
}

static bool umr_allowed(const struct mkey *mkey, const struct xlate_origin *origin,
			const struct umr *umr)
{
	if (!IFC_GET(mkc, mkey->context, umr_en))
		return false;
	if ((umr->flags & UMR_FAIL_IF_USED && !mkey->free) ||
	    (umr->flags & UMR_FAIL_IF_FREE && mkey->free))
		return false;
	/* the entries of pages are guest addresses, of any memory */
	if (mkey->mode <= MKEY_MTT && !origin->kernel && !origin->any_pd)
		return false;
	/*
	 * a user's queue may only change keys of its own protection domain, and not move them out
	 * of it
	 */
	return origin->any_pd ||
	       (mkey->pd == origin->pd && !(umr->mask >> UMR_MASK_PD & 1 &&
					    IFC_GET(mkc, umr->context, pd) != origin->pd));
}

/* Drivers round up to the next unit, which need not be in the table as a whole */
static bool umr_fits(struct dev *dev, const struct mkey *mkey, const struct umr *umr)
{
	uint64_t table = (mkey->xlt_size + MKEY_UNIT - 1) / MKEY_UNIT * MKEY_UNIT;

	if (!umr->length || (umr->offset <= table && umr->length <= table - umr->offset))
		return true;
	strict_report(dev,
		      "UMR of key %#x: %" PRIu64 " bytes at %" PRIu64 " of a table of %" PRIu64,
		      mkey->key, umr->length, umr->offset, mkey->xlt_size);
	return false;
}

/* True if the capabilities allow a UMR of the fields that the mask selects */
static bool umr_announced(const struct dev *dev, const struct mkey *mkey, const struct umr *umr)
{
	const uint8_t *caps = dev->caps_general;
	uint64_t refused = ~UMR_MASK_KNOWN;

	if (IFC_GET(cmd_hca_cap, caps, umr_modify_entity_size_disabled))
		refused |= 1ull << UMR_MASK_PAGE_SIZE;
	if (IFC_GET(cmd_hca_cap, caps, umr_modify_atomic_disabled))
		refused |= 1ull << UMR_MASK_A;
	if (!IFC_GET(cmd_hca_cap, caps, relaxed_ordering_write_umr))
		refused |= 1ull << UMR_MASK_RO_WRITE;
	if (!IFC_GET(cmd_hca_cap, caps, relaxed_ordering_read_umr))
		refused |= 1ull << UMR_MASK_RO_READ;
	if (!IFC_GET(cmd_hca_cap_2, dev->caps_general_2, umr_log_entity_size_5))
		refused |= 1ull << UMR_MASK_PAGE_SIZE_5;
	return !(umr->mask & refused) &&
	       !(umr->length && mkey->mode != MKEY_MTT &&
		 IFC_GET(cmd_hca_cap, caps, umr_indirect_mkey_disabled));
}

enum xlate_result umr_execute(struct dev *dev, const struct xlate_origin *origin, uint32_t key,
			      const uint8_t *wqe, size_t length, enum syndrome *syndrome,
			      struct xlate_miss *miss)
{
	struct mkey *mkey = mkey_get(dev, key);
	struct umr umr = { 0 };
	enum xlate_result result;
	struct mkey before;

	*syndrome = SYNDROME_LOCAL_OPERATION;
	if (length < UMR_HEADER)
		return XLATE_DENIED;
	umr_parse(&umr, wqe);
	umr_check(dev, origin, key, &umr, wqe);
	*syndrome = SYNDROME_MW_BIND;
	if (dev_fails(dev, DEV_FAIL_UMR))
		return XLATE_DENIED;
	if (!mkey || !umr_allowed(mkey, origin, &umr) || !umr_announced(dev, mkey, &umr)) {
		strict_report(dev, "UMR of key %#x with flags %#x and mask %#" PRIx64 " refused",
			      key, umr.flags, umr.mask);
		return XLATE_DENIED;
	}
	if (!umr_fits(dev, mkey, &umr))
		return XLATE_DENIED;
	before = *mkey;
	result = umr_list(dev, origin, &umr, wqe + UMR_HEADER, length - UMR_HEADER, miss);
	*syndrome = SYNDROME_LOCAL_PROTECTION;
	if (result == XLATE_OK) {
		if (umr.length) {
			mkey->always_present = false;
			mkey_write(dev, mkey, umr.offset, umr.list, umr.length);
			account_written(dev, mkey, umr.offset, umr.length);
		}
		umr_update_context(mkey, &umr);
		account_key(dev, mkey);
		if (umr.mask & UMR_MASK_PLACE)
			mkey_check(dev, mkey, &before);
		dev->stats.umr_posts++;
		*syndrome = SYNDROME_OK;
	}
	free(umr.list);
	return result;
}

bool umr_invalidate(struct dev *dev, const struct xlate_origin *origin, uint32_t key)
{
	struct mkey *mkey = mkey_get(dev, key);

	if (!mkey || mkey->key != key || mkey->free || mkey->pd != origin->pd ||
	    (mkey->qpn != MKEY_QPN_ANY && mkey->qpn != origin->qpn) ||
	    !IFC_GET(mkc, mkey->context, umr_en) || !IFC_GET(mkc, mkey->context, en_rinval))
		return false;
	IFC_SET(mkc, mkey->context, free, 1);
	mkey_refresh(mkey);
	account_key(dev, mkey);
	return true;
}
