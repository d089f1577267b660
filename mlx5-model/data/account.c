// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "data/account.h"

#include "cache/trace.h"
#include "cmd/mkey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct account {
	struct cache *cache;	     /* or NULL */
	struct trace_writer *writer; /* or NULL */
};

/* The second device's trace has a name of its own */
static struct trace_writer *account_create(const struct dev *dev)
{
	struct trace_writer *writer;
	char *path;

	if (asprintf(&path, dev->lid > 1 ? "%s.%u" : "%s", dev->options.record, dev->lid - 1u) < 0)
		return NULL;
	writer = trace_create(path, dev->lid - 1u);
	if (!writer)
		fprintf(stderr, "mlx5: %s: %s\n", path, strerror(errno));
	free(path);
	return writer;
}

bool account_start(struct dev *dev)
{
	const struct dev_options *options = &dev->options;
	struct account *account;

	if (!options->cache && !options->record)
		return true;
	account = calloc(1, sizeof(*account));
	dev->account = account;
	if (account && options->cache)
		account->cache = cache_new(options->cache);
	if (!account || (options->cache && !account->cache)) {
		fprintf(stderr, "mlx5: cache: %s\n", strerror(ENOMEM));
		return false;
	}
	if (options->record)
		account->writer = account_create(dev);
	return !options->record || account->writer;
}

void account_end(struct dev *dev)
{
	struct account *account = dev->account;

	if (!account)
		return;
	dev->account = NULL;
	cache_free(account->cache);
	if (!trace_close(account->writer)) {
		dev->record_lost = true;
		fprintf(stderr, "mlx5_%u: the trace is not complete\n", dev->lid - 1u);
	}
	free(account);
}

static struct cache_key account_describe(const struct mkey *mkey)
{
	static const enum cache_kind kinds[] = {
		[MKEY_PA] = CACHE_FLAT,
		[MKEY_MTT] = CACHE_PAGES,
		[MKEY_KLM] = CACHE_LIST,
		[MKEY_KSM] = CACHE_BLOCKS,
		[MKEY_MEMIC] = CACHE_FLAT,
	};
	struct cache_key key = { .index = mkey->index, .kind = kinds[mkey->mode] };

	if (mkey_has_table(mkey))
		key.entries = mkey->xlt_size / mkey_entry_size(mkey);
	if (mkey->mode == MKEY_MTT || mkey->mode == MKEY_KSM)
		key.shift = mkey->page_shift;
	return key;
}

static void account_count(struct dev *dev)
{
	const struct cache_counts *counts = cache_counts(dev->account->cache);

	dev->stats.cache_mpt_hits = counts->mpt_hits;
	dev->stats.cache_mpt_misses = counts->mpt_misses;
	dev->stats.cache_mpt_evictions = counts->mpt_evictions;
	dev->stats.cache_mpt_invalidated = counts->mpt_invalidated;
	dev->stats.cache_mtt_hits = counts->mtt_hits;
	dev->stats.cache_mtt_misses = counts->mtt_misses;
	dev->stats.cache_mtt_evictions = counts->mtt_evictions;
	dev->stats.cache_mtt_invalidated = counts->mtt_invalidated;
	dev->stats.cache_fetches = counts->fetches;
	dev->stats.cache_wait_ns = counts->wait;
}

static void account_event(struct dev *dev, enum trace_type type, const struct mkey *mkey,
			  uint64_t offset, uint64_t length)
{
	struct trace_event event = { .type = type, .offset = offset, .length = length };

	if (mkey)
		event.key = account_describe(mkey);
	if (dev->account->cache) {
		trace_apply(&event, dev->account->cache);
		account_count(dev);
	}
	if (dev->account->writer)
		trace_add(dev->account->writer, &event);
}

void account_key(struct dev *dev, const struct mkey *mkey)
{
	if (dev->account)
		account_event(dev, TRACE_KEY, mkey, 0, 0);
}

void account_access(struct dev *dev, const struct mkey *mkey, uint64_t offset, uint64_t length)
{
	uint64_t at, n;

	if (!dev->account)
		return;
	for (at = 0; at < length; at += n) {
		n = length - at < CACHE_ACCESS_MAX ? length - at : CACHE_ACCESS_MAX;
		account_event(dev, TRACE_ACCESS, mkey, offset + at, n);
	}
}

void account_written(struct dev *dev, const struct mkey *mkey, uint64_t offset, uint64_t length)
{
	if (dev->account && length)
		account_event(dev, TRACE_WRITTEN, mkey, offset, length);
}

void account_dropped(struct dev *dev, const struct mkey *mkey)
{
	if (dev->account)
		account_event(dev, TRACE_DROPPED, mkey, 0, 0);
}

void account_reset(struct dev *dev)
{
	if (dev->account)
		account_event(dev, TRACE_RESET, NULL, 0, 0);
}
