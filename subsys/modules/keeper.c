/* Watching over slots. */
#include <core/scheduling/scheduler_slot.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/modules/keeper.h>

#define BURY_LIMIT_NS (10 * HAL_NS_PER_MS) /* who is still inside is looked for again */
#define LOOK_AGAIN_NS (100 * HAL_NS_PER_MS)

enum { KEEPER_STOPPED, KEEPER_RUNS, KEEPER_SHALL_STOP };

static _Atomic uint32_t state;

static bool is_dead(const struct module_instance *instance)
{
    return instance != NULL && atomic_load_explicit(&instance->is_doomed, memory_order_acquire);
}

static void settle(struct slot *slot)
{
    struct swap_report *report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);

    if (report == NULL) {
        return; /* it is tried again */
    }
    if (hot_reload_settle(slot, HOT_RELOAD_JUDGE, report) != HX_ENOENT) {
        modules_note(slot, "settle", report);
    }
    heap_free(report);
}

/* Look after one slot; returns when it is to be looked at again. */
static uint64_t look_after(struct slot *slot)
{
    uint64_t until_ns;

    if (hot_reload_on_trial(slot, &until_ns)) {
        if (!atomic_load_explicit(&slot->trial.is_due, memory_order_relaxed) &&
            !is_dead(slot_instance(slot)) && hal_clock_now() < until_ns) {
            return until_ns;
        }
        settle(slot);
    }
    if (hot_reload_bury(slot, BURY_LIMIT_NS) != HX_OK) {
        return hal_clock_now() + LOOK_AGAIN_NS;
    }
    if (slot->category->number == HX_CATEGORY_SCHEDULER) {
        scheduler_slot_rescue();
    }
    return THREAD_NO_DEADLINE;
}

static uint64_t look_after_all(void)
{
    uint64_t next = THREAD_NO_DEADLINE;
    struct slot *slot;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        uint64_t again = look_after(slot);

        next = again < next ? again : next;
    }
    return next;
}

static void keep(void *argument)
{
    struct waiter waiter;

    (void)argument;
    wait_queue_prepare(&slot_troubles, &waiter);
    while (atomic_load_explicit(&state, memory_order_acquire) == KEEPER_RUNS) {
        (void)!wait_queue_wait(&slot_troubles, &waiter, look_after_all());
    }
    wait_queue_finish(&slot_troubles, &waiter);
    atomic_store_explicit(&state, KEEPER_STOPPED, memory_order_release);
    wait_queue_wake_all(&slot_troubles);
}

hx_err keeper_start(void)
{
    const struct thread_options options = {
        .name = "module keeper", .entry = keep, .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;
    hx_err error = thread_create(&options, &thread);

    if (error == HX_OK) {
        atomic_store_explicit(&state, KEEPER_RUNS, memory_order_relaxed);
        thread_start(thread);
    }
    return error;
}

void keeper_wake(void)
{
    wait_queue_wake_all(&slot_troubles);
}

void keeper_stop(void)
{
    struct waiter waiter;
    uint32_t expected = KEEPER_RUNS;
    hx_err error = HX_OK;

    if (!atomic_compare_exchange_strong_explicit(&state, &expected, KEEPER_SHALL_STOP,
                                                 memory_order_release, memory_order_relaxed)) {
        return;
    }
    wait_queue_prepare(&slot_troubles, &waiter);
    wait_queue_wake_all(&slot_troubles);
    while (atomic_load_explicit(&state, memory_order_acquire) != KEEPER_STOPPED && error == HX_OK) {
        error = wait_queue_wait(&slot_troubles, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&slot_troubles, &waiter);
}
