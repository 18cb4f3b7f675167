/*
 * Text that is put together piece by piece in a buffer of the caller's.
 *
 * Rules:
 * - Always terminated when size > 0; what does not fit is left out but counted in length, so a
 *   length >= size means that the text was cut, as with format_text().
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <helix/attributes.h>
#include <stddef.h>

struct text {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text without the NUL */
};

/* An empty text in buffer[size].  Context: any. */
struct text text_into(char *buffer, size_t size);

/* Append.  Context: any. */
void text_add(struct text *text, const char *format, ...) HX_PRINTF(2, 3);

/* Append bytes, whatever they are.  Context: any. */
void text_add_bytes(struct text *text, const void *bytes, size_t size);

#endif
