/* Colours and complaints. */
#ifndef USER_HELIXCTL_OUTPUT_H
#define USER_HELIXCTL_OUTPUT_H

#include <stdbool.h>

enum style { STYLE_PLAIN, STYLE_HEADING, STYLE_GOOD, STYLE_BAD, STYLE_FAINT, STYLE_COUNT };

/* "always", "never" or "auto": on a terminal, unless NO_COLOR is set (no-color.org). Whether it is
 * one of these. */
bool output_set_colour(const char *when);

/* What goes before text of that style, and behind any; "" without colours. */
const char *style_begin(enum style style);
const char *style_end(enum style style);

/* How a table's word is shown by what it says. */
enum style style_of_word(const char *word);

/* A sentence to standard error, after "helixctl: ". */
__attribute__((format(printf, 1, 2))) void complain(const char *format, ...);

/* "12.3M": bytes in three digits or so. Each call has the next of four buffers. */
const char *as_size(unsigned long long bytes);

#endif
