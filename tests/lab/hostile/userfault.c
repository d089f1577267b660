// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * All modes of userfaultfd below an MR: the device reads the data that the handler supplies, the
 * handler gets each write fault of the device before the write, and every byte is right afterwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile.h"
#include "tap.h"
#include "uffd.h"

#define LEN BLOCK(4)

struct combo {
	const struct mode *mode;
	enum mem_kind kind;
	bool populate; /* the first access is ibv_modify_mr_odp(), else a transfer */
};

static bool is_hugetlb(enum mem_kind kind)
{
	return kind == MEM_HUGETLB || kind == MEM_HUGETLB_SHARED;
}

static size_t page_of(enum mem_kind kind)
{
	return is_hugetlb(kind) ? SZ_2M : SZ_4K;
}

static void supplied(struct scene *s, const char *what)
{
	/* not in order, across all boundaries */
	scene_read(s, BLOCK(3) - PIECE / 2, PIECE, what);
	scene_write(s, BLOCK(1) - 4097, SZ_64K, what);
	scene_read(s, 0, LEN, what);
	scene_write_pieces(s, what);
	scene_read_pieces(s, what);
	scene_intact(s, what);
}

static uint8_t *source_of(struct scene *s)
{
	uint8_t *source = aligned_alloc(SZ_2M, LEN);

	if (!source)
		fatal("out of memory");
	pattern_fill(source, ++s->far.gen, 0, LEN);
	memcpy(s->far.shadow, source, LEN);
	return source;
}

static void reg_far(struct scene *s, const struct mode *mode)
{
	int err = buf_reg(&s->far, mode, 0, LEN);

	if (err)
		fatal("register: %s", strerror(err));
}

static void populate(struct scene *s, const struct combo *c)
{
	if (c->populate && (s->rig->is_rxe || !(c->mode->flags & IBV_ODP_MIXED)))
		is_errno(ibv_modify_mr_odp(s->far.mr, c->mode->page_sizes,
					   c->mode->flags | IBV_ODP_POPULATE),
			 0, "populate");
}

static void missing(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct pager pager;
	struct scene s;

	scene_open_unregistered(&s, rig, c->kind, LEN);
	pager = (struct pager){
		.fd = uffd_open(UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_MISSING_HUGETLBFS),
		.addr = s.far.mem.addr,
		.len = LEN,
		.page = page_of(c->kind),
		.source = source_of(&s),
	};
	uffd_watch(pager.fd, s.far.mem.addr, LEN, UFFDIO_REGISTER_MODE_MISSING);
	pager_start(&pager);
	reg_far(&s, c->mode);
	populate(&s, c);
	supplied(&s, "missing pages supplied");
	/* and once more, below an MR that was used */
	buf_drop(&s.far, BLOCK(1), BLOCK(2));
	memcpy(s.far.shadow + BLOCK(1), pager.source + BLOCK(1), BLOCK(2));
	supplied(&s, "dropped pages supplied");
	ok(atomic_load(&pager.events) >= LEN / pager.page, "%u events", atomic_load(&pager.events));
	pager_stop(&pager);
	uffd_unwatch(pager.fd, s.far.mem.addr, LEN);
	scene_close(&s);
	close(pager.fd);
	free((void *)(uintptr_t)pager.source);
}

static void minor(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct pager pager;
	struct scene s;
	uint8_t *other;

	scene_open_unregistered(&s, rig, c->kind, LEN);
	other = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, s.far.mem.fd, 0);
	if (other == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	pager = (struct pager){
		.fd = uffd_open(UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_MINOR_HUGETLBFS),
		.addr = s.far.mem.addr,
		.len = LEN,
		.page = page_of(c->kind),
		.source = source_of(&s),
	};
	memcpy(other, pager.source, LEN);
	uffd_watch(pager.fd, s.far.mem.addr, LEN, UFFDIO_REGISTER_MODE_MINOR);
	pager_start(&pager);
	reg_far(&s, c->mode);
	populate(&s, c);
	supplied(&s, "minor faults");
	ok(!memcmp(other, s.far.shadow, LEN), "every byte in the other mapping");
	/* unmapped, but still in the file */
	if (madvise(s.far.mem.addr, LEN, MADV_DONTNEED))
		fatal("MADV_DONTNEED: %s", strerror(errno));
	buf_fill(&s.near, 0, 8);
	memset(other + BLOCK(2), 0x5a, SZ_4K);
	memset(s.far.shadow + BLOCK(2), 0x5a, SZ_4K);
	supplied(&s, "minor faults again");
	ok(atomic_load(&pager.events) >= LEN / pager.page, "%u events", atomic_load(&pager.events));
	pager_stop(&pager);
	uffd_unwatch(pager.fd, s.far.mem.addr, LEN);
	munmap(other, LEN);
	scene_close(&s);
	close(pager.fd);
	free((void *)(uintptr_t)pager.source);
}

/* ---- write protection: a snapshot is taken while the device writes ---- */

struct snapshot {
	struct buf *buf;
	uint8_t *old;	 /* the content when it was protected */
	uint8_t *copied; /* the content that the handler read */
	size_t page;
	atomic_uint bad;
	atomic_uint seen;
};

static void look(void *arg, const struct uffd_msg *msg)
{
	struct snapshot *s = arg;
	size_t at = (msg->arg.pagefault.address - (uintptr_t)s->buf->mem.addr) & ~(s->page - 1);

	if (!(msg->arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP) || at >= LEN)
		return;
	atomic_fetch_add(&s->seen, 1);
	memcpy(s->copied + at, s->buf->mem.addr + at, s->page);
	atomic_fetch_add(&s->bad, !!memcmp(s->copied + at, s->old + at, s->page));
}

static void protect_all(const struct pager *p)
{
	int err = uffd_protect(p->fd, p->addr, LEN, true);

	if (err)
		fatal("UFFDIO_WRITEPROTECT: %s", strerror(err));
}

static void protected(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct snapshot snap = { .page = c->kind == MEM_THP ? SZ_2M : page_of(c->kind) };
	struct pager pager;
	struct scene s;

	scene_open_unregistered(&s, rig, c->kind, LEN);
	buf_fill(&s.far, 0, LEN);
	snap.buf = &s.far;
	snap.old = malloc(LEN);
	snap.copied = calloc(1, LEN);
	if (!snap.old || !snap.copied)
		fatal("out of memory");
	pager = (struct pager){
		.fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM),
		.addr = s.far.mem.addr,
		.len = LEN,
		.page = snap.page,
		.look = look,
		.arg = &snap,
	};
	uffd_watch(pager.fd, s.far.mem.addr, LEN, UFFDIO_REGISTER_MODE_WP);
	pager_start(&pager);
	reg_far(&s, c->mode);
	populate(&s, c);
	for (int round = 0; round < 3; round++) {
		unsigned int seen = atomic_load(&snap.seen);

		/* the device can write now */
		scene_write_pieces(&s, "not protected");
		memcpy(snap.old, s.far.shadow, LEN);
		protect_all(&pager);
		scene_read(&s, BLOCK(2) - PIECE, PIECE, "protected");
		scene_write(&s, BLOCK(1) - 4097, SZ_64K, "protected");
		scene_write(&s, BLOCK(3) + SZ_1M, 1, "protected");
		scene_write_pieces(&s, "protected");
		ok(atomic_load(&snap.seen) >= seen + (snap.page == SZ_2M ? 4 : LEN / SZ_1M * 16),
		   "round %d: the handler sees %u writes", round, atomic_load(&snap.seen) - seen);
		scene_intact(&s, "let through");
	}
	is_u64(atomic_load(&snap.bad), 0, "pages that changed before the handler saw them");
	pager_stop(&pager);
	uffd_unwatch(pager.fd, s.far.mem.addr, LEN);
	scene_close(&s);
	close(pager.fd);
	free(snap.old);
	free(snap.copied);
}

/* ---- moved pages ---- */

static void moved(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct mem from;
	struct scene s;
	int fd = uffd_open(UFFD_FEATURE_MOVE);

	scene_open_unregistered(&s, rig, c->kind, LEN);
	mem_map(&from, c->kind, LEN);
	uffd_watch(fd, s.far.mem.addr, LEN, UFFDIO_REGISTER_MODE_MISSING);
	reg_far(&s, c->mode);
	for (int round = 0; round < 3; round++) {
		int err = 0;

		pattern_fill(from.addr, ++s.far.gen, 0, LEN);
		memcpy(s.far.shadow, from.addr, LEN);
		for (size_t at = 0; !err && at < LEN; at += SZ_2M)
			err = uffd_move(fd, s.far.mem.addr + at, from.addr + at, SZ_2M);
		if (err)
			fatal("UFFDIO_MOVE: %s", strerror(err));
		supplied(&s, "pages moved in");
		/* moved out of the MR again: the data of the device moves with the pages */
		uffd_unwatch(fd, s.far.mem.addr, LEN);
		uffd_watch(fd, from.addr, LEN, UFFDIO_REGISTER_MODE_MISSING);
		for (size_t at = 0; !err && at < LEN; at += SZ_2M)
			err = uffd_move(fd, from.addr + at, s.far.mem.addr + at, SZ_2M);
		if (err)
			fatal("UFFDIO_MOVE: %s", strerror(err));
		ok(!memcmp(from.addr, s.far.shadow, LEN), "every byte of pages moved out");
		memset(s.far.shadow, 0, LEN);
		scene_write(&s, BLOCK(2) - 4097, SZ_64K, "where pages were moved out");
		scene_intact(&s, "where pages were moved out");
		scene_read(&s, BLOCK(1), SZ_2M, "where pages were moved out");
		uffd_unwatch(fd, from.addr, LEN);
		buf_drop(&s.far, 0, LEN);
		uffd_watch(fd, s.far.mem.addr, LEN, UFFDIO_REGISTER_MODE_MISSING);
	}
	uffd_unwatch(fd, s.far.mem.addr, LEN);
	scene_close(&s);
	mem_unmap(&from);
	close(fd);
}

/* ---- poison ---- */

static void poisoned(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	size_t page = page_of(c->kind), at = BLOCK(1);
	struct pager pager;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, c->kind, LEN);
	pager = (struct pager){
		.fd = uffd_open(UFFD_FEATURE_POISON | UFFD_FEATURE_MISSING_SHMEM |
				UFFD_FEATURE_MISSING_HUGETLBFS),
		.addr = s.far.mem.addr,
		.len = LEN,
		.page = page,
		.source = source_of(&s),
	};
	uffd_watch(pager.fd, s.far.mem.addr, LEN, UFFDIO_REGISTER_MODE_MISSING);
	pager_start(&pager);
	reg_far(&s, c->mode);
	scene_read(&s, 0, BLOCK(1), "before the poison");
	err = uffd_poison(pager.fd, s.far.mem.addr + at, page);
	if (!is_errno(err, 0, "UFFDIO_POISON"))
		_exit(0);
	for (int round = 0; round < 2; round++) {
		scene_write_fails(&s, at + page - 100, 50, "poisoned");
		scene_read_fails(&s, at, 8, "poisoned");
		scene_write(&s, at - SZ_64K, SZ_64K - SZ_4K, "before poison");
		scene_write(&s, at + page + SZ_4K, SZ_64K, "after the poison");
	}
	if (c->kind == MEM_BASE || c->kind == MEM_THP || c->kind == MEM_HUGETLB) {
		/* dropping the page removes the poison; the page is missing again */
		buf_drop(&s.far, at, page);
		memcpy(s.far.shadow + at, pager.source + at, page);
		scene_read(&s, at, page, "poison dropped");
		supplied(&s, "poison dropped");
	}
	pager_stop(&pager);
	uffd_unwatch(pager.fd, s.far.mem.addr, LEN);
	if (c->kind == MEM_SHMEM || c->kind == MEM_HUGETLB_SHARED)
		madvise(s.far.mem.addr, LEN, MADV_REMOVE);
	scene_close(&s);
	close(pager.fd);
	free((void *)(uintptr_t)pager.source);
}

static void all(const char *what, scenario_fn fn, const struct combo *combos, size_t n)
{
	for (size_t i = 0; i < n; i++)
		scenario(later() * 3, fn, &combos[i], "%s, %s over %s%s", what,
			 combos[i].mode->name, mem_name(combos[i].kind),
			 combos[i].populate ? ", populated" : "");
}

int main(void)
{
	static const struct combo missings[] = {
		{ &mode_odp, MEM_BASE, false },
		{ &mode_odp, MEM_THP, false },
		{ &mode_odp, MEM_HUGETLB, false },
		{ &mode_odp, MEM_SHMEM, false },
		{ &mode_strict_2m, MEM_HUGETLB, false },
		{ &mode_strict_2m, MEM_HUGETLB, true },
		{ &mode_strict_2m, MEM_HUGETLB_SHARED, false },
		{ &mode_2m_4k, MEM_BASE, false },
		{ &mode_2m_4k, MEM_THP, false },
		{ &mode_2m_4k, MEM_THP, true },
		{ &mode_2m_4k, MEM_SHMEM, false },
		{ &mode_mixed_2m_4k, MEM_THP, false },
		{ &mode_mixed_2m_4k, MEM_BASE, true },
		{ &mode_mixed_2m_4k, MEM_HUGETLB, false },
		{ &mode_mixed_2m_4k, MEM_SHMEM, false },
	};
	static const struct combo minors[] = {
		{ &mode_odp, MEM_SHMEM, false },
		{ &mode_odp, MEM_HUGETLB_SHARED, false },
		{ &mode_strict_2m, MEM_HUGETLB_SHARED, false },
		{ &mode_strict_2m, MEM_HUGETLB_SHARED, true },
		{ &mode_2m_4k, MEM_SHMEM, false },
		{ &mode_2m_4k, MEM_HUGETLB_SHARED, false },
		{ &mode_mixed_2m_4k, MEM_SHMEM, false },
		{ &mode_mixed_2m_4k, MEM_HUGETLB_SHARED, false },
	};
	static const struct combo protects[] = {
		{ &mode_odp, MEM_BASE, false },
		{ &mode_odp, MEM_THP, false },
		{ &mode_odp, MEM_SHMEM, false },
		{ &mode_odp, MEM_HUGETLB, false },
		{ &mode_strict_2m, MEM_THP, false },
		{ &mode_strict_2m, MEM_HUGETLB, true },
		{ &mode_strict_2m, MEM_HUGETLB_SHARED, false },
		{ &mode_2m_4k, MEM_THP, true },
		{ &mode_2m_4k, MEM_BASE, false },
		{ &mode_2m_4k, MEM_SHMEM, false },
		{ &mode_mixed_2m_4k, MEM_THP, false },
		{ &mode_mixed_2m_4k, MEM_BASE, true },
		{ &mode_mixed_2m_4k, MEM_HUGETLB, false },
	};
	static const struct combo moves[] = {
		{ &mode_odp, MEM_BASE, false },		{ &mode_odp, MEM_THP, false },
		{ &mode_strict_2m, MEM_THP, false },	{ &mode_2m_4k, MEM_THP, false },
		{ &mode_2m_4k, MEM_BASE, false },	{ &mode_mixed_2m_4k, MEM_THP, false },
		{ &mode_mixed_2m_4k, MEM_BASE, false },
	};
	static const struct combo poisons[] = {
		{ &mode_odp, MEM_BASE, false },
		{ &mode_odp, MEM_SHMEM, false },
		{ &mode_strict_2m, MEM_HUGETLB, false },
		{ &mode_strict_2m, MEM_HUGETLB_SHARED, false },
		{ &mode_2m_4k, MEM_THP, false },
		{ &mode_2m_4k, MEM_SHMEM, false },
		{ &mode_mixed_2m_4k, MEM_THP, false },
		{ &mode_mixed_2m_4k, MEM_HUGETLB, false },
	};

	all("missing", missing, missings, ARRAY_SIZE(missings));
	all("minor", minor, minors, ARRAY_SIZE(minors));
	all("write-protected", protected, protects, ARRAY_SIZE(protects));
	all("moved", moved, moves, ARRAY_SIZE(moves));
	all("poisoned", poisoned, poisons, ARRAY_SIZE(poisons));
	return tap_done();
}
