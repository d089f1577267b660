// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMA READ and WRITE with on-demand paging MRs: each byte of both sides is compared with a copy
 * that the CPU keeps, after transfers at offsets that cross pages and packets.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../kselftest.h"
#include "rxe_odp_pair.h"

#define BLOCK (2UL << 20)
#define LENGTH (2 * BLOCK)
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE)

static size_t page;

struct region {
	uint8_t *map;	/* of LENGTH + BLOCK bytes */
	uint8_t *mem;
	uint8_t *shadow;
	struct ibv_mr *mr;
	uint64_t iova;
	bool odp;
};

struct mode {
	enum ibv_wr_opcode opcode;
	bool near_odp;
	bool far_odp;
	bool huge;
	bool other_iova;
};

static void region_open(struct region *region, const struct mode *mode, struct side *side, bool odp,
			unsigned int seed)
{
	region->odp = odp;
	region->map = mmap(NULL, LENGTH + BLOCK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	region->shadow = malloc(LENGTH);
	if (region->map == MAP_FAILED || !region->shadow)
		ksft_exit_fail_msg("no memory\n");
	region->mem = (uint8_t *)(((uintptr_t)region->map + BLOCK - 1) & ~(BLOCK - 1));
	/* fails on a kernel without huge pages, which the test does not need */
	madvise(region->mem, LENGTH, mode->huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (size_t i = 0; i < LENGTH; i++)
		region->shadow[i] = (i >> 12) * 37 + i * 11 + seed;
	memcpy(region->mem, region->shadow, LENGTH);
	region->iova = (uintptr_t)region->mem;
	if (mode->other_iova)
		region->iova += 7 * page;
	region->mr = ibv_reg_mr_iova(side->pd, region->mem, LENGTH, region->iova,
				     ACCESS | (odp ? IBV_ACCESS_ON_DEMAND : 0));
	if (!region->mr)
		ksft_exit_fail_perror("registering memory");
}

static void region_close(struct region *region)
{
	ibv_dereg_mr(region->mr);
	munmap(region->map, LENGTH + BLOCK);
	free(region->shadow);
}

/* Empty the memory, so that the device has to fault on it again. */
static void region_drop(struct region *region, size_t offset)
{
	offset &= ~(page - 1);
	if (!region->odp || madvise(region->mem + offset, page, MADV_DONTNEED))
		return;
	memset(region->shadow + offset, 0, page);
}

static bool region_is_right(const struct region *region, const char *name)
{
	size_t wrong = 0, first = 0;

	if (!memcmp(region->mem, region->shadow, LENGTH))
		return true;
	for (size_t i = LENGTH; i--;) {
		if (region->mem[i] == region->shadow[i])
			continue;
		first = i;
		wrong++;
	}
	ksft_print_msg("%s: %zu bytes are wrong, the first at %zu\n", name, wrong, first);
	return false;
}

/* Do one transfer, and the same with the copies. */
static bool transfer(struct pair *pair, enum ibv_wr_opcode opcode, struct region *near,
		     size_t near_offset, struct region *far, size_t far_offset, size_t length)
{
	struct part near_part = { near->mr, near->iova + near_offset };
	struct part far_part = { far->mr, far->iova + far_offset };
	int status = pair_post(pair, opcode, near_part, far_part, length);

	if (status) {
		ksft_print_msg("cannot post: %s\n", strerror(status));
		return false;
	}
	status = pair_wait(pair, 60);
	if (status) {
		ksft_print_msg("%zu bytes at %zu and %zu: status %d\n", length, near_offset,
			       far_offset, status);
		return false;
	}
	if (opcode == IBV_WR_RDMA_WRITE)
		memcpy(far->shadow + far_offset, near->shadow + near_offset, length);
	else
		memcpy(near->shadow + near_offset, far->shadow + far_offset, length);
	return true;
}

/* False if a transfer failed; the connection is then in an error state */
static bool transfers(struct pair *pair, const struct mode *mode, struct region *near,
		      struct region *far)
{
	const size_t offsets[] = {
		0, 1, 8, 1000, 1032, page - 1, page - 100, 3 * page + 5,
		BLOCK - page - 3, BLOCK - 1, BLOCK + page - 1,
	};
	const size_t lengths[] = { 1, 8, 100, 1024, page, page + 904, 3 * page + 17, 16 * page };
	unsigned int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(lengths); j++) {
			size_t other = (offsets[i] * 3 + 11 * count) % (LENGTH - 16 * page);

			if (!mode->huge && count % 5 == 0)
				region_drop(near, other + page);
			if (!mode->huge && count % 5 == 2)
				region_drop(far, offsets[i] + page);
			if (!transfer(pair, mode->opcode, near, other, far, offsets[i], lengths[j]))
				return false;
			count++;
		}
	}
	return true;
}

static void run(const char *devices[2], const struct mode *mode)
{
	struct region near, far;
	struct pair pair;
	bool right;

	pair_open(&pair, devices[0], devices[1]);
	region_open(&near, mode, &pair.near, mode->near_odp, 1);
	region_open(&far, mode, &pair.far, mode->far_odp, 2);
	right = transfers(&pair, mode, &near, &far);
	right &= region_is_right(&near, "near side");
	right &= region_is_right(&far, "far side");
	ksft_test_result(right, "%s, ODP on %s, %s pages, iova is %s\n",
			 mode->opcode == IBV_WR_RDMA_WRITE ? "WRITE" : "READ",
			 !mode->near_odp ? "the far side" :
			 !mode->far_odp ? "the near side" : "both sides",
			 mode->huge ? "huge" : "small",
			 mode->other_iova ? "not the address" : "the address");
	region_close(&near);
	region_close(&far);
	pair_close(&pair);
}

int main(int argc, char **argv)
{
	struct pair pair;

	ksft_print_header();
	if (argc != 3)
		ksft_exit_fail_msg("usage: rxe_odp_data DEVICE DEVICE\n");
	page = sysconf(_SC_PAGESIZE);
	pair_open(&pair, argv[1], argv[2]);
	if (!side_has_odp(&pair.near) || !side_has_odp(&pair.far))
		ksft_exit_skip("the devices do not support ODP\n");
	pair_close(&pair);
	ksft_set_plan(24);
	for (unsigned int i = 0; i < 32; i++) {
		struct mode mode = {
			.opcode = i & 1 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE,
			.near_odp = i & 2,
			.far_odp = i & 4,
			.huge = i & 8,
			.other_iova = i & 16,
		};

		if (mode.near_odp || mode.far_odp)
			run((const char **)argv + 1, &mode);
	}
	ksft_finished();
}
