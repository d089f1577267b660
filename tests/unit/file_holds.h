/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef TESTS_UNIT_FILE_HOLDS_H
#define TESTS_UNIT_FILE_HOLDS_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

/* Compare the contents of the file. */
static inline void file_holds(const char *name, const char *want)
{
	static char text[1 << 16];
	int fd = open(name, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, want);
}

#endif
