// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <pthread.h>
#include <stdlib.h>

#include "tracked.h"

#define BUCKETS 4096

struct node {
	struct node *next;
	const struct ibv_mr *mr;
	struct tracked tracked;
};

/*
 * A program's allocator may register the memory that it allocates, so do not allocate or free
 * memory while the lock is held.
 */
static struct node *buckets[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

/* The link to the node of an MR, or the end of its bucket if there is none. */
static struct node **find(const struct ibv_mr *mr)
{
	const uint64_t hash = (uintptr_t)mr * 0x9e3779b97f4a7c15ULL;
	struct node **at = &buckets[(hash >> 32) % BUCKETS];

	while (*at && (*at)->mr != mr)
		at = &(*at)->next;
	return at;
}

void tracked_start(void)
{
	/* a child must not wait for a thread that it does not have */
	pthread_atfork(take_lock, release_lock, release_lock);
}

void tracked_add(const struct ibv_mr *mr, struct tracked tracked)
{
	struct node *node = malloc(sizeof(*node));
	struct node **at;

	if (!node)
		return;
	*node = (struct node){ .mr = mr, .tracked = tracked };
	take_lock();
	at = find(mr);
	if (*at) {
		(*at)->tracked = tracked;
	} else {
		*at = node;
		node = NULL;
	}
	release_lock();
	free(node);
}

bool tracked_find(const struct ibv_mr *mr, struct tracked *tracked)
{
	struct node *node;

	take_lock();
	node = *find(mr);
	if (node)
		*tracked = node->tracked;
	release_lock();
	return node;
}

bool tracked_take(const struct ibv_mr *mr, struct tracked *tracked)
{
	struct node **at, *node;

	take_lock();
	at = find(mr);
	node = *at;
	if (node) {
		*at = node->next;
		*tracked = node->tracked;
	}
	release_lock();
	free(node);
	return node;
}
