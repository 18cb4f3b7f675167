/*
 * Threads by handle: what a scheduling policy outside of core calls them by.
 *
 * Rules:
 * - A handle is index + generation; one that is stale, or was never given out, is no thread's.
 * - A runnable thread is offered to the policy by its handle and taken back by whoever the policy
 * names it to. Taking is atomic: of several that try, one gets it, and of a thread that was not
 * offered, nobody. So a policy that answers nonsense can neither run a thread twice nor one that is
 * not to run.
 */
#ifndef KERN_THREAD_TABLE_H
#define KERN_THREAD_TABLE_H

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

/* Beside a handle in struct thread_place, which has none of these bits: the thread is offered; and
 * the policy has been told so by thread_place_list, whatever became of the offer itself. */
#define THREAD_PLACE_OFFERED (1ULL << 63)
#define THREAD_PLACE_LISTED  (1ULL << 62)

/* Keys: A = atomic, T = the table's lock */
struct thread_place {
    _Atomic uint64_t word; /* A  the handle, THREAD_PLACE_OFFERED beside it; 0: nobody's */
    struct thread *thread; /* T  written before a handle is given out, read by who has taken it */
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

/* The caller has the thread, which is Runnable: from now on whoever takes it does.  Context: any,
 * interrupts off. */
static inline void thread_place_offer(struct thread_place *place, uint64_t handle)
{
    /* Release: pairs with thread_table_take, whose caller sees all that was done to the thread. */
    atomic_store_explicit(&place->word, handle | THREAD_PLACE_OFFERED, memory_order_release);
}

/*
 * Tell the policy of an offered thread, outside of the offer; false: it is not offered any more.
 * Whoever offered it cannot withdraw it then.  Context: any.
 */
HX_MUST_USE static inline bool thread_place_list(struct thread_place *place, uint64_t handle)
{
    uint64_t word = handle | THREAD_PLACE_OFFERED;

    return atomic_compare_exchange_strong_explicit(&place->word, &word, word | THREAD_PLACE_LISTED,
                                                   memory_order_relaxed, memory_order_relaxed) ||
           word == (handle | THREAD_PLACE_OFFERED | THREAD_PLACE_LISTED);
}

/* Take back an offer that was not accepted; false: somebody has taken the thread, or the policy has
 * been told of it meanwhile.  Context: any, interrupts off. */
HX_MUST_USE static inline bool thread_place_withdraw(struct thread_place *place, uint64_t handle)
{
    uint64_t offered = handle | THREAD_PLACE_OFFERED;

    return atomic_compare_exchange_strong_explicit(&place->word, &offered, handle,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* Take an offered thread, listed or not; false: somebody else has.  Context: any, interrupts off.
 */
HX_MUST_USE static inline bool thread_place_take(struct thread_place *place, uint64_t handle)
{
    uint64_t listed = handle | THREAD_PLACE_OFFERED | THREAD_PLACE_LISTED;

    /* It may be listed between the two, but never the other way round. */
    return HX_LIKELY(thread_place_withdraw(place, handle)) ||
           atomic_compare_exchange_strong_explicit(&place->word, &listed, handle,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* The thread of a handle if it is offered, which it is no longer then; else NULL.  Context: any,
 * interrupts off. */
HX_MUST_USE static inline struct thread *thread_table_take(uint64_t handle)
{
    uint32_t index = handle & ((1U << THREAD_TABLE_INDEX_BITS) - 1);
    struct thread_place *chunk = atomic_load_explicit(
        &thread_table_chunks[index >> THREAD_TABLE_CHUNK_BITS], memory_order_acquire);
    struct thread_place *place = &chunk[index & ((1U << THREAD_TABLE_CHUNK_BITS) - 1)];

    handle &= ~(THREAD_PLACE_OFFERED | THREAD_PLACE_LISTED);
    if (HX_UNLIKELY(!thread_place_take(place, handle))) {
        return NULL;
    }
    if (place->thread == NULL) {
        __builtin_unreachable(); /* an offered place has a thread: the caller's test is one of both
                                  */
    }
    return place->thread;
}

/*
 * Call function for each thread offered with an index from *cursor on, until it answers false;
 * *cursor is then where to go on. With the table locked: the threads stay, but may be taken
 * meanwhile. Context: any but nmi.  Locks: LOCK_RANK_THREAD_TABLE.
 */
void thread_table_each_offered(uint32_t *cursor,
                               bool (*function)(struct thread *thread, uint64_t handle,
                                                void *argument),
                               void *argument);

#endif
