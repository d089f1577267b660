// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <stdlib.h>

#include "advice.h"

static struct advice_row *new_row(struct advice *advice, const struct change *change)
{
	const size_t room = advice->room ? advice->room * 2 : 64;
	struct advice_row *row;

	if (advice->count == advice->room) {
		row = reallocarray(advice->rows, room, sizeof(*row));
		if (!row)
			return NULL;
		advice->rows = row;
		advice->room = room;
	}
	row = &advice->rows[advice->count++];
	*row = (struct advice_row){ .change = *change };
	return row;
}

/* The row of a command that is the same for all memory. */
static struct advice_row *general_row(struct advice *advice, const struct change *change)
{
	size_t *known = &advice->general[change->kind][change->shift];

	if (*known)
		return &advice->rows[*known - 1];
	*known = advice->count + 1;
	return new_row(advice, change);
}

/* The row of a change of one mapping. The rows of a mapping follow each other. */
static struct advice_row *mapping_row(struct advice *advice, const struct change *change)
{
	struct advice_row *row;
	size_t i;

	for (i = advice->count; i; i--) {
		row = &advice->rows[i - 1];
		if (change_is_general(row->change.kind))
			continue;
		if (row->change.vma.start != change->vma.start)
			break;
		if (row->change.kind == change->kind && row->change.shift == change->shift)
			return row;
	}
	return new_row(advice, change);
}

int advice_add(struct advice *advice, const struct survey_obstacle *obstacle)
{
	struct advice_row *row;
	struct change change;

	change_for(obstacle, &change);
	if (change.kind == CHANGE_NOTHING)
		return 0;
	row = change_is_general(change.kind) ? general_row(advice, &change)
					     : mapping_row(advice, &change);
	if (!row)
		return ENOMEM;
	/* one call for the whole part, and a flag that not all of the memory has is not there */
	if (change.end > row->change.end)
		row->change.end = change.end;
	row->change.vma.flags &= change.vma.flags;
	row->alternative |= obstacle->inner;
	add_saturated(&row->blocks, obstacle->blocks);
	add_saturated(&row->entries, obstacle->entries);
	return 0;
}

void advice_free(struct advice *advice)
{
	free(advice->rows);
}
