// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The shortest use of libhugeodp: register an ODP MR with the largest possible
 * page size, and print this size.
 *
 *	cc hello-huge-odp.c $(pkg-config --cflags --libs libhugeodp libibverbs)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <infiniband/hugeodp.h>

#define LENGTH (16UL << 20)
#define HUGE (2UL << 20)

/* Allocate aligned memory that may have transparent huge pages. */
static void *allocate(void)
{
	void *addr = aligned_alloc(HUGE, LENGTH);

	if (addr)
		madvise(addr, LENGTH, MADV_HUGEPAGE);
	return addr;
}

static int hello(struct ibv_pd *pd)
{
	struct ibv_mr_init_attr_odp attr = {
		.base = {
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = allocate(),
			.length = LENGTH,
			.access = IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE,
		},
		.page_sizes = 0,	/* any size; HUGE would require 2 MiB */
	};
	struct ibv_mr *mr = ibv_reg_mr_ex(pd, &attr.base);
	int shift;

	if (!mr) {
		fprintf(stderr, "ibv_reg_mr_ex: %s\n", strerror(errno));
		return 1;
	}
	shift = ibv_mr_page_shift(mr);
	if (shift < 0)
		fprintf(stderr, "ibv_mr_page_shift: %s\n", strerror(-shift));
	else
		printf("%lu MiB on demand, in pages of %lu KiB\n", LENGTH >> 20,
		       (1UL << shift) >> 10);
	return ibv_dereg_mr(mr) || shift < 0;
}

int main(void)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = list && list[0] ? ibv_open_device(list[0]) : NULL;
	struct ibv_pd *pd = ctx ? ibv_alloc_pd(ctx) : NULL;

	if (!pd) {
		fprintf(stderr, "no usable RDMA device\n");
		return 1;
	}
	/* exiting releases the rest */
	return hello(pd);
}
