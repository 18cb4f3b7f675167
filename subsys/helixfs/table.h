/*
 * Tables as texts: rows of cells, for people and awk, or as JSON.
 *
 * Rules:
 * - A layout names the columns; cells are added in their order, row by row. What is added does not
 *   depend on the form.
 * - As text, a table begins with a line of column names, and columns are parted by two blanks or
 *   more; a record, which has one row, is a line "name: value" for each column.
 * - A word has no blanks in it, so awk finds a column by its number; a column of texts, which may
 *   have some, is the last one. An empty cell is "-" as text, null as JSON.
 * - Columns are added at the end, never moved or removed.
 */
#ifndef SUBSYS_HELIXFS_TABLE_H
#define SUBSYS_HELIXFS_TABLE_H

#include <base/text.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table;

enum table_kind { TABLE_WORD, TABLE_NUMBER, TABLE_TEXT };

struct table_column {
    const char *name;
    enum table_kind kind;
    unsigned width; /* least, as text */
};

struct table_layout {
    const struct table_column *columns;
    size_t count;
    bool is_record;
};

struct table {
    struct text *text;
    const struct table_layout *layout;
    bool is_json;
    size_t column; /* the next cell's */
    uint64_t rows; /* whole ones */
};

/* Begin a table in a text.  Context: any. */
struct table table_begin(struct text *text, const struct table_layout *layout, bool is_json);

/* Add a cell; NULL or "": an empty one.  Context: any. */
void table_text(struct table *table, const char *value);
void table_number(struct table *table, uint64_t value);
/* "yes" or "no"; true or false. */
void table_bool(struct table *table, bool value);

/* After the last row.  Context: any. */
void table_end(struct table *table);

#endif
