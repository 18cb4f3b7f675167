/* CRC-32C by the instruction that SSE4.2 brought (Intel SDM, CRC32); it uses general registers. */
#include <base/crc32c.h>
#include <ports/x86_64/crc32c.h>
#include <ports/x86_64/instructions.h>

#define CPUID_1_ECX_SSE42 (1U << 20)

/* Eight bytes at any address, of whatever type. */
typedef uint64_t any_word __attribute__((aligned(1), may_alias));

static inline uint64_t add_8(uint64_t crc, const uint8_t *bytes)
{
    __asm__("crc32q %1, %0" : "+r"(crc) : "m"(*(const any_word *)bytes));
    return crc;
}

static inline uint64_t add_1(uint64_t crc, const uint8_t *byte)
{
    uint32_t sum = (uint32_t)crc;

    __asm__("crc32b %1, %0" : "+r"(sum) : "m"(*byte));
    return sum;
}

/* Eight words a round: the loop itself costs as much as three of them. */
static uint32_t crc32c_by_instruction(uint32_t start, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t crc = ~start;

    for (; size >= 64; size -= 64, at += 64) {
        crc = add_8(add_8(add_8(add_8(crc, at), at + 8), at + 16), at + 24);
        crc = add_8(add_8(add_8(add_8(crc, at + 32), at + 40), at + 48), at + 56);
    }
    for (; size >= 8; size -= 8, at += 8) {
        crc = add_8(crc, at);
    }
    for (; size > 0; size--, at++) {
        crc = add_1(crc, at);
    }
    return ~(uint32_t)crc;
}

void x86_crc32c_init(void)
{
    if ((x86_cpuid(1, 0).registers[X86_ECX] & CPUID_1_ECX_SSE42) != 0) {
        crc32c_use(crc32c_by_instruction);
    }
}
