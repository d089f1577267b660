// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page sizes of MRs in the user interface: more attributes of REG_MR and
 * QUERY_MR, methods that change the page sizes of a live ODP MR and set its
 * eventfd, and a method that reports the page sizes that a device supports and
 * that memory can have.
 */
#include <linux/eventfd.h>
#include <linux/overflow.h>

#include <rdma/ib_odp_pages.h>
#include <rdma/ib_umem_odp.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/uverbs_std_types.h>

#include "rdma_core.h"
#include "umem_odp_look.h"
#include "uverbs.h"
#include "uverbs_mr_odp.h"

/* Get the ODP umem of an MR, or an error pointer if it has none. */
static struct ib_umem_odp *mr_to_umem_odp(struct ib_mr *mr)
{
	struct ib_umem_odp *umem_odp;

	if (!mr->device->ops.mr_odp)
		return ERR_PTR(-EOPNOTSUPP);
	umem_odp = mr->device->ops.mr_odp(mr);
	return umem_odp ?: ERR_PTR(-EINVAL);
}

/*
 * Get the state of an MR. -ENOENT if the caller did not pass the attribute @id.
 */
static int get_state(struct uverbs_attr_bundle *attrs, u16 id,
		     struct ib_mr *mr, struct ib_uverbs_odp_state *state)
{
	struct ib_umem_odp *umem_odp;

	if (!uverbs_attr_is_valid(attrs, id))
		return -ENOENT;
	umem_odp = mr_to_umem_odp(mr);
	if (IS_ERR(umem_odp))
		return PTR_ERR_OR_ZERO(umem_odp);
	ib_umem_odp_get_state(umem_odp, state);
	return 0;
}

static int copy_page_shift(struct uverbs_attr_bundle *attrs, u16 id,
			   struct ib_mr *mr)
{
	struct ib_uverbs_odp_state state;
	int ret;

	ret = get_state(attrs, id, mr, &state);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return uverbs_copy_to(attrs, id, &state.page_shift,
			      sizeof(state.page_shift));
}

static int copy_blocks(struct uverbs_attr_bundle *attrs, u16 id,
		       struct ib_mr *mr)
{
	struct ib_uverbs_odp_blocks blocks;
	struct ib_umem_odp *umem_odp;

	if (!uverbs_attr_is_valid(attrs, id))
		return 0;
	umem_odp = mr_to_umem_odp(mr);
	if (IS_ERR(umem_odp))
		return PTR_ERR_OR_ZERO(umem_odp);
	ib_umem_odp_get_blocks(umem_odp, &blocks);
	return uverbs_copy_to_struct_or_zero(attrs, id, &blocks,
					     sizeof(blocks));
}

static int copy_pages(struct uverbs_attr_bundle *attrs, u16 id,
		      struct ib_mr *mr)
{
	struct ib_uverbs_mr_pages pages = {};
	int ret;

	if (!uverbs_attr_is_valid(attrs, id))
		return 0;
	if (!mr->device->ops.mr_pages)
		return -EOPNOTSUPP;
	ret = mr->device->ops.mr_pages(mr, &pages);
	if (ret)
		return ret;
	return uverbs_copy_to_struct_or_zero(attrs, id, &pages, sizeof(pages));
}

/*
 * The table of a pinned MR is fixed. Drivers with mr_pages() also take requests
 * for pinned MRs.
 */
static int check_pinned(const struct ib_device *ib_dev, u32 access_flags,
			const struct ib_odp_request *req)
{
	if ((req->flags & ~(u32)IB_UVERBS_ODP_MIXED) ||
	    (access_flags & IB_ACCESS_HUGETLB))
		return -EINVAL;
	if (!ib_dev->ops.mr_pages ||
	    (req->flags & ~ib_dev->attrs.odp_caps.page_flags))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * uverbs_reg_mr_odp_check - check the request before an MR is registered
 * @attrs: attributes of UVERBS_METHOD_REG_MR
 * @ib_dev: the device
 * @access_flags: enum ib_access_flags
 * @user_va: the MR is plain user memory
 *
 * The driver reads the request itself. A driver that does not know requests would
 * ignore it, so refuse it here.
 *
 * Return: 0 or an error
 */
int uverbs_reg_mr_odp_check(struct uverbs_attr_bundle *attrs,
			    struct ib_device *ib_dev, u32 access_flags,
			    bool user_va)
{
	bool wants_shift = uverbs_attr_is_valid(attrs,
						UVERBS_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT);
	bool odp = access_flags & IB_ACCESS_ON_DEMAND;
	struct ib_odp_request req;
	int ret;

	ret = ib_odp_request_from_attr(attrs, UVERBS_ATTR_REG_MR_ODP_REQUEST,
				       &req);
	if (ret && ret != -ENOENT)
		return ret;
	if (ret && !wants_shift)
		return 0;
	if (!user_va || (wants_shift && !odp))
		return -EINVAL;
	if (!odp)
		return check_pinned(ib_dev, access_flags, &req);
	if (!ib_dev->ops.mr_odp)
		return -EOPNOTSUPP;
	if (ret)
		return 0;
	if (req.max_entries)
		return -EINVAL;
	return ib_dev->attrs.odp_caps.page_sizes ? 0 : -EOPNOTSUPP;
}

/**
 * uverbs_reg_mr_odp_finish - return the page shift of a new MR if it was asked for
 * @attrs: attributes of UVERBS_METHOD_REG_MR
 * @mr: the MR
 *
 * Return: 0 or an error
 */
int uverbs_reg_mr_odp_finish(struct uverbs_attr_bundle *attrs,
			     struct ib_mr *mr)
{
	return copy_page_shift(attrs, UVERBS_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT,
			       mr);
}

/**
 * uverbs_query_mr_odp - return the state and the pages of an MR if asked for
 * @attrs: attributes of UVERBS_METHOD_QUERY_MR
 * @mr: the MR
 *
 * Return: 0 or an error
 */
int uverbs_query_mr_odp(struct uverbs_attr_bundle *attrs, struct ib_mr *mr)
{
	struct ib_uverbs_odp_state state;
	int ret;

	ret = get_state(attrs, UVERBS_ATTR_QUERY_MR_RESP_ODP_STATE, mr, &state);
	if (!ret)
		ret = uverbs_copy_to_struct_or_zero(attrs,
						    UVERBS_ATTR_QUERY_MR_RESP_ODP_STATE,
						    &state, sizeof(state));
	if (ret && ret != -ENOENT)
		return ret;
	ret = copy_blocks(attrs, UVERBS_ATTR_QUERY_MR_RESP_ODP_BLOCKS, mr);
	if (ret)
		return ret;
	return copy_pages(attrs, UVERBS_ATTR_QUERY_MR_RESP_PAGES, mr);
}

static int UVERBS_HANDLER(UVERBS_METHOD_MR_MODIFY_ODP)(
	struct uverbs_attr_bundle *attrs)
{
	struct ib_mr *mr =
		uverbs_attr_get_obj(attrs, UVERBS_ATTR_MR_MODIFY_ODP_HANDLE);
	struct ib_umem_odp *umem_odp;
	struct ib_odp_request req;
	int ret;

	ret = ib_odp_request_from_attr(attrs, UVERBS_ATTR_MR_MODIFY_ODP_REQUEST,
				       &req);
	if (ret)
		return ret;
	if (req.max_entries)
		return -EINVAL;

	umem_odp = mr_to_umem_odp(mr);
	if (IS_ERR(umem_odp))
		return PTR_ERR_OR_ZERO(umem_odp);
	if (!mr->device->ops.modify_mr_odp)
		return -EOPNOTSUPP;

	ret = mr->device->ops.modify_mr_odp(mr, &req);
	if (ret)
		return ret;
	return copy_page_shift(attrs, UVERBS_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT,
			       mr);
}

static int UVERBS_HANDLER(UVERBS_METHOD_MR_WATCH_ODP)(
	struct uverbs_attr_bundle *attrs)
{
	struct ib_mr *mr =
		uverbs_attr_get_obj(attrs, UVERBS_ATTR_MR_WATCH_ODP_HANDLE);
	struct eventfd_ctx *event = NULL;
	struct ib_umem_odp *umem_odp;
	int fd, ret;

	umem_odp = mr_to_umem_odp(mr);
	if (IS_ERR(umem_odp))
		return PTR_ERR_OR_ZERO(umem_odp);
	ret = uverbs_get_raw_fd(&fd, attrs, UVERBS_ATTR_MR_WATCH_ODP_EVENT_FD);
	if (ret && ret != -ENOENT)
		return ret;
	if (!ret) {
		event = eventfd_ctx_fdget(fd);
		if (IS_ERR(event))
			return PTR_ERR_OR_ZERO(event);
	}
	ib_umem_odp_set_event(umem_odp, event);
	return 0;
}

/*
 * Report the largest page size that the memory of a range can have, without an
 * MR. A process could read the same from its smaps, which walk all its memory.
 */
static int copy_range_shift(struct uverbs_attr_bundle *attrs, u64 sizes)
{
	const u16 in = UVERBS_ATTR_QUERY_ODP_PAGES_RANGE;
	const u16 out = UVERBS_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT;
	struct ib_uverbs_odp_range range;
	unsigned long start, end;
	u32 page_shift;
	int ret;

	if (uverbs_attr_is_valid(attrs, in) != uverbs_attr_is_valid(attrs, out))
		return -EINVAL;
	ret = uverbs_copy_from_or_zero(&range, attrs, in);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!range.length || overflows_type(range.addr, start) ||
	    check_add_overflow(range.addr, range.length, &end))
		return -EINVAL;
	start = range.addr;
	if (range.page_sizes)
		sizes &= range.page_sizes;
	if (!sizes)
		return -EOPNOTSUPP;

	ret = ib_odp_best_shift(current->mm, start, end, sizes, false);
	if (ret < 0)
		return ret;
	/*
	 * Base pages are possible for holes, but not for addresses of the
	 * kernel.
	 */
	if (ret == PAGE_SHIFT && ib_umem_odp_check_range(range.addr, range.length))
		return -EFAULT;
	page_shift = (u32)ret;
	return uverbs_copy_to(attrs, out, &page_shift, sizeof(page_shift));
}

static int UVERBS_HANDLER(UVERBS_METHOD_QUERY_ODP_PAGES)(
	struct uverbs_attr_bundle *attrs)
{
	struct ib_uverbs_odp_page_caps ucaps = {};
	struct ib_ucontext *ucontext;
	struct ib_odp_caps *caps;
	int ret;

	ucontext = ib_uverbs_get_ucontext(attrs);
	if (IS_ERR(ucontext))
		return PTR_ERR_OR_ZERO(ucontext);

	caps = &ucontext->device->attrs.odp_caps;
	if (!caps->page_sizes)
		return -EOPNOTSUPP;
	ret = copy_range_shift(attrs, caps->page_sizes);
	if (ret)
		return ret;
	ucaps.page_sizes = caps->page_sizes;
	ucaps.flags = caps->page_flags;
	return uverbs_copy_to_struct_or_zero(attrs,
					     UVERBS_ATTR_QUERY_ODP_PAGES_RESP_CAPS,
					     &ucaps, sizeof(ucaps));
}

ADD_UVERBS_ATTRIBUTES_SIMPLE(
	reg_mr_odp,
	UVERBS_OBJECT_MR,
	UVERBS_METHOD_REG_MR,
	UVERBS_ATTR_PTR_IN(UVERBS_ATTR_REG_MR_ODP_REQUEST,
			   UVERBS_ATTR_STRUCT(struct ib_uverbs_odp_request,
					      max_entries),
			   UA_OPTIONAL),
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT,
			    UVERBS_ATTR_TYPE(u32),
			    UA_OPTIONAL),
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_REG_MR_RESP_ENTRIES_NEEDED,
			    UVERBS_ATTR_TYPE(u64),
			    UA_OPTIONAL));

static const struct uverbs_attr_def *const query_mr_odp_attrs[] = {
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_QUERY_MR_RESP_ODP_STATE,
			    UVERBS_ATTR_STRUCT(struct ib_uverbs_odp_state,
					       renegotiations),
			    UA_OPTIONAL),
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_QUERY_MR_RESP_ODP_BLOCKS,
			    UVERBS_ATTR_STRUCT(struct ib_uverbs_odp_blocks,
					       mapped),
			    UA_OPTIONAL),
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_QUERY_MR_RESP_PAGES,
			    UVERBS_ATTR_STRUCT(struct ib_uverbs_mr_pages,
					       base_pages),
			    UA_OPTIONAL),
};

static const struct uverbs_method_def query_mr_odp_method = {
	.id = UVERBS_METHOD_QUERY_MR,
	.num_attrs = ARRAY_SIZE(query_mr_odp_attrs),
	.attrs = &query_mr_odp_attrs,
};

DECLARE_UVERBS_NAMED_METHOD(
	UVERBS_METHOD_MR_MODIFY_ODP,
	UVERBS_ATTR_IDR(UVERBS_ATTR_MR_MODIFY_ODP_HANDLE,
			UVERBS_OBJECT_MR,
			UVERBS_ACCESS_READ,
			UA_MANDATORY),
	UVERBS_ATTR_PTR_IN(UVERBS_ATTR_MR_MODIFY_ODP_REQUEST,
			   UVERBS_ATTR_STRUCT(struct ib_uverbs_odp_request,
					      max_entries),
			   UA_MANDATORY),
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT,
			    UVERBS_ATTR_TYPE(u32),
			    UA_OPTIONAL));

DECLARE_UVERBS_NAMED_METHOD(
	UVERBS_METHOD_MR_WATCH_ODP,
	UVERBS_ATTR_IDR(UVERBS_ATTR_MR_WATCH_ODP_HANDLE,
			UVERBS_OBJECT_MR,
			UVERBS_ACCESS_READ,
			UA_MANDATORY),
	UVERBS_ATTR_RAW_FD(UVERBS_ATTR_MR_WATCH_ODP_EVENT_FD,
			   UA_OPTIONAL));

static const struct uverbs_method_def *const mr_odp_methods[] = {
	&query_mr_odp_method,
	&UVERBS_METHOD(UVERBS_METHOD_MR_MODIFY_ODP),
	&UVERBS_METHOD(UVERBS_METHOD_MR_WATCH_ODP),
};

static const struct uverbs_object_def mr_odp_object = {
	.id = UVERBS_OBJECT_MR,
	.num_methods = ARRAY_SIZE(mr_odp_methods),
	.methods = &mr_odp_methods,
};

DECLARE_UVERBS_NAMED_METHOD(
	UVERBS_METHOD_QUERY_ODP_PAGES,
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_QUERY_ODP_PAGES_RESP_CAPS,
			    UVERBS_ATTR_STRUCT(struct ib_uverbs_odp_page_caps,
					       reserved),
			    UA_MANDATORY),
	UVERBS_ATTR_PTR_IN(UVERBS_ATTR_QUERY_ODP_PAGES_RANGE,
			   UVERBS_ATTR_STRUCT(struct ib_uverbs_odp_range,
					      page_sizes),
			   UA_OPTIONAL),
	UVERBS_ATTR_PTR_OUT(UVERBS_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT,
			    UVERBS_ATTR_TYPE(u32),
			    UA_OPTIONAL));

ADD_UVERBS_METHODS(device_odp_object,
		   UVERBS_OBJECT_DEVICE,
		   &UVERBS_METHOD(UVERBS_METHOD_QUERY_ODP_PAGES));

const struct uapi_definition uverbs_def_mr_odp[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_MR, &reg_mr_odp),
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_MR, &mr_odp_object),
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_DEVICE, &device_odp_object),
	{}
};
