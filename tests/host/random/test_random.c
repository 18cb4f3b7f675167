/* The block function against RFC 8439's vectors, and the generator over it. */
#include <core/component/component.h>
#include <subsys/random/chacha20.h>
#include <subsys/random/random.h>
#include <tests/host/core/machine.h>

static void check_block(const uint8_t key_bytes[32], uint32_t counter,
                        const uint8_t nonce_bytes[12], const uint8_t first[16])
{
    uint32_t key[8];
    uint32_t nonce[3];
    uint8_t block[64];

    memcpy(key, key_bytes, sizeof(key));
    memcpy(nonce, nonce_bytes, sizeof(nonce));
    chacha20_block(key, counter, nonce, block);
    assert_memory_equal(block, first, 16);
}

/* RFC 8439, 2.3.2 and A.1 vectors 1 and 2. */
static void blocks_are_those_of_the_standard(void **state)
{
    static const uint8_t nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a};
    static const uint8_t zeros[32];
    uint8_t key[32];

    (void)state;
    for (unsigned i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)i;
    }
    check_block(key, 1, nonce,
                (const uint8_t[]){0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd,
                                  0x1f, 0xa3, 0x20, 0x71, 0xc4});
    check_block(zeros, 0, zeros,
                (const uint8_t[]){0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a,
                                  0xe5, 0x53, 0x86, 0xbd, 0x28});
    check_block(zeros, 1, zeros,
                (const uint8_t[]){0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a, 0x98, 0xba, 0x97,
                                  0x7c, 0x73, 0x2d, 0x08, 0x0d});
}

static bool is_zero(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    while (size > 0 && *at == 0) {
        at++;
        size--;
    }
    return size == 0;
}

static void streams_body(void)
{
    struct random_stream stream;
    uint8_t whole[200];
    uint8_t pieces[200];
    struct random_stream same;

    random_stream_init(&stream);
    same = stream;
    random_stream_fill(&stream, whole, sizeof(whole));
    for (size_t i = 0; i < sizeof(pieces); i++) {
        random_stream_fill(&same, pieces + i, 1);
    }
    CHECK(memcmp(whole, pieces, sizeof(whole)) == 0 && !is_zero(whole, sizeof(whole)));
    random_stream_fini(&stream);
    CHECK(is_zero(&stream, sizeof(stream)));
    random_fill(pieces, sizeof(pieces));
    CHECK(memcmp(whole, pieces, sizeof(whole)) != 0);
}

static void streams_child(void)
{
    machine_run(1, streams_body);
}

/* However it is asked for; the next request gets another key, and a stream that has ended keeps
 * nothing of its own. */
static void a_stream_is_one_sequence_and_forgets_its_key(void **state)
{
    (void)state;
    passes_in_child(streams_child);
}

static void small_body(void)
{
    uint8_t taken[100][16];
    uint8_t after[16];

    for (size_t i = 0; i < 100; i++) {
        random_fill(taken[i], sizeof(taken[i]));
        CHECK(!is_zero(taken[i], sizeof(taken[i])));
        for (size_t other = 0; other < i; other++) {
            CHECK(memcmp(taken[i], taken[other], sizeof(taken[i])) != 0);
        }
    }
    /* What waits is thrown away when somebody adds to it. */
    random_add("x", 1);
    random_fill(after, sizeof(after));
    CHECK(!is_zero(after, sizeof(after)));
}

static void small_child(void)
{
    machine_run(2, small_body);
}

/* More of them than one reserve has. */
static void small_requests_are_all_different(void **state)
{
    (void)state;
    passes_in_child(small_child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_those_of_the_standard),
        cmocka_unit_test(a_stream_is_one_sequence_and_forgets_its_key),
        cmocka_unit_test(small_requests_are_all_different),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
