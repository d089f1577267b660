// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * One call: a valid one with random values, then perhaps broken in one or more ways. Many calls
 * with a single error must fail.
 */
#include <errno.h>
#include <string.h>

#include <rdma/ib_user_hugeodp.h>
#include <rdma/ib_user_ioctl_verbs.h>

#include "fuzz.h"
#include "tap.h"

#define GUARD 64
#define GUARD_BYTE 0xa5
#define OUT_LEN 1024
#define NO_HANDLE 0xffffffffU
/* The end of user space with four and with five levels of page tables */
#define USER_END ((1ULL << 47) - SZ_4K)
#define LARGEST_USER_END (1ULL << 56)

const char *const method_names[METHODS] = {
	[REG_MR] = "REG_MR",
	[QUERY_MR] = "QUERY_MR",
	[MODIFY_ODP] = "MR_MODIFY_ODP",
	[WATCH_ODP] = "MR_WATCH_ODP",
	[QUERY_ODP_PAGES] = "QUERY_ODP_PAGES",
	[DESTROY_MR] = "MR_DESTROY",
};

enum verdict {
	MAY_FAIL,
	MUST_FAIL,
	MUST_WORK,
};

struct call {
	struct caller *caller;
	struct rng *rng;
	struct target *target;
	enum method method;
	struct raw raw;
	enum verdict verdict;
	atomic_uint *slot; /* where the handle came from */
	size_t used;	   /* of the arena */
	uint16_t min_len[RAW_ATTRS];
	uint8_t *out[RAW_ATTRS]; /* output buffers */
	unsigned int outs;
};

/* Memory that the kernel reads or writes, with a guard on either side. */
static uint8_t *room(struct call *c)
{
	uint8_t *at = c->caller->arena.start + GUARD + c->used;

	c->used += OUT_LEN + GUARD * 2;
	return at;
}

static void add_in(struct call *c, uint16_t id, const void *data, size_t len)
{
	uint8_t *at = room(c);

	memcpy(at, data, len);
	c->min_len[c->raw.num] = (uint16_t)len;
	raw_in(&c->raw, id, at, len);
}

static void add_out(struct call *c, uint16_t id, size_t len)
{
	uint8_t *at = room(c);

	c->min_len[c->raw.num] = (uint16_t)len;
	memset(at - GUARD, GUARD_BYTE, GUARD + OUT_LEN + GUARD);
	c->out[c->outs++] = at;
	raw_out(&c->raw, id, at, len);
}

static uint64_t pick(struct rng *rng, const uint64_t *from, size_t count)
{
	return from[rng_below(rng, count)];
}

#define PICK(rng, array) pick(rng, array, sizeof(array) / sizeof(*(array)))

static uint64_t random_sizes(struct rng *rng)
{
	static const uint64_t sizes[] = {
		0,
		SZ_4K,
		SZ_2M,
		SZ_2M | SZ_4K,
		SZ_64K,
		SZ_64K | SZ_4K,
		SZ_1G | SZ_2M | SZ_4K,
		SZ_2M | SZ_64K | SZ_4K,
		SZ_1G,
		1 << 11,
		1ULL << 63,
	};

	if (rng_below(rng, 8))
		return PICK(rng, sizes);
	return rng_below(rng, 2) ? 1ULL << rng_below(rng, 64) : rng_next(rng);
}

static struct hugeodp_abi_request random_request(struct call *c, bool odp)
{
	struct hugeodp_abi_request request = { .page_sizes = random_sizes(c->rng) };

	request.flags = rng_below(c->rng, odp ? 3 : 16) ? 0 : HUGEODP_ABI_MIXED;
	/* rarely, because it takes as long as many other calls */
	if (!rng_below(c->rng, 32))
		request.flags |= HUGEODP_ABI_POPULATE;
	if (!rng_below(c->rng, 16)) {
		request.flags = (uint32_t)rng_next(c->rng);
		if (request.flags & ~(uint32_t)(HUGEODP_ABI_MIXED | HUGEODP_ABI_POPULATE))
			c->verdict = MUST_FAIL;
	}
	if (!rng_below(c->rng, 32)) {
		request.reserved = (uint32_t)rng_next(c->rng);
		if (request.reserved)
			c->verdict = MUST_FAIL;
	}
	if (!odp ? rng_below(c->rng, 2) : !rng_below(c->rng, 32)) {
		request.max_entries =
			rng_below(c->rng, 4) ? 1 + rng_below(c->rng, 1024) : rng_next(c->rng) | 1;
		if (odp)
			c->verdict = MUST_FAIL;
	}
	if (!odp && request.flags & ~(uint32_t)HUGEODP_ABI_MIXED)
		c->verdict = MUST_FAIL;
	return request;
}

static uint32_t random_access(struct rng *rng)
{
	static const uint64_t access[] = {
		IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
		IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ,
		IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC,
		IBV_ACCESS_ON_DEMAND | IBV_ACCESS_REMOTE_READ,
		IBV_ACCESS_ON_DEMAND,
		IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_HUGETLB,
		IBV_ACCESS_LOCAL_WRITE,
		0,
	};

	return rng_below(rng, 16) ? (uint32_t)PICK(rng, access) : (uint32_t)rng_next(rng);
}

/* Mostly within one area, at times across its boundaries, at times anything. */
static void random_range(struct call *c, uint64_t *addr, uint64_t *len)
{
	static const uint64_t lengths[] = {
		0, 1, 4095, SZ_4K, 4097, SZ_64K, SZ_2M - 1, SZ_2M, SZ_2M * 2, SZ_1G, SZ_1G * 4,
	};
	/* extreme lengths and addresses */
	static const uint64_t wild[] = {
		0,
		1,
		SZ_4K,
		1ULL << 31,
		1ULL << 32,
		1ULL << 43,
		1ULL << 46,
		1ULL << 47,
		(1ULL << 47) - SZ_2M,
		USER_END - SZ_4K,
		USER_END - 1,
		USER_END,
		USER_END + 1,
		1ULL << 62,
		1ULL << 63,
		~0ULL,
		0xffff888000000000ULL, /* all of the memory, as the kernel sees it */
		0xffffffff81000000ULL, /* the kernel itself */
		0xffffffffff600000ULL,
		~0ULL - SZ_2M,
		~0ULL - SZ_4K + 1,
		SZ_1G * 64,
	};
	const struct mem *mem = &c->caller->process->area[rng_below(c->rng, AREAS)];
	static const uint64_t steps[] = { 1, 8, SZ_4K, SZ_64K, SZ_2M, SZ_2M };
	uint64_t step = PICK(c->rng, steps);
	uint64_t span = mem->len < SZ_2M * 4 ? mem->len : SZ_2M * 4;

	if (step > span)
		step = SZ_4K;
	*addr = (uintptr_t)mem->addr + rng_below(c->rng, span / step) * step;
	*len = span - (*addr - (uintptr_t)mem->addr);
	if (rng_below(c->rng, 2))
		*len = rng_size(c->rng, *len);
	/* mlx5 maps all present pages at once: many calls take as long as one of a few MiB */
	if (!c->caller->process->rig.is_rxe && *len > SZ_64K * 2 && rng_below(c->rng, 8))
		*len = SZ_64K * 2 - rng_below(c->rng, SZ_64K);
	if (!rng_below(c->rng, 16))
		*len = PICK(c->rng, lengths);
	if (!rng_below(c->rng, 64))
		*len = PICK(c->rng, wild);
	if (!rng_below(c->rng, 64))
		*addr = PICK(c->rng, wild);
	/* mlx5 writes a table entry for each page: minutes for the most that it accepts */
	if (!c->caller->process->rig.is_rxe && *len > SZ_1G * 4 && *len < 1ULL << 46)
		*len = SZ_1G * 4;
}

/* The range is outside of user space on every machine. An implicit MR has no range. */
static bool is_foreign(uint64_t addr, uint64_t len)
{
	return len && !(!addr && len == ~0ULL) &&
	       (addr >= LARGEST_USER_END || len > LARGEST_USER_END - addr);
}

static void make_reg(struct call *c)
{
	uint64_t addr, len, iova;
	uint32_t access = random_access(c->rng);
	bool odp, usual;

	random_range(c, &addr, &len);
	if (is_foreign(addr, len))
		c->verdict = MUST_FAIL;
	iova = rng_below(c->rng, 4) ? addr : rng_next(c->rng) & ~(SZ_2M - 1);
	if (iova != addr && rng_below(c->rng, 16))
		iova |= addr & (SZ_2M - 1);
	c->raw = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_REG_MR);
	raw_object(&c->raw, UVERBS_ATTR_REG_MR_HANDLE, NO_HANDLE);
	raw_object(&c->raw, UVERBS_ATTR_REG_MR_PD_HANDLE, c->target->pd);
	add_in(c, UVERBS_ATTR_REG_MR_IOVA, &iova, sizeof(iova));
	add_in(c, UVERBS_ATTR_REG_MR_ADDR, &addr, sizeof(addr));
	add_in(c, UVERBS_ATTR_REG_MR_LENGTH, &len, sizeof(len));
	add_in(c, UVERBS_ATTR_REG_MR_ACCESS_FLAGS, &access, sizeof(access));
	add_out(c, UVERBS_ATTR_REG_MR_RESP_LKEY, sizeof(uint32_t));
	add_out(c, UVERBS_ATTR_REG_MR_RESP_RKEY, sizeof(uint32_t));
	odp = access & IBV_ACCESS_ON_DEMAND;
	/* for other kinds of MR a request must fail, or often does: not too often */
	usual = odp && !(access & IBV_ACCESS_HUGETLB);
	if (rng_below(c->rng, 8) < (usual ? 7 : odp ? 1 : 4)) {
		struct hugeodp_abi_request request = random_request(c, odp);

		add_in(c, raw_side()->reg_mr_request, &request, sizeof(request));
		if (access & IBV_ACCESS_HUGETLB)
			c->verdict = MUST_FAIL;
	}
	if (rng_below(c->rng, 8) < (odp ? 1 : 4))
		add_out(c, raw_side()->reg_mr_entries, sizeof(uint64_t));
	if (rng_below(c->rng, 8) < (odp ? 4 : 1)) {
		add_out(c, raw_side()->reg_mr_page_shift, sizeof(uint32_t));
		if (!odp)
			c->verdict = MUST_FAIL;
	}
}

/* The handle of an MR, or now and then of another object or of none. */
static uint32_t random_handle(struct call *c)
{
	uint32_t handle;

	c->slot = NULL;
	switch (rng_below(c->rng, 32)) {
	case 0:
		return c->target->pd;
	case 1:
		return c->caller->process->cq;
	case 2:
		return (uint32_t)rng_next(c->rng);
	case 3:
		return (uint32_t)rng_below(c->rng, 64);
	case 4:
		/* a number from the other context */
		handle = atomic_load(&c->caller->process->field->common_mrs[0]);
		return handle - 1;
	}
	for (int tries = 0; tries < 4; tries++) {
		c->slot = &c->target->mrs[rng_below(c->rng, SLOTS)];
		if (atomic_load(c->slot))
			break;
	}
	return atomic_load(c->slot) - 1;
}

static void make_query(struct call *c)
{
	c->raw = raw_command(UVERBS_OBJECT_MR, raw_side()->query_mr);
	raw_object(&c->raw, raw_side()->query_mr_handle, random_handle(c));
	if (raw_side()->in_core) {
		add_out(c, UVERBS_ATTR_QUERY_MR_RESP_LKEY, sizeof(uint32_t));
		add_out(c, UVERBS_ATTR_QUERY_MR_RESP_RKEY, sizeof(uint32_t));
		add_out(c, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, sizeof(uint64_t));
	}
	add_out(c, raw_side()->query_mr_state,
		rng_below(c->rng, 4) ? sizeof(struct hugeodp_abi_state)
				     : rng_below(c->rng, OUT_LEN));
	if (rng_below(c->rng, 2))
		add_out(c, raw_side()->query_mr_blocks, sizeof(struct hugeodp_abi_blocks));
	if (rng_below(c->rng, 2))
		add_out(c, raw_side()->query_mr_pages,
			rng_below(c->rng, 4) ? sizeof(struct hugeodp_abi_mr_pages)
					     : rng_below(c->rng, OUT_LEN));
}

static void make_modify(struct call *c)
{
	struct hugeodp_abi_request request = random_request(c, true);

	c->raw = raw_command(UVERBS_OBJECT_MR, raw_side()->modify_mr);
	raw_object(&c->raw, HUGEODP_ATTR_MR_MODIFY_ODP_HANDLE, random_handle(c));
	add_in(c, HUGEODP_ATTR_MR_MODIFY_ODP_REQUEST, &request, sizeof(request));
	if (rng_below(c->rng, 2))
		add_out(c, HUGEODP_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT, sizeof(uint32_t));
}

/* Usually with the eventfd of the process, or now and then with any descriptor, or none. */
static void make_watch(struct call *c)
{
	int fd = c->caller->process->event_fd;

	c->raw = raw_command(UVERBS_OBJECT_MR, raw_side()->watch_mr);
	raw_object(&c->raw, HUGEODP_ATTR_MR_WATCH_ODP_HANDLE, random_handle(c));
	if (!rng_below(c->rng, 4))
		fd = (int)rng_below(c->rng, 64);
	if (!rng_below(c->rng, 16))
		fd = (int)rng_next(c->rng);
	if (rng_below(c->rng, 4))
		raw_fd(&c->raw, HUGEODP_ATTR_MR_WATCH_ODP_EVENT_FD, fd);
	if (fd < 0 && c->raw.num > 1)
		c->verdict = MUST_FAIL;
}

/* Queries what memory could have; usually with both attributes. */
static void add_range(struct call *c)
{
	struct hugeodp_abi_range range = { .page_sizes = random_sizes(c->rng) };
	uint64_t addr, len;
	bool asks = rng_below(c->rng, 32), takes = rng_below(c->rng, 32);

	random_range(c, &addr, &len);
	range.addr = addr;
	range.length = len;
	if (asks)
		add_in(c, HUGEODP_ATTR_QUERY_ODP_PAGES_RANGE, &range, sizeof(range));
	if (takes)
		add_out(c, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, sizeof(uint32_t));
	if (asks != takes || (asks && (!len || addr + len < addr)))
		c->verdict = MUST_FAIL;
	else if (asks)
		c->verdict = MAY_FAIL;
}

static void make_caps(struct call *c)
{
	c->raw = raw_command(UVERBS_OBJECT_DEVICE, raw_side()->query_pages);
	add_out(c, HUGEODP_ATTR_QUERY_ODP_PAGES_RESP_CAPS, sizeof(struct hugeodp_abi_page_caps));
	c->verdict = MUST_WORK;
	if (rng_below(c->rng, 2))
		add_range(c);
}

static void make_destroy(struct call *c)
{
	c->raw = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY);
	raw_object(&c->raw, UVERBS_ATTR_DESTROY_MR_HANDLE, random_handle(c));
}

static void wrong_pointer(struct call *c, struct ib_uverbs_attr *attr)
{
	const uint64_t pointers[] = {
		0,
		8,
		0xffff888000000000ULL,
		0x0000800000000000ULL,
		~0ULL,
		(uintptr_t)c->caller->arena.last,
		(uintptr_t)c->caller->arena.read_only,
		(uintptr_t)(c->caller->arena.last + 8),
		(uintptr_t)c->caller->process->area[AREA_BASE].addr,
	};

	attr->data = PICK(c->rng, pointers);
}

/* QUERY_MR's state and pages may have any length from the beginning. */
static bool has_random_length(const struct call *c, const struct ib_uverbs_attr *attr)
{
	return c->method == QUERY_MR && (attr->attr_id == raw_side()->query_mr_state ||
					 attr->attr_id == raw_side()->query_mr_pages);
}

static void wrong_length(struct call *c, unsigned int i, bool alone)
{
	static const uint64_t lengths[] = {
		0, 1, 4, 7, 8, 9, 12, 15, 16, 17, 24, 32, 55, 56, 57, 64, 128, 4096, 65535,
	};
	struct ib_uverbs_attr *attr = &c->raw.attr[i];

	attr->len = (uint16_t)PICK(c->rng, lengths);
	/* too short for its content */
	if (alone && c->min_len[i] && attr->len < c->min_len[i] && !has_random_length(c, attr))
		c->verdict = MUST_FAIL;
}

/* The number of a method or an attribute; with the modules, also one for drivers. */
static uint16_t wrong_number(struct call *c, uint64_t below)
{
	uint16_t number = (uint16_t)rng_below(c->rng, below);

	if (!raw_side()->in_core && rng_below(c->rng, 2))
		number |= 1 << UVERBS_ID_NS_SHIFT;
	return number;
}

static void wrong_header(struct call *c, bool alone)
{
	switch (rng_below(c->rng, 8)) {
	case 0:
		c->raw.method = wrong_number(c, 64);
		break;
	case 1:
		c->raw.object = (uint16_t)rng_below(c->rng, 32);
		break;
	case 2:
		c->raw.method = (uint16_t)rng_next(c->rng);
		break;
	case 3:
		c->raw.reserved1 = rng_next(c->rng) | 1;
		if (alone)
			c->verdict = MUST_FAIL;
		break;
	default:
		c->raw.driver_id ^= 1U << rng_below(c->rng, 32);
		if (alone)
			c->verdict = MUST_FAIL;
		break;
	}
}

/* Breaks the call in one way; @alone: it is the only one. */
static void break_it(struct call *c, bool alone)
{
	unsigned int i = (unsigned int)rng_below(c->rng, c->raw.num);
	struct ib_uverbs_attr *attr = &c->raw.attr[i];

	switch (rng_below(c->rng, 9)) {
	case 0:
		memmove(attr, attr + 1, (c->raw.num - i - 1) * sizeof(*attr));
		memmove(&c->min_len[i], &c->min_len[i + 1],
			(c->raw.num - i - 1) * sizeof(*c->min_len));
		c->raw.num--;
		break;
	case 1:
		if (c->raw.num == RAW_ATTRS)
			break;
		c->min_len[c->raw.num] = c->min_len[i];
		c->raw.attr[c->raw.num++] = *attr;
		if (alone)
			c->verdict = MUST_FAIL;
		break;
	case 2:
	case 3:
		wrong_length(c, i, alone);
		break;
	case 4:
		wrong_pointer(c, attr);
		break;
	case 5:
		attr->attr_id = wrong_number(c, 34);
		if (!rng_below(c->rng, 4))
			attr->attr_id = (uint16_t)rng_next(c->rng);
		break;
	case 6:
		attr->flags = (uint16_t)rng_below(c->rng, 4);
		break;
	case 7:
		attr->attr_data.reserved = (uint16_t)(rng_next(c->rng) | 1);
		break;
	case 8:
		wrong_header(c, alone);
		break;
	}
}

/* True if the kernel wrote only into the attributes' buffers. */
static bool guards_intact(const struct call *c, const struct ib_uverbs_attr *given)
{
	for (unsigned int o = 0; o < c->outs; o++) {
		const uint8_t *room = c->out[o];
		size_t len = 0;

		for (unsigned int i = 0; i < c->raw.num; i++) {
			/* the attribute's length includes the guards */
			if (given[i].len > OUT_LEN)
				return true;
			if (given[i].data == (uintptr_t)room && given[i].len > len)
				len = given[i].len;
		}
		for (unsigned int k = 0; k < GUARD; k++)
			if (room[-1 - (int)k] != GUARD_BYTE || room[len + k] != GUARD_BYTE)
				return false;
	}
	return true;
}

static void destroy(struct call *c, uint32_t handle)
{
	struct raw raw = raw_command(UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY);

	raw_object(&raw, UVERBS_ATTR_DESTROY_MR_HANDLE, handle);
	raw_ioctl(c->target->ctx, &raw);
}

/* A new MR replaces another one. */
static void keep(struct call *c, int err)
{
	uint32_t handle = NO_HANDLE, old;
	atomic_uint *slot = &c->target->mrs[rng_below(c->rng, SLOTS)];

	for (unsigned int i = 0; i < c->raw.num; i++)
		if (c->raw.attr[i].attr_id == UVERBS_ATTR_REG_MR_HANDLE)
			handle = (uint32_t)c->raw.attr[i].data;
	if (handle == NO_HANDLE)
		return;
	/* an output that cannot be written is an error, but the MR may exist */
	if (err) {
		destroy(c, handle);
		return;
	}
	old = atomic_exchange(slot, handle + 1);
	if (old)
		destroy(c, old - 1);
}

static void report(const struct call *c, int err, unsigned int broken, const char *what)
{
	diag("%s, broken in %u ways, %s: %s", method_names[c->method], broken, what,
	     err ? strerror(err) : "success");
	for (unsigned int i = 0; i < c->raw.num; i++)
		diag("  attribute %u, length %u, flags %#x, reserved %#x, data %#llx",
		     c->raw.attr[i].attr_id, c->raw.attr[i].len, c->raw.attr[i].flags,
		     c->raw.attr[i].attr_data.reserved, (unsigned long long)c->raw.attr[i].data);
	diag("  object %u, method %u, driver %u, reserved %#llx", c->raw.object, c->raw.method,
	     c->raw.driver_id, (unsigned long long)c->raw.reserved1);
	atomic_fetch_add(&c->caller->process->field->wrong, 1);
}

void one_call(struct caller *caller)
{
	static void (*const make[METHODS])(struct call * c) = {
		[REG_MR] = make_reg,	       [QUERY_MR] = make_query,
		[MODIFY_ODP] = make_modify,    [WATCH_ODP] = make_watch,
		[QUERY_ODP_PAGES] = make_caps, [DESTROY_MR] = make_destroy,
	};
	/* more MRs are made than destroyed by a call: a new one replaces an old one */
	static const enum method often[] = {
		REG_MR,	    REG_MR,	REG_MR,	   QUERY_MR,	    QUERY_MR,
		MODIFY_ODP, MODIFY_ODP, WATCH_ODP, QUERY_ODP_PAGES, DESTROY_MR,
	};
	struct process *p = caller->process;
	struct ib_uverbs_attr given[RAW_ATTRS];
	struct call c = { .caller = caller, .rng = &caller->rng };
	unsigned int broken = 0;
	int err;

	c.target = rng_below(c.rng, 3) ? &p->own : &p->common;
	c.method = often[rng_below(c.rng, sizeof(often) / sizeof(*often))];
	make[c.method](&c);
	if (rng_below(c.rng, 2)) {
		broken = 1 + (unsigned int)(rng_below(c.rng, 4) ? 0 : rng_below(c.rng, 4));
		/* breaking the call may have removed the wrong value */
		c.verdict = MAY_FAIL;
		for (unsigned int i = 0; i < broken && c.raw.num; i++)
			break_it(&c, broken == 1);
	}
	memcpy(given, c.raw.attr, sizeof(given));
	err = raw_ioctl(c.target->ctx, &c.raw);
	if (broken && c.verdict == MUST_FAIL && !err)
		report(&c, err, broken, "must fail");
	if (!broken && c.verdict == MUST_FAIL && !err)
		report(&c, err, broken, "must fail by its values");
	if (c.verdict == MUST_WORK && err)
		report(&c, err, broken, "must work");
	if (!guards_intact(&c, given))
		report(&c, err, broken, "wrote outside of its output buffers");
	if (c.method == REG_MR)
		keep(&c, err);
	else if (c.method == DESTROY_MR && !err && c.slot)
		atomic_store(c.slot, 0);
	atomic_fetch_add(&p->field->results[c.method][err < MAX_ERRNO ? err : MAX_ERRNO - 1], 1);
	atomic_fetch_add(&p->field->progress[p->number][caller->number], 1);
	atomic_fetch_add(&p->calls, 1);
}
