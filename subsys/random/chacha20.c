#include <base/memory.h>
#include <subsys/random/chacha20.h>

static uint32_t rotate(uint32_t value, unsigned bits)
{
    return value << bits | value >> (32 - bits);
}

static void quarter_round(uint32_t *state, unsigned a, unsigned b, unsigned c, unsigned d)
{
    state[a] += state[b];
    state[d] = rotate(state[d] ^ state[a], 16);
    state[c] += state[d];
    state[b] = rotate(state[b] ^ state[c], 12);
    state[a] += state[b];
    state[d] = rotate(state[d] ^ state[a], 8);
    state[c] += state[d];
    state[b] = rotate(state[b] ^ state[c], 7);
}

static void double_round(uint32_t *state)
{
    for (unsigned i = 0; i < 4; i++) {
        quarter_round(state, i, 4 + i, 8 + i, 12 + i);
    }
    for (unsigned i = 0; i < 4; i++) {
        quarter_round(state, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
    }
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3],
                    uint8_t block[64])
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    uint32_t start[16];
    uint32_t state[16];

    memcpy(start, constants, sizeof(constants));
    memcpy(start + 4, key, 32);
    start[12] = counter;
    memcpy(start + 13, nonce, 12);
    memcpy(state, start, sizeof(state));
    for (unsigned i = 0; i < 10; i++) {
        double_round(state);
    }
    for (unsigned i = 0; i < 16; i++) {
        state[i] += start[i];
    }
    memcpy(block, state, sizeof(state)); /* little-endian machines, as all ports are */
    /* Nothing of the key stays on the stack; the barrier keeps the stores. */
    memset(start, 0, sizeof(start));
    memset(state, 0, sizeof(state));
    __asm__ volatile("" ::"r"(start), "r"(state) : "memory");
}
