// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "tap.h"

/* The finalizer of splitmix64, by Sebastiano Vigna (public domain). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void rng_init(struct rng *rng, uint64_t dflt)
{
	const char *env = getenv("HUGEODP_SEED");

	rng->state = env ? strtoull(env, NULL, 0) : dflt;
	note("seed %#llx", (unsigned long long)rng->state);
}

uint64_t rng_next(struct rng *rng)
{
	rng->state += 0x9e3779b97f4a7c15ULL;
	return mix(rng->state);
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
	return bound ? rng_next(rng) % bound : 0;
}

size_t rng_size(struct rng *rng, size_t max)
{
	unsigned int bits = 63 - (unsigned int)__builtin_clzll(max);
	size_t size = 1 + rng_below(rng, 2ULL << rng_below(rng, bits + 1));

	return size < max ? size : max;
}

/* The eight bytes of the word at @pos. */
static uint64_t pattern_word(uint64_t gen, uint64_t pos)
{
	return mix(gen * 0x9e3779b97f4a7c15ULL + (pos >> 3));
}

void pattern_fill(void *dst, uint64_t gen, uint64_t pos, size_t len)
{
	uint8_t *to = dst;

	while (len) {
		uint64_t word = pattern_word(gen, pos);
		size_t skip = pos & 7;
		size_t n = 8 - skip < len ? 8 - skip : len;

		memcpy(to, (uint8_t *)&word + skip, n);
		to += n;
		pos += n;
		len -= n;
	}
}

bool pattern_or_zero(const uint8_t *got, uint64_t gen, size_t pos, size_t len)
{
	uint8_t want[SZ_4K];

	for (size_t done = 0, n; done < len; done += n) {
		n = len - done < SZ_4K ? len - done : SZ_4K;
		pattern_fill(want, gen, pos + done, n);
		if (!memcmp(got + done, want, n))
			continue;
		for (size_t i = 0; i < n; i++)
			if (got[done + i] && got[done + i] != want[i]) {
				diag("volatile byte %zu (block %zu, page + %zu, generation %llu) "
				     "is %02x, neither 0 nor %02x",
				     pos + done + i, (pos + done + i) / SZ_2M,
				     (pos + done + i) % SZ_4K, (unsigned long long)gen,
				     got[done + i], want[i]);
				return false;
			}
	}
	return true;
}
