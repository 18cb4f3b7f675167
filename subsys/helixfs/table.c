/* Cells as text and as JSON. */
#include <base/assert.h>
#include <base/format.h>
#include <base/string.h>
#include <subsys/helixfs/table.h>

#define NUMBER_SIZE 24U

static void add_blanks(struct text *text, size_t count)
{
    while (count-- > 0) {
        text_add_bytes(text, " ", 1);
    }
}

static bool is_last(const struct table *table)
{
    return table->column + 1 == table->layout->count;
}

/* --- as text ---------------------------------------------------------------------------------- */

/* Numbers to the right, all else to the left; nothing behind the last. */
static void add_padded(struct table *table, const char *value)
{
    const struct table_column *column = &table->layout->columns[table->column];
    size_t length = string_length(value);
    size_t missing = length < column->width ? column->width - length : 0;

    if (column->kind == TABLE_NUMBER) {
        add_blanks(table->text, missing);
    }
    text_add(table->text, "%s", value);
    if (column->kind != TABLE_NUMBER && !is_last(table)) {
        add_blanks(table->text, missing);
    }
    text_add(table->text, is_last(table) ? "\n" : "  ");
}

static void add_text_cell(struct table *table, const char *value)
{
    const char *shown = *value != '\0' ? value : "-";

    if (table->layout->is_record) {
        text_add(table->text, "%s: %s\n", table->layout->columns[table->column].name, shown);
    } else {
        add_padded(table, shown);
    }
}

static void add_heading(struct table *table)
{
    for (; table->column < table->layout->count; table->column++) {
        add_padded(table, table->layout->columns[table->column].name);
    }
    table->column = 0;
}

/* --- as JSON (RFC 8259) ----------------------------------------------------------------------- */

static void add_quoted(struct text *text, const char *value)
{
    text_add_bytes(text, "\"", 1);
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;

        if (byte == '"' || byte == '\\') {
            text_add_bytes(text, "\\", 1);
        }
        if (byte < ' ') {
            text_add(text, "\\u%04x", (unsigned)byte);
        } else {
            text_add_bytes(text, value, 1);
        }
    }
    text_add_bytes(text, "\"", 1);
}

static void add_name(struct table *table)
{
    if (table->column == 0) {
        text_add(table->text, table->layout->is_record ? "{" : table->rows == 0 ? "\n {" : ",\n {");
    } else {
        text_add(table->text, ", ");
    }
    add_quoted(table->text, table->layout->columns[table->column].name);
    text_add(table->text, ": ");
}

/* --- cells ------------------------------------------------------------------------------------ */

static void next_cell(struct table *table)
{
    if (table->is_json && is_last(table)) {
        text_add(table->text, "}");
    }
    table->column++;
    if (table->column == table->layout->count) {
        table->column = 0;
        table->rows++;
    }
}

struct table table_begin(struct text *text, const struct table_layout *layout, bool is_json)
{
    struct table table = {.text = text, .layout = layout, .is_json = is_json};

    if (!layout->is_record) {
        if (is_json) {
            text_add(text, "[");
        } else {
            add_heading(&table);
        }
    }
    return table;
}

void table_text(struct table *table, const char *value)
{
    const char *shown = value != NULL ? value : "";

    if (!table->is_json) {
        add_text_cell(table, shown);
    } else {
        add_name(table);
        if (*shown != '\0') {
            add_quoted(table->text, shown);
        } else {
            text_add(table->text, "null");
        }
    }
    next_cell(table);
}

/* A value that stands in JSON without quotes. */
static void add_bare(struct table *table, const char *text_form, const char *json_form)
{
    if (table->is_json) {
        add_name(table);
        text_add(table->text, "%s", json_form);
    } else {
        add_text_cell(table, text_form);
    }
    next_cell(table);
}

void table_number(struct table *table, uint64_t value)
{
    char digits[NUMBER_SIZE];

    (void)format_text(digits, sizeof(digits), "%llu", (unsigned long long)value);
    add_bare(table, digits, digits);
}

void table_bool(struct table *table, bool value)
{
    add_bare(table, value ? "yes" : "no", value ? "true" : "false");
}

void table_end(struct table *table)
{
    HX_ASSERT(table->column == 0, "every row is whole");
    if (table->is_json) {
        text_add(table->text, table->layout->is_record ? "\n" : "\n]\n");
    }
}
