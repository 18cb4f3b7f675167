/* The screen and the keyboard. */
#include <core/debug/log.h>
#include <core/debug/screen.h>
#include <subsys/console/keyboard.h>
#include <subsys/helixfs/helixfs_private.h>

static const struct table_column screen_columns[] = {
    {.name = "columns", .kind = TABLE_NUMBER},     {.name = "rows", .kind = TABLE_NUMBER},
    {.name = "scrolled", .kind = TABLE_NUMBER},    {.name = "cells_drawn", .kind = TABLE_NUMBER},
    {.name = "by_module", .kind = TABLE_NUMBER},   {.name = "keyboard", .kind = TABLE_WORD},
    {.name = "layout", .kind = TABLE_WORD},        {.name = "codes", .kind = TABLE_NUMBER},
    {.name = "bytes_typed", .kind = TABLE_NUMBER}, {.name = "codes_dropped", .kind = TABLE_NUMBER},
};

static hx_err fill_screen(struct table *table)
{
    struct screen_statistics screen = screen_statistics();
    struct keyboard_statistics keyboard = keyboard_statistics();

    table_number(table, screen.columns);
    table_number(table, screen.rows);
    table_number(table, screen.scrolled);
    table_number(table, screen.cells);
    table_number(table, screen.painted);
    table_bool(table, keyboard.is_there);
    table_text(table, keyboard_layout());
    table_number(table, keyboard.codes);
    table_number(table, keyboard.bytes);
    table_number(table, keyboard.dropped);
    return HX_OK;
}

const struct helixfs_table helixfs_screen = HELIXFS_RECORD(screen_columns, fill_screen);

/* layout NAME */
hx_err helixfs_change_screen(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count != 2 || !helixfs_is_word(&words[0], "layout")) {
        return HX_EINVAL;
    }
    error = keyboard_set_layout(words[1].start, words[1].length);
    if (error != HX_OK) {
        kinfo("screen: no such layout; us and de are");
    }
    return error;
}
