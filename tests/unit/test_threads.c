// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Many threads in the library at once: they register, query, change and probe MRs,
 * and deregister MRs of another thread. Intended for the thread sanitizer.
 */
#include "fake.h"

#include <pthread.h>
#include <stdatomic.h>

#include "../../libibverbs/memory/thp.h"
#include "../../libibverbs/probe.h"

#define M (1ULL << 20)
#define HUGETLB (0x10000000000ULL + 64 * M)
#define THREADS 8
#define ROUNDS 150
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_ON_DEMAND)

static pthread_barrier_t start;
static int expected_shift;

/* MRs that are passed from the registering thread to the next one. */
static _Atomic(struct ibv_mr *) handed_on[THREADS];

static int setup(void **state)
{
	int i;

	range_proc_self = RECORDED "/linux-7.3";
	thp_dir = RECORDED "/thp-always";
	fake_setup(state);
	fake.many_mrs = true;
	fake.general_odp_caps = IBV_ODP_SUPPORT;
	for (i = 0; i < THREADS; i++)
		assert_null(atomic_load(&handed_on[i]));
	return 0;
}

static struct ibv_mr *reg(void)
{
	struct ibv_mr_init_attr_odp request = {
		.base = {
			.length = 2 * M,
			.access = ACCESS,
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = (void *)(uintptr_t)HUGETLB,
		},
		.page_sizes = FAKE_2M,
	};

	return ibv_reg_mr_ex(&fake_pd, &request.base);
}

/* Returns the number of failed calls. */
static uintptr_t use(struct ibv_mr *mr)
{
	struct ibv_mr_odp_attr attr;
	uintptr_t wrong = 0;

	wrong += ibv_mr_page_shift(mr) != expected_shift;
	wrong +=
		ibv_query_mr_odp(mr, &attr, sizeof(attr)) || (int)attr.page_shift != expected_shift;
	return wrong;
}

static void *work(void *arg)
{
	const uintptr_t self = (uintptr_t)arg;
	struct ibv_device_odp_attr device;
	struct ibv_odp_report report;
	uintptr_t wrong = 0;
	struct ibv_mr *mr;
	int i;

	pthread_barrier_wait(&start);
	for (i = 0; i < ROUNDS; i++) {
		mr = reg();
		if (!mr)
			return (void *)(wrong + 1);
		wrong += use(mr);
		/* the next thread deregisters it, this thread deregisters one of another thread */
		mr = atomic_exchange(&handed_on[(self + 1) % THREADS], mr);
		if (mr)
			ibv_dereg_mr(mr);
		mr = atomic_exchange(&handed_on[self], NULL);
		if (mr) {
			wrong += use(mr);
			ibv_dereg_mr(mr);
		}
		wrong += ibv_query_device_odp(&fake_context, &device, sizeof(device)) != 0;
		wrong += ibv_probe_odp_range(&fake_context, (void *)(uintptr_t)HUGETLB, 2 * M,
					     FAKE_2M, &report, sizeof(report)) != 0;
	}
	return (void *)wrong;
}

static void run_threads(void)
{
	pthread_t threads[THREADS];
	struct ibv_mr *mr;
	uintptr_t i;
	void *wrong;

	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	pthread_barrier_destroy(&start);
	for (i = 0; i < THREADS; i++) {
		mr = atomic_exchange(&handed_on[i], NULL);
		if (mr)
			ibv_dereg_mr(mr);
	}
	assert_int_equal(fake.nreg, THREADS * ROUNDS);
	assert_int_equal(fake.ndereg, fake.nreg);
}

static void with_series(void **state)
{
	(void)state;
	expected_shift = 21;
	run_threads();
}

static void without_series(void **state)
{
	(void)state;
	fake_kernel(FAKE_STOCK);
	fake.driver_id = 1;
	expected_shift = 21;
	run_threads();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(with_series, setup),
		cmocka_unit_test_setup(without_series, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
