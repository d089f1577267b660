// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Two MPI ranks: messages in both directions, MPI_Put and MPI_Get, of many
 * sizes and offsets into memory of small and of huge pages; all bytes of the
 * memory are compared, also those that must not be written.
 */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LENGTH ((size_t)8 << 20)
#define ROUNDS 6

struct area {
	unsigned char *data;
	unsigned char *want;
};

static int rank;

static void require(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "rank %d: %s\n", rank, what);
	MPI_Abort(MPI_COMM_WORLD, 1);
}

static unsigned char byte_at(unsigned int seed, size_t at)
{
	uint64_t x = at * 0x9e3779b97f4a7c15ULL + seed * 0xbf58476d1ce4e5b9ULL;

	return (unsigned char)(x >> 56 ^ x >> 23);
}

static void *map(int flags)
{
	void *data = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	require(data != MAP_FAILED, "no memory");
	return data;
}

static void area_fill(struct area *area, unsigned int seed)
{
	for (size_t i = 0; i < LENGTH; i++)
		area->data[i] = area->want[i] = byte_at(seed, i);
}

static void area_check(const struct area *area, const char *what)
{
	require(!memcmp(area->data, area->want, LENGTH), what);
}

/* Expected bytes of the other rank's memory. */
static void expect(struct area *area, unsigned int seed, size_t from, size_t length)
{
	for (size_t i = from; i < from + length; i++)
		area->want[i] = byte_at(seed, i);
}

static void messages(struct area *area, unsigned int seed, size_t from, size_t length)
{
	for (int sender = 0; sender < 2; sender++) {
		area_fill(area, seed + (unsigned int)rank);
		if (rank == sender) {
			MPI_Send(area->data + from, (int)length, MPI_BYTE, !rank, 7, MPI_COMM_WORLD);
		} else {
			MPI_Recv(area->data + from, (int)length, MPI_BYTE, !rank, 7, MPI_COMM_WORLD,
				 MPI_STATUS_IGNORE);
			expect(area, seed + (unsigned int)sender, from, length);
		}
		area_check(area, "a message came out wrong");
	}
}

static void one_sided(struct area *area, unsigned int seed, size_t from, size_t length)
{
	struct area local = { map(0), map(0) };
	MPI_Win win;

	area_fill(area, seed + (unsigned int)rank);
	area_fill(&local, seed + 2 + (unsigned int)rank);
	MPI_Win_create(area->data, (MPI_Aint)LENGTH, 1, MPI_INFO_NULL, MPI_COMM_WORLD, &win);
	MPI_Win_fence(0, win);
	if (!rank) {
		MPI_Put(local.data + from, (int)length, MPI_BYTE, 1, (MPI_Aint)from, (int)length,
			MPI_BYTE, win);
	} else {
		expect(area, seed + 2, from, length);
	}
	MPI_Win_fence(0, win);
	area_check(area, "MPI_Put: wrong bytes");
	if (!rank) {
		MPI_Get(local.data, (int)LENGTH, MPI_BYTE, 1, 0, (int)LENGTH, MPI_BYTE, win);
		expect(&local, seed + 1, 0, LENGTH);
		expect(&local, seed + 2, from, length);
	}
	MPI_Win_fence(0, win);
	area_check(&local, "MPI_Get: wrong bytes");
	area_check(area, "MPI_Get changed its source");
	MPI_Win_free(&win);
	munmap(local.data, LENGTH);
	munmap(local.want, LENGTH);
}

int main(int argc, char **argv)
{
	static const int kinds[] = { 0, MAP_HUGETLB };
	int size;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	require(size == 2, "run this with two ranks");
	srand(1);
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
		struct area area = { map(kinds[kind]), map(0) };

		for (unsigned int round = 0; round < ROUNDS; round++) {
			size_t from = (size_t)rand() % (LENGTH - 1);
			size_t length = (size_t)rand() % (LENGTH - from) + 1;

			messages(&area, round * 8, from, length);
			one_sided(&area, round * 8 + 4, from, length);
		}
		munmap(area.data, LENGTH);
		munmap(area.want, LENGTH);
	}
	if (!rank)
		puts("all bytes are right");
	MPI_Finalize();
	return 0;
}
