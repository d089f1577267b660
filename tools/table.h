/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Tables on a terminal or in a file, by libsmartcols. Only the columns of --output appear. */
#ifndef HUGEODP_TABLE_H
#define HUGEODP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tool.h"

#define TABLE_COLUMNS 12

struct table_column {
	const char *name; /* for --output */
	const char *heading;
	bool right;
};

struct libscols_line;
struct libscols_table;

struct table {
	struct libscols_table *table;
	struct libscols_line *line; /* the last one */
	int places[TABLE_COLUMNS];  /* of the columns; -1 if it does not appear */
	int err;
};

/* Check tool->output, or complain. */
bool table_has_output(const struct tool *tool, const struct table_column *columns, size_t count);

/* The first error of any function is returned by table_text(). */
void table_start(struct table *table, const struct tool *tool, const struct table_column *columns,
		 size_t count);
void table_add_line(struct table *table);
/* Set a cell of the last line. @color may be empty. */
void table_set(struct table *table, size_t column, const char *text, const char *color);
/* The same with a name that another process may have chosen, between two other texts. */
void table_set_name(struct table *table, size_t column, const char *before, const char *name,
		    const char *after);
void table_set_number(struct table *table, size_t column, uint64_t number);

/*
 * All lines, the headings first if there are any, without a newline at the end. @text is for free(3).
 * Frees the table. Returns 0 or an errno value.
 */
int table_text(struct table *table, char **text);

#endif
