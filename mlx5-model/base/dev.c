// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/dev.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

uint64_t dev_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* xorshift: the delays of a seed are the same in each run */
uint64_t dev_random(struct dev *dev)
{
	dev->random ^= dev->random << 13;
	dev->random ^= dev->random >> 7;
	dev->random ^= dev->random << 17;
	return dev->random;
}

static void dev_say(const struct dev *dev, const char *what, const char *format,
		    va_list arguments)
{
	fprintf(stderr, "mlx5_%u: %s", dev->lid - 1u, what);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void trace(const struct dev *dev, const char *format, ...)
{
	va_list arguments;

	if (!dev->options.trace)
		return;
	va_start(arguments, format);
	dev_say(dev, "", format, arguments);
	va_end(arguments);
}

void strict_report(struct dev *dev, const char *format, ...)
{
	va_list arguments;

	if (!dev->options.strict)
		return;
	dev->stats.strict_reports++;
	va_start(arguments, format);
	dev_say(dev, "strict: ", format, arguments);
	va_end(arguments);
}
