/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A trace of translations: what a device's caches have seen, so that other caches can be tried on
 * it.
 *
 * The file is a header of 16 bytes and then records of 16 bytes, all of it little-endian:
 *
 *	header	"mlx5xlt1", record size (32 bits, 16), device (32 bits)
 *	record	type (the highest 8 bits) and key index (24), length (32), offset (64)
 *
 *	type		length				offset
 *	1 key		shift + 256 * kind		entries of its table
 *	2 access	bytes, 1 to 2^30		from the start of the key's first page
 *	3 written	bytes of the table, or 0	from the start of the table
 *	4 dropped	0				0
 *	5 reset		0, and key index 0		0
 *
 * A key record describes the key, which is new or has changed: kind is 0 without a table, 1 for
 * pages (entries of 8 bytes), 2 for blocks of other keys, 3 for a list of pieces of other keys
 * (both 16 bytes). An access to a list counts entries instead of bytes. Messages are not in it, nor
 * what they move: an access is the part of a message that one key translates.
 */
#ifndef MLX5_MODEL_CACHE_TRACE_H
#define MLX5_MODEL_CACHE_TRACE_H

#include "cache/cache.h"

#include <stdio.h>

#define TRACE_RECORD 16
#define TRACE_RECORDS_MAX (1ull << 24) /* 256 MiB */

enum trace_type {
	TRACE_KEY = 1,
	TRACE_ACCESS,
	TRACE_WRITTEN,
	TRACE_DROPPED,
	TRACE_RESET,
};

/* key: for TRACE_RESET nothing, for TRACE_KEY the key as it is from now on, else as it was */
struct trace_event {
	enum trace_type type;
	struct cache_key key;
	uint64_t offset, length;
};

struct trace_writer;

/* Makes the file, or returns NULL with errno */
struct trace_writer *trace_create(const char *path, unsigned int device);
/*
 * Adds a record. After TRACE_RECORDS_MAX, or when the file cannot be written, it reports that once
 * to standard error and adds no more.
 */
void trace_add(struct trace_writer *writer, const struct trace_event *event);
/* Returns false if the file could not be written; writer may be NULL */
bool trace_close(struct trace_writer *writer);

/* What the event does to a cache */
void trace_apply(const struct trace_event *event, struct cache *cache);
/* A bound of the lookups that this takes */
uint64_t trace_work(const struct trace_event *event, const struct cache *cache);
/*
 * The event if the pages of the keys had another size, 2^shift bytes. Returns false if a table
 * would have more than CACHE_ENTRIES_MAX entries.
 */
bool trace_repage(struct trace_event *event, unsigned int shift);

struct trace_reader;

/*
 * Opens a file that may be anybody's. Returns NULL, and a sentence in error, if it cannot be read,
 * or its size or its header is not that of a trace.
 */
struct trace_reader *trace_open(const char *path, char *error, size_t size);
/*
 * Returns 1 for an event, 0 at the end, -1 with a sentence in error for a record that is not valid
 */
int trace_next(struct trace_reader *reader, struct trace_event *event, char *error, size_t size);
void trace_done(struct trace_reader *reader);

#endif
