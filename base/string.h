/*
 * Text helpers for code without a C library.
 * Context: any, all of them. No allocation, no locale, bytes are bytes.
 */
#ifndef BASE_STRING_H
#define BASE_STRING_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes before the terminating NUL. */
size_t string_length(const char *text);

/* Bytes before the NUL, at most max; never reads past text[max - 1]. */
size_t string_length_max(const char *text, size_t max);

/* Whether one of size bytes, all of which can be read, is a NUL: whether a string ends there. */
bool string_ends_within(const char *bytes, size_t size);

bool string_equal(const char *a, const char *b);

/* Whether text begins with prefix. */
bool string_has_prefix(const char *text, const char *prefix);

/*
 * Copy text into to[size], always terminated when size > 0.
 * Returns whether all of it fitted.
 */
bool string_copy(char *to, size_t size, const char *text);

/* First occurrence of byte in text, or NULL. */
const char *string_find(const char *text, char byte);

/*
 * Shell-style match of the whole text: `*` any run of bytes, `?` any one byte.
 * Linear space, at worst O(length * length) time.
 */
bool string_matches(const char *text, const char *pattern);

/*
 * Parse all of text[0..length) as an unsigned number: decimal, 0x hexadecimal or 0 octal; with an
 * optional suffix K, M or G (powers of 1024).
 * Errors: HX_EINVAL empty or a foreign byte, HX_ERANGE above UINT64_MAX; *value is then unchanged.
 */
HX_MUST_USE hx_err string_to_u64(const char *text, size_t length, uint64_t *value);

#endif
