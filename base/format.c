/*
 * Formatted text.
 *
 * Literal text and plain strings are copied eight bytes at a time and decimal digits are made two
 * at a time: this is the path of every log line. Whatever has flags, a width or a precision takes
 * the general way.
 */
#include <base/format.h>

#include <base/memory.h>
#include <base/string.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "put_until finds the first byte of a word at its low end"
#endif

#define WORD_SIZE   8U
#define WORD_ONES   0x0101010101010101ULL
#define WORD_HIGHS  0x8080808080808080ULL
#define PAGE_SIZE   4096U
#define DECIMAL_MAX 20U /* digits of UINT64_MAX */
#define NUMBER_MAX  22U /* digits of UINT64_MAX in octal, the longest form */

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

/* --- the sink ----------------------------------------------------------------------------------
 */

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
    size = sink_reserve(sink, size);
    memcpy(sink->at, bytes, size);
    sink->at += size;
}

static void put_repeated(struct sink *sink, char byte, size_t count)
{
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
 * A word whose lowest set bit is the top bit of the first byte that is NUL or stop. Bytes above 127
 * are neither; a borrow disturbs only bytes above the first hit (Mycroft 1987).
 */
static uint64_t word_find(uint64_t word, uint64_t stops)
{
    return ((word - WORD_ONES) | ((word ^ stops) - WORD_ONES)) & ~word & WORD_HIGHS;
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
static const char *put_until(struct sink *sink, const char *text, char stop)
{
    size_t room = (size_t)(sink->end - sink->at);
    size_t budget = PAGE_SIZE - ((uintptr_t)text & (PAGE_SIZE - 1));
    uint64_t stops = WORD_ONES * (uint8_t)stop;

    if (budget > room) {
        budget = room;
    }
    for (; budget >= WORD_SIZE; budget -= WORD_SIZE) {
        uint64_t word = load_word(text);
        uint64_t found = word_find(word, stops);

        memcpy(sink->at, &word, sizeof(word));
        if (found != 0) {
            size_t length = (size_t)__builtin_ctzll(found) / 8;

            sink->at += length;
            return text + length;
        }
        text += WORD_SIZE;
        sink->at += WORD_SIZE;
    }
    return put_bytes_until(sink, text, stop);
}

/* --- digits ------------------------------------------------------------------------------------
 */

#define PAIR_ROW(tens)                                                                             \
    {tens, '0'}, {tens, '1'}, {tens, '2'}, {tens, '3'}, {tens, '4'}, {tens, '5'}, {tens, '6'},     \
        {tens, '7'}, {tens, '8'},                                                                  \
    {                                                                                              \
        tens, '9'                                                                                  \
    }

static const char pairs[100][2] = {PAIR_ROW('0'), PAIR_ROW('1'), PAIR_ROW('2'), PAIR_ROW('3'),
                                   PAIR_ROW('4'), PAIR_ROW('5'), PAIR_ROW('6'), PAIR_ROW('7'),
                                   PAIR_ROW('8'), PAIR_ROW('9')};

static unsigned decimal_length(uint64_t value)
{
    unsigned length = 1;

    while (value >= 10000) {
        value /= 10000;
        length += 4;
    }
    return length + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* Write the digits so that they end before `end`; returns the first. */
static char *decimal_write(char *end, uint64_t value)
{
    uint32_t rest;

    while (value > UINT32_MAX) {
        end -= 2;
        memcpy(end, pairs[value % 100], 2);
        value /= 100;
    }
    /* Few numbers are longer, and division is cheaper in 32 bits. */
    rest = (uint32_t)value;
    while (rest >= 100) {
        end -= 2;
        memcpy(end, pairs[rest % 100], 2);
        rest /= 100;
    }
    if (rest >= 10) {
        end -= 2;
        memcpy(end, pairs[rest], 2);
    } else {
        *--end = (char)('0' + rest);
    }
    return end;
}

/* The same for octal (3 bits a digit) and hexadecimal (4). */
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

/* --- conversions -------------------------------------------------------------------------------
 */

static bool conversion_is_plain(const struct conversion *conversion)
{
    return conversion->flags == 0 && conversion->width == 0 && conversion->precision < 0;
}

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

/* A decimal number in the general way. Zero with precision 0 has no digits (C17 7.21.6.1). */
static void put_decimal_padded(struct sink *sink, const struct conversion *conversion,
                               uint64_t value, const char *sign)
{
    char text[NUMBER_MAX];
    char *end = text + sizeof(text);
    char *first = end;

    if (value != 0 || conversion->precision != 0) {
        first = decimal_write(end, value);
    }
    put_number(sink, conversion, sign, first, (size_t)(end - first));
}

static void put_decimal(struct sink *sink, const struct conversion *conversion, uint64_t value,
                        bool negative)
{
    if (conversion_is_plain(conversion) && sink->end - sink->at > (ptrdiff_t)DECIMAL_MAX) {
        if (negative) {
            *sink->at++ = '-';
        }
        sink->at += decimal_length(value);
        decimal_write(sink->at, value);
        return;
    }
    put_decimal_padded(sink, conversion, value, negative ? "-" : "");
}

static void put_signed(struct sink *sink, const struct conversion *conversion, int64_t value)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;

    if (value >= 0 && (conversion->flags & (FLAG_PLUS | FLAG_SPACE)) != 0) {
        const char *sign = (conversion->flags & FLAG_PLUS) != 0 ? "+" : " ";

        put_decimal_padded(sink, conversion, magnitude, sign);
        return;
    }
    put_decimal(sink, conversion, magnitude, value < 0);
}

static void put_hexadecimal(struct sink *sink, const struct conversion *conversion, uint64_t value,
                            bool capital)
{
    char text[NUMBER_MAX];
    char *end = text + sizeof(text);
    char *first = end;
    const char *prefix = "";

    if (value != 0 || conversion->precision != 0) {
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
    char text[NUMBER_MAX];
    char *end = text + sizeof(text);
    char *first = end;

    if (value != 0 || conversion->precision != 0) {
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

static void put_string(struct sink *sink, const struct conversion *conversion, const char *text)
{
    size_t max = conversion->precision < 0 ? SIZE_MAX : (size_t)conversion->precision;

    if (text == NULL) {
        text = "(null)";
    }
    if (conversion_is_plain(conversion)) {
        put_until(sink, text, '\0');
        return;
    }
    put_padded(sink, conversion, text, string_length_max(text, max));
}

/* --- decoding ----------------------------------------------------------------------------------
 */

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
        put_decimal(sink, conversion, take_unsigned(arguments, conversion), false);
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

/* One conversion, from its percent sign on; returns what follows it. */
static const char *put_conversion(struct sink *sink, const char *percent,
                                  struct arguments *arguments)
{
    struct conversion conversion = {.precision = -1, .width_of_argument = 32};
    const char *at = percent + 1;

    /* All flags, digits and the point come before the letters. */
    if (*at < 'A') {
        at = read_layout(at, arguments, &conversion);
    }
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

size_t format_text_va(char *buffer, size_t size, const char *format, va_list args)
{
    char nothing[1];
    struct sink sink = {.at = nothing, .end = nothing};
    char *first = nothing;
    struct arguments arguments;

    if (size > 0) {
        first = buffer;
        sink.at = buffer;
        sink.end = buffer + size - 1;
    }
    va_copy(arguments.list, args);
    for (;;) {
        format = put_until(&sink, format, '%');
        if (*format == '\0') {
            break;
        }
        format = put_conversion(&sink, format, &arguments);
    }
    va_end(arguments.list);
    *sink.at = '\0';
    return (size_t)(sink.at - first) + sink.lost;
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
