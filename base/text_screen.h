/*
 * A screen of text as a terminal has it: cells, a cursor, and the reader of the bytes that move it
 * (the part of ECMA-48 and of the VT100 that programs for the Linux console use; UTF-8).
 *
 * Rules:
 * - One writer at a time. Others may read cells, the cursor and what has changed at any time: each
 *   is one atomic word, and a row is marked after its cells were written, so who takes the mark and
 *   then looks at the row misses nothing.
 * - The rows are a ring: a scroll of the whole screen moves none of them.
 * - No bytes, whatever they are, lead outside of the screen, or to a loop longer than its cells.
 */
#ifndef BASE_TEXT_SCREEN_H
#define BASE_TEXT_SCREEN_H

#include <base/glyph.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_SCREEN_COLUMNS_MAX 256U
#define TEXT_SCREEN_ROWS_MAX    128U
#define TEXT_SCREEN_NUMBERS     16U

/* An incomplete character. */
struct text_screen_utf8 {
    uint32_t character;
    uint32_t least; /* a smaller one could have been written in fewer bytes */
    uint8_t left;   /* bytes that it still needs; 0: none is begun */
};

/* How characters are written. */
struct text_screen_style {
    uint8_t ink;
    uint8_t paper;
    bool is_bright;
    bool is_reverse;
    bool is_underlined;
};

/* What DECSC keeps. */
struct text_screen_place {
    uint32_t column;
    uint32_t row;
    struct text_screen_style style;
};

/* Keys: I = immutable after init, W = the writer alone, A = written by the writer, read by anyone
 */
struct text_screen {
    uint32_t columns;                           /* I */
    uint32_t rows;                              /* I */
    const struct glyph_table *glyphs;           /* I */
    uint16_t ascii[128];                        /* I  glyphs of the commonest characters */
    _Atomic uint32_t *cells;                    /* A  columns * rows; a ring of rows */
    _Atomic bool changed[TEXT_SCREEN_ROWS_MAX]; /* A  of each row of the ring; taken by who draws */
    _Atomic uint32_t scrolled;             /* A  rows so far: the first one is this modulo rows */
    _Atomic uint32_t cursor;               /* A  row * columns + column; TEXT_SCREEN_HIDDEN */
    struct text_screen_place now;          /* W */
    struct text_screen_place saved;        /* W */
    struct text_screen_place before;       /* W  the alternate screen */
    uint32_t top, bottom;                  /* W  rows that scroll; bottom is the first below */
    uint32_t pen;                          /* W  the style, as bits of a cell */
    bool is_full;                          /* W  the next character begins a line */
    bool wraps;                            /* W */
    bool hides_cursor;                     /* W */
    uint8_t state;                         /* W  of the reader */
    char mark;                             /* W  '?' and its like before the numbers */
    uint32_t numbers[TEXT_SCREEN_NUMBERS]; /* W */
    uint32_t count;                        /* W  of numbers */
    struct text_screen_utf8 utf8;          /* W */
    struct text_screen_utf8 line_utf8;     /* W  the same of text_screen_print */
    uint32_t seen_row;                     /* W  where the cursor was shown last, in the ring */
};

#define TEXT_SCREEN_HIDDEN UINT32_MAX

/* Colours: enum of helix/cell.h's order. */
enum text_colour {
    COLOUR_BLACK,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
    COLOUR_BLUE,
    COLOUR_MAGENTA,
    COLOUR_CYAN,
    COLOUR_WHITE,
    COLOUR_BRIGHT, /* added to one of them */
};

/*
 * An empty screen in cells[columns * rows]; both sides are at least 1 and at most the limits above.
 * Context: boot or thread.
 */
void text_screen_init(struct text_screen *screen, uint32_t columns, uint32_t rows,
                      _Atomic uint32_t *cells, const struct glyph_table *glyphs);

/* A program's bytes.  Context: any, one at a time. */
void text_screen_feed(struct text_screen *screen, const char *bytes, size_t size);

/* Text in one colour, \n as the end of a line and without other orders: it leaves a program's
 * colours, and an order of its that is half read, as they are.  Context: as above. */
void text_screen_print(struct text_screen *screen, const char *text, size_t length,
                       unsigned colour);

/* --- for who draws ------------------------------------------------------------------------------
 */

/* Rows that went out at the top so far.  Context: any. */
uint32_t text_screen_scrolled(const struct text_screen *screen);

/*
 * Whether a row, counted from the first one when `scrolled` rows had gone, has changed since the
 * last such question; and its cells, with the cursor in it, into cells[columns]. Context: any; one
 * who draws at a time.
 */
bool text_screen_take_change(struct text_screen *screen, uint32_t scrolled, uint32_t row);
void text_screen_read_row(const struct text_screen *screen, uint32_t scrolled, uint32_t row,
                          uint32_t *cells);

#endif
