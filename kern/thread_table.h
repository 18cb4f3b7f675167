/*
 * Threads by handle: what a scheduling policy outside of core calls them by.
 *
 * Rules:
 * - A handle is index + generation; one that is stale, or was never given out, is no thread's.
 * - A runnable thread is offered to the policy by its handle and taken by whoever the policy names
 * it to. Taking is atomic: of several that try, one gets it, and of a thread that was not
 * offered, nobody. So a policy that answers nonsense can neither run a thread twice nor one that is
 * not to run.
 */
#ifndef KERN_THREAD_TABLE_H
#define KERN_THREAD_TABLE_H

#include <hal/cpu.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread;

#define THREAD_TABLE_INDEX_BITS 20U
#define THREAD_TABLE_CHUNK_BITS 9U
#define THREAD_TABLE_CHUNKS     (1U << (THREAD_TABLE_INDEX_BITS - THREAD_TABLE_CHUNK_BITS))

/* Beside a handle in struct thread_place, which has not this bit, the one above the index: the
 * thread is offered. */
#define THREAD_PLACE_OFFERED (1ULL << THREAD_TABLE_INDEX_BITS)

#define THREAD_PLACE_PRIORITY_SHIFT 48U
_Static_assert(HAL_CPU_MAX <= THREAD_PLACE_PRIORITY_SHIFT, "the CPUs have room below it");

/* Keys: A = atomic, T = the table's lock */
struct thread_place {
    _Atomic uint64_t word;  /* A  the handle, THREAD_PLACE_OFFERED beside it; 0: nobody's */
    struct thread *thread;  /* T  written before a handle is given out, read by who has taken it, or
                               knows that nobody can */
    _Atomic uint64_t terms; /* A  of the last offer: the CPUs where the thread may run, and its
                               priority above them */
    _Atomic uint64_t offers; /* A  so many were made; counted before each */
};

/* Give a thread a place and a handle.  Context: thread.  Errors: HX_ENOMEM, HX_ENOSPC 2^20 threads.
 */
HX_MUST_USE hx_err thread_table_add(struct thread *thread, struct thread_place **place,
                                    uint64_t *handle);

/* The thread has ended, or was never started.  Context: thread. */
void thread_table_remove(struct thread_place *place);

/* For the functions below: never NULL, a chunk that does not exist is one of places without
 * threads. */
extern _Atomic(struct thread_place *) thread_table_chunks[THREAD_TABLE_CHUNKS];

/* The place of a handle, whoever has it now.  Context: any. */
static inline struct thread_place *thread_table_place(uint64_t handle)
{
    uint32_t index = handle & ((1U << THREAD_TABLE_INDEX_BITS) - 1);
    struct thread_place *chunk = atomic_load_explicit(
        &thread_table_chunks[index >> THREAD_TABLE_CHUNK_BITS], memory_order_acquire);

    return &chunk[index & ((1U << THREAD_TABLE_CHUNK_BITS) - 1)];
}

/* The caller has the thread, which is Runnable: from now on whoever takes it does.  Context: any,
 * interrupts off. */
static inline void thread_place_offer(struct thread_place *place, uint64_t handle,
                                      uint64_t affinity, uint64_t priority)
{
    uint64_t cpus = affinity & ((1ULL << THREAD_PLACE_PRIORITY_SHIFT) - 1);

    atomic_store_explicit(&place->terms, cpus | priority << THREAD_PLACE_PRIORITY_SHIFT,
                          memory_order_relaxed);
    atomic_store_explicit(&place->offers,
                          atomic_load_explicit(&place->offers, memory_order_relaxed) + 1,
                          memory_order_relaxed); /* nobody else writes it meanwhile */
    /* Release: pairs with thread_table_take, whose caller sees all that was done to the thread. */
    atomic_store_explicit(&place->word, handle | THREAD_PLACE_OFFERED, memory_order_release);
}

/*
 * Take an offered thread; false: somebody else has. Offers of a thread look all the same: whoever
 * takes one back that was not accepted sees to it that no later one can have been made meanwhile.
 * Context: any, interrupts off.
 */
HX_MUST_USE static inline bool thread_place_take(struct thread_place *place, uint64_t handle)
{
    uint64_t offered = handle | THREAD_PLACE_OFFERED;

    return atomic_compare_exchange_strong_explicit(&place->word, &offered, handle,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* The thread of a handle if it is offered, which it is no longer then; else NULL.  Context: any,
 * interrupts off. */
HX_MUST_USE static inline struct thread *thread_table_take(uint64_t handle)
{
    struct thread_place *place = thread_table_place(handle);

    handle &= ~THREAD_PLACE_OFFERED;
    if (HX_UNLIKELY(!thread_place_take(place, handle))) {
        return NULL;
    }
    if (place->thread == NULL) {
        __builtin_unreachable(); /* an offered place has a thread: the caller's test is one of both
                                  */
    }
    return place->thread;
}

/* How many places there are: the indices of handles are below.  Context: any. */
uint32_t thread_table_size(void);

/* A way through the places: those up to end are to be looked at, then those of index from on. */
struct thread_table_walk {
    struct thread_place *place;
    struct thread_place *end;
    uint32_t from;
    uint32_t size;
};

static inline bool thread_table_walk_on(struct thread_table_walk *walk)
{
    uint32_t last = walk->from | ((1U << THREAD_TABLE_CHUNK_BITS) - 1);

    if (walk->from >= walk->size) {
        return false;
    }
    walk->place = thread_table_place(walk->from);
    walk->end = thread_table_place(last) + 1;
    walk->from = last + 1;
    return true;
}

static inline struct thread_table_walk thread_table_walk_from(uint32_t index)
{
    struct thread_table_walk walk = {.from = index, .size = thread_table_size()};

    (void)thread_table_walk_on(&walk);
    return walk;
}

/* The index of the place that comes next. */
static inline uint32_t thread_table_walk_index(const struct thread_table_walk *walk)
{
    return walk->from - (uint32_t)(walk->end - walk->place);
}

/*
 * The next place whose thread is offered, and its handle; NULL: there is none. It may be taken
 * meanwhile, and its thread may end: unless the caller knows better, it looks at the thread only
 * when it has taken it. Written out in the caller, as a thousand threads may be offered while
 * others wait. Context: any, interrupts off.
 */
HX_MUST_USE static inline struct thread_place *
thread_table_next_offered(struct thread_table_walk *walk, uint64_t *handle)
{
    do {
        while (walk->place != walk->end) {
            struct thread_place *place = walk->place++;
            /* Acquire: pairs with thread_place_offer. */
            uint64_t word = atomic_load_explicit(&place->word, memory_order_acquire);

            if ((word & THREAD_PLACE_OFFERED) != 0) {
                *handle = word & ~THREAD_PLACE_OFFERED;
                return place;
            }
        }
    } while (thread_table_walk_on(walk));
    return NULL;
}

#endif
