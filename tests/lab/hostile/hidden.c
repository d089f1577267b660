// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory that devices must not access: secret memory, guard regions, memory without access, page
 * frames without pages, poison. It is refused at registration or at an access, is neither read nor
 * written, and the memory next to it works.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mman.h>

#include "hostile.h"
#include "tap.h"
#include "uffd.h"

#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define LEN BLOCK(2)
#define HIDDEN_AT (SZ_1M - SZ_4K) /* in block 0 */
#define HIDDEN (SZ_4K * 2)

enum hiding {
	NO_ACCESS,
	GUARD,
	POISON_UFFD,
	HWPOISON,
	PFN_MAP,
	SECRET,
	HIDINGS,
};

static const char *const hidings[HIDINGS] = {
	[NO_ACCESS] = "PROT_NONE",
	[GUARD] = "guard region",
	[POISON_UFFD] = "userfaultfd's poison",
	[HWPOISON] = "hwpoison",
	[PFN_MAP] = "page frames",
	[SECRET] = "secret memory",
};

struct combo {
	enum hiding hiding;
	const struct mode *mode;
	enum mem_kind kind;
	bool touched; /* something is in it */
	bool live;    /* hidden after the device has used the MR */
};

struct cover {
	int fd;
	uint8_t *frames; /* the content of page frames, through another mapping */
};

/* The kernel sends this signal if the call itself touches a poisoned page. */
static void on_bus_error(int sig)
{
	(void)sig;
}

/* Page by page: one poisoned page in a huge page would count for all after it. */
static int poison(volatile uint8_t *at)
{
	int err = 0;

	signal(SIGBUS, on_bus_error);
	for (size_t i = 0; !err && i < HIDDEN; i += SZ_4K) {
		/* a page must be present, and not the zero page */
		at[i] = at[i];
		err = madvise((void *)(uintptr_t)(at + i), SZ_4K, MADV_HWPOISON) ? errno : 0;
	}
	signal(SIGBUS, SIG_DFL);
	return err;
}

static void map_over(struct buf *far, int fd, off_t off)
{
	if (mmap(far->mem.addr + HIDDEN_AT, HIDDEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, off) == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
}

/* The legacy BIOS area: page frames without usable pages */
#define BIOS_AREA 0xc0000

static void hide(const struct combo *c, struct cover *cover, struct buf *far)
{
	uint8_t *at = far->mem.addr + HIDDEN_AT;
	int err = 0;

	switch (c->hiding) {
	case NO_ACCESS:
		err = mprotect(at, HIDDEN, PROT_NONE) ? errno : 0;
		break;
	case GUARD:
		err = madvise(at, HIDDEN, MADV_GUARD_INSTALL) ? errno : 0;
		break;
	case POISON_UFFD:
		cover->fd = uffd_open(UFFD_FEATURE_POISON);
		madvise(at, HIDDEN, MADV_DONTNEED);
		uffd_watch(cover->fd, at, HIDDEN, UFFDIO_REGISTER_MODE_MISSING);
		err = uffd_poison(cover->fd, at, HIDDEN);
		break;
	case HWPOISON:
		err = poison(at);
		break;
	case PFN_MAP:
		cover->fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
		need(cover->fd >= 0, "/dev/mem: %s", strerror(errno));
		map_over(far, cover->fd, BIOS_AREA);
		break;
	case SECRET:
		cover->fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
		need(cover->fd >= 0, "memfd_secret: %s", strerror(errno));
		if (ftruncate(cover->fd, HIDDEN))
			fatal("ftruncate: %s", strerror(errno));
		map_over(far, cover->fd, 0);
		if (c->touched)
			memcpy(at, far->shadow + HIDDEN_AT, HIDDEN);
		break;
	default:
		break;
	}
	if (err)
		fatal("%s: %s", hidings[c->hiding], strerror(err));
}

/* Does @got contain hidden bytes from @at on? */
static bool leaked(const struct buf *far, size_t at, const uint8_t *got, size_t len)
{
	size_t equal = 0;

	for (size_t i = 0; i < len; i++)
		equal += got[i] == far->shadow[at + i];
	return equal > len / 2;
}

static bool is_refusal(int err, const struct combo *c)
{
	/* a block that contains such memory cannot be huge */
	return err == EFAULT || (err == ERANGE && c->mode == &mode_strict_2m);
}

/* Tries each way to access the hidden memory */
static void all_ways(struct rig *rig, struct scene *s, const struct combo *c)
{
	struct ibv_mr *mr = s->far.mr;
	struct ibv_sge sge = { buf_iova(&s->far, HIDDEN_AT), HIDDEN, mr->lkey };
	const size_t len = SZ_4K;
	int status, err;

	for (int advice = 0; advice < 2; advice++) {
		err = ibv_advise_mr(rig->pd, (enum ib_uverbs_advise_mr_advice)advice,
				    IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
		ok(is_refusal(err, c), "prefetch %d is EFAULT: %s", advice, strerror(err));
	}
	memset(s->near.mem.addr, 0xee, len);
	memset(s->near.shadow, 0xee, len);
	status = rdma_run(&s->pair, IBV_WR_RDMA_READ, s->near.mr, buf_iova(&s->near, 0), mr,
			  buf_iova(&s->far, HIDDEN_AT + 1), len);
	ok(status == IBV_WC_REM_ACCESS_ERR, "READ fails: %s", status_name(status));
	ok(!c->touched || !leaked(&s->far, HIDDEN_AT + 1, s->near.mem.addr, len),
	   "nothing of it gets out");
	ok(buf_check(&s->near, 0, len, 0), "nothing comes in at the near end");
	buf_fill(&s->near, 0, len);
	status = rdma_run(&s->pair, IBV_WR_RDMA_WRITE, s->near.mr, buf_iova(&s->near, 0), mr,
			  buf_iova(&s->far, HIDDEN_AT + SZ_4K), len);
	ok(status == IBV_WC_REM_ACCESS_ERR, "WRITE fails: %s", status_name(status));
	status = rdma_run(&s->pair, IBV_WR_RDMA_WRITE, mr, buf_iova(&s->far, HIDDEN_AT), s->near.mr,
			  buf_iova(&s->near, 0), len);
	ok(status == IBV_WC_LOC_PROT_ERR, "as a source it fails: %s", status_name(status));
	ok(buf_check(&s->near, 0, len, 0), "nothing of it gets out as a source");
	if (c->mode->request && (rig->is_rxe || !(c->mode->flags & IBV_ODP_MIXED))) {
		err = ibv_modify_mr_odp(mr, c->mode->page_sizes, IBV_ODP_POPULATE | c->mode->flags);
		ok(is_refusal(err, c), "populate is EFAULT: %s", strerror(err));
	}
}

/* The hidden memory is unchanged, and the memory around it works. */
static void neighbours(struct scene *s, const struct combo *c)
{
	bool whole = c->mode == &mode_strict_2m;
	size_t before = HIDDEN_AT - SZ_64K, after = HIDDEN_AT + HIDDEN;

	scene_write(s, BLOCK(1) + 100, SZ_64K, "the next block");
	scene_read(s, BLOCK(1) + SZ_4K, SZ_64K, "the next block");
	if (whole)
		return;
	/* the check of a transfer reads a page past its end */
	scene_write(s, before - SZ_4K, SZ_64K, "right before it");
	scene_read(s, before - SZ_4K, SZ_64K, "right before it");
	scene_write(s, after + SZ_4K, SZ_64K, "right after it");
	scene_read(s, after + SZ_4K, SZ_64K, "right after it");
}

static void unhide(struct scene *s, const struct combo *c, struct cover *cover)
{
	uint8_t *at = s->far.mem.addr + HIDDEN_AT;

	if (c->hiding == NO_ACCESS) {
		mprotect(at, HIDDEN, PROT_READ | PROT_WRITE);
		if (!c->touched)
			memset(s->far.shadow + HIDDEN_AT, 0, HIDDEN);
	} else if (c->hiding == GUARD) {
		madvise(at, HIDDEN, MADV_GUARD_REMOVE);
		memset(s->far.shadow + HIDDEN_AT, 0, HIDDEN);
	} else if (c->hiding == SECRET) {
		ok(!c->touched || !memcmp(at, s->far.shadow + HIDDEN_AT, HIDDEN),
		   "what is secret is as it was");
	}
	if (c->hiding != NO_ACCESS && c->hiding != GUARD) {
		if (mmap(at, HIDDEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			fatal("mmap: %s", strerror(errno));
		memset(s->far.shadow + HIDDEN_AT, 0, HIDDEN);
	}
	if (cover->fd >= 0)
		close(cover->fd);
	if (c->mode == &mode_strict_2m)
		return;
	scene_read(s, HIDDEN_AT - 100, HIDDEN + 200, "accessible again");
	scene_write(s, HIDDEN_AT - 100, HIDDEN + 200, "accessible again");
	scene_intact(s, "in the end");
}

static void run(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct cover cover = { .fd = -1 };
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, c->kind, LEN);
	if (c->touched)
		buf_fill(&s.far, 0, LEN);
	if (c->live) {
		err = buf_reg(&s.far, c->mode, 0, LEN);
		if (!is_errno(err, 0, "register what is not hidden yet"))
			return;
		scene_write_pieces(&s, "before it is hidden");
	}
	hide(c, &cover, &s.far);
	err = c->live ? 0 : buf_reg(&s.far, c->mode, 0, LEN);
	if (err) {
		ok(is_refusal(err, c), "registration is refused with EFAULT: %s", strerror(err));
	} else {
		all_ways(rig, &s, c);
		neighbours(&s, c);
		unhide(&s, c, &cover);
	}
	scene_close(&s);
}

/* The MR contains only hidden memory. */
static void alone(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct cover cover = { .fd = -1 };
	struct mode populated = *c->mode;
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, c->kind, LEN);
	if (c->touched)
		buf_fill(&s.far, HIDDEN_AT, HIDDEN);
	hide(c, &cover, &s.far);
	populated.flags |= IBV_ODP_POPULATE;
	if (c->mode->request) {
		err = buf_reg(&s.far, &populated, HIDDEN_AT, HIDDEN);
		ok(is_refusal(err, c), "registration that populates is EFAULT: %s", strerror(err));
		buf_dereg(&s.far);
	}
	err = buf_reg(&s.far, c->mode, HIDDEN_AT, HIDDEN);
	if (err) {
		ok(is_refusal(err, c), "registration is refused with EFAULT: %s", strerror(err));
	} else {
		all_ways(rig, &s, c);
		is_u64(buf_state(&s.far).blocks_mapped, 0, "nothing of it is mapped");
	}
	scene_close(&s);
	if (cover.fd >= 0)
		close(cover.fd);
}

/* ODP must refuse the same memory as pinning. */
static void pinned(struct rig *rig, const void *arg)
{
	const struct combo *c = arg;
	struct cover cover = { .fd = -1 };
	struct buf far;
	int err;

	buf_open(&far, rig, MEM_BASE, LEN);
	buf_fill(&far, 0, LEN);
	hide(c, &cover, &far);
	err = buf_reg(&far, &mode_pinned, HIDDEN_AT, HIDDEN);
	ok(err, "pinned registration is refused: %s", strerror(err));
	buf_close(&far);
	if (cover.fd >= 0)
		close(cover.fd);
}

int main(void)
{
	static const struct {
		const struct mode *mode;
		enum mem_kind kind;
	} ways[] = {
		{ &mode_odp, MEM_BASE },	{ &mode_odp, MEM_THP },
		{ &mode_strict_2m, MEM_THP },	{ &mode_strict_4k, MEM_BASE },
		{ &mode_2m_4k, MEM_THP },	{ &mode_2m_4k, MEM_BASE },
		{ &mode_mixed_2m_4k, MEM_THP }, { &mode_mixed_any, MEM_BASE },
	};

	/* secret memory comes last: it may crash an unpatched kernel */
	for (int h = 0; h < HIDINGS; h++) {
		struct combo p = { (enum hiding)h, &mode_pinned, MEM_BASE, true, false };

		scenario(later(), pinned, &p, "%s, pinned", hidings[h]);
		for (size_t w = 0; w < ARRAY_SIZE(ways); w++)
			for (int how = 0; how < 3; how++) {
				struct combo c = { (enum hiding)h, ways[w].mode, ways[w].kind,
						   how > 0, how == 2 };

				scenario(later() * 2, run, &c, "%s, %s over %s, %s", hidings[h],
					 c.mode->name, mem_name(c.kind),
					 c.live	     ? "below a live MR"
					 : c.touched ? "touched"
						     : "not touched");
				if (!c.live)
					scenario(later(), alone, &c, "%s, %s, alone, %s",
						 hidings[h], c.mode->name,
						 c.touched ? "touched" : "not touched");
			}
	}
	return tap_done();
}
