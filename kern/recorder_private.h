/* The rings, as recorder.c and recorder_start.c share them. */
#ifndef KERN_RECORDER_PRIVATE_H
#define KERN_RECORDER_PRIVATE_H

#include <kern/recorder.h>
#include <stdatomic.h>

/*
 * A record. Every word is written with release and read with acquire: who has seen a word of a
 * newer record also sees the header that was written before it.
 */
struct recorder_record {
    _Atomic uint64_t header; /* lap, kind, thread: see header_of */
    _Atomic uint64_t cycles;
    _Atomic uint64_t a;
    _Atomic uint64_t bc; /* c in the upper half */
};

_Static_assert(sizeof(struct recorder_record) == 32, "two records fill a cache line");

/* Keys: I = immutable once started, A = atomic */
struct recorder {
    _Atomic uint64_t next;           /* A  number of the next record */
    _Atomic uint64_t first;          /* A  those before were cleared */
    struct recorder_record *records; /* I  NULL: not started */
    uint32_t shift;                  /* I  there are 1 << shift */
} HX_ALIGNED(HX_CACHE_LINE);

extern struct recorder recorders[HAL_CPU_MAX][RECORDER_RING_COUNT];

#endif
