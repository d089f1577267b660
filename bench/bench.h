/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Helpers that the measurements share. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "region.h"
#include "rig.h"

#define REPEATS 5
#define LENGTHS_MAX 16

struct bench {
	struct rig rig;
	bool quick;	     /* small lengths, only to check that the benchmarks work */
	bool exact;	     /* work is counted in instructions */
	bool gigapages;	     /* the machine has a page of 1 GiB to give */
	uint64_t page_sizes; /* supported in requests on this device; 0: no requests */
};

/* Kinds of memory, by page size. */
enum space_kind {
	SPACE_BASE,
	SPACE_HUGE, /* transparent huge pages of 2 MiB */
	SPACE_GIGA, /* hugetlb, 1 GiB */
	SPACE_KINDS,
};

struct space {
	enum space_kind kind;
	uint8_t *addr; /* 1 GiB aligned, always the same: page tables are a cost, too */
	size_t len;
};

const char *space_name(enum space_kind kind);
size_t space_page(enum space_kind kind);
void space_map(struct space *space, enum space_kind kind, size_t len);
void space_unmap(struct space *space);
/* A byte of each page is written. */
void space_populate(struct space *space);
/* Ends the program unless all pages are present and have the expected size. */
void space_check(const struct space *space);
/* Frees all pages. */
void space_empty(struct space *space);

/* Blocks of 2 MiB at equal distances in a length, which may be more than the machine's memory. */
struct spread {
	size_t len;
	size_t count;
	unsigned int small_percent; /* of them consist of base pages */
};

/* A way to register memory, and the kind of memory. */
struct subject {
	const char *name;
	const struct mode *mode; /* NULL: memory without an MR */
	enum space_kind kind;
	size_t least; /* length that it can register */
	bool series;  /* a request: only where the device supports it */
};

extern const struct subject subjects[];
extern const size_t subjects_count;

bool subject_odp(const struct subject *s);
/* True if this machine supports the subject at this length; it has only one page of 1 GiB. */
bool subject_fits(const struct bench *b, const struct subject *s, size_t len);
struct ibv_mr *subject_reg(const struct bench *b, const struct subject *s, void *addr, size_t len);
/* The device may only read it. */
struct ibv_mr *subject_reg_read_only(const struct bench *b, const struct subject *s, void *addr,
				     size_t len);
void subject_dereg(struct ibv_mr *mr);
/* Maps all of the MR, and populates its memory where needed. */
void subject_prefetch(const struct bench *b, struct ibv_mr *mr, size_t len);
void subject_prefetch_read_only(const struct bench *b, struct ibv_mr *mr, size_t len);
/* Ends the program if a translation is missing, where the kernel reports it. */
void subject_check_mapped(const struct bench *b, const struct subject *s, struct ibv_mr *mr);

size_t spread_at(const struct spread *spread, size_t i);
/* Ends the program unless each block has the pages that it should have. */
void spread_populate(const struct space *space, const struct spread *spread);
/* Maps all blocks. */
void spread_prefetch(const struct bench *b, const struct subject *s, struct ibv_mr *mr,
		     const struct spread *spread);

/* Lengths from @first to @last, each four times the one before; returns how many. */
size_t lengths(size_t *out, size_t first, size_t last);

/* A figure being measured: its subject, and samples. */
struct figure {
	const char *name;
	const struct subject *subject;
	const char *state;
	size_t length;
	uint64_t count; /* of objects measured, 1 by default */
	const char *unit;
	uint64_t samples[REPEATS];
	unsigned int repeats;
};

void figure_add(struct figure *f, uint64_t sample);
/* A line of JSON on stdout, written at the end: output costs instructions, too. */
void figure_print(const struct figure *f);
void figures_flush(void);
/* A line of JSON about the kernel that runs. */
void kernel_print(void);

/* @a less @b, or 0: a difference of two measured values. */
static inline uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* memory.c: the memory of the machine that is free. */
uint64_t free_bytes(void);

/* Instructions that this machine has executed so far, with --icount; else nanoseconds. */
uint64_t work_done(void);
bool work_is_exact(void);
const char *work_unit(void);

void measure_registration(const struct bench *b);
void measure_prefetch(const struct bench *b);
void measure_invalidation(const struct bench *b);
void measure_renegotiation(const struct bench *b);
void measure_fault(const struct bench *b);
void measure_stream(const struct bench *b);
void measure_memory(const struct bench *b);
void measure_library(const struct bench *b);
void measure_probe(const struct bench *b);
void measure_waiting(const struct bench *b);
void measure_block(const struct bench *b);
void measure_parallel(const struct bench *b);
void measure_table(const struct bench *b);
void measure_kvcache(const struct bench *b);
void measure_device(const struct bench *b);

#endif
