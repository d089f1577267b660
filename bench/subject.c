// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <string.h>

#include "bench.h"
#include "tap.h"

static const struct mode strict_1g = {
	.name = "1G",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.page_sizes = SZ_1G,
};

const struct subject subjects[] = {
	{ "pinned", &mode_pinned, SPACE_BASE, SZ_4K, false },
	{ "pinned", &mode_pinned, SPACE_HUGE, SZ_4K, false },
	{ "odp", &mode_odp, SPACE_BASE, SZ_4K, false },
	{ "odp", &mode_odp, SPACE_HUGE, SZ_4K, false },
	{ "2M", &mode_strict_2m, SPACE_HUGE, SZ_2M, true },
	{ "mixed", &mode_mixed_2m_4k, SPACE_HUGE, SZ_4K, true },
	{ "1G", &strict_1g, SPACE_GIGA, SZ_1G, true },
};
const size_t subjects_count = sizeof(subjects) / sizeof(*subjects);

bool subject_odp(const struct subject *s)
{
	return s->mode && s->mode->access & IBV_ACCESS_ON_DEMAND;
}

bool subject_fits(const struct bench *b, const struct subject *s, size_t len)
{
	if (s->series && !(s->mode->page_sizes & b->page_sizes))
		return false;
	/* in an unpatched Linux 7.3, rxe stores the length in an int */
	if (subject_odp(s) && b->rig.is_rxe && !b->rig.series && len > INT32_MAX)
		return false;
	if (s->kind == SPACE_GIGA)
		return b->gigapages && len == SZ_1G;
	return len >= s->least;
}

static struct ibv_mr *reg(const struct bench *b, const struct subject *s, void *addr, size_t len,
			  int access)
{
	struct ibv_mr *mr = mode_reg(s->mode, b->rig.pd, addr, len, (uintptr_t)addr, access);

	if (!mr)
		fatal("%s MR of %zu MiB of %s memory: %s", s->name, len >> 20, space_name(s->kind),
		      strerror(errno));
	return mr;
}

struct ibv_mr *subject_reg(const struct bench *b, const struct subject *s, void *addr, size_t len)
{
	return reg(b, s, addr, len, ACCESS_ALL);
}

struct ibv_mr *subject_reg_read_only(const struct bench *b, const struct subject *s, void *addr,
				     size_t len)
{
	return reg(b, s, addr, len, IBV_ACCESS_REMOTE_READ);
}

void subject_dereg(struct ibv_mr *mr)
{
	int ret = ibv_dereg_mr(mr);

	if (ret)
		fatal("ibv_dereg_mr: %s", strerror(ret));
}

static void prefetch(const struct bench *b, struct ibv_mr *mr, size_t len,
		     enum ibv_advise_mr_advice advice)
{
	struct ibv_sge sge = { (uintptr_t)mr->addr, (uint32_t)len, mr->lkey };
	int ret;

	if (len > UINT32_MAX)
		fatal("prefetch of %zu bytes at once", len);
	ret = ibv_advise_mr(b->rig.pd, advice, IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
	if (ret)
		fatal("ibv_advise_mr: %s", strerror(ret));
}

void subject_prefetch(const struct bench *b, struct ibv_mr *mr, size_t len)
{
	prefetch(b, mr, len, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE);
}

void subject_prefetch_read_only(const struct bench *b, struct ibv_mr *mr, size_t len)
{
	prefetch(b, mr, len, IBV_ADVISE_MR_ADVICE_PREFETCH);
}

void subject_check_mapped(const struct bench *b, const struct subject *s, struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr state;
	uint64_t bytes = 0;

	if (!b->rig.series || !subject_odp(s))
		return;
	state = mr_state(mr);
	for (unsigned int shift = 0; shift < 64; shift++)
		bytes += state.blocks[shift] << shift;
	if (bytes < mr->length)
		fatal("%s MR of %zu MiB: %zu MiB have translations", s->name, mr->length >> 20,
		      (size_t)bytes >> 20);
}

size_t lengths(size_t *out, size_t first, size_t last)
{
	size_t n = 0;

	for (size_t len = first; len <= last; len *= 4) {
		if (n == LENGTHS_MAX)
			fatal("more than %d lengths", LENGTHS_MAX);
		out[n++] = len;
	}
	return n;
}
