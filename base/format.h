/*
 * Formatted text without a C library, allocation or locks.
 *
 * Conversions: %d %i %u %x %X %o %c %s %p %% with flags - 0 # + and space, width and precision
 * (numbers or *), lengths hh h l ll z t j. Anything else is printed as it stands, so a bad
 * format shows itself. A NULL %s prints "(null)"; %p prints 0x and 16 digits.
 */
#ifndef BASE_FORMAT_H
#define BASE_FORMAT_H

#include <helix/attributes.h>
#include <stdarg.h>
#include <stddef.h>

/*
 * Format into buffer[size]; always terminated when size > 0.
 * Returns the bytes the whole text has without the NUL: a result >= size means it was cut.
 * Context: any.
 */
size_t format_text(char *buffer, size_t size, const char *format, ...) HX_PRINTF(3, 4);
size_t format_text_va(char *buffer, size_t size, const char *format, va_list args);

#endif
