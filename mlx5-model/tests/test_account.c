// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The device with the option cache: what it counts and records of its translations. */
#include "unit.h"

#include "cache/trace.h"
#include "data/umr.h"
#include "data/xlate.h"
#include "stand.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGES 16

struct fixture {
	struct stand b;
	struct cache_params params;
	struct xlate_origin origin;
	char path[64];
};

static int setup(void **state)
{
	static struct fixture f;
	struct dev_options options = { .strict = true, .cache = &f.params, .record = f.path };
	int fd;

	memset(&f, 0, sizeof(f));
	cache_params_default(&f.params);
	f.params.mtt_sets = 8;
	f.params.mtt_ways = 1;
	snprintf(f.path, sizeof(f.path), "/tmp/mlx5-account.XXXXXX");
	fd = mkstemp(f.path);
	assert_true(fd >= 0);
	close(fd);
	stand_init(&f.b, &options);
	f.origin.pd = f.b.pd;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stand_destroy(&f->b);
	return unlink(f->path);
}

static enum xlate_result look(struct fixture *f, uint32_t key, uint64_t address, uint64_t length)
{
	struct xlate_miss miss;
	struct sg sg = { 0 };
	enum xlate_result result = xlate(&f->b.dev, &f->origin, key, address, length,
					 XLATE_LOCAL_READ, &sg, &miss);

	sg_release(&sg);
	return result;
}

#define COUNTS(hits, misses, evictions, invalidated)                           \
	do {                                                                   \
		assert_int_equal(f->b.dev.stats.cache_mtt_hits, hits);         \
		assert_int_equal(f->b.dev.stats.cache_mtt_misses, misses);     \
		assert_int_equal(f->b.dev.stats.cache_mtt_evictions, evictions); \
		assert_int_equal(f->b.dev.stats.cache_mtt_invalidated, invalidated); \
	} while (0)

static void test_counts(void **state)
{
	struct fixture *f = *state;
	const struct stats *stats = &f->b.dev.stats;
	uint64_t page = stand_alloc(&f->b, PAGES * 4096, 4096);
	uint32_t key = stand_register(&f->b, page, PAGES * 4096, 12, true);

	COUNTS(0, 0, 0, 0);
	assert_int_equal(look(f, key, page, 4 * 4096), XLATE_OK);
	COUNTS(0, 4, 0, 0);
	assert_int_equal(stats->cache_mpt_misses, 1);
	assert_int_equal(stats->cache_mpt_hits, 3);
	assert_int_equal(look(f, key, page, 4 * 4096), XLATE_OK);
	COUNTS(4, 4, 0, 0);
	assert_int_equal(look(f, key, page, PAGES * 4096), XLATE_OK);
	COUNTS(8, 16, 8, 0);
	assert_int_equal(stats->cache_fetches, 17);
	/* refused: no table was read */
	assert_int_equal(look(f, key, page - 1, 1), XLATE_DENIED);
	assert_int_equal(look(f, key + 1, page, 1), XLATE_DENIED);
	COUNTS(8, 16, 8, 0);
	/* without a table only the key is looked up */
	assert_int_equal(look(f, f->b.pa_key, page, 4096), XLATE_OK);
	COUNTS(8, 16, 8, 0);
	assert_int_equal(stats->cache_mpt_misses, 2);
	stand_destroy_object(&f->b, MLX5_CMD_OP_DESTROY_MKEY, key >> 8);
	COUNTS(8, 16, 8, 8);
	assert_int_equal(stats->cache_mpt_invalidated, 1);
}

/* A fault reads the entry that is not there, and none after it */
static void test_fault(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, PAGES * 4096, 4096);
	uint32_t key = stand_register(&f->b, page, PAGES * 4096, 12, false);
	const uint64_t entries[] = { page | 3, (page + 4096) | 3, 0, 0, 0, 0, 0, 0 };

	stand_update(&f->b, key, 0, entries, 8);
	assert_int_equal(look(f, key, page, 5 * 4096), XLATE_FAULT);
	COUNTS(0, 3, 0, 0);
	/* a UMR makes the card read entries and key again */
	stand_update(&f->b, key, 0, entries, 8);
	COUNTS(0, 3, 0, 3);
	assert_int_equal(f->b.dev.stats.cache_mpt_invalidated, 1);
	/* only those that it wrote */
	assert_int_equal(look(f, key, page, 4096), XLATE_OK);
	stand_update(&f->b, key, 8, entries, 8);
	COUNTS(0, 4, 0, 3);
	/* a user takes back the key */
	assert_true(umr_invalidate(&f->b.dev, &f->origin, key));
	assert_int_equal(f->b.dev.stats.cache_mpt_invalidated, 2);
	model_reset(&f->b.dev);
	COUNTS(0, 4, 0, 4);
}

static void test_indirect(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 2 * 4096, 4096);
	uint32_t child = stand_register(&f->b, page, 2 * 4096, 12, true), key;
	uint8_t list[32] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_KSM, .page_shift = 12, .start = 0x1000, .length = 2 * 4096,
		.list = list, .list_length = sizeof(list),
	};

	put_be32(list + 4, child);
	put_be64(list + 8, page);
	put_be32(list + 20, child);
	put_be64(list + 24, page + 4096);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, 0x1800, 4096), XLATE_OK);
	/* two entries of the KSM, two of the pages, and two keys */
	COUNTS(0, 4, 0, 0);
	assert_int_equal(f->b.dev.stats.cache_mpt_misses, 2);
	m = (struct stand_mkey){
		.mode = MKEY_KLM, .length = 30, .list = list, .list_length = sizeof(list),
	};
	put_be32(list, 10);
	put_be32(list + 16, 20);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, 15, 5), XLATE_OK);
	assert_int_equal(f->b.dev.stats.cache_mtt_misses, 6);
	assert_int_equal(f->b.dev.stats.cache_mtt_hits, 1);
}

/* A replay of the trace, with the same cache, has the same counts */
static void test_record(void **state)
{
	struct fixture *f = *state;
	struct stats *stats = &f->b.dev.stats;
	struct trace_reader *reader;
	struct trace_event event;
	struct cache *cache;
	const struct cache_counts *n;
	char error[256] = "";
	int result;

	test_counts(state);
	cache = cache_new(&f->params);
	n = cache_counts(cache);
	stand_destroy(&f->b);
	reader = trace_open(f->path, error, sizeof(error));
	assert_non_null(reader);
	while ((result = trace_next(reader, &event, error, sizeof(error))) == 1)
		trace_apply(&event, cache);
	assert_int_equal(result, 0);
	trace_done(reader);
	assert_int_equal(n->mpt_hits, stats->cache_mpt_hits);
	assert_int_equal(n->mpt_misses, stats->cache_mpt_misses);
	assert_int_equal(n->mtt_hits, stats->cache_mtt_hits);
	assert_int_equal(n->mtt_misses, stats->cache_mtt_misses);
	assert_int_equal(n->mtt_evictions, stats->cache_mtt_evictions);
	assert_int_equal(n->mtt_invalidated, stats->cache_mtt_invalidated);
	assert_int_equal(n->wait, stats->cache_wait_ns);
	cache_free(cache);
	stand_init(&f->b, NULL);
}

/* Without the option nothing is counted */
static void test_off(void **state)
{
	struct fixture *f = *state;
	uint64_t page;

	stand_destroy(&f->b);
	stand_init(&f->b, NULL);
	f->origin.pd = f->b.pd;
	page = stand_alloc(&f->b, 4096, 4096);
	assert_int_equal(look(f, stand_register(&f->b, page, 4096, 12, true), page, 4096),
			 XLATE_OK);
	COUNTS(0, 0, 0, 0);
	assert_int_equal(f->b.dev.stats.cache_mpt_misses, 0);
	assert_null(f->b.dev.account);
}

static void test_no_file(void **state)
{
	struct dev_options options = { .record = "/nonexistent/trace" };
	struct fabric fabric = { 0 };
	struct dev dev;

	(void)state;
	assert_false(model_init(&dev, &fabric, &options));
	options.record = "/dev/full";
	assert_true(model_init(&dev, &fabric, &options));
	model_destroy(&dev);
	assert_true(dev.record_lost);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_counts), TEST(test_fault), TEST(test_indirect),
		TEST(test_record), TEST(test_off), cmocka_unit_test(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
