// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The user/kernel interface, by hand-built ioctls that no library would send. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rdma/ib_user_hugeodp.h>

#include "raw.h"
#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 2)
#define ACCESS (ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/* A struct as the next version of the interface may have it. */
struct longer_request {
	struct hugeodp_abi_request now;
	uint64_t later;
};

struct registration {
	struct raw raw;
	uint64_t addr, iova, length;
	uint32_t access, lkey, rkey, shift, handle;
	struct ib_uverbs_attr *handle_attr;
};

/* The attributes of REG_MR, except the request. */
static void prepare_reg(struct registration *r, struct rig *rig, const struct buf *buf,
			uint32_t access)
{
	*r = (struct registration){
		.raw = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_REG_MR),
		.addr = (uintptr_t)buf->mem.addr,
		.iova = (uintptr_t)buf->mem.addr,
		.length = buf->mem.len,
		.access = access,
	};
	r->handle_attr = raw_object(&r->raw, UVERBS_ATTR_REG_MR_HANDLE, 0);
	raw_object(&r->raw, UVERBS_ATTR_REG_MR_PD_HANDLE, rig->pd->handle);
	raw_in(&r->raw, UVERBS_ATTR_REG_MR_IOVA, &r->iova, sizeof(r->iova));
	raw_in(&r->raw, UVERBS_ATTR_REG_MR_ADDR, &r->addr, sizeof(r->addr));
	raw_in(&r->raw, UVERBS_ATTR_REG_MR_LENGTH, &r->length, sizeof(r->length));
	raw_in(&r->raw, UVERBS_ATTR_REG_MR_ACCESS_FLAGS, &r->access, sizeof(r->access));
	raw_out(&r->raw, UVERBS_ATTR_REG_MR_RESP_LKEY, &r->lkey, sizeof(r->lkey));
	raw_out(&r->raw, UVERBS_ATTR_REG_MR_RESP_RKEY, &r->rkey, sizeof(r->rkey));
}

static int run_reg(struct registration *r, struct rig *rig)
{
	int err = raw_ioctl(rig->ctx, &r->raw);

	r->handle = (uint32_t)r->handle_attr->data;
	return err;
}

static void destroy(struct rig *rig, uint32_t handle)
{
	struct raw raw = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY);

	raw_object(&raw, UVERBS_ATTR_DESTROY_MR_HANDLE, handle);
	is_errno(raw_ioctl(rig->ctx, &raw), 0, "destroy MR");
}

static int modify(struct rig *rig, uint32_t handle, const void *request, size_t len)
{
	struct raw raw = raw_command(UVERBS_OBJECT_MR, raw_side()->modify_mr);

	raw_object(&raw, HUGEODP_ATTR_MR_MODIFY_ODP_HANDLE, handle);
	raw_in(&raw, HUGEODP_ATTR_MR_MODIFY_ODP_REQUEST, request, len);
	return raw_ioctl(rig->ctx, &raw);
}

static struct raw query_command(uint32_t handle, void *state, size_t len)
{
	struct raw raw = raw_query_odp(handle);

	raw_out(&raw, raw_side()->query_mr_state, state, len);
	return raw;
}

static int query(struct rig *rig, uint32_t handle, void *state, size_t len)
{
	struct raw raw = query_command(handle, state, len);

	return raw_ioctl(rig->ctx, &raw);
}

/* Registration in one ioctl, for providers that can import an MR. */
static void register_with_request(struct rig *rig, struct buf *buf)
{
	struct hugeodp_abi_request request = { .page_sizes = SZ_2M };
	struct hugeodp_abi_state state;
	struct registration r;

	prepare_reg(&r, rig, buf, ACCESS);
	raw_in(&r.raw, raw_side()->reg_mr_request, &request, sizeof(request));
	raw_out(&r.raw, raw_side()->reg_mr_page_shift, &r.shift, sizeof(r.shift));
	if (!is_errno(run_reg(&r, rig), 0, "REG_MR with a request"))
		return;
	is_u64(r.shift, 21, "REG_MR: page shift granted");
	is_errno(query(rig, r.handle, &state, sizeof(state)), 0, "QUERY_MR with the state");
	is_u64(state.page_shift, 21, "QUERY_MR: page shift");
	is_u64(state.page_sizes, SZ_2M, "QUERY_MR: accepted sizes");
	is_u64(state.renegotiations, 0, "QUERY_MR: no renegotiation yet");
	is_u64(state.table_bytes, LEN / SZ_2M * rig->entry, "QUERY_MR: table bytes");
	destroy(rig, r.handle);

	prepare_reg(&r, rig, buf, ACCESS);
	raw_out(&r.raw, raw_side()->reg_mr_page_shift, &r.shift, sizeof(r.shift));
	if (is_errno(run_reg(&r, rig), 0, "REG_MR of ODP, no request but the answer")) {
		is_u64(r.shift, 12, "REG_MR: page shift without a request");
		destroy(rig, r.handle);
	}
}

/* An MR that no provider has seen: the device knows its address and length. */
static void use_by_key(struct rig *rig, struct buf *buf, const struct registration *r)
{
	struct raw raw = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_QUERY_MR);
	struct ibv_mr mr = { .context = rig->ctx, .lkey = r->lkey, .rkey = r->rkey };
	struct buf near, far = *buf;
	struct xfer x = { .op = OP_WRITE, .near = &near, .far = &far, .len = LEN };
	uint64_t length = 0, iova = 0;
	uint32_t lkey = 0, rkey = 0;
	struct pair pair;

	raw_object(&raw, UVERBS_ATTR_QUERY_MR_HANDLE, r->handle);
	raw_out(&raw, UVERBS_ATTR_QUERY_MR_RESP_LKEY, &lkey, sizeof(lkey));
	raw_out(&raw, UVERBS_ATTR_QUERY_MR_RESP_RKEY, &rkey, sizeof(rkey));
	raw_out(&raw, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, &length, sizeof(length));
	raw_out(&raw, UVERBS_ATTR_QUERY_MR_RESP_IOVA, &iova, sizeof(iova));
	is_errno(raw_ioctl(rig->ctx, &raw), 0, "QUERY_MR of a pinned MR");
	is_u64(length, LEN, "QUERY_MR: length of a pinned MR");
	is_u64(iova, r->iova, "QUERY_MR: iova of a pinned MR");

	far.mr = &mr;
	far.iova = r->iova;
	pair_open(&pair, rig, 4096);
	buf_make(&near, rig, MEM_BASE, LEN, &mode_pinned);
	buf_fill(&near, 0, LEN);
	is_u64(xfer_run(&pair, &x).near, IBV_WC_SUCCESS, "WRITE by the key of REG_MR");
	ok(!memcmp(buf->mem.addr, near.mem.addr, LEN), "every byte of it arrives");
	buf_close(&near);
	pair_close(&pair);
}

/* The same of a pinned MR: the kernel returns how many entries it would need. */
static void register_pinned(struct rig *rig, struct buf *buf)
{
	struct hugeodp_abi_request request = { .page_sizes = SZ_2M | SZ_4K, .max_entries = 1 };
	uint64_t pages = LEN / (rig->is_rxe ? SZ_4K : SZ_2M), needed[2] = { 7, 7 };
	struct registration r;

	prepare_reg(&r, rig, buf, ACCESS_ALL);
	raw_in(&r.raw, raw_side()->reg_mr_request, &request, sizeof(request));
	raw_out(&r.raw, raw_side()->reg_mr_entries, needed, sizeof(needed[0]));
	is_errno(run_reg(&r, rig), E2BIG, "REG_MR: pinned, one entry");
	is_u64(needed[0], pages, "REG_MR: pinned, entries needed");
	is_u64(needed[1], 7, "REG_MR: pinned, nothing after it written");

	prepare_reg(&r, rig, buf, ACCESS_ALL);
	raw_in(&r.raw, raw_side()->reg_mr_request, &request, sizeof(request));
	is_errno(run_reg(&r, rig), E2BIG, "REG_MR: pinned, no place for the number");
	prepare_reg(&r, rig, buf, ACCESS_ALL);
	raw_in(&r.raw, raw_side()->reg_mr_request, &request, sizeof(request));
	raw_out(&r.raw, raw_side()->reg_mr_entries, (void *)8, sizeof(needed[0]));
	is_errno(run_reg(&r, rig), EFAULT, "REG_MR: pinned, a wrong place for the number");

	request.max_entries = pages;
	needed[0] = 7;
	prepare_reg(&r, rig, buf, ACCESS_ALL);
	raw_in(&r.raw, raw_side()->reg_mr_request, &request, sizeof(request));
	raw_out(&r.raw, raw_side()->reg_mr_entries, needed, sizeof(needed[0]));
	if (is_errno(run_reg(&r, rig), 0, "REG_MR: pinned, as many as needed")) {
		use_by_key(rig, buf, &r);
		destroy(rig, r.handle);
	}
	is_u64(needed[0], 7, "REG_MR: pinned, no number after a success");
}

/* One REG_MR that must fail with @want. */
static void refuse_reg(struct rig *rig, struct buf *buf, uint32_t access, const void *request,
		       size_t len, int want, const char *what)
{
	struct registration r;

	prepare_reg(&r, rig, buf, access);
	raw_in(&r.raw, raw_side()->reg_mr_request, request, len);
	if (is_errno(run_reg(&r, rig), want, "REG_MR: %s", what) || r.handle == 0)
		return;
	/* it must not have succeeded: leave no MR for the other tests */
	if (!want)
		destroy(rig, r.handle);
}

static void bad_registrations(struct rig *rig, struct buf *buf, struct buf *base)
{
	struct hugeodp_abi_request good = { .page_sizes = SZ_2M };
	struct hugeodp_abi_request bad_flag = { .page_sizes = SZ_2M, .flags = 1 << 2 };
	struct hugeodp_abi_request reserved = { .page_sizes = SZ_2M, .reserved = 1 };
	struct hugeodp_abi_request bit11 = { .page_sizes = 1 << 11 };
	struct hugeodp_abi_request bit40 = { .page_sizes = 1ULL << 40 };
	struct hugeodp_abi_request bit63 = { .page_sizes = 1ULL << 63 };
	struct hugeodp_abi_request bound = { .page_sizes = SZ_2M, .max_entries = 1 };
	struct hugeodp_abi_request populate = { .page_sizes = SZ_2M,
						.flags = HUGEODP_ABI_POPULATE };
	struct hugeodp_abi_request both = { .flags = HUGEODP_ABI_MIXED | HUGEODP_ABI_POPULATE };
	struct longer_request tail = { .now = good, .later = 1 };
	struct registration r;

	refuse_reg(rig, buf, ACCESS, &bound, sizeof(good), EINVAL, "ODP and max_entries");
	refuse_reg(rig, buf, ACCESS_ALL, &populate, sizeof(good), EINVAL, "pinned, populate");
	refuse_reg(rig, buf, ACCESS_ALL, &both, sizeof(good), EINVAL, "pinned, both flags");
	refuse_reg(rig, buf, ACCESS_ALL | IBV_ACCESS_HUGETLB, &good, sizeof(good), EINVAL,
		   "pinned, IBV_ACCESS_HUGETLB");
	refuse_reg(rig, buf, ACCESS_ALL, &bit40, sizeof(good), ERANGE, "pinned, 1 TiB");
	refuse_reg(rig, buf, ACCESS_ALL, &bit63, sizeof(good), ERANGE, "pinned, 2^63");
	refuse_reg(rig, buf, ACCESS, &good, sizeof(good) - 1, EINVAL, "truncated request");
	refuse_reg(rig, buf, ACCESS, &good, 8, EINVAL, "request of 8 bytes");
	refuse_reg(rig, buf, ACCESS, &tail, sizeof(tail), EOPNOTSUPP, "longer, more than zeroes");
	refuse_reg(rig, buf, ACCESS, &bad_flag, sizeof(good), EINVAL, "unknown flag");
	refuse_reg(rig, buf, ACCESS, &reserved, sizeof(good), EINVAL, "reserved is not 0");
	refuse_reg(rig, buf, ACCESS, &bit11, sizeof(good), EOPNOTSUPP, "2 KiB");
	refuse_reg(rig, buf, ACCESS, &bit40, sizeof(good), EOPNOTSUPP, "1 TiB");
	refuse_reg(rig, buf, ACCESS, &bit63, sizeof(good), EOPNOTSUPP, "2^63");
	refuse_reg(rig, buf, ACCESS | IBV_ACCESS_HUGETLB, &good, sizeof(good), EINVAL,
		   "IBV_ACCESS_HUGETLB and a request");
	refuse_reg(rig, base, ACCESS, &good, sizeof(good), ERANGE, "2M over base pages");
	refuse_reg(rig, buf, ACCESS, (const void *)8, sizeof(good), EFAULT, "unreadable request");

	tail.later = 0;
	prepare_reg(&r, rig, buf, ACCESS);
	raw_in(&r.raw, raw_side()->reg_mr_request, &tail, sizeof(tail));
	if (is_errno(run_reg(&r, rig), 0, "REG_MR: longer, but zeroes"))
		destroy(rig, r.handle);

	prepare_reg(&r, rig, buf, ACCESS_ALL);
	raw_out(&r.raw, raw_side()->reg_mr_page_shift, &r.shift, sizeof(r.shift));
	is_errno(run_reg(&r, rig), EINVAL, "REG_MR: page shift of a pinned MR");

	prepare_reg(&r, rig, buf, ACCESS);
	raw_in(&r.raw, raw_side()->reg_mr_request, &good, sizeof(good));
	r.raw.driver_id = 0;
	is_errno(run_reg(&r, rig), EINVAL, "REG_MR: wrong driver_id");

	prepare_reg(&r, rig, buf, ACCESS);
	raw_in(&r.raw, raw_side()->reg_mr_request, &good, sizeof(good));
	raw_in(&r.raw, raw_side()->reg_mr_request, &good, sizeof(good));
	is_errno(run_reg(&r, rig), EINVAL, "REG_MR: the request twice");
}

static void unknown_attributes(struct rig *rig, struct buf *buf)
{
	struct hugeodp_abi_request good = { .page_sizes = SZ_2M };
	struct registration r;
	uint64_t value = 1;

	prepare_reg(&r, rig, buf, ACCESS);
	raw_in(&r.raw, raw_side()->reg_mr_request, &good, sizeof(good));
	raw_in(&r.raw, 31, &value, sizeof(value))->flags = 0;
	if (is_errno(run_reg(&r, rig), 0, "REG_MR: unknown attribute, optional"))
		destroy(rig, r.handle);

	prepare_reg(&r, rig, buf, ACCESS);
	raw_in(&r.raw, raw_side()->reg_mr_request, &good, sizeof(good));
	raw_in(&r.raw, 31, &value, sizeof(value));
	is_errno(run_reg(&r, rig), EPROTONOSUPPORT, "REG_MR: unknown attribute, mandatory");
}

static void bad_modifies(struct rig *rig, struct buf *odp, struct buf *pinned)
{
	struct hugeodp_abi_request good = { .page_sizes = SZ_2M };
	struct hugeodp_abi_request reserved = { .page_sizes = SZ_2M, .reserved = 1 };
	struct hugeodp_abi_request flag = { .page_sizes = SZ_2M, .flags = 1U << 31 };
	struct hugeodp_abi_request bound = { .page_sizes = SZ_2M, .max_entries = 1 };
	struct longer_request tail = { .now = good, .later = 1 };
	struct raw raw = raw_command(UVERBS_OBJECT_MR, raw_side()->modify_mr);
	uint32_t handle = odp->mr->handle, shift = 0;
	uint64_t wide;

	is_errno(modify(rig, handle, &good, sizeof(good)), 0, "MODIFY_ODP");
	is_errno(modify(rig, handle, &good, sizeof(good) - 1), EINVAL, "MODIFY_ODP: truncated");
	is_errno(modify(rig, handle, &tail, sizeof(tail)), EOPNOTSUPP,
		 "MODIFY_ODP: longer, more than zeroes");
	tail.later = 0;
	is_errno(modify(rig, handle, &tail, sizeof(tail)), 0, "MODIFY_ODP: longer, but zeroes");
	is_errno(modify(rig, handle, &reserved, sizeof(good)), EINVAL,
		 "MODIFY_ODP: reserved is not 0");
	is_errno(modify(rig, handle, &flag, sizeof(good)), EINVAL, "MODIFY_ODP: unknown flag");
	is_errno(modify(rig, handle, &bound, sizeof(good)), EINVAL, "MODIFY_ODP: max_entries");
	is_errno(modify(rig, pinned->mr->handle, &good, sizeof(good)), EINVAL,
		 "MODIFY_ODP: pinned MR");
	is_errno(modify(rig, 0xfffff, &good, sizeof(good)), ENOENT, "MODIFY_ODP: no such handle");

	raw_object(&raw, HUGEODP_ATTR_MR_MODIFY_ODP_HANDLE, handle);
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "MODIFY_ODP: no request");
	raw_in(&raw, HUGEODP_ATTR_MR_MODIFY_ODP_REQUEST, &good, sizeof(good));
	raw_out(&raw, HUGEODP_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT, &shift, sizeof(shift));
	is_errno(raw_ioctl(rig->ctx, &raw), 0, "MODIFY_ODP with an answer");
	is_u64(shift, 21, "MODIFY_ODP: page shift granted");
	raw.attr[2].len = 2;
	ok(raw_ioctl(rig->ctx, &raw), "MODIFY_ODP: output buffer too small");
	raw.attr[2].len = sizeof(wide);
	raw.attr[2].data = (uintptr_t)&wide;
	wide = ~0ULL;
	if (!raw_ioctl(rig->ctx, &raw))
		is_u64(wide, 21, "MODIFY_ODP: a wider answer is filled with zeroes");
	raw.attr[2].len = sizeof(shift);
	raw.attr[2].data = 8;
	is_errno(raw_ioctl(rig->ctx, &raw), EFAULT, "MODIFY_ODP: unwritable answer");
	raw.attr[2].data = (uintptr_t)&shift;
	raw.driver_id++;
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "MODIFY_ODP: wrong driver_id");
	raw.driver_id--;
	raw.reserved1 = 1;
	is_errno(raw_ioctl(rig->ctx, &raw), EPROTONOSUPPORT, "MODIFY_ODP: reserved header field");
}

static int watch(struct rig *rig, uint32_t handle, int64_t fd)
{
	struct raw raw = raw_command(UVERBS_OBJECT_MR, raw_side()->watch_mr);

	raw_object(&raw, HUGEODP_ATTR_MR_WATCH_ODP_HANDLE, handle);
	raw_fd(&raw, HUGEODP_ATTR_MR_WATCH_ODP_EVENT_FD, 0)->data_s64 = fd;
	return raw_ioctl(rig->ctx, &raw);
}

static void bad_watches(struct rig *rig, struct buf *odp, struct buf *pinned)
{
	struct raw raw = raw_command(UVERBS_OBJECT_MR, raw_side()->watch_mr);
	int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	    other_fd = open("/dev/null", O_RDONLY);
	uint32_t handle = odp->mr->handle;

	if (event_fd < 0 || other_fd < 0)
		fatal("eventfd, /dev/null: %s", strerror(errno));
	is_errno(watch(rig, handle, event_fd), 0, "WATCH_ODP");
	is_errno(watch(rig, handle, event_fd), 0, "WATCH_ODP: the same again");
	is_errno(watch(rig, handle, other_fd), EINVAL, "WATCH_ODP: not an eventfd");
	is_errno(watch(rig, handle, -1), EBADF, "WATCH_ODP: -1");
	is_errno(watch(rig, handle, INT_MIN), EBADF, "WATCH_ODP: INT_MIN");
	is_errno(watch(rig, handle, INT_MAX), EBADF, "WATCH_ODP: INT_MAX");
	ok(watch(rig, handle, (1LL << 32) + event_fd), "WATCH_ODP: descriptor above 2^32");
	is_errno(watch(rig, pinned->mr->handle, event_fd), EINVAL, "WATCH_ODP: pinned MR");
	is_errno(watch(rig, 0xfffff, event_fd), ENOENT, "WATCH_ODP: no such handle");
	raw_fd(&raw, HUGEODP_ATTR_MR_WATCH_ODP_EVENT_FD, event_fd);
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "WATCH_ODP: no handle");
	raw_object(&raw, HUGEODP_ATTR_MR_WATCH_ODP_HANDLE, handle);
	raw.attr[0].len = 4;
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "WATCH_ODP: descriptor of 4 bytes");
	raw.attr[0].len = 0;
	raw.attr[0].attr_data.reserved = 1;
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "WATCH_ODP: reserved is not 0");
	close(other_fd);
	/* the MR keeps the eventfd */
	close(event_fd);
}

/* The handle of another type of object, with a number that no MR has. */
static void other_object(struct rig *rig, struct buf *odp)
{
	struct hugeodp_abi_request good = { .page_sizes = SZ_2M };
	struct hugeodp_abi_state state;
	struct ibv_cq *cq = ibv_create_cq(rig->ctx, 1, NULL, NULL, 0);

	if (!cq)
		fatal("ibv_create_cq: %s", strerror(errno));
	ok(cq->handle != odp->mr->handle, "CQ and MR have different handles");
	is_errno(modify(rig, cq->handle, &good, sizeof(good)), EINVAL, "MODIFY_ODP: a CQ's handle");
	is_errno(query(rig, cq->handle, &state, sizeof(state)), EINVAL, "QUERY_MR: a CQ's handle");
	ibv_destroy_cq(cq);
}

static void queries(struct rig *rig, struct buf *odp, struct buf *pinned)
{
	struct {
		struct hugeodp_abi_state now;
		uint64_t later;
	} tail;
	struct hugeodp_abi_state state;
	uint32_t handle = odp->mr->handle;
	struct raw raw;
	int err;

	is_errno(query(rig, handle, &state, sizeof(state)), 0, "QUERY_MR");
	is_errno(query(rig, handle, &state, 56), 0, "QUERY_MR: the first layout");
	err = query(rig, handle, &state, 48);
	ok(err == ENOSPC || err == EINVAL, "QUERY_MR: buffer too small (%s)", strerror(err));
	memset(&tail, 0xff, sizeof(tail));
	is_errno(query(rig, handle, &tail, sizeof(tail)), 0, "QUERY_MR: larger buffer");
	is_u64(tail.later, 0, "QUERY_MR: the rest of a larger buffer is zero");
	ok(!memcmp(&tail.now, &state, sizeof(state)), "QUERY_MR: the same answer");
	is_errno(query(rig, pinned->mr->handle, &state, sizeof(state)), EINVAL,
		 "QUERY_MR: state of a pinned MR");
	is_errno(query(rig, 0xfffff, &state, sizeof(state)), ENOENT, "QUERY_MR: no such handle");
	is_errno(query(rig, handle, (void *)8, sizeof(state)), EFAULT,
		 "QUERY_MR: unwritable state");
	if (!raw_side()->in_core)
		return;
	raw = query_command(pinned->mr->handle, &state, sizeof(state));
	raw.num--;
	is_errno(raw_ioctl(rig->ctx, &raw), 0, "QUERY_MR of a pinned MR without the state");
}

static void device_query(struct rig *rig)
{
	struct {
		uint64_t page_sizes;
		uint32_t flags, reserved;
		uint64_t later;
	} caps;
	struct raw raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);
	int err;

	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "QUERY_ODP_PAGES: no output buffer");
	memset(&caps, 0xff, sizeof(caps));
	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
	is_errno(raw_ioctl(rig->ctx, &raw), 0, "QUERY_ODP_PAGES: larger buffer");
	ok(caps.page_sizes & SZ_2M && !caps.reserved && !caps.later,
	   "QUERY_ODP_PAGES: 2M is supported, the rest is zero");
	raw.attr[0].len = 8;
	err = raw_ioctl(rig->ctx, &raw);
	ok(err == ENOSPC || err == EINVAL, "QUERY_ODP_PAGES: buffer too small (%s)", strerror(err));
	raw.attr[0].len = 16;
	raw.driver_id = 0;
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "QUERY_ODP_PAGES: wrong driver_id");
}

/* The page shift that QUERY_ODP_PAGES returns for a range, or a negative errno value. */
static int range_shift(struct rig *rig, const void *range, uint16_t len)
{
	struct hugeodp_abi_page_caps caps;
	struct raw raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);
	uint32_t shift = 99;
	int err;

	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
	raw_in(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE, range, len);
	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, &shift, sizeof(shift));
	err = raw_ioctl(rig->ctx, &raw);
	return err ? -err : (int)shift;
}

static void range_query(struct rig *rig, const struct buf *huge, const struct buf *base)
{
	struct {
		struct hugeodp_abi_range range;
		uint64_t later;
	} longer = { 0 };
	struct hugeodp_abi_range range = {
		.addr = (uintptr_t)huge->mem.addr,
		.length = huge->mem.len,
		.page_sizes = SZ_2M | SZ_4K,
	};
	struct hugeodp_abi_page_caps caps;
	struct raw raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);

	is_errno(range_shift(rig, &range, sizeof(range)), 21, "QUERY_ODP_PAGES: hugetlb memory");
	longer.range = range;
	is_errno(range_shift(rig, &longer, sizeof(longer)), 21, "QUERY_ODP_PAGES: longer range");
	longer.later = 1;
	is_errno(range_shift(rig, &longer, sizeof(longer)), -EOPNOTSUPP,
		 "QUERY_ODP_PAGES: longer range, more than zeroes");
	is_errno(range_shift(rig, &range, 16), -EINVAL, "QUERY_ODP_PAGES: short range");
	range.page_sizes = SZ_4K;
	is_errno(range_shift(rig, &range, sizeof(range)), 12, "QUERY_ODP_PAGES: small pages only");
	range.page_sizes = 1;
	is_errno(range_shift(rig, &range, sizeof(range)), -EOPNOTSUPP,
		 "QUERY_ODP_PAGES: only unsupported sizes");
	range.page_sizes = SZ_2M;
	range.length = 0;
	is_errno(range_shift(rig, &range, sizeof(range)), -EINVAL, "QUERY_ODP_PAGES: nothing");
	range.length = UINT64_MAX;
	is_errno(range_shift(rig, &range, sizeof(range)), -EINVAL, "QUERY_ODP_PAGES: wraps around");
	range.addr = 0x1000;
	range.length = UINT64_MAX - 0x1000;
	is_errno(range_shift(rig, &range, sizeof(range)), -ERANGE, "QUERY_ODP_PAGES: everything");
	range.addr = (uintptr_t)base->mem.addr;
	range.length = base->mem.len;
	is_errno(range_shift(rig, &range, sizeof(range)), -ERANGE, "QUERY_ODP_PAGES: base pages");
	range.page_sizes = 0;
	is_errno(range_shift(rig, &range, sizeof(range)), 12, "QUERY_ODP_PAGES: any size");

	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
	raw_in(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE, &range, sizeof(range));
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "QUERY_ODP_PAGES: a range without output");
	raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);
	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, &caps, sizeof(caps));
	raw_out(&raw, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, &range, 4);
	is_errno(raw_ioctl(rig->ctx, &raw), EINVAL, "QUERY_ODP_PAGES: an output without range");
}

/* A device has the numbers of one form only. */
static void other_form(struct rig *rig)
{
	const bool core = raw_side()->in_core;
	struct raw modify = raw_command(UVERBS_OBJECT_MR, core ? HUGEODP_DRIVER_METHOD_MR_MODIFY_ODP
							       : HUGEODP_CORE_METHOD_MR_MODIFY_ODP);
	struct raw watching =
		raw_command(UVERBS_OBJECT_MR, core ? HUGEODP_DRIVER_METHOD_MR_WATCH_ODP
						   : HUGEODP_CORE_METHOD_MR_WATCH_ODP);
	struct raw pages =
		raw_command(UVERBS_OBJECT_DEVICE, core ? HUGEODP_DRIVER_METHOD_QUERY_ODP_PAGES
						       : HUGEODP_CORE_METHOD_QUERY_ODP_PAGES);

	is_errno(raw_ioctl(rig->ctx, &modify), EPROTONOSUPPORT, "MODIFY_ODP of the other form");
	is_errno(raw_ioctl(rig->ctx, &watching), EPROTONOSUPPORT, "WATCH_ODP of the other form");
	is_errno(raw_ioctl(rig->ctx, &pages), EPROTONOSUPPORT, "QUERY_ODP_PAGES of the other form");
}

int main(void)
{
	struct buf buf, base, odp, pinned;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	buf_open(&buf, &rig, MEM_HUGETLB, LEN);
	buf_open(&base, &rig, MEM_BASE, LEN);
	buf_make(&odp, &rig, MEM_HUGETLB, LEN, &mode_odp);
	buf_make(&pinned, &rig, MEM_BASE, LEN, &mode_pinned);
	register_with_request(&rig, &buf);
	register_pinned(&rig, &buf);
	bad_registrations(&rig, &buf, &base);
	unknown_attributes(&rig, &buf);
	bad_modifies(&rig, &odp, &pinned);
	bad_watches(&rig, &odp, &pinned);
	other_object(&rig, &odp);
	queries(&rig, &odp, &pinned);
	device_query(&rig);
	range_query(&rig, &odp, &base);
	other_form(&rig);
	buf_close(&buf);
	buf_close(&base);
	buf_close(&odp);
	buf_close(&pinned);
	rig_close(&rig);
	return tap_done();
}
