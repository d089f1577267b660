// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The list of changed MRs, in a program whose allocator registers the memory that it allocates:
 * each malloc() and free() uses the list, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../preload/tracked.h"

#define MRS 20000
#define ALLOCATORS_MR mr(MRS + 1)

static bool registers;
static _Thread_local bool busy;
static unsigned int registrations;

void *__libc_malloc(size_t size);
void __libc_free(void *at);
void *malloc(size_t size);
void free(void *at);

static const struct ibv_mr *mr(unsigned int i)
{
	return (const struct ibv_mr *)(uintptr_t)(i * 64UL);
}

static void allocator_reg(void)
{
	struct tracked tracked;

	if (!registers || busy)
		return;
	busy = true;
	tracked_add(ALLOCATORS_MR, (struct tracked){ .iova = 1 });
	registrations += tracked_take(ALLOCATORS_MR, &tracked);
	busy = false;
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	allocator_reg();
	return __libc_malloc(size);
}

__attribute__((visibility("default"))) void free(void *at)
{
	allocator_reg();
	__libc_free(at);
}

static void keeps(void **state)
{
	unsigned int found = 0, taken = 0, i;
	struct tracked tracked;

	(void)state;
	/* fail instead of waiting for ever */
	alarm(60);
	registers = true;
	for (i = 1; i <= MRS; i++)
		tracked_add(mr(i), (struct tracked){ .iova = 0 });
	for (i = 1; i <= MRS; i++)
		tracked_add(mr(i), (struct tracked){ .iova = i, .access = i + 1 });
	for (i = 1; i <= MRS; i++)
		found += tracked_find(mr(i), &tracked) && tracked.iova == i && tracked.access == i + 1;
	for (i = 2; i <= MRS; i += 2)
		taken += tracked_take(mr(i), &tracked) && tracked.iova == i;
	registers = false;
	assert_int_equal(found, MRS);
	assert_int_equal(taken, MRS / 2);
	for (i = 1; i <= MRS; i++) {
		assert_int_equal(tracked_find(mr(i), &tracked), i % 2);
		assert_int_equal(tracked_take(mr(i), &tracked), i % 2);
	}
	assert_false(tracked_find(ALLOCATORS_MR, &tracked));
	assert_true(registrations >= MRS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps),
	};

	tracked_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
