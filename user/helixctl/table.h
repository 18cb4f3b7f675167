/*
 * Tables of /helix as texts, taken apart: a line of names, then rows whose cells have no blanks in
 * them but the last; or a record, lines "name: value".
 */
#ifndef USER_HELIXCTL_TABLE_H
#define USER_HELIXCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct table {
    bool is_record;
    size_t columns;
    size_t rows;  /* without the line of names; 1 of a record */
    char **names; /* columns of them, in the text */
    char **cells; /* rows times columns, in the text */
};

/* Take a text apart: it is changed, and has to outlast the table. False: no memory. */
bool table_parse(struct table *table, char *text);
void table_free(struct table *table);

/* A cell; "-" where there is none. */
const char *table_cell(const struct table *table, size_t row, size_t column);
/* The number of a column; SIZE_MAX: there is none of that name. */
size_t table_column(const struct table *table, const char *name);
/* By name, "-" if there is none; of the first row, or the record. */
const char *table_value(const struct table *table, const char *name);
unsigned long long table_number(const struct table *table, size_t row, const char *name);

/* Rows that are shown; NULL: all. */
typedef bool (*table_filter)(const struct table *table, size_t row, void *argument);

/* Print it, each column as wide as it has to be. */
void table_print(const struct table *table, table_filter filter, void *argument);

#endif
