// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Ranges and blocks of ODP umems. */
#include "kernel.h"

struct ib_umem {
	unsigned long address;
	size_t length;
};

struct ib_umem_odp {
	struct ib_umem umem;
};

#include "source.c"

/* What is accepted is memory that a process can have, and all of that is. */
void ranges(void)
{
	u64 address, length;
	int ret = ib_umem_odp_check_range(address, length);
	u128 end = (u128)address + length;

	check(!ret == (length && end <= TASK_SIZE_MAX));
	check(ret != -EINVAL || !length || end > UINT64_MAX);
}

/* The blocks are those that hold the umem, and no others; what is refused has none. */
void bounds(void)
{
	struct ib_umem_odp umem_odp;
	unsigned long start, end;
	unsigned int shift;
	u128 size, last;
	int ret;

	assume(shift >= PAGE_SHIFT && shift < BITS_PER_LONG - 1);
	/* Any length: a umem that is made from another one, and no address beyond those of processes */
	assume(umem_odp.umem.address < TASK_SIZE_MAX);
	ret = ib_umem_odp_bounds(&umem_odp, shift, &start, &end);
	size = (u128)1 << shift;
	last = (u128)umem_odp.umem.address + umem_odp.umem.length;
	if (!ret) {
		check(start <= umem_odp.umem.address && end >= last);
		check(umem_odp.umem.address - start < size && end - last < size);
		check(!(start & (size - 1)) && !(end & (size - 1)) && start < end);
	} else {
		check(!umem_odp.umem.length || ((last + size - 1) & ~(size - 1)) > UINT64_MAX);
	}
}

/* Base pages hold all of the umem, and no more. */
void base_pages(void)
{
	struct ib_umem_odp umem_odp;
	u64 before, pages;

	assume(!ib_umem_odp_check_range(umem_odp.umem.address, umem_odp.umem.length));
	pages = ib_umem_odp_base_pages(&umem_odp);
	before = umem_odp.umem.address & (PAGE_SIZE - 1);
	check((pages << PAGE_SHIFT) >= umem_odp.umem.length + before);
	check((pages << PAGE_SHIFT) - umem_odp.umem.length - before < PAGE_SIZE);
}
