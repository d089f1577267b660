// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The interface to user space is declared twice: in the headers that the series
 * changes, and in <rdma/ib_user_hugeodp.h> for user space that has to compile with
 * any version of those. Nothing but this file compares the two.
 */
#include <linux/build_bug.h>
#include <linux/stddef.h>

#include <rdma/ib_user_hugeodp.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>

#define SAME_VALUE(user, series) static_assert((int)(user) == (int)(series))
#define SAME_SIZE(user, series) \
	static_assert(sizeof(struct user) == sizeof(struct series))
#define SAME_MEMBER(user, series, member)                                 \
	static_assert(offsetof(struct user, member) ==                    \
			      offsetof(struct series, member) &&          \
		      sizeof_field(struct user, member) ==                \
			      sizeof_field(struct series, member))

SAME_VALUE(HUGEODP_CORE_METHOD_MR_MODIFY_ODP, UVERBS_METHOD_MR_MODIFY_ODP);
SAME_VALUE(HUGEODP_CORE_METHOD_MR_WATCH_ODP, UVERBS_METHOD_MR_WATCH_ODP);
SAME_VALUE(HUGEODP_CORE_METHOD_QUERY_ODP_PAGES, UVERBS_METHOD_QUERY_ODP_PAGES);
SAME_VALUE(HUGEODP_CORE_ATTR_REG_MR_ODP_REQUEST,
	   UVERBS_ATTR_REG_MR_ODP_REQUEST);
SAME_VALUE(HUGEODP_CORE_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT,
	   UVERBS_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT);
SAME_VALUE(HUGEODP_CORE_ATTR_REG_MR_RESP_ENTRIES_NEEDED,
	   UVERBS_ATTR_REG_MR_RESP_ENTRIES_NEEDED);
SAME_VALUE(HUGEODP_CORE_ATTR_QUERY_MR_RESP_ODP_STATE,
	   UVERBS_ATTR_QUERY_MR_RESP_ODP_STATE);
SAME_VALUE(HUGEODP_CORE_ATTR_QUERY_MR_RESP_ODP_BLOCKS,
	   UVERBS_ATTR_QUERY_MR_RESP_ODP_BLOCKS);
SAME_VALUE(HUGEODP_CORE_ATTR_QUERY_MR_RESP_PAGES,
	   UVERBS_ATTR_QUERY_MR_RESP_PAGES);

SAME_VALUE(HUGEODP_ATTR_MR_MODIFY_ODP_HANDLE, UVERBS_ATTR_MR_MODIFY_ODP_HANDLE);
SAME_VALUE(HUGEODP_ATTR_MR_MODIFY_ODP_REQUEST,
	   UVERBS_ATTR_MR_MODIFY_ODP_REQUEST);
SAME_VALUE(HUGEODP_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT,
	   UVERBS_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT);
SAME_VALUE(HUGEODP_ATTR_MR_WATCH_ODP_HANDLE, UVERBS_ATTR_MR_WATCH_ODP_HANDLE);
SAME_VALUE(HUGEODP_ATTR_MR_WATCH_ODP_EVENT_FD,
	   UVERBS_ATTR_MR_WATCH_ODP_EVENT_FD);
SAME_VALUE(HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS,
	   UVERBS_ATTR_QUERY_ODP_PAGES_RESP_CAPS);
SAME_VALUE(HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE,
	   UVERBS_ATTR_QUERY_ODP_PAGES_RANGE);
SAME_VALUE(HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT,
	   UVERBS_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT);

SAME_VALUE(HUGEODP_ABI_MIXED, IB_UVERBS_ODP_MIXED);
SAME_VALUE(HUGEODP_ABI_POPULATE, IB_UVERBS_ODP_POPULATE);
SAME_VALUE(HUGEODP_ABI_MR_PINNED, IB_UVERBS_MR_PINNED);
SAME_VALUE(HUGEODP_ABI_MR_ODP, IB_UVERBS_MR_ODP);
SAME_VALUE(HUGEODP_ABI_MR_IMPLICIT, IB_UVERBS_MR_IMPLICIT);
SAME_VALUE(HUGEODP_ABI_MR_DMABUF, IB_UVERBS_MR_DMABUF);

SAME_SIZE(hugeodp_abi_request, ib_uverbs_odp_request);
SAME_MEMBER(hugeodp_abi_request, ib_uverbs_odp_request, page_sizes);
SAME_MEMBER(hugeodp_abi_request, ib_uverbs_odp_request, flags);
SAME_MEMBER(hugeodp_abi_request, ib_uverbs_odp_request, reserved);
SAME_MEMBER(hugeodp_abi_request, ib_uverbs_odp_request, max_entries);

SAME_SIZE(hugeodp_abi_state, ib_uverbs_odp_state);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, page_sizes);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, page_shift);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, flags);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, blocks_mapped);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, table_bytes);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, faults);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, pages_invalidated);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, renegotiations);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, renegotiations_down);
SAME_MEMBER(hugeodp_abi_state, ib_uverbs_odp_state, faults_refused);

SAME_SIZE(hugeodp_abi_blocks, ib_uverbs_odp_blocks);
SAME_MEMBER(hugeodp_abi_blocks, ib_uverbs_odp_blocks, mapped);

SAME_SIZE(hugeodp_abi_mr_pages, ib_uverbs_mr_pages);
SAME_MEMBER(hugeodp_abi_mr_pages, ib_uverbs_mr_pages, kind);
SAME_MEMBER(hugeodp_abi_mr_pages, ib_uverbs_mr_pages, page_shift);
SAME_MEMBER(hugeodp_abi_mr_pages, ib_uverbs_mr_pages, entries);
SAME_MEMBER(hugeodp_abi_mr_pages, ib_uverbs_mr_pages, device_bytes);
SAME_MEMBER(hugeodp_abi_mr_pages, ib_uverbs_mr_pages, base_pages);

SAME_SIZE(hugeodp_abi_range, ib_uverbs_odp_range);
SAME_MEMBER(hugeodp_abi_range, ib_uverbs_odp_range, addr);
SAME_MEMBER(hugeodp_abi_range, ib_uverbs_odp_range, length);
SAME_MEMBER(hugeodp_abi_range, ib_uverbs_odp_range, page_sizes);

SAME_SIZE(hugeodp_abi_page_caps, ib_uverbs_odp_page_caps);
SAME_MEMBER(hugeodp_abi_page_caps, ib_uverbs_odp_page_caps, page_sizes);
SAME_MEMBER(hugeodp_abi_page_caps, ib_uverbs_odp_page_caps, flags);
SAME_MEMBER(hugeodp_abi_page_caps, ib_uverbs_odp_page_caps, reserved);
