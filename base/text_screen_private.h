/* What the two files of text_screen share. */
#ifndef BASE_TEXT_SCREEN_PRIVATE_H
#define BASE_TEXT_SCREEN_PRIVATE_H

#include <base/text_screen.h>

/* --- text_screen.c ------------------------------------------------------------------------------
 */

/* Write a character, or the glyphs of some, where the cursor is, and move it on. */
void text_screen_put(struct text_screen *screen, uint32_t character);

/* BS, HT, LF, VT, FF and CR; others are nothing. */
void text_screen_control(struct text_screen *screen, char byte);

/* Set the cursor; what lies outside is the nearest place inside. */
void text_screen_move(struct text_screen *screen, uint32_t column, uint32_t row);

/* Down or up a row, where the region scrolls at its end. */
void text_screen_next_row(struct text_screen *screen);
void text_screen_previous_row(struct text_screen *screen);

/* Move the rows from `top` to the region's end by count, up or down; what comes in is empty. */
void text_screen_move_up(struct text_screen *screen, uint32_t top, uint32_t count);
void text_screen_move_down(struct text_screen *screen, uint32_t top, uint32_t count);

/* Columns [from, to) of a row become empty, in the paper's colour. */
void text_screen_erase(struct text_screen *screen, uint32_t row, uint32_t from, uint32_t to);

/* What is right of the cursor moves by count, away from it or to it. */
void text_screen_insert(struct text_screen *screen, uint32_t count);
void text_screen_delete(struct text_screen *screen, uint32_t count);

/* The style has changed. */
void text_screen_set_pen(struct text_screen *screen);

/* As after init. */
void text_screen_reset(struct text_screen *screen);

/*
 * A byte of UTF-8: false: the character is not complete. A byte that cannot be there ends what was
 * begun: *character is U+FFFD then, and *again says that the byte begins another.
 */
bool text_screen_decode(struct text_screen_utf8 *utf8, uint8_t byte, uint32_t *character,
                        bool *again);

/* --- text_screen_reader.c -----------------------------------------------------------------------
 */

/* One byte that is not plain text, or belongs to an order. */
void text_screen_read(struct text_screen *screen, char byte);
bool text_screen_is_reading(const struct text_screen *screen);

#endif
