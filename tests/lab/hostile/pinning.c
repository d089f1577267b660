// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Pinned MRs: data over pages of all sizes in any order, and pins that the kernel counts. What
 * ends a registration in the middle (a hole, a limit, SIGKILL) leaves nothing pinned.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "hostile.h"
#include "tap.h"
#include "uffd.h"

#define PIECE_PAGES (SZ_2M / SZ_4K)
/* more pages than the kernel pins at a time */
#define LONG_PIECES 9
#define LONG_PAGES (LONG_PIECES * PIECE_PAGES)

/* Pages pinned now, in the whole system */
static long pins(void)
{
	/* includes what processors have counted, but not published yet */
	put_file("/proc/sys/vm/stat_refresh", "1");
	return file_value("/proc/vmstat", "nr_foll_pin_acquired") -
	       file_value("/proc/vmstat", "nr_foll_pin_released");
}

static long pinned_kib(void)
{
	return file_value("/proc/self/status", "VmPin");
}

/* ---- data ---- */

enum piece { IN_ORDER, SCATTERED, WHOLE, SHUFFLED, POOL };

#define DATA_PIECES 4
#define DATA_LEN (DATA_PIECES * SZ_2M)

/* Moves the pages of a huge page to @to in another order. They stay one folio. */
static void shuffle_to(uint8_t *to, struct rng *rng)
{
	const enum mem_kind kind = MEM_THP;
	size_t start[PIECE_PAGES], pages[PIECE_PAGES], chunks = 0, compound = 0;
	struct mem from;

	mem_map_pieces(&from, &kind, 1);
	for (size_t at = 0; at < PIECE_PAGES; at += pages[chunks++]) {
		start[chunks] = at;
		pages[chunks] = rng_size(rng, PIECE_PAGES - at < 100 ? PIECE_PAGES - at : 100);
	}
	while (chunks) {
		size_t i = rng_below(rng, chunks--), len = pages[i] * SZ_4K;

		if (mremap(from.addr + start[i] * SZ_4K, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
			   to) != to)
			fatal("mremap: %s", strerror(errno));
		for (size_t at = 0; at < len; at += SZ_4K)
			compound += !!(page_flags(pagemap_entry(to + at) & PAGEMAP_PFN) &
				       (KPF_COMPOUND_HEAD_BIT | KPF_COMPOUND_TAIL_BIT));
		to += len;
		start[i] = start[chunks];
		pages[i] = pages[chunks];
	}
	is_u64(compound, PIECE_PAGES, "pages of one folio in another order");
	mem_unmap(&from);
}

static void map_piece(uint8_t *at, enum piece piece, struct rng *rng)
{
	switch (piece) {
	case SHUFFLED:
		shuffle_to(at, rng);
		return;
	case IN_ORDER:
	case SCATTERED:
		mem_map_piece(at, MEM_BASE);
		break;
	default:
		mem_map_piece(at, piece == POOL ? MEM_HUGETLB : MEM_THP);
	}
	if (piece == SCATTERED)
		touch_scattered(at, SZ_2M);
	else
		memset(at, 0, SZ_2M);
}

/* Every byte of a range that starts and ends anywhere, in both directions */
static void transfers(struct pair *pair, struct buf *near, struct buf *far, const char *name)
{
	struct xfer x = {
		.op = OP_WRITE,
		.near = near,
		.far = far,
		.far_at = far->mr_at,
		.len = far->mr_len,
	};

	xfer_ok(pair, &x, name);
	ok(buf_check_all(far), "%s: bytes outside of the MR", name);
	x.op = OP_READ;
	xfer_ok(pair, &x, name);
}

static void data(struct rig *rig, const void *arg)
{
	const enum piece *pieces = arg;
	struct buf near, far;
	struct pair pair;
	struct rng rng;

	rng_init(&rng, pieces[0] * 64 + pieces[1] * 16 + pieces[2] * 4 + pieces[3]);
	pair_open(&pair, rig, 4096);
	buf_make(&near, rig, MEM_BASE, DATA_LEN, &mode_pinned);
	buf_open(&far, rig, MEM_BASE, DATA_LEN);
	for (size_t i = 0; i < DATA_PIECES; i++)
		map_piece(far.mem.addr + i * SZ_2M, pieces[i], &rng);
	for (size_t i = 0; i < 3; i++) {
		size_t at = i ? rng_below(&rng, DATA_LEN) : 0;
		size_t len = i ? rng_size(&rng, DATA_LEN - at) : DATA_LEN;
		long before = pins(), pages = (long)((at + len - 1) / SZ_4K - at / SZ_4K + 1);
		char name[64];

		snprintf(name, sizeof(name), "%#zx +%#zx", at, len);
		if (!is_errno(buf_reg(&far, &mode_pinned, at, len), 0, "%s: registration", name))
			break;
		is_u64((uint64_t)(pins() - before), (uint64_t)pages, "%s: pages pinned", name);
		transfers(&pair, &near, &far, name);
		buf_dereg(&far);
		is_u64((uint64_t)pins(), (uint64_t)before, "%s: pins after deregistration", name);
	}
	buf_close(&far);
	buf_close(&near);
	pair_close(&pair);
}

/* ---- failures in the middle ---- */

static void map_long(struct mem *mem, size_t more)
{
	static const enum mem_kind kinds[] = { MEM_BASE, MEM_THP, MEM_HUGETLB };

	mem_map(mem, MEM_BASE, LONG_PIECES * SZ_2M + more);
	for (size_t i = 0; i < LONG_PIECES; i++) {
		mem_map_piece(mem->addr + i * SZ_2M, kinds[i % ARRAY_SIZE(kinds)]);
		memset(mem->addr + i * SZ_2M, 1, SZ_2M);
	}
}

static void refused(struct rig *rig, const struct mem *mem, int want, const char *what)
{
	long before = pins(), kib = pinned_kib();
	struct ibv_mr *mr;

	errno = 0;
	mr = ibv_reg_mr(rig->pd, mem->addr, mem->len, ACCESS_ALL);
	is_errno(mr ? 0 : errno, want, "%s", what);
	if (mr)
		ibv_dereg_mr(mr);
	is_u64((uint64_t)pins(), (uint64_t)before, "%s: pins", what);
	is_u64((uint64_t)pinned_kib(), (uint64_t)kib, "%s: VmPin", what);
}

/* The first page, and those at the ends of pieces of 2 MiB and of what is pinned at a time */
static void holes(struct rig *rig, const void *arg)
{
	static const size_t places[] = { 0, 1, 511, 512, 513, 4095, 4096, 4097, LONG_PAGES - 1 };
	const bool *read_only = arg;
	struct mem mem;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		/* a page of the pool cannot be divided */
		static const enum mem_kind kind = MEM_THP;
		uint8_t *hole;
		char what[64];

		map_long(&mem, 0);
		hole = mem.addr + places[i] * SZ_4K;
		mem_map_piece(mem.addr + places[i] / PIECE_PAGES * SZ_2M, kind);
		memset(mem.addr + places[i] / PIECE_PAGES * SZ_2M, 1, SZ_2M);
		if (*read_only ? mprotect(hole, SZ_4K, PROT_READ) : munmap(hole, SZ_4K))
			fatal("page %zu: %s", places[i], strerror(errno));
		snprintf(what, sizeof(what), "page %zu is %s", places[i],
			 *read_only ? "read-only" : "a hole");
		refused(rig, &mem, EFAULT, what);
		mem_unmap(&mem);
	}
}

static void limit_to(rlim_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		fatal("RLIMIT_MEMLOCK: %s", strerror(errno));
}

static void limit(struct rig *rig, const void *arg)
{
	struct ibv_mr *mr, *more;
	long before, kib;
	struct mem mem;

	(void)arg;
	map_long(&mem, 0);
	before = pins();
	kib = pinned_kib();
	limit_to((rlim_t)kib * 1024 + mem.len - SZ_4K);
	/* the effective user has no capabilities */
	if (seteuid(65534))
		fatal("seteuid: %s", strerror(errno));
	errno = 0;
	mr = ibv_reg_mr(rig->pd, mem.addr, mem.len, ACCESS_ALL);
	is_errno(mr ? 0 : errno, ENOMEM, "one page more than RLIMIT_MEMLOCK");
	is_u64((uint64_t)pinned_kib(), (uint64_t)kib, "VmPin is what it was");
	mr = ibv_reg_mr(rig->pd, mem.addr, mem.len - SZ_4K, ACCESS_ALL);
	if (ok(mr, "as many pages as RLIMIT_MEMLOCK")) {
		is_u64((uint64_t)(pinned_kib() - kib), mem.len / 1024 - 4, "VmPin counts them");
		errno = 0;
		more = ibv_reg_mr(rig->pd, mem.addr, 1, ACCESS_ALL);
		is_errno(more ? 0 : errno, ENOMEM, "one page in addition to them");
		ibv_dereg_mr(mr);
	}
	if (seteuid(0))
		fatal("seteuid: %s", strerror(errno));
	is_u64((uint64_t)pinned_kib(), (uint64_t)kib, "VmPin in the end");
	is_u64((uint64_t)pins(), (uint64_t)before, "pins in the end");
	mem_unmap(&mem);
}

/* ---- a process that is killed in the middle ---- */

struct waiter {
	int uffd;
	int to_parent;
};

static void *report_event(void *arg)
{
	const struct waiter *w = arg;

	while (!uffd_pending(w->uffd, 1))
		;
	if (write(w->to_parent, "", 1) != 1)
		_exit(1);
	return NULL;
}

/* Registers memory whose last pages never come. */
static void wait_for_pages(const void *arg, int to_parent)
{
	struct waiter w = { uffd_open(0), to_parent };
	pthread_t thread;
	struct mem mem;
	struct rig rig;

	(void)arg;
	silence();
	rig_open(&rig);
	map_long(&mem, SZ_2M);
	uffd_watch(w.uffd, mem.addr + LONG_PAGES * SZ_4K, SZ_2M, UFFDIO_REGISTER_MODE_MISSING);
	if (pthread_create(&thread, NULL, report_event, &w))
		_exit(1);
	ibv_reg_mr(rig.pd, mem.addr, mem.len, ACCESS_ALL);
}

static void killed(struct rig *rig, const void *arg)
{
	long before = pins();
	pid_t pid = start_waiting(wait_for_pages, arg);
	double end;

	(void)rig;
	if (!ok(pid > 0, "a registration waits in the middle"))
		return;
	ok(pins() - before >= (long)LONG_PAGES / 2, "pages are pinned: %ld", pins() - before);
	kill(pid, SIGKILL);
	process_ends(pid, soon(), "the process ends when it is killed");
	/* its files are freed in the background */
	end = now_s() + soon();
	while (pins() != before && now_s() < end)
		sleep_ms(20);
	is_u64((uint64_t)pins(), (uint64_t)before, "pins in the end");
}

/* ---- dirty pages ---- */

static size_t dirty_pages(const struct mem *mem)
{
	size_t dirty = 0;

	for (size_t at = 0; at < mem->len; at += SZ_4K)
		dirty +=
			!!(page_flags(pagemap_entry(mem->addr + at) & PAGEMAP_PFN) & KPF_DIRTY_BIT);
	return dirty;
}

static void dirty(struct rig *rig, const void *arg)
{
	const enum mem_kind *kind = arg;
	struct ibv_mr *mr;
	struct mem mem;

	mem_map(&mem, *kind, SZ_2M);
	memset(mem.addr, 1, SZ_2M);
	is_u64(dirty_pages(&mem), 0, "dirty before");
	mr = ibv_reg_mr(rig->pd, mem.addr, SZ_2M, IBV_ACCESS_REMOTE_READ);
	if (!mr)
		fatal("ibv_reg_mr: %s", strerror(errno));
	ibv_dereg_mr(mr);
	is_u64(dirty_pages(&mem), 0, "dirty after an MR to read");
	mr = ibv_reg_mr(rig->pd, mem.addr, SZ_2M, ACCESS_ALL);
	if (!mr)
		fatal("ibv_reg_mr: %s", strerror(errno));
	ibv_dereg_mr(mr);
	is_u64(dirty_pages(&mem), SZ_2M / SZ_4K, "dirty after an MR to write");
	mem_unmap(&mem);
}

int main(void)
{
	static const enum piece pieces[][DATA_PIECES] = {
		{ IN_ORDER, SCATTERED, IN_ORDER, IN_ORDER }, { WHOLE, WHOLE, POOL, POOL },
		{ SHUFFLED, SHUFFLED, SHUFFLED, SHUFFLED },  { SHUFFLED, WHOLE, SCATTERED, POOL },
		{ POOL, IN_ORDER, SHUFFLED, WHOLE },
	};
	static const bool read_only[] = { false, true };
	static const enum mem_kind kinds[] = { MEM_BASE, MEM_THP };

	stop_khugepaged();
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
		scenario(later(), data, pieces[i], "data %zu", i);
	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++)
		scenario(later(), holes, &read_only[i], read_only[i] ? "read-only page" : "hole");
	scenario(later(), limit, NULL, "limit");
	scenario(later(), killed, NULL, "killed");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		scenario(later(), dirty, &kinds[i], "dirty pages of %s memory", mem_name(kinds[i]));
	return tap_done();
}
