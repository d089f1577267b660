// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_reg_mr_ex() without a request. The library looks up upstream's function
 * once per process, so each case is a separate run: "present", "absent" (an old
 * libibverbs), "unloaded" (no libibverbs found).
 */
#include "fake.h"

#include <pthread.h>

#define THREADS 16

static const char *libibverbs;

static int setup(void **state)
{
	fake_setup(state);
	fake.has_upstream = !strcmp(libibverbs, "present");
	fake.no_libibverbs = !strcmp(libibverbs, "unloaded");
	return 0;
}

struct worker {
	pthread_t thread;
	struct ibv_mr *mr;
};

static pthread_barrier_t start;

static void *register_plain(void *arg)
{
	struct ibv_mr_init_attr attr = { 0 };
	struct worker *worker = arg;

	attr.addr = (void *)0x1000;
	attr.length = 1;
	/* a combination that the functions of an old libibverbs do not cover */
	attr.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_DMAH;
	pthread_barrier_wait(&start);
	worker->mr = ibv_reg_mr_ex(&fake_pd, &attr);
	return NULL;
}

/* Runs first, so that all threads race for the lookup. */
static void one_lookup(void **state)
{
	struct worker workers[THREADS] = { 0 };
	int i;

	(void)state;
	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, register_plain, &workers[i]), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	pthread_barrier_destroy(&start);

	assert_int_equal(fake.ndlopen, 1);
	assert_int_equal(fake.ndlclose, fake.no_libibverbs ? 0 : 1);
	for (i = 0; i < THREADS; i++)
		assert_ptr_equal(workers[i].mr, fake.has_upstream ? &fake_upstream_mr : NULL);
	assert_int_equal(fake.nupstream, fake.has_upstream ? THREADS : 0);
}

/* All arguments, valid or not, are passed to upstream unchanged. */
static void passes_on(void **state)
{
	static const uint64_t masks[] = { 0, 1, 2, 3, 13, 34, 1ULL << 47, 1ULL << 49, 1ULL << 63 };
	struct ibv_mr_init_attr attr, before;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
		memset(&attr, (int)i + 1, sizeof(attr));
		attr.comp_mask = masks[i];
		memcpy(&before, &attr, sizeof(before));
		errno = ENOTTY;
		assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &attr), &fake_upstream_mr);
		assert_int_equal(errno, ENOTTY);
		assert_int_equal(fake.nupstream, i + 1);
		assert_ptr_equal(fake.upstream_pd, &fake_pd);
		assert_ptr_equal(fake.upstream_attr, &attr);
		assert_memory_equal(&attr, &before, sizeof(attr));
	}
	assert_int_equal(fake.ncalls, 0);
	assert_int_equal(fake.nreg, 0);
}

static struct ibv_mr_init_attr plain(uint64_t mask)
{
	return (struct ibv_mr_init_attr){
		.length = 8192,
		.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_RELAXED_ORDERING,
		.comp_mask = mask,
		.iova = 0x5000,
		.addr = (void *)0x1000,
		.fd = 9,
		.fd_offset = 0x3000,
	};
}

static void translates_address(void **state)
{
	struct ibv_mr_init_attr attr = plain(IBV_REG_MR_MASK_ADDR);

	(void)state;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &attr), &fake_mr);
	assert_int_equal(fake.nreg, 1);
	assert_ptr_equal(fake.reg_pd, &fake_pd);
	assert_ptr_equal(fake.reg_addr, attr.addr);
	assert_int_equal(fake.reg_length, 8192);
	assert_int_equal(fake.reg_iova, 0x1000);
	assert_int_equal(fake.reg_access, (unsigned int)attr.access);

	attr.comp_mask |= IBV_REG_MR_MASK_IOVA;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &attr), &fake_mr);
	assert_int_equal(fake.nreg, 2);
	assert_int_equal(fake.reg_iova, 0x5000);
	assert_int_equal(fake.ncalls, 0);
}

static void translates_dmabuf(void **state)
{
	struct ibv_mr_init_attr attr =
		plain(IBV_REG_MR_MASK_FD | IBV_REG_MR_MASK_FD_OFFSET | IBV_REG_MR_MASK_IOVA);

	(void)state;
	assert_ptr_equal(ibv_reg_mr_ex(&fake_pd, &attr), &fake_mr);
	assert_int_equal(fake.ndmabuf, 1);
	assert_int_equal(fake.nreg, 0);
	assert_int_equal(fake.dmabuf_fd, 9);
	assert_int_equal(fake.dmabuf_offset, 0x3000);
	assert_int_equal(fake.reg_iova, 0x5000);
	assert_int_equal(fake.reg_length, 8192);
	assert_int_equal(fake.reg_access, (unsigned int)attr.access);
}

/* All other combinations of the four bits, and each unknown bit. */
static void refuses_the_rest(void **state)
{
	struct ibv_mr_init_attr attr;
	uint64_t mask;
	int bit;

	(void)state;
	for (mask = 0; mask < 16; mask++) {
		/* ADDR, ADDR + IOVA, FD + FD_OFFSET + IOVA */
		if (mask == 2 || mask == 3 || mask == 13)
			continue;
		attr = plain(mask);
		errno = 0;
		assert_null(ibv_reg_mr_ex(&fake_pd, &attr));
		assert_int_equal(errno, EINVAL);
	}
	for (bit = 4; bit < 64; bit++) {
		if (bit == 48)
			continue;
		attr = plain(IBV_REG_MR_MASK_ADDR | 1ULL << bit);
		errno = 0;
		assert_null(ibv_reg_mr_ex(&fake_pd, &attr));
		assert_int_equal(errno, EOPNOTSUPP);
	}
	assert_int_equal(fake.nreg + fake.ndmabuf, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest present[] = {
		cmocka_unit_test_setup(one_lookup, setup),
		cmocka_unit_test_setup(passes_on, setup),
	};
	const struct CMUnitTest absent[] = {
		cmocka_unit_test_setup(one_lookup, setup),
		cmocka_unit_test_setup(translates_address, setup),
		cmocka_unit_test_setup(translates_dmabuf, setup),
		cmocka_unit_test_setup(refuses_the_rest, setup),
	};

	if (argc != 2)
		return 2;
	libibverbs = argv[1];
	if (!strcmp(libibverbs, "present"))
		return cmocka_run_group_tests(present, NULL, NULL);
	return cmocka_run_group_tests(absent, NULL, NULL);
}
