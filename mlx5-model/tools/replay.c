// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Replays a trace of translations, or a synthetic pattern, on caches with other parameters, and
 * with pages of other sizes. The same input has the same output, to the byte.
 */
#include "cache/pattern.h"
#include "cache/trace.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CACHES_MAX 32
#define PAGES_MAX 8
#define ERROR_TEXT 256
#define WORK_MAX (1ull << 34) /* lookups: minutes */

struct settings {
	const char *trace; /* NULL: the pattern */
	const char *pattern_name;
	const char *write;
	struct pattern pattern;
	struct cache_params caches[CACHES_MAX];
	unsigned int cache_count;
	unsigned int shifts[PAGES_MAX];
	unsigned int shift_count; /* 0: as in the trace, or 4 KiB */
	uint64_t warm;
};

static void usage(FILE *file)
{
	fputs("usage: mlx5-model-replay --trace FILE | --pattern uniform|sequential|kv\n"
	      "                         [--memory BYTES] [--slice BYTES] [--message BYTES]\n"
	      "                         [--passes N] [--count N] [--seed N] [--write FILE]\n"
	      "                         [--pages BYTES]... [--cache default|NAME=VALUE:...]...\n"
	      "                         [--warm N] [--help]\n"
	      "BYTES may end in K, M, G or T. Prints a line of JSON for each cache and page\n"
	      "size.\n",
	      file);
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "mlx5-model-replay: %s: %s\n", what, why);
	return 1;
}

/* Decimal digits alone, and with_unit: an optional K, M, G or T */
static bool parse_number(const char *text, bool with_unit, uint64_t *number)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned int shift = 0;

	*number = 0;
	if (*text < '0' || *text > '9')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (*number > (UINT64_MAX - 9) / 10)
			return false;
		*number = *number * 10 + (uint64_t)(*text - '0');
	}
	if (*text && with_unit) {
		unit = strchr(units, *text & ~0x20);
		if (!unit || !*unit || text[1])
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
		text++;
	}
	if (*text || *number > UINT64_MAX >> shift)
		return false;
	*number <<= shift;
	return true;
}

static bool parse_pages(const char *text, struct settings *settings)
{
	unsigned int shift;
	uint64_t size;

	if (settings->shift_count == PAGES_MAX || !parse_number(text, true, &size))
		return false;
	for (shift = 12; shift <= 30; shift++) {
		if (size != 1ull << shift)
			continue;
		settings->shifts[settings->shift_count++] = shift;
		return true;
	}
	return false;
}

static bool parse_cache(const char *text, struct settings *settings)
{
	char error[ERROR_TEXT];

	if (settings->cache_count == CACHES_MAX) {
		complain("--cache", "given too often");
		return false;
	}
	if (cache_params_parse(text, &settings->caches[settings->cache_count++], error,
			       sizeof(error)))
		return true;
	complain("--cache", error);
	return false;
}

static bool parse_narrow(const char *text, bool with_unit, uint32_t *number)
{
	uint64_t wide;

	if (!parse_number(text, with_unit, &wide) || wide > UINT32_MAX)
		return false;
	*number = wide;
	return true;
}

/* An option with a value; returns false if it is not valid */
static bool parse_option(int c, struct settings *settings)
{
	struct pattern *pattern = &settings->pattern;

	switch (c) {
	case 't':
		settings->trace = optarg;
		return true;
	case 'p':
		settings->pattern_name = optarg;
		return pattern_parse(optarg, &pattern->kind);
	case 'm':
		return parse_number(optarg, true, &pattern->memory);
	case 'l':
		return parse_number(optarg, true, &pattern->slice);
	case 'b':
		return parse_narrow(optarg, true, &pattern->message);
	case 'n':
		return parse_narrow(optarg, false, &pattern->passes);
	case 'c':
		return parse_number(optarg, false, &pattern->count);
	case 's':
		return parse_number(optarg, false, &pattern->seed);
	case 'w':
		settings->write = optarg;
		return true;
	case 'g':
		return parse_pages(optarg, settings);
	case 'a':
		return parse_cache(optarg, settings);
	case 'u':
		return parse_number(optarg, false, &settings->warm);
	}
	return false;
}

static bool parse(int argc, char **argv, struct settings *settings)
{
	static const struct option options[] = {
		{ "trace", required_argument, NULL, 't' },
		{ "pattern", required_argument, NULL, 'p' },
		{ "memory", required_argument, NULL, 'm' },
		{ "slice", required_argument, NULL, 'l' },
		{ "message", required_argument, NULL, 'b' },
		{ "passes", required_argument, NULL, 'n' },
		{ "count", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },
		{ "write", required_argument, NULL, 'w' },
		{ "pages", required_argument, NULL, 'g' },
		{ "cache", required_argument, NULL, 'a' },
		{ "warm", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (c == 'h') {
			usage(stdout);
			exit(0);
		}
		if (!parse_option(c, settings))
			return false;
	}
	if (!settings->cache_count)
		cache_params_default(&settings->caches[settings->cache_count++]);
	if (settings->write && (settings->trace || settings->shift_count > 1))
		return false;
	return optind == argc && !settings->trace == !!settings->pattern_name;
}

/* The events, from one of the two sources */
struct stream {
	struct trace_reader *reader;
	struct pattern pattern;
	unsigned int shift; /* 0: as in the trace */
	uint64_t number;
};

static int stream_next(struct stream *stream, struct trace_event *event, char *error, size_t size)
{
	int result;

	if (!stream->reader)
		return pattern_next(&stream->pattern, event);
	result = trace_next(stream->reader, event, error, size);
	stream->number++;
	if (result == 1 && stream->shift && !trace_repage(event, stream->shift)) {
		snprintf(error, size, "record %" PRIu64 " has a table too long for these pages",
			 stream->number);
		return -1;
	}
	return result;
}

static int stream_open(struct stream *stream, const struct settings *settings, unsigned int shift)
{
	char error[ERROR_TEXT];
	const char *why;

	*stream = (struct stream){ .shift = shift, .pattern = settings->pattern };
	if (settings->trace) {
		stream->reader = trace_open(settings->trace, error, sizeof(error));
		return stream->reader ? 0 : complain(settings->trace, error);
	}
	stream->pattern.shift = shift ? shift : 12;
	why = pattern_start(&stream->pattern);
	return why ? complain("--pattern", why) : 0;
}

static void stream_close(struct stream *stream)
{
	trace_done(stream->reader);
}

/*
 * The first of two passes over the events: they are valid, and do not take for ever. A few bytes of
 * a trace can ask for 2^30 lookups.
 */
static int check_events(struct cache **caches, const struct settings *settings,
			unsigned int shift)
{
	const char *source = settings->trace ? settings->trace : "--pattern";
	char error[ERROR_TEXT] = "takes more than 2^34 lookups to replay";
	struct trace_event event;
	struct stream stream;
	uint64_t work = 0;
	unsigned int i;
	int result;

	if (stream_open(&stream, settings, shift))
		return 1;
	while ((result = stream_next(&stream, &event, error, sizeof(error))) == 1) {
		for (i = 0; i < settings->cache_count; i++)
			work += trace_work(&event, caches[i]);
		if (work > WORK_MAX)
			break;
	}
	stream_close(&stream);
	return result ? complain(source, error) : 0;
}

static int replay_events(struct cache **caches, const struct settings *settings,
			 unsigned int shift)
{
	uint64_t accesses = 0;
	struct trace_event event;
	struct stream stream;
	char error[ERROR_TEXT];
	unsigned int i;
	int result;

	if (stream_open(&stream, settings, shift))
		return 1;
	while ((result = stream_next(&stream, &event, error, sizeof(error))) == 1) {
		for (i = 0; i < settings->cache_count; i++)
			trace_apply(&event, caches[i]);
		if (event.type != TRACE_ACCESS || ++accesses != settings->warm)
			continue;
		for (i = 0; i < settings->cache_count; i++)
			cache_forget_counts(caches[i]);
	}
	stream_close(&stream);
	/* it may have changed since it was checked */
	return result ? complain(settings->trace, error) : 0;
}

/* A number of thousandths */
static void print_thousandths(const char *name, uint64_t value)
{
	printf(", \"%s\": %" PRIu64 ".%03" PRIu64, name, value / 1000, value % 1000);
}

static void print_rate(const char *name, uint64_t hits, uint64_t misses)
{
	uint64_t all = hits + misses;

	if (!all)
		printf(", \"%s\": null", name);
	else /* hits are below 2^37 */
		printf(", \"%s\": %" PRIu64 ".%06" PRIu64, name, hits / all,
		       hits % all * 1000000 / all);
}

static void print_result(const struct settings *settings, const struct cache_params *params,
			 const struct cache *cache, unsigned int shift)
{
	const struct cache_counts *c = cache_counts(cache);
	struct cache_figures figures;
	char text[CACHE_PARAMS_TEXT];

	cache_figure(params, c, &figures);
	cache_params_print(params, text);
	printf("{\"source\": \"%s\", \"pages\": ",
	       settings->trace ? "trace" : settings->pattern_name);
	if (shift)
		printf("%llu", 1ull << shift);
	else
		printf("null");
	printf(", \"cache\": \"%s\", \"entries\": %" PRIu64, text, cache_params_entries(params));
#define COUNT(name) printf(", \"" #name "\": %" PRIu64, c->name)
	COUNT(accesses);
	COUNT(packets);
	COUNT(bytes);
	COUNT(mpt_hits);
	COUNT(mpt_misses);
	COUNT(mpt_evictions);
	COUNT(mpt_invalidated);
	COUNT(mtt_hits);
	COUNT(mtt_misses);
	COUNT(mtt_evictions);
	COUNT(mtt_invalidated);
	COUNT(fetches);
#undef COUNT
	print_rate("mpt_hit_rate", c->mpt_hits, c->mpt_misses);
	print_rate("hit_rate", c->mtt_hits, c->mtt_misses);
	print_thousandths("latency_ns", figures.latency);
	/* bytes in a millisecond are thousandths of 10^6 bytes in a second */
	print_thousandths("mb_per_s", figures.rate);
	puts("}");
}

static int replay(const struct settings *settings, unsigned int shift)
{
	struct cache *caches[CACHES_MAX] = { NULL };
	unsigned int count = settings->cache_count, i;
	int status = 0;

	for (i = 0; !status && i < count; i++) {
		caches[i] = cache_new(&settings->caches[i]);
		if (!caches[i])
			status = complain("--cache", "out of memory");
	}
	if (!status)
		status = check_events(caches, settings, shift);
	if (!status)
		status = replay_events(caches, settings, shift);
	for (i = 0; i < count; i++) {
		if (!status)
			print_result(settings, &settings->caches[i], caches[i],
				     settings->trace || shift ? shift : 12);
		cache_free(caches[i]);
	}
	return status;
}

static int write_pattern(const struct settings *settings)
{
	struct trace_writer *writer;
	struct trace_event event;
	struct stream stream;
	uint64_t records = 0;

	if (stream_open(&stream, settings, settings->shifts[0]))
		return 1;
	writer = trace_create(settings->write, 0);
	if (!writer) {
		perror(settings->write);
		return 1;
	}
	while (pattern_next(&stream.pattern, &event) && records++ < TRACE_RECORDS_MAX)
		trace_add(writer, &event);
	if (records > TRACE_RECORDS_MAX) {
		trace_close(writer);
		return complain(settings->write, "more records than a trace may have");
	}
	return trace_close(writer) ? 0 : complain(settings->write, "cannot be written");
}

int main(int argc, char **argv)
{
	static struct settings settings = {
		.pattern = {
			.memory = 1ull << 30,
			.message = 16384,
			.passes = 1,
			.count = 1 << 20,
			.seed = 1,
		},
	};
	unsigned int i;
	int status = 0;

	if (!parse(argc, argv, &settings)) {
		usage(stderr);
		return 2;
	}
	if (settings.write)
		return write_pattern(&settings);
	if (!settings.shift_count)
		return replay(&settings, 0);
	for (i = 0; !status && i < settings.shift_count; i++)
		status = replay(&settings, settings.shifts[i]);
	return status;
}
