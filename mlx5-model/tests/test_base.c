// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Bit fields, objects by number, the guest's memory, queues in it. */
#include "unit.h"

#include "base/queue.h"
#include "base/sg.h"
#include "stand.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static void test_ifc(void **state)
{
	uint8_t bytes[16] = { 0 };

	(void)state;
	ifc_set(bytes, 3, 7, 0x55);
	assert_int_equal(ifc_get(bytes, 3, 7), 0x55);
	assert_int_equal(bytes[0], 0x15);
	assert_int_equal(bytes[1], 0x40);
	ifc_set(bytes, 64, 64, 0x0123456789abcdefull);
	assert_int_equal(get_be64(bytes + 8), 0x0123456789abcdefull);
	assert_int_equal(ifc_get(bytes, 68, 8), 0x12);
	/* a value that is too wide changes no neighbour */
	memset(bytes, 0xff, sizeof(bytes));
	ifc_set(bytes, 8, 4, 0x120);
	assert_int_equal(bytes[0], 0xff);
	assert_int_equal(bytes[1], 0x0f);
	assert_int_equal(bytes[2], 0xff);
}

static void test_ifc_layout(void **state)
{
	(void)state;
	assert_int_equal(IFC_SIZE(qpc), 0xe8);
	assert_int_equal(IFC_SIZE(mkc), 0x40);
	assert_int_equal(IFC_OFFSET(create_mkey_in, klm_pas_mtt), 0x110);
	assert_int_equal(IFC_OFFSET(create_qp_in, pas), 0x110);
	assert_int_equal(IFC_SIZE(cmd_queue_entry), 64);
}

static void test_table(void **state)
{
	struct table table;
	int a, b, c;

	(void)state;
	table_init(&table, 2, 4, NULL);
	assert_int_equal(table_add(&table, &a), 2);
	assert_int_equal(table_add(&table, &b), 3);
	assert_int_equal(table_add(&table, &c), 0);
	assert_ptr_equal(table_take(&table, 2), &a);
	assert_null(table_get(&table, 2));
	assert_null(table_get(&table, 0));
	assert_null(table_get(&table, UINT32_MAX));
	assert_int_equal(table_add(&table, &c), 2);
	table_clear(&table, NULL);
	/* a freed number is not assigned next */
	table_init(&table, 1, 100, NULL);
	assert_int_equal(table_add(&table, &a), 1);
	table_take(&table, 1);
	assert_int_equal(table_add(&table, &a), 2);
	table_clear(&table, NULL);
}

static int guest_file(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void test_guest(void **state)
{
	struct guest guest = { 0 };
	uint8_t data[64], back[64] = { 0 };
	int fd = guest_file(3 * 4096);
	uint64_t unmapped;
	size_t length;

	(void)state;
	memset(data, 0xa5, sizeof(data));
	assert_int_equal(guest_map(&guest, 0x10000, 4096, fd, 0, true), 0);
	assert_int_equal(guest_map(&guest, 0x11000, 4096, fd, 8192, true), 0);
	assert_int_equal(guest_map(&guest, 0x20000, 4096, fd, 4096, false), 0);
	assert_int_equal(guest_map(&guest, 0x30000, 4096, -1, 0, true), 0);
	/* across the boundary of two maps */
	assert_true(guest_write(&guest, 0x11000 - 32, data, 64));
	assert_true(guest_read(&guest, 0x11000 - 32, back, 64));
	assert_memory_equal(data, back, 64);
	/* read-only, hole, after the end */
	assert_true(guest_read(&guest, 0x20000, back, 64));
	assert_false(guest_write(&guest, 0x20000, data, 64));
	assert_false(guest_read(&guest, 0x30000, back, 1));
	assert_false(guest_read(&guest, 0x12000 - 63, back, 64));
	assert_false(guest_read(&guest, UINT64_MAX, back, 2));
	length = 8192;
	assert_non_null(guest_at(&guest, 0x10010, &length, true));
	assert_int_equal(length, 4096 - 0x10);
	/* invalid maps */
	assert_int_equal(guest_map(&guest, 0x10800, 4096, fd, 0, true), -EEXIST);
	assert_int_equal(guest_map(&guest, 0x40000, 0, fd, 0, true), -EINVAL);
	assert_int_equal(guest_map(&guest, UINT64_MAX - 10, 4096, fd, 0, true), -EINVAL);
	assert_int_equal(guest_map(&guest, 0x40000, 8192, fd, 8192, true), -EINVAL);
	assert_int_equal(guest_map(&guest, 0x40000, 4096, fd, UINT64_MAX - 100, true), -EINVAL);
	/* a part of a region; a region; none */
	assert_int_equal(guest_unmap(&guest, 0x10000, 2048, &unmapped), -EINVAL);
	assert_int_equal(guest_unmap(&guest, 0x10800, 8192, &unmapped), -EINVAL);
	assert_int_equal(guest_unmap(&guest, 0x10000, 4096, &unmapped), 0);
	assert_int_equal(unmapped, 4096);
	assert_false(guest_read(&guest, 0x10000, back, 1));
	assert_true(guest_read(&guest, 0x11000, back, 1));
	assert_int_equal(guest_unmap(&guest, 0x10000, 4096, &unmapped), 0);
	assert_int_equal(unmapped, 0);
	/* several at once, with addresses between them that are not mapped */
	assert_int_equal(guest_map(&guest, UINT64_MAX, 1, fd, 0, true), 0);
	assert_int_equal(guest_unmap(&guest, 0, UINT64_MAX, &unmapped), 0);
	assert_int_equal(unmapped, 3 * 4096);
	assert_false(guest_read(&guest, 0x20000, back, 1));
	assert_int_equal(guest.count, 1);
	assert_int_equal(guest_unmap_all(&guest), 1);
	assert_null(guest.files);
	guest_unmap_all(&guest);
	close(fd);
}

/* As an IOMMU driver maps and unmaps pages: in any order, each to a page of its own */
static void test_guest_pages(void **state)
{
	enum { PAGES = 1021 };
	struct guest guest = { 0 };
	int fd = guest_file(PAGES * 4096);
	uint64_t unmapped, i, page;
	uint32_t value;

	(void)state;
	for (i = 0; i < PAGES; i++) {
		uint8_t mark[4];

		page = i * 389 % PAGES;
		put_be32(mark, page);
		assert_int_equal(guest_map(&guest, page << 20, 4096, fd, page * 4096, true), 0);
		assert_true(guest_write(&guest, (page << 20) + 8, mark, 4));
	}
	for (i = 0; i < PAGES; i++) {
		page = i * 601 % PAGES;
		assert_true(guest_read_be32(&guest, (page << 20) + 8, &value));
		assert_int_equal(value, page);
		assert_int_equal(guest_unmap(&guest, page << 20, 4096, &unmapped), 0);
		assert_false(guest_read_be32(&guest, (page << 20) + 8, &value));
	}
	assert_int_equal(guest.count, 0);
	for (i = 0; i < GUEST_REGIONS_MAX; i++)
		assert_true(!guest_map(&guest, i << 12, 4096, fd, 0, true));
	assert_int_equal(guest_map(&guest, i << 12, 4096, fd, 0, true), -ENOSPC);
	guest_unmap_all(&guest);
	close(fd);
}

static void test_queue(void **state)
{
	struct stand b;
	struct queue queue;
	uint8_t list[16], data[128], back[128];
	uint64_t first, second;

	(void)state;
	stand_init(&b, NULL);
	first = stand_alloc(&b, 4096, 4096);
	stand_alloc(&b, 4096, 4096);
	second = stand_alloc(&b, 4096, 4096);
	put_be64(list, first);
	put_be64(list + 8, second);
	/* begins in the middle of the first page */
	assert_true(queue_init(&queue, list, sizeof(list), 0, 32, 4096));
	memset(data, 0x5a, sizeof(data));
	assert_true(queue_write(&b.dev, &queue, 2048 - 64, data, sizeof(data)));
	assert_memory_equal(stand_at(&b, first + 4096 - 64), data, 64);
	assert_memory_equal(stand_at(&b, second), data, 64);
	assert_true(queue_read(&b.dev, &queue, 2048 - 64, back, sizeof(back)));
	assert_memory_equal(data, back, sizeof(data));
	assert_false(queue_read(&b.dev, &queue, 4096 - 64, back, sizeof(back)));
	assert_false(queue_read(&b.dev, &queue, UINT64_MAX, back, 1));
	queue_release(&queue);
	/* too few pages, an invalid page size */
	assert_false(queue_init(&queue, list, sizeof(list), 0, 32, 8192));
	assert_false(queue_init(&queue, list, sizeof(list), 63, 0, 4096));
	stand_destroy(&b);
}

static void test_sg(void **state)
{
	uint8_t from[100], to[3][40] = { 0 };
	struct sg source = { 0 }, target = { 0 };
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(from); i++)
		from[i] = i;
	assert_true(sg_add(&source, from, 10) && sg_add(&source, from + 10, 20));
	assert_int_equal(source.count, 1);
	assert_true(sg_add(&source, NULL, 10) && sg_add(&source, from + 50, 5));
	assert_true(sg_add(&target, to[0], 20) && sg_add(&target, to[2], 40));
	memset(to, 0xee, sizeof(to));
	sg_copy(&target, 15, &source);
	assert_memory_equal(to[0] + 15, from, 5);
	assert_int_equal(to[0][14], 0xee);
	assert_memory_equal(to[2], from + 5, 25);
	assert_int_equal(to[2][25], 0);
	assert_int_equal(to[2][34], 0);
	assert_memory_equal(to[2] + 35, from + 50, 5);
	sg_put(&target, 18, "abcd", 4);
	assert_memory_equal(to[0] + 18, "ab", 2);
	assert_memory_equal(to[2], "cd", 2);
	sg_release(&source);
	sg_release(&target);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ifc),   cmocka_unit_test(test_ifc_layout),
		cmocka_unit_test(test_table), cmocka_unit_test(test_guest),
		cmocka_unit_test(test_guest_pages),
		cmocka_unit_test(test_queue), cmocka_unit_test(test_sg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
