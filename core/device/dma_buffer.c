#include <base/assert.h>
#include <core/device/dma_buffer.h>

/*
 * The word: state in the lowest byte, the index in the table above it, the number of the loan in
 * the upper half. A handle is the word with the state 0.
 */
enum state { STATE_OWNED, STATE_LENT, STATE_QUEUED, STATE_RETURNED };

#define STATE_MASK  0xffUL
#define INDEX_SHIFT 8
#define INDEX_MASK  0xffffffUL
#define LOAN        (1UL << 32)

/* An entry is written once. */
static _Atomic(struct dma_buffer *) buffers[DMA_BUFFERS_MAX];
static _Atomic uint32_t buffer_count;

hx_err dma_buffer_register(struct dma_buffer *buffer)
{
    uint32_t index = atomic_load_explicit(&buffer_count, memory_order_relaxed);

    do {
        if (index == DMA_BUFFERS_MAX) {
            return HX_ENOSPC;
        }
    } while (!atomic_compare_exchange_weak_explicit(&buffer_count, &index, index + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    buffer->index = index;
    atomic_init(&buffer->word, (uint64_t)index << INDEX_SHIFT);
    /* Release: pairs with the acquire in find. */
    atomic_store_explicit(&buffers[index], buffer, memory_order_release);
    return HX_OK;
}

static struct dma_buffer *find(uint64_t handle)
{
    uint64_t index = handle >> INDEX_SHIFT & INDEX_MASK;

    return (handle & STATE_MASK) == 0 && index < DMA_BUFFERS_MAX
               ? atomic_load_explicit(&buffers[index], memory_order_acquire)
               : NULL;
}

/* What stands in the way of a change. */
static hx_err refusal(uint64_t word, uint64_t handle, hx_err otherwise)
{
    return word == (handle | STATE_QUEUED) ? HX_EBUSY : otherwise;
}

/*
 * From its holder's hands, whether a queue has had it or not; one may have it in between.
 * Acquire: pairs with the release of who lent it, or took it out of a queue.
 */
static bool move_held(struct dma_buffer *buffer, uint64_t handle, enum state to, uint64_t *found)
{
    *found = atomic_load_explicit(&buffer->word, memory_order_relaxed);
    do {
        if (*found != (handle | STATE_LENT) && *found != (handle | STATE_RETURNED)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&buffer->word, found, handle | to,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

uint64_t dma_buffer_lend(struct dma_buffer *buffer)
{
    uint64_t word = atomic_load_explicit(&buffer->word, memory_order_relaxed) + LOAN;

    HX_ASSERT((word & STATE_MASK) == STATE_OWNED, "a buffer is lent once at a time");
    word += word < LOAN ? LOAN : 0; /* loans are counted from 1, so that no handle is 0 */
    /* Release: pairs with the acquire of who moves it on, and reads the segments. */
    atomic_store_explicit(&buffer->word, word | STATE_LENT, memory_order_release);
    return word;
}

hx_err dma_buffer_revoke(struct dma_buffer *buffer, uint64_t handle)
{
    uint64_t word;

    return move_held(buffer, handle, STATE_OWNED, &word) ? HX_OK : refusal(word, handle, HX_ESTALE);
}

uint64_t dma_buffer_handle(const struct dma_buffer *buffer)
{
    uint64_t word = atomic_load_explicit(&buffer->word, memory_order_relaxed);

    return (word & STATE_MASK) != STATE_OWNED ? word & ~STATE_MASK : 0;
}

/* What no queue has had cannot have been done. */
static hx_err take_over(struct dma_buffer *buffer, uint64_t handle, hx_err outcome)
{
    uint64_t word;

    if (outcome != HX_OK) {
        return move_held(buffer, handle, STATE_OWNED, &word) ? HX_OK
                                                             : refusal(word, handle, HX_EINVAL);
    }
    word = handle | STATE_RETURNED;
    if (atomic_compare_exchange_strong_explicit(&buffer->word, &word, handle | STATE_OWNED,
                                                memory_order_acquire, memory_order_relaxed)) {
        return HX_OK;
    }
    return word == (handle | STATE_LENT) ? HX_ESTATE : refusal(word, handle, HX_EINVAL);
}

hx_err dma_buffer_complete(uint64_t handle, hx_err error)
{
    struct dma_buffer *buffer = find(handle);
    hx_err result = buffer != NULL ? take_over(buffer, handle, error) : HX_EINVAL;

    if (result == HX_OK) {
        buffer->completed(buffer, error);
    }
    return result;
}

hx_err dma_buffer_enqueue(uint64_t handle, struct dma_buffer **buffer)
{
    uint64_t word;

    *buffer = find(handle);
    if (*buffer == NULL) {
        return HX_EINVAL;
    }
    return move_held(*buffer, handle, STATE_QUEUED, &word) ? HX_OK
                                                           : refusal(word, handle, HX_EINVAL);
}

void dma_buffer_dequeue(struct dma_buffer *buffer, bool is_done)
{
    uint64_t word = atomic_load_explicit(&buffer->word, memory_order_relaxed);

    HX_ASSERT((word & STATE_MASK) == STATE_QUEUED, "what leaves a queue was in it");
    /* Release: pairs with the acquire of complete and revoke. */
    atomic_store_explicit(&buffer->word,
                          (word & ~STATE_MASK) | (is_done ? STATE_RETURNED : STATE_LENT),
                          memory_order_release);
}
