// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Transfers a file through memory regions (MRs) of three kinds and prints the
 * cost of each: pinned, ODP with 4 KiB pages, ODP with 2 MiB pages.
 *
 * RDMA WRITEs copy the file from pinned memory into untouched memory, so that
 * the device faults in every page of the MR; RDMA READs copy it back, and its
 * SHA-256 is compared. Finally, two requests are made for memory without huge
 * pages: one that also accepts base pages, and one that does not.
 *
 *	odp-file-transfer [-d DEVICE] [-m MIB] FILE
 *
 * With -m, only the first MIB MiB (1 to 1048576) of a longer file are transferred.
 * The exit status is 0 only if all results are as expected.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <infiniband/hugeodp.h>
#include <openssl/evp.h>

#include "rc-pair.h"

#define BASE ((size_t)4 << 10)
#define HUGE ((size_t)2 << 20)
#define TARGET_ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ)

/* Minimum reduction of fault events and of table bytes. */
#define SAVING 500

#define MAX_MIB ((size_t)1 << 20)

struct digest {
	unsigned char bytes[EVP_MAX_MD_SIZE];
};

struct file {
	uint8_t *bytes;
	size_t size;   /* that is transferred */
	size_t padded; /* to whole huge pages, with zeroes */
	struct digest digest;
	struct ibv_mr *mr;
};

/* One way to register the target, and its results. */
struct column {
	const char *title;
	const char *asked;
	struct ibv_mr *(*reg)(struct ibv_pd *pd, void *addr, size_t len);
	bool odp;
	uint32_t want_shift;
	struct ibv_mr_odp_attr state;
	bool intact;
	double seconds;
};

/* ---- three ways to register memory ---- */

static struct ibv_mr *reg_pinned(struct ibv_pd *pd, void *addr, size_t len)
{
	return ibv_reg_mr(pd, addr, len, TARGET_ACCESS);
}

static struct ibv_mr *reg_odp(struct ibv_pd *pd, void *addr, size_t len)
{
	return ibv_reg_mr(pd, addr, len, TARGET_ACCESS | IBV_ACCESS_ON_DEMAND);
}

/* ODP with a page size request: any of @page_sizes is accepted. */
static struct ibv_mr *reg_odp_pages(struct ibv_pd *pd, void *addr, size_t len, uint64_t page_sizes)
{
	struct ibv_mr_init_attr_odp attr = {
		.base = {
			.comp_mask = IBV_REG_MR_MASK_ADDR | IBV_REG_MR_MASK_ODP,
			.addr = addr,
			.length = len,
			.access = TARGET_ACCESS | IBV_ACCESS_ON_DEMAND,
		},
		.page_sizes = page_sizes,
	};

	return ibv_reg_mr_ex(pd, &attr.base);
}

/* A set of one size is strict: 2 MiB or nothing. */
static struct ibv_mr *reg_strict(struct ibv_pd *pd, void *addr, size_t len)
{
	return reg_odp_pages(pd, addr, len, HUGE);
}

/* ---- memory ---- */

/* Map new memory with huge pages: from the hugetlb pool or, if that is empty, transparent ones. */
static void *map_huge(size_t len)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *addr = mmap(NULL, len, prot, flags | MAP_HUGETLB, -1, 0);
	uintptr_t aligned;

	if (addr != MAP_FAILED)
		return addr;
	/* map one huge page more than needed, and unmap the unaligned ends */
	addr = mmap(NULL, len + HUGE, prot, flags, -1, 0);
	if (addr == MAP_FAILED)
		die("mmap of %zu MiB: %s", len >> 20, strerror(errno));
	aligned = ((uintptr_t)addr + HUGE - 1) & ~(HUGE - 1);
	munmap((void *)(aligned + len), (uintptr_t)addr + HUGE - aligned);
	if (aligned != (uintptr_t)addr)
		munmap(addr, aligned - (uintptr_t)addr);
	if (madvise((void *)aligned, len, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE: %s", strerror(errno));
	return (void *)aligned;
}

/* Map memory that can only have base pages. */
static void *map_small(size_t len)
{
	void *addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr == MAP_FAILED || madvise(addr, len, MADV_NOHUGEPAGE))
		die("mmap of %zu KiB: %s", len >> 10, strerror(errno));
	return addr;
}

/* ---- the file ---- */

static struct digest sha256(const void *data, size_t len)
{
	struct digest digest = {};

	if (!EVP_Digest(data, len, digest.bytes, NULL, EVP_sha256(), NULL))
		die("SHA-256 failed");
	return digest;
}

static void load_file(struct file *file, const char *path, size_t limit, struct ibv_pd *pd)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		die("%s: %s", path, strerror(errno));
	file->size = (size_t)st.st_size;
	if (!file->size)
		die("%s: empty file", path);
	if (file->size > limit)
		file->size = limit;
	file->padded = (file->size + HUGE - 1) & ~(HUGE - 1);
	file->bytes = map_huge(file->padded);
	for (size_t have = 0; have < file->size; have += (size_t)n) {
		n = read(fd, file->bytes + have, file->size - have);
		if (n <= 0)
			die("%s: %s", path, n ? strerror(errno) : "the file became shorter");
	}
	close(fd);
	file->digest = sha256(file->bytes, file->size);
	file->mr = ibv_reg_mr(pd, file->bytes, file->padded, IBV_ACCESS_LOCAL_WRITE);
	if (!file->mr)
		die("ibv_reg_mr of the file: %s", strerror(errno));
}

static void unload_file(struct file *file)
{
	ibv_dereg_mr(file->mr);
	munmap(file->bytes, file->padded);
}

/* ---- one transfer there and back ---- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Read the target back into other memory. Returns true if the data equals the file. */
static bool read_back(struct rc_pair *pair, const struct file *file, const struct ibv_mr *target)
{
	void *back = map_small(file->padded);
	struct ibv_mr *mr = ibv_reg_mr(pair->pd, back, file->padded, IBV_ACCESS_LOCAL_WRITE);
	struct digest digest;

	if (!mr)
		die("ibv_reg_mr: %s", strerror(errno));
	rc_pair_transfer(pair, IBV_WR_RDMA_READ, mr, target, file->padded);
	digest = sha256(back, file->size);
	ibv_dereg_mr(mr);
	munmap(back, file->padded);
	return !memcmp(&digest, &file->digest, sizeof(digest));
}

static void run_column(struct rc_pair *pair, const struct file *file, struct column *column)
{
	void *memory = map_huge(file->padded);
	double start = now();
	struct ibv_mr *target = column->reg(pair->pd, memory, file->padded);
	int err;

	if (!target)
		die("%s MR: %s", column->title, strerror(errno));
	rc_pair_transfer(pair, IBV_WR_RDMA_WRITE, file->mr, target, file->padded);
	column->intact = read_back(pair, file, target);
	column->seconds = now() - start;
	if (column->odp) {
		err = ibv_query_mr_odp(target, &column->state, sizeof(column->state));
		if (err)
			die("ibv_query_mr_odp: %s", strerror(err));
	}
	ibv_dereg_mr(target);
	munmap(memory, file->padded);
}

/* ---- the table ---- */

static void print_head(const struct column *columns, int n)
{
	printf("\n%-18s", "");
	for (int i = 0; i < n; i++)
		printf("%14s", columns[i].title);
	printf("\n%-18s", "page sizes asked");
	for (int i = 0; i < n; i++)
		printf("%14s", columns[i].asked);
	putchar('\n');
}

/* A row of numbers that only an ODP MR has. */
static void print_row(const char *title, const struct column *columns, int n, size_t member)
{
	printf("%-18s", title);
	for (int i = 0; i < n; i++) {
		uint64_t value;

		memcpy(&value, (const char *)&columns[i].state + member, sizeof(value));
		if (columns[i].odp)
			printf("%14" PRIu64, value);
		else
			printf("%14s", "-");
	}
	putchar('\n');
}

static void print_shifts(const struct column *columns, int n)
{
	printf("%-18s", "page shift");
	for (int i = 0; i < n; i++)
		if (columns[i].odp)
			printf("%14" PRIu32, columns[i].state.page_shift);
		else
			printf("%14s", "-");
	putchar('\n');
}

static void print_results(const struct column *columns, int n)
{
	printf("%-18s", "SHA-256");
	for (int i = 0; i < n; i++)
		printf("%14s", columns[i].intact ? "ok" : "WRONG");
	printf("\n%-18s", "seconds");
	for (int i = 0; i < n; i++)
		printf("%14.1f", columns[i].seconds);
	printf("\n\n");
}

static void print_table(const struct column *columns, int n)
{
	print_head(columns, n);
	print_shifts(columns, n);
	print_row("blocks mapped", columns, n, offsetof(struct ibv_mr_odp_attr, blocks_mapped));
	print_row("fault events", columns, n, offsetof(struct ibv_mr_odp_attr, faults));
	print_row("table bytes", columns, n, offsetof(struct ibv_mr_odp_attr, table_bytes));
	print_results(columns, n);
}

/* ---- checks ---- */

static bool expect(bool cond, const char *what)
{
	if (!cond)
		fprintf(stderr, "not as expected: %s\n", what);
	return cond;
}

static bool check_column(const struct column *column)
{
	bool right = expect(column->intact, "the data read back equals the file");

	if (column->odp) {
		right &= expect(column->state.page_shift == column->want_shift, "page shift");
		right &= expect(column->state.source == IBV_ODP_SOURCE_KERNEL,
				"the kernel reports the numbers");
	}
	return right;
}

static bool check_saving(const struct ibv_mr_odp_attr *small, const struct ibv_mr_odp_attr *huge)
{
	bool right = expect(huge->faults && huge->faults * SAVING <= small->faults,
			    "2 MiB pages: at most 1/500 of the fault events");

	right &= expect(huge->table_bytes && huge->table_bytes * SAVING <= small->table_bytes,
			"2 MiB pages: at most 1/500 of the table bytes");
	return right;
}

/* ---- requests for memory without huge pages ---- */

static bool accept_less(struct rc_pair *pair, void *memory, size_t len)
{
	struct ibv_mr *mr = reg_odp_pages(pair->pd, memory, len, HUGE | BASE);
	int shift;

	if (!mr) {
		printf("2M|4K over memory of small pages: %s\n", strerror(errno));
		return false;
	}
	shift = ibv_mr_page_shift(mr);
	printf("2M|4K over memory of small pages: page shift %d\n", shift);
	ibv_dereg_mr(mr);
	return expect(shift == 12, "page shift 12");
}

static bool accept_nothing_less(struct rc_pair *pair, void *memory, size_t len)
{
	struct ibv_mr *mr = reg_odp_pages(pair->pd, memory, len, HUGE);
	int err = errno;

	if (mr) {
		printf("2M over memory of small pages: an MR\n");
		ibv_dereg_mr(mr);
		return expect(false, "no MR");
	}
	printf("2M over memory of small pages: no MR, %s (%s)\n", strerrorname_np(err),
	       strerror(err));
	return expect(err == ERANGE, "ERANGE");
}

static bool show_refusals(struct rc_pair *pair)
{
	const size_t len = HUGE * 2;
	void *memory = map_small(len);
	bool right = accept_less(pair, memory, len);

	right &= accept_nothing_less(pair, memory, len);
	munmap(memory, len);
	return right;
}

/* ---- */

static bool run(struct rc_pair *pair, const char *path, size_t limit)
{
	struct column columns[] = {
		{ .title = "pinned", .asked = "-", .reg = reg_pinned },
		{ .title = "ODP 4 KiB",
		  .asked = "-",
		  .reg = reg_odp,
		  .odp = true,
		  .want_shift = 12 },
		{ .title = "ODP 2 MiB",
		  .asked = "2M",
		  .reg = reg_strict,
		  .odp = true,
		  .want_shift = 21 },
	};
	const int n = sizeof(columns) / sizeof(*columns);
	struct file file = {};
	bool right = true;

	load_file(&file, path, limit, pair->pd);
	printf("%s: %zu bytes, over %s with an MTU of %u\n", path, file.size,
	       ibv_get_device_name(pair->ctx->device), pair->mtu);
	for (int i = 0; i < n; i++)
		run_column(pair, &file, &columns[i]);
	print_table(columns, n);
	for (int i = 0; i < n; i++)
		right &= check_column(&columns[i]);
	right &= check_saving(&columns[1].state, &columns[2].state);
	right &= show_refusals(pair);
	unload_file(&file);
	return right;
}

/* Bytes of a number of MiB; 0 if it is not one */
static size_t parse_mib(const char *text)
{
	char *end;
	unsigned long mib;

	errno = 0;
	mib = strtoul(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9' || mib > MAX_MIB)
		return 0;
	return mib << 20;
}

int main(int argc, char **argv)
{
	const char *device = NULL;
	size_t limit = SIZE_MAX;
	struct rc_pair pair;
	bool right, usage = false;
	int opt;

	while ((opt = getopt(argc, argv, "d:m:")) != -1) {
		if (opt == 'd')
			device = optarg;
		else if (opt == 'm')
			usage |= !(limit = parse_mib(optarg));
		else
			usage = true;
	}
	if (usage || optind != argc - 1)
		die("usage: %s [-d DEVICE] [-m MIB] FILE", argv[0]);
	rc_pair_open(&pair, device);
	right = run(&pair, argv[optind], limit);
	rc_pair_close(&pair);
	if (fflush(stdout))
		die("cannot write the table: %s", strerror(errno));
	return !right;
}
