/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Test Anything Protocol on stdout, as `prove` reads it. */
#ifndef LAB_TAP_H
#define LAB_TAP_H

#include <stdbool.h>
#include <stdint.h>

#define TAP_PRINTF(n) __attribute__((format(printf, n, n + 1)))

/* One test point; returns @cond so that a caller can print more. */
bool ok(bool cond, const char *fmt, ...) TAP_PRINTF(2);

/* Test points that show both values when they differ. */
bool is_u64(uint64_t got, uint64_t want, const char *fmt, ...) TAP_PRINTF(3);
bool is_errno(int got, int want, const char *fmt, ...) TAP_PRINTF(3);

/* A remark; shown by `prove` even without -v. */
void diag(const char *fmt, ...) TAP_PRINTF(1);

/* A remark for the log only. */
void note(const char *fmt, ...) TAP_PRINTF(1);

/*
 * A precondition. In the lab, where the machine is known, a missing one is a
 * failure; elsewhere the rest of the program is skipped. Does not return if
 * @cond is false.
 */
void need(bool cond, const char *fmt, ...) TAP_PRINTF(2);

/* A call that must not fail did: prints a failed test point and ends the program. */
_Noreturn void fatal(const char *fmt, ...) TAP_PRINTF(1);

/* Prints the plan; returns the program's exit status. */
int tap_done(void);

#endif
