// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The sources of driver_id, and its cache. */
#include "fake.h"

#include <pthread.h>
#include <sys/stat.h>

#include "../../libibverbs/uverbs/driver_id.h"

#define THREADS 16

static void from_netlink(void **state)
{
	struct fake_answer answer;
	uint32_t id = 0;

	(void)state;
	fake_queue_answer(&answer, "fake0", FAKE_DRIVER_ID);
	assert_int_equal(driver_id_get(&fake_context, &id), 0);
	assert_int_equal(id, FAKE_DRIVER_ID);
	assert_int_equal(fake.ncalls, 0);
	assert_int_equal(fake.open_sockets, 0);

	/* later calls use the cache */
	fake.socket_err = EPERM;
	id = 0;
	assert_int_equal(driver_id_get(&fake_context, &id), 0);
	assert_int_equal(id, FAKE_DRIVER_ID);
	assert_int_equal(fake.ncalls, 0);
}

/* Without netlink, probe the character device, once for each number. */
static void from_character_device(void **state)
{
	uint32_t id = 0;

	(void)state;
	assert_int_equal(driver_id_get(&fake_context, &id), 0);
	assert_int_equal(id, FAKE_DRIVER_ID);
	assert_int_equal(fake.ncalls, FAKE_DRIVER_ID + 1);
	assert_int_equal(fake_real_calls(), 0);
}

/* The first and the last number that is probed, and one past it. */
static void limits(void **state)
{
	uint32_t id;

	(void)state;
	fake.driver_id = 0;
	assert_int_equal(driver_id_get(&fake_context, &id), 0);
	assert_int_equal(id, 0);
	fake_setup(state);
	fake.driver_id = 63;
	assert_int_equal(driver_id_get(&fake_context, &id), 0);
	assert_int_equal(id, 63);
	fake_setup(state);
	fake.driver_id = 64;
	assert_int_equal(driver_id_get(&fake_context, &id), EOPNOTSUPP);
	assert_int_equal(fake.ncalls, 64);
}

static void renamed_device(void **state)
{
	struct fake_answer answer;
	uint32_t id;

	(void)state;
	/* netlink knows the device by its new name only */
	fake_queue_answer(&answer, "fake0_renamed", FAKE_DRIVER_ID);
	assert_int_equal(driver_id_get(&fake_context, &id), 0);
	assert_int_equal(id, FAKE_DRIVER_ID);
	assert_int_equal(fake.ncalls, FAKE_DRIVER_ID + 1);
}

static void no_character_device(void **state)
{
	struct ibv_mr_odp_attr attr;
	uint32_t id;

	(void)state;
	fake.mode = S_IFREG | 0600;
	assert_int_equal(driver_id_get(&fake_context, &id), EOPNOTSUPP);
	/* a provider in user space has no file */
	fake_context.cmd_fd = -1;
	assert_int_equal(driver_id_get(&fake_context, &id), EOPNOTSUPP);
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), EOPNOTSUPP);
	assert_int_equal(fake.ncalls, 0);
}

/* A character device that is not uverbs is probed once, not 64 times. */
static void other_character_device(void **state)
{
	uint32_t id;

	(void)state;
	fake.ioctl_err = ENOTTY;
	assert_int_equal(driver_id_get(&fake_context, &id), EOPNOTSUPP);
	assert_int_equal(fake.ncalls, 1);
}

/* The device was unplugged, and a device of another driver reuses its number. */
static void reused_device_number(void **state)
{
	(void)state;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	fake.driver_id = 1;
	fake.ncalls = 0;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	assert_int_equal(fake_real_calls(), 2);
	/* the new number is cached */
	fake.ncalls = 0;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	assert_int_equal(fake.ncalls, 1);
}

/*
 * EINVAL for another reason: one probe confirms driver_id, without a retry, and another one that the
 * kernel gets our ioctls.
 */
static void genuine_einval(void **state)
{
	struct ibv_mr_odp_attr attr;

	(void)state;
	assert_int_equal(ibv_mr_page_shift(&fake_mr), 21);
	fake.ncalls = 0;
	fake.mr_is_odp = false;
	assert_int_equal(ibv_query_mr_odp(&fake_mr, &attr, sizeof(attr)), EINVAL);
	assert_int_equal(fake_real_calls(), 2);
	assert_int_equal(fake.ncalls, 3);
}

/* Two devices whose minor numbers share a slot of the cache. */
static void shared_slot(void **state)
{
	dev_t first = fake.rdev;
	uint32_t id;
	int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		fake.rdev = first;
		fake.driver_id = 3;
		assert_int_equal(driver_id_get(&fake_context, &id), 0);
		assert_int_equal(id, 3);
		fake.rdev = first + 16;
		fake.driver_id = 5;
		assert_int_equal(driver_id_get(&fake_context, &id), 0);
		assert_int_equal(id, 5);
	}
}

struct worker {
	pthread_t thread;
	uint32_t id;
	int err;
};

static pthread_barrier_t start;

static void *get(void *arg)
{
	struct worker *worker = arg;

	pthread_barrier_wait(&start);
	worker->err = driver_id_get(&fake_context, &worker->id);
	return NULL;
}

static void threads(void **state)
{
	struct worker workers[THREADS] = { 0 };
	int i;

	(void)state;
	fake.driver_id = 2;
	assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, get, &workers[i]), 0);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	pthread_barrier_destroy(&start);
	for (i = 0; i < THREADS; i++) {
		assert_int_equal(workers[i].err, 0);
		assert_int_equal(workers[i].id, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(from_netlink, fake_setup),
		cmocka_unit_test_setup(from_character_device, fake_setup),
		cmocka_unit_test_setup(limits, fake_setup),
		cmocka_unit_test_setup(renamed_device, fake_setup),
		cmocka_unit_test_setup(no_character_device, fake_setup),
		cmocka_unit_test_setup(other_character_device, fake_setup),
		cmocka_unit_test_setup(reused_device_number, fake_setup),
		cmocka_unit_test_setup(genuine_einval, fake_setup),
		cmocka_unit_test_setup(shared_slot, fake_setup),
		cmocka_unit_test_setup(threads, fake_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
