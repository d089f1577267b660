/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Objects by number. Numbers are assigned round robin, so that use of a stale one is noticed. Each
 * object belongs to the context whose command made it: an application's, or one of the driver's own,
 * which are 0, and TABLE_SHARED for what it makes for all (MLX5_SHARED_RESOURCE_UID).
 */
#ifndef MLX5_MODEL_TABLE_H
#define MLX5_MODEL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define TABLE_SHARED 0xffff

struct table {
	void **slots;
	uint16_t *owners;
	uint32_t size;	/* slots allocated */
	uint32_t first; /* smallest number */
	uint32_t limit; /* first number that is too large */
	uint32_t next;
	uint32_t count;
	const uint16_t *context; /* whose command is running */
};

/* True for the contexts of the driver itself */
static inline bool table_is_driver(uint16_t context)
{
	return !context || context == TABLE_SHARED;
}

/* context may be NULL: then all objects are the driver's */
void table_init(struct table *table, uint32_t first, uint32_t limit, const uint16_t *context);
/* Returns the number, or 0 if none is left; first is never 0 */
uint32_t table_add(struct table *table, void *object);
void *table_get(const struct table *table, uint32_t number);
/*
 * The object that the running command names, if it may change, query or destroy it: the driver may do
 * so with all of them, an application with its own
 */
void *table_own(const struct table *table, uint32_t number);
/*
 * The same if another object is to refer to it. Not only to shared ones: the driver's commands for an
 * application also refer to its own completion queue, receive queues and XRC domains (devr of mlx5_ib)
 */
void *table_refer(const struct table *table, uint32_t number);
/* True if the table has an object of this context */
bool table_has_of(const struct table *table, uint32_t context);
void *table_take(struct table *table, uint32_t number);
/* Calls release for each object and removes all of them; numbering continues where it was */
void table_clear(struct table *table, void (*release)(void *object));

#define table_for_each(table, number, object)                                        \
	for (number = (table)->first; number < (table)->size; number++)              \
		if ((object = (table)->slots[number]))

#endif
