// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Changes to the memory of an ODP MR in the life of a process: pages are freed, mappings replaced,
 * moved, write-protected, copied on write. The device must always access the same memory as the
 * process.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define BLOCK(n) (SZ_2M * (n))

static void dropped_pages(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	scene_read(&s, 0, LEN, "never touched");
	scene_write(&s, 0, LEN, "whole MR");
	buf_drop(&s.far, BLOCK(1), SZ_2M);
	scene_read(&s, 0, LEN, "one block dropped");
	buf_fill(&s.far, BLOCK(1), SZ_2M);
	scene_read(&s, 0, LEN, "dropped block written by the CPU");
	buf_drop(&s.far, BLOCK(1), BLOCK(2));
	scene_write(&s, BLOCK(1) + 1, BLOCK(2) - 2, "two blocks dropped");
	buf_drop(&s.far, 0, LEN);
	scene_intact(&s, "all dropped");
	scene_write(&s, BLOCK(2) - 4097, 8195, "all dropped");
	scene_intact(&s, "written after the drop");
	scene_close(&s);
}

static void replaced_mapping(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	scene_write_pieces(&s, "whole MR");
	mem_punch(&s.far.mem, BLOCK(2), SZ_2M);
	scene_write_fails(&s, BLOCK(2) + SZ_4K, SZ_4K, "hole");
	scene_read_fails(&s, BLOCK(2) + SZ_64K, SZ_4K, "hole");
	/* a page less: the check of a transfer reads a page past its ends */
	scene_write(&s, BLOCK(2) - SZ_64K, SZ_64K - SZ_4K, "block before the hole");
	scene_write(&s, BLOCK(3) + SZ_4K, SZ_64K, "block after the hole");
	mem_refill(&s.far.mem, BLOCK(2), SZ_2M);
	memset(s.far.shadow + BLOCK(2), 0, SZ_2M);
	scene_read(&s, BLOCK(2) - 1, SZ_2M + 2, "hole mapped again");
	scene_write_pieces(&s, "hole mapped again");
	scene_intact(&s, "hole mapped again");
	scene_close(&s);
}

/* Other pages, already filled, are moved under the MR. */
static void moved_mapping(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	struct mem other;
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	scene_write_pieces(&s, "whole MR");
	mem_map(&other, kind, SZ_2M);
	pattern_fill(other.addr, ~0ULL, BLOCK(1), SZ_2M);
	memcpy(s.far.shadow + BLOCK(1), other.addr, SZ_2M);
	if (mremap(other.addr, SZ_2M, SZ_2M, MREMAP_MAYMOVE | MREMAP_FIXED,
		   s.far.mem.addr + BLOCK(1)) == MAP_FAILED)
		fatal("mremap: %s", strerror(errno));
	scene_read_pieces(&s, "block moved in");
	scene_write(&s, BLOCK(1) + 77, SZ_64K, "block moved in");
	scene_intact(&s, "block moved in");
	scene_close(&s);
	mem_unmap(&other);
}

/* In the child: wait for the parent, then compare. */
_Noreturn static void child(const struct scene *s, int from_parent)
{
	char go;

	if (read(from_parent, &go, 1) != 1)
		_exit(2);
	_exit(memcmp(s->far.mem.addr, s->far.shadow, LEN) ? 1 : 0);
}

static void copy_on_write(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	int to_child[2], status;
	struct scene s;
	pid_t pid;

	scene_open(&s, rig, mode, kind, LEN);
	scene_write_pieces(&s, "before fork()");
	if (pipe(to_child))
		fatal("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid) {
		close(to_child[1]);
		child(&s, to_child[0]);
	}
	/* by the CPU, by the device, and by both into one block */
	buf_fill(&s.far, 100, SZ_64K);
	scene_write(&s, BLOCK(1) + 100, SZ_64K, "after fork()");
	buf_fill(&s.far, BLOCK(2) + 5, SZ_4K);
	scene_write(&s, BLOCK(2) + SZ_1M, SZ_4K, "after fork()");
	scene_read_pieces(&s, "after fork() and writes");
	scene_intact(&s, "after fork() and writes");
	ok(write(to_child[1], "", 1) == 1 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		   !WEXITSTATUS(status),
	   "%s: the child has its own pages, as they were", s.name);
	close(to_child[0]);
	close(to_child[1]);
	scene_write_pieces(&s, "child gone");
	scene_close(&s);
}

static void set_protection(struct scene *s, size_t at, size_t len, int prot)
{
	if (mprotect(s->far.mem.addr + at, len, prot))
		fatal("mprotect: %s", strerror(errno));
}

static void protection(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	struct scene s;

	scene_open(&s, rig, mode, kind, LEN);
	scene_write_pieces(&s, "whole MR");
	set_protection(&s, BLOCK(1), SZ_2M, PROT_READ);
	scene_write_fails(&s, BLOCK(1), SZ_4K, "PROT_READ");
	/* mlx5 does not know the type of an access, so it requires all rights of the MR */
	if (rig->is_rxe)
		scene_read(&s, BLOCK(2) - SZ_64K, SZ_64K, "PROT_READ");
	else
		scene_read_fails(&s, BLOCK(2) - SZ_64K, SZ_64K, "PROT_READ");
	scene_write(&s, BLOCK(2), SZ_64K, "block after PROT_READ");
	set_protection(&s, BLOCK(1), SZ_2M, PROT_NONE);
	scene_read_fails(&s, BLOCK(2) - SZ_4K, SZ_4K, "PROT_NONE");
	scene_write_fails(&s, BLOCK(2) - SZ_4K, SZ_4K, "PROT_NONE");
	set_protection(&s, BLOCK(1), SZ_2M, PROT_READ | PROT_WRITE);
	scene_intact(&s, "after failed writes");
	scene_read_pieces(&s, "writable again");
	scene_write_pieces(&s, "writable again");
	scene_close(&s);
}

static void all_events(struct rig *rig, const struct mode *mode, enum mem_kind kind)
{
	dropped_pages(rig, mode, kind);
	replaced_mapping(rig, mode, kind);
	if (kind == MEM_BASE || kind == MEM_THP)
		moved_mapping(rig, mode, kind);
	/* a huge page that is shared after fork() is copied page by page */
	if (kind != MEM_HUGETLB_SHARED && (kind != MEM_THP || mode != &mode_strict_2m))
		copy_on_write(rig, mode, kind);
	protection(rig, mode, kind);
}

int main(void)
{
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	all_events(&rig, &mode_odp, MEM_BASE);
	all_events(&rig, &mode_odp, MEM_THP);
	all_events(&rig, &mode_odp, MEM_HUGETLB);
	all_events(&rig, &mode_hugetlb_flag, MEM_HUGETLB);
	all_events(&rig, &mode_strict_2m, MEM_HUGETLB);
	all_events(&rig, &mode_strict_2m, MEM_HUGETLB_SHARED);
	all_events(&rig, &mode_strict_2m, MEM_THP);
	all_events(&rig, &mode_strict_64k, MEM_HUGETLB);
	all_events(&rig, &mode_2m_4k, MEM_HUGETLB);
	all_events(&rig, &mode_2m_4k, MEM_THP);
	all_events(&rig, &mode_2m_4k, MEM_BASE);
	rig_close(&rig);
	return tap_done();
}
