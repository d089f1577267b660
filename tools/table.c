// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <libsmartcols/libsmartcols.h>

#include "../preload/names.h"
#include "table.h"

static size_t find_column(const struct table_column *columns, size_t count, const char *name,
			  size_t len)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strlen(columns[i].name) == len && !strncasecmp(columns[i].name, name, len))
			break;
	}
	return i;
}

/* Take the next column from a list of names. Returns @count if there is no such column. */
static size_t next_column(const char **list, const struct table_column *columns, size_t count)
{
	const char *name = *list, *end = strchrnul(name, ',');

	*list = *end ? end + 1 : NULL;
	return find_column(columns, count, name, (size_t)(end - name));
}

bool table_has_output(const struct tool *tool, const struct table_column *columns, size_t count)
{
	const char *list = tool->output;
	bool seen[TABLE_COLUMNS] = { false };
	size_t column;

	while (list) {
		column = next_column(&list, columns, count);
		if (column == count || seen[column]) {
			complain("%s: %s",
				 column == count
					 ? "no such column in the list for --output"
					 : "a column appears twice in the list for --output",
				 tool->output);
			return false;
		}
		seen[column] = true;
	}
	return true;
}

static void add_column(struct table *table, const struct tool *tool,
		       const struct table_column *column, int *place, int next)
{
	struct libscols_column *added;

	added = scols_table_new_column(table->table, column->heading, 0,
				       column->right ? SCOLS_FL_RIGHT : 0);
	if (!added) {
		table->err = ENOMEM;
		return;
	}
	*place = next;
	if (*bold(tool) && scols_cell_set_color(scols_column_get_header(added), bold(tool)))
		table->err = ENOMEM;
}

void table_start(struct table *table, const struct tool *tool, const struct table_column *columns,
		 size_t count)
{
	const char *list = tool->output;
	size_t column = 0;
	int next = 0;
	size_t i;

	*table = (struct table){ .table = scols_new_table() };
	for (i = 0; i < TABLE_COLUMNS; i++)
		table->places[i] = -1;
	if (!table->table) {
		table->err = ENOMEM;
		return;
	}
	scols_table_enable_noheadings(table->table, tool->no_headings);
	scols_table_enable_colors(table->table, tool->color);
	/* the widths are those of the content, also where it is wider than the terminal */
	scols_table_set_termforce(table->table, SCOLS_TERMFORCE_NEVER);
	while (list && !table->err) {
		column = next_column(&list, columns, count);
		add_column(table, tool, &columns[column], &table->places[column], next++);
	}
	for (i = 0; !tool->output && !table->err && i < count; i++)
		add_column(table, tool, &columns[i], &table->places[i], next++);
}

void table_add_line(struct table *table)
{
	if (table->err)
		return;
	table->line = scols_table_new_line(table->table, NULL);
	if (!table->line)
		table->err = ENOMEM;
}

void table_set(struct table *table, size_t column, const char *text, const char *color)
{
	const int place = table->places[column];

	if (table->err || place < 0)
		return;
	if (scols_line_set_data(table->line, (size_t)place, text) ||
	    (*color &&
	     scols_cell_set_color(scols_line_get_cell(table->line, (size_t)place), color)))
		table->err = ENOMEM;
}

void table_set_name(struct table *table, size_t column, const char *before, const char *name,
		    const char *after)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out) {
		table->err = ENOMEM;
		return;
	}
	fputs(before, out);
	names_print(out, name);
	fputs(after, out);
	if (fclose(out))
		table->err = ENOMEM;
	else
		table_set(table, column, text, "");
	free(text);
}

void table_set_number(struct table *table, size_t column, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	table_set(table, column, text, "");
}

/* libsmartcols fills up a line whose last cell is empty. */
static void strip_lines(char *text)
{
	const char *from;
	char *to = text, *end = text;

	for (from = text; *from; from++) {
		if (*from == '\n')
			to = end;
		*to++ = *from;
		if (*from != ' ')
			end = to;
	}
	*end = '\0';
}

int table_text(struct table *table, char **text)
{
	int err = table->err;

	*text = NULL;
	if (!err && scols_print_table_to_string(table->table, text))
		err = ENOMEM;
	if (!err && !*text) {
		/* a table without lines */
		*text = strdup("");
		err = *text ? 0 : ENOMEM;
	}
	if (!err)
		strip_lines(*text);
	scols_unref_table(table->table);
	return err;
}
