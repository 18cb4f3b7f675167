/* The memory functions the compiler calls, and the checksum: every small size, every alignment,
 * every overlap. */
#include <tests/self/suites.h>

#include <base/crc32c.h>
#include <base/memory.h>
#include <stddef.h>

#define SIZE_LIMIT 300U /* beyond every special case of the functions */
#define ALIGNMENTS 8U
#define GUARD      48U /* bytes watched on both sides; also the farthest overlap tried */
#define AREA_SIZE  (GUARD + ALIGNMENTS + SIZE_LIMIT + GUARD)

static uint8_t source[AREA_SIZE];
static uint8_t target[AREA_SIZE];
static uint8_t expected[AREA_SIZE];

/* Distinct enough that a byte from a wrong place shows: no two bytes near each other are equal. */
static uint8_t pattern(size_t index, unsigned salt)
{
    return (uint8_t)(index * 7 + index / 256 + salt);
}

/* Volatile, or the compiler turns these loops into calls of what is tested. */
static void fill_pattern(volatile uint8_t *bytes, unsigned salt)
{
    for (size_t i = 0; i < AREA_SIZE; i++) {
        bytes[i] = pattern(i, salt);
    }
}

static void copy_bytes(volatile uint8_t *to, const volatile uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = from[i];
    }
}

static bool areas_are_equal(const volatile uint8_t *a, const volatile uint8_t *b)
{
    for (size_t i = 0; i < AREA_SIZE; i++) {
        if (a[i] != b[i]) {
            return false;
        }
    }
    return true;
}

/* The functions are called through these, so that the compiler cannot expand them in place. */
static void *(*volatile copy)(void *restrict, const void *restrict, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

static bool copy_is_exact(size_t size, size_t to, size_t from)
{
    uint8_t *start = target + GUARD + to;

    fill_pattern(target, 101);
    fill_pattern(expected, 101);
    copy_bytes(expected + GUARD + to, source + GUARD + from, size);
    return copy(start, source + GUARD + from, size) == start && areas_are_equal(target, expected);
}

static void memcpy_copies_exactly_its_bytes(void)
{
    fill_pattern(source, 0);
    for (size_t size = 0; size <= SIZE_LIMIT; size++) {
        for (size_t to = 0; to < ALIGNMENTS; to++) {
            for (size_t from = 0; from<ALIGNMENTS; from += size> 64 ? 3 : 1) {
                if (!copy_is_exact(size, to, from)) {
                    selftest_fail(__FILE__, __LINE__, "size %zu to +%zu from +%zu", size, to, from);
                    return;
                }
            }
        }
    }
}

static bool move_is_exact(size_t size, size_t to, size_t from)
{
    fill_pattern(target, 3);
    fill_pattern(source, 3);
    fill_pattern(expected, 3);
    copy_bytes(expected + to, source + from, size);
    return move(target + to, target + from, size) == target + to &&
           areas_are_equal(target, expected);
}

static void memmove_survives_every_overlap(void)
{
    for (size_t size = 0; size <= SIZE_LIMIT; size++) {
        for (size_t to = 0; to <= 2 * GUARD; to += size > 80 ? 5 : 1) {
            if (!move_is_exact(size, to, GUARD)) {
                selftest_fail(__FILE__, __LINE__, "size %zu from +%u to +%zu", size, GUARD, to);
                return;
            }
        }
    }
}

static bool set_is_exact(size_t size, size_t to, int byte)
{
    uint8_t *start = target + GUARD + to;

    fill_pattern(target, 55);
    fill_pattern(expected, 55);
    for (size_t i = 0; i < size; i++) {
        ((volatile uint8_t *)expected)[GUARD + to + i] = (uint8_t)byte;
    }
    return set(start, byte, size) == start && areas_are_equal(target, expected);
}

static void memset_sets_exactly_its_bytes(void)
{
    for (size_t size = 0; size <= SIZE_LIMIT; size++) {
        for (size_t to = 0; to < ALIGNMENTS; to++) {
            /* Only the low byte of the value counts. */
            if (!set_is_exact(size, to, 0) || !set_is_exact(size, to, 0x7fffffa5)) {
                selftest_fail(__FILE__, __LINE__, "size %zu at +%zu", size, to);
                return;
            }
        }
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* One byte differs at `place`, and all behind it differ the other way round: the first one decides.
 */
static bool first_difference_decides(size_t size, size_t place, size_t shift)
{
    uint8_t *a = source + GUARD;
    uint8_t *b = target + GUARD + shift;

    set(a, 0x80, size);
    set(b, 0x80, size);
    if (compare(a, b, size) != 0) {
        return false;
    }
    set(a + place, 0xff, size - place);
    a[place] = 0x01; /* unsigned: 0x01 is below 0x80, 0xff above */
    return sign(compare(a, b, size)) == -1 && sign(compare(b, a, size)) == 1 &&
           compare(a, b, place) == 0;
}

static void memcmp_orders_by_the_first_difference(void)
{
    EXPECT_EQUAL(compare(source, target, 0), 0);
    for (size_t size = 1; size <= 64; size++) {
        for (size_t place = 0; place < size; place++) {
            for (size_t shift = 0; shift < ALIGNMENTS; shift++) {
                if (!first_difference_decides(size, place, shift)) {
                    selftest_fail(__FILE__, __LINE__, "size %zu at %zu shift %zu", size, place,
                                  shift);
                    return;
                }
            }
        }
    }
}

/* Whatever the processor computes it by: the same as the tables, which the host's tests compare
 * with the definition. */
static void crc32c_is_that_of_the_tables(void)
{
    EXPECT_EQUAL(crc32c(0, "123456789", 9), 0xE3069283U);
    fill_pattern(source, 3);
    for (size_t size = 0; size <= SIZE_LIMIT; size++) {
        for (size_t shift = 0; shift < ALIGNMENTS; shift++) {
            uint32_t start = (uint32_t)(size * 0x9e3779b9U + shift);

            if (crc32c(start, source + shift, size) !=
                crc32c_by_tables(start, source + shift, size)) {
                selftest_fail(__FILE__, __LINE__, "size %zu shift %zu", size, shift);
                return;
            }
        }
    }
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "base_memory." #function, .run = function                                          \
    }

const struct selftest base_memory_tests[] = {
    TEST(memcpy_copies_exactly_its_bytes), TEST(memmove_survives_every_overlap),
    TEST(memset_sets_exactly_its_bytes),   TEST(memcmp_orders_by_the_first_difference),
    TEST(crc32c_is_that_of_the_tables),    {.name = NULL},
};
