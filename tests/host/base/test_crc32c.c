/* base/crc32c.h: the published values, and the definition bit by bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/crc32c.h>
#include <string.h>
#include <tests/host/random.h>

/* RFC 3720 B.4, and the check value of the catalogue of CRCs. */
static void the_published_examples_come_out(void **state)
{
    uint8_t bytes[32];

    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8A9136AA);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62A8AB43);
    for (unsigned i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46DD794E);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static uint32_t crc_by_bits(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
        }
    }
    return ~crc;
}

static void random_bytes_in_random_pieces_agree_with_the_definition(void **state)
{
    uint64_t seed = random_start();
    uint8_t bytes[300];

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t start = random_below(8);
        size_t size = random_below(sizeof(bytes) - 8);
        size_t cut = random_below(size + 1);
        uint32_t crc;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)random_u64();
        }
        crc = crc32c(0, bytes + start, cut);
        crc = crc32c(crc, bytes + start + cut, size - cut);
        if (crc != crc_by_bits(bytes + start, size)) {
            fail_msg("seed %llu: size %zu at %zu, cut at %zu", (unsigned long long)seed, size,
                     start, cut);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_examples_come_out),
        cmocka_unit_test(random_bytes_in_random_pieces_agree_with_the_definition),
    };

    return cmocka_run_group_tests_name("base/crc32c", tests, NULL, NULL);
}
