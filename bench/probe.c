// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registration and deregistration with and without a probe before it, in a process of 10,000
 * mappings, half of which are below the memory: the cost of a probe must not depend on their
 * number.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define MAPPINGS 10000
#define WARM 3

static const struct subject about[] = {
	{ "2M|4K", &mode_2m_4k, SPACE_BASE, SZ_4K, true },
	{ "2M|4K", &mode_2m_4k, SPACE_HUGE, SZ_4K, true },
};

/*
 * Adjacent mappings of different protection, so that the kernel does not merge them; at @hint if
 * nothing is there.
 */
static uint8_t *map_half(uintptr_t hint)
{
	uint8_t *half = mmap((void *)hint, MAPPINGS / 2 * SZ_4K, PROT_READ,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (half == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	for (size_t i = 0; i < MAPPINGS / 2; i += 2)
		if (mprotect(half + i * SZ_4K, SZ_4K, PROT_READ | PROT_WRITE))
			fatal("mprotect: %s", strerror(errno));
	return half;
}

static uint64_t once(const struct bench *b, const struct subject *s, const struct space *space,
		     bool with_probe)
{
	uint64_t start = work_done();
	struct ibv_odp_report report;

	if (with_probe && ibv_probe_odp_range(b->rig.ctx, space->addr, space->len,
					      s->mode->page_sizes, &report, sizeof(report)))
		fatal("ibv_probe_odp_range: %s", strerror(errno));
	subject_dereg(subject_reg(b, s, space->addr, space->len));
	return work_done() - start;
}

static void one_state(const struct bench *b, const struct subject *s, bool populated)
{
	struct figure plain = {
		.name = "among-mappings",
		.subject = s,
		.state = populated ? "populated" : "cold",
		.length = LEN,
		.unit = work_unit(),
	};
	struct figure probed = plain;
	struct space space;

	probed.name = "among-mappings-probed";
	space_map(&space, s->kind, LEN);
	if (populated) {
		space_populate(&space);
		space_check(&space);
	}
	for (int i = 0; i < WARM + REPEATS; i++) {
		uint64_t without = once(b, s, &space, false), with = once(b, s, &space, true);

		if (i >= WARM) {
			figure_add(&plain, without);
			figure_add(&probed, with);
		}
	}
	space_unmap(&space);
	figure_print(&plain);
	figure_print(&probed);
}

void measure_probe(const struct bench *b)
{
	/* the place of a space is between the two */
	uint8_t *below = map_half(0x100000000000), *above = map_half(0);

	for (size_t i = 0; i < sizeof(about) / sizeof(*about); i++) {
		if (!subject_fits(b, &about[i], LEN))
			continue;
		one_state(b, &about[i], false);
		one_state(b, &about[i], true);
	}
	munmap(below, MAPPINGS / 2 * SZ_4K);
	munmap(above, MAPPINGS / 2 * SZ_4K);
}
