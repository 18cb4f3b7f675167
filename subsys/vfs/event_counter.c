#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <subsys/vfs/event_counter.h>
#include <subsys/vfs/file.h>

#define COUNT_MOST (UINT64_MAX - 1)

/* Keys: I = immutable, L = lock to write */
struct event_counter {
    struct spinlock lock;
    _Atomic uint64_t count; /* L  relaxed: who looks without the lock has joined a queue before */
    bool is_semaphore;      /* I */
    struct wait_queue readable;
    struct wait_queue writable;
};

static uint64_t count_of(const struct event_counter *counter)
{
    return atomic_load_explicit(&counter->count, memory_order_relaxed);
}

static void set_count_locked(struct event_counter *counter, uint64_t count)
{
    atomic_store_explicit(&counter->count, count, memory_order_relaxed);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* What a step takes, or adds. */
struct exchange {
    struct event_counter *counter;
    uint64_t value;
};

/* Errors: HX_EAGAIN there is nothing to take, no room. */
static hx_err try_take(void *argument)
{
    struct exchange *exchange = argument;
    struct event_counter *counter = exchange->counter;
    hal_interrupt_state state = spinlock_acquire(&counter->lock);
    uint64_t count = count_of(counter);
    hx_err error = count > 0 ? HX_OK : HX_EAGAIN;

    exchange->value = counter->is_semaphore && error == HX_OK ? 1 : count;
    set_count_locked(counter, count - exchange->value);
    spinlock_release(&counter->lock, state);
    return error;
}

static hx_err try_add(void *argument)
{
    const struct exchange *exchange = argument;
    struct event_counter *counter = exchange->counter;
    hal_interrupt_state state = spinlock_acquire(&counter->lock);
    uint64_t count = count_of(counter);
    hx_err error = exchange->value <= COUNT_MOST - count ? HX_OK : HX_EAGAIN;

    set_count_locked(counter, count + (error == HX_OK ? exchange->value : 0));
    spinlock_release(&counter->lock, state);
    return error;
}

/* --- the file --------------------------------------------------------------------------------- */

static hx_err read_counter(struct file *file, struct transfer *transfer, uint64_t offset,
                           size_t *done)
{
    struct event_counter *counter = file->context;
    struct exchange exchange = {.counter = counter};
    hx_err error;

    (void)offset;
    if (transfer->left < sizeof(exchange.value)) {
        return HX_EINVAL;
    }
    error = file_does_not_block(file) ? try_take(&exchange)
                                      : wait_queue_step(&counter->readable, try_take, &exchange);
    if (error != HX_OK) {
        return error;
    }
    wait_queue_wake_all(&counter->writable);
    return transfer_out(transfer, &exchange.value, sizeof(exchange.value), done);
}

static hx_err write_counter(struct file *file, struct transfer *transfer, uint64_t offset,
                            size_t *done)
{
    struct event_counter *counter = file->context;
    struct exchange exchange = {.counter = counter};
    hx_err error;

    (void)offset;
    if (transfer->left != sizeof(exchange.value)) {
        return HX_EINVAL;
    }
    error = transfer_in(transfer, &exchange.value, sizeof(exchange.value), done);
    if (error == HX_OK && exchange.value == UINT64_MAX) {
        error = HX_EINVAL;
    }
    if (error == HX_OK) {
        error = file_does_not_block(file) ? try_add(&exchange)
                                          : wait_queue_step(&counter->writable, try_add, &exchange);
    }
    if (error != HX_OK) {
        *done = 0;
        return error;
    }
    wait_queue_wake_all(&counter->readable);
    return HX_OK;
}

static unsigned poll_counter(struct file *file, struct poll_table *table)
{
    struct event_counter *counter = file->context;
    uint64_t count;

    poll_add(table, &counter->readable);
    poll_add(table, &counter->writable);
    count = count_of(counter);
    return (count > 0 ? (unsigned)POLL_IN : 0U) | (count < COUNT_MOST ? (unsigned)POLL_OUT : 0U);
}

static void release_counter(struct file *file)
{
    heap_free(file->context);
}

static const struct file_ops counter_ops = {
    .read = read_counter,
    .write = write_counter,
    .poll = poll_counter,
    .release = release_counter,
};

hx_err event_counter_create(uint32_t first, bool is_semaphore, uint32_t flags, owner_tag owner,
                            struct file **file)
{
    struct event_counter *counter = heap_allocate_zeroed(sizeof(*counter), OWNER_CORE);
    hx_err error;

    if (counter == NULL) {
        return HX_ENOMEM;
    }
    spinlock_init(&counter->lock, LOCK_RANK_CORE, "event counter");
    atomic_init(&counter->count, first);
    counter->is_semaphore = is_semaphore;
    wait_queue_init(&counter->readable, "event counter readable");
    wait_queue_init(&counter->writable, "event counter writable");
    error = file_create(&counter_ops, flags | FILE_READ_WRITE, counter, owner, file);
    if (error != HX_OK) {
        heap_free(counter);
    }
    return error;
}
