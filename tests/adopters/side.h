/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the programs of this folder share: two processes with a socket between them, each with
 * memory in transparent huge pages, with buffers in it that begin and end inside of them, and with
 * a copy of what must be there. The second buffer is in the last huge page of the first one.
 */
#ifndef ADOPTERS_SIDE_H
#define ADOPTERS_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUFFERS 2

struct buffer {
	size_t at;
	size_t length;
};

extern const struct buffer buffers[BUFFERS];

struct side {
	const char *name;
	unsigned int seed;
	int peer;
	unsigned char *data;
	unsigned char *want;
	/* called again and again while this process waits for the other one; may be NULL */
	void (*progress)(void);
};

/* The transfers of the client for a buffer, which return when they are complete. */
struct operations {
	const char *write_name;
	const char *read_name;
	void (*write)(const struct side *side, size_t buffer);
	void (*read)(const struct side *side, size_t buffer);
};

/* Ends the process if not @good. */
void require(const struct side *side, bool good, const char *what);

/* Waits until the other process is here, too, and gives it @length bytes, which it takes. */
void hand_over(const struct side *side, const void *from, size_t length);
void take(const struct side *side, void *to, size_t length);
void meet(const struct side *side);

/*
 * The client writes its buffer into the server's, then reads back what the server puts there. Both
 * compare all of their memory, also the bytes around the buffers, which must not change.
 */
void transfer(struct side *side, bool is_server, size_t buffer,
	      const struct operations *operations);

/*
 * Calls @run in two processes, with memory for each, and after it has returned prints that all
 * bytes are right. Returns the status of the program.
 */
int two_sides(void (*run)(struct side *side, bool is_server));

#endif /* ADOPTERS_SIDE_H */
