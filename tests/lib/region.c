// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "tap.h"

const struct mode mode_pinned = { .name = "pinned" };
const struct mode mode_odp = { .name = "odp", .access = IBV_ACCESS_ON_DEMAND };
const struct mode mode_hugetlb_flag = {
	.name = "odp+hugetlb-flag",
	.access = IBV_ACCESS_ON_DEMAND | IBV_ACCESS_HUGETLB,
};
const struct mode mode_strict_2m = {
	.name = "2M",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.page_sizes = SZ_2M,
};
const struct mode mode_strict_64k = {
	.name = "64K",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.page_sizes = SZ_64K,
};
const struct mode mode_strict_4k = {
	.name = "4K",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.page_sizes = SZ_4K,
};
const struct mode mode_2m_4k = {
	.name = "2M|4K",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.page_sizes = SZ_2M | SZ_4K,
};
const struct mode mode_any = {
	.name = "any",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
};

const struct mode mode_mixed_2m_4k = {
	.name = "mixed 2M|4K",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.page_sizes = SZ_2M | SZ_4K,
	.flags = IBV_ODP_MIXED,
};
const struct mode mode_mixed_any = {
	.name = "mixed any",
	.access = IBV_ACCESS_ON_DEMAND,
	.request = true,
	.flags = IBV_ODP_MIXED,
};

bool mode_needs_series(const struct mode *mode)
{
	return mode->request || (mode->access & IBV_ACCESS_HUGETLB);
}

struct ibv_mr *mode_reg(const struct mode *mode, struct ibv_pd *pd, void *addr, size_t len,
			uint64_t iova, int access)
{
	struct ibv_mr_init_attr_odp attr = {
		.base = {
			.length = len,
			.access = access | mode->access,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_IOVA |
				     IBV_REG_MR_MASK_ODP,
			.iova = iova,
			.addr = addr,
		},
		.page_sizes = mode->page_sizes,
		.flags = mode->flags,
	};

	if (mode->request)
		return ibv_reg_mr_ex(pd, &attr.base);
	return ibv_reg_mr_iova(pd, addr, len, iova, access | mode->access);
}

void buf_open(struct buf *buf, struct rig *rig, enum mem_kind kind, size_t map_len)
{
	static uint64_t bufs;

	*buf = (struct buf){ .rig = rig, .gen = ++bufs << 32 };
	mem_map(&buf->mem, kind, map_len);
	buf->shadow = calloc(1, map_len);
	if (!buf->shadow)
		fatal("out of memory");
}

int buf_reg_iova(struct buf *buf, const struct mode *mode, size_t at, size_t len, uint64_t iova,
		 int access)
{
	buf->mr_at = at;
	buf->mr_len = len;
	buf->iova = iova;
	buf->mr = mode_reg(mode, buf->rig->pd, buf->mem.addr + at, len, iova, access);
	return buf->mr ? 0 : errno;
}

int buf_reg(struct buf *buf, const struct mode *mode, size_t at, size_t len)
{
	return buf_reg_iova(buf, mode, at, len, (uintptr_t)buf->mem.addr + at, ACCESS_ALL);
}

struct ibv_mr_init_attr_pages buf_pinned_request(const struct buf *buf, uint64_t page_sizes)
{
	return (struct ibv_mr_init_attr_pages){
		.base = {
			.length = buf->mr_len,
			.access = ACCESS_ALL,
			.comp_mask = IBV_REG_MR_MASK_IOVA,
			.addr = buf->mem.addr + buf->mr_at,
			.iova = buf->iova,
		},
		.page_sizes = page_sizes,
	};
}

void buf_make(struct buf *buf, struct rig *rig, enum mem_kind kind, size_t len,
	      const struct mode *mode)
{
	int err;

	buf_open(buf, rig, kind, len);
	err = buf_reg(buf, mode, 0, len);
	if (err)
		fatal("%s MR over %zu KiB of %s memory: %s", mode->name, len >> 10, mem_name(kind),
		      strerror(err));
}

void buf_dereg(struct buf *buf)
{
	int ret = buf->mr ? ibv_dereg_mr(buf->mr) : 0;

	if (ret)
		fatal("ibv_dereg_mr: %s", strerror(ret));
	buf->mr = NULL;
}

void buf_close(struct buf *buf)
{
	buf_dereg(buf);
	mem_unmap(&buf->mem);
	free(buf->shadow);
	buf->shadow = NULL;
}

void buf_fill(struct buf *buf, size_t at, size_t len)
{
	pattern_fill(buf->shadow + at, ++buf->gen, at, len);
	memcpy(buf->mem.addr + at, buf->shadow + at, len);
}

void buf_drop(struct buf *buf, size_t at, size_t len)
{
	mem_drop(&buf->mem, at, len);
	memset(buf->shadow + at, 0, len);
}

void buf_adopt(struct buf *buf, size_t at, size_t len)
{
	memcpy(buf->shadow + at, buf->mem.addr + at, len);
}

static void explain(const struct buf *buf, size_t first, size_t last, size_t wrong, ssize_t origin)
{
	size_t head = first & ~(size_t)7;

	diag("  %zu wrong bytes, first at %zu of the mapping (MR %+zd, page %zu + %zu, 2M block "
	     "%zu + %zu), last at %zu",
	     wrong, first, (ssize_t)(first - buf->mr_at), first / SZ_4K, first % SZ_4K,
	     first / SZ_2M, first % SZ_2M, last);
	if (origin >= 0)
		diag("  the first one is byte %zd of the message", (ssize_t)first - origin);
	diag("  there: %02x %02x %02x %02x %02x %02x %02x %02x, want %02x %02x %02x %02x %02x "
	     "%02x %02x %02x (from %zu)",
	     buf->mem.addr[head], buf->mem.addr[head + 1], buf->mem.addr[head + 2],
	     buf->mem.addr[head + 3], buf->mem.addr[head + 4], buf->mem.addr[head + 5],
	     buf->mem.addr[head + 6], buf->mem.addr[head + 7], buf->shadow[head],
	     buf->shadow[head + 1], buf->shadow[head + 2], buf->shadow[head + 3],
	     buf->shadow[head + 4], buf->shadow[head + 5], buf->shadow[head + 6],
	     buf->shadow[head + 7], head);
}

bool buf_check(const struct buf *buf, size_t at, size_t len, ssize_t origin)
{
	size_t first = 0, last = 0, wrong = 0;

	if (!memcmp(buf->mem.addr + at, buf->shadow + at, len))
		return true;
	for (size_t i = at; i < at + len; i++) {
		if (buf->mem.addr[i] == buf->shadow[i])
			continue;
		if (!wrong++)
			first = i;
		last = i;
	}
	explain(buf, first, last, wrong, origin);
	return false;
}

bool buf_check_all(const struct buf *buf)
{
	return buf_check(buf, 0, buf->mem.len, -1);
}

uint64_t buf_iova(const struct buf *buf, size_t at)
{
	return buf->iova + (at - buf->mr_at);
}

struct ibv_mr_odp_attr mr_state(struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr attr;
	int ret = ibv_query_mr_odp(mr, &attr, sizeof(attr));

	if (ret)
		fatal("ibv_query_mr_odp: %s", strerror(ret));
	return attr;
}

struct ibv_mr_pages mr_pages(struct ibv_mr *mr)
{
	struct ibv_mr_pages pages;
	int err = ibv_query_mr_pages(mr, &pages, sizeof(pages));

	if (err)
		fatal("ibv_query_mr_pages: %s", strerror(err));
	return pages;
}

struct ibv_mr_odp_attr buf_state(const struct buf *buf)
{
	return mr_state(buf->mr);
}
