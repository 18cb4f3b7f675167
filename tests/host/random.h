/*
 * Random numbers for tests, from a seed that can be given again: HELIX_SEED, else the time.
 * The sequence is SplitMix64 (Steele, Lea, Flood 2014).
 */
#ifndef TESTS_HOST_RANDOM_H
#define TESTS_HOST_RANDOM_H

#include <helix/attributes.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* The thread sanitizer makes memory some twenty times as slow, and time measured under it is its
 * own. */
#ifdef __has_feature
#define UNDER_THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define UNDER_THREAD_SANITIZER 0
#endif

static uint64_t random_state;

/* Start the sequence; returns the seed, for the failure's message. */
HX_UNUSED static uint64_t random_start(void)
{
    const char *text = getenv("HELIX_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

    random_state = seed;
    return seed;
}

HX_UNUSED static uint64_t random_u64(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

/* 0 .. limit - 1. */
HX_UNUSED static uint64_t random_below(uint64_t limit)
{
    return random_u64() % limit;
}

/* Small numbers, large ones and the edges, each often enough. */
HX_UNUSED static uint64_t random_any_size(void)
{
    return random_u64() >> random_below(64);
}

#endif
