/*
 * The whole screen of a terminal, and its keys.
 *
 * Rules:
 * - Between screen_enter and screen_leave the terminal gives keys as they are pressed, without
 *   showing them, and the shell's own picture is kept aside.
 * - ^C and ^Z arrive as signals that screen_wait notes: whatever ends or stops the program, the
 *   terminal is as before.
 * - A picture is written in one piece, over the one before: nothing is cleared first, so nothing
 *   flickers.
 */
#ifndef USER_HELIXCTL_SCREEN_H
#define USER_HELIXCTL_SCREEN_H

#include <stdbool.h>

enum {
    KEY_NONE = 0,    /* the time is over */
    KEY_REDRAW = -1, /* the window has another size, or it is shown again */
    KEY_END = -2     /* ^C, or the terminal is gone */
};

/* Take the screen; false: standard input or output is no terminal. */
bool screen_enter(void);
void screen_leave(void);

void screen_size(unsigned *rows, unsigned *columns);

/* Begin a picture; add a line, cut to the screen's width; show what was added. A line may have
 * styles in it. Lines beyond the last row are left out. */
void screen_begin(void);
__attribute__((format(printf, 1, 2))) void screen_line(const char *format, ...);
void screen_show(void);

/* How many more lines find room. */
unsigned screen_rows_left(void);

/* Wait so long for a key; returns it, or one of the above. */
int screen_wait(long milliseconds);

#endif
