// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "held.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

const char *holder_name(enum holder holder)
{
	static const char *const names[] = {
		[HOLD_MISSING] = "missing",    [HOLD_MINOR] = "minor",
		[HOLD_WP] = "write-protected", [HOLD_FUSE] = "fuse",
		[HOLD_UNREAD] = "fuse unread", [HOLD_STOPPED] = "stopped",
	};

	return names[holder];
}

static size_t page_of(enum holder holder, enum mem_kind kind)
{
	if (kind == MEM_HUGETLB || kind == MEM_HUGETLB_SHARED)
		return SZ_2M;
	/* a huge page is protected as a whole, and stays huge */
	return holder == HOLD_WP && kind == MEM_THP ? SZ_2M : SZ_4K;
}

/* Allocates the pages of the file through another mapping. */
static void fill_file(struct held *h)
{
	void *other = mmap(NULL, SZ_2M, PROT_READ | PROT_WRITE, MAP_SHARED, h->buf->mem.fd, 0);

	if (other == MAP_FAILED)
		fatal("mmap: %s", strerror(errno));
	memcpy(other, h->source, SZ_2M);
	munmap(other, SZ_2M);
}

static void map_fuse(struct held *h)
{
	fuse_open(&h->fuse, h->source, SZ_2M);
	if (mmap(h->buf->mem.addr, SZ_2M, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 h->fuse.fd, 0) == MAP_FAILED)
		fatal("mmap of a FUSE file: %s", strerror(errno));
	/* A process that exits flushes its open files, and would wait for itself. */
	close(h->fuse.fd);
	h->fuse.fd = -1;
	fuse_set(&h->fuse, h->holder == HOLD_FUSE ? FUSE_KEEPS : FUSE_IGNORES);
}

static bool is_fuse(enum holder holder)
{
	return holder == HOLD_FUSE || holder == HOLD_UNREAD;
}

/* The server of the pages, which stops itself before it answers. */
_Noreturn static void serve(const struct pager *p)
{
	struct uffd_msg msg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	raise(SIGSTOP);
	for (;;)
		if (uffd_pending(p->fd, 1) && read(p->fd, &msg, sizeof(msg)) == sizeof(msg))
			pager_answer(p, &msg);
}

static void start_server(struct held *h)
{
	int status;

	h->server = fork();
	if (h->server < 0)
		fatal("fork: %s", strerror(errno));
	if (!h->server)
		serve(&h->pager);
	if (waitpid(h->server, &status, WUNTRACED) != h->server || !WIFSTOPPED(status))
		fatal("the server of pages does not stop");
}

static uint64_t modes_of(enum holder holder)
{
	switch (holder) {
	case HOLD_MINOR:
		return UFFDIO_REGISTER_MODE_MINOR;
	case HOLD_WP:
		return UFFDIO_REGISTER_MODE_WP;
	default:
		return UFFDIO_REGISTER_MODE_MISSING;
	}
}

static uint64_t features_of(enum holder holder)
{
	switch (holder) {
	case HOLD_MINOR:
		return UFFD_FEATURE_MINOR_HUGETLBFS | UFFD_FEATURE_MINOR_SHMEM;
	case HOLD_WP:
		return UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
	default:
		return 0;
	}
}

void held_open(struct held *h, enum holder holder, struct buf *buf)
{
	int err;

	*h = (struct held){ .holder = holder, .buf = buf, .uffd = -1 };
	h->source = aligned_alloc(SZ_2M, SZ_2M);
	if (!h->source)
		fatal("out of memory");
	pattern_fill(h->source, ++buf->gen, 0, SZ_2M);
	memcpy(buf->shadow, h->source, SZ_2M);
	if (is_fuse(holder)) {
		map_fuse(h);
		return;
	}
	if (holder == HOLD_MINOR)
		fill_file(h);
	else if (holder == HOLD_WP)
		memcpy(buf->mem.addr, h->source, SZ_2M);
	h->uffd = uffd_open(features_of(holder));
	uffd_watch(h->uffd, buf->mem.addr, SZ_2M, modes_of(holder));
	err = holder == HOLD_WP ? uffd_protect(h->uffd, buf->mem.addr, SZ_2M, true) : 0;
	if (err)
		fatal("UFFDIO_WRITEPROTECT: %s", strerror(err));
	h->pager = (struct pager){
		.fd = h->uffd,
		.addr = buf->mem.addr,
		.len = SZ_2M,
		.page = page_of(holder, buf->mem.kind),
		.source = h->source,
		.hold = true,
	};
	if (holder == HOLD_STOPPED)
		start_server(h);
	else
		pager_start(&h->pager);
}

bool held_waits(struct held *h, double seconds)
{
	if (is_fuse(h->holder))
		return fuse_holds(&h->fuse, seconds);
	if (h->holder == HOLD_STOPPED)
		return uffd_pending(h->uffd, seconds);
	return pager_holds(&h->pager, seconds);
}

void held_release(struct held *h)
{
	if (is_fuse(h->holder))
		fuse_set(&h->fuse, FUSE_ANSWERS);
	else if (h->holder == HOLD_STOPPED)
		kill(h->server, SIGCONT);
	else
		pager_release(&h->pager);
}

void held_close(struct held *h)
{
	held_release(h);
	if (is_fuse(h->holder)) {
		fuse_close(&h->fuse);
	} else if (h->holder == HOLD_STOPPED) {
		kill(h->server, SIGKILL);
		waitpid(h->server, NULL, 0);
	} else {
		pager_stop(&h->pager);
	}
	if (h->uffd >= 0)
		close(h->uffd);
	free(h->source);
}
