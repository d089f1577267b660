// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The hugeodp command: parses the command line and calls the commands. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <infiniband/hugeodp.h>

#include "../libibverbs/sizes.h"
#include "survey/target.h"
#include "tool.h"

static int help_run(const struct tool *tool, int argc, char **argv);

static const struct command commands[] = {
	{ "check", "", "show whether this machine can do huge on-demand paging, or what to do", "d",
	  check_run },
	{ "info", "", "show devices, their page sizes, and the huge-page settings of the system",
	  "d", info_run },
	{ "explain", "PID... | -- PROGRAM [ARGUMENT...]",
	  "show which memory could have huge pages, and why the rest could not", "smarnoReE",
	  explain_run },
	{ "advise", "PID... | -- PROGRAM [ARGUMENT...]",
	  "show what to change for more huge pages, and the gain", "smrnoR", advise_run },
	{ "mr", "", "show memory regions, with page sizes if the driver reports them", "dnOopPSw",
	  mr_run },
	{ "run", "[--] PROGRAM [ARGUMENT...]", "run a program with huge pages for its ODP regions",
	  "sar", run_run },
	{ "help", "[COMMAND]", "describe a command", "", help_run },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct option options[] = {
	{ "all", no_argument, NULL, 'a' },
	{ "color", required_argument, NULL, 'c' },
	{ "device", required_argument, NULL, 'd' },
	{ "entries", required_argument, NULL, 'E' },
	{ "help", no_argument, NULL, 'h' },
	{ "json", no_argument, NULL, 'j' },
	{ "min", required_argument, NULL, 'm' },
	{ "noheadings", no_argument, NULL, 'n' },
	{ "openmetrics", no_argument, NULL, 'O' },
	{ "output", required_argument, NULL, 'o' },
	{ "pid", required_argument, NULL, 'p' },
	{ "pinned", no_argument, NULL, 'e' },
	{ "processes", no_argument, NULL, 'P' },
	{ "range", required_argument, NULL, 'R' },
	{ "report", optional_argument, NULL, 'r' },
	{ "sizes", required_argument, NULL, 's' },
	{ "sort", required_argument, NULL, 'S' },
	{ "version", no_argument, NULL, 'V' },
	{ "watch", optional_argument, NULL, 'w' },
	{ 0 },
};

static const struct {
	char letter;
	const char *text;
} option_help[] = {
	{ 'a',
	  "      --all            also registrations without on-demand paging; under run the program\n"
	  "                       may behave differently, see hugeodp(1)\n" },
	{ 'd', "  -d, --device NAME    show only this RDMA device\n" },
	{ 'e', "      --pinned         also the entries of the device's tables for pinned MRs\n" },
	{ 'E', "      --entries N      as --pinned; exit status 4 if these are more than N\n" },
	{ 'm',
	  "      --min SIZE       leave out shorter mappings (default: the smallest of --sizes\n"
	  "                       that is larger than a base page)\n" },
	{ 'n', "  -n, --noheadings     without the line of headings\n" },
	{ 'o',
	  "  -o, --output LIST    only these columns of the table, for example \"bytes,page,owner\"\n" },
	{ 'O',
	  "      --openmetrics    print the sums of each process in the text format of OpenMetrics\n" },
	{ 'p', "  -p, --pid PID        show only the regions of this process\n" },
	{ 'P', "      --processes      print the sums of each process\n" },
	{ 'R',
	  "      --range START-END  only these addresses, hexadecimal as in /proc/PID/maps\n" },
	{ 'r',
	  "  -r, --report[=FILE]  report the result at exit, to stderr or appended to FILE; %p in\n"
	  "                       the name is replaced by the process number\n" },
	{ 's', "  -s, --sizes LIST     page sizes, for example \"2M|base\" or any\n" },
	{ 'S',
	  "      --sort COLUMN    the largest first: bytes, page, blocks, table, faults or\n"
	  "                       invalidated\n" },
	{ 'w', "  -w, --watch[=SECONDS]  repeat it until interrupted (default: every 2 seconds)\n" },
};

static void help_options(const char *letters)
{
	size_t i;

	puts("\noptions:");
	for (i = 0; i < sizeof(option_help) / sizeof(option_help[0]); i++) {
		if (strchr(letters, option_help[i].letter))
			fputs(option_help[i].text, stdout);
	}
	puts("  -j, --json           print JSON instead of text\n"
	     "      --color WHEN     always, never or auto (default: auto, if on a terminal)\n"
	     "  -h, --help           print this help\n"
	     "  -V, --version        print the version");
}

static void help(const struct command *command)
{
	size_t i;

	if (command) {
		printf("usage: hugeodp %s [OPTION...]%s%s\n\n%s\n", command->name,
		       *command->arguments ? " " : "", command->arguments, command->summary);
		help_options(command->options);
		return;
	}
	puts("usage: hugeodp COMMAND [OPTION...] [ARGUMENT...]\n\n"
	     "Huge pages for on-demand paging (ODP) of RDMA devices.\n\ncommands:");
	for (i = 0; i < COMMANDS; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	help_options("");
	puts("\nhugeodp COMMAND --help describes a command. Exit status: 0 for success; 1 for a "
	     "failure;\n"
	     "2 for a wrong command line; 3 if there is no such device or process, or if check "
	     "says "
	     "no;\n"
	     "4 if explain --entries says too many.\n"
	     "Commands that run a program return its status, or 126 or 127 if it cannot be run.");
}

static int usage_error(const char *what, const char *value)
{
	complain("%s%s%s", what, value ? ": " : "", value ? value : "");
	return TOOL_USAGE;
}

static void print_help_hint(const struct command *command)
{
	fprintf(stderr, "Try hugeodp%s%s --help.\n", command ? " " : "",
		command ? command->name : "");
}

static int wrong_option(const struct command *command, int option)
{
	char name[16] = "";
	size_t i;

	for (i = 0; options[i].name; i++) {
		if (options[i].val == option)
			snprintf(name, sizeof(name), "--%s", options[i].name);
	}
	return usage_error(command ? "option not valid for this command"
				   : "option must follow the command",
			   name);
}

/* Sizes below the system's base page are likely typing errors, such as 2K for 2M. */
static int set_sizes(struct tool *tool, const char *list)
{
	const uint64_t base = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!sizes_parse(list, &tool->sizes))
		return usage_error("not a list of page sizes such as \"2M|base\"", list);
	if (tool->sizes & (base - 1))
		return usage_error("smaller than the system's base page", list);
	if (hugeodp_parse_page_sizes(list, &tool->sizes))
		return usage_error("larger than a page can be", list);
	tool->sizes_given = true;
	return -1;
}

static bool set_color(struct tool *tool, const char *when)
{
	const char *no_color = getenv("NO_COLOR");

	if (!strcmp(when, "auto"))
		tool->color = isatty(STDOUT_FILENO) && !(no_color && *no_color);
	else if (!strcmp(when, "always") || !strcmp(when, "never"))
		tool->color = *when == 'a';
	else
		return false;
	return true;
}

/* A decimal number from 1 to @max. */
static bool take_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !errno && !*end && *number && *number <= max;
}

/* The options of mr. Returns -1 to go on, or an exit status. */
static int take_mr_option(struct tool *tool, int option)
{
	uint64_t number = 2;

	switch (option) {
	case 'O':
		tool->openmetrics = true;
		return -1;
	case 'p':
		if (!take_number(optarg, INT_MAX, &number))
			return usage_error("not the number of a process", optarg);
		tool->pid = number;
		return -1;
	case 'P':
		tool->processes = true;
		return -1;
	case 'S':
		tool->sort = optarg;
		return -1;
	case 'w':
		if (optarg && !take_number(optarg, 86400, &number))
			return usage_error("not a number of seconds up to 86400", optarg);
		tool->watch = (unsigned int)number;
		return -1;
	default:
		return TOOL_USAGE;
	}
}

/* The options of explain and of tables. Returns -1 to go on, or an exit status. */
static int take_explain_option(struct tool *tool, int option)
{
	switch (option) {
	case 'e':
		tool->pinned = true;
		return -1;
	case 'E':
		tool->pinned = true;
		return take_number(optarg, UINT64_MAX, &tool->entries)
			       ? -1
			       : usage_error("not a number of entries", optarg);
	case 'n':
		tool->no_headings = true;
		return -1;
	case 'o':
		tool->output = optarg;
		return -1;
	case 'R':
		tool->range = true;
		return target_range(optarg, &tool->start, &tool->end)
			       ? -1
			       : usage_error("not a range of addresses such as "
					     "7f0000000000-7f0000200000",
					     optarg);
	default:
		return take_mr_option(tool, option);
	}
}

/* Returns -1 to go on, or an exit status. */
static int take_option(struct tool *tool, const struct command *command, int option)
{
	switch (option) {
	case 'a':
		tool->all = true;
		return -1;
	case 'c':
		return set_color(tool, optarg)
			       ? -1
			       : usage_error("invalid argument for --color", optarg);
	case 'd':
		tool->device = optarg;
		return -1;
	case 'j':
		tool->json = true;
		return -1;
	case 'm':
		return sizes_parse(optarg, &tool->min) && tool->min &&
				       !(tool->min & (tool->min - 1))
			       ? -1
			       : usage_error("not a power of two such as 2M", optarg);
	case 'r':
		tool->report = optarg ? optarg : "-";
		return -1;
	case 's':
		return set_sizes(tool, optarg);
	case 'h':
		help(command);
		return TOOL_OK;
	case 'V':
		puts("hugeodp " HUGEODP_VERSION_STRING);
		return TOOL_OK;
	default:
		return take_explain_option(tool, option);
	}
}

static int take_options(struct tool *tool, const struct command *command, int argc, char **argv)
{
	/* the name of a program ends the options, a PID does not */
	bool stop = !command || command->run == run_run;
	int option, status;

	optind = 0; /* also resets the order of arguments */
	while ((option = getopt_long(argc, argv,
				     stop ? "+d:hjno:p:r::s:Vw::" : "d:hjno:p:r::s:Vw::", options,
				     NULL)) != -1) {
		if (strchr("adeEmnoOpPrRsSw", option) &&
		    !(command && strchr(command->options, option)))
			return wrong_option(command, option);
		status = take_option(tool, command, option);
		if (status >= 0)
			return status;
	}
	return -1;
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int help_run(const struct tool *tool, int argc, char **argv)
{
	const struct command *command = argc ? find_command(argv[0]) : NULL;

	(void)tool;
	if (argc > 1)
		return usage_error("help: unexpected argument", argv[1]);
	if (argc && !command)
		return usage_error("no such command", argv[0]);
	help(command);
	return TOOL_OK;
}

static int finish(int status)
{
	/* a full disk must not look like success */
	if (fflush(stdout) || ferror(stdout)) {
		complain("writing: %s", strerror(errno));
		return status ? status : TOOL_FAILED;
	}
	return status;
}

/* Options end at "--", except those of "run", which end at the program. */
static int options_end(const struct command *command, int argc, char **argv)
{
	int i;

	for (i = 1; command->run != run_run && i < argc; i++) {
		if (!strcmp(argv[i], "--"))
			return i;
	}
	return argc;
}

static int run_command(const struct command *command, struct tool *tool, int argc, char **argv)
{
	int end = options_end(command, argc, argv);
	char title[32];
	int status;

	/* the prefix of getopt's messages */
	snprintf(title, sizeof(title), "hugeodp %s", command->name);
	argv[0] = title;
	status = take_options(tool, command, end, argv);
	if (status < 0) {
		if (optind == end && end < argc)
			optind++;
		status = command->run(tool, argc - optind, argv + optind);
	}
	if (status == TOOL_USAGE)
		print_help_hint(command);
	return status;
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct tool tool = { 0 };
	int status;

	/* which characters a terminal can show */
	setlocale(LC_CTYPE, "");
	set_color(&tool, "auto");
	status = take_options(&tool, NULL, argc, argv);
	if (status < 0) {
		if (optind == argc)
			status = usage_error("no command", NULL);
		else if (!(command = find_command(argv[optind])))
			status = usage_error("no such command", argv[optind]);
	}
	if (command)
		status = run_command(command, &tool, argc - optind, argv + optind);
	else if (status == TOOL_USAGE)
		print_help_hint(NULL);
	return finish(status);
}
