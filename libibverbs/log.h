/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Messages that say why a call failed, for those who ask for them. */
#ifndef HUGEODP_LOG_H
#define HUGEODP_LOG_H

#include <stdbool.h>

/* Whether a message would be read. Costs nothing but a load once the environment has been read. */
bool log_wanted(void);

/* Pass one line, without a newline, to the program or append it to its file. Leaves errno as it is. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Return @err, and say why. */
int log_refusal(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
