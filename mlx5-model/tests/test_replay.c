// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* mlx5-model-replay as a user runs it. usage: mlx5-test-replay PROGRAM */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program;
static char dir[64];

/* Runs the program; text gets its output, and what it says. Returns the status. */
static int run(char *text, size_t size, const char *arguments)
{
	char command[2048];
	FILE *pipe;
	size_t n;
	int status;

	snprintf(command, sizeof(command), "cd %s && %s %s 2>&1", dir, program, arguments);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(text, 1, size - 1, pipe);
	text[n] = '\0';
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_begins(const char *text, const char *begin)
{
	assert_ptr_equal(strstr(text, begin), text);
}

static void test_same_output(void **state)
{
	static char first[16384], second[16384];
	const char *arguments = "--pattern uniform --memory 8M --count 2000 --pages 4K --pages 2m "
				"--cache default --cache mtt=16x1 --warm 100";

	(void)state;
	assert_int_equal(run(first, sizeof(first), arguments), 0);
	assert_int_equal(run(second, sizeof(second), arguments), 0);
	assert_string_equal(first, second);
	assert_begins(first, "{\"source\": \"uniform\", \"pages\": 4096, \"cache\": ");
	assert_non_null(strstr(first, "\"pages\": 2097152"));
	assert_non_null(strstr(first, "\"accesses\": 1900"));
	assert_int_equal(run(second, sizeof(second),
			     "--pattern uniform --memory 8M --count 2000 --pages 4K --pages 2m "
			     "--cache default --cache mtt=16x1 --warm 100 --seed 2"), 0);
	assert_string_not_equal(first, second);
}

/* A pattern that went through a file has the same results, but for its name */
static void test_file(void **state)
{
	static char direct[16384], file[16384];

	(void)state;
	assert_int_equal(run(file, sizeof(file),
			     "--pattern kv --memory 64M --slice 16M --count 3000 --write t"), 0);
	assert_string_equal(file, "");
	assert_int_equal(run(direct, sizeof(direct),
			     "--pattern kv --memory 64M --slice 16M --count 3000 --pages 64K"), 0);
	assert_int_equal(run(file, sizeof(file), "--trace t --pages 64K"), 0);
	assert_string_equal(strchr(direct, ','), strchr(file, ','));
	assert_int_equal(run(file, sizeof(file), "--trace t"), 0);
	assert_non_null(strstr(file, "\"pages\": null"));
	assert_int_equal(run(file, sizeof(file), "--trace t --warm 3000"), 0);
	assert_non_null(strstr(file, "\"hit_rate\": null"));
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {
		"", "--none", "--pattern none", "--pattern uniform --trace t", "--pattern kv more",
		"--pattern kv --memory", "--pattern kv --memory 1X", "--pattern kv --memory 1MM",
		"--pattern kv --memory -1", "--pattern kv --memory 99999999999999999999",
		"--pattern kv --memory 16777217T", "--pattern kv --message 5G",
		"--pattern kv --pages 3K", "--pattern kv --pages 2G", "--pattern kv --pages 2K",
		"--pattern kv --cache ways=2", "--pattern kv --cache mtt=3x3",
		"--pattern kv --count 1K",
		"--pattern kv --seed x", "--trace t --write u", "--pattern kv --passes 4294967296",
		"--pattern kv --write u --pages 4K --pages 2M", "--pattern kv --warm ''",
	};
	char text[4096];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		if (run(text, sizeof(text), wrong[i]) != 2)
			fail_msg("'%s' is accepted", wrong[i]);
		assert_non_null(strstr(text, "usage: "));
	}
	assert_int_equal(run(text, sizeof(text), "--pattern kv --cache ways=2"), 2);
	assert_begins(text, "mlx5-model-replay: --cache: unknown parameter 'ways'\n");
	assert_int_equal(run(text, sizeof(text), "--pattern kv --seed 0"), 1);
	assert_string_equal(text, "mlx5-model-replay: --pattern: the seed must not be 0\n");
	assert_int_equal(run(text, sizeof(text), "--trace none"), 1);
	assert_begins(text, "mlx5-model-replay: none: cannot be opened: No such file");
	assert_int_equal(run(text, sizeof(text), "--trace /dev/null"), 1);
	assert_int_equal(run(text, sizeof(text), "--pattern kv --write none/u"), 1);
	assert_int_equal(run(text, sizeof(text), "--pattern uniform --memory 512M --slice 8K "
						 "--message 8K --count 16777216 --write u"), 1);
	assert_string_equal(text, "mlx5-model-replay: u: more records than a trace may have\n");
	assert_int_equal(run(text, sizeof(text), "--help"), 0);
}

/* A short file that would keep the program busy for hours */
static void test_endless(void **state)
{
	/* a list of 2^36 entries, of which 2^30 are read, a hundred times */
	static const unsigned char key[16] = { 16, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 16 };
	static const unsigned char access[16] = { 16, 0, 0, 2, 0, 0, 0, 0x40 };
	char path[128], text[4096];
	unsigned int i;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/endless", dir);
	file = fopen(path, "w");
	assert_int_equal(fwrite("mlx5xlt1\x10\0\0\0\0\0\0\0", 16, 1, file), 1);
	assert_int_equal(fwrite(key, sizeof(key), 1, file), 1);
	for (i = 0; i < 100; i++)
		assert_int_equal(fwrite(access, sizeof(access), 1, file), 1);
	fclose(file);
	assert_int_equal(run(text, sizeof(text), "--trace endless"), 1);
	assert_begins(text, "mlx5-model-replay: endless: takes more than 2^34 lookups");
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/mlx5-replay.XXXXXX");
	return !mkdtemp(dir);
}

static int teardown(void **state)
{
	static const char *const names[] = { "t", "u", "endless" };
	char path[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_output),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_endless),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	return cmocka_run_group_tests(tests, setup, teardown);
}
