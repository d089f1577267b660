/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * libhugeodp: on-demand paging (ODP) memory regions backed by huge pages.
 *
 * Link with `pkg-config --libs libhugeodp`.
 *
 * Terms: a *block* is one translation of a memory region (MR); its size is the
 * *page size* of the MR, and the log2 of that size is the *page shift*. A set of
 * page sizes is a bit mask in bytes, as in struct ibv_device_attr.page_size_cap:
 * IBV_PAGE_SIZE_4K | IBV_PAGE_SIZE_2M. Sizes below the base page size of the system,
 * and from 2^48 bytes, are EINVAL in all functions.
 *
 * Errors, as in libibverbs: functions that return int return 0 or a positive
 * errno value, and also set errno; functions that return a pointer return NULL
 * and set errno. ibv_mr_page_shift() is the only exception.
 *
 * Threads: every function may be called from several threads at once. An MR
 * must not be deregistered while another call uses it. No function keeps a
 * pointer to an argument after it has returned.
 */
#ifndef INFINIBAND_HUGEODP_H
#define INFINIBAND_HUGEODP_H

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <infiniband/verbs.h>
#include <infiniband/hugeodp_compat.h> /* version; struct ibv_mr_init_attr before rdma-core 59 */

#ifdef __cplusplus
extern "C" {
#endif

/* Page sizes in bytes, as 64-bit values: in an int, 1 << 31 is a mask of many bits. */
#define IBV_PAGE_SIZE_SHIFT(shift) (UINT64_C(1) << (shift))
#define IBV_PAGE_SIZE_4K IBV_PAGE_SIZE_SHIFT(12)
#define IBV_PAGE_SIZE_64K IBV_PAGE_SIZE_SHIFT(16)
#define IBV_PAGE_SIZE_2M IBV_PAGE_SIZE_SHIFT(21)
#define IBV_PAGE_SIZE_512M IBV_PAGE_SIZE_SHIFT(29)
#define IBV_PAGE_SIZE_1G IBV_PAGE_SIZE_SHIFT(30)
/* The base page size of the system: "or else base pages" on every architecture. */
#define IBV_PAGE_SIZE_BASE (UINT64_C(1) * (unsigned long)sysconf(_SC_PAGESIZE))

/* Bit of ibv_mr_init_attr.comp_mask: this is a struct ibv_mr_init_attr_pages. */
#define IBV_REG_MR_MASK_PAGES (1ULL << 48)
/* Another one: its members from max_entries on are valid. Not needed by hugeodp_reg_mr(). */
#define IBV_REG_MR_MASK_MAX_ENTRIES (1ULL << 49)

/* Other names of the same, from when requests were for ODP MRs only. */
#define IBV_ODP_PAGE_SHIFT(shift) IBV_PAGE_SIZE_SHIFT(shift)
#define IBV_ODP_PAGE_4K IBV_PAGE_SIZE_4K
#define IBV_ODP_PAGE_64K IBV_PAGE_SIZE_64K
#define IBV_ODP_PAGE_2M IBV_PAGE_SIZE_2M
#define IBV_ODP_PAGE_512M IBV_PAGE_SIZE_512M
#define IBV_ODP_PAGE_1G IBV_PAGE_SIZE_1G
#define IBV_ODP_PAGE_BASE IBV_PAGE_SIZE_BASE
#define IBV_REG_MR_MASK_ODP IBV_REG_MR_MASK_PAGES
/* In this direction, so that programs may declare the older name themselves. */
#define ibv_mr_init_attr_pages ibv_mr_init_attr_odp

enum ibv_odp_flags {
	/* each block takes the largest accepted size that fits it */
	IBV_ODP_MIXED = 1 << 0,
	/* map the whole MR before the call returns, or fail */
	IBV_ODP_POPULATE = 1 << 1,
};

/* Source of the answer to a query. */
enum ibv_odp_source {
	IBV_ODP_SOURCE_UNKNOWN = 0,
	IBV_ODP_SOURCE_KERNEL = 1,
	/* the kernel does not report it; all counters are 0 */
	IBV_ODP_SOURCE_LIBRARY = 2,
	/* derived from the memory as it is now; only ibv_query_mr_pages() */
	IBV_ODP_SOURCE_ESTIMATE = 3,
};

/**
 * struct ibv_mr_init_attr_pages - an MR with a page size request
 * @base: as for upstream's ibv_reg_mr_ex(), with IBV_REG_MR_MASK_PAGES added to
 *        comp_mask. Without IBV_ACCESS_ON_DEMAND in access, the MR is pinned.
 * @base_room: reserves space for @base to grow; do not use. The size of
 *             upstream's struct differs between releases of rdma-core, but the
 *             offsets of the members after it must not.
 * @page_sizes: accepted page sizes, bit mask in bytes; one bit is a strict
 *              request, several are negotiated, 0 means any size
 * @flags: enum ibv_odp_flags; for a pinned MR at most IBV_ODP_MIXED
 * @reserved: 0
 * @max_entries: entries of the device's tables that a pinned MR may use; 0 means
 *               any number, and is required for an ODP MR
 * @entries_needed: if not NULL, written if the registration fails with E2BIG: the
 *                  number of entries that the MR needs
 */
struct ibv_mr_init_attr_pages {
	__extension__ union {
		struct ibv_mr_init_attr base;
		uint64_t base_room[16];
	};
	uint64_t page_sizes;
	uint32_t flags;
	uint32_t reserved;
	uint64_t max_entries;
	uint64_t *entries_needed;
};

/**
 * struct ibv_mr_odp_attr - current state of an ODP MR
 * @page_sizes: accepted sizes that the device supports, bit mask in bytes
 * @page_shift: log2 of the page size in bytes; for a mixed MR, of its largest
 *	mapped block, or of the size tried first if nothing is mapped
 * @flags: enum ibv_odp_flags in force
 * @blocks_mapped: blocks that currently have a valid translation
 * @table_bytes: kernel memory used by the MR's page table, in bytes
 * @faults: fault events served since registration
 * @pages_invalidated: blocks that the kernel invalidated since registration
 * @renegotiations: changes of the page sizes since registration
 * @source: enum ibv_odp_source
 * @reserved: 0
 * @renegotiations_down: the part of @renegotiations that went to smaller pages
 * @blocks: blocks of each size that currently have a valid translation: element
 *	n counts the blocks of 2^n bytes. All 0 if @source is not the kernel.
 * @faults_refused: fault events that failed because the memory does not have an
 *	accepted page size
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
	uint64_t faults_refused;
};

enum ibv_mr_kind {
	/* the kernel does not report it */
	IBV_MR_KIND_UNKNOWN = 0,
	/* its memory stays where it is */
	IBV_MR_KIND_PINNED = 1,
	/* on-demand paging */
	IBV_MR_KIND_ODP = 2,
	/* on-demand paging of the whole address space */
	IBV_MR_KIND_IMPLICIT = 3,
	/* ibv_reg_dmabuf_mr() */
	IBV_MR_KIND_DMABUF = 4,
};

/**
 * struct ibv_mr_pages - what a device translates an MR with
 * @page_shift: log2 of the page size in bytes, for an ODP MR as in struct
 *	ibv_mr_odp_attr
 * @kind: enum ibv_mr_kind
 * @source: enum ibv_odp_source
 * @reserved: 0
 * @entries: entries of the device's tables that the MR uses; on rxe, whose ODP
 *	tables grow as pages are mapped, those that are mapped
 * @device_bytes: bytes of the tables with these entries; 0 if the library does
 *	not know the device
 * @base_pages: base pages that cover the MR, which is the number of entries
 *	without larger pages; for an implicit MR, of its parts in use
 */
struct ibv_mr_pages {
	uint32_t page_shift;
	uint32_t kind;
	uint32_t source;
	uint32_t reserved;
	uint64_t entries;
	uint64_t device_bytes;
	uint64_t base_pages;
};

/**
 * struct ibv_device_odp_attr - capabilities of a device
 * @page_sizes: supported page sizes, bit mask in bytes
 * @flags: supported enum ibv_odp_flags
 * @source: enum ibv_odp_source
 */
struct ibv_device_odp_attr {
	uint64_t page_sizes;
	uint32_t flags;
	uint32_t source;
};

/* Why a larger page size is not possible. */
enum ibv_odp_reason {
	IBV_ODP_REASON_NONE = 0,
	/* the device or the kernel does not support the size */
	IBV_ODP_REASON_DEVICE = 1,
	/* the range fits into one block of a smaller accepted size */
	IBV_ODP_REASON_LENGTH = 2,
	/* address and iova differ below the size */
	IBV_ODP_REASON_IOVA = 3,
	/* unaligned start, and the memory before it cannot provide this size */
	IBV_ODP_REASON_START = 4,
	/* unaligned end, and the memory after it cannot provide this size */
	IBV_ODP_REASON_END = 5,
	/* unmapped memory */
	IBV_ODP_REASON_HOLE = 6,
	/* memory backed by smaller pages */
	IBV_ODP_REASON_SMALL_PAGES = 7,
	/* not eligible for transparent huge pages, and the kernel does not report why */
	IBV_ODP_REASON_NO_THP = 8,
	/* read-only memory backed by small pages */
	IBV_ODP_REASON_READ_ONLY = 9,
	/* a boundary between two mappings lies inside a block */
	IBV_ODP_REASON_BOUNDARY = 10,
	/* unreadable or device memory */
	IBV_ODP_REASON_NO_ACCESS = 11,
	/* transparent huge pages are switched off in the system */
	IBV_ODP_REASON_THP_OFF = 12,
	/* the system's setting is madvise, and the memory has no MADV_HUGEPAGE */
	IBV_ODP_REASON_THP_NOT_ADVISED = 13,
	/* MADV_NOHUGEPAGE */
	IBV_ODP_REASON_THP_REFUSED = 14,
	/* prctl(PR_SET_THP_DISABLE) */
	IBV_ODP_REASON_THP_PROCESS = 15,
	/* shared memory, for which the system does not allow transparent huge pages */
	IBV_ODP_REASON_THP_SHMEM = 16,
	/* a file of a tmpfs that is mounted without the option huge= */
	IBV_ODP_REASON_THP_MOUNT = 17,
};

/* Properties of a whole range, independent of the page size. */
enum ibv_odp_range_flags {
	/* some of it cannot be written, so device writes will fail */
	IBV_ODP_RANGE_READ_ONLY = 1 << 0,
	/* some of it is unmapped or cannot be accessed at all */
	IBV_ODP_RANGE_HOLE = 1 << 1,
};

/**
 * struct ibv_odp_report - page sizes that a range could get
 * @page_sizes: the accepted sizes that are possible now
 * @address: address of the first obstacle; 0 if there is none
 * @page_shift: log2 of the largest possible size, 0 if there is none
 * @blocked_shift: log2 of the next larger accepted size, which @reason and
 *                 @address explain; 0 if there is none
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
 * @attr: description of the MR. Without IBV_REG_MR_MASK_PAGES, the function
 *        behaves exactly like upstream's. With it, @attr must be the base of a
 *        struct ibv_mr_init_attr_pages, of which max_entries and what follows is
 *        read with IBV_REG_MR_MASK_MAX_ENTRIES only.
 *
 * The result is an ordinary MR: ibv_dereg_mr(), ibv_rereg_mr(), ibv_advise_mr()
 * and memory windows work on it, except that on mlx5 ibv_rereg_mr() requires an
 * MR with IBV_ACCESS_MW_BIND.
 *
 * Without kernel support, the driver chooses the page size of a pinned MR, and the
 * library compares an estimate of it with the request.
 *
 * Return: the MR, or NULL with errno
 *   EINVAL      unknown bit in comp_mask or flags, reserved not 0, no address,
 *               length 0, range that wraps around, iova and address that differ
 *               below the base page size, impossible page size,
 *               IBV_ACCESS_HUGETLB (a request of its own), file descriptor or
 *               other kind of memory, IBV_ODP_POPULATE without
 *               IBV_ACCESS_ON_DEMAND, max_entries with it
 *   EOPNOTSUPP  device without on-demand paging, no accepted size or requested
 *               flag that both device and kernel support, implicit MR (address
 *               NULL, length SIZE_MAX) on a kernel without page size requests,
 *               DMA handle; pinned MR in larger pages than accepted where the
 *               kernel chooses
 *   ERANGE      the device supports accepted sizes, but none fits this range; for
 *               a pinned MR also if the device supports none
 *   E2BIG       the MR needs more than max_entries, see entries_needed
 *   EFAULT      IBV_ODP_POPULATE and memory that cannot be mapped
 *   EBUSY       IBV_ODP_POPULATE and memory that keeps changing
 *   ENOMEM      out of memory
 * or any error of ibv_reg_mr(). A failed call leaves nothing registered.
 */
struct ibv_mr *hugeodp_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);
/*
 * rdma-core 59 and later export the same name. Another name for the linker makes the link order
 * irrelevant; a macro would also rename members of structs.
 */
struct ibv_mr *ibv_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
	__asm__("hugeodp_reg_mr_ex");

/**
 * hugeodp_reg_mr - Register a memory region with a page size request
 * @pd: protection domain
 * @attr: description of the MR. The function adds IBV_REG_MR_MASK_PAGES and
 *        IBV_REG_MR_MASK_ADDR to comp_mask.
 * @size: sizeof(*attr) in the caller
 *
 * The same as ibv_reg_mr_ex() with a request, but without a cast: it reads no
 * byte after @size.
 *
 * Return: as ibv_reg_mr_ex(). Also EINVAL if @attr is NULL or @size is too small
 * for page_sizes, and EOPNOTSUPP if a member that is newer than the library is not 0.
 */
struct ibv_mr *hugeodp_reg_mr(struct ibv_pd *pd, const struct ibv_mr_init_attr_pages *attr,
			      size_t size);

/**
 * ibv_query_mr_pages - Query what a device translates an MR with
 * @mr: any MR, registered by any function or process
 * @pages: filled in; bytes after the end of this release's struct are set to zero
 * @size: sizeof(*pages) in the caller
 *
 * Without kernel support, the answer for an MR that this library did not register
 * with a request is an estimate: for a pinned MR over the memory as it is now.
 *
 * Return: 0, or
 *   EINVAL      @pages is NULL, or @size is too small for source
 *   EOPNOTSUPP  the kernel does not report it, and the MR is not one of mapped
 *               memory of this process: a dma-buf, imported, implicit; or it is one
 *               of device memory
 *   ENOENT      a process that shares the context deregistered the MR
 *   EIO         the device was removed
 *   ENOMEM      out of memory
 * or any error of opening a file in /proc
 */
int ibv_query_mr_pages(struct ibv_mr *mr, struct ibv_mr_pages *pages, size_t size);

/**
 * ibv_mr_page_shift - Page shift of an MR
 * @mr: any MR
 *
 * Return: log2 of the page size in bytes, or a *negative* errno value as for
 * ibv_query_mr_pages(); errno is set too.
 */
int ibv_mr_page_shift(struct ibv_mr *mr);

/**
 * ibv_query_mr_odp - Query the current state of an ODP MR
 * @mr: any MR
 * @attr: filled in; bytes after the end of this release's struct are set to zero
 * @size: sizeof(*attr) in the caller
 *
 * Return: 0, or
 *   EINVAL      @mr is not an ODP MR, @attr is NULL, or @size is too small for
 *               page_shift
 *   EOPNOTSUPP  the kernel does not report it, and the library does not know
 *               the MR
 *   ENOENT      a process that shares the context deregistered the MR
 *   EIO         the device was removed
 */
int ibv_query_mr_odp(struct ibv_mr *mr, struct ibv_mr_odp_attr *attr, size_t size);

/**
 * ibv_modify_mr_odp - Change the accepted page sizes of a live ODP MR
 * @mr: an ODP MR; work requests may be using it
 * @page_sizes: accepted page sizes, bit mask in bytes; 0 means any size
 * @flags: enum ibv_odp_flags
 *
 * Return: 0, or
 *   EINVAL      unknown flag, impossible page size, or @mr is not an ODP MR
 *   EOPNOTSUPP  not supported by the kernel or the device
 *   ERANGE      none of the sizes fits; the MR is unchanged
 *   ENOMEM      out of memory; the MR is unchanged
 *   EFAULT      IBV_ODP_POPULATE and memory that cannot be mapped; the new
 *               sizes are in force
 *   EBUSY       the same for memory that keeps changing
 *   ENOENT      a process that shares the context deregistered the MR
 *   EIO         the device was removed
 */
int ibv_modify_mr_odp(struct ibv_mr *mr, uint64_t page_sizes, uint32_t flags);

/**
 * hugeodp_watch_mr - Be notified when the page sizes of an ODP MR get worse
 * @mr: an ODP MR, also one of several that report to the same @event_fd
 * @event_fd: an eventfd(2), or -1 to end the notification
 *
 * The kernel adds 1 to the eventfd each time the MR changes to smaller pages
 * (renegotiations_down of struct ibv_mr_odp_attr), and each time a fault event
 * fails because the memory does not have an accepted page size (faults_refused).
 * An MR has one eventfd: a call replaces that of an earlier one. The kernel holds
 * the eventfd until it is replaced or the MR is deregistered; the caller may close
 * its descriptor. Any thread may call it at any time.
 *
 * Return: 0, or
 *   EBADF       @event_fd is not an open file
 *   EINVAL      @mr is NULL or not an ODP MR, or @event_fd is not an eventfd
 *   EOPNOTSUPP  not supported by the kernel or the device
 *   ENOENT      a process that shares the context deregistered the MR
 *   EIO         the device was removed
 */
int hugeodp_watch_mr(struct ibv_mr *mr, int event_fd);

/*
 * ibv_query_mr_odp(), ibv_query_mr_pages(), ibv_modify_mr_odp() and hugeodp_watch_mr() by the cmd_fd
 * of the context and the handle of the MR, for bindings that do not have the structs. Only the kernel
 * answers. Also:
 *   EBADF       @cmd_fd is not an open file
 *   EINVAL      @cmd_fd is not an RDMA device
 */
int hugeodp_query_mr_fd(int cmd_fd, uint32_t handle, struct ibv_mr_odp_attr *attr, size_t size);
int hugeodp_query_mr_pages_fd(int cmd_fd, uint32_t handle, struct ibv_mr_pages *pages, size_t size);
int hugeodp_modify_mr_fd(int cmd_fd, uint32_t handle, uint64_t page_sizes, uint32_t flags);
int hugeodp_watch_mr_fd(int cmd_fd, uint32_t handle, int event_fd);

/**
 * hugeodp_estimate_mr_pages_fd - hugeodp_query_mr_pages_fd(), or else an estimate
 * @cmd_fd: of the context
 * @handle: of the MR
 * @addr: first address of the MR in this process
 * @length: of the MR, in bytes
 * @pages: as for ibv_query_mr_pages()
 * @size: sizeof(*pages) in the caller
 *
 * An estimate needs the range, which the kernel does not report.
 *
 * Return: as ibv_query_mr_pages(); EBADF and EINVAL as above
 */
int hugeodp_estimate_mr_pages_fd(int cmd_fd, uint32_t handle, void *addr, size_t length,
				 struct ibv_mr_pages *pages, size_t size);

/**
 * hugeodp_create_mr_fd - Create an MR in the kernel, for ibv_import_mr()
 * @cmd_fd: of the context
 * @pd_handle: of the protection domain
 * @attr: description of the MR, as for hugeodp_reg_mr()
 * @size: sizeof(*attr) in the caller
 * @handle: of the new MR
 *
 * For bindings, and only where the provider can import an MR (mlx5, mlx4). Release
 * the MR by ibv_dereg_mr() of the imported one, or by hugeodp_destroy_mr_fd().
 *
 * Return: 0, or
 *   EBADF       @cmd_fd is not an open file
 *   EINVAL      @cmd_fd is not an RDMA device
 *   EOPNOTSUPP  the kernel has no page size requests, or the provider cannot
 *               import MRs, or not those for memory windows
 *   ENOENT      no such protection domain
 * or an errno value of hugeodp_reg_mr()
 */
int hugeodp_create_mr_fd(int cmd_fd, uint32_t pd_handle, const struct ibv_mr_init_attr_pages *attr,
			 size_t size, uint32_t *handle);

/**
 * hugeodp_destroy_mr_fd - Deregister an MR that has no struct ibv_mr
 * @cmd_fd: of the context
 * @handle: of the MR
 *
 * Return: 0, or the errno value of the kernel; EBADF and EINVAL as above
 */
int hugeodp_destroy_mr_fd(int cmd_fd, uint32_t handle);

/**
 * ibv_query_device_odp - Query the page sizes that a device supports for ODP MRs
 * @context: an open device
 * @attr: filled in; bytes after the end of this release's struct are set to zero
 * @size: sizeof(*attr) in the caller
 *
 * Return: 0, or
 *   EINVAL      @attr is NULL, or @size is too small for page_sizes
 *   EOPNOTSUPP  device without on-demand paging
 *   EIO         the device was removed
 */
int ibv_query_device_odp(struct ibv_context *context, struct ibv_device_odp_attr *attr,
			 size_t size);

/**
 * ibv_probe_odp_range - Find the page sizes that a range of memory could get
 * @context: an open device
 * @addr: first address
 * @length: in bytes
 * @page_sizes: accepted page sizes, bit mask in bytes; 0 means any size that the
 *              device supports
 * @report: filled in; bytes after the end of this release's struct are set to
 *          zero
 * @size: sizeof(*report) in the caller
 *
 * Registers nothing and touches no memory. The report assumes an MR whose iova
 * equals its address, and describes the memory as it is now.
 *
 * Return: 0, also if no accepted size is possible, or
 *   EINVAL      no address, length 0, range that wraps around, impossible page
 *               size, @report is NULL, or @size is too small for page_shift
 *   EOPNOTSUPP  device without on-demand paging, implicit MR (address NULL,
 *               length SIZE_MAX)
 *   ENOMEM      out of memory
 * or any error of opening a file in /proc
 */
int ibv_probe_odp_range(struct ibv_context *context, void *addr, size_t length,
			uint64_t page_sizes, struct ibv_odp_report *report, size_t size);

/**
 * hugeodp_probe_mr - Find the page sizes that an MR of a request could get
 * @context: an open device
 * @attr: the request for an ODP MR, as for hugeodp_reg_mr()
 * @attr_size: sizeof(*attr) in the caller
 * @report: as for ibv_probe_odp_range()
 * @size: sizeof(*report) in the caller
 *
 * The same as ibv_probe_odp_range(), for the iova of the request, and with the
 * checks of hugeodp_reg_mr(): the errors are those of the registration that
 * follows. For IBV_ODP_MIXED, the report is about a size that all blocks have.
 *
 * Return: 0, also if no accepted size is possible, or the errno value with which
 * hugeodp_reg_mr() refuses the request before it registers anything, or that of
 * ibv_probe_odp_range(); EINVAL for a pinned MR
 */
int hugeodp_probe_mr(struct ibv_context *context, const struct ibv_mr_init_attr_pages *attr,
		     size_t attr_size, struct ibv_odp_report *report, size_t size);

/**
 * ibv_odp_reason_str - Describe a reason
 * @reason: enum ibv_odp_reason
 *
 * Return: a constant string, also for a reason unknown to this release
 */
const char *ibv_odp_reason_str(uint32_t reason);

/**
 * ibv_odp_reason_hint - The command or call that removes a reason
 * @reason: enum ibv_odp_reason
 *
 * Return: a constant string, empty if there is none
 */
const char *ibv_odp_reason_hint(uint32_t reason);

/**
 * hugeodp_prefetch_mr - Map a range of an ODP MR in the device, of any length
 * @mr: an ODP MR
 * @addr: first address, as work requests use it
 * @length: in bytes
 * @advice: IBV_ADVISE_MR_ADVICE_PREFETCH, _PREFETCH_WRITE or _PREFETCH_NO_FAULT
 * @progress: called after each 256 MiB with the bytes that are done; if it does not
 *	return 0, the call ends. NULL if not needed.
 * @arg: passed to @progress
 *
 * ibv_advise_mr() with IBV_ADVISE_MR_FLAG_FLUSH, piece by piece, as its lengths have
 * only 32 bits, and for providers of rdma-core that do not have it. What was mapped
 * before a failure stays mapped.
 *
 * Return: 0, or
 *   EINVAL      no MR, length 0, range that wraps around, other advice
 *   EOPNOTSUPP  the device or the kernel does not support the advice
 *   ECANCELED   @progress ended the call before all was done
 * or the errno value of ibv_advise_mr() for the first piece that fails
 */
int hugeodp_prefetch_mr(struct ibv_mr *mr, uint64_t addr, uint64_t length,
			enum ibv_advise_mr_advice advice, int (*progress)(void *arg, uint64_t done),
			void *arg);

/*
 * The same by the cmd_fd of the context, the handle of the protection domain and the lkey of the MR,
 * for bindings that do not have the structs. Also:
 *   EBADF       @cmd_fd is not an open file
 *   EINVAL      @cmd_fd is not an RDMA device
 *   ENOENT      no such protection domain
 */
int hugeodp_prefetch_mr_fd(int cmd_fd, uint32_t pd_handle, uint32_t lkey, uint64_t addr,
			   uint64_t length, enum ibv_advise_mr_advice advice,
			   int (*progress)(void *arg, uint64_t done), void *arg);

enum hugeodp_memory_flags {
	/* allocate all pages before the call returns */
	HUGEODP_MEMORY_POPULATE = 1 << 0,
	/* not in the children of fork(), which would make pages small again */
	HUGEODP_MEMORY_DONTFORK = 1 << 1,
	/* only of the NUMA node in the member node */
	HUGEODP_MEMORY_NODE = 1 << 2,
};

enum hugeodp_memory_kind {
	/* base pages */
	HUGEODP_MEMORY_BASE = 1,
	/* aligned, with MADV_HUGEPAGE: transparent huge pages while the system has any */
	HUGEODP_MEMORY_THP = 2,
	/* of the hugetlb pool, from which it is taken at once */
	HUGEODP_MEMORY_HUGETLB = 3,
};

/**
 * struct hugeodp_memory_attr - memory to allocate
 * @length: in bytes
 * @page_sizes: accepted page sizes, bit mask in bytes; 0 means any
 * @flags: enum hugeodp_memory_flags
 * @node: number of the NUMA node with HUGEODP_MEMORY_NODE, otherwise 0
 */
struct hugeodp_memory_attr {
	uint64_t length;
	uint64_t page_sizes;
	uint32_t flags;
	uint32_t node;
};

/**
 * struct hugeodp_memory - allocated memory
 * @addr: first address, a multiple of @page_size
 * @length: as requested; the memory ends with a whole page
 * @page_size: of the memory, in bytes
 * @kind: enum hugeodp_memory_kind
 * @reserved: 0
 */
struct hugeodp_memory {
	void *addr;
	uint64_t length;
	uint64_t page_size;
	uint32_t kind;
	uint32_t reserved;
};

/**
 * hugeodp_alloc_memory - Allocate memory of the largest page size that is left
 * @attr: what to allocate
 * @size: sizeof(*attr) in the caller
 *
 * The memory is private, zeroed, readable and writable. Of the accepted sizes up to
 * the length, or else of the smallest one, the largest comes first: from the hugetlb
 * pool, then as transparent huge pages.
 *
 * Return: the memory, until hugeodp_free_memory(), or NULL with errno
 *   EINVAL      @attr is NULL, @size is too small for page_sizes, length 0 or at
 *               least 2^62, impossible page size, unknown flag, no such node
 *   EOPNOTSUPP  a member that is newer than the library is not 0
 *   ERANGE      the system has no memory with an accepted size
 *   ENOMEM      out of memory
 * or any error of mbind(2)
 */
struct hugeodp_memory *hugeodp_alloc_memory(const struct hugeodp_memory_attr *attr, size_t size);

/**
 * hugeodp_free_memory - Release memory
 * @memory: of hugeodp_alloc_memory(), or NULL. Deregister its MRs first.
 *
 * Return: 0, or the errno value of munmap(2); the memory is then still there
 */
int hugeodp_free_memory(struct hugeodp_memory *memory);

/**
 * hugeodp_parse_page_sizes - Read a set of page sizes from text
 * @text: sizes separated by '|' or ','. A size is "base", the base page size of the
 *	system, or a power of two in bytes, of at most 20 decimal digits, with one of
 *	the units B, K, M, G, T, P and E of 1024 each, as in "2M|64K". "any" and ""
 *	mean any size. "base" and units may be in upper or lower case, "any" is in lower
 *	case. Blanks are not accepted.
 * @page_sizes: the set as a bit mask in bytes, as in struct ibv_mr_init_attr_pages; 0
 *	for any size. Not written if the call fails.
 *
 * Return: 0, or
 *   EINVAL      an argument is NULL, @text is not such a list, or it has an impossible
 *               page size
 */
int hugeodp_parse_page_sizes(const char *text, uint64_t *page_sizes);

/* Bytes for the text of any set of page sizes. */
#define HUGEODP_PAGE_SIZES_TEXT 256

/**
 * hugeodp_format_page_sizes - Write a set of page sizes as text
 * @page_sizes: bit mask in bytes
 * @text: the sizes in ascending order, as in "64K|2M"; "any" for 0. With the same base
 *	page size, hugeodp_parse_page_sizes() returns the same set for it. Not written
 *	if the call fails.
 * @size: bytes at @text; HUGEODP_PAGE_SIZES_TEXT is always sufficient
 *
 * Return: 0, or
 *   EINVAL      @text is NULL, @size is too small, impossible page size
 */
int hugeodp_format_page_sizes(uint64_t page_sizes, char *text, size_t size);

/**
 * hugeodp_set_log - Receive the reasons of failures as text
 * @function: called with one line, without a newline; NULL ends it
 * @arg: passed to @function
 *
 * Call it while no other thread executes a function of the library. Without it, the
 * lines are appended to the file in the environment variable HUGEODP_LOG, if set.
 */
void hugeodp_set_log(void (*function)(void *arg, const char *line), void *arg);

/**
 * hugeodp_version - The release of the library
 *
 * Return: a number that compares with HUGEODP_VERSION and HUGEODP_VERSION_NUMBER()
 */
uint32_t hugeodp_version(void);

#ifdef __cplusplus
}
#endif

#endif
