// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "vfu.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 32

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void usage(FILE *file)
{
	fputs("usage: hugeodp-mlx5-model --socket PATH [--stats FILE] [--scheme transport|memory]\n"
	      "                          [--delay SEED] [--strict] [--trace]\n",
	      file);
}

static int fail(const char *what)
{
	fprintf(stderr, "mlx5: %s: %s\n", what, strerror(errno));
	return -1;
}

/* The name appears when somebody listens there, so whoever sees it can connect */
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

static int accept_one(int listener)
{
	struct pollfd wait = { .fd = listener, .events = POLLIN };
	int fd;

	while (!stopped)
		if (poll(&wait, 1, -1) > 0) {
			fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			return fd < 0 ? fail("accept") : fd;
		}
	return -1;
}

static void serve(struct vfu *vfu)
{
	struct pollfd wait = { .fd = vfu->socket, .events = POLLIN };
	int timeout = -1, i;

	while (!stopped) {
		int ready = poll(&wait, 1, timeout);

		/* a few at a time: the queues have their turn as well */
		for (i = 0; ready > 0 && i < MESSAGES_PER_TURN; i++) {
			if (!vfu_serve(vfu))
				return;
			ready = poll(&wait, 1, 0);
		}
		timeout = dev_work(vfu->dev);
	}
}

static int write_stats(const struct dev *dev, const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return fail(path);
	stats_print(&dev->stats, file);
	return fclose(file) ? fail(path) : 0;
}

struct settings {
	struct dev_options device;
	const char *socket;
	const char *stats;
};

static bool parse(int argc, char **argv, struct settings *settings)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "stats", required_argument, NULL, 'c' },
		{ "scheme", required_argument, NULL, 'p' },
		{ "delay", required_argument, NULL, 'd' },
		{ "strict", no_argument, NULL, 'x' },
		{ "trace", no_argument, NULL, 't' },
		{ 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 's':
			settings->socket = optarg;
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
		case 'd':
			settings->device.delay_seed = strtoull(optarg, &end, 0);
			if (*end || !settings->device.delay_seed)
				return false;
			break;
		case 'x':
			settings->device.strict = true;
			break;
		case 't':
			settings->device.trace = true;
			break;
		default:
			return false;
		}
	}
	return settings->socket && optind == argc;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	struct settings settings = { 0 };
	static struct dev dev;
	struct vfu vfu;
	int listener, fd, status = 0;

	if (!parse(argc, argv, &settings)) {
		usage(stderr);
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	listener = listen_at(settings.socket);
	if (listener < 0)
		return 1;
	fd = accept_one(listener);
	close(listener);
	if (fd < 0)
		return 1;
	dev_init(&dev, &settings.device);
	vfu_init(&vfu, &dev, fd);
	serve(&vfu);
	if (settings.stats && write_stats(&dev, settings.stats))
		status = 1;
	vfu_destroy(&vfu);
	dev_destroy(&dev);
	close(fd);
	return status;
}
