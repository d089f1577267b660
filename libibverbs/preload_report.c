// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/hugeodp.h>

#include "preload_report.h"
#include "sizes.h"

/* Registrations that are told of one by one; all are counted. */
#define TOLD 32
#define REASONS (IBV_ODP_REASON_NO_ACCESS + 1)

struct told {
	uint64_t addr;
	uint64_t length;
	uint64_t obstacle;
	uint32_t page_shift;
	uint32_t blocked_shift;
	uint32_t reason;
};

static struct {
	uint64_t registrations;
	uint64_t upgraded[64]; /* by page shift */
	uint64_t declined[DECLINED_KINDS];
	uint64_t small[REASONS];
	uint64_t blocks[64]; /* mapped when deregistered, by size */
	uint64_t faults;
	uint64_t invalidated;
	uint64_t renegotiations;
	struct told told[TOLD];
	unsigned int ntold;
} count;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *path;
static bool json;

static const char *const declined_words[] = {
	[DECLINED_NOT_ON_DEMAND] = "not on demand",
	[DECLINED_IMPLICIT] = "implicit MR",
	[DECLINED_OWN_REQUEST] = "a request of the program's own",
	[DECLINED_DEVICE] = "device without on-demand paging",
	[DECLINED_FAILED] = "registration failed",
};

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

/* What the parent did is in the parent's report. */
static void in_child(void)
{
	memset(&count, 0, sizeof(count));
	release_lock();
}

void report_start(void)
{
	const char *wanted = getenv("HUGEODP_PRELOAD_REPORT");

	if (!wanted)
		return;
	json = getenv("HUGEODP_PRELOAD_JSON") != NULL;
	path = strdup(wanted);
	pthread_atfork(take_lock, release_lock, in_child);
}

bool report_wanted(void)
{
	return path != NULL;
}

/* The lock is held. */
static void tell(struct told told)
{
	unsigned int i;

	for (i = 0; i < count.ntold; i++) {
		if (!memcmp(&count.told[i], &told, sizeof(told)))
			return;
	}
	if (count.ntold < TOLD)
		count.told[count.ntold++] = told;
}

void report_upgraded(unsigned int page_shift, const void *addr, size_t length)
{
	if (!report_wanted())
		return;
	take_lock();
	count.registrations++;
	count.upgraded[page_shift % 64]++;
	tell((struct told){ .addr = (uintptr_t)addr, .length = length, .page_shift = page_shift });
	release_lock();
}

void report_declined(enum declined why, const void *addr, size_t length)
{
	(void)addr;
	(void)length;
	if (!report_wanted())
		return;
	take_lock();
	count.registrations++;
	count.declined[why]++;
	release_lock();
}

void report_small(const struct ibv_odp_report *report, const void *addr, size_t length)
{
	if (!report_wanted())
		return;
	take_lock();
	count.registrations++;
	count.small[report->reason < REASONS ? report->reason : 0]++;
	tell((struct told){
		.addr = (uintptr_t)addr,
		.length = length,
		.obstacle = report->address,
		.page_shift = report->page_shift,
		.blocked_shift = report->blocked_shift,
		.reason = report->reason,
	});
	release_lock();
}

void report_work(const struct ibv_mr_odp_attr *attr)
{
	int shift;

	take_lock();
	for (shift = 0; shift < 64; shift++)
		count.blocks[shift] += attr->blocks[shift];
	count.faults += attr->faults;
	count.invalidated += attr->pages_invalidated;
	count.renegotiations += attr->renegotiations;
	release_lock();
}

static uint64_t huge_registrations(void)
{
	uint64_t sum = 0;
	int shift;

	for (shift = 0; shift < 64; shift++)
		sum += count.upgraded[shift];
	return sum;
}

static const char *size_text(uint32_t shift, char *text)
{
	return sizes_text(shift ? 1ULL << shift : 0, text, SIZES_TEXT);
}

static void text_counts(FILE *out)
{
	char size[SIZES_TEXT];
	unsigned int i;

	for (i = 0; i < 64; i++) {
		if (count.upgraded[i])
			fprintf(out, "hugeodp:   %" PRIu64 " with pages of up to %s\n", count.upgraded[i],
				size_text(i, size));
	}
	for (i = 0; i < REASONS; i++) {
		if (count.small[i])
			fprintf(out, "hugeodp:   %" PRIu64 " with base pages: %s\n", count.small[i],
				i ? ibv_odp_reason_str(i) : "the kernel's choice");
	}
	for (i = 0; i < DECLINED_KINDS; i++) {
		if (count.declined[i])
			fprintf(out, "hugeodp:   %" PRIu64 " left alone: %s\n", count.declined[i],
				declined_words[i]);
	}
	for (i = 0; i < 64; i++) {
		if (count.blocks[i])
			fprintf(out, "hugeodp:   %" PRIu64 " blocks of %s mapped at the end\n",
				count.blocks[i], size_text(i, size));
	}
	fprintf(out,
		"hugeodp:   %" PRIu64 " faults, %" PRIu64 " blocks invalidated, %" PRIu64
		" changes of page size\n",
		count.faults, count.invalidated, count.renegotiations);
}

static void text_report(FILE *out)
{
	char size[SIZES_TEXT], blocked[SIZES_TEXT];
	const struct told *told;
	unsigned int i;

	fprintf(out, "hugeodp: %s[%d]: %" PRIu64 " registrations, %" PRIu64 " with huge pages\n",
		program_invocation_short_name, getpid(), count.registrations, huge_registrations());
	text_counts(out);
	for (i = 0; i < count.ntold; i++) {
		told = &count.told[i];
		fprintf(out, "hugeodp:   %#" PRIx64 ", %" PRIu64 " bytes: %s", told->addr,
			told->length, size_text(told->page_shift, size));
		if (told->reason)
			fprintf(out, "; no %s: %s, at %#" PRIx64,
				size_text(told->blocked_shift, blocked),
				ibv_odp_reason_str(told->reason), told->obstacle);
		fputc('\n', out);
	}
}

/* {"2M": 1, ...} of counts by page shift */
static void json_by_shift(FILE *out, const char *name, const uint64_t *counts)
{
	const char *separator = "";
	char size[SIZES_TEXT];
	unsigned int i;

	fprintf(out, ", \"%s\": {", name);
	for (i = 0; i < 64; i++) {
		if (!counts[i])
			continue;
		fprintf(out, "%s\"%s\": %" PRIu64, separator, size_text(i, size), counts[i]);
		separator = ", ";
	}
	fputc('}', out);
}

static void json_name(FILE *out, const char *name)
{
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			fputc('\\', out);
		/* a program's name need not be UTF-8 */
		fputc((unsigned char)*name < ' ' || (unsigned char)*name >= 0x7f ? '?' : *name, out);
	}
}

static void json_ranges(FILE *out)
{
	const struct told *told;
	unsigned int i;

	fprintf(out, ", \"ranges\": [");
	for (i = 0; i < count.ntold; i++) {
		told = &count.told[i];
		fprintf(out,
			"%s{\"address\": %" PRIu64 ", \"length\": %" PRIu64 ", \"page_shift\": %u",
			i ? ", " : "", told->addr, told->length, told->page_shift);
		if (told->reason)
			fprintf(out,
				", \"blocked_shift\": %u, \"reason\": \"%s\", \"obstacle\": "
				"%" PRIu64,
				told->blocked_shift, ibv_odp_reason_str(told->reason),
				told->obstacle);
		fputc('}', out);
	}
	fputc(']', out);
}

static void json_report(FILE *out)
{
	const char *separator = "";
	unsigned int i;

	fprintf(out, "{\"program\": \"");
	json_name(out, program_invocation_short_name);
	fprintf(out, "\", \"pid\": %d, \"registrations\": %" PRIu64 ", \"huge\": %" PRIu64,
		getpid(), count.registrations, huge_registrations());
	json_by_shift(out, "upgraded", count.upgraded);
	fprintf(out, ", \"declined\": {");
	for (i = 0; i < REASONS; i++) {
		if (!count.small[i])
			continue;
		fprintf(out, "%s\"%s\": %" PRIu64, separator,
			i ? ibv_odp_reason_str(i) : "the kernel's choice", count.small[i]);
		separator = ", ";
	}
	for (i = 0; i < DECLINED_KINDS; i++) {
		if (!count.declined[i])
			continue;
		fprintf(out, "%s\"%s\": %" PRIu64, separator, declined_words[i], count.declined[i]);
		separator = ", ";
	}
	fputc('}', out);
	json_by_shift(out, "blocks_mapped", count.blocks);
	fprintf(out,
		", \"faults\": %" PRIu64 ", \"invalidated\": %" PRIu64
		", \"renegotiations\": %" PRIu64,
		count.faults, count.invalidated, count.renegotiations);
	json_ranges(out);
	fprintf(out, "}\n");
}

/* "%p" in the path stands for the process's number. */
static void report_name(char *name, size_t room)
{
	const char *mark = strstr(path, "%p");

	if (mark)
		snprintf(name, room, "%.*s%d%s", (int)(mark - path), path, getpid(), mark + 2);
	else
		snprintf(name, room, "%s", path);
}

/* In one piece, as other processes may write there too. Returns 0 or an errno value. */
static int write_report(const char *name, const char *text, size_t len)
{
	FILE *out = strcmp(path, "-") ? fopen(name, "ae") : stderr;
	int err = 0;

	if (!out)
		return errno;
	if (fwrite(text, 1, len, out) != len || fflush(out))
		err = errno;
	if (out != stderr)
		fclose(out);
	return err;
}

/*
 * At the end of the process. One that registered nothing has nothing to tell:
 * most processes that a shell script starts.
 */
static __attribute__((destructor)) void report_end(void)
{
	char *text = NULL;
	char name[4096];
	size_t len = 0;
	FILE *memory;
	int err;

	if (!report_wanted() || !count.registrations)
		return;
	memory = open_memstream(&text, &len);
	if (!memory)
		return;
	if (json)
		json_report(memory);
	else
		text_report(memory);
	report_name(name, sizeof(name));
	err = fclose(memory) ? errno : write_report(name, text, len);
	if (err)
		fprintf(stderr, "hugeodp: report to %s: %s\n", name, strerror(err));
	free(text);
}
