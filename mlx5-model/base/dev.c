// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/dev.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define DEV_STRICT_PRINTED 10 /* of each kind */

uint64_t dev_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* xorshift: a seed gives the same numbers in each run */
static uint64_t dev_next_random(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

uint64_t dev_random(struct dev *dev)
{
	return dev_next_random(&dev->random);
}

uint64_t dev_fault_random(struct dev *dev, uint64_t limit)
{
	return dev->options.fault_seed ? (dev_next_random(&dev->fault_random) >> 16) % limit : 0;
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

/* The number of reports of this kind, including this one */
static uint64_t strict_count(struct dev *dev, const char *format)
{
	struct strict_kind *kind = dev->strict_kinds;
	const struct strict_kind *last = kind + DEV_STRICT_KINDS - 1;

	while (kind < last && kind->format && kind->format != format)
		kind++;
	kind->format = format;
	return ++kind->count;
}

void strict_report(struct dev *dev, const char *format, ...)
{
	va_list arguments;
	uint64_t count;

	if (!dev->options.strict)
		return;
	dev->stats.strict_reports++;
	count = strict_count(dev, format);
	if (count > DEV_STRICT_PRINTED || dev->options.strict_silent)
		return;
	va_start(arguments, format);
	dev_say(dev, "strict: ", format, arguments);
	va_end(arguments);
	if (count == DEV_STRICT_PRINTED)
		fprintf(stderr, "mlx5_%u: strict: more of these are only counted\n",
			dev->lid - 1u);
}

bool dev_fails(struct dev *dev, const char *name)
{
	bool fails = false;
	unsigned int i;

	for (i = 0; i < dev->options.fail_count; i++) {
		const struct fail_setting *fail = &dev->options.fails[i];

		if (fail->name[0] ? !strcmp(fail->name, name) : strcmp(name, DEV_FAIL_UMR) != 0)
			fails |= ++dev->fails_seen[i] == fail->count;
	}
	dev->stats.made_to_fail += fails;
	return fails;
}

void dev_bad_dma(struct dev *dev, uint64_t address)
{
	dev->stats.bad_dma++;
	strict_report(dev, "address %#" PRIx64 " is not in the guest's memory", address);
}
