/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Objects by number. Numbers are assigned round robin, so that use of a stale one is noticed. */
#ifndef MLX5_MODEL_TABLE_H
#define MLX5_MODEL_TABLE_H

#include <stdint.h>

struct table {
	void **slots;
	uint32_t size;	/* slots allocated */
	uint32_t first; /* smallest number */
	uint32_t limit; /* first number that is too large */
	uint32_t next;
	uint32_t count;
};

void table_init(struct table *table, uint32_t first, uint32_t limit);
/* Returns the number, or 0 if none is left; first is never 0 */
uint32_t table_add(struct table *table, void *object);
void *table_get(const struct table *table, uint32_t number);
void *table_take(struct table *table, uint32_t number);
/* Calls release for each object and removes all of them; numbering continues where it was */
void table_clear(struct table *table, void (*release)(void *object));

#define table_for_each(table, number, object)                                        \
	for (number = (table)->first; number < (table)->size; number++)              \
		if ((object = (table)->slots[number]))

#endif
