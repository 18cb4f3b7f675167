/*
 * A mutator that begins with a sample of the format and likes to plant numbers that matter in it,
 * so that a fuzzer of a format full of magic numbers and addresses needs no stored corpus.
 */
#ifndef TESTS_FUZZ_SEEDED_H
#define TESTS_FUZZ_SEEDED_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* libFuzzer's interface. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

struct seeded {
    const uint8_t *sample;
    size_t sample_size;
    const uint64_t *numbers; /* that matter here: addresses, sizes, limits */
    size_t number_count;
};

/* Write one of the numbers, or one near it, in 1 to 8 bytes somewhere. */
static inline void seeded_plant(const struct seeded *seeded, uint8_t *data, size_t size,
                                uint32_t random)
{
    uint64_t number = seeded->numbers[random % seeded->number_count] + (random >> 28) - 2;
    size_t width = (size_t)1 << (random >> 8) % 4;

    if (size >= width) {
        memcpy(data + (random >> 10) % (size - width + 1), &number, width);
    }
}

static inline size_t seeded_mutate(const struct seeded *seeded, uint8_t *data, size_t size,
                                   size_t max_size, unsigned int seed)
{
    uint32_t random = seed * 2654435761U;

    if (size < seeded->sample_size / 2 && max_size >= seeded->sample_size) {
        memcpy(data, seeded->sample, seeded->sample_size);
        return seeded->sample_size;
    }
    if (random % 2 == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    seeded_plant(seeded, data, size, random >> 1);
    return size;
}

#endif
