// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* hugeodp explain: probe each mapping of a process as if it were registered. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <infiniband/hugeodp.h>

#include "../libibverbs/memory/range.h"
#include "../libibverbs/memory/thp.h"
#include "../libibverbs/memory/vmas.h"
#include "../libibverbs/sizes.h"
#include "table.h"
#include "tool.h"

struct totals {
	uint64_t mappings;
	uint64_t bytes;
	uint64_t huge_bytes;
	uint64_t thp_bytes; /* in transparent huge pages now */
	uint64_t left_out;  /* mappings that are too short */
	uint64_t reasons[IBV_ODP_REASON_THP_MOUNT + 1];
	uint64_t no_access; /* bytes that cannot be registered, and do not count */
};

/* The part between unaligned ends; page_shift is 0 if it cannot have a larger size either. */
struct inner {
	uint64_t start;
	uint64_t end;
	uint32_t page_shift;
};

/* What is known of a mapping. */
struct explained {
	struct ibv_odp_report report;
	struct inner inner;
	/* bytes in blocks of transparent huge pages, where the mapping as a whole has smaller pages */
	uint64_t mixed;
};

static uint64_t largest(uint64_t sizes)
{
	return sizes ? 1ULL << (63 - __builtin_clzll(sizes)) : 0;
}

/* A size in the largest unit in which it has at most four digits. */
static const char *short_size(uint64_t bytes, char *text, size_t room)
{
	static const char units[] = "KMGTPE";
	uint64_t value = bytes >> 10;
	int unit = 0;

	for (; value > 9999; value = (value + 512) >> 10)
		unit++;
	snprintf(text, room, "%" PRIu64 "%c", value, units[unit]);
	return text;
}

enum {
	EXPLAIN_ADDRESS,
	EXPLAIN_SIZE,
	EXPLAIN_RSS,
	EXPLAIN_THP,
	EXPLAIN_PAGE,
	EXPLAIN_NAME,
	EXPLAIN_COLUMNS,
};

static const struct table_column columns[EXPLAIN_COLUMNS] = {
	[EXPLAIN_ADDRESS] = { "address", "ADDRESS", false },
	[EXPLAIN_SIZE] = { "size", "SIZE", true },
	[EXPLAIN_RSS] = { "rss", "RSS", true },
	[EXPLAIN_THP] = { "thp", "THP", true },
	[EXPLAIN_PAGE] = { "page", "PAGE", false },
	[EXPLAIN_NAME] = { "name", "NAME", false },
};

/* The list of mappings as text, or as JSON. */
struct listing {
	const struct tool *tool;
	struct json json;
	struct table table;
	/* for each line of the table, what follows it, and a null byte */
	FILE *notes;
	char *note;
	size_t note_len;
};

/* What is in the way of a larger size, and what could have it all the same. */
static void write_obstacle(FILE *out, const struct explained *is)
{
	const struct ibv_odp_report *report = &is->report;
	const struct inner *inner = &is->inner;
	char size[SIZES_TEXT];

	fprintf(out, "    no %s: %s, at %#" PRIx64 "\n",
		sizes_text(1ULL << report->blocked_shift, size, sizeof(size)),
		ibv_odp_reason_str(report->reason), report->address);
	if (inner->page_shift)
		fprintf(out, "    but %s from %#" PRIx64 " to %#" PRIx64 "\n",
			sizes_text(1ULL << inner->page_shift, size, sizeof(size)), inner->start,
			inner->end);
	else if (is->mixed)
		fprintf(out, "    but %" PRIu64 "M in blocks of %s\n", is->mixed >> 20,
			sizes_text(thp_pmd_size(), size, sizeof(size)));
}

static void add_mapping(struct listing *listing, const struct vma *vma, const struct explained *is)
{
	const struct tool *tool = listing->tool;
	struct table *table = &listing->table;
	char text[SIZES_TEXT] = "-", address[40], size[16];

	if (is->report.page_shift)
		sizes_text(1ULL << is->report.page_shift, text, sizeof(text));
	snprintf(address, sizeof(address), "%012" PRIx64 "-%012" PRIx64, vma->start, vma->end);
	table_add_line(table);
	table_set(table, EXPLAIN_ADDRESS, address, "");
	table_set(table, EXPLAIN_SIZE, short_size(vma->end - vma->start, size, sizeof(size)), "");
	table_set(table, EXPLAIN_RSS, short_size(vma->rss, size, sizeof(size)), "");
	table_set(table, EXPLAIN_THP, short_size(vma->thp_bytes, size, sizeof(size)), "");
	table_set(table, EXPLAIN_PAGE, text, is->report.reason ? bad(tool) : good(tool));
	table_set_name(table, EXPLAIN_NAME, "", vma->name, "");
	if (is->report.reason)
		write_obstacle(listing->notes, is);
	fputc('\0', listing->notes);
}

/* The table, each line with its note. Returns 0 or an errno value. */
static int print_mappings(struct listing *listing)
{
	const char *at, *end, *note;
	bool heading = true;
	char *text;
	int err = table_text(&listing->table, &text);

	if (fclose(listing->notes) && !err)
		err = errno;
	note = listing->note;
	for (at = text; !err && *at; at = *end ? end + 1 : end) {
		end = strchrnul(at, '\n');
		printf("%.*s\n", (int)(end - at), at);
		if (!heading) {
			fputs(note, stdout);
			note += strlen(note) + 1;
		}
		heading = false;
	}
	free(listing->note);
	free(text);
	return err;
}

static void json_mapping(struct json *json, const struct vma *vma, const struct explained *is)
{
	const struct ibv_odp_report *report = &is->report;
	const struct inner *inner = &is->inner;

	json_open(json, NULL, '{');
	json_number(json, "start", vma->start);
	json_number(json, "end", vma->end);
	json_string(json, "name", vma->name);
	json_number(json, "rss", vma->rss);
	json_number(json, "thp_bytes", vma->thp_bytes);
	json_number(json, "page_shift", report->page_shift);
	json_sizes(json, "page_sizes", report->page_sizes);
	if (report->reason) {
		json_number(json, "blocked_shift", report->blocked_shift);
		json_string(json, "reason", ibv_odp_reason_str(report->reason));
		if (*ibv_odp_reason_hint(report->reason))
			json_string(json, "hint", ibv_odp_reason_hint(report->reason));
		json_number(json, "obstacle_address", report->address);
	}
	if (inner->page_shift) {
		json_open(json, "inner", '{');
		json_number(json, "start", inner->start);
		json_number(json, "end", inner->end);
		json_number(json, "page_shift", inner->page_shift);
		json_close(json, '}');
	}
	if (is->mixed)
		json_number(json, "mixed_bytes", is->mixed);
	json_close(json, '}');
}

static void print_totals(const struct tool *tool, const struct totals *totals, uint64_t size,
			 uint64_t min)
{
	char text[SIZES_TEXT];
	uint32_t i;

	printf("%s%" PRIu64 " mappings, %" PRIu64 " MiB; pages of %s possible in %" PRIu64
	       " MiB%s\n",
	       bold(tool), totals->mappings, totals->bytes >> 20,
	       sizes_text(size, text, sizeof(text)), totals->huge_bytes >> 20, normal(tool));
	if (totals->thp_bytes)
		printf("  %" PRIu64 " MiB in transparent huge pages now\n",
		       totals->thp_bytes >> 20);
	for (i = 1; i <= IBV_ODP_REASON_THP_MOUNT; i++) {
		const char *hint = ibv_odp_reason_hint(i);

		if (totals->reasons[i])
			printf("  %" PRIu64 " MiB: %s%s%s\n", totals->reasons[i] >> 20,
			       ibv_odp_reason_str(i), *hint ? "; to change it: " : "", hint);
	}
	if (totals->no_access >> 20)
		printf("  %" PRIu64 " MiB not counted: %s\n", totals->no_access >> 20,
		       ibv_odp_reason_str(IBV_ODP_REASON_NO_ACCESS));
	if (totals->left_out)
		printf("  %" PRIu64 " mappings shorter than %s left out, see --min\n",
		       totals->left_out, sizes_text(min, text, sizeof(text)));
}

static bool has_size(uint32_t page_shift, uint64_t size)
{
	return page_shift && 1ULL << page_shift >= size;
}

static void count(struct totals *totals, const struct vma *vma, const struct explained *is,
		  uint64_t size)
{
	const struct inner *inner = &is->inner;
	uint64_t bytes = vma->end - vma->start;
	uint64_t huge = 0;

	if (is->report.flags & IBV_ODP_RANGE_HOLE) {
		totals->no_access += bytes;
		return;
	}
	if (has_size(is->report.page_shift, size))
		huge = bytes;
	else if (has_size(inner->page_shift, size))
		huge = inner->end - inner->start;
	if (thp_pmd_size() >= size && is->mixed > huge)
		huge = is->mixed;
	totals->mappings++;
	totals->bytes += bytes;
	totals->huge_bytes += huge;
	totals->thp_bytes += vma->thp_bytes;
	totals->reasons[is->report.reason] += bytes - huge;
}

/* Probe the part between unaligned ends: a buffer in it can have larger pages than the mapping. */
static int probe_inner(const struct range *whole, struct vmas *vmas,
		       const struct ibv_odp_report *report, struct inner *inner)
{
	const uint64_t mask = (1ULL << report->blocked_shift) - 1;
	struct range range = *whole;
	struct ibv_odp_report answer;
	int err;

	*inner = (struct inner){ 0 };
	if (report->reason != IBV_ODP_REASON_START && report->reason != IBV_ODP_REASON_END)
		return 0;
	range.addr = (whole->addr + mask) & ~mask;
	range.iova = range.addr;
	range.length = ((whole->addr + whole->length) & ~mask) - range.addr;
	if (range.addr < whole->addr || !range.length || range.length >= whole->length)
		return 0;
	err = range_report_vmas(&range, vmas, &answer);
	if (!err && answer.page_shift > report->page_shift)
		*inner = (struct inner){ range.addr, range.addr + range.length, answer.page_shift };
	return err;
}

/* Whether a fault in a block without pages would allocate a huge page. */
static int would_be_huge(const struct range *whole, struct vmas *vmas, uint64_t at, uint64_t size,
			 bool *huge)
{
	struct range range = *whole;
	struct ibv_odp_report report;
	int err;

	range.addr = range.iova = at;
	range.length = size;
	err = range_report_vmas(&range, vmas, &report);
	*huge = !err && has_size(report.page_shift, size);
	return err;
}

/*
 * Count the bytes in blocks of transparent huge pages, where small pages in other blocks are the
 * obstacle: a mixed region has huge pages in the former. Whether blocks without any page count is a
 * property of the mapping, so the first one decides.
 */
static int count_mixed(const struct range *whole, struct vmas *vmas, const struct vma *vma,
		       uint64_t *mixed)
{
	const uint64_t size = thp_pmd_size(), mask = size - 1;
	const uint64_t end = vma->end & ~mask;
	bool decided = false, absent_counts = true;
	uint64_t at, bad, first, good = 0;
	enum vmas_scan scan;
	int err;

	*mixed = 0;
	if (!size || !(whole->accepted & size) || vma->page_size >= size)
		return 0;
	for (at = (vma->start + mask) & ~mask; at < end; at = bad + size) {
		scan = vmas_scan(vmas, at, end, &first);
		if (scan == VMAS_SCAN_UNKNOWN) {
			*mixed = vma->thp_bytes;
			return 0;
		}
		bad = scan == VMAS_SCAN_SMALL ? first & ~mask : end;
		if (bad == at)
			continue;
		good += bad - at;
		if (!decided && vmas_scan(vmas, at, bad, &first) == VMAS_SCAN_ABSENT) {
			err = would_be_huge(whole, vmas, first & ~mask, size, &absent_counts);
			if (err)
				return err;
			decided = true;
		}
	}
	*mixed = absent_counts || good < vma->thp_bytes ? good : vma->thp_bytes;
	return 0;
}

/* Find out all about a mapping. */
static int explain_mapping(const struct range *whole, struct vmas *vmas, const struct vma *vma,
			   struct explained *is)
{
	int err = range_report_vmas(whole, vmas, &is->report);

	is->mixed = 0;
	if (!err)
		err = probe_inner(whole, vmas, &is->report, &is->inner);
	if (err)
		return err;
	/* base pages can be requested for any range, but there is nothing to access */
	if (is->report.flags & IBV_ODP_RANGE_HOLE || vma->flags & VMA_SPECIAL) {
		is->report = (struct ibv_odp_report){
			.flags = IBV_ODP_RANGE_HOLE,
			.reason = IBV_ODP_REASON_NO_ACCESS,
			.address = vma->start,
			.blocked_shift = (uint32_t)__builtin_ctzll(whole->accepted),
		};
		return 0;
	}
	if (has_size(is->report.page_shift, thp_pmd_size()))
		return 0;
	return count_mixed(whole, vmas, vma, &is->mixed);
}

/* Read the mappings from smaps, because the names and resident sizes are printed, too. */
static int explain(struct listing *listing, const char *proc, uint64_t sizes, uint64_t min,
		   struct totals *totals)
{
	struct vmas list, vmas;
	struct explained is;
	struct vma vma;
	uint64_t at;
	int err;

	err = vmas_open_text(&list, proc);
	if (!err)
		err = vmas_open(&vmas, proc);
	if (err) {
		vmas_close(&list);
		return err;
	}
	for (at = 0; !(err = vmas_find(&list, at, &vma)); at = vma.end) {
		struct range range = {
			.addr = vma.start,
			.iova = vma.start,
			.length = vma.end - vma.start,
			.accepted = sizes,
			.supported = sizes,
		};

		/* [vsyscall] ends at the top of the address space */
		if (vma.end <= vma.start)
			continue;
		if (vma.end - vma.start < min) {
			totals->left_out++;
			continue;
		}
		err = explain_mapping(&range, &vmas, &vma, &is);
		if (err)
			break;
		count(totals, &vma, &is, largest(sizes));
		if (listing->tool->json)
			json_mapping(&listing->json, &vma, &is);
		else
			add_mapping(listing, &vma, &is);
	}
	vmas_close(&vmas);
	vmas_close(&list);
	return err == ENOENT ? 0 : err;
}

static const char *access_advice(int err)
{
	if (err == ENOENT || err == ESRCH)
		return "; the process has ended, or is a thread of the kernel";
	if (err != EACCES && err != EPERM)
		return "";
	if (!geteuid())
		return "; root needs CAP_SYS_PTRACE for processes of others, which containers "
		       "often "
		       "lack";
	return "; root can explain all processes, other users only their own";
}

static int explain_json(struct listing *listing, const char *pid, const char *proc, uint64_t sizes,
			uint64_t min)
{
	struct json *json = &listing->json;
	struct totals totals = { 0 };
	int err;

	json->out = stdout;
	json_open(json, NULL, '{');
	json_number(json, "pid", strtoull(pid, NULL, 10));
	json_sizes(json, "sizes", sizes);
	json_open(json, "mappings", '[');
	err = explain(listing, proc, sizes, min, &totals);
	json_close(json, ']');
	json_number(json, "bytes", totals.bytes);
	json_number(json, "huge_bytes", totals.huge_bytes);
	json_number(json, "thp_bytes", totals.thp_bytes);
	json_number(json, "no_access_bytes", totals.no_access);
	json_number(json, "left_out", totals.left_out);
	if (err)
		json_string(json, "error", strerror(err));
	json_close(json, '}');
	json_end(json);
	return err;
}

static int explain_text(struct listing *listing, const char *proc, uint64_t sizes, uint64_t min)
{
	struct totals totals = { 0 };
	int err, print_err;

	listing->notes = open_memstream(&listing->note, &listing->note_len);
	if (!listing->notes)
		return errno;
	table_start(&listing->table, listing->tool, columns, EXPLAIN_COLUMNS);
	err = explain(listing, proc, sizes, min, &totals);
	print_err = print_mappings(listing);
	if (!err)
		err = print_err;
	if (!err)
		print_totals(listing->tool, &totals, largest(sizes), min);
	return err;
}

static int explain_pid(const struct tool *tool, const char *pid)
{
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t sizes = tool->sizes ? tool->sizes : base | thp_pmd_size();
	uint64_t min = tool->min ? tool->min : largest(sizes);
	struct listing listing = { .tool = tool };
	char proc[32];
	int err;

	snprintf(proc, sizeof(proc), "/proc/%s", pid);
	if (access("/proc/self", F_OK)) {
		complain("process %s: /proc is not mounted", pid);
		return TOOL_FAILED;
	}
	if (access(proc, F_OK)) {
		complain("no process %s", pid);
		return TOOL_NOTHING;
	}
	err = tool->json ? explain_json(&listing, pid, proc, sizes, min)
			 : explain_text(&listing, proc, sizes, min);
	if (err)
		complain("process %s: %s%s", pid, strerror(err), access_advice(err));
	return err ? TOOL_FAILED : TOOL_OK;
}

int explain_run(const struct tool *tool, int argc, char **argv)
{
	struct tool program = *tool;
	const char *at;

	if (!argc) {
		complain("explain: give a PID, or -- and a program");
		return TOOL_USAGE;
	}
	if (!strcmp(argv[-1], "--")) {
		if (!program.report)
			program.report = "-";
		return run_program(&program, "explain", argv);
	}
	if (tool->all || tool->report) {
		complain("explain: --all and --report are for programs, after --");
		return TOOL_USAGE;
	}
	if (argc > 1) {
		complain("explain: unexpected argument '%s'; give one PID, or -- and a program",
			 argv[1]);
		return TOOL_USAGE;
	}
	for (at = argv[0]; isdigit((unsigned char)*at); at++)
		;
	if (*at || at == argv[0] || at - argv[0] > 10) {
		complain("explain: invalid PID '%s'; to run a program, put -- before it", argv[0]);
		return TOOL_USAGE;
	}
	return explain_pid(tool, argv[0]);
}
