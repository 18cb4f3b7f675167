#include <hal/memory.h>
#include <kern/frames.h>
#include <stdatomic.h>
#include <subsys/vm/shared_frame.h>

/* A reference; the two lowest bits stay 0, so that the heap sees no slab in the frame. */
#define REFERENCE 4U

hx_err shared_frame_allocate(owner_tag owner, bool is_clear, uint64_t *physical)
{
    hx_err error = frames_allocate_with(REFERENCE, owner, physical);

    if (error == HX_OK && is_clear) {
        hal_page_clear(hal_direct_map(*physical));
    }
    return error;
}

/* Relaxed: who has a reference gives another; nothing is published with it. */
void shared_frame_get(uint64_t physical)
{
    atomic_fetch_add_explicit(frames_private_word(physical), REFERENCE, memory_order_relaxed);
}

/*
 * Release: what a holder did with the page is done before its reference is gone. Pairs with the
 * acquire of who frees it, and of who finds that it is the only one left.
 */
void shared_frame_put(uint64_t physical)
{
    _Atomic uint64_t *word = frames_private_word(physical);

    if (atomic_load_explicit(word, memory_order_acquire) == REFERENCE ||
        atomic_fetch_sub_explicit(word, REFERENCE, memory_order_acq_rel) == REFERENCE) {
        frames_free(physical, 0);
    }
}

bool shared_frame_is_mine(uint64_t physical)
{
    return atomic_load_explicit(frames_private_word(physical), memory_order_acquire) == REFERENCE;
}
