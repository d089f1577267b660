/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User/kernel interface of huge-page on-demand paging (ODP), for the library and
 * for modules beside a distribution's kernel. The series has the same structs and
 * its numbers in the kernel's own ib_user_ioctl_verbs.h and ib_user_ioctl_cmds.h;
 * the names here differ, so that this header can be used with any version of
 * those. The modules compare the two when they are compiled.
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
 * Core form: methods and attributes have the next free numbers of Linux 7.3. All
 * attributes are optional. A core object holds methods 0..20, and a method holds
 * attributes 0..31 (include/rdma/uverbs_ioctl.h).
 */
enum hugeodp_core_methods {
	/* UVERBS_OBJECT_MR; attributes: enum hugeodp_attrs_mr_modify_odp */
	HUGEODP_CORE_METHOD_MR_MODIFY_ODP = 6,
	/* UVERBS_OBJECT_MR; attributes: enum hugeodp_attrs_mr_watch_odp */
	HUGEODP_CORE_METHOD_MR_WATCH_ODP = 7,
	/* UVERBS_OBJECT_DEVICE; attributes: enum hugeodp_attrs_query_odp_pages */
	HUGEODP_CORE_METHOD_QUERY_ODP_PAGES = 9,
};

/* Core form: more attributes of UVERBS_METHOD_REG_MR. */
enum hugeodp_core_attrs_reg_mr {
	/* in: struct hugeodp_abi_request */
	HUGEODP_CORE_ATTR_REG_MR_ODP_REQUEST = 11,
	/* out: __u32, page shift granted; needs an ODP MR */
	HUGEODP_CORE_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT = 12,
	/* out: __u64, entries that the MR needs; only written with E2BIG */
	HUGEODP_CORE_ATTR_REG_MR_RESP_ENTRIES_NEEDED = 13,
};

/* Core form: more attributes of UVERBS_METHOD_QUERY_MR. */
enum hugeodp_core_attrs_query_mr {
	/* out: struct hugeodp_abi_state; needs an ODP MR */
	HUGEODP_CORE_ATTR_QUERY_MR_RESP_ODP_STATE = 5,
	/* out: struct hugeodp_abi_blocks; needs an ODP MR */
	HUGEODP_CORE_ATTR_QUERY_MR_RESP_ODP_BLOCKS = 6,
	/* out: struct hugeodp_abi_mr_pages; any MR of memory */
	HUGEODP_CORE_ATTR_QUERY_MR_RESP_PAGES = 7,
};

/*
 * Driver form: an object holds driver methods 0..7 and a method holds driver
 * attributes 0..30, and the drivers count both from 0. UVERBS_METHOD_QUERY_MR
 * belongs to the core and is left as it is: the facts about an MR have a method of
 * their own. All attributes but handles are optional.
 */
enum hugeodp_driver_methods {
	/* UVERBS_OBJECT_MR; attributes: enum hugeodp_attrs_mr_watch_odp */
	HUGEODP_DRIVER_METHOD_MR_WATCH_ODP = (1U << UVERBS_ID_NS_SHIFT) | 5,
	/* UVERBS_OBJECT_MR; attributes: enum hugeodp_attrs_mr_modify_odp */
	HUGEODP_DRIVER_METHOD_MR_MODIFY_ODP = (1U << UVERBS_ID_NS_SHIFT) | 6,
	/* UVERBS_OBJECT_MR; attributes: enum hugeodp_driver_attrs_query_mr_odp */
	HUGEODP_DRIVER_METHOD_QUERY_MR_ODP = (1U << UVERBS_ID_NS_SHIFT) | 7,
	/* UVERBS_OBJECT_DEVICE; attributes: enum hugeodp_attrs_query_odp_pages */
	HUGEODP_DRIVER_METHOD_QUERY_ODP_PAGES = (1U << UVERBS_ID_NS_SHIFT) | 7,
};

/* Driver form: more attributes of the core's UVERBS_METHOD_REG_MR; all are optional. */
enum hugeodp_driver_attrs_reg_mr {
	/* in: struct hugeodp_abi_request */
	HUGEODP_DRIVER_ATTR_REG_MR_ODP_REQUEST = (1U << UVERBS_ID_NS_SHIFT) | 28,
	/* out: __u32, page shift granted; needs an ODP MR */
	HUGEODP_DRIVER_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT = (1U << UVERBS_ID_NS_SHIFT) | 29,
	/* out: __u64, entries that the MR needs; only written with E2BIG */
	HUGEODP_DRIVER_ATTR_REG_MR_RESP_ENTRIES_NEEDED = (1U << UVERBS_ID_NS_SHIFT) | 30,
};

/* Driver form: attributes of HUGEODP_DRIVER_METHOD_QUERY_MR_ODP. */
enum hugeodp_driver_attrs_query_mr_odp {
	/* in: handle of an MR, for reading */
	HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_HANDLE,
	/* out, optional: struct hugeodp_abi_state; needs an ODP MR */
	HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_STATE,
	/* out, optional: struct hugeodp_abi_blocks; needs an ODP MR */
	HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_BLOCKS,
	/* out, optional: struct hugeodp_abi_mr_pages; any MR of memory */
	HUGEODP_DRIVER_ATTR_QUERY_MR_ODP_RESP_PAGES,
};

/* Both forms: attributes of the method that puts a request in force on an MR. */
enum hugeodp_attrs_mr_modify_odp {
	/* in: MR handle */
	HUGEODP_ATTR_MR_MODIFY_ODP_HANDLE,
	/* in: struct hugeodp_abi_request */
	HUGEODP_ATTR_MR_MODIFY_ODP_REQUEST,
	/* out, optional: __u32, page shift granted */
	HUGEODP_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT,
};

/*
 * Both forms: attributes of the method that sets the eventfd of an ODP MR. The
 * kernel adds 1 to it whenever renegotiations_down or faults_refused of struct
 * hugeodp_abi_state grows. An MR has one eventfd at a time; a call without
 * one removes it.
 */
enum hugeodp_attrs_mr_watch_odp {
	/* in: MR handle */
	HUGEODP_ATTR_MR_WATCH_ODP_HANDLE,
	/* in, optional: file descriptor of an eventfd */
	HUGEODP_ATTR_MR_WATCH_ODP_EVENT_FD,
};

/*
 * Both forms: attributes of the method that reports the page sizes of a device; the
 * last two go together and are optional.
 */
enum hugeodp_attrs_query_odp_pages {
	/* out: struct hugeodp_abi_page_caps */
	HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS,
	/* in: struct hugeodp_abi_range, memory of the calling process */
	HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE,
	/* out: __u32, log2 of the largest size that the memory can have now */
	HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT,
};

enum hugeodp_abi_flags {
	/* each block takes the largest accepted size that fits it */
	HUGEODP_ABI_MIXED = 1 << 0,
	/* map the whole MR before the call returns, or fail */
	HUGEODP_ABI_POPULATE = 1 << 1,
};

/**
 * struct hugeodp_abi_request - page sizes that an application accepts
 * @page_sizes: (in) bit mask in bytes, bit n for pages of 2^n bytes;
 *              0: any size that the device supports
 * @flags: (in) enum hugeodp_abi_flags; for an MR of pinned memory at most
 *         HUGEODP_ABI_MIXED
 * @reserved: (in) must be 0
 * @max_entries: (in) entries of the device's tables that the MR may use, 0: any
 *               number; must be 0 for an ODP MR
 */
struct hugeodp_abi_request {
	__aligned_u64 page_sizes;
	__u32 flags;
	__u32 reserved;
	__aligned_u64 max_entries;
};

/**
 * struct hugeodp_abi_state - current state of an ODP MR
 * @page_sizes: (out) sizes accepted for this MR, restricted to what the device
 *              supports, as a bit mask in bytes
 * @page_shift: (out) log2 of the translation size in bytes; with
 *              HUGEODP_ABI_MIXED, of the largest size in use, or of the size
 *              tried first if nothing is mapped
 * @flags: (out) enum hugeodp_abi_flags in force
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
struct hugeodp_abi_state {
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
 * struct hugeodp_abi_blocks - translations of an MR by size
 * @mapped: (out) currently valid translations; element n counts those of 2^n
 *          bytes
 */
struct hugeodp_abi_blocks {
	__aligned_u64 mapped[64];
};

enum hugeodp_abi_mr_kind {
	HUGEODP_ABI_MR_PINNED = 1,
	HUGEODP_ABI_MR_ODP = 2,
	HUGEODP_ABI_MR_IMPLICIT = 3, /* ODP, all of the address space */
	HUGEODP_ABI_MR_DMABUF = 4,
};

/**
 * struct hugeodp_abi_mr_pages - what a device translates an MR with
 * @kind: (out) enum hugeodp_abi_mr_kind
 * @page_shift: (out) log2 of the translation size in bytes, for an ODP MR as in
 *              struct hugeodp_abi_state
 * @entries: (out) entries of the device's tables that the MR uses. A device that
 *           allocates them as pages are mapped counts those that are mapped.
 * @device_bytes: (out) bytes of the tables with these entries
 * @base_pages: (out) base pages of the system that cover the MR; for an implicit
 *              one, its parts in use
 */
struct hugeodp_abi_mr_pages {
	__u32 kind;
	__u32 page_shift;
	__aligned_u64 entries;
	__aligned_u64 device_bytes;
	__aligned_u64 base_pages;
};

/**
 * struct hugeodp_abi_range - memory that might be registered
 * @addr: (in) first address
 * @length: (in) in bytes, not 0
 * @page_sizes: (in) sizes to choose from, as in struct hugeodp_abi_request
 */
struct hugeodp_abi_range {
	__aligned_u64 addr;
	__aligned_u64 length;
	__aligned_u64 page_sizes;
};

/**
 * struct hugeodp_abi_page_caps - capabilities of a device
 * @page_sizes: (out) supported translation sizes, bit mask in bytes
 * @flags: (out) supported enum hugeodp_abi_flags
 * @reserved: (out) 0
 */
struct hugeodp_abi_page_caps {
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

HUGEODP_ABI_ASSERT(sizeof(struct hugeodp_abi_request) == 24);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_request, flags) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_request, reserved) == 12);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_request, max_entries) == 16);
HUGEODP_ABI_ASSERT(sizeof(struct hugeodp_abi_state) == 72);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, page_shift) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, flags) == 12);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, blocks_mapped) == 16);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, table_bytes) == 24);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, faults) == 32);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, pages_invalidated) == 40);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, renegotiations) == 48);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, renegotiations_down) == 56);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_state, faults_refused) == 64);
HUGEODP_ABI_ASSERT(sizeof(struct hugeodp_abi_blocks) == 512);
HUGEODP_ABI_ASSERT(sizeof(struct hugeodp_abi_mr_pages) == 32);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_mr_pages, page_shift) == 4);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_mr_pages, entries) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_mr_pages, device_bytes) == 16);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_mr_pages, base_pages) == 24);
HUGEODP_ABI_ASSERT(sizeof(struct hugeodp_abi_range) == 24);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_range, length) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_range, page_sizes) == 16);
HUGEODP_ABI_ASSERT(sizeof(struct hugeodp_abi_page_caps) == 16);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_page_caps, flags) == 8);
HUGEODP_ABI_ASSERT(HUGEODP_ABI_OFFSET(hugeodp_abi_page_caps, reserved) == 12);

#endif
