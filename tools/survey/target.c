// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../libibverbs/memory/blocks.h"
#include "../../preload/counts.h"
#include "target.h"

/* A number without a sign or blanks. */
static bool take_address(const char **text, uint64_t *address)
{
	char *end;

	if (!isxdigit((unsigned char)**text))
		return false;
	errno = 0;
	*address = strtoull(*text, &end, 16);
	*text = end;
	return !errno;
}

bool target_range(const char *text, uint64_t *start, uint64_t *end)
{
	return take_address(&text, start) && *text++ == '-' && take_address(&text, end) && !*text &&
	       *start < *end;
}

bool target_are_pids(const char *command, int argc, char **argv)
{
	const char *at;
	int i;

	for (i = 0; i < argc; i++) {
		for (at = argv[i]; isdigit((unsigned char)*at); at++)
			;
		/* the kernel has no numbers of more digits */
		if (*at || at == argv[i] || at - argv[i] > 10) {
			complain("%s: invalid PID '%s'; to run a program, put -- before it",
				 command, argv[i]);
			return false;
		}
	}
	return true;
}

bool target_program(const struct tool *tool, const char *command)
{
	if (tool->range || tool->min || tool->output || tool->no_headings) {
		complain("%s: --range, --min, --output and --noheadings are for processes",
			 command);
		return false;
	}
	return true;
}

static const char *advice(int err)
{
	if (err == ESRCH || err == ENOENT)
		return "; the process has ended, or is a thread of the kernel";
	if (err != EACCES && err != EPERM)
		return "";
	if (!geteuid())
		return "; root needs CAP_SYS_PTRACE for processes of others, which containers "
		       "often lack";
	return "; run it as root, by sudo, for processes of other users";
}

int target_open(const char *pid, struct process *process)
{
	int err;

	if (access("/proc/self", F_OK)) {
		complain("process %s: /proc is not mounted", pid);
		return TOOL_FAILED;
	}
	err = process_open(process, strtoull(pid, NULL, 10));
	if (!err)
		return TOOL_OK;
	if (err == ESRCH) {
		complain("no process %s", pid);
		return TOOL_NOTHING;
	}
	complain("process %s: %s", pid, strerror(err));
	return TOOL_FAILED;
}

int target_each(const struct tool *tool, int argc, char **argv, target_fn function, void *arg)
{
	struct json json = { .out = stdout };
	struct process process;
	int status = TOOL_OK, one, i;

	if (tool->json && argc > 1)
		json_open(&json, NULL, '[');
	for (i = 0; i < argc; i++) {
		one = target_open(argv[i], &process);
		if (one == TOOL_OK) {
			one = function(tool, tool->json ? &json : NULL, &process, i, arg);
			process_close(&process);
		}
		if (status == TOOL_OK)
			status = one;
	}
	if (tool->json && argc > 1)
		json_close(&json, ']');
	if (json.more)
		json_end(&json);
	return status;
}

struct survey target_survey(const struct tool *tool, const struct process *process)
{
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t sizes = survey_sizes(tool);
	const uint64_t larger = sizes & ~(base | (base - 1));
	struct survey survey = {
		.proc = process->path,
		.sizes = sizes,
		.min = tool->min,
		.start = tool->start & ~(base - 1),
		.end = UINT64_MAX,
	};

	/* the last page ends at the top of the address space */
	if (tool->range && tool->end <= UINT64_MAX - base)
		survey.end = (tool->end + base - 1) & ~(base - 1);
	/* without room for a single larger page */
	if (!survey.min && !tool->range)
		survey.min = larger ? larger & -larger : base;
	return survey;
}

int target_status(const struct tool *tool, const struct process *process,
		  const struct survey_totals *totals, int err)
{
	if (err) {
		complain("process %" PRIu64 ": %s%s", process->pid, strerror(err), advice(err));
		return TOOL_FAILED;
	}
	if (tool->range && !totals->mappings && !totals->no_access && !totals->left_out) {
		complain("process %" PRIu64 ": nothing is mapped from %#" PRIx64 " to %#" PRIx64,
			 process->pid, tool->start, tool->end);
		return TOOL_NOTHING;
	}
	return TOOL_OK;
}

bool target_registered(const struct range_report *report, struct target_range *range)
{
	const uint64_t base = IBV_PAGE_SIZE_BASE;
	const uint32_t base_shift = (uint32_t)__builtin_ctzll(base);
	const uint32_t shift = report->page_shift ? report->page_shift : base_shift;
	struct survey_obstacle *obstacle = &range->obstacle;
	uint64_t end;

	if (!report->length || __builtin_add_overflow(report->addr, report->length, &end) ||
	    end > UINT64_MAX - base || shift < base_shift || shift > 62 ||
	    report->blocked_shift > 62 || (report->reason && report->blocked_shift <= shift))
		return false;
	*range = (struct target_range){ .page_shift = shift };
	obstacle->reason = report->reason;
	obstacle->shift = report->blocked_shift;
	obstacle->start = report->addr & ~(base - 1);
	obstacle->end = (end + base - 1) & ~(base - 1);
	obstacle->vma.start = obstacle->start;
	obstacle->vma.end = obstacle->end;
	obstacle->blocks = blocks_count(report->addr, report->length, report->blocked_shift);
	obstacle->entries = blocks_count(report->addr, report->length, shift);
	return true;
}
