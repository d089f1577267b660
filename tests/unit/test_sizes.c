// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Sets of page sizes as text, with base pages of 4 KiB and of 64 KiB.
 */
#include <stdlib.h>
#include <unistd.h>

#include "fake.h"

#include "../../libibverbs/sizes.h"

#define LONG (1 << 20)
#define UNTOUCHED 0xabcdef

static long base_page;

long __real_sysconf(int name);
long __wrap_sysconf(int name);

long __wrap_sysconf(int name)
{
	return name == _SC_PAGESIZE ? base_page : __real_sysconf(name);
}

static int base_4k(void **state)
{
	(void)state;
	base_page = 1 << 12;
	return 0;
}

static int base_64k(void **state)
{
	(void)state;
	base_page = 1 << 16;
	return 0;
}

static void internal(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t sizes;
		const char *again;
	} cases[] = {
		{ "any", true, 0, "none" },
		{ "", true, 0, "none" },
		{ "2M|4K", true, FAKE_2M | FAKE_4K, "4K|2M" },
		{ "2M|base", true, FAKE_2M | FAKE_4K, "4K|2M" },
		{ "base2M", false, 0, NULL },
		{ "2Mbase", false, 0, NULL },
		{ "4k,2m,1g", true, FAKE_4K | FAKE_2M | FAKE_1G, "4K|2M|1G" },
		{ "4096", true, FAKE_4K, "4K" },
		{ "4K|8K|16K", true, 7 * FAKE_4K, "4K..16K" },
		{ "4K|8K", true, 3 * FAKE_4K, "4K|8K" },
		{ "8E", true, 1ULL << 63, "8E" },
		{ "3M", false, 0, NULL },
		{ "2M|", false, 0, NULL },
		{ "|2M", false, 0, NULL },
		{ "2MB", false, 0, NULL },
		{ "-2M", false, 0, NULL },
		{ "16E", false, 0, NULL },
		{ "0", false, 0, NULL },
		{ "M", false, 0, NULL },
	};
	char text[SIZES_TEXT];
	uint64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(sizes_parse(cases[i].text, &value), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(value, cases[i].sizes);
		assert_string_equal(sizes_text(value, text, sizeof(text)), cases[i].again);
	}
}

static void expect_parsed(const char *text, uint64_t sizes)
{
	uint64_t value = UNTOUCHED;

	errno = 0;
	assert_int_equal(hugeodp_parse_page_sizes(text, &value), 0);
	assert_int_equal(errno, 0);
	assert_int_equal(value, sizes);
}

static void expect_refused(const char *text)
{
	uint64_t value = UNTOUCHED;

	errno = 0;
	assert_int_equal(hugeodp_parse_page_sizes(text, &value), EINVAL);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(value, UNTOUCHED);
}

static void parse(void **state)
{
	(void)state;
	expect_parsed("any", 0);
	expect_parsed("", 0);
	expect_parsed("2M", FAKE_2M);
	expect_parsed("2m", FAKE_2M);
	expect_parsed("2M|base", FAKE_2M | FAKE_4K);
	expect_parsed("BASE,1g", FAKE_1G | FAKE_4K);
	expect_parsed("2M,64K|4K", FAKE_2M | 16 * FAKE_4K | FAKE_4K);
	expect_parsed("2M|2M|2048K", FAKE_2M);
	expect_parsed("4096", FAKE_4K);
	expect_parsed("4096b", FAKE_4K);
	expect_parsed("00000000000000004096", FAKE_4K);
	expect_parsed("128T", 1ULL << 47);
}

static const char *const refused[] = {
	/* not a size */
	"0",
	"0K",
	"3M",
	"M",
	"-2M",
	"+2M",
	"2MB",
	"2MiB",
	"0x1000",
	"2.0M",
	"1e6",
	"none",
	"ANY",
	"bas",
	"bases",
	"base2M",
	"2Mbase",
	"2Many",
	/* not a list */
	"|",
	",",
	"2M|",
	"2M,",
	"|2M",
	"2M||4K",
	"2M|,4K",
	"any|2M",
	"2M|any",
	"2M;4K",
	"4K..2M",
	"2M|3M",
	/* blanks */
	" ",
	" 2M",
	"2M ",
	"2 M",
	"2M |4K",
	"2M| 4K",
	"\t2M",
	"2M\n",
	"any ",
	" base",
	"2M|4K\r",
	/* more than 64 bits */
	"16E",
	"16384P",
	"18014398509481984K",
	"18446744073709551615",
	"18446744073709551616",
	"36893488147419103232",
	"99999999999999999999E",
	"000000000000000004096",
	/* below the base page, and from 2^48 */
	"1",
	"1K",
	"2K",
	"2M|2K",
	"2048",
	"256T",
	"2M|256T",
	"281474976710656",
	"1P",
	"8E",
	"9223372036854775808",
	/* not ASCII */
	"\xef\xbc\x92M",
	"2\xef\xbc\xad",
	"2M\xc2\xa0",
	"\xc2\xa0M",
	"2M\xe2\x80\x8b",
	"2\xcd",
	"2\xed",
	"b\xc3\xa4se",
	"b\xc3\xa2se",
	"2M\xff",
	"\xff",
	"2\xe2\x84\xaa",
};

static void refuse(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		expect_refused(refused[i]);
	expect_refused(NULL);
	assert_int_equal(hugeodp_parse_page_sizes("2M", NULL), EINVAL);
	assert_int_equal(hugeodp_parse_page_sizes(NULL, NULL), EINVAL);
}

/* Only units may follow a number, whatever the sign of a char. */
static void every_byte(void **state)
{
	char text[] = "4?";
	uint64_t value;
	int c;

	(void)state;
	for (c = 1; c < 256; c++) {
		text[1] = (char)c;
		assert_int_equal(sizes_parse(text, &value), strchr("BKMGTPEbkmgtpe", c) != NULL);
	}
}

static void long_texts(void **state)
{
	char *text = malloc(LONG + 1);
	size_t i;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < LONG; i++)
		text[i] = "2M|"[i % 3];
	text[LONG] = 0;
	/* ends with '2': the size 2 */
	expect_refused(text);
	text[LONG - 1] = 0;
	/* ends with '|' */
	expect_refused(text);
	text[LONG - 2] = 0;
	expect_parsed(text, FAKE_2M);
	memset(text, '9', LONG);
	expect_refused(text);
	memset(text, '0', LONG);
	memcpy(text + LONG - 4, "4096", 4);
	expect_refused(text);
	memset(text, '|', LONG);
	expect_refused(text);
	free(text);
}

static void expect_text(uint64_t sizes, const char *expected)
{
	const size_t length = strlen(expected);
	char text[HUGEODP_PAGE_SIZES_TEXT];

	assert_true(length < sizeof(text));
	memset(text, '#', sizeof(text));
	errno = 0;
	assert_int_equal(hugeodp_format_page_sizes(sizes, text, length), EINVAL);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(text[0], '#');
	errno = 0;
	assert_int_equal(hugeodp_format_page_sizes(sizes, text, length + 1), 0);
	assert_int_equal(errno, 0);
	assert_string_equal(text, expected);
	if (length + 1 < sizeof(text))
		assert_int_equal(text[length + 1], '#');
	expect_parsed(text, sizes);
}

static void format(void **state)
{
	char text[HUGEODP_PAGE_SIZES_TEXT] = "#";
	int shift;

	(void)state;
	expect_text(0, "any");
	expect_text(FAKE_4K, "4K");
	expect_text(FAKE_2M | FAKE_4K, "4K|2M");
	expect_text(7 * FAKE_4K, "4K|8K|16K");
	expect_text(1ULL << 47, "128T");
	expect_text((1ULL << 48) - FAKE_4K,
		    "4K|8K|16K|32K|64K|128K|256K|512K|1M|2M|4M|8M|16M|32M|64M|128M|256M|512M|"
		    "1G|2G|4G|8G|16G|32G|64G|128G|256G|512G|1T|2T|4T|8T|16T|32T|64T|128T");
	for (shift = 0; shift < 64; shift++)
		assert_int_equal(hugeodp_format_page_sizes(1ULL << shift, text, sizeof(text)),
				 shift < 12 || shift > 47 ? EINVAL : 0);
	text[0] = '#';
	assert_int_equal(hugeodp_format_page_sizes(UINT64_MAX, text, sizeof(text)), EINVAL);
	/* 1 << 31 in an int */
	assert_int_equal(hugeodp_format_page_sizes((uint64_t)INT32_MIN, text, sizeof(text)),
			 EINVAL);
	assert_int_equal(hugeodp_format_page_sizes(FAKE_2M, text, 0), EINVAL);
	assert_int_equal(text[0], '#');
	assert_int_equal(hugeodp_format_page_sizes(FAKE_2M, NULL, sizeof(text)), EINVAL);
	assert_int_equal(hugeodp_format_page_sizes(FAKE_2M, NULL, 0), EINVAL);
}

static void large_base_pages(void **state)
{
	char text[HUGEODP_PAGE_SIZES_TEXT];

	(void)state;
	expect_parsed("base", 1 << 16);
	expect_parsed("64K", 1 << 16);
	expect_parsed("2M|Base", FAKE_2M | 1 << 16);
	expect_refused("4K");
	expect_refused("2M|32K");
	expect_refused("4K|64K|2M");
	expect_text(FAKE_2M | 1 << 16, "64K|2M");
	assert_int_equal(hugeodp_format_page_sizes(FAKE_4K, text, sizeof(text)), EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(internal, base_4k),
		cmocka_unit_test_setup(parse, base_4k),
		cmocka_unit_test_setup(refuse, base_4k),
		cmocka_unit_test_setup(every_byte, base_4k),
		cmocka_unit_test_setup(long_texts, base_4k),
		cmocka_unit_test_setup(format, base_4k),
		cmocka_unit_test_setup(large_base_pages, base_64k),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
