// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Only accessed memory is faulted in, copied or made dirty, inside of the MR and outside. Faulted
 * memory gets the largest possible page size, whether it is read or written first.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile.h"
#include "raw.h"
#include "tap.h"

#define LEN BLOCK(2)
#define AT (SZ_1M + 1000)

enum access { BY_WRITE, BY_READ, BY_SOURCE, BY_PREFETCH, ACCESSES };

static const char *const accesses[ACCESSES] = { "WRITE", "READ", "source of a WRITE", "prefetch" };

/* One access of a few bytes at @addr, which has to succeed. */
static bool touch(struct scene *s, struct ibv_mr *mr, const void *addr, size_t len, enum access how)
{
	uint64_t near = (uintptr_t)s->near.mem.addr, at = (uintptr_t)addr;
	struct ibv_sge sge = { at, (uint32_t)len, mr->lkey };
	int status = 0;

	switch (how) {
	case BY_WRITE:
		status = rdma_run(&s->pair, IBV_WR_RDMA_WRITE, s->near.mr, near, mr, at, len);
		break;
	case BY_READ:
		status = rdma_run(&s->pair, IBV_WR_RDMA_READ, s->near.mr, near, mr, at, len);
		break;
	case BY_SOURCE:
		status = rdma_run(&s->pair, IBV_WR_RDMA_WRITE, mr, at, s->near.mr, near, len);
		break;
	default:
		return is_errno(ibv_advise_mr(s->rig->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
					      IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1),
				0, "%s of %zu bytes", accesses[how], len);
	}
	return ok(!status, "%s of %zu bytes: %s", accesses[how], len, status_name(status));
}

struct combo {
	const struct mode *mode;
	enum access how;
};

static struct ibv_mr *reg_at(struct rig *rig, const struct mode *mode, void *addr, size_t len,
			     int access)
{
	struct ibv_mr *mr = mode_reg(mode, rig->pd, addr, len, (uintptr_t)addr, access);

	if (!mr)
		fatal("register: %s", strerror(errno));
	return mr;
}

/* ---- pages that are present after an access of one byte, or of two pages ---- */

static void one_byte(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct mem mem;
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	/* the MR is all of it, or begins and ends in the middle of blocks */
	for (int part = 0; part < 2; part++) {
		struct ibv_mr *mr;

		mem_map(&mem, MEM_BASE, LEN);
		mr = part ? reg_at(rig, c->mode, mem.addr + SZ_1M, SZ_2M, ACCESS_ALL)
			  : reg_at(rig, c->mode, mem.addr, LEN, ACCESS_ALL);
		is_u64(pages_present(mem.addr, LEN), 0, "registration touches nothing");
		if (touch(&s, mr, mem.addr + AT, 1, c->how))
			is_u64(pages_present(mem.addr, LEN), 1, "pages that are there%s",
			       part ? ", part of a block in the MR" : "");
		if (touch(&s, mr, mem.addr + SZ_2M - 1, 2, c->how))
			is_u64(pages_present(mem.addr, LEN), 3, "pages over a boundary%s",
			       part ? ", part of a block in the MR" : "");
		ok(pages_present(mem.addr, SZ_1M) == 0, "nothing %s",
		   part ? "before the MR" : "in the first half");
		ibv_dereg_mr(mr);
		mem_unmap(&mem);
	}
	scene_close(&s);
}

/*
 * Huge memory: an access of one byte faults in one huge page, and not another at the start of a
 * larger block.
 */
static void one_huge_page(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	const size_t space = SZ_1G * 3;
	struct ibv_mr *mr;
	uint8_t *reserve, *start;
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	reserve = mmap(NULL, space, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserve == MAP_FAILED || madvise(reserve, space, MADV_HUGEPAGE))
		fatal("memory: %s", strerror(errno));
	start = (uint8_t *)(((uintptr_t)reserve + SZ_1G - 1) & ~(SZ_1G - 1));
	mr = reg_at(rig, c->mode, start, SZ_1G * 2, ACCESS_ALL);
	if (touch(&s, mr, start + SZ_1G + SZ_1G / 2 + AT, 1, c->how)) {
		size_t there = mem_huge_bytes(start);
		/* a read may map the huge zero page, which does not count here */
		bool may_stay = c->how == BY_READ || c->how == BY_SOURCE;

		ok(there == SZ_2M || (may_stay && !there), "%zu bytes of huge pages are there",
		   there);
		is_u64(pages_present(start + SZ_1G, SZ_2M), 0, "nothing at the start of the GiB");
	}
	ibv_dereg_mr(mr);
	munmap(reserve, space);
	scene_close(&s);
}

/* A file mapped private: one byte written is one page copied. */
static size_t copied_pages(const uint8_t *addr, size_t len)
{
	size_t n = 0;

	for (size_t at = 0; at < len; at += SZ_4K) {
		uint64_t entry = pagemap_entry(addr + at);

		n += (entry & PAGEMAP_PRESENT) && !(entry & PAGEMAP_FILE);
	}
	return n;
}

static void copies(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct scene s;
	struct mem mem;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	/* a fence on both sides, and the file in it, private */
	mem_map(&mem, MEM_SHMEM, LEN);
	memset(mem.addr, 7, LEN);
	if (mmap(mem.addr, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, mem.fd, 0) ==
	    MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	for (int part = 0; part < 2; part++) {
		struct ibv_mr *mr;

		madvise(mem.addr, LEN, MADV_DONTNEED);
		for (size_t at = 0; at < LEN; at += SZ_4K)
			(void)*(volatile uint8_t *)(mem.addr + at);
		mr = part ? reg_at(rig, c->mode, mem.addr + SZ_1M, SZ_2M, ACCESS_ALL)
			  : reg_at(rig, c->mode, mem.addr, LEN, ACCESS_ALL);
		if (touch(&s, mr, mem.addr + AT, 1, c->how)) {
			size_t copied = copied_pages(mem.addr, LEN);
			/* mlx5 does not know the type of an access: it copies for a READ, too */
			bool may_stay = c->how == BY_READ || c->how == BY_SOURCE;

			ok(copied == 1 || (may_stay && !copied), "%zu pages copied%s", copied,
			   part ? ", part of a block in the MR" : "");
		}
		is_u64(copied_pages(mem.addr, SZ_1M), 0, "pages copied in the first half");
		ibv_dereg_mr(mr);
	}
	mem_unmap(&mem);
	scene_close(&s);
}

/* ---- a READ first, or a WRITE first ---- */

struct sizes {
	struct mode mode;
	size_t size;
	const char *enabled; /* of hugepages-64kB and of hugepages-2048kB */
	const char *enabled_2m;
	const char *zero_page;
};

static void thp_settings(const struct sizes *c)
{
	put_file(THP_DIR "hugepages-64kB/enabled", c->enabled);
	put_file(THP_DIR "hugepages-2048kB/enabled", c->enabled_2m);
	put_file(THP_DIR "use_zero_page", c->zero_page);
}

static int log2_of(uint64_t size)
{
	return 63 - __builtin_clzll(size);
}

static void first_access(struct rig *rig, const void *arg)
{
	static const enum access orders[] = { BY_WRITE, BY_READ, BY_SOURCE };
	const struct sizes *c = arg;
	struct scene s;

	thp_settings(c);
	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		const char *name = accesses[orders[i]];
		uint64_t blocks[64], smaller = 0;
		struct ibv_mr *mr;
		struct mem mem;
		size_t at = BLOCK(2) + SZ_64K * 3 + 100;

		mem_map(&mem, MEM_THP, BLOCK(4));
		mr = reg_at(rig, &c->mode, mem.addr, mem.len, ACCESS_ALL);
		touch(&s, mr, mem.addr + at, SZ_4K, orders[i]);
		if (orders[i] == BY_READ)
			ok(!memcmp(s.near.mem.addr, mem.addr + at, SZ_4K), "zeroes are read");
		touch(&s, mr, mem.addr + at, SZ_4K, BY_WRITE);
		ok(!memcmp(s.near.mem.addr, mem.addr + at, SZ_4K), "%s first: every byte", name);
		is_u64((uint64_t)ibv_mr_page_shift(mr), (uint64_t)log2_of(c->size),
		       "%s first: page shift", name);
		raw_blocks(mr, blocks);
		for (int shift = 0; shift < log2_of(c->size); shift++)
			smaller += blocks[shift];
		is_u64(smaller, 0, "%s first: smaller blocks", name);
		is_u64(mr_state(mr).renegotiations_down, 0, "%s first: steps down", name);
		ibv_dereg_mr(mr);
		mem_unmap(&mem);
	}
	scene_close(&s);
}

/* ---- clean pages stay clean ---- */

static void clean(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	size_t dirty = 0, before = 0;
	uint64_t pfns[16];
	struct ibv_mr *mr;
	struct mem mem;
	struct scene s;
	int status;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	/* pages of a hole of a file are clean, and mapped writable */
	mem_map(&mem, MEM_SHMEM, SZ_2M);
	mr = reg_at(rig, mode, mem.addr, SZ_2M, IBV_ACCESS_REMOTE_READ);
	for (size_t i = 0; i < ARRAY_SIZE(pfns); i++)
		(void)*(volatile uint8_t *)(mem.addr + i * SZ_4K);
	status = rdma_run(&s.pair, IBV_WR_RDMA_READ, s.near.mr, (uintptr_t)s.near.mem.addr, mr,
			  (uintptr_t)mem.addr, ARRAY_SIZE(pfns) * SZ_4K);
	ok(!status, "READ through a read-only MR: %s", status_name(status));
	for (size_t i = 0; i < ARRAY_SIZE(pfns); i++) {
		pfns[i] = pagemap_entry(mem.addr + i * SZ_4K) & PAGEMAP_PFN;
		before += !!(page_flags(pfns[i]) & KPF_DIRTY_BIT);
	}
	is_u64(before, 0, "dirty pages after the READ");
	is_u64(mr_state(mr).blocks_mapped > 0, 1, "the device has them mapped");
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	for (size_t i = 0; i < ARRAY_SIZE(pfns); i++)
		dirty += !!(page_flags(pfns[i]) & KPF_DIRTY_BIT);
	is_u64(dirty, 0, "dirty pages after deregistration");
	/* the opposite case, to check that the test reads the right flag */
	mr = reg_at(rig, mode, mem.addr, SZ_2M, ACCESS_ALL);
	status = rdma_run(&s.pair, IBV_WR_RDMA_WRITE, s.near.mr, (uintptr_t)s.near.mem.addr, mr,
			  (uintptr_t)mem.addr, SZ_4K);
	ok(!status, "WRITE through a writable MR: %s", status_name(status));
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	/* the file's page has not moved */
	ok(page_flags(pfns[0]) & KPF_DIRTY_BIT, "what the device wrote is dirty");
	mem_unmap(&mem);
	scene_close(&s);
}

int main(void)
{
	static const struct mode *const small[] = { &mode_odp, &mode_strict_4k,	  &mode_2m_4k,
						    &mode_any, &mode_mixed_2m_4k, &mode_mixed_any };
	static const struct mode *const huge[] = { &mode_odp, &mode_2m_4k, &mode_mixed_2m_4k,
						   &mode_mixed_any, &mode_strict_2m };
#define ODP_REQUEST(n, s, f) \
	{ \
		n, IBV_ACCESS_ON_DEMAND, true, s, f \
	}
	static const struct sizes sizes[] = {
		{ ODP_REQUEST("64K", SZ_64K, 0), SZ_64K, "always", "never", "1" },
		{ ODP_REQUEST("64K|4K", SZ_64K | SZ_4K, 0), SZ_64K, "always", "never", "1" },
		{ ODP_REQUEST("mixed 64K|4K", SZ_64K | SZ_4K, IBV_ODP_MIXED), SZ_64K, "always",
		  "never", "1" },
		{ ODP_REQUEST("2M", SZ_2M, 0), SZ_2M, "never", "always", "1" },
		{ ODP_REQUEST("2M|4K", SZ_2M | SZ_4K, 0), SZ_2M, "never", "always", "1" },
		{ ODP_REQUEST("2M", SZ_2M, 0), SZ_2M, "never", "always", "0" },
		{ ODP_REQUEST("2M|4K", SZ_2M | SZ_4K, 0), SZ_2M, "never", "always", "0" },
		{ ODP_REQUEST("mixed 2M|4K", SZ_2M | SZ_4K, IBV_ODP_MIXED), SZ_2M, "never",
		  "always", "0" },
	};
	char was_64k[16], was_2m[16];
	struct sizes as_it_was = { .enabled = was_64k, .enabled_2m = was_2m, .zero_page = "1" };

	for (size_t i = 0; i < ARRAY_SIZE(small); i++)
		for (int how = 0; how < ACCESSES; how++) {
			struct combo c = { small[i], (enum access)how };

			scenario(later(), one_byte, &c, "one byte, %s, %s", c.mode->name,
				 accesses[how]);
			scenario(later(), copies, &c, "copies, %s, %s", c.mode->name,
				 accesses[how]);
		}
	for (size_t i = 0; i < ARRAY_SIZE(huge); i++)
		for (int how = 0; how < ACCESSES; how++) {
			struct combo c = { huge[i], (enum access)how };

			scenario(later(), one_huge_page, &c, "one huge page, %s, %s", c.mode->name,
				 accesses[how]);
		}
	get_choice(THP_DIR "hugepages-64kB/enabled", was_64k, sizeof(was_64k));
	get_choice(THP_DIR "hugepages-2048kB/enabled", was_2m, sizeof(was_2m));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		scenario(later(), first_access, &sizes[i], "first access, %s, zero page %s",
			 sizes[i].mode.name, sizes[i].zero_page);
	thp_settings(&as_it_was);
	for (size_t i = 0; i < ARRAY_SIZE(small); i++)
		scenario(later(), clean, small[i], "clean, %s", small[i]->name);
	return tap_done();
}
