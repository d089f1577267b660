// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/xlate.h"

#include "base/caps.h"
#include "cmd/memic.h"
#include "cmd/mkey.h"
#include "data/account.h"

#include <inttypes.h>

#define MTT_FLAGS 7ull
#define KSM_KEY 4
#define KSM_ADDRESS 8

/* A repeated pattern: this entry, then entries of {stride, bytes, key, address} */
#define KLM_REPEAT_KEY 0x400u

struct walk {
	struct dev *dev;
	const struct xlate_origin *origin;
	struct sg *sg;
	struct xlate_miss *miss;
	bool write;
};

static enum xlate_result walk_key(const struct walk *walk, const struct mkey *parent, uint32_t key,
				  uint64_t address, uint64_t length, unsigned int depth);

static enum xlate_result walk_miss(const struct walk *walk, uint32_t key, uint64_t address,
				   uint64_t length)
{
	walk->miss->key = key;
	walk->miss->address = address;
	walk->miss->length = length;
	return XLATE_FAULT;
}

/* Limits the work: keys can refer to each other in a loop, or to the same bytes many times */
static bool walk_spend(const struct walk *walk)
{
	return walk->sg->entries < SG_ENTRIES_MAX && ++walk->sg->entries;
}

static void walk_count(struct dev *dev, unsigned int page_shift)
{
	if (page_shift <= 12)
		dev->stats.lookups_4k++;
	else if (page_shift <= 16)
		dev->stats.lookups_64k++;
	else if (page_shift <= 21)
		dev->stats.lookups_2m++;
	else
		dev->stats.lookups_1g++;
}

static bool walk_within(const struct mkey *mkey, uint64_t address, uint64_t length)
{
	uint64_t offset = address - mkey->start;

	if (mkey->length64)
		return length <= UINT64_MAX - address;
	return address >= mkey->start && offset <= mkey->length && length <= mkey->length - offset;
}

/*
 * From the first block of the table to address. Pages begin at multiples of their size, so the
 * first one may begin before the key. The blocks of a KSM are counted from its start, wherever
 * that is: for atomic operations, UCX makes a second KSM that starts a few bytes after the memory
 * (uct_ib_mlx5_devx_reg_ksm()), and leads to the same bytes.
 */
static uint64_t walk_offset(const struct mkey *mkey, uint64_t address)
{
	uint64_t mask = mkey->mode == MKEY_KSM ? 0 : (1ull << mkey->page_shift) - 1;

	return address - (mkey->start & ~mask);
}

/*
 * Returns the bytes from offset, which counts from the first block, to the end of its block;
 * *index is the block's table entry
 */
static uint64_t walk_block(const struct mkey *mkey, uint64_t offset, uint64_t *index)
{
	uint64_t size = 1ull << mkey->page_shift;

	*index = offset >> mkey->page_shift;
	return size - (offset & (size - 1));
}

/* Adds the bytes of which the entries were read, also of one that is not present, to *read */
static enum xlate_result walk_entries(const struct walk *walk, const struct mkey *mkey,
				      uint64_t address, uint64_t length, uint64_t *read)
{
	struct dev *dev = walk->dev;
	uint64_t mask = (1ull << mkey->page_shift) - 1;
	uint64_t needed = walk->write ? XLATE_PRESENT_WRITE : XLATE_PRESENT_READ;

	while (length) {
		uint64_t index, entry, n = walk_block(mkey, walk_offset(mkey, address), &index);

		if (index >= mkey->xlt_size / sizeof(entry) || !walk_spend(walk))
			return XLATE_DENIED;
		if (n > length)
			n = length;
		entry = get_be64(mkey->xlt + index * sizeof(entry));
		*read += n;
		if (!mkey->always_present && !(entry & needed))
			return walk_miss(walk, mkey->key, address, length);
		entry &= ~MTT_FLAGS;
		if (entry & mask)
			strict_report(dev,
				      "mkey %#x: entry %" PRIu64 " is %#" PRIx64
				      ", not aligned to its page size of 2^%u",
				      mkey->key, index, entry, mkey->page_shift);
		walk_count(dev, mkey->page_shift);
		if (!sg_add_guest(dev, walk->sg, (entry & ~mask) + (address & mask), n,
				  walk->write))
			return XLATE_DENIED;
		address += n;
		length -= n;
	}
	return XLATE_OK;
}

static enum xlate_result walk_mtt(const struct walk *walk, const struct mkey *mkey,
				  uint64_t address, uint64_t length)
{
	uint64_t read = 0;
	enum xlate_result result = walk_entries(walk, mkey, address, length, &read);

	account_access(walk->dev, mkey, walk_offset(mkey, address), read);
	return result;
}

static enum xlate_result walk_ksm(const struct walk *walk, const struct mkey *mkey,
				  uint64_t address, uint64_t length, unsigned int depth)
{
	uint64_t mask = (1ull << mkey->page_shift) - 1;

	while (length) {
		uint64_t offset = walk_offset(mkey, address);
		uint64_t index, n = walk_block(mkey, offset, &index);
		enum xlate_result result;
		const uint8_t *entry;

		if (index >= mkey->xlt_size / MKEY_OCTWORD || !walk_spend(walk))
			return XLATE_DENIED;
		entry = mkey->xlt + index * MKEY_OCTWORD;
		if (n > length)
			n = length;
		account_access(walk->dev, mkey, offset, n);
		result = walk_key(walk, mkey, get_be32(entry + KSM_KEY),
				  get_be64(entry + KSM_ADDRESS) + (offset & mask), n, depth + 1);
		if (result != XLATE_OK)
			return result;
		address += n;
		length -= n;
	}
	return XLATE_OK;
}

/*
 * The entries of a KLM mkey: consecutive, each with its own length; or a repeated pattern, where
 * each cycle takes some bytes from every entry and then advances it by its stride.
 */
struct pattern {
	const uint8_t *entries;
	uint64_t count;
	bool strided;
	uint64_t cycle_bytes;
	uint64_t cycles;
};

/* Returns false if the pattern does not fit into the table */
static bool pattern_read(const struct mkey *mkey, struct pattern *pattern)
{
	const uint8_t *head = mkey->xlt;

	*pattern = (struct pattern){
		.entries = head,
		.count = mkey->xlt_size / MKEY_OCTWORD,
		.cycle_bytes = UINT64_MAX,
		.cycles = 1,
	};
	if (!pattern->count || get_be32(head + KSM_KEY) != KLM_REPEAT_KEY)
		return true;
	pattern->entries += MKEY_OCTWORD;
	pattern->strided = true;
	pattern->cycle_bytes = get_be32(head);
	pattern->cycles = get_be32(head + 8);
	if (get_be16(head + 14) >= pattern->count)
		return false;
	pattern->count = get_be16(head + 14);
	/* empty cycles would make the loop below run without progress */
	return pattern->count && pattern->cycle_bytes;
}

/* offset is from the first byte that the entries describe */
static enum xlate_result walk_klm(const struct walk *walk, const struct mkey *mkey,
				  uint64_t offset, uint64_t length, unsigned int depth)
{
	struct pattern pattern;
	uint64_t cycle, i;

	if (!pattern_read(mkey, &pattern))
		return XLATE_DENIED;
	cycle = offset / pattern.cycle_bytes;
	offset %= pattern.cycle_bytes;
	for (; length && cycle < pattern.cycles; cycle++) {
		for (i = 0; length && i < pattern.count; i++) {
			const uint8_t *entry = pattern.entries + i * MKEY_OCTWORD;
			uint64_t n = pattern.strided ? get_be16(entry + 2) : get_be32(entry);
			uint64_t moved = pattern.strided ? cycle * get_be16(entry) : 0;
			enum xlate_result result;

			if (!walk_spend(walk))
				return XLATE_DENIED;
			account_access(walk->dev, mkey,
				       (entry - mkey->xlt) / MKEY_OCTWORD, 1);
			if (offset >= n) {
				offset -= n;
				continue;
			}
			n -= offset;
			if (n > length)
				n = length;
			result = walk_key(walk, mkey, get_be32(entry + KSM_KEY),
					  get_be64(entry + KSM_ADDRESS) + moved + offset, n,
					  depth + 1);
			if (result != XLATE_OK)
				return result;
			offset = 0;
			length -= n;
		}
		if (offset)
			return XLATE_DENIED;
	}
	return length ? XLATE_DENIED : XLATE_OK;
}

/*
 * Addresses of a key of device memory count from 0; its start is a place in the BAR. UMRs can change
 * it, but not to another allocation.
 */
static enum xlate_result walk_memic(const struct walk *walk, const struct mkey *mkey,
				    uint64_t offset, uint64_t length)
{
	uint8_t *host;

	if (offset > mkey->length || length > mkey->length - offset)
		return XLATE_DENIED;
	account_access(walk->dev, mkey, offset, length);
	host = memic_at(walk->dev, mkey->memic, mkey->start + offset, length);
	return host && sg_add(walk->sg, host, length) ? XLATE_OK : XLATE_DENIED;
}

static enum xlate_result walk_mkey(const struct walk *walk, const struct mkey *mkey,
				   uint64_t address, uint64_t length, unsigned int depth)
{
	if (mkey->mode == MKEY_MEMIC)
		return walk_memic(walk, mkey, address, length);
	if (!walk_within(mkey, address, length))
		return XLATE_DENIED;
	switch (mkey->mode) {
	case MKEY_PA:
		account_access(walk->dev, mkey, address, length);
		return sg_add_guest(walk->dev, walk->sg, address, length, walk->write) ?
			       XLATE_OK :
			       XLATE_DENIED;
	case MKEY_MTT:
		return walk_mtt(walk, mkey, address, length);
	case MKEY_KSM:
		return walk_ksm(walk, mkey, address, length, depth);
	case MKEY_KLM:
		return walk_klm(walk, mkey, address - mkey->start, length, depth);
	case MKEY_MEMIC:
		break;
	}
	return XLATE_DENIED;
}

/*
 * The reason why an indirect key may not refer to this one, or NULL. It does not extend the rights.
 */
static const char *walk_objection(const struct walk *walk, const struct mkey *parent,
				  const struct mkey *mkey, uint32_t key)
{
	const uint8_t *c;

	if (!mkey || mkey->key != key || mkey->free)
		return "which is not in use";
	if (mkey->pd != parent->pd)
		return "of another protection domain";
	if (mkey->qpn != MKEY_QPN_ANY && mkey->qpn != walk->origin->qpn)
		return "of another queue pair";
	c = mkey->context;
	if (walk->write ? !IFC_GET(mkc, c, lw) && !IFC_GET(mkc, c, rw) :
			  !IFC_GET(mkc, c, lr) && !IFC_GET(mkc, c, rr))
		return "without the right to this access";
	return NULL;
}

static enum xlate_result walk_key(const struct walk *walk, const struct mkey *parent, uint32_t key,
				  uint64_t address, uint64_t length, unsigned int depth)
{
	const struct mkey *mkey = mkey_get(walk->dev, key);
	const char *objection;

	if (depth > CAPS_MAX_INDIRECTION)
		return XLATE_DENIED;
	/* a hole in an implicit MR */
	if (key == KEY_NULL)
		return walk_miss(walk, key, address, length);
	objection = walk_objection(walk, parent, mkey, key);
	if (!objection)
		return walk_mkey(walk, mkey, address, length, depth);
	/* other indirect keys belong to users, whose mistakes are not the driver's */
	if (parent->mode == MKEY_KSM)
		strict_report(walk->dev, "mkey %#x: KSM with an entry of key %#x, %s", parent->key,
			      key, objection);
	return XLATE_DENIED;
}

static bool xlate_allowed(const struct mkey *mkey, enum xlate_access access)
{
	const uint8_t *c = mkey->context;

	return (!(access & XLATE_LOCAL_READ) || IFC_GET(mkc, c, lr)) &&
	       (!(access & XLATE_LOCAL_WRITE) || IFC_GET(mkc, c, lw)) &&
	       (!(access & XLATE_REMOTE_READ) || IFC_GET(mkc, c, rr)) &&
	       (!(access & XLATE_REMOTE_WRITE) || IFC_GET(mkc, c, rw)) &&
	       (!(access & XLATE_ATOMIC) || IFC_GET(mkc, c, a));
}

enum xlate_result xlate(struct dev *dev, const struct xlate_origin *origin, uint32_t key,
			uint64_t address, uint64_t length, enum xlate_access access, struct sg *sg,
			struct xlate_miss *miss)
{
	const struct walk walk = {
		.dev = dev,
		.origin = origin,
		.sg = sg,
		.miss = miss,
		.write = access & (XLATE_LOCAL_WRITE | XLATE_REMOTE_WRITE | XLATE_ATOMIC),
	};
	const struct mkey *mkey = mkey_get(dev, key);

	if (!length)
		return XLATE_OK;
	if (key == KEY_NULL)
		return sg_add(sg, NULL, length) ? XLATE_OK : XLATE_DENIED;
	if (!mkey || mkey->key != key || mkey->free || !xlate_allowed(mkey, access) ||
	    (!origin->any_pd && mkey->pd != origin->pd) ||
	    (mkey->qpn != MKEY_QPN_ANY && mkey->qpn != origin->qpn)) {
		trace(dev, "QP %#x: key %#x denied for access %#x", origin->qpn, key, access);
		return XLATE_DENIED;
	}
	return walk_mkey(&walk, mkey, address, length, 0);
}
