// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Runs the named measurements, or all; prints a line of JSON for each figure. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "tap.h"

static const struct measure {
	const char *name;
	void (*run)(const struct bench *b);
} measures[] = {
	{ "registration", measure_registration },
	{ "prefetch", measure_prefetch },
	{ "invalidation", measure_invalidation },
	{ "renegotiation", measure_renegotiation },
	{ "fault", measure_fault },
	{ "stream", measure_stream },
	{ "memory", measure_memory },
	{ "library", measure_library },
	{ "probe", measure_probe },
	{ "waiting", measure_waiting },
	{ "block", measure_block },
	{ "parallel", measure_parallel },
	{ "table", measure_table },
	{ "kvcache", measure_kvcache },
	{ "device", measure_device },
};

#define MEASURES (sizeof(measures) / sizeof(*measures))

static int usage(FILE *to)
{
	fputs("usage: hugeodp-bench [--quick] MEASURE...\nmeasures:", to);
	for (size_t i = 0; i < MEASURES; i++)
		fprintf(to, " %s", measures[i].name);
	fputs("\n", to);
	return to == stderr ? 2 : 0;
}

static const struct measure *find(const char *name)
{
	for (size_t i = 0; i < MEASURES; i++)
		if (!strcmp(measures[i].name, name))
			return &measures[i];
	return NULL;
}

static bool has_gigapages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "re");
	unsigned long pages = 0;

	if (!f)
		return false;
	if (fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages > 0;
}

static uint64_t page_sizes(const struct rig *rig)
{
	struct ibv_device_odp_attr attr;
	int ret = ibv_query_device_odp(rig->ctx, &attr, sizeof(attr));

	if (ret)
		fatal("ibv_query_device_odp: %s", strerror(ret));
	return attr.source == IBV_ODP_SOURCE_KERNEL ? attr.page_sizes : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct bench b = {};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h')
			return usage(stdout);
		if (c != 'q')
			return usage(stderr);
		b.quick = true;
	}
	if (optind == argc)
		return usage(stderr);
	for (int i = optind; i < argc; i++)
		if (!find(argv[i]))
			return usage(stderr);
	kernel_print();
	b.exact = work_is_exact();
	b.gigapages = has_gigapages();
	rig_open(&b.rig);
	b.page_sizes = page_sizes(&b.rig);
	stop_khugepaged();
	for (int i = optind; i < argc; i++) {
		uint64_t start = work_done();

		find(argv[i])->run(&b);
		fprintf(stderr, "%s: %.1f G %s\n", argv[i], (double)(work_done() - start) / 1e9,
			work_unit());
		figures_flush();
	}
	rig_close(&b.rig);
	return EXIT_SUCCESS;
}
