// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/caps.h"
#include "cache/params.h"
#include "cmd/cmd.h"
#include "data/account.h"
#include "model.h"
#include "vfio/vfu.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 32

/*
 * SIGTERM and SIGINT arrive as a readable file, like messages: a handler that runs right before poll()
 * would not wake it.
 */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return sigprocmask(SIG_BLOCK, &set, NULL) ? -1 : signalfd(-1, &set, SFD_CLOEXEC);
}

static void usage(FILE *file)
{
	fputs("usage: mlx5-model --socket PATH... [--stats FILE] [--help]\n"
	      "                  [--profile default|old|new] [--scheme transport|memory]\n"
	      "                  [--delay SEED] [--faults SEED]\n"
	      "                  [--cap NAME=VALUE]... [--fail [COMMAND:]N]...\n"
	      "                  [--cache default|NAME=VALUE:...] [--record FILE]\n"
	      "                  [--strict] [--trace]\n"
	      "Each socket is a device, in the order of their LIDs. A line \"ready\" on standard\n"
	      "output means that all of them can be connected to.\n",
	      file);
}

static int fail(const char *what)
{
	fprintf(stderr, "mlx5: %s: %s\n", what, strerror(errno));
	return -1;
}

/* The name appears when the socket is ready for connections */
static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fail("socket");
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", path) >=
	    (int)sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return fail(path);
	}
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1) ||
	    rename(address.sun_path, path))
		return fail(path);
	return fd;
}

/* A device and its client: first a listener, then a connection, then neither */
struct function {
	struct dev dev;
	struct vfu vfu;
	int listener;
};

static int function_accept(struct function *f)
{
	f->vfu.socket = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
	if (f->vfu.socket < 0)
		return fail("accept");
	close(f->listener);
	f->listener = -1;
	return 0;
}

/* The client is gone: remove the device. Requests of other devices to it end in a timeout. */
static void function_end(struct function *f)
{
	vfu_destroy(&f->vfu);
	model_destroy(&f->dev);
	close(f->vfu.socket);
	f->vfu.socket = -1;
}

/* Serve a few messages, then let the queues run */
static void function_serve(struct function *f)
{
	int i = MESSAGES_PER_TURN;

	do {
		if (!vfu_serve(&f->vfu)) {
			function_end(f);
			return;
		}
	} while (--i && vfu_has_message(&f->vfu));
}

static bool all_gone(const struct function *functions, unsigned int count)
{
	bool came = false;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (functions[i].vfu.socket >= 0)
			return false;
		came |= functions[i].listener < 0;
	}
	return came;
}

/* Runs until all clients that connected are gone */
static int serve(struct fabric *fabric, struct function *functions, unsigned int count, int signals)
{
	struct pollfd wait[FABRIC_DEVICES + 1];
	int timeout = -1;
	unsigned int i;

	wait[count] = (struct pollfd){ .fd = signals, .events = POLLIN };
	while (!all_gone(functions, count)) {
		for (i = 0; i < count; i++) {
			wait[i] = (struct pollfd){
				.fd = functions[i].listener >= 0 ? functions[i].listener :
								   functions[i].vfu.socket,
				.events = POLLIN,
			};
			if (vfu_has_message(&functions[i].vfu))
				timeout = 0;
		}
		if (poll(wait, count + 1, timeout) < 0)
			continue;
		if (wait[count].revents)
			break;
		for (i = 0; i < count; i++) {
			if (!wait[i].revents && !vfu_has_message(&functions[i].vfu))
				continue;
			if (functions[i].listener < 0)
				function_serve(&functions[i]);
			else if (function_accept(&functions[i]))
				return -1;
		}
		timeout = model_work(fabric);
	}
	return 0;
}

static int write_stats(const struct function *functions, unsigned int count, const char *path)
{
	FILE *file = fopen(path, "w");
	unsigned int i;

	if (!file)
		return fail(path);
	for (i = 0; i < count; i++) {
		fprintf(file, "# mlx5_%u\n", i);
		stats_print(&functions[i].dev.stats, file);
	}
	return fclose(file) ? fail(path) : 0;
}

struct settings {
	struct dev_options device;
	struct cache_params cache;
	char cache_error[160];
	const char *sockets[FABRIC_DEVICES];
	unsigned int count;
	const char *stats;
};

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	*number = strtoull(text, &end, 0);
	return !*end && *number;
}

static bool parse_cap(const char *text, struct dev_options *options)
{
	return options->cap_count < DEV_SETTINGS &&
	       caps_parse(text, &options->caps[options->cap_count++]);
}

/* N, COMMAND:N or UMR:N */
static bool parse_fail(const char *text, struct dev_options *options)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	struct fail_setting *fail;

	if (options->fail_count == DEV_SETTINGS || length >= DEV_FAIL_NAME)
		return false;
	fail = &options->fails[options->fail_count++];
	memcpy(fail->name, text, length);
	if (colon && strcmp(fail->name, DEV_FAIL_UMR) && !cmd_is_known(fail->name))
		return false;
	return parse_number(colon ? colon + 1 : text, &fail->count);
}

static bool parse_cache(const char *text, struct settings *settings)
{
	settings->device.cache = &settings->cache;
	return cache_params_parse(text, &settings->cache, settings->cache_error,
				  sizeof(settings->cache_error));
}

static bool parse(int argc, char **argv, struct settings *settings)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "stats", required_argument, NULL, 'c' },
		{ "scheme", required_argument, NULL, 'p' },
		{ "profile", required_argument, NULL, 'r' },
		{ "delay", required_argument, NULL, 'd' },
		{ "faults", required_argument, NULL, 'f' },
		{ "cap", required_argument, NULL, 'a' },
		{ "fail", required_argument, NULL, 'e' },
		{ "cache", required_argument, NULL, 'm' },
		{ "record", required_argument, NULL, 'o' },
		{ "strict", no_argument, NULL, 'x' },
		{ "trace", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 's':
			if (settings->count == FABRIC_DEVICES)
				return false;
			settings->sockets[settings->count++] = optarg;
			break;
		case 'c':
			settings->stats = optarg;
			break;
		case 'p':
			if (!strcmp(optarg, "memory"))
				settings->device.scheme = SCHEME_MEMORY;
			else if (strcmp(optarg, "transport"))
				return false;
			break;
		case 'r':
			if (!caps_profile_parse(optarg, &settings->device.profile))
				return false;
			break;
		case 'd':
			if (!parse_number(optarg, &settings->device.delay_seed))
				return false;
			break;
		case 'f':
			if (!parse_number(optarg, &settings->device.fault_seed))
				return false;
			break;
		case 'a':
			if (!parse_cap(optarg, &settings->device))
				return false;
			break;
		case 'e':
			if (!parse_fail(optarg, &settings->device))
				return false;
			break;
		case 'm':
			if (!parse_cache(optarg, settings))
				return false;
			break;
		case 'o':
			settings->device.record = optarg;
			break;
		case 'x':
			settings->device.strict = true;
			break;
		case 't':
			settings->device.trace = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	/* the memory scheme came later */
	if (settings->device.profile == PROFILE_OLD && settings->device.scheme == SCHEME_MEMORY)
		return false;
	return settings->count && optind == argc;
}

/* What it takes to have the same random events again */
static void print_seeds(const struct dev_options *options)
{
	if (options->delay_seed)
		fprintf(stderr, "mlx5: --delay %" PRIu64 "\n", options->delay_seed);
	if (options->fault_seed)
		fprintf(stderr, "mlx5: --faults %" PRIu64 "\n", options->fault_seed);
}

static int functions_start(struct fabric *fabric, struct function *functions,
			   const struct settings *settings)
{
	unsigned int i;

	for (i = 0; i < settings->count; i++) {
		if (!model_init(&functions[i].dev, fabric, &settings->device))
			return -1;
		vfu_init(&functions[i].vfu, &functions[i].dev, -1);
		functions[i].listener = listen_at(settings->sockets[i]);
		if (functions[i].listener < 0)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct function functions[FABRIC_DEVICES];
	struct fabric fabric = { 0 };
	struct settings settings = { 0 };
	unsigned int i;
	int status = 0, signals;

	if (!parse(argc, argv, &settings)) {
		usage(stderr);
		if (settings.cache_error[0])
			fprintf(stderr, "mlx5: --cache %s\n", settings.cache_error);
		return 2;
	}
	print_seeds(&settings.device);
	signals = open_signals();
	if (signals < 0) {
		perror("mlx5: signalfd");
		return 1;
	}
	if (functions_start(&fabric, functions, &settings))
		return 1;
	/* all sockets can be connected to */
	puts("ready");
	fflush(stdout);
	if (serve(&fabric, functions, settings.count, signals))
		return 1;
	if (settings.stats && write_stats(functions, settings.count, settings.stats))
		status = 1;
	for (i = 0; i < settings.count; i++) {
		if (functions[i].vfu.socket >= 0)
			function_end(&functions[i]);
		account_end(&functions[i].dev);
		if (functions[i].dev.record_lost)
			status = 1;
	}
	return status;
}
