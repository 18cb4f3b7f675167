/*
 * The operations of a source of entropy, and what the kernel has for it.
 *
 * Rules:
 * - What is drawn is mixed into the kernel's generator beside what the kernel takes from the
 * machine itself: a source that gives nothing, or always the same, takes nothing away.
 * - Operations come from several threads at once, and may wait.
 * - A quality above HX_ENTROPY_BITS_MAX ends the instance.
 */
#ifndef HELIX_ENTROPY_H
#define HELIX_ENTROPY_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

#define HX_ENTROPY_BITS_MAX 64U /* of a draw */

/*
 * draw     64 bits that an outsider cannot predict as far as the source goes
 * quality  how many bits of entropy a draw is believed to have at least; 0: the source does not
 * work number   statistic index (enum hx_entropy_number); 0 where it is not kept
 */
#define HX_ENTROPY_OPERATION_LIST(X)                                                               \
    X(ENTROPY_DRAW, draw, uint64_t, (void), HX_OPERATION_READS)                                    \
    X(ENTROPY_QUALITY, quality, uint64_t, (void), HX_OPERATION_READS)                              \
    X(ENTROPY_NUMBER, number, uint64_t, (uint64_t index), HX_OPERATION_READS)

enum hx_entropy_operation { HX_ENTROPY_OPERATION_LIST(HX_OPERATION_ENUM) ENTROPY_OPERATION_COUNT };

struct hx_entropy_operations {
    HX_ENTROPY_OPERATION_LIST(HX_OPERATION_MEMBER)
};

enum hx_entropy_number {
    HX_ENTROPY_DRAWS,
    HX_ENTROPY_FAILURES, /* of the source, as its health test found */
    HX_ENTROPY_NUMBERS,
};

/* 64 bits of the processor's own source and of the time, which may be no more than the latter. */
uint64_t hx_cpu_entropy(void);

/* What tests/modules/entropy_liar is told by number(HX_ENTROPY_LIE | one of these). */
#define HX_ENTROPY_LIE 0x10000U

enum hx_entropy_lie {
    HX_ENTROPY_LIE_NONE,
    HX_ENTROPY_LIE_BROKEN,   /* its quality is 0 */
    HX_ENTROPY_LIE_TOO_GOOD, /* and above what can be */
    HX_ENTROPY_LIE_TRAP,
    HX_ENTROPY_LIE_COUNT,
};

#endif
