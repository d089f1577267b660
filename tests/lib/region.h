/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Registered memory, with a copy of its expected content. */
#ifndef LAB_REGION_H
#define LAB_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/hugeodp.h>

#include "memory.h"
#include "rig.h"

#define ACCESS_ALL \
	(IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | \
	 IBV_ACCESS_REMOTE_ATOMIC)

/* A way to register memory. */
struct mode {
	const char *name;
	int access;   /* in addition to the usual flags */
	bool request; /* with the page sizes and flags below */
	uint64_t page_sizes;
	uint32_t flags;
};

extern const struct mode mode_pinned;
extern const struct mode mode_odp;	    /* plain ODP */
extern const struct mode mode_hugetlb_flag; /* IBV_ACCESS_HUGETLB */
extern const struct mode mode_strict_2m;
extern const struct mode mode_strict_64k;
extern const struct mode mode_strict_4k;
extern const struct mode mode_2m_4k;
extern const struct mode mode_any;
extern const struct mode mode_mixed_2m_4k; /* each block by itself */
extern const struct mode mode_mixed_any;

bool mode_needs_series(const struct mode *mode);

/* The MR, or NULL with errno. */
struct ibv_mr *mode_reg(const struct mode *mode, struct ibv_pd *pd, void *addr, size_t len,
			uint64_t iova, int access);

/*
 * Offsets ("at") count from the start of the mapping. The MR covers
 * [mr_at, mr_at + mr_len); the rest of the mapping detects writes outside of
 * the MR.
 */
struct buf {
	struct rig *rig;
	struct mem mem;
	uint8_t *shadow; /* expected content of the mapping */
	size_t mr_at;
	size_t mr_len;
	uint64_t iova; /* of the MR's first byte */
	struct ibv_mr *mr;
	uint64_t gen; /* of the last buf_fill() */
};

void buf_open(struct buf *buf, struct rig *rig, enum mem_kind kind, size_t map_len);

/* MR of [@at, @at + @len) with the iova equal to the address; 0 or an errno value. */
int buf_reg(struct buf *buf, const struct mode *mode, size_t at, size_t len);
int buf_reg_iova(struct buf *buf, const struct mode *mode, size_t at, size_t len, uint64_t iova,
		 int access);

/* A request for a pinned MR of what mr_at, mr_len and iova say, for hugeodp_reg_mr(). */
struct ibv_mr_init_attr_pages buf_pinned_request(const struct buf *buf, uint64_t page_sizes);

/* buf_open() and buf_reg() of the whole mapping, which must succeed. */
void buf_make(struct buf *buf, struct rig *rig, enum mem_kind kind, size_t len,
	      const struct mode *mode);

void buf_dereg(struct buf *buf);
void buf_close(struct buf *buf);

/* The CPU writes bytes of a new generation. */
void buf_fill(struct buf *buf, size_t at, size_t len);

/* Drops the pages; zeroes are expected from then on. */
void buf_drop(struct buf *buf, size_t at, size_t len);

/* Takes the memory's content as expected: after a transfer that failed half way. */
void buf_adopt(struct buf *buf, size_t at, size_t len);

/*
 * Compares a range with its expected content. Prints the first wrong byte, its
 * offset in the 4 KiB page, in the 2 MiB block and from @origin on (-1: none).
 */
bool buf_check(const struct buf *buf, size_t at, size_t len, ssize_t origin);
bool buf_check_all(const struct buf *buf);

/* The address in work requests for @at. */
uint64_t buf_iova(const struct buf *buf, size_t at);

/* The state of an MR's page table; ends the test if the query fails. */
struct ibv_mr_odp_attr mr_state(struct ibv_mr *mr);
/* What the device translates an MR of any kind with; ends the test if the query fails. */
struct ibv_mr_pages mr_pages(struct ibv_mr *mr);
struct ibv_mr_odp_attr buf_state(const struct buf *buf);

#endif
