// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Address space without memory costs nothing: with a few pages somewhere in it, the time of a call
 * does not depend on the length of its range, and changes of mappings do not wait for it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile.h"
#include "tap.h"

#define SPACE ((size_t)1 << 40)
#define PLACE ((uint8_t *)0x200000000000)
#define TOUCHED_MAX 4

struct shape {
	const char *name;
	size_t touched[TOUCHED_MAX]; /* pages touched in addition to the first one */
	size_t len;		     /* of the range, which may go far beyond the mapping */
};

static const struct shape shapes[] = {
	{ "one page", {}, SPACE },
	{ "pages here and there", { 1, SPACE / SZ_4K / 3, SPACE / SZ_4K - 1 }, SPACE },
	{ "one page of 64 times the mapping", {}, SPACE * 64 },
};

static const struct mode *const modes[] = {
	&mode_odp, &mode_strict_4k, &mode_2m_4k, &mode_mixed_2m_4k, &mode_mixed_any,
};

struct hole {
	const struct shape *shape;
	const struct mode *mode;
};

struct reg {
	struct rig *rig;
	const struct hole *hole;
	struct ibv_mr *mr;
};

static int call_reg(void *arg)
{
	struct reg *r = arg;

	r->mr = mode_reg(r->hole->mode, r->rig->pd, PLACE, r->hole->shape->len, (uintptr_t)PLACE,
			 ACCESS_ALL);
	return r->mr ? 0 : errno;
}

static int call_map(void *arg)
{
	void *page = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	return page == MAP_FAILED || munmap(page, SZ_4K) ? errno : 0;
}

static int call_look(void *arg)
{
	struct prefetch *p = arg;

	return ibv_advise_mr(p->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, p->flags, &p->sge, 1);
}

static void map_space(const struct shape *shape)
{
	uint8_t *space =
		mmap(PLACE, SPACE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (space != PLACE || madvise(space, SPACE, MADV_NOHUGEPAGE))
		fatal("1 TiB of address space: %s", strerror(errno));
	space[0] = 1;
	for (size_t i = 0; i < TOUCHED_MAX; i++)
		space[shape->touched[i] * SZ_4K] = 1;
}

static void run(struct rig *rig, const void *arg)
{
	const struct hole *hole = arg;
	struct reg reg = { .rig = rig, .hole = hole };
	struct call reg_call, map_call, prefetch_call, dereg_call;
	struct prefetch prefetch;

	map_space(hole->shape);
	call_start(&reg_call, call_reg, &reg);
	/* in the middle of the call, if it takes long */
	sleep_ms(300);
	call_start(&map_call, call_map, NULL);
	if (!call_is(&map_call, soon(), 0, "a mapping comes and goes meanwhile") ||
	    !call_is(&reg_call, soon(), 0, "registration"))
		_exit(0);
	prefetch = (struct prefetch){
		rig->pd,
		{ (uintptr_t)PLACE, UINT32_MAX, reg.mr->lkey },
		IBV_ADVISE_MR_FLAG_FLUSH,
	};
	call_start(&prefetch_call, call_look, &prefetch);
	if (!call_is(&prefetch_call, soon(), 0, "prefetch of 4 GiB without faults"))
		_exit(0);
	ok(mr_state(reg.mr).blocks_mapped >= 1, "what is there is mapped");
	call_start(&dereg_call, call_dereg, reg.mr);
	if (!call_is(&dereg_call, soon(), 0, "deregistration"))
		_exit(0);
	munmap(PLACE, SPACE);
}

int main(void)
{
	for (size_t s = 0; s < ARRAY_SIZE(shapes); s++)
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			struct hole hole = { &shapes[s], modes[m] };

			scenario(soon() * 6, run, &hole, "%s, %s", modes[m]->name, shapes[s].name);
		}
	return tap_done();
}
