// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <pthread.h>
#include <search.h>
#include <stdlib.h>

#include "preload_kept.h"

struct node {
	const struct ibv_mr *mr;
	struct kept kept;
};

static void *nodes;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void take_lock(void)
{
	pthread_mutex_lock(&lock);
}

static void release_lock(void)
{
	pthread_mutex_unlock(&lock);
}

static int compare(const void *a, const void *b)
{
	const struct node *x = a;
	const struct node *y = b;

	return (uintptr_t)x->mr < (uintptr_t)y->mr ? -1 : x->mr != y->mr;
}

void kept_start(void)
{
	/* a child must not wait for a thread that it does not have */
	pthread_atfork(take_lock, release_lock, release_lock);
}

void kept_add(const struct ibv_mr *mr, struct kept kept)
{
	struct node *node = malloc(sizeof(*node));
	struct node **found;

	if (!node)
		return;
	*node = (struct node){ .mr = mr, .kept = kept };
	take_lock();
	found = tsearch(node, &nodes, compare);
	if (found && *found != node)
		(*found)->kept = kept;
	else if (found)
		node = NULL;
	release_lock();
	free(node);
}

bool kept_find(const struct ibv_mr *mr, struct kept *kept)
{
	const struct node key = { .mr = mr };
	struct node **found;

	take_lock();
	found = tfind(&key, &nodes, compare);
	if (found)
		*kept = (*found)->kept;
	release_lock();
	return found;
}

bool kept_take(const struct ibv_mr *mr, struct kept *kept)
{
	const struct node key = { .mr = mr };
	struct node **found, *node = NULL;

	take_lock();
	found = tfind(&key, &nodes, compare);
	if (found) {
		node = *found;
		*kept = node->kept;
		tdelete(&key, &nodes, compare);
	}
	release_lock();
	free(node);
	return node;
}
