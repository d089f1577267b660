// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, uint32_t first, uint32_t limit)
{
	memset(table, 0, sizeof(*table));
	table->first = first;
	table->next = first;
	table->limit = limit;
}

static int table_grow(struct table *table, uint32_t number)
{
	uint32_t size = table->size ? table->size : 64;
	void **slots;

	if (number < table->size)
		return 0;
	while (size <= number)
		size *= 2;
	slots = realloc(table->slots, size * sizeof(*slots));
	if (!slots)
		return -1;
	memset(slots + table->size, 0, (size - table->size) * sizeof(*slots));
	table->slots = slots;
	table->size = size;
	return 0;
}

uint32_t table_add(struct table *table, void *object)
{
	uint32_t number = table->next;

	if (table->count >= table->limit - table->first)
		return 0;
	while (table_get(table, number))
		number = number + 1 < table->limit ? number + 1 : table->first;
	if (table_grow(table, number))
		return 0;
	table->slots[number] = object;
	table->count++;
	table->next = number + 1 < table->limit ? number + 1 : table->first;
	return number;
}

void *table_get(const struct table *table, uint32_t number)
{
	return number >= table->first && number < table->size ? table->slots[number] : NULL;
}

void *table_take(struct table *table, uint32_t number)
{
	void *object = table_get(table, number);

	if (object) {
		table->slots[number] = NULL;
		table->count--;
	}
	return object;
}

void table_clear(struct table *table, void (*release)(void *object))
{
	uint32_t number;
	void *object;

	table_for_each(table, number, object)
		if (release)
			release(object);
	free(table->slots);
	table->slots = NULL;
	table->size = 0;
	table->count = 0;
}
