// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The answers are also right on a kernel without the series: the library reports the page sizes of
 * the kernel, and never lets it map blocks to wrong memory.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define THREADS 8
#define ROUNDS 50

static void device(struct rig *rig, uint64_t sizes)
{
	struct ibv_device_odp_attr attr;

	is_errno(ibv_query_device_odp(rig->ctx, &attr, sizeof(attr)), 0, "ibv_query_device_odp()");
	is_u64(attr.source, IBV_ODP_SOURCE_LIBRARY, "the library answers for the device");
	is_u64(attr.page_sizes, sizes, "page sizes");
	is_u64(attr.flags, 0, "no flags");
}

static void granted(struct rig *rig, const char *name, const struct mode *mode, struct mem *mem,
		    size_t len, uint32_t shift)
{
	struct ibv_mr_odp_attr attr;
	struct ibv_mr *mr;

	mr = mode_reg(mode, rig->pd, mem->addr, len, (uintptr_t)mem->addr, ACCESS_ALL);
	if (!ok(mr, "%s, %s: registered", name, mode->name))
		return;
	is_u64((uint64_t)ibv_mr_page_shift(mr), shift, "%s, %s: page shift", name, mode->name);
	is_errno(ibv_query_mr_odp(mr, &attr, sizeof(attr)), 0, "%s, %s: query", name, mode->name);
	is_u64(attr.source, IBV_ODP_SOURCE_LIBRARY, "%s, %s: the library answers", name,
	       mode->name);
	is_errno(ibv_modify_mr_odp(mr, SZ_4K, 0), EOPNOTSUPP, "%s, %s: modify", name, mode->name);
	is_errno(hugeodp_watch_mr(mr, -1), EOPNOTSUPP, "%s, %s: watch", name, mode->name);
	if (ibv_dereg_mr(mr))
		fatal("ibv_dereg_mr: %s", strerror(errno));
}

static void refused(struct rig *rig, const char *name, const struct mode *mode, struct mem *mem,
		    size_t len)
{
	struct ibv_mr *mr;

	errno = 0;
	mr = mode_reg(mode, rig->pd, mem->addr, len, (uintptr_t)mem->addr, ACCESS_ALL);
	ok(!mr, "%s, %s: refused", name, mode->name);
	is_errno(errno, EOPNOTSUPP, "%s, %s: errno", name, mode->name);
	if (mr)
		ibv_dereg_mr(mr);
}

static void requests(struct rig *rig, bool has_flag)
{
	struct ibv_odp_report report;
	struct mem huge, thp;

	mem_map(&huge, MEM_HUGETLB, LEN);
	mem_map(&thp, MEM_THP, LEN);
	memset(thp.addr, 1, LEN);
	granted(rig, "4 blocks of hugetlb", &mode_2m_4k, &huge, LEN, 12);
	granted(rig, "4 blocks of hugetlb", &mode_any, &huge, LEN, 12);
	granted(rig, "4 blocks of hugetlb", &mode_strict_4k, &huge, LEN, 12);
	refused(rig, "4 blocks of hugetlb", &mode_strict_2m, &huge, LEN);
	granted(rig, "1 block of hugetlb", &mode_2m_4k, &huge, SZ_2M, has_flag ? 21 : 12);
	if (has_flag)
		granted(rig, "1 block of hugetlb", &mode_strict_2m, &huge, SZ_2M, 21);
	else
		refused(rig, "1 block of hugetlb", &mode_strict_2m, &huge, SZ_2M);
	refused(rig, "1 block of THP", &mode_strict_2m, &thp, SZ_2M);
	granted(rig, "1 block of THP", &mode_2m_4k, &thp, SZ_2M, 12);

	is_errno(ibv_probe_odp_range(rig->ctx, huge.addr, LEN, SZ_2M | SZ_4K, &report,
				     sizeof(report)),
		 0, "ibv_probe_odp_range()");
	is_u64(report.page_shift, 12, "probe of 4 blocks: page shift");
	is_u64(report.reason, IBV_ODP_REASON_DEVICE, "probe of 4 blocks: reason");
	mem_unmap(&huge);
	mem_unmap(&thp);
}

/* MRs that the library does not know, at addresses of MRs that it knew. */
static void other_mrs(struct rig *rig)
{
	struct ibv_mr_odp_attr attr;
	unsigned int known = 0;
	struct ibv_mr *mr;
	struct mem mem;

	mem_map(&mem, MEM_HUGETLB, SZ_2M);
	for (int i = 0; i < ROUNDS; i++) {
		const struct mode *mode = i & 1 ? &mode_pinned : &mode_odp;

		mr = mode_reg(&mode_2m_4k, rig->pd, mem.addr, SZ_2M, (uintptr_t)mem.addr,
			      ACCESS_ALL);
		if (!mr || ibv_mr_page_shift(mr) < 12 || ibv_dereg_mr(mr))
			fatal("MR with a request: %s", strerror(errno));
		mr = mode_reg(mode, rig->pd, mem.addr, SZ_2M, (uintptr_t)mem.addr, ACCESS_ALL);
		if (!mr)
			fatal("MR without a request: %s", strerror(errno));
		known += ibv_query_mr_odp(mr, &attr, sizeof(attr)) != EOPNOTSUPP;
		ibv_dereg_mr(mr);
	}
	is_u64(known, 0, "no answer for an MR at the address of another");
	mem_unmap(&mem);
}

static void *register_many(void *arg)
{
	struct rig *rig = arg;
	uintptr_t wrong = 0;
	struct mem mem;

	mem_map(&mem, MEM_THP, SZ_2M);
	for (int i = 0; i < ROUNDS; i++) {
		struct ibv_mr *mr = mode_reg(&mode_2m_4k, rig->pd, mem.addr, SZ_2M,
					     (uintptr_t)mem.addr, ACCESS_ALL);

		wrong += !mr || ibv_mr_page_shift(mr) != 12 || ibv_dereg_mr(mr);
	}
	mem_unmap(&mem);
	return (void *)wrong;
}

/* A child that is forked concurrently gets an answer, too, and does not hang. */
static void threads_and_fork(struct rig *rig)
{
	pthread_t threads[THREADS];
	uintptr_t wrong = 0;
	struct ibv_mr *mr;
	struct mem mem;
	void *result;
	int status;
	pid_t pid;

	mem_map(&mem, MEM_THP, SZ_2M);
	mr = mode_reg(&mode_2m_4k, rig->pd, mem.addr, SZ_2M, (uintptr_t)mem.addr, ACCESS_ALL);
	if (!mr)
		fatal("registration: %s", strerror(errno));
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&threads[i], NULL, register_many, rig))
			fatal("pthread_create failed");
	}
	for (int i = 0; i < 10; i++) {
		pid = fork();
		if (!pid) {
			alarm(600);
			_exit(ibv_mr_page_shift(mr) != 12);
		}
		if (waitpid(pid, &status, 0) != pid)
			fatal("waitpid: %s", strerror(errno));
		wrong += status != 0;
	}
	is_u64(wrong, 0, "10 children of fork get an answer");
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		wrong += (uintptr_t)result;
	}
	is_u64(wrong, 0, "%d threads get MRs and answers", THREADS);
	is_u64((uint64_t)ibv_mr_page_shift(mr), 12, "the first MR is what it was");
	ibv_dereg_mr(mr);
	mem_unmap(&mem);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need(!rig.series, "the kernel must be one without the series");
	device(&rig, rig.is_rxe ? SZ_4K : SZ_4K | SZ_2M);
	requests(&rig, !rig.is_rxe);
	other_mrs(&rig);
	threads_and_fork(&rig);
	rig_close(&rig);
	return tap_done();
}
