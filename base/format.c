/*
 * Formatted text.
 *
 * This is the path of every log line. So literal text and strings are copied eight bytes at a time,
 * digits are made two or eight at a time, and the conversions that lines are made of take a short
 * way (put_common) while there is room for the longest of them. Whatever has other flags, a
 * precision or little room left takes the general way.
 */
#include <base/format.h>

#include <base/memory.h>
#include <base/string.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "words are taken apart and put together from their low end"
#endif

#define WORD_SIZE  8U
#define WORD_ONES  0x0101010101010101ULL
#define WORD_HIGHS 0x8080808080808080ULL
#define PAGE_SIZE  4096U
#define NUMBER_ROOM                                                                                \
    24U /* any digits: 22 of UINT64_MAX in octal, the whole words of decimal_write */

/* Where the text goes. What does not fit is only counted. */
struct sink {
    char *at;    /* next byte */
    char *end;   /* where the NUL goes at the latest */
    size_t lost; /* bytes that did not fit */
};

enum conversion_flag {
    FLAG_LEFT = 1U << 0,      /* - */
    FLAG_ZERO = 1U << 1,      /* 0 */
    FLAG_ALTERNATE = 1U << 2, /* # */
    FLAG_PLUS = 1U << 3,
    FLAG_SPACE = 1U << 4,
};

/* One conversion, decoded. */
struct conversion {
    unsigned flags;
    int width;
    int precision;              /* -1: none given */
    unsigned width_of_argument; /* bits: 8, 16, 32 or 64 */
};

/* A va_list that functions can share: by value it would be undefined after the call. */
struct arguments {
    va_list list;
};

/* --- the sink --------------------------------------------------------------------------------- */

/* The part of size that still fits; the rest is counted as lost. */
static size_t sink_reserve(struct sink *sink, size_t size)
{
    size_t room = (size_t)(sink->end - sink->at);

    if (size <= room) {
        return size;
    }
    sink->lost += size - room;
    return room;
}

static void put_bytes(struct sink *sink, const char *bytes, size_t size)
{
    if (size == 0) {
        return;
    }
    size = sink_reserve(sink, size);
    memcpy(sink->at, bytes, size);
    sink->at += size;
}

static void put_repeated(struct sink *sink, char byte, size_t count)
{
    if (count == 0) {
        return;
    }
    count = sink_reserve(sink, count);
    memset(sink->at, byte, count);
    sink->at += count;
}

typedef uint64_t __attribute__((may_alias, aligned(1))) unaligned_word;

/*
 * Read a word that begins inside a text and may end behind it, but never on another page: the bytes
 * behind the text are looked at by nobody, but a sanitizer cannot know that.
 */
__attribute__((no_sanitize_address, no_sanitize_thread)) static uint64_t load_word(const char *text)
{
    return *(const unaligned_word *)text;
}

/*
 * A word whose lowest set bit, when bytes above 127 are left out (& ~word), is the top bit of the
 * first byte that is NUL or stop. A borrow disturbs only bytes above the first hit (Mycroft 1987).
 */
static inline uint64_t word_find(uint64_t word, uint64_t stops)
{
    return ((word - WORD_ONES) | ((word ^ stops) - WORD_ONES)) & WORD_HIGHS;
}

/* Where words are copied from and to, and the addresses from which on none may begin. */
struct cursor {
    const char *from;
    char *to;
    uintptr_t from_limit; /* past the last word of the page */
    uintptr_t to_limit;
};

/* Begin at a text, which may lie anywhere; leave so many bytes of the sink unused. */
static inline struct cursor cursor_at(const struct sink *sink, const char *text, size_t unused)
{
    return (struct cursor){
        .from = text,
        .to = sink->at,
        .from_limit = ((uintptr_t)text | (PAGE_SIZE - 1)) - (WORD_SIZE - 2),
        .to_limit = (uintptr_t)sink->end - unused,
    };
}

/* Copy up to a stop byte by words. Returns false where the next word may not begin. */
static inline bool cursor_copy(struct cursor *at, uint64_t stops)
{
    while ((uintptr_t)at->to < at->to_limit && (uintptr_t)at->from < at->from_limit) {
        uint64_t word = load_word(at->from);
        uint64_t found = word_find(word, stops);

        memcpy(at->to, &word, sizeof(word));
        if (found != 0 && (found &= ~word) != 0) {
            size_t length = (size_t)__builtin_ctzll(found) / 8;

            at->from += length;
            at->to += length;
            return true;
        }
        at->from += WORD_SIZE;
        at->to += WORD_SIZE;
    }
    return false;
}

/* put_until where words would leave the buffer or the page. */
static HX_NOINLINE const char *put_bytes_until(struct sink *sink, const char *text, char stop)
{
    for (; *text != '\0' && *text != stop; text++) {
        if (sink->at < sink->end) {
            *sink->at++ = *text;
        } else {
            sink->lost++;
        }
    }
    return text;
}

/* Copy text up to a NUL or the stop byte (ASCII); returns where it stopped. */
static HX_NOINLINE const char *put_until(struct sink *sink, const char *text, char stop)
{
    struct cursor at = cursor_at(sink, text, WORD_SIZE - 1);
    bool is_done = cursor_copy(&at, WORD_ONES * (uint8_t)stop);

    sink->at = at.to;
    return is_done ? at.from : put_bytes_until(sink, at.from, stop);
}

/* --- digits ----------------------------------------------------------------------------------- */

#define TEN_TO_THE_8TH 100000000U

/*
 * The eight decimal digits of a number below 10^8, one a byte, the first in the low byte. Each step
 * halves all parts at once: 8 digits, 2 times 4, 4 times 2, 8 times 1. The divisions are products
 * with a reciprocal, exact in their ranges: 10486 / 2^20 for 1/100 below 10^4, 103 / 2^10 for 1/10
 * below 100.
 */
static uint64_t eight_digits(uint32_t value)
{
    uint64_t high = value / 10000;
    uint64_t parts = high | (uint64_t)(value - (uint32_t)high * 10000) << 32;

    high = (parts * 10486 >> 20) & 0x0000007f0000007fULL;
    parts = high | (parts - high * 100) << 16;
    high = (parts * 103 >> 10) & 0x000f000f000f000fULL;
    return high | (parts - high * 10) << 8;
}

/* Write all eight digits of a number below 10^8. */
static char *eight_write(char *to, uint32_t value)
{
    uint64_t text = eight_digits(value) | WORD_ONES * '0';

    memcpy(to, &text, sizeof(text));
    return to + sizeof(text);
}

/* Write a number below 10^8 without leading zeros, as a whole word; returns the end of the digits.
 */
static char *leading_write(char *to, uint32_t value)
{
    uint64_t digits = eight_digits(value);
    /* The last digit counts even when it is zero. */
    unsigned zeros = (unsigned)__builtin_ctzll(digits | 1ULL << 56) / 8;
    uint64_t text = (digits | WORD_ONES * '0') >> (zeros * 8);

    memcpy(to, &text, sizeof(text));
    return to + sizeof(text) - zeros;
}

/* Write a number of 10^8 or more: two or three groups of eight digits. */
static char *long_write(char *to, uint64_t value)
{
    uint64_t high = value / TEN_TO_THE_8TH;

    if (high < TEN_TO_THE_8TH) {
        to = leading_write(to, (uint32_t)high);
    } else {
        to = leading_write(to, (uint32_t)(high / TEN_TO_THE_8TH));
        to = eight_write(to, (uint32_t)(high % TEN_TO_THE_8TH));
    }
    return eight_write(to, (uint32_t)(value % TEN_TO_THE_8TH));
}

/* The two digits of each number below 100. */
static const char pairs[] = "0001020304050607080910111213141516171819"
                            "2021222324252627282930313233343536373839"
                            "4041424344454647484950515253545556575859"
                            "6061626364656667686970717273747576777879"
                            "8081828384858687888990919293949596979899";

static inline char *pair_write(char *to, uint32_t value)
{
    memcpy(to, pairs + value * 2UL, 2);
    return to + 2;
}

static inline char *digit_write(char *to, uint32_t value)
{
    *to = (char)('0' + value);
    return to + 1;
}

/* Write a number of four digits or more. */
static HX_NOINLINE char *large_write(char *to, uint64_t value)
{
    if (value < 10000) {
        return pair_write(pair_write(to, (uint32_t)value / 100), (uint32_t)value % 100);
    }
    return value < TEN_TO_THE_8TH ? leading_write(to, (uint32_t)value) : long_write(to, value);
}

/* Write a number into NUMBER_ROOM bytes; returns the end of its digits. */
static inline char *decimal_write(char *to, uint64_t value)
{
    if (value < 10) {
        return digit_write(to, (uint32_t)value);
    }
    if (value < 100) {
        return pair_write(to, (uint32_t)value);
    }
    if (value < 1000) {
        return pair_write(digit_write(to, (uint32_t)value / 100), (uint32_t)value % 100);
    }
    return large_write(to, value);
}

/* Octal (3 bits a digit) and hexadecimal (4): write so that the digits end before `end`. */
static char *binary_write(char *end, uint64_t value, unsigned bits, bool capital)
{
    const char *digits = capital ? "0123456789ABCDEF" : "0123456789abcdef";
    uint64_t mask = (1U << bits) - 1;

    do {
        *--end = digits[value & mask];
        value >>= bits;
    } while (value != 0);
    return end;
}

/* --- conversions ------------------------------------------------------------------------------ */

static size_t padding(const struct conversion *conversion, size_t length)
{
    size_t width = (size_t)conversion->width;

    return width > length ? width - length : 0;
}

/* A body of bytes within the conversion's width. */
static void put_padded(struct sink *sink, const struct conversion *conversion, const char *bytes,
                       size_t size)
{
    size_t blanks = padding(conversion, size);

    if ((conversion->flags & FLAG_LEFT) == 0) {
        put_repeated(sink, ' ', blanks);
        blanks = 0;
    }
    put_bytes(sink, bytes, size);
    put_repeated(sink, ' ', blanks);
}

/* Leading zeros of a number: what the precision asks, or the width with flag 0. */
static size_t leading_zeros(const struct conversion *conversion, size_t prefix, size_t digits)
{
    if (conversion->precision >= 0) {
        size_t wanted = (size_t)conversion->precision;

        return wanted > digits ? wanted - digits : 0;
    }
    if ((conversion->flags & (FLAG_ZERO | FLAG_LEFT)) == FLAG_ZERO) {
        return padding(conversion, prefix + digits);
    }
    return 0;
}

/* Blanks, prefix, zeros, digits, blanks. */
static void put_number(struct sink *sink, const struct conversion *conversion, const char *prefix,
                       const char *digits, size_t count)
{
    size_t prefix_length = string_length(prefix);
    size_t zeros = leading_zeros(conversion, prefix_length, count);
    size_t blanks = padding(conversion, prefix_length + zeros + count);

    if ((conversion->flags & FLAG_LEFT) == 0) {
        put_repeated(sink, ' ', blanks);
        blanks = 0;
    }
    put_bytes(sink, prefix, prefix_length);
    put_repeated(sink, '0', zeros);
    put_bytes(sink, digits, count);
    put_repeated(sink, ' ', blanks);
}

/* Zero with precision 0 has no digits (C17 7.21.6.1). */
static bool has_digits(const struct conversion *conversion, uint64_t value)
{
    return value != 0 || conversion->precision != 0;
}

static void put_decimal(struct sink *sink, const struct conversion *conversion, uint64_t value,
                        const char *sign)
{
    char text[NUMBER_ROOM];
    char *end = text;

    if (has_digits(conversion, value)) {
        end = decimal_write(text, value);
    }
    put_number(sink, conversion, sign, text, (size_t)(end - text));
}

static uint64_t magnitude_of(int64_t value)
{
    return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

static void put_signed(struct sink *sink, const struct conversion *conversion, int64_t value)
{
    const char *sign = "";

    if (value < 0) {
        sign = "-";
    } else if ((conversion->flags & FLAG_PLUS) != 0) {
        sign = "+";
    } else if ((conversion->flags & FLAG_SPACE) != 0) {
        sign = " ";
    }
    put_decimal(sink, conversion, magnitude_of(value), sign);
}

static void put_hexadecimal(struct sink *sink, const struct conversion *conversion, uint64_t value,
                            bool capital)
{
    char text[NUMBER_ROOM];
    char *end = text + sizeof(text);
    char *first = end;
    const char *prefix = "";

    if (has_digits(conversion, value)) {
        first = binary_write(end, value, 4, capital);
    }
    if (value != 0 && (conversion->flags & FLAG_ALTERNATE) != 0) {
        prefix = capital ? "0X" : "0x";
    }
    put_number(sink, conversion, prefix, first, (size_t)(end - first));
}

/* The alternate form of octal begins with a zero, at the cost of a higher precision if need be. */
static void put_octal(struct sink *sink, const struct conversion *conversion, uint64_t value)
{
    struct conversion adapted = *conversion;
    char text[NUMBER_ROOM];
    char *end = text + sizeof(text);
    char *first = end;

    if (has_digits(conversion, value)) {
        first = binary_write(end, value, 3, false);
    }
    if ((conversion->flags & FLAG_ALTERNATE) != 0 && (first == end || *first != '0')) {
        size_t digits = (size_t)(end - first);

        if (leading_zeros(conversion, 0, digits) == 0) {
            adapted.precision = (int)digits + 1;
        }
    }
    put_number(sink, &adapted, "", first, (size_t)(end - first));
}

static void put_pointer(struct sink *sink, struct conversion *conversion, const void *pointer)
{
    char text[2 + 16] = "0x0000000000000000";

    binary_write(text + sizeof(text), (uintptr_t)pointer, 4, false);
    put_padded(sink, conversion, text, sizeof(text));
}

static const char *text_or_null(const char *text)
{
    return text != NULL ? text : "(null)";
}

static void put_string(struct sink *sink, const struct conversion *conversion, const char *text)
{
    size_t max = conversion->precision < 0 ? SIZE_MAX : (size_t)conversion->precision;

    text = text_or_null(text);
    put_padded(sink, conversion, text, string_length_max(text, max));
}

/* --- decoding --------------------------------------------------------------------------------- */

static unsigned flag_of(char byte)
{
    switch (byte) {
    case '-':
        return FLAG_LEFT;
    case '0':
        return FLAG_ZERO;
    case '#':
        return FLAG_ALTERNATE;
    case '+':
        return FLAG_PLUS;
    case ' ':
        return FLAG_SPACE;
    default:
        return 0;
    }
}

/* A number in the format or, for a star, from the arguments. Too large a one stays INT_MAX. */
static const char *read_number(const char *at, struct arguments *arguments, int *number)
{
    int value = 0;

    if (*at == '*') {
        *number = va_arg(arguments->list, int);
        return at + 1;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value)) {
            value = INT_MAX;
        }
    }
    *number = value;
    return at;
}

/* Flags, width and precision. */
static const char *read_layout(const char *at, struct arguments *arguments,
                               struct conversion *conversion)
{
    for (unsigned flag = flag_of(*at); flag != 0; flag = flag_of(*++at)) {
        conversion->flags |= flag;
    }
    at = read_number(at, arguments, &conversion->width);
    if (conversion->width < 0) {
        conversion->flags |= FLAG_LEFT;
        conversion->width = conversion->width == INT_MIN ? INT_MAX : -conversion->width;
    }
    if (*at == '.') {
        at = read_number(at + 1, arguments, &conversion->precision);
    }
    return at;
}

static const char *read_length(const char *at, struct conversion *conversion)
{
    switch (*at) {
    case 'h':
        conversion->width_of_argument = at[1] == 'h' ? 8 : 16;
        return at[1] == 'h' ? at + 2 : at + 1;
    case 'l':
        conversion->width_of_argument = 64;
        return at[1] == 'l' ? at + 2 : at + 1;
    case 'z':
    case 't':
    case 'j':
        conversion->width_of_argument = 64;
        return at + 1;
    default:
        return at;
    }
}

static uint64_t take_unsigned(struct arguments *arguments, const struct conversion *conversion)
{
    unsigned value;

    if (conversion->width_of_argument == 64) {
        return va_arg(arguments->list, uint64_t);
    }
    value = va_arg(arguments->list, unsigned);
    switch (conversion->width_of_argument) {
    case 8:
        return (uint8_t)value;
    case 16:
        return (uint16_t)value;
    default:
        return value;
    }
}

static int64_t take_signed(struct arguments *arguments, const struct conversion *conversion)
{
    int value;

    if (conversion->width_of_argument == 64) {
        return va_arg(arguments->list, int64_t);
    }
    value = va_arg(arguments->list, int);
    switch (conversion->width_of_argument) {
    case 8:
        return (int8_t)value;
    case 16:
        return (int16_t)value;
    default:
        return value;
    }
}

static void put_character(struct sink *sink, const struct conversion *conversion, char byte)
{
    put_padded(sink, conversion, &byte, 1);
}

/* Convert one argument by its letter. Returns false for a letter that is none. */
static bool put_argument(struct sink *sink, struct arguments *arguments,
                         struct conversion *conversion, char letter)
{
    switch (letter) {
    case 'd':
    case 'i':
        put_signed(sink, conversion, take_signed(arguments, conversion));
        return true;
    case 'u':
        put_decimal(sink, conversion, take_unsigned(arguments, conversion), "");
        return true;
    case 'x':
    case 'X':
        put_hexadecimal(sink, conversion, take_unsigned(arguments, conversion), letter == 'X');
        return true;
    case 'o':
        put_octal(sink, conversion, take_unsigned(arguments, conversion));
        return true;
    case 's':
        put_string(sink, conversion, va_arg(arguments->list, const char *));
        return true;
    case 'c':
        put_character(sink, conversion, (char)va_arg(arguments->list, int));
        return true;
    case 'p':
        put_pointer(sink, conversion, va_arg(arguments->list, void *));
        return true;
    case '%':
        put_bytes(sink, "%", 1);
        return true;
    default:
        return false;
    }
}

/* One conversion of any form, from its percent sign on; returns what follows it. */
static HX_NOINLINE const char *put_conversion(struct sink *sink, const char *percent,
                                              struct arguments *arguments)
{
    struct conversion conversion = {.precision = -1, .width_of_argument = 32};
    const char *at = read_layout(percent + 1, arguments, &conversion);

    at = read_length(at, &conversion);
    if (put_argument(sink, arguments, &conversion, *at)) {
        return at + 1;
    }
    if (*at != '\0') {
        at++;
    }
    put_bytes(sink, percent, (size_t)(at - percent));
    return at;
}

/* --- the short way ---------------------------------------------------------------------------- */

/* Room for a word of literal text that is one byte from its end, then a sign and any number. */
#define COMMON_ROOM (WORD_SIZE + 1 + NUMBER_ROOM)

static HX_NOINLINE char *signed_write(char *to, int64_t value)
{
    if (value < 0) {
        *to++ = '-';
    }
    return decimal_write(to, magnitude_of(value));
}

/* An unsigned number in a field: %lu, %5u, %06llu, %x, %016lx, %zu and the like, decoded. */
struct field {
    bool is_long;
    bool is_hexadecimal;
    char filling; /* blank or zero */
    unsigned width;
};

/* Decode from after the percent sign on; returns what follows, NULL when it is no such field. */
static const char *field_decode(const char *at, struct field *field)
{
    *field = (struct field){.filling = ' '};
    if (*at == '0') {
        field->filling = '0';
        at++;
    }
    for (; *at >= '0' && *at <= '9' && field->width <= NUMBER_ROOM; at++) {
        field->width = field->width * 10 + (unsigned)(*at - '0');
    }
    if (*at == 'l' || *at == 'z') {
        field->is_long = true;
        at += at[0] == 'l' && at[1] == 'l' ? 2 : 1;
    }
    field->is_hexadecimal = *at == 'x';
    return (*at == 'u' || *at == 'x') && field->width <= NUMBER_ROOM ? at + 1 : NULL;
}

static unsigned decimal_count(uint64_t value)
{
    unsigned count = 1;

    for (; value >= 100; value /= 100) {
        count += 2;
    }
    return value >= 10 ? count + 1 : count;
}

static unsigned hexadecimal_count(uint64_t value)
{
    return (67U - (unsigned)__builtin_clzll(value | 1)) / 4;
}

/* Write a number so that its digits end before `end`. */
static void decimal_write_before(char *end, uint64_t value)
{
    for (; value >= 100; value /= 100) {
        end -= 2;
        pair_write(end, (uint32_t)(value % 100));
    }
    if (value >= 10) {
        pair_write(end - 2, (uint32_t)value);
    } else {
        digit_write(end - 1, (uint32_t)value);
    }
}

/* Write a number and what fills its field; returns the end. */
static char *field_write(char *to, const struct field *field, uint64_t value)
{
    unsigned count = field->is_hexadecimal ? hexadecimal_count(value) : decimal_count(value);

    for (unsigned left = field->width; left > count; left--) {
        *to++ = field->filling;
    }
    if (field->is_hexadecimal) {
        binary_write(to + count, value, 4, false);
    } else {
        decimal_write_before(to + count, value);
    }
    return to + count;
}

/* Move *to past an unsigned number in a field; returns what follows it in the format, NULL: no
 * field. */
static HX_NOINLINE const char *put_field(char **to, const char *percent,
                                         struct arguments *arguments)
{
    struct field field;
    const char *next = field_decode(percent + 1, &field);

    if (next != NULL) {
        *to = field_write(*to, &field,
                          field.is_long ? va_arg(arguments->list, uint64_t)
                                        : va_arg(arguments->list, unsigned));
    }
    return next;
}

/* %s, which may fill the sink. */
static inline void put_plain_string(struct cursor *at, struct sink *sink, const char *text)
{
    sink->at = at->to;
    put_until(sink, text_or_null(text), '\0');
    at->to = sink->at;
}

static inline bool put_plain_field(struct cursor *at, struct arguments *arguments)
{
    char *to = at->to;
    const char *next = put_field(&to, at->from, arguments);

    if (next == NULL) {
        return false;
    }
    at->to = to;
    at->from = next;
    return true;
}

/*
 * One of the plain conversions that lines are made of; returns false, untouched, for any other. An
 * unsigned number is asked for first, so that it does without a table of jumps.
 */
static inline bool put_plain(struct cursor *at, struct sink *sink, struct arguments *arguments)
{
    switch (__builtin_expect(at->from[1], 'u')) {
    case 'u':
        at->to = decimal_write(at->to, va_arg(arguments->list, unsigned));
        break;
    case 'd':
        at->to = signed_write(at->to, va_arg(arguments->list, int));
        break;
    case 's':
        put_plain_string(at, sink, va_arg(arguments->list, const char *));
        break;
    case '0' ... '9':
    case 'l':
    case 'x':
    case 'z':
        return put_plain_field(at, arguments);
    default:
        return false;
    }
    at->from += 2;
    return true;
}

/*
 * Literal text and common conversions for as long as there is room. Returns where the general way
 * has to go on: at the NUL, at another conversion, or anywhere when the room or the page ends.
 */
static inline const char *put_common(struct sink *sink, const char *format,
                                     struct arguments *arguments)
{
    struct cursor at = cursor_at(sink, format, COMMON_ROOM);

    while (cursor_copy(&at, WORD_ONES * '%') && *at.from != '\0' &&
           put_plain(&at, sink, arguments)) {
    }
    sink->at = at.to;
    return at.from;
}

size_t format_text_va(char *buffer, size_t size, const char *format, va_list args)
{
    struct arguments arguments;
    struct sink sink;
    char nothing;

    if (HX_UNLIKELY(size == 0)) {
        return format_text_va(&nothing, sizeof(nothing), format, args);
    }
    sink = (struct sink){.at = buffer, .end = buffer + size - 1};
    va_copy(arguments.list, args);
    while (*(format = put_common(&sink, format, &arguments)) != '\0') {
        format = *format == '%' ? put_conversion(&sink, format, &arguments)
                                : put_until(&sink, format, '%');
    }
    va_end(arguments.list);
    *sink.at = '\0';
    return (size_t)(sink.at - buffer) + sink.lost;
}

size_t format_text(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    size_t length;

    va_start(args, format);
    length = format_text_va(buffer, size, format, args);
    va_end(args);
    return length;
}
