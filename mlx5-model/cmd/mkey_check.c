// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Strict mode: requirements of hardware on the table, the address range and the page size of a key.
 */
#include "cmd/mkey.h"

#include "base/caps.h"

#include <inttypes.h>

/* Limits of the page size if the capabilities have none */
#define MKEY_PAGE_LEAST 12
#define MKEY_PAGE_MOST 31
/* Entries that are looked at: a table may have so many that the search would stop the device */
#define MKEY_SEARCH_MOST (1u << 20)

struct mkey_limits {
	unsigned int least;
	unsigned int most;
};

/* The logs of the least and of the largest page size, as drivers read the capabilities */
static struct mkey_limits mkey_limits(const struct dev *dev, enum mkey_mode mode)
{
#define CAP(field) IFC_GET(cmd_hca_cap_2, dev->caps_general_2, field)
	struct mkey_limits limits = {
		.least = CAP(log_min_mkey_entity_size),
		.most = CAP(max_mkey_log_entity_size_mtt),
	};

	if (mode == MKEY_KSM) {
		limits.most = CAP(max_mkey_log_entity_size_fixed_buffer);
		if (CAP(min_mkey_log_entity_size_fixed_buffer_valid))
			limits.least = CAP(min_mkey_log_entity_size_fixed_buffer);
	}
	if (limits.least < MKEY_PAGE_LEAST)
		limits.least = MKEY_PAGE_LEAST;
	if (!limits.most || (limits.most > MKEY_PAGE_MOST && !CAP(umr_log_entity_size_5)))
		limits.most = MKEY_PAGE_MOST;
	return limits;
#undef CAP
}

static const char *mkey_kind(const struct mkey *mkey)
{
	return mkey->mode == MKEY_KSM ? "KSM" : "MTT";
}

static bool mkey_has_pages(const struct mkey *mkey)
{
	return mkey->mode == MKEY_MTT || mkey->mode == MKEY_KSM;
}

static uint64_t mkey_table(const struct mkey *mkey)
{
	return mkey->xlt_size / mkey_entry_size(mkey);
}

/* The number of entries for start, length and page size. A KSM's first one begins at its start. */
static uint64_t mkey_needed(const struct mkey *mkey)
{
	uint64_t lead = mkey->start & ((1ull << mkey->page_shift) - 1), last;

	if (!mkey->length)
		return 0;
	if (mkey->mode == MKEY_KSM)
		lead = 0;
	last = mkey->length - 1;
	/* two halves, as the sum may be larger than 64 bits */
	return (last >> mkey->page_shift) + 1 +
	       (((last & ((1ull << mkey->page_shift) - 1)) + lead) >> mkey->page_shift);
}

/* Entries of the table that an access can read */
static uint64_t mkey_reach(const struct mkey *mkey)
{
	uint64_t table = mkey_table(mkey), needed = mkey_needed(mkey);

	return mkey->length64 || needed > table ? table : needed;
}

/* True if one of the entries [from, to) is present, of which only the first ones are looked at */
static bool mkey_any_present(const struct mkey *mkey, uint64_t from, uint64_t to, uint64_t *which)
{
	size_t size = mkey_entry_size(mkey);

	if (to > from + MKEY_SEARCH_MOST)
		to = from + MKEY_SEARCH_MOST;
	for (*which = from; *which < to; ++*which)
		if (mkey_entry_present(mkey, mkey->xlt + *which * size))
			return true;
	return false;
}

static void mkey_check_size(struct dev *dev, const struct mkey *mkey)
{
	struct mkey_limits limits = mkey_limits(dev, mkey->mode);

	if (mkey->page_shift < limits.least || mkey->page_shift > limits.most)
		strict_report(dev, "mkey %#x: %s with entries of 2^%u, announced are 2^%u to 2^%u",
			      mkey->key, mkey_kind(mkey), mkey->page_shift, limits.least,
			      limits.most);
}

static void mkey_check_table(struct dev *dev, const struct mkey *mkey)
{
	uint64_t needed = mkey_needed(mkey), table = mkey_table(mkey);

	if (!mkey->length64 && needed > table)
		strict_report(dev,
			      "mkey %#x: %#" PRIx64 " + %#" PRIx64
			      " with entries of 2^%u needs %" PRIu64
			      " of them, its table has %" PRIu64,
			      mkey->key, mkey->start, mkey->length, mkey->page_shift, needed,
			      table);
}

/* Reports entries that are left from an earlier use of the key */
static void mkey_check_left(struct dev *dev, const struct mkey *mkey)
{
	uint64_t which;

	if (mkey_any_present(mkey, mkey->fresh / mkey_entry_size(mkey), mkey_reach(mkey), &which))
		strict_report(dev, "mkey %#x: entry %" PRIu64 " is of an earlier use of the key",
			      mkey->key, which);
}

/* The driver must clear all entries that are reachable with the old or the new page size */
static void mkey_check_resize(struct dev *dev, const struct mkey *mkey, const struct mkey *before)
{
	uint64_t old = mkey_reach(before), new = mkey_reach(mkey), which;

	if (before->free || before->page_shift == mkey->page_shift)
		return;
	if (mkey_any_present(mkey, 0, old < new ? old : new, &which))
		strict_report(dev,
			      "mkey %#x: page size changed from 2^%u to 2^%u with entry %" PRIu64
			      " present, which is in use with both",
			      mkey->key, before->page_shift, mkey->page_shift, which);
}

void mkey_check(struct dev *dev, const struct mkey *mkey, const struct mkey *before)
{
	if (!dev->options.strict || mkey->free || !mkey_has_pages(mkey))
		return;
	/* the driver's null keys of implicit MRs, of all addresses, have pages of 2^61 */
	if (before || mkey->mode == MKEY_KSM || !mkey->length64)
		mkey_check_size(dev, mkey);
	mkey_check_table(dev, mkey);
	mkey_check_left(dev, mkey);
	if (before)
		mkey_check_resize(dev, mkey, before);
}
