// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "canary.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "pattern.h"
#include "tap.h"

#define CANARIES 6

static bool canary_lives(const uint8_t *addr, size_t len, uint64_t gen)
{
	uint8_t want[SZ_4K];

	for (size_t at = 0; at < len; at += SZ_4K) {
		pattern_fill(want, gen, at, SZ_4K);
		if (memcmp(addr + at, want, SZ_4K)) {
			diag("foreign bytes in page %zu of a canary", at / SZ_4K);
			return false;
		}
	}
	return true;
}

static bool is_zero(const uint8_t *addr, size_t len)
{
	return !addr[0] && !memcmp(addr, addr + 1, len - 1);
}

void *canaries_run(void *arg)
{
	struct canaries *c = arg;
	struct mem ring[CANARIES] = {};
	uint64_t gen = 1ULL << 60;

	for (unsigned int i = 0; !atomic_load(&c->stop); i = (i + 1) % CANARIES) {
		struct mem *mem = &ring[i];

		if (mem->addr) {
			if (!canary_lives(mem->addr, mem->len, gen - CANARIES))
				atomic_fetch_add(&c->wrong, 1);
			mem_unmap(mem);
		}
		mem_map(mem, c->kind, SZ_2M);
		if (!is_zero(mem->addr, mem->len)) {
			diag("a new mapping is not zero");
			atomic_fetch_add(&c->wrong, 1);
		}
		pattern_fill(mem->addr, gen++, 0, mem->len);
		atomic_fetch_add(&c->made, 1);
		if (c->pause_us)
			nanosleep(&(struct timespec){ .tv_nsec = c->pause_us * 1000 }, NULL);
	}
	for (int i = 0; i < CANARIES; i++)
		if (ring[i].addr)
			mem_unmap(&ring[i]);
	return NULL;
}
