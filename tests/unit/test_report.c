// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The reports of "hugeodp run", to the byte: as text and as JSON. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../preload/by_handle.h"
#include "../../preload/counts.h"
#include "../../preload/names.h"
#include "file_holds.h"

static char name[32];

static int setup(void **state)
{
	(void)state;
	strcpy(name, "/tmp/test_report.XXXXXX");
	return close(mkstemp(name));
}

static int teardown(void **state)
{
	(void)state;
	return unlink(name);
}

static void reports(const struct counts *counts, bool json, const char *want)
{
	assert_int_equal(truncate(name, 0), 0);
	assert_true(counts_report(counts, name, json, true));
	file_holds(name, want);
}

/* One of each, and each at the first and the last place */
static const struct counts full = {
	.pid = 77,
	.program = "a",
	.registrations = 20,
	.own = 3,
	.upgraded = { [0] = 1, [12] = 2, [21] = 3, [63] = 4 },
	.declined = { [DECLINED_NOT_ON_DEMAND] = 5,
		      [DECLINED_IMPLICIT] = 6,
		      [DECLINED_OWN_REQUEST] = 7,
		      [DECLINED_DEVICE] = 8,
		      [DECLINED_FAILED] = 9 },
	.small = { [IBV_ODP_REASON_NONE] = 10,
		   [IBV_ODP_REASON_DEVICE] = 11,
		   [IBV_ODP_REASON_THP_MOUNT] = 12 },
	.deregistered = 13,
	.known = 12,
	.blocks = { [0] = 14, [21] = 15, [63] = 16 },
	.faults = 17,
	.invalidated = 18,
	.renegotiations = 19,
	.ranges = { { .addr = 0x200000, .length = 4096, .page_shift = 21 },
		    { .addr = 0x400000,
		      .length = 8192,
		      .obstacle = 0x401000,
		      .page_shift = 12,
		      .blocked_shift = 21,
		      .reason = IBV_ODP_REASON_HOLE } },
	.nranges = 2,
	.exited = true,
};

static void whole_text(void **state)
{
	(void)state;
	reports(&full, false,
		"hugeodp: a[77]: 20 registrations, 10 with huge pages\n"
		"hugeodp:   1 with pages of up to none\n"
		"hugeodp:   2 with pages of up to 4K\n"
		"hugeodp:   3 with pages of up to 2M\n"
		"hugeodp:   4 with pages of up to 8E\n"
		"hugeodp:   10 with base pages: the kernel's choice\n"
		"hugeodp:   11 with base pages: the device or the kernel does not support the "
		"size\n"
		"hugeodp:   12 with base pages: tmpfs without the option huge=; to change it: "
		"mount -o remount,huge=within_size DIRECTORY\n"
		"hugeodp:   5 left alone: not on demand\n"
		"hugeodp:   6 left alone: implicit MR\n"
		"hugeodp:   7 left alone: a request of the program's own\n"
		"hugeodp:   8 left alone: device without on-demand paging\n"
		"hugeodp:   9 left alone: registration failed\n"
		"hugeodp:   14 blocks of none mapped at the end\n"
		"hugeodp:   15 blocks of 2M mapped at the end\n"
		"hugeodp:   16 blocks of 8E mapped at the end\n"
		"hugeodp:   3 by requests of the program itself\n"
		"hugeodp:   13 on-demand regions deregistered: 17 faults, 18 blocks invalidated, "
		"19 changes of page size\n"
		"hugeodp:   0x200000, 4096 bytes: 2M\n"
		"hugeodp:   0x400000, 8192 bytes: 4K; no 2M: nothing mapped there, at 0x401000\n");
}

static void whole_json(void **state)
{
	(void)state;
	reports(&full, true,
		"{\"program\": \"a\", \"pid\": 77, \"exited\": true, \"registrations\": 20, "
		"\"own_requests\": 3, \"huge\": 10, "
		"\"upgraded\": {\"none\": 1, \"4K\": 2, \"2M\": 3, \"8E\": 4}, "
		"\"declined\": {\"the kernel's choice\": 10, "
		"\"the device or the kernel does not support the size\": 11, "
		"\"tmpfs without the option huge=\": 12, "
		"\"not on demand\": 5, \"implicit MR\": 6, \"a request of the program's own\": 7, "
		"\"device without on-demand paging\": 8, \"registration failed\": 9}, "
		"\"deregistered\": 13, "
		"\"blocks_mapped\": {\"none\": 14, \"2M\": 15, \"8E\": 16}, "
		"\"faults\": 17, \"pages_invalidated\": 18, \"renegotiations\": 19, "
		"\"ranges\": [{\"address\": 2097152, \"length\": 4096, \"page_shift\": 21}, "
		"{\"address\": 4194304, \"length\": 8192, \"page_shift\": 12, "
		"\"blocked_shift\": 21, \"reason\": \"nothing mapped there\", "
		"\"obstacle_address\": 4198400}]}\n");
}

/* What is not known is not reported as 0. */
static void unknown(void **state)
{
	struct counts counts = { .pid = 1, .program = "b", .registrations = 1, .exited = true };

	(void)state;
	reports(&counts, false,
		"hugeodp: b[1]: 1 registrations, 0 with huge pages\n"
		"hugeodp:   0 on-demand regions deregistered\n");
	counts.deregistered = 2;
	reports(&counts, false,
		"hugeodp: b[1]: 1 registrations, 0 with huge pages\n"
		"hugeodp:   2 on-demand regions deregistered; this kernel does not count their "
		"faults\n");
	reports(&counts, true,
		"{\"program\": \"b\", \"pid\": 1, \"exited\": true, \"registrations\": 1, "
		"\"own_requests\": 0, \"huge\": 0, \"upgraded\": {}, \"declined\": {}, "
		"\"deregistered\": 2, \"ranges\": []}\n");
	counts.own = 1;
	counts.exited = false;
	reports(&counts, false,
		"hugeodp: b[1] (ended without exit): 1 registrations, 0 with huge pages\n"
		"hugeodp:   1 by requests of the program itself\n"
		"hugeodp:   2 on-demand regions deregistered; this kernel does not count their "
		"faults\n");
	counts.deregistered = 0;
	reports(&counts, false,
		"hugeodp: b[1] (ended without exit): 1 registrations, 0 with huge pages\n"
		"hugeodp:   1 by requests of the program itself\n");
	reports(&counts, true,
		"{\"program\": \"b\", \"pid\": 1, \"exited\": false, \"registrations\": 1, "
		"\"own_requests\": 1, \"huge\": 0, \"upgraded\": {}, \"declined\": {}, "
		"\"deregistered\": 0, \"blocks_mapped\": {}, \"faults\": 0, \"pages_invalidated\": "
		"0, "
		"\"renegotiations\": 0, \"ranges\": []}\n");
}

#define NO_HANDLE \
	": on this architecture, functions that a program looks up on the library's handle are " \
	"not reached"

/* A note takes the place of the counts, or is added to them. */
static void notes(void **state)
{
	struct counts counts = { .pid = 1, .program = "b", .exited = true, .note = "nothing" };
	char want[512];

	(void)state;
	reports(&counts, false, "hugeodp: b[1]: nothing\n");
	reports(&counts, true,
		"{\"program\": \"b\", \"pid\": 1, \"exited\": true, \"registrations\": 0, "
		"\"own_requests\": 0, \"huge\": 0, \"upgraded\": {}, \"declined\": {}, "
		"\"deregistered\": 0, \"blocks_mapped\": {}, \"faults\": 0, \"pages_invalidated\": "
		"0, "
		"\"renegotiations\": 0, \"ranges\": [], \"note\": \"nothing\"}\n");
	counts.unseen = true;
	snprintf(want, sizeof(want),
		 "hugeodp: b[1]: opened libibverbs, but no registration was seen%s\n",
		 BY_HANDLE ? "" : NO_HANDLE);
	reports(&counts, false, want);
}

/* Reports are appended, also below names with the process number. */
static void files(void **state)
{
	const struct counts counts = { .pid = 123, .program = "b", .exited = true, .note = "x" };
	char path[128], other[128], wrong[5000];
	struct stat st;

	(void)state;
	assert_true(counts_report(&counts, name, false, true));
	assert_true(counts_report(&counts, name, false, true));
	file_holds(name, "hugeodp: b[123]: x\nhugeodp: b[123]: x\n");
	snprintf(path, sizeof(path), "%s.%%p-%%p.%%", name);
	snprintf(other, sizeof(other), "%s.123-123.%%", name);
	assert_true(counts_report(&counts, path, false, true));
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, strlen("hugeodp: b[123]: x\n"));
	assert_int_equal(unlink(other), 0);
	/* longer than a name can be, at any place */
	memset(wrong, 'y', sizeof(wrong) - 1);
	wrong[sizeof(wrong) - 1] = '\0';
	assert_false(counts_report(&counts, wrong, false, false));
	memcpy(wrong + 4090, "%p%p%p", 6);
	assert_false(counts_report(&counts, wrong, false, false));
}

/* Run with stderr in the file. */
static void to_file(const struct counts *counts, const char *path, bool complain, bool want)
{
	int old = dup(STDERR_FILENO), fd = open(name, O_WRONLY | O_TRUNC);
	bool done;

	assert_true(old >= 0 && fd >= 0);
	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	done = counts_report(counts, path, false, complain);
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
	close(fd);
	assert_int_equal(done, want);
}

static void to_stderr(void **state)
{
	const struct counts counts = { .pid = 5, .program = "b", .exited = true, .note = "x" };
	char want[128];

	(void)state;
	to_file(&counts, "-", true, true);
	file_holds(name, "hugeodp: b[5]: x\n");
	to_file(&counts, "/nowhere/%p", true, false);
	snprintf(want, sizeof(want), "hugeodp: report to /nowhere/5: %s\n", strerror(ENOENT));
	file_holds(name, want);
	to_file(&counts, "/nowhere/%p", false, false);
	file_holds(name, "");
	if (!access("/dev/full", W_OK)) {
		to_file(&counts, "/dev/full", true, false);
		snprintf(want, sizeof(want), "hugeodp: report to /dev/full: %s\n",
			 strerror(ENOSPC));
		file_holds(name, want);
	} else {
		puts("NOT CHECKED: a full disk, without /dev/full");
	}
}

static void one_name(const char *text, const char *printed, const char *json)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	names_print(file, text);
	fclose(file);
	file_holds(name, printed);
	file = fopen(name, "w");
	names_json(file, text);
	fclose(file);
	file_holds(name, json);
}

/* The first and the last character of each length, and what is next to them. */
static void characters(void **state)
{
	static const char *const good[] = {
		" ",
		"~",
		"\xc2\xa0",
		"\xdf\xbf",
		"\xe0\xa0\x80",
		"\xe1\x80\x80",
		"\xed\x9f\xbf",
		"\xee\x80\x80",
		"\xef\xbf\xbf",
		"\xf0\x90\x80\x80",
		"\xf1\x80\x80\x80",
		"\xf4\x8f\xbf\xbf",
	};
	static const struct {
		const char *text, *printed, *json;
	} others[] = {
		{ "", "", "\"\"" },
		{ "a\"b\\c/", "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\x01\x1f\x7f", "???", "\"\\u0001\\u001f\\u007f\"" },
		{ "\xc2\x80\xc2\x9f", "??", "\"\\u0080\\u009f\"" },
		/* without a start, and without an end */
		{ "\x80z", "?z", "\"\\ufffdz\"" },
		{ "\xbf", "?", "\"\\ufffd\"" },
		{ "\xc2", "?", "\"\\ufffd\"" },
		{ "\xc3z", "?z", "\"\\ufffdz\"" },
		{ "\xe1\x80z", "??z", "\"\\ufffd\\ufffdz\"" },
		{ "\xf1\x80\x80z", "???z", "\"\\ufffd\\ufffd\\ufffdz\"" },
		{ "\xc3\xc0", "??", "\"\\ufffd\\ufffd\"" },
		/* overlong, surrogates, after the last one */
		{ "\xc0\x80", "??", "\"\\ufffd\\ufffd\"" },
		{ "\xc1\xbf", "??", "\"\\ufffd\\ufffd\"" },
		{ "\xe0\x9f\xbf", "???", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xed\xa0\x80", "???", "\"\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf0\x8f\xbf\xbf", "????", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf4\x90\x80\x80", "????", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "\xf5\x80\x80\x80", "????", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
		{ "\xff", "?", "\"\\ufffd\"" },
	};
	char json[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(json, sizeof(json), "\"%s\"", good[i]);
		one_name(good[i], good[i], json);
	}
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		one_name(others[i].text, others[i].printed, others[i].json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_text, setup, teardown),
		cmocka_unit_test_setup_teardown(whole_json, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(notes, setup, teardown),
		cmocka_unit_test_setup_teardown(files, setup, teardown),
		cmocka_unit_test_setup_teardown(to_stderr, setup, teardown),
		cmocka_unit_test_setup_teardown(characters, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
