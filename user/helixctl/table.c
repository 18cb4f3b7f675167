#include "table.h"

#include "output.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- taking apart ----------------------------------------------------------------------------- */

static size_t count_lines(const char *text)
{
    size_t lines = 0;

    for (; *text != '\0'; text++) {
        lines += *text == '\n';
    }
    return lines;
}

/* The text's next line, ended; NULL at the end. */
static char *next_line(char **text)
{
    char *line = *text;

    if (*line == '\0') {
        return NULL;
    }
    *text = line + strcspn(line, "\n");
    if (**text == '\n') {
        *(*text)++ = '\0';
    }
    return line;
}

/* Up to `most` words of a line; the last has what is left. */
static size_t split(char *line, char **words, size_t most)
{
    size_t count = 0;

    while (count < most) {
        line += strspn(line, " ");
        if (*line == '\0') {
            break;
        }
        words[count++] = line;
        if (count < most) {
            line += strcspn(line, " ");
            if (*line != '\0') {
                *line++ = '\0';
            }
        }
    }
    return count;
}

static size_t count_words(const char *line)
{
    size_t words = 0;

    for (size_t i = 0; line[i] != '\0' && line[i] != '\n'; i++) {
        words += line[i] != ' ' && (i == 0 || line[i - 1] == ' ');
    }
    return words;
}

static void parse_record(struct table *table, char *text)
{
    char *line;

    for (size_t i = 0; i < table->columns && (line = next_line(&text)) != NULL; i++) {
        char *colon = strstr(line, ": ");

        table->names[i] = line;
        if (colon != NULL) {
            *colon = '\0';
            table->cells[i] = colon + 2;
        }
    }
}

static void parse_rows(struct table *table, char *text)
{
    char *line = next_line(&text);

    if (line != NULL) {
        (void)split(line, table->names, table->columns);
    }
    for (size_t row = 0; (line = next_line(&text)) != NULL; row++) {
        (void)split(line, table->cells + row * table->columns, table->columns);
    }
}

bool table_parse(struct table *table, char *text)
{
    size_t lines = count_lines(text);
    size_t end_of_word = strcspn(text, ": \n");

    table->is_record = text[end_of_word] == ':';
    table->columns = table->is_record ? lines : count_words(text);
    table->rows = table->is_record ? 1 : lines > 0 ? lines - 1 : 0;
    table->names = calloc(table->columns + 1, sizeof(*table->names));
    table->cells = calloc(table->rows * table->columns + 1, sizeof(*table->cells));
    if (table->names == NULL || table->cells == NULL) {
        table_free(table);
        return false;
    }
    if (table->is_record) {
        parse_record(table, text);
    } else {
        parse_rows(table, text);
    }
    return true;
}

void table_free(struct table *table)
{
    free(table->names);
    free(table->cells);
}

/* --- cells ------------------------------------------------------------------------------------ */

const char *table_cell(const struct table *table, size_t row, size_t column)
{
    const char *cell = NULL;

    if (row < table->rows && column < table->columns) {
        cell = table->cells[row * table->columns + column];
    }
    return cell != NULL ? cell : "-";
}

size_t table_column(const struct table *table, const char *name)
{
    for (size_t i = 0; i < table->columns; i++) {
        if (table->names[i] != NULL && strcmp(table->names[i], name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

const char *table_value(const struct table *table, const char *name)
{
    return table_cell(table, 0, table_column(table, name));
}

unsigned long long table_number(const struct table *table, size_t row, const char *name)
{
    return strtoull(table_cell(table, row, table_column(table, name)), NULL, 10);
}

/* --- printing --------------------------------------------------------------------------------- */

struct column_form {
    size_t width;
    bool is_number;
};

static bool is_number(const char *cell)
{
    size_t length = strlen(cell);

    return strspn(cell, "0123456789.%") == length || strcmp(cell, "-") == 0;
}

static struct column_form form_of(const struct table *table, size_t column)
{
    struct column_form form = {.width = strlen(table->names[column]), .is_number = true};
    bool has_digits = false;

    for (size_t row = 0; row < table->rows; row++) {
        const char *cell = table_cell(table, row, column);
        size_t length = strlen(cell);

        form.width = length > form.width ? length : form.width;
        form.is_number &= is_number(cell);
        has_digits |= isdigit((unsigned char)cell[0]) != 0;
    }
    form.is_number &= has_digits;
    return form;
}

static void print_cell(const char *cell, enum style style, const struct column_form *form,
                       bool is_last)
{
    size_t length = strlen(cell);
    int missing = (int)(length < form->width ? form->width - length : 0);

    printf("%*s%s%s%s", form->is_number ? missing : 0, "", style_begin(style), cell,
           style_end(style));
    if (is_last) {
        putchar('\n');
    } else {
        printf("%*s  ", form->is_number ? 0 : missing, "");
    }
}

static void print_rows(const struct table *table, const struct column_form *forms,
                       table_filter filter, void *argument)
{
    for (size_t i = 0; i < table->columns; i++) {
        print_cell(table->names[i], STYLE_HEADING, &forms[i], i + 1 == table->columns);
    }
    for (size_t row = 0; row < table->rows; row++) {
        if (filter != NULL && !filter(table, row, argument)) {
            continue;
        }
        for (size_t i = 0; i < table->columns; i++) {
            const char *cell = table_cell(table, row, i);

            print_cell(cell, style_of_word(cell), &forms[i], i + 1 == table->columns);
        }
    }
}

static void print_record(const struct table *table)
{
    size_t width = 0;

    for (size_t i = 0; i < table->columns; i++) {
        size_t length = strlen(table->names[i]);

        width = length > width ? length : width;
    }
    for (size_t i = 0; i < table->columns; i++) {
        const char *cell = table_cell(table, 0, i);
        enum style style = style_of_word(cell);

        printf("%s%s%s:%*s %s%s%s\n", style_begin(STYLE_HEADING), table->names[i],
               style_end(STYLE_HEADING), (int)(width - strlen(table->names[i])), "",
               style_begin(style), cell, style_end(style));
    }
}

void table_print(const struct table *table, table_filter filter, void *argument)
{
    struct column_form *forms = calloc(table->columns + 1, sizeof(*forms));

    if (table->is_record) {
        print_record(table);
    } else if (forms != NULL) {
        for (size_t i = 0; i < table->columns; i++) {
            forms[i] = form_of(table, i);
        }
        print_rows(table, forms, filter, argument);
    }
    free(forms);
}
