/* A block device asleep and awake again: what who wants it does; the thread does the rest. */
#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <subsys/block/block_private.h>

#define LOOK_NS (100 * HAL_NS_PER_MS) /* a driver that has gone wakes nobody */

static void set_rest(struct block_device *device, enum block_rest rest)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);

    device->rest = rest;
    spinlock_release(&device->lock, state);
}

static bool is_asleep(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);
    bool is = device->rest == BLOCK_ASLEEP;

    spinlock_release(&device->lock, state);
    return is;
}

/* Nobody but this waits for the last flush, so nobody else notices that it is not answered. */
static hx_err wait_until(struct block_device *device, bool (*is_so)(struct block_device *),
                         uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&device->quiet, &waiter);
    while (!is_so(device) && error == HX_OK) {
        (void)!wait_queue_wait(&device->quiet, &waiter, hal_clock_now() + LOOK_NS);
        error = hal_clock_now() < deadline_ns ? HX_OK : HX_ETIMEDOUT;
        if (block_is_last_flush_overdue(device)) {
            block_signal(device, BLOCK_EVENT_OVERDUE);
        }
    }
    wait_queue_finish(&device->quiet, &waiter);
    return error;
}

static hx_err flush(struct block_device *device, uint64_t deadline_ns)
{
    hx_err error = HX_OK;

    if (block_begin_last_flush(device)) {
        error = wait_until(device, block_is_quiet, deadline_ns);
        if (error == HX_OK && block_last_flush_error(device) != HX_OK) {
            kwarn("block %s: not flushed: %s", device->slot->name,
                  hx_error_text(block_last_flush_error(device)));
        }
    }
    return error;
}

/* From held to asleep. */
static hx_err leave(struct block_device *device, uint64_t deadline_ns)
{
    hx_err error = failpoint_step("suspend", "disk");

    if (error == HX_OK) {
        set_rest(device, BLOCK_LEAVING);
        block_signal(device, BLOCK_EVENT_REST);
        error = wait_until(device, is_asleep, deadline_ns);
    }
    return error;
}

hx_err block_suspend(struct block_device *device)
{
    uint64_t deadline_ns = hal_clock_now() + BLOCK_SUSPEND_NS;
    hx_err error;

    if (is_asleep(device)) {
        return HX_OK;
    }
    set_rest(device, BLOCK_HELD);
    error = wait_until(device, block_is_quiet, deadline_ns);
    if (error == HX_OK) {
        error = flush(device, deadline_ns);
    }
    if (error == HX_OK) {
        error = leave(device, deadline_ns);
    }
    if (error != HX_OK) {
        block_resume(device);
    }
    return error;
}

void block_resume(struct block_device *device)
{
    hal_interrupt_state state = spinlock_acquire(&device->lock);

    if (device->rest == BLOCK_ASLEEP) {
        device->down_since += hal_clock_now() - device->asleep_since;
    }
    device->rest = BLOCK_AWAKE;
    spinlock_release(&device->lock, state);
    block_signal(device, BLOCK_EVENT_SLOT | BLOCK_EVENT_PENDING);
}
