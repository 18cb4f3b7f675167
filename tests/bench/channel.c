/* Channels: one item in and out on one thread, everything that sending and waking needs included.
 */
#include <core/ipc/channel.h>
#include <tests/bench/bench.h>
#include <tests/bench/measure.h>

struct block {
    uint64_t words[8];
};

CHANNEL_TYPE(numbers, uint64_t)
CHANNEL_TYPE(blocks, struct block)

#define CAPACITY 256U

/* The loop is included. */
static uint64_t channel_pair_8(uint32_t runs)
{
    struct numbers *channel;
    uint32_t failed = 0;
    uint64_t cycles;
    uint64_t start;

    if (numbers_create(CAPACITY, NULL, OWNER_CORE, &channel) != HX_OK) {
        return 0;
    }
    start = begin();
    for (uint32_t i = 0; i < runs; i++) {
        uint64_t in = i;
        uint64_t out;

        if (numbers_try_send(channel, &in) != HX_OK ||
            numbers_try_receive(channel, &out) != HX_OK) {
            failed++;
        }
    }
    cycles = cycles_since(start);
    numbers_sender_put(channel);
    numbers_receiver_close(channel);
    return failed == 0 ? cycles : 0;
}

/* The loop is included; what is sent is in memory and stays there. */
static uint64_t channel_pair_64(uint32_t runs)
{
    struct blocks *channel;
    struct block in = {{0}};
    struct block out;
    uint32_t failed = 0;
    uint64_t cycles;
    uint64_t start;

    if (blocks_create(CAPACITY, NULL, OWNER_CORE, &channel) != HX_OK) {
        return 0;
    }
    start = begin();
    for (uint32_t i = 0; i < runs; i++) {
        __asm__ volatile("" : "+m"(in));
        if (blocks_try_send(channel, &in) != HX_OK || blocks_try_receive(channel, &out) != HX_OK) {
            failed++;
        }
        __asm__ volatile("" : : "m"(out));
    }
    cycles = cycles_since(start);
    blocks_sender_put(channel);
    blocks_receiver_close(channel);
    return failed == 0 ? cycles : 0;
}

const struct benchmark channel_benchmarks[] = {
    {"channel_pair_8", "instructions", 1000, channel_pair_8},
    {"channel_pair_64", "instructions", 1000, channel_pair_64},
    {0},
};
