// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Page size requests for on-demand paging MRs, with ioctls of uverbs that
 * libibverbs does not support.
 */
/* first: libibverbs has copies of its own, with the same include guards */
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include <errno.h>
#include <infiniband/verbs.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../kselftest.h"

#define HUGE_SHIFT 21
#define HUGE (2UL << 20)
#define ATTRS 12
#define ODP (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND)

struct call {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[ATTRS];
};

static struct ibv_context *context;
static struct ibv_pd *pd;
static uint64_t page;

static struct ib_uverbs_attr *attr(struct call *call, uint16_t id, uint16_t len)
{
	struct ib_uverbs_attr *new = &call->attrs[call->hdr.num_attrs++];

	new->attr_id = id;
	new->len = len;
	new->flags = UVERBS_ATTR_F_MANDATORY;
	return new;
}

/* Input of up to 8 bytes is stored in the attribute; a handle has no length. */
static void in(struct call *call, uint16_t id, uint64_t value, uint16_t len)
{
	attr(call, id, len)->data = value;
}

static void pointer(struct call *call, uint16_t id, const void *data, uint16_t len)
{
	attr(call, id, len)->data = (uintptr_t)data;
}

/* 0 or a positive errno value */
static int submit(struct call *call, uint16_t object, uint16_t method)
{
	call->hdr.length = sizeof(call->hdr) + call->hdr.num_attrs * sizeof(call->attrs[0]);
	call->hdr.object_id = object;
	call->hdr.method_id = method;
	call->hdr.driver_id = RDMA_DRIVER_RXE;
	return ioctl(context->cmd_fd, RDMA_VERBS_IOCTL, call) ? errno : 0;
}

struct mr {
	uint32_t handle;
	uint32_t shift;
};

static int reg(struct mr *mr, void *mem, int access, uint64_t sizes, uint32_t flags)
{
	struct ib_uverbs_odp_request request = { .page_sizes = sizes, .flags = flags };
	struct call call = {};
	uint32_t lkey, rkey;
	int ret;

	attr(&call, UVERBS_ATTR_REG_MR_HANDLE, 0);
	in(&call, UVERBS_ATTR_REG_MR_PD_HANDLE, pd->handle, 0);
	in(&call, UVERBS_ATTR_REG_MR_IOVA, (uintptr_t)mem, 8);
	in(&call, UVERBS_ATTR_REG_MR_ADDR, (uintptr_t)mem, 8);
	in(&call, UVERBS_ATTR_REG_MR_LENGTH, HUGE, 8);
	in(&call, UVERBS_ATTR_REG_MR_ACCESS_FLAGS, access, 4);
	pointer(&call, UVERBS_ATTR_REG_MR_RESP_LKEY, &lkey, 4);
	pointer(&call, UVERBS_ATTR_REG_MR_RESP_RKEY, &rkey, 4);
	pointer(&call, UVERBS_ATTR_REG_MR_ODP_REQUEST, &request, sizeof(request));
	if (access & IBV_ACCESS_ON_DEMAND)
		pointer(&call, UVERBS_ATTR_REG_MR_RESP_ODP_PAGE_SHIFT, &mr->shift, 4);
	ret = submit(&call, UVERBS_OBJECT_MR, UVERBS_METHOD_REG_MR);
	mr->handle = call.attrs[0].data;
	return ret;
}

static void dereg(struct mr *mr)
{
	struct call call = {};

	in(&call, UVERBS_ATTR_DESTROY_MR_HANDLE, mr->handle, 0);
	if (submit(&call, UVERBS_OBJECT_MR, UVERBS_METHOD_MR_DESTROY))
		ksft_exit_fail_perror("deregistering memory");
}

static int modify(struct mr *mr, uint64_t sizes)
{
	struct ib_uverbs_odp_request request = { .page_sizes = sizes };
	struct call call = {};

	in(&call, UVERBS_ATTR_MR_MODIFY_ODP_HANDLE, mr->handle, 0);
	pointer(&call, UVERBS_ATTR_MR_MODIFY_ODP_REQUEST, &request, sizeof(request));
	pointer(&call, UVERBS_ATTR_MR_MODIFY_ODP_RESP_PAGE_SHIFT, &mr->shift, 4);
	return submit(&call, UVERBS_OBJECT_MR, UVERBS_METHOD_MR_MODIFY_ODP);
}

static int query(struct mr *mr, struct ib_uverbs_odp_state *state)
{
	uint64_t length;
	struct call call = {};
	uint32_t lkey, rkey;

	in(&call, UVERBS_ATTR_QUERY_MR_HANDLE, mr->handle, 0);
	pointer(&call, UVERBS_ATTR_QUERY_MR_RESP_LKEY, &lkey, 4);
	pointer(&call, UVERBS_ATTR_QUERY_MR_RESP_RKEY, &rkey, 4);
	pointer(&call, UVERBS_ATTR_QUERY_MR_RESP_LENGTH, &length, 8);
	pointer(&call, UVERBS_ATTR_QUERY_MR_RESP_ODP_STATE, state, sizeof(*state));
	return submit(&call, UVERBS_OBJECT_MR, UVERBS_METHOD_QUERY_MR);
}

static int query_pages(void *mem, struct ib_uverbs_odp_page_caps *caps, uint32_t *shift)
{
	struct ib_uverbs_odp_range range = { .addr = (uintptr_t)mem, .length = HUGE };
	struct call call = {};

	pointer(&call, UVERBS_ATTR_QUERY_ODP_PAGES_RESP_CAPS, caps, sizeof(*caps));
	pointer(&call, UVERBS_ATTR_QUERY_ODP_PAGES_RANGE, &range, sizeof(range));
	pointer(&call, UVERBS_ATTR_QUERY_ODP_PAGES_RESP_PAGE_SHIFT, shift, 4);
	return submit(&call, UVERBS_OBJECT_DEVICE, UVERBS_METHOD_QUERY_ODP_PAGES);
}

static void open_device(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	for (int i = 0; list && list[i] && !context; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			context = ibv_open_device(list[i]);
	ibv_free_device_list(list);
	pd = context ? ibv_alloc_pd(context) : NULL;
	if (!pd)
		ksft_exit_fail_msg("cannot open %s\n", name);
}

/* A huge page of hugetlb, or as many small ones at an address that has the same alignment */
static void *map_pages(bool huge)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *mem;

	if (huge) {
		mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			   flags | MAP_HUGETLB | HUGE_SHIFT << MAP_HUGE_SHIFT, -1, 0);
	} else {
		mem = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
		if (mem != MAP_FAILED)
			mem = (void *)(((uintptr_t)mem + HUGE - 1) & ~(HUGE - 1));
		if (mem != MAP_FAILED)
			madvise(mem, HUGE, MADV_NOHUGEPAGE);
	}
	if (mem == MAP_FAILED)
		ksft_exit_skip("no memory with huge pages\n");
	memset(mem, 1, HUGE);
	return mem;
}

/* Register memory and compare the page shift, or the errno value. */
static void registers(const char *name, void *mem, int access, uint64_t sizes, uint32_t flags,
		      int error, uint32_t shift)
{
	struct mr mr = {};
	int ret = reg(&mr, mem, access, sizes, flags);

	if (ret != error || mr.shift != shift)
		ksft_print_msg("%s: error %d, page shift %u\n", name, ret, mr.shift);
	ksft_test_result(ret == error && mr.shift == shift, "%s\n", name);
	if (!ret)
		dereg(&mr);
}

static void check_live_mr(void *huge)
{
	struct ib_uverbs_odp_state state = {};
	struct mr mr = {};
	int ret = reg(&mr, huge, ODP, page | HUGE, 0);

	ret = ret ?: query(&mr, &state);
	ksft_test_result(!ret && state.page_sizes == (page | HUGE) &&
			 state.page_shift == HUGE_SHIFT, "a query returns what was granted\n");
	ret = ret ?: modify(&mr, page);
	ksft_test_result(!ret && 1UL << mr.shift == page, "a live MR changes to small pages\n");
	ret = ret ?: modify(&mr, page | HUGE);
	ksft_test_result(!ret && mr.shift == HUGE_SHIFT, "a live MR changes to huge pages\n");
	ret = ret ?: query(&mr, &state);
	ksft_test_result(!ret && state.renegotiations == 2 && state.renegotiations_down == 1,
			 "a query counts the changes\n");
	dereg(&mr);
}

int main(int argc, char **argv)
{
	struct ib_uverbs_odp_page_caps caps = {};
	uint32_t shift = 0, small_shift;
	void *huge, *small;

	ksft_print_header();
	if (argc != 2)
		ksft_exit_fail_msg("usage: rxe_odp_page_size DEVICE\n");
	page = sysconf(_SC_PAGESIZE);
	small_shift = __builtin_ctzll(page);
	open_device(argv[1]);
	huge = map_pages(true);
	small = map_pages(false);

	ksft_set_plan(15);
	ksft_test_result(!query_pages(huge, &caps, &shift) && shift == HUGE_SHIFT,
			 "a range of huge pages can have huge pages\n");
	ksft_test_result(!query_pages(small, &caps, &shift) && shift == small_shift,
			 "a range of small pages cannot\n");
	ksft_test_result((caps.page_sizes & (page | HUGE)) == (page | HUGE),
			 "the device has both sizes\n");
	registers("huge pages on huge pages", huge, ODP, HUGE, 0, 0, HUGE_SHIFT);
	registers("huge pages on small pages", small, ODP, HUGE, 0, ERANGE, 0);
	registers("both on huge pages", huge, ODP, page | HUGE, 0, 0, HUGE_SHIFT);
	registers("both on small pages", small, ODP, page | HUGE, 0, 0, small_shift);
	registers("any size on huge pages", huge, ODP, 0, 0, 0, HUGE_SHIFT);
	/* rxe translates pinned memory page by page */
	registers("huge pages, pinned", huge, IBV_ACCESS_LOCAL_WRITE, HUGE, 0, ERANGE, 0);
	registers("both, pinned", huge, IBV_ACCESS_LOCAL_WRITE, page | HUGE, 0, 0, 0);
	registers("a flag that does not exist", huge, ODP, HUGE, 1U << 31, EINVAL, 0);
	check_live_mr(huge);
	ksft_finished();
}
