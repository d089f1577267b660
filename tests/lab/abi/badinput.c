// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Requests that must be refused, each with the errno that the header documents. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 2)

static struct ibv_mr_init_attr_odp good_request(const struct buf *buf)
{
	return (struct ibv_mr_init_attr_odp){
		.base = {
			.length = buf->mem.len,
			.access = ACCESS_ALL | IBV_ACCESS_ON_DEMAND,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = buf->mem.addr,
		},
		.page_sizes = SZ_2M,
	};
}

/* Test point: the errno value of a registration. */
static void reg(struct rig *rig, struct ibv_mr_init_attr_odp attr, int want, const char *what)
{
	struct ibv_mr *mr;

	errno = 0;
	mr = ibv_reg_mr_ex(rig->pd, &attr.base);
	is_errno(mr ? 0 : errno, want, "%s", what);
	if (mr)
		ibv_dereg_mr(mr);
}

/* A valid request with one member changed. */
#define REG(member, value, want, what) \
	do { \
		struct ibv_mr_init_attr_odp request = good_request(buf); \
\
		request.member = (value); \
		reg(rig, request, want, what); \
	} while (0)

static void masks_and_flags(struct rig *rig, const struct buf *buf)
{
	const uint64_t known = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP;

	reg(rig, good_request(buf), 0, "the valid request that the others are made from");
	REG(base.comp_mask, known | 1ULL << 63, EINVAL, "unknown comp_mask bit 63");
	REG(base.comp_mask, known | 1ULL << 47, EINVAL, "unknown comp_mask bit 47");
	REG(base.comp_mask, IBV_REG_MR_MASK_ODP, EINVAL, "no address");
	REG(base.comp_mask, known | IBV_REG_MR_MASK_FD, EINVAL, "a file descriptor");
	REG(flags, 1 << 2, EINVAL, "unknown flag");
	REG(flags, 1U << 31, EINVAL, "unknown flag 31");
	REG(base.comp_mask, known | IBV_REG_MR_MASK_MAX_ENTRIES, 0, "max_entries 0");
	REG(reserved, 1, EINVAL, "reserved is not 0");
}

static void sizes(struct rig *rig, const struct buf *buf)
{
	struct ibv_device_odp_attr device;

	REG(page_sizes, 1 << 11, EINVAL, "2 KiB");
	REG(page_sizes, 1ULL << 40, EOPNOTSUPP, "1 TiB");
	REG(page_sizes, 1ULL << 63, EINVAL, "2^63");
	REG(page_sizes, 1, EINVAL, "one byte");
	REG(page_sizes, 1ULL << 40 | 1ULL << 34, EOPNOTSUPP, "1 TiB or 16 GiB");
	REG(page_sizes, SZ_2M | 1 << 11, EINVAL, "2 MiB or 2 KiB");
	REG(page_sizes, ~0ULL, EINVAL, "all bits");
	REG(page_sizes, (1ULL << 48) - SZ_4K, 0, "any size, bit by bit");
	REG(page_sizes, SZ_1G, ERANGE, "1 GiB");
	if (ibv_query_device_odp(rig->ctx, &device, sizeof(device)))
		fatal("ibv_query_device_odp: %s", strerror(errno));
	REG(flags, IBV_ODP_MIXED, device.flags & IBV_ODP_MIXED ? 0 : EOPNOTSUPP,
	    "mixed sizes, as the device supports them");
}

static void ranges(struct rig *rig, const struct buf *buf)
{
	REG(base.length, 0, EINVAL, "length 0");
	REG(base.length, SIZE_MAX - 4096, EINVAL, "length that wraps around");
	REG(base.length, SIZE_MAX, EINVAL, "largest length");
	REG(base.addr, NULL, EINVAL, "address NULL");
	REG(base.addr, (void *)(uintptr_t)-4096, EINVAL, "address at the end");
}

static void iovas(struct rig *rig, const struct buf *buf)
{
	struct ibv_mr_init_attr_odp request = good_request(buf);
	uint64_t addr = (uintptr_t)buf->mem.addr;

	request.base.comp_mask |= IBV_REG_MR_MASK_IOVA;
	request.base.iova = addr + 1;
	reg(rig, request, EINVAL, "iova off by one");
	request.base.iova = addr + 2048;
	reg(rig, request, EINVAL, "iova off by half a page");
	request.base.iova = addr + SZ_4K;
	reg(rig, request, ERANGE, "iova off by a page, 2 MiB wanted");
	request.base.iova = addr + SZ_1M;
	reg(rig, request, ERANGE, "iova off by 1 MiB, 2 MiB wanted");
	request.base.iova = addr + SZ_2M;
	reg(rig, request, 0, "iova off by 2 MiB, 2 MiB wanted");
	request.base.iova = (uint64_t)-SZ_2M;
	reg(rig, request, EINVAL, "iova range that wraps around");
}

static void access_flags(struct rig *rig, const struct buf *buf)
{
	const int odp = IBV_ACCESS_ON_DEMAND | ACCESS_ALL;
	/* of pinned MRs, which have base pages on rxe */
	const int pinned = rig->is_rxe ? ERANGE : 0;

	REG(base.access, ACCESS_ALL, pinned, "request without IBV_ACCESS_ON_DEMAND");
	REG(base.access, 0, pinned, "request without any access flag");
	REG(base.access, ACCESS_ALL | IBV_ACCESS_HUGETLB, EINVAL,
	    "IBV_ACCESS_HUGETLB without IBV_ACCESS_ON_DEMAND");
	REG(base.access, odp | IBV_ACCESS_HUGETLB, EINVAL, "request with IBV_ACCESS_HUGETLB");
	/* refused by the kernel with and without a request */
	REG(base.access, IBV_ACCESS_ON_DEMAND | IBV_ACCESS_REMOTE_WRITE, EINVAL,
	    "remote write without local write");
}

int main(void)
{
	struct rig rig;
	struct buf buf;

	rig_open(&rig);
	need_series(&rig);
	buf_open(&buf, &rig, MEM_HUGETLB, LEN);
	masks_and_flags(&rig, &buf);
	sizes(&rig, &buf);
	ranges(&rig, &buf);
	iovas(&rig, &buf);
	access_flags(&rig, &buf);
	/* negotiate.c tests memory that cannot have the requested sizes */
	buf_close(&buf);
	rig_close(&rig);
	return tap_done();
}
