// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * libhugeodp-preload.so: in all cases, the program gets the MR that it requested or
 * one with larger pages. The mode, which is read only once, is the test's argument.
 */
#include "fake.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../libibverbs/memory/thp.h"
#include "../../libibverbs/probe.h"
#include "../../preload/counts.h"
#include "../../preload/shared.h"

#undef ibv_reg_mr
#undef ibv_reg_mr_iova

#define M (1ULL << 20)
#define HUGETLB ((void *)(uintptr_t)(0x10000000000ULL + 64 * M))
#define PINNED (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)
#define ODP (PINNED | IBV_ACCESS_ON_DEMAND)

/* The functions under test; the linker uses their exported names for the fake ones. */
struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access);
struct ibv_mr *ibv_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
			       int access);
struct ibv_mr *interposed_ex(struct ibv_pd *pd,
			     struct ibv_mr_init_attr *attr) __asm__("ibv_reg_mr_ex");
struct ibv_mr *__real_ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access);
int __real_ibv_dereg_mr(struct ibv_mr *mr);
int ibv_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t length,
		 int access);

/* the next library, libibverbs */
struct ibv_mr *__wrap_ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       unsigned int access);
int __wrap_ibv_dereg_mr(struct ibv_mr *mr);

/* libibverbs before rdma-core 59 */
static bool no_reg_mr_ex;

static unsigned int reg_mr_calls, iova_calls, ex_calls, rereg_calls;

/* As in rdma-core, call through its own exported function, which is interposed. */
static struct ibv_mr *real_reg_mr(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	reg_mr_calls++;
	return __real_ibv_reg_mr_iova2(pd, addr, length, (uintptr_t)addr, (unsigned int)access);
}

static struct ibv_mr *real_reg_mr_iova(struct ibv_pd *pd, void *addr, size_t length, uint64_t iova,
				       int access)
{
	iova_calls++;
	return __real_ibv_reg_mr_iova2(pd, addr, length, iova, (unsigned int)access);
}

static struct ibv_mr *real_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	ex_calls++;
	return __wrap_ibv_reg_mr_iova2(pd, attr->addr, attr->length, attr->iova,
				       (unsigned int)attr->access);
}

static int real_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr, size_t length,
			 int access)
{
	(void)mr;
	(void)flags;
	(void)pd;
	(void)addr;
	(void)length;
	(void)access;
	rereg_calls++;
	return IBV_REREG_MR_ERR_INPUT;
}

static void *next(const char *name, const char *version)
{
	static const struct {
		const char *name, *version;
		void *function;
	} functions[] = {
		{ "ibv_reg_mr", "IBVERBS_1.1", (void *)real_reg_mr },
		{ "ibv_reg_mr_iova", "IBVERBS_1.7", (void *)real_reg_mr_iova },
		{ "ibv_reg_mr_iova2", "IBVERBS_1.8", (void *)__wrap_ibv_reg_mr_iova2 },
		{ "ibv_reg_mr_ex", "IBVERBS_1.15", (void *)real_reg_mr_ex },
		{ "ibv_rereg_mr", "IBVERBS_1.1", (void *)real_rereg_mr },
		{ "ibv_dereg_mr", "IBVERBS_1.1", (void *)__wrap_ibv_dereg_mr },
	};
	size_t i;

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (!strcmp(functions[i].name, name)) {
			assert_string_equal(version, functions[i].version);
			if (no_reg_mr_ex && functions[i].function == (void *)real_reg_mr_ex)
				return NULL;
			return functions[i].function;
		}
	}
	/* the module's own functions do without these, as with a copy that lacks them */
	return NULL;
}

static int setup(void **state)
{
	range_proc_self = RECORDED "/linux-7.3";
	thp_dir = RECORDED "/thp-always";
	fake_setup(state);
	fake.next = next;
	fake.general_odp_caps = IBV_ODP_SUPPORT;
	reg_mr_calls = iova_calls = ex_calls = rereg_calls = 0;
	return 0;
}

/* Requests that the kernel received for an MR. */
static unsigned int modifications(void)
{
	unsigned int n = 0, i;
	uint16_t id[2];

	for (i = 0; i < fake.ncalls; i++) {
		memcpy(id, fake.calls[i].bytes + 2, sizeof(id));
		n += id[0] == 7 && id[1] == fake_numbers()->modify;
	}
	return n;
}

static void upgrades(void **state)
{
	struct {
		uint64_t page_sizes;
		uint32_t flags;
		uint32_t reserved;
		uint64_t max_entries;
	} request = { FAKE_4K | FAKE_2M | FAKE_1G, 0, 0, 0 };
	unsigned int i;

	(void)state;
	errno = EDOM;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
	assert_int_equal(errno, EDOM);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(reg_mr_calls, 1);
	assert_int_equal(fake.reg_access, ODP);
	assert_int_equal(modifications(), 1);
	for (i = 0; fake.calls[i].in_len == 0; i++)
		;
	assert_memory_equal(fake.calls[i].in, &request, sizeof(request));

	assert_ptr_equal(ibv_reg_mr_iova(&fake_pd, HUGETLB, 8 * M, 0x1000, ODP), &fake_mr);
	assert_int_equal(iova_calls, 1);
	assert_int_equal(fake.reg_iova, 0x1000);
	assert_int_equal(modifications(), 2);
	assert_ptr_equal(__real_ibv_reg_mr_iova2(&fake_pd, HUGETLB, 8 * M, 0, ODP), &fake_mr);
	assert_int_equal(modifications(), 3);
	assert_int_equal(fake.nreg, 3);
	assert_int_equal(fake.ndereg, 0);
	assert_int_equal(__real_ibv_dereg_mr(&fake_mr), 0);
	assert_int_equal(fake.ndereg, 1);
}

/* Mixed if the device supports it; if that fails, without. */
static void mixed(void **state)
{
	(void)state;
	fake.caps.flags |= HUGEODP_ABI_MIXED;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
	assert_int_equal(modifications(), 1);
	fake.method_err[FAKE_MODIFY_MR] = ENOMEM;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
	assert_int_equal(modifications(), 3);
}

/* mlx5 creates mixed MRs at registration: an MR with unaligned ends is mixed at once. */
static void mixed_at_once(void **state)
{
	const struct {
		uint64_t page_sizes;
		uint32_t flags;
		uint32_t reserved;
		uint64_t max_entries;
	} request = { FAKE_4K | FAKE_2M | FAKE_1G, HUGEODP_ABI_MIXED, 0, 0 };
	char *const ragged = (char *)HUGETLB + 0x1000;
	unsigned int i;

	(void)state;
	fake.driver_id = RDMA_DRIVER_MLX5;
	fake.caps.flags |= HUGEODP_ABI_MIXED;
	fake.range_shift = 21;
	errno = EDOM;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, ragged, 8 * M, ODP), &fake_mr);
	assert_int_equal(errno, EDOM);
	assert_int_equal(fake.nimport, 1);
	assert_int_equal(fake.kernel_mrs, 1);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(modifications(), 0);
	assert_ptr_equal(fake_mr.addr, ragged);
	assert_true(fake_mr.length == 8 * M);
	/* the query of a range before it is as long */
	for (i = fake.ncalls - 1; fake.calls[i].in_len != sizeof(request); i--)
		;
	assert_memory_equal(fake.calls[i].in, &request, sizeof(request));

	/* one size is enough, it contains no huge page, the iova has another offset in its page */
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
	assert_ptr_equal(ibv_reg_mr(&fake_pd, ragged, 2 * M, ODP), &fake_mr);
	assert_ptr_equal(ibv_reg_mr_iova(&fake_pd, ragged, 8 * M, 0, ODP), &fake_mr);
	/* nor if the provider could not bind a memory window to it */
	assert_ptr_equal(ibv_reg_mr(&fake_pd, ragged, 8 * M, ODP | IBV_ACCESS_MW_BIND), &fake_mr);
	assert_int_equal(fake.nimport, 1);
	assert_int_equal(fake.nreg, 4);
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M + 0x1000, ODP), &fake_mr);
	assert_int_equal(fake.nimport, 2);
	assert_int_equal(fake.nreg, 4);
	/* nor if the memory has no huge pages */
	fake.method_err[FAKE_QUERY_PAGES] = ERANGE;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, ragged, 8 * M, ODP), &fake_mr);
	assert_int_equal(fake.nimport, 2);
	assert_int_equal(fake.nreg, 5);
}

/* After a failure, only the plain MR remains. */
static void mixed_at_once_fails(void **state)
{
	char *const ragged = (char *)HUGETLB + 0x1000;

	(void)state;
	fake.driver_id = RDMA_DRIVER_MLX5;
	fake.caps.flags |= HUGEODP_ABI_MIXED;
	fake.range_shift = 21;
	fake.import_err = ENOMEM;
	errno = EDOM;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, ragged, 8 * M, ODP), &fake_mr);
	assert_int_equal(fake.kernel_mrs, 0);
	assert_int_equal(fake.nreg, 1);
	fake.method_err[FAKE_REG_MR] = ERANGE;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, ragged, 8 * M, ODP), &fake_mr);
	assert_int_equal(errno, EDOM);
	assert_int_equal(fake.nimport, 1);
	assert_int_equal(fake.nreg, 2);
}

/* A changed MR is replaced, and its struct keeps the address that the program knows. */
static void registers_again(void **state)
{
	struct ibv_pd other_pd = fake_pd;
	struct ibv_mr *mr;
	uint32_t handle;

	(void)state;
	fake.many_mrs = true;
	mr = ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP);
	assert_non_null(mr);
	handle = mr->handle;
	errno = EDOM;
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_TRANSLATION, NULL,
				      (char *)HUGETLB + 2 * M, 4 * M, 0),
			 0);
	assert_int_equal(errno, EDOM);
	assert_int_equal(rereg_calls, 0);
	assert_int_equal(modifications(), 2);
	assert_int_equal(fake.ndereg, 1);
	assert_int_not_equal(mr->handle, handle);
	assert_ptr_equal(mr->addr, (char *)HUGETLB + 2 * M);
	assert_true(mr->length == 4 * M);
	assert_int_equal(fake.reg_access, ODP);

	/* parameters without a flag are unchanged */
	handle = mr->handle;
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD | IBV_REREG_MR_CHANGE_ACCESS,
				      &other_pd, NULL, 0,
				      IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE),
			 0);
	assert_ptr_equal(fake.reg_pd, &other_pd);
	assert_ptr_equal(fake.reg_addr, (char *)HUGETLB + 2 * M);
	assert_true(fake.reg_iova == (uintptr_t)HUGETLB + 2 * M);
	assert_int_equal(fake.reg_access, IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE);
	assert_ptr_equal(mr->pd, &other_pd);
	assert_int_not_equal(mr->handle, handle);

	/* invalid flags, and two failures: the MR is unchanged */
	handle = mr->handle;
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_TRANSLATION, NULL, NULL, 0, 0),
			 IBV_REREG_MR_ERR_INPUT);
	assert_int_equal(errno, EINVAL);
	errno = 0;
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD, &fake_pd, NULL, 0, ODP),
			 IBV_REREG_MR_ERR_INPUT);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(mr->handle, handle);
	fake.reg_err = EPERM;
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD, &fake_pd, NULL, 0, 0),
			 IBV_REREG_MR_ERR_CMD);
	assert_int_equal(errno, EPERM);
	assert_int_equal(mr->handle, handle);
	assert_ptr_equal(mr->pd, &other_pd);
	fake.reg_err = 0;

	/* to pinned memory and back, then deregistered */
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, PINNED), 0);
	assert_int_equal(fake.reg_access, PINNED);
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, ODP), 0);
	assert_int_equal(fake.reg_access, ODP);
	assert_int_equal(rereg_calls, 0);
	assert_int_equal(fake.ndereg, 4);
	assert_int_equal(__real_ibv_dereg_mr(mr), 0);
	assert_int_equal(fake.ndereg, 5);
}

/* An MR that was not changed is left to libibverbs. */
static void registers_again_alone(void **state)
{
	struct ibv_mr *mr;

	(void)state;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, PINNED), &fake_mr);
	assert_int_equal(ibv_rereg_mr(&fake_mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0, ODP),
			 IBV_REREG_MR_ERR_INPUT);
	assert_int_equal(rereg_calls, 1);
	/* nor is an MR changed on a kernel without page size requests, except for huge pages */
	fake_kernel(FAKE_STOCK);
	fake.driver_id = RDMA_DRIVER_MLX5;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
	assert_int_equal(ibv_rereg_mr(&fake_mr, IBV_REREG_MR_CHANGE_PD, &fake_pd, NULL, 0, 0),
			 IBV_REREG_MR_ERR_INPUT);
	assert_int_equal(rereg_calls, 2);
	fake.many_mrs = true;
	mr = ibv_reg_mr(&fake_pd, HUGETLB, 2 * M, ODP);
	assert_int_equal(fake.reg_access, ODP | IBV_ACCESS_HUGETLB);
	assert_int_equal(ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD, &fake_pd, NULL, 0, 0), 0);
	assert_int_equal(fake.reg_access, ODP);
	assert_int_equal(rereg_calls, 2);
	assert_int_equal(__real_ibv_dereg_mr(mr), 0);
}

static void request_fails(void **state)
{
	static const int errors[] = { ERANGE, ENOMEM, EOPNOTSUPP, EINVAL, EIO };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake.method_err[FAKE_MODIFY_MR] = errors[i];
		errno = EDOM;
		assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
		assert_int_equal(errno, EDOM);
	}
	/* the original MR, not a replacement */
	assert_int_equal(fake.nreg, i);
	assert_int_equal(fake.ndereg, 0);
}

static void registration_fails(void **state)
{
	(void)state;
	fake.reg_err = EPERM;
	assert_null(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP));
	assert_int_equal(errno, EPERM);
	assert_int_equal(modifications(), 0);
}

static void *cancelled_before(void *arg)
{
	bool *came_back = arg;

	pthread_cancel(pthread_self());
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
	assert_int_equal(__real_ibv_dereg_mr(&fake_mr), 0);
	*came_back = true;
	pthread_testcancel();
	return NULL;
}

/* A cancelled thread ends at its own cancellation point, and does not leak an MR. */
static void cancelled(void **state)
{
	bool came_back = false;
	pthread_t thread;
	void *result;

	(void)state;
	/* the device is not cached yet, and the memory has to be probed */
	fake.state.page_shift = 12;
	assert_int_equal(pthread_create(&thread, NULL, cancelled_before, &came_back), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_true(came_back);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.ndereg, 1);
}

/* Only the call itself. */
static void expect_plain(void *addr, size_t length, int access)
{
	fake.nreg = 0;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, addr, length, access), &fake_mr);
	assert_int_equal(fake.nreg, 1);
	assert_int_equal(fake.reg_access, access);
	assert_int_equal(modifications(), 0);
}

static void left_alone(void **state)
{
	(void)state;
	expect_plain(HUGETLB, 8 * M, PINNED);
	expect_plain(NULL, SIZE_MAX, ODP);
	expect_plain(HUGETLB, 8 * M, ODP | IBV_ACCESS_HUGETLB);
	assert_int_equal(fake.ncalls, 0);

	fake_kernel(FAKE_STOCK);
	fake.general_odp_caps = 0;
	expect_plain(HUGETLB, 8 * M, ODP);
}

static void other_memory(void **state)
{
	struct ibv_mr_init_attr attr = {
		.addr = HUGETLB,
		.length = 8 * M,
		.access = ODP,
		.comp_mask = IBV_REG_MR_MASK_FD | IBV_REG_MR_MASK_FD_OFFSET | IBV_REG_MR_MASK_IOVA,
	};

	(void)state;
	assert_ptr_equal(interposed_ex(&fake_pd, &attr), &fake_mr);
	assert_int_equal(fake.ncalls, 0);
	attr.comp_mask = IBV_REG_MR_MASK_ADDR;
	assert_ptr_equal(interposed_ex(&fake_pd, &attr), &fake_mr);
	assert_int_equal(ex_calls, 2);
	assert_int_equal(modifications(), 1);
}

/* A request by the bare name is passed to the next library that exports the name. */
static void request_of_its_own(void **state)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.addr = HUGETLB,
			.length = 8 * M,
			.access = ODP,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
		},
		.page_sizes = FAKE_2M,
	};

	(void)state;
	fake.has_upstream = true;
	assert_ptr_equal(interposed_ex(&fake_pd, &request.base), &fake_upstream_mr);
	assert_ptr_equal(fake.upstream_attr, &request);
	fake.has_upstream = false;
	assert_null(interposed_ex(&fake_pd, &request.base));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(fake.nupstream, 1);
	assert_int_equal(ex_calls, 0);
	assert_int_equal(fake.ncalls, 0);
}

/* The name is exported, so it must work. */
static void old_libibverbs(void **state)
{
	struct ibv_mr_init_attr attr = {
		.addr = HUGETLB,
		.length = 8 * M,
		.access = ODP,
		.comp_mask = IBV_REG_MR_MASK_ADDR,
	};

	(void)state;
	assert_ptr_equal(interposed_ex(&fake_pd, &attr), &fake_mr);
	assert_ptr_equal(fake.reg_addr, HUGETLB);
	assert_int_equal(fake.reg_access, ODP);
	assert_int_equal(modifications(), 1);
	attr.comp_mask = IBV_REG_MR_MASK_FD | IBV_REG_MR_MASK_FD_OFFSET | IBV_REG_MR_MASK_IOVA;
	assert_ptr_equal(interposed_ex(&fake_pd, &attr), &fake_mr);
	assert_int_equal(fake.ndmabuf, 1);
	attr.comp_mask = 1ULL << 40;
	assert_null(interposed_ex(&fake_pd, &attr));
	assert_int_equal(errno, EOPNOTSUPP);
	assert_int_equal(ex_calls, 0);
}

/* Without a report, the queries for it are not made. */
static void no_report(void **state)
{
	const struct fake_vma memory = {
		.start = (uintptr_t)HUGETLB,
		.end = (uintptr_t)HUGETLB + 8 * M,
		.page_size = 4096,
		.flags = 3,
	};

	(void)state;
	fake.vmas = &memory;
	fake.nvmas = 1;
	fake.state.page_shift = 12;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP), &fake_mr);
	assert_int_equal(__real_ibv_dereg_mr(&fake_mr), 0);
	assert_int_equal(fake.nprocmap, 0);
	/* the device's page sizes, and the request */
	assert_int_equal(fake_real_calls(), 2);
	assert_int_equal(modifications(), 1);
}

static void stock_kernel(void **state)
{
	(void)state;
	fake_kernel(FAKE_STOCK);
	fake.driver_id = 1;
	/* one block is safe, two are not */
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 2 * M, ODP), &fake_mr);
	assert_int_equal(fake.reg_access, ODP | IBV_ACCESS_HUGETLB);
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 4 * M, ODP), &fake_mr);
	assert_int_equal(fake.reg_access, ODP);
	fake.hugetlb_err = EINVAL;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 2 * M, ODP), &fake_mr);
	assert_int_equal(fake.reg_access, ODP);
	fake.reg_err = ENOMEM;
	assert_null(ibv_reg_mr(&fake_pd, HUGETLB, 2 * M, ODP));
	assert_int_equal(errno, ENOMEM);
}

static void explains(void **state)
{
	(void)state;
	expect_plain(HUGETLB, 8 * M, ODP);
	expect_plain(HUGETLB, 8 * M, PINNED);
	fake_kernel(FAKE_STOCK);
	fake.driver_id = 1;
	expect_plain(HUGETLB, 2 * M, ODP);
}

static void makes_on_demand(void **state)
{
	(void)state;
	assert_ptr_equal(ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, PINNED), &fake_mr);
	assert_int_equal(fake.reg_access, ODP);
	assert_int_equal(modifications(), 1);
	fake.ncalls = 0;
	expect_plain(NULL, SIZE_MAX, PINNED);
}

static struct shared shared;

/* Find the last counts of a process. Returns false if there are none. */
static bool find_counts(pid_t pid, struct counts *counts, bool *alive)
{
	struct counts one;
	bool lives, found = false;
	unsigned int i;

	for (i = 0; shared_read(&shared, i, &one, &lives); i++) {
		if (one.pid != pid)
			continue;
		*counts = one;
		*alive = lives;
		found = true;
	}
	return found;
}

static void take_counts(pid_t pid, struct counts *counts)
{
	bool alive;

	assert_true(find_counts(pid, counts, &alive));
	assert_false(alive);
	assert_int_equal(counts->magic, COUNTS_MAGIC);
	assert_string_equal(counts->program, program_invocation_short_name);
}

/* Fork a child that registers something and then ends in the given way. Returns its status. */
static int child(unsigned int registrations, void (*go)(void), pid_t *pid)
{
	int status;

	*pid = fork();
	if (!*pid) {
		while (registrations--) {
			errno = EDOM;
			if (!ibv_reg_mr(&fake_pd, HUGETLB, 8 * M, ODP) || errno != EDOM)
				abort();
		}
		go();
	}
	assert_int_equal(waitpid(*pid, &status, 0), *pid);
	return status;
}

static void be_killed(void)
{
	raise(SIGKILL);
}

static void counts_outlive(void **state)
{
	struct counts counts;
	pid_t pid;

	(void)state;
	assert_int_equal(child(2, be_killed, &pid), SIGKILL);
	take_counts(pid, &counts);
	assert_int_equal(counts.registrations, 2);
	assert_int_equal(counts.nranges, 1);
	assert_int_equal(counts.ranges[0].length, 8 * M);
	assert_int_equal(counts.deregistered, 0);
}

static void counts_of_each_body(void)
{
	struct counts counts;
	pid_t pid;

	/* without the parent's counts */
	assert_int_equal(child(3, be_killed, &pid), SIGKILL);
	take_counts(pid, &counts);
	assert_int_equal(counts.registrations, 3);
	/* a process that registers nothing does not report */
	assert_int_equal(child(0, be_killed, &pid), SIGKILL);
	be_killed();
}

static void counts_of_each(void **state)
{
	struct counts counts;
	pid_t pid;

	(void)state;
	assert_int_equal(child(2, counts_of_each_body, &pid), SIGKILL);
	take_counts(pid, &counts);
	assert_int_equal(counts.registrations, 2);
}

static void go_on(void)
{
	execl("/bin/true", "true", NULL);
}

static void counts_of_another_program(void **state)
{
	struct counts counts;
	pid_t pid;

	(void)state;
	assert_int_equal(child(1, go_on, &pid), 0);
	take_counts(pid, &counts);
	assert_int_equal(counts.registrations, 1);
	assert_int_equal(counts.exited, 0);
}

static int gate[2];

/* Ends while a child that registers nothing still runs. */
static void leave_child(void)
{
	struct counts counts;
	char nothing;
	bool alive;

	if (!find_counts(getpid(), &counts, &alive) || !alive)
		abort();
	close(gate[1]);
	if (!fork())
		_exit((int)read(gate[0], &nothing, 1));
	be_killed();
}

/* The child keeps neither its parent's mapping nor the lock. */
static void in_use_by_one(void **state)
{
	bool alive = true;
	struct counts counts;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(child(1, leave_child, &pid), SIGKILL);
	/* until the child is in its fork handler */
	alarm(60);
	while (alive)
		assert_true(find_counts(pid, &counts, &alive));
	alarm(0);
	assert_int_equal(counts.registrations, 1);
	close(gate[0]);
	close(gate[1]);
}

static void exit_well(void)
{
	exit(0);
}

static void reported_once(void **state)
{
	struct counts counts;
	pid_t pid;

	(void)state;
	assert_int_equal(child(1, exit_well, &pid), 0);
	take_counts(pid, &counts);
	assert_int_equal(counts.registrations, 1);
	assert_int_equal(counts.reported, 1);
	assert_int_equal(counts.exited, 1);
}

/* The signal of the limit would kill the program, or the command. */
static void file_size_limit(void **state)
{
	struct rlimit before, none;
	struct shared another;
	struct counts counts;
	pid_t pid;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 1;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(child(1, be_killed, &pid), SIGKILL);
	assert_false(shared_create(&another));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	take_counts(pid, &counts);
	assert_int_equal(counts.registrations, 1);
}

static bool killed_at_allocation;

int __real_posix_fallocate(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate(int fd, off_t offset, off_t len);
int __wrap_posix_fallocate(int fd, off_t offset, off_t len)
{
	if (killed_at_allocation)
		be_killed();
	return __real_posix_fallocate(fd, offset, len);
}

/* A process that has not started to count is not taken for one with counts. */
static void not_started(void **state)
{
	struct counts counts;
	unsigned int i;
	bool alive;
	pid_t pid;

	(void)state;
	killed_at_allocation = true;
	assert_int_equal(child(1, be_killed, &pid), SIGKILL);
	killed_at_allocation = false;
	assert_false(find_counts(pid, &counts, &alive));
	for (i = 0; shared_read(&shared, i, &counts, &alive); i++)
		;
	assert_int_equal(counts.magic, 0);
	assert_int_equal(counts.registrations, 0);
}

/* The number of a process that has ended can be that of another one. */
static void another_file(void **state)
{
	char name[] = "/tmp/test_preload.XXXXXX", place[128], value[4096];
	struct stat st, memory;
	int fd = mkstemp(name);

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(fstat(shared.fd, &memory), 0);
	assert_int_equal(ftruncate(fd, memory.st_size), 0);
	assert_int_equal(fstat(fd, &st), 0);
	/* the file of the descriptor is not the one in the place, or it is, and has other contents */
	snprintf(place, sizeof(place), "%d:%d:%jx:%jx", getpid(), fd, (uintmax_t)memory.st_dev,
		 (uintmax_t)memory.st_ino);
	assert_null(shared_claim(place));
	snprintf(place, sizeof(place), "%d:%d:%jx:%jx", getpid(), fd, (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	assert_null(shared_claim(place));
	assert_null(shared_claim("1:2:3"));
	assert_int_equal(pread(fd, value, sizeof(value), 0), sizeof(value));
	assert_int_equal(value[0], 0);
	close(fd);
}

/* Runs before the library's constructor, which reads the environment. */
static __attribute__((constructor(101))) void early(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "upgrade";
	char place[128];

	fake.next = next;
	if (strcmp(mode, "quiet") != 0)
		setenv("HUGEODP_PRELOAD_REPORT", "/dev/null", 1);
	if (!strcmp(mode, "explain"))
		setenv("HUGEODP_PRELOAD_MODE", mode, 1);
	if (!strcmp(mode, "all"))
		setenv("HUGEODP_PRELOAD_ALL", "1", 1);
	if (!strcmp(mode, "counts") && shared_create(&shared)) {
		shared_place(&shared, place, sizeof(place));
		setenv(SHARED_PLACE, place, 1);
	}
	no_reg_mr_ex = !strcmp(mode, "old");
}

static unsigned int writes;

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len)
{
	writes++;
	return __real_write(fd, data, len);
}

/* Reports of several processes are not interleaved. */
static void in_one_piece(void **state)
{
	struct counts counts = {
		.program = "many",
		.registrations = 1,
		.nranges = COUNTS_RANGES,
		.exited = true,
	};
	char name[] = "/tmp/test_preload.XXXXXX";
	struct stat st;
	unsigned int i;

	(void)state;
	for (i = 0; i < COUNTS_RANGES; i++)
		counts.ranges[i] = (struct range_report){
			.addr = UINT64_MAX,
			.length = UINT64_MAX,
			.reason = IBV_ODP_REASON_NO_THP,
			.obstacle = UINT64_MAX,
		};
	assert_int_equal(close(mkstemp(name)), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(truncate(name, 0), 0);
		writes = 0;
		assert_true(counts_report(&counts, name, i, true));
		assert_int_equal(writes, 1);
		assert_int_equal(stat(name, &st), 0);
		/* longer than a buffer of stdio */
		assert_true(st.st_size > st.st_blksize);
	}
	unlink(name);
}

/* A report that cannot be written does not kill the process, and is dropped. */
static void no_deadly_signals(void **state)
{
	const struct counts counts = { .program = "one", .registrations = 1, .exited = true };
	char name[] = "/tmp/test_preload.XXXXXX";
	struct rlimit before, none;
	int fds[2], old;
	sigset_t pending;

	(void)state;
	old = dup(STDERR_FILENO);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[0]);
	close(fds[1]);
	assert_false(counts_report(&counts, "-", false, true));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(close(mkstemp(name)), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_false(counts_report(&counts, name, false, true));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	unlink(name);
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGXFSZ));
	assert_false(sigismember(&pending, SIGPIPE));
	assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
	close(old);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest upgrade_tests[] = {
		cmocka_unit_test_setup(upgrades, setup),
		cmocka_unit_test_setup(mixed, setup),
		cmocka_unit_test_setup(mixed_at_once, setup),
		cmocka_unit_test_setup(mixed_at_once_fails, setup),
		cmocka_unit_test_setup(registers_again, setup),
		cmocka_unit_test_setup(registers_again_alone, setup),
		cmocka_unit_test_setup(request_fails, setup),
		cmocka_unit_test_setup(registration_fails, setup),
		cmocka_unit_test_setup(cancelled, setup),
		cmocka_unit_test_setup(left_alone, setup),
		cmocka_unit_test_setup(other_memory, setup),
		cmocka_unit_test_setup(request_of_its_own, setup),
		cmocka_unit_test_setup(stock_kernel, setup),
		cmocka_unit_test_setup(in_one_piece, setup),
		cmocka_unit_test_setup(no_deadly_signals, setup),
	};
	const struct CMUnitTest explain_tests[] = {
		cmocka_unit_test_setup(explains, setup),
	};
	const struct CMUnitTest quiet_tests[] = {
		cmocka_unit_test_setup(no_report, setup),
	};
	const struct CMUnitTest old_tests[] = {
		cmocka_unit_test_setup(old_libibverbs, setup),
	};
	const struct CMUnitTest all_tests[] = {
		cmocka_unit_test_setup(makes_on_demand, setup),
	};
	const struct CMUnitTest counts_tests[] = {
		cmocka_unit_test_setup(counts_outlive, setup),
		cmocka_unit_test_setup(counts_of_each, setup),
		cmocka_unit_test_setup(counts_of_another_program, setup),
		cmocka_unit_test_setup(in_use_by_one, setup),
		cmocka_unit_test_setup(reported_once, setup),
		cmocka_unit_test_setup(not_started, setup),
		cmocka_unit_test_setup(file_size_limit, setup),
		cmocka_unit_test_setup(another_file, setup),
	};
	const char *mode = argc > 1 ? argv[1] : "upgrade";

	/* a program may do this before it registers memory */
	clearenv();
	if (!strcmp(mode, "explain"))
		return cmocka_run_group_tests(explain_tests, NULL, NULL);
	if (!strcmp(mode, "all"))
		return cmocka_run_group_tests(all_tests, NULL, NULL);
	if (!strcmp(mode, "counts"))
		return cmocka_run_group_tests(counts_tests, NULL, NULL);
	if (!strcmp(mode, "quiet"))
		return cmocka_run_group_tests(quiet_tests, NULL, NULL);
	if (!strcmp(mode, "old"))
		return cmocka_run_group_tests(old_tests, NULL, NULL);
	return cmocka_run_group_tests(upgrade_tests, NULL, NULL);
}
