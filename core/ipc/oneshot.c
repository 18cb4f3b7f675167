#include <base/memory.h>
#include <core/ipc/oneshot.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * The state is a set of marks that are only ever added, except for WAITING. Nothing here is hot:
 * every step is an atomic read-modify-write of the one word, so each side sees what the other did
 * before.
 */
enum {
    CLAIMED = 1U << 0,         /* somebody sends */
    SENT = 1U << 1,            /* the value is there */
    TAKEN = 1U << 2,           /* and has been received */
    SENDER_CLOSED = 1U << 3,   /* no value will come any more */
    RECEIVER_CLOSED = 1U << 4, /* no value is wanted any more */
    WAITING = 1U << 5,         /* the receiver sleeps, or is about to */
    SENDER_GONE = 1U << 6,     /* does not touch the oneshot any more */
    RECEIVER_GONE = 1U << 7,
};

/* Keys: I = immutable, A = atomic, V = the sender's until SENT, then the receiver's */
struct oneshot {
    _Atomic uint32_t state;       /* A */
    uint32_t size;                /* I */
    void (*destroy)(void *value); /* I */
    struct wait_queue receivers;
    HX_ALIGNED(16) unsigned char value[]; /* V */
};

static uint32_t add_mark(struct oneshot *oneshot, uint32_t mark)
{
    return atomic_fetch_or_explicit(&oneshot->state, mark, memory_order_acq_rel);
}

hx_err oneshot_create(size_t size, void (*destroy)(void *value), owner_tag owner,
                      struct oneshot **oneshot)
{
    struct oneshot *made;

    if (size == 0 || size > ONESHOT_VALUE_MAX) {
        return HX_EINVAL;
    }
    made = heap_allocate_zeroed(sizeof *made + size, owner != OWNER_NONE ? owner : OWNER_CORE);
    if (made == NULL) {
        return HX_ENOMEM;
    }
    made->size = (uint32_t)size;
    made->destroy = destroy;
    wait_queue_init(&made->receivers, "oneshot");
    *oneshot = made;
    return HX_OK;
}

static void wake(struct oneshot *oneshot)
{
    if ((atomic_fetch_and_explicit(&oneshot->state, ~(uint32_t)WAITING, memory_order_acq_rel) &
         WAITING) != 0) {
        wait_queue_wake_one(&oneshot->receivers);
    }
}

/* Make the value the receiver's, unless it has closed. */
static bool publish(struct oneshot *oneshot)
{
    uint32_t state = atomic_load_explicit(&oneshot->state, memory_order_relaxed);

    do {
        if ((state & RECEIVER_CLOSED) != 0) {
            return false;
        }
        /* Release: pairs with the acquire in oneshot_try_receive and oneshot_receiver_close. */
    } while (!atomic_compare_exchange_weak_explicit(&oneshot->state, &state, state | SENT,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return true;
}

hx_err oneshot_send(struct oneshot *oneshot, const void *value)
{
    uint32_t before = add_mark(oneshot, CLAIMED);

    if ((before & CLAIMED) != 0) {
        return HX_ESTATE;
    }
    if ((before & RECEIVER_CLOSED) != 0) {
        return HX_ECLOSED;
    }
    memcpy(oneshot->value, value, oneshot->size);
    if (!publish(oneshot)) {
        return HX_ECLOSED;
    }
    wake(oneshot);
    return HX_OK;
}

hx_err oneshot_try_receive(struct oneshot *oneshot, void *value)
{
    uint32_t state = atomic_load_explicit(&oneshot->state, memory_order_acquire);

    if ((state & TAKEN) != 0) {
        return HX_ESTATE;
    }
    if ((state & SENT) == 0) {
        return (state & SENDER_CLOSED) != 0 ? HX_ECLOSED : HX_EAGAIN;
    }
    if ((add_mark(oneshot, TAKEN) & TAKEN) != 0) {
        return HX_ESTATE;
    }
    memcpy(value, oneshot->value, oneshot->size);
    return HX_OK;
}

static hx_err mark_and_look(struct oneshot *oneshot, void *value)
{
    add_mark(oneshot, WAITING);
    return oneshot_try_receive(oneshot, value);
}

hx_err oneshot_receive(struct oneshot *oneshot, void *value, uint64_t deadline_ns)
{
    hx_err error = oneshot_try_receive(oneshot, value);
    struct waiter waiter;

    if (error != HX_EAGAIN) {
        return error;
    }
    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    wait_queue_prepare(&oneshot->receivers, &waiter);
    while ((error = mark_and_look(oneshot, value)) == HX_EAGAIN) {
        error = wait_queue_wait(&oneshot->receivers, &waiter, deadline_ns);
        if (error != HX_OK) {
            break;
        }
    }
    wait_queue_finish(&oneshot->receivers, &waiter);
    return error;
}

/* An end's last step; the second one to come here is alone. */
static void leave(struct oneshot *oneshot, uint32_t mark, uint32_t other)
{
    if ((add_mark(oneshot, mark) & other) != 0) {
        heap_free(oneshot);
    }
}

void oneshot_sender_close(struct oneshot *oneshot)
{
    add_mark(oneshot, SENDER_CLOSED);
    wake(oneshot);
    leave(oneshot, SENDER_GONE, RECEIVER_GONE);
}

void oneshot_receiver_close(struct oneshot *oneshot)
{
    uint32_t before = add_mark(oneshot, RECEIVER_CLOSED);

    if ((before & (SENT | TAKEN)) == SENT && oneshot->destroy != NULL) {
        oneshot->destroy(oneshot->value);
    }
    leave(oneshot, RECEIVER_GONE, SENDER_GONE);
}
