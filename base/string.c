/* Text helpers. */
#include <base/string.h>

#include <base/memory.h>

size_t string_length(const char *text)
{
    const char *end = text;

    while (*end != '\0') {
        end++;
    }
    return (size_t)(end - text);
}

size_t string_length_max(const char *text, size_t max)
{
    size_t length = 0;

    while (length < max && text[length] != '\0') {
        length++;
    }
    return length;
}

bool string_ends_within(const char *bytes, size_t size)
{
    const uint64_t ones = 0x0101010101010101ULL;

    /* A word has a zero byte if taking one from each borrows where bit 7 was not set before.
     * Source: Mycroft, 1987, as told in Warren, "Hacker's Delight", 6-1. */
    for (; size >= sizeof(uint64_t); bytes += sizeof(uint64_t), size -= sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, bytes, sizeof(word));
        if (((word - ones) & ~word & ones << 7) != 0) {
            return true;
        }
    }
    return string_length_max(bytes, size) < size;
}

bool string_equal(const char *a, const char *b)
{
    while (*a == *b) {
        if (*a == '\0') {
            return true;
        }
        a++;
        b++;
    }
    return false;
}

bool string_has_prefix(const char *text, const char *prefix)
{
    while (*prefix != '\0') {
        if (*text != *prefix) {
            return false;
        }
        text++;
        prefix++;
    }
    return true;
}

bool string_copy(char *to, size_t size, const char *text)
{
    char *end = to + size;

    for (; end - to >= 2; to += 2, text += 2) {
        if ((to[0] = text[0]) == '\0' || (to[1] = text[1]) == '\0') {
            return true;
        }
    }
    if (to < end && (*to = *text) == '\0') {
        return true;
    }
    if (size != 0) {
        end[-1] = '\0';
    }
    return false;
}

const char *string_find(const char *text, char byte)
{
    for (; *text != '\0'; text++) {
        if (*text == byte) {
            return text;
        }
    }
    return NULL;
}

/*
 * Greedy with one point of return: when a byte fails, the last star takes one byte more. Earlier
 * stars need no second try, because the last one can take whatever they could have left.
 */
bool string_matches(const char *text, const char *pattern)
{
    const char *after_star = NULL;
    const char *retry = NULL;

    while (*text != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            retry = text;
        } else if (*pattern == '?' || *pattern == *text) {
            pattern++;
            text++;
        } else if (after_star != NULL) {
            pattern = after_star;
            text = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == '\0';
}

/* The value of a digit in any base up to 16; 16 for a byte that is none. */
static unsigned digit_value(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return (unsigned)(byte - '0');
    }
    if (byte >= 'a' && byte <= 'f') {
        return (unsigned)(byte - 'a') + 10;
    }
    if (byte >= 'A' && byte <= 'F') {
        return (unsigned)(byte - 'A') + 10;
    }
    return 16;
}

/* The power of two a suffix stands for, 0 for a byte that is none. */
static unsigned suffix_shift(char byte)
{
    switch (byte) {
    case 'K':
        return 10;
    case 'M':
        return 20;
    case 'G':
        return 30;
    default:
        return 0;
    }
}

/* The base that text announces; *prefix is set to the bytes that say so. */
static unsigned number_base(const char *text, size_t length, size_t *prefix)
{
    *prefix = 0;
    if (length < 2 || text[0] != '0') {
        return 10;
    }
    if (text[1] == 'x' || text[1] == 'X') {
        *prefix = 2;
        return 16;
    }
    *prefix = 1;
    return 8;
}

/* Digits only. A foreign byte anywhere is reported before a number that is too large. */
static hx_err digits_to_u64(const char *text, size_t length, unsigned base, uint64_t *value)
{
    uint64_t sum = 0;
    bool overflow = false;

    if (length == 0) {
        return HX_EINVAL;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned digit = digit_value(text[i]);

        if (digit >= base) {
            return HX_EINVAL;
        }
        overflow |= __builtin_mul_overflow(sum, (uint64_t)base, &sum);
        overflow |= __builtin_add_overflow(sum, (uint64_t)digit, &sum);
    }
    if (overflow) {
        return HX_ERANGE;
    }
    *value = sum;
    return HX_OK;
}

hx_err string_to_u64(const char *text, size_t length, uint64_t *value)
{
    unsigned shift = length > 0 ? suffix_shift(text[length - 1]) : 0;
    size_t digits = shift != 0 ? length - 1 : length;
    size_t prefix;
    unsigned base = number_base(text, digits, &prefix);
    uint64_t number;
    hx_err error = digits_to_u64(text + prefix, digits - prefix, base, &number);

    if (error != HX_OK) {
        return error;
    }
    if (number > UINT64_MAX >> shift) {
        return HX_ERANGE;
    }
    *value = number << shift;
    return HX_OK;
}
