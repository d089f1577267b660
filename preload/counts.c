// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "by_handle.h"
#include "counts.h"
#include "names.h"
#include "sizes.h"

static const char *const declined_words[] = {
	[DECLINED_NOT_ON_DEMAND] = "not on demand",
	[DECLINED_IMPLICIT] = "implicit MR",
	[DECLINED_OWN_REQUEST] = "a request of the program's own",
	[DECLINED_DEVICE] = "device without on-demand paging",
	[DECLINED_FAILED] = "registration failed",
};

static uint64_t huge_registrations(const struct counts *counts)
{
	uint64_t sum = 0;
	int shift;

	for (shift = 0; shift < 64; shift++)
		sum += counts->upgraded[shift];
	return sum;
}

static const char *size_text(uint32_t shift, char *text)
{
	/* the program can have written any number */
	return sizes_text(shift && shift < 64 ? 1ULL << shift : 0, text, SIZES_TEXT);
}

static void text_counts(FILE *out, const struct counts *counts)
{
	char size[SIZES_TEXT];
	unsigned int i;

	for (i = 0; i < 64; i++) {
		if (counts->upgraded[i])
			fprintf(out, "hugeodp:   %" PRIu64 " with pages of up to %s\n",
				counts->upgraded[i], size_text(i, size));
	}
	for (i = 0; i < COUNTS_REASONS; i++) {
		if (counts->small[i])
			fprintf(out, "hugeodp:   %" PRIu64 " with base pages: %s%s%s\n",
				counts->small[i], i ? ibv_odp_reason_str(i) : "the kernel's choice",
				*ibv_odp_reason_hint(i) ? "; to change it: " : "",
				ibv_odp_reason_hint(i));
	}
	for (i = 0; i < DECLINED_KINDS; i++) {
		if (counts->declined[i])
			fprintf(out, "hugeodp:   %" PRIu64 " left alone: %s\n", counts->declined[i],
				declined_words[i]);
	}
	for (i = 0; i < 64; i++) {
		if (counts->blocks[i])
			fprintf(out, "hugeodp:   %" PRIu64 " blocks of %s mapped at the end\n",
				counts->blocks[i], size_text(i, size));
	}
	if (counts->own)
		fprintf(out, "hugeodp:   %" PRIu64 " by requests of the program itself\n",
			counts->own);
	/* without the kernel, libhugeodp alone knows the regions of requests */
	if (counts->own && !counts->deregistered)
		return;
	fprintf(out, "hugeodp:   %" PRIu64 " on-demand regions deregistered", counts->deregistered);
	if (counts->known)
		fprintf(out,
			": %" PRIu64 " faults, %" PRIu64 " blocks invalidated, %" PRIu64
			" changes of page size",
			counts->faults, counts->invalidated, counts->renegotiations);
	else if (counts->deregistered)
		fputs("; this kernel does not count their faults", out);
	fputc('\n', out);
}

/* The text in place of the counts, or NULL. */
static const char *note_of(const struct counts *counts)
{
	if (counts->unseen)
		return BY_HANDLE ? "opened libibverbs, but no registration was seen"
				 : "opened libibverbs, but no registration was seen: on this "
				   "architecture, functions that a program looks up on the "
				   "library's handle are not reached";
	return *counts->note ? counts->note : NULL;
}

static void text_report(FILE *out, const struct counts *counts)
{
	char size[SIZES_TEXT], blocked[SIZES_TEXT];
	const struct range_report *range;
	unsigned int i;

	fprintf(out, "hugeodp: ");
	names_print(out, counts->program);
	if (note_of(counts)) {
		fprintf(out, "[%d]: %s\n", counts->pid, note_of(counts));
		return;
	}
	fprintf(out, "[%d]%s: %" PRIu64 " registrations, %" PRIu64 " with huge pages\n",
		counts->pid, counts->exited ? "" : " (ended without exit)", counts->registrations,
		huge_registrations(counts));
	text_counts(out, counts);
	for (i = 0; i < counts->nranges; i++) {
		range = &counts->ranges[i];
		fprintf(out, "hugeodp:   %#" PRIx64 ", %" PRIu64 " bytes: %s", range->addr,
			range->length, size_text(range->page_shift, size));
		if (range->reason)
			fprintf(out, "; no %s: %s, at %#" PRIx64,
				size_text(range->blocked_shift, blocked),
				ibv_odp_reason_str(range->reason), range->obstacle);
		fputc('\n', out);
	}
}

/* Write counts by page shift as {"2M": 1, ...} */
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

static void json_ranges(FILE *out, const struct counts *counts)
{
	const struct range_report *range;
	unsigned int i;

	fprintf(out, ", \"ranges\": [");
	for (i = 0; i < counts->nranges; i++) {
		range = &counts->ranges[i];
		fprintf(out,
			"%s{\"address\": %" PRIu64 ", \"length\": %" PRIu64 ", \"page_shift\": %u",
			i ? ", " : "", range->addr, range->length, range->page_shift);
		if (range->reason)
			fprintf(out,
				", \"blocked_shift\": %u, \"reason\": \"%s\", "
				"\"obstacle_address\": "
				"%" PRIu64,
				range->blocked_shift, ibv_odp_reason_str(range->reason),
				range->obstacle);
		fputc('}', out);
	}
	fputc(']', out);
}

static void json_report(FILE *out, const struct counts *counts)
{
	const char *separator = "";
	unsigned int i;

	fprintf(out, "{\"program\": ");
	names_json(out, counts->program);
	fprintf(out,
		", \"pid\": %d, \"exited\": %s, \"registrations\": %" PRIu64
		", \"own_requests\": %" PRIu64 ", \"huge\": %" PRIu64,
		counts->pid, counts->exited ? "true" : "false", counts->registrations, counts->own,
		huge_registrations(counts));
	json_by_shift(out, "upgraded", counts->upgraded);
	fprintf(out, ", \"declined\": {");
	for (i = 0; i < COUNTS_REASONS; i++) {
		if (!counts->small[i])
			continue;
		fprintf(out, "%s\"%s\": %" PRIu64, separator,
			i ? ibv_odp_reason_str(i) : "the kernel's choice", counts->small[i]);
		separator = ", ";
	}
	for (i = 0; i < DECLINED_KINDS; i++) {
		if (!counts->declined[i])
			continue;
		fprintf(out, "%s\"%s\": %" PRIu64, separator, declined_words[i],
			counts->declined[i]);
		separator = ", ";
	}
	fputc('}', out);
	fprintf(out, ", \"deregistered\": %" PRIu64, counts->deregistered);
	if (counts->known || !counts->deregistered) {
		json_by_shift(out, "blocks_mapped", counts->blocks);
		fprintf(out,
			", \"faults\": %" PRIu64 ", \"pages_invalidated\": %" PRIu64
			", \"renegotiations\": %" PRIu64,
			counts->faults, counts->invalidated, counts->renegotiations);
	}
	json_ranges(out, counts);
	if (note_of(counts))
		fprintf(out, ", \"note\": \"%s\"", note_of(counts));
	fprintf(out, "}\n");
}

/* Each "%p" in the path is replaced by the process number. */
static void report_name(char *name, size_t room, const char *path, pid_t pid)
{
	const char *mark;
	size_t len = 0;

	while ((mark = strstr(path, "%p")) && len < room) {
		len += (size_t)snprintf(name + len, room - len, "%.*s%d", (int)(mark - path), path,
					pid);
		path = mark + 2;
	}
	if (len < room)
		snprintf(name + len, room - len, "%s", path);
}

/* One write(2) if possible, as other processes may append too. Returns 0 or an errno value. */
static int write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno : EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_report(const char *name, const char *text, size_t len)
{
	int fd, err;

	if (!strcmp(name, "-")) {
		fflush(stderr);
		return write_all(fileno(stderr), text, len);
	}
	fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return errno;
	err = write_all(fd, text, len);
	if (close(fd) && !err)
		err = errno;
	return err;
}

static bool report(const struct counts *counts, const char *path, bool json, bool complain)
{
	char *text = NULL;
	char name[4096];
	size_t len = 0;
	FILE *memory;
	int err;

	memory = open_memstream(&text, &len);
	if (!memory)
		return false;
	if (json)
		json_report(memory, counts);
	else
		text_report(memory, counts);
	report_name(name, sizeof(name), path, counts->pid);
	err = fclose(memory) ? errno : write_report(name, text, len);
	if (err && complain)
		fprintf(stderr, "hugeodp: report to %s: %s\n", name, strerror(err));
	free(text);
	return !err;
}

bool counts_report(const struct counts *counts, const char *path, bool json, bool complain)
{
	const struct timespec now = { 0 };
	sigset_t deadly, before, pending;
	bool done;
	int state;

	sigemptyset(&deadly);
	sigaddset(&deadly, SIGPIPE);
	sigaddset(&deadly, SIGXFSZ);
	sigpending(&pending);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_sigmask(SIG_BLOCK, &deadly, &before);
	done = report(counts, path, json, complain);
	/* consume the signals that the report raised */
	if (sigismember(&pending, SIGPIPE))
		sigdelset(&deadly, SIGPIPE);
	if (sigismember(&pending, SIGXFSZ))
		sigdelset(&deadly, SIGXFSZ);
	while (sigtimedwait(&deadly, NULL, &now) > 0)
		;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_setcancelstate(state, NULL);
	return done;
}
