// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What the library remembers of a context never appears for another one, as in a slot of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <infiniband/verbs.h>

#include "../../libibverbs/context_cache.h"

/* More contexts than slots, so that each has others in its slot. */
#define CONTEXTS 512

static struct ibv_device devices[2];
static struct ibv_context contexts[CONTEXTS];
static const int sides[CONTEXTS];

static const struct kernel_side *side_of(unsigned int i)
{
	return (const struct kernel_side *)&sides[i];
}

static struct device_caps caps_of(unsigned int i)
{
	return (struct device_caps){ .page_sizes = 4096ULL << i % 20, .flags = i, .source = i % 3 };
}

static int setup(void **state)
{
	unsigned int i;

	(void)state;
	strcpy(devices[0].name, "first_0");
	strcpy(devices[1].name, "second_1");
	for (i = 0; i < CONTEXTS; i++) {
		contexts[i].device = &devices[0];
		contexts[i].cmd_fd = 100;
	}
	return 0;
}

enum what { DRIVER_ID, CAPS, SIDE, KINDS };

static void store(enum what what, unsigned int i)
{
	const struct device_caps caps = caps_of(i);

	if (what == DRIVER_ID)
		context_store_driver_id(&contexts[i], i);
	else if (what == CAPS)
		context_store_caps(&contexts[i], &caps);
	else
		context_store_kernel_side(&contexts[i], side_of(i));
}

/* Whether it is there; then it is what was stored. */
static bool has(enum what what, unsigned int i)
{
	const struct device_caps want = caps_of(i);
	const struct kernel_side *side = NULL;
	struct device_caps caps;
	uint32_t id = ~0U;
	bool found;

	memset(&caps, 0xff, sizeof(caps));
	if (what == DRIVER_ID) {
		found = context_find_driver_id(&contexts[i], &id);
		assert_int_equal(id, found ? i : ~0U);
	} else if (what == CAPS) {
		found = context_find_caps(&contexts[i], &caps);
		assert_int_equal(caps.page_sizes, found ? want.page_sizes : ~0ULL);
		assert_int_equal(caps.flags, found ? want.flags : ~0U);
		assert_int_equal(caps.source, found ? want.source : ~0U);
	} else {
		found = context_find_kernel_side(&contexts[i], &side);
		assert_ptr_equal(side, found ? side_of(i) : NULL);
	}
	return found;
}

static void forget(unsigned int i)
{
	struct ibv_context *context = &contexts[i];

	/* another context in the same place */
	context->cmd_fd++;
	context_store_driver_id(context, 0);
	context->cmd_fd--;
}

/* A context that shares the slot of the first one. */
static unsigned int neighbour(void)
{
	unsigned int i;

	for (i = 1; i < CONTEXTS; i++) {
		store(DRIVER_ID, 0);
		store(DRIVER_ID, i);
		if (!has(DRIVER_ID, 0))
			return i;
	}
	fail_msg("%d contexts have slots of their own", CONTEXTS);
	return 0;
}

static void remembered(void **state)
{
	unsigned int i, j, k;

	(void)state;
	for (i = 0; i < KINDS; i++) {
		forget(0);
		for (j = 0; j < KINDS; j++)
			assert_false(has(j, 0));
		store(i, 0);
		for (j = 0; j < KINDS; j++)
			assert_int_equal(has(j, 0), i == j);
	}
	/* all at once */
	for (i = 0; i < KINDS; i++)
		store(i, 0);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < KINDS; i++)
			assert_true(has(i, 0));
	}
}

/* Whatever is stored for one drops all that is known of the other. */
static void one_slot(void **state)
{
	const unsigned int other = neighbour();
	unsigned int i, j;

	(void)state;
	for (i = 0; i < KINDS; i++) {
		forget(0);
		for (j = 0; j < KINDS; j++)
			store(j, 0);
		for (j = 0; j < KINDS; j++)
			assert_false(has(j, other));
		store(i, other);
		for (j = 0; j < KINDS; j++) {
			assert_false(has(j, 0));
			assert_int_equal(has(j, other), i == j);
		}
	}
}

/* Neighbours in memory do not all share a slot: a program has several devices. */
static void spread(void **state)
{
	unsigned int i, kept = 0;

	(void)state;
	for (i = 0; i < 16; i++)
		store(CAPS, i);
	for (i = 0; i < 16; i++)
		kept += has(CAPS, i);
	assert_true(kept >= 4);
}

/* The memory of a closed context is used again. */
static void another_context(void **state)
{
	unsigned int i, j;

	(void)state;
	for (i = 0; i < 2; i++) {
		for (j = 0; j < KINDS; j++)
			store(j, 0);
		if (i)
			contexts[0].cmd_fd = 101;
		else
			contexts[0].device = &devices[1];
		for (j = 0; j < KINDS; j++)
			assert_false(has(j, 0));
		setup(NULL);
		for (j = 0; j < KINDS; j++)
			assert_true(has(j, 0));
	}
}

/* A name of the largest size is compared whole. */
static void long_names(void **state)
{
	char *name = devices[0].name;

	(void)state;
	memset(name, 'x', IBV_SYSFS_NAME_MAX - 1);
	name[IBV_SYSFS_NAME_MAX - 1] = '\0';
	store(CAPS, 0);
	assert_true(has(CAPS, 0));
	name[IBV_SYSFS_NAME_MAX - 2] = 'y';
	assert_false(has(CAPS, 0));
	/* a shorter one leaves nothing of it */
	strcpy(name, "short");
	store(CAPS, 0);
	assert_true(has(CAPS, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(remembered, setup),
		cmocka_unit_test_setup(one_slot, setup),
		cmocka_unit_test_setup(spread, setup),
		cmocka_unit_test_setup(another_context, setup),
		cmocka_unit_test_setup(long_names, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
