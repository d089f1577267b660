// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "side.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define LENGTH (4 * HUGE_PAGE)

/* Not a multiple of any page size. */
const struct buffer buffers[BUFFERS] = {
	{ 12345, 5 * (HUGE_PAGE / 2) - 4321 },
	{ 11 * (HUGE_PAGE / 4) + 99, 3001 },
};

void require(const struct side *side, bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s: %s\n", side->name, what);
	exit(1);
}

static unsigned char byte_at(unsigned int seed, size_t at)
{
	uint64_t x = at * 0x9e3779b97f4a7c15ULL + seed * 0xbf58476d1ce4e5b9ULL;

	return (unsigned char)(x >> 56 ^ x >> 23);
}

/* Whole huge pages, at the beginning of one. */
static unsigned char *map(const struct side *side)
{
	unsigned char *data = mmap(NULL, LENGTH + HUGE_PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t past = (uintptr_t)data % HUGE_PAGE;

	require(side, data != MAP_FAILED, "no memory");
	data += past ? HUGE_PAGE - past : 0;
	require(side, !madvise(data, LENGTH, MADV_HUGEPAGE), "no MADV_HUGEPAGE");
	return data;
}

static void fill(struct side *side, unsigned int seed)
{
	for (size_t i = 0; i < LENGTH; i++)
		side->data[i] = side->want[i] = byte_at(seed, i);
}

static void expect(struct side *side, unsigned int seed, const struct buffer *buffer)
{
	for (size_t i = buffer->at; i < buffer->at + buffer->length; i++)
		side->want[i] = byte_at(seed, i);
}

static void check(const struct side *side, const char *what)
{
	for (size_t i = 0; i < LENGTH; i++) {
		if (side->data[i] == side->want[i])
			continue;
		fprintf(stderr, "%s: after %s: byte %zu is %#x, not %#x\n", side->name, what, i,
			side->data[i], side->want[i]);
		exit(1);
	}
}

void hand_over(const struct side *side, const void *from, size_t length)
{
	require(side, send(side->peer, from, length, MSG_NOSIGNAL) == (ssize_t)length,
		"the other process ended");
}

/* True if the other process has not yet handed over @length bytes. */
static bool nothing_to_take(const struct side *side, void *to, size_t length)
{
	ssize_t n = recv(side->peer, to, length, MSG_PEEK | MSG_DONTWAIT);

	return n > 0 ? (size_t)n < length : n < 0 && (errno == EAGAIN || errno == EINTR);
}

void take(const struct side *side, void *to, size_t length)
{
	while (side->progress && nothing_to_take(side, to, length))
		side->progress();
	require(side, recv(side->peer, to, length, MSG_WAITALL) == (ssize_t)length,
		"the other process ended");
}

void meet(const struct side *side)
{
	char mark = 1;

	hand_over(side, &mark, 1);
	take(side, &mark, 1);
}

void transfer(struct side *side, bool is_server, size_t buffer, const struct operations *operations)
{
	const unsigned int mine = side->seed + (unsigned int)buffer, theirs = mine ^ 0x100;

	fill(side, mine);
	meet(side);
	if (is_server)
		expect(side, theirs, &buffers[buffer]);
	else
		operations->write(side, buffer);
	meet(side);
	check(side, operations->write_name);

	fill(side, mine + 2);
	meet(side);
	if (!is_server) {
		operations->read(side, buffer);
		expect(side, theirs + 2, &buffers[buffer]);
	}
	meet(side);
	check(side, operations->read_name);
	meet(side);
}

int two_sides(void (*run)(struct side *side, bool is_server))
{
	struct side side = { 0 };
	int pair[2], status = 0;
	pid_t server;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) {
		perror("socketpair");
		return 1;
	}
	server = fork();
	if (server < 0) {
		perror("fork");
		return 1;
	}
	close(pair[!server]);
	side.peer = pair[!!server];
	side.name = server ? "client" : "server";
	side.seed = server ? 0x100 : 0;
	side.data = map(&side);
	side.want = map(&side);
	fill(&side, side.seed);
	run(&side, !server);
	printf("%s: all bytes are right\n", side.name);
	fflush(stdout);
	if (server)
		waitpid(server, &status, 0);
	return status ? 1 : 0;
}
