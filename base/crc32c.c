/*
 * CRC-32C by tables, eight bytes a step ("slicing by 8", Kounavis and Berry 2005).
 *
 * table[k][b] is what byte b contributes when k more bytes follow it. A CRC is linear over XOR, so
 * a table follows from its eight entries for single bits, and only those are written out.
 */
#include <base/crc32c.h>

#include <base/memory.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the eight-byte step reads little-endian words"
#endif

#define CRC_BIT(b, bit, entry) (((b) & (1U << (bit))) != 0 ? (entry) : 0U)
#define CRC_BYTE(b, e0, e1, e2, e3, e4, e5, e6, e7)                                                \
    (CRC_BIT(b, 0, e0) ^ CRC_BIT(b, 1, e1) ^ CRC_BIT(b, 2, e2) ^ CRC_BIT(b, 3, e3) ^               \
     CRC_BIT(b, 4, e4) ^ CRC_BIT(b, 5, e5) ^ CRC_BIT(b, 6, e6) ^ CRC_BIT(b, 7, e7))

#define CRC_FOUR(b, ...)                                                                           \
    CRC_BYTE(b, __VA_ARGS__), CRC_BYTE((b) + 1, __VA_ARGS__), CRC_BYTE((b) + 2, __VA_ARGS__),      \
        CRC_BYTE((b) + 3, __VA_ARGS__)
#define CRC_SIXTEEN(b, ...)                                                                        \
    CRC_FOUR(b, __VA_ARGS__), CRC_FOUR((b) + 4, __VA_ARGS__), CRC_FOUR((b) + 8, __VA_ARGS__),      \
        CRC_FOUR((b) + 12, __VA_ARGS__)
#define CRC_SIXTY_FOUR(b, ...)                                                                     \
    CRC_SIXTEEN(b, __VA_ARGS__), CRC_SIXTEEN((b) + 16, __VA_ARGS__),                               \
        CRC_SIXTEEN((b) + 32, __VA_ARGS__), CRC_SIXTEEN((b) + 48, __VA_ARGS__)

/* All 256 entries of a table, given those of the bytes 1, 2, 4 ... 128. */
#define CRC_TABLE(...)                                                                             \
    CRC_SIXTY_FOUR(0U, __VA_ARGS__), CRC_SIXTY_FOUR(64U, __VA_ARGS__),                             \
        CRC_SIXTY_FOUR(128U, __VA_ARGS__), CRC_SIXTY_FOUR(192U, __VA_ARGS__)

static const uint32_t table[8][256] = {
    {CRC_TABLE(0xf26b8303U, 0xe13b70f7U, 0xc79a971fU, 0x8ad958cfU, 0x105ec76fU, 0x20bd8edeU,
               0x417b1dbcU, 0x82f63b78U)},
    {CRC_TABLE(0x13a29877U, 0x274530eeU, 0x4e8a61dcU, 0x9d14c3b8U, 0x3fc5f181U, 0x7f8be302U,
               0xff17c604U, 0xfbc3faf9U)},
    {CRC_TABLE(0xa541927eU, 0x4f6f520dU, 0x9edea41aU, 0x38513ec5U, 0x70a27d8aU, 0xe144fb14U,
               0xc76580d9U, 0x8b277743U)},
    {CRC_TABLE(0xdd45aab8U, 0xbf672381U, 0x7b2231f3U, 0xf64463e6U, 0xe964b13dU, 0xd725148bU,
               0xaba65fe7U, 0x52a0c93fU)},
    {CRC_TABLE(0x38116facU, 0x7022df58U, 0xe045beb0U, 0xc5670b91U, 0x8f2261d3U, 0x1ba8b557U,
               0x37516aaeU, 0x6ea2d55cU)},
    {CRC_TABLE(0xef306b19U, 0xdb8ca0c3U, 0xb2f53777U, 0x6006181fU, 0xc00c303eU, 0x85f4168dU,
               0x0e045bebU, 0x1c08b7d6U)},
    {CRC_TABLE(0x68032cc8U, 0xd0065990U, 0xa5e0c5d1U, 0x4e2dfd53U, 0x9c5bfaa6U, 0x3d5b83bdU,
               0x7ab7077aU, 0xf56e0ef4U)},
    {CRC_TABLE(0x493c7d27U, 0x9278fa4eU, 0x211d826dU, 0x423b04daU, 0x847609b4U, 0x0d006599U,
               0x1a00cb32U, 0x34019664U)},
};

static uint32_t crc_step_8(uint32_t crc, const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    word ^= crc;
    return table[7][word & 0xff] ^ table[6][word >> 8 & 0xff] ^ table[5][word >> 16 & 0xff] ^
           table[4][word >> 24 & 0xff] ^ table[3][word >> 32 & 0xff] ^ table[2][word >> 40 & 0xff] ^
           table[1][word >> 48 & 0xff] ^ table[0][word >> 56];
}

uint32_t crc32c_by_tables(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    crc = ~crc;
    for (; size >= 8; size -= 8) {
        crc = crc_step_8(crc, at);
        at += 8;
    }
    for (; size > 0; size--) {
        crc = crc >> 8 ^ table[0][(crc ^ *at++) & 0xff];
    }
    return ~crc;
}

/* Written once, at boot. */
static uint32_t (*chosen)(uint32_t crc, const void *bytes, size_t size) = crc32c_by_tables;

void crc32c_use(uint32_t (*function)(uint32_t crc, const void *bytes, size_t size))
{
    chosen = function;
}

uint32_t crc32c(uint32_t crc, const void *bytes, size_t size)
{
    return chosen(crc, bytes, size);
}
