// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A sandbox that shows the files of the kernel, but passes on only the ioctls of stock kernels: the
 * library answers as on such a kernel, and data arrives.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "raw.h"
#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 2)

static const struct kernel_side *side;
static int refuse_with;
static atomic_uint refused, passed;

static bool has_attr(const struct ib_uverbs_ioctl_hdr *hdr, uint16_t id)
{
	for (unsigned int i = 0; i < hdr->num_attrs; i++)
		if (hdr->attrs[i].attr_id == id)
			return true;
	return false;
}

static bool is_ours(const struct ib_uverbs_ioctl_hdr *hdr)
{
	switch (hdr->object_id) {
	case UVERBS_OBJECT_DEVICE:
		return hdr->method_id == side->query_pages;
	case UVERBS_OBJECT_MR:
		if (hdr->method_id == side->modify_mr || hdr->method_id == side->watch_mr)
			return true;
		if (hdr->method_id == side->query_mr)
			return !side->in_core || has_attr(hdr, side->query_mr_state) ||
			       has_attr(hdr, side->query_mr_pages);
		return has_attr(hdr, side->reg_mr_request);
	default:
		return false;
	}
}

/* In the place of the C library's, for all libraries of the program. */
__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == RDMA_VERBS_IOCTL && refuse_with && is_ours(arg)) {
		refused++;
		errno = refuse_with;
		return -1;
	}
	passed++;
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

static void device(struct rig *rig)
{
	struct ibv_device_odp_attr attr;

	is_errno(ibv_query_device_odp(rig->ctx, &attr, sizeof(attr)), 0, "query the device");
	is_u64(attr.source, IBV_ODP_SOURCE_LIBRARY, "the library answers");
	ok(attr.page_sizes & SZ_4K, "base pages");
	is_u64(attr.flags, 0, "no flags");
}

static void mrs(struct scene *s)
{
	struct ibv_mr_odp_attr attr;
	struct ibv_mr_pages pages;
	struct ibv_mr *mr = s->far.mr;

	is_errno(ibv_query_mr_odp(mr, &attr, sizeof(attr)), 0, "query an MR of the library");
	is_u64(attr.source, IBV_ODP_SOURCE_LIBRARY, "the library answers");
	is_u64(attr.page_shift, 12, "base pages");
	is_errno(ibv_modify_mr_odp(mr, SZ_2M | SZ_4K, 0), EOPNOTSUPP, "modify");
	is_errno(hugeodp_watch_mr(mr, -1), EOPNOTSUPP, "watch");
	is_errno(ibv_query_mr_odp(s->near.mr, &attr, sizeof(attr)), EOPNOTSUPP,
		 "query an MR without a request");
	is_errno(ibv_query_mr_pages(s->near.mr, &pages, sizeof(pages)), 0, "query its pages");
	is_u64(pages.source, IBV_ODP_SOURCE_ESTIMATE, "an estimate");
	scene_write_pieces(s, "in the sandbox");
	scene_read_pieces(s, "in the sandbox");
	scene_intact(s, "in the sandbox");
}

/* The answers do not depend on the first call in a new context. */
static void first_a_query(struct ibv_device *ibdev, const struct mem *mem)
{
	struct ibv_context *ctx = ibv_open_device(ibdev);
	struct ibv_pd *pd = ctx ? ibv_alloc_pd(ctx) : NULL;
	struct ibv_mr_odp_attr attr;
	struct ibv_mr_pages pages;
	struct ibv_mr *mr;

	if (!pd)
		fatal("open the device: %s", strerror(errno));
	mr = ibv_reg_mr(pd, mem->addr, mem->len, IBV_ACCESS_LOCAL_WRITE);
	if (!mr)
		fatal("register: %s", strerror(errno));
	is_errno(ibv_query_mr_pages(mr, &pages, sizeof(pages)), 0, "query first");
	is_u64(pages.source, IBV_ODP_SOURCE_ESTIMATE, "an estimate");
	is_errno(ibv_query_mr_odp(mr, &attr, sizeof(attr)), EOPNOTSUPP, "query again");
	if (ibv_dereg_mr(mr) || ibv_dealloc_pd(pd) || ibv_close_device(ctx))
		fatal("close the device: %s", strerror(errno));
}

static void refuse(struct ibv_device *ibdev, const struct mem *mem, int err)
{
	unsigned int before = refused;
	struct scene s;
	struct rig rig;

	note("refused with '%s'", strerror(err));
	refuse_with = err;
	first_a_query(ibdev, mem);
	rig_open(&rig);
	device(&rig);
	scene_open(&s, &rig, &mode_2m_4k, MEM_THP, LEN);
	mrs(&s);
	scene_close(&s);
	rig_close(&rig);
	refuse_with = 0;
	ok(refused > before, "%u ioctls were refused", refused - before);
}

int main(void)
{
	static const int errors[] = { EINVAL, ENOTTY, ENOSYS, EPERM, EACCES, EOPNOTSUPP };
	const size_t n = sizeof(errors) / sizeof(*errors);
	struct ibv_context *other[sizeof(errors) / sizeof(*errors)];
	struct scene s;
	struct mem mem;
	struct rig rig;

	rig_open(&rig);
	need_series(&rig);
	side = raw_side();
	mem_map(&mem, MEM_BASE, LEN);
	memset(mem.addr, 1, LEN);
	for (size_t i = 0; i < n; i++) {
		/*
		 * so that the next contexts have other descriptors, which the library has not
		 * cached
		 */
		other[i] = ibv_open_device(rig.ctx->device);
		if (!other[i])
			fatal("open the device: %s", strerror(errno));
		refuse(rig.ctx->device, &mem, errors[i]);
	}
	ok(passed > 0, "%u ioctls were passed on", passed);
	/* the same program outside of it */
	scene_open(&s, &rig, &mode_2m_4k, MEM_THP, LEN);
	scene_shift(&s, 21, "outside of the sandbox");
	scene_close(&s);
	mem_unmap(&mem);
	for (size_t i = 0; i < n; i++)
		ibv_close_device(other[i]);
	rig_close(&rig);
	return tap_done();
}
