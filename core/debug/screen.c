#include <base/text_screen.h>
#include <core/debug/screen.h>
#include <core/device/display.h>
#include <hal/cpu.h>
#include <helix/cell.h>
#include <kern/area.h>
#include <kern/thread.h>
#include <stdatomic.h>

#define NOT_KNOWN UINT32_MAX /* no cell: what a place of the display has */

/* Keys: I = immutable after screen_start, A = atomic, T = who has the turn to print (console.h),
 * and in a panic the panicking CPU; D = who draws (busy), in a panic that CPU */
static struct {
    struct display display;  /* I */
    bool is_there;           /* I */
    uint32_t rows_of_memory; /* I  rows of text that the display's memory has room for */
    struct text_screen text; /* T */
    uint32_t *shown;         /* D  the display's cells, a ring of rows */
    uint32_t *pixels;        /* D  of a row of cells */
    uint32_t first;          /* D  row of its memory that is shown first */
    uint32_t scrolled;       /* D  what was scrolled of what is shown */
    uint32_t wanted[TEXT_SCREEN_COLUMNS_MAX]; /* D */
    uint8_t colour;                           /* T  of the line that is printed */
    bool is_in_panic;                         /* D  core has taken over */
    _Atomic bool busy;                        /* A */
    _Atomic(void (*)(void)) wake;             /* A */
    _Atomic uint64_t cells;                   /* A */
    _Atomic uint64_t painted;                 /* A */
} screen;

/* --- one run of cells --------------------------------------------------------------------------
 */

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static void paint_by_core(uint32_t row, uint32_t column, size_t size)
{
    const struct boot_framebuffer *format = &screen.display.format;
    uint32_t line = (screen.first + row) * HX_GLYPH_HEIGHT;
    uint32_t pitch = screen.text.columns * HX_GLYPH_WIDTH * (uint32_t)sizeof(uint32_t);

    if (display_is_plain(format)) {
        volatile char *to = screen.display.pixels + (size_t)line * format->pitch +
                            (size_t)column * HX_GLYPH_WIDTH * sizeof(uint32_t);

        hx_cells_draw(&console_font, &screen.wanted[column], size, (void *)(uintptr_t)to,
                      format->pitch);
        return;
    }
    hx_cells_draw(&console_font, &screen.wanted[column], size, screen.pixels, pitch);
    display_copy(&screen.display, column * HX_GLYPH_WIDTH, line, (uint32_t)size * HX_GLYPH_WIDTH,
                 HX_GLYPH_HEIGHT, screen.pixels, pitch);
}

static bool paint_by(screen_painter *painter, uint32_t row, uint32_t column, size_t size)
{
    uint32_t width = (uint32_t)size * HX_GLYPH_WIDTH;

    if (painter == NULL || !painter(&screen.wanted[column], size, screen.pixels)) {
        return false;
    }
    display_copy(&screen.display, column * HX_GLYPH_WIDTH, (screen.first + row) * HX_GLYPH_HEIGHT,
                 width, HX_GLYPH_HEIGHT, screen.pixels, width * (uint32_t)sizeof(uint32_t));
    count(&screen.painted, size);
    return true;
}

static uint32_t *shown_row(uint32_t row)
{
    return &screen.shown[(size_t)((screen.first + row) % screen.text.rows) * screen.text.columns];
}

static void paint(screen_painter *painter, uint32_t row, uint32_t column, size_t size)
{
    uint32_t *shown = shown_row(row);

    if (!paint_by(painter, row, column, size)) {
        paint_by_core(row, column, size);
    }
    for (size_t i = column; i < column + size; i++) {
        shown[i] = screen.wanted[i];
    }
    count(&screen.cells, size);
}

/* --- what has changed --------------------------------------------------------------------------
 */

static void draw_row(screen_painter *painter, uint32_t row)
{
    const uint32_t *shown = shown_row(row);
    uint32_t column = 0;

    text_screen_read_row(&screen.text, screen.scrolled, row, screen.wanted);
    while (column < screen.text.columns) {
        uint32_t end = column;

        while (end < screen.text.columns && screen.wanted[end] != shown[end]) {
            end++;
        }
        if (end > column) {
            paint(painter, row, column, end - column);
        }
        column = end + 1;
    }
}

static void forget_row(uint32_t row)
{
    uint32_t *shown = shown_row(row);

    for (uint32_t i = 0; i < screen.text.columns; i++) {
        shown[i] = NOT_KNOWN;
    }
}

static void forget_all(void)
{
    for (uint32_t row = 0; row < screen.text.rows; row++) {
        forget_row(row);
    }
}

/* Rows come in below, as many as there is memory for; else all begin anew at its start. */
static void follow_by_panning(uint32_t rows)
{
    uint32_t shown = screen.text.rows;

    if (rows >= shown || screen.first + rows + shown > screen.rows_of_memory) {
        screen.first = 0;
        forget_all();
        return;
    }
    screen.first += rows;
    for (uint32_t i = shown - rows; i < shown; i++) {
        forget_row(i);
    }
}

/* Returns whether rows may have changed that are not marked. */
static bool follow(void)
{
    uint32_t scrolled = text_screen_scrolled(&screen.text);
    uint32_t rows = scrolled - screen.scrolled;

    screen.scrolled = scrolled;
    if (rows != 0 && display_can_pan(&screen.display)) {
        follow_by_panning(rows);
    }
    return rows != 0;
}

static bool draw(screen_painter *painter)
{
    uint32_t first = screen.first;
    bool has_moved = follow();
    bool was_there = has_moved;

    for (uint32_t row = 0; row < screen.text.rows; row++) {
        bool is_new = shown_row(row)[0] == NOT_KNOWN;

        if (text_screen_take_change(&screen.text, screen.scrolled, row) || is_new ||
            (has_moved && !display_can_pan(&screen.display))) {
            draw_row(painter, row);
            was_there = true;
        }
    }
    if (screen.first != first) {
        display_pan(&screen.display, screen.first * HX_GLYPH_HEIGHT);
    }
    return was_there;
}

/* --- who draws ---------------------------------------------------------------------------------
 */

/* Acquire and release: what is known of the display goes from one who draws to the next. */
static void lock(void)
{
    while (atomic_exchange_explicit(&screen.busy, true, memory_order_acquire)) {
        if (context_can_block()) {
            thread_yield();
        } else {
            hal_cpu_relax();
        }
    }
}

static void unlock(void)
{
    atomic_store_explicit(&screen.busy, false, memory_order_release);
}

bool screen_draw(screen_painter *painter)
{
    bool was_there;

    lock();
    was_there = !console_in_panic() && draw(painter);
    unlock();
    return was_there;
}

void screen_forget(void)
{
    lock();
    forget_all();
    unlock();
}

/* Whoever was drawing does not go on: what it left is not known, nor what is shown first. */
static void draw_in_panic(void)
{
    if (!screen.is_in_panic) {
        screen.is_in_panic = true;
        forget_all();
        if (display_can_pan(&screen.display)) {
            display_pan(&screen.display, screen.first * HX_GLYPH_HEIGHT);
        }
    }
    (void)draw(NULL);
}

static void attend(void)
{
    void (*wake)(void) = atomic_load_explicit(&screen.wake, memory_order_acquire);

    if (console_in_panic()) {
        draw_in_panic();
    } else if (wake != NULL) {
        wake();
    } else {
        (void)screen_draw(NULL);
    }
}

void (*screen_set_drawer(void (*wake)(void)))(void)
{
    return atomic_exchange_explicit(&screen.wake, wake, memory_order_acq_rel);
}

/* --- the writer --------------------------------------------------------------------------------
 */

static void write_string(const char *text, size_t length)
{
    text_screen_print(&screen.text, text, length, screen.colour);
    attend();
}

static void write_byte(char byte)
{
    write_string(&byte, 1);
}

static void write_bytes(const char *bytes, size_t size)
{
    text_screen_feed(&screen.text, bytes, size);
    attend();
}

/* What is written is drawn, or its drawer knows of it. */
static void flush(void)
{
}

static void set_level(enum log_level level)
{
    switch (level) {
    case LOG_ERROR:
        screen.colour = COLOUR_RED + COLOUR_BRIGHT;
        break;
    case LOG_WARN:
        screen.colour = COLOUR_YELLOW + COLOUR_BRIGHT;
        break;
    case LOG_DEBUG:
        screen.colour = COLOUR_BLACK + COLOUR_BRIGHT;
        break;
    case LOG_PLAIN:
        screen.colour = COLOUR_WHITE + COLOUR_BRIGHT;
        break;
    default:
        screen.colour = COLOUR_WHITE;
        break;
    }
}

const struct console_writer console_framebuffer = {
    .name = "fb",
    .write_byte = write_byte,
    .write_string = write_string,
    .write_bytes = write_bytes,
    .flush = flush,
    .set_level = set_level,
    .works_in_panic = true,
};

/* --- set-up ------------------------------------------------------------------------------------
 */

static uint32_t at_most(uint32_t number, uint32_t limit)
{
    return number < limit ? number : limit;
}

/* Cells, what is shown of them, and the pixels of a row, in this order. */
static hx_err make(uint32_t columns, uint32_t rows)
{
    size_t cells = (size_t)columns * rows * sizeof(uint32_t);
    size_t pixels = (size_t)columns * HX_GLYPH_WIDTH * HX_GLYPH_HEIGHT * sizeof(uint32_t);
    struct area *area;
    hx_err error = area_allocate((2 * cells + pixels + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE,
                                 HAL_READ | HAL_WRITE, OWNER_CORE, &area);

    if (error == HX_OK) {
        screen.pixels = (uint32_t *)area->base;
        screen.shown = (uint32_t *)(area->base + pixels);
        text_screen_init(&screen.text, columns, rows,
                         (_Atomic uint32_t *)(area->base + pixels + cells), &console_glyphs);
        forget_all();
    }
    return error;
}

hx_err screen_start(const struct boot_configuration *config)
{
    hx_err error = display_find(config, &screen.display);
    uint32_t columns;
    uint32_t rows;

    if (error != HX_OK) {
        return error;
    }
    columns = at_most(screen.display.format.width / HX_GLYPH_WIDTH, TEXT_SCREEN_COLUMNS_MAX);
    rows = at_most(screen.display.format.height / HX_GLYPH_HEIGHT, TEXT_SCREEN_ROWS_MAX);
    error = columns > 0 && rows > 0 ? make(columns, rows) : HX_ENODEV;
    if (error == HX_OK) {
        screen.rows_of_memory = screen.display.lines / HX_GLYPH_HEIGHT;
        screen.is_there = true;
        kinfo("screen: %s, %u columns, %u rows", screen.display.name, columns, rows);
    }
    return error;
}

bool screen_is_there(void)
{
    return screen.is_there;
}

struct screen_statistics screen_statistics(void)
{
    return (struct screen_statistics){
        .columns = screen.text.columns,
        .rows = screen.text.rows,
        .cells = atomic_load_explicit(&screen.cells, memory_order_relaxed),
        .painted = atomic_load_explicit(&screen.painted, memory_order_relaxed),
        .scrolled = text_screen_scrolled(&screen.text),
    };
}
