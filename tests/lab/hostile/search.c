// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The search for a page size in an address space with very many mappings: it can be killed, and
 * keeps no files open.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rdma/ib_user_hugeodp.h>

#include "hostile.h"
#include "raw.h"
#include "tap.h"

#define MAPPINGS 20000UL
#define FILE_NR "/proc/sys/fs/file-nr"

/*
 * Mappings of 2 MiB that do not merge, none of them touched, and after them a hole, which no size
 * fits: each size is compared with all of them.
 */
static uint8_t *many_mappings(void)
{
	uint8_t *space =
		mmap((void *)0x200000000000, (MAPPINGS + 1) * SZ_2M, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (space == MAP_FAILED)
		fatal("address space: %s", strerror(errno));
	for (size_t i = 0; i < MAPPINGS; i++)
		if (mprotect(space + i * SZ_2M, SZ_2M, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ))
			fatal("mapping %zu: %s", i, strerror(errno));
	if (munmap(space + MAPPINGS * SZ_2M, SZ_2M))
		fatal("munmap: %s", strerror(errno));
	return space;
}

static void ask(struct rig *rig, uint8_t *space)
{
	struct raw raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);
	struct hugeodp_abi_range range = {
		.addr = (uintptr_t)space,
		.length = (MAPPINGS + 1) * SZ_2M,
		/* 8 KiB to 2 MiB */
		.page_sizes = SZ_2M * 2 - SZ_4K * 2,
	};
	struct hugeodp_abi_page_caps caps;
	uint32_t shift;

	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
	raw_in(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE, &range, sizeof(range));
	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, &shift, sizeof(shift));
	raw_ioctl(rig->ctx, &raw);
}

static long open_files(void)
{
	FILE *f = fopen(FILE_NR, "re");
	long n = -1;

	need(f && fscanf(f, "%ld", &n) == 1, FILE_NR " must be readable");
	fclose(f);
	return n;
}

static void killed(struct rig *rig, const void *arg)
{
	long before, most = 0;
	uint8_t *space;
	double end;
	int fds[2];
	pid_t pid;

	(void)arg;
	space = many_mappings();
	if (pipe(fds))
		fatal("pipe: %s", strerror(errno));
	before = open_files();
	pid = fork();
	if (pid < 0)
		fatal("fork: %s", strerror(errno));
	if (!pid) {
		rig_open(rig);
		if (write(fds[1], "", 1) != 1)
			_exit(1);
		for (;;)
			ask(rig, space);
	}
	ok(read(fds[0], &(char){ 0 }, 1) == 1, "a process searches");
	for (end = now_s() + 3; now_s() < end; sleep_ms(20)) {
		long now = open_files();

		most = now > most ? now : most;
	}
	ok(most - before < 1000, "open files during the search: %ld more", most - before);
	kill(pid, SIGKILL);
	process_ends(pid, soon(), "the search is killed");
	munmap(space, MAPPINGS * SZ_2M);
}

int main(void)
{
	scenario(later() * 2, killed, NULL, "a long search");
	return tap_done();
}
