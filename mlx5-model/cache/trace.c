// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cache/trace.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC "mlx5xlt1"
#define INDEX_MASK ((1u << CACHE_INDEX_BITS) - 1)
#define KIND_SHIFT 8
#define SHIFT_MAX 63u

/* Keys are found in two steps, so that memory is only used where there are some */
#define CHUNK_BITS 12
#define CHUNK (1u << CHUNK_BITS)
#define CHUNKS (1u << (CACHE_INDEX_BITS - CHUNK_BITS))

struct trace_writer {
	FILE *file;
	uint64_t records;
	bool stopped;
	bool failed;
};

struct known_key {
	uint64_t entries;
	uint8_t shift;
	uint8_t kind;
	bool known;
};

struct trace_reader {
	FILE *file;
	uint64_t record; /* the number of the last one, from 1 */
	struct known_key *chunks[CHUNKS];
};

static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint32_t take32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static uint64_t take64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

struct trace_writer *trace_create(const char *path, unsigned int device)
{
	struct trace_writer *writer = calloc(1, sizeof(*writer));
	uint8_t header[TRACE_RECORD] = MAGIC;

	if (!writer)
		return NULL;
	writer->file = fopen(path, "wbe");
	if (!writer->file) {
		free(writer);
		return NULL;
	}
	put32(header + 8, TRACE_RECORD);
	put32(header + 12, device);
	writer->failed = fwrite(header, sizeof(header), 1, writer->file) != 1;
	writer->stopped = writer->failed;
	return writer;
}

static void trace_stop(struct trace_writer *writer, const char *why)
{
	writer->stopped = true;
	fprintf(stderr, "mlx5: no more of the trace is recorded: %s\n", why);
}

void trace_add(struct trace_writer *writer, const struct trace_event *event)
{
	uint8_t record[TRACE_RECORD];
	uint64_t offset = event->offset, length = event->length;

	if (writer->stopped)
		return;
	if (writer->records == TRACE_RECORDS_MAX) {
		trace_stop(writer, "it has as many records as a trace may have");
		return;
	}
	if (event->type == TRACE_KEY) {
		length = event->key.shift | (uint32_t)event->key.kind << KIND_SHIFT;
		offset = event->key.entries;
	}
	put32(record, (uint32_t)event->type << CACHE_INDEX_BITS | event->key.index);
	put32(record + 4, length);
	put64(record + 8, offset);
	if (fwrite(record, sizeof(record), 1, writer->file) != 1) {
		writer->failed = true;
		trace_stop(writer, strerror(errno));
	}
	writer->records++;
}

bool trace_close(struct trace_writer *writer)
{
	bool good;

	if (!writer)
		return true;
	good = !fclose(writer->file) && !writer->failed;
	free(writer);
	return good;
}

void trace_apply(const struct trace_event *event, struct cache *cache)
{
	switch (event->type) {
	case TRACE_KEY:
		cache_changed(cache, &event->key);
		break;
	case TRACE_ACCESS:
		cache_access(cache, &event->key, event->offset, event->length);
		break;
	case TRACE_WRITTEN:
		cache_written(cache, &event->key, event->offset, event->length);
		break;
	case TRACE_DROPPED:
		cache_dropped(cache, &event->key);
		break;
	case TRACE_RESET:
		cache_reset(cache);
		break;
	}
}

uint64_t trace_work(const struct trace_event *event, const struct cache *cache)
{
	switch (event->type) {
	case TRACE_KEY:
		return 1;
	case TRACE_ACCESS:
		return cache_work(cache, &event->key, event->length);
	case TRACE_WRITTEN:
	case TRACE_DROPPED:
	case TRACE_RESET:
		break;
	}
	return cache_lines(cache);
}

/* The range of bytes of the table that has these bytes' translations */
static void repage_written(struct trace_event *event, unsigned int shift)
{
	uint64_t first = event->offset / sizeof(uint64_t);
	uint64_t last = event->offset / sizeof(uint64_t) + event->length / sizeof(uint64_t);
	unsigned int old = event->key.shift;

	if (first >= event->key.entries)
		first = last = event->key.entries;
	if (last > event->key.entries)
		last = event->key.entries;
	if (shift < old) {
		first <<= old - shift;
		last <<= old - shift;
	} else {
		last = (last >> (shift - old)) + (last > first);
		first >>= shift - old;
	}
	event->offset = first * sizeof(uint64_t);
	event->length = (last - first) * sizeof(uint64_t);
}

bool trace_repage(struct trace_event *event, unsigned int shift)
{
	unsigned int old = event->key.shift;
	uint64_t entries = event->key.entries;

	if (event->type == TRACE_RESET || event->key.kind != CACHE_PAGES)
		return true;
	if (shift < old && entries > CACHE_ENTRIES_MAX >> (old - shift))
		return false;
	if (event->type == TRACE_WRITTEN)
		repage_written(event, shift);
	event->key.shift = shift;
	if (shift < old)
		event->key.entries = entries << (old - shift);
	else
		event->key.entries = (entries >> (shift - old)) +
				     !!(entries & ((1ull << (shift - old)) - 1));
	return true;
}

__attribute__((format(printf, 3, 4))) static void *refuse(char *error, size_t size,
							  const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, size, format, arguments);
	va_end(arguments);
	return NULL;
}

static FILE *open_checked(const char *path, char *error, size_t size)
{
	uint8_t header[TRACE_RECORD];
	FILE *file = fopen(path, "rbe");
	struct stat status;

	if (!file)
		return refuse(error, size, "cannot be opened: %s", strerror(errno));
	if (fstat(fileno(file), &status) || !S_ISREG(status.st_mode))
		refuse(error, size, "is not a regular file");
	else if (status.st_size < TRACE_RECORD || status.st_size % TRACE_RECORD)
		refuse(error, size, "has %jd bytes, not a multiple of %d", (intmax_t)status.st_size,
		       TRACE_RECORD);
	else if ((uint64_t)status.st_size / TRACE_RECORD - 1 > TRACE_RECORDS_MAX)
		refuse(error, size, "has more than %llu records", TRACE_RECORDS_MAX);
	else if (fread(header, sizeof(header), 1, file) != 1)
		refuse(error, size, "cannot be read");
	else if (memcmp(header, MAGIC, 8) || take32(header + 8) != TRACE_RECORD)
		refuse(error, size, "is not a trace of translations");
	else
		return file;
	fclose(file);
	return NULL;
}

struct trace_reader *trace_open(const char *path, char *error, size_t size)
{
	FILE *file = open_checked(path, error, size);
	struct trace_reader *reader;

	if (!file)
		return NULL;
	reader = calloc(1, sizeof(*reader));
	if (!reader) {
		fclose(file);
		return refuse(error, size, "cannot be read: %s", strerror(ENOMEM));
	}
	reader->file = file;
	return reader;
}

void trace_done(struct trace_reader *reader)
{
	size_t i;

	if (!reader)
		return;
	for (i = 0; i < CHUNKS; i++)
		free(reader->chunks[i]);
	fclose(reader->file);
	free(reader);
}

static int invalid(const struct trace_reader *reader, char *error, size_t size, const char *what)
{
	refuse(error, size, "record %" PRIu64 " %s", reader->record, what);
	return -1;
}

/* NULL without memory, or if the key is not known and need not be added */
static struct known_key *known_at(struct trace_reader *reader, uint32_t index, bool add)
{
	struct known_key **chunk = &reader->chunks[index >> CHUNK_BITS];

	if (!*chunk && add)
		*chunk = calloc(CHUNK, sizeof(**chunk));
	return *chunk ? &(*chunk)[index & (CHUNK - 1)] : NULL;
}

static int read_key(struct trace_reader *reader, struct trace_event *event, char *error,
		    size_t size)
{
	uint32_t shift = event->length & ((1u << KIND_SHIFT) - 1);
	uint64_t kind = event->length >> KIND_SHIFT;
	struct known_key *known;

	if (kind > CACHE_LIST || shift > SHIFT_MAX || event->offset > CACHE_ENTRIES_MAX ||
	    (kind == CACHE_LIST && shift) || (kind == CACHE_FLAT && event->offset))
		return invalid(reader, error, size, "describes a key that cannot be");
	known = known_at(reader, event->key.index, true);
	if (!known)
		return invalid(reader, error, size, "cannot be read: out of memory");
	known->known = true;
	known->kind = kind;
	known->shift = shift;
	known->entries = event->offset;
	event->key.kind = kind;
	event->key.shift = shift;
	event->key.entries = event->offset;
	return 1;
}

static int read_of_key(struct trace_reader *reader, struct trace_event *event, char *error,
		       size_t size)
{
	struct known_key *known = known_at(reader, event->key.index, false);

	if (!known || !known->known)
		return invalid(reader, error, size, "is of a key that no record before describes");
	event->key.kind = known->kind;
	event->key.shift = known->shift;
	event->key.entries = known->entries;
	if (event->type == TRACE_ACCESS && !cache_covers(&event->key, event->offset, event->length))
		return invalid(reader, error, size, "is an access of nothing or beyond the table");
	if (event->type == TRACE_DROPPED) {
		if (event->offset || event->length)
			return invalid(reader, error, size, "has values that have to be 0");
		known->known = false;
	}
	return 1;
}

static int read_reset(struct trace_reader *reader, const struct trace_event *event, char *error,
		      size_t size)
{
	size_t i;

	if (event->key.index || event->offset || event->length)
		return invalid(reader, error, size, "has values that have to be 0");
	for (i = 0; i < CHUNKS; i++) {
		free(reader->chunks[i]);
		reader->chunks[i] = NULL;
	}
	return 1;
}

int trace_next(struct trace_reader *reader, struct trace_event *event, char *error, size_t size)
{
	uint8_t record[TRACE_RECORD];

	if (reader->record >= TRACE_RECORDS_MAX ||
	    fread(record, sizeof(record), 1, reader->file) != 1)
		return ferror(reader->file) ? invalid(reader, error, size, "cannot be read") : 0;
	reader->record++;
	*event = (struct trace_event){
		.type = take32(record) >> CACHE_INDEX_BITS,
		.key.index = take32(record) & INDEX_MASK,
		.length = take32(record + 4),
		.offset = take64(record + 8),
	};
	switch (event->type) {
	case TRACE_KEY:
		return read_key(reader, event, error, size);
	case TRACE_ACCESS:
	case TRACE_WRITTEN:
	case TRACE_DROPPED:
		return read_of_key(reader, event, error, size);
	case TRACE_RESET:
		return read_reset(reader, event, error, size);
	}
	return invalid(reader, error, size, "has an unknown type");
}
