// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "priv.h"

#define LINE 256

static struct {
	void (*function)(void *arg, const char *line);
	void *arg;
	char *file; /* $HUGEODP_LOG */
} to;

/* The environment is not trusted in a setuid program. */
static void read_environment(void)
{
	const char *file = secure_getenv("HUGEODP_LOG");

	if (file && *file)
		to.file = strdup(file);
}

static void read_environment_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_environment);
}

bool log_wanted(void)
{
	read_environment_once();
	return to.function || to.file;
}

/*
 * The file is opened for each line: the program may close all of its descriptors, or give their
 * numbers to other files.
 */
static void append(char *line, size_t len)
{
	int fd = open(to.file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		      0600);

	if (fd < 0)
		return;
	line[len] = '\n';
	/* nothing can be done about an error */
	if (write(fd, line, len + 1) < 0)
		errno = 0;
	close(fd);
}

static void pass_on(const char *fmt, va_list ap)
{
	char line[LINE];
	int before = errno;
	int len = vsnprintf(line, sizeof(line) - 1, fmt, ap);

	if (len < 0)
		len = 0;
	if ((size_t)len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	if (to.function)
		to.function(to.arg, line);
	else
		append(line, (size_t)len);
	errno = before;
}

void log_line(const char *fmt, ...)
{
	va_list ap;

	if (!log_wanted())
		return;
	va_start(ap, fmt);
	pass_on(fmt, ap);
	va_end(ap);
}

int log_refusal(int err, const char *fmt, ...)
{
	va_list ap;

	if (!log_wanted())
		return err;
	va_start(ap, fmt);
	pass_on(fmt, ap);
	va_end(ap);
	return err;
}

HUGEODP_EXPORT void hugeodp_set_log(void (*function)(void *arg, const char *line), void *arg)
{
	to.function = function;
	to.arg = arg;
}
