/*
 * What the module sched_liar is told to do wrong, for tests of what the kernel does about it. Until
 * then it orders threads as sched_rr does.
 */
#ifndef HELIX_SCHEDULER_LIES_H
#define HELIX_SCHEDULER_LIES_H

#include <stdint.h>

enum hx_scheduler_lie {
    HX_LIE_NONE,
    HX_LIE_MADE_UP,   /* a handle that nobody ever had */
    HX_LIE_AGAIN,     /* the thread that the same CPU was given before */
    HX_LIE_WRONG_CPU, /* a thread that may not run there */
    HX_LIE_TRAP,      /* no answer: an illegal instruction */
    HX_LIE_LOOP,      /* no answer: an endless loop */
    HX_LIE_LOSE,      /* the thread after the one that it should be, which nobody hears of again */
    HX_LIE_STARVE,    /* of those that wait always the one that came last */
    HX_LIE_PREEMPT,   /* whoever comes is to have the CPU at once, whoever has it */
    HX_LIE_COUNT,
};

/* For the operation number: have the pick that is the n-th from now on (1..) tell the lie, and each
 * one after it. A lie that cannot be told yet is told as soon as it can. */
#define HX_LIE_COMMAND(lie, n) (1ULL << 32 | (uint64_t)(lie) << 24 | (uint64_t)(n))

#endif
