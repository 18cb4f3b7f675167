#include <base/text_screen.h>
#include <base/text_screen_private.h>
#include <helix/attributes.h>
#include <helix/cell.h>

#define TAB_WIDTH   8U
#define REPLACEMENT 0xfffdU

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* --- cells ------------------------------------------------------------------------------------ */

uint32_t text_screen_scrolled(const struct text_screen *screen)
{
    return atomic_load_explicit(&screen->scrolled, memory_order_acquire);
}

static uint32_t ring_row(const struct text_screen *screen, uint32_t row)
{
    return (atomic_load_explicit(&screen->scrolled, memory_order_relaxed) + row) % screen->rows;
}

static _Atomic uint32_t *cells_of(const struct text_screen *screen, uint32_t row)
{
    return &screen->cells[(size_t)ring_row(screen, row) * screen->columns];
}

static uint32_t load(const _Atomic uint32_t *cell)
{
    return atomic_load_explicit(cell, memory_order_relaxed);
}

static void store(_Atomic uint32_t *cell, uint32_t value)
{
    atomic_store_explicit(cell, value, memory_order_relaxed);
}

/* Release: pairs with text_screen_take_change. */
static void mark_ring_row(struct text_screen *screen, uint32_t row)
{
    atomic_store_explicit(&screen->changed[row], true, memory_order_release);
}

static void mark(struct text_screen *screen, uint32_t row)
{
    mark_ring_row(screen, ring_row(screen, row));
}

static uint32_t empty_cell(const struct text_screen *screen)
{
    return screen->ascii[' '] | (screen->pen & HX_CELL_COLOURS & ~(15U << HX_CELL_INK_SHIFT)) |
           (uint32_t)COLOUR_WHITE << HX_CELL_INK_SHIFT;
}

void text_screen_erase(struct text_screen *screen, uint32_t row, uint32_t from, uint32_t to)
{
    _Atomic uint32_t *cells = cells_of(screen, row);
    uint32_t cell = empty_cell(screen);

    for (uint32_t i = from; i < to; i++) {
        store(&cells[i], cell);
    }
    mark(screen, row);
}

static void copy_row(struct text_screen *screen, uint32_t to, uint32_t from)
{
    for (uint32_t i = 0; i < screen->columns; i++) {
        store(&cells_of(screen, to)[i], load(&cells_of(screen, from)[i]));
    }
    mark(screen, to);
}

/* --- scrolling -------------------------------------------------------------------------------- */

/* The whole screen: the first row becomes the last one. Release: pairs with text_screen_scrolled.
 */
static void turn_ring(struct text_screen *screen)
{
    atomic_fetch_add_explicit(&screen->scrolled, 1, memory_order_release);
    text_screen_erase(screen, screen->rows - 1, 0, screen->columns);
}

static bool is_whole(const struct text_screen *screen, uint32_t top)
{
    return top == 0 && screen->bottom == screen->rows;
}

void text_screen_move_up(struct text_screen *screen, uint32_t top, uint32_t count)
{
    uint32_t rows = screen->bottom - top;

    count = smaller(count, rows);
    if (is_whole(screen, top)) {
        for (uint32_t i = 0; i < count; i++) {
            turn_ring(screen);
        }
        return;
    }
    for (uint32_t i = 0; i < rows - count; i++) {
        copy_row(screen, top + i, top + i + count);
    }
    for (uint32_t i = rows - count; i < rows; i++) {
        text_screen_erase(screen, top + i, 0, screen->columns);
    }
}

void text_screen_move_down(struct text_screen *screen, uint32_t top, uint32_t count)
{
    uint32_t rows = screen->bottom - top;

    count = smaller(count, rows);
    for (uint32_t i = rows; i > count; i--) {
        copy_row(screen, top + i - 1, top + i - 1 - count);
    }
    for (uint32_t i = 0; i < count; i++) {
        text_screen_erase(screen, top + i, 0, screen->columns);
    }
}

/* --- the cursor ------------------------------------------------------------------------------- */

void text_screen_move(struct text_screen *screen, uint32_t column, uint32_t row)
{
    screen->now.column = smaller(column, screen->columns - 1);
    screen->now.row = smaller(row, screen->rows - 1);
    screen->is_full = false;
}

void text_screen_next_row(struct text_screen *screen)
{
    if (screen->now.row + 1 == screen->bottom) {
        text_screen_move_up(screen, screen->top, 1);
    } else if (screen->now.row + 1 < screen->rows) {
        screen->now.row++;
    }
    screen->is_full = false;
}

void text_screen_previous_row(struct text_screen *screen)
{
    if (screen->now.row == screen->top) {
        text_screen_move_down(screen, screen->top, 1);
    } else if (screen->now.row > 0) {
        screen->now.row--;
    }
    screen->is_full = false;
}

/* Have it drawn where it is now, and where it was. Its row in the ring stays when the screen
 * scrolls. */
static void show_cursor(struct text_screen *screen)
{
    uint32_t place = screen->now.row * screen->columns + screen->now.column;
    uint32_t row = ring_row(screen, screen->now.row);

    place = screen->hides_cursor ? TEXT_SCREEN_HIDDEN : place;
    if (load(&screen->cursor) != place || screen->seen_row != row) {
        store(&screen->cursor, place);
        mark_ring_row(screen, screen->seen_row);
        mark_ring_row(screen, row);
        screen->seen_row = row;
    }
}

/* --- characters ------------------------------------------------------------------------------- */

static void begin_line(struct text_screen *screen)
{
    screen->now.column = 0;
    text_screen_next_row(screen);
}

static void advance(struct text_screen *screen, uint32_t count)
{
    screen->now.column += count;
    screen->is_full = screen->now.column == screen->columns;
    if (screen->is_full) {
        screen->now.column--;
    }
}

static void wrap(struct text_screen *screen)
{
    if (screen->is_full && screen->wraps) {
        begin_line(screen);
    }
}

void text_screen_put(struct text_screen *screen, uint32_t character)
{
    uint32_t glyph =
        character < 128 ? screen->ascii[character] : glyph_find(screen->glyphs, character);

    wrap(screen);
    store(&cells_of(screen, screen->now.row)[screen->now.column], glyph | screen->pen);
    mark(screen, screen->now.row);
    advance(screen, 1);
}

static bool is_plain(char byte)
{
    return byte >= ' ' && byte < 0x7f;
}

/* Plain characters up to the end of the row; returns how many there were. */
static size_t put_run(struct text_screen *screen, const char *text, size_t size)
{
    _Atomic uint32_t *cells;
    uint32_t pen = screen->pen;
    size_t count = 0;

    wrap(screen);
    cells = cells_of(screen, screen->now.row) + screen->now.column;
    size = smaller((uint32_t)(size < UINT32_MAX ? size : UINT32_MAX),
                   screen->columns - screen->now.column);
    while (count < size && is_plain(text[count])) {
        store(&cells[count], screen->ascii[(uint8_t)text[count]] | pen);
        count++;
    }
    mark(screen, screen->now.row);
    advance(screen, (uint32_t)count);
    return count;
}

void text_screen_insert(struct text_screen *screen, uint32_t count)
{
    _Atomic uint32_t *cells = cells_of(screen, screen->now.row);
    uint32_t column = screen->now.column;

    count = smaller(count, screen->columns - column);
    for (uint32_t i = screen->columns; i > column + count; i--) {
        store(&cells[i - 1], load(&cells[i - 1 - count]));
    }
    text_screen_erase(screen, screen->now.row, column, column + count);
}

void text_screen_delete(struct text_screen *screen, uint32_t count)
{
    _Atomic uint32_t *cells = cells_of(screen, screen->now.row);
    uint32_t column = screen->now.column;

    count = smaller(count, screen->columns - column);
    for (uint32_t i = column; i + count < screen->columns; i++) {
        store(&cells[i], load(&cells[i + count]));
    }
    text_screen_erase(screen, screen->now.row, screen->columns - count, screen->columns);
}

void text_screen_control(struct text_screen *screen, char byte)
{
    switch (byte) {
    case '\b':
        screen->now.column -= screen->now.column > 0 ? 1 : 0;
        screen->is_full = false;
        break;
    case '\t':
        text_screen_move(screen, (screen->now.column / TAB_WIDTH + 1) * TAB_WIDTH, screen->now.row);
        break;
    case '\n':
    case '\v':
    case '\f':
        text_screen_next_row(screen);
        break;
    case '\r':
        text_screen_move(screen, 0, screen->now.row);
        break;
    default:
        break;
    }
}

void text_screen_set_pen(struct text_screen *screen)
{
    const struct text_screen_style *style = &screen->now.style;
    uint32_t ink = style->ink;
    uint32_t paper = style->paper;

    ink |= style->is_bright ? COLOUR_BRIGHT : 0;
    screen->pen = (style->is_reverse ? HX_CELL_IN(paper, ink) : HX_CELL_IN(ink, paper)) |
                  (style->is_underlined ? HX_CELL_UNDERLINED : 0);
}

/* --- UTF-8 ------------------------------------------------------------------------------------ */

static bool is_character(const struct text_screen_utf8 *utf8)
{
    return utf8->character >= utf8->least && utf8->character <= 0x10ffff &&
           (utf8->character < 0xd800 || utf8->character > 0xdfff);
}

/* The first byte of one (RFC 3629). Returns whether it is one by itself, or none. */
static bool begin(struct text_screen_utf8 *utf8, uint8_t byte, uint32_t *character)
{
    if (byte >= 0xc2 && byte <= 0xdf) {
        *utf8 = (struct text_screen_utf8){byte & 0x1fU, 0x80, 1};
    } else if (byte >= 0xe0 && byte <= 0xef) {
        *utf8 = (struct text_screen_utf8){byte & 0x0fU, 0x800, 2};
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        *utf8 = (struct text_screen_utf8){byte & 0x07U, 0x10000, 3};
    } else {
        *character = byte < 0x80 ? byte : REPLACEMENT;
        return true;
    }
    return false;
}

bool text_screen_decode(struct text_screen_utf8 *utf8, uint8_t byte, uint32_t *character,
                        bool *again)
{
    *again = false;
    if (utf8->left == 0) {
        return begin(utf8, byte, character);
    }
    if ((byte & 0xc0) != 0x80) {
        utf8->left = 0;
        *again = true;
        *character = REPLACEMENT;
        return true;
    }
    utf8->character = utf8->character << 6 | (byte & 0x3fU);
    *character = is_character(utf8) ? utf8->character : REPLACEMENT;
    return --utf8->left == 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool is_between_orders(const struct text_screen *screen)
{
    return !text_screen_is_reading(screen) && screen->utf8.left == 0;
}

void text_screen_feed(struct text_screen *screen, const char *bytes, size_t size)
{
    size_t i = 0;

    while (i < size) {
        if (is_plain(bytes[i]) && is_between_orders(screen)) {
            i += put_run(screen, bytes + i, size - i);
        } else {
            text_screen_read(screen, bytes[i]);
            i++;
        }
    }
    show_cursor(screen);
}

/* One byte of a line: \n ends it, other orders are boxes. */
static void print_byte(struct text_screen *screen, char byte)
{
    uint32_t character;
    bool again = true;

    while (again && text_screen_decode(&screen->line_utf8, (uint8_t)byte, &character, &again)) {
        if (character == '\n') {
            begin_line(screen);
        } else if (character == '\t' || character == '\r') {
            text_screen_control(screen, (char)character);
        } else {
            text_screen_put(screen, character);
        }
    }
}

void text_screen_print(struct text_screen *screen, const char *text, size_t length, unsigned colour)
{
    uint32_t pen = screen->pen;
    size_t i = 0;

    screen->pen = HX_CELL_IN(colour, COLOUR_BLACK);
    while (i < length) {
        if (is_plain(text[i]) && screen->line_utf8.left == 0) {
            i += put_run(screen, text + i, length - i);
        } else {
            print_byte(screen, text[i]);
            i++;
        }
    }
    screen->pen = pen;
    show_cursor(screen);
}

/* --- set-up ----------------------------------------------------------------------------------- */

void text_screen_reset(struct text_screen *screen)
{
    screen->now = (struct text_screen_place){.style = {.ink = COLOUR_WHITE}};
    screen->saved = screen->now;
    screen->before = screen->now;
    screen->top = 0;
    screen->bottom = screen->rows;
    screen->is_full = false;
    screen->wraps = true;
    screen->hides_cursor = false;
    text_screen_set_pen(screen);
    for (uint32_t row = 0; row < screen->rows; row++) {
        text_screen_erase(screen, row, 0, screen->columns);
    }
}

void text_screen_init(struct text_screen *screen, uint32_t columns, uint32_t rows,
                      _Atomic uint32_t *cells, const struct glyph_table *glyphs)
{
    *screen =
        (struct text_screen){.columns = columns, .rows = rows, .cells = cells, .glyphs = glyphs};
    for (uint32_t i = 0; i < HX_ARRAY_SIZE(screen->ascii); i++) {
        screen->ascii[i] = (uint16_t)glyph_find(glyphs, i);
    }
    text_screen_reset(screen);
    show_cursor(screen);
}

/* --- for who draws ---------------------------------------------------------------------------- */

/* Acquire, and before the cells are read: pairs with mark_ring_row. */
bool text_screen_take_change(struct text_screen *screen, uint32_t scrolled, uint32_t row)
{
    _Atomic bool *changed = &screen->changed[(scrolled + row) % screen->rows];

    return atomic_load_explicit(changed, memory_order_relaxed) &&
           atomic_exchange_explicit(changed, false, memory_order_acquire);
}

void text_screen_read_row(const struct text_screen *screen, uint32_t scrolled, uint32_t row,
                          uint32_t *cells)
{
    const _Atomic uint32_t *from =
        &screen->cells[(size_t)((scrolled + row) % screen->rows) * screen->columns];
    uint32_t column = load(&screen->cursor) - row * screen->columns;

    for (uint32_t i = 0; i < screen->columns; i++) {
        cells[i] = load(&from[i]);
    }
    if (column < screen->columns) {
        uint32_t cell = cells[column];

        cells[column] =
            (cell & ~HX_CELL_COLOURS) | HX_CELL_IN(HX_CELL_PAPER(cell), HX_CELL_INK(cell));
    }
}
