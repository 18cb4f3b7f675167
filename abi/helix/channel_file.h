/*
 * A channel's two ends as open files. Private to abi/helix.
 *
 * Rules:
 * - All descriptors of one end share it: senders are as many as there are threads that send;
 *   receivers take turns.
 * - Who has polled an end is told of changes from then on. The flag is set before every CPU has
 *   passed a barrier, and looked at after each change: either the change is seen, or the flag is.
 */
#ifndef ABI_HELIX_CHANNEL_FILE_H
#define ABI_HELIX_CHANNEL_FILE_H

#include <abi/helix/call.h>
#include <core/ipc/channel.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>

/* Keys: I = immutable, A = atomic */
struct channel_ends {
    struct channel *channel;     /* I */
    uint32_t item_size;          /* I */
    _Atomic uint32_t references; /* A  the two files */
    struct helix_right may_send;
    struct helix_right may_receive;
    _Atomic bool is_receiving;    /* A  it is somebody's turn */
    _Atomic uint32_t awaits_turn; /* A  how many want theirs */
    struct wait_queue turn;
    _Atomic bool is_polled; /* A */
    struct wait_queue changed;
};

extern const struct file_ops channel_ops;

/*
 * Make a channel and its ends: [0] receives, [1] sends.  Errors: HX_EINVAL, HX_ENOMEM, HX_ENOSPC.
 */
HX_MUST_USE hx_err channel_files_create(uint32_t item_size, uint32_t capacity, uint32_t flags,
                                        struct file *ends[2]);

HX_PRESERVE_REGISTERS void channel_tell_polled(struct channel_ends *ends);

/* Tell who has polled, after a change. */
static HX_ALWAYS_INLINE void channel_tell(struct channel_ends *ends)
{
    atomic_signal_fence(memory_order_seq_cst); /* the processors' order is made by who polls */
    if (HX_UNLIKELY(atomic_load_explicit(&ends->is_polled, memory_order_relaxed))) {
        channel_tell_polled(ends);
    }
}

#endif
