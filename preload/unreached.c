// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unreached.h"

char *unreached_find(const char *program)
{
	const char *at = getenv("PATH"), *end;
	char *path;

	if (strchr(program, '/') || !at)
		return strdup(program);
	for (;; at = end + 1) {
		end = strchrnul(at, ':');
		if (asprintf(&path, "%.*s%s%s", (int)(end - at), at, end == at ? "" : "/",
			     program) < 0)
			return NULL;
		if (!access(path, X_OK))
			return path;
		free(path);
		if (!*end)
			return NULL;
	}
}

/* Whether the program has a dynamic linker, which is what loads the library. */
static bool has_interpreter(int fd, const ElfW(Ehdr) * header)
{
	ElfW(Phdr) segment;
	unsigned int i;
	off_t at;

	for (i = 0; i < header->e_phnum; i++) {
		/* an offset beyond the end of any file finds nothing */
		at = (off_t)(header->e_phoff + i * sizeof(segment));
		if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type == PT_INTERP)
			return true;
	}
	return false;
}

static const char *reason_of(int fd)
{
	static const char other[] = "its dynamic linker did not load the library";
	ElfW(Ehdr) header, own = { 0 };
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (self >= 0) {
		if (pread(self, &own, sizeof(own), 0) != (ssize_t)sizeof(own))
			memset(&own, 0, sizeof(own));
		close(self);
	}
	if (pread(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return other;
	if (header.e_machine != own.e_machine || header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS])
		return "it is not of this system's main architecture";
	if (!has_interpreter(fd, &header))
		return "it is linked statically";
	if (!fstat(fd, &st) &&
	    (st.st_mode & (S_ISUID | S_ISGID) || fgetxattr(fd, "security.capability", NULL, 0) > 0))
		return "it is setuid, setgid or has capabilities";
	return other;
}

const char *unreached_reason(const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
	const char *reason = "its file cannot be read";

	if (fd < 0)
		return reason;
	reason = reason_of(fd);
	close(fd);
	return reason;
}
