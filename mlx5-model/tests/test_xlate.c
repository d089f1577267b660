// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Translation: every kind of mkey, and refused accesses. */
#include "unit.h"

#include "data/umr.h"
#include "data/xlate.h"
#include "stand.h"

#include <stdio.h>
#include <unistd.h>

struct fixture {
	struct stand b;
	struct xlate_origin origin;
	struct sg sg;
	struct xlate_miss miss;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	stand_init(&f.b, &(struct dev_options){ .strict = true });
	f.origin.pd = f.b.pd;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sg_release(&f->sg);
	stand_destroy(&f->b);
	return 0;
}

static enum xlate_result look(struct fixture *f, uint32_t key, uint64_t address, uint64_t length,
			      enum xlate_access access)
{
	sg_release(&f->sg);
	return xlate(&f->b.dev, &f->origin, key, address, length, access, &f->sg, &f->miss);
}

static void assert_piece(struct fixture *f, size_t index, uint64_t address, size_t length)
{
	assert_true(index < f->sg.count);
	assert_ptr_equal(f->sg.pieces[index].host, stand_at(&f->b, address));
	assert_int_equal(f->sg.pieces[index].length, length);
}

static void test_mtt(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 4 * 4096, 4096);
	uint8_t list[32];
	struct stand_mkey m = {
		.mode = MKEY_MTT, .page_shift = 12, .start = 0x7000123, .length = 3 * 4096,
		.odp = true, .list = list, .list_length = sizeof(list),
	};
	uint32_t key;

	/* in descending order, so that no two pages are contiguous by accident */
	put_be64(list, (page + 3 * 4096) | 3);
	put_be64(list + 8, (page + 2 * 4096) | 3);
	put_be64(list + 16, (page + 4096) | 1);
	put_be64(list + 24, 0);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, m.start, 4096, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_piece(f, 0, page + 3 * 4096 + 0x123, 4096 - 0x123);
	assert_piece(f, 1, page + 2 * 4096, 0x123);
	/* the third page is read-only, the fourth is not present */
	assert_int_equal(look(f, key, 0x7002000, 8, XLATE_REMOTE_READ), XLATE_OK);
	assert_int_equal(look(f, key, 0x7001ff8, 16, XLATE_REMOTE_WRITE), XLATE_FAULT);
	assert_int_equal(f->miss.address, 0x7002000);
	assert_int_equal(f->miss.length, 8);
	assert_int_equal(f->miss.key, key);
	assert_int_equal(look(f, key, 0x7003000, 1, XLATE_LOCAL_READ), XLATE_FAULT);
	/* bounds */
	assert_int_equal(look(f, key, m.start - 1, 1, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(look(f, key, m.start, m.length + 1, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(look(f, key, m.start + 8, UINT64_MAX - 4, XLATE_LOCAL_READ),
			 XLATE_DENIED);
	assert_int_equal(look(f, key, m.start + m.length, 0, XLATE_LOCAL_READ), XLATE_OK);
	/* keys: version, number, protection domain */
	assert_int_equal(look(f, key + 1, m.start, 8, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(look(f, 0, m.start, 8, XLATE_LOCAL_READ), XLATE_DENIED);
	f->origin.pd++;
	assert_int_equal(look(f, key, m.start, 8, XLATE_LOCAL_READ), XLATE_DENIED);
}

static void test_huge(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 4 << 20, 2 << 20);
	uint8_t list[16];
	struct stand_mkey m = {
		.mode = MKEY_MTT, .page_shift = 21, .start = 0x40000000, .length = 4 << 20,
		.odp = true, .list = list, .list_length = sizeof(list),
	};
	uint32_t key;

	put_be64(list, page | 3);
	/* off by a 4 KiB page: hardware ignores the low bits */
	put_be64(list + 8, (page + (2 << 20) + 4096) | 3);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, m.start + 5, 4096, XLATE_LOCAL_READ), XLATE_OK);
	assert_int_equal(f->b.dev.stats.strict_reports, 0);
	assert_int_equal(f->b.dev.stats.lookups_2m, 1);
	assert_int_equal(look(f, key, m.start + (2 << 20), 4096, XLATE_LOCAL_READ), XLATE_OK);
	assert_piece(f, 0, page + (2 << 20), 4096);
	assert_int_equal(f->b.dev.stats.strict_reports, 1);
}

/* Each access finds the same wrong entry: all of them are counted, a few are printed */
static void test_strict_many(void **state)
{
	struct fixture *f = *state;
	uint8_t list[16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_MTT, .page_shift = 21, .start = 0, .length = 2 << 20, .odp = true,
		.list = list, .list_length = sizeof(list),
	};
	FILE *log = tmpfile();
	int saved = dup(STDERR_FILENO), c, lines = 0, i;
	uint32_t key;

	put_be64(list, (stand_alloc(&f->b, 2 << 20, 2 << 20) + 4096) | 3);
	key = stand_create_mkey(&f->b, &m);
	assert_non_null(log);
	dup2(fileno(log), STDERR_FILENO);
	for (i = 0; i < 1000; i++)
		look(f, key, 0, 8, XLATE_LOCAL_READ);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(f->b.dev.stats.strict_reports, 1000);
	rewind(log);
	while ((c = fgetc(log)) != EOF)
		lines += c == '\n';
	fclose(log);
	assert_int_equal(lines, 11);
}

static void test_indirect(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 8192, 4096);
	uint32_t child = stand_register(&f->b, page, 8192, 12, true), key;
	uint8_t list[4 * 16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_KSM, .page_shift = 12, .start = 0x1000, .length = 4 * 4096,
		.list = list, .list_length = sizeof(list),
	};

	put_be32(list + 4, child);
	put_be64(list + 8, page + 4096);
	put_be32(list + 20, KEY_NULL);
	put_be32(list + 36, child);
	put_be64(list + 40, page);
	put_be32(list + 52, 0x12345600);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, 0x1010, 4, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_piece(f, 0, page + 4096 + 0x10, 4);
	assert_int_equal(look(f, key, 0x1ffc, 8, XLATE_LOCAL_WRITE), XLATE_FAULT);
	assert_int_equal(f->miss.key, KEY_NULL);
	assert_int_equal(look(f, key, 0x3000, 4096, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_piece(f, 0, page, 4096);
	assert_int_equal(look(f, key, 0x4000, 1, XLATE_LOCAL_WRITE), XLATE_DENIED);

	/* entries of different lengths */
	m = (struct stand_mkey){
		.mode = MKEY_KLM, .start = 0, .length = 30, .list = list, .list_length = 32,
	};
	memset(list, 0, sizeof(list));
	put_be32(list, 10);
	put_be32(list + 4, child);
	put_be64(list + 8, page + 100);
	put_be32(list + 16, 20);
	put_be32(list + 20, child);
	put_be64(list + 24, page + 200);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, 5, 25, XLATE_LOCAL_READ), XLATE_OK);
	assert_piece(f, 0, page + 105, 5);
	assert_piece(f, 1, page + 200, 20);
}

/* The entries of a KSM are counted from its start, which need not be a multiple of their size */
static void test_ksm_start(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 8192, 4096);
	uint32_t child = stand_register(&f->b, page, 8192, 12, true), key;
	uint8_t list[2 * 16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_KSM, .page_shift = 12, .start = 0x1018, .length = 8192,
		.list = list, .list_length = sizeof(list),
	};

	put_be32(list + 4, child);
	put_be64(list + 8, page);
	put_be32(list + 20, child);
	put_be64(list + 24, page + 4096);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(f->b.dev.stats.strict_reports, 0);
	assert_int_equal(look(f, key, 0x1018, 8, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_piece(f, 0, page, 8);
	assert_int_equal(look(f, key, 0x2017, 2, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_piece(f, 0, page + 4095, 2);
	assert_int_equal(look(f, key, 0x1018, 8192, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_piece(f, 0, page, 8192);
	assert_int_equal(look(f, key, 0x1017, 1, XLATE_LOCAL_WRITE), XLATE_DENIED);
	assert_int_equal(look(f, key, 0x3018, 1, XLATE_LOCAL_WRITE), XLATE_DENIED);

	/* a byte more needs a third entry */
	m.length++;
	stand_create_mkey(&f->b, &m);
	assert_int_equal(f->b.dev.stats.strict_reports, 1);
}

static void test_interleaved(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 4096, 4096);
	uint32_t child = stand_register(&f->b, page, 4096, 12, true), key;
	uint8_t list[3 * 16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_KLM, .start = 0, .length = 3 * 12, .list = list,
		.list_length = sizeof(list),
	};

	/* 3 cycles of 8 bytes every 64 and 4 bytes every 16 */
	put_be32(list, 12);
	put_be32(list + 4, 0x400);
	put_be32(list + 8, 3);
	put_be16(list + 14, 2);
	put_be16(list + 16, 64);
	put_be16(list + 18, 8);
	put_be32(list + 20, child);
	put_be64(list + 24, page);
	put_be16(list + 32, 16);
	put_be16(list + 34, 4);
	put_be32(list + 36, child);
	put_be64(list + 40, page + 1024);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, 6, 30, XLATE_LOCAL_READ), XLATE_OK);
	assert_piece(f, 0, page + 6, 2);
	assert_piece(f, 1, page + 1024, 4);
	assert_piece(f, 2, page + 64, 8);
	assert_piece(f, 3, page + 1024 + 16, 4);
	assert_piece(f, 4, page + 128, 8);
	assert_piece(f, 5, page + 1024 + 32, 4);
	assert_int_equal(look(f, key, 0, 37, XLATE_LOCAL_READ), XLATE_DENIED);
	/* invalid patterns: no entries, more than there are, empty cycles */
	put_be32(list + 8, UINT32_MAX);
	put_be16(list + 14, 0);
	assert_int_equal(look(f, stand_create_mkey(&f->b, &m), 0, 8, XLATE_LOCAL_READ),
			 XLATE_DENIED);
	put_be16(list + 14, 3);
	assert_int_equal(look(f, stand_create_mkey(&f->b, &m), 0, 8, XLATE_LOCAL_READ),
			 XLATE_DENIED);
	put_be16(list + 14, 2);
	put_be32(list, 0);
	assert_int_equal(look(f, stand_create_mkey(&f->b, &m), 0, 8, XLATE_LOCAL_READ),
			 XLATE_DENIED);
}

static void test_endless(void **state)
{
	struct fixture *f = *state;
	uint8_t list[16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_KSM, .page_shift = 12, .start = 0, .length = 4096, .list = list,
		.list_length = sizeof(list),
	};
	uint32_t guess = (f->b.dev.mkeys.next) << 8;

	/* refers to itself */
	put_be32(list + 4, guess);
	assert_int_equal(stand_create_mkey(&f->b, &m), guess);
	assert_int_equal(look(f, guess, 0, 8, XLATE_LOCAL_READ), XLATE_DENIED);
}

static void test_outside(void **state)
{
	struct fixture *f = *state;
	uint8_t list[16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_MTT, .page_shift = 12, .start = 0, .length = 8192, .odp = true,
		.list = list, .list_length = sizeof(list),
	};
	uint32_t key;

	/* memory that the guest does not have, and the last page that it has */
	put_be64(list, (STAND_BASE + STAND_SIZE) | 3);
	put_be64(list + 8, (STAND_BASE + STAND_SIZE - 4096) | 3);
	key = stand_create_mkey(&f->b, &m);
	assert_int_equal(look(f, key, 0, 1, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(look(f, key, 4096, 4096, XLATE_LOCAL_READ), XLATE_OK);
	assert_int_equal(f->b.dev.stats.bad_dma, 1);
	assert_int_equal(f->b.dev.stats.strict_reports, 1);
	assert_int_equal(look(f, f->b.pa_key, STAND_BASE - 1, 2, XLATE_LOCAL_READ), XLATE_DENIED);
	assert_int_equal(look(f, f->b.pa_key, UINT64_MAX, 2, XLATE_LOCAL_READ), XLATE_DENIED);
	/* the null key accepts all accesses and touches no memory */
	assert_int_equal(look(f, KEY_NULL, 0, 1 << 20, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_null(f->sg.pieces[0].host);
}

static void test_umr(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 3 * 4096, 4096);
	uint32_t key = stand_register(&f->b, page, 3 * 4096, 12, false);
	const uint64_t there[] = { page | 3, (page + 4096) | 3, (page + 8192) | 3, 0, 0, 0, 0, 0 };
	const uint64_t without[] = { page | 3, (page + 4096) | 3, 0, 0, 0, 0, 0, 0 };
	struct stats *stats = &f->b.dev.stats;

	assert_int_equal(look(f, key, page, 4096, XLATE_LOCAL_WRITE), XLATE_FAULT);
	/* the driver rounds up to 64 bytes; only 32 of them fit */
	stats->xlt_entries_written = 0;
	stand_update(&f->b, key, 0, there, 8);
	assert_int_equal(stats->umr_posts, 1);
	assert_int_equal(stats->xlt_entries_written, 4);
	assert_int_equal(stats->zaps, 0);
	assert_int_equal(look(f, key, page, 3 * 4096, XLATE_LOCAL_WRITE), XLATE_OK);
	/* the third entry is cleared, with the rest of its unit */
	stand_update(&f->b, key, 0, without, 8);
	assert_int_equal(stats->zaps, 1);
	assert_int_equal(stats->zapped_entries, 1);
	assert_int_equal(look(f, key, page, 8192, XLATE_LOCAL_WRITE), XLATE_OK);
	assert_int_equal(look(f, key, page, 8193, XLATE_LOCAL_WRITE), XLATE_FAULT);
	assert_int_equal(stats->strict_reports, 0);
}

/* A UMR with one entry, if there is one, and a key context of zeros for what the mask selects */
static enum syndrome change(struct fixture *f, uint32_t key, uint64_t mask, uint64_t entry)
{
	uint8_t wqe[48 + IFC_SIZE(mkc) + MKEY_UNIT] = { [0] = 0x80 };
	enum syndrome syndrome;

	put_be16(wqe + 4, entry ? MKEY_UNIT / MKEY_OCTWORD : 0);
	put_be64(wqe + 8, mask);
	put_be64(wqe + 48 + IFC_SIZE(mkc), entry);
	umr_execute(&f->b.dev, &f->origin, key, wqe, sizeof(wqe), &syndrome, &f->miss);
	return syndrome;
}

/* Only the kernel's queue pairs may change what keys of pages lead to, or what they allow */
static void test_umr_pages(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 4096, 4096), other = stand_alloc(&f->b, 4096, 4096);
	uint32_t key = stand_register(&f->b, page, 4096, 12, true);
	uint64_t *reports = &f->b.dev.stats.strict_reports;
	struct stand_mkey list = { .mode = MKEY_KLM, .length = 64, .table_length = 64 };

	assert_int_equal(change(f, key, 0, other | 3), SYNDROME_MW_BIND);
	assert_int_equal(change(f, key, 1ull << 20, 0), SYNDROME_MW_BIND);
	assert_int_equal(*reports, 2);
	assert_int_equal(look(f, key, page, 4096, XLATE_REMOTE_WRITE), XLATE_OK);
	assert_piece(f, 0, page, 4096);
	/* a list of other keys is the application's own */
	assert_int_equal(change(f, stand_create_mkey(&f->b, &list), 1ull << 20, 64), SYNDROME_OK);
	f->origin.kernel = true;
	assert_int_equal(change(f, key, 0, other | 3), SYNDROME_OK);
	assert_int_equal(look(f, key, page, 4096, XLATE_REMOTE_WRITE), XLATE_OK);
	assert_piece(f, 0, other, 4096);
	assert_int_equal(*reports, 2);
}

static uint8_t create_qp(struct fixture *f, unsigned int uid, bool fast)
{
	uint8_t in[IFC_SIZE(create_qp_in)] = { 0 }, out[IFC_SIZE(create_qp_out)];
	uint8_t *context = IFC_AT(create_qp_in, in, qpc);

	IFC_SET(create_qp_in, in, opcode, MLX5_CMD_OP_CREATE_QP);
	IFC_SET(create_qp_in, in, uid, uid);
	IFC_SET(qpc, context, pd, f->b.pd);
	IFC_SET(qpc, context, rq_type, 3);
	IFC_SET(qpc, context, no_sq, 1);
	IFC_SET(qpc, context, fre, fast);
	return stand_command(&f->b, in, sizeof(in), out, sizeof(out));
}

/* A bit in the context says that a queue pair is the kernel's; applications cannot set it */
static void test_kernel_qp(void **state)
{
	struct fixture *f = *state;
	struct dev *dev = &f->b.dev;

	assert_int_equal(create_qp(f, 0, true), CMD_OK);
	assert_true(qp_origin(table_get(&dev->qps, dev->qps.next - 1)).kernel);
	assert_int_equal(create_qp(f, 1, false), CMD_OK);
	assert_false(qp_origin(table_get(&dev->qps, dev->qps.next - 1)).kernel);
	assert_int_equal(create_qp(f, 1, true), CMD_BAD_PARAM);
}

/* Reserved bits: in the control segment of any sender, in the mkey context only of the kernel's */
static void test_umr_strict(void **state)
{
	struct fixture *f = *state;
	uint64_t page = stand_alloc(&f->b, 4096, 4096);
	uint32_t key = stand_register(&f->b, page, 4096, 12, true);
	uint64_t *reports = &f->b.dev.stats.strict_reports;
	uint8_t wqe[48 + IFC_SIZE(mkc)] = { 0 };
	enum syndrome syndrome;

	f->origin.kernel = true;
	IFC_SET(mkc, wqe + 48, reserved_at_40, 1);
	assert_int_equal(umr_execute(&f->b.dev, &f->origin, key, wqe, sizeof(wqe), &syndrome,
				     &f->miss),
			 XLATE_OK);
	assert_int_equal(*reports, 0);
	wqe[20] = 1;
	umr_execute(&f->b.dev, &f->origin, key, wqe, sizeof(wqe), &syndrome, &f->miss);
	assert_int_equal(*reports, 1);
	f->origin.any_pd = true;
	umr_execute(&f->b.dev, &f->origin, key, wqe, sizeof(wqe), &syndrome, &f->miss);
	assert_int_equal(*reports, 3);
}

/* The UMR that sets the page size and the start of a key, and enables it */
static void place(struct fixture *f, uint32_t key, unsigned int page_shift, uint64_t start)
{
	uint8_t wqe[48 + IFC_SIZE(mkc)] = { 0 };
	enum syndrome syndrome;

	put_be64(wqe + 8, 1ull << 1 | 1ull << 6 | 1ull << 29 | 1ull << 42);
	IFC_SET(mkc, wqe + 48, log_page_size, page_shift);
	IFC_SET(mkc, wqe + 48, start_addr, start);
	assert_int_equal(umr_execute(&f->b.dev, &f->origin, key, wqe, sizeof(wqe), &syndrome,
				     &f->miss),
			 XLATE_OK);
}

/* The size of a KSM's entries is one that the device announces */
static void test_ksm_limits(void **state)
{
	struct fixture *f = *state;
	uint8_t *caps = f->b.dev.caps_general_2, list[16] = { 0 };
	struct stand_mkey m = {
		.mode = MKEY_KSM, .page_shift = 13, .start = 0x2000, .list = list,
		.list_length = sizeof(list),
	};
	uint64_t *reports = &f->b.dev.stats.strict_reports;
	uint32_t key = stand_create_mkey(&f->b, &m);

	IFC_SET(cmd_hca_cap_2, caps, umr_log_entity_size_5, 1);
	place(f, key, 30, 1ull << 30);
	place(f, key, 12, 0x1000);
	place(f, key, 13, 0x1000);
	assert_int_equal(*reports, 0);
	place(f, key, 11, 0);
	assert_int_equal(*reports, 1);
	place(f, key, 32, 0);
	assert_int_equal(*reports, 2);
	/* on a device with limits of its own */
	IFC_SET(cmd_hca_cap_2, caps, min_mkey_log_entity_size_fixed_buffer, 14);
	place(f, key, 13, 0x2000);
	assert_int_equal(*reports, 2);
	IFC_SET(cmd_hca_cap_2, caps, min_mkey_log_entity_size_fixed_buffer_valid, 1);
	place(f, key, 13, 0x2000);
	assert_int_equal(*reports, 3);
	stand_create_mkey(&f->b, &m);
	assert_int_equal(*reports, 4);
	IFC_SET(cmd_hca_cap_2, caps, max_mkey_log_entity_size_fixed_buffer, 21);
	place(f, key, 21, 2 << 20);
	assert_int_equal(*reports, 4);
	place(f, key, 22, 4 << 20);
	assert_int_equal(*reports, 5);
	/* the driver's null keys of implicit MRs say 2^61 */
	m = (struct stand_mkey){ .mode = MKEY_MTT, .page_shift = 61, .odp = true, .list = list,
				 .list_length = sizeof(list) };
	stand_create_mkey(&f->b, &m);
	assert_int_equal(*reports, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_mtt),	    TEST(test_huge),	TEST(test_indirect), TEST(test_interleaved),
		TEST(test_ksm_start),	TEST(test_strict_many),
		TEST(test_endless), TEST(test_outside), TEST(test_umr),
		TEST(test_umr_pages), TEST(test_kernel_qp),
		TEST(test_umr_strict), TEST(test_ksm_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
