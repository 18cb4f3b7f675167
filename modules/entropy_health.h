/*
 * The repetition count test (NIST SP 800-90B, 4.4.1): a source that gives the same word again and
 * again is broken.
 */
#ifndef MODULES_ENTROPY_HEALTH_H
#define MODULES_ENTROPY_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

/* Bits of entropy that a word is believed to have at least, a quarter of its bits. */
#define WORD_ENTROPY 16U

/* 1 + 20 / WORD_ENTROPY, rounded up: a working source fails once in 2^20 words at most. */
#define REPETITION_CUTOFF 3U

/* Zero at first. */
struct repetition {
    uint64_t last;
    uint64_t count; /* how often in a row it was seen; 0: there was none yet */
};

/* Look at the next word of the source; false: it does not work. */
static inline bool repetition_passes(struct repetition *repetition, uint64_t word)
{
    if (repetition->count != 0 && repetition->last == word) {
        repetition->count++;
    } else {
        repetition->last = word;
        repetition->count = 1;
    }
    return repetition->count < REPETITION_CUTOFF;
}

#endif
