// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/table.h"

#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, uint32_t first, uint32_t limit, const uint16_t *context)
{
	memset(table, 0, sizeof(*table));
	table->first = first;
	table->next = first;
	table->limit = limit;
	table->context = context;
}

static uint16_t table_context(const struct table *table)
{
	return table->context ? *table->context : 0;
}

static int table_grow(struct table *table, uint32_t number)
{
	uint32_t size = table->size ? table->size : 64;
	uint16_t *owners;
	void **slots;

	if (number < table->size)
		return 0;
	while (size <= number)
		size *= 2;
	owners = realloc(table->owners, size * sizeof(*owners));
	if (!owners)
		return -1;
	table->owners = owners;
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
	table->owners[number] = table_context(table);
	table->count++;
	table->next = number + 1 < table->limit ? number + 1 : table->first;
	return number;
}

void *table_get(const struct table *table, uint32_t number)
{
	return number >= table->first && number < table->size ? table->slots[number] : NULL;
}

void *table_own(const struct table *table, uint32_t number)
{
	void *object = table_get(table, number);
	uint16_t context = table_context(table);

	if (!object || table_is_driver(context) || table->owners[number] == context)
		return object;
	return NULL;
}

bool table_has_of(const struct table *table, uint32_t context)
{
	const void *object;
	uint32_t number;

	table_for_each(table, number, object)
		if (table->owners[number] == context)
			return true;
	return false;
}

void *table_refer(const struct table *table, uint32_t number)
{
	void *object = table_get(table, number);

	return object && table_is_driver(table->owners[number]) ? object : table_own(table, number);
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
	free(table->owners);
	table->slots = NULL;
	table->owners = NULL;
	table->size = 0;
	table->count = 0;
}
