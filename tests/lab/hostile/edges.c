// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Ranges at limits: of the address space, of pages, of numbers. Every call refuses addresses
 * outside of user space in every mode; memory of the caller works up to the last byte; and ranges
 * that wrap around are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <rdma/ib_user_hugeodp.h>

#include "hostile.h"
#include "raw.h"
#include "tap.h"

#define ODP_ACCESS (ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
#define KERNEL_TEXT 0xffffffff81000000ULL

static const struct mode *const modes[] = {
	&mode_odp, &mode_strict_4k,   &mode_strict_2m, &mode_2m_4k,
	&mode_any, &mode_mixed_2m_4k, &mode_mixed_any, &mode_hugetlb_flag,
};

/* The first address after user space. */
static uint64_t task_size(void)
{
	char line[4096];
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool la57 = false;

	while (f && fgets(line, sizeof(line), f))
		la57 |= !strncmp(line, "flags", 5) && strstr(line, " la57");
	if (f)
		fclose(f);
	return (1ULL << (la57 ? 56 : 47)) - SZ_4K;
}

static bool is_users(uint64_t addr, uint64_t len)
{
	return len && addr < task_size() && len <= task_size() - addr;
}

struct range {
	uint64_t addr, len;
};

#define MAX_RANGES 160

/* All combinations of addresses and lengths. */
static unsigned int all_ranges(struct range *ranges)
{
	const uint64_t top = task_size();
	const uint64_t addrs[] = {
		0,
		1,
		SZ_4K,
		top - SZ_4K,
		top - 1,
		top,
		top + 1,
		top + SZ_4K,
		0x4000000000000000,
		0x8000000000000000,
		0xffff800000000000,
		0xffff888000000000, /* direct map */
		KERNEL_TEXT,
		0xffffffff82000000, /* data of the kernel */
		0xffffffffff600000, /* vsyscall */
		~0ULL - SZ_2M + 1,
		~0ULL - SZ_4K + 1,
		~0ULL,
	};
	const uint64_t lens[] = { 1,	      SZ_4K,	  SZ_2M,      1ULL << 31,
				  1ULL << 32, 1ULL << 43, 1ULL << 63, ~0ULL };
	unsigned int n = 0;

	for (size_t a = 0; a < ARRAY_SIZE(addrs); a++)
		for (size_t l = 0; l < ARRAY_SIZE(lens); l++) {
			/* that is an implicit MR */
			if (!addrs[a] && lens[l] == ~0ULL)
				continue;
			ranges[n++] = (struct range){ addrs[a], lens[l] };
		}
	return n;
}

static bool is_refusal(int err, const struct range *r)
{
	if (err == EFAULT || err == EINVAL)
		return true;
	/* longer than any memory */
	return err == ENOMEM && r->len >= 1ULL << 31;
}

/* An MR outside of the memory of the process: an access must fail. */
static void no_access(struct scene *s, struct ibv_mr *mr, const struct range *r)
{
	uint8_t *near = s->near.mem.addr;
	int status;

	memset(near, 0xee, 64);
	status = rdma_run(&s->pair, IBV_WR_RDMA_READ, s->near.mr, (uintptr_t)near, mr, r->addr, 1);
	ok(status == IBV_WC_REM_ACCESS_ERR && near[0] == 0xee, "READ at %#llx fails: %s",
	   (unsigned long long)r->addr, status_name(status));
	status = rdma_run(&s->pair, IBV_WR_RDMA_WRITE, s->near.mr, (uintptr_t)near, mr, r->addr, 1);
	ok(status == IBV_WC_REM_ACCESS_ERR, "WRITE at %#llx fails: %s", (unsigned long long)r->addr,
	   status_name(status));
}

/* By the library */
static void registered(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct range ranges[MAX_RANGES];
	unsigned int n = all_ranges(ranges), refused = 0, foreign = 0;
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	for (unsigned int i = 0; i < n; i++) {
		const struct range *r = &ranges[i];
		struct ibv_mr *mr;
		int err;

		errno = 0;
		mr = mode_reg(mode, rig->pd, (void *)(uintptr_t)r->addr, r->len, r->addr,
			      ACCESS_ALL);
		err = mr ? 0 : errno;
		if (is_users(r->addr, r->len)) {
			if (mr && r->len <= SZ_4K)
				no_access(&s, mr, r);
		} else {
			foreign++;
			if (!mr && is_refusal(err, r))
				refused++;
			else
				diag("%s: %#llx + %#llx: %s", mode->name,
				     (unsigned long long)r->addr, (unsigned long long)r->len,
				     mr ? "an MR" : strerror(err));
		}
		if (mr && ibv_dereg_mr(mr))
			fatal("deregistration at %#llx failed", (unsigned long long)r->addr);
	}
	is_u64(refused, foreign, "all ranges that are not the user's are refused");
	scene_close(&s);
}

struct reg_attrs {
	uint64_t addr, iova, length;
	uint32_t access, lkey, rkey, shift;
};

/* Calls REG_MR directly; destroys the MR if it succeeds. */
static int raw_reg(struct rig *rig, const struct mode *mode, uint64_t addr, uint64_t len,
		   uint64_t iova)
{
	struct raw raw = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_REG_MR);
	struct raw gone = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY);
	struct hugeodp_abi_request request = {
		.page_sizes = mode->page_sizes,
		.flags = mode->flags,
	};
	struct reg_attrs a = { addr, iova, len, (uint32_t)(ACCESS_ALL | mode->access), 0, 0, 0 };
	int err;

	raw_object(&raw, UVERBS_ATTR_REG_MR_HANDLE, 0);
	raw_object(&raw, UVERBS_ATTR_REG_MR_PD_HANDLE, rig->pd->handle);
	raw_in(&raw, UVERBS_ATTR_REG_MR_IOVA, &a.iova, sizeof(a.iova));
	raw_in(&raw, UVERBS_ATTR_REG_MR_ADDR, &a.addr, sizeof(a.addr));
	raw_in(&raw, UVERBS_ATTR_REG_MR_LENGTH, &a.length, sizeof(a.length));
	raw_in(&raw, UVERBS_ATTR_REG_MR_ACCESS_FLAGS, &a.access, sizeof(a.access));
	raw_out(&raw, UVERBS_ATTR_REG_MR_RESP_LKEY, &a.lkey, sizeof(a.lkey));
	raw_out(&raw, UVERBS_ATTR_REG_MR_RESP_RKEY, &a.rkey, sizeof(a.rkey));
	if (mode->request)
		raw_in(&raw, raw_side()->reg_mr_request, &request, sizeof(request));
	err = raw_ioctl(rig->ctx, &raw);
	if (err)
		return err;
	raw_object(&gone, UVERBS_ATTR_DESTROY_MR_HANDLE, (uint32_t)raw.attr[0].data);
	if (raw_ioctl(rig->ctx, &gone))
		fatal("an MR cannot be destroyed");
	return 0;
}

static void by_ioctl(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct range ranges[MAX_RANGES];
	unsigned int n = all_ranges(ranges), refused = 0, foreign = 0, wraps = 0;
	struct mem mem;

	for (unsigned int i = 0; i < n; i++) {
		const struct range *r = &ranges[i];
		int err = raw_reg(rig, mode, r->addr, r->len, r->addr);

		if (is_users(r->addr, r->len))
			continue;
		foreign++;
		if (is_refusal(err, r))
			refused++;
		else
			diag("%s: %#llx + %#llx: %s", mode->name, (unsigned long long)r->addr,
			     (unsigned long long)r->len, err ? strerror(err) : "an MR");
	}
	is_u64(refused, foreign, "REG_MR: all ranges that are not the user's are refused");
	/* good memory whose iovas wrap around */
	mem_map(&mem, MEM_THP, SZ_2M * 2);
	for (uint64_t before = 0; before < SZ_2M * 2; before += SZ_2M / 2) {
		uint64_t iova = -(before ? before : SZ_4K);
		int err = raw_reg(rig, mode, (uintptr_t)mem.addr + (before ? 0 : SZ_4K),
				  SZ_2M * 2 - SZ_4K, iova);

		if (err == EINVAL || err == EFAULT)
			wraps++;
		else
			diag("%s: iova %#llx: %s", mode->name, (unsigned long long)iova,
			     err ? strerror(err) : "an MR");
	}
	is_u64(wraps, 4, "REG_MR: iovas that wrap around are refused");
	mem_unmap(&mem);
}

/* ---- user space, up to its end ---- */

static void transfers(struct scene *s, struct ibv_mr *mr, uint8_t *at, size_t len)
{
	uint8_t *near = s->near.mem.addr;
	uint8_t want[SZ_4K];

	for (size_t from = 0; from < len; from += SZ_4K) {
		pattern_fill(want, (uintptr_t)at, from, SZ_4K);
		memcpy(near, want, SZ_4K);
		is_u64((uint64_t)rdma_run(&s->pair, IBV_WR_RDMA_WRITE, s->near.mr, (uintptr_t)near,
					  mr, (uintptr_t)at + from, SZ_4K),
		       IBV_WC_SUCCESS, "WRITE at %p", (void *)(at + from));
		ok(!memcmp(at + from, want, SZ_4K), "every byte at %p", (void *)(at + from));
		memset(near, 0, SZ_4K);
		is_u64((uint64_t)rdma_run(&s->pair, IBV_WR_RDMA_READ, s->near.mr, (uintptr_t)near,
					  mr, (uintptr_t)at + from, SZ_4K),
		       IBV_WC_SUCCESS, "READ at %p", (void *)(at + from));
		ok(!memcmp(near, want, SZ_4K), "every byte read at %p", (void *)(at + from));
	}
}

static void first_and_last(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	const struct range places[] = {
		{ task_size() - SZ_4K, SZ_4K },
		{ task_size() - SZ_4K * 3, SZ_4K * 3 },
		{ SZ_64K, SZ_4K * 2 },
	};
	struct scene s;

	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct range *r = &places[i];
		void *want = (void *)(uintptr_t)r->addr;
		void *at = mmap(want, r->len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		struct ibv_mr *mr;

		if (!ok(at == want, "memory at %p", want))
			continue;
		mr = mode_reg(mode, rig->pd, at, r->len, r->addr, ACCESS_ALL);
		if (ok(mr, "register %p + %#llx: %s", at, (unsigned long long)r->len,
		       mr ? "done" : strerror(errno))) {
			transfers(&s, mr, at, r->len);
			/* not every device can change a mixed MR */
			if (mode->request && (rig->is_rxe || !(mode->flags & IBV_ODP_MIXED)))
				is_errno(ibv_modify_mr_odp(mr, mode->page_sizes,
							   mode->flags | IBV_ODP_POPULATE),
					 0, "populate");
			ibv_dereg_mr(mr);
		}
		munmap(at, r->len);
	}
	scene_close(&s);
}

/* ---- probes, prefetches, accesses ---- */

static void probes(struct rig *rig, const void *arg)
{
	struct range ranges[MAX_RANGES];
	unsigned int n = all_ranges(ranges), right = 0, raw_right = 0, foreign = 0;

	(void)arg;
	for (unsigned int i = 0; i < n; i++) {
		const struct range *r = &ranges[i];
		struct raw raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);
		struct hugeodp_abi_range in = { r->addr, r->len, ~0ULL };
		struct hugeodp_abi_page_caps caps;
		struct ibv_odp_report report;
		uint32_t shift = 0;
		int err;

		raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
		raw_in(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE, &in, sizeof(in));
		raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, &shift, sizeof(shift));
		err = raw_ioctl(rig->ctx, &raw);
		if (is_users(r->addr, r->len))
			continue;
		foreign++;
		raw_right += err || shift == 12;
		if (!err && shift != 12)
			diag("%#llx + %#llx: shift %u", (unsigned long long)r->addr,
			     (unsigned long long)r->len, shift);
		err = ibv_probe_odp_range(rig->ctx, (void *)(uintptr_t)r->addr, r->len, 0, &report,
					  sizeof(report));
		if (err == EINVAL || err == EFAULT || (!err && (report.flags & IBV_ODP_RANGE_HOLE)))
			right++;
		else
			diag("probe of %#llx + %#llx: %s", (unsigned long long)r->addr,
			     (unsigned long long)r->len, err ? strerror(err) : "not a hole");
	}
	is_u64(raw_right, foreign, "QUERY_ODP_PAGES promises nothing that is not the user's");
	is_u64(right, foreign, "the library's probe finds nothing there");
}

struct access {
	uint64_t addr;
	uint32_t len;
};

static void refused_accesses(struct scene *s, struct ibv_mr *mr, const struct access *accesses,
			     size_t n)
{
	uint8_t *near = s->near.mem.addr;

	for (size_t i = 0; i < n; i++) {
		const struct access *a = &accesses[i];
		struct ibv_sge sge = { a->addr, a->len, mr->lkey };
		int status, err;

		for (int advice = 0; advice < 3; advice++) {
			err = ibv_advise_mr(s->rig->pd, (enum ib_uverbs_advise_mr_advice)advice,
					    IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
			/* it ignores missing memory, but not a range outside of an MR */
			if (!err && advice == IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT &&
			    mr->length == SIZE_MAX)
				continue;
			ok(err == EFAULT || err == EINVAL || err == ENOENT || err == EPERM,
			   "prefetch %d of %#llx + %u is refused: %s", advice,
			   (unsigned long long)a->addr, a->len, strerror(err));
		}
		memset(near, 0xee, a->len);
		status = rdma_run(&s->pair, IBV_WR_RDMA_READ, s->near.mr, (uintptr_t)near, mr,
				  a->addr, a->len);
		ok(status == IBV_WC_REM_ACCESS_ERR, "READ of %#llx + %u fails: %s",
		   (unsigned long long)a->addr, a->len, status_name(status));
		status = rdma_run(&s->pair, IBV_WR_RDMA_WRITE, s->near.mr, (uintptr_t)near, mr,
				  a->addr, a->len);
		ok(status == IBV_WC_REM_ACCESS_ERR, "WRITE to %#llx + %u fails: %s",
		   (unsigned long long)a->addr, a->len, status_name(status));
		status = rdma_run(&s->pair, IBV_WR_RDMA_WRITE, mr, a->addr, s->near.mr,
				  (uintptr_t)near, a->len);
		ok(status == IBV_WC_LOC_PROT_ERR, "%#llx + %u as a source fails: %s",
		   (unsigned long long)a->addr, a->len, status_name(status));
	}
}

static void implicit(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	const struct access accesses[] = {
		{ SZ_4K, 8 },
		{ task_size() - 100, 200 },
		{ task_size(), 8 },
		{ 1ULL << 47, 8 },
		{ 0x4000000000000000, SZ_4K },
		{ 0xffff888000000000, SZ_4K },
		{ KERNEL_TEXT, SZ_4K },
		{ ~0ULL - 99, 100 },
		{ ~0ULL - 99, 200 },
	};
	struct ibv_mr *mr = mode_reg(mode, rig->pd, NULL, SIZE_MAX, 0, ACCESS_ALL);
	struct scene s;

	if (!ok(mr, "implicit MR: %s", mr ? "done" : strerror(errno)))
		return;
	scene_open_unregistered(&s, rig, MEM_BASE, SZ_2M);
	refused_accesses(&s, mr, accesses, ARRAY_SIZE(accesses));
	is_errno(ibv_dereg_mr(mr), 0, "deregister");
	scene_close(&s);
}

/* Accesses at and across both ends of an MR whose iovas end at 2^64. */
static void last_iovas(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	const uint64_t iova = ~0ULL - SZ_2M * 2 + 1; /* the last 2 MiB are not in the MR */
	const struct access accesses[] = {
		{ iova - 1, 2 },
		{ iova + SZ_2M - 1, 2 },
		{ iova + SZ_2M - 1, 0xffff },
		{ iova + SZ_2M, 1 },
		{ ~0ULL, 1 },
		{ ~0ULL, 2 },
		{ ~0ULL - 99, 200 },
		{ 0, 1 },
	};
	enum mem_kind kind = mode == &mode_odp ? MEM_BASE : MEM_THP;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, kind, SZ_2M);
	err = buf_reg_iova(&s.far, mode, 0, SZ_2M, iova, ACCESS_ALL);
	if (!is_errno(err, 0, "register with the iova %#llx", (unsigned long long)iova))
		return;
	scene_write(&s, 0, SZ_2M, "all of it");
	scene_read(&s, 0, SZ_2M, "all of it");
	refused_accesses(&s, s.far.mr, accesses, ARRAY_SIZE(accesses));
	scene_intact(&s, "after accesses over its ends");
	scene_close(&s);
}

/* ---- memory windows ---- */

static int bind_window(struct scene *s, struct ibv_mw *mw, uint32_t rkey, uint64_t addr,
		       uint64_t len)
{
	struct ibv_send_wr *bad, bind = {
		.opcode = IBV_WR_BIND_MW,
		.send_flags = IBV_SEND_SIGNALED,
		.bind_mw = {
			.mw = mw,
			.rkey = rkey,
			.bind_info = {
				.mr = s->far.mr,
				.addr = addr,
				.length = len,
				.mw_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ,
			},
		},
	};

	/* the library refuses it, with EINVAL for example */
	if (ibv_post_send(s->pair.qp[FAR], &bind, &bad))
		return IBV_WC_MW_BIND_ERR;
	return (int)pair_wait(&s->pair, FAR).status;
}

static void windows(struct rig *rig, const void *arg)
{
	const struct mode *mode = arg;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, MEM_THP, SZ_2M);
	err = buf_reg_iova(&s.far, mode, 0, SZ_2M, (uintptr_t)s.far.mem.addr,
			   ACCESS_ALL | IBV_ACCESS_MW_BIND);
	/* not on mlx5, where such an MR has another kind of key */
	if ((err == EOPNOTSUPP || err == EINVAL) && !rig->is_rxe && (mode->flags & IBV_ODP_MIXED)) {
		ok(true, "mixed MRs have no windows here");
		scene_close(&s);
		return;
	}
	if (!is_errno(err, 0, "an MR to bind to"))
		return;
	for (int i = 0; i < 5; i++) {
		uint64_t start = buf_iova(&s.far, 0);
		const struct range ranges[] = {
			{ start + SZ_4K, ~0ULL - SZ_4K + 1 }, /* ends where the MR starts */
			{ start + SZ_1M, -SZ_1M + SZ_64K },   { start + SZ_2M - 1, ~0ULL },
			{ start + 1, ~0ULL - start },	      { start, SZ_2M + 1 },
		};
		struct ibv_mw *mw = ibv_alloc_mw(rig->pd, IBV_MW_TYPE_2);
		uint32_t rkey, whole = s.far.mr->rkey;
		struct ibv_mr through;
		int status;

		if (!mw)
			fatal("ibv_alloc_mw: %s", strerror(errno));
		rkey = ibv_inc_rkey(mw->rkey);
		status = bind_window(&s, mw, rkey, ranges[i].addr, ranges[i].len);
		/* mlx5 checks the end of a window when it is used */
		ok(status || (!rig->is_rxe && ranges[i].len == SZ_2M + 1),
		   "a window of %#llx + %#llx is refused: %s",
		   (unsigned long long)(ranges[i].addr - start), (unsigned long long)ranges[i].len,
		   status_name(status));
		pair_renew(&s.pair);
		through = *s.far.mr;
		through.rkey = status ? whole : rkey;
		status = rdma_run(&s.pair, IBV_WR_RDMA_READ, s.near.mr, (uintptr_t)s.near.mem.addr,
				  &through, start + SZ_2M, 64);
		ok(status == IBV_WC_REM_ACCESS_ERR, "a READ after the end of the MR fails: %s",
		   status_name(status));
		if (ibv_dealloc_mw(mw))
			fatal("ibv_dealloc_mw: %s", strerror(errno));
	}
	scene_close(&s);
}

/*
 * Pinned memory: of length 0 at an unaligned address, which is one page; and with an iova that
 * wraps around. A driver refuses a range that it cannot map, without a warning of the kernel.
 */
static void pinned(struct rig *rig, const void *arg)
{
	static _Alignas(4096) uint8_t mem[SZ_64K];
	const struct {
		const char *name;
		size_t at, len;
		uint64_t iova;
	} edges[] = {
		{ "no length", 1, 0, (uintptr_t)mem + 1 },
		{ "an iova that wraps", 0, SZ_4K * 2, ~0ULL - SZ_4K + 1 },
	};

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		struct ibv_mr *mr = ibv_reg_mr_iova(rig->pd, mem + edges[i].at, edges[i].len,
						    edges[i].iova, ACCESS_ALL);
		int err = mr ? 0 : errno;

		/* rxe maps both, but no access is inside of them */
		ok(err == EINVAL || (!err && rig->is_rxe), "%s: %s", edges[i].name,
		   err ? strerror(err) : "registered");
		if (mr)
			is_errno(ibv_dereg_mr(mr), 0, "%s: deregistration", edges[i].name);
	}
}

int main(void)
{
	const struct mode *const whole[] = { &mode_odp, &mode_2m_4k, &mode_mixed_2m_4k };
	const struct mode *const fits[] = { &mode_odp, &mode_strict_4k,	  &mode_2m_4k,
					    &mode_any, &mode_mixed_2m_4k, &mode_mixed_any };
	const struct mode *const blocks[] = { &mode_odp, &mode_strict_2m, &mode_2m_4k,
					      &mode_mixed_2m_4k };

	for (size_t i = 0; i < ARRAY_SIZE(fits); i++)
		scenario(later() * 2, first_and_last, fits[i], "first and last, %s", fits[i]->name);
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
		scenario(later() * 2, last_iovas, blocks[i], "last iovas, %s", blocks[i]->name);
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
		scenario(later(), windows, blocks[i], "windows, %s", blocks[i]->name);
	scenario(later(), probes, NULL, "probe");
	scenario(later(), pinned, NULL, "pinned");
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++)
		scenario(later() * 2, implicit, whole[i], "implicit, %s", whole[i]->name);
	/* tests that may crash an unpatched kernel come last */
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later() * 2, by_ioctl, modes[i], "by ioctl, %s", modes[i]->name);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		scenario(later() * 2, registered, modes[i], "by the library, %s", modes[i]->name);
	return tap_done();
}
