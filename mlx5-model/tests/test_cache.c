// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The model of a card's caches, and the traces and patterns that it is tried on. */
#include "unit.h"

#include "cache/pattern.h"
#include "cache/sets.h"
#include "cache/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct cache_params params(const char *text)
{
	struct cache_params p;
	char error[256] = "";

	if (!cache_params_parse(text, &p, error, sizeof(error)))
		fail_msg("%s: %s", text, error);
	return p;
}

static struct cache *cache(const char *text)
{
	struct cache_params p = params(text);
	struct cache *c = cache_new(&p);

	assert_non_null(c);
	return c;
}

static void test_params(void **state)
{
	static const char *const wrong[] = {
		"", ":", "mtt", "mtt=", "mtt=8", "mtt=8x", "mtt=x8", "mtt=8x8x8", "mtt=8x8:",
		"mtt=8x8,miss=5", "mtt=7x8", "mtt=0x8", "mtt=8x0", "mtt=8x65", "mtt=2097152x1",
		"mtt=1048576x64", "mtt=-8x8", "mtt=8 x8", "mtt= 8x8", "mpt=8", "mpt=0x8x1",
		"line=4", "line=24", "line=8192", "line=0x8", "packet=128", "packet=131072",
		"miss=100001", "miss=-1", "miss=1e3", "outstanding=0", "outstanding=1025",
		"outstanding=99999999999999999999999", "base=1000001", "gap=", "link=0",
		"link=18446744073709551617", "deep=1099511627777", "deep=x", "default:miss=1",
		"defaults", "MTT=8x8", "abcdefghijklmnopqrstuvwxyz=1", "ways=8", "=1", "mtt=8x8::",
		"miss=5x", "miss=5 ", "deep=1:",
	};
	struct cache_params p = params("default"), q;
	char text[CACHE_PARAMS_TEXT], again[CACHE_PARAMS_TEXT], error[256];
	size_t i;

	(void)state;
	assert_int_equal(cache_params_entries(&p), 65536);
	p = params("mpt=1x1:mtt=16x3:line=64:packet=256:miss=0:outstanding=1024:base=1:gap=2:"
		   "link=400:deep=0");
	assert_int_equal(cache_params_entries(&p), 16 * 3 * 8);
	assert_int_equal(p.mpt_sets, 1);
	assert_int_equal(p.link, 400);
	assert_int_equal(p.deep, 0);
	/* what is printed is read again */
	cache_params_print(&p, text);
	q = params(text);
	cache_params_print(&q, again);
	assert_string_equal(text, again);
	q = params("mtt=1048576x4:mpt=1048576x1:line=4096:packet=65536:miss=100000:base=1000000:"
		   "gap=100000:link=10000:deep=1099511627776");
	cache_params_print(&q, text);
	assert_true(strlen(text) < CACHE_PARAMS_TEXT - 1);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		error[0] = '\0';
		if (cache_params_parse(wrong[i], &p, error, sizeof(error)))
			fail_msg("'%s' is accepted", wrong[i]);
		assert_true(strlen(error) > 10);
	}
	/* a short buffer is not overrun */
	assert_false(cache_params_parse("ways=8", &p, error, 4));
	assert_string_equal(error, "unk");
}

static void test_sets(void **state)
{
	struct sets s;

	(void)state;
	assert_true(sets_init(&s, 2, 2));
	assert_int_equal(sets_use(&s, 0, 10), SETS_MISS);
	assert_int_equal(sets_use(&s, 2, 12), SETS_MISS);
	assert_int_equal(sets_use(&s, 1, 11), SETS_MISS);
	assert_int_equal(sets_use(&s, 0, 10), SETS_HIT);
	/* 12 was used less recently than 10 */
	assert_int_equal(sets_use(&s, 4, 14), SETS_EVICTION);
	assert_int_equal(sets_use(&s, 0, 10), SETS_HIT);
	assert_int_equal(sets_use(&s, 2, 12), SETS_EVICTION);
	assert_int_equal(s.held, 3);
	/* a dropped tag makes room without an eviction */
	assert_true(sets_drop(&s, 0, 10));
	assert_false(sets_drop(&s, 0, 10));
	assert_int_equal(s.held, 2);
	assert_int_equal(sets_use(&s, 2, 12), SETS_HIT);
	assert_int_equal(sets_use(&s, 0, 16), SETS_MISS);
	assert_int_equal(sets_drop_range(&s, 12, 15), 1);
	assert_int_equal(sets_use(&s, 0, 16), SETS_HIT);
	assert_int_equal(sets_use(&s, 1, 11), SETS_HIT);
	assert_int_equal(s.held, 2);
	sets_release(&s);
}

#define SMALL "mpt=4x1:mtt=4x2:line=8:miss=100:outstanding=2:base=1000:link=8:deep=0"

static void test_counts(void **state)
{
	struct cache_key a = { .index = 16, .kind = CACHE_PAGES, .shift = 12, .entries = 64 };
	struct cache_params p = params(SMALL);
	struct cache *c = cache(SMALL);
	const struct cache_counts *n = cache_counts(c);
	struct cache_figures f;

	(void)state;
	cache_access(c, &a, 4096 - 8, 16);
	assert_int_equal(n->packets, 1);
	assert_int_equal(n->bytes, 16);
	assert_int_equal(n->mpt_misses, 1);
	assert_int_equal(n->mtt_misses, 2);
	/* the key, and after it both entries at the same time: 3 fetches, 2 rounds */
	assert_int_equal(n->fetches, 3);
	assert_int_equal(n->wait, 200);
	/* 16 bytes at 8 Gbit/s are 16 ns, the fetches 3 * 100 / 2 */
	cache_figure(&p, n, &f);
	assert_int_equal(f.time, 150000);
	assert_int_equal(f.latency, 1000000 + 16000 + 200000);
	assert_int_equal(f.rate, 16ull * 1000000000 / 150000);

	cache_access(c, &a, 0, 3 * 4096);
	assert_int_equal(n->accesses, 2);
	assert_int_equal(n->packets, 4);
	assert_int_equal(n->mpt_hits, 3);
	assert_int_equal(n->mtt_hits, 2);
	assert_int_equal(n->mtt_misses, 3);
	/* 8 lines: entries 0 to 7 fit, and each of 8 more takes the place of one */
	cache_access(c, &a, 3 * 4096, 5 * 4096);
	assert_int_equal(n->mtt_evictions, 0);
	cache_access(c, &a, 8 * 4096, 8 * 4096);
	assert_int_equal(n->mtt_misses, 16);
	assert_int_equal(n->mtt_evictions, 8);
	/* beyond the table, nothing, or too much: no access */
	cache_access(c, &a, 63 * 4096, 4097);
	cache_access(c, &a, UINT64_MAX, 2);
	cache_access(c, &a, 0, 0);
	cache_access(c, &a, 0, CACHE_ACCESS_MAX + 1);
	assert_int_equal(n->accesses, 4);
	cache_forget_counts(c);
	cache_access(c, &a, 15 * 4096, 1);
	assert_int_equal(n->mtt_hits, 1);
	cache_figure(&p, &(struct cache_counts){ 0 }, &f);
	assert_int_equal(f.latency + f.time + f.rate, 0);
	cache_free(c);
	cache_free(NULL);
}

static void test_invalidation(void **state)
{
	struct cache_key a = { .index = 16, .kind = CACHE_PAGES, .shift = 12, .entries = 8 };
	struct cache_key b = { .index = 17, .kind = CACHE_PAGES, .shift = 12, .entries = 4 };
	struct cache_key flat = { .index = 18 };
	struct cache *c = cache("mpt=4x2:mtt=64x2:line=16:deep=0");
	const struct cache_counts *n = cache_counts(c);

	(void)state;
	cache_access(c, &a, 0, 8 * 4096);
	cache_access(c, &b, 0, 4 * 4096);
	cache_access(c, &flat, 0xfffffffffffff000, 4096);
	assert_int_equal(n->mtt_misses, 6);
	assert_int_equal(n->mpt_misses, 3);
	/* a line has two entries, and is invalid as a whole; the key is not */
	cache_written(c, &a, 8, 8);
	assert_int_equal(n->mtt_invalidated, 1);
	assert_int_equal(n->mpt_invalidated, 0);
	cache_written(c, &a, 8, 0);
	cache_written(c, &a, 64, 8);
	cache_written(c, &flat, 0, 64);
	assert_int_equal(n->mtt_invalidated, 1);
	/* the driver's units may end after the table */
	cache_written(c, &a, 48, UINT64_MAX);
	assert_int_equal(n->mtt_invalidated, 2);
	cache_changed(c, &a);
	cache_changed(c, &a);
	assert_int_equal(n->mpt_invalidated, 1);
	cache_access(c, &a, 0, 1);
	assert_int_equal(n->mtt_misses, 7);
	assert_int_equal(n->mpt_misses, 4);
	cache_dropped(c, &a);
	assert_int_equal(n->mtt_invalidated, 5);
	assert_int_equal(n->mpt_invalidated, 2);
	/* the other key is still there */
	cache_access(c, &b, 0, 4 * 4096);
	assert_int_equal(n->mtt_misses, 7);
	cache_reset(c);
	assert_int_equal(n->mtt_invalidated, 7);
	assert_int_equal(n->mpt_invalidated, 4);
	cache_free(c);
}

/* Both ways of dropping the lines of a key: one by one, and through the cache */
static void test_drop_long(void **state)
{
	struct cache_key a = { .index = 16, .kind = CACHE_PAGES, .shift = 12, .entries = 1 << 20 };
	struct cache_key b = { .index = 0xffffff, .kind = CACHE_BLOCKS, .shift = 12,
			       .entries = CACHE_ENTRIES_MAX };
	struct cache *c = cache("mtt=64x2");
	const struct cache_counts *n = cache_counts(c);

	(void)state;
	cache_access(c, &b, (CACHE_ENTRIES_MAX << 12) - 4096, 4096);
	cache_access(c, &a, 5 << 12, 20 << 12);
	cache_written(c, &a, 5 * 8, 10 * 8);
	assert_int_equal(n->mtt_invalidated, 10);
	cache_dropped(c, &a);
	assert_int_equal(n->mtt_invalidated, 20);
	cache_dropped(c, &b);
	assert_int_equal(n->mtt_invalidated, 21);
	cache_free(c);
}

static void test_kinds(void **state)
{
	struct cache_key blocks = { .index = 20, .kind = CACHE_BLOCKS, .shift = 21, .entries = 8 };
	struct cache_key list = { .index = 21, .kind = CACHE_LIST, .entries = 8 };
	struct cache_key deep = { .index = 22, .kind = CACHE_PAGES, .shift = 12, .entries = 101 };
	struct cache *c = cache("packet=4096:line=64:deep=100:outstanding=1:miss=10");
	const struct cache_counts *n = cache_counts(c);

	(void)state;
	/* entries of 16 bytes, four in a line; what they move is not theirs */
	cache_access(c, &blocks, 0, 5 << 21);
	assert_int_equal(n->mtt_misses, 2);
	assert_int_equal(n->bytes, 0);
	assert_int_equal(n->accesses, 0);
	cache_access(c, &list, 3, 2);
	assert_int_equal(n->mtt_misses, 4);
	assert_int_equal(n->mpt_misses, 2);
	cache_access(c, &list, 7, 2);
	assert_int_equal(n->mtt_misses, 4);
	/* a table above the limit costs two fetches, one after the other */
	cache_forget_counts(c);
	cache_access(c, &deep, 0, 8);
	assert_int_equal(n->fetches, 3);
	assert_int_equal(n->wait, 30);
	deep.index = 23;
	deep.entries = 100;
	cache_access(c, &deep, 0, 8);
	assert_int_equal(n->fetches, 5);
	cache_free(c);
}

static void scratch(char path[64])
{
	int fd;

	snprintf(path, 64, "/tmp/mlx5-trace.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
}

static const struct trace_event events[] = {
	{ .type = TRACE_KEY, .key = { 16, CACHE_PAGES, 12, 64 } },
	{ .type = TRACE_KEY, .key = { 0xffffff, CACHE_BLOCKS, 63, CACHE_ENTRIES_MAX } },
	{ .type = TRACE_KEY, .key = { 5, CACHE_LIST, 0, 3 } },
	{ .type = TRACE_KEY, .key = { 6, CACHE_FLAT, 0, 0 } },
	{ .type = TRACE_ACCESS, .key = { 16, CACHE_PAGES, 12, 64 }, .length = 64 * 4096 },
	{ .type = TRACE_ACCESS, .key = { 5, CACHE_LIST, 0, 3 }, .offset = 2, .length = 1 },
	{ .type = TRACE_ACCESS, .key = { 6, CACHE_FLAT, 0, 0 }, .offset = UINT64_MAX, .length = 1 },
	{ .type = TRACE_WRITTEN, .key = { 16, CACHE_PAGES, 12, 64 }, .offset = 64, .length = 64 },
	{ .type = TRACE_DROPPED, .key = { 16, CACHE_PAGES, 12, 64 } },
	{ .type = TRACE_KEY, .key = { 16, CACHE_PAGES, 21, 2 } },
	{ .type = TRACE_RESET },
};

#define EVENTS (sizeof(events) / sizeof(*events))

static void write_events(const char *path)
{
	struct trace_writer *writer = trace_create(path, 1);
	size_t i;

	assert_non_null(writer);
	for (i = 0; i < EVENTS; i++)
		trace_add(writer, &events[i]);
	assert_true(trace_close(writer));
}

static void test_trace(void **state)
{
	struct trace_reader *reader;
	struct trace_event event;
	char path[64], error[256];
	uint8_t head[32];
	FILE *file;
	size_t i;

	(void)state;
	scratch(path);
	write_events(path);
	reader = trace_open(path, error, sizeof(error));
	assert_non_null(reader);
	for (i = 0; i < EVENTS; i++) {
		assert_int_equal(trace_next(reader, &event, error, sizeof(error)), 1);
		assert_int_equal(event.type, events[i].type);
		assert_int_equal(event.key.index, events[i].key.index);
		assert_int_equal(event.key.kind, events[i].key.kind);
		assert_int_equal(event.key.shift, events[i].key.shift);
		assert_int_equal(event.key.entries, events[i].key.entries);
		if (event.type == TRACE_KEY)
			continue;
		assert_int_equal(event.offset, events[i].offset);
		assert_int_equal(event.length, events[i].length);
	}
	assert_int_equal(trace_next(reader, &event, error, sizeof(error)), 0);
	trace_done(reader);
	/* the documented bytes, the same on all machines */
	file = fopen(path, "r");
	assert_int_equal(fread(head, 1, sizeof(head), file), sizeof(head));
	fclose(file);
	assert_memory_equal(head,
			    "mlx5xlt1\x10\0\0\0\1\0\0\0"
			    "\x10\0\0\1\x0c\1\0\0\x40\0\0\0\0\0\0\0", 32);
	unlink(path);
	assert_null(trace_create("/nonexistent/trace", 0));
	assert_null(trace_open("/nonexistent/trace", error, sizeof(error)));
	trace_done(NULL);
	assert_true(trace_close(NULL));
}

static void test_trace_full_disk(void **state)
{
	struct trace_writer *writer = trace_create("/dev/full", 0);
	size_t i;

	(void)state;
	assert_non_null(writer);
	for (i = 0; i < 10000; i++)
		trace_add(writer, &events[0]);
	assert_false(trace_close(writer));
}

/* Returns what reading all of it gives, and the sentence */
static int read_bytes(const void *bytes, size_t size, char error[256])
{
	struct trace_reader *reader;
	struct trace_event event;
	char path[64];
	FILE *file;
	int result;

	scratch(path);
	file = fopen(path, "w");
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
	error[0] = '\0';
	reader = trace_open(path, error, 256);
	unlink(path);
	if (!reader)
		return -2;
	while ((result = trace_next(reader, &event, error, 256)) == 1)
		;
	trace_done(reader);
	return result;
}

static void put_record(uint8_t *at, uint32_t head, uint32_t length, uint64_t offset)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		at[i] = head >> 8 * i;
	for (i = 0; i < 4; i++)
		at[4 + i] = length >> 8 * i;
	for (i = 0; i < 8; i++)
		at[8 + i] = offset >> 8 * i;
}

#define NO_ACCESS "is an access of nothing or beyond the table"
#define NO_KEY "is of a key that no record before describes"

static void test_trace_broken(void **state)
{
	static const struct {
		uint32_t head, length;
		uint64_t offset;
		const char *sentence;
	} broken[] = {
		{ 0, 0, 0, "has an unknown type" },
		{ 6u << 24, 0, 0, "has an unknown type" },
		{ 255u << 24, 0, 0, "has an unknown type" },
		{ 1u << 24, 4 << 8, 1, "describes a key that cannot be" },
		{ 1u << 24, 1 << 8 | 64, 1, "describes a key that cannot be" },
		{ 1u << 24, 1u << 31, 1, "describes a key that cannot be" },
		{ 1u << 24, 1 << 8, CACHE_ENTRIES_MAX + 1, "describes a key that cannot be" },
		{ 1u << 24, 3 << 8 | 1, 1, "describes a key that cannot be" },
		{ 1u << 24, 0, 1, "describes a key that cannot be" },
		{ 2u << 24 | 16, 0, 0, NO_ACCESS },
		{ 2u << 24 | 16, 2, 64 * 4096 - 1, NO_ACCESS },
		{ 2u << 24 | 16, 2, UINT64_MAX, NO_ACCESS },
		{ 2u << 24 | 16, (1u << 30) + 1, 0, NO_ACCESS },
		{ 2u << 24 | 17, 1, 0, NO_KEY },
		{ 2u << 24 | 0xffffff, 1, 0, NO_KEY },
		{ 3u << 24 | 17, 1, 0, NO_KEY },
		{ 4u << 24 | 17, 0, 0, NO_KEY },
		{ 4u << 24 | 16, 1, 0, "has values that have to be 0" },
		{ 5u << 24 | 16, 0, 0, "has values that have to be 0" },
		{ 5u << 24, 0, 1, "has values that have to be 0" },
	};
	uint8_t bytes[48] = "mlx5xlt1\x10";
	char error[256];
	size_t i;

	(void)state;
	put_record(bytes + 16, 1u << 24 | 16, 1 << 8 | 12, 64);
	for (i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		put_record(bytes + 32, broken[i].head, broken[i].length, broken[i].offset);
		assert_int_equal(read_bytes(bytes, sizeof(bytes), error), -1);
		assert_memory_equal(error, "record 2 ", 9);
		assert_string_equal(error + 9, broken[i].sentence);
	}
	/* a key that is gone, or that was there before the reset */
	put_record(bytes + 16, 5u << 24, 0, 0);
	put_record(bytes + 32, 2u << 24 | 16, 1, 0);
	assert_int_equal(read_bytes(bytes, sizeof(bytes), error), -1);
	/* sizes and headers */
	assert_int_equal(read_bytes(bytes, 16, error), 0);
	assert_int_equal(read_bytes(bytes, 0, error), -2);
	assert_string_equal(error, "has 0 bytes, not a multiple of 16");
	assert_int_equal(read_bytes(bytes, 33, error), -2);
	bytes[8] = 17;
	assert_int_equal(read_bytes(bytes, 32, error), -2);
	assert_string_equal(error, "is not a trace of translations");
	bytes[8] = 16;
	bytes[0] = 'M';
	assert_int_equal(read_bytes(bytes, 32, error), -2);
	assert_null(trace_open("/dev/zero", error, sizeof(error)));
	assert_string_equal(error, "is not a regular file");
	assert_null(trace_open("/", error, sizeof(error)));
}

static void test_trace_long(void **state)
{
	char path[64], error[256];

	(void)state;
	scratch(path);
	assert_int_equal(truncate(path, (TRACE_RECORDS_MAX + 2) * TRACE_RECORD), 0);
	assert_null(trace_open(path, error, sizeof(error)));
	assert_string_equal(error, "has more than 16777216 records");
	unlink(path);
}

/* A byte of a record: of few keys, of known types, and small more often than not */
static uint8_t likely(unsigned int at, uint64_t random)
{
	uint8_t byte = random >> 56;
	bool rare = !(random >> 40 & 7);

	switch (at) {
	case 0:
		return byte & 3;
	case 3:
		return byte % 7;
	case 4:
	case 8:
		return byte;
	case 5:
		return byte & 3;
	}
	return rare ? byte : 0;
}

/*
 * Any bytes are either read or refused with a sentence, and never make a cache do more than is
 * bounded
 */
static void test_trace_random(void **state)
{
	struct cache *c = cache("mtt=16x2:mpt=4x1");
	uint8_t bytes[16 * 17] = "mlx5xlt1\x10";
	struct trace_reader *reader;
	struct trace_event event;
	char path[64], error[256];
	unsigned int i, round;
	uint64_t random = 0x5eed;
	FILE *file;
	int result;

	(void)state;
	scratch(path);
	for (round = 0; round < 300; round++) {
		for (i = 16; i < sizeof(bytes); i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			bytes[i] = likely(i % TRACE_RECORD, random);
		}
		put_record(bytes + 16, 1u << 24 | (round & 3), 1 << 8 | (12 + round % 40), 1000);
		file = fopen(path, "w");
		assert_int_equal(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
		fclose(file);
		reader = trace_open(path, error, sizeof(error));
		assert_non_null(reader);
		while ((result = trace_next(reader, &event, error, sizeof(error))) == 1) {
			if (trace_repage(&event, 12 + round % 19) &&
			    trace_work(&event, c) < 1 << 16)
				trace_apply(&event, c);
		}
		trace_done(reader);
		assert_true(result == 0 || strlen(error) > 10);
	}
	assert_true(cache_counts(c)->mtt_misses > 0);
	cache_free(c);
	unlink(path);
}

static void test_repage(void **state)
{
	struct trace_event key = { .type = TRACE_KEY, .key = { 16, CACHE_PAGES, 12, 513 } };
	struct trace_event written = { .type = TRACE_WRITTEN, .key = { 16, CACHE_PAGES, 12, 513 },
				       .offset = 511 * 8, .length = 64 };
	struct trace_event blocks = { .type = TRACE_KEY, .key = { 16, CACHE_BLOCKS, 28, 4 } };

	(void)state;
	assert_true(trace_repage(&key, 21));
	assert_int_equal(key.key.entries, 2);
	assert_int_equal(key.key.shift, 21);
	assert_true(trace_repage(&key, 12));
	assert_int_equal(key.key.entries, 1024);
	key.key.entries = CACHE_ENTRIES_MAX;
	key.key.shift = 13;
	assert_false(trace_repage(&key, 12));
	assert_true(trace_repage(&key, 13));
	/* pages 511 and 512 are in both of the huge ones */
	assert_true(trace_repage(&written, 21));
	assert_int_equal(written.offset, 0);
	assert_int_equal(written.length, 16);
	assert_true(trace_repage(&written, 20));
	assert_int_equal(written.offset, 0);
	assert_int_equal(written.length, 32);
	written.offset = UINT64_MAX;
	assert_true(trace_repage(&written, 30));
	assert_int_equal(written.length, 0);
	/* only pages of memory change their size */
	assert_true(trace_repage(&blocks, 12));
	assert_int_equal(blocks.key.shift, 28);
}

static struct pattern pattern(enum pattern_kind kind)
{
	return (struct pattern){
		.kind = kind, .memory = 10 << 20, .message = 4096, .passes = 1, .count = 5000,
		.seed = 7, .shift = 12,
	};
}

/* Also that each access is of a key that came first, and within it */
static uint64_t pattern_hash(struct pattern p)
{
	struct trace_event event, keys[16];
	uint64_t hash = 0, accesses = 0;
	unsigned int count = 0;

	assert_null(pattern_start(&p));
	while (pattern_next(&p, &event)) {
		if (event.type == TRACE_KEY) {
			assert_int_equal(event.key.index, 16 + count);
			keys[count++] = event;
			continue;
		}
		assert_true(event.key.index - 16 < count);
		assert_int_equal(event.key.entries, keys[event.key.index - 16].key.entries);
		assert_true(cache_covers(&event.key, event.offset, event.length));
		hash = (hash ^ event.offset ^ event.key.index) * 0x100000001b3;
		accesses++;
	}
	assert_int_equal(accesses, p.count);
	return hash;
}

static void test_pattern(void **state)
{
	/*
	 * two passes over the first slice, then two over the second and over the last, a shorter
	 * one
	 */
	static const unsigned int places[][2] = {
		{ 0, 0 }, { 0, 1 }, { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 },
		{ 1, 0 }, { 1, 1 }, { 2, 0 }, { 2, 0 }, { 0, 0 }, { 0, 1 },
	};
	struct pattern p = pattern(PATTERN_UNIFORM), q;
	enum pattern_kind kind;
	struct trace_event event;
	size_t i;

	(void)state;
	for (kind = PATTERN_UNIFORM; kind <= PATTERN_KV; kind++) {
		p = pattern(kind);
		p.slice = 3 << 20;
		q = p;
		q.seed = 8;
		assert_true(pattern_hash(p) == pattern_hash(p));
		assert_int_equal(pattern_hash(p) == pattern_hash(q), kind == PATTERN_SEQUENTIAL);
		q.slice = 0;
		pattern_hash(q);
	}
	p = pattern(PATTERN_SEQUENTIAL);
	p.memory = 5 * 4096;
	p.slice = 2 * 4096;
	p.passes = 2;
	p.count = 12;
	assert_null(pattern_start(&p));
	while (pattern_next(&p, &event) && event.type == TRACE_KEY)
		;
	for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
		assert_int_equal(event.key.index, 16 + places[i][0]);
		assert_int_equal(event.offset, places[i][1] * 4096);
		assert_int_equal(pattern_next(&p, &event), i + 1 < p.count);
	}
	assert_true(pattern_parse("kv", &kind) && kind == PATTERN_KV);
	assert_false(pattern_parse("KV", &kind));
}

static void test_pattern_limits(void **state)
{
	struct pattern p;

	(void)state;
#define REFUSED(change)                             \
	do {                                        \
		p = pattern(PATTERN_UNIFORM);       \
		change;                             \
		assert_non_null(pattern_start(&p)); \
	} while (0)
	REFUSED(p.message = 0);
	REFUSED(p.message = 7);
	REFUSED(p.message = PATTERN_MESSAGE_MAX + 1);
	REFUSED(p.memory = 0);
	REFUSED(p.memory = 4095);
	REFUSED(p.memory = 4097);
	REFUSED(p.memory = PATTERN_MEMORY_MAX + 4096);
	REFUSED(p.slice = 1);
	REFUSED(p.slice = 4096; p.memory = 65537ull * 4096);
	REFUSED(p.count = 0);
	REFUSED(p.count = PATTERN_COUNT_MAX + 1);
	REFUSED(p.seed = 0);
	REFUSED(p.shift = 11);
	REFUSED(p.shift = 31);
	REFUSED(p.passes = 0);
	REFUSED(p.passes = 2);
	REFUSED(p.kind = PATTERN_SEQUENTIAL; p.passes = PATTERN_PASSES_MAX + 1);
	REFUSED(p.kind = PATTERN_KV; p.memory = 159 * 4096);
	/* the extremes */
	p = pattern(PATTERN_SEQUENTIAL);
	p.memory = PATTERN_MEMORY_MAX;
	p.message = 8;
	p.passes = PATTERN_PASSES_MAX;
	pattern_hash(p);
	p = pattern(PATTERN_KV);
	p.memory = 160 * 4096;
	pattern_hash(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_params),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_invalidation),
		cmocka_unit_test(test_drop_long),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_trace_full_disk),
		cmocka_unit_test(test_trace_broken),
		cmocka_unit_test(test_trace_long),
		cmocka_unit_test(test_trace_random),
		cmocka_unit_test(test_repage),
		cmocka_unit_test(test_pattern),
		cmocka_unit_test(test_pattern_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
