/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * libhugeodp: memory regions on demand (ODP) made of huge pages.
 *
 * Link with `pkg-config --libs libhugeodp`.
 *
 * Words: a *block* is one translation of a memory region (MR); its size is the
 * *page size* of the MR and the log2 of that the *page shift*. A set of page
 * sizes is a bit mask in bytes, as in struct ibv_device_attr.page_size_cap:
 * 4 KiB is 1 << 12, 2 MiB is 1 << 21.
 *
 * Errors, as in libibverbs: functions returning int return 0 or a positive
 * errno value and set errno too; functions returning a pointer return NULL and
 * set errno. The one exception returns a value and says so.
 *
 * Threads: every function may be called from several threads at once. An MR
 * must not be deregistered while another call uses it. Nothing here keeps a
 * pointer to an argument after it returned.
 */
#ifndef INFINIBAND_HUGEODP_H
#define INFINIBAND_HUGEODP_H

#include <stddef.h>
#include <stdint.h>
#include <infiniband/verbs.h>
#include <infiniband/hugeodp_compat.h> /* struct ibv_mr_init_attr before rdma-core 59 */

#ifdef __cplusplus
extern "C" {
#endif

/* Bit of ibv_mr_init_attr.comp_mask: this is a struct ibv_mr_init_attr_odp. */
#define IBV_REG_MR_MASK_ODP (1ULL << 48)

enum ibv_odp_flags {
	/* each block takes the largest accepted size that fits it */
	IBV_ODP_MIXED = 1 << 0,
	/* map the whole MR before the call returns, or fail */
	IBV_ODP_POPULATE = 1 << 1,
};

/* Where the answer of a query comes from. */
enum ibv_odp_source {
	IBV_ODP_SOURCE_UNKNOWN = 0,
	IBV_ODP_SOURCE_KERNEL = 1,
	/* the kernel cannot tell; counters are 0 then */
	IBV_ODP_SOURCE_LIBRARY = 2,
};

/**
 * struct ibv_mr_init_attr_odp - an MR with a page size request
 * @base: as for upstream's ibv_reg_mr_ex(), with IBV_REG_MR_MASK_ODP added to
 *        comp_mask and IBV_ACCESS_ON_DEMAND in access
 * @base_room: room that @base may grow into; not for use. Upstream's struct
 *             differs in size between releases of rdma-core, the place of the
 *             members after it must not.
 * @page_sizes: accepted page sizes, bit mask in bytes; one bit is a strict
 *              request, several are negotiated, 0 means any size
 * @flags: enum ibv_odp_flags
 * @reserved: 0
 */
struct ibv_mr_init_attr_odp {
	__extension__ union {
		struct ibv_mr_init_attr base;
		uint64_t base_room[16];
	};
	uint64_t page_sizes;
	uint32_t flags;
	uint32_t reserved;
};

/**
 * struct ibv_mr_odp_attr - what an ODP MR is made of now
 * @page_sizes: accepted sizes that the device supports, bit mask in bytes
 * @page_shift: log2 of the page size in bytes; of a mixed MR that of its largest
 *	block, or if it has none of the size that will be tried first
 * @flags: enum ibv_odp_flags in force
 * @blocks_mapped: blocks with a valid translation now
 * @table_bytes: kernel memory of the MR's page table, in bytes
 * @faults: fault events served since registration
 * @pages_invalidated: blocks that the kernel took away since registration
 * @renegotiations: changes of the page sizes since registration
 * @source: enum ibv_odp_source
 * @reserved: 0
 * @renegotiations_down: those of @renegotiations that went to smaller pages
 * @blocks: blocks of each size that have a valid translation now: those of 2^n
 *	bytes are in element n. All 0 if the library had to work the answer out.
 */
struct ibv_mr_odp_attr {
	uint64_t page_sizes;
	uint32_t page_shift;
	uint32_t flags;
	uint64_t blocks_mapped;
	uint64_t table_bytes;
	uint64_t faults;
	uint64_t pages_invalidated;
	uint64_t renegotiations;
	uint32_t source;
	uint32_t reserved;
	uint64_t renegotiations_down;
	uint64_t blocks[64];
};

/**
 * struct ibv_device_odp_attr - what a device can do
 * @page_sizes: supported page sizes, bit mask in bytes
 * @flags: supported enum ibv_odp_flags
 * @source: enum ibv_odp_source
 */
struct ibv_device_odp_attr {
	uint64_t page_sizes;
	uint32_t flags;
	uint32_t source;
};

/* What stands in the way of a larger page size. */
enum ibv_odp_reason {
	IBV_ODP_REASON_NONE = 0,
	/* device or kernel do not support the size */
	IBV_ODP_REASON_DEVICE = 1,
	/* the range fits into one block of a smaller accepted size */
	IBV_ODP_REASON_LENGTH = 2,
	/* address and iova differ below the size */
	IBV_ODP_REASON_IOVA = 3,
	/* the start is not aligned, and what lies before it cannot have the size */
	IBV_ODP_REASON_START = 4,
	/* the same for the end */
	IBV_ODP_REASON_END = 5,
	/* nothing is mapped there */
	IBV_ODP_REASON_HOLE = 6,
	/* memory of smaller pages */
	IBV_ODP_REASON_SMALL_PAGES = 7,
	/* not eligible for transparent huge pages */
	IBV_ODP_REASON_NO_THP = 8,
	/* read-only memory of small pages */
	IBV_ODP_REASON_READ_ONLY = 9,
	/* one mapping ends and another one begins inside a block */
	IBV_ODP_REASON_BOUNDARY = 10,
	/* memory that cannot be read, or that is a device's */
	IBV_ODP_REASON_NO_ACCESS = 11,
};

/* Of a whole range, whatever the page size. */
enum ibv_odp_range_flags {
	/* some of it cannot be written: the device will fail to, too */
	IBV_ODP_RANGE_READ_ONLY = 1 << 0,
	/* some of it is not mapped or cannot be accessed at all */
	IBV_ODP_RANGE_HOLE = 1 << 1,
};

/**
 * struct ibv_odp_report - what page sizes a range could get
 * @page_sizes: of the accepted sizes, those that are possible now
 * @address: where the first thing is that stands in the way; 0 if nothing does
 * @page_shift: log2 of the largest possible size, 0 if there is none
 * @blocked_shift: log2 of the next larger accepted size: the one that @reason
 *                 and @address are about; 0 if there is none
 * @reason: enum ibv_odp_reason
 * @flags: enum ibv_odp_range_flags
 * @source: enum ibv_odp_source
 * @reserved: 0
 */
struct ibv_odp_report {
	uint64_t page_sizes;
	uint64_t address;
	uint32_t page_shift;
	uint32_t blocked_shift;
	uint32_t reason;
	uint32_t flags;
	uint32_t source;
	uint32_t reserved;
};

/**
 * ibv_reg_mr_ex - Register a memory region
 * @pd: protection domain
 * @attr: what to register. Without IBV_REG_MR_MASK_ODP this is upstream's
 *        function, unchanged. With it, @attr is the base of a
 *        struct ibv_mr_init_attr_odp.
 *
 * The MR is an ordinary one: ibv_dereg_mr(), ibv_rereg_mr(), ibv_advise_mr()
 * and memory windows work on it; with the exception that on mlx5,
 * ibv_rereg_mr() is for MRs with IBV_ACCESS_MW_BIND.
 *
 * Return: the MR, or NULL with errno
 *   EINVAL      unknown bit in comp_mask or flags, reserved not 0, no address,
 *               length 0, range that wraps around, iova and address that differ
 *               below the base page size, IBV_ACCESS_ON_DEMAND missing,
 *               IBV_ACCESS_HUGETLB (a request of its own), file descriptor or
 *               other non-ODP memory kind
 *   EOPNOTSUPP  device without on-demand paging, no accepted size or requested
 *               flag that device and kernel support, implicit MR (address NULL,
 *               length SIZE_MAX) on a kernel without requests, DMA handle
 *   ERANGE      the device supports accepted sizes, but none fits this range
 *   EFAULT      IBV_ODP_POPULATE and memory that cannot be mapped
 *   EBUSY       IBV_ODP_POPULATE and memory that changes all the time
 *   ENOMEM      out of memory
 * and what ibv_reg_mr() returns. Nothing is left behind on failure.
 */
struct ibv_mr *hugeodp_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);
/* rdma-core 59 and later have the name, too: this way no link order is the wrong one. */
#define ibv_reg_mr_ex hugeodp_reg_mr_ex

/**
 * ibv_mr_page_shift - Page shift of an ODP MR
 * @mr: any MR
 *
 * Return: log2 of the page size in bytes, or a *negative* errno value (errno is
 * set too), as for ibv_query_mr_odp().
 */
int ibv_mr_page_shift(struct ibv_mr *mr);

/**
 * ibv_query_mr_odp - What an ODP MR is made of now
 * @mr: any MR
 * @attr: filled in; of what @size has beyond this release's struct, zeroes
 * @size: sizeof(*attr) as the caller was compiled
 *
 * Return: 0, or
 *   EINVAL      @mr is no ODP MR, @attr is NULL, or @size too small for
 *               page_shift
 *   EOPNOTSUPP  the kernel cannot tell, and the library does not know the MR
 *   ENOENT      a process that shares the context deregistered the MR
 *   EIO         the device was removed
 */
int ibv_query_mr_odp(struct ibv_mr *mr, struct ibv_mr_odp_attr *attr, size_t size);

/**
 * ibv_modify_mr_odp - Change the accepted page sizes of a live ODP MR
 * @mr: an ODP MR; work requests may be using it
 * @page_sizes: accepted page sizes, bit mask in bytes; 0: any
 * @flags: enum ibv_odp_flags
 *
 * Return: 0, or
 *   EINVAL      unknown flag, or @mr is no ODP MR
 *   EOPNOTSUPP  kernel or device cannot
 *   ERANGE      none of the sizes fits; the MR is as it was
 *   ENOMEM      out of memory; the MR is as it was
 *   EFAULT      IBV_ODP_POPULATE and memory that cannot be mapped; the new
 *               sizes are in force
 *   EBUSY       the same for memory that changes all the time
 *   ENOENT      a process that shares the context deregistered the MR
 *   EIO         the device was removed
 */
int ibv_modify_mr_odp(struct ibv_mr *mr, uint64_t page_sizes, uint32_t flags);

/**
 * ibv_query_device_odp - Page sizes that a device supports for ODP MRs
 * @context: an open device
 * @attr: filled in; of what @size has beyond this release's struct, zeroes
 * @size: sizeof(*attr) as the caller was compiled
 *
 * Return: 0, or
 *   EINVAL      @attr is NULL, or @size too small for page_sizes
 *   EOPNOTSUPP  device without on-demand paging
 *   EIO         the device was removed
 */
int ibv_query_device_odp(struct ibv_context *context, struct ibv_device_odp_attr *attr,
			 size_t size);

/**
 * ibv_probe_odp_range - What page sizes could a range of memory get?
 * @context: an open device
 * @addr: first address
 * @length: in bytes
 * @page_sizes: accepted page sizes, bit mask in bytes; 0: any that the device
 *              supports
 * @report: filled in; of what @size has beyond this release's struct, zeroes
 * @size: sizeof(*report) as the caller was compiled
 *
 * Registers nothing and touches no memory. The answer is for an MR with the iova
 * equal to the address, and for memory as it is now.
 *
 * Return: 0, also if no accepted size is possible, or
 *   EINVAL      no address, length 0, range that wraps around, @report is NULL,
 *               or @size too small for page_shift
 *   EOPNOTSUPP  device without on-demand paging, implicit MR (address NULL,
 *               length SIZE_MAX)
 *   ENOMEM      out of memory
 * and what opening files in /proc gives
 */
int ibv_probe_odp_range(struct ibv_context *context, void *addr, size_t length,
			uint64_t page_sizes, struct ibv_odp_report *report, size_t size);

/**
 * ibv_odp_reason_str - A reason in words
 * @reason: enum ibv_odp_reason
 *
 * Return: a string that is never freed, also for a reason unknown to this release
 */
const char *ibv_odp_reason_str(uint32_t reason);

#ifdef __cplusplus
}
#endif

#endif
