/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User/kernel interface of huge-page on-demand paging (ODP).
 *
 * One copy serves both sides: user space includes it from here, the kernel
 * series installs it as include/uapi/rdma/ib_user_hugeodp.h.
 *
 * All structs are fixed width, naturally aligned and free of implicit padding,
 * so that 32-bit callers of a 64-bit kernel see the same layout. They may grow
 * at the end. The kernel takes a longer input as long as the bytes it does not
 * know are zero (else EOPNOTSUPP), fills a longer output with zeroes, and
 * refuses any buffer shorter than the first released layout (EINVAL).
 */
#ifndef IB_USER_HUGEODP_H
#define IB_USER_HUGEODP_H

#include <linux/types.h>
#include <rdma/ib_user_ioctl_cmds.h>

/*
 * The same requests exist in two forms, which differ in the numbers of methods
 * and attributes:
 *
 * core:   the patch series. The numbers are in the core name space of uverbs.
 * driver: modules for the kernel of a distribution, whose ib_uverbs stays in
 *         place. The numbers are in the driver name space.
 *
 * A number of one form may mean something else on a kernel without that form.
 * Each device with this interface is therefore marked: the file HUGEODP_MARK_FILE
 * in its sysfs folder, /sys/class/infiniband/<device>/, contains one of the two
 * words below and a newline. The file is there before user space can open the
 * device, and its content does not change while the device exists. If the file is
 * missing or contains anything else, user space must send none of the numbers in
 * this header to the device.
 */
#define HUGEODP_MARK_FILE "hugeodp_abi"
#define HUGEODP_MARK_CORE "core"
#define HUGEODP_MARK_DRIVER "driver"

/*
 * Core form: methods and attributes join the core name space of uverbs at its high
 * end. A core object holds methods 0..20 and a method holds attributes 0..31
 * (include/rdma/uverbs_ioctl.h), and both grow from 0 upstream.
 */
enum uverbs_hugeodp_methods {
	UVERBS_METHOD_MR_WATCH_ODP = 19,	/* UVERBS_OBJECT_MR */
	UVERBS_METHOD_MR_MODIFY_ODP = 20,	/* UVERBS_OBJECT_MR */
	UVERBS_METHOD_QUERY_ODP_PAGES = 20,	/* UVERBS_OBJECT_DEVICE */
};

/* Core form: more attributes of UVERBS_METHOD_REG_MR; all are optional. */
enum uverbs_attrs_hugeodp_reg_mr {
	/* in: struct ib_uverbs_odp_request */
	UVERBS_ATTR_REG_MR_ODP_REQUEST = 28,
	/* out: __u32, page shift granted; needs an ODP MR */
	UVERBS_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT = 29,
	/* out: __u64, entries that the MR needs; only written with E2BIG */
	UVERBS_ATTR_REG_MR_RESP_ENTRIES_NEEDED = 30,
};

/* Core form: more attributes of UVERBS_METHOD_QUERY_MR; all are optional. */
enum uverbs_attrs_hugeodp_query_mr {
	/* out: struct ib_uverbs_odp_state; needs an ODP MR */
	UVERBS_ATTR_QUERY_MR_RESP_ODP_STATE = 28,
	/* out: struct ib_uverbs_odp_blocks; needs an ODP MR */
	UVERBS_ATTR_QUERY_MR_RESP_ODP_BLOCKS = 29,
	/* out: struct ib_uverbs_mr_pages; any MR of memory */
	UVERBS_ATTR_QUERY_MR_RESP_PAGES = 30,
};

/*
 * Driver form: an object holds driver methods 0..7 and a method holds driver
 * attributes 0..30, and the drivers count both from 0. UVERBS_METHOD_QUERY_MR
 * belongs to the core and is left as it is: the facts about an MR have a method of
 * their own.
 */
enum uverbs_hugeodp_driver_methods {
	/* UVERBS_OBJECT_MR; attributes: enum uverbs_attrs_mr_watch_odp */
	UVERBS_HUGEODP_DRIVER_METHOD_MR_WATCH_ODP = (1U << UVERBS_ID_NS_SHIFT) | 5,
	/* UVERBS_OBJECT_MR; attributes: enum uverbs_attrs_mr_modify_odp */
	UVERBS_HUGEODP_DRIVER_METHOD_MR_MODIFY_ODP = (1U << UVERBS_ID_NS_SHIFT) | 6,
	/* UVERBS_OBJECT_MR; attributes: enum uverbs_attrs_hugeodp_driver_query_mr_odp */
	UVERBS_HUGEODP_DRIVER_METHOD_QUERY_MR_ODP = (1U << UVERBS_ID_NS_SHIFT) | 7,
	/* UVERBS_OBJECT_DEVICE; attributes: enum uverbs_attrs_query_odp_pages */
	UVERBS_HUGEODP_DRIVER_METHOD_QUERY_ODP_PAGES = (1U << UVERBS_ID_NS_SHIFT) | 7,
};

/* Driver form: more attributes of the core's UVERBS_METHOD_REG_MR; all are optional. */
enum uverbs_attrs_hugeodp_driver_reg_mr {
	/* in: struct ib_uverbs_odp_request */
	UVERBS_HUGEODP_DRIVER_ATTR_REG_MR_ODP_REQUEST = (1U << UVERBS_ID_NS_SHIFT) | 28,
	/* out: __u32, page shift granted; needs an ODP MR */
	UVERBS_HUGEODP_DRIVER_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT = (1U << UVERBS_ID_NS_SHIFT) | 29,
	/* out: __u64, entries that the MR needs; only written with E2BIG */
	UVERBS_HUGEODP_DRIVER_ATTR_REG_MR_RESP_ENTRIES_NEEDED = (1U << UVERBS_ID_NS_SHIFT) | 30,
};

/* Driver form: attributes of UVERBS_HUGEODP_DRIVER_METHOD_QUERY_MR_ODP. */
enum uverbs_attrs_hugeodp_driver_query_mr_odp {
	/* in: handle of an MR, for reading */
	UVERBS_HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_HANDLE,
	/* out, optional: struct ib_uverbs_odp_state; needs an ODP MR */
	UVERBS_HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_STATE,
	/* out, optional: struct ib_uverbs_odp_blocks; needs an ODP MR */
	UVERBS_HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_BLOCKS,
	/* out, optional: struct ib_uverbs_mr_pages; any MR of memory */
	UVERBS_HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_PAGES,
};

/* Both forms: attributes of the method that puts a request in force on an MR. */
enum uverbs_attrs_mr_modify_odp {
	/* in: MR handle */
	UVERBS_ATTR_MR_MODIFY_ODP_HANDLE,
	/* in: struct ib_uverbs_odp_request */
	UVERBS_ATTR_MR_MODIFY_ODP_REQUEST,
	/* out, optional: __u32, page shift granted */
	UVERBS_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT,
};

/*
 * Both forms: attributes of the method that sets the eventfd of an ODP MR. The
 * kernel adds 1 to it whenever renegotiations_down or faults_refused of struct
 * ib_uverbs_odp_state grows. An MR has one eventfd at a time; a call without
 * one removes it.
 */
enum uverbs_attrs_mr_watch_odp {
	/* in: MR handle */
	UVERBS_ATTR_MR_WATCH_ODP_HANDLE,
	/* in, optional: file descriptor of an eventfd */
	UVERBS_ATTR_MR_WATCH_ODP_EVENT_FD,
};

/*
 * Both forms: attributes of the method that reports the page sizes of a device; the
 * last two go together and are optional.
 */
enum uverbs_attrs_query_odp_pages {
	/* out: struct ib_uverbs_odp_page_caps */
	UVERBS_ATTR_QUERY_ODP_PAGES_RESP_CAPS,
	/* in: struct ib_uverbs_odp_range, memory of the calling process */
	UVERBS_ATTR_QUERY_ODP_PAGES_RANGE,
	/* out: __u32, log2 of the largest size that the memory can have now */
	UVERBS_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT,
};

enum ib_uverbs_odp_flags {
	/* each block takes the largest accepted size that fits it */
	IB_UVERBS_ODP_MIXED = 1 << 0,
	/* map the whole MR before the call returns, or fail */
	IB_UVERBS_ODP_POPULATE = 1 << 1,
};

/**
 * struct ib_uverbs_odp_request - page sizes that an application accepts
 * @page_sizes: (in) bit mask in bytes, bit n for pages of 2^n bytes;
 *              0: any size that the device supports
 * @flags: (in) enum ib_uverbs_odp_flags; for an MR of pinned memory at most
 *         IB_UVERBS_ODP_MIXED
 * @reserved: (in) must be 0
 * @max_entries: (in) entries of the device's tables that the MR may use, 0: any
 *               number; must be 0 for an ODP MR
 */
struct ib_uverbs_odp_request {
	__aligned_u64 page_sizes;
	__u32 flags;
	__u32 reserved;
	__aligned_u64 max_entries;
};

/**
 * struct ib_uverbs_odp_state - current state of an ODP MR
 * @page_sizes: (out) sizes accepted for this MR, restricted to what the device
 *              supports, as a bit mask in bytes
 * @page_shift: (out) log2 of the translation size in bytes; with
 *              IB_UVERBS_ODP_MIXED, of the largest size in use, or of the size
 *              tried first if nothing is mapped
 * @flags: (out) enum ib_uverbs_odp_flags in force
 * @blocks_mapped: (out) translations of any size that are currently valid
 * @table_bytes: (out) kernel memory used by the MR's page table, in bytes
 * @faults: (out) fault events served since registration
 * @pages_invalidated: (out) translations that the mm invalidated since
 *                     registration; each counts once, independent of its size
 * @renegotiations: (out) changes of the translation sizes since registration
 * @renegotiations_down: (out) the part of @renegotiations that reduced the
 *                       largest size
 * @faults_refused: (out) fault events that failed because the memory does not
 *                  have a page size that is accepted
 */
struct ib_uverbs_odp_state {
	__aligned_u64 page_sizes;
	__u32 page_shift;
	__u32 flags;
	__aligned_u64 blocks_mapped;
	__aligned_u64 table_bytes;
	__aligned_u64 faults;
	__aligned_u64 pages_invalidated;
	__aligned_u64 renegotiations;
	__aligned_u64 renegotiations_down;
	__aligned_u64 faults_refused;
};

/**
 * struct ib_uverbs_odp_blocks - translations of an MR by size
 * @mapped: (out) currently valid translations; element n counts those of 2^n
 *          bytes
 */
struct ib_uverbs_odp_blocks {
	__aligned_u64 mapped[64];
};

enum ib_uverbs_mr_kind {
	IB_UVERBS_MR_PINNED = 1,
	IB_UVERBS_MR_ODP = 2,
	IB_UVERBS_MR_IMPLICIT = 3, /* ODP, all of the address space */
	IB_UVERBS_MR_DMABUF = 4,
};

/**
 * struct ib_uverbs_mr_pages - what a device translates an MR with
 * @kind: (out) enum ib_uverbs_mr_kind
 * @page_shift: (out) log2 of the translation size in bytes, for an ODP MR as in
 *              struct ib_uverbs_odp_state
 * @entries: (out) entries of the device's tables that the MR uses. A device that
 *           allocates them as pages are mapped counts those that are mapped.
 * @device_bytes: (out) bytes of the tables with these entries
 * @base_pages: (out) base pages of the system that cover the MR; for an implicit
 *              one, its parts in use
 */
struct ib_uverbs_mr_pages {
	__u32 kind;
	__u32 page_shift;
	__aligned_u64 entries;
	__aligned_u64 device_bytes;
	__aligned_u64 base_pages;
};

/**
 * struct ib_uverbs_odp_range - memory that might be registered
 * @addr: (in) first address
 * @length: (in) in bytes, not 0
 * @page_sizes: (in) sizes to choose from, as in struct ib_uverbs_odp_request
 */
struct ib_uverbs_odp_range {
	__aligned_u64 addr;
	__aligned_u64 length;
	__aligned_u64 page_sizes;
};

/**
 * struct ib_uverbs_odp_page_caps - capabilities of a device
 * @page_sizes: (out) supported translation sizes, bit mask in bytes
 * @flags: (out) supported enum ib_uverbs_odp_flags
 * @reserved: (out) 0
 */
struct ib_uverbs_odp_page_caps {
	__aligned_u64 page_sizes;
	__u32 flags;
	__u32 reserved;
};

/*
 * The layout is frozen, and checked in each build of both sides. Do not use
 * offsetof() here: it would need another header.
 */
#define HUGEODP_ABI_OFFSET(type, member) __builtin_offsetof(struct type, member)
#if defined(__cplusplus)
#define HUGEODP_ABI_ASSERT(cond) static_assert(cond, "hugeodp ABI changed: " #cond)
#else
#define HUGEODP_ABI_ASSERT(cond) _Static_assert(cond, "hugeodp ABI changed: " #cond)
#endif

HUGEODP_ABI_ASSERT(sizeof(struct ib_uverbs_odp_request) == 24);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_request, flags) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_request, reserved) == 12);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_request, max_entries) == 16);
HUGEODP_ABI_ASSERT(sizeof(struct ib_uverbs_odp_state) == 72);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, page_shift) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, flags) == 12);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, blocks_mapped) == 16);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, table_bytes) == 24);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, faults) == 32);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, pages_invalidated) == 40);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, renegotiations) == 48);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, renegotiations_down) == 56);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_state, faults_refused) == 64);
HUGEODP_ABI_ASSERT(sizeof(struct ib_uverbs_odp_blocks) == 512);
HUGEODP_ABI_ASSERT(sizeof(struct ib_uverbs_mr_pages) == 32);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_mr_pages, page_shift) == 4);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_mr_pages, entries) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_mr_pages, device_bytes) == 16);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_mr_pages, base_pages) == 24);
HUGEODP_ABI_ASSERT(sizeof(struct ib_uverbs_odp_range) == 24);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_range, length) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_range, page_sizes) == 16);
HUGEODP_ABI_ASSERT(sizeof(struct ib_uverbs_odp_page_caps) == 16);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_page_caps, flags) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(ib_uverbs_odp_page_caps, reserved) == 12);

#endif
