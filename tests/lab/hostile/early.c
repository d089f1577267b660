// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Prefetches by the key of an MR that is not complete. A device may give a key again that was
 * deregistered just now, so a process knows the key of an MR before its registration ends.
 */
#include <errno.h>
#include <string.h>

#include "hostile.h"
#include "tap.h"

#define LEN BLOCK(16)
#define ROUNDS 60

struct early {
	struct rig *rig;
	atomic_uint key;
	atomic_bool stop;
	unsigned long made, found;
};

static void *run_prefetches(void *arg)
{
	static const enum ibv_advise_mr_advice advices[] = {
		IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
		IBV_ADVISE_MR_ADVICE_PREFETCH,
	};
	struct early *e = arg;
	struct ibv_sge sge = { .length = SZ_64K };

	/* an MR of the same memory each time, with an iova of 0 */
	while (!atomic_load(&e->stop)) {
		sge.lkey = atomic_load(&e->key);
		sge.addr = SZ_64K * (e->made % (LEN / SZ_64K));
		e->found += !ibv_advise_mr(e->rig->pd, advices[e->made % 2],
					   IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
		e->made++;
	}
	return NULL;
}

static void early(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct early e = { .rig = rig };
	unsigned int bad = 0, same = 0;
	pthread_t thread;
	struct scene s;
	struct mem mem;

	mem_map(&mem, mode == &mode_odp ? MEM_BASE : MEM_THP, LEN);
	memset(mem.addr, 1, LEN);
	for (int i = 0; i < ROUNDS; i++) {
		struct ibv_mr *mr = mode_reg(mode, rig->pd, mem.addr, LEN, 0, ACCESS_ALL);

		if (!mr) {
			diag("registration %d: %s", i, strerror(errno));
			bad++;
			continue;
		}
		same += atomic_exchange(&e.key, mr->lkey) == mr->lkey;
		if (!i && pthread_create(&thread, NULL, run_prefetches, &e))
			fatal("pthread_create failed");
		bad += ibv_dereg_mr(mr) != 0;
	}
	atomic_store(&e.stop, true);
	pthread_join(thread, NULL);
	is_u64(bad, 0, "registrations during prefetches by their keys, wrong ones");
	note("%lu prefetches, %lu of them of an MR that was there; the same key %u times", e.made,
	     e.found, same);
	ok(e.made > ROUNDS, "there were enough prefetches");
	mem_unmap(&mem);
	scene_open(&s, rig, mode, mode == &mode_odp ? MEM_BASE : MEM_THP, SZ_2M);
	scene_write_pieces(&s, "afterwards");
	scene_read_pieces(&s, "afterwards");
	scene_close(&s);
}

int main(void)
{
	static const struct mode *const modes[] = { &mode_odp, &mode_strict_2m, &mode_2m_4k,
						    &mode_mixed_2m_4k };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later(), early, modes[i], "early prefetches, %s", modes[i]->name);
	return tap_done();
}
