// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Sizes, offsets and values that are compiled into programs. Members can only be
 * added at the end of a struct, which changes its size.
 */
#include <assert.h>
#include <stddef.h>
#include <infiniband/hugeodp.h>

#define AT(type, member, offset) \
	static_assert(offsetof(struct type, member) == (offset), #type "." #member " moved")
#define SIZE(type, size) static_assert(sizeof(struct type) == (size), #type " changed size")

AT(ibv_mr_init_attr_odp, base, 0);
AT(ibv_mr_init_attr_odp, page_sizes, 128);
AT(ibv_mr_init_attr_odp, flags, 136);
AT(ibv_mr_init_attr_odp, reserved, 140);
AT(ibv_mr_init_attr_odp, max_entries, 144);
AT(ibv_mr_init_attr_odp, entries_needed, 152);
SIZE(ibv_mr_init_attr_odp, 160);
/* both names */
SIZE(ibv_mr_init_attr_pages, 160);

AT(ibv_mr_odp_attr, page_sizes, 0);
AT(ibv_mr_odp_attr, page_shift, 8);
AT(ibv_mr_odp_attr, flags, 12);
AT(ibv_mr_odp_attr, blocks_mapped, 16);
AT(ibv_mr_odp_attr, table_bytes, 24);
AT(ibv_mr_odp_attr, faults, 32);
AT(ibv_mr_odp_attr, pages_invalidated, 40);
AT(ibv_mr_odp_attr, renegotiations, 48);
AT(ibv_mr_odp_attr, source, 56);
AT(ibv_mr_odp_attr, reserved, 60);
AT(ibv_mr_odp_attr, renegotiations_down, 64);
AT(ibv_mr_odp_attr, blocks, 72);
AT(ibv_mr_odp_attr, faults_refused, 584);
SIZE(ibv_mr_odp_attr, 592);

AT(ibv_mr_pages, page_shift, 0);
AT(ibv_mr_pages, kind, 4);
AT(ibv_mr_pages, source, 8);
AT(ibv_mr_pages, reserved, 12);
AT(ibv_mr_pages, entries, 16);
AT(ibv_mr_pages, device_bytes, 24);
AT(ibv_mr_pages, base_pages, 32);
SIZE(ibv_mr_pages, 40);

AT(ibv_device_odp_attr, page_sizes, 0);
AT(ibv_device_odp_attr, flags, 8);
AT(ibv_device_odp_attr, source, 12);
SIZE(ibv_device_odp_attr, 16);

static_assert(IBV_REG_MR_MASK_ODP == 0x1000000000000 &&
		      IBV_REG_MR_MASK_PAGES == IBV_REG_MR_MASK_ODP &&
		      IBV_REG_MR_MASK_MAX_ENTRIES == 0x2000000000000,
	      "mask bits changed");
static_assert(IBV_PAGE_SIZE_4K == 4096 && IBV_ODP_PAGE_4K == 4096 && IBV_PAGE_SIZE_1G == 1 << 30 &&
		      IBV_ODP_PAGE_1G == 1 << 30 && IBV_ODP_PAGE_SHIFT(21) == IBV_PAGE_SIZE_2M,
	      "page sizes changed");
static_assert(HUGEODP_PAGE_SIZES_TEXT == 256, "room for a text changed");
static_assert(IBV_ODP_MIXED == 1 && IBV_ODP_POPULATE == 2, "flags changed");
static_assert(IBV_ODP_SOURCE_KERNEL == 1 && IBV_ODP_SOURCE_LIBRARY == 2 &&
		      IBV_ODP_SOURCE_ESTIMATE == 3,
	      "sources changed");
static_assert(IBV_MR_KIND_PINNED == 1 && IBV_MR_KIND_ODP == 2 && IBV_MR_KIND_IMPLICIT == 3 &&
		      IBV_MR_KIND_DMABUF == 4,
	      "kinds changed");

/* The declaration for rdma-core before 59 must match these values. */
static_assert(IBV_REG_MR_MASK_IOVA == 1 && IBV_REG_MR_MASK_ADDR == 2 && IBV_REG_MR_MASK_FD == 4 &&
		      IBV_REG_MR_MASK_FD_OFFSET == 8 && IBV_REG_MR_MASK_DMAH == 16,
	      "upstream's mask bits changed");
#ifdef __LP64__
AT(ibv_mr_init_attr, length, 0);
AT(ibv_mr_init_attr, access, 8);
AT(ibv_mr_init_attr, comp_mask, 16);
AT(ibv_mr_init_attr, iova, 24);
AT(ibv_mr_init_attr, addr, 32);
AT(ibv_mr_init_attr, fd, 40);
AT(ibv_mr_init_attr, fd_offset, 48);
AT(ibv_mr_init_attr, dmah, 56);
#endif

int main(void)
{
	return 0;
}
