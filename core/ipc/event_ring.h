/*
 * Ring of event copies on their way to the bus's worker: pushed from any context, popped by one
 * thread (the bounded queue of Vyukov 2010, with one consumer).
 *
 * Rules:
 * - A slot is claimed by moving the tail on, filled, then committed by its sequence number. An
 *   interrupt, NMI too, in the middle of a push may push itself: its copy stands behind.
 * - A slot that is claimed and not committed hides what stands behind it from the reader for so
 * long; who pushes wakes the reader afterwards.
 */
#ifndef CORE_IPC_EVENT_RING_H
#define CORE_IPC_EVENT_RING_H

#include <core/ipc/event_bus.h>

struct event_copy {
    uint32_t index; /* of the subscription's place */
    uint32_t generation;
    struct kernel_event event;
};

/*
 * Keys: A = atomic, O = who claimed the slot, until it commits; then the reader, until it gives
 * back. A slot of number n (claims are numbered from 0) may be claimed while turn is n / size * 2,
 * and read while it is one more.
 */
struct event_ring_slot {
    _Atomic uint64_t turn;  /* A */
    struct event_copy copy; /* O */
};

struct event_ring {
    _Atomic uint64_t tail; /* A  copies claimed so far */
    uint64_t head;         /* copies popped so far; the reader's */
    struct event_ring_slot slots[EVENT_RING_SIZE];
};

/* Append a copy; false: there is no room.  Context: any.  A ring of zeroes is empty. */
HX_MUST_USE bool event_ring_push(struct event_ring *ring, const struct event_copy *copy);

/* Take the oldest; false: there is none.  Context: the reader's. */
HX_MUST_USE bool event_ring_pop(struct event_ring *ring, struct event_copy *copy);

#endif
